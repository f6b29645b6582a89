/* Multi-head attention, "Attention Is All You Need", 3.2.2:
 *
 *     MultiHead(Q, K, V) = Concat(head_1, ..., head_h) Wo
 *     head_i = Attention(Q Wq_i, K Wk_i, V Wv_i)             d_k = d_v = d_model / h
 *
 * The heads' projections lie side by side in one matrix each for q, k and v, and those, where sizes allow, below one
 * another in `in_weight`: so self-attention projects with one product, and a head is a view. The attention itself is
 * heed_attend, or heed_attend_composed for reading, both in attend.c. */
#include "internal.h"

#include <string.h>

/* ---- making
 * ---------------------------------------------------------------------------------------------------------- */

static bool check(const char *name, heed_attention_desc desc)
{
    if (desc.d_model < 1 || desc.heads < 1 || desc.kdim < 0 || desc.vdim < 0)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "attention \"%s\": d_model is %lld and heads is %lld; both are needed, at least 1",
                         name ? name : "", (long long)desc.d_model, (long long)desc.heads);
    if (desc.d_model % desc.heads)
        return heed_fail(HEED_BAD_ARGUMENT, "attention \"%s\": d_model %lld is not a multiple of heads %lld",
                         name ? name : "", (long long)desc.d_model, (long long)desc.heads);
    return dropout_check("attention", name, "dropout", desc.dropout);
}

heed_attention heed_attention_make(heed_params *params, const char *name, heed_attention_desc desc)
{
    heed_attention m = {
        .d_model = desc.d_model, .heads = desc.heads, .dropout = desc.dropout, .composed = desc.composed
    };
    const heed_init xavier = { .kind = HEED_INIT_XAVIER };
    if (!check(name, desc)) {
        heed_params_fail(params);
        return (heed_attention){ 0 };
    }
    int64_t d = desc.d_model;
    m.kdim = desc.kdim ? desc.kdim : d;
    m.vdim = desc.vdim ? desc.vdim : d;
    m.site = heed_param_name(params, name, "dropout");
    if (m.kdim == d && m.vdim == d) {
        m.in_weight =
            heed_param_make(params, heed_param_name(params, name, "in_proj_weight"), HEED_SHAPE(3 * d, d), xavier);
    } else {
        m.q_weight = heed_param_make(params, heed_param_name(params, name, "q_proj_weight"), HEED_SHAPE(d, d), xavier);
        m.k_weight =
            heed_param_make(params, heed_param_name(params, name, "k_proj_weight"), HEED_SHAPE(d, m.kdim), xavier);
        m.v_weight =
            heed_param_make(params, heed_param_name(params, name, "v_proj_weight"), HEED_SHAPE(d, m.vdim), xavier);
    }
    param_multiplies(m.in_weight);
    param_multiplies(m.q_weight);
    param_multiplies(m.k_weight);
    param_multiplies(m.v_weight);
    if (!desc.no_bias)
        m.in_bias =
            heed_param_make(params, heed_param_name(params, name, "in_proj_bias"), HEED_SHAPE(3 * d), (heed_init){ 0 });
    m.out = heed_linear_make(params, heed_param_name(params, name, "out_proj"),
                             (heed_linear_desc){ .in = d, .out = d, .no_bias = desc.no_bias });
    return m;
}

/* ---- projections
 * ----------------------------------------------------------------------------------------------------- */

enum { Q, K, V };

/* x times the projections [from, to] of q, k, v, one product: [B, T, (to - from + 1) d_model]. */
static heed_var *project(const heed_attention *m, heed_var *x, int from, int to)
{
    if (!x)
        return NULL;
    heed_tape *tape = x->tape;
    heed_param *const alone[] = { m->q_weight, m->k_weight, m->v_weight };
    int64_t d = m->d_model;
    heed_var *w = m->in_weight ? heed_slice(heed_param_on(tape, m->in_weight), 0, from * d, (to + 1) * d)
                               : heed_param_on(tape, alone[from]);
    heed_var *b = m->in_bias ? heed_slice(heed_param_on(tape, m->in_bias), 0, from * d, (to + 1) * d) : NULL;
    return heed_affine(x, w, b);
}

/* The n-th d_model columns of a projection as heads: [B, T, H, d_k], a view. */
static heed_var *heads_of(const heed_attention *m, heed_var *x, int n)
{
    if (!x)
        return NULL;
    heed_shape s = x->value.shape;
    return heed_reshape(heed_slice(x, 2, n * m->d_model, (n + 1) * m->d_model),
                        HEED_SHAPE(s.dims[0], s.dims[1], m->heads, m->d_model / m->heads));
}

/* As few products as the operands allow: one when q, k and v are the same, two when k and v are. */
static void project_all(const heed_attention *m, heed_var *q, heed_var *k, heed_var *v, heed_var *heads[3])
{
    if (m->in_weight && q == k && k == v) {
        heed_var *qkv = project(m, q, Q, V);
        for (int i = Q; i <= V; i++)
            heads[i] = heads_of(m, qkv, i);
        return;
    }
    heads[Q] = heads_of(m, project(m, q, Q, Q), 0);
    if (m->in_weight && k == v) {
        heed_var *kv = project(m, k, K, V);
        heads[K] = heads_of(m, kv, 0);
        heads[V] = heads_of(m, kv, 1);
    } else {
        heads[K] = heads_of(m, project(m, k, K, K), 0);
        heads[V] = heads_of(m, project(m, v, V, V), 0);
    }
}

