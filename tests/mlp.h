/* For tests of training: a small network with dropout, its data, and steps in shards. */
#ifndef MLP_H
#define MLP_H

#include "check.h"

/* y = fc2(dropout(tanh(fc1(x)))); loss = sum over rows of c y + y^2. `rare` is a parameter that one shard may use. */
typedef struct {
    heed_params *params;
    heed_linear fc1, fc2;
    heed_param *rare;
    double dropout;
    int64_t rows, in, out;
    heed_real *x, *c; /* [rows, in], [rows, out] */
    int64_t starts[9];
    int shards;
    int rare_shard; /* the one that uses it; -1: none */
} mlp;

static inline void mlp_fill(heed_real *to, int64_t n, uint64_t seed, const char *stream)
{
    heed_rng rng = { .seed = seed, .stream = heed_rng_stream(stream) };
    for (int64_t i = 0; i < n; i++)
        to[i] = (heed_real)heed_rng_normal(rng, (uint64_t)i);
}

/* Equal arguments make equal networks and data. */
static inline mlp mlp_new(int64_t rows, int64_t in, int64_t hidden, int64_t out, uint64_t seed)
{
    mlp m = { .rows = rows, .in = in, .out = out, .params = heed_params_new(), .rare_shard = -1 };
    m.fc1 = heed_linear_make(m.params, "fc1", (heed_linear_desc){ .in = in, .out = hidden });
    m.rare = heed_param_make(m.params, "rare", HEED_SHAPE(out), (heed_init){ HEED_INIT_NORMAL, .scale = 1 });
    m.fc2 = heed_linear_make(m.params, "fc2", (heed_linear_desc){ .in = hidden, .out = out });
    assert_true(heed_params_init(m.params, seed));
    m.x = malloc((size_t)(rows * in) * sizeof *m.x);
    m.c = malloc((size_t)(rows * out) * sizeof *m.c);
    mlp_fill(m.x, rows * in, seed, "x");
    mlp_fill(m.c, rows * out, seed, "c");
    return m;
}

static inline void mlp_free(mlp *m)
{
    heed_params_free(m->params);
    free(m->x);
    free(m->c);
}

/* Equal rows in each shard, as near as can be. */
static inline void mlp_cut(mlp *m, int shards)
{
    m->shards = shards;
    for (int i = 0; i <= shards; i++)
        m->starts[i] = m->rows * i / shards;
}

static inline heed_var *mlp_loss(heed_tape *tape, int shard, void *context)
{
    const mlp *m = context;
    int64_t from = m->starts[shard], rows = m->starts[shard + 1] - from;
    heed_var *x = heed_input(tape, HEED_SHAPE(rows, m->in), m->x + from * m->in);
    heed_var *c = heed_input(tape, HEED_SHAPE(rows, m->out), m->c + from * m->out);
    heed_var *h = heed_tanh(heed_linear_forward(&m->fc1, x));
    if (m->dropout > 0)
        h = heed_dropout(h, m->dropout, "hidden");
    heed_var *y = heed_linear_forward(&m->fc2, h);
    if (shard == m->rare_shard)
        y = heed_add(y, heed_param_on(tape, m->rare));
    return heed_sum(heed_mul(y, heed_add(c, y)), (heed_axes){ 0 });
}

static inline bool mlp_step(mlp *m, heed_trainer *trainer, int64_t step, double *loss)
{
    return heed_trainer_step(trainer,
                             (heed_trainer_step_desc){ .shards = m->shards,
                                                       .starts = m->starts,
                                                       .step = step,
                                                       .divisor = (double)m->rows,
                                                       .loss = mlp_loss,
                                                       .context = m },
                             loss);
}

#endif
