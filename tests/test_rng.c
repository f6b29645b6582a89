/* Philox against its published vectors, and what is made of its bits. */
#include "check.h"
#include "tensor/kernels.h"

/* Known answers from the Random123 distribution (kat_vectors, philox4x32 10). */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } rows[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (int i = 0; i < 3; i++) {
        uint32_t got[4];
        rng_philox(got, rows[i].counter, rows[i].key);
        assert_memory_equal(got, rows[i].want, sizeof got);
    }
}

/* The numbers of a seed are part of the file format, in a way: a resumed run must draw them again. */
static void pinned_values(void **state)
{
    (void)state;
    heed_rng rng = { .seed = 42, .stream = heed_rng_stream("encoder.dropout"), .step = 7, .row = 3 };
    assert_int_equal(heed_rng_bits(rng, 0), 0x597036da);
    assert_int_equal(heed_rng_bits(rng, 1), 0xead7d1db);
    assert_int_equal(heed_rng_bits(rng, 2), 0xf9ce8799);
    assert_int_equal(heed_rng_bits(rng, 3), 0xb1078a87);
    assert_int_equal(heed_rng_bits(rng, 4), 0x07330650);
    assert_int_equal(heed_rng_bits(rng, (UINT64_C(1) << 40) + 5), 0x9dbd2e68);
    assert_true(heed_rng_uniform(rng, 5) == 0x1.fe8f1ed6cec44p-1);
    check_close(heed_rng_normal(rng, 4), 1.655958905096946, 1e-14);
    check_close(heed_rng_normal(rng, 5), -0.029285276434162, 1e-14);
    assert_int_equal(heed_rng_below(rng, 6, 1000000), 123107);
}

static void streams_are_fnv(void **state)
{
    (void)state;
    assert_true(heed_rng_stream("") == 0xcbf29ce484222325u);
    assert_true(heed_rng_stream("a") == 0xaf63dc4c8601ec8cu);
    assert_true(heed_rng_stream("foobar") == 0x85944171f73967e8u);
}

/* Every field matters, and so does every bit of the index. */
static void draws_depend_on_everything(void **state)
{
    (void)state;
    heed_rng base = { .seed = 1, .stream = 2, .step = 3, .row = 4 }, other[6];
    for (int i = 0; i < 6; i++)
        other[i] = base;
    other[0].seed ^= 1;
    other[1].seed ^= UINT64_C(1) << 63;
    other[2].stream ^= 1;
    other[3].stream ^= UINT64_C(1) << 63;
    other[4].step ^= 1;
    other[5].row ^= 1;
    heed_rng swapped = { .seed = 2, .stream = 1, .step = 3, .row = 4 };
    int equal = 0;
    for (uint64_t i = 0; i < 64; i++) {
        for (int k = 0; k < 6; k++)
            equal += heed_rng_bits(base, i) == heed_rng_bits(other[k], i);
        equal += heed_rng_bits(base, i) == heed_rng_bits(swapped, i);
        equal += heed_rng_bits(base, 5) == heed_rng_bits(base, 5 ^ UINT64_C(1) << i);
    }
    assert_int_equal(equal, 0);
}

static void many_bits_equal_single_ones(void **state)
{
    (void)state;
    static uint32_t words[1000];
    heed_rng rng = { .seed = 9, .stream = 8, .step = 7, .row = 6 };
    static const uint64_t starts[] = { 0, (UINT64_C(1) << 34) - 300, UINT64_C(1) << 40, UINT64_MAX - 1000 };
    for (int s = 0; s < 4; s++)
        for (uint64_t skip = 0; skip < 9; skip++)
            for (int64_t n = 0; n < 700; n += skip == 1 ? 1 : 37) {
                words[n] = 0xABCDEF01;
                k_random_bits(words, rng, starts[s] + skip, n);
                for (int64_t i = 0; i < n; i++)
                    assert_int_equal(words[i], heed_rng_bits(rng, starts[s] + skip + (uint64_t)i));
                assert_int_equal(words[n], 0xABCDEF01);
            }
}

