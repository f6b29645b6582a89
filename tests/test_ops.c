/* Values of elementwise ops, reductions and softmax, and their edges: infinities, NaN, ties, empty rows, refusals. */
#include "ops.h"

/* ---- elementwise ---------------------------------------------------------------------------------------------------- */

static void test_activations_at_their_ends(void **state)
{
    (void)state;
    const heed_real far = 1e30f;
    heed_var *x = VECTOR(0, 1, -1, NAN, far, -far, inf);
    heed_var *y = heed_relu(x);
    check_values(heed_value(y), 0, 1, 0, NAN, far, 0, inf);
    backward_counting(y);
    check_values(heed_grad(x), 0, 2, 0, 4, 5, 0, 7); /* 0 at 0 */

    heed_var *(*const activations[])(heed_var *) = { heed_gelu, heed_gelu_tanh, heed_silu };
    for (int i = 0; i < 3; i++) {
        heed_tape_reset(tape);
        x = VECTOR(0, far, -far, NAN);
        y = activations[i](x);
        check_values(heed_value(y), 0, far, 0, NAN);
        backward_counting(y);
        check_values(heed_grad(x), (heed_real)0.5, 2, 0, NAN);
    }
    heed_tape_reset(tape);
    x = VECTOR(0, far, -far, inf, -inf);
    check_values(heed_value(heed_tanh(x)), 0, 1, -1, 1, -1);
    check_values(heed_value(heed_sigmoid(x)), (heed_real)0.5, 1, 0, 1, 0);
    backward_counting(heed_mul(heed_tanh(x), heed_sigmoid(x)));
    check_values(heed_grad(x), (heed_real)0.5, 0, 0, 0, 0);
}

/* The slope of gelu takes Phi(x) from its output; near 0, where that has few digits or none, it must hold too. */
static void test_gelu_slope(void **state)
{
    (void)state;
    enum { NEAR = 90, N = NEAR + 1601 };
    heed_real values[N];
    for (int i = 0; i < NEAR; i++)
        values[i] = (heed_real)((i % 2 ? -1 : 1) * pow(10, -i / 2));
    for (int i = NEAR; i < N; i++)
        values[i] = (heed_real)((i - NEAR - 800) * 0.01);
    heed_var *x = heed_leaf(tape, HEED_SHAPE(N), values);
    assert_true(heed_backward(heed_sum(heed_gelu(x), (heed_axes){ 0 })));
    for (int i = 0; i < N; i++) {
        double at = (double)values[i], density = exp(-at * at / 2) / sqrt(2 * acos(-1));
        check_close(heed_grad(x).data[i], (1 + erf(at / sqrt(2))) / 2 + at * density, CHECK_EPS / 8);
    }
}

static void test_known_values(void **state)
{
    (void)state;
    heed_var *x = VECTOR((heed_real)0.5, -2);
    struct {
        heed_var *y;
        double at[2];
    } known[] = {
        { heed_tanh(x), { 0.46211715726000973, -0.96402758007581688 } },
        { heed_sigmoid(x), { 0.62245933120185459, 0.11920292202211755 } },
        { heed_gelu(x), { 0.34573123063700656, -0.045500263896358417 } },
        { heed_gelu_tanh(x), { 0.34571400982514394, -0.045402305912231406 } },
        { heed_silu(x), { 0.31122966560092730, -0.23840584404423511 } },
        { heed_exp(x), { 1.6487212707001282, 0.13533528323661270 } },
        { heed_pow(x, 3), { 0.125, -8 } },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int k = 0; k < 2; k++)
            check_close(heed_value(known[i].y).data[k], known[i].at[k], CHECK_EPS / 4);
}

