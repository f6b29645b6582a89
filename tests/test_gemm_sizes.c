/* k_gemm at sizes around those of its tiles, panels and parts: exact on small integers, the same bits for any number of
 * threads and however the rows and columns are cut, no number where it does not belong, and as accurate as BLAS. */
#include "check.h"
#include "tensor/k_gemm.h"
#include "views.h"

#include <omp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static heed_arena *arena, *scratch;
static const heed_gemm ways[] = { HEED_GEMM_AUTO, HEED_GEMM_BLAS, HEED_GEMM_SPLIT6, HEED_GEMM_SPLIT3, HEED_GEMM_BF16 };
enum { WAYS = 5 };

/* [rows, cols]; stored as its transpose if `turned`, and with `gap` numbers between what are then the rows. */
static heed_tensor matrix(int64_t rows, int64_t cols, bool turned, int64_t gap)
{
    int64_t outer = turned ? cols : rows, inner = turned ? rows : cols;
    heed_tensor t = heed_tensor_new(arena, HEED_SHAPE(outer, inner + gap));
    t = heed_tensor_slice(t, 1, 0, inner);
    return turned ? heed_tensor_permute(t, (const int[]){ 1, 0 }) : t;
}

static void fill_integers(heed_tensor t)
{
    for (int64_t i = 0; i < t.shape.dims[0]; i++)
        for (int64_t j = 0; j < t.shape.dims[1]; j++)
            t.data[i * t.strides[0] + j * t.strides[1]] = (heed_real)(view_below(9) - 4);
}

static heed_real at(heed_tensor t, int64_t i, int64_t j)
{
    return t.data[i * t.strides[0] + j * t.strides[1]];
}

/* Sum of a[i, k] b[k, j], and of |a[i, k] b[k, j]|. */
static double element(heed_tensor a, heed_tensor b, int64_t i, int64_t j, double *size)
{
    double sum = 0;
    *size = 0;
    for (int64_t k = 0; k < a.shape.dims[1]; k++) {
        double product = (double)at(a, i, k) * (double)at(b, k, j);
        sum += product;
        *size += fabs(product);
    }
    return sum;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Where there is no room for OpenBLAS's buffers a product fails before it is loaded; nothing hangs. The first test: once
 * there were products the buffers are there. */
static void no_room_for_blas(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* ASan ends a process with such a limit */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    skip();
#endif
#endif
    heed_tensor a = matrix(200, 200, false, 0), c = matrix(200, 200, false, 0);
    fill_integers(a);
    pid_t child = fork();
    if (child == 0) {
        long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");
        if (!file || fscanf(file, "%ld", &pages) != 1)
            _exit(9);
        rlim_t most = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + (100 << 20));
        alarm(30);
        if (setrlimit(RLIMIT_AS, &(struct rlimit){ most, most }) != 0)
            _exit(9);
        bool done = k_gemm(scratch, c, a, a, (k_gemm_how){ .by = HEED_GEMM_BLAS });
        _exit(done || heed_error_code() != HEED_MEMORY || !strstr(heed_error(), "OpenBLAS needs a buffer"));
    }
    int status = -1;
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == 9)
        skip(); /* no /proc, or no limits */
    assert_int_equal(WEXITSTATUS(status), 0);
    heed_arena_reset(arena);
}

/* ---- exact ------------------------------------------------------------------------------------------------------- */

static void check_exact(int64_t M, int64_t N, int64_t K, int form, int64_t gap)
{
    heed_tensor a = matrix(M, K, form & 1, gap), b = matrix(K, N, form & 2, gap), c = matrix(M, N, form & 4, gap);
    heed_tensor bias = heed_tensor_new(arena, HEED_SHAPE(1, N));
    fill_integers(a);
    fill_integers(b);
    fill_integers(bias);
    double *sums = heed_arena_alloc(arena, M * N * (int64_t)sizeof *sums), size;
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++)
            sums[i * N + j] = element(a, b, i, j, &size) + (double)bias.data[j];
    for (int turn = 0; turn < 2 * WAYS; turn++) {
        double beta = turn / WAYS;
        for (int64_t i = 0; i < M; i++) /* what is there counts for beta 1 only */
            for (int64_t j = 0; j < N; j++)
                c.data[i * c.strides[0] + j * c.strides[1]] = beta == 1 ? (heed_real)(i + j) : (heed_real)NAN;
        assert_true(k_gemm(scratch, c, a, b, (k_gemm_how){ .beta = beta, .bias = bias.data, .by = ways[turn % WAYS] }));
        for (int64_t i = 0; i < M; i++)
            for (int64_t j = 0; j < N; j++)
                if ((double)at(c, i, j) != sums[i * N + j] + beta * (double)(i + j))
                    fail_msg("%lld x %lld x %lld, form %d, gap %lld, turn %d: [%lld, %lld] is %g, not %g", (long long)M,
                             (long long)N, (long long)K, form, (long long)gap, turn, (long long)i, (long long)j,
                             (double)at(c, i, j), sums[i * N + j] + beta * (double)(i + j));
    }
    heed_arena_reset(arena);
}

