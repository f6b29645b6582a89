/* Sums and maxima of one contiguous row, for the kernels that work row by row. */
#ifndef HEED_K_ROW_H
#define HEED_K_ROW_H

#include "k_vector.h"

/* Bits of floats, in the order of the floats they stand for; and back. */
static inline k_integer k_ordered(k_integer bits)
{
    const k_integer largest = (k_integer)(((uint64_t)1 << (8 * sizeof bits - 1)) - 1);
    return bits ^ (bits >> (8 * sizeof bits - 1) & largest);
}

/* The largest; -inf if there is none. NaN counts as beyond the infinity of its sign. As integers, because compilers know
 * how to do that maximum side by side. */
static inline heed_real k_row_max(const heed_real *x, int64_t n)
{
    heed_real value = -(heed_real)INFINITY;
    k_integer bits, top;
    memcpy(&top, &value, sizeof top);
    top = k_ordered(top);
    for (int64_t i = 0; i < n; i++) {
        memcpy(&bits, x + i, sizeof bits);
        bits = k_ordered(bits);
        top = bits > top ? bits : top;
    }
    top = k_ordered(top);
    memcpy(&value, &top, sizeof value);
    return value;
}

static inline double k_row_sum(const heed_real *x, int64_t n)
{
    k_sums sums = { 0 };
    for (int64_t i = 0; i < n; i += K_WIDTH)
        k_sums_add(&sums, k_load_first(x + i, n - i, 0));
    return k_sums_total(&sums);
}

/* sum of exp(x_i - top), where no x_i is above top */
static inline double k_row_sum_exp(const heed_real *x, heed_real top, int64_t n)
{
    k_sums sums = { 0 };
    for (int64_t i = 0; i < n; i += K_WIDTH)
        k_sums_add(&sums, k_exp_low(k_load_first(x + i, n - i, -(heed_real)INFINITY) - top));
    return k_sums_total(&sums);
}

/* *out = value + beta *out, where beta 0 does not read. */
static inline void k_put(heed_real *out, heed_real beta, heed_real value)
{
    *out = beta == 0 ? value : value + beta * *out;
}

/* The same for the first n of a vector. */
static inline void k_put_first(heed_real *out, heed_real beta, k_vec value, int64_t n)
{
    if (beta != 0)
        value += beta * k_load_first(out, n, 0);
    k_store_first(out, value, n);
}

#endif