/* Shares of N draws in K equal cells: the chi-square statistic, which exceeds K + 5 sqrt(2 K) once in 10^5 or so. */
static double chi_square(const int *counts, int k, int n)
{
    double sum = 0, expected = (double)n / k;
    for (int i = 0; i < k; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

static void uniforms(void **state)
{
    (void)state;
    enum { N = 200000, K = 100 };
    heed_rng rng = { .seed = 3 };
    int counts[K] = { 0 }, low_bits[K] = { 0 }, pairs[K] = { 0 };
    double last = 0;
    for (uint64_t i = 0; i < N; i++) {
        double u = heed_rng_uniform(rng, i), scaled = u * 9007199254740992.0;
        assert_true(u >= 0 && u < 1 && scaled == floor(scaled)); /* a multiple of 2^-53 */
        counts[(int)(u * K)]++;
        low_bits[(uint64_t)scaled % K]++;
        if (i % 2)
            pairs[(int)(u * 10) * 10 + (int)(last * 10)]++;
        last = u;
    }
    assert_true(chi_square(counts, K, N) < K + 5 * sqrt(2.0 * K));
    assert_true(chi_square(low_bits, K, N) < K + 5 * sqrt(2.0 * K));
    assert_true(chi_square(pairs, K, N / 2) < K + 5 * sqrt(2.0 * K));
}

static void normals(void **state)
{
    (void)state;
    enum { N = 200000, K = 100 };
    heed_rng rng = { .seed = 4, .row = 1 };
    int counts[K] = { 0 };
    double sum[5] = { 0 }, neighbours = 0, last = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = heed_rng_normal(rng, i), cell = 0.5 * erfc(-x / sqrt(2.0)) * K;
        for (int k = 1; k < 5; k++)
            sum[k] += pow(x, k);
        counts[cell < K ? (int)cell : K - 1]++;
        neighbours += x * last;
        last = x;
    }
    double deviation = 1 / sqrt(N); /* of the mean; limits are 4.5 of the respective ones */
    assert_true(fabs(sum[1] / N) < 4.5 * deviation);
    assert_true(fabs(sum[2] / N - 1) < 4.5 * deviation * sqrt(2.0));
    assert_true(fabs(sum[3] / N) < 4.5 * deviation * sqrt(15.0));
    assert_true(fabs(sum[4] / N - 3) < 4.5 * deviation * sqrt(96.0));
    assert_true(fabs(neighbours / N) < 4.5 * deviation);
    assert_true(chi_square(counts, K, N) < K + 5 * sqrt(2.0 * K));
}

static void below_is_even(void **state)
{
    (void)state;
    enum { N = 60000 };
    heed_rng rng = { .seed = 5 };
    static const int sizes[] = { 1, 2, 3, 6, 7, 100 };
    for (int s = 0; s < 6; s++) {
        int counts[100] = { 0 };
        for (uint64_t i = 0; i < N; i++) {
            uint64_t x = heed_rng_below(rng, i, (uint64_t)sizes[s]);
            assert_true(x < (uint64_t)sizes[s]);
            counts[x]++;
        }
        assert_true(chi_square(counts, sizes[s], N) < sizes[s] + 5 * sqrt(2.0 * sizes[s]));
    }
    uint64_t all = 0;
    for (uint64_t i = 0; i < 64; i++) {
        uint64_t x = heed_rng_below(rng, i, UINT64_MAX);
        assert_true(x < UINT64_MAX);
        all |= x;
    }
    assert_true(all == UINT64_MAX); /* all 64 bits are drawn */
}

static void shuffles(void **state)
{
    (void)state;
    enum { N = 1000, TURNS = 24000 };
    int32_t items[N], again[N];
    char seen[N] = { 0 };
    for (int i = 0; i < N; i++)
        items[i] = again[i] = i;
    heed_rng_shuffle((heed_rng){ .seed = 6 }, items, N);
    heed_rng_shuffle((heed_rng){ .seed = 6 }, again, N);
    assert_memory_equal(items, again, sizeof items);
    int fixed = 0;
    for (int i = 0; i < N; i++) {
        assert_false(seen[items[i]]++);
        fixed += items[i] == i;
    }
    assert_true(fixed < 8);
    int counts[24] = { 0 }; /* all orders of four, equally often */
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        int32_t four[4] = { 0, 1, 2, 3 };
        heed_rng_shuffle((heed_rng){ .seed = 6, .step = turn }, four, 4);
        int order = 0;
        for (int i = 0; i < 4; i++) {
            int smaller = 0;
            for (int j = i + 1; j < 4; j++)
                smaller += four[j] < four[i];
            order = order * (4 - i) + smaller;
        }
        counts[order]++;
    }
    assert_true(chi_square(counts, 24, TURNS) < 24 + 5 * sqrt(48.0));
    heed_rng_shuffle((heed_rng){ .seed = 6 }, items, 0);
    heed_rng_shuffle((heed_rng){ .seed = 6 }, items, 1);
    assert_memory_equal(items, again, sizeof items);
}

