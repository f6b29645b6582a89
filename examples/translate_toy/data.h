/* Pairs of sentences, from the toy language or from files, as text and as ids. */
#ifndef DATA_H
#define DATA_H

#include "heed.h"
#include "config.h"
#include "toy.h"

/* n sentences of a split from number `from` on; n < 0: all that are left. Dies on failure. */
heed_corpus *data_toy(uint64_t seed, toy_split split, int64_t from, int64_t n);
/* A TSV file. Says on standard error which lines it skipped, and dies (strict) or goes on; dies if no pair is left. */
heed_corpus *data_read(const char *path, bool strict);
/* Moves about one pair in twenty out of `all`: all pairs of an English sentence, so that none is on both sides. */
heed_corpus *data_hold_out(heed_corpus *all);
uint64_t data_fingerprint(const heed_corpus *corpus);
/* The vocabularies of both sides, or one of both for each (--share-embeddings), as the configuration asks. */
void data_vocabularies(const heed_corpus *corpus, const configuration *config, heed_vocab **source,
                       heed_vocab **target);
/* Ids. Pairs with more than max_words words on a side (0: no limit) are left out; *left_out says how many. dropout: of
 * subwords, or NULL; the rows of its generator are the lines. */
heed_dataset *data_encode(const heed_corpus *corpus, const heed_vocab *source, const heed_vocab *target,
                          int64_t max_words, const heed_bpe_dropout *dropout, int64_t *left_out);

#endif
