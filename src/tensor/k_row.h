/* Sums and maxima of one contiguous row, for the kernels that work row by row. Partial results in LANES columns, added
 * up in a fixed order: the compiler may vectorise them, and the bits depend on n alone. */
#ifndef HEED_K_ROW_H
#define HEED_K_ROW_H

#include "k_math.h"

enum { K_LANES = 16 };

/* Adds up the partial sums by halves. */
static inline double k_lanes_sum(double part[K_LANES])
{
    for (int half = K_LANES / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++)
            part[lane] += part[lane + half];
    return part[0];
}

/* The largest; -inf if there is none. NaN is passed over. */
static inline heed_real k_row_max(const heed_real *x, int64_t n)
{
    heed_real part[K_LANES], top = -(heed_real)INFINITY;
    int64_t i = 0;
    for (int lane = 0; lane < K_LANES; lane++)
        part[lane] = top;
    for (; i + K_LANES <= n; i += K_LANES)
        for (int lane = 0; lane < K_LANES; lane++)
            part[lane] = x[i + lane] > part[lane] ? x[i + lane] : part[lane];
    for (; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (int half = K_LANES / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++)
            part[lane] = part[lane + half] > part[lane] ? part[lane + half] : part[lane];
    return part[0] > top ? part[0] : top;
}

static inline double k_row_sum(const heed_real *x, int64_t n)
{
    double part[K_LANES] = { 0 }, rest = 0;
    int64_t i = 0;
    for (; i + K_LANES <= n; i += K_LANES)
        for (int lane = 0; lane < K_LANES; lane++)
            part[lane] += (double)x[i + lane];
    for (; i < n; i++)
        rest += (double)x[i];
    return rest + k_lanes_sum(part);
}

static inline double k_row_dot(const heed_real *x, const heed_real *y, int64_t n)
{
    double part[K_LANES] = { 0 }, rest = 0;
    int64_t i = 0;
    for (; i + K_LANES <= n; i += K_LANES)
        for (int lane = 0; lane < K_LANES; lane++)
            part[lane] += (double)x[i + lane] * (double)y[i + lane];
    for (; i < n; i++)
        rest += (double)x[i] * (double)y[i];
    return rest + k_lanes_sum(part);
}

/* sum of exp(x_i - top) */
static inline double k_row_sum_exp(const heed_real *x, heed_real top, int64_t n)
{
    heed_real part[256];
    const int64_t chunk = sizeof part / sizeof *part;
    double sum = 0;
    for (int64_t from = 0; from < n; from += chunk) {
        int64_t count = n - from < chunk ? n - from : chunk;
        for (int64_t i = 0; i < count; i++)
            part[i] = k_exp(x[from + i] - top);
        sum += k_row_sum(part, count);
    }
    return sum;
}

/* *out = value + beta *out, where beta 0 does not read. */
static inline void k_put(heed_real *out, heed_real beta, heed_real value)
{
    *out = beta == 0 ? value : value + beta * *out;
}

#endif
