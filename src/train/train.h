/* heed/train: learning.
 *
 *     heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1e-3, .clip = 1.0 });
 *     for (int step = 0; step < 1000; step++) {
 *         heed_var *loss = ...;
 *         if (!heed_backward(loss) || !heed_adamw_step(&opt)) die("%s", heed_error());
 *         heed_tape_reset(tape);              // the step used the gradients and cleared them
 *     }
 *
 * For parallel steps a heed_trainer runs a batch in shards and leaves the summed gradients where the optimiser looks.
 *
 * Rules
 *   - A step without a completed backward is refused, and so is one with a non-finite gradient (unless a known_norm
 *     vouches for it): nothing is written.
 *   - Optimisers keep their moments in memory of params; they are gone with heed_params_free.
 *   - The number of shards decides the bits; the number of threads never does.
 */
#ifndef HEED_TRAIN_H
#define HEED_TRAIN_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- optimisers (optim.c) ---------------------------------------------------------------------------------------
 * Clipping is by global norm: g *= min(1, clip / (norm + 1e-6)). Parameters that got no gradient stay as they are, and
 * so do their moments; the bias correction counts all steps alike. */
typedef struct {
    double lr;           /* needed */
    double beta1, beta2; /* set both or neither: 0, 0 means 0.9, 0.999 */
    double eps;          /* 0: 1e-8 */
    double weight_decay; /* decoupled: x -= lr weight_decay x (Loshchilov and Hutter 2019) */
    bool coupled;        /* Adam with L2: weight_decay x is added to the gradient instead (Kingma and Ba 2015) */
    double clip;         /* 0: none */
} heed_adamw_desc;
typedef struct {
    heed_params *params;
    heed_adamw_desc desc;
    double lr;        /* of the next step; schedules write it */
    int64_t step;     /* steps done */
    heed_real *m, *v; /* moments, laid out like the slab */
    double norm;      /* of the last step's gradient, before clipping */
    /* Of the next step's gradient, as heed_trainer_norm or heed_grad_norm has just given it: the step reads the gradient
     * once less, and believes it. 0: not known. A step sets it back to 0. */
    double known_norm;
    int threads; /* 0: heed_threads(); any number gives the same bits */
} heed_adamw;
HEED_API heed_adamw_desc heed_adamw_defaults(void);
HEED_CHECKED heed_adamw heed_adamw_make(heed_params *params, heed_adamw_desc desc);
HEED_CHECKED bool heed_adamw_step(heed_adamw *opt);

typedef struct {
    double lr; /* needed */
    double momentum, weight_decay, clip;
    bool nesterov;
} heed_sgd_desc;
typedef struct {
    heed_params *params;
    heed_sgd_desc desc;
    double lr;
    int64_t step;
    heed_real *m;            /* v = momentum v + g; x -= lr v */
    double norm, known_norm; /* as heed_adamw's */
    int threads;
} heed_sgd;
HEED_CHECKED heed_sgd heed_sgd_make(heed_params *params, heed_sgd_desc desc);
HEED_CHECKED bool heed_sgd_step(heed_sgd *opt);

/* The norm of all gradients in the params' own slab, summed in double and by blocks: the same for any thread count. */
HEED_API double heed_grad_norm(heed_params *params, int threads);
/* Scales the gradients in place as the optimisers do; returns the norm before. */
HEED_API double heed_clip_grad_norm(heed_params *params, double max_norm, int threads);

/* ---- schedules (schedule.c): the learning rate at a step, counted from 1 for noam, from 0 for cosine ------------- */
/* factor d_model^-0.5 min(step^-0.5, step warmup^-1.5): "Attention Is All You Need", (3). */
HEED_API double heed_schedule_noam(int64_t step, int64_t d_model, int64_t warmup, double factor);
/* base step / warmup, then base sqrt(warmup / step): the same curve named by its peak. warmup 0: base / sqrt(step). */
HEED_API double heed_schedule_inverse_sqrt(int64_t step, double base, int64_t warmup);
/* base step / warmup while step < warmup, then the half cosine from base to least at `total`, and least after it. */
HEED_API double heed_schedule_cosine(int64_t step, double base, double least, int64_t warmup, int64_t total);

