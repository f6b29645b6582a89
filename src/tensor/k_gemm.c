/* k_gemm: batched matrix products over strided views, through CBLAS.
 *
 * A product is a set of loop axes, each with a stride in a, b and c: m (not in b), n (not in a), k (not in c), and the
 * batch. A batch axis that continues m, n or k becomes part of it, so that a linear layer over [B, T, D] and its
 * weight gradient are one call each. Operands that CBLAS can read with some leading dimension are read in place, the
 * others are copied to scratch. CBLAS never sees a stride of 0 or an output that overlaps.
 *
 * Threads. The bits of a product depend on the number of threads OpenBLAS uses, so it gets one. Measured with 0.3.21:
 * in the pthread build openblas_set_num_threads(1) does that, once, and nothing else is touched. In the OpenMP build
 * that call sets OpenMP's own thread count to 1, and setting it back with omp_set_num_threads gives OpenBLAS its
 * threads back: the count it uses is the caller's omp_get_max_threads(), looked up at each call. So there the calling
 * thread's count is 1 for the time of the product only. */
#include "internal.h"
#include "kernels.h"

#include <cblas.h>
#include <limits.h>
#include <omp.h>
#include <pthread.h>

#ifdef HEED_DOUBLE
#define cblas_gemm cblas_dgemm
#else
#define cblas_gemm cblas_sgemm
#endif

/* Only OpenBLAS has these; another CBLAS links without them and keeps to its own settings. */
void openblas_set_num_threads(int n) __attribute__((weak));
int openblas_get_parallel(void) __attribute__((weak));
enum { PARALLEL_BY_OPENMP = 2 }; /* what openblas_get_parallel() says */

static pthread_once_t started = PTHREAD_ONCE_INIT;
static bool blas_follows_openmp;

static void start(void)
{
    if (openblas_get_parallel && openblas_get_parallel() == PARALLEL_BY_OPENMP)
        blas_follows_openmp = true;
    else if (openblas_set_num_threads)
        openblas_set_num_threads(1);
}

void k_gemm_start(void)
{
    pthread_once(&started, start);
}

/* One loop index: how often it runs, and what a step of it means in each operand. */
typedef struct {
    int64_t size, a, b, c;
} axis;

typedef struct {
    heed_real *a, *b, *c; /* a and b are only read */
    axis m, n, k, batch[HEED_MAX_RANK];
    int n_batch;
} product;

/* Makes `outer` part of `inner` if the two walk through all operands like one axis. */
static bool absorb(axis *inner, const axis *outer)
{
    if (inner->size == 1) {
        *inner = *outer;
        return true;
    }
    if (outer->a != inner->a * inner->size || outer->b != inner->b * inner->size ||
        outer->c != inner->c * inner->size || outer->size > INT_MAX / inner->size)
        return false;
    inner->size *= outer->size;
    return true;
}

static product make_product(heed_tensor c, heed_tensor a, heed_tensor b)
{
    int rank = c.shape.rank, row = rank - 2, col = rank - 1;
    product p = { .a = a.data, .b = b.data, .c = c.data };
    p.m = (axis){ .size = c.shape.dims[row], .a = a.strides[row], .c = c.strides[row] };
    p.n = (axis){ .size = c.shape.dims[col], .b = b.strides[col], .c = c.strides[col] };
    p.k = (axis){ .size = a.shape.dims[col], .a = a.strides[col], .b = b.strides[row] };
    for (int i = row - 1; i >= 0; i--) {
        axis outer = { .size = c.shape.dims[i], .a = a.strides[i], .b = b.strides[i], .c = c.strides[i] };
        axis *inner = outer.c == 0 ? &p.k : outer.b == 0 ? &p.m : outer.a == 0 ? &p.n : NULL;
        if (outer.size > 1 && !(inner && absorb(inner, &outer)))
            p.batch[p.n_batch++] = outer;
    }
    return p;
}

static axis swap_operands(axis x)
{
    return (axis){ .size = x.size, .a = x.b, .b = x.a, .c = x.c };
}

/* The same product as c' = b' a', with ' for transposed. */
static product transposed(const product *p)
{
    product t = { .a = p->b, .b = p->a, .c = p->c, .n_batch = p->n_batch };
    t.m = swap_operands(p->n);
    t.n = swap_operands(p->m);
    t.k = swap_operands(p->k);
    for (int i = 0; i < p->n_batch; i++)
        t.batch[i] = swap_operands(p->batch[i]);
    return t;
}

/* A matrix as CBLAS wants it: rows of consecutive elements, ld apart. The strides of axes of size 1 mean nothing. */
static bool has_rows(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride, int *ld)
{
    int64_t distance = rows == 1 ? cols : row_stride;
    if ((cols > 1 && col_stride != 1) || distance < cols || distance > INT_MAX)
        return false;
    *ld = (int)distance;
    return true;
}

/* How one matrix operand reaches CBLAS: in place, in place and transposed, or through a copy. */
typedef struct {
    heed_tensor view; /* [rows, cols]; data is that of the batch item last copied */
    heed_tensor copy; /* not ok if none is needed */
    CBLAS_TRANSPOSE transpose;
    int ld;
} operand;

static bool make_operand(operand *o, heed_arena *scratch, int64_t rows, int64_t cols, int64_t row_stride,
                         int64_t col_stride)
{
    *o = (operand){ .transpose = CblasNoTrans };
    if (has_rows(rows, cols, row_stride, col_stride, &o->ld))
        return true;
    o->transpose = CblasTrans;
    if (has_rows(cols, rows, col_stride, row_stride, &o->ld))
        return true;
    o->transpose = CblasNoTrans;
    o->ld = (int)cols;
    o->view = (heed_tensor){ .shape = HEED_SHAPE(rows, cols), .strides = { row_stride, col_stride } };
    o->copy = heed_tensor_new(scratch, o->view.shape);
    return heed_tensor_ok(o->copy);
}

