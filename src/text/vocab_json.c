/* Vocabularies as JSON: [["the",41],["cat",7],...] in the order of the ids, or if lines are prepared or words cut, an
 * object with that list as its "words":
 *
 *     {"spaced":true,"compose":true,"lower":true,"merges":"#version: 0.2\nt h\n...","words":[["the@@",41],...]}
 *
 * The reader takes nothing else: no other types or keys, no negative count, no empty or doubled word, no white space or
 * control character in one, no invalid UTF-8, no NUL, nothing behind the end. */
#include <jansson.h>
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

static const char from[] = "vocab_from_json";

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

static json_t *words_array(const text_table *words)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < words->n; i++) {
        json_t *pair = json_pack("[s, I]", words->entries[i].text, (json_int_t)words->entries[i].count);
        if (json_array_append_new(list, pair) != 0) { /* of NULL too */
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* The object around the list, which it takes. */
static json_t *with_settings(const heed_vocab *vocab, json_t *list)
{
    char *merges = vocab->bpe ? heed_bpe_to_text(vocab->bpe) : NULL;
    json_t *root = list && (merges || !vocab->bpe)
                       ? json_pack("{s:b, s:b, s:b}", "spaced", vocab->text.spaced, "compose", vocab->text.compose,
                                   "lower", vocab->text.lower)
                       : NULL;
    bool ok = root && (!merges || json_object_set_new(root, "merges", json_string(merges)) == 0) &&
              json_object_set(root, "words", list) == 0;
    json_decref(list);
    memory_put(merges);
    if (!ok) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

char *heed_vocab_to_json(const heed_vocab *vocab)
{
    if (!vocab_check(vocab, true, "vocab_to_json"))
        return NULL;
    json_t *root = words_array(&vocab->words);
    if (vocab->bpe || vocab->text.spaced || vocab->text.compose || vocab->text.lower)
        root = with_settings(vocab, root);
    json_text out = { 0 };
    bool ok = root && json_dump_callback(root, append, &out, JSON_COMPACT) == 0;
    json_decref(root);
    if (!ok) {
        heed_fail(HEED_MEMORY, "vocab_to_json: out of memory"); /* dropped if memory_grow has spoken */
        memory_put(out.text);
        return NULL;
    }
    out.text[out.used] = 0;
    return out.text;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* One [word, count] at position i. */
static bool add_entry(text_table *words, const json_t *pair, int64_t i)
{
    const json_t *name = json_array_get(pair, 0), *count = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_string(name) || !json_is_integer(count))
        return heed_fail(HEED_BAD_FORMAT, "%s: entry %lld is not [word, count]", from, (long long)i);
    const char *word = json_string_value(name);
    int64_t bytes = (int64_t)json_string_length(name);
    char clean[64];
    bool unfit = bytes == 0 || text_has_space(word, bytes) || text_control(word, bytes);
    if (unfit || json_integer_value(count) < 0)
        return heed_fail(HEED_BAD_FORMAT, "%s: entry %lld, [\"%s\", %lld]: %s", from, (long long)i,
                         text_clean(clean, sizeof(clean), word), (long long)json_integer_value(count),
                         bytes == 0 ? "an empty word"
                         : unfit    ? "white space or a control character in a word"
                                    : "a negative count");
    int64_t at = table_add(words, word, bytes);
    if (at < 0)
        return false;
    if (at < i)
        return heed_fail(HEED_BAD_FORMAT, "%s: entries %lld and %lld are both \"%s\"", from, (long long)at,
                         (long long)i, text_clean(clean, sizeof(clean), word));
    words->entries[at].count = json_integer_value(count);
    return true;
}

static bool read_settings(heed_vocab *vocab, json_t *root)
{
    static const char *const names[] = { "spaced", "compose", "lower", "merges", "words" };
    bool *flags[] = { &vocab->text.spaced, &vocab->text.compose, &vocab->text.lower };
    for (int i = 0; i < 5; i++) {
        const json_t *value = json_object_get(root, names[i]);
        if (i == 3 && !value)
            continue;
        if (i < 3 ? !json_is_boolean(value) : i == 3 ? !json_is_string(value) : !json_is_array(value))
            return heed_fail(HEED_BAD_FORMAT, "%s: \"%s\" is %s", from, names[i],
                             value ? "of another type" : "missing");
        if (i < 3)
            *flags[i] = json_is_true(value);
    }
    const json_t *merges = json_object_get(root, "merges");
    if (json_object_size(root) != (merges ? 5 : 4))
        return heed_fail(HEED_BAD_FORMAT, "%s: the object has %d keys, and one of them is unknown", from,
                         (int)json_object_size(root));
    vocab->bpe = merges ? heed_bpe_from_text(json_string_value(merges)) : NULL;
    return vocab->bpe || !merges;
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
    heed_vocab *vocab = root ? heed_vocab_new() : NULL;
    bool ok = vocab && (json_is_array(root) || read_settings(vocab, root));
    json_t *list = json_is_array(root) ? root : json_object_get(root, "words");
    for (int64_t i = 0; ok && i < (int64_t)json_array_size(list); i++)
        ok = add_entry(&vocab->words, json_array_get(list, (size_t)i), i);
    json_decref(root);
    if (!ok) {
        heed_vocab_free(vocab);
        return NULL;
    }
    vocab->frozen = true;
    return vocab;
}
