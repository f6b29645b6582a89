/* Kernels that work row by row against plain loops in double: every length from 1 to 70 and a few long ones, into fresh
 * and into filled memory; and large ops, which use threads, for the same bits on any number of them. */
#include "check.h"
#include "tensor/k_row.h"
#include "tensor/kernels.h"

enum { LONGEST = 2100, ROWS = 3 };
static const heed_real inf = (heed_real)INFINITY;
static heed_real x[ROWS * LONGEST], y[ROWS * LONGEST], dy[ROWS * LONGEST], dx[ROWS * LONGEST], was[ROWS * LONGEST];
static const int64_t lengths[] = { 127, 128, 511, 512, 513, 1000, LONGEST };
enum { N_LENGTHS = 70 + sizeof lengths / sizeof *lengths };

static int64_t length(int i)
{
    return i < 70 ? i + 1 : lengths[i - 70];
}

static void fill(heed_real *to, int64_t n, uint64_t seed, double low, double high)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (heed_real)(low + (high - low) * heed_rng_uniform((heed_rng){ .seed = seed }, (uint64_t)i));
}

/* x, dy and what dx holds before; the number behind the last stays as it is. */
static void fill_all(int64_t n, int turn)
{
    fill(x, ROWS * n, (uint64_t)turn, -8, 8);
    fill(dy, ROWS * n, (uint64_t)turn + 1000, -1, 1);
    fill(was, LONGEST * ROWS, (uint64_t)turn + 2000, -1, 1);
    memcpy(y, was, sizeof y);
    memcpy(dx, was, sizeof dx);
}

static void check_rest(const heed_real *got, int64_t from)
{
    if (from < ROWS * LONGEST)
        assert_memory_equal(got + from, was + from, (size_t)(ROWS * LONGEST - from) * sizeof *got);
}

/* ---- vectors ----------------------------------------------------------------------------------------------------- */

static void test_first_lanes(void **state)
{
    (void)state;
    for (int n = 1; n <= 2 * K_WIDTH; n++) {
        int lanes = n < K_WIDTH ? n : K_WIDTH;
        fill_all(40, n);
        k_vec v = k_load_first(x, n, 5);
        for (int i = 0; i < K_WIDTH; i++)
            assert_true(v[i] == (i < lanes ? x[i] : 5));
        k_store_first(y, v, n);
        assert_memory_equal(y, x, (size_t)lanes * sizeof *y);
        check_rest(y, lanes);
        k_put_first(dx, (heed_real)0.5, v, n);
        for (int i = 0; i < lanes; i++)
            check_close(dx[i], x[i] + was[i] / 2, CHECK_EPS / 8);
        check_rest(dx, lanes);
    }
}

static void test_sums_and_maxima(void **state)
{
    (void)state;
    for (int turn = 0; turn < N_LENGTHS; turn++) {
        int64_t n = length(turn);
        fill_all(n, turn);
        long double sum = 0, exps = 0;
        heed_real top = x[0];
        for (int64_t i = 0; i < n; i++) {
            sum += (long double)x[i];
            exps += expl((long double)x[i] - 2);
            top = x[i] > top ? x[i] : top;
        }
        assert_true(k_row_max(x, n) == top);
        check_close(k_row_sum(x, n), sum, 1e-13 * (double)n);
        check_close(k_row_sum_exp(x, 2, n), exps, CHECK_EPS / 8);
        x[n / 2] = inf;
        assert_true(k_row_max(x, n) == inf);
        x[n / 2] = (heed_real)NAN;
        assert_true(isnan(k_row_max(x, n)));
        for (int64_t i = 0; i < n; i++)
            x[i] = -inf;
        assert_true(k_row_max(x, n) == -inf && k_row_sum_exp(x, 0, n) == 0);
    }
    assert_true(k_row_max(x, 0) == -inf && k_row_sum(x, 0) == 0);
}

/* ---- softmax ----------------------------------------------------------------------------------------------------- */

static double log_sum_exp(const heed_real *row, int64_t n)
{
    double top = -(double)INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        top = fmax(top, (double)row[i]);
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)row[i] - top);
    return top + log(sum);
}

static void test_softmax(void **state)
{
    (void)state;
    for (int turn = 0; turn < N_LENGTHS; turn++) {
        int64_t n = length(turn);
        heed_real beta = (heed_real)(turn % 3 * 0.5);
        fill_all(n, turn);
        k_softmax(y, x, ROWS, n, 1);
        k_softmax_grad(dx, beta, dy, y, ROWS, n, 1);
        check_rest(y, ROWS * n);
        check_rest(dx, ROWS * n);
        for (int64_t r = 0; r < ROWS; r++) {
            double all = log_sum_exp(x + r * n, n), mean = 0;
            for (int64_t i = r * n; i < (r + 1) * n; i++)
                mean += exp((double)x[i] - all) * (double)dy[i];
            for (int64_t i = r * n; i < (r + 1) * n; i++) {
                double p = exp((double)x[i] - all);
                check_close((double)y[i] / p, 1, CHECK_EPS);
                check_close(dx[i], p * ((double)dy[i] - mean) + (double)beta * (double)was[i], CHECK_EPS / 4);
            }
        }
    }
}