static void test_singular_points(void **state)
{
    (void)state;
    heed_var *x = VECTOR(0, 4), *y = heed_sqrt(x);
    check_values(heed_value(y), 0, 2);
    backward_counting(y);
    check_values(heed_grad(x), inf, (heed_real)0.5);
    heed_tape_reset(tape);
    x = VECTOR(0, -1, 1);
    y = heed_log(x);
    check_values(heed_value(y), -inf, NAN, 0);
    backward_counting(y);
    check_values(heed_grad(x), inf, -2, 3);
    heed_tape_reset(tape);
    x = VECTOR(0, 1, -3);
    check_values(heed_value(heed_div(VECTOR(2, -2, 0), VECTOR(0, 0, 0))), inf, -inf, NAN);
    y = heed_pow(x, 0);
    check_values(heed_value(y), 1, 1, 1);
    backward_counting(y);
    check_values(heed_grad(x), 0, 0, 0);
    check_no_error();
}

/* ---- reductions ----------------------------------------------------------------------------------------------------- */

static void test_sums_are_in_double(void **state)
{
    (void)state;
    static heed_real x[3 * 4096];
    const heed_real big = 1e8f;
    for (int i = 0; i < 3 * 4096; i++)
        x[i] = 1;
    for (int i = 0; i < 3; i++) { /* in float, 1e8 + 1 = 1e8 */
        x[i * 4096] = big;
        x[i * 4096 + 4095] = -big;
    }
    heed_var *rows = heed_leaf(tape, HEED_SHAPE(3, 4096), x), *columns = heed_permute(rows, (const int[]){ 1, 0 });
    check_values(heed_value(heed_sum(rows, HEED_AXES(1))), 4094, 4094, 4094);
    check_values(heed_value(heed_sum(columns, HEED_AXES(0))), 4094, 4094, 4094);
    check_values(heed_value(heed_sum(rows, (heed_axes){ 0 })), 3 * 4094);
    heed_var *tall = heed_leaf(tape, HEED_SHAPE(4096, 3), x); /* every third element starts a row */
    double total = 0;
    heed_tensor sums = heed_value(heed_sum(tall, HEED_AXES(0)));
    for (int i = 0; i < 3; i++)
        total += (double)sums.data[i];
    assert_true(total == 3 * 4094);
    check_close(heed_item(heed_mean(rows, (heed_axes){ 0 })), 4094.0 / 4096, 1e-7);
}

