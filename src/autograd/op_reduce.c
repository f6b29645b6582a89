/* Sum, mean and largest element over some axes. The loops, and the sums in double, are in k_reduce.c. */
#include "internal.h"

typedef struct {
    heed_shape kept; /* x's shape with size 1 where it is reduced */
    heed_shape out;  /* the same without those axes, unless they are to be kept */
    int64_t over;    /* how many elements go into one */
} reduction;

static bool reduction_of(const heed_op *op, heed_shape x, heed_axes axes, reduction *r)
{
    bool reduced[HEED_MAX_RANK] = { false };
    heed_shape_buffer room;
    if (axes.count < 0 || axes.count > HEED_MAX_RANK)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: %d axes; there can be 0 (all of them) to %d", op->name, axes.count,
                         HEED_MAX_RANK);
    for (int i = 0; i < axes.count; i++) {
        int axis = axes.axis[i];
        if (!op_axis(op, x, &axis))
            return false;
        if (reduced[axis])
            return heed_fail(HEED_BAD_ARGUMENT, "%s: axis %d of %s is named twice", op->name, axis,
                             heed_shape_text(x, &room));
        reduced[axis] = true;
    }
    *r = (reduction){ .kept = x, .over = 1 };
    for (int axis = 0; axis < x.rank; axis++) {
        bool gone = axes.count == 0 || reduced[axis];
        if (gone) {
            r->over *= x.dims[axis];
            r->kept.dims[axis] = 1;
        }
        if (!gone || axes.keep)
            r->out.dims[r->out.rank++] = r->kept.dims[axis];
    }
    return true;
}

/* The node with its output made; the output seen in r->kept goes to *kept. NULL on failure. */
static heed_node *begin(const heed_op *op, heed_var *x, heed_axes axes, reduction *r, heed_tensor *kept)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(op, in, 1);
    if (!node || !reduction_of(op, x->value.shape, axes, r))
        return NULL;
    heed_var *y = heed_op_output(node, r->out);
    if (!y)
        return NULL;
    *kept = heed_tensor_reshape(y->value, r->kept);
    return heed_tensor_ok(*kept) ? node : NULL;
}

static bool not_empty(const heed_op *op, const reduction *r, heed_shape x)
{
    heed_shape_buffer room;
    return r->over > 0 || heed_fail(HEED_BAD_SHAPE, "%s: over no elements: the axes to reduce of %s are empty",
                                    op->name, heed_shape_text(x, &room));
}

/* ---- sum: y = scale (sum of x), and gx += scale gy, repeated; mean: scale = 1 / n ---------------------------------- */

typedef struct {
    heed_shape kept;
    double scale;
} sum_saved;

static void scaled_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    heed_real scale = (heed_real)((const sum_saved *)arg)->scale;
    for (int64_t i = 0; i < n; i++)
        out[i] = scale * in[0][i];
}

static bool sum_backward(heed_node *node)
{
    const sum_saved *saved = node->saved;
    heed_grad_dest gx = heed_grad_into(node, 0);
    if (!gx.view.data)
        return true;
    heed_tensor gy = heed_tensor_reshape(heed_out_grad(node), saved->kept);
    gy = heed_tensor_broadcast(gy, gx.view.shape);
    op_map(node, gx.view, gx.beta, scaled_row, &gy, 1, saved);
    return heed_tensor_ok(gy);
}

static heed_var *scaled_sum(const heed_op *op, heed_var *x, heed_axes axes, bool mean)
{
    reduction r;
    heed_tensor kept;
    heed_node *node = begin(op, x, axes, &r, &kept);
    sum_saved *saved = heed_op_save(node, (int64_t)sizeof *saved);
    if (!saved || (mean && !not_empty(op, &r, x->value.shape)))
        return NULL;
    *saved = (sum_saved){ .kept = r.kept, .scale = mean ? 1 / (double)r.over : 1 };
    k_sum(kept, saved->scale, x->value, heed_op_threads(node));
    return heed_op_end(node);
}

static const heed_op sum_op = { .name = "sum", .operands = "x", .backward = sum_backward };
heed_var *heed_sum(heed_var *x, heed_axes axes)
{
    return scaled_sum(&sum_op, x, axes, false);
}

static const heed_op mean_op = { .name = "mean", .operands = "x", .backward = sum_backward };
heed_var *heed_mean(heed_var *x, heed_axes axes)
{
    return scaled_sum(&mean_op, x, axes, true);
}

/* ---- max: the largest element, the first of equal ones; its gradient goes there. NaN counts as largest. ------------ */

static bool max_backward(heed_node *node)
{
    const int64_t *at = node->saved; /* for every element of the output, offset of its origin in x */
    heed_tensor gx = op_grad_to_add(node, 0), gy = heed_out_grad(node);
    for (int64_t i = 0, numel = heed_tensor_numel(gy); gx.data && i < numel; i++)
        gx.data[at[i]] += gy.data[i];
    return true;
}

static const heed_op max_op = { .name = "max", .operands = "x", .backward = max_backward };
heed_var *heed_max(heed_var *x, heed_axes axes)
{
    reduction r;
    heed_tensor kept;
    heed_node *node = begin(&max_op, x, axes, &r, &kept);
    if (!node || !not_empty(&max_op, &r, x->value.shape))
        return NULL;
    int64_t numel = heed_tensor_numel(kept), *at = heed_op_save(node, numel * (int64_t)sizeof *at);
    if (!at)
        return NULL;
    if (numel > 0)
        k_max(kept, at, x->value);
    return heed_op_end(node);
}
