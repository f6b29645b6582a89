/* W5: greedy decoding of W2's model, 16 source tokens and 32 generated ones, for 1 and for 64 sentences. Nothing may end
 * early, so <eos> is a token that this model never chooses. What came out is compared with decoding without a cache. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { GENERATED = 32, MOST_ROWS = 64, SHARD_ROWS = 32, SHARDS = MOST_ROWS / SHARD_ROWS };

typedef struct {
    heed_params *params;
    heed_transformer net;
    heed_tape *tapes[SHARDS]; /* of the workers */
    heed_decode_desc desc;
    int64_t rows, src_length;
    int threads;
    int32_t *src, *out; /* [rows, src_length], [rows, GENERATED] */
    int32_t lengths[MOST_ROWS];
} decoding;

static bool decode_shard(int shard, int worker, void *context)
{
    decoding *d = context;
    int64_t from = shard * SHARD_ROWS, rows = d->rows - from < SHARD_ROWS ? d->rows - from : SHARD_ROWS;
    heed_tape_reset(d->tapes[worker]);
    return heed_decode_greedy(&d->net, d->tapes[worker], d->src + from * d->src_length, NULL, rows, d->src_length,
                              d->desc, d->out + from * GENERATED, d->lengths + from);
}

static int shards_of(const decoding *d)
{
    return (int)((d->rows + SHARD_ROWS - 1) / SHARD_ROWS);
}

/* Many sentences are decoded in shards; a single one has the threads for its large products. */
static void decode(void *context)
{
    decoding *d = context;
    if (!heed_shards_run(shards_of(d), d->threads, decode_shard, d))
        die("%s", heed_error());
}

static bool all_run_to_the_end(const decoding *d)
{
    for (int64_t i = 0; i < d->rows; i++)
        if (d->lengths[i] != GENERATED)
            return false;
    return true;
}

/* The share of tokens that decoding without a cache chooses too. */
static double agreement(decoding *d)
{
    int64_t n = d->rows * GENERATED, equal = 0;
    int32_t *cached = bench_alloc(n, sizeof *cached);
    memcpy(cached, d->out, (size_t)n * sizeof *cached);
    d->desc.no_cache = true;
    decode(d);
    d->desc.no_cache = false;
    for (int64_t i = 0; i < n; i++)
        equal += cached[i] == d->out[i];
    free(cached);
    return (double)equal / (double)n;
}

/* Bytes of weights that one generated token of every sentence of a shard reads: the decoder's layers but for the
 * projections of the encoder's output, done once, and the output table. */
static double bytes_per_token(seq2seq_size s)
{
    double layer = (double)(3 * s.d * s.d + s.d * s.d) + (double)(s.d * s.d + s.d * s.d) + (double)(2 * s.d * s.ffn);
    return ((double)s.layers * layer + (double)(s.vocab * s.d)) * (double)sizeof(heed_real);
}

static void run_case(const bench_options *options, json_t *report, const char *name, int64_t rows)
{
    if (!bench_wants(options, name))
        return;
    seq2seq_size size = seq2seq_find("W2");
    decoding d = { .params = heed_params_new(), .rows = rows, .src_length = size.src };
    d.net = seq2seq_make(d.params, size, 0, 0);
    d.threads = options->threads < SHARDS ? options->threads : SHARDS;
    for (int i = 0; i < d.threads; i++)
        d.tapes[i] = bench_tape(options);
    if (!heed_params_init(d.params, 1234))
        die("%s", heed_error());
    d.src = bench_alloc(rows * size.src, sizeof *d.src);
    d.out = bench_alloc(rows * GENERATED, sizeof *d.out);
    bench_fill_ids(d.src, rows * size.src, "source", size.vocab);
    d.desc = (heed_decode_desc){ .bos = 1, .eos = 2, .max_length = GENERATED };
    for (decode(&d); !all_run_to_the_end(&d); decode(&d))
        if (++d.desc.eos == size.vocab)
            die("%s: every token ends some sentence", name);

    json_t *object = bench_add_case(report, name);
    double agree = agreement(&d);
    bench_timing timing = bench_measure(options, options->min_time, decode, &d);
    bench_report_timing(object, timing);
    bench_report_rate(object, "sentences_per_s", (double)rows, timing);
    bench_report_rate(object, "generated_tokens_per_s", (double)(rows * GENERATED), timing);
    bench_report(object, "weight_mb_per_token", bytes_per_token(size) / 1e6);
    bench_report_rate(object, "weight_gbytes_per_s", bytes_per_token(size) * GENERATED * (double)shards_of(&d) / 1e9,
                      timing);
    bench_report(object, "agree_uncached", agree);
    free(d.src);
    free(d.out);
    for (int i = 0; i < d.threads; i++)
        heed_tape_free(d.tapes[i]);
    heed_params_free(d.params);
}

void run_decode(const bench_options *options, json_t *report)
{
    run_case(options, report, "b1", 1);
    run_case(options, report, "b64", MOST_ROWS);
}
