/* Vectors of heed_real, in the form gcc and clang share and lower to whatever the target has: for reductions along a row,
 * which plain loops make slow (gcc keeps partial sums in scalars). Elementwise work is better a plain loop.
 *
 * A row is walked in steps of K_WIDTH; k_load_first and k_store_first take the last step, which may be shorter. The order
 * of every sum depends on the row's length alone. */
#ifndef HEED_K_VECTOR_H
#define HEED_K_VECTOR_H

#include "k_math.h"

enum { K_WIDTH = 16 };
typedef heed_real k_vec __attribute__((vector_size(16 * sizeof(heed_real))));
typedef double k_wide __attribute__((vector_size(8 * sizeof(double))));
#ifdef HEED_DOUBLE
typedef int64_t k_integer; /* as wide as heed_real */
#else
typedef int32_t k_integer;
#endif
typedef k_integer k_mask
    __attribute__((vector_size(16 * sizeof(k_integer)))); /* a comparison: all ones or 0 in a lane */

static inline k_vec k_fill(heed_real x)
{
    return x - (k_vec){ 0 };
}

static inline k_vec k_load(const heed_real *x)
{
    k_vec v;
    memcpy(&v, x, sizeof v);
    return v;
}

static inline void k_store(heed_real *x, k_vec v)
{
    memcpy(x, &v, sizeof v);
}

/* The first n numbers, if there are fewer than K_WIDTH with `rest` behind them. Halves, because gcc makes a loop a call. */
static inline k_vec k_load_first(const heed_real *x, int64_t n, heed_real rest)
{
    if (n >= K_WIDTH)
        return k_load(x);
    k_vec v = k_fill(rest);
    heed_real *to = (heed_real *)&v;
    for (int half = K_WIDTH / 2; half > 0; half /= 2)
        if (n & half) {
            memcpy(to, x, (size_t)half * sizeof *x);
            to += half;
            x += half;
        }
    return v;
}

static inline void k_store_first(heed_real *x, k_vec v, int64_t n)
{
    if (n >= K_WIDTH) {
        k_store(x, v);
        return;
    }
    const heed_real *from = (const heed_real *)&v;
    for (int half = K_WIDTH / 2; half > 0; half /= 2)
        if (n & half) {
            memcpy(x, from, (size_t)half * sizeof *x);
            from += half;
            x += half;
        }
}

static inline k_vec k_select(k_mask where, k_vec a, k_vec b)
{
    return (k_vec)((where & (k_mask)a) | (~where & (k_mask)b));
}

/* x, but 0 where not. */
static inline k_vec k_where(k_mask where, k_vec x)
{
    return (k_vec)(where & (k_mask)x);
}

/* ---- one number from a vector, by halves ------------------------------------------------------------------------- */

static inline k_vec k_swap8(k_vec v)
{
    return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
}
static inline k_vec k_swap4(k_vec v)
{
    return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
}
static inline k_vec k_swap2(k_vec v)
{
    return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

static inline heed_real k_sum_of(k_vec v)
{
    v += k_swap8(v);
    v += k_swap4(v);
    v += k_swap2(v);
    return v[0] + v[1];
}

/* ---- sums in double ---------------------------------------------------------------------------------------------- */

/* Arrays and loops: gcc takes a vector's lanes out one by one to widen them. */
typedef struct {
    double part[K_WIDTH];
} k_sums;

static inline void k_sums_add(k_sums *s, k_vec x)
{
    heed_real lanes[K_WIDTH];
    k_store(lanes, x);
    for (int i = 0; i < K_WIDTH; i++)
        s->part[i] += (double)lanes[i];
}

static inline void k_sums_add_product(k_sums *s, k_vec x, k_vec y)
{
    heed_real a[K_WIDTH], b[K_WIDTH];
    k_store(a, x);
    k_store(b, y);
    for (int i = 0; i < K_WIDTH; i++)
        s->part[i] += (double)a[i] * (double)b[i];
}

static inline double k_sums_total(const k_sums *s)
{
    k_wide low, high;
    memcpy(&low, s->part, sizeof low);
    memcpy(&high, s->part + 8, sizeof high);
    low += high;
    low += __builtin_shufflevector(low, low, 4, 5, 6, 7, 0, 1, 2, 3);
    low += __builtin_shufflevector(low, low, 2, 3, 0, 1, 6, 7, 4, 5);
    return low[0] + low[1];
}

/* ---- exp ------------------------------------------------------------------------------------------------------------- */

#ifndef HEED_DOUBLE
typedef uint32_t k_bits __attribute__((vector_size(16 * sizeof(uint32_t)))); /* wraps where an int must not */

/* By the steps of k_exp: x = n ln 2 + r; returns exp(r). */
static inline k_vec k_exp_reduced(k_vec x, k_mask *n)
{
    const float magic = 12582912;
    k_vec shifted = x * 1.442695041f + magic;
    k_vec whole = shifted - magic;
    k_vec r = x - whole * 0.693359375f;
    r = r - whole * -2.121944401e-4f;
    k_vec p = r * 1.381446706e-3f + 8.368780411e-3f;
    p = p * r + 4.166839421e-2f;
    p = p * r + 1.666652011e-1f;
    p = p * r + 4.999999341e-1f;
    p = p * (r * r) + r;
    *n = (k_mask)((k_bits)shifted - 0x4b400000u);
    return p + 1;
}
#endif

/* k_exp of every lane. */
static inline k_vec k_exp_vec(k_vec x)
{
#ifdef HEED_DOUBLE
    for (int i = 0; i < K_WIDTH; i++)
        x[i] = exp(x[i]);
    return x;
#else
    k_mask power;
    k_vec p = k_exp_reduced(x, &power);
    k_mask half = power >> 1;
    p = p * (k_vec)(((k_bits)half + 127) << 23) * (k_vec)(((k_bits)power - (k_bits)half + 127) << 23);
    p = (k_vec)((k_mask)p & ~(x < -103.972084f));
    return k_select(x > 88.7228394f, k_fill(INFINITY), p);
#endif
}

/* The same for x <= 0 alone, in less time: 0 below -86.9. */
static inline k_vec k_exp_low(k_vec x)
{
#ifdef HEED_DOUBLE
    return k_exp_vec(x);
#else
    k_mask power;
    k_vec p = k_exp_reduced(x, &power);
    p = (k_vec)((k_bits)p + ((k_bits)power << 23));        /* straight into the exponent */
    return k_select(x >= -86.9f, p, k_where(~(x < 0), x)); /* beyond: 0, or NaN */
#endif
}

#endif
