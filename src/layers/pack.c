/* Weights laid out once for many products. In a parallel step each shard multiplies by the same weights, and a product
 * x Wᵀ reads W in panels that it would have to pack: here all threads pack them together, once.
 *
 * The packed weights lie one behind the other, each in whole panels. A thread takes the panels that begin in its part of
 * that memory. */
#include "internal.h"
#include "../tensor/kernels.h"

/* One that is shared may be in use by other threads: it is not written again. */
void param_multiplies(heed_param *p)
{
    if (p && !p->multiplies)
        p->multiplies = true;
}

/* A single row is no panel's worth. */
static int64_t packed_size(const heed_param *p)
{
    bool packs = p->multiplies && p->shape.rank == 2 && p->shape.dims[0] > 1;
    return packs ? k_gemm_packed_size(p->shape.dims[0], p->shape.dims[1]) : 0;
}

const heed_real *param_packed(const heed_param *p)
{
    return p->params->is_packed && p->packed_at >= 0 ? p->params->packed + p->packed_at : NULL;
}

/* Gives every weight its place; returns the size of all. */
static int64_t lay_out(heed_params *params)
{
    int64_t size = 0;
    for (int i = 0; i < params->count; i++) {
        int64_t own = packed_size(params->items[i]);
        params->items[i]->packed_at = own ? size : -1;
        size += own;
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
        if (at < 0 || at >= to || at + size <= from)
            continue;
        int64_t n = p->shape.dims[0], k = p->shape.dims[1], each = k_gemm_packed_size(1, k), rows = each / k;
        int64_t end = at + size < to ? at + size : to;
        int64_t from_row = panels_before(from - at, each) * rows, to_row = panels_before(end - at, each) * rows;
        if (from_row < to_row)
            k_gemm_pack(job->params->packed + at + from_row * k, job->params->values + p->offset + from_row * k,
                        (to_row < n ? to_row : n) - from_row, k);
    }
    return true;
}

bool heed_params_pack(heed_params *params, int threads)
{
    enum { LEAST = 1 << 14, MOST = 16 }; /* numbers a part; parts */
    if (!params_ready(params, "heed_params_pack"))
        return false;
    params->is_packed = false;
    pack_job job = { .params = params, .size = lay_out(params) };
    if (job.size > params->packed_room) {
        heed_real *room = heed_arena_alloc(params->arena, job.size * (int64_t)sizeof *room);
        if (!room)
            return false;
        params->packed = room;
        params->packed_room = job.size;
    }
    int64_t parts = 1 + job.size / LEAST;
    job.parts = parts < MOST ? (int)parts : MOST;
    params->packed_version = params->version;
    return params->is_packed = heed_shards_run(job.parts, threads, pack_part, &job);
}

void heed_params_unpack(heed_params *params)
{
    if (params)
        params->is_packed = false;
}
