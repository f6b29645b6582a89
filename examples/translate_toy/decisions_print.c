/* Scores of decisions as tables and as JSON (schema: docs/evaluation.md). */
#include "decisions.h"

#include <math.h>

static double percent(int64_t part, int64_t of)
{
    return 100 * (double)part / (double)of;
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

/* "  97.1 [ 96.0,  98.1]" */
static void print_share(FILE *out, int64_t right, int64_t count, interval of)
{
    fprintf(out, "  %5.1f [%5.1f, %5.1f]", percent(right, count), 100 * of.low, 100 * of.high);
}

static void print_phenomenon(FILE *out, const tally *t)
{
    int64_t misses = t->count - t->free;
    fprintf(out, "%-12s %7lld", toy_phenomenon_name(t->phenomenon), (long long)t->count);
    print_share(out, t->forced, t->count, t->forced_interval);
    fprintf(out, "  %6.1f", 100 * t->chance / (double)t->count);
    if (t->with_margin)
        fprintf(out, "  %6.2f", t->margin / (double)t->with_margin);
    else
        fprintf(out, "  %6s", "-");
    print_share(out, t->free, t->count, t->free_interval);
    if (misses)
        fprintf(out, "  %7.1f\n", percent(t->grammar, misses));
    else
        fprintf(out, "  %7s\n", "-");
}

/* Variants are many and left to the JSON. */
static bool in_table(const tally *t)
{
    return t->kind != BUCKET_ALL && t->kind != BUCKET_VARIANT;
}

static void print_buckets(const decision_scores *scores, FILE *out)
{
    const char *said = NULL;
    for (int64_t i = 0; i < scores->count; i++) {
        const tally *t = &scores->tallies[i];
        if (!in_table(t))
            continue;
        if (!said)
            fprintf(out,
                    "\nDistance: English words from what decides the form. Attractors: nouns in between of another\n"
                    "number or gender. Cue: the word that tells which meaning, and on which side of the noun it is.\n\n"
                    "%-12s %-10s %-11s %7s  %-20s  free decoding\n",
                    "phenomenon", "by", "", "n", "forced choice");
        const char *name = toy_phenomenon_name(t->phenomenon);
        bool new_name = said != name, new_kind = t[-1].kind != t->kind; /* there is one before: all of the phenomenon */
        fprintf(out, "%-12s %-10s %-11s %7lld", new_name ? name : "", new_kind ? decisions_bucket_kind(t->kind) : "",
                t->bucket, (long long)t->count);
        print_share(out, t->forced, t->count, t->forced_interval);
        print_share(out, t->free, t->count, t->free_interval);
        fputc('\n', out);
        said = name;
    }
}

void decisions_print(const decision_scores *scores, FILE *out)
{
    fprintf(out,
            "\nShares in %% [95 %% interval]. Forced choice: the right form beats the wrong ones, given the right\n"
            "start (chance: by luck; margin: by how many nats). Free decoding: it is in the model's own\n"
            "translation (grammar: %% of the misses that are a wrong form or order of the right words).\n\n");
    fprintf(out, "%-12s %7s  %-20s  %6s  %6s  %-20s  %7s\n", "phenomenon", "n", "forced choice", "chance", "margin",
            "free decoding", "grammar");
    for (int64_t i = 0; i < scores->count; i++)
        if (scores->tallies[i].kind == BUCKET_ALL)
            print_phenomenon(out, &scores->tallies[i]);
    print_buckets(scores, out);
    if (scores->pairs) {
        fprintf(out, "\n%-12s %7s  %-20s  free decoding\n%-12s %7lld", "pairs", "n", "forced choice", "both right",
                (long long)scores->pairs);
        print_share(out, scores->pairs_forced, scores->pairs, decisions_wilson(scores->pairs_forced, scores->pairs));
        print_share(out, scores->pairs_free, scores->pairs, decisions_wilson(scores->pairs_free, scores->pairs));
        fputc('\n', out);
    }
}

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

/* null of what is not a number: an accuracy of nothing, the margin of a model that has overflowed. */
static json_t *number(double sum, double count)
{
    double value = sum / count;
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *decisions_interval_json(interval of)
{
    return json_pack("[f, f]", of.low, of.high);
}

static json_t *tally_json(const tally *t)
{
    double n = (double)t->count;
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)t->count, "forced_choice",
                     number((double)t->forced, n), "forced_choice_interval",
                     decisions_interval_json(t->forced_interval), "chance", number(t->chance, n), "margin",
                     number(t->margin, (double)t->with_margin), "free_decoding", number((double)t->free, n),
                     "free_decoding_interval", decisions_interval_json(t->free_interval), "grammar_errors",
                     number((double)t->grammar, (double)(t->count - t->free)));
}

/* The object under the key, made if it is not there yet. */
static json_t *child(json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (!found && json_object_set_new(object, key, json_object()) == 0)
        found = json_object_get(object, key);
    return found;
}

static json_t *pairs_json(const decision_scores *s)
{
    double n = (double)s->pairs;
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "n", (json_int_t)s->pairs, "forced_choice",
                     number((double)s->pairs_forced, n), "forced_choice_interval",
                     decisions_interval_json(decisions_wilson(s->pairs_forced, s->pairs)), "free_decoding",
                     number((double)s->pairs_free, n), "free_decoding_interval",
                     decisions_interval_json(decisions_wilson(s->pairs_free, s->pairs)));
}

bool decisions_to_json(const decision_scores *scores, json_t *object)
{
    bool fine = json_object_set_new(object, "split", json_string(toy_split_name(scores->split))) == 0;
    json_t *phenomena = child(object, "phenomena");
    for (int64_t i = 0; fine && i < scores->count; i++) { /* a phenomenon before its buckets */
        const tally *t = &scores->tallies[i];
        const char *name = toy_phenomenon_name(t->phenomenon);
        if (t->kind == BUCKET_ALL) {
            fine = json_object_set_new(phenomena, name, tally_json(t)) == 0 &&
                   child(json_object_get(phenomena, name), "buckets");
        } else {
            json_t *buckets = json_object_get(json_object_get(phenomena, name), "buckets");
            fine = json_object_set_new(child(buckets, decisions_bucket_kind(t->kind)), t->bucket, tally_json(t)) == 0;
        }
    }
    return fine && phenomena && (!scores->pairs || json_object_set_new(object, "pairs", pairs_json(scores)) == 0);
}