/* ---- the cache
 * ------------------------------------------------------------------------------------------------------- */

static bool cache_fits(const heed_attention *m, const heed_cache *cache, const heed_var *q, int64_t added)
{
    if (heed_tape_is_grad(q->tape))
        return heed_fail(HEED_BAD_STATE,
                         "attention: a cache is for decoding; turn gradients off with heed_tape_set_grad");
    if (cache->rows != q->value.shape.dims[0] || cache->heads != m->heads || cache->d != m->d_model / m->heads)
        return heed_fail(HEED_BAD_SHAPE,
                         "attention: the cache is for %lld rows of %lld heads of %lld, not %lld of %lld of %lld",
                         (long long)cache->rows, (long long)cache->heads, (long long)cache->d,
                         (long long)q->value.shape.dims[0], (long long)m->heads, (long long)(m->d_model / m->heads));
    if (cache->length + added > cache->capacity)
        return heed_fail(HEED_BAD_ARGUMENT, "attention: the cache holds %lld tokens and has no room for %lld more",
                         (long long)cache->length, (long long)added);
    return true;
}

/* One side of the cache as it lies, and the order of axes that makes it [B, capacity, H, d_k]. */
static heed_tensor side_of(const heed_cache *cache, heed_real *side, const int **order)
{
    static const int of_keys[] = { 0, 3, 1, 2 }, of_values[] = { 0, 2, 1, 3 };
    bool keys = side == cache->k;
    *order = keys ? of_keys : of_values;
    return heed_tensor_wrap(side, keys ? HEED_SHAPE(cache->rows, cache->heads, cache->d, cache->capacity)
                                       : HEED_SHAPE(cache->rows, cache->heads, cache->capacity, cache->d));
}

/* The tokens held as a var that shares the cache's memory: [B, length, H, d_k]. */
static heed_var *cached(heed_tape *tape, const heed_cache *cache, heed_real *side)
{
    const int *order;
    heed_external all = { .name = "cache", .value = side_of(cache, side, &order) };
    return heed_slice(heed_permute(heed_external_on(tape, side, all), order), 1, 0, cache->length);
}

static bool append(heed_cache *cache, heed_real *side, const heed_var *x)
{
    const int *order;
    heed_tensor all = side_of(cache, side, &order);
    int64_t from = cache->length, to = x ? from + x->value.shape.dims[1] : from;
    return x && heed_tensor_copy(heed_tensor_slice(heed_tensor_permute(all, order), 1, from, to), x->value);
}

/* Appends the new keys and values, and replaces them by all there are. */
static bool through_cache(const heed_attention *m, heed_cache *cache, heed_var *q, heed_var *heads[3], bool complete)
{
    int64_t added = complete || !heads[K] ? 0 : heads[K]->value.shape.dims[1];
    if (!cache_fits(m, cache, q, added))
        return false;
    if (!complete && !(append(cache, cache->k, heads[K]) && append(cache, cache->v, heads[V])))
        return false;
    cache->length += added;
    heads[K] = cached(q->tape, cache, cache->k);
    heads[V] = cached(q->tape, cache, cache->v);
    return heads[K] && heads[V];
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static bool operand_fits(const heed_var *x, const char *name, int64_t width, const char *layer)
{
    heed_shape_buffer room;
    heed_shape s = x->value.shape;
    return (s.rank == 3 && s.dims[2] == width) ||
           heed_fail(HEED_BAD_SHAPE, "attention \"%s\": %s is %s, must be [B, T, %lld]", layer, name,
                     heed_shape_text(s, &room), (long long)width);
}

static heed_var *forward(const heed_attention *m, heed_var *q, heed_var *k, heed_var *v, heed_attention_call call)
{
    heed_tape *tape = layer_tape("attention", m->out.weight, q ? &q->tape : NULL);
    bool complete = call.cache && call.cached_only;
    if (!tape || !operand_fits(q, "q", m->d_model, m->site))
        return NULL;
    if (!complete && (!layer_tape("attention", m->out.weight, k ? &k->tape : NULL) ||
                      !layer_tape("attention", m->out.weight, v ? &v->tape : NULL) ||
                      !operand_fits(k, "k", m->kdim, m->site) || !operand_fits(v, "v", m->vdim, m->site)))
        return NULL;
    heed_var *heads[3] = { NULL, NULL, NULL };
    if (complete)
        heads[Q] = heads_of(m, project(m, q, Q, Q), 0);
    else
        project_all(m, q, k, v, heads);
    if (call.cache && !through_cache(m, call.cache, q, heads, complete))
        return NULL;
    if (call.parts)
        memcpy(call.parts, heads, sizeof heads);

    heed_attend_desc desc = {
        .mask = call.mask, .dropout = m->dropout, .site = m->site, .gates = call.gates, .weights = call.weights
    };
    heed_var *out = m->composed ? heed_attend_composed(heads[Q], heads[K], heads[V], desc) /* [B, Tq, H, d_k] */
                                : heed_attend(heads[Q], heads[K], heads[V], desc);
    out = heed_reshape(out, q->value.shape); /* [B, Tq, d_model] */
    if (call.added)
        out = heed_add(out, call.added);
    return heed_linear_forward(&m->out, out);
}

heed_var *heed_attention_forward(const heed_attention *m, heed_var *q, heed_var *k, heed_var *v,
                                 heed_attention_call call)
{
    int64_t held = call.cache ? call.cache->length : 0;
    heed_var *y = forward(m, q, k, v, call);
    if (!y && call.cache)
        call.cache->length = held;
    return y;
}