static void test_log_softmax(void **state)
{
    (void)state;
    for (int turn = 0; turn < N_LENGTHS; turn++) {
        int64_t n = length(turn);
        heed_real beta = (heed_real)(turn % 3 * 0.5);
        fill_all(n, turn);
        k_log_softmax(y, x, ROWS, n, 1);
        k_log_softmax_grad(dx, beta, dy, y, ROWS, n, 1);
        check_rest(y, ROWS * n);
        check_rest(dx, ROWS * n);
        for (int64_t r = 0; r < ROWS; r++) {
            double all = log_sum_exp(x + r * n, n), sum = 0;
            for (int64_t i = r * n; i < (r + 1) * n; i++)
                sum += (double)dy[i];
            for (int64_t i = r * n; i < (r + 1) * n; i++) {
                check_close(y[i], (double)x[i] - all, CHECK_EPS / 4);
                check_close(dx[i], (double)dy[i] - exp((double)x[i] - all) * sum + (double)beta * (double)was[i],
                            2 * CHECK_EPS);
            }
        }
    }
}

/* A NaN of either sign anywhere spoils its row and no other; a row of only -inf gives zeros; +inf has no softmax. */
static void test_softmax_edges(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 40; n++)
        for (int64_t at = 0; at < n; at++)
            for (int kind = 0; kind < 4; kind++) {
                const heed_real odd[] = { (heed_real)NAN, -(heed_real)NAN, inf, -inf };
                fill_all(n, (int)n);
                for (int64_t i = 0; i < n && kind == 3; i++)
                    x[n + i] = -inf;
                x[n + at] = odd[kind];
                k_softmax(y, x, ROWS, n, 1);
                for (int64_t i = 0; i < n; i++) {
                    assert_true(isfinite(y[i]) && isfinite(y[2 * n + i]));
                    assert_true(kind == 3 ? y[n + i] == 0 : kind == 2 ? i != at || isnan(y[n + i]) : isnan(y[n + i]));
                }
            }
}

/* ---- norms ------------------------------------------------------------------------------------------------------- */

static void check_norm(int64_t n, int turn, bool rms, bool scaled)
{
    static heed_real w[LONGEST], b[LONGEST], dw[LONGEST], db[LONGEST], scratch[2 * LONGEST * K_MOST_PARTS];
    k_norm_row stats[ROWS];
    heed_real beta = (heed_real)(turn % 3 * 0.5);
    fill_all(n, turn);
    fill(w, n, 77, 0.5, 1.5);
    fill(b, n, 78, -1, 1);
    k_norm norm = { .x = x, .weight = scaled ? w : NULL, .bias = scaled ? b : NULL, .rows = ROWS, .n = n };
    norm.eps = 1e-3;
    norm.rms = rms;
    k_norm_grads to = { .x = dx, .x_beta = beta, .weight = scaled ? dw : NULL, .bias = scaled ? db : NULL };
    assert_true(k_norm_scratch(&norm) <= (int64_t)(sizeof scratch / sizeof *scratch));
    k_norm_forward(y, stats, &norm, 1);
    k_norm_backward(&to, dy, stats, &norm, scratch, 1);
    check_rest(y, ROWS * n);
    check_rest(dx, ROWS * n);
    double want_w[LONGEST] = { 0 }, want_b[LONGEST] = { 0 };
    for (int64_t r = 0; r < ROWS; r++) {
        const heed_real *row = x + r * n, *slope = dy + r * n;
        double mean = 0, squares = 0, g_mean = 0, g_along = 0;
        for (int64_t i = 0; i < n && !rms; i++)
            mean += (double)row[i] / (double)n;
        for (int64_t i = 0; i < n; i++)
            squares += ((double)row[i] - mean) * ((double)row[i] - mean) / (double)n;
        double scale = 1 / sqrt(squares + norm.eps);
        for (int64_t i = 0; i < n; i++) {
            double unit = ((double)row[i] - mean) * scale, g = (double)slope[i] * (scaled ? (double)w[i] : 1);
            check_close(y[r * n + i], scaled ? unit * (double)w[i] + (double)b[i] : unit, CHECK_EPS / 2);
            g_mean += rms ? 0 : g / (double)n;
            g_along += g * unit / (double)n;
            want_w[i] += (double)slope[i] * unit;
            want_b[i] += (double)slope[i];
        }
        for (int64_t i = 0; i < n; i++) {
            double unit = ((double)row[i] - mean) * scale, g = (double)slope[i] * (scaled ? (double)w[i] : 1);
            double want = scale * (g - g_mean - unit * g_along);
            check_close(dx[r * n + i], want + (double)beta * (double)was[r * n + i], CHECK_EPS * fmax(1, scale));
        }
    }
    for (int64_t i = 0; i < n && scaled; i++) {
        check_close(dw[i], want_w[i], CHECK_EPS);
        check_close(db[i], want_b[i], CHECK_EPS / 2);
    }
}

