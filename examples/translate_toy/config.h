/* What a model is and how it is trained: a table of options. The command line, --help, --config files and the JSON in a
 * model's file all come from it, so a key in a file is the name of an option. */
#ifndef CONFIG_H
#define CONFIG_H

#include "options.h"

typedef struct {
    int64_t layers, d_model, heads, ffn;
    double dropout, attention_dropout, activation_dropout;
    bool post_norm, share_embeddings;
    int64_t steps, batch, max_tokens, accumulate, warmup;
    double lr, beta2, clip, smoothing;
    const char *schedule; /* "cosine", "inverse-sqrt" or "constant" */
    const char *metric;   /* "loss" or "bleu" */
    int64_t max_words, min_count, bpe;
    double bpe_dropout;
    bool spaced, lower;
    int64_t seed;
    int64_t valid_every, patience, average;
} configuration;

enum { CONFIGURATION_ROWS = 30 };
configuration configuration_defaults(void);
/* Rows that point into c; returns how many (CONFIGURATION_ROWS). */
int configuration_options(configuration *c, option *rows);
void configuration_check(const configuration *c); /* dies (usage) on what no single range can say */
/* One line of JSON, to be freed. */
char *configuration_to_json(const configuration *c);
/* Every key must be there, but for options that were added later, and no other. False: *wrong says which one is missing or out of range, NULL if the text is no
 * configuration at all. */
bool configuration_from_json(configuration *c, const char *json, const char **wrong);

#endif
