/* Recording what every head looks at: a trace whose pointers are ours, and copies of what a pass left there. */
#include "internal.h"

#include <math.h>
#include <string.h>

struct heed_recorder {
    const heed_transformer *m;
    heed_trace trace;
    heed_var *vars[]; /* weights of all layers of all types, then their q, k, v, then residuals and what joins them */
};

static int64_t layers_of(const heed_transformer *m, int type)
{
    return type == HEED_ENC ? m->encoder.n_layers : m->decoder.n_layers;
}

heed_recorder *heed_recorder_new(const heed_transformer *m, heed_recorder_desc desc)
{
    int64_t layers = m ? m->encoder.n_layers + 2 * (int64_t)m->decoder.n_layers : 0;
    if (!layers) {
        heed_fail(HEED_BAD_ARGUMENT, "recorder: m is %s", m ? "a Transformer that was not made" : "NULL");
        return NULL;
    }
    heed_recorder *r = memory_get_zeroed((int64_t)sizeof *r + 6 * layers * (int64_t)sizeof(heed_var *));
    if (!r)
        return NULL;
    r->m = m;
    heed_var **weights = r->vars, **parts = r->vars + layers, **streams = parts + 3 * layers;
    for (int type = 0; type < 3; type++) {
        r->trace.weights[type] = weights;
        r->trace.parts[type] = desc.parts ? parts : NULL;
        r->trace.streams[type] = desc.shares ? streams : NULL;
        weights += layers_of(m, type);
        parts += 3 * layers_of(m, type);
        streams += 2 * layers_of(m, type);
    }
    return r;
}

void heed_recorder_free(heed_recorder *recorder)
{
    memory_put(recorder);
}