static void test_reduced_shapes(void **state)
{
    (void)state;
    heed_real x[24];
    for (int i = 0; i < 24; i++)
        x[i] = (heed_real)i;
    heed_var *v = heed_leaf(tape, HEED_SHAPE(2, 3, 4), x);
    heed_var *s = heed_sum(v, (heed_axes){ .count = 2, .axis = { 0, -1 } });
    assert_true(heed_shape_equal(heed_value(s).shape, HEED_SHAPE(3)));
    check_values(heed_value(s), 60, 92, 124);
    s = heed_sum(v, (heed_axes){ .count = 2, .axis = { 0, -1 }, .keep = true });
    assert_true(heed_shape_equal(heed_value(s).shape, HEED_SHAPE(1, 3, 1)));
    s = heed_max(v, (heed_axes){ .keep = true });
    assert_true(heed_shape_equal(heed_value(s).shape, HEED_SHAPE(1, 1, 1)));
    check_values(heed_value(s), 23);
    check_values(heed_value(heed_mean(v, HEED_AXES(1))), 4, 5, 6, 7, 16, 17, 18, 19);
    assert_int_equal(heed_value(heed_sum(v, (heed_axes){ 0 })).shape.rank, 0);
    heed_var *none = heed_slice(v, 1, 0, 0);
    check_values(heed_value(heed_sum(none, HEED_AXES(1, 2))), 0, 0);
    assert_int_equal(heed_tensor_numel(heed_value(heed_max(none, HEED_AXES(2)))), 0);
    check_no_error();
    assert_null(heed_mean(none, HEED_AXES(1)));
    check_failed(HEED_BAD_SHAPE, "mean: over no elements: the axes to reduce of [2, 0, 4]");
    assert_null(heed_max(none, (heed_axes){ 0 }));
    check_failed(HEED_BAD_SHAPE, "max: over no elements");
    assert_null(heed_sum(v, HEED_AXES(1, -2)));
    check_failed(HEED_BAD_ARGUMENT, "sum: axis 1 of [2, 3, 4] is named twice");
    assert_null(heed_sum(v, HEED_AXES(3)));
    check_failed(HEED_BAD_ARGUMENT, "sum: axis 3 is outside [2, 3, 4]");
    assert_null(heed_sum(v, (heed_axes){ .count = 7 }));
    check_failed(HEED_BAD_ARGUMENT, "sum: 7 axes");
    assert_null(heed_sum(NULL, (heed_axes){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "sum: operand x is NULL");
}

static void test_max_ties_and_nan(void **state)
{
    (void)state;
    heed_var *x = VECTOR(1, 3, 3, NAN, -inf, 3, NAN, 2);
    heed_var *rows = heed_reshape(x, HEED_SHAPE(2, 4));
    heed_var *y = heed_max(rows, HEED_AXES(0));
    check_values(heed_value(y), 1, 3, NAN, NAN);
    backward_counting(y);
    check_values(heed_grad(x), 1, 2, 0, 4, 0, 0, 3, 0); /* of the two threes the first; the NaN is the largest */
    heed_tape_reset(tape);
    x = VECTOR(1, NAN, 2, NAN);
    backward_counting(heed_max(x, (heed_axes){ 0 }));
    check_values(heed_grad(x), 0, 1, 0, 0);
    heed_tape_reset(tape);
    x = VECTOR(-inf, -inf, -inf);
    y = heed_max(x, (heed_axes){ 0 });
    check_values(heed_value(y), -inf);
    backward_counting(y);
    check_values(heed_grad(x), 1, 0, 0);
}

/* ---- softmax -------------------------------------------------------------------------------------------------------- */

static void test_softmax_of_hard_rows(void **state)
{
    (void)state;
    const heed_real most = sizeof(heed_real) == 4 ? (heed_real)3.4028234663852886e38 : (heed_real)1e300;
    const heed_real rows[][4] = {
        { 1e4f, -1e4f, 0, 1e4f }, { 1e30f, -1e30f, 1e30f, 0 }, { most, -most, most, 0 }, { -most, -most, -most, -most },
        { 2, 2, 2, 2 },           { -inf, 0, 0, -inf },        { -inf, -inf, -inf, 7 },
    };
    const heed_real half = (heed_real)0.5, quarter = (heed_real)0.25;
    const heed_real want[][4] = {
        { half, 0, 0, half },
        { half, 0, half, 0 },
        { half, 0, half, 0 },
        { quarter, quarter, quarter, quarter },
        { quarter, quarter, quarter, quarter },
        { 0, half, half, 0 },
        { 0, 0, 0, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        heed_tape_reset(tape);
        heed_var *x = heed_leaf(tape, HEED_SHAPE(4), rows[i]), *y = heed_softmax(x, 0);
        check_values_at(heed_value(y), want[i], 4, __FILE__, __LINE__);
        backward_counting(y);
        assert_true(heed_tensor_finite(heed_grad(x), NULL));
        heed_tape_reset(tape);
        x = heed_leaf(tape, HEED_SHAPE(4), rows[i]);
        y = heed_log_softmax(x, 0);
        for (int k = 0; k < 4; k++)
            if (want[i][k] > 0)
                check_close(heed_value(y).data[k], log((double)want[i][k]), CHECK_EPS);
            else
                assert_true((double)heed_value(y).data[k] < -100);
        backward_counting(y);
        assert_true(heed_tensor_finite(heed_grad(x), NULL));
    }
}

static void test_softmax_of_nothing_allowed(void **state)
{
    (void)state;
    const heed_real rows[] = { -inf, -inf, -inf, 1, 1, -inf }, half = (heed_real)0.5;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 3), rows), *y = heed_softmax(x, 1);
    check_values(heed_value(y), 0, 0, 0, half, half, 0);
    backward_counting(y);
    check_values(heed_grad(x), 0, 0, 0, -half / 2, half / 2, 0);
    heed_tape_reset(tape);
    x = heed_leaf(tape, HEED_SHAPE(2, 3), rows);
    y = heed_log_softmax(x, 1);
    check_values(heed_slice(y, 0, 0, 1)->value, -inf, -inf, -inf);
    check_close(heed_value(y).data[3], -log(2), CHECK_EPS);
    assert_true(heed_value(y).data[5] == -inf);
    backward_counting(y);
    for (int i = 0; i < 3; i++)
        assert_true(heed_grad(x).data[i] == 0);
    check_close(heed_grad(x).data[3], 4 - 15 * 0.5, CHECK_EPS);
    check_close(heed_grad(x).data[5], 6, CHECK_EPS);
}

static void test_softmax_passes_nan_on(void **state)
{
    (void)state;
    const heed_real rows[][3] = { { NAN, 1, 2 }, { -inf, -inf, NAN }, { inf, 1, 2 }, { NAN, NAN, NAN } };
    for (int i = 0; i < 4; i++) {
        heed_tape_reset(tape);
        heed_var *x = heed_leaf(tape, HEED_SHAPE(3), rows[i]);
        check_values(heed_value(heed_softmax(x, 0)), NAN, NAN, NAN);
        heed_var *y = heed_log_softmax(x, 0);
        check_values(heed_value(y), NAN, NAN, NAN);
        backward_counting(y);
        check_values(heed_grad(x), NAN, NAN, NAN);
    }
}

static void test_softmax_properties(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        int64_t n = 1 + (int64_t)heed_rng_below((heed_rng){ .seed = seed, .row = 1 }, 0, 60);
        heed_real x[60], shifted[60];
        double sum = 0, gradient = 0;
        fill_random(x, n, seed, -30, 30);
        for (int64_t i = 0; i < n; i++)
            shifted[i] = x[i] = (heed_real)round((double)x[i] * 8) / 8; /* so that adding 64 is exact */
        for (int64_t i = 0; i < n; i++)
            shifted[i] += 64;
        heed_tape_reset(tape);
        heed_var *a = heed_leaf(tape, HEED_SHAPE(n), x), *y = heed_softmax(a, 0);
        heed_tensor again = heed_value(heed_softmax(heed_leaf(tape, HEED_SHAPE(n), shifted), 0));
        check_values_at(heed_value(y), again.data, n, __FILE__, __LINE__);
        backward_counting(y);
        for (int64_t i = 0; i < n; i++) {
            sum += (double)heed_value(y).data[i];
            gradient += (double)heed_grad(a).data[i];
        }
        check_close(sum, 1, CHECK_EPS);
        check_close(gradient, 0, (double)n * CHECK_EPS);
    }
}