static void every_size(void **state)
{
    (void)state;
    for (int size = 1; size <= 70; size++)
        for (int form = 0; form < 8; form++) {
            check_exact(size, 1 + view_below(70), 1 + view_below(20), form, view_below(3));
            check_exact(1 + view_below(30), size, 1 + view_below(20), form, view_below(3));
            check_exact(1 + view_below(30), 1 + view_below(70), size, form, view_below(3));
        }
    check_no_error();
}

static void deep_wide_and_far(void **state)
{
    (void)state;
    static const int64_t deep[] = { 511, 512, 513, 530, 1024, 1100 };
    for (int i = 0; i < 6; i++)
        for (int form = 0; form < 8; form++)
            check_exact(1 + view_below(26), 1 + view_below(70), deep[i], form, 0);
    for (int form = 0; form < 8; form++) {
        check_exact(5, 2100, 130, form, 0);  /* more columns than one block of panels holds */
        check_exact(13, 40, 30, form, 1024); /* rows a little more than a page apart */
        check_exact(24, 40, 1024, form, 0);  /* a page apart */
        check_exact(24, 40, 1024, form, 1024);
    }
    for (int rows = 11; rows < 40; rows++) { /* few rows times many columns, which are turned round */
        check_exact(rows, 4 * rows + view_below(40), rows + view_below(90), 2, view_below(3));
        check_exact(rows, 200 + view_below(40), 500 + view_below(40), 2, view_below(3));
    }
    check_no_error();
}

/* ---- bits -------------------------------------------------------------------------------------------------------- */

static heed_tensor normal(heed_shape shape, uint64_t seed)
{
    heed_tensor t = heed_tensor_new(arena, shape);
    assert_true(heed_tensor_normal(t, (heed_rng){ .seed = seed }, 0, 1));
    return t;
}

static heed_tensor product(heed_tensor a, heed_tensor b, k_gemm_how how)
{
    heed_shape shape = a.shape;
    shape.dims[shape.rank - 1] = b.shape.dims[b.shape.rank - 1];
    heed_tensor c = heed_tensor_new(arena, shape);
    assert_true(k_gemm(scratch, c, a, b, how));
    return c;
}

static void any_number_of_threads(void **state)
{
    (void)state;
    static const int64_t sizes[][4] = { /* batch, M, N, K: rows cut, columns cut, items cut, and not cut */
                                        { 1, 1200, 70, 90 },  { 1, 200, 1000, 600 }, { 1, 1, 5000, 120 },
                                        { 40, 33, 35, 70 },   { 3, 300, 300, 130 },  { 1, 30, 30, 30 },
                                        { 1, 30, 5000, 130 }, { 1, 700, 300, 130 }
    };
    for (int i = 0; i < 16 * WAYS; i++) {
        const int64_t *s = sizes[i / (2 * WAYS)];
        heed_tensor a = normal(HEED_SHAPE(s[0], s[1], s[3]), 1), b = normal(HEED_SHAPE(s[0], s[3], s[2]), 2);
        if (i % (2 * WAYS) >= WAYS)
            b = heed_tensor_permute(normal(HEED_SHAPE(s[0], s[2], s[3]), 2), (const int[]){ 0, 2, 1 });
        heed_tensor bias = normal(HEED_SHAPE(s[2]), 3);
        k_gemm_how how = { .bias = bias.data, .by = ways[i % WAYS] };
        heed_tensor one = product(a, b, how);
        for (how.threads = 2; how.threads <= 7; how.threads += how.threads == 3 ? 4 : 1)
            assert_memory_equal(product(a, b, how).data, one.data, (size_t)heed_tensor_numel(one) * sizeof(heed_real));
        int different = 0; /* within a region, as in a shard */
#pragma omp parallel num_threads(2) reduction(+ : different)
        {
            heed_arena *own = heed_arena_new();
            heed_tensor c = heed_tensor_new(own, one.shape);
            bool ok = k_gemm(own, c, a, b, (k_gemm_how){ .bias = bias.data, .by = ways[i % WAYS], .threads = 2 });
            different += !ok || memcmp(c.data, one.data, (size_t)heed_tensor_numel(c) * sizeof(heed_real)) != 0;
            heed_arena_free(own);
        }
        assert_int_equal(different, 0);
        heed_arena_reset(arena);
    }
}

