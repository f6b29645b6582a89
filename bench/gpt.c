/* GPT: training steps of a decoder-only model as in GPT-2: learned positions, pre-norm, tanh GELU, the output tied to the
 * embedding, no dropout. A causal stack without a memory is an encoder with a causal mask. */
#include "bench.h"

#include <stdlib.h>

typedef struct {
    const char *name;
    int64_t vocab, T, layers, heads, d, batch;
} gpt_size;
static const gpt_size sizes[] = { { "gpt_small", 8000, 64, 4, 4, 128, 16 }, { "gpt_mid", 8000, 128, 6, 8, 512, 8 } };

typedef struct {
    gpt_size size;
    heed_embedding tokens;
    heed_positions positions;
    heed_encoder stack;
    heed_linear head;
    int32_t *in, *out; /* [batch, T] */
    training training;
} gpt;

static heed_var *shard_loss(heed_tape *tape, int shard, void *context)
{
    const gpt *g = context;
    int64_t from = g->training.starts[shard], rows = g->training.starts[shard + 1] - from, T = g->size.T;
    heed_ids *in = heed_input_ids(tape, HEED_SHAPE(rows, T), g->in + from * T);
    heed_ids *out = heed_input_ids(tape, HEED_SHAPE(rows, T), g->out + from * T);
    heed_var *x = heed_positions_forward(&g->positions, heed_embedding_forward(&g->tokens, in), 0); /* [rows, T, d] */
    x = heed_encoder_forward(&g->stack, x, (heed_mask){ .causal = true }, NULL);
    return heed_linear_loss(&g->head, x, out, (heed_ce_desc){ .sum = true });
}

static double gpt_flops(gpt_size s)
{
    double B = (double)s.batch, T = (double)s.T, d = (double)s.d;
    return 3 * ((double)s.layers * (attention_flops(B, T, T, d, true) + 16 * B * T * d * d) +
                2 * B * T * d * (double)s.vocab);
}

static void gpt_open(gpt *g, gpt_size size, const bench_options *options)
{
    heed_params *params = heed_params_new();
    *g = (gpt){ .size = size };
    g->tokens = heed_embedding_make(
        params, "tokens",
        (heed_embedding_desc){ .count = size.vocab, .dim = size.d, .init = { HEED_INIT_NORMAL, .scale = 0.02 } });
    g->positions = heed_positions_make(params, "positions",
                                       (heed_positions_desc){ .learned = true, .count = size.T, .dim = size.d });
    g->stack = heed_encoder_make(params, "stack",
                                 (heed_stack_desc){ .layers = (int)size.layers,
                                                    .layer = { .d_model = size.d,
                                                               .heads = size.heads,
                                                               .ffn = 4 * size.d,
                                                               .activation = HEED_GELU_TANH,
                                                               .pre_norm = true } });
    g->head = heed_linear_make(
        params, "head",
        (heed_linear_desc){ .in = size.d, .out = size.vocab, .no_bias = true, .weight = g->tokens.weight });
    if (!heed_params_init(params, 1234))
        die("%s", heed_error());
    int64_t n = size.batch * size.T;
    g->in = bench_alloc(n, sizeof *g->in);
    g->out = bench_alloc(n, sizeof *g->out);
    bench_fill_ids(g->in, n, "source", size.vocab);
    bench_fill_ids(g->out, n, "target", size.vocab);
    training_open(&g->training, options,
                  (training_desc){ .params = params,
                                   .opt = { .lr = 1e-4 },
                                   .rows = size.batch,
                                   .row_tokens = size.T,
                                   .divisor = (double)n,
                                   .loss = shard_loss,
                                   .context = g });
}

void run_gpt(const bench_options *options, json_t *report)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!bench_wants(options, sizes[i].name))
            continue;
        gpt g;
        gpt_open(&g, sizes[i], options);
        json_t *object = bench_add_case(report, sizes[i].name);
        bench_timing timing = training_measure(&g.training, options, options->min_time, object);
        bench_report_gflops(object, gpt_flops(sizes[i]), timing);
        bench_report_rate(object, "tokens_per_s", (double)(sizes[i].batch * sizes[i].T), timing);
        training_close(&g.training);
        free(g.in);
        free(g.out);
    }
}
