/* Vocabularies: words or subwords and their counts, and after freezing their ids.
 *
 * Counting collects words in a table. Freezing sorts them by falling count, then by bytes, cuts the list, and from then on
 * an entry's number + 4 is its id. The specials are not in the table, so no text finds them.
 *
 * With merges, freezing first learns these from the counts and puts the pieces of every word in the words' place, each as
 * often as its words. A piece that goes on has "@@" behind it. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

static const char *const specials[HEED_SPECIALS] = { "<pad>", "<bos>", "<eos>", "<unk>" };

heed_vocab *heed_vocab_for(heed_text_desc text)
{
    heed_vocab *vocab = memory_get_zeroed(sizeof(*vocab));
    if (vocab && !table_open(&vocab->words)) {
        memory_put(vocab);
        return NULL;
    }
    if (vocab)
        vocab->text = text;
    return vocab;
}

heed_vocab *heed_vocab_new(void)
{
    return heed_vocab_for((heed_text_desc){ 0 });
}

void heed_vocab_free(heed_vocab *vocab)
{
    if (!vocab)
        return;
    table_close(&vocab->words);
    heed_bpe_free(vocab->bpe);
    memory_put(vocab);
}

bool vocab_check(const heed_vocab *vocab, bool frozen, const char *who)
{
    if (!vocab)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: vocab is NULL", who);
    if (vocab->frozen != frozen)
        return heed_fail(HEED_BAD_STATE, "%s: the vocabulary is %s frozen", who, frozen ? "not yet" : "already");
    return true;
}

/* ---- counting and freezing --------------------------------------------------------------------------------------- */

bool heed_vocab_count(heed_vocab *vocab, const char *line)
{
    heed_words words;
    if (!vocab_check(vocab, false, "vocab_count") || !words_split(line, vocab->text, &words))
        return false;
    bool ok = true;
    for (int64_t i = 0; ok && i < words.count; i++) { /* first make all of them known, so that a failure counts none */
        int64_t bytes = (int64_t)strlen(words.words[i]);
        if (text_control(words.words[i], bytes))
            words.words[i] = "";
        else
            ok = table_add(&vocab->words, words.words[i], bytes) >= 0;
    }
    for (int64_t i = 0; ok && i < words.count; i++)
        if (*words.words[i])
            vocab->words.entries[table_find(&vocab->words, words.words[i], (int64_t)strlen(words.words[i]))].count++;
    heed_words_free(&words);
    return ok;
}

heed_bpe *heed_bpe_learn(const heed_vocab *words, heed_bpe_desc desc)
{
    if (!words || words->bpe || desc.merges < 1 || desc.min_count < 0) {
        heed_fail(HEED_BAD_ARGUMENT, "bpe_learn: %s; merges is %lld and min_count %lld",
                  !words       ? "words is NULL"
                  : words->bpe ? "words are cut already"
                               : "something is below 1",
                  (long long)desc.merges, (long long)desc.min_count);
        return NULL;
    }
    return bpe_learn(&words->words, desc.merges, desc.min_count > 0 ? desc.min_count : 2);
}

/* Adds the pieces of a word, each so many times. */
static bool count_pieces(const heed_bpe *bpe, const table_entry *word, text_table *pieces)
{
    bpe_piece *cut = memory_get((word->bytes + 1) * (int64_t)sizeof(*cut));
    char *text = cut ? memory_get(word->bytes + 2) : NULL;
    bool ok = text != NULL;
    int64_t n = ok ? bpe_cut(bpe, word->text, word->bytes, NULL, cut) : 0;
    for (int64_t i = 0; ok && i < n; i++) {
        int64_t end = i + 1 < n ? cut[i + 1].at : word->bytes;
        int64_t number =
            table_add(pieces, text, bpe_piece_text(word->text + cut[i].at, end - cut[i].at, i + 1 < n, text));
        ok = number >= 0;
        if (ok)
            pieces->entries[number].count += word->count;
    }
    memory_put(cut);
    memory_put(text);
    return ok;
}

/* Learns merges and makes the table one of pieces. */
static bool cut_words(heed_vocab *vocab, heed_bpe_desc desc)
{
    text_table pieces;
    vocab->bpe = heed_bpe_learn(vocab, desc);
    if (!vocab->bpe)
        return false;
    bool ok = table_open(&pieces);
    for (int64_t i = 0; ok && i < vocab->words.n; i++)
        ok = count_pieces(vocab->bpe, &vocab->words.entries[i], &pieces);
    if (ok) {
        table_close(&vocab->words);
        vocab->words = pieces;
        return true;
    }
    table_close(&pieces);
    heed_bpe_free(vocab->bpe);
    vocab->bpe = NULL;
    return false;
}

