/* W4: one layer of multi-head self-attention with its four projections, forward and backward to input and weights. */
#include "bench.h"

#include <stdlib.h>

typedef struct {
    int64_t B, T, d, heads;
} attention_size;
static const attention_size sizes[] = {
    { 8, 128, 512, 8 }, { 4, 512, 512, 8 }, { 1, 2048, 512, 8 }, { 64, 16, 128, 4 }
};

typedef struct {
    heed_tape *tape;
    heed_params *params;
    heed_attention layer;
    bench_leaf x;  /* [B, T, d] */
    heed_real *dy; /* [B, T, d] */
    bool causal;
} attention_case;

static void step(void *context)
{
    attention_case *c = context;
    heed_tape_reset(c->tape);
    heed_grads_clear(heed_params_grads(c->params));
    heed_var *x = leaf_on(c->tape, &c->x);
    heed_var *y = heed_attention_forward(&c->layer, x, x, x, (heed_attention_call){ .mask = { .causal = c->causal } });
    if (!heed_backward_from(y, c->dy))
        die("%s", heed_error());
}

static void run_case(const bench_options *options, json_t *report, attention_size size, bool causal)
{
    char name[64];
    snprintf(name, sizeof name, "B%lld_T%lld_d%lld_h%lld_%s", (long long)size.B, (long long)size.T, (long long)size.d,
             (long long)size.heads, causal ? "causal" : "full");
    if (!bench_wants(options, name))
        return;
    attention_case c = { .causal = causal, .params = heed_params_new() };
    c.layer =
        heed_attention_make(c.params, "attention", (heed_attention_desc){ .d_model = size.d, .heads = size.heads });
    c.tape = bench_tape(options);
    if (!heed_params_init(c.params, 1234))
        die("%s", heed_error());
    c.x = leaf_new("x", HEED_SHAPE(size.B, size.T, size.d));
    c.dy = bench_alloc(size.B * size.T * size.d, sizeof *c.dy);
    bench_fill_normal(c.dy, size.B * size.T * size.d, "dy");

    json_t *object = bench_add_case(report, name);
    bench_timing timing = bench_measure(options, options->min_time / 2, step, &c);
    bench_report_timing(object, timing);
    double T = (double)size.T;
    bench_report_gflops(object, 3 * attention_flops((double)size.B, T, T, (double)size.d, causal), timing);
    leaf_free(&c.x);
    free(c.dy);
    heed_tape_free(c.tape);
    heed_params_free(c.params);
}

void run_attention(const bench_options *options, json_t *report)
{
    attention_size own = { 1, 128, 512, 8 };
    own.B = options->batch ? options->batch : own.B;
    own.T = options->length ? options->length : own.T;
    bool resized = options->batch || options->length;
    for (size_t i = 0; i < (resized ? 1 : sizeof sizes / sizeof *sizes); i++)
        for (int causal = 0; causal < 2; causal++)
            run_case(options, report, resized ? own : sizes[i], causal);
}
