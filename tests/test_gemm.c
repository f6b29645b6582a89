/* k_gemm against index loops, by our own loops and by BLAS: every combination of operand layouts, batches and sizes of
 * one. All values are small integers and factors powers of two, so results are exact; and calls to BLAS are counted on
 * their way. */
#include "check.h"
#include "tensor/k_gemm.h"
#include "views.h"

#include <cblas.h>
#include <omp.h>
#include <sys/mman.h>

static heed_arena *arena, *scratch;

/* ---- BLAS, counted ----------------------------------------------------------------------------------------------- */

static struct {
    int count;
    int64_t m, n, k; /* of the last call */
} blas;

#ifdef HEED_DOUBLE
#define cblas_gemm   cblas_dgemm
#define fortran_gemm dgemm_
#else
#define cblas_gemm   cblas_sgemm
#define fortran_gemm sgemm_
#endif

void fortran_gemm(const char *ta, const char *tb, const blasint *m, const blasint *n, const blasint *k,
                  const heed_real *alpha, const heed_real *a, const blasint *lda, const heed_real *b,
                  const blasint *ldb, const heed_real *beta, heed_real *c, const blasint *ldc);

/* Found before OpenBLAS's. Fortran's columns are our rows, so it computes c' = b' a'. */
void cblas_gemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k,
                heed_real alpha, const heed_real *a, blasint lda, const heed_real *b, blasint ldb, heed_real beta,
                heed_real *c, blasint ldc)
{
    assert_int_equal(order, CblasRowMajor);
    assert_true(lda >= (ta == CblasNoTrans ? k : m) && ldb >= (tb == CblasNoTrans ? n : k) && ldc >= n);
    blas.count++;
    blas.m = m, blas.n = n, blas.k = k;
    fortran_gemm(tb == CblasNoTrans ? "N" : "T", ta == CblasNoTrans ? "N" : "T", &n, &m, &k, &alpha, b, &ldb, a, &lda,
                 &beta, c, &ldc);
}

/* ---- against loops ----------------------------------------------------------------------------------------------- */

/* What c's buffer must hold afterwards. */
static heed_real *by_loops(random_view c, double beta, const heed_real *bias, heed_tensor a, heed_tensor b)
{
    int rank = c.view.shape.rank, row = rank - 2, col = rank - 1;
    int64_t n = heed_tensor_numel(c.base), base = c.view.data - c.base.data, K = a.shape.dims[col];
    heed_real *want = malloc((size_t)n * sizeof *want + 1);
    char *scaled = calloc((size_t)n + 1, 1);
    int64_t index[HEED_MAX_RANK] = { 0 };
    memcpy(want, c.base.data, (size_t)n * sizeof *want);
    bool more = heed_tensor_numel(c.view) > 0;
    for (; more; more = view_next(c.view.shape, index)) {
        int64_t at = base + view_at(c.view, index), ia[HEED_MAX_RANK], ib[HEED_MAX_RANK];
        double sum = bias ? (double)bias[index[col]] : 0;
        memcpy(ia, index, sizeof ia);
        memcpy(ib, index, sizeof ib);
        for (int64_t k = 0; k < K; k++) {
            ia[col] = ib[row] = k;
            sum += (double)a.data[view_at(a, ia)] * (double)b.data[view_at(b, ib)];
        }
        if (!scaled[at]) /* an element that several items add to is scaled once */
            want[at] = beta == 0 ? 0 : (heed_real)(beta * (double)want[at]);
        scaled[at] = 1;
        want[at] = (heed_real)((double)want[at] + sum);
    }
    free(scaled);
    return want;
}

static const heed_gemm ways[] = { HEED_GEMM_AUTO, HEED_GEMM_BLAS };

static bool way_is_tiles(heed_gemm by)
{
    return K_TILE && by != HEED_GEMM_BLAS;
}

/* Runs k_gemm and the loops, and compares all of c's buffer. */
static void check_gemm(random_view c, heed_tensor a, heed_tensor b, k_gemm_how how)
{
    heed_real *want = by_loops(c, how.beta, how.bias, a, b);
    assert_true(k_gemm(scratch, c.view, a, b, how));
    view_check_base(c.base, want);
    free(want);
}

