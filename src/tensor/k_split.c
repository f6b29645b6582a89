/* k_split: products of bf16 parts, accumulated in float: what matrix units are made for.
 *
 * A float has 24 bits, a bf16 number 8, with the same exponents. x = x0 + x1 + x2, where x0 is the bf16 number next to
 * x, x1 that next to x - x0, and x2 what is left; the differences are exact, and so are products of parts in float. With
 * u = 2^-8 the terms left out are below, relative to |a||b|:
 *
 *     bf16      a0 b0                                      2u + u^2              7.9e-3
 *     split3    a1 b0 + a0 b1 + a0 b0                      3u^2 + ..             4.6e-5
 *     split6    a2 b0 + a0 b2 + a1 b1 + a1 b0 + ..         2u^3 + ..             1.2e-7
 *
 * to which the rounding of the sums is added, as in any product. (Henry, Tang, Heinecke, "Leveraging the bfloat16
 * artificial intelligence datatype for higher-precision computations", 2019.) tests/test_split.c measures both. Factors
 * below 1e-33 lose their lower parts. An infinite factor gives infinities or NaN where it takes part; NaN gives NaN.
 *
 * The order, which all units keep to the bit: products from the smallest to the largest, each over all k of a block;
 * of 32 values of k at a time, the 16 even ones and the 16 odd ones are summed from zero, one after the other, then
 * these two are added, and then that to the sum so far. (Intel SDM, TDPBF16PS.) */
#include "k_split.h"

#include <string.h>

#ifndef HEED_DOUBLE

enum {
    DEPTH = 512,   /* most k at once */
    COLUMNS = 256, /* most columns whose panels are held at once */
};

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The nearest bf16 number, ties to even, in the upper half. Not an infinity, unless x is one. */
static inline uint32_t nearest(float x)
{
    const uint32_t all = 0x7F800000, upper = 0xFFFF0000;
    uint32_t bits = bits_of(x), rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & upper;
    uint32_t cut = (bits & upper) | ((bits & ~0x80000000) > all ? 0x400000 : 0); /* NaN stays NaN */
    return (rounded & all) == all || (bits & all) == all ? cut : rounded;
}

/* to[part][i] = the parts of the pair even[i], odd[i]; parts of a matrix are `apart` pairs apart */
static void split_pairs(uint32_t *to, int64_t apart, int parts, float *even, float *odd)
{
    for (int part = 0; part < parts; part++, to += apart)
        for (int i = 0; i < SPLIT_SIDE; i++) {
            uint32_t low = nearest(even[i]), high = nearest(odd[i]);
            to[i] = low >> 16 | high;
            even[i] -= float_of(low);
            odd[i] -= float_of(high);
        }
}

/* to[i] = from[i stride], i < there, then 0 */
static void gather(float *to, const float *from, int64_t stride, int64_t there)
{
    for (int64_t i = 0; i < SPLIT_SIDE; i++)
        to[i] = i < there ? from[i * stride] : 0;
}

/* One row of a tile of a: SPLIT_SIDE pairs of k, of which `there` values are in a. */
static void pack_row(uint32_t *to, int64_t apart, int parts, const float *a, int64_t k_stride, int64_t there)
{
    float even[SPLIT_SIDE], odd[SPLIT_SIDE];
    gather(even, a, 2 * k_stride, (there + 1) / 2);
    gather(odd, a + k_stride, 2 * k_stride, there / 2);
    split_pairs(to, apart, parts, even, odd);
}