/* Element i in row-major order is draw i, for any strides. */
static void tensors_hold_the_same_draws(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    heed_rng rng = { .seed = 10, .stream = 11, .step = 12, .row = 13 };
    heed_tensor base = heed_tensor_new(arena, HEED_SHAPE(5, 301, 4));
    assert_true(heed_tensor_fill(base, 77));
    heed_tensor slice = heed_tensor_slice(heed_tensor_slice(base, 0, 1, 4), 2, 1, 4); /* [3, 301, 3] */
    heed_tensor views[] = { heed_tensor_new(arena, HEED_SHAPE(3, 1001)), heed_tensor_new(arena, heed_shape_scalar()),
                            heed_tensor_permute(slice, (const int[]){ 1, 2, 0 }), slice };
    for (int v = 0; v < 4; v++) {
        int64_t n = heed_tensor_numel(views[v]);
        heed_tensor flat;
        assert_true(heed_tensor_uniform(views[v], rng, -1, 3));
        flat = heed_tensor_contiguous_copy(arena, views[v]);
        for (int64_t i = 0; i < n; i++)
            assert_true(flat.data[i] == (heed_real)(-1 + 4 * heed_rng_uniform(rng, (uint64_t)i)));
        assert_true(heed_tensor_normal(views[v], rng, 0.5, 2));
        flat = heed_tensor_contiguous_copy(arena, views[v]);
        for (int64_t i = 0; i < n; i++)
            check_close((double)flat.data[i], 0.5 + 2 * heed_rng_normal(rng, (uint64_t)i), CHECK_EPS);
        assert_true(heed_tensor_bernoulli(views[v], rng, 0.3));
        flat = heed_tensor_contiguous_copy(arena, views[v]);
        for (int64_t i = 0; i < n; i++)
            assert_true(flat.data[i] == (heed_rng_uniform(rng, (uint64_t)i) < 0.3));
    }
    assert_true(base.data[0] == 77 && base.data[4 * 301] == 77); /* around the slice */
    check_no_error();
    heed_arena_free(arena);
}

static void ranges_and_refusals(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    heed_rng rng = { .seed = 20 };
    heed_tensor t = heed_tensor_new(arena, HEED_SHAPE(100000));
    heed_real next = (heed_real)(sizeof(heed_real) == 4 ? 1 + 0x1p-23 : 1 + 0x1p-52);
    assert_true(heed_tensor_uniform(t, rng, 1, (double)next)); /* nothing between, so rounding tempts */
    for (int i = 0; i < 100000; i++)
        assert_true(t.data[i] == 1);
    assert_true(heed_tensor_uniform(t, rng, 2, 2) && t.data[5] == 2);
    assert_true(heed_tensor_bernoulli(t, rng, 0) && t.data[0] == 0);
    for (int i = 0; i < 100000; i++)
        assert_true(t.data[i] == 0);
    assert_true(heed_tensor_bernoulli(t, rng, 1));
    for (int i = 0; i < 100000; i++)
        assert_true(t.data[i] == 1);
    assert_true(heed_tensor_normal(t, rng, 3, 0) && t.data[7] == 3);

    assert_false(heed_tensor_uniform(t, rng, 1, 0));
    check_failed(HEED_BAD_ARGUMENT, "tensor_uniform: from 1 to 0");
    assert_false(heed_tensor_uniform(t, rng, 0, (double)NAN));
    check_failed(HEED_BAD_ARGUMENT, "finite");
    assert_false(heed_tensor_uniform(t, rng, -1e308, 1e308));
    check_failed(HEED_BAD_ARGUMENT, "finite");
    assert_false(heed_tensor_normal(t, rng, 0, -1));
    check_failed(HEED_BAD_ARGUMENT, "tensor_normal: mean 0, deviation -1");
    assert_false(heed_tensor_bernoulli(t, rng, 1.5));
    check_failed(HEED_BAD_ARGUMENT, "tensor_bernoulli: probability 1.5");
    assert_false(heed_tensor_bernoulli(t, rng, (double)NAN));
    check_failed(HEED_BAD_ARGUMENT, "expected 0 to 1");
    heed_tensor repeated = heed_tensor_broadcast(heed_tensor_slice(t, 0, 0, 1), HEED_SHAPE(3));
    assert_false(heed_tensor_uniform(repeated, rng, 0, 1));
    check_failed(HEED_BAD_ARGUMENT, "tensor_uniform: the target [3] is a broadcast view");
    assert_false(heed_tensor_normal((heed_tensor){ .data = NULL }, rng, 0, 1));
    check_failed(HEED_BAD_ARGUMENT, "tensor_normal: the tensor is not valid");
    assert_true(t.data[7] == 3);
    heed_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(pinned_values),
        cmocka_unit_test(streams_are_fnv),
        cmocka_unit_test(draws_depend_on_everything),
        cmocka_unit_test(many_bits_equal_single_ones),
        cmocka_unit_test(uniforms),
        cmocka_unit_test(normals),
        cmocka_unit_test(below_is_even),
        cmocka_unit_test(shuffles),
        cmocka_unit_test(tensors_hold_the_same_draws),
        cmocka_unit_test(ranges_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
