/* How well a model decides what the toy language asks it to decide, phenomenon by phenomenon (docs/evaluation.md).
 *
 *     decision_scores *scores = decisions_score(m, data, corpus, translations, TOY_SEED, TOY_TEST_IID, threads);
 *     decisions_print(scores, stdout);
 *     decisions_free(scores);
 *
 * A decision is a French token that could have come out otherwise. It is scored twice: in the forced choice the model has
 * read the reference up to there and must find the right form more probable than every wrong one; in free decoding the
 * right form must stand in the model's own translation. Everything is added up in the order of the sentences, so the
 * numbers are the same for any number of threads. */
#ifndef DECISIONS_H
#define DECISIONS_H

#include "model.h"
#include "toy.h"

#include <jansson.h>

typedef struct {
    double low, high;
} interval;

/* In which respect decisions are put into buckets; BUCKET_ALL: all of a phenomenon. */
typedef enum {
    BUCKET_ALL,
    BUCKET_ATTRACTORS, /* "0", "1", "2", "3+" */
    BUCKET_DISTANCE,   /* "0-2", "3-5", "6-8", "9+" */
    BUCKET_CUE_SIDE,   /* "left", "right" */
    BUCKET_CUE,        /* toy_cue_name */
    BUCKET_VARIANT,    /* "vowel", ...: toy_decision.variant */
    BUCKET_KINDS
} bucket_kind;
const char *decisions_bucket_kind(bucket_kind kind); /* "attractors" */
/* The bucket a decision is in; NULL: in none, as it was not measured. */
const char *decisions_bucket(const toy_decision *decision, bucket_kind kind);

/* What one sentence adds to a tally. */
typedef struct {
    int32_t sentence, count, forced, free;
} sentence_tally;

typedef struct {
    toy_phenomenon phenomenon;
    bucket_kind kind;
    const char *bucket; /* "" of BUCKET_ALL */
    int64_t count;
    int64_t forced, free; /* how many were right */
    int64_t grammar;      /* wrong in free decoding, with a wrong form in that place or the right words disordered */
    double chance;        /* sum of 1 / (1 + wrong forms) */
    double margin;        /* sum of log p(right) - log p(best wrong) ... */
    int64_t with_margin;  /* ... over those where the model knows both */
    interval forced_interval; /* 95 % */
    interval free_interval;
    sentence_tally *sentences; /* those with such a decision, in their order */
    int64_t sentence_count, sentence_room;
} tally;

typedef struct {
    toy_split split;
    tally *tallies; /* by phenomenon, kind and bucket; only those with a decision */
    int64_t count, room;
    int64_t pairs, pairs_forced,
        pairs_free; /* of a split of pairs: pairs, and those with the flipped decision right in both */
} decision_scores;

/* corpus: the first sentences of the split; data: the same as ids; translations: the model's own. Dies on failure. */
decision_scores *decisions_score(const model *m, const heed_dataset *data, const heed_corpus *corpus,
                                 char *const *translations, uint64_t seed, toy_split split, int threads);
void decisions_free(decision_scores *scores);

void decisions_print(const decision_scores *scores, FILE *out);        /* at most 100 columns */
bool decisions_to_json(const decision_scores *scores, json_t *object); /* adds its keys; false: out of memory */
json_t *decisions_interval_json(interval of);                          /* [low, high] */

/* ---- rules (decisions_rules.c): pure functions ------------------------------------------------------------------- */

typedef struct {
    bool right;      /* more probable than every wrong form; a tie is wrong */
    bool has_margin; /* the model knows the right form and a wrong one */
    double margin;   /* log p(right) - log p(best wrong), in nats; 0 without */
} choice;
/* logits: of one token. Ids may be HEED_UNK: an unknown right form is wrong, an unknown wrong form cannot win. */
choice decisions_choose(const heed_real *logits, int32_t right, const int32_t *wrong, int wrong_count);

/* place[i] = the output token aligned to reference token i, or -1. Fewest edits (insert, delete, replace: 1 each); of
 * several such alignments one with the most equal tokens, and of those the one that, from left to right, matches each
 * reference token if it can and with the earliest output token. false: out of memory. */
bool decisions_align(const char *const *reference, int count, const char *const *output, int output_count, int *place);

typedef enum { FREE_RIGHT, FREE_GRAMMAR, FREE_OTHER } free_result;
/* Of a decision, given the alignment. Right: all `span` tokens equal and side by side. Grammar: a wrong form is aligned
 * to it, or, where an order is at stake, all the span's words are there but not so. */
free_result decisions_free_result(const toy_decision *decision, const char *const *reference, const char *const *output,
                                  int output_count, const int *place);

/* 95 % intervals of sum(forced) / sum(count) and sum(free) / sum(count): percentiles over 1000 resamples of sentences,
 * with a fixed seed. count >= 1. */
void decisions_bootstrap(const sentence_tally *sentences, int64_t count, interval *forced_interval,
                         interval *free_interval);
/* 95 % interval of a share (Wilson 1927). count >= 1 */
interval decisions_wilson(int64_t right, int64_t count);

#endif
