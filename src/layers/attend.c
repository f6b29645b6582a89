/* Scaled dot-product attention, twice. heed_attend_composed is the paper's formula in small ops, for reading.
 * heed_attend is one op, written from outside the autograd room by the route any program has (see examples/own_op.c);
 * its loops are in tensor/k_attention.c. Tests hold the two equal, values and gradients. */
#include "layers.h"
#include "../tensor/kernels.h"

#include <math.h>

/* ---- checks both share ----------------------------------------------------------------------------------------------
 */

static bool is_mask(heed_shape mask, heed_shape q, heed_shape k)
{
    return mask.rank == 4 && (mask.dims[0] == 1 || mask.dims[0] == q.dims[0]) &&
           (mask.dims[1] == 1 || mask.dims[1] == q.dims[2]) && mask.dims[2] == q.dims[1] && mask.dims[3] == k.dims[1];
}

static bool is_gates(heed_shape gates, heed_shape q)
{
    return (gates.rank == 1 && gates.dims[0] == q.dims[2]) ||
           (gates.rank == 2 && gates.dims[0] == q.dims[0] && gates.dims[1] == q.dims[2]);
}

static bool ids_alive(const heed_ids *ids, const heed_var *q, const char *what)
{
    if (!ids || ids->tape == q->tape)
        return true;
    return heed_fail(ids->tape ? HEED_BAD_ARGUMENT : HEED_BAD_STATE, "attend: mask.%s is %s", what,
                     ids->tape ? "on another tape than q" : "stale: its tape was reset");
}

static bool fits(const heed_var *q, const heed_var *k, const heed_var *v, const heed_attend_desc *desc)
{
    heed_shape_buffer a, b, c;
    heed_shape qs = q->value.shape, ks = k->value.shape, vs = v->value.shape;
    const heed_mask *mask = &desc->mask;
    if (qs.rank != 4 || ks.rank != 4 || vs.rank != 4 || qs.dims[0] != ks.dims[0] || qs.dims[2] != ks.dims[2] ||
        qs.dims[3] != ks.dims[3] || ks.dims[0] != vs.dims[0] || ks.dims[1] != vs.dims[1] || ks.dims[2] != vs.dims[2] ||
        qs.dims[3] < 1)
        return heed_fail(HEED_BAD_SHAPE, "attend: q %s, k %s, v %s must be [B, Tq, H, d], [B, Tk, H, d], [B, Tk, H, e]",
                         heed_shape_text(qs, &a), heed_shape_text(ks, &b), heed_shape_text(vs, &c));
    if (!ids_alive(mask->key_lengths, q, "key_lengths") || !ids_alive(mask->allowed, q, "allowed"))
        return false;
    if (mask->key_lengths && (mask->key_lengths->shape.rank != 1 || mask->key_lengths->shape.dims[0] != qs.dims[0]))
        return heed_fail(HEED_BAD_SHAPE, "attend: mask.key_lengths %s must be [B] = [%lld]",
                         heed_shape_text(mask->key_lengths->shape, &a), (long long)qs.dims[0]);
    for (int64_t i = 0; mask->key_lengths && i < qs.dims[0]; i++)
        if (mask->key_lengths->data[i] < 0 || mask->key_lengths->data[i] > ks.dims[1])
            return heed_fail(HEED_BAD_ARGUMENT, "attend: mask.key_lengths[%lld] is %d, with %lld keys", (long long)i,
                             mask->key_lengths->data[i], (long long)ks.dims[1]);
    const heed_shape *masks[] = { mask->allowed ? &mask->allowed->shape : NULL,
                                  mask->bias ? &mask->bias->value.shape : NULL };
    for (int i = 0; i < 2; i++)
        if (masks[i] && !is_mask(*masks[i], qs, ks))
            return heed_fail(HEED_BAD_SHAPE, "attend: mask.%s %s must be [B or 1, H or 1, Tq, Tk] for q %s and k %s",
                             i ? "bias" : "allowed", heed_shape_text(*masks[i], &a), heed_shape_text(qs, &b),
                             heed_shape_text(ks, &c));
    if (desc->gates && !is_gates(desc->gates->value.shape, qs))
        return heed_fail(HEED_BAD_SHAPE, "attend: gates %s must be [H] or [B, H] for q %s",
                         heed_shape_text(desc->gates->value.shape, &a), heed_shape_text(qs, &b));
    if (!(desc->dropout >= 0 && desc->dropout < 1))
        return heed_fail(HEED_BAD_ARGUMENT, "attend: dropout is %g, outside 0 <= p < 1", desc->dropout);
    if (desc->dropout > 0 && !desc->site)
        return heed_fail(HEED_BAD_ARGUMENT, "attend: dropout needs a site, the name its random stream has");
    return true;
}

