/* exp, tanh, erf and the logistic function against double precision: over a sample of all floats, or, with HEED_LONG=1,
 * over every one. The loops below are compiled like the library's, so what is tested is the vector form. */
#include "check.h"
#include "tensor/k_vector.h"

typedef void block(heed_real *restrict y, const heed_real *restrict x, int n);
static void exp_block(heed_real *restrict y, const heed_real *restrict x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = k_exp(x[i]);
}
static void exp_vec_block(heed_real *restrict y, const heed_real *restrict x, int n)
{
    for (int i = 0; i < n; i += K_WIDTH)
        k_store_first(y + i, k_exp_vec(k_load_first(x + i, n - i, 0)), n - i);
}
/* Where it is not defined, k_exp. */
static void exp_low_block(heed_real *restrict y, const heed_real *restrict x, int n)
{
    for (int i = 0; i < n; i += K_WIDTH) {
        k_vec v = k_load_first(x + i, n - i, 0);
        k_store_first(y + i, k_select(v > 0, k_exp_vec(v), k_exp_low(v)), n - i);
    }
}
static void tanh_block(heed_real *restrict y, const heed_real *restrict x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = k_tanh(x[i]);
}
static void erf_block(heed_real *restrict y, const heed_real *restrict x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = k_erf(x[i]);
}
static void sigmoid_block(heed_real *restrict y, const heed_real *restrict x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = k_sigmoid(x[i]);
}

static void test_limits(void **state)
{
    (void)state;
    const double inf = (double)INFINITY, undefined = (double)NAN;
    const heed_real x[] = { (heed_real)INFINITY, -(heed_real)INFINITY, 0, (heed_real)NAN, 1e30f, -1e30f, -0.0f };
    const double want[][7] = { { inf, 0, 1, undefined, inf, 0, 1 }, { inf, 0, 1, undefined, inf, 0, 1 },
                               { inf, 0, 1, undefined, inf, 0, 1 }, { 1, -1, 0, undefined, 1, -1, 0 },
                               { 1, -1, 0, undefined, 1, -1, 0 },   { 1, 0, 0.5, undefined, 1, 0, 0.5 } };
    block *const blocks[] = { exp_block, exp_vec_block, exp_low_block, tanh_block, erf_block, sigmoid_block };
    for (int f = 0; f < 6; f++) {
        heed_real y[7];
        blocks[f](y, x, 7);
        for (int i = 0; i < 7; i++)
            assert_true(isnan(want[f][i]) ? isnan(y[i]) : (double)y[i] == want[f][i]);
    }
}

#ifdef HEED_DOUBLE

static void test_double_is_libm(void **state)
{
    (void)state;
    for (double x = -20; x < 20; x += 0.37) {
        assert_true(k_exp(x) == exp(x) && k_tanh(x) == tanh(x) && k_erf(x) == erf(x));
        check_close(k_sigmoid(x), 1 / (1 + exp(-x)), 1e-15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_limits), cmocka_unit_test(test_double_is_libm) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

typedef struct {
    const char *name;
    block *fast;
    double (*exact)(double);
    double limit; /* ulp */
    /* Most floats are tiny or large; there the exact value, to far below half an ulp, is: */
    double at_zero, slope;           /* at_zero + slope x   for |x| < 2^-18 */
    double large, at_plus, at_minus; /* a constant          for |x| > large */
    double faint;                    /* below this x the result is subnormal or 0, and no more is asked of it */
} function;

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* The distance in units of the last place of the float nearest to want. */
static double ulps(float got, double want)
{
    float nearest = (float)want;
    uint32_t bits;
    memcpy(&bits, &nearest, sizeof bits);
    uint32_t exponent = bits >> 23 & 255;
    uint64_t per_unit_bits = (uint64_t)(1023 + 150 - (exponent ? exponent : 1)) << 52;
    double per_unit;
    memcpy(&per_unit, &per_unit_bits, sizeof per_unit);
    return got == nearest ? 0 : fabs((double)got - want) * per_unit;
}

enum { BLOCK = 4096 };

/* What a block of ascending bit patterns, so of one sign and rising size, should give. */
static void expected(double *want, const float *x, const function *f)
{
    double least = fabs((double)x[0]), most = fabs((double)x[BLOCK - 1]);
    double constant = signbit(x[0]) ? f->at_minus : f->at_plus;
    if (most < 0x1p-18)
        for (int i = 0; i < BLOCK; i++)
            want[i] = f->at_zero + f->slope * (double)x[i];
    else if (least > f->large)
        for (int i = 0; i < BLOCK; i++)
            want[i] = constant;
    else
        for (int i = 0; i < BLOCK; i++)
            want[i] = f->exact((double)x[i]);
}

static void check_function(const function *f)
{
    static float x[BLOCK], y[BLOCK];
    static double want[BLOCK], error[BLOCK];
    const bool all = getenv("HEED_LONG") != NULL;
    const uint64_t step = all ? 1 : 331, end = (uint64_t)1 << 32;
    double worst = 0;
    float where = 0;
    for (uint64_t at = 0; at < end; at += BLOCK * step) {
        for (uint32_t i = 0; i < BLOCK; i++) {
            uint32_t bits = (uint32_t)(at + i * step);
            memcpy(x + i, &bits, sizeof bits);
        }
        if (!all && signbit(x[0]) != signbit(x[BLOCK - 1]))
            continue;
        f->fast(y, x, BLOCK);
        expected(want, x, f);
        for (int i = 0; i < BLOCK; i++) {
            bool faint_enough = y[i] >= 0 && (double)y[i] < 0x1p-125, fine = (double)x[i] < f->faint && faint_enough;
            error[i] = fine || (isnan(x[i]) && isnan(y[i])) ? 0 : ulps(y[i], want[i]);
        }
        bool worse = false;
        for (int i = 0; i < BLOCK; i++)
            worse |= !(error[i] <= worst);
        for (int i = 0; worse && i < BLOCK; i++)
            if (!(error[i] <= worst)) {
                worst = error[i];
                where = x[i];
            }
    }
    print_message("           %s: at most %.3f ulp, at %.9g\n", f->name, worst, (double)where);
    assert_true(worst <= f->limit);
}

static void test_functions(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    const function functions[] = {
        { "exp", exp_block, exp, 1.1, 1, 1, 200, inf, 0, -inf },
        { "exp of vectors", exp_vec_block, exp, 1.1, 1, 1, 200, inf, 0, -inf },
        { "exp_low", exp_low_block, exp, 1.1, 1, 1, 200, inf, 0, -86.9 },
        { "tanh", tanh_block, tanh, 1.5, 0, 1, 20, 1, -1, -inf },
        { "erf", erf_block, erf, 1.5, 0, 1.1283791670955126, 8, 1, -1, -inf },
        { "sigmoid", sigmoid_block, logistic, 2.6, 0.5, 0.25, 200, 1, 0, -87.33 },
    };
    for (int i = 0; i < 6; i++)
        check_function(functions + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_limits), cmocka_unit_test(test_functions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