/* In each way, from the same c. */
static void check_all_ways(random_view c, heed_tensor a, heed_tensor b, k_gemm_how how)
{
    size_t bytes = (size_t)heed_tensor_numel(c.base) * sizeof(heed_real);
    heed_real *before = malloc(bytes + 1);
    memcpy(before, c.base.data, bytes);
    for (int i = 0; i < 2; i++) {
        memcpy(c.base.data, before, bytes);
        how.by = ways[i];
        check_gemm(c, a, b, how);
    }
    free(before);
}

static double random_beta(random_view c)
{
    double beta = (const double[]){ 0, 1, 0.5 }[view_below(3)];
    if (beta == 0)
        assert_true(heed_tensor_fill(c.base, (double)NAN)); /* 0 overwrites, whatever was there */
    return beta;
}

static const heed_real *random_bias(int64_t n)
{
    heed_tensor bias = heed_tensor_new(arena, HEED_SHAPE(n));
    for (int64_t i = 0; i < n; i++)
        bias.data[i] = (heed_real)(view_below(17) - 8);
    return bias.data;
}

static heed_shape matrix_shape(heed_shape batch, int64_t rows, int64_t cols)
{
    batch.dims[batch.rank++] = rows;
    batch.dims[batch.rank++] = cols;
    return batch;
}

static void random_views(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 0, 1, 1, 2, 3, 4, 7, 20 }, batches[] = { 1, 2, 3 };
    int turns = getenv("HEED_LONG") ? 200000 : 15000, sums = 0;
    for (int turn = 0; turn < turns; turn++) {
        heed_shape batch = { .rank = view_below(5) };
        for (int i = 0; i < batch.rank; i++)
            batch.dims[i] = view_below(40) ? batches[view_below(3)] : 0;
        int smallest = turn % 10 ? 1 : 0;
        int64_t M = sizes[smallest + view_below(8 - smallest)], N = sizes[smallest + view_below(8 - smallest)];
        int64_t K = sizes[smallest + view_below(8 - smallest)];
        random_view a = view_make(arena, matrix_shape(batch, M, K), turn % 3 ? 4 : 0);
        random_view b = view_make(arena, matrix_shape(batch, K, N), turn % 5 ? 3 : 0);
        random_view c = view_make(arena, matrix_shape(batch, M, N), turn % 2 ? 4 : 0);
        sums += view_repeats(c);
        double beta = random_beta(c);
        check_all_ways(c, a.view, b.view,
                       (k_gemm_how){ .beta = beta, .bias = view_repeats(c) || turn % 4 ? NULL : random_bias(N) });
        check_no_error();
        heed_arena_reset(arena);
    }
    assert_true(sums > turns / 8);
}

/* ---- layouts that must not cost a copy, or a second call ---------------------------------------------------------- */

static heed_tensor dense(heed_shape shape)
{
    heed_tensor t = heed_tensor_new(arena, shape);
    int64_t n = heed_tensor_numel(t);
    for (int64_t i = 0; i < n; i++)
        t.data[i] = (heed_real)(view_below(9) - 4);
    return t;
}

static heed_tensor turned(heed_tensor t)
{
    int axes[HEED_MAX_RANK] = { 0, 1, 2, 3, 4, 5 };
    axes[t.shape.rank - 2] = t.shape.rank - 1;
    axes[t.shape.rank - 1] = t.shape.rank - 2;
    return heed_tensor_permute(t, axes);
}

/* [B, T, H d] seen as [B, H, T, d] */
static heed_tensor heads(heed_tensor t, int64_t h)
{
    heed_shape split = HEED_SHAPE(t.shape.dims[0], t.shape.dims[1], h, t.shape.dims[2] / h);
    return heed_tensor_permute(heed_tensor_reshape(t, split), (const int[]){ 0, 2, 1, 3 });
}

