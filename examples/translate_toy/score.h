/* Running a trained model over many sentences at once: losses and translations, the same bits for any thread count. */
#ifndef SCORE_H
#define SCORE_H

#include "model.h"

typedef struct {
    int64_t sentences, tokens; /* tokens: target words and <eos> */
    double loss;               /* mean negative log probability of a target token, no smoothing */
    double token_accuracy;     /* share of target tokens that are the most probable one, given those before */
} likelihood;
likelihood score_likelihood(const model *m, const heed_dataset *data, int threads);

/* Calls visit once for every sentence, from several threads and in no order. logits: row t, of `words` numbers, is what
 * the model says of target token t (from 0) when it has read the reference up to it; there is a row for <eos> too. */
typedef void logits_visit(int64_t sentence, const heed_real *logits, int64_t words, void *context);
void score_logits(const model *m, const heed_dataset *data, int threads, logits_visit *visit, void *context);

/* log p(target | source) of every pair, <eos> included: to [sentences]. */
void score_targets(const model *m, const heed_dataset *data, int threads, double *to);

/* How to look for a translation. beam 0: greedily, one translation a sentence. */
typedef struct {
    int64_t beam, n_best; /* n_best 0: 1 */
    double length_penalty;
} search_options;
/* The translations of the sources in data, n_best of each, best first; NULL where there are fewer. Free each, and the
 * array, with free. scores [sentences, n_best] receives what they are ranked by (heed_decode_beam); NULL: not wanted, and
 * greedy search has none. */
char **score_translate(const model *m, const heed_dataset *data, search_options how, int threads, double *scores);

/* BLEU (13a) of translations against the target texts. */
double score_bleu(const heed_corpus *corpus, char *const *translations);
/* How many of the translations equal the target text. */
int64_t score_exact(const model *m, const heed_corpus *corpus, char *const *translations);

#endif
