/* Elementwise ops. Each one is a forward row, one row per derivative, and a descriptor; k_map walks the strides, and
 * sums where a gradient was broadcast.
 *
 * Reading order of an op: its formula, its rows (out[i] = ... on plain arrays), its backward, its descriptor, itself.
 */
#include "internal.h"
#include "../tensor/k_math.h"
#include "../tensor/kernels.h"

#include <tgmath.h>

/* ---- the two shapes of op ---------------------------------------------------------------------------------------- */

heed_var *op_unary(const heed_op *op, heed_var *x, k_row *forward, const double *constant)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(op, in, 1);
    heed_var *y = node ? heed_op_output(node, x->value.shape) : NULL;
    double *saved = y ? heed_op_save(node, (int64_t)sizeof *saved) : NULL;
    if (!saved)
        return NULL;
    *saved = constant ? *constant : 0;
    op_map(node, y->value, 0, forward, &x->value, 1, saved);
    return heed_op_end(node);
}

bool op_unary_backward(heed_node *node, k_row *row)
{
    heed_grad_dest gx = heed_grad_into(node, 0);
    if (gx.view.data)
        op_map(node, gx.view, gx.beta, row,
               (heed_tensor[]){ heed_out_grad(node), node->in[0]->value, node->out->value }, 3, node->saved);
    return true;
}

/* A gradient's place seen in the shape of the output: where the operand was repeated it is summed into. */
static heed_grad_dest grad_into_broadcast(heed_node *node, int i)
{
    heed_shape shape = node->out->value.shape;
    if (!heed_op_wants(node, i) || heed_shape_equal(node->in[i]->value.shape, shape))
        return heed_grad_into(node, i);
    heed_tensor view = op_grad_to_add(node, i);
    return (heed_grad_dest){ .view = view.data ? heed_tensor_broadcast(view, shape) : view, .beta = 1 };
}

/* y = f(a, b), both broadcast to one shape. */
heed_var *op_binary(const heed_op *op, heed_var *a, heed_var *b, k_row *forward)
{
    heed_var *in[] = { a, b };
    heed_node *node = heed_op_begin(op, in, 2);
    heed_shape shape;
    if (!node)
        return NULL;
    if (!op_broadcast(op, a->value.shape, b->value.shape, &shape))
        return NULL;
    heed_var *y = heed_op_output(node, shape);
    if (!y)
        return NULL;
    op_map(node, y->value, 0, forward,
           (heed_tensor[]){ heed_tensor_broadcast(a->value, shape), heed_tensor_broadcast(b->value, shape) }, 2, NULL);
    return heed_op_end(node);
}

/* ga += row_a(gy, a, b), gb += row_b(gy, a, b), each summed over where its operand was repeated. */
static bool binary_backward(heed_node *node, k_row *row_a, k_row *row_b)
{
    k_row *const rows[] = { row_a, row_b };
    heed_shape shape = node->out->value.shape;
    heed_tensor in[] = { heed_out_grad(node), heed_tensor_broadcast(node->in[0]->value, shape),
                         heed_tensor_broadcast(node->in[1]->value, shape) };
    for (int i = 0; i < 2; i++) {
        heed_grad_dest g = grad_into_broadcast(node, i);
        if (g.view.data)
            op_map(node, g.view, g.beta, rows[i], in, 3, NULL);
    }
    return true;
}

/* The head of a k_row: out[0..n) from in[0][0..n), in[1][0..n), ... In backward in[0] is the output's gradient. */
#define ROW(name) static void name(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)

/* ---- sub: a - b -------------------------------------------------------------------------------------------------- */

ROW(sub_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] - in[1][i];
}

ROW(negated_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = -in[0][i];
}

static bool sub_backward(heed_node *node)
{
    return binary_backward(node, k_copy_row, negated_row);
}
static const heed_op sub_op = { .name = "sub", .backward = sub_backward };
heed_var *heed_sub(heed_var *a, heed_var *b)
{
    return op_binary(&sub_op, a, b, sub_row);
}

/* ---- mul: a b ---------------------------------------------------------------------------------------------------- */

