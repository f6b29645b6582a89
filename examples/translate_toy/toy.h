/* The toy language: synthetic English to French with gold labels (docs/toy.md).
 *
 *     toy_sentence sentence;
 *     char english[TOY_TEXT], french[TOY_TEXT];
 *     if (!toy_make(TOY_SEED, TOY_TRAIN, 17, &sentence))
 *         die("no such sentence");
 *     toy_text(&sentence, false, english, sizeof english);     "the small cat sleeps ."
 *     toy_text(&sentence, true, french, sizeof french);        "le petit chat dort ."
 *
 * Rules
 *   - Sentence n of a split is a pure function of (seed, split, n): integer arithmetic only, no state, the same bytes
 *     on every machine and from any thread. 0 <= n < toy_split_size(split).
 *   - No English string occurs twice, neither in a split nor in two splits. Which split a string may occur in does not
 *     depend on the seed, so two seeds never train on each other's test sentences.
 *   - Every index is 0-based and counts tokens; English and French tokens are static strings, never freed.
 *   - English determines French: every sentence has exactly one reading in the grammar.
 */
#ifndef TOY_H
#define TOY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TOY_SEED = 1 }; /* the default */

typedef enum {
    TOY_TRAIN,
    TOY_DEV,
    TOY_TEST_IID,    /* as dev */
    TOY_TEST_COMB,   /* pairs of words never together in train */
    TOY_TEST_STRUCT, /* structures never together in train */
    TOY_TEST_LEN,    /* longer than anything in train */
    TOY_TEST_AGREE,  /* agreement by attractors and distance, equal cells */
    TOY_TEST_SENSE,  /* homonyms by cue; odd n: cues never seen with this homonym in train */
    TOY_TEST_PAIRS,  /* sentences 2i and 2i+1 differ in one English word */
    TOY_TEST_NUMBER, /* sentences 2i and 2i+1 differ in the subject's number: its noun and the verb */
    TOY_PROBE,       /* a few fixed sentences, the same for every seed */
    TOY_SPLITS
} toy_split;

/* What a decision is about; docs/toy.md has an example of each. */
typedef enum {
    TOY_GEN_DET,
    TOY_GEN_ADJ,
    TOY_NUM_SV,
    TOY_NUM_LONG,
    TOY_GEN_LONG,
    TOY_NUM_VERB,
    TOY_ADJ_ORDER,
    TOY_LIAISON,
    TOY_DE_PLUR,
    TOY_NEG,
    TOY_CLITIC,
    TOY_CL_ANTE,
    TOY_ANAPHOR,
    TOY_POSS_AGR,
    TOY_GENITIVE,
    TOY_HOMONYM,
    TOY_VERB_SENSE,
    TOY_CONTR,
    TOY_PHENOMENA
} toy_phenomenon;

enum {
    TOY_MAX_ENGLISH = 28,
    TOY_MAX_FRENCH = 56,
    TOY_MAX_LINKS = 96,
    TOY_MAX_ARCS = 160,
    TOY_MAX_DECISIONS = 96,
    TOY_MAX_COMPETITORS = 4,
    TOY_MAX_GOVERNORS = 6,
    TOY_TEXT = 640 /* bytes that hold either line */
};

typedef struct {
    int16_t source, target; /* English token, French token */
} toy_link;

typedef enum { TOY_ENC, TOY_DEC, TOY_CROSS } toy_side;

/* One thing to look at: the query token should attend to one of the keys. Enc: both English. Dec: both French, key left
 * of query. Cross: query French, keys English. A decoder row that predicts French token t is row t (row 0 reads <bos>);
 * the row that reads token u is row u + 1. */
typedef struct {
    toy_side side;
    const char *kind; /* "subject", "determiner", ...; for cross arcs the phenomenon */
    int16_t query;
    int16_t keys[TOY_MAX_GOVERNORS];
    int16_t count;
} toy_arc;