static void test_softmax_refusals(void **state)
{
    (void)state;
    heed_var *x = VECTOR(1, 2);
    assert_null(heed_softmax(x, 1));
    check_failed(HEED_BAD_ARGUMENT, "softmax: axis 1 is outside [2], which has 1 axes");
    assert_null(heed_log_softmax(x, -2));
    check_failed(HEED_BAD_ARGUMENT, "log_softmax: axis -2");
    assert_null(heed_softmax(NULL, 0));
    check_failed(HEED_BAD_ARGUMENT, "softmax: operand x is NULL");
    assert_int_equal(heed_tensor_numel(heed_value(heed_softmax(heed_slice(x, 0, 1, 1), 0))), 0);
    check_values(heed_value(heed_softmax(heed_slice(x, 0, 1, 2), 0)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        op_test(test_activations_at_their_ends),
        op_test(test_known_values),
        op_test(test_gelu_slope),
        op_test(test_singular_points),
        op_test(test_sums_are_in_double),
        op_test(test_reduced_shapes),
        op_test(test_max_ties_and_nan),
        op_test(test_softmax_of_hard_rows),
        op_test(test_softmax_of_nothing_allowed),
        op_test(test_softmax_passes_nan_on),
        op_test(test_softmax_properties),
        op_test(test_softmax_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
