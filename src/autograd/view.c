/* Views: another window on the same root. They need no backward, because the gradient of a view is the same view of its
 * root's gradient. Only a reshape that strides forbid has to copy. */
#include "internal.h"
#include "../tensor/kernels.h"
#include "../tensor/internal.h"

static heed_var *view(heed_var *x, heed_tensor value)
{
    return heed_tensor_ok(value) ? tape_var(x->tape, x->root, value, "view") : NULL;
}

static bool reshape_backward(heed_node *node)
{
    heed_grad_dest x = heed_grad_into(node, 0);
    if (!x.view.data)
        return true;
    heed_tensor g = heed_tensor_reshape(heed_out_grad(node), x.view.shape); /* the output is row-major: always a view */
    k_map(x.view, x.beta, k_copy_row, &g, 1, NULL);
    return heed_tensor_ok(g);
}

static const heed_op reshape_op = { .name = "reshape", .operands = "x", .backward = reshape_backward };

/* Replaces a size of -1 by what is left. */
static bool infer_size(heed_shape *shape, int64_t numel)
{
    int unknown = -1;
    int64_t rest = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] == -1 && unknown < 0)
            unknown = i;
        else if (!size_mul(rest, shape->dims[i], &rest))
            return false;
    }
    if (unknown >= 0) {
        if (rest == 0 || numel % rest)
            return false;
        shape->dims[unknown] = numel / rest;
        rest = numel;
    }
    return rest == numel;
}

heed_var *heed_reshape(heed_var *x, heed_shape shape)
{
    heed_node *node;
    if (!tape_var_usable(x, "reshape", "operand x"))
        return NULL;
    heed_shape wanted = shape;
    if (shape.rank < 0 || shape.rank > HEED_MAX_RANK || !infer_size(&shape, heed_tensor_numel(x->value))) {
        heed_shape_buffer a, b;
        heed_fail(HEED_BAD_SHAPE, "reshape: %s does not have as many elements as %s",
                  heed_shape_text(x->value.shape, &a), heed_shape_text(wanted, &b));
        return NULL;
    }
    bool muted = error_mute(true);
    heed_tensor value = heed_tensor_reshape(x->value, shape);
    error_mute(muted);
    if (heed_tensor_ok(value))
        return view(x, value);

    heed_var *in[] = { x };
    if (!(node = heed_op_begin(&reshape_op, in, 1)) || !heed_op_output(node, shape))
        return NULL;
    heed_tensor out = heed_tensor_reshape(node->out->value, x->value.shape);
    k_map(out, 0, k_copy_row, &x->value, 1, NULL);
    return heed_op_end(node);
}

heed_var *heed_permute(heed_var *x, const int *axes)
{
    return tape_var_usable(x, "permute", "operand x") ? view(x, heed_tensor_permute(x->value, axes)) : NULL;
}

heed_var *heed_slice(heed_var *x, int axis, int64_t from, int64_t to)
{
    return tape_var_usable(x, "slice", "operand x") ? view(x, heed_tensor_slice(x->value, axis, from, to)) : NULL;
}

heed_var *heed_broadcast(heed_var *x, heed_shape shape)
{
    return tape_var_usable(x, "broadcast", "operand x") ? view(x, heed_tensor_broadcast(x->value, shape)) : NULL;
}
