/* Values of norms and losses, and their edges. */
#include "ops.h"

/* ---- norms ---------------------------------------------------------------------------------------------------------- */

/* In long double, from the numbers as they are in this build. */
static void norm_reference(double *y, const heed_real *x, int64_t n, double eps, bool rms)
{
    long double mean = 0, squares = 0;
    for (int64_t i = 0; i < n && !rms; i++)
        mean += (long double)x[i] / n;
    for (int64_t i = 0; i < n; i++)
        squares += ((long double)x[i] - mean) * ((long double)x[i] - mean) / n;
    for (int64_t i = 0; i < n; i++)
        y[i] = (double)(((long double)x[i] - mean) / sqrtl(squares + (long double)eps));
}

/* The mean may be a hundred thousand times the deviation: what is left of x's digits must arrive. */
static void test_norm_values(void **state)
{
    (void)state;
    static const struct {
        double low, high;
        int64_t n;
    } cases[] = { { -1, 1, 1 },    { -1, 1, 2 },          { -1, 1, 5 },       { -3, 2, 37 }, { 99.999, 100.001, 16 },
                  { 0, 1e-4, 16 }, { 1e6, 1e6 + 4, 100 }, { -1e15, 1e15, 64 } };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        heed_real x[100];
        double want[100];
        int64_t n = cases[k].n;
        /* a sum in double leaves its rounding in the mean */
        double limit = fmax(CHECK_EPS, 4e-15 * cases[k].high / (cases[k].high - cases[k].low));
        fill_random(x, n, k, cases[k].low, cases[k].high);
        heed_tape_reset(tape);
        heed_var *v = heed_leaf(tape, HEED_SHAPE(n), x);
        heed_tensor y = heed_value(heed_layer_norm(v, NULL, NULL, 1e-6));
        norm_reference(want, x, n, 1e-6, false);
        for (int64_t i = 0; i < n; i++)
            check_close(y.data[i], want[i], limit);
        y = heed_value(heed_rms_norm(v, NULL, 1e-6));
        norm_reference(want, x, n, 1e-6, true);
        for (int64_t i = 0; i < n; i++)
            check_close(y.data[i], want[i], limit);
    }
}

static void test_norm_of_constant_rows(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 3), (const heed_real[]){ 7, 7, 7, 0, 0, 0 });
    heed_var *y = heed_layer_norm(x, VECTOR(1, 2, 3), VECTOR(4, 5, 6), 1e-5);
    check_values(heed_value(y), 4, 5, 6, 4, 5, 6);
    backward_counting(y);
    assert_true(heed_tensor_finite(heed_grad(x), NULL));
    heed_tape_reset(tape);
    x = heed_leaf(tape, HEED_SHAPE(3), (const heed_real[]){ 0, 0, 0 });
    y = heed_rms_norm(x, NULL, 1e-5);
    check_values(heed_value(y), 0, 0, 0);
    backward_counting(y);
    assert_true(heed_tensor_finite(heed_grad(x), NULL));
}

/* The output does not change with x -> a x + b, so the gradient is orthogonal to 1 and to x^. */
static void test_norm_properties(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        int64_t n = 2 + (int64_t)heed_rng_below((heed_rng){ .seed = seed, .row = 1 }, 0, 40);
        heed_real x[42], scaled[42];
        fill_random(x, n, seed, -2, 2);
        for (int64_t i = 0; i < n; i++)
            scaled[i] = -4 * x[i];
        heed_tape_reset(tape);
        heed_var *v = heed_leaf(tape, HEED_SHAPE(n), x), *y = heed_layer_norm(v, NULL, NULL, 0);
        heed_tensor other = heed_value(heed_layer_norm(heed_leaf(tape, HEED_SHAPE(n), scaled), NULL, NULL, 0));
        backward_counting(y);
        double along_one = 0, along_y = 0, size = 0;
        for (int64_t i = 0; i < n; i++) {
            check_close(other.data[i], -(double)heed_value(y).data[i], CHECK_EPS);
            along_one += (double)heed_grad(v).data[i];
            along_y += (double)heed_grad(v).data[i] * (double)heed_value(y).data[i];
            size += fabs((double)heed_grad(v).data[i]);
        }
        check_close(along_one / (1 + size), 0, 10 * CHECK_EPS);
        check_close(along_y / (1 + size), 0, 10 * CHECK_EPS);
    }
}