ROW(mul_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * in[1][i];
}

ROW(mul_row_a) /* g b */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * in[2][i];
}

static bool mul_backward(heed_node *node)
{
    return binary_backward(node, mul_row_a, mul_row);
} /* gb: g a */
static const heed_op mul_op = { .name = "mul", .backward = mul_backward };
heed_var *heed_mul(heed_var *a, heed_var *b)
{
    return op_binary(&mul_op, a, b, mul_row);
}

/* ---- div: a / b -------------------------------------------------------------------------------------------------- */

ROW(div_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] / in[1][i];
}

ROW(div_row_a) /* g / b */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] / in[2][i];
}

ROW(div_row_b) /* -g a / b^2 */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = -in[0][i] * in[1][i] / (in[2][i] * in[2][i]);
}

static bool div_backward(heed_node *node)
{
    return binary_backward(node, div_row_a, div_row_b);
}
static const heed_op div_op = { .name = "div", .backward = div_backward };
heed_var *heed_div(heed_var *a, heed_var *b)
{
    return op_binary(&div_op, a, b, div_row);
}

/* ---- scale: c x; neg: -x ----------------------------------------------------------------------------------------- */

ROW(scale_row) /* forward and backward alike: it is linear */
{
    heed_real c = (heed_real) * (const double *)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = c * in[0][i];
}

static bool scale_backward(heed_node *node)
{
    return op_unary_backward(node, scale_row);
}
static const heed_op scale_op = { .name = "scale", .operands = "x", .backward = scale_backward };
heed_var *heed_scale(heed_var *x, double factor)
{
    return op_unary(&scale_op, x, scale_row, &factor);
}

static bool neg_backward(heed_node *node)
{
    return op_unary_backward(node, negated_row);
}
static const heed_op neg_op = { .name = "neg", .operands = "x", .backward = neg_backward };
heed_var *heed_neg(heed_var *x)
{
    return op_unary(&neg_op, x, negated_row, NULL);
}

/* ---- exp --------------------------------------------------------------------------------------------------------- */

ROW(exp_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = k_exp(in[0][i]);
}

ROW(exp_row_x) /* g y */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * in[2][i];
}

static bool exp_backward(heed_node *node)
{
    return op_unary_backward(node, exp_row_x);
}
static const heed_op exp_op = { .name = "exp", .operands = "x", .backward = exp_backward };
heed_var *heed_exp(heed_var *x)
{
    return op_unary(&exp_op, x, exp_row, NULL);
}

/* ---- log: log 0 = -inf, of a negative NaN ------------------------------------------------------------------------ */

ROW(log_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = log(in[0][i]);
}

ROW(log_row_x) /* g / x */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] / in[1][i];
}

static bool log_backward(heed_node *node)
{
    return op_unary_backward(node, log_row_x);
}
static const heed_op log_op = { .name = "log", .operands = "x", .backward = log_backward };
heed_var *heed_log(heed_var *x)
{
    return op_unary(&log_op, x, log_row, NULL);
}

/* ---- sqrt: its derivative at 0 is inf ---------------------------------------------------------------------------- */

ROW(sqrt_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = sqrt(in[0][i]);
}

ROW(sqrt_row_x) /* g / 2y */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] / (2 * in[2][i]);
}

static bool sqrt_backward(heed_node *node)
{
    return op_unary_backward(node, sqrt_row_x);
}
static const heed_op sqrt_op = { .name = "sqrt", .operands = "x", .backward = sqrt_backward };
heed_var *heed_sqrt(heed_var *x)
{
    return op_unary(&sqrt_op, x, sqrt_row, NULL);
}

/* ---- pow: x^c; 0^0 = 1 as in C ----------------------------------------------------------------------------------- */

ROW(pow_row)
{
    heed_real c = (heed_real) * (const double *)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = pow(in[0][i], c);
}

ROW(pow_row_x) /* g c x^(c-1); for c = 0 it is 0 everywhere */
{
    heed_real c = (heed_real) * (const double *)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = c == 0 ? 0 : in[0][i] * c * pow(in[1][i], c - 1);
}

