/* Small products that stay in cache: what attention is made of. Every product has one form,
 *
 *     y[r][..] = sum over t of w[r, t] x[t][..]
 *
 * with vectors along x and y, and w read number by number in any order. An element's sum is one chain in the order of t,
 * however the product is cut, so cutting it changes no bits. At 512 bits both compilers reach the processor's peak. */
#ifndef HEED_K_TILE_H
#define HEED_K_TILE_H

#include "tensor.h"

#include <string.h>

/* R(V): rows of a block of V vectors; as many sums as registers hold beside x and w. */
#if defined(__AVX512F__)
enum { TILE_BYTES = 64, TILE_ROWS1 = 12, TILE_ROWS2 = 8, TILE_ROWS3 = 8, TILE_ROWS4 = 6 };
#elif defined(__AVX__)
enum { TILE_BYTES = 32, TILE_ROWS1 = 12, TILE_ROWS2 = 6, TILE_ROWS3 = 4, TILE_ROWS4 = 3 };
#else
enum { TILE_BYTES = 16, TILE_ROWS1 = 12, TILE_ROWS2 = 6, TILE_ROWS3 = 4, TILE_ROWS4 = 3 };
#endif
enum { TILE_LANES = TILE_BYTES / (int)sizeof(heed_real) };
typedef heed_real tile_vector __attribute__((vector_size(TILE_BYTES)));
typedef heed_real tile_quad __attribute__((vector_size(4 * sizeof(heed_real))));
#define TILE_INLINE static inline __attribute__((always_inline))

TILE_INLINE tile_vector tile_load(const heed_real *from)
{
    tile_vector v;
    memcpy(&v, from, sizeof v);
    return v;
}

TILE_INLINE void tile_store(heed_real *to, tile_vector v)
{
    memcpy(to, &v, sizeof v);
}

/* w[r, t] is w[r * w_row + t * w_step], and one of the two steps is 1. y [rows, vectors], x [depth, vectors]. */
typedef struct {
    heed_real *y;
    const heed_real *w, *x;
    int64_t y_row, w_row, w_step, x_row; /* from row to row, or from t to t */
    int64_t rows, vectors, depth;
    bool add;     /* to what y holds */
    bool careful; /* where w is 0, x is not read: it may be NaN */
} tile_product;

/* R rows from r on, V vectors from v on. flat: w_row is 1. */
TILE_INLINE void tile_block(const int R, const int V, const bool flat, const tile_product *p, int64_t r, int64_t v)
{
    tile_vector sum[TILE_ROWS1][4];
    const int64_t w_row = flat ? 1 : p->w_row, w_step = flat ? p->w_step : 1;
    const heed_real *x = p->x + v * TILE_LANES, *w = p->w + r * w_row;
    heed_real *y = p->y + r * p->y_row + v * TILE_LANES;
    for (int i = 0; i < R; i++)
        for (int j = 0; j < V; j++)
            sum[i][j] = p->add ? tile_load(y + i * p->y_row + j * TILE_LANES) : (tile_vector){ 0 };
    for (int64_t t = 0; t < p->depth; t++) {
        tile_vector at[4];
        for (int j = 0; j < V; j++)
            at[j] = tile_load(x + j * TILE_LANES);
        for (int i = 0; i < R; i++)
            for (int j = 0; j < V; j++)
                sum[i][j] += w[i * w_row] * at[j];
        x += p->x_row;
        w += w_step;
    }
    for (int i = 0; i < R; i++)
        for (int j = 0; j < V; j++)
            tile_store(y + i * p->y_row + j * TILE_LANES, sum[i][j]);
}

TILE_INLINE void tile_column(const int R, const int V, const bool flat, const tile_product *p, int64_t v)
{
    int64_t r = 0;
    for (; r + R <= p->rows; r += R)
        tile_block(R, V, flat, p, r, v);
    if (R > 8 && r + 8 <= p->rows) {
        tile_block(8, V, flat, p, r, v);
        r += 8;
    }
    if (R > 4 && r + 4 <= p->rows) {
        tile_block(4, V, flat, p, r, v);
        r += 4;
    }
    if (R > 2 && r + 2 <= p->rows) {
        tile_block(2, V, flat, p, r, v);
        r += 2;
    }
    for (; r < p->rows; r++)
        tile_block(1, V, flat, p, r, v);
}

TILE_INLINE void tile_columns(const bool flat, const tile_product *p)
{
    int64_t v = 0;
    for (; v + 4 <= p->vectors; v += 4)
        tile_column(TILE_ROWS4, 4, flat, p, v);
    if (v + 3 == p->vectors)
        tile_column(TILE_ROWS3, 3, flat, p, v);
    if (v + 2 == p->vectors)
        tile_column(TILE_ROWS2, 2, flat, p, v);
    if (v + 1 == p->vectors)
        tile_column(TILE_ROWS1, 1, flat, p, v);
}

static inline void tile_multiply_careful(const tile_product *p)
{
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t v = 0; v < p->vectors; v++) {
            heed_real *y = p->y + r * p->y_row + v * TILE_LANES;
            tile_vector sum = p->add ? tile_load(y) : (tile_vector){ 0 };
            for (int64_t t = 0; t < p->depth; t++) {
                heed_real w = p->w[r * p->w_row + t * p->w_step];
                if (w != 0)
                    sum += w * tile_load(p->x + t * p->x_row + v * TILE_LANES);
            }
            tile_store(y, sum);
        }
}

static inline void tile_multiply(const tile_product *p)
{
    if (p->careful)
        tile_multiply_careful(p);
    else if (p->w_row == 1)
        tile_columns(true, p);
    else
        tile_columns(false, p);
}

/* Is every number of x [rows, vectors] finite? */
static inline bool tile_finite(const heed_real *x, int64_t row, int64_t rows, int64_t vectors)
{
    tile_vector sum = { 0 }, zero = { 0 };
    for (int64_t r = 0; r < rows; r++)
        for (int64_t v = 0; v < vectors; v++)
            sum += zero * tile_load(x + r * row + v * TILE_LANES); /* 0, or NaN */
    uint64_t bits[TILE_BYTES / 8], any = 0;
    memcpy(bits, &sum, sizeof bits);
    for (int i = 0; i < TILE_BYTES / 8; i++)
        any |= bits[i];
    return any == 0;
}

/* to [n, width] = factor from [count, n] transposed; zeros beyond count. width is a multiple of 4. */
static inline void tile_transpose(heed_real *to, int64_t width, const heed_real *from, int64_t row, int64_t count,
                                  int64_t n, heed_real factor)
{
    for (int64_t i = 0; i < width; i += 4) {
        const heed_real *at = from + i * row;
        const int64_t rows = count - i < 4 ? count - i : 4;
        int64_t c = 0;
        for (; c + 4 <= n; c += 4) {
            tile_quad a[4] = { { 0 } };
            for (int k = 0; k < 4; k++)
                if (k < rows)
                    memcpy(&a[k], at + k * row + c, sizeof a[k]);
            tile_quad low01 = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5);
            tile_quad high01 = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);
            tile_quad low23 = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
            tile_quad high23 = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
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