heed_trace *heed_recorder_trace(heed_recorder *recorder)
{
    return recorder ? &recorder->trace : NULL;
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

int64_t record_queries(const heed_record *r, int type)
{
    return type == HEED_ENC ? r->S : r->T;
}

int64_t record_keys(const heed_record *r, int type)
{
    return type == HEED_DEC ? r->T : r->S;
}

const heed_real *record_row(const heed_record *r, int type, int64_t head, int64_t row)
{
    return r->weights[type] + (head * record_queries(r, type) + row) * record_keys(r, type);
}

heed_tensor heed_record_head(const heed_record *r, heed_head head)
{
    bool there = (unsigned)head.type < 3 && head.layer >= 0 && head.head >= 0 && r->weights[head.type] &&
                 head.layer < r->layers[head.type] && head.head < r->heads;
    if (!there) {
        heed_shape_buffer name;
        heed_fail(HEED_BAD_ARGUMENT, "record: there is no head %s",
                  heed_head_name(head.type, head.layer, head.head, &name));
        return (heed_tensor){ 0 };
    }
    int64_t at = head.layer * r->heads + head.head;
    return heed_tensor_wrap(r->weights[head.type] + at * record_queries(r, head.type) * record_keys(r, head.type),
                            HEED_SHAPE(record_queries(r, head.type), record_keys(r, head.type)));
}

static heed_record record_of(const heed_transformer *m, int64_t S, int64_t T)
{
    heed_record r = { .heads = m->desc.layer.heads, .S = S, .T = T };
    r.d = m->desc.layer.d_model / r.heads;
    for (int type = 0; type < 3; type++)
        r.layers[type] = layers_of(m, type);
    return r;
}

/* Of [B, A, M, N] the first m x n of every a of row b, for all layers: [layers, A, m, n]. */
static heed_real *copy_layers(heed_arena *arena, heed_var *const *vars, int stride, int64_t layers, int64_t row,
                              const int *order, int64_t m, int64_t n)
{
    heed_real *out = NULL;
    for (int64_t i = 0; i < layers; i++) {
        heed_tensor all = heed_value(vars[i * stride]);
        if (!heed_tensor_ok(all))
            return NULL;
        heed_tensor from = heed_tensor_slice(heed_tensor_permute(all, order), 0, row, row + 1);
        from = heed_tensor_slice(heed_tensor_slice(from, 2, 0, m), 3, 0, n);
        if (!heed_tensor_ok(from))
            return NULL;
        int64_t size = heed_tensor_numel(from);
        if (!out && !(out = heed_arena_alloc(arena, layers * size * (int64_t)sizeof *out)))
            return NULL;
        if (!heed_tensor_copy(heed_tensor_wrap(out + i * size, from.shape), from))
            return NULL;
    }
    return out;
}

/* Of x [B, T, D], the length of token t of row b. */
static double length_of(heed_tensor x, int64_t b, int64_t t)
{
    double squares = 0;
    for (int64_t i = 0; i < x.shape.dims[2]; i++) {
        double value = (double)x.data[b * x.strides[0] + t * x.strides[1] + i * x.strides[2]];
        squares += value * value;
    }
    return sqrt(squares);
}

/* Of each layer's residual and what attention adds to it, the first n tokens of row b: the share of the latter's length.
 * One half where both are 0. [layers, n] */
static double *shares_of(heed_arena *arena, heed_var *const *streams, int64_t layers, int64_t row, int64_t n)
{
    double *out = heed_arena_alloc(arena, layers * n * (int64_t)sizeof *out);
    for (int64_t i = 0; out && i < layers; i++) {
        heed_tensor x = heed_value(streams[2 * i]), added = heed_value(streams[2 * i + 1]);
        if (!heed_tensor_ok(x) || !heed_tensor_ok(added))
            return NULL;
        for (int64_t t = 0; t < n; t++) {
            double kept = length_of(x, row, t), joins = length_of(added, row, t);
            out[i * n + t] = kept + joins > 0 ? joins / (kept + joins) : 0.5;
        }
    }
    return out;
}

bool heed_recorder_take(const heed_recorder *recorder, heed_arena *arena, int64_t row, int64_t S, int64_t T,
                        heed_record *out)
{
    static const int as_it_is[] = { 0, 1, 2, 3 }, heads_first[] = { 0, 2, 1, 3 };
    heed_record r = record_of(recorder->m, S, T);
    for (int type = 0; type < 3; type++) {
        int64_t queries = record_queries(&r, type), keys = record_keys(&r, type), n = r.layers[type];
        heed_var *const *parts = recorder->trace.parts[type];
        heed_real **const to[] = { &r.q[type], &r.k[type], &r.v[type] };
        r.weights[type] = copy_layers(arena, recorder->trace.weights[type], 1, n, row, as_it_is, queries, keys);
        for (int i = 0; r.weights[type] && parts && i < 3; i++)
            if (!(*to[i] = copy_layers(arena, parts + i, 3, n, row, heads_first, i ? keys : queries, r.d)))
                return false;
        heed_var *const *streams = recorder->trace.streams[type];
        if (!r.weights[type] || (streams && !(r.share[type] = shares_of(arena, streams, n, row, queries))))
            return false;
    }
    *out = r;
    return true;
}

/* ---- cached decoding --------------------------------------------------------------------------------------------- */

typedef struct {
    heed_recorder *recorder;
    heed_arena *arena;
    int64_t steps, most;
    heed_record *rows; /* [most], one decoder row each */
} decoding;

/* The caches hold t + 1 tokens now: the newest row of both types. */
static bool take_step(int64_t t, void *context)
{
    static const int as_it_is[] = { 0, 1, 2, 3 };
    decoding *d = context;
    heed_record *r = &d->rows[t];
    d->steps = t + 1;
    for (int type = HEED_DEC; type <= HEED_CROSS; type++)
        if (!(r->weights[type] = copy_layers(d->arena, d->recorder->trace.weights[type], 1, r->layers[type], 0,
                                             as_it_is, 1, type == HEED_DEC ? t + 1 : r->S)))
            return false;
    if (t == 0)
        r->weights[HEED_ENC] = copy_layers(d->arena, d->recorder->trace.weights[HEED_ENC], 1, r->layers[HEED_ENC], 0,
                                           as_it_is, r->S, r->S);
    return t > 0 || r->weights[HEED_ENC];
}

static bool join_steps(const decoding *d, heed_record *out)
{
    *out = d->rows[0];
    out->T = d->steps;
    for (int type = HEED_DEC; type <= HEED_CROSS; type++) {
        int64_t heads = out->layers[type] * out->heads, keys = record_keys(out, type);
        int64_t bytes = heads * out->T * keys * (int64_t)sizeof(heed_real);
        heed_real *to = out->weights[type] = heed_arena_alloc(d->arena, bytes);
        if (!to)
            return false;
        memset(to, 0, (size_t)bytes);
        for (int64_t i = 0; i < heads * out->T; i++) {
            int64_t t = i % out->T, n = type == HEED_DEC ? t + 1 : keys;
            memcpy(to + i * keys, d->rows[t].weights[type] + i / out->T * n, (size_t)n * sizeof *to);
        }
    }
    return true;
}

bool heed_record_decode(const heed_transformer *m, heed_tape *tape, heed_arena *arena, const int32_t *src, int64_t S,
                        heed_decode_desc desc, int32_t *out, int32_t *length, heed_record *record)
{
    decoding d = { .arena = arena, .most = desc.max_length };
    if (desc.no_cache || desc.trace || desc.on_step || desc.max_length < 1)
        return heed_fail(HEED_BAD_ARGUMENT, "record_decode: wants the cache, no trace of yours and max_length above 0");
    d.recorder = heed_recorder_new(m, (heed_recorder_desc){ 0 });
    d.rows = d.recorder ? heed_arena_alloc(arena, d.most * (int64_t)sizeof *d.rows) : NULL;
    for (int64_t t = 0; d.rows && t < d.most; t++)
        d.rows[t] = record_of(m, S, 1);
    desc.trace = heed_recorder_trace(d.recorder);
    desc.on_step = take_step;
    desc.context = &d;
    bool done = d.rows && heed_decode_greedy(m, tape, src, NULL, 1, S, desc, out, length) && join_steps(&d, record);
    heed_recorder_free(d.recorder);
    return done;
}
