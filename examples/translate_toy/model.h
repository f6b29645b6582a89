/* A translator: configuration, vocabularies, network, optimiser; and its one file. */
#ifndef MODEL_H
#define MODEL_H

#include "config.h"

#include "heed.h"

/* Where training stands. All of it is in the file, so that a resumed run is the run that never stopped. */
typedef struct {
    int64_t step;         /* steps done */
    int64_t epoch, batch; /* the next batch to train on */
    double best; /* validation loss, or BLEU with its sign changed: the lowest so far; infinite before the first */
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
} model;

/* Each dies with a message on failure. model_new takes the vocabularies over. */
model *model_new(const configuration *config, heed_vocab *source, heed_vocab *target);
/* path: a file, or a folder that holds model.safetensors. */
model *model_load(const char *path, bool with_optimizer);
void model_free(model *m);
bool model_save(const model *m, const char *path);         /* false: heed_error() says why; an old file is as it was */
bool model_save_weights(const model *m, const char *path); /* without the optimiser: to translate with, not to resume */
double model_learning_rate(const model *m, int64_t step);  /* of the step with this number, counted from 1 */

#endif
