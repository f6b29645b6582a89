/* Tensors as contiguous rows along one axis, for the kernels behind softmax, norms and cross-entropy. */
#include "internal.h"

bool op_axis(const heed_op *op, heed_shape shape, int *axis)
{
    heed_shape_buffer room;
    int counted = *axis < 0 ? *axis + shape.rank : *axis;
    if (counted < 0 || counted >= shape.rank)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: axis %d is outside %s, which has %d axes", op->name, *axis,
                         heed_shape_text(shape, &room), shape.rank);
    *axis = counted;
    return true;
}

bool rows_along(const heed_op *op, heed_shape shape, int axis, row_layout *layout)
{
    if (!op_axis(op, shape, &axis))
        return false;
    *layout = (row_layout){ .rows = 1, .n = shape.dims[axis] };
    int place = 0;
    for (int i = 0; i < shape.rank; i++)
        if (i != axis) {
            layout->order[place++] = i;
            layout->rows *= shape.dims[i];
        }
    layout->order[place] = axis;
    return true;
}

const heed_real *rows_of(const heed_node *node, heed_tensor t, const row_layout *layout)
{
    heed_tensor seen = heed_tensor_permute(t, layout->order);
    if (heed_tensor_contiguous(seen))
        return seen.data;
    heed_tensor copy = heed_op_scratch(node, seen.shape);
    return heed_tensor_ok(copy) && heed_tensor_copy(copy, seen) ? copy.data : NULL;
}

rows_grad rows_grad_begin(heed_node *node, int i, const row_layout *layout)
{
    heed_grad_dest g = heed_grad_into(node, i);
    if (!g.view.data)
        return (rows_grad){ .to = NULL };
    heed_tensor seen = heed_tensor_permute(g.view, layout->order);
    if (heed_tensor_contiguous(seen))
        return (rows_grad){ .to = seen.data, .beta = g.beta };
    heed_tensor scratch = heed_op_scratch(node, seen.shape);
    return (rows_grad){ .to = scratch.data, .scratch = scratch, .rest = seen, .rest_beta = g.beta };
}

void rows_grad_end(const rows_grad *g)
{
    if (g->rest.data)
        k_map(g->rest, g->rest_beta, k_copy_row, &g->scratch, 1, NULL);
}