/* An element of our own loops depends on its row of a and its column of b, and on nothing else; few rows differ from
 * many. */
static void rows_and_columns_stand_alone(void **state)
{
    (void)state;
    if (!K_TILE)
        skip();
    enum { M = 40, N = 75, K = 700 };
    for (int turn = 0; turn < 120; turn++) {
        int few = turn & 1, rows = few ? 12 : M;
        heed_tensor a = normal(HEED_SHAPE(rows, K), 1), b = normal(HEED_SHAPE(K, N), 2);
        if (few)
            b = heed_tensor_permute(normal(HEED_SHAPE(N, K), 2), (const int[]){ 1, 0 });
        heed_tensor whole = product(a, b, (k_gemm_how){ 0 });
        int64_t m0 = view_below(rows), m1 = m0 + 1 + view_below((int)(rows - m0));
        int64_t n0 = view_below(N), n1 = n0 + 1 + view_below((int)(N - n0));
        heed_tensor part = product(heed_tensor_slice(a, 0, m0, m1), heed_tensor_slice(b, 1, n0, n1), (k_gemm_how){ 0 });
        for (int64_t i = m0; i < m1; i++)
            assert_memory_equal(&part.data[(i - m0) * (n1 - n0)], &whole.data[i * N + n0],
                                (size_t)(n1 - n0) * sizeof(heed_real));
        heed_arena_reset(arena);
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void not_finite_stays_in_its_row_and_column(void **state)
{
    (void)state;
    for (int turn = 0; turn < 200; turn++) {
        int64_t M = 1 + view_below(30), N = 1 + view_below(70), K = 1 + view_below(40);
        int64_t row = view_below((int)M), col = view_below((int)N), k = view_below((int)K);
        heed_tensor a = matrix(M, K, turn & 2, 0), b = matrix(K, N, turn & 4, 0), c = matrix(M, N, false, 0);
        fill_integers(a);
        fill_integers(b);
        a.data[row * a.strides[0] + k * a.strides[1]] = (heed_real)INFINITY;
        b.data[k * b.strides[0] + col * b.strides[1]] = turn & 8 ? (heed_real)NAN : (heed_real)INFINITY;
        assert_true(k_gemm(scratch, c, a, b, (k_gemm_how){ .by = ways[turn % 2] }));
        for (int64_t i = 0; i < M; i++)
            for (int64_t j = 0; j < N; j++) {
                double size, want = element(a, b, i, j, &size), got = (double)at(c, i, j);
                assert_true(isnan(want) ? isnan(got) : got == want); /* inf times 0 is NaN */
            }
        heed_arena_reset(arena);
    }
}

/* Root mean square and largest error, relative to the sum of |a b|. */
static void errors(heed_tensor c, heed_tensor a, heed_tensor b, double *rms, double *most)
{
    double squares = 0;
    *most = 0;
    for (int64_t i = 0; i < c.shape.dims[0]; i++)
        for (int64_t j = 0; j < c.shape.dims[1]; j++) {
            double size, want = element(a, b, i, j, &size), off = fabs((double)at(c, i, j) - want) / size;
            squares += off * off;
            *most = off > *most ? off : *most;
        }
    *rms = sqrt(squares / (double)heed_tensor_numel(c));
}

/* BLAS sums in shorter blocks of k, so it is a little ahead where k is long. */
static void as_accurate_as_blas(void **state)
{
    (void)state;
    static const int64_t depths[] = { 64, 128, 512, 2048, 10000 };
    if (sizeof(heed_real) == 8)
        skip(); /* the sums it is held against are in double */
    for (int i = 0; i < 5; i++) {
        heed_tensor a = normal(HEED_SHAPE(40, depths[i]), 1), b = normal(HEED_SHAPE(depths[i], 50), 2);
        double rms[2], most[2];
        for (int way = 0; way < 2; way++)
            errors(product(a, b, (k_gemm_how){ .by = ways[way] }), a, b, &rms[way], &most[way]);
        assert_true(rms[0] <= 1.6 * rms[1] && most[0] <= 1.8 * most[1]);
        assert_true(rms[0] < 3e-8 && most[0] < 2e-7);
        heed_arena_reset(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_room_for_blas),
        cmocka_unit_test(every_size),
        cmocka_unit_test(deep_wide_and_far),
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(rows_and_columns_stand_alone),
        cmocka_unit_test(not_finite_stays_in_its_row_and_column),
        cmocka_unit_test(as_accurate_as_blas),
    };
    arena = heed_arena_new();
    scratch = heed_arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    heed_arena_free(arena);
    heed_arena_free(scratch);
    return failed;
}
