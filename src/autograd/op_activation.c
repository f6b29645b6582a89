/* Activations. Each one: its formula, its rows (in backward in[0] is the output's gradient, in[1] is x, in[2] is y),
 * its backward, its descriptor, itself. */
#include "internal.h"
#include "../tensor/k_math.h"

#include <tgmath.h>

#define ROW(name) static void name(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)

/* ---- tanh ---- */

ROW(tanh_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = k_tanh(in[0][i]);
}

ROW(tanh_row_x) /* g (1 - y^2) */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * (1 - in[2][i] * in[2][i]);
}

static bool tanh_backward(heed_node *node)
{
    return op_unary_backward(node, tanh_row_x);
}
static const heed_op tanh_op = { .name = "tanh", .operands = "x", .backward = tanh_backward };
heed_var *heed_tanh(heed_var *x)
{
    return op_unary(&tanh_op, x, tanh_row, NULL);
}

/* ---- sigmoid: 1 / (1 + exp(-x)) ---- */

ROW(sigmoid_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = k_sigmoid(in[0][i]);
}

ROW(sigmoid_row_x) /* g y (1 - y) */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * in[2][i] * (1 - in[2][i]);
}

static bool sigmoid_backward(heed_node *node)
{
    return op_unary_backward(node, sigmoid_row_x);
}
static const heed_op sigmoid_op = { .name = "sigmoid", .operands = "x", .backward = sigmoid_backward };
heed_var *heed_sigmoid(heed_var *x)
{
    return op_unary(&sigmoid_op, x, sigmoid_row, NULL);
}

/* ---- relu: max(x, 0); its derivative at 0 is 0; NaN stays NaN ---- */

ROW(relu_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] < 0 ? 0 : in[0][i];
}

ROW(relu_row_x)
{
    const heed_real *g = in[0]; /* fetched before the loop, or it would not vectorise */
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[1][i] <= 0 ? 0 : g[i];
}

static bool relu_backward(heed_node *node)
{
    return op_unary_backward(node, relu_row_x);
}
static const heed_op relu_op = { .name = "relu", .operands = "x", .backward = relu_backward };
heed_var *heed_relu(heed_var *x)
{
    return op_unary(&relu_op, x, relu_row, NULL);
}

/* ---- gelu: x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2; Hendrycks and Gimpel 2016 ---- */

static const heed_real sqrt_half = (heed_real)0.70710678118654752;      /* sqrt(1/2) */
static const heed_real normal_density = (heed_real)0.39894228040143268; /* 1 / sqrt(2 pi) */

ROW(gelu_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++) {
        heed_real x = in[0][i];
        out[i] = x / 2 * (1 + k_erf(x * sqrt_half));
    }
}

ROW(gelu_row_x) /* g (Phi(x) + x phi(x)), phi(x) = exp(-x^2 / 2) / sqrt(2 pi); Phi(x) is y / x, near 0 1/2 + x phi(x) */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++) {
        heed_real x = in[1][i], turn = x * normal_density * k_exp(-x * x / 2), below = in[2][i] / x;
        below = fabs(x) < (heed_real)1e-6 ? (heed_real)0.5 + turn : below;
        out[i] = in[0][i] * (below + turn);
    }
}

static bool gelu_backward(heed_node *node)
{
    return op_unary_backward(node, gelu_row_x);
}
static const heed_op gelu_op = { .name = "gelu", .operands = "x", .backward = gelu_backward };
heed_var *heed_gelu(heed_var *x)
{
    return op_unary(&gelu_op, x, gelu_row, NULL);
}

/* ---- gelu_tanh: x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3) ---- */

static const heed_real bend = (heed_real)0.79788456080286536, cubic = (heed_real)0.044715; /* sqrt(2 / pi) */

ROW(gelu_tanh_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++) {
        heed_real x = in[0][i];
        out[i] = x / 2 * (1 + k_tanh(bend * x * (1 + cubic * x * x)));
    }
}

ROW(gelu_tanh_row_x) /* g ((1 + t) / 2 + x (1 - t^2) u' / 2), t = tanh u; where t is 1, u' may be inf */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++) {
        heed_real x = in[1][i], t = k_tanh(bend * x * (1 + cubic * x * x));
        heed_real slope = 1 - t * t, turn = x / 2 * slope * bend * (1 + 3 * cubic * x * x);
        out[i] = in[0][i] * ((1 + t) / 2 + (slope == 0 ? 0 : turn));
    }
}

static bool gelu_tanh_backward(heed_node *node)
{
    return op_unary_backward(node, gelu_tanh_row_x);
}
static const heed_op gelu_tanh_op = { .name = "gelu_tanh", .operands = "x", .backward = gelu_tanh_backward };
heed_var *heed_gelu_tanh(heed_var *x)
{
    return op_unary(&gelu_tanh_op, x, gelu_tanh_row, NULL);
}

/* ---- silu: x sigmoid(x) ---- */

ROW(silu_row)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * k_sigmoid(in[0][i]);
}

ROW(silu_row_x) /* g s (1 + x (1 - s)), s = sigmoid(x) */
{
    (void)arg;
    for (int64_t i = 0; i < n; i++) {
        heed_real x = in[1][i], s = k_sigmoid(x);
        out[i] = in[0][i] * s * (1 + x * (1 - s));
    }
}

static bool silu_backward(heed_node *node)
{
    return op_unary_backward(node, silu_row_x);
}
static const heed_op silu_op = { .name = "silu", .operands = "x", .backward = silu_backward };
heed_var *heed_silu(heed_var *x)
{
    return op_unary(&silu_op, x, silu_row, NULL);
}
