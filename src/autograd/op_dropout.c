/* Dropout (Srivastava et al. 2014): y = x m, m = 0 with probability p, else 1 / (1 - p); the rule of the draws is in
 * tensor/k_dropout.c. What is kept is remembered, a byte an element. */
#include "internal.h"

typedef struct {
    k_dropout draws;
    uint8_t kept[]; /* [lines, k_dropout_bytes] */
} saved_dropout;

/* The numbers row-major: t's own if they lie so, else a copy in room. */
static const heed_real *flat(heed_tensor t, heed_tensor room)
{
    if (heed_tensor_contiguous(t))
        return t.data;
    k_map(room, 0, k_copy_row, &t, 1, NULL);
    return room.data;
}

static bool dropout_backward(heed_node *node)
{
    saved_dropout *saved = node->saved;
    heed_grad_dest gx = heed_grad_into(node, 0);
    if (!gx.view.data)
        return true;
    heed_tensor g = heed_out_grad(node);
    int threads = heed_op_threads(node);
    if (heed_tensor_contiguous(gx.view)) {
        k_dropout_backward(gx.view.data, gx.beta, g.data, saved->kept, &saved->draws, threads);
        return true;
    }
    heed_tensor room = heed_op_scratch(node, g.shape);
    if (!heed_tensor_ok(room))
        return false;
    k_dropout_backward(room.data, 0, g.data, saved->kept, &saved->draws, threads);
    k_map(gx.view, gx.beta, k_copy_row, &room, 1, NULL);
    return true;
}

static const heed_op dropout_op = { .name = "dropout", .operands = "x", .backward = dropout_backward };

static bool usable(heed_shape shape, double p, const char *site)
{
    heed_shape_buffer room;
    int64_t rows = shape.rank > 0 ? shape.dims[0] : 1, lines = 1,
            columns = shape.rank > 1 ? shape.dims[shape.rank - 1] : 1;
    for (int axis = 1; axis < shape.rank - 1; axis++)
        lines *= shape.dims[axis];
    if (!(p >= 0 && p < 1))
        return heed_fail(HEED_BAD_ARGUMENT, "dropout: p is %g; it must be at least 0 and below 1", p);
    if (!site)
        return heed_fail(HEED_BAD_ARGUMENT, "dropout: the site is NULL; give each place of dropout its own name");
    if (rows > UINT32_MAX || lines > UINT32_MAX || columns > UINT32_MAX)
        return heed_fail(HEED_BAD_SHAPE, "dropout: %s is too large: rows, lines and columns stay below 2^32",
                         heed_shape_text(shape, &room));
    return true;
}

heed_var *heed_dropout(heed_var *x, double p, const char *site)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(&dropout_op, in, 1);
    if (!node || !usable(x->value.shape, p, site))
        return NULL;
    if (p == 0 || heed_tape_is_eval(x->tape))
        return x;
    heed_shape shape = x->value.shape;
    int64_t columns = shape.rank > 1 ? shape.dims[shape.rank - 1] : 1;
    int64_t lines = columns ? heed_shape_numel(shape) / columns : 0;
    heed_var *y = heed_op_output(node, shape);
    saved_dropout *saved = heed_op_save(node, (int64_t)sizeof *saved + lines * k_dropout_bytes(shape));
    if (!y || !saved)
        return NULL;
    saved->draws = (k_dropout){ .rng = heed_op_rng(node, site), .shape = shape, .p = p };
    k_dropout_forward(y->value.data, saved->kept, flat(x->value, y->value), &saved->draws, heed_op_threads(node));
    return heed_op_end(node);
}
