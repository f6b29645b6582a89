/* Training: from a configuration and pairs to a folder with a model. */
#ifndef TRAIN_H
#define TRAIN_H

#include "model.h"

/* What a run needs beside the model's configuration; nothing of it is in the model's file. */
typedef struct {
    const char *out;    /* the folder */
    int64_t threads;    /* 0: all cores */
    double max_minutes; /* 0: no limit */
    int64_t stop_after; /* stop when this step is done; 0: at the last */
    int64_t snapshots;  /* of the weights, at steps that are even on a logarithmic scale, for inspection */
    bool check_finite;  /* name the first op with a non-finite value */
    const heed_corpus *train, *valid;
    const char *config; /* all options as JSON, for the folder's config.json; NULL: none */
    const char *about;  /* what is trained on, for the first line printed */
} training;

/* Trains m from where it stands to its configuration's last step. Returns 0, or the exit code of a signal that stopped
 * it; either way the folder holds model.safetensors (the last step), best.safetensors (best on validation),
 * config.json, log.jsonl and loss.svg; with --average also average.safetensors and the models it is of, with --snapshots
 * snapshots/step-N.safetensors. Dies on failure, with the last saved model intact. */
int train_run(model *m, const training *run);

#endif