static int by_count_then_bytes(const void *a, const void *b)
{
    const table_entry *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->text, y->text);
}

bool heed_vocab_freeze(heed_vocab *vocab, heed_vocab_desc desc)
{
    if (!vocab_check(vocab, false, "vocab_freeze"))
        return false;
    if (desc.min_count < 0 || desc.max_size < 0 || (desc.max_size > 0 && desc.max_size < HEED_SPECIALS))
        return heed_fail(HEED_BAD_ARGUMENT, "vocab_freeze: max_size is %lld (want 0 or at least %d), min_count %lld",
                         (long long)desc.max_size, HEED_SPECIALS, (long long)desc.min_count);
    if (desc.bpe.merges != 0 && !cut_words(vocab, desc.bpe))
        return false;
    text_table *words = &vocab->words;
    if (words->n > 0)
        qsort(words->entries, (size_t)words->n, sizeof(table_entry), by_count_then_bytes);
    int64_t least = desc.min_count > 0 ? desc.min_count : 1, n = 0;
    int64_t most = desc.max_size > 0 ? desc.max_size - HEED_SPECIALS : INT64_MAX;
    while (n < words->n && n < most && words->entries[n].count >= least)
        n++;
    words->n = n;
    table_renumber(words);
    return vocab->frozen = true;
}

/* ---- ids --------------------------------------------------------------------------------------------------------- */

int32_t heed_vocab_size(const heed_vocab *vocab)
{
    return HEED_SPECIALS + (vocab && vocab->frozen ? (int32_t)vocab->words.n : 0);
}

const char *heed_vocab_word(const heed_vocab *vocab, int32_t id)
{
    if (id < 0 || id >= heed_vocab_size(vocab))
        return NULL;
    return id < HEED_SPECIALS ? specials[id] : vocab->words.entries[id - HEED_SPECIALS].text;
}

const heed_bpe *heed_vocab_bpe(const heed_vocab *vocab)
{
    return vocab ? vocab->bpe : NULL;
}

static int32_t id_of(const heed_vocab *vocab, const char *word, int64_t bytes)
{
    int64_t i = table_find(&vocab->words, word, bytes);
    return i < 0 ? HEED_UNK : (int32_t)i + HEED_SPECIALS;
}

int32_t heed_vocab_id(const heed_vocab *vocab, const char *word)
{
    return vocab && vocab->frozen && word ? id_of(vocab, word, (int64_t)strlen(word)) : HEED_UNK;
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
    return id_of(vocab, room, end - room);
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

/* Where ids go; those beyond room are only counted. */
typedef struct {
    int32_t *ids;
    int64_t n, room, unknown;
} id_list;

static void put_id(id_list *out, int32_t id)
{
    if (out->n < out->room)
        out->ids[out->n] = id;
    out->n++;
    out->unknown += id == HEED_UNK;
}

/* scratch has room for the word and two marks, twice as much behind that. */
static void put_word(const heed_vocab *vocab, const char *word, int64_t bytes, char *scratch, id_list *out)
{
    words_body body = words_unmarked(word, bytes);
    int32_t id = id_any_marks(vocab, scratch, body);
    put_id(out, id != HEED_UNK ? id : id_any_marks(vocab, scratch, lower(scratch + 2 * bytes + 32, body)));
}

/* A piece, or if it is unknown those it was merged from, as subword-nmt --vocabulary does. No symbol has more than
 * BPE_LONGEST characters, so this goes no deeper. */
static void put_piece(const heed_vocab *vocab, int32_t symbol, const char *text, int64_t bytes, bool goes_on,
                      char *scratch, id_list *out)
{
    int32_t id = id_of(vocab, scratch, bpe_piece_text(text, bytes, goes_on, scratch));
    const bpe_merge *made = id == HEED_UNK ? bpe_made_by(vocab->bpe, symbol) : NULL;
    int64_t left = made ? vocab->bpe->symbols.entries[made->left].bytes : bytes;
    if (left >= bytes) { /* also where a literal "</w>" of the text was merged, and left reaches into it */
        put_id(out, id);
        return;
    }
    put_piece(vocab, made->left, text, left, true, scratch, out);
    put_piece(vocab, made->right, text + left, bytes - left, goes_on, scratch, out);
}

static bool put_pieces(const heed_vocab *vocab, const char *word, int64_t bytes, bpe_dropper *dropper, char *scratch,
                       id_list *out)
{
    bpe_piece *pieces = memory_get((bytes + 1) * (int64_t)sizeof(*pieces));
    int64_t n = pieces ? bpe_cut(vocab->bpe, word, bytes, dropper, pieces) : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t end = i + 1 < n ? pieces[i + 1].at : bytes;
        put_piece(vocab, pieces[i].symbol, word + pieces[i].at, end - pieces[i].at, i + 1 < n, scratch, out);
    }
    memory_put(pieces);
    return pieces != NULL;
}