static double scale_of(const heed_attend_desc *desc, const heed_var *q)
{
    return desc->scale != 0 ? desc->scale : 1 / sqrt((double)q->value.shape.dims[3]);
}

/* ---- composed -------------------------------------------------------------------------------------------------------
 */

/* 1 where query i of row b may not see key j, for causal and key_lengths together: [B, 1, Tq, Tk]. */
static heed_ids *blocked(heed_tape *tape, const heed_mask *mask, heed_shape q, heed_shape k)
{
    int64_t B = q.dims[0], Tq = q.dims[1], Tk = k.dims[1];
    int32_t *at;
    heed_ids *ids = heed_new_ids(tape, HEED_SHAPE(B, 1, Tq, Tk), &at);
    for (int64_t b = 0; ids && b < B; b++)
        for (int64_t i = 0; i < Tq; i++)
            for (int64_t j = 0; j < Tk; j++)
                *at++ = (mask->causal && j > i + Tk - Tq) || (mask->key_lengths && j >= mask->key_lengths->data[b]);
    return ids;
}

/* 1 where the matrix does not allow; the shape of `allowed`. */
static heed_ids *forbidden(const heed_ids *allowed)
{
    int32_t *at;
    heed_ids *ids = heed_new_ids(allowed->tape, allowed->shape, &at);
    for (int64_t i = 0, n = heed_shape_numel(allowed->shape); ids && i < n; i++)
        at[i] = !allowed->data[i];
    return ids;
}

/* Keys (or values) that lie beyond their row's length become 0, so that nothing they hold, even NaN, reaches a product.
 */
static heed_var *without_padding(heed_var *x, const heed_ids *lengths)
{
    if (!x || !lengths)
        return x;
    int64_t B = x->value.shape.dims[0], Tk = x->value.shape.dims[1];
    int32_t *at;
    heed_ids *padding = heed_new_ids(x->tape, HEED_SHAPE(B, Tk, 1, 1), &at);
    for (int64_t b = 0; padding && b < B; b++)
        for (int64_t j = 0; j < Tk; j++)
            *at++ = j >= lengths->data[b];
    return padding ? heed_masked_fill(x, padding, 0) : NULL;
}

heed_var *heed_attend_composed(heed_var *q, heed_var *k, heed_var *v, heed_attend_desc desc)
{
    heed_var *operands[] = { q, k, v };
    static const heed_op check = { .name = "attend", .operands = "q k v" };
    if (!heed_op_begin(&check, operands, 3) || !fits(q, k, v, &desc))
        return NULL;
    heed_tape *tape = q->tape;
    heed_shape qs = q->value.shape, ks = k->value.shape;
    k = without_padding(k, desc.mask.key_lengths);
    v = without_padding(v, desc.mask.key_lengths);

    heed_var *queries = heed_permute(q, (const int[]){ 0, 2, 1, 3 });              /* [B, H, Tq, d] */
    heed_var *keys = heed_permute(k, (const int[]){ 0, 2, 3, 1 });                 /* [B, H, d, Tk] */
    heed_var *values = heed_permute(v, (const int[]){ 0, 2, 1, 3 });               /* [B, H, Tk, e] */
    heed_var *scores = heed_scale(heed_matmul(queries, keys), scale_of(&desc, q)); /* [B, H, Tq, Tk] */
    if (desc.mask.bias)
        scores = heed_add(scores, desc.mask.bias);
    if (desc.mask.causal || desc.mask.key_lengths)
        scores = heed_masked_fill(scores, blocked(tape, &desc.mask, qs, ks), -(double)INFINITY);
    if (desc.mask.allowed)
        scores = heed_masked_fill(scores, forbidden(desc.mask.allowed), -(double)INFINITY);
    heed_var *weights = heed_softmax(scores, 3);
    if (desc.weights && !(*desc.weights = heed_detach(weights)))
        return NULL;
    if (desc.dropout > 0)
        weights = heed_dropout(weights, desc.dropout, desc.site);
    heed_var *out = heed_matmul(weights, values); /* [B, H, Tq, e] */
    if (desc.gates) {
        int64_t rows = desc.gates->value.shape.rank == 2 ? qs.dims[0] : 1;
        out = heed_mul(out, heed_reshape(desc.gates, HEED_SHAPE(rows, qs.dims[2], 1, 1)));
    }
    return heed_permute(out, (const int[]){ 0, 2, 1, 3 }); /* [B, Tq, H, e] */
}

