/* Vocabularies: words and their counts, and after freezing their ids.
 *
 * Words are entries in an array, found through an open-addressing table of indices (linear probing, at most half full).
 * Freezing sorts the array by falling count, then by bytes, cuts it, and from then on an entry's index + 4 is its id.
 * The specials are not in the table, so no text finds them.
 *
 * As JSON a vocabulary is [["the",41],["cat",7],...] in the order of the ids. The reader takes nothing else: no other
 * types, no negative count, no empty or doubled word, no invalid UTF-8, no NUL, nothing behind the end. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

typedef struct {
    const char *word; /* in the vocabulary's store */
    int64_t count;
} entry;

struct heed_vocab {
    entry *entries; /* [room], the first n in use */
    int32_t *slots; /* [2^k], indices of entries; -1: free */
    int64_t n, room, n_slots;
    text_store text;
    bool frozen;
};

static const char *const specials[HEED_SPECIALS] = { "<pad>", "<bos>", "<eos>", "<unk>" };
enum { FEWEST_SLOTS = 256 };

heed_vocab *heed_vocab_new(void)
{
    heed_vocab *vocab = memory_get_zeroed(sizeof(*vocab));
    if (vocab && !text_store_open(&vocab->text)) {
        memory_put(vocab);
        return NULL;
    }
    return vocab;
}

void heed_vocab_free(heed_vocab *vocab)
{
    if (!vocab)
        return;
    text_store_close(&vocab->text);
    memory_put(vocab->entries);
    memory_put(vocab->slots);
    memory_put(vocab);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static uint64_t
hash_word(const char *word) /* 64-bit FNV-1a, its high bits mixed into the low ones that choose the slot */
{
    uint64_t hash = heed_rng_stream(word);
    return hash ^ (hash >> 32);
}

/* Where the word is, or where it would go. */
static int32_t *find_slot(const heed_vocab *vocab, const char *word)
{
    uint64_t last = (uint64_t)vocab->n_slots - 1, at = hash_word(word) & last;
    while (vocab->slots[at] >= 0 && strcmp(vocab->entries[vocab->slots[at]].word, word) != 0)
        at = (at + 1) & last;
    return &vocab->slots[at];
}

static void fill_slots(heed_vocab *vocab)
{
    for (int64_t i = 0; i < vocab->n_slots; i++)
        vocab->slots[i] = -1;
    for (int64_t i = 0; i < vocab->n; i++)
        *find_slot(vocab, vocab->entries[i].word) = (int32_t)i;
}

static int64_t find(const heed_vocab *vocab, const char *word)
{
    return vocab->slots ? *find_slot(vocab, word) : -1;
}

/* Room for one more entry, in the array and in the table. */
static bool make_room(heed_vocab *vocab)
{
    if (vocab->n == INT32_MAX - HEED_SPECIALS)
        return heed_fail(HEED_BAD_SHAPE, "vocab: more than %d words", INT32_MAX - HEED_SPECIALS);
    if (vocab->n == vocab->room) {
        int64_t room = vocab->room ? 2 * vocab->room : FEWEST_SLOTS / 2, size = (int64_t)sizeof(entry);
        entry *entries = memory_grow(vocab->entries, vocab->n * size, room * size);
        if (!entries)
            return false;
        vocab->entries = entries;
        vocab->room = room;
    }
    if (2 * (vocab->n + 1) > vocab->n_slots) {
        int64_t n_slots = vocab->n_slots ? 2 * vocab->n_slots : FEWEST_SLOTS;
        int32_t *slots = memory_get(n_slots * (int64_t)sizeof(int32_t));
        if (!slots)
            return false;
        memory_put(vocab->slots);
        vocab->slots = slots;
        vocab->n_slots = n_slots;
        fill_slots(vocab);
    }
    return true;
}

/* The index of a word, which is added if it is new; -1: error. */
static int64_t intern(heed_vocab *vocab, const char *word)
{
    int64_t i = find(vocab, word);
    if (i >= 0)
        return i;
    if (!make_room(vocab))
        return -1;
    const char *copy = text_store_add(&vocab->text, word, (int64_t)strlen(word));
    if (!copy)
        return -1;
    *find_slot(vocab, word) = (int32_t)vocab->n;
    vocab->entries[vocab->n] = (entry){ .word = copy };
    return vocab->n++;
}

/* ---- counting and freezing --------------------------------------------------------------------------------------- */

static bool check_state(const heed_vocab *vocab, bool frozen, const char *who)
{
    if (!vocab)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: vocab is NULL", who);
    if (vocab->frozen != frozen)
        return heed_fail(HEED_BAD_STATE, "%s: the vocabulary is %s frozen", who, frozen ? "not yet" : "already");
    return true;
}

bool heed_vocab_count(heed_vocab *vocab, const char *line)
{
    heed_words words;
    if (!check_state(vocab, false, "vocab_count") || !heed_words_split(line, &words))
        return false;
    bool ok = true;
    for (int64_t i = 0; ok && i < words.count; i++) /* first make all of them known, so that a failure counts none */
        ok = intern(vocab, words.words[i]) >= 0;
    for (int64_t i = 0; ok && i < words.count; i++)
        vocab->entries[find(vocab, words.words[i])].count++;
    heed_words_free(&words);
    return ok;
}

static int by_count_then_bytes(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->word, y->word);
}

