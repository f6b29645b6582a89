/* A training step in shards, as translate_toy does it: the library's rule says how many, a heed_trainer runs them, AdamW
 * takes the sum. Every step is on the same batch, as the peers' are. */
#include "bench.h"

#include <math.h>
#include <stdlib.h>

heed_rng bench_rng(const char *name)
{
    return (heed_rng){ .seed = 1234, .stream = heed_rng_stream(name) };
}

void bench_fill_ids(int32_t *ids, int64_t n, const char *name, int64_t below)
{
    heed_rng rng = bench_rng(name);
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)heed_rng_below(rng, (uint64_t)i, (uint64_t)below);
}

void bench_fill_normal(heed_real *values, int64_t n, const char *name)
{
    if (!heed_tensor_normal(heed_tensor_wrap(values, HEED_SHAPE(n)), bench_rng(name), 0, 1))
        die("%s", heed_error());
}

heed_tape *bench_tape(const bench_options *options)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .threads = options->threads, .gemm = options->gemm });
    if (!tape)
        die("%s", heed_error());
    return tape;
}

void training_open(training *t, const bench_options *options, training_desc desc)
{
    *t = (training){ .params = desc.params, .divisor = desc.divisor, .loss_fn = desc.loss, .context = desc.context };
    t->opt = heed_adamw_make(desc.params, desc.opt);
    t->opt.threads = options->threads;
    t->trainer = heed_trainer_new(
        desc.params, (heed_trainer_desc){ .threads = options->threads, .seed = 1234, .gemm = options->gemm });
    t->shards = heed_shards_rule(desc.rows, desc.rows * desc.row_tokens, heed_params_numel(desc.params));
    int32_t *lengths = bench_alloc(desc.rows, sizeof *lengths);
    for (int64_t i = 0; i < desc.rows; i++)
        lengths[i] = (int32_t)desc.row_tokens;
    if (!t->opt.params || !t->trainer || t->shards > BENCH_SHARDS ||
        !heed_shards_cut(lengths, desc.rows, t->shards, t->starts))
        die("%s", heed_error());
    free(lengths);
}

void training_close(training *t)
{
    heed_trainer_free(t->trainer);
    heed_params_free(t->params);
}

void training_gradients(training *t)
{
    if (!heed_trainer_step(t->trainer,
                           (heed_trainer_step_desc){ .shards = t->shards,
                                                     .starts = t->starts,
                                                     .step = t->steps,
                                                     .divisor = t->divisor,
                                                     .loss = t->loss_fn,
                                                     .context = t->context },
                           &t->loss))
        die("step %lld: %s", (long long)t->steps, heed_error());
}

void training_step(void *context)
{
    training *t = context;
    training_gradients(t);
    t->opt.known_norm = heed_trainer_norm(t->trainer);
    if (!heed_adamw_step(&t->opt))
        die("step %lld: %s", (long long)t->steps, heed_error());
    if (t->steps++ == 0)
        t->first_loss = t->loss;
}

bench_timing training_measure(training *t, const bench_options *options, double min_time, json_t *object)
{
    double start = bench_now();
    training_step(t);
    double first = bench_now() - start;
    bench_timing timing = bench_measure(options, min_time, training_step, t);
    bench_report_timing(object, timing);
    json_t *rest =
        json_pack("{s:i, s:f, s:f, s:f, s:I}", "shards", t->shards, "loss_before", t->first_loss, "loss_after", t->loss,
                  "first_step_s", first, "params", (json_int_t)heed_params_numel(t->params));
    if (!rest || json_object_update(object, rest))
        die("out of memory");
    json_decref(rest);
    return timing;
}
