/* When a decision is right, and how sure a share is: decisions.h. */
#include "decisions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- buckets ------------------------------------------------------------------------------------------------------ */

const char *decisions_bucket_kind(bucket_kind kind)
{
    static const char *const names[] = { "all", "attractors", "distance", "cue_side", "cue", "variant" };
    return names[kind];
}

const char *decisions_bucket(const toy_decision *d, bucket_kind kind)
{
    static const char *const attractors[] = { "0", "1", "2", "3+" };
    static const char *const distances[] = { "0-2", "3-5", "6-8", "9+" };
    switch (kind) {
    case BUCKET_ALL:
        return "";
    case BUCKET_ATTRACTORS:
        return d->attractors < 0 ? NULL : attractors[d->attractors < 3 ? d->attractors : 3];
    case BUCKET_DISTANCE:
        return d->distance < 0 ? NULL : distances[d->distance < 9 ? d->distance / 3 : 3];
    case BUCKET_CUE_SIDE:
        return d->cue_side == 0 ? NULL : d->cue_side < 0 ? "left" : "right";
    case BUCKET_CUE:
        return d->cue == TOY_NO_CUE ? NULL : toy_cue_name(d->cue);
    case BUCKET_VARIANT:
        return d->variant;
    default:
        return NULL;
    }
}

/* ---- forced choice ------------------------------------------------------------------------------------------------ */

/* The sum over the vocabulary in log p = logit - log sum exp cancels in every comparison and difference here. */
choice decisions_choose(const heed_real *logits, int32_t right, const int32_t *wrong, int wrong_count)
{
    choice made = { .right = right != HEED_UNK };
    double best = -(double)INFINITY;
    for (int i = 0; i < wrong_count; i++) {
        if (wrong[i] == HEED_UNK)
            continue;
        double logit = (double)logits[wrong[i]];
        best = logit > best ? logit : best;
        made.right = made.right && (double)logits[right] > logit;
        made.has_margin = right != HEED_UNK;
    }
    if (made.has_margin)
        made.margin = (double)logits[right] - best;
    return made;
}

/* ---- free decoding ------------------------------------------------------------------------------------------------ */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* An edit, and what a replacement costs more: it breaks ties, so that of as many edits those with more matches win. */
enum { EDIT = 1 << 12, REPLACE = EDIT + 1 };

/* costs[i][j] = the least that makes reference[i..] of output[j..]; rows of output_count + 1. */
static void count_costs(const char *const *reference, int count, const char *const *output, int output_count,
                        int *costs)
{
    int width = output_count + 1;
    for (int i = count; i >= 0; i--)
        for (int j = output_count; j >= 0; j--) {
            int *at = costs + i * width + j;
            if (i == count || j == output_count)
                *at = EDIT * (count - i + output_count - j);
            else if (!strcmp(reference[i], output[j]))
                *at = at[width + 1]; /* never worse than the others */
            else
                *at = smaller(REPLACE + at[width + 1], EDIT + smaller(at[width], at[1]));
        }
}

bool decisions_align(const char *const *reference, int count, const char *const *output, int output_count, int *place)
{
    int width = output_count + 1, j = 0;
    int *costs = calloc((size_t)(count + 1) * (size_t)width, sizeof *costs);
    if (!costs)
        return false;
    count_costs(reference, count, output, output_count, costs);
    for (int i = 0; i < count; i++) {
        const int *row = costs + i * width;
        int k = j; /* skips to a match as long as that costs no more */
        while (k < output_count && strcmp(reference[i], output[k]) && row[k + 1] == row[k] - EDIT)
            k++;
        bool match = k < output_count && !strcmp(reference[i], output[k]);
        bool replace = j < output_count && row[width + j + 1] == row[j] - REPLACE;
        place[i] = match ? k : replace ? j : -1;
        j = place[i] < 0 ? j : place[i] + 1;
    }
    free(costs);
    return true;
}

static int occurrences(const char *word, const char *const *words, int count)
{
    int found = 0;
    for (int i = 0; i < count; i++)
        found += !strcmp(word, words[i]);
    return found;
}

free_result decisions_free_result(const toy_decision *d, const char *const *reference, const char *const *output,
                                  int output_count, const int *place)
{
    int first = place[d->position];
    const char *const *span = reference + d->position;
    bool right = first >= 0, all_there = d->span > 1;
    for (int i = 0; i < d->span; i++) {
        right = right && place[d->position + i] == first + i && !strcmp(span[i], output[first + i]);
        all_there = all_there && occurrences(span[i], output, output_count) >= occurrences(span[i], span, d->span);
    }
    if (right)
        return FREE_RIGHT;
    if (all_there)
        return FREE_GRAMMAR;
    for (int i = 0; first >= 0 && i < d->competitor_count; i++)
        if (!strcmp(d->competitors[i], output[first]))
            return FREE_GRAMMAR;
    return FREE_OTHER;
}

/* ---- intervals ---------------------------------------------------------------------------------------------------- */

enum { RESAMPLES = 1000, OUTSIDE = 25 }; /* of the sorted resamples, at either end: 2.5 % */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static interval middle(double *values)
{
    qsort(values, RESAMPLES, sizeof *values, ascending);
    return (interval){ values[OUTSIDE], values[RESAMPLES - 1 - OUTSIDE] };
}

void decisions_bootstrap(const sentence_tally *sentences, int64_t count, interval *forced_interval,
                         interval *free_interval)
{
    double forced_shares[RESAMPLES], free_shares[RESAMPLES];
    heed_rng rng = { .seed = 1, .stream = heed_rng_stream("bootstrap") };
    for (int r = 0; r < RESAMPLES; r++) {
        int64_t all = 0, forced_right = 0, free_right = 0;
        rng.row = (uint32_t)r;
        for (int64_t i = 0; i < count; i++) {
            const sentence_tally *s = &sentences[heed_rng_below(rng, (uint64_t)i, (uint64_t)count)];
            all += s->count;
            forced_right += s->forced;
            free_right += s->free;
        }
        forced_shares[r] = (double)forced_right / (double)all;
        free_shares[r] = (double)free_right / (double)all;
    }
    *forced_interval = middle(forced_shares);
    *free_interval = middle(free_shares);
}

interval decisions_wilson(int64_t right, int64_t count)
{
    double z = 1.959963984540054, n = (double)count, share = (double)right / n;
    double centre = share + z * z / (2 * n), half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    double scale = 1 + z * z / n;
    return (interval){ right ? (centre - half) / scale : 0, right < count ? (centre + half) / scale : 1 };
}