static bool put_words(const heed_vocab *vocab, const heed_words *words, const heed_bpe_dropout *dropout, id_list *out)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < words->count; i++)
        longest = (int64_t)strlen(words->words[i]) > longest ? (int64_t)strlen(words->words[i]) : longest;
    if (longest > INT32_MAX / 8)
        return heed_fail(HEED_BAD_SHAPE, "vocab_encode: a word of %lld bytes is too long", (long long)longest);
    char *scratch = memory_get(4 * longest + 64);
    bool ok = scratch != NULL, dropping = dropout && dropout->p > 0;
    bpe_dropper dropper = { 0 };
    if (dropping)
        dropper = (bpe_dropper){ dropout->p, dropout->rng, 0 };
    for (int64_t i = 0; ok && i < words->count; i++) {
        int64_t bytes = (int64_t)strlen(words->words[i]);
        if (vocab->bpe)
            ok = put_pieces(vocab, words->words[i], bytes, dropping ? &dropper : NULL, scratch, out);
        else
            put_word(vocab, words->words[i], bytes, scratch, out);
    }
    memory_put(scratch);
    return ok;
}

int64_t heed_vocab_encode_with(const heed_vocab *vocab, const char *line, const heed_bpe_dropout *dropout, int32_t *ids,
                               int64_t room, int64_t *unknown)
{
    heed_words words;
    id_list out = { .ids = ids, .room = room };
    if (!vocab_check(vocab, true, "vocab_encode"))
        return -1;
    if (room < 0 || (room > 0 && !ids)) {
        heed_fail(HEED_BAD_ARGUMENT, "vocab_encode: ids is %s, room %lld", ids ? "given" : "NULL", (long long)room);
        return -1;
    }
    if (!words_split(line, vocab->text, &words))
        return -1;
    bool ok = put_words(vocab, &words, dropout, &out);
    heed_words_free(&words);
    if (ok && out.n > room)
        ok = heed_fail(HEED_BAD_SHAPE, "vocab_encode: %lld %s, and room for %lld ids", (long long)out.n,
                       vocab->bpe ? "subwords" : "words", (long long)room);
    if (ok && unknown)
        *unknown = out.unknown;
    return ok ? out.n : -1;
}

int64_t heed_vocab_encode(const heed_vocab *vocab, const char *line, int32_t *ids, int64_t room, int64_t *unknown)
{
    return heed_vocab_encode_with(vocab, line, NULL, ids, room, unknown);
}

/* ---- ids as a line ----------------------------------------------------------------------------------------------- */

/* The words with a space between each two. */
static char *spaced_line(const char *const *words, int64_t n)
{
    int64_t bytes = 1, at = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += (int64_t)strlen(words[i]) + 1;
    char *line = memory_get(bytes);
    for (int64_t i = 0; line && i < n; i++)
        at += snprintf(line + at, (size_t)(bytes - at), "%s%s", i > 0 ? " " : "", words[i]);
    if (line)
        line[at] = 0;
    return line;
}

/* Pieces as a line of whole words, which are joined by their marks unless the text was tokenised already. */
static char *whole_line(const heed_vocab *vocab, const char **words, int64_t n)
{
    if (!vocab->bpe)
        return vocab->text.spaced ? spaced_line(words, n) : heed_words_join(words, n);
    char *cut = spaced_line(words, n), *line = cut ? heed_bpe_join(cut) : NULL;
    memory_put(cut);
    if (vocab->text.spaced || !line)
        return line;
    int64_t count = 0;
    for (char *word = strtok_r(line, " ", &cut); word; word = strtok_r(NULL, " ", &cut))
        words[count++] = word; /* not more than there were pieces */
    char *joined = heed_words_join(words, count);
    memory_put(line);
    return joined;
}

char *heed_vocab_decode(const heed_vocab *vocab, const int32_t *ids, int64_t count)
{
    if (!vocab_check(vocab, true, "vocab_decode"))
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
    char *line = whole_line(vocab, words, n);
    memory_put(words);
    return line;
}
