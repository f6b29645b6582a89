/* W6: single operations, forward and backward from a random gradient, then forward alone; and a step of AdamW over ten
 * million parameters. */
#include "bench.h"

#include <stdlib.h>

/* ---- the operations ------------------------------------------------------------------------------------------------- */

enum { LEAVES = 3, IDS = 2048 };
typedef heed_var *op_fn(heed_var *const *x, const heed_ids *ids);

static heed_var *linear(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_affine(x[0], x[1], x[2]);
}
static heed_var *softmax(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_softmax(x[0], -1);
}
static heed_var *layer_norm(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_layer_norm(x[0], x[1], x[2], 1e-5);
}
static heed_var *cross_entropy(heed_var *const *x, const heed_ids *ids)
{
    return heed_cross_entropy(x[0], ids, (heed_ce_desc){ .smoothing = 0.1 });
}
static heed_var *embedding(heed_var *const *x, const heed_ids *ids)
{
    return heed_embed(x[0], ids, (heed_embed_desc){ 0 });
}
static heed_var *gelu(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_gelu(x[0]);
}
static heed_var *gelu_tanh(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_gelu_tanh(x[0]);
}
static heed_var *relu(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_relu(x[0]);
}
static heed_var *dropout(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_dropout(x[0], 0.1, "dropout");
}
static heed_var *bias_add(heed_var *const *x, const heed_ids *ids)
{
    (void)ids;
    return heed_add(x[0], x[1]);
}

typedef struct {
    const char *name;
    op_fn *fn;
    heed_shape leaves[LEAVES]; /* rank 0: none */
    int64_t below;             /* ids, IDS of them, are smaller than this; 0: no ids */
    double flops;
} op_case;

#define R1(n) \
    { \
        .rank = 1, .dims = { n } \
    }
#define R2(n, m) \
    { \
        .rank = 2, .dims = { n, m } \
    }
static const op_case cases[] = {
    { "linear_1024x512x2048", linear, { R2(1024, 512), R2(2048, 512), R1(2048) }, 0, 3.0 * 2 * 1024 * 512 * 2048 },
    { "softmax_16384x64", softmax, { R2(64 * 4 * 64, 64) }, 0, 0 },
    { "layer_norm_4096x512", layer_norm, { R2(4096, 512), R1(512), R1(512) }, 0, 0 },
    { "cross_entropy_2048x8000_ls0.1", cross_entropy, { R2(IDS, 8000) }, 8000, 0 },
    { "embedding_2048_of_10000x128", embedding, { R2(10000, 128) }, 10000, 0 },
    { "gelu_erf_1024x2048", gelu, { R2(1024, 2048) }, 0, 0 },
    { "gelu_tanh_1024x2048", gelu_tanh, { R2(1024, 2048) }, 0, 0 },
    { "relu_1024x2048", relu, { R2(1024, 2048) }, 0, 0 },
    { "dropout0.1_1024x2048", dropout, { R2(1024, 2048) }, 0, 0 },
    { "bias_add_residual_1024x2048", bias_add, { R2(1024, 2048), R1(2048) }, 0, 0 },
};

/* ---- one of them ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const op_case *op;
    heed_tape *tape;
    bench_leaf leaves[LEAVES];
    int32_t ids[IDS];
    heed_real *dy; /* shaped as the result */
} op_run;

static heed_var *forward(op_run *run)
{
    heed_var *x[LEAVES] = { NULL };
    heed_tape_reset(run->tape);
    for (int i = 0; i < LEAVES && run->op->leaves[i].rank; i++)
        x[i] = leaf_on(run->tape, &run->leaves[i]);
    heed_var *y = run->op->fn(x, run->op->below ? heed_input_ids(run->tape, HEED_SHAPE(IDS), run->ids) : NULL);
    if (!y)
        die("%s: %s", run->op->name, heed_error());
    return y;
}

static void forward_step(void *context)
{
    forward(context);
}

static void step(void *context)
{
    op_run *run = context;
    if (!heed_backward_from(forward(run), run->dy))
        die("%s: %s", run->op->name, heed_error());
}

static void run_op(const bench_options *options, json_t *report, const op_case *op)
{
    static const char *const names[LEAVES] = { "x", "w", "b" };
    if (!bench_wants(options, op->name))
        return;
    op_run run = { .op = op, .tape = bench_tape(options) };
    for (int i = 0; i < LEAVES && op->leaves[i].rank; i++)
        run.leaves[i] = leaf_new(names[i], op->leaves[i]);
    bench_fill_ids(run.ids, IDS, "ids", op->below ? op->below : 1);
    int64_t n = heed_tensor_numel(heed_value(forward(&run)));
    run.dy = bench_alloc(n, sizeof *run.dy);
    bench_fill_normal(run.dy, n, "dy");

    json_t *object = bench_add_case(report, op->name);
    bench_timing timing = bench_measure(options, options->min_time * 3 / 8, step, &run);
    bench_report_timing(object, timing);
    bench_report_gflops(object, op->flops, timing);
    heed_tape_set_grad(run.tape, false);
    timing = bench_measure(options, options->min_time / 8, forward_step, &run);
    bench_report(object, "fwd_ms_median", timing.median);
    for (int i = 0; i < LEAVES; i++)
        leaf_free(&run.leaves[i]);
    free(run.dy);
    heed_tape_free(run.tape);
}

/* ---- AdamW -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    heed_adamw opt;
    double norm;
} adamw_run;

/* The gradients of the last step serve again. */
static void mark_given(heed_params *params)
{
    heed_grads *grads = heed_params_grads(params);
    for (int i = 0; i < heed_params_count(params); i++)
        heed_grads_empty(grads)[i] = false;
    *heed_grads_backwards(grads) = 1;
}

/* A step after a trainer's, which has taken the norm of the gradients while it summed them. */
static void adamw_step(void *context)
{
    adamw_run *run = context;
    mark_given(run->opt.params);
    run->opt.known_norm = run->norm;
    if (!heed_adamw_step(&run->opt))
        die("%s", heed_error());
}

static void run_adamw(const bench_options *options, json_t *report, const char *name, int tensors, heed_shape shape)
{
    if (!bench_wants(options, name))
        return;
    heed_params *params = heed_params_new();
    for (int i = 0; i < tensors; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        heed_param_make(params, number, shape, (heed_init){ HEED_INIT_NORMAL, .scale = 1 });
    }
    if (!heed_params_init(params, 1234))
        die("%s", heed_error());
    adamw_run run = { .opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1e-3, .weight_decay = 0.01 }) };
    if (!run.opt.params)
        die("%s", heed_error());
    run.opt.threads = options->threads;
    bench_fill_normal(heed_grads_data(heed_params_grads(params)), heed_params_numel(params), "gradient");
    mark_given(params);
    run.norm = heed_grad_norm(params, options->threads);
    json_t *object = bench_add_case(report, name);
    bench_timing timing = bench_measure(options, options->min_time / 4, adamw_step, &run);
    bench_report_timing(object, timing);
    bench_report_rate(object, "gbytes_per_s", 28e-2, timing); /* x, m, v read and written, the gradient read */
    heed_params_free(params);
}

void run_ops(const bench_options *options, json_t *report)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_op(options, report, &cases[i]);
    run_adamw(options, report, "adamw_10M_1x10M_fused", 1, HEED_SHAPE(10000000));
    run_adamw(options, report, "adamw_10M_40x250k_fused", 40, HEED_SHAPE(500, 500));
}
