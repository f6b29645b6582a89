/* BLEU (Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", ACL 2002), with the choices of
 * sacrebleu (Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018), so that the numbers are the same.
 *
 *     BLEU = BP exp(mean over n = 1..4 of log p_n),   BP = min(1, exp(1 - reference length / hypothesis length))
 *
 * p_n in percent is 100 matches / n-grams, both summed over the segments; a match counts at most as often as the n-gram
 * is in that segment's reference. Smoothing (Chen and Cherry, "A Systematic Comparison of Smoothing Techniques for
 * Sentence-Level BLEU", WMT 2014) is for orders without a match:
 *
 *     exp      the k-th such order gets 1 / (2^k n-grams)
 *     floor    matches become a small number
 *     add-k    k is added to matches and n-grams of the orders above 1
 *
 * No match at all, or without add-k an order without n-grams, gives 0.
 */
#include <math.h>
#include <stdio.h>

#include "internal.h"
#include "../tensor/internal.h"

/* The words of both sides as numbers, hypothesis first. */
static int32_t *number_words(const score_text sides[2], int64_t n[2])
{
    text_span *words = memory_get((sides[0].bytes + sides[1].bytes) * (int64_t)sizeof(*words));
    int32_t *units = NULL;
    if (!words)
        return NULL;
    n[0] = score_words(sides[0].text, sides[0].bytes, words);
    n[1] = score_words(sides[1].text, sides[1].bytes, words + n[0]);
    units = memory_get((n[0] + n[1]) * (int64_t)sizeof(*units));
    if (units && !ngrams_number(words, n[0] + n[1], units)) {
        memory_put(units);
        units = NULL;
    }
    memory_put(words);
    return units;
}

static void add_counts(heed_bleu *bleu, const int64_t n[2], const ngram_counts counts[HEED_BLEU_ORDERS])
{
    bleu->segments++;
    bleu->hypothesis_length += n[0];
    bleu->reference_length += n[1];
    for (int i = 0; i < HEED_BLEU_ORDERS; i++) {
        bleu->matches[i] += counts[i].match;
        bleu->ngrams[i] += counts[i].hyp;
    }
}

bool heed_bleu_add(heed_bleu *bleu, const char *hypothesis, const char *reference)
{
    if (!bleu)
        return heed_fail(HEED_BAD_ARGUMENT, "bleu_add: bleu is NULL");
    const char *texts[2] = { hypothesis, reference };
    static const char *const names[2] = { "hypothesis", "reference" };
    score_text sides[2] = { { 0 } };
    bool ok = true;
    for (int i = 0; ok && i < 2; i++)
        ok = score_side("bleu_add", names[i], texts[i], bleu->desc.lower, &sides[i]) &&
             (bleu->desc.words == HEED_BLEU_SPACED || tokenise_13a(&sides[i]));
    int64_t n[2];
    ngram_counts counts[HEED_BLEU_ORDERS];
    int32_t *units = ok ? number_words(sides, n) : NULL;
    ok = units && ngrams_match(units, n[0], n[1], HEED_BLEU_ORDERS, counts);
    if (ok)
        add_counts(bleu, n, counts);
    memory_put(units);
    memory_put(sides[0].text);
    memory_put(sides[1].text);
    return ok;
}

static double smoothing_value(heed_bleu_desc desc)
{
    return desc.smoothing_value > 0 ? desc.smoothing_value : desc.smoothing == HEED_SMOOTH_FLOOR ? 0.1 : 1;
}

/* p_n in percent, of the orders that have n-grams; returns how many these are. */
static int precisions(const heed_bleu *bleu, double precision[HEED_BLEU_ORDERS])
{
    double halved = 1, value = smoothing_value(bleu->desc);
    heed_bleu_smoothing smoothing = bleu->desc.smoothing;
    for (int i = 0; i < HEED_BLEU_ORDERS; i++) {
        double added = smoothing == HEED_SMOOTH_ADD_K && i > 0 ? value : 0;
        double matches = (double)bleu->matches[i] + added, ngrams = (double)bleu->ngrams[i] + added;
        if (ngrams <= 0)
            return i;
        if (matches <= 0 && smoothing == HEED_SMOOTH_EXP)
            matches = halved /= 2;
        else if (matches <= 0 && smoothing == HEED_SMOOTH_FLOOR)
            matches = value;
        precision[i] = 100 * matches / ngrams;
    }
    return HEED_BLEU_ORDERS;
}

heed_bleu_result heed_bleu_score(const heed_bleu *bleu)
{
    heed_bleu_result result = { .brevity_penalty = 1 };
    if (!bleu)
        return result;
    double hypothesis = (double)bleu->hypothesis_length, reference = (double)bleu->reference_length, sum = 0;
    if (hypothesis < reference)
        result.brevity_penalty = hypothesis > 0 ? exp(1 - reference / hypothesis) : 0;
    int64_t any = 0;
    for (int i = 0; i < HEED_BLEU_ORDERS; i++)
        any += bleu->matches[i];
    if (any == 0)
        return result;
    int orders = precisions(bleu, result.precision), counted = bleu->desc.effective_order ? orders : HEED_BLEU_ORDERS;
    for (int i = 0; i < counted; i++)
        sum += log(result.precision[i]); /* log 0 is -inf: the score is 0 */
    result.score = result.brevity_penalty * exp(sum / counted);
    return result;
}

const char *heed_bleu_signature(const heed_bleu *bleu, heed_score_buffer *room)
{
    static const char *const smoothings[] = { "exp", "floor", "add-k", "none" };
    heed_bleu_desc desc = bleu ? bleu->desc : (heed_bleu_desc){ 0 };
    bool valued = desc.smoothing == HEED_SMOOTH_FLOOR || desc.smoothing == HEED_SMOOTH_ADD_K;
    char value[24] = "";
    if (valued)
        snprintf(value, sizeof(value), "[%.2f]", smoothing_value(desc));
    snprintf(room->text, sizeof(room->text), "nrefs:1|case:%s|eff:%s|tok:%s|smooth:%s%s|version:heed-%s",
             desc.lower ? "lc" : "mixed", desc.effective_order ? "yes" : "no",
             desc.words == HEED_BLEU_SPACED ? "none" : "13a", smoothings[(unsigned)desc.smoothing % 4], value,
             heed_version());
    return room->text;
}