typedef enum {
    TOY_NO_CUE,
    TOY_CUE_ADJECTIVE,
    TOY_CUE_VERB,
    TOY_CUE_PREPOSITION,
    TOY_CUE_SUBJECT,
    TOY_CUE_OWNER
} toy_cue;

/* A French token that could have come out otherwise. */
typedef struct {
    toy_phenomenon phenomenon;
    int16_t position; /* French token; its form is the gold */
    int16_t span; /* tokens that must all be right in free decoding, from position (1 unless an order is at stake) */
    const char *competitors[TOY_MAX_COMPETITORS]; /* wrong forms for that position, all different from the gold */
    int16_t competitor_count;
    int16_t source[TOY_MAX_GOVERNORS]; /* English tokens that decide it; at least one */
    int16_t source_count;
    int16_t target[TOY_MAX_GOVERNORS]; /* French tokens that decide it */
    int16_t target_count;
    const char *variant; /* a bucket in words ("vowel", "copula", ...), or NULL */
    int16_t distance;    /* English tokens from governor to dependent, -1: not measured */
    int16_t attractors;  /* nouns between them with the other number or gender, -1: not measured */
    int16_t cue_side;    /* -1 left of the word, +1 right, 0: no cue */
    toy_cue cue;
} toy_decision;

/* How often each structure is used. */
typedef enum {
    TOY_F_CLAUSES,
    TOY_F_NOUNS,
    TOY_F_PRE_ADJECTIVES,
    TOY_F_POST_ADJECTIVES,
    TOY_F_PREPOSITIONS,
    TOY_F_SUBJECT_RELATIVES,
    TOY_F_OBJECT_RELATIVES,
    TOY_F_BARE_RELATIVES, /* object relatives without "that"; counted in OBJECT_RELATIVES too */
    TOY_F_POSSESSORS,
    TOY_F_POSSESSOR_DEPTH,
    TOY_F_NEGATIONS,
    TOY_F_CLITICS,
    TOY_F_COPULAS,
    TOY_F_THAT_CLAUSES,
    TOY_F_QUESTIONS,
    TOY_F_BUT,
    TOY_F_AND,
    TOY_F_HOMONYMS,
    TOY_F_ATTRACTORS, /* the most of one subject */
    TOY_FEATURES
} toy_feature;

typedef struct {
    toy_split split;
    int64_t n;
    const char *english[TOY_MAX_ENGLISH];
    const char *french[TOY_MAX_FRENCH];
    int16_t english_count, french_count;
    toy_link sure[TOY_MAX_LINKS], possible[TOY_MAX_LINKS]; /* possible holds the sure links too */
    int16_t sure_count, possible_count;
    toy_arc arcs[TOY_MAX_ARCS];
    int16_t arc_count;
    toy_decision decisions[TOY_MAX_DECISIONS];
    int16_t decision_count;
    int16_t features[TOY_FEATURES];
    int16_t pair_decision; /* test-pairs, test-number: the decision that flips; otherwise -1 */
} toy_sentence;

const char *toy_split_name(toy_split split);            /* "test-comb"; NULL outside */
bool toy_split_named(const char *name, toy_split *out); /* false: no such split */
int64_t toy_split_size(toy_split split);
const char *toy_phenomenon_name(toy_phenomenon phenomenon); /* "GEN-DET" */
const char *toy_feature_name(toy_feature feature);
const char *toy_cue_name(toy_cue cue);

/* Sentence n of a split; false if n is out of range. */
bool toy_make(uint64_t seed, toy_split split, int64_t n, toy_sentence *out);

/* The line, words joined by spaces, ended by NUL; returns its length, or -1 if it does not fit. */
int64_t toy_text(const toy_sentence *sentence, bool french, char *room, int64_t size);

/* One line of JSON with a line end (schema: docs/toy.md); false if out of memory or the write failed. */
bool toy_gold_write(const toy_sentence *sentence, FILE *out);

/* What a split is made of: types, lengths, phenomena, attractors, repeated sentences. count < 0: the whole split. */
bool toy_stats_write(uint64_t seed, toy_split split, int64_t from, int64_t count, FILE *out);

#endif
