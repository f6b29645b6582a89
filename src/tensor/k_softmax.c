/* Softmax and its logarithm, row by row.
 *
 * The largest element is taken off first, so that no finite input overflows. A row of only -inf (everything masked) has
 * no largest element to take off: 0 is used instead, and the sum of exponentials is then 0 (or NaN, if NaN is in it).
 */
#include "k_row.h"
#include "kernels.h"

static heed_real largest(const heed_real *x, int64_t n)
{
    heed_real top = k_row_max(x, n);
    return top == -(heed_real)INFINITY ? 0 : top;
}

/* y_i = exp(x_i - top) / sum_j exp(x_j - top) */
void k_softmax(heed_real *y, const heed_real *x, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        heed_real top = largest(x, n);
        for (int64_t i = 0; i < n; i++)
            y[i] = k_exp(x[i] - top);
        double sum = k_row_sum(y, n);
        heed_real inverse = (heed_real)(sum > 0 ? 1 / sum : sum);
        for (int64_t i = 0; i < n; i++)
            y[i] *= inverse;
    }
}

/* dx_i = y_i (dy_i - sum_j dy_j y_j) */
void k_softmax_grad(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, dx += n, dy += n, y += n) {
        heed_real mean = (heed_real)k_row_dot(dy, y, n);
        for (int64_t i = 0; i < n; i++)
            k_put(dx + i, beta, y[i] * (dy[i] - mean));
    }
}

/* y_i = x_i - top - log sum_j exp(x_j - top) */
void k_log_softmax(heed_real *y, const heed_real *x, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        heed_real top = largest(x, n);
        double sum = k_row_sum_exp(x, top, n);
        heed_real rest = (heed_real)(sum == 0 ? 0 : log(sum));
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] - top - rest;
    }
}

/* dx_i = dy_i - exp(y_i) sum_j dy_j */
void k_log_softmax_grad(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, dx += n, dy += n, y += n) {
        bool nothing = n > 0 && y[0] == -(heed_real)INFINITY && k_row_max(y, n) == -(heed_real)INFINITY;
        heed_real sum = (heed_real)k_row_sum(dy, n);
        for (int64_t i = 0; i < n; i++)
            k_put(dx + i, beta, nothing ? 0 : dy[i] - k_exp(y[i]) * sum);
    }
}
