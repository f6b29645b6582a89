/* A second, independent implementation of the forwards, on complex numbers, and what follows from it: the exact derivative
 * f'(x) = Im f(x + ih) / h with h = 1e-30, without cancellation (Squire and Trapp 1998). Values and gradients of the ops
 * must agree with it to rounding, in both builds. */
#include "ops.h"

#include <complex.h>

typedef double complex number;
enum { MOST = 128 };

static number complex_of(double real, double imaginary)
{
    return real + imaginary * (number)_Complex_I;
}

typedef struct {
    int64_t rows, n;
    int32_t labels[8];
    double smoothing;
    const double *weight, *bias; /* [n] */
} setting;
/* y [returned] from x [rows n]: comparisons are made on the real part alone */
typedef int64_t reference(number *y, const number *x, const setting *s);
typedef heed_var *build_fn(heed_var *x, const setting *s);

/* ---- elementwise ---------------------------------------------------------------------------------------------------- */

#define ELEMENTWISE(name, formula, expression) \
    static int64_t name##_reference(number *y, const number *x, const setting *s) \
    { \
        for (int64_t i = 0; i < s->rows * s->n; i++) { \
            number z = x[i]; \
            y[i] = (formula); \
        } \
        return s->rows * s->n; \
    } \
    static heed_var *name##_build(heed_var *x, const setting *s) \
    { \
        (void)s; \
        return (expression); \
    }

/* erf, exact to first order in the imaginary part, which is all that is needed */
static number step_erf(number z)
{
    double x = creal(z);
    return complex_of(erf(x), cimag(z) * exp(-x * x) * 1.1283791670955126);
}

ELEMENTWISE(exp, cexp(z), heed_exp(x))
ELEMENTWISE(log, clog(z), heed_log(x))
ELEMENTWISE(sqrt, csqrt(z), heed_sqrt(x))
ELEMENTWISE(cube, z *z *z, heed_pow(x, 3))
ELEMENTWISE(root, cpow(z, -1.7), heed_pow(x, -1.7))
ELEMENTWISE(tanh, ctanh(z), heed_tanh(x))
ELEMENTWISE(sigmoid, 1 / (1 + cexp(-z)), heed_sigmoid(x))
ELEMENTWISE(relu, creal(z) > 0 ? z : 0, heed_relu(x))
ELEMENTWISE(gelu, z *(1 + step_erf(z / sqrt(2))) / 2, heed_gelu(x))
ELEMENTWISE(gelu_tanh, z *(1 + ctanh(sqrt(2 / acos(-1)) * (z + 0.044715 * z * z * z))) / 2, heed_gelu_tanh(x))
ELEMENTWISE(silu, z / (1 + cexp(-z)), heed_silu(x))
ELEMENTWISE(quotient, (2 - z) / (z * z), heed_div(heed_add(heed_neg(x), VECTOR(2)), heed_mul(x, x)))

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

static number log_sum_exp(const number *x, int64_t n)
{
    number sum = 0;
    double top = creal(x[0]);
    for (int64_t i = 1; i < n; i++)
        top = fmax(top, creal(x[i]));
    for (int64_t i = 0; i < n; i++)
        sum += cexp(x[i] - top);
    return top + clog(sum);
}

static int64_t softmax_reference(number *y, const number *x, const setting *s)
{
    for (int64_t i = 0; i < s->rows * s->n; i++)
        y[i] = cexp(x[i] - log_sum_exp(x + i / s->n * s->n, s->n));
    return s->rows * s->n;
}
static heed_var *softmax_build(heed_var *x, const setting *s)
{
    (void)s;
    return heed_softmax(x, 1);
}

static int64_t log_softmax_reference(number *y, const number *x, const setting *s)
{
    for (int64_t i = 0; i < s->rows * s->n; i++)
        y[i] = x[i] - log_sum_exp(x + i / s->n * s->n, s->n);
    return s->rows * s->n;
}
static heed_var *log_softmax_build(heed_var *x, const setting *s)
{
    (void)s;
    return heed_log_softmax(x, 1);
}

static int64_t norm_reference(number *y, const number *x, const setting *s, bool rms)
{
    for (int64_t r = 0; r < s->rows; r++) {
        const number *row = x + r * s->n;
        number mean = 0, squares = 0;
        for (int64_t i = 0; i < s->n && !rms; i++)
            mean += row[i] / s->n;
        for (int64_t i = 0; i < s->n; i++)
            squares += (row[i] - mean) * (row[i] - mean) / s->n;
        for (int64_t i = 0; i < s->n; i++)
            y[r * s->n + i] = (row[i] - mean) / csqrt(squares + 1e-5) * s->weight[i] + (rms ? 0 : s->bias[i]);
    }
    return s->rows * s->n;
}

static heed_var *constants(const double *values, int64_t n)
{
    heed_real real[MOST];
    for (int64_t i = 0; i < n; i++)
        real[i] = (heed_real)values[i];
    return heed_input(tape, HEED_SHAPE(n), real);
}

static int64_t layer_norm_reference(number *y, const number *x, const setting *s)
{
    return norm_reference(y, x, s, false);
}
static heed_var *layer_norm_build(heed_var *x, const setting *s)
{
    return heed_layer_norm(x, constants(s->weight, s->n), constants(s->bias, s->n), 1e-5);
}

static int64_t rms_norm_reference(number *y, const number *x, const setting *s)
{
    return norm_reference(y, x, s, true);
}
static heed_var *rms_norm_build(heed_var *x, const setting *s)
{
    return heed_rms_norm(x, constants(s->weight, s->n), 1e-5);
}

/* ---- losses --------------------------------------------------------------------------------------------------------- */

