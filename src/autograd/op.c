/* Writing an op: from checked operands to a recorded node, and, in backward, to the places where gradients go. */
#include "internal.h"
#include "../tensor/internal.h"

#include <math.h>
#include <string.h>

/* The i-th name of op->operands ("x w b"), else a letter. */
static const char *operand_text(const heed_op *op, int i, char room[48])
{
    const char *names = op->operands;
    for (int skip = i; names && skip > 0; skip--) {
        names = strchr(names, ' ');
        names = names ? names + 1 : NULL;
    }
    if (names)
        snprintf(room, 48, "operand %.*s", (int)strcspn(names, " "), names);
    else
        snprintf(room, 48, "operand %c", 'a' + i % 26);
    return room;
}

/* Fails on a missing, stale or foreign operand. wants: does any of them take a gradient? */
static heed_tape *operands_tape(const heed_op *op, heed_var *const *in, int n_in, int n_required, bool *wants)
{
    heed_tape *tape = NULL;
    char name[48];
    *wants = false;
    for (int i = 0; i < n_in; i++) {
        if (!in[i] && i >= n_required) {
            if (heed_error_pending())
                return NULL; /* not "none", but something that failed before */
            continue;
        }
        if (!in[i] || !in[i]->tape) { /* only now is its name worth writing */
            tape_var_usable(in[i], op->name, operand_text(op, i, name));
            return NULL;
        }
        if (tape && in[i]->tape != tape) {
            heed_fail(HEED_BAD_ARGUMENT, "%s: %s is on another tape than operand %.1s", op->name,
                      operand_text(op, i, name), op->operands ? op->operands : "a");
            return NULL;
        }
        tape = in[i]->tape;
        *wants |= in[i]->root->wants;
    }
    if (!tape)
        heed_fail(HEED_BAD_ARGUMENT, "%s: no operands", op->name);
    return tape;
}

heed_node *heed_op_begin_optional(const heed_op *op, heed_var *const *in, int n_in, int n_required)
{
    bool wants;
    heed_tape *tape = operands_tape(op, in, n_in, n_required, &wants);
    if (!tape)
        return NULL;
    heed_node *node;
    heed_var **operands;
    struct heed_node_state *state;
    int64_t of_operand = (int64_t)sizeof *operands + (int64_t)sizeof *state->in_versions;
    node = heed_arena_alloc(tape->arena, (int64_t)sizeof *node + (int64_t)sizeof *state + n_in * of_operand);
    if (!node)
        return NULL;
    operands = (heed_var **)(void *)(node + 1);
    state = (struct heed_node_state *)(void *)(operands + n_in);
    for (int i = 0; i < n_in; i++) {
        operands[i] = in[i];
        state->in_versions[i] = in[i] ? *in[i]->root->version : 0;
    }
    state->tape = tape;
    state->wants = wants && !tape->desc.no_grad;
    *node = (heed_node){ .op = op, .in = operands, .n_in = n_in, .state = state };
    return node;
}

heed_node *heed_op_begin(const heed_op *op, heed_var *const *in, int n_in)
{
    return heed_op_begin_optional(op, in, n_in, n_in);
}

heed_tape *heed_op_tape(const heed_node *node)
{
    return node->state->tape;
}

/* Debug builds start outputs as NaN, so that an element the op forgot shows. */
static void mark_unwritten(heed_tensor t, int64_t numel)
{
#ifdef HEED_DEBUG
    for (int64_t i = 0; i < numel; i++)
        t.data[i] = (heed_real)NAN;
#else
    (void)t, (void)numel;
#endif
}

heed_var *heed_op_output(heed_node *node, heed_shape shape)
{
    if (!node)
        return NULL;
    heed_tape *tape = node->state->tape;
    heed_tensor value = heed_tensor_new(tape->arena, shape);
    if (!heed_tensor_ok(value))
        return NULL;
    int64_t numel = heed_tensor_numel(value);
    mark_unwritten(value, numel);
    heed_root *root = tape_root(tape, value.data, numel, node->op->name);
    if (root)
        root->wants = node->state->wants;
    return node->out = tape_var(tape, root, value, node->op->name);
}