/* ---- shards (shard.c): parallel steps ----------------------------------------------------------------------------
 * A batch of rows is cut into shards by a rule on the batch and the model, never the machine. */
/* The largest power of two <= min(8, rows, padded_tokens / 96, 2^25 / parameters), at least 2 if rows >= 2. */
HEED_API int heed_shards_rule(int64_t rows, int64_t padded_tokens, int64_t parameters);
/* Cuts rows, sorted by length, so that rows x longest row are near equal. starts receives shards + 1 row numbers. No
 * shard is empty; shards <= rows. */
HEED_CHECKED bool heed_shards_cut(const int32_t *lengths, int64_t rows, int shards, int64_t *starts);

typedef struct heed_trainer heed_trainer;
typedef struct {
    int threads;       /* 0: heed_threads() */
    uint64_t seed;     /* of the tapes: dropout */
    bool check_finite; /* as heed_tape_desc */
    heed_gemm gemm;    /* as heed_tape_desc */
} heed_trainer_desc;
HEED_CHECKED heed_trainer *heed_trainer_new(heed_params *params, heed_trainer_desc desc);
HEED_API void heed_trainer_free(heed_trainer *trainer); /* NULL is allowed */
/* Builds the loss of one shard on the tape: the SUM over its rows. */
typedef heed_var *heed_loss_fn(heed_tape *tape, int shard, void *context);
typedef struct {
    int shards;
    const int64_t *starts; /* row numbers, as heed_shards_cut gives them: the tape's first row */
    int64_t step;          /* of training; random draws depend on it */
    double divisor;        /* the whole batch's count: divides loss and gradients once */
    heed_loss_fn *loss;
    void *context;
} heed_trainer_step_desc;
/* Forward and backward of every shard, gradients summed into the params' own slab, ready for an optimiser.
 * loss receives the summed loss / divisor; it may be NULL. Without an optimiser's step in between, gradients add up.
 * A non-finite loss or gradient is an error. Any failure leaves no gradient at all. Four shards or more share weights
 * packed for this step (heed_params_pack): loss may not change them. */
HEED_CHECKED bool heed_trainer_step(heed_trainer *trainer, heed_trainer_step_desc desc, double *loss);
/* The norm of the gradients that the last step left, as heed_grad_norm would find it; of no use once they were changed,
 * by heed_clip_grad_norm too. 0, not known, after a step that failed or that added to what was there. */
HEED_API double heed_trainer_norm(const heed_trainer *trainer);

/* ---- checkpoints (checkpoint.c) ------------------------------------------------------------------------------------
 * One safetensors file: parameters under their names, moments as optim.m.NAME and optim.v.NAME, and what you add as
 * metadata (configuration, vocabulary, step, seed, data position). The key "optimizer" is the optimiser's own: its kind
 * and step. Nothing in a file depends on threads, paths or clocks. */
HEED_CHECKED bool heed_checkpoint_save(const char *path, heed_params *params, const heed_adamw *opt,
                                       const heed_metadata *metadata, int n_metadata); /* opt NULL: weights alone */
/* Checks every name, shape and type first, and loads all or nothing; gradients of the old values are cleared. opt NULL:
 * moments in the file are not read. A file of the other build's type (F64 into libheed) is refused. */
HEED_CHECKED bool heed_checkpoint_load(heed_reader *reader, heed_params *params, heed_adamw *opt);
/* The mean, summed in double, of the weights in several checkpoints of one model ("Attention Is All You Need", 6.1: the
 * last 5, or 20). All are read and checked before params change; moments are not read. */
HEED_CHECKED bool heed_checkpoint_average(const char *const *paths, int n_paths, heed_params *params);

#ifdef __cplusplus
}
#endif
#endif
