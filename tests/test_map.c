/* k_map against plain index loops: any strides, repeated inputs, outputs that sum. All values are small integers, so
 * results are exact. */
#include "check.h"
#include "tensor/kernels.h"
#include "views.h"

static heed_arena *arena;
static int64_t calls, longest;
static int threads; /* 0: k_map itself */

/* f = 3 + 2 in0 + 3 in1 + ... + in0 in1 */
static double f(const heed_real *values, int n_in)
{
    double result = 3;
    for (int k = 0; k < n_in; k++)
        result += (double)values[k] * (k + 2);
    return n_in > 1 ? result + (double)values[0] * (double)values[1] : result;
}

static void f_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    int n_in = *(const int *)arg;
    assert_true(n >= 1);
    if (threads == 0) {
        calls++;
        longest = n > longest ? n : longest;
    }
    for (int64_t i = 0; i < n; i++) {
        heed_real values[K_MAP_INPUTS];
        for (int k = 0; k < n_in; k++)
            values[k] = in[k][i];
        out[i] = (heed_real)f(values, n_in);
    }
}

/* Runs k_map and the loop, and compares all of out's buffer. */
static void check_map(random_view out, heed_real beta, const random_view *in, int n_in)
{
    int64_t n = heed_tensor_numel(out.base);
    heed_real *want = malloc((size_t)n * sizeof *want + 1);
    memcpy(want, out.base.data, (size_t)n * sizeof *want);
    heed_tensor tensors[K_MAP_INPUTS];
    int64_t index[HEED_MAX_RANK] = { 0 }, base = out.view.data - out.base.data;
    bool more = heed_tensor_numel(out.view) > 0;
    for (int k = 0; k < n_in; k++)
        tensors[k] = in[k].view;
    for (; more; more = view_next(out.view.shape, index)) {
        heed_real values[K_MAP_INPUTS], *to = want + base + view_at(out.view, index);
        for (int k = 0; k < n_in; k++)
            values[k] = tensors[k].data[view_at(tensors[k], index)];
        *to = (heed_real)(f(values, n_in) + (beta == 0 ? 0 : (double)beta * (double)*to));
    }
    if (threads == 0)
        k_map(out.view, beta, f_row, tensors, n_in, &n_in);
    else
        k_map_parallel(out.view, beta, f_row, tensors, n_in, &n_in, threads);
    view_check_base(out.base, want);
    free(want);
}

static heed_shape random_shape(void)
{
    static const int64_t sizes[] = { 1, 2, 3, 5, 1, 2, 3, 19, 256, 300, 700 };
    heed_shape shape = { .rank = view_below(7) };
    int64_t n = 1;
    for (int i = 0; i < shape.rank; i++) {
        do
            shape.dims[i] = sizes[view_below(11)];
        while (n * shape.dims[i] > 3000);
        n *= shape.dims[i];
    }
    if (shape.rank && view_below(20) == 0)
        shape.dims[view_below(shape.rank)] = 0;
    return shape;
}

static void random_views(void **state)
{
    (void)state;
    int sums = 0, turns = getenv("HEED_LONG") ? 50000 : 3000;
    for (int turn = 0; turn < turns; turn++) {
        heed_shape shape = random_shape();
        random_view in[K_MAP_INPUTS], out = view_make(arena, shape, turn % 2 ? 0 : 4);
        int n_in = view_below(K_MAP_INPUTS + 1);
        for (int k = 0; k < n_in; k++)
            in[k] = view_make(arena, shape, 4);
        heed_real beta = view_repeats(out) ? 1 : (heed_real)(view_below(3) * 0.5);
        sums += view_repeats(out);
        if (beta == 0)
            assert_true(heed_tensor_fill(out.base, (double)NAN)); /* 0 overwrites, whatever was there */
        check_map(out, beta, in, n_in);
        heed_arena_reset(arena);
    }
    assert_true(sums > turns / 8);
}