heed_var *heed_op_output_ordered(heed_node *node, heed_shape shape, const int *order)
{
    heed_shape stored = { .rank = shape.rank };
    int back[HEED_MAX_RANK] = { 0 };
    for (int i = 0; i < shape.rank; i++) {
        stored.dims[i] = shape.dims[order[i]];
        back[order[i]] = i;
    }
    heed_var *out = heed_op_output(node, stored);
    if (!out)
        return NULL;
    out->value = heed_tensor_permute(out->value, back);
    return heed_tensor_ok(out->value) ? out : NULL;
}

heed_var *heed_op_extra(heed_node *node, heed_shape shape)
{
    heed_tape *tape = node->state->tape;
    heed_tensor value = heed_tensor_new(tape->arena, shape);
    if (!heed_tensor_ok(value))
        return NULL;
    int64_t numel = heed_tensor_numel(value);
    mark_unwritten(value, numel);
    return tape_var(tape, tape_root(tape, value.data, numel, node->op->name), value, node->op->name);
}

heed_rng heed_op_rng(const heed_node *node, const char *site)
{
    return tape_rng(node->state->tape, site);
}

void *heed_op_save(heed_node *node, int64_t bytes)
{
    return node ? node->saved = heed_arena_alloc(node->state->tape->arena, bytes) : NULL;
}

heed_tensor heed_op_scratch(const heed_node *node, heed_shape shape)
{
    return heed_tensor_new(node->state->tape->scratch, shape);
}

heed_var *heed_op_end(heed_node *node)
{
    if (!node || !node->out)
        return NULL;
    heed_tape *tape = node->state->tape;
    heed_arena_reset(tape->scratch);
    int64_t first;
    if (tape->desc.check_finite && !node->op->infinite && !heed_tensor_finite(node->out->value, &first)) {
        heed_shape_buffer room;
        heed_fail(HEED_BAD_STATE, "%s: forward made a non-finite value, element %lld of %s, op %lld of this tape",
                  node->op->name, (long long)first, heed_shape_text(node->out->value.shape, &room),
                  (long long)tape->n_nodes);
        return NULL;
    }
    node->state->out_version = *node->out->root->version;
    if (node->state->wants && !tape_push(tape, node))
        return NULL;
    return node->out;
}

bool op_broadcast(const heed_op *op, heed_shape a, heed_shape b, heed_shape *out)
{
    bool muted = error_mute(true);
    bool fine = heed_shape_broadcast(a, b, out);
    error_mute(muted);
    heed_shape_buffer x, y;
    return fine ||
           heed_fail(HEED_BAD_SHAPE, "%s: shapes %s and %s do not broadcast (from the right, sizes must be equal or 1)",
                     op->name, heed_shape_text(a, &x), heed_shape_text(b, &y));
}

void op_map(const heed_node *node, heed_tensor out, heed_real beta, k_row *row, const heed_tensor *in, int n_in,
            const void *arg)
{
    k_map_parallel(out, beta, row, in, n_in, arg, heed_op_threads(node));
}

bool op_ids_usable(const heed_node *node, const heed_ids *ids, const char *what)
{
    const char *name = node->op->name;
    if (!ids)
        return heed_error_pending() ? false : heed_fail(HEED_BAD_ARGUMENT, "%s: %s is NULL", name, what);
    if (!ids->tape)
        return heed_fail(HEED_BAD_STATE, "%s: %s is stale: its tape was reset or rewound", name, what);
    if (ids->tape != node->state->tape)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: %s is on another tape than the operands", name, what);
    return true;
}

/* ---- in backward ------------------------------------------------------------------------------------------------ */

heed_tensor heed_out_grad(const heed_node *node)
{
    return root_grad_view(node->out->root, node->out->value);
}

