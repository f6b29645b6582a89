/* The backward pass: from the loss to every root it depends on, by walking the recorded nodes from the last to the
 * first. Nodes are in the order of the forward pass, so when a node's turn comes its output's gradient is complete; no
 * recursion is needed. */
#include "internal.h"
#include "../tensor/internal.h"

#include <string.h>

const char *root_text(const heed_root *root, char *room, size_t size)
{
    char name[96];
    if (root->name)
        snprintf(room, size, "%s \"%s\"", root->kind, text_clean(name, sizeof name, root->name));
    else
        snprintf(room, size, "the value of %s", root->kind);
    return room;
}

bool root_has_grad(const heed_root *root)
{
    if (root->is_external && root->external.empty)
        return !*root->external.empty;
    return root->touched;
}

heed_tensor root_grad_view(const heed_root *root, heed_tensor value)
{
    heed_tensor view = value;
    view.data = root->grad + (value.data - root->base);
    return view;
}

/* ---- memory of intermediate gradients: blocks that come back when their node has run ----------------------------- */

bool tape_grad_block(heed_tape *tape, heed_root *root)
{
    int64_t numel = root->numel;
    grad_block **best = NULL, *block;
    for (grad_block **at = &tape->free_grads; *at; at = &(*at)->next)
        if ((*at)->capacity >= numel && (!best || (*at)->capacity < (*best)->capacity))
            best = at;
    if (best && (*best)->capacity / 4 <= numel) {
        block = *best;
        *best = block->next;
    } else {
        block = heed_arena_alloc(tape->arena, (int64_t)sizeof *block + numel * (int64_t)sizeof *block->data);
        if (!block)
            return false;
        block->capacity = numel;
    }
    block->users = 1;
    root->block = block;
    root->grad = block->data;
    return true;
}

static void leave_block(heed_tape *tape, grad_block *block)
{
    if (--block->users > 0)
        return;
    block->next = tape->free_grads;
    tape->free_grads = block;
}

bool tape_grad_unshare(heed_tape *tape, heed_root *root)
{
    grad_block *shared = root->block;
    if (!shared || shared->users == 1)
        return true;
    if (!tape_grad_block(tape, root))
        return false;
    memcpy(root->grad, shared->data, (size_t)root->numel * sizeof *root->grad);
    leave_block(tape, shared);
    return true;
}

static void release_grad(heed_tape *tape, heed_root *root)
{
    if (root->kept || root->is_external || !root->grad)
        return;
    if (root->block)
        leave_block(tape, root->block);
    root->block = NULL;
    root->grad = NULL;
    root->touched = false;
    root->released = true;
}

/* ---- checks before anything is written --------------------------------------------------------------------------- */

static bool unchanged(const heed_node *node, int i)
{
    const heed_root *root = i < 0 ? node->out->root : node->in[i]->root;
    uint64_t then = i < 0 ? node->state->out_version : node->state->in_versions[i];
    if (*root->version == then)
        return true;
    char text[160];
    return heed_fail(HEED_BAD_STATE,
                     "backward: %s was changed in place after %s used it; its gradient would be of another function",
                     root_text(root, text, sizeof text), node->op->name);
}

/* Marks every root the loss depends on, and refuses what cannot be derived, while nothing has been written yet. */
static bool mark_reached(heed_tape *tape, heed_root *from)
{
    for (int64_t n = 0; n < tape->n_nodes; n++) /* a refused pass may have left marks */
        tape->nodes[n]->out->root->reached = false;
    for (int64_t i = 0; i < tape->n_externals; i++)
        tape->externals[i].var->root->reached = false;
    from->reached = true;
    for (int64_t n = tape->n_nodes - 1; n >= 0; n--) {
        heed_node *node = tape->nodes[n];
        if (!node->out->root->reached)
            continue;
        if (!node->op->backward)
            return heed_fail(HEED_UNSUPPORTED, "backward: op %s has no backward", node->op->name);
        if (!unchanged(node, -1))
            return false;
        for (int i = 0; i < node->n_in; i++)
            if (node->in[i]) {
                if (!unchanged(node, i))
                    return false;
                node->in[i]->root->reached |= node->in[i]->root->wants;
            }
    }
    return true;
}

