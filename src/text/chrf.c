/* chrF (Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015) and chrF++ (Popović, WMT 2017),
 * with the choices of sacrebleu.
 *
 *     chrF = 100 (1 + b^2) P R / (b^2 P + R),   b = 2
 *
 * P and R, precision and recall, are averaged over the orders that have n-grams on both sides: characters 1 to 6 without
 * white space, and for chrF++ words 1 to word_order. Counts are summed over the segments first; where a segment's
 * reference has no n-gram of an order, those of the hypothesis do not count.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

enum { CHARACTERS = 6, BETA_SQUARED = 4 };

/* The characters that are not white space; returns how many. */
static int64_t characters(const score_text *side, int32_t *units)
{
    int64_t n = 0;
    for (int64_t at = 0; at < side->bytes;) {
        at += text_decode(side->text + at, side->bytes - at, &units[n]);
        n += !score_space(units[n]);
    }
    return n;
}

static bool is_ascii_punctuation(char c)
{
    return c > ' ' && c < 0x7F && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c);
}

/* Words, with one punctuation character cut off the end of each or, if there is none, off its start. */
static int64_t words_of(const score_text *side, text_span *words, text_span *room)
{
    int64_t n = score_words(side->text, side->bytes, room), m = 0;
    for (int64_t i = 0; i < n; i++) {
        text_span w = room[i];
        int32_t code;
        bool single = text_decode(w.text, w.bytes, &code) == w.bytes;
        int64_t cut = single                                      ? 0
                      : is_ascii_punctuation(w.text[w.bytes - 1]) ? w.bytes - 1
                      : is_ascii_punctuation(w.text[0])           ? 1
                                                                  : 0;
        if (cut > 0)
            words[m++] = (text_span){ w.text, cut };
        words[m++] = (text_span){ w.text + cut, w.bytes - cut };
    }
    return m;
}

static bool count_characters(const score_text sides[2], ngram_counts *counts)
{
    int32_t *units = memory_get((sides[0].bytes + sides[1].bytes + 1) * (int64_t)sizeof(*units));
    if (!units)
        return false;
    int64_t hyp = characters(&sides[0], units), ref = characters(&sides[1], units + hyp);
    bool ok = ngrams_match(units, hyp, ref, CHARACTERS, counts);
    memory_put(units);
    return ok;
}

static bool count_words(const score_text sides[2], int orders, ngram_counts *counts)
{
    int64_t most = sides[0].bytes + sides[1].bytes;
    text_span *words = memory_get(2 * most * (int64_t)sizeof(*words));
    int32_t *units = memory_get(most * (int64_t)sizeof(*units));
    bool ok = words && units;
    if (ok) {
        int64_t hyp = words_of(&sides[0], words, words + most);
        int64_t ref = words_of(&sides[1], words + hyp, words + most);
        ok = ngrams_number(words, hyp + ref, units) && ngrams_match(units, hyp, ref, orders, counts);
    }
    memory_put(words);
    memory_put(units);
    return ok;
}

bool heed_chrf_add(heed_chrf *chrf, const char *hypothesis, const char *reference)
{
    if (!chrf || chrf->desc.word_order < 0 || chrf->desc.word_order > HEED_CHRF_ORDERS - CHARACTERS)
        return heed_fail(HEED_BAD_ARGUMENT, "chrf_add: chrf is NULL, or word_order is not 0 (chrF), 1 or 2 (chrF++)");
    score_text sides[2] = { { 0 } };
    ngram_counts counts[HEED_CHRF_ORDERS] = { { 0 } };
    int orders = CHARACTERS + chrf->desc.word_order;
    bool ok = score_side("chrf_add", "hypothesis", hypothesis, chrf->desc.lower, &sides[0]) &&
              score_side("chrf_add", "reference", reference, chrf->desc.lower, &sides[1]) &&
              count_characters(sides, counts) &&
              (orders == CHARACTERS || count_words(sides, chrf->desc.word_order, counts + CHARACTERS));
    chrf->segments += ok;
    for (int i = 0; ok && i < orders; i++) {
        chrf->hypothesis[i] += counts[i].ref > 0 ? counts[i].hyp : 0;
        chrf->reference[i] += counts[i].ref;
        chrf->matches[i] += counts[i].match;
    }
    memory_put(sides[0].text);
    memory_put(sides[1].text);
    return ok;
}

double heed_chrf_score(const heed_chrf *chrf)
{
    double precision = 0, recall = 0;
    int orders = 0;
    for (int i = 0; chrf && i < HEED_CHRF_ORDERS; i++)
        if (chrf->hypothesis[i] > 0 && chrf->reference[i] > 0) {
            precision += (double)chrf->matches[i] / (double)chrf->hypothesis[i];
            recall += (double)chrf->matches[i] / (double)chrf->reference[i];
            orders++;
        }
    if (precision + recall <= 0)
        return 0;
    precision /= orders;
    recall /= orders;
    return 100 * (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall);
}

const char *heed_chrf_signature(const heed_chrf *chrf, heed_score_buffer *room)
{
    heed_chrf_desc desc = chrf ? chrf->desc : (heed_chrf_desc){ 0 };
    snprintf(room->text, sizeof(room->text), "nrefs:1|case:%s|eff:yes|nc:%d|nw:%d|space:no|version:heed-%s",
             desc.lower ? "lc" : "mixed", CHARACTERS, desc.word_order, heed_version());
    return room->text;
}