/* Where CBLAS finds the operand of this batch item. */
static const heed_real *operand_at(operand *o, heed_real *data)
{
    if (!heed_tensor_ok(o->copy))
        return data;
    if (o->view.data != data) {
        o->view.data = data;
        k_map(o->copy, 0, k_copy_row, &o->view, 1, NULL);
    }
    return o->copy.data;
}

static void gemm(const product *p, operand *a, operand *b, heed_real *c, int ldc, heed_real alpha, heed_real beta)
{
    cblas_gemm(CblasRowMajor, a->transpose, b->transpose, (int)p->m.size, (int)p->n.size, (int)p->k.size, alpha,
               operand_at(a, p->a), a->ld, operand_at(b, p->b), b->ld, beta, c, ldc);
}

/* Steps to the next batch item; false after the last. */
static bool next_item(product *p, int64_t *index)
{
    for (int i = 0; i < p->n_batch; i++) {
        const axis *x = &p->batch[i];
        if (++index[i] < x->size) {
            p->a += x->a, p->b += x->b, p->c += x->c;
            return true;
        }
        p->a -= (x->size - 1) * x->a, p->b -= (x->size - 1) * x->b, p->c -= (x->size - 1) * x->c;
        index[i] = 0;
    }
    return false;
}

/* Runs all batch items; a c that CBLAS cannot write to gets its results through a block of scratch. */
static bool run(product *p, heed_arena *scratch, heed_real alpha, heed_real beta)
{
    operand a, b;
    int ldc;
    int64_t index[HEED_MAX_RANK] = { 0 };
    heed_tensor block = { .data = NULL };
    bool direct = has_rows(p->m.size, p->n.size, p->m.c, p->n.c, &ldc);
    if (!direct && has_rows(p->n.size, p->m.size, p->n.c, p->m.c, &ldc)) {
        *p = transposed(p);
        direct = true;
    }
    if (!make_operand(&a, scratch, p->m.size, p->k.size, p->m.a, p->k.a) ||
        !make_operand(&b, scratch, p->k.size, p->n.size, p->k.b, p->n.b))
        return false;
    if (!direct) {
        block = heed_tensor_new(scratch, HEED_SHAPE(p->m.size, p->n.size));
        if (!heed_tensor_ok(block))
            return false;
    }
    do {
        if (direct) {
            gemm(p, &a, &b, p->c, ldc, alpha, beta);
        } else {
            heed_tensor c = { .data = p->c, .shape = block.shape, .strides = { p->m.c, p->n.c } };
            gemm(p, &a, &b, block.data, (int)p->n.size, alpha, 0);
            k_map(c, beta, k_copy_row, &block, 1, NULL);
        }
    } while (next_item(p, index));
    return true;
}

/* The shapes fit each other, and CBLAS's ints. */
static bool fits(heed_tensor c, heed_tensor a, heed_tensor b)
{
    heed_shape_buffer ta, tb, tc;
    int rank = c.shape.rank, row = rank - 2, col = rank - 1;
    bool same = rank >= 2 && a.shape.rank == rank && b.shape.rank == rank;
    for (int i = 0; same && i < row; i++)
        same = a.shape.dims[i] == c.shape.dims[i] && b.shape.dims[i] == c.shape.dims[i];
    if (!same || a.shape.dims[row] != c.shape.dims[row] || b.shape.dims[col] != c.shape.dims[col] ||
        a.shape.dims[col] != b.shape.dims[row])
        return heed_fail(HEED_BAD_SHAPE, "gemm: a %s times b %s does not give c %s", heed_shape_text(a.shape, &ta),
                         heed_shape_text(b.shape, &tb), heed_shape_text(c.shape, &tc));
    if (c.shape.dims[row] > INT_MAX || c.shape.dims[col] > INT_MAX || a.shape.dims[col] > INT_MAX)
        return heed_fail(HEED_BAD_SHAPE, "gemm: a %s times b %s: BLAS takes sizes up to %d",
                         heed_shape_text(a.shape, &ta), heed_shape_text(b.shape, &tb), INT_MAX);
    return true;
}

static void zero_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    (void)in, (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = 0;
}

bool k_gemm(heed_arena *scratch, heed_tensor c, double beta, double alpha, heed_tensor a, heed_tensor b)
{
    if (!fits(c, a, b))
        return false;
    heed_tensor distinct = tensor_without_repeats(c);
    bool repeats = !heed_shape_equal(c.shape, distinct.shape);
    bool empty = a.shape.dims[a.shape.rank - 1] == 0;
    if (repeats || empty) { /* elements that several items add to are scaled before the first */
        if (beta != 1)
            k_map(distinct, (heed_real)beta, zero_row, NULL, 0, NULL);
        beta = 1;
    }
    if (empty || heed_tensor_numel(c) == 0)
        return true;
    k_gemm_start();
    product p = make_product(c, a, b);
    heed_arena_mark mark = heed_arena_marked(scratch);
    int threads = blas_follows_openmp ? omp_get_max_threads() : 1;
    if (threads > 1)
        omp_set_num_threads(1);
    bool done = run(&p, scratch, (heed_real)alpha, (heed_real)beta);
    if (threads > 1)
        omp_set_num_threads(threads);
    heed_arena_rewind(scratch, mark);
    return done;
}
