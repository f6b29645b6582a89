/* add: a + b, broadcast to one shape. Its gradient is the output's as it stands, for both operands: it is handed on without
 * a copy where that can be, summed where an operand was repeated, and read only once. */
#include "internal.h"

#include <string.h>

/* *t, summed over the axes along which this shape was repeated; in scratch. */
static bool summed_as(const heed_node *node, heed_shape shape, heed_tensor *t)
{
    heed_shape kept = t->shape;
    int more = kept.rank - shape.rank;
    for (int axis = 0; axis < kept.rank; axis++)
        kept.dims[axis] = axis < more ? 1 : shape.dims[axis - more];
    heed_tensor sums = heed_op_scratch(node, kept);
    if (!heed_tensor_ok(sums))
        return false;
    k_sum(sums, 1, *t, heed_op_threads(node));
    *t = heed_tensor_reshape(sums, shape);
    return heed_tensor_ok(*t);
}

/* Could operand i take the output's block for its own? */
static bool may_share(const heed_node *node, int i)
{
    const heed_root *to = node->in[i]->root;
    heed_tensor value = node->in[i]->value;
    return !to->grad && node->out->root->block && value.data == to->base && heed_tensor_numel(value) == to->numel &&
           heed_shape_equal(value.shape, node->out->value.shape) && heed_tensor_contiguous(value);
}

/* Operand i's gradient += the output's: without a copy where it is the first and has the same form. */
static bool pass_on(heed_node *node, int i)
{
    if (!heed_op_wants(node, i))
        return true;
    heed_root *to = node->in[i]->root, *from = node->out->root;
    heed_tensor gradient = heed_out_grad(node);
    if (may_share(node, i)) {
        to->block = from->block;
        to->block->users++;
        to->grad = from->grad;
        return to->touched = true;
    }
    heed_shape shape = node->in[i]->value.shape;
    if (!heed_shape_equal(shape, gradient.shape) && !summed_as(node, shape, &gradient))
        return false;
    heed_grad_dest g = heed_grad_into(node, i);
    if (g.view.data)
        op_map(node, g.view, g.beta, k_copy_row, &gradient, 1, NULL);
    return g.view.data != NULL;
}

/* Do both take a gradient, `whole` by a copy of all of it and `row`, repeated along leading axes, by its sum over them? */
static bool whole_and_row(const heed_node *node, int whole, int row)
{
    if (!heed_op_wants(node, whole) || !heed_op_wants(node, row) || may_share(node, whole))
        return false;
    heed_tensor a = node->in[whole]->value;
    heed_shape b = node->in[row]->value.shape, end = a.shape;
    if (b.rank == 0 || b.rank >= end.rank || !heed_shape_equal(end, node->out->value.shape))
        return false;
    memmove(end.dims, end.dims + end.rank - b.rank, (size_t)b.rank * sizeof *end.dims);
    end.rank = b.rank;
    return heed_shape_equal(end, b) && heed_shape_numel(b) > 0 && heed_tensor_contiguous(a);
}

/* Both in one pass over the gradient. */
static bool pass_on_both(heed_node *node, int whole, int row)
{
    heed_tensor g = heed_out_grad(node); /* contiguous, as the output is */
    heed_shape shape = node->in[row]->value.shape;
    int64_t n = heed_shape_numel(shape), rows = heed_tensor_numel(g) / n;
    heed_tensor sums = heed_op_scratch(node, shape);
    heed_tensor room = heed_op_scratch(node, HEED_SHAPE(2 * k_sum_rows_scratch(rows, n)));
    heed_grad_dest copy = heed_grad_into(node, whole);
    if (!heed_tensor_ok(sums) || !heed_tensor_ok(room) || !copy.view.data)
        return false;
    k_sum_rows(sums.data, copy.view.data, copy.beta, g.data, rows, n, (double *)(void *)room.data,
               heed_op_threads(node));
    heed_grad_dest to = heed_grad_into(node, row);
    if (to.view.data)
        op_map(node, to.view, to.beta, k_copy_row, &sums, 1, NULL);
    return to.view.data != NULL;
}

static void add_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] + in[1][i];
}

static bool add_backward(heed_node *node)
{
    for (int row = 0; row < 2; row++)
        if (whole_and_row(node, 1 - row, row))
            return pass_on_both(node, 1 - row, row);
    return pass_on(node, 0) && pass_on(node, 1);
}
static const heed_op add_op = { .name = "add", .backward = add_backward };
heed_var *heed_add(heed_var *a, heed_var *b)
{
    return op_binary(&add_op, a, b, add_row);
}
