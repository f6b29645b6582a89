/* Passes over the slab of a heed_params: see slab.h. */
#include <math.h>

#include "slab.h"
#include "../tensor/internal.h"
#include "../tensor/kernels.h"

/* At most this many tasks, and none smaller than this many blocks: a smaller slab is done before a thread wakes up. */
enum { MAX_RUNS = 64, LEAST_RUN = 4 };

typedef struct {
    heed_params *params;
    const bool *skip;
    slab_fn *fn;
    void *context;
    int64_t blocks;
    int runs;
    double sums[MAX_RUNS];
} slab_job;

static int64_t param_end(const heed_param *p)
{
    return p->offset + heed_shape_numel(p->shape);
}

/* The first parameter that ends after `at`. */
static int first_after(heed_params *params, int64_t at)
{
    int low = 0, high = heed_params_count(params);
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (param_end(heed_params_at(params, middle)) > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool do_run(int run, int worker, void *context)
{
    (void)worker;
    slab_job *job = context;
    int64_t from = job->blocks * run / job->runs * SLAB_BLOCK, to = job->blocks * (run + 1) / job->runs * SLAB_BLOCK;
    int count = heed_params_count(job->params);
    double sum = 0;
    for (int i = first_after(job->params, from); i < count; i++) {
        const heed_param *p = heed_params_at(job->params, i);
        if (p->offset >= to)
            break;
        if (job->skip[i])
            continue;
        int64_t at = p->offset > from ? p->offset : from, end = param_end(p) < to ? param_end(p) : to;
        while (at < end) {
            int64_t block_end = (at / SLAB_BLOCK + 1) * SLAB_BLOCK;
            int64_t stop = block_end < end ? block_end : end;
            sum += job->fn((slab_piece){ .param = i, .from = at, .count = stop - at }, job->context);
            at = stop;
        }
    }
    job->sums[run] = sum;
    return true;
}

bool slab_pass(heed_params *params, const bool *skip, int threads, slab_fn *fn, void *context, double *sum)
{
    slab_job job = { .params = params, .skip = skip, .fn = fn, .context = context };
    job.blocks = (heed_params_numel(params) + SLAB_BLOCK - 1) / SLAB_BLOCK;
    int64_t runs = (job.blocks + LEAST_RUN - 1) / LEAST_RUN;
    job.runs = runs < MAX_RUNS ? (int)runs : MAX_RUNS;
    if (!heed_shards_run(job.runs, threads, do_run, &job))
        return false;
    double total = 0;
    for (int i = 0; i < job.runs; i++)
        total += job.sums[i];
    if (sum)
        *sum = total;
    return true;
}

static double squares(slab_piece piece, void *context)
{
    return k_sum_squares((const heed_real *)context + piece.from, piece.count);
}

bool slab_norm(heed_params *params, int threads, double *norm)
{
    heed_grads *grads = heed_params_grads(params);
    double sum;
    if (!slab_pass(params, heed_grads_empty(grads), threads, squares, heed_grads_data(grads), &sum))
        return false;
    *norm = sqrt(sum);
    return true;
}

bool slab_check_finite(heed_params *params, const char *who, const char *hint)
{
    heed_grads *grads = heed_params_grads(params);
    for (int i = 0; i < heed_params_count(params); i++) {
        const heed_param *p = heed_params_at(params, i);
        int64_t at;
        char name[96];
        heed_tensor gradient = heed_tensor_wrap(heed_grads_data(grads) + p->offset, p->shape);
        if (!heed_grads_empty(grads)[i] && !heed_tensor_finite(gradient, &at))
            return heed_fail(HEED_BAD_STATE, "%s: gradient of \"%s\" is %g at element %lld; %s", who,
                             text_clean(name, sizeof name, p->name), (double)gradient.data[at], (long long)at, hint);
    }
    return true;
}
