/* Passes over a piece of a parameter slab, at most a few thousand elements that stay in the first cache: what
 * optimisers and shards do with it. Each value depends on its own place only, and the sums of squares run in 16 fixed
 * lanes, so a piece gives the same bits wherever and by whomever it is done. Arrays do not overlap. */
#include <tgmath.h>

#include "k_row.h"
#include "kernels.h"

/* The sum of x[i]^2, in double. x [n] */
double k_sum_squares(const heed_real *x, int64_t n)
{
    k_sums sums = { 0 };
    for (int64_t i = 0; i < n; i += K_WIDTH) {
        k_vec v = k_load_first(x + i, n - i, 0);
        k_sums_add_product(&sums, v, v);
    }
    return k_sums_total(&sums);
}

/* out = beta out + scale (x_0 + x_1 + ...), in that order. out [n], x [count] of [n]; count is at least 1 */
void k_add_all(heed_real *out, heed_real beta, heed_real scale, const heed_real *const *x, int count, int64_t n)
{
    enum { AT_ONCE = 4 }; /* vectors */
    int64_t i = 0;
    for (; i + AT_ONCE * K_WIDTH <= n; i += AT_ONCE * K_WIDTH) {
        k_vec sum[AT_ONCE] = { { 0 } };
        for (int k = 0; k < count; k++)
            for (int j = 0; j < AT_ONCE; j++)
                sum[j] += k_load(x[k] + i + j * K_WIDTH);
        for (int j = 0; j < AT_ONCE; j++)
            k_put_first(out + i + j * K_WIDTH, beta, scale * sum[j], K_WIDTH);
    }
    for (; i < n; i += K_WIDTH) {
        k_vec sum = { 0 };
        for (int k = 0; k < count; k++)
            sum += k_load_first(x[k] + i, n - i, 0);
        k_put_first(out + i, beta, scale * sum, n - i);
    }
}

/* x = factor x. x [n] */
void k_scale(heed_real *x, heed_real factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= factor;
}

/* Kingma and Ba 2015, algorithm 1; decoupled decay: Loshchilov and Hutter 2019, algorithm 2. In PyTorch's order:
 *     x = keep x          g = clip g + l2 x
 *     m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
 *     x = x - rate m / (sqrt(v) unbias + eps)
 * x, m, v, g [n] */
void k_adamw(heed_real *restrict x, heed_real *restrict m, heed_real *restrict v, const heed_real *restrict g,
             int64_t n, const k_adamw_rates *rates)
{
    const k_adamw_rates r = *rates;
    for (int64_t i = 0; i < n; i++) {
        heed_real value = r.keep * x[i];
        heed_real slope = r.clip * g[i] + r.l2 * value;
        m[i] = r.beta1 * m[i] + r.one_less_beta1 * slope;
        v[i] = r.beta2 * v[i] + r.one_less_beta2 * slope * slope;
        x[i] = value - r.rate * m[i] / (sqrt(v[i]) * r.unbias + r.eps);
    }
}

/* g = clip g + l2 x          m = momentum m + g          x = x - rate (nesterov ? g + momentum m : m)
 * x, m, g [n] */
void k_sgd(heed_real *restrict x, heed_real *restrict m, const heed_real *restrict g, int64_t n,
           const k_sgd_rates *rates)
{
    const k_sgd_rates r = *rates;
    heed_real of_slope = r.nesterov ? 1 : 0, of_moment = r.nesterov ? r.momentum : 1;
    for (int64_t i = 0; i < n; i++) {
        heed_real slope = r.clip * g[i] + r.l2 * x[i];
        m[i] = r.momentum * m[i] + slope;
        x[i] -= r.rate * (of_slope * slope + of_moment * m[i]);
    }
}
