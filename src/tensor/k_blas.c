/* k_blas: products through CBLAS. Operands that CBLAS can read with some leading dimension are read in place, the
 * others are copied to scratch. CBLAS never sees a stride of 0 or an output that overlaps.
 *
 * Loading. A program that is linked to a CBLAS uses that. Any other one loads OpenBLAS, or the library HEED_BLAS names,
 * when a product first needs it: a program linked to OpenBLAS starts later, and has threads that spin beside its own
 * (docs/speed.md).
 *
 * Threads. The bits of a product depend on the number of threads OpenBLAS uses, so it gets one. Measured with 0.3.21:
 * in the pthread build openblas_set_num_threads(1) does that, once, and nothing else is touched. In the OpenMP build
 * that call sets OpenMP's own thread count to 1, and setting it back with omp_set_num_threads gives OpenBLAS its
 * threads back: the count it uses is the caller's omp_get_max_threads(), looked up at each call. So there the calling
 * thread's count is 1 for the time of the product only.
 *
 * Memory. Every call that runs at the same time as others needs a buffer of 128 MiB of OpenBLAS's, and where a limit
 * (ulimit -v) forbids it OpenBLAS tries again for ever. OpenBLAS's own threads want one each as soon as it is loaded, and
 * if they cannot get it a program hangs at its end; with OPENBLAS_NUM_THREADS=1 it has none. So there is a look whether
 * all that can be had, before it is loaded. */
#include "k_gemm.h"

#include <cblas.h>
#include <dlfcn.h>
#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef HEED_DOUBLE
#define CBLAS_GEMM cblas_dgemm
#else
#define CBLAS_GEMM cblas_sgemm
#endif
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* NULL in a program that is not linked to a CBLAS; only OpenBLAS has the last three. */
__typeof__(CBLAS_GEMM) CBLAS_GEMM __attribute__((weak));
void openblas_set_num_threads(int n) __attribute__((weak));
int openblas_get_parallel(void) __attribute__((weak));
char *openblas_get_config(void) __attribute__((weak));

static struct {
    __typeof__(CBLAS_GEMM) *gemm; /* NULL: there is none, and `why` not */
    void (*set_num_threads)(int n);
    int (*get_parallel)(void);
    char *(*get_config)(void);
    bool follows_openmp;
    char why[256];
} blas;
static pthread_once_t loaded = PTHREAD_ONCE_INIT;

/* ISO C has no cast from an object's address to a function's; POSIX gives them one size. */
static void find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
}

/* The first name that is there; why not is of the first one tried. */
static void *open_library(void)
{
    const char *own = getenv("HEED_BLAS");
    const char *const names[] = { own && *own ? own : "libopenblas.so.0", "libopenblas.so.3", "libopenblas.so" };
    void *library = NULL;
    for (int i = 0; i < (own && *own ? 1 : 3) && !library; i++)
        if (!(library = dlopen(names[i], RTLD_NOW)) && i == 0)
            snprintf(blas.why, sizeof blas.why, "%s", dlerror());
    return library;
}

static void load(void)
{
    enum { BY_OPENMP = 2 /* what get_parallel says */ };
    blas.gemm = CBLAS_GEMM;
    blas.set_num_threads = openblas_set_num_threads;
    blas.get_parallel = openblas_get_parallel;
    blas.get_config = openblas_get_config;
    void *library = blas.gemm ? NULL : open_library();
    if (library) {
        find(library, TEXT(CBLAS_GEMM), &blas.gemm);
        find(library, "openblas_set_num_threads", &blas.set_num_threads);
        find(library, "openblas_get_parallel", &blas.get_parallel);
        find(library, "openblas_get_config", &blas.get_config);
        if (!blas.gemm)
            snprintf(blas.why, sizeof blas.why, "the library has no " TEXT(CBLAS_GEMM));
    }
    if (blas.gemm && blas.get_config && strstr(blas.get_config(), "USE64BITINT")) {
        blas.gemm = NULL;
        snprintf(blas.why, sizeof blas.why, "the library takes integers of 64 bits, not of 32");
    }
    if (blas.gemm && blas.get_parallel && blas.get_parallel() == BY_OPENMP)
        blas.follows_openmp = true;
    else if (blas.gemm && blas.set_num_threads)
        blas.set_num_threads(1);
}

/* A buffer for each thread that multiplies and, unless OpenBLAS is there already, for each of its own. */
static bool room_for(int threads, bool is_loaded)
{
    static const int64_t buffer = (INT64_C(128) + 2) << 20;
    const char *own = getenv("OPENBLAS_NUM_THREADS");
    if (!is_loaded && !CBLAS_GEMM)
        threads += own && atoi(own) > 0 ? atoi(own) - 1 : omp_get_num_procs() - 1;
    void *room = mmap(NULL, (size_t)(threads * buffer), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return heed_fail(HEED_MEMORY,
                         "gemm: out of memory: OpenBLAS needs a buffer of 128 MiB for each of %d threads, and would "
                         "wait for it for ever; hint: raise `ulimit -v`, or use fewer threads, of OpenBLAS too "
                         "(OPENBLAS_NUM_THREADS=1)",
                         threads);
    munmap(room, (size_t)(threads * buffer));
    return true;
}

static bool ready(int threads)
{
    static atomic_int seen; /* so many at once have been looked for */
    int before = atomic_load(&seen);
    if (before < threads && !room_for(threads, before > 0))
        return false;
    pthread_once(&loaded, load);
    if (!blas.gemm)
        return heed_fail(HEED_UNSUPPORTED,
                         "gemm: this product is for BLAS, and there is none: %s; hint: install OpenBLAS, or name a "
                         "library with CBLAS in HEED_BLAS",
                         blas.why);
    if (before < threads)
        atomic_store(&seen, threads);
    return true;
}

/* ---- a product --------------------------------------------------------------------------------------------------- */

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
    bool copied;
    heed_real *copy;
    CBLAS_TRANSPOSE transpose;
    int ld;
} operand;