static bool pow_backward(heed_node *node)
{
    return op_unary_backward(node, pow_row_x);
}
static const heed_op pow_op = { .name = "pow", .operands = "x", .backward = pow_backward };
heed_var *heed_pow(heed_var *x, double exponent)
{
    return op_unary(&pow_op, x, pow_row, &exponent);
}

/* ---- where: a if the condition is not 0, else b; masked_fill: a constant where the mask is not 0 ----------------- */

ROW(where_row) /* in: condition, a, b */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] != 0 ? in[1][i] : in[2][i];
}

ROW(taken_row) /* g where the condition holds */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[1][i] != 0 ? in[0][i] : 0;
}

ROW(left_row) /* g where it does not */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[1][i] != 0 ? 0 : in[0][i];
}

static bool where_backward(heed_node *node)
{
    k_row *const rows[] = { taken_row, left_row };
    const heed_tensor *condition = node->saved;
    heed_tensor in[] = { heed_out_grad(node), *condition };
    for (int i = 0; i < node->n_in; i++) {
        heed_grad_dest g = grad_into_broadcast(node, i);
        if (g.view.data)
            op_map(node, g.view, g.beta, rows[node->n_in == 1 ? 1 : i], in, 2, NULL);
    }
    return true;
}

/* The condition as numbers 0 and 1, seen in the output's shape; kept for backward. NULL on failure. */
static const heed_tensor *keep_condition(heed_node *node, const heed_ids *condition, heed_shape shape)
{
    int64_t numel = heed_shape_numel(condition->shape);
    heed_tensor *kept = heed_op_save(node, (int64_t)sizeof *kept);
    heed_tensor mask = heed_tensor_new(node->state->tape->arena, condition->shape);
    if (!kept || !heed_tensor_ok(mask))
        return NULL;
    for (int64_t i = 0; i < numel; i++)
        mask.data[i] = condition->data[i] != 0;
    *kept = heed_tensor_broadcast(mask, shape);
    return heed_tensor_ok(*kept) ? kept : NULL;
}

static const heed_op where_op = { .name = "where", .backward = where_backward };
heed_var *heed_where(const heed_ids *condition, heed_var *a, heed_var *b)
{
    heed_var *in[] = { a, b };
    heed_node *node = heed_op_begin(&where_op, in, 2);
    heed_shape shape;
    if (!node || !op_ids_usable(node, condition, "condition") ||
        !op_broadcast(&where_op, a->value.shape, b->value.shape, &shape) ||
        !op_broadcast(&where_op, condition->shape, shape, &shape))
        return NULL;
    heed_var *y = heed_op_output(node, shape);
    const heed_tensor *mask = y ? keep_condition(node, condition, shape) : NULL;
    if (!mask)
        return NULL;
    op_map(node, y->value, 0, where_row,
           (heed_tensor[]){ *mask, heed_tensor_broadcast(a->value, shape), heed_tensor_broadcast(b->value, shape) }, 3,
           NULL);
    return heed_op_end(node);
}

ROW(fill_row) /* in: mask, x */
{
    heed_real value = (heed_real) * (const double *)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] != 0 ? value : in[1][i];
}

static const heed_op masked_fill_op = {
    .name = "masked_fill", .operands = "x", .infinite = true, .backward = where_backward
};
heed_var *heed_masked_fill(heed_var *x, const heed_ids *mask, double value)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(&masked_fill_op, in, 1);
    heed_shape shape;
    if (!node || !op_ids_usable(node, mask, "mask") ||
        !op_broadcast(&masked_fill_op, mask->shape, x->value.shape, &shape))
        return NULL;
    heed_var *y = heed_op_output(node, shape);
    const heed_tensor *kept = y ? keep_condition(node, mask, shape) : NULL;
    if (!kept)
        return NULL;
    op_map(node, y->value, 0, fill_row, (heed_tensor[]){ *kept, heed_tensor_broadcast(x->value, shape) }, 2, &value);
    return heed_op_end(node);
}
