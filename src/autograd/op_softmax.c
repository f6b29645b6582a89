/* Softmax and its logarithm along one axis. The output is stored with that axis innermost, so its rows are contiguous
 * whatever the axis; the loops are in k_softmax.c. */
#include "internal.h"

typedef void row_kernel(heed_real *y, const heed_real *x, int64_t rows, int64_t n, int threads);
typedef void row_gradient(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t rows,
                          int64_t n, int threads);

static heed_var *along_rows(const heed_op *op, heed_var *x, int axis, row_kernel *kernel)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(op, in, 1);
    row_layout *layout = heed_op_save(node, (int64_t)sizeof *layout);
    if (!layout || !rows_along(op, x->value.shape, axis, layout))
        return NULL;
    heed_var *y = heed_op_output_ordered(node, x->value.shape, layout->order);
    const heed_real *from = y ? rows_of(node, x->value, layout) : NULL;
    if (!from)
        return NULL;
    kernel(y->value.data, from, layout->rows, layout->n, heed_op_threads(node));
    return heed_op_end(node);
}

static bool along_rows_backward(heed_node *node, row_gradient *kernel)
{
    const row_layout *layout = node->saved;
    rows_grad gx = rows_grad_begin(node, 0, layout);
    if (!gx.to)
        return false;
    kernel(gx.to, gx.beta, heed_out_grad(node).data, node->out->value.data, layout->rows, layout->n,
           heed_op_threads(node));
    rows_grad_end(&gx);
    return true;
}

/* ---- softmax: y_i = exp(x_i) / sum_j exp(x_j); dx_i = y_i (dy_i - sum_j dy_j y_j) ---------------------------------
 * A row of only -inf gives zeros and takes no gradient. */

static bool softmax_backward(heed_node *node)
{
    return along_rows_backward(node, k_softmax_grad);
}
static const heed_op softmax_op = { .name = "softmax", .operands = "x", .backward = softmax_backward };
heed_var *heed_softmax(heed_var *x, int axis)
{
    return along_rows(&softmax_op, x, axis, k_softmax);
}

/* ---- log_softmax: y_i = x_i - log sum_j exp(x_j); dx_i = dy_i - exp(y_i) sum_j dy_j -------------------------------
 * A row of only -inf stays so and takes no gradient. */

static bool log_softmax_backward(heed_node *node)
{
    return along_rows_backward(node, k_log_softmax_grad);
}
static const heed_op log_softmax_op = { .name = "log_softmax", .operands = "x", .backward = log_softmax_backward };
heed_var *heed_log_softmax(heed_var *x, int axis)
{
    return along_rows(&log_softmax_op, x, axis, k_log_softmax);
}