static void test_norm_refusals(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(1, 2), (const heed_real[]){ 1, 2 });
    assert_null(heed_layer_norm(x, VECTOR(1, 2, 3), NULL, 1e-5));
    check_failed(HEED_BAD_SHAPE, "layer_norm: weight [3] with x [1, 2]");
    assert_null(heed_layer_norm(x, NULL, x, 1e-5));
    check_failed(HEED_BAD_SHAPE, "layer_norm: bias [1, 2] with x [1, 2]");
    assert_null(heed_rms_norm(x, VECTOR(1), 1e-5));
    check_failed(HEED_BAD_SHAPE, "rms_norm: weight [1]");
    assert_null(heed_layer_norm(x, NULL, NULL, -1));
    check_failed(HEED_BAD_ARGUMENT, "layer_norm: eps is -1");
    assert_null(heed_rms_norm(x, NULL, (double)NAN));
    check_failed(HEED_BAD_ARGUMENT, "rms_norm: eps is");
    assert_null(heed_layer_norm(NULL, NULL, NULL, 1e-5));
    check_failed(HEED_BAD_ARGUMENT, "layer_norm: operand x is NULL");
    assert_null(heed_layer_norm(heed_sum(x, (heed_axes){ 0 }), NULL, NULL, 1e-5));
    check_failed(HEED_BAD_ARGUMENT, "layer_norm: axis -1 is outside []");
}

/* ---- cross-entropy -------------------------------------------------------------------------------------------------- */

/* The definition, in double: - sum_j q_j log p_j. */
static double entropy_reference(const heed_real *x, int64_t n, int32_t label, double e)
{
    double total = 0, loss = 0;
    for (int64_t j = 0; j < n; j++)
        total += exp((double)x[j]);
    for (int64_t j = 0; j < n; j++)
        loss -= ((j == label ? 1 - e : 0) + e / (double)n) * ((double)x[j] - log(total));
    return loss;
}

static void test_cross_entropy_values(void **state)
{
    (void)state;
    static const double smoothings[] = { 0, 0.1, 1 };
    for (int k = 0; k < 3; k++) {
        heed_real x[7 * 21];
        int32_t labels[7] = { 0, 20, 5, -9, 5, 17, -9 };
        double want = 0, e = smoothings[k];
        int64_t count = 0;
        fill_random(x, 7 * 21, 4, -8, 8);
        for (int r = 0; r < 7; r++)
            want += labels[r] < 0 ? 0 : entropy_reference(x + 21 * (int64_t)r, 21, labels[r], e);
        heed_tape_reset(tape);
        heed_var *logits = heed_leaf(tape, HEED_SHAPE(7, 21), x);
        heed_ids *ids = heed_input_ids(tape, HEED_SHAPE(7), labels);
        heed_ce_desc desc = { .smoothing = e, .has_ignore = true, .ignore = -9, .sum = true, .count = &count };
        check_close(heed_item(heed_cross_entropy(logits, ids, desc)), want, CHECK_EPS);
        assert_int_equal(count, 5);
        desc.sum = false;
        heed_var *loss = heed_cross_entropy(logits, ids, desc);
        check_close(heed_item(loss), want / 5, CHECK_EPS);
        assert_true(heed_backward(loss));
        for (int r = 0; r < 7; r++) {
            double sum = 0;
            for (int j = 0; j < 21; j++) {
                heed_real g = heed_grad(logits).data[21 * r + j];
                sum += (double)g;
                assert_true(labels[r] >= 0 || g == 0);
            }
            check_close(sum, 0, CHECK_EPS / 10);
        }
    }
}

/* An ignored row takes no gradient from the loss, and loses none that comes from elsewhere. */
static void test_ignored_rows(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 2), (const heed_real[]){ 1, 1, 2, 2 });
    heed_var *loss = heed_cross_entropy(x, IDS(-1, 0), (heed_ce_desc){ .has_ignore = true, .ignore = -1 });
    assert_true(heed_backward(heed_add(loss, heed_sum(x, (heed_axes){ 0 }))));
    check_values(heed_grad(x), 1, 1, (heed_real)0.5, (heed_real)1.5);
}