/* Shapes large enough to be cut, along an axis that is long enough and not summed, or the only one left. */
static void parts_are_the_whole(void **state)
{
    (void)state;
    const heed_shape shapes[] = { HEED_SHAPE(70001),      HEED_SHAPE(300, 200),      HEED_SHAPE(3, 20011),
                                  HEED_SHAPE(2, 3, 9001), HEED_SHAPE(40000, 2),      HEED_SHAPE(5, 70, 150),
                                  HEED_SHAPE(16384),      HEED_SHAPE(15, 15, 15, 15) };
    for (int turn = 0; turn < 60; turn++) {
        heed_shape shape = shapes[turn % 8];
        random_view in[2] = { view_make(arena, shape, 3), view_make(arena, shape, 3) };
        random_view out = view_make(arena, shape, turn < 16 ? 0 : 2);
        heed_real beta = view_repeats(out) ? 1 : (heed_real)(turn % 3 * 0.5);
        threads = 1 + turn % 4;
        check_map(out, beta, in, 1 + turn % 2);
        heed_arena_reset(arena);
    }
    threads = 0;
}

/* All 1600 pairs: forward through broadcast inputs, and back by summing into a broadcast output. */
static void broadcast_pairs(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 40; j++) {
            heed_shape shape;
            if (!heed_shape_broadcast(view_small_shape(i), view_small_shape(j), &shape)) {
                heed_error_clear();
                continue;
            }
            random_view in[2] = { view_make(arena, view_small_shape(i), 0), view_make(arena, view_small_shape(j), 0) };
            random_view out = view_make(arena, shape, 0), back = view_make(arena, view_small_shape(i), 0);
            in[0].view = heed_tensor_broadcast(in[0].view, shape);
            in[1].view = heed_tensor_broadcast(in[1].view, shape);
            back.view = heed_tensor_broadcast(back.view, shape);
            check_map(out, 0, in, 2);
            const random_view sums[2] = { out, in[1] };
            check_map(back, 1, sums, 2);
            heed_arena_reset(arena);
        }
}

static random_view dense(heed_shape shape)
{
    random_view v;
    v.view = v.base = heed_tensor_new(arena, shape);
    assert_true(heed_tensor_fill(v.base, 1));
    return v;
}

static void stretches_are_long(void **state)
{
    (void)state;
    random_view in[2] = { dense(HEED_SHAPE(50, 10, 20)), dense(HEED_SHAPE(50, 10, 20)) };
    calls = longest = 0;
    check_map(dense(HEED_SHAPE(50, 10, 20)), 0, in, 2);
    assert_int_equal(calls, 1);
    assert_int_equal(longest, 10000);
    /* A bias over rows: one call a row. */
    in[1] = dense(HEED_SHAPE(20));
    in[1].view = heed_tensor_broadcast(in[1].view, HEED_SHAPE(50, 10, 20));
    calls = longest = 0;
    check_map(dense(HEED_SHAPE(50, 10, 20)), 0, in, 2);
    assert_int_equal(calls, 500);
    /* A short last axis of a permuted input: the inner axis is a longer one. */
    in[0] = dense(HEED_SHAPE(2, 900));
    in[0].view = heed_tensor_permute(in[0].view, (const int[]){ 1, 0 });
    calls = longest = 0;
    check_map(dense(HEED_SHAPE(900, 2)), 0, in, 1);
    assert_true(longest >= 256);
    heed_arena_reset(arena);
}

/* The sum of a long row to one element keeps its low digits. */
static void long_sums_are_exact(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    heed_tensor x = heed_tensor_new(arena, HEED_SHAPE(N)), sum = heed_tensor_new(arena, HEED_SHAPE(1));
    assert_true(heed_tensor_fill(x, 1));
    x.data[0] = 1 << 24; /* in float 2^24 + 1 = 2^24 */
    sum.data[0] = 4;
    k_map(heed_tensor_broadcast(sum, HEED_SHAPE(N)), 1, k_copy_row, &x, 1, NULL);
    assert_true(sum.data[0] == (heed_real)((1 << 24) + N + 3));
    heed_arena_reset(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_views),       cmocka_unit_test(parts_are_the_whole), cmocka_unit_test(broadcast_pairs),
        cmocka_unit_test(stretches_are_long), cmocka_unit_test(long_sums_are_exact),
    };
    arena = heed_arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    heed_arena_free(arena);
    return failed;
}
