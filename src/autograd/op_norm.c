/* Layer norm and RMS norm over the last axis. The formulas and loops are in k_norm.c. */
#include "internal.h"

#include <math.h>

/* What backward needs of forward: a scale and a mean per row. */
typedef struct {
    row_layout layout;
    double eps;
    k_norm_row rows[];
} norm_saved;

/* The kernel's view of the operands x, weight, bias. x NULL: no memory. */
static k_norm operands(const heed_node *node, bool rms)
{
    const norm_saved *saved = node->saved;
    const row_layout one_row = { .order = { 0 }, .rows = 1, .n = saved->layout.n };
    k_norm norm = { .rows = saved->layout.rows, .n = saved->layout.n, .eps = saved->eps, .rms = rms };
    heed_var *weight = node->in[1], *bias = node->n_in > 2 ? node->in[2] : NULL;
    if ((weight && !(norm.weight = rows_of(node, weight->value, &one_row))) ||
        (bias && !(norm.bias = rows_of(node, bias->value, &one_row))))
        return (k_norm){ .x = NULL };
    norm.x = rows_of(node, node->in[0]->value, &saved->layout);
    return norm;
}

static bool fits(const heed_op *op, const heed_var *v, const char *what, heed_shape x)
{
    heed_shape_buffer a, b;
    if (!v || (v->value.shape.rank == 1 && v->value.shape.dims[0] == x.dims[x.rank - 1]))
        return true;
    return heed_fail(HEED_BAD_SHAPE, "%s: %s %s with x %s: it must be as long as the last axis of x", op->name, what,
                     heed_shape_text(v->value.shape, &a), heed_shape_text(x, &b));
}

static heed_var *norm_forward(const heed_op *op, heed_var *const *in, int n_in, double eps, bool rms)
{
    heed_node *node = heed_op_begin_optional(op, in, n_in, 1);
    row_layout layout;
    if (!node || !rows_along(op, in[0]->value.shape, -1, &layout) || !fits(op, in[1], "weight", in[0]->value.shape) ||
        (n_in > 2 && !fits(op, in[2], "bias", in[0]->value.shape)))
        return NULL;
    if (!(eps >= 0 && isfinite(eps))) {
        heed_fail(HEED_BAD_ARGUMENT, "%s: eps is %g; it must be 0 or more, usually 1e-5", op->name, eps);
        return NULL;
    }
    heed_var *y = heed_op_output(node, in[0]->value.shape);
    norm_saved *saved = heed_op_save(node, (int64_t)sizeof *saved + layout.rows * (int64_t)sizeof *saved->rows);
    if (!y || !saved)
        return NULL;
    saved->layout = layout;
    saved->eps = eps;
    k_norm norm = operands(node, rms);
    if (!norm.x)
        return NULL;
    k_norm_forward(y->value.data, saved->rows, &norm, heed_op_threads(node));
    return heed_op_end(node);
}

static bool add_vector(heed_node *node, int i, const heed_tensor *gradient)
{
    heed_grad_dest g = heed_grad_into(node, i);
    if (g.view.data)
        op_map(node, g.view, g.beta, k_copy_row, gradient, 1, NULL);
    return g.view.data != NULL;
}

static bool norm_backward(heed_node *node, bool rms)
{
    const norm_saved *saved = node->saved;
    bool wants_x = heed_op_wants(node, 0), wants_w = heed_op_wants(node, 1),
         wants_b = node->n_in > 2 && heed_op_wants(node, 2);
    heed_tensor dw = { 0 }, db = { 0 };
    k_norm norm = operands(node, rms);
    rows_grad gx = { .to = NULL };
    if (!norm.x || (wants_w && !heed_tensor_ok(dw = heed_op_scratch(node, HEED_SHAPE(norm.n)))) ||
        (wants_b && !heed_tensor_ok(db = heed_op_scratch(node, HEED_SHAPE(norm.n)))))
        return false;
    heed_tensor scratch = heed_op_scratch(node, HEED_SHAPE(k_norm_scratch(&norm)));
    if (!heed_tensor_ok(scratch) || (wants_x && !(gx = rows_grad_begin(node, 0, &saved->layout)).to))
        return false;
    k_norm_grads to = { .x = gx.to, .x_beta = gx.beta, .weight = dw.data, .bias = db.data };
    k_norm_backward(&to, heed_out_grad(node).data, saved->rows, &norm, scratch.data, heed_op_threads(node));
    rows_grad_end(&gx);
    return (!wants_w || add_vector(node, 1, &dw)) && (!wants_b || add_vector(node, 2, &db));
}

/* ---- layer_norm: y = (x - mean) / sqrt(variance + eps) w + b; the variance divides by n ---------------------------- */

static bool layer_norm_backward(heed_node *node)
{
    return norm_backward(node, false);
}
static const heed_op layer_norm_op = { .name = "layer_norm",
                                       .operands = "x weight bias",
                                       .backward = layer_norm_backward };
heed_var *heed_layer_norm(heed_var *x, heed_var *weight, heed_var *bias, double eps)
{
    return norm_forward(&layer_norm_op, (heed_var *[]){ x, weight, bias }, 3, eps, false);
}

/* ---- rms_norm: y = x / sqrt(mean of x^2 + eps) w ------------------------------------------------------------------- */

static bool rms_norm_backward(heed_node *node)
{
    return norm_backward(node, true);
}
static const heed_op rms_norm_op = { .name = "rms_norm", .operands = "x weight", .backward = rms_norm_backward };
heed_var *heed_rms_norm(heed_var *x, heed_var *weight, double eps)
{
    return norm_forward(&rms_norm_op, (heed_var *[]){ x, weight }, 2, eps, true);
}
