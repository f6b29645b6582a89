/* Small products of arrays that stay in cache: what attention is made of. All have one form,
 *
 *     y[r][..] = sum over t of w[r, t] x[t][..]
 *
 * with vectors along x and y, and w read number by number in any order. An element's sum is one chain in the order of t,
 * however the product is cut, so cutting it changes no bits. With 512 bits both compilers come near the processor's
 * peak. */
#ifndef HEED_K_PRODUCT_H
#define HEED_K_PRODUCT_H

#include "k_vector.h"

/* Rows of a block that is 1, 2, 3, 4 vectors wide: as many sums as registers hold beside x and w. */
#if defined(__AVX512F__) && !defined(HEED_DOUBLE)
enum { PRODUCT_ROWS1 = 12, PRODUCT_ROWS2 = 8, PRODUCT_ROWS3 = 8, PRODUCT_ROWS4 = 6 };
#else
enum { PRODUCT_ROWS1 = 6, PRODUCT_ROWS2 = 3, PRODUCT_ROWS3 = 2, PRODUCT_ROWS4 = 2 };
#endif
#define PRODUCT_INLINE static inline __attribute__((always_inline))

/* w[r, t] is w[r * w_row + t * w_step], and one of the two steps is 1. y [rows, vectors], x [depth, vectors]. */
typedef struct {
    heed_real *y;
    const heed_real *w, *x;
    int64_t y_row, w_row, w_step, x_row; /* from row to row, or from t to t */
    int64_t rows, vectors, depth;
    bool add;     /* to what y holds */
    bool careful; /* where w is 0, x is not read: it may be NaN */
} k_product;

/* R rows from r on, V vectors from v on. flat: w_row is 1. */
PRODUCT_INLINE void product_block(const int R, const int V, const bool flat, const k_product *p, int64_t r, int64_t v)
{
    k_vec sum[PRODUCT_ROWS1][4];
    const int64_t w_row = flat ? 1 : p->w_row, w_step = flat ? p->w_step : 1;
    const heed_real *x = p->x + v * K_WIDTH, *w = p->w + r * w_row;
    heed_real *y = p->y + r * p->y_row + v * K_WIDTH;
    for (int i = 0; i < R; i++)
        for (int j = 0; j < V; j++)
            sum[i][j] = p->add ? k_load(y + i * p->y_row + j * K_WIDTH) : (k_vec){ 0 };
    for (int64_t t = 0; t < p->depth; t++) {
        k_vec at[4];
        for (int j = 0; j < V; j++)
            at[j] = k_load(x + j * K_WIDTH);
        for (int i = 0; i < R; i++)
            for (int j = 0; j < V; j++)
                sum[i][j] += w[i * w_row] * at[j];
        x += p->x_row;
        w += w_step;
    }
    for (int i = 0; i < R; i++)
        for (int j = 0; j < V; j++)
            k_store(y + i * p->y_row + j * K_WIDTH, sum[i][j]);
}

PRODUCT_INLINE void product_column(const int R, const int V, const bool flat, const k_product *p, int64_t v)
{
    int64_t r = 0;
    for (; r + R <= p->rows; r += R)
        product_block(R, V, flat, p, r, v);
    if (R > 8 && r + 8 <= p->rows) {
        product_block(8, V, flat, p, r, v);
        r += 8;
    }
    if (R > 4 && r + 4 <= p->rows) {
        product_block(4, V, flat, p, r, v);
        r += 4;
    }
    if (R > 2 && r + 2 <= p->rows) {
        product_block(2, V, flat, p, r, v);
        r += 2;
    }
    for (; r < p->rows; r++)
        product_block(1, V, flat, p, r, v);
}

PRODUCT_INLINE void product_columns(const bool flat, const k_product *p)
{
    int64_t v = 0;
    for (; v + 4 <= p->vectors; v += 4)
        product_column(PRODUCT_ROWS4, 4, flat, p, v);
    if (v + 3 == p->vectors)
        product_column(PRODUCT_ROWS3, 3, flat, p, v);
    if (v + 2 == p->vectors)
        product_column(PRODUCT_ROWS2, 2, flat, p, v);
    if (v + 1 == p->vectors)
        product_column(PRODUCT_ROWS1, 1, flat, p, v);
}

static inline void product_careful(const k_product *p)
{
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t v = 0; v < p->vectors; v++) {
            heed_real *y = p->y + r * p->y_row + v * K_WIDTH;
            k_vec sum = p->add ? k_load(y) : (k_vec){ 0 };
            for (int64_t t = 0; t < p->depth; t++) {
                heed_real w = p->w[r * p->w_row + t * p->w_step];
                if (w != 0)
                    sum += w * k_load(p->x + t * p->x_row + v * K_WIDTH);
            }
            k_store(y, sum);
        }
}

static inline void k_multiply(const k_product *p)
{
    if (p->careful)
        product_careful(p);
    else if (p->w_row == 1)
        product_columns(true, p);
    else
        product_columns(false, p);
}

/* Is every number of x [rows, vectors] finite? */
static inline bool k_finite(const heed_real *x, int64_t row, int64_t rows, int64_t vectors)
{
    k_vec sum[4] = { { 0 } }, zero = { 0 };
    for (int64_t v = 0; v < vectors; v++) {
        const heed_real *at = x + v * K_WIDTH;
        int64_t r = 0;
        for (; r + 4 <= rows; r += 4, at += 4 * row)
            for (int i = 0; i < 4; i++)
                sum[i] += zero * k_load(at + i * row); /* 0, or NaN */
        for (; r < rows; r++, at += row)
            sum[0] += zero * k_load(at);
    }
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    uint64_t bits[sizeof(k_vec) / 8], any = 0;
    memcpy(bits, sum, sizeof bits);
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        any |= bits[i];
    return any == 0;
}

typedef heed_real k_quad __attribute__((vector_size(4 * sizeof(heed_real))));

/* to [n, width] = factor from [count, n] transposed; zeros beyond count. width is a multiple of 4. */
static inline void k_transpose(heed_real *to, int64_t width, const heed_real *from, int64_t row, int64_t count,
                               int64_t n, heed_real factor)
{
    for (int64_t i = 0; i < width; i += 4) {
        const heed_real *at = from + i * row;
        const int64_t rows = count - i < 4 ? count - i : 4;
        int64_t c = 0;
        for (; c + 4 <= n; c += 4) {
            k_quad a[4] = { { 0 } };
            for (int k = 0; k < 4; k++)
                if (k < rows)
                    memcpy(&a[k], at + k * row + c, sizeof a[k]);
            k_quad low01 = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5);
            k_quad high01 = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);
            k_quad low23 = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
            k_quad high23 = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
            a[0] = factor * __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
            a[1] = factor * __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
            a[2] = factor * __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
            a[3] = factor * __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
            for (int k = 0; k < 4; k++)
                memcpy(to + (c + k) * width + i, &a[k], sizeof a[k]);
        }
        for (; c < n; c++)
            for (int k = 0; k < 4; k++)
                to[c * width + i + k] = k < rows ? factor * at[k * row + c] : 0;
    }
}

#endif