static void test_norms(void **state)
{
    (void)state;
    for (int turn = 0; turn < N_LENGTHS; turn++)
        for (int kind = 0; kind < 4; kind++)
            check_norm(length(turn), turn, kind & 1, kind & 2);
}

/* ---- sums of rows ------------------------------------------------------------------------------------------------ */

/* With a copy on the way or without; k_sum must give the same. Whole numbers: the sums are exact. */
static void test_sum_rows(void **state)
{
    (void)state;
    static heed_real sums[LONGEST], again[LONGEST];
    static double scratch[K_MOST_PARTS * LONGEST];
    for (int turn = 0; turn < N_LENGTHS; turn++) {
        int64_t n = length(turn), rows = turn % 3 == 0 ? turn / 3 + 1 : ROWS;
        rows = rows * n > ROWS * LONGEST ? ROWS : rows;
        heed_real beta = (heed_real)(turn % 4 - 1);
        fill_all(n, turn);
        for (int64_t i = 0; i < rows * n; i++)
            x[i] = (heed_real)((i * 7 + turn) % 23 - 11);
        assert_true(k_sum_rows_scratch(rows, n) <= K_MOST_PARTS * LONGEST);
        k_sum_rows(sums, beta < 0 ? NULL : dx, beta, x, rows, n, scratch, 1);
        check_rest(dx, beta < 0 ? 0 : rows * n);
        for (int64_t i = 0; i < rows * n && beta >= 0; i++)
            check_close(dx[i], (double)x[i] + (double)beta * (double)was[i], CHECK_EPS / 8);
        k_sum(heed_tensor_wrap(again, HEED_SHAPE(1, n)), 1, heed_tensor_wrap(x, HEED_SHAPE(rows, n)), 1);
        for (int64_t j = 0; j < n; j++) {
            double want = 0;
            for (int64_t r = 0; r < rows; r++)
                want += (double)x[r * n + j];
            assert_true((double)sums[j] == want && (double)again[j] == want);
        }
    }
}

/* In several parts: row i is i, i + 1, ... */
static void test_sum_of_many_rows(void **state)
{
    (void)state;
    enum { MANY = 1000, WIDE = 600 };
    static heed_real many[MANY * WIDE], copy[MANY * WIDE], sums[WIDE];
    static double scratch[K_MOST_PARTS * WIDE];
    for (int64_t i = 0; i < MANY * WIDE; i++)
        many[i] = (heed_real)(i / WIDE + i % WIDE);
    assert_true(k_sum_rows_scratch(MANY, WIDE) > 4 * WIDE);
    k_sum_rows(sums, copy, 0, many, MANY, WIDE, scratch, 3);
    assert_memory_equal(copy, many, sizeof copy);
    for (int64_t j = 0; j < WIDE; j++)
        assert_true(sums[j] == (heed_real)(MANY * (MANY - 1) / 2 + MANY * j));
    k_sum(heed_tensor_wrap(copy, HEED_SHAPE(1, WIDE)), 1, heed_tensor_wrap(many, HEED_SHAPE(MANY, WIDE)), 3);
    assert_memory_equal(copy, sums, sizeof sums);
}

/* ---- cross-entropy ----------------------------------------------------------------------------------------------- */

