/* Layer norm (Ba, Kiros and Hinton 2016) and RMS norm (Zhang and Sennrich 2019), row by row:
 *
 *     x^_i = (x_i - mean) scale      scale = 1 / sqrt(mean over i of (x_i - mean)^2 + eps)      y_i = x^_i w_i + b_i
 *
 * with mean = 0 for RMS norm. The sums are in double, and the mean is taken off in two parts: what a heed_real holds of
 * it, and the rest. So rows with a large mean and a small deviation keep their digits. */
#include "k_row.h"
#include "kernels.h"

#include <string.h>

static inline heed_real centred(heed_real x, k_norm_row s)
{
    return (x - s.mean) - s.rest;
}

static double sum_of_squares(const heed_real *x, k_norm_row s, int64_t n)
{
    double part[K_LANES] = { 0 }, sum = 0;
    int64_t i = 0;
    for (; i + K_LANES <= n; i += K_LANES)
        for (int lane = 0; lane < K_LANES; lane++) {
            double d = (double)centred(x[i + lane], s);
            part[lane] += d * d;
        }
    for (; i < n; i++)
        sum += (double)centred(x[i], s) * (double)centred(x[i], s);
    return sum + k_lanes_sum(part);
}

static k_norm_row row_statistics(const heed_real *x, const k_norm *norm)
{
    k_norm_row s = { 0 };
    double n = (double)norm->n;
    if (!norm->rms) {
        double mean = k_row_sum(x, norm->n) / n;
        s.mean = (heed_real)mean;
        s.rest = (heed_real)(mean - (double)s.mean);
    }
    s.scale = (heed_real)(1 / sqrt(sum_of_squares(x, s, norm->n) / n + norm->eps));
    return s;
}

void k_norm_forward(heed_real *y, k_norm_row *stats, const k_norm *norm)
{
    const heed_real *x = norm->x, *w = norm->weight, *b = norm->bias;
    int64_t n = norm->n;
    for (int64_t r = 0; r < norm->rows; r++, x += n, y += n) {
        k_norm_row s = stats[r] = row_statistics(x, norm);
        for (int64_t i = 0; i < n; i++)
            y[i] = centred(x[i], s) * s.scale;
        for (int64_t i = 0; w && i < n; i++)
            y[i] *= w[i];
        for (int64_t i = 0; b && i < n; i++)
            y[i] += b[i];
    }
}

/* With g = dy w:  dx_i = scale (g_i - mean(g) - x^_i mean(g x^)), without the first mean for RMS norm. */
static void row_gradient(heed_real *dx, heed_real beta, const heed_real *x, const heed_real *dy, k_norm_row s,
                         const k_norm *norm)
{
    const heed_real *w = norm->weight;
    double part[K_LANES] = { 0 }, part_x[K_LANES] = { 0 }, sum = 0, sum_x = 0;
    int64_t i = 0, n = norm->n;
    for (; i + K_LANES <= n; i += K_LANES)
        for (int lane = 0; lane < K_LANES; lane++) {
            heed_real g = w ? dy[i + lane] * w[i + lane] : dy[i + lane];
            part[lane] += (double)g;
            part_x[lane] += (double)g * (double)centred(x[i + lane], s);
        }
    for (; i < n; i++) {
        heed_real g = w ? dy[i] * w[i] : dy[i];
        sum += (double)g;
        sum_x += (double)g * (double)centred(x[i], s);
    }
    sum += k_lanes_sum(part);
    sum_x += k_lanes_sum(part_x);
    heed_real mean = norm->rms ? 0 : (heed_real)(sum / (double)n);
    heed_real along = (heed_real)(sum_x / (double)n) * s.scale * s.scale;
    for (i = 0; i < n; i++) {
        heed_real g = w ? dy[i] * w[i] : dy[i];
        k_put(dx + i, beta, s.scale * (g - mean - centred(x[i], s) * along));
    }
}

/* dw = sum over rows of dy x^,  db = sum over rows of dy */
void k_norm_backward(heed_real *dx, heed_real beta, heed_real *dweight, heed_real *dbias, const heed_real *dy,
                     const k_norm_row *stats, const k_norm *norm)
{
    const heed_real *x = norm->x;
    int64_t n = norm->n;
    if (dweight)
        memset(dweight, 0, (size_t)n * sizeof *dweight);
    if (dbias)
        memset(dbias, 0, (size_t)n * sizeof *dbias);
    for (int64_t r = 0; r < norm->rows; r++, x += n, dy += n) {
        k_norm_row s = stats[r];
        for (int64_t i = 0; dweight && i < n; i++)
            dweight[i] += dy[i] * (centred(x[i], s) * s.scale);
        for (int64_t i = 0; dbias && i < n; i++)
            dbias[i] += dy[i];
        if (dx)
            row_gradient(dx + r * n, beta, x, dy, s, norm);
    }
}