/* Correct; by BLAS with this many calls, and nothing taken from scratch. */
static void check_direct(heed_tensor c, heed_tensor a, heed_tensor b, int calls)
{
    heed_tensor root = { .data = c.data, .shape = HEED_SHAPE(1), .strides = { 1 } }; /* as far as c reaches */
    for (int i = 0; i < c.shape.rank; i++)
        root.shape.dims[0] += (c.shape.dims[i] - 1) * c.strides[i];
    random_view view = { .base = root, .view = c };
    blas.count = 0;
    check_gemm(view, a, b, (k_gemm_how){ .beta = 1 });
    assert_int_equal(blas.count, way_is_tiles(HEED_GEMM_AUTO) ? 0 : calls);
    heed_arena *used = scratch;
    scratch = heed_arena_new();
    blas.count = 0;
    int64_t before = heed_memory_now().calls;
    check_gemm(view, a, b, (k_gemm_how){ .beta = 1, .by = HEED_GEMM_BLAS });
    assert_int_equal(heed_memory_now().calls, before);
    assert_int_equal(blas.count, calls);
    heed_arena_free(scratch);
    scratch = used;
}

static void transposes_cost_nothing(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        heed_tensor a = form & 1 ? turned(dense(HEED_SHAPE(7, 5))) : dense(HEED_SHAPE(5, 7));
        heed_tensor b = form & 2 ? turned(dense(HEED_SHAPE(6, 7))) : dense(HEED_SHAPE(7, 6));
        heed_tensor c = form & 4 ? turned(dense(HEED_SHAPE(6, 5))) : dense(HEED_SHAPE(5, 6));
        check_direct(c, a, b, 1);
    }
    heed_arena_reset(arena);
}

static void heads_cost_nothing(void **state)
{
    (void)state;
    enum { B = 2, H = 3, T = 5, S = 4, D = 12 };
    heed_tensor q = dense(HEED_SHAPE(B, T, D)), k = dense(HEED_SHAPE(B, S, D)), v = dense(HEED_SHAPE(B, S, D));
    heed_tensor scores = dense(HEED_SHAPE(B, H, T, S)), out = dense(HEED_SHAPE(B, T, D));
    check_direct(scores, heads(q, H), turned(heads(k, H)), B * H);
    check_direct(heads(out, H), scores, heads(v, H), B * H);       /* merges the heads */
    check_direct(heads(k, H), turned(scores), heads(q, H), B * H); /* gradients */
    heed_tensor qkv = dense(HEED_SHAPE(B, T, 3 * D));              /* q, k and v side by side */
    heed_tensor one = heads(heed_tensor_slice(qkv, 2, 0, D), H), two = heads(heed_tensor_slice(qkv, 2, D, 2 * D), H);
    check_direct(dense(HEED_SHAPE(B, H, T, T)), one, turned(two), B * H);
    heed_arena_reset(arena);
}

static void batches_merge(void **state)
{
    (void)state;
    enum { B = 3, T = 4, In = 5, Out = 6 };
    heed_tensor x = dense(HEED_SHAPE(B, T, In)), w = dense(HEED_SHAPE(Out, In)), y = dense(HEED_SHAPE(B, T, Out));
    heed_tensor all = heed_tensor_broadcast(w, HEED_SHAPE(B, Out, In));
    check_direct(y, x, turned(all), 1); /* a linear layer, [B T, In] */
    assert_true(blas.m == B * T && blas.n == Out && blas.k == In);
    check_direct(x, y, all, 1); /* its input gradient */
    assert_true(blas.m == B * T);
    check_direct(all, turned(y), x, 1); /* its weight gradient: c repeats over the batch */
    assert_true(blas.m == Out && blas.n == In && blas.k == B * T);
    heed_tensor left = heed_tensor_broadcast(w, HEED_SHAPE(B, Out, In)), cols = turned(dense(HEED_SHAPE(B, T, In)));
    check_direct(turned(dense(HEED_SHAPE(B, T, Out))), left, cols, 1); /* the same from the other side */
    /* One query a sentence; the batch is in the rows although the matrices have one. */
    check_direct(dense(HEED_SHAPE(B, 1, Out)), dense(HEED_SHAPE(B, 1, In)), turned(all), 1);
    /* [T, B, ...] seen as [B, T, ...] has no merged rows. */
    heed_tensor swapped = heed_tensor_permute(dense(HEED_SHAPE(T, B, In)), (const int[]){ 1, 0, 2 });
    check_direct(y, swapped, turned(all), B);
    heed_arena_reset(arena);
}

