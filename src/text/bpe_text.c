/* Merges as text, in the file format of subword-nmt: "#version: 0.2", then a line "left right" for each, in the order
 * they were learned. The reader takes only what learning can write: every part is one character, or one with "</w>", or
 * the result of a line before. */
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

static const char header[] = "#version: 0.2";

char *heed_bpe_to_text(const heed_bpe *bpe)
{
    if (!bpe) {
        heed_fail(HEED_BAD_ARGUMENT, "bpe_to_text: bpe is NULL");
        return NULL;
    }
    int64_t bytes = (int64_t)sizeof(header) + 1;
    for (int64_t i = 0; i < bpe->n; i++) /* a space is as long as "\n" */
        bytes += bpe->symbols.entries[bpe->merges[i].made].bytes + 2;
    char *text = memory_get(bytes), *at = text;
    if (!text)
        return NULL;
    at += sprintf(at, "%s\n", header);
    for (int64_t i = 0; i < bpe->n; i++) {
        const table_entry *left = &bpe->symbols.entries[bpe->merges[i].left];
        const table_entry *right = &bpe->symbols.entries[bpe->merges[i].right];
        at += sprintf(at, "%s %s\n", left->text, right->text);
    }
    return text;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool refuse(int64_t number, text_span line, const char *why)
{
    char copy[48] = "", clean[64];
    memcpy(copy, line.text, (size_t)(line.bytes < 40 ? line.bytes : 40));
    return heed_fail(HEED_BAD_FORMAT, "bpe_from_text: line %lld, \"%s\": %s", (long long)number,
                     text_clean(clean, sizeof(clean), copy), why);
}

/* One part of a merge: a known symbol, or a character to become one. */
static int64_t part_symbol(heed_bpe *bpe, text_span part)
{
    int64_t symbol = table_find(&bpe->symbols, part.text, part.bytes);
    int32_t code;
    if (symbol >= 0)
        return symbol;
    int64_t step = text_decode(part.text, part.bytes, &code), rest = part.bytes - step;
    bool character = rest == 0 || (rest == 4 && memcmp(part.text + step, "</w>", 4) == 0);
    return character ? table_add(&bpe->symbols, part.text, part.bytes) : -1;
}

static bool read_merge(heed_bpe *bpe, int64_t number, text_span line)
{
    const char *space = memchr(line.text, ' ', (size_t)line.bytes);
    text_span parts[2] = { { line.text, space ? space - line.text : 0 }, { 0 } };
    int64_t symbols[2];
    if (text_invalid_at(line.text, line.bytes) >= 0)
        return refuse(number, line, "not valid UTF-8");
    if (text_control(line.text, line.bytes))
        return refuse(number, line, "a control character");
    if (parts[0].bytes > 0)
        parts[1] = (text_span){ space + 1, line.text + line.bytes - (space + 1) };
    for (int i = 0; i < 2; i++) {
        if (parts[i].bytes == 0 || text_has_space(parts[i].text, parts[i].bytes))
            return refuse(number, line, "not two subwords with a space between");
        if (parts[0].bytes + parts[1].bytes > BPE_SYMBOL)
            return refuse(number, line, "a subword longer than any word is cut in one piece");
    }
    for (int i = 0; i < 2; i++) {
        symbols[i] = part_symbol(bpe, parts[i]);
        if (symbols[i] < 0)
            return heed_error_pending()
                       ? false
                       : refuse(number, line,
                                i == 0 ? "its first part is no character, and no line before makes it"
                                       : "its second part is no character, and no line before makes it");
    }
    int32_t left = (int32_t)symbols[0], right = (int32_t)symbols[1], same = pairs_find(&bpe->ranks, left, right);
    char why[48];
    snprintf(why, sizeof(why), "the merge of line %d again", (int)same + 2);
    return same >= 0 ? refuse(number, line, why) : bpe_add_merge(bpe, left, right);
}

heed_bpe *heed_bpe_from_text(const char *text)
{
    if (!text) {
        heed_fail(HEED_BAD_ARGUMENT, "bpe_from_text: text is NULL");
        return NULL;
    }
    heed_bpe *bpe = bpe_new();
    bool ok = bpe != NULL;
    int64_t number = 1;
    for (const char *at = text; ok && (*at || number == 1); number++) {
        text_span line = { at, (int64_t)strcspn(at, "\n") };
        at += line.bytes + (at[line.bytes] == '\n');
        if (number > 1)
            ok = read_merge(bpe, number, line);
        else if (line.bytes != (int64_t)strlen(header) || memcmp(line.text, header, strlen(header)) != 0)
            ok = refuse(number, line, "the first line must be #version: 0.2");
    }
    if (ok)
        return bpe;
    heed_bpe_free(bpe);
    return NULL;
}
