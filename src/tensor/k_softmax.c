/* Softmax and its logarithm, row by row.
 *
 * The largest element is taken off first, so that no finite input overflows. A row of only -inf (everything masked) has
 * no largest element to take off: 0 is used instead, and the sum of exponentials is then 0 (or NaN, if NaN is in it).
 */
#include "k_row.h"
#include "kernels.h"

/* Sums are in floats, side by side in a vector and then of SPAN elements at a time, which keeps each one short: no loss
 * or norm hangs on them. */
enum { SPAN = 32 * K_WIDTH };

static int64_t span_end(int64_t from, int64_t n)
{
    return n - from < SPAN ? n : from + SPAN;
}

/* One row: out = f(a, b) + beta out. */
typedef void row_fn(heed_real *out, heed_real beta, const heed_real *a, const heed_real *b, int64_t n);

typedef struct {
    row_fn *fn;
    heed_real *out, beta;
    const heed_real *a, *b; /* b NULL: not read */
    int64_t rows, n, each;
} rows_job;

static void some_rows(int64_t part, void *context)
{
    const rows_job *job = context;
    int64_t n = job->n, from = part * job->each, to = from + job->each < job->rows ? from + job->each : job->rows;
    for (int64_t r = from; r < to; r++)
        job->fn(job->out + r * n, job->beta, job->a + r * n, job->b ? job->b + r * n : NULL, n);
}

static void all_rows(rows_job job, int threads)
{
    enum { WORK = 16 }; /* of an element, most of it exp */
    k_parallel(threads, k_parts(job.rows, WORK * job.n, &job.each), some_rows, &job);
}

static heed_real largest(const heed_real *x, int64_t n)
{
    heed_real top = k_row_max(x, n);
    return top == -(heed_real)INFINITY ? 0 : top;
}

/* ---- softmax: y_i = exp(x_i - top) / sum_j exp(x_j - top) -------------------------------------------------------- */

/* With the exp that goes on below 1e-38, for those who take a logarithm of y. */

static void softmax_row(heed_real *y, heed_real beta, const heed_real *x, const heed_real *none, int64_t n)
{
    (void)beta, (void)none;
    heed_real top = largest(x, n), sum = 0;
    for (int64_t from = 0, to; from < n; from = to) {
        k_vec part = { 0 };
        to = span_end(from, n);
        for (int64_t i = from; i < to; i += K_WIDTH) {
            k_vec e = k_exp_vec(k_load_first(x + i, to - i, -(heed_real)INFINITY) - top);
            k_store_first(y + i, e, to - i);
            part += e;
        }
        sum += k_sum_of(part);
    }
    heed_real inverse = sum > 0 ? 1 / sum : sum;
    for (int64_t i = 0; i < n; i += K_WIDTH)
        k_store_first(y + i, k_load_first(y + i, n - i, 0) * inverse, n - i);
}
void k_softmax(heed_real *y, const heed_real *x, int64_t rows, int64_t n, int threads)
{
    all_rows((rows_job){ .fn = softmax_row, .out = y, .a = x, .rows = rows, .n = n }, threads);
}

/* dx_i = y_i (dy_i - sum_j dy_j y_j) */
static void softmax_grad_row(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t n)
{
    heed_real mean = 0;
    for (int64_t from = 0, to; from < n; from = to) {
        k_vec part = { 0 };
        to = span_end(from, n);
        for (int64_t i = from; i < to; i += K_WIDTH)
            part += k_load_first(dy + i, to - i, 0) * k_load_first(y + i, to - i, 0);
        mean += k_sum_of(part);
    }
    for (int64_t i = 0; i < n; i += K_WIDTH)
        k_put_first(dx + i, beta, k_load_first(y + i, n - i, 0) * (k_load_first(dy + i, n - i, 0) - mean), n - i);
}
void k_softmax_grad(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t rows, int64_t n,
                    int threads)
{
    all_rows((rows_job){ .fn = softmax_grad_row, .out = dx, .beta = beta, .a = dy, .b = y, .rows = rows, .n = n },
             threads);
}

/* ---- log-softmax: y_i = x_i - top - log sum_j exp(x_j - top) ----------------------------------------------------- */

static void log_softmax_row(heed_real *y, heed_real beta, const heed_real *x, const heed_real *none, int64_t n)
{
    (void)beta, (void)none;
    heed_real top = largest(x, n);
    double sum = k_row_sum_exp(x, top, n);
    heed_real rest = (heed_real)(sum == 0 ? 0 : log(sum));
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] - top - rest;
}
void k_log_softmax(heed_real *y, const heed_real *x, int64_t rows, int64_t n, int threads)
{
    all_rows((rows_job){ .fn = log_softmax_row, .out = y, .a = x, .rows = rows, .n = n }, threads);
}

/* dx_i = dy_i - exp(y_i) sum_j dy_j; nothing for a row of only -inf */
static void log_softmax_grad_row(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t n)
{
    bool nothing = n > 0 && y[0] == -(heed_real)INFINITY && k_row_max(y, n) == -(heed_real)INFINITY;
    heed_real sum = (heed_real)k_row_sum(dy, n);
    for (int64_t i = 0; i < n; i++)
        k_put(dx + i, beta, nothing ? 0 : dy[i] - k_exp(y[i]) * sum);
}
void k_log_softmax_grad(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t rows, int64_t n,
                        int threads)
{
    all_rows((rows_job){ .fn = log_softmax_grad_row, .out = dx, .beta = beta, .a = dy, .b = y, .rows = rows, .n = n },
             threads);
}
