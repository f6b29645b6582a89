/* k_few: a product c = a b + beta c + bias with few rows, as in decoding, where packing b would cost more than the
 * product does. For a and b whose k is contiguous (x W^T). A row of a is multiplied by LANES columns of b side by side,
 * LANES values of k at a time; the vectors of partial sums are then added up by neighbours. So an element's bits depend
 * on its row and its column alone. */
#include "k_lanes.h"

#include <string.h>

#if K_TILE

enum { FEW = 12 };

/* Each row costs adding up LANES vectors, whatever k. */
bool k_few_fits(const gemm_product *p)
{
    return p->m.size <= FEW && p->k.size >= 8 * p->m.size && p->k.a == 1 && p->k.b == 1;
}

/* Room for the last columns of b, and the last values of k of a and b, padded with zeros. */
static int64_t lines(const gemm_product *p)
{
    return LANES * (p->k.size + LANES) / GEMM_LINE + 1;
}

/* Sums over whole vectors of k, and over a rest of one vector that lies elsewhere. */
typedef struct {
    const float *x, *w, *x_rest, *w_rest;
    int64_t w_row, k;
} dot;

static inline void add_products(lanes sums[LANES], const float *x, const float *w, int64_t w_row)
{
    lanes here = *(const loose_lanes *)x;
    UNROLL
    for (int j = 0; j < LANES; j++)
        sums[j] += here * *(const loose_lanes *)(w + j * w_row);
}

/* Lane j: x . (row j of w) */
static lanes dots(const dot *d)
{
    lanes sums[LANES];
    UNROLL
    for (int j = 0; j < LANES; j++)
        sums[j] = (lanes){ 0 };
    for (int64_t i = 0; i < d->k; i += LANES)
        add_products(sums, d->x + i, d->w + i, d->w_row);
    if (d->x_rest)
        add_products(sums, d->x_rest, d->w_rest, LANES);
    for (int half = LANES / 2; half > 0; half /= 2) {
        UNROLL
        for (int j = 0; j < half; j++)
            sums[j] = lanes_pairs(sums[2 * j], sums[2 * j + 1]);
    }
    return sums[0];
}

/* rows of `from`, `there` of them and `count` long, to [LANES][row], the rest 0 */
static void pad(float *to, int64_t row, const float *from, int64_t from_row, int64_t there, int64_t count)
{
    memset(to, 0, (size_t)(LANES * row) * sizeof *to);
    for (int64_t j = 0; j < there; j++)
        memcpy(to + j * row, from + j * from_row, (size_t)count * sizeof *to);
}

/* c [1, there] of one row */
static void put(const gemm_product *p, int64_t row, int64_t column, lanes sums, int64_t there)
{
    float *c = p->c + row * p->m.c + column * p->n.c;
    if (there == LANES && p->n.c == 1) {
        if (p->beta != 0)
            sums += p->beta * *(loose_lanes *)c;
        if (p->bias)
            sums += *(const loose_lanes *)(p->bias + column);
        *(loose_lanes *)c = sums;
        return;
    }
    for (int64_t j = 0; j < there; j++) {
        float *to = c + j * p->n.c, sum = p->beta != 0 ? sums[j] + p->beta * *to : sums[j];
        *to = p->bias ? sum + p->bias[column + j] : sum;
    }
}

static void run_item(const gemm_product *p, heed_real *scratch)
{
    int64_t whole = p->k.size / LANES * LANES, rest = p->k.size - whole;
    _Alignas(64) float x_rest[FEW][LANES] = { 0 };
    for (int64_t i = 0; i < p->m.size; i++)
        memcpy(x_rest[i], p->a + i * p->m.a + whole, (size_t)rest * sizeof(float));
    for (int64_t j = 0; j < p->n.size; j += LANES) {
        int64_t there = p->n.size - j < LANES ? p->n.size - j : LANES;
        dot d = { .w = p->b + j * p->n.b, .w_row = p->n.b, .k = whole };
        if (rest)
            pad(scratch, LANES, d.w + whole, p->n.b, there, rest);
        d.w_rest = scratch;
        if (there < LANES) {
            pad(scratch + LANES * LANES, whole, d.w, p->n.b, there, whole);
            d.w = scratch + LANES * LANES, d.w_row = whole;
        }
        for (int64_t i = 0; i < p->m.size; i++) {
            d.x = p->a + i * p->m.a;
            d.x_rest = rest ? x_rest[i] : NULL;
            put(p, i, j, dots(&d), there);
        }
    }
}

static void run(const gemm_product *whole, heed_real *scratch)
{
    gemm_product p = *whole;
    int64_t index[HEED_MAX_RANK] = { 0 };
    do
        run_item(&p, scratch);
    while (gemm_next_item(&p, index));
}

const gemm_way k_few = { .scratch = lines, .run = run, .any_cut = true, .rows = 96, .columns = 64 };

#endif
