/* Gradients of the elementwise ops. */
#include "gradients.h"

/* ---- one operand ---------------------------------------------------------------------------------------------------- */

static const config unary[] = {
    { .in = { { SCALAR, 0 } } },
    { .in = { { S(1), 0 } } },
    { .in = { { S(5), 0 } } },
    { .in = { { S(3, 4), 0 } } },
    { .in = { { S(1, 7), 0 } } },
    { .in = { { S(7, 1), 0 } } },
    { .in = { { S(2, 3, 5), 0 } } },
    { .in = { { S(2, 1, 3, 2), 0 } } },
    { .in = { { S(2, 1, 2, 3, 2), 0 } } },
    { .in = { { S(2, 1, 2, 1, 3, 2), 0 } } },
    { .in = { { S(4, 3), PERMUTED } } },
    { .in = { { S(2, 3, 4), PERMUTED } } },
    { .in = { { S(3, 5), SLICED } } },
    { .in = { { S(2, 3, 3), SLICED | PERMUTED } } },
    { .in = { { S(4, 3), SPREAD } } },
    { .in = { { S(3, 2, 4), SPREAD | PERMUTED } } },
    { .in = { { S(2, 3, 2), SPREAD | SLICED } } },
    { .in = { { S(3, 0, 2), 0 } } },
    { .in = { { S(1, 641), 0 } } }, /* along directions */
};

#define UNARY(op) \
    static heed_var *op##_build(heed_tape *tape, heed_var *const *in, const config *c) \
    { \
        (void)tape, (void)c; \
        return heed_##op(in[0]); \
    }
UNARY(neg)
UNARY(exp)
UNARY(log)
UNARY(sqrt)
UNARY(tanh)
UNARY(sigmoid)
UNARY(relu)
UNARY(gelu)
UNARY(gelu_tanh)
UNARY(silu)

static heed_var *scale_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape, (void)c;
    return heed_scale(in[0], -1.7);
}

static heed_var *pow_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    static const double exponents[] = { 2, 3, 0.5, -1, 1.7, 0, 1, -2.5 };
    (void)tape;
    return heed_pow(in[0], exponents[(c - unary) % 8]);
}

static heed_var *square_build(heed_tape *tape, heed_var *const *in, const config *c) /* one root twice in one op */
{
    (void)tape, (void)c;
    return heed_mul(in[0], in[0]);
}