bool heed_vocab_freeze(heed_vocab *vocab, heed_vocab_desc desc)
{
    if (!check_state(vocab, false, "vocab_freeze"))
        return false;
    if (desc.min_count < 0 || desc.max_size < 0 || (desc.max_size > 0 && desc.max_size < HEED_SPECIALS))
        return heed_fail(HEED_BAD_ARGUMENT, "vocab_freeze: max_size is %lld (want 0 or at least %d), min_count %lld",
                         (long long)desc.max_size, HEED_SPECIALS, (long long)desc.min_count);
    if (vocab->n > 0)
        qsort(vocab->entries, (size_t)vocab->n, sizeof(entry), by_count_then_bytes);
    int64_t least = desc.min_count > 0 ? desc.min_count : 1, n = 0;
    int64_t most = desc.max_size > 0 ? desc.max_size - HEED_SPECIALS : INT64_MAX;
    while (n < vocab->n && n < most && vocab->entries[n].count >= least)
        n++;
    vocab->n = n;
    fill_slots(vocab);
    return vocab->frozen = true;
}

/* ---- ids --------------------------------------------------------------------------------------------------------- */

int32_t heed_vocab_size(const heed_vocab *vocab)
{
    return HEED_SPECIALS + (vocab && vocab->frozen ? (int32_t)vocab->n : 0);
}

const char *heed_vocab_word(const heed_vocab *vocab, int32_t id)
{
    if (id < 0 || id >= heed_vocab_size(vocab))
        return NULL;
    return id < HEED_SPECIALS ? specials[id] : vocab->entries[id - HEED_SPECIALS].word;
}

int32_t heed_vocab_id(const heed_vocab *vocab, const char *word)
{
    int64_t i = vocab && vocab->frozen && word ? find(vocab, word) : -1;
    return i < 0 ? HEED_UNK : (int32_t)i + HEED_SPECIALS;
}

/* The id of a body with some join marks; room holds the body and two marks. */
static int32_t id_marked(const heed_vocab *vocab, char *room, bool before, words_body body, bool after)
{
    char *end = room;
    if (before)
        memcpy(end, TEXT_JOINER, TEXT_JOINER_BYTES), end += TEXT_JOINER_BYTES;
    memcpy(end, body.text, (size_t)body.bytes), end += body.bytes;
    if (after)
        memcpy(end, TEXT_JOINER, TEXT_JOINER_BYTES), end += TEXT_JOINER_BYTES;
    *end = 0;
    return heed_vocab_id(vocab, room);
}

/* With the marks it has, with none, and with the other ones: what was typed "cold." is known as "cold .", and back. */
static int32_t id_any_marks(const heed_vocab *vocab, char *room, words_body body)
{
    int32_t id = id_marked(vocab, room, body.before, body, body.after);
    for (int i = 0; i < 3 && id == HEED_UNK; i++)
        id = id_marked(vocab, room, i == 1, body, i == 2);
    return id;
}

/* In lower case, at room. */
static words_body lower(char *room, words_body body)
{
    body.bytes = text_lower(body.text, body.bytes, room);
    body.text = room;
    return body;
}

int64_t heed_vocab_encode(const heed_vocab *vocab, const char *line, int32_t *ids, int64_t room, int64_t *unknown)
{
    heed_words words;
    if (!check_state(vocab, true, "vocab_encode"))
        return -1;
    if (room < 0 || (room > 0 && !ids)) {
        heed_fail(HEED_BAD_ARGUMENT, "vocab_encode: ids is %s, room %lld", ids ? "given" : "NULL", (long long)room);
        return -1;
    }
    if (!heed_words_split(line, &words))
        return -1;
    int64_t count = words.count, longest = 0, missed = 0;
    for (int64_t i = 0; i < count; i++)
        longest = (int64_t)strlen(words.words[i]) > longest ? (int64_t)strlen(words.words[i]) : longest;
    char *scratch = NULL; /* a word as it is looked up, and its lower case */
    if (count > room)
        heed_fail(HEED_BAD_SHAPE, "vocab_encode: %lld words, and room for %lld ids", (long long)count, (long long)room);
    else
        scratch = memory_get(4 * longest + 64);
    for (int64_t i = 0; scratch && i < count; i++) {
        words_body body = words_unmarked(words.words[i], (int64_t)strlen(words.words[i]));
        ids[i] = id_any_marks(vocab, scratch, body);
        if (ids[i] == HEED_UNK)
            ids[i] = id_any_marks(vocab, scratch, lower(scratch + 2 * longest + 32, body));
        missed += ids[i] == HEED_UNK;
    }
    if (scratch && unknown)
        *unknown = missed;
    heed_words_free(&words);
    memory_put(scratch);
    return scratch ? count : -1;
}