/* Sizes of one have any stride, also ones that look like a leading dimension. */
static void ones_have_no_stride(void **state)
{
    (void)state;
    for (int form = 0; form < 27; form++) {
        int64_t sizes[3] = { form % 3 ? 4 : 1, form / 3 % 3 ? 4 : 1, form / 9 ? 4 : 1 }; /* M N K */
        heed_tensor t[3] = { dense(HEED_SHAPE(sizes[0], sizes[2])), dense(HEED_SHAPE(sizes[2], sizes[1])),
                             dense(HEED_SHAPE(sizes[0], sizes[1])) };
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < 2; i++)
                if (t[k].shape.dims[i] == 1)
                    t[k].strides[i] = (const int64_t[]){ 0, 3, 1000000 }[(form + i) % 3];
        check_direct(t[2], t[0], t[1], 1);
    }
    heed_arena_reset(arena);
}

/* ---- refusals, threads, memory ----------------------------------------------------------------------------------- */

static void refusals(void **state)
{
    (void)state;
    heed_tensor a = dense(HEED_SHAPE(2, 3)), b = dense(HEED_SHAPE(3, 4)), c = dense(HEED_SHAPE(2, 4));
    assert_false(k_gemm(scratch, c, a, a, (k_gemm_how){ 0 }));
    check_failed(HEED_BAD_SHAPE, "gemm: a [2, 3] times b [2, 3] does not give c [2, 4]");
    assert_false(k_gemm(scratch, c, heed_tensor_reshape(a, HEED_SHAPE(1, 2, 3)), b, (k_gemm_how){ 0 }));
    check_failed(HEED_BAD_SHAPE, "a [1, 2, 3] times b [3, 4]");
    heed_tensor line = dense(HEED_SHAPE(3));
    assert_false(k_gemm(scratch, line, line, line, (k_gemm_how){ 0 }));
    check_failed(HEED_BAD_SHAPE, "does not give");
    /* Sizes BLAS cannot count; nothing may be touched, so a small buffer will do. */
    const int64_t huge = INT64_C(1) << 31;
    for (int which = 0; which < 3; which++) {
        int64_t M = which == 0 ? huge : 1, N = which == 1 ? huge : 1, K = which == 2 ? huge : 1;
        assert_false(k_gemm(scratch, heed_tensor_wrap(c.data, HEED_SHAPE(M, N)),
                            heed_tensor_wrap(a.data, HEED_SHAPE(M, K)), heed_tensor_wrap(b.data, HEED_SHAPE(K, N)),
                            (k_gemm_how){ 0 }));
        check_failed(HEED_BAD_SHAPE, "BLAS takes sizes up to 2147483647");
    }
    heed_arena_reset(arena);
}

/* Rows further apart than an int can say are copied. The gap is address space only. */
static void wide_strides_are_copied(void **state)
{
    (void)state;
    volatile int64_t hidden = (INT64_C(1) << 31) + 2; /* clang 14 takes a constant modulo 2^32 */
    const int64_t gap = hidden;
    size_t bytes = (size_t)(gap + 2) * sizeof(heed_real);
    heed_real *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        skip(); /* no address space here */
    map[0] = 1, map[1] = 2, map[gap] = 3, map[gap + 1] = 4;
    heed_tensor far = heed_tensor_wrap(map, HEED_SHAPE(2, 2)), near = dense(HEED_SHAPE(2, 2)),
                c = dense(HEED_SHAPE(2, 2));
    far.strides[0] = gap;
    random_view out = { .base = c, .view = c };
    check_all_ways(out, far, near, (k_gemm_how){ 0 });
    check_all_ways(out, near, turned(far), (k_gemm_how){ .beta = 1 });
    random_view row = { .base = c, .view = heed_tensor_slice(c, 0, 0, 1) };
    check_all_ways(row, heed_tensor_slice(far, 0, 1, 2), near, (k_gemm_how){ 0 }); /* its stride is never used */
    heed_tensor unit = dense(HEED_SHAPE(2, 2));
    unit.data[0] = unit.data[3] = 1, unit.data[1] = unit.data[2] = 0;
    for (int way = 0; way < 2; way++) {
        assert_true(k_gemm(scratch, far, near, unit, (k_gemm_how){ .beta = 1, .by = ways[way] })); /* far += near */
        for (int i = 0; i < 4; i++)
            assert_true(map[i / 2 * gap + i % 2] == i + 1 + (way + 1) * near.data[i]);
    }
    munmap(map, bytes);
    heed_arena_reset(arena);
}

int openblas_get_parallel(void) __attribute__((weak)); /* another BLAS has neither */
int openblas_get_num_threads(void) __attribute__((weak));

