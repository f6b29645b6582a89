/* W1-W3: training steps of an encoder-decoder Transformer, pre-norm with final norms, sinusoidal positions, the output tied
 * to the target embedding, label smoothing 0.1, gradients clipped at 1, Adam. Every token counts: no padding, no mask. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

static const seq2seq_size sizes[] = {
    { "W1", 64, false, 64, 4, 2, 256, 64, 12, 12 },
    { "W2", 10000, true, 128, 4, 4, 256, 128, 16, 16 },
    { "W3", 8000, true, 512, 8, 6, 2048, 32, 32, 32 },
};

seq2seq_size seq2seq_find(const char *name)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (strcmp(sizes[i].name, name) == 0)
            return sizes[i];
    die("there is no translator called \"%s\"", name);
}

/* ---- FLOP formulas: the products alone; causal attention has T (T + 1) / 2 pairs --------------------------------------- */

double attention_flops(double B, double Tq, double Tk, double d, bool causal)
{
    double pairs = causal ? Tq * (Tq + 1) / 2 : Tq * Tk;
    return 2 * B * (2 * Tq * d * d + 2 * Tk * d * d) + 4 * B * pairs * d;
}

/* Of a training step: three times those of the forward pass. */
double seq2seq_flops(seq2seq_size s)
{
    double B = (double)s.batch, S = (double)s.src, T = (double)s.tgt, d = (double)s.d, f = (double)s.ffn;
    double enc = attention_flops(B, S, S, d, false) + 4 * B * S * d * f;
    double dec = attention_flops(B, T, T, d, true) + attention_flops(B, T, S, d, false) + 4 * B * T * d * f;
    return 3 * ((double)s.layers * (enc + dec) + 2 * B * T * d * (double)s.vocab);
}

/* ---- model and data ------------------------------------------------------------------------------------------------- */

heed_transformer seq2seq_make(heed_params *params, seq2seq_size size, double dropout, double attention_dropout)
{
    return heed_transformer_make(params, (heed_transformer_desc){ .src_vocab = size.vocab,
                                                                  .tgt_vocab = size.vocab,
                                                                  .enc_layers = (int)size.layers,
                                                                  .dec_layers = (int)size.layers,
                                                                  .layer = { .d_model = size.d,
                                                                             .heads = size.heads,
                                                                             .ffn = size.ffn,
                                                                             .pre_norm = true,
                                                                             .dropout = dropout,
                                                                             .attention_dropout = attention_dropout,
                                                                             .ffn_dropout = dropout },
                                                                  .dropout = dropout,
                                                                  .share_embeddings = size.joint });
}

static heed_var *shard_loss(heed_tape *tape, int shard, void *context)
{
    const seq2seq *s = context;
    int64_t from = s->training.starts[shard], rows = s->training.starts[shard + 1] - from;
    int64_t S = s->size.src, T = s->size.tgt;
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(rows, S), s->src + from * S);
    heed_ids *in = heed_input_ids(tape, HEED_SHAPE(rows, T), s->in + from * T);
    heed_ids *out = heed_input_ids(tape, HEED_SHAPE(rows, T), s->out + from * T);
    heed_var *memory = heed_transformer_encode(&s->net, src, NULL, NULL); /* [rows, S, d] */
    return heed_transformer_loss(&s->net, in, memory, NULL, out, (heed_ce_desc){ .smoothing = 0.1, .sum = true });
}

void seq2seq_open(seq2seq *s, seq2seq_size size, const bench_options *options)
{
    *s = (seq2seq){ .size = size };
    int64_t B = size.batch, T = size.tgt;
    s->src = bench_alloc(B * size.src, sizeof *s->src);
    s->in = bench_alloc(B * T, sizeof *s->in);
    s->out = bench_alloc(B * T, sizeof *s->out);
    int32_t *tgt = bench_alloc(B * (T + 1), sizeof *tgt);
    bench_fill_ids(s->src, B * size.src, "source", size.vocab);
    bench_fill_ids(tgt, B * (T + 1), "target", size.vocab);
    for (int64_t row = 0; row < B; row++) { /* what is read, and what follows it */
        memcpy(s->in + row * T, tgt + row * (T + 1), (size_t)T * sizeof *tgt);
        memcpy(s->out + row * T, tgt + row * (T + 1) + 1, (size_t)T * sizeof *tgt);
    }
    free(tgt);

    heed_params *params = heed_params_new();
    s->net = seq2seq_make(params, size, options->dropout, options->attention_dropout);
    if (!heed_params_init(params, 1234))
        die("%s", heed_error());
    heed_adamw_desc adam = { .lr = 1e-4, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9, .clip = 1 };
    training_open(&s->training, options,
                  (training_desc){ .params = params,
                                   .opt = adam,
                                   .rows = B,
                                   .row_tokens = size.src + T,
                                   .divisor = (double)(B * T),
                                   .loss = shard_loss,
                                   .context = s });
}

void seq2seq_close(seq2seq *s)
{
    training_close(&s->training);
    free(s->src);
    free(s->in);
    free(s->out);
}

void run_seq2seq(const bench_options *options, json_t *report)
{
    seq2seq_size size = seq2seq_find(options->workload);
    size.src = options->length ? options->length : size.src;
    size.tgt = options->length ? options->length : size.tgt;
    size.batch = options->batch ? options->batch : size.batch;
    size.layers = options->layers ? options->layers : size.layers;
    seq2seq s;
    seq2seq_open(&s, size, options);
    bench_timing timing = training_measure(&s.training, options, options->min_time, report);
    bench_report_gflops(report, seq2seq_flops(size), timing);
    bench_report_rate(report, "tokens_per_s", (double)(size.batch * (size.src + size.tgt)), timing);
    seq2seq_close(&s);
}