static void test_nothing_counts(void **state)
{
    (void)state;
    for (int sum = 0; sum < 2; sum++) {
        int64_t count = 77;
        heed_tape_reset(tape);
        heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 2), (const heed_real[]){ 1, 2, NAN, inf });
        heed_var *loss = heed_cross_entropy(
            x, IDS(3, 3), (heed_ce_desc){ .has_ignore = true, .ignore = 3, .sum = sum, .count = &count });
        check_values(heed_value(loss), 0);
        assert_int_equal(count, 0);
        assert_true(heed_backward(loss));
        check_values(heed_grad(x), 0, 0, 0, 0);
    }
    heed_tape_reset(tape);
    heed_var *empty = heed_leaf(tape, HEED_SHAPE(0, 3), (const heed_real[]){ 0 });
    check_values(heed_value(heed_cross_entropy(empty, heed_input_ids(tape, HEED_SHAPE(0), (const int32_t[]){ 0 }),
                                               (heed_ce_desc){ 0 })),
                 0);
}

static void test_hard_logits(void **state)
{
    (void)state;
    const heed_real half = (heed_real)0.5, third = (heed_real)(1.0 / 3);
    const double two = log(2);
    const struct {
        heed_real x[3];
        int32_t label;
        double smoothing, loss;
        heed_real g[3];
    } cases[] = {
        { { 1e30f, -1e30f, 1e30f }, 0, 0, two, { (heed_real)-0.5, 0, (heed_real)0.5 } },
        { { 5, -inf, 5 }, 0, 0, two, { (heed_real)-0.5, 0, (heed_real)0.5 } },
        { { 5, -inf, 5 }, 1, 0, (double)INFINITY, { (heed_real)0.5, -1, (heed_real)0.5 } },
        { { 5, -inf, 5 }, 0, 0.75, (double)INFINITY, { 0, (heed_real)-0.25, (heed_real)0.25 } }, /* as PyTorch */
        { { 5, -inf, 5 }, 1, 1, (double)INFINITY, { half - third, -third, half - third } },
        { { -inf, -inf, -inf }, 0, 0, (double)INFINITY, { 0, 0, 0 } },
        { { -inf, -inf, -inf }, 0, 0.75, (double)INFINITY, { 0, 0, 0 } },
        { { NAN, 1, 2 }, 1, 0, (double)NAN, { NAN, NAN, NAN } },
        { { 1000, -1000, 0 }, 1, 0, 2000, { 1, -1, 0 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        heed_tape_reset(tape);
        heed_var *x = heed_leaf(tape, HEED_SHAPE(1, 3), cases[i].x);
        heed_var *loss = heed_cross_entropy(x, IDS(cases[i].label), (heed_ce_desc){ .smoothing = cases[i].smoothing });
        double got = heed_item(loss), want = cases[i].loss;
        if (isfinite(want))
            check_close(got, want, CHECK_EPS);
        else
            assert_true(isnan(want) ? isnan(got) : got == want);
        assert_true(heed_backward(loss));
        check_values_at(heed_grad(x), cases[i].g, 3, __FILE__, __LINE__);
    }
}

/* Two halves with the sum and one division = the whole with the mean. */
static void test_batches_accumulate(void **state)
{
    (void)state;
    heed_real x[6 * 5], whole[6 * 5];
    const int32_t labels[6] = { 1, 0, 4, 0, 0, 2 };
    int64_t count[2], all;
    fill_random(x, 30, 1, -3, 3);
    heed_ce_desc desc = { .smoothing = 0.1, .has_ignore = true, .count = &all };
    heed_var *v = heed_leaf(tape, HEED_SHAPE(6, 5), x);
    heed_var *loss = heed_cross_entropy(v, heed_input_ids(tape, HEED_SHAPE(6), labels), desc);
    double mean = heed_item(loss), sum = 0;
    assert_true(heed_backward(loss));
    memcpy(whole, heed_grad(v).data, sizeof whole);
    desc.sum = true;
    for (int half = 0; half < 2; half++) {
        heed_tape_reset(tape);
        desc.count = &count[half];
        v = heed_leaf(tape, HEED_SHAPE(3, 5), x + 15 * half);
        loss = heed_cross_entropy(v, heed_input_ids(tape, HEED_SHAPE(3), labels + 3 * half), desc);
        sum += heed_item(loss);
        assert_true(heed_backward_from(loss, &(const heed_real){ (heed_real)(1.0 / (double)all) }));
        for (int i = 0; i < 15; i++)
            check_close(heed_grad(v).data[i], whole[15 * half + i], CHECK_EPS / 10);
    }
    assert_int_equal(count[0] + count[1], all);
    assert_int_equal(all, 3);
    check_close(sum / (double)all, mean, CHECK_EPS);
}

static void test_wrong_labels(void **state)
{
    (void)state;
    const heed_real x[12] = { 0 };
    heed_var *v = heed_leaf(tape, HEED_SHAPE(3, 4), x);
    const int32_t wrong[] = { -1, 4, INT32_MAX, INT32_MIN };
    for (int i = 0; i < 4; i++) {
        char part[96];
        assert_null(heed_cross_entropy(v, IDS(0, 3, wrong[i]), (heed_ce_desc){ 0 }));
        snprintf(part, sizeof part, "cross_entropy: label %d in row 2 is outside 0 .. 3; hint", (int)wrong[i]);
        check_failed(HEED_BAD_ARGUMENT, part);
        assert_null(heed_cross_entropy(v, IDS(-5, 3, wrong[i]), (heed_ce_desc){ .has_ignore = true, .ignore = -5 }));
        check_failed(HEED_BAD_ARGUMENT, "in row 2");
    }
    assert_null(heed_cross_entropy(v, IDS(0, 1), (heed_ce_desc){ 0 }));
    check_failed(HEED_BAD_SHAPE, "cross_entropy: labels [2] with logits [3, 4]");
    assert_null(heed_cross_entropy(v, NULL, (heed_ce_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "cross_entropy: labels is NULL");
    const double smoothings[] = { -0.1, 1.1, (double)NAN };
    for (int i = 0; i < 3; i++) {
        assert_null(heed_cross_entropy(v, IDS(0, 1, 2), (heed_ce_desc){ .smoothing = smoothings[i] }));
        check_failed(HEED_BAD_ARGUMENT, "cross_entropy: smoothing is");
    }
    heed_tape *other = heed_tape_new((heed_tape_desc){ 0 });
    heed_ids *foreign = heed_input_ids(other, HEED_SHAPE(3), (const int32_t[]){ 0, 0, 0 });
    assert_null(heed_cross_entropy(v, foreign, (heed_ce_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "another tape");
    heed_tape_reset(other);
    assert_null(heed_cross_entropy(v, foreign, (heed_ce_desc){ 0 }));
    check_failed(HEED_BAD_STATE, "stale");
    heed_tape_free(other);
}

/* ---- affine_cross_entropy ------------------------------------------------------------------------------------------- */

enum { ROWS = 40, IN = 9, CLASSES = 60000 };

/* A pass on a tape of its own, and the bytes it took. */
static int64_t affine_pass(bool whole, bool bias, heed_ce_desc desc, double *loss, heed_real *grads)
{
    static heed_real values[(ROWS + CLASSES) * IN + CLASSES];
    int32_t labels[ROWS];
    fill_random(values, (int64_t)(sizeof values / sizeof *values), 7, -1, 1);
    for (int i = 0; i < ROWS; i++)
        labels[i] = i % 7 == 3 ? -1 : i * 499 % CLASSES;
    heed_memory before = heed_memory_now();
    heed_tape *own = heed_tape_new((heed_tape_desc){ .threads = 2 });
    heed_var *x = heed_leaf(own, HEED_SHAPE(ROWS, IN), values);
    heed_var *w = heed_leaf(own, HEED_SHAPE(CLASSES, IN), values + ROWS * IN);
    heed_var *b = bias ? heed_leaf(own, HEED_SHAPE(CLASSES), values + (ROWS + CLASSES) * IN) : NULL;
    heed_ids *ids = heed_input_ids(own, HEED_SHAPE(ROWS), labels);
    heed_var *y =
        whole ? heed_affine_cross_entropy(x, w, b, ids, desc) : heed_cross_entropy(heed_affine(x, w, b), ids, desc);
    *loss = heed_item(y);
    assert_true(heed_backward(heed_scale(y, 0.3)));
    heed_var *const leaves[] = { x, w, b };
    for (int i = 0; i < 2 + bias; i++) {
        int64_t n = heed_tensor_numel(leaves[i]->value);
        memcpy(grads, heed_grad(leaves[i]).data, (size_t)n * sizeof *grads);
        grads += n;
    }
    int64_t bytes = heed_memory_now().bytes - before.bytes;
    heed_tape_free(own);
    return bytes;
}

/* The same bits as of the two ops one after the other, and room for the logits once, not twice. */
static void test_affine_cross_entropy(void **state)
{
    (void)state;
    static heed_real two[(ROWS + CLASSES) * IN + CLASSES], one[(ROWS + CLASSES) * IN + CLASSES];
    for (int i = 0; i < 4; i++) {
        heed_ce_desc desc = { .smoothing = i < 2 ? 0 : 0.1, .has_ignore = true, .ignore = -1, .sum = i & 1 };
        double want, got;
        int64_t apart = affine_pass(false, i & 1, desc, &want, two),
                together = affine_pass(true, i & 1, desc, &got, one);
        assert_true(got == want);
        assert_memory_equal(one, two, sizeof one);
        assert_true(together + (int64_t)sizeof(heed_real) * ROWS * CLASSES / 2 < apart);
    }
}

static void test_affine_cross_entropy_refusals(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 2), (const heed_real[]){ 1, 1, 2, 2 });
    heed_var *w = heed_leaf(tape, HEED_SHAPE(3, 2), (const heed_real[]){ 1, 2, 3, 4, 5, 6 });
    assert_null(heed_affine_cross_entropy(x, NULL, NULL, IDS(0, 1), (heed_ce_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "affine: operand w is NULL");
    assert_null(heed_affine_cross_entropy(x, x, NULL, IDS(0, 2), (heed_ce_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "cross_entropy: label 2 in row 1 is outside 0 .. 1");
    assert_null(heed_affine_cross_entropy(x, w, NULL, IDS(0), (heed_ce_desc){ 0 }));
    check_failed(HEED_BAD_SHAPE, "cross_entropy: labels [1] with logits [2, 3]");
}

/* ---- mse ------------------------------------------------------------------------------------------------------------ */

static void test_mse(void **state)
{
    (void)state;
    heed_var *a = VECTOR(1, 2, 3, 4), *b = VECTOR(1, 0, 3, 8), *loss = heed_mse(a, b);
    check_values(heed_value(loss), 5);
    assert_true(heed_backward(loss));
    check_values(heed_grad(a), 0, 1, 0, -2);
    check_values(heed_grad(b), 0, -1, 0, 2);
    assert_null(heed_mse(a, VECTOR(1, 2)));
    check_failed(HEED_BAD_SHAPE, "mse: a [4] and b [2]: shapes must be equal");
    assert_null(heed_mse(heed_slice(a, 0, 0, 0), heed_slice(a, 0, 0, 0)));
    check_failed(HEED_BAD_SHAPE, "nothing to average");
    static heed_real x[4096], y[4096]; /* 1e8 and 4095 ones: in float the ones would vanish */
    for (int i = 0; i < 4096; i++)
        x[i] = i ? 1 : 1e4f;
    loss = heed_mse(heed_leaf(tape, HEED_SHAPE(4096), x), heed_leaf(tape, HEED_SHAPE(4096), y));
    assert_true(heed_item(loss) == (double)(heed_real)((1e8 + 4095) / 4096));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        op_test(test_norm_values),   op_test(test_norm_of_constant_rows), op_test(test_norm_properties),
        op_test(test_norm_refusals), op_test(test_cross_entropy_values),  op_test(test_nothing_counts),
        op_test(test_ignored_rows),  op_test(test_hard_logits),           op_test(test_batches_accumulate),
        op_test(test_wrong_labels),  op_test(test_affine_cross_entropy),  op_test(test_affine_cross_entropy_refusals),
        op_test(test_mse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