char *heed_vocab_decode(const heed_vocab *vocab, const int32_t *ids, int64_t count)
{
    if (!check_state(vocab, true, "vocab_decode"))
        return NULL;
    int64_t bytes, n = 0;
    if ((count > 0 && !ids) || !size_mul(count, (int64_t)sizeof(char *), &bytes)) {
        heed_fail(HEED_BAD_ARGUMENT, "vocab_decode: ids is %s, count %lld", ids ? "given" : "NULL", (long long)count);
        return NULL;
    }
    const char **words = memory_get(bytes);
    if (!words)
        return NULL;
    for (int64_t i = 0; i < count; i++) {
        const char *word = heed_vocab_word(vocab, ids[i]);
        if (!word) {
            heed_fail(HEED_BAD_ARGUMENT, "vocab_decode: id %d at %lld; the vocabulary has %d words", (int)ids[i],
                      (long long)i, (int)heed_vocab_size(vocab));
            memory_put(words);
            return NULL;
        }
        if (ids[i] >= HEED_UNK)
            words[n++] = word;
    }
    char *line = heed_words_join(words, n);
    memory_put(words);
    return line;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *text;
    int64_t used, room;
} json_text;

static int append(const char *part, size_t bytes, void *data)
{
    json_text *out = data;
    int64_t need = out->used + (int64_t)bytes + 1; /* a final NUL always fits */
    if (need > out->room) {
        int64_t room = need > 2 * out->room ? need : 2 * out->room;
        char *text = memory_grow(out->text, out->used, room);
        if (!text)
            return -1;
        out->text = text;
        out->room = room;
    }
    memcpy(out->text + out->used, part, bytes);
    out->used += (int64_t)bytes;
    return 0;
}

char *heed_vocab_to_json(const heed_vocab *vocab)
{
    if (!check_state(vocab, true, "vocab_to_json"))
        return NULL;
    json_t *root = json_array();
    bool ok = root != NULL;
    for (int64_t i = 0; ok && i < vocab->n; i++) {
        json_t *pair = json_pack("[s, I]", vocab->entries[i].word, (json_int_t)vocab->entries[i].count);
        ok = pair && json_array_append_new(root, pair) == 0;
    }
    json_text out = { 0 };
    ok = ok && json_dump_callback(root, append, &out, JSON_COMPACT) == 0;
    json_decref(root);
    if (!ok) {
        heed_fail(HEED_MEMORY, "vocab_to_json: out of memory"); /* dropped if memory_grow has spoken */
        memory_put(out.text);
        return NULL;
    }
    out.text[out.used] = 0;
    return out.text;
}

/* One [word, count] at position i. */
static bool add_entry(heed_vocab *vocab, const json_t *pair, int64_t i)
{
    const json_t *name = json_array_get(pair, 0), *count = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_string(name) || !json_is_integer(count))
        return heed_fail(HEED_BAD_FORMAT, "vocab_from_json: entry %lld is not [word, count]", (long long)i);
    const char *word = json_string_value(name);
    char clean[64];
    if (!*word || json_integer_value(count) < 0)
        return heed_fail(HEED_BAD_FORMAT,
                         "vocab_from_json: entry %lld, [\"%s\", %lld]: an empty word or negative count", (long long)i,
                         text_clean(clean, sizeof(clean), word), (long long)json_integer_value(count));
    int64_t at = intern(vocab, word);
    if (at < 0)
        return false;
    if (at < i)
        return heed_fail(HEED_BAD_FORMAT, "vocab_from_json: entries %lld and %lld are both \"%s\"", (long long)at,
                         (long long)i, text_clean(clean, sizeof(clean), word));
    vocab->entries[at].count = json_integer_value(count);
    return true;
}

heed_vocab *heed_vocab_from_json(const char *json)
{
    if (!json) {
        heed_fail(HEED_BAD_ARGUMENT, "vocab_from_json: json is NULL");
        return NULL;
    }
    json_error_t error;
    char clean[JSON_ERROR_TEXT_LENGTH];
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        heed_fail(HEED_MEMORY, "vocab_from_json: out of memory");
    else if (!root)
        heed_fail(HEED_BAD_FORMAT, "vocab_from_json: line %d, column %d: %s", error.line, error.column,
                  text_clean(clean, sizeof(clean), error.text));
    else if (!json_is_array(root))
        heed_fail(HEED_BAD_FORMAT, "vocab_from_json: not an array of [word, count]");
    heed_vocab *vocab = json_is_array(root) ? heed_vocab_new() : NULL;
    bool ok = vocab != NULL;
    for (int64_t i = 0; ok && i < (int64_t)json_array_size(root); i++)
        ok = add_entry(vocab, json_array_get(root, (size_t)i), i);
    json_decref(root);
    if (!ok) {
        heed_vocab_free(vocab);
        return NULL;
    }
    vocab->frozen = true;
    return vocab;
}
