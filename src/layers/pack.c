/* Weights laid out once for many products. In a parallel step each shard multiplies by the same weights, and a product
 * x Wᵀ reads W in panels that it would have to pack: here all threads pack them together, once.
 *
 * The packed weights lie one behind the other, each in whole panels. A thread takes the panels that begin in its part of
 * that memory. */
#include "internal.h"
#include "../tensor/kernels.h"

static int64_t packed_size(const heed_param *p)
{
    return p->multiplies ? k_gemm_packed_size(p->shape.dims[0], p->shape.dims[1]) : 0;
}

const heed_real *param_packed(const heed_param *p)
{
    return p->params->is_packed && packed_size(p) ? p->params->packed + p->packed_at : NULL;
}

/* Gives every weight its place; returns the size of all. */
static int64_t lay_out(heed_params *params)
{
    int64_t size = 0;
    for (int i = 0; i < params->count; i++) {
        params->items[i]->packed_at = size;
        size += packed_size(params->items[i]);
    }
    return size;
}

typedef struct {
    heed_params *params;
    int64_t size;
    int parts;
} pack_job;

/* The panels, of `each` numbers, that begin before this place. */
static int64_t panels_before(int64_t place, int64_t each)
{
    return place > 0 ? (place + each - 1) / each : 0;
}

static bool pack_part(int part, int worker, void *context)
{
    (void)worker;
    const pack_job *job = context;
    int64_t from = job->size * part / job->parts, to = job->size * (part + 1) / job->parts;
    for (int i = 0; i < job->params->count; i++) {
        const heed_param *p = job->params->items[i];
        int64_t size = packed_size(p), at = p->packed_at;
        if (size == 0 || at >= to || at + size <= from)
            continue;
        int64_t n = p->shape.dims[0], k = p->shape.dims[1], each = k_gemm_packed_size(1, k), rows = each / k;
        int64_t end = at + size < to ? at + size : to;
        int64_t first = panels_before(from - at, each) * rows, last = panels_before(end - at, each) * rows;
        if (first < last)
            k_gemm_pack(job->params->packed + at + first * k, job->params->values + p->offset + first * k,
                        (last < n ? last : n) - first, k);
    }
    return true;
}

bool heed_params_pack(heed_params *params, int threads)
{
    enum { LEAST = 1 << 14, MOST = 16 }; /* numbers a part; parts */
    if (!heed_params_values(params))     /* not initialised; says so */
        return false;
    pack_job job = { .params = params, .size = lay_out(params) };
    if (!params->packed && !(params->packed = heed_arena_alloc(params->arena, job.size * (int64_t)sizeof(heed_real))))
        return false;
    int64_t parts = 1 + job.size / LEAST;
    job.parts = parts < MOST ? (int)parts : MOST;
    return params->is_packed = heed_shards_run(job.parts, threads, pack_part, &job);
}

void heed_params_unpack(heed_params *params)
{
    if (params)
        params->is_packed = false;
}