static void test_unary(void **state)
{
    (void)state;
    static const op_row rows[] = {
        { "heed_neg", neg_build, 1, ANY, CONFIGS(unary) },
        { "heed_scale", scale_build, 1, ANY, CONFIGS(unary) },
        { "heed_exp", exp_build, 1, ANY, CONFIGS(unary) },
        { "heed_log", log_build, 1, POSITIVE, CONFIGS(unary) },
        { "heed_sqrt", sqrt_build, 1, POSITIVE, CONFIGS(unary) },
        { "heed_pow", pow_build, 1, POSITIVE, CONFIGS(unary) },
        { "heed_tanh", tanh_build, 1, ANY, CONFIGS(unary) },
        { "heed_sigmoid", sigmoid_build, 1, ANY, CONFIGS(unary) },
        { "heed_relu", relu_build, 1, OFF_ZERO, CONFIGS(unary) },
        { "heed_gelu", gelu_build, 1, ANY, CONFIGS(unary) },
        { "heed_gelu_tanh", gelu_tanh_build, 1, ANY, CONFIGS(unary) },
        { "heed_silu", silu_build, 1, ANY, CONFIGS(unary) },
        { "heed_mul", square_build, 1, ANY, CONFIGS(unary) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- two operands --------------------------------------------------------------------------------------------------- */

static const config binary[] = {
    { .in = { { SCALAR, 0 }, { SCALAR, 0 } } },
    { .in = { { S(5), 0 }, { S(5), 0 } } },
    { .in = { { S(3, 4), 0 }, { S(4), 0 } } },
    { .in = { { S(4), 0 }, { S(3, 4), 0 } } },
    { .in = { { S(3, 1), 0 }, { S(1, 4), 0 } } },
    { .in = { { SCALAR, 0 }, { S(2, 3), 0 } } },
    { .in = { { S(2, 3), 0 }, { S(1), 0 } } },
    { .in = { { S(2, 1, 3), 0 }, { S(4, 1), 0 } } },
    { .in = { { S(2, 3, 4), PERMUTED }, { S(3, 1), 0 } } },
    { .in = { { S(2, 3, 4), 0 }, { S(2, 3, 4), PERMUTED } } },
    { .in = { { S(3, 5), SLICED }, { S(3, 5), SLICED | PERMUTED } } },
    { .in = { { S(3, 5), SPREAD }, { S(3, 5), 0 } } },
    { .in = { { S(4, 3), SPREAD | SLICED }, { S(1, 3), PERMUTED } } },
    { .in = { { S(3, 2), 0 }, { S(3, 2), SAME } } },
    { .in = { { S(3, 3), 0 }, { S(3, 3), SHARED } } },
    { .in = { { S(3, 1), SLICED }, { S(1, 3), SHARED } } },
    { .in = { { S(2, 1, 2, 1, 2, 1), 0 }, { S(1, 3, 1, 2, 1, 2), 0 } } },
    { .in = { { S(2, 0), 0 }, { S(1), 0 } } },
    { .in = { { S(17, 1), 0 }, { S(1, 40), 0 } } },
    { .in = { { S(1, 600), 0 }, { S(3, 1), 0 } } },
};

#define BINARY(op) \
    static heed_var *op##_build(heed_tape *tape, heed_var *const *in, const config *c) \
    { \
        (void)tape, (void)c; \
        return heed_##op(in[0], in[1]); \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)

static void test_binary(void **state)
{
    (void)state;
    static const op_row rows[] = {
        { "heed_add", add_build, 2, ANY, CONFIGS(binary) },
        { "heed_sub", sub_build, 2, ANY, CONFIGS(binary) },
        { "heed_mul", mul_build, 2, ANY, CONFIGS(binary) },
        { "heed_div", div_build, 2, POSITIVE, CONFIGS(binary) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- with a condition ----------------------------------------------------------------------------------------------- */

static heed_var *where_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    return heed_where(heed_input_ids(tape, c->ids_shape, c->ids), in[0], in[1]);
}

static heed_var *masked_fill_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    return heed_masked_fill(in[0], heed_input_ids(tape, c->ids_shape, c->ids), -3.5);
}

static void test_conditions(void **state)
{
    (void)state;
    static const config where[] = {
        { .in = { { SCALAR, 0 }, { SCALAR, 0 } }, .ids_shape = SCALAR, .ids = { 1 } },
        { .in = { { SCALAR, 0 }, { SCALAR, 0 } }, .ids_shape = SCALAR, .ids = { 0 } },
        { .in = { { S(5), 0 }, { S(5), 0 } }, .ids_shape = S(5), .ids = { 1, 0, 0, 7, -1 } },
        { .in = { { S(2, 3), 0 }, { S(3), 0 } }, .ids_shape = S(2, 3), .ids = { 1, 0, 0, 1, 1, 0 } },
        { .in = { { S(3), 0 }, { S(2, 3), 0 } }, .ids_shape = S(2, 1), .ids = { 1, 0 } },
        { .in = { { S(2, 1), 0 }, { S(1, 3), 0 } }, .ids_shape = S(3), .ids = { 0, 1, 0 } },
        { .in = { { S(1), 0 }, { SCALAR, 0 } }, .ids_shape = S(2, 3), .ids = { 0, 1, 1, 1, 0, 1 } },
        { .in = { { S(3, 2), PERMUTED }, { S(3, 2), SLICED } }, .ids_shape = S(3, 2), .ids = { 0, 1, 1, 0, 0, 1 } },
        { .in = { { S(3, 2), SPREAD }, { S(3, 2), 0 } }, .ids_shape = S(3, 1), .ids = { 0, 1, 1 } },
        { .in = { { S(3, 2), 0 }, { S(3, 2), SAME } }, .ids_shape = S(3, 2), .ids = { 0, 1, 1, 0, 1, 0 } },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SHARED } }, .ids_shape = S(3), .ids = { 0, 1, 1 } },
        { .in = { { S(2, 1, 2), 0 }, { S(2, 3, 1), 0 } }, .ids_shape = S(3, 2), .ids = { 0, 1, 1, 0, 1, 0 } },
        { .in = { { S(0), 0 }, { S(1), 0 } }, .ids_shape = SCALAR, .ids = { 1 } },
    };
    static const config filled[] = {
        { .in = { { SCALAR, 0 } }, .ids_shape = SCALAR, .ids = { 0 } },
        { .in = { { SCALAR, 0 } }, .ids_shape = SCALAR, .ids = { 1 } },
        { .in = { { S(5), 0 } }, .ids_shape = S(5), .ids = { 0, 1, 0, 0, 9 } },
        { .in = { { S(2, 3), 0 } }, .ids_shape = S(3), .ids = { 0, 1, 0 } },
        { .in = { { S(2, 3), 0 } }, .ids_shape = S(2, 1), .ids = { 0, 1 } },
        { .in = { { S(2, 3), 0 } }, .ids_shape = S(1), .ids = { 0 } },
        { .in = { { S(2, 3), 0 } }, .ids_shape = S(1, 1), .ids = { 1 } },
        { .in = { { S(4, 3), PERMUTED } }, .ids_shape = S(3), .ids = { 1, 0, 0 } },
        { .in = { { S(4, 3), SLICED } }, .ids_shape = S(4, 1), .ids = { 0, 0, 1, 0 } },
        { .in = { { S(4, 3), SPREAD } }, .ids_shape = S(4, 1), .ids = { 0, 0, 1, 0 } },
        { .in = { { S(2, 2, 3), PERMUTED | SLICED } }, .ids_shape = S(2, 3), .ids = { 0, 0, 1, 0, 1, 1 } },
        { .in = { { S(2, 1, 2, 1, 2, 1), 0 } }, .ids_shape = S(2, 1), .ids = { 0, 1 } },
        { .in = { { S(0, 2), 0 } }, .ids_shape = S(2), .ids = { 0, 1 } },
    };
    static const op_row rows[] = {
        { "heed_where", where_build, 2, ANY, CONFIGS(where) },
        { "heed_masked_fill", masked_fill_build, 1, ANY, CONFIGS(filled) },
    };
    check_rows(CONFIGS(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