/* ---- fused ----------------------------------------------------------------------------------------------------------
 */

enum { Q, K, V, BIAS, GATES, OPERANDS };

typedef struct {
    k_attention call;
    k_attention_row *row; /* [B, H, Tq] */
} saved_attention;

/* A view whose last axis has stride 1: itself, or a copy in the op's scratch memory. */
static heed_tensor dense_rows(heed_node *node, heed_tensor t)
{
    if (t.strides[3] == 1 || t.shape.dims[3] == 1)
        return t;
    heed_tensor copy = heed_op_scratch(node, t.shape);
    return heed_tensor_ok(copy) && heed_tensor_copy(copy, t) ? copy : (heed_tensor){ 0 };
}

static bool gather_operands(heed_node *node, k_attention *call)
{
    call->q = dense_rows(node, node->in[Q]->value);
    call->k = dense_rows(node, node->in[K]->value);
    call->v = dense_rows(node, node->in[V]->value);
    return heed_tensor_ok(call->q) && heed_tensor_ok(call->k) && heed_tensor_ok(call->v);
}

/* Where operand i's gradient is summed: its place itself if no two of its elements share memory and rows are dense, else
 * scratch, added by attend_backward. *add: to what the place holds; biases and gates are always added. */
static heed_tensor sum_place(heed_node *node, int i, heed_grad_dest dest, bool *add)
{
    *add = dest.beta != 0;
    if (!dest.view.data)
        return dest.view;
    bool added = i == GATES || i == BIAS, direct = added || dest.view.strides[3] == 1;
    for (int axis = 0; axis < dest.view.shape.rank; axis++)
        direct &= dest.view.strides[axis] != 0 || dest.view.shape.dims[axis] == 1;
    heed_tensor place = direct ? dest.view : heed_op_scratch(node, dest.view.shape);
    *add &= direct;
    return heed_tensor_ok(place) && (!added || *add || heed_tensor_fill(place, 0)) ? place : (heed_tensor){ 0 };
}

/* Two of q, k and v whose gradients may lie in the same memory: heads are not apart then. */
static bool overlap(const heed_node *node, const heed_grad_dest *dest)
{
    for (int i = Q; i <= V; i++)
        for (int k = Q; k < i; k++)
            if (dest[i].view.data && dest[k].view.data && node->in[i]->root == node->in[k]->root &&
                (dest[i].beta != 0 || dest[k].beta != 0))
                return true;
    return false;
}

static bool attend_backward(heed_node *node)
{
    saved_attention *saved = node->saved;
    k_attention call = saved->call;
    heed_grad_dest dest[OPERANDS];
    heed_tensor place[OPERANDS], gates;
    bool add[OPERANDS];
    heed_grad_into_all(node, dest);
    int threads = overlap(node, dest) ? 1 : heed_op_threads(node);
    if (!gather_operands(node, &call))
        return false;
    for (int i = 0; i < OPERANDS; i++) {
        place[i] = sum_place(node, i, dest[i], &add[i]);
        if (dest[i].view.data && !place[i].data)
            return false;
    }
    gates = place[GATES];
    if (gates.data) /* [H] is seen as [B, H], summed over rows */
        gates = heed_tensor_broadcast(gates, HEED_SHAPE(call.q.shape.dims[0], call.q.shape.dims[2]));
    heed_tensor g = dense_rows(node, heed_out_grad(node));
    k_attention_grads to = { g, place[Q], place[K], place[V], place[BIAS], gates, add[Q], add[K], add[V] };
    heed_tensor scratch = heed_op_scratch(node, HEED_SHAPE(k_attention_backward_scratch(&call, &to, threads)));
    if (!heed_tensor_ok(g) || !heed_tensor_ok(scratch))
        return false;
    k_attention_backward(&to, node->out->value, saved->row, &call, scratch.data, threads);
    for (int i = 0; i < OPERANDS; i++)
        if (dest[i].view.data && place[i].data != dest[i].view.data)
            k_map(dest[i].view, dest[i].beta, k_copy_row, &place[i], 1, NULL);
    return true;
}