bool heed_op_wants(const heed_node *node, int i)
{
    return node->in[i] && node->in[i]->root->wants;
}

/* covers: the view, perhaps with others that are asked for at once, holds each element of its root once. */
static heed_grad_dest grad_into(heed_node *node, int i, bool covers)
{
    heed_grad_dest none = { .beta = 1 };
    if (!heed_op_wants(node, i))
        return none;
    heed_root *root = node->in[i]->root;
    if (!(root->grad ? tape_grad_unshare : tape_grad_block)(node->state->tape, root)) {
        node->state->tape->failed = true;
        return none;
    }
    bool fresh = !root_has_grad(root);
    if (fresh && !covers)
        memset(root->grad, 0, (size_t)root->numel * sizeof *root->grad);
    root->touched = true;
    if (root->is_external && root->external.empty)
        *root->external.empty = false;
    return (heed_grad_dest){ .view = root_grad_view(root, node->in[i]->value), .beta = fresh && covers ? 0 : 1 };
}

heed_grad_dest heed_grad_into(heed_node *node, int i)
{
    if (!heed_op_wants(node, i))
        return grad_into(node, i, false);
    const heed_root *root = node->in[i]->root;
    heed_tensor value = node->in[i]->value;
    return grad_into(
        node, i, value.data == root->base && heed_tensor_numel(value) == root->numel && heed_tensor_contiguous(value));
}

heed_tensor op_grad_to_add(heed_node *node, int i)
{
    return grad_into(node, i, false).view;
}

/* Do these views of one root hold each of its elements once? Equal strides and equal distances make them one tensor with
 * an axis more, and a tensor has no gaps if its strides, in order, are the products of the smaller axes' sizes. */
static bool tile(const heed_root *root, const heed_tensor *views, int n)
{
    enum { AXES = HEED_MAX_RANK + 1 };
    int64_t dims[AXES], strides[AXES], covered = 1;
    int rank = views[0].shape.rank, axes = rank + 1;
    for (int axis = 0; axis < rank; axis++) {
        dims[axis] = views[0].shape.dims[axis];
        strides[axis] = views[0].strides[axis];
    }
    dims[rank] = n;
    strides[rank] = views[1].data - views[0].data;
    for (int i = 1; i < n; i++) {
        if (!heed_shape_equal(views[i].shape, views[0].shape) || views[i].data - views[i - 1].data != strides[rank])
            return false;
        for (int axis = 0; axis < rank; axis++)
            if (dims[axis] > 1 && views[i].strides[axis] != strides[axis])
                return false;
    }
    for (int axis = 0; axis < axes; axis++) /* takes out the axis whose stride comes next, until only size 1 is left */
        if (dims[axis] > 1 && strides[axis] == covered) {
            covered *= dims[axis];
            dims[axis] = 1;
            axis = -1;
        }
    return views[0].data == root->base && covered == root->numel && n * heed_tensor_numel(views[0]) == root->numel;
}

void heed_grad_into_all(heed_node *node, heed_grad_dest *dest)
{
    enum { MOST = 8 };
    for (int i = 0; i < node->n_in; i++) {
        heed_tensor views[MOST]; /* of the same root */
        int n = 0, first = i;
        for (int k = node->n_in - 1; k >= 0 && heed_op_wants(node, i); k--)
            if (heed_op_wants(node, k) && node->in[k]->root == node->in[i]->root) {
                first = k < first ? k : first;
                n++;
            }
        for (int k = first, at = 0; k < node->n_in && n <= MOST && at < n; k++)
            if (node->in[k] && node->in[k]->root == node->in[i]->root)
                views[at++] = node->in[k]->value;
        if (n <= 1)
            dest[i] = heed_grad_into(node, i);
        else
            dest[i] = grad_into(node, i, first == i && n <= MOST && tile(node->in[i]->root, views, n));
        if (first < i)
            dest[i].beta = dest[first].beta;
    }
}

int heed_op_threads(const heed_node *node)
{
    return node->state->tape->desc.threads;
}
