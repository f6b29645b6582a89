/* Counting the n-grams two sequences share, for BLEU and chrF.
 *
 * An n-gram of numbers is itself numbered: that of order n at place i is the pair (number of order n-1 at i, unit at
 * i + n - 1), and sorting the pairs of both sequences gives equal ones equal numbers. So each order is one sort, however
 * long the n-grams.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

typedef struct {
    uint64_t key;
    int32_t at;
} gram;

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const gram *)a)->key, y = ((const gram *)b)->key;
    return x < y ? -1 : x > y;
}

/* Of sorted grams, what both sides have; numbers (may be units of the order before) gets each gram's number. */
static ngram_counts count_sorted(const gram *grams, int64_t n, int64_t n_hyp, int32_t *numbers)
{
    ngram_counts counts = { 0 };
    int32_t number = 0;
    for (int64_t from = 0, to; from < n; from = to, number++) {
        int64_t hyp = 0;
        for (to = from; to < n && grams[to].key == grams[from].key; to++) {
            hyp += grams[to].at < n_hyp;
            numbers[grams[to].at] = number;
        }
        int64_t ref = to - from - hyp;
        counts.hyp += hyp;
        counts.ref += ref;
        counts.match += hyp < ref ? hyp : ref;
    }
    return counts;
}

bool ngrams_match(const int32_t *units, int64_t n_hyp, int64_t n_ref, int orders, ngram_counts *counts)
{
    int64_t total = n_hyp + n_ref;
    gram *grams = memory_get(total * (int64_t)sizeof(gram));
    int32_t *numbers = memory_get_zeroed(total * (int64_t)sizeof(int32_t));
    bool ok = grams && numbers;
    for (int order = 1; ok && order <= orders; order++) {
        int64_t n = 0;
        for (int64_t i = 0; i < total; i++)
            if (i + order <= (i < n_hyp ? n_hyp : total))
                grams[n++] =
                    (gram){ (uint64_t)(uint32_t)numbers[i] << 32 | (uint32_t)units[i + order - 1], (int32_t)i };
        if (n > 0)
            qsort(grams, (size_t)n, sizeof(*grams), by_key);
        counts[order - 1] = count_sorted(grams, n, n_hyp, numbers);
    }
    memory_put(grams);
    memory_put(numbers);
    return ok;
}

/* ---- words as numbers -------------------------------------------------------------------------------------------- */

typedef struct {
    text_span word;
    int64_t at;
} placed;

static int by_bytes(const void *a, const void *b)
{
    const text_span *x = &((const placed *)a)->word, *y = &((const placed *)b)->word;
    int order = memcmp(x->text, y->text, (size_t)(x->bytes < y->bytes ? x->bytes : y->bytes));
    return order ? order : x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

bool ngrams_number(const text_span *words, int64_t n, int32_t *units)
{
    placed *sorted = memory_get(n * (int64_t)sizeof(*sorted));
    if (!sorted)
        return false;
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (placed){ words[i], i };
    if (n > 0)
        qsort(sorted, (size_t)n, sizeof(*sorted), by_bytes);
    int32_t number = 0;
    for (int64_t i = 0; i < n; i++)
        units[sorted[i].at] = i > 0 && by_bytes(&sorted[i - 1], &sorted[i]) == 0 ? number : ++number;
    memory_put(sorted);
    return true;
}

/* ---- a segment's text -------------------------------------------------------------------------------------------- */

bool score_space(int32_t code)
{
    return text_space(code) || (code >= 0x1C && code <= 0x1F);
}

int64_t score_words(const char *text, int64_t bytes, text_span *words)
{
    int64_t n = 0, start = 0, at = 0;
    while (at < bytes) {
        int32_t code;
        int64_t step = text_decode(text + at, bytes - at, &code);
        if (score_space(code)) {
            if (at > start)
                words[n++] = (text_span){ text + start, at - start };
            start = at + step;
        }
        at += step;
    }
    if (at > start)
        words[n++] = (text_span){ text + start, at - start };
    return n;
}

bool score_side(const char *who, const char *name, const char *text, bool lower, score_text *out)
{
    *out = (score_text){ 0 };
    if (!text)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: %s is NULL", who, name);
    int64_t bytes = (int64_t)strlen(text), bad = text_invalid_at(text, bytes);
    if (bad >= 0)
        return heed_fail(HEED_BAD_FORMAT, "%s: byte %lld of the %s is not valid UTF-8", who, (long long)bad, name);
    if (bytes > INT32_MAX / 16)
        return heed_fail(HEED_BAD_SHAPE, "%s: a %s of %lld bytes is too long", who, name, (long long)bytes);
    out->text = memory_get(2 * bytes + 1);
    if (!out->text)
        return false;
    out->bytes = bytes;
    if (lower)
        out->bytes = text_lower(text, bytes, out->text);
    else
        memcpy(out->text, text, (size_t)bytes);
    return true;
}