static int64_t cross_entropy_reference(number *y, const number *x, const setting *s)
{
    int64_t count = 0;
    *y = 0;
    for (int64_t r = 0; r < s->rows; r++) {
        count += s->labels[r] >= 0;
        for (int64_t j = 0; j < s->n && s->labels[r] >= 0; j++) {
            double q = (j == s->labels[r] ? 1 - s->smoothing : 0) + s->smoothing / (double)s->n;
            *y -= q * (x[r * s->n + j] - log_sum_exp(x + r * s->n, s->n));
        }
    }
    *y /= count;
    return 1;
}
static heed_var *cross_entropy_build(heed_var *x, const setting *s)
{
    heed_ce_desc desc = { .smoothing = s->smoothing, .has_ignore = true, .ignore = -1 };
    return heed_cross_entropy(x, heed_input_ids(tape, HEED_SHAPE(s->rows), s->labels), desc);
}

static int64_t mse_reference(number *y, const number *x, const setting *s)
{
    *y = 0;
    for (int64_t i = 0; i < s->rows * s->n; i++)
        *y += (x[i] - s->weight[i % s->n]) * (x[i] - s->weight[i % s->n]) / (s->rows * s->n);
    return 1;
}
static heed_var *mse_build(heed_var *x, const setting *s)
{
    return heed_mse(x, heed_broadcast(constants(s->weight, s->n), x->value.shape));
}

static int64_t column_means_reference(number *y, const number *x, const setting *s)
{
    for (int64_t i = 0; i < s->n; i++)
        y[i] = 0;
    for (int64_t i = 0; i < s->rows * s->n; i++)
        y[i % s->n] += x[i] / s->rows;
    return s->n;
}
static heed_var *column_means_build(heed_var *x, const setting *s)
{
    (void)s;
    return heed_mean(x, HEED_AXES(0));
}

/* ---- the comparison --------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    reference *reference;
    build_fn *build;
    double low, high; /* of x */
} pair;

static void check_pair(const pair *p, const setting *s, uint64_t seed)
{
    const double h = 1e-30, limit = sizeof(heed_real) == 8 ? 2e-12 : 2e-5;
    int64_t n = s->rows * s->n;
    heed_real real[MOST], c[MOST];
    number x[MOST], y[MOST];
    fill_random(real, n, seed, p->low, p->high);
    fill_random(c, MOST, seed + 1, -1, 1);
    heed_tape_reset(tape);
    heed_var *v = heed_leaf(tape, HEED_SHAPE(s->rows, s->n), real), *out = p->build(v, s);
    assert_true(heed_backward_from(out, c));
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)real[i];
    int64_t outputs = p->reference(y, x, s);
    assert_int_equal(heed_tensor_numel(heed_value(out)), outputs);
    for (int64_t i = 0; i < outputs; i++)
        check_close(heed_value(out).data[i], creal(y[i]), CHECK_EPS);
    for (int64_t k = 0; k < n; k++) {
        double derivative = 0;
        x[k] = complex_of(creal(x[k]), h);
        p->reference(y, x, s);
        x[k] = creal(x[k]);
        for (int64_t i = 0; i < outputs; i++)
            derivative += (double)c[i] * cimag(y[i]) / h;
        check_close(heed_grad(v).data[k], derivative, limit);
    }
}

static void test_against_complex_step(void **state)
{
    (void)state;
    static const pair pairs[] = {
        { "exp", exp_reference, exp_build, -3, 3 },
        { "log", log_reference, log_build, 0.2, 5 },
        { "sqrt", sqrt_reference, sqrt_build, 0.2, 5 },
        { "pow 3", cube_reference, cube_build, -2, 2 },
        { "pow -1.7", root_reference, root_build, 0.5, 3 },
        { "tanh", tanh_reference, tanh_build, -5, 5 },
        { "sigmoid", sigmoid_reference, sigmoid_build, -9, 9 },
        { "relu", relu_reference, relu_build, -1, 1 },
        { "gelu", gelu_reference, gelu_build, -5, 5 },
        { "gelu_tanh", gelu_tanh_reference, gelu_tanh_build, -5, 5 },
        { "silu", silu_reference, silu_build, -9, 9 },
        { "div", quotient_reference, quotient_build, 0.5, 3 },
        { "softmax", softmax_reference, softmax_build, -6, 6 },
        { "log_softmax", log_softmax_reference, log_softmax_build, -6, 6 },
        { "layer_norm", layer_norm_reference, layer_norm_build, -3, 3 },
        { "rms_norm", rms_norm_reference, rms_norm_build, -3, 3 },
        { "cross_entropy", cross_entropy_reference, cross_entropy_build, -6, 6 },
        { "mse", mse_reference, mse_build, -3, 3 },
        { "mean", column_means_reference, column_means_build, -3, 3 },
    };
    heed_real weight[MOST], bias[MOST];
    double w[MOST], b[MOST];
    fill_random(weight, MOST, 77, 0.5, 2);
    fill_random(bias, MOST, 78, -1, 1);
    for (int i = 0; i < MOST; i++) {
        w[i] = (double)weight[i];
        b[i] = (double)bias[i];
    }
    static const int64_t sizes[][2] = { { 1, 1 }, { 1, 5 }, { 4, 3 }, { 3, 16 }, { 2, 33 }, { 5, 17 } };
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
        for (int i = 0; i < 6; i++) {
            setting s = { .rows = sizes[i][0], .n = sizes[i][1], .weight = w, .bias = b, .smoothing = i % 3 * 0.2 };
            for (int r = 0; r < s.rows; r++)
                s.labels[r] = r == 1 ? -1 : (int32_t)((7 * r + 2) % s.n);
            check_pair(&pairs[k], &s, 10 * k);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { op_test(test_against_complex_step) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
