/* Products of bf16 parts: the plain unit held against the matrix unit's code, on the unit itself if this machine has one
 * and on an emulation; and their errors, over sizes, scales and cancellation. */
#include "check.h"

#include "tensor/k_gemm.h"

#ifndef HEED_DOUBLE

#include "tensor/k_split.h"

#include "amx_emulated.h"
#define K_AMX_EMULATED
#define AMX
#include "tensor/k_amx.c"

static heed_arena *arena, *scratch;

static heed_tensor normal(heed_shape shape, uint64_t seed, double size)
{
    heed_tensor t = heed_tensor_new(arena, shape);
    assert_true(heed_tensor_normal(t, (heed_rng){ .seed = seed }, 0, size));
    return t;
}

static heed_tensor product(heed_tensor a, heed_tensor b, heed_gemm by)
{
    heed_tensor c = heed_tensor_new(arena, HEED_SHAPE(a.shape.dims[0], b.shape.dims[1]));
    assert_true(k_gemm(scratch, c, a, b, (k_gemm_how){ .by = by }));
    return c;
}

/* ---- units ------------------------------------------------------------------------------------------------------- */

static const split_mode modes[] = {
    { .parts = 3, .products = 6, .a = { 2, 0, 1, 1, 0, 0 }, .b = { 0, 2, 1, 0, 1, 0 } },
    { .parts = 2, .products = 3, .a = { 1, 0, 0 }, .b = { 0, 1, 0 } },
    { .parts = 1, .products = 1 },
};

/* Random bf16 pairs of many sizes, all far from too small to be normal. */
static void fill_pairs(uint32_t *pairs, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        heed_rng rng = { .seed = seed };
        uint32_t bits = heed_rng_bits(rng, (uint64_t)i), sizes = heed_rng_bits(rng, (uint64_t)(n + i));
        pairs[i] = (bits & 0x807F807F) | (107 + sizes % 32) << 7 | (107 + sizes / 32 % 32) << 23; /* 2^-20 .. 2^11 */
    }
}

static void check_unit(const split_unit *other)
{
    enum { STEPS = 16, MOST = 3 * STEPS * 2 * SPLIT_TILE };
    uint32_t *strip = heed_arena_alloc(arena, MOST * 4), *panel = heed_arena_alloc(arena, MOST * 4);
    float *got = heed_arena_alloc(arena, SPLIT_WIDE * SPLIT_WIDE * 4);
    float *want = heed_arena_alloc(arena, SPLIT_WIDE * SPLIT_WIDE * 4);
    for (int mode = 0; mode < 3; mode++)
        for (int64_t steps = 1; steps <= STEPS; steps += 1 + steps / 3) {
            fill_pairs(strip, MOST, (uint64_t)(2 * steps));
            fill_pairs(panel, MOST, (uint64_t)(2 * steps + 1));
            k_split_plain.sums(want, strip, panel, &modes[mode], steps);
            memset(got, 0xFF, SPLIT_WIDE * SPLIT_WIDE * sizeof *got);
            other->begin();
            other->sums(got, strip, panel, &modes[mode], steps);
            other->end();
            assert_memory_equal(got, want, SPLIT_WIDE * SPLIT_WIDE * sizeof *got);
        }
    heed_arena_reset(arena);
}

static void emulated_unit(void **state)
{
    (void)state;
    check_unit(&unit);
}

static void unit_of_this_machine(void **state)
{
    (void)state;
    if (!k_amx_unit()) {
        print_message("this machine has no AMX\n");
        skip();
    }
    check_unit(k_amx_unit());
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

typedef struct {
    double rms;  /* relative to the rms of the result */
    double most; /* relative to the sum of |a b| */
} error;

static error error_of(heed_tensor c, heed_tensor a, heed_tensor b)
{
    int64_t M = c.shape.dims[0], N = c.shape.dims[1], K = a.shape.dims[1];
    double off_squares = 0, squares = 0;
    error e = { 0 };
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) {
            double want = 0, size = 0;
            for (int64_t k = 0; k < K; k++) {
                double p = (double)a.data[i * K + k] * (double)b.data[k * N + j];
                want += p, size += fabs(p);
            }
            double off = fabs((double)c.data[i * N + j] - want);
            off_squares += off * off, squares += want * want;
            e.most = fmax(e.most, off / size);
        }
    e.rms = sqrt(off_squares / squares);
    return e;
}