/* One row of a tile of b: two values of k, or one, or none, of `there` columns. */
static void pack_pair(uint32_t *to, int64_t apart, int parts, const float *b, gemm_axis k, gemm_axis n)
{
    float even[SPLIT_SIDE], odd[SPLIT_SIDE];
    gather(even, b, n.b, k.size > 0 ? n.size : 0);
    gather(odd, b + k.b, n.b, k.size > 1 ? n.size : 0);
    split_pairs(to, apart, parts, even, odd);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t steps_in(int64_t k)
{
    return (k + SPLIT_STEP - 1) / SPLIT_STEP;
}

/* A strip, or a panel, of one part has this many pairs. */
static int64_t part_size(int64_t steps)
{
    return steps * 2 * SPLIT_TILE;
}

/* SPLIT_WIDE rows of a, of which m.size are there, as tiles. */
static void pack_strip(uint32_t *strip, int parts, const float *a, gemm_axis m, gemm_axis k)
{
    int64_t steps = steps_in(k.size), apart = part_size(steps);
    for (int64_t step = 0; step < steps; step++)
        for (int64_t i = 0; i < SPLIT_WIDE; i++, strip += SPLIT_SIDE) {
            int64_t there = i < m.size ? least(k.size - step * SPLIT_STEP, SPLIT_STEP) : 0;
            pack_row(strip, apart, parts, a + i * m.a + step * SPLIT_STEP * k.a, k.a, there);
        }
}

/* SPLIT_WIDE columns of b, of which n.size are there, as tiles. */
static void pack_panel(uint32_t *panel, int parts, const float *b, gemm_axis k, gemm_axis n)
{
    int64_t steps = steps_in(k.size), apart = part_size(steps), columns = n.size, depth = k.size;
    for (int64_t step = 0; step < steps; step++)
        for (int64_t half = 0; half < SPLIT_WIDE; half += SPLIT_SIDE)
            for (int64_t pair = 0; pair < SPLIT_SIDE; pair++, panel += SPLIT_SIDE) {
                int64_t first = step * SPLIT_STEP + 2 * pair;
                n.size = least(columns - half, SPLIT_SIDE);
                k.size = depth - first;
                pack_pair(panel, apart, parts, b + first * k.b + half * n.b, k, n);
            }
}

/* c [m, n] = sums + beta c + bias */
static void put(const gemm_product *p, const float *sums)
{
    for (int64_t i = 0; i < p->m.size; i++)
        for (int64_t j = 0; j < p->n.size; j++) {
            float *c = p->c + i * p->m.c + j * p->n.c, sum = sums[i * SPLIT_WIDE + j];
            sum = p->beta != 0 ? sum + p->beta * *c : sum;
            *c = p->bias ? sum + p->bias[j] : sum;
        }
}

static gemm_product narrowed(const gemm_product *p, int64_t m0, int64_t n0)
{
    gemm_product q = *p;
    q.c += m0 * p->m.c + n0 * p->n.c;
    q.m.size = least(p->m.size - m0, SPLIT_WIDE);
    q.n.size = least(p->n.size - n0, SPLIT_WIDE);
    q.bias = p->bias ? p->bias + n0 : NULL;
    return q;
}

static const split_mode *mode_of(const gemm_product *p)
{
    static const split_mode modes[] = {
        { .parts = 3, .products = 6, .a = { 2, 0, 1, 1, 0, 0 }, .b = { 0, 2, 1, 0, 1, 0 } }, /* HEED_GEMM_SPLIT6 */
        { .parts = 2, .products = 3, .a = { 1, 0, 0 }, .b = { 0, 1, 0 } },
        { .parts = 1, .products = 1 },
    };
    return &modes[p->by - HEED_GEMM_SPLIT6];
}

/* The strip and the panels of a block, in lines; the sums are on the stack. */
static int64_t lines(const gemm_product *p)
{
    int64_t panels = (least(p->n.size, COLUMNS) + SPLIT_WIDE - 1) / SPLIT_WIDE;
    int64_t pairs = part_size(steps_in(least(p->k.size, DEPTH))) * mode_of(p)->parts;
    return (1 + panels) * pairs / GEMM_LINE;
}

/* A block: k.size deep, n.size wide, and all rows of a. */
static void run_block(const gemm_product *p, uint32_t *strip, const split_unit *unit)
{
    const split_mode *mode = mode_of(p);
    int64_t steps = steps_in(p->k.size), pairs = part_size(steps) * mode->parts;
    uint32_t *panels = strip + pairs;
    _Alignas(64) float sums[SPLIT_WIDE * SPLIT_WIDE];
    for (int64_t n0 = 0; n0 < p->n.size; n0 += SPLIT_WIDE)
        pack_panel(panels + n0 / SPLIT_WIDE * pairs, mode->parts, p->b + n0 * p->n.b, p->k, narrowed(p, 0, n0).n);
    for (int64_t m0 = 0; m0 < p->m.size; m0 += SPLIT_WIDE) {
        pack_strip(strip, mode->parts, p->a + m0 * p->m.a, narrowed(p, m0, 0).m, p->k);
        for (int64_t n0 = 0; n0 < p->n.size; n0 += SPLIT_WIDE) {
            gemm_product tile = narrowed(p, m0, n0);
            unit->sums(sums, strip, panels + n0 / SPLIT_WIDE * pairs, mode, steps);
            put(&tile, sums);
        }
    }
}

static void run_item(const gemm_product *p, uint32_t *scratch, const split_unit *unit)
{
    for (int64_t k0 = 0; k0 < p->k.size; k0 += DEPTH)
        for (int64_t n0 = 0; n0 < p->n.size; n0 += COLUMNS) {
            gemm_product block = *p;
            block.k.size = least(p->k.size - k0, DEPTH);
            block.n.size = least(p->n.size - n0, COLUMNS);
            block.a += k0 * p->k.a, block.b += k0 * p->k.b + n0 * p->n.b, block.c += n0 * p->n.c;
            block.beta = k0 == 0 ? p->beta : 1;
            block.bias = p->bias && k0 + DEPTH >= p->k.size ? p->bias + n0 : NULL;
            run_block(&block, scratch, unit);
        }
}

static void run(const gemm_product *whole, heed_real *scratch)
{
    const split_unit *amx = k_amx_unit(), *unit = amx ? amx : &k_split_plain;
    gemm_product p = *whole;
    int64_t index[HEED_MAX_RANK] = { 0 };
    if (unit->begin)
        unit->begin();
    do
        run_item(&p, (uint32_t *)(void *)scratch, unit);
    while (gemm_next_item(&p, index));
    if (unit->end)
        unit->end();
}

const gemm_way k_split = { .scratch = lines, .run = run, .any_cut = true, .rows = 96, .columns = 64 };

/* ---- the plain unit ---------------------------------------------------------------------------------------------- */

typedef float floats __attribute__((vector_size(SPLIT_SIDE * sizeof(float))));
typedef uint32_t words __attribute__((vector_size(SPLIT_SIDE * sizeof(uint32_t))));

/* sums += a tile of a times a tile of b */
static void add_tiles(float *sums, const uint32_t *a, const uint32_t *b)
{
    for (int i = 0; i < SPLIT_SIDE; i++) {
        floats even = { 0 }, odd = { 0 };
        for (int pair = 0; pair < SPLIT_SIDE; pair++) {
            uint32_t x = a[i * SPLIT_SIDE + pair];
            words y = *(const words *)(const void *)(b + pair * SPLIT_SIDE);
            even += float_of(x << 16) * (floats)(y << 16);
            odd += float_of(x & 0xFFFF0000) * (floats)(y & 0xFFFF0000);
        }
        *(floats *)(void *)(sums + i * SPLIT_WIDE) += even + odd;
    }
}

static void plain_sums(float *sums, const uint32_t *strip, const uint32_t *panel, const split_mode *mode, int64_t steps)
{
    memset(sums, 0, SPLIT_WIDE * SPLIT_WIDE * sizeof *sums);
    for (int product = 0; product < mode->products; product++) {
        const uint32_t *a = strip + mode->a[product] * part_size(steps);
        const uint32_t *b = panel + mode->b[product] * part_size(steps);
        for (int64_t step = 0; step < steps; step++, a += 2 * SPLIT_TILE, b += 2 * SPLIT_TILE)
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 2; j++)
                    add_tiles(sums + i * SPLIT_SIDE * SPLIT_WIDE + j * SPLIT_SIDE, a + i * SPLIT_TILE,
                              b + j * SPLIT_TILE);
    }
}

const split_unit k_split_plain = { .sums = plain_sums };

#endif
