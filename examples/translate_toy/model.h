/* A translator: configuration, vocabularies, network, optimiser; and its one file.
 *
 * The configuration is a table of options (model_options): the command line, --help, and the JSON in the file all come
 * from it, so a key in a file is the name of an option. */
#ifndef MODEL_H
#define MODEL_H

#include "options.h"

#include "heed.h"

typedef struct {
    int64_t layers, d_model, heads, ffn;
    double dropout;
    bool post_norm;
    int64_t steps, batch, warmup;
    double lr, clip, smoothing;
    const char *schedule; /* "cosine", "inverse-sqrt" or "constant" */
    int64_t max_words, min_count;
    int64_t seed;
    int64_t valid_every;
} configuration;

enum { CONFIGURATION_ROWS = 17 };
configuration configuration_defaults(void);
/* Rows that point into c; returns how many (CONFIGURATION_ROWS). */
int configuration_options(configuration *c, option *rows);
void configuration_check(const configuration *c); /* dies (usage) on what no single range can say */

/* Where training stands. All of it is in the file, so that a resumed run is the run that never stopped. */
typedef struct {
    int64_t step;         /* steps done */
    int64_t epoch, batch; /* the next batch to train on */
    double best_loss;     /* lowest validation loss so far; infinite before the first */
    int64_t best_step;
    uint64_t data; /* fingerprint of the training and validation pairs */
} progress;

typedef struct {
    configuration config;
    progress at;
    heed_vocab *source, *target;
    heed_params *params;
    heed_transformer net;
    heed_adamw opt;
    char *schedule; /* owns config.schedule of a loaded model */
} model;

/* Each dies with a message on failure. model_new takes the vocabularies over. */
model *model_new(const configuration *config, heed_vocab *source, heed_vocab *target);
/* path: a file, or a folder that holds model.safetensors. */
model *model_load(const char *path, bool with_optimizer);
void model_free(model *m);
bool model_save(const model *m, const char *path);        /* false: heed_error() says why; an old file is as it was */
double model_learning_rate(const model *m, int64_t step); /* of the step with this number, counted from 1 */

#endif