/* What tensor.h and k_split.c promise. */
static void check_errors(heed_tensor a, heed_tensor b, bool compare_rms)
{
    const double eps = 1.0 / (1 << 23);
    error full = error_of(product(a, b, HEED_GEMM_AUTO), a, b), six = error_of(product(a, b, HEED_GEMM_SPLIT6), a, b);
    error three = error_of(product(a, b, HEED_GEMM_SPLIT3), a, b), one = error_of(product(a, b, HEED_GEMM_BF16), a, b);
    assert_true(six.most <= 2 * eps && three.most <= 4.6e-5 && one.most <= 7.9e-3);
    assert_true(six.rms <= full.rms);
    if (compare_rms)
        assert_true(three.rms < 5.5e-6 && one.rms < 2.6e-3 && three.rms > 1e-6 && one.rms > 1e-3);
    heed_arena_reset(arena);
}

static void errors_over_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {
        { 33, 40, 64 }, { 64, 50, 128 }, { 40, 33, 512 }, { 20, 20, 2048 }, { 16, 16, 10000 }
    };
    for (int i = 0; i < 5; i++)
        check_errors(normal(HEED_SHAPE(sizes[i][0], sizes[i][2]), 1, 1),
                     normal(HEED_SHAPE(sizes[i][2], sizes[i][1]), 2, 1), true);
}

static void errors_over_scales(void **state)
{
    (void)state;
    static const double scales[][2] = { { 1e-15, 1e-10 }, { 1e15, 1e15 }, { 1e-15, 1e30 }, { 3e-6, 1 } };
    for (int i = 0; i < 4; i++)
        check_errors(normal(HEED_SHAPE(33, 96), 3, scales[i][0]), normal(HEED_SHAPE(96, 40), 4, scales[i][1]), true);
}