static const heed_op attend_op = { .name = "attend", .operands = "q k v bias gates", .backward = attend_backward };

static k_attention describe(heed_node *node, const heed_attend_desc *desc)
{
    heed_var *q = node->in[Q], *gates = node->in[GATES];
    heed_shape per_head = HEED_SHAPE(q->value.shape.dims[0], q->value.shape.dims[2]);
    const heed_mask *mask = &desc->mask;
    return (k_attention){
        .causal = mask->causal,
        .key_lengths = mask->key_lengths ? mask->key_lengths->data : NULL,
        .allowed = mask->allowed ? mask->allowed->data : NULL,
        .allowed_rows = mask->allowed ? mask->allowed->shape.dims[0] : 0,
        .allowed_heads = mask->allowed ? mask->allowed->shape.dims[1] : 0,
        .bias = mask->bias ? mask->bias->value : (heed_tensor){ 0 },
        .gates = gates ? heed_tensor_broadcast(gates->value, per_head) : (heed_tensor){ 0 },
        .scale = (heed_real)scale_of(desc, q),
        .dropout = heed_tape_is_eval(q->tape) ? 0 : desc->dropout,
        .rng = desc->site ? heed_op_rng(node, desc->site) : (heed_rng){ 0 },
    };
}

/* One query a row whose keys lie as in a cache, and no gradient wanted: k_attention_step does it. */
static bool is_step(const heed_node *node, const heed_attend_desc *desc)
{
    heed_tensor q = node->in[Q]->value, k = node->in[K]->value, v = node->in[V]->value;
    bool drops = desc->dropout > 0 && !heed_tape_is_eval(node->in[Q]->tape);
    return q.shape.dims[1] == 1 && (k.strides[1] == 1 || k.shape.dims[1] == 1) && v.strides[3] == 1 && !drops &&
           !heed_tape_is_grad(node->in[Q]->tape);
}

heed_var *heed_attend(heed_var *q, heed_var *k, heed_var *v, heed_attend_desc desc)
{
    heed_var *in[OPERANDS] = { q, k, v, desc.mask.bias, desc.gates };
    heed_node *node = heed_op_begin_optional(&attend_op, in, OPERANDS, 3);
    if (!node || !fits(q, k, v, &desc))
        return NULL;
    int64_t B = q->value.shape.dims[0], Tq = q->value.shape.dims[1], H = q->value.shape.dims[2],
            Tk = k->value.shape.dims[1], e = v->value.shape.dims[3];
    heed_var *out = heed_op_output(node, HEED_SHAPE(B, Tq, H, e));
    saved_attention *saved = heed_op_save(node, (int64_t)sizeof *saved + B * H * Tq * (int64_t)sizeof *saved->row);
    if (!out || !saved)
        return NULL;
    *saved = (saved_attention){ .call = describe(node, &desc), .row = (k_attention_row *)(void *)(saved + 1) };
    k_attention call = saved->call;
    heed_tensor scratch;
    int threads = heed_op_threads(node);
    bool step = is_step(node, &desc);
    if (step)
        call.q = q->value, call.k = k->value, call.v = v->value;
    else if (!gather_operands(node, &call))
        return NULL;
    int64_t room = step ? k_attention_step_scratch(&call, threads) : k_attention_scratch(&call, threads);
    if (!heed_tensor_ok(scratch = heed_op_scratch(node, HEED_SHAPE(room))))
        return NULL;
    heed_var *weights = desc.weights ? heed_op_extra(node, HEED_SHAPE(B, H, Tq, Tk)) : NULL;
    if (desc.weights && !(*desc.weights = weights))
        return NULL;
    heed_real *weights_at = weights ? weights->value.data : NULL;
    if (step)
        k_attention_step(out->value, weights_at, &call, scratch.data, threads);
    else
        k_attention_forward(out->value, saved->row, weights_at, &call, scratch.data, threads);
    return heed_op_end(node);
}