static void threads_are_left_alone(void **state)
{
    (void)state;
    enum { N = 300 };
    enum { BY_PTHREADS = 1 };
    int before = omp_get_max_threads();
    omp_set_num_threads(3);
    heed_tensor a = heed_tensor_new(arena, HEED_SHAPE(N, N)), b = heed_tensor_new(arena, HEED_SHAPE(N, N));
    heed_tensor c = heed_tensor_new(arena, HEED_SHAPE(N, N)), again = heed_tensor_new(arena, HEED_SHAPE(N, N));
    assert_true(heed_tensor_normal(a, (heed_rng){ .seed = 1 }, 0, 1));
    assert_true(heed_tensor_normal(b, (heed_rng){ .seed = 2 }, 0, 1));
    assert_true(k_gemm(scratch, c, a, b, (k_gemm_how){ .by = HEED_GEMM_BLAS }));
    assert_int_equal(omp_get_max_threads(), 3);
    if (openblas_get_parallel && openblas_get_parallel() == BY_PTHREADS)
        assert_int_equal(openblas_get_num_threads(), 1);
    omp_set_num_threads(1);
    assert_true(k_gemm(scratch, again, a, b, (k_gemm_how){ .by = HEED_GEMM_BLAS }));
    assert_int_equal(omp_get_max_threads(), 1);
    assert_memory_equal(c.data, again.data, N * N * sizeof *c.data);
    int different = 0;
#pragma omp parallel num_threads(4) reduction(+ : different)
    {
        heed_arena *own = heed_arena_new();
        heed_tensor mine = heed_tensor_new(own, HEED_SHAPE(N, N));
        bool ok = k_gemm(own, mine, a, b, (k_gemm_how){ .by = HEED_GEMM_BLAS });
        different += !ok || memcmp(mine.data, c.data, N * N * sizeof *c.data) != 0;
        heed_arena_free(own);
    }
    assert_int_equal(different, 0);
    omp_set_num_threads(before);
    heed_arena_reset(arena);
}

static void scratch_failures(void **state)
{
    (void)state;
    heed_tensor a = heed_tensor_slice(dense(HEED_SHAPE(100, 50, 2)), 2, 0, 1), b = dense(HEED_SHAPE(50, 80));
    a = heed_tensor_reshape(a, HEED_SHAPE(100, 50)); /* strides 100 and 2: copied */
    heed_tensor c = heed_tensor_slice(dense(HEED_SHAPE(100, 80, 3)), 2, 1, 2);
    c = heed_tensor_reshape(c, HEED_SHAPE(100, 80)); /* written through scratch */
    heed_memory before = heed_memory_now();
    for (int way = 0; way < 2; way++) {
        int64_t calls = 0;
        for (int64_t n = 0; n <= calls; n++) { /* 0: nothing fails */
            heed_memory start = heed_memory_now();
            heed_memory_fail_at(n, false);
            heed_arena *own = heed_arena_new();
            bool ok = own && k_gemm(own, c, a, b, (k_gemm_how){ .beta = 1, .threads = 3, .by = ways[way] });
            heed_memory_fail_at(0, false);
            assert_int_equal(heed_arena_marked(own).used, 0); /* all given back */
            heed_arena_free(own);
            if (n == 0)
                calls = heed_memory_now().calls - start.calls;
            assert_int_equal(ok, n == 0);
            if (n > 0)
                check_failed(HEED_MEMORY, "out of memory");
            assert_int_equal(heed_memory_now().bytes, before.bytes);
            assert_int_equal(heed_memory_now().blocks, before.blocks);
        }
        assert_in_range(calls, 2, 4);
    }
    heed_arena_reset(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_views),
        cmocka_unit_test(transposes_cost_nothing),
        cmocka_unit_test(heads_cost_nothing),
        cmocka_unit_test(batches_merge),
        cmocka_unit_test(ones_have_no_stride),
        cmocka_unit_test(refusals),
        cmocka_unit_test(wide_strides_are_copied),
        cmocka_unit_test(threads_are_left_alone),
        cmocka_unit_test(scratch_failures),
    };
    arena = heed_arena_new();
    scratch = heed_arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    heed_arena_free(arena);
    heed_arena_free(scratch);
    return failed;
}