/* The two halves of k nearly cancel: the result is a thousandth of its terms. */
static void errors_with_cancellation(void **state)
{
    (void)state;
    enum { M = 40, N = 40, K = 128, HALF = K / 2 };
    heed_tensor a = normal(HEED_SHAPE(M, K), 5, 1), b = normal(HEED_SHAPE(K, N), 6, 1),
                noise = normal(a.shape, 7, 1e-3);
    for (int64_t i = 0; i < M; i++)
        for (int64_t k = 0; k < HALF; k++)
            a.data[i * K + HALF + k] = noise.data[i * K + k] - a.data[i * K + k];
    memcpy(b.data + HALF * N, b.data, HALF * N * sizeof *b.data);
    check_errors(a, b, false);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* One number times 1, in each way. The largest are cut, not rounded, to 8 bits. */
static void check_number(float x)
{
    enum { N = 16 };
    static const float limits[] = { [HEED_GEMM_SPLIT6] = 0, 1.6e-5F, 4e-3F };
    heed_tensor a = heed_tensor_new(arena, HEED_SHAPE(N, N)), b = heed_tensor_new(arena, HEED_SHAPE(N, N));
    assert_true(heed_tensor_fill(a, 0) && heed_tensor_fill(b, 0));
    a.data[3 * N + 5] = x, b.data[5 * N + 7] = 1;
    for (heed_gemm by = HEED_GEMM_SPLIT6; by <= HEED_GEMM_BF16; by++) {
        heed_tensor c = product(a, b, by);
        for (int i = 0; i < N * N; i++) {
            float got = c.data[i];
            if (i != 3 * N + 7)
                assert_true(got == 0 || (!isfinite(x) && i / N == 3 && isnan(got))); /* inf times 0 */
            else if (isfinite(x))
                assert_true(fabsf(got - x) <= limits[by] * fabsf(x) * (fabsf(x) < 3e38F ? 1 : 2));
            else
                assert_true(isnan(x) ? isnan(got) : !isfinite(got));
        }
    }
    heed_arena_reset(arena);
}

static void numbers(void **state)
{
    (void)state;
    static const float some[] = { 0,        1,        -1,         3.14159265F, 1.99999988F,
                                  3.39e38F, -3.4e38F, 1.0078125F, 1.00390625F, 1.01171875F,
                                  1e-30F,   -0.1F,    INFINITY,   -INFINITY,   NAN };
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check_number(some[i]);
    uint32_t odd_nan = 0x7FFFFFFF; /* rounds to -0 if taken for a number */
    float x;
    memcpy(&x, &odd_nan, sizeof x);
    check_number(x);
    for (uint64_t i = 0; i < 500; i++)
        check_number(ldexpf((float)(heed_rng_bits((heed_rng){ .seed = 8 }, i) >> 8), (int)(i % 200) - 113));
}

#endif

/* ---- the choice -------------------------------------------------------------------------------------------------- */

static heed_var *squares(heed_tape *tape, int shard, void *context)
{
    (void)shard;
    heed_var *w = heed_param_on(tape, heed_params_at(context, 0));
    heed_var *y = heed_matmul(w, w);
    return heed_sum(heed_mul(y, y), (heed_axes){ 0 });
}

/* A tape's choice, and a trainer's, reaches the products forward and backward; in the double build all are one. */
static void choices(void **state)
{
    (void)state;
    double losses[2][2], gradients[2][2];
    for (int i = 0; i < 2; i++) {
        heed_gemm gemm = i ? HEED_GEMM_BF16 : HEED_GEMM_AUTO;
        heed_params *params = heed_params_new();
        heed_param_make(params, "w", HEED_SHAPE(32, 32), (heed_init){ .kind = HEED_INIT_XAVIER });
        assert_true(heed_params_init(params, 3));
        const heed_real *gradient = heed_grads_data(heed_params_grads(params));
        heed_tape *tape = heed_tape_new((heed_tape_desc){ .gemm = gemm });
        heed_var *loss = squares(tape, 0, params);
        losses[0][i] = heed_item(loss);
        assert_true(heed_backward(loss));
        gradients[0][i] = (double)gradient[100];
        heed_tape_free(tape);
        heed_grads_clear(heed_params_grads(params));
        heed_trainer *trainer = heed_trainer_new(params, (heed_trainer_desc){ .threads = 1, .gemm = gemm });
        int64_t starts[] = { 0, 1 };
        heed_trainer_step_desc step = {
            .shards = 1, .starts = starts, .divisor = 1, .loss = squares, .context = params
        };
        assert_true(heed_trainer_step(trainer, step, &losses[1][i]));
        gradients[1][i] = (double)gradient[100];
        heed_trainer_free(trainer);
        heed_params_free(params);
    }
    check_no_error();
    for (int by = 0; by < 2; by++) {
        double off[] = { fabs(losses[by][1] / losses[by][0] - 1), fabs(gradients[by][1] / gradients[by][0] - 1) };
        for (int i = 0; i < 2; i++)
            assert_true(sizeof(heed_real) == 8 ? off[i] == 0 : off[i] > 1e-6 && off[i] < 1e-2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices),
#ifndef HEED_DOUBLE
        cmocka_unit_test(emulated_unit),
        cmocka_unit_test(unit_of_this_machine),
        cmocka_unit_test(errors_over_sizes),
        cmocka_unit_test(errors_over_scales),
        cmocka_unit_test(errors_with_cancellation),
        cmocka_unit_test(numbers),
#endif
    };
#ifndef HEED_DOUBLE
    arena = heed_arena_new();
    scratch = heed_arena_new();
#endif
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
#ifndef HEED_DOUBLE
    heed_arena_free(arena);
    heed_arena_free(scratch);
#endif
    return failed;
}