static bool check_finite_grads(const heed_node *node)
{
    for (int i = 0; i < node->n_in; i++) {
        int64_t first;
        if (!heed_op_wants(node, i) || !root_has_grad(node->in[i]->root))
            continue;
        if (!heed_tensor_finite(root_grad_view(node->in[i]->root, node->in[i]->value), &first)) {
            char text[160];
            return heed_fail(HEED_BAD_STATE, "%s: backward made a non-finite gradient, element %lld of %s",
                             node->op->name, (long long)first, root_text(node->in[i]->root, text, sizeof text));
        }
    }
    return true;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static bool is_output(const heed_tape *tape, const heed_root *root)
{
    for (int64_t n = tape->n_nodes - 1; n >= 0; n--)
        if (tape->nodes[n]->out->root == root)
            return true;
    return false;
}

/* A tensor on numbers that will only be read. */
static heed_tensor readable(const heed_real *numbers, heed_shape shape)
{
    union {
        const heed_real *given;
        heed_real *data;
    } same = { numbers };
    return heed_tensor_wrap(same.data, shape);
}

/* The first gradient. Where it is gone again after the pass the caller's own numbers serve: nobody else adds to them. */
static bool start(heed_tape *tape, heed_var *v, const heed_real *gradient)
{
    heed_root *root = v->root;
    heed_tensor given = readable(gradient, v->value.shape);
    bool whole = heed_tensor_numel(given) == root->numel && heed_tensor_contiguous(v->value);
    if (whole && !root->kept && is_output(tape, root)) {
        root->grad = given.data;
        root->touched = true;
        return true;
    }
    if (!root->grad && !tape_grad_block(tape, root))
        return false;
    if (!root_has_grad(root))
        memset(root->grad, 0, (size_t)root->numel * sizeof *root->grad);
    root->touched = true;
    if (root->is_external && root->external.empty)
        *root->external.empty = false;
    k_map(root_grad_view(root, v->value), 1, k_copy_row, &given, 1, NULL);
    return true;
}

static bool run(heed_tape *tape)
{
    for (int64_t n = tape->n_nodes - 1; n >= 0; n--) {
        heed_node *node = tape->nodes[n];
        heed_root *root = node->out->root;
        if (!root->reached || !root->touched)
            continue;
        bool fine = node->op->backward(node);
        heed_arena_reset(tape->scratch);
        if (!fine || tape->failed)
            return heed_error_pending() ? false : heed_fail(HEED_BAD_STATE, "backward: op %s failed", node->op->name);
        if (tape->desc.check_finite && !check_finite_grads(node))
            return false;
        release_grad(tape, root);
    }
    return true;
}

/* Tells the owners of external gradients how the pass ended. */
static void finish(heed_tape *tape, bool complete)
{
    uint64_t *last = NULL;
    for (int64_t i = 0; i < tape->n_externals; i++) {
        heed_root *root = tape->externals[i].var->root;
        if (!root->reached)
            continue;
        if (!complete && root->touched && root->external.empty)
            *root->external.empty = true;
        if (!complete && root->external.backwards)
            *root->external.backwards = 0; /* what earlier passes left is no longer whole */
        if (complete && root->external.backwards && root->external.backwards != last)
            ++*(last = root->external.backwards);
    }
}

bool heed_backward_from(heed_var *v, const heed_real *gradient)
{
    if (!tape_var_usable(v, "backward", "the loss"))
        return false;
    heed_tape *tape = v->tape;
    char text[160];
    if (!gradient)
        return heed_fail(HEED_BAD_ARGUMENT, "backward_from: gradient is NULL");
    if (tape->spent)
        return heed_fail(HEED_BAD_STATE,
                         "backward: a backward pass over this tape has already run (now from %s); "
                         "reset the tape and do the forward pass again",
                         root_text(v->root, text, sizeof text));
    if (!v->root->wants)
        return heed_fail(HEED_BAD_STATE, "backward: %s depends on nothing that takes a gradient",
                         root_text(v->root, text, sizeof text));
    if (!mark_reached(tape, v->root))
        return false;
    tape->spent = true;
    tape->failed = false;
    bool complete = start(tape, v, gradient) && run(tape);
    if (!v->root->block) /* the caller's numbers stay his own */
        release_grad(tape, v->root);
    finish(tape, complete);
    return complete;
}

bool heed_backward(heed_var *loss)
{
    if (!tape_var_usable(loss, "backward", "the loss"))
        return false;
    if (heed_tensor_numel(loss->value) != 1) {
        heed_shape_buffer room;
        return heed_fail(HEED_BAD_SHAPE,
                         "backward: a loss has one element, not %s; reduce it, or use heed_backward_from",
                         heed_shape_text(loss->value.shape, &room));
    }
    return heed_backward_from(loss, &(const heed_real){ 1 });
}

void heed_keep_grad(heed_var *v)
{
    if (tape_var_usable(v, "keep_grad", "operand"))
        v->root->kept = true;
}

heed_tensor heed_grad(const heed_var *v)
{
    char text[160];
    if (!tape_var_usable(v, "grad", "operand"))
        return (heed_tensor){ 0 };
    heed_root *root = v->root;
    const char *why = !root->wants      ? "takes no gradient"
                      : !v->tape->spent ? "has no gradient before backward"
                      : root->released ? "is not a leaf: its gradient was released; call heed_keep_grad before backward"
                                       : NULL;
    if (why) {
        heed_fail(HEED_BAD_STATE, "grad: %s %s", root_text(root, text, sizeof text), why);
        return (heed_tensor){ 0 };
    }
    if (root_has_grad(root))
        return root_grad_view(root, v->value);
    heed_tensor zeros = heed_tensor_new(v->tape->arena, v->value.shape); /* nothing reached it */
    return heed_tensor_ok(zeros) && heed_tensor_fill(zeros, 0) ? zeros : (heed_tensor){ 0 };
}