static operand make_operand(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride)
{
    operand o = { .transpose = CblasNoTrans };
    if (has_rows(rows, cols, row_stride, col_stride, &o.ld))
        return o;
    o.transpose = CblasTrans;
    if (has_rows(cols, rows, col_stride, row_stride, &o.ld))
        return o;
    o.transpose = CblasNoTrans;
    o.ld = (int)cols;
    o.view = (heed_tensor){ .shape = HEED_SHAPE(rows, cols), .strides = { row_stride, col_stride } };
    o.copied = true;
    return o;
}

/* Where CBLAS finds the operand of this batch item. */
static const heed_real *operand_at(operand *o, heed_real *data)
{
    if (!o->copied)
        return data;
    if (o->view.data != data) {
        o->view.data = data;
        k_map(heed_tensor_wrap(o->copy, o->view.shape), 0, k_copy_row, &o->view, 1, NULL);
    }
    return o->copy;
}

/* How a product is run. */
typedef struct {
    gemm_product product;
    operand a, b;
    int ldc;     /* of c, or of the block */
    bool direct; /* into c; otherwise through a block of scratch */
} route;

static route make_route(const gemm_product *p)
{
    route r = { .product = *p };
    r.direct = has_rows(p->m.size, p->n.size, p->m.c, p->n.c, &r.ldc);
    if (!r.direct && !p->bias && has_rows(p->n.size, p->m.size, p->n.c, p->m.c, &r.ldc)) {
        r.product = gemm_transposed(p);
        r.direct = true;
    }
    p = &r.product;
    if (!r.direct)
        r.ldc = (int)p->n.size;
    r.a = make_operand(p->m.size, p->k.size, p->m.a, p->k.a);
    r.b = make_operand(p->k.size, p->n.size, p->k.b, p->n.b);
    return r;
}

static int64_t lines(int64_t rows, int64_t cols)
{
    return (rows * cols + GEMM_LINE - 1) / GEMM_LINE;
}

static int64_t lines_of(const operand *o)
{
    return o->copied ? lines(o->view.shape.dims[0], o->view.shape.dims[1]) : 0;
}

static int64_t scratch_lines(const gemm_product *p)
{
    route r = make_route(p);
    return lines_of(&r.a) + lines_of(&r.b) + (r.direct ? 0 : lines(p->m.size, p->n.size));
}

static void gemm(route *r, heed_real *c, heed_real beta)
{
    const gemm_product *p = &r->product;
    blas.gemm(CblasRowMajor, r->a.transpose, r->b.transpose, (int)p->m.size, (int)p->n.size, (int)p->k.size, 1,
              operand_at(&r->a, p->a), r->a.ld, operand_at(&r->b, p->b), r->b.ld, beta, c, r->ldc);
}

static void run_item(route *r, heed_real *block)
{
    const gemm_product *p = &r->product;
    heed_shape shape = HEED_SHAPE(p->m.size, p->n.size);
    heed_tensor c = { .data = p->c, .shape = shape, .strides = { p->m.c, p->n.c } };
    heed_real beta = p->beta;
    if (p->bias) {
        heed_tensor bias = { .data = (heed_real *)(uintptr_t)p->bias, .shape = shape, .strides = { 0, 1 } };
        k_map(c, beta, k_copy_row, &bias, 1, NULL);
        beta = 1;
    }
    if (r->direct) {
        gemm(r, p->c, beta);
    } else {
        heed_tensor result = heed_tensor_wrap(block, shape);
        gemm(r, block, 0);
        k_map(c, beta, k_copy_row, &result, 1, NULL);
    }
}

static void run(const gemm_product *p, heed_real *scratch)
{
    route r = make_route(p);
    int64_t index[HEED_MAX_RANK] = { 0 };
    r.a.copy = scratch;
    r.b.copy = r.a.copy + GEMM_LINE * lines_of(&r.a);
    heed_real *block = r.b.copy + GEMM_LINE * lines_of(&r.b);
    int threads = blas.follows_openmp ? omp_get_max_threads() : 1;
    if (threads > 1)
        omp_set_num_threads(1);
    do
        run_item(&r, block);
    while (gemm_next_item(&r.product, index));
    if (threads > 1)
        omp_set_num_threads(threads);
}

const gemm_way k_blas = { .scratch = scratch_lines, .run = run, .ready = ready, .rows = 96, .columns = 64 };