static void test_cross_entropy(void **state)
{
    (void)state;
    for (int turn = 0; turn < N_LENGTHS; turn++) {
        int64_t n = length(turn);
        heed_real beta = (heed_real)(turn % 3 * 0.5), factor = (heed_real)0.25;
        const int32_t labels[ROWS] = { 0, -7, (int32_t)n - 1 };
        k_cross_entropy ce = { .logits = x, .labels = labels, .rows = ROWS, .classes = n, .has_ignore = true };
        k_cross_entropy_row stats[ROWS];
        ce.ignore = -7;
        ce.smoothing = turn % 2 * 0.1;
        fill_all(n, turn);
        double loss = k_cross_entropy_forward(stats, &ce, 1), want = 0;
        k_cross_entropy_backward(dx, beta, factor, stats, &ce, 1);
        check_rest(dx, ROWS * n);
        for (int64_t r = 0; r < ROWS; r++) {
            double all = log_sum_exp(x + r * n, n);
            for (int64_t i = 0; i < n; i++) {
                double q = (i == labels[r] ? 1 - ce.smoothing : 0) + ce.smoothing / (double)n;
                double at = (double)x[r * n + i], slope = r == 1 ? 0 : (double)factor * (exp(at - all) - q);
                want += r == 1 ? 0 : q * (all - at);
                check_close(dx[r * n + i], slope + (double)beta * (double)was[r * n + i], CHECK_EPS / 4);
            }
        }
        check_close(loss, want, CHECK_EPS / 4);
    }
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { R = 700, N = 300, LEAVES = 3 };
typedef heed_var *op_fn(heed_var *const *in, const heed_ids *labels);

static heed_var *softmax(heed_var *const *in, const heed_ids *labels)
{
    (void)labels;
    return heed_softmax(in[0], 1);
}
static heed_var *log_softmax(heed_var *const *in, const heed_ids *labels)
{
    (void)labels;
    return heed_log_softmax(in[0], 0);
}
static heed_var *layer_norm(heed_var *const *in, const heed_ids *labels)
{
    (void)labels;
    return heed_layer_norm(in[0], in[1], in[2], 1e-5);
}
static heed_var *rms_norm(heed_var *const *in, const heed_ids *labels)
{
    (void)labels;
    return heed_rms_norm(in[0], in[1], 1e-5);
}
static heed_var *cross_entropy(heed_var *const *in, const heed_ids *labels)
{
    return heed_cross_entropy(in[0], labels, (heed_ce_desc){ .smoothing = 0.1 });
}
static heed_var *sum_of_columns(heed_var *const *in, const heed_ids *labels)
{
    (void)labels;
    return heed_add(heed_sum(in[0], HEED_AXES(0)), heed_add(in[1], in[2]));
}
static heed_var *add_row(heed_var *const *in, const heed_ids *labels)
{
    (void)labels;
    return heed_add(in[2], in[0]);
}
static heed_var *gelu_of_sum(heed_var *const *in, const heed_ids *labels)
{
    (void)labels;
    return heed_gelu(heed_mul(heed_add(in[0], in[1]), in[2]));
}

/* The value and all gradients on so many threads, in *to. */
static int64_t run_op(op_fn *fn, int threads, heed_real *to)
{
    static heed_real values[R * N], first[R * N];
    int32_t labels[R];
    heed_real *start = to;
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .threads = threads });
    heed_var *in[LEAVES];
    for (int i = 0; i < LEAVES; i++) {
        fill(values, R * N, (uint64_t)i, -2, 2);
        in[i] = heed_leaf(tape, i ? HEED_SHAPE(N) : HEED_SHAPE(R, N), values);
    }
    for (int i = 0; i < R; i++)
        labels[i] = i * 7 % N;
    heed_var *out = fn(in, heed_input_ids(tape, HEED_SHAPE(R), labels));
    int64_t n = heed_tensor_numel(heed_value(out));
    fill(first, n, 99, -1, 1);
    assert_true(heed_backward_from(out, first));
    for (int i = -1; i < LEAVES; i++) {
        heed_tensor t = i < 0 ? heed_value(out) : heed_grad(in[i]);
        n = heed_tensor_numel(t);
        assert_true(heed_tensor_copy(heed_tensor_wrap(to, t.shape), t));
        to += n;
    }
    heed_tape_free(tape);
    check_no_error();
    return to - start;
}

static void test_threads_keep_the_bits(void **state)
{
    (void)state;
    static heed_real one[2 * R * N + 2 * N], more[2 * R * N + 2 * N];
    op_fn *const ops[] = { softmax,       log_softmax, layer_norm,     rms_norm,
                           cross_entropy, gelu_of_sum, sum_of_columns, add_row };
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        int64_t n = run_op(ops[k], 1, one);
        for (int threads = 2; threads <= 5; threads++) {
            assert_int_equal(run_op(ops[k], threads, more), n);
            assert_memory_equal(one, more, (size_t)n * sizeof *one);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_lanes),   cmocka_unit_test(test_sums_and_maxima),
        cmocka_unit_test(test_softmax),       cmocka_unit_test(test_log_softmax),
        cmocka_unit_test(test_softmax_edges), cmocka_unit_test(test_norms),
        cmocka_unit_test(test_sum_rows),      cmocka_unit_test(test_sum_of_many_rows),
        cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_threads_keep_the_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
