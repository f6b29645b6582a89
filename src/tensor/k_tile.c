/* k_tile: a product c = a b + beta c + bias in tiles that stay in vector registers.
 *
 * A tile of 12 x 32 sums is held in registers while k runs: 12 rows of a times 32 columns of b, which the first caches
 * keep. Both are read where they are, or copied first if their strides are bad for the cache; columns that do not lie
 * side by side are packed into panels [k][32]. (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008, with both levels of blocks
 * reduced to what a Transformer's layers need.) Any strides will do.
 *
 * Every element of c is one chain of fused multiply-adds in order of k, in blocks of DEPTH; so its bits depend on
 * neither the number of rows and columns, nor on where a caller cuts them.
 *
 * Why not BLAS: docs/speed.md has the figures. */
#include "k_lanes.h"

#include <string.h>

#if K_TILE

enum {
    ROWS = LANES == 16 ? 12 : 6, /* with VECTORS, as many sums as there are registers for */
    VECTORS = 2,
    WIDTH = VECTORS * LANES, /* of a panel */
    STEP = ROWS / 3,         /* there are tiles of STEP, 2 STEP and ROWS rows */
    DEPTH = 512,             /* most k in a panel */
    BLOCK = 1 << 17,         /* numbers in all panels held at once: half a megabyte */
    GROUP = 4,               /* strips copied at once: together their columns are whole lines of the cache */
    STRIP = DEPTH + LANES,   /* between the rows of a copied strip: not a power of two, which would share cache sets */
    ROOM = GROUP * ROWS * STRIP, /* for the copies; the same for all products, so that none is the first to need more */
    PAGE = 4096 / sizeof(float),
};

/* ---- the tile ---------------------------------------------------------------------------------------------------- */

typedef struct {
    float *c;
    const float *a, *b, *bias; /* bias [width] or NULL */
    int64_t c_row, a_row, a_k, b_k, k;
    float beta;
    uintptr_t soon, each; /* what is needed next and from k to k, in bytes: it is called into the cache meanwhile */
} tile;

/* The constants come from the caller below: the loops unroll, and the sums are registers. */
static inline __attribute__((always_inline)) void sum_tile(const tile *t, int rows, int vectors, int64_t a_row,
                                                           int64_t a_k)
{
    lanes sums[ROWS * VECTORS]; /* [rows][vectors] */
    UNROLL
    for (int s = 0; s < rows * vectors; s++)
        sums[s] = (lanes){ 0 };
    if (t->k >= DEPTH / 2) /* c may be far, and there is time to fetch it */
        UNROLL
    for (int s = 0; s < rows * vectors; s++)
        __builtin_prefetch(t->c + s / vectors * t->c_row + s % vectors * LANES, 1);
    const float *a[] = { t->a, t->a + STEP * a_row, t->a + 2 * STEP * a_row }, *b = t->b; /* few pointers: no spills */
    uintptr_t soon = t->soon;
    for (int64_t k = 0; k < t->k; k++, b += t->b_k, soon += t->each) {
        __builtin_prefetch((const void *)soon);
        UNROLL
        for (int s = 0; s < rows * vectors; s++) {
            int row = s / vectors;
            sums[s] += a[row / STEP][row % STEP * a_row] * *(const lanes *)(b + s % vectors * LANES);
        }
        UNROLL
        for (int group = 0; group < 3; group++)
            a[group] += a_k;
    }
    UNROLL
    for (int s = 0; s < rows * vectors; s++) {
        loose_lanes *c = (loose_lanes *)(t->c + s / vectors * t->c_row + s % vectors * LANES);
        if (t->beta != 0)
            sums[s] += t->beta * *c;
        if (t->bias)
            sums[s] += *(const loose_lanes *)(t->bias + s % vectors * LANES);
        *c = sums[s];
    }
}

/* Rows in thirds of ROWS, and vectors. The strides of a are general, but a 1 that is constant saves registers. */
static void run_rows(const tile *t, int64_t thirds, int64_t vectors)
{
    switch (10 * thirds + vectors) {
    case 11:
        sum_tile(t, STEP, 1, t->a_row, 1);
        break;
    case 12:
        sum_tile(t, STEP, 2, t->a_row, 1);
        break;
    case 21:
        sum_tile(t, 2 * STEP, 1, t->a_row, 1);
        break;
    case 22:
        sum_tile(t, 2 * STEP, 2, t->a_row, 1);
        break;
    case 31:
        sum_tile(t, ROWS, 1, t->a_row, 1);
        break;
    case 32:
        sum_tile(t, ROWS, 2, t->a_row, 1);
        break;
    }
}

static void run_columns(const tile *t, int64_t thirds, int64_t vectors)
{
    switch (10 * thirds + vectors) {
    case 11:
        sum_tile(t, STEP, 1, 1, t->a_k);
        break;
    case 12:
        sum_tile(t, STEP, 2, 1, t->a_k);
        break;
    case 21:
        sum_tile(t, 2 * STEP, 1, 1, t->a_k);
        break;
    case 22:
        sum_tile(t, 2 * STEP, 2, 1, t->a_k);
        break;
    case 31:
        sum_tile(t, ROWS, 1, 1, t->a_k);
        break;
    case 32:
        sum_tile(t, ROWS, 2, 1, t->a_k);
        break;
    }
}

static void run_tile(const tile *t, int64_t rows, int64_t width)
{
    (t->a_k == 1 ? run_rows : run_columns)(t, (rows + STEP - 1) / STEP, width / LANES);
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* out[i][j] = in[j][i], LANES x LANES, by interleaving the lower with the upper half of the rows, log2 LANES times; of
 * the rows of `in` the first `there` are read, the others are 0. */
static inline void transpose(float *out, int64_t out_row, const float *in, int64_t in_row, int64_t there)
{
    lanes x[LANES], y[LANES];
    UNROLL
    for (int i = 0; i < LANES; i++)
        x[i] = i < there ? *(const loose_lanes *)(in + i * in_row) : (lanes){ 0 };
    for (int done = 1; done < LANES; done *= 2) {
        UNROLL
        for (int i = 0; i < LANES / 2; i++) {
            y[2 * i] = lanes_lower(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = lanes_upper(x[i], x[i + LANES / 2]);
        }
        UNROLL
        for (int i = 0; i < LANES; i++)
            x[i] = y[i];
    }
    UNROLL
    for (int i = 0; i < LANES; i++)
        *(lanes *)(out + i * out_row) = x[i];
}

/* LANES columns of a panel, of which `there` are in b; the others are any numbers of b, or 0. */
static void pack_lanes(float *out, int64_t width, const float *b, gemm_axis k, gemm_axis n, int64_t there)
{
    int64_t i = 0;
    if (k.b == 1 && there == LANES)
        for (; i + LANES <= k.size; i += LANES) {
            for (int64_t j = LANES; j < 2 * LANES; j++) /* the rows that come next: their strides hide them */
                __builtin_prefetch(b + i + j * n.b);
            transpose(out + i * width, width, b + i, n.b, LANES);
        }
    else if (k.b == 1)
        for (; i + LANES <= k.size; i += LANES)
            transpose(out + i * width, width, b + i, n.b, there);
    else if (n.b == 1)
        for (; i < k.size && (k.size - 1 - i) * k.b + there >= LANES; i++) /* ends before b does */
            *(lanes *)(out + i * width) = *(const loose_lanes *)(b + i * k.b);
    for (; i < k.size; i++)
        for (int64_t j = 0; j < LANES; j++)
            out[i * width + j] = j < there ? b[i * k.b + j * n.b] : 0;
}

static int64_t panel_width(int64_t columns)
{
    return columns > LANES ? WIDTH : LANES;
}

/* Packed in advance a w [N, K] is panels [K][WIDTH] of all K, one behind the other; of the last one a half that nobody
 * reads is not set. */
int64_t k_tile_packed_rows(int64_t n)
{
    return (n + WIDTH - 1) / WIDTH * WIDTH;
}

void k_tile_pack(float *out, const float *w, int64_t n, int64_t k)
{
    gemm_axis along_k = { .size = k, .b = 1 }, along_n = { .size = n, .b = k };
    for (int64_t from = 0; from < n; from += LANES) {
        int64_t left = n - from, panel = from / WIDTH * WIDTH;
        pack_lanes(out + panel * k + (from - panel), WIDTH, w + from * k, along_k, along_n,
                   left < LANES ? left : LANES);
    }
}

/* Where columns of b are read: panels, or b's own. */
typedef struct {
    const float *at;
    int64_t column, k; /* from column to column of the first ones of panels; from k to k, 0: a panel's width */
} columns_of_b;

/* A block of b: n.size columns, k.size deep. They are read where they stay if they are whole vectors and one read does
 * not throw another out of the cache. */
static columns_of_b place_columns(float *out, const float *b, gemm_axis k, gemm_axis n)
{
    if (n.b == 1 && k.b < PAGE && n.size % LANES == 0 && k.b % LANES == 0 && (uintptr_t)b % sizeof(lanes) == 0)
        return (columns_of_b){ b, 1, k.b };
    for (int64_t from = 0; from < n.size; from += WIDTH) {
        int64_t left = n.size - from, width = panel_width(left);
        for (int64_t j = 0; j < width; j += LANES)
            pack_lanes(out + from * k.size + j, width, b + (from + j) * n.b, k, n, left - j < LANES ? left - j : LANES);
    }
    return (columns_of_b){ out, k.size, 0 };
}

/* Where rows of a are read: a's own, or a copy. What is needed next is fetched during each strip: the one behind it, or
 * a share of what will be copied; beyond a's end too, which is harmless. */
typedef struct {
    const float *at;
    int64_t row, k, strip;              /* from row to row, from k to k, from strip to strip */
    uintptr_t next, next_k, next_strip; /* in bytes */
} rows_of_a;

static uintptr_t bytes(int64_t numbers)
{
    return (uintptr_t)numbers * sizeof(float);
}

/* m.size rows of a, GROUP strips at most. They are read where they stay if they fill their tiles and one read does not
 * throw another out of the cache; otherwise they are copied to `room`, with rows of 0 up to the next STEP. */
static rows_of_a place_rows(float *room, const float *a, gemm_axis m, gemm_axis k)
{
    if (m.size % STEP == 0 && ((k.a == 1 && m.a % PAGE != 0) || (m.a == 1 && k.a < PAGE)))
        return (rows_of_a){ .at = a,
                            .row = m.a,
                            .k = k.a,
                            .strip = ROWS * m.a,
                            .next = (uintptr_t)a + bytes(ROWS * m.a),
                            .next_k = bytes(k.a == 1 ? LANES : k.a),
                            .next_strip = bytes(ROWS * m.a) };
    int64_t padded = (m.size + STEP - 1) / STEP * STEP;
    if (k.a == 1) {
        for (int64_t i = 0; i < m.size; i++)
            memcpy(room + i * STRIP, a + i * m.a, (size_t)k.size * sizeof *room);
        for (int64_t i = m.size; i < padded; i++)
            memset(room + i * STRIP, 0, (size_t)k.size * sizeof *room);
        return (rows_of_a){ .at = room, .row = STRIP, .k = 1, .strip = ROWS * STRIP, .next = (uintptr_t)room };
    }
    for (int64_t j = 0; j < k.size; j++) {
        float *to = room + j * GROUP * ROWS;
        const float *from = a + j * k.a;
        if (m.a == 1 && m.size == GROUP * ROWS)
            memcpy(to, from, GROUP * ROWS * sizeof *to);
        else
            for (int64_t i = 0; i < padded; i++)
                to[i] = i < m.size ? from[i * m.a] : 0;
    }
    return (rows_of_a){ .at = room,
                        .row = 1,
                        .k = GROUP * ROWS,
                        .strip = ROWS,
                        .next = (uintptr_t)a + bytes(GROUP * ROWS * m.a),
                        .next_k = bytes(k.a),
                        .next_strip = bytes(LANES) };
}

/* ---- the product ------------------------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t block_columns(const gemm_product *p)
{
    return BLOCK / least(p->k.size, DEPTH) / WIDTH * WIDTH;
}

static int64_t lines(const gemm_product *p)
{
    int64_t columns = least(p->n.size, block_columns(p)), padded = (columns + LANES - 1) / LANES * LANES;
    return ((p->packed ? 0 : padded * least(p->k.size, DEPTH)) + ROOM + GEMM_LINE - 1) / GEMM_LINE;
}

/* A tile whose rows or columns are not all in c, or whose columns in c are apart. */
static void run_edge(tile t, int64_t width, gemm_axis m, gemm_axis n, bool bias_of_rows)
{
    _Alignas(64) float sums[ROWS * WIDTH];
    float *c = t.c, beta = t.beta;
    const float *bias = t.bias;
    t.c = sums, t.c_row = width, t.beta = 0, t.bias = NULL;
    run_tile(&t, m.size, width);
    for (int64_t i = 0; i < m.size; i++)
        for (int64_t j = 0; j < n.size; j++) {
            float *to = c + i * m.c + j * n.c, sum = sums[i * width + j];
            sum = beta != 0 ? sum + beta * *to : sum;
            *to = bias ? sum + bias[bias_of_rows ? i : j] : sum;
        }
}

/* A tile of all ROWS whose columns are rows in c. */
static void run_turned(tile t, int64_t width, gemm_axis n, bool bias_of_rows)
{
    _Alignas(64) float sums[ROWS * WIDTH], turned[WIDTH * LANES], bias[LANES] = { 0 };
    tile here = t;
    here.c = sums, here.c_row = width, here.beta = 0, here.bias = NULL;
    run_tile(&here, ROWS, width);
    for (int64_t j = 0; j < width; j += LANES)
        transpose(turned + j * LANES, LANES, sums + j, width, ROWS);
    if (bias_of_rows)
        memcpy(bias, t.bias, ROWS * sizeof *bias);
    for (int64_t j = 0; j < n.size; j++) {
        lanes column = *(const lanes *)(turned + j * LANES);
        float *c = t.c + j * n.c;
        if (t.beta != 0)
            for (int i = 0; i < ROWS; i++)
                column[i] += t.beta * c[i];
        if (t.bias)
            column += bias_of_rows ? *(const lanes *)bias : (lanes){ 0 } + t.bias[j];
        memcpy(c, &column, ROWS * sizeof *c);
    }
}

/* Products with few rows that would have to turn a large b round to pack it: they turn the small a, and c. */
bool k_tile_turned(const gemm_product *p)
{
    return p->k.b == 1 && p->n.b != 1 && p->n.c == 1 && 4 * p->m.size <= p->n.size && p->m.size <= p->k.size;
}

/* The rows of one strip against all columns of a block. */
static void run_strip(tile t, columns_of_b b, gemm_axis m, gemm_axis n, bool bias_of_rows)
{
    float *c = t.c;
    const float *bias = t.bias;
    t.c_row = m.c;
    for (int64_t from = 0; from < n.size; from += WIDTH) {
        gemm_axis here = n;
        int64_t left = n.size - from, width = panel_width(left);
        here.size = least(left, width);
        t.b = b.at + from * b.column, t.b_k = b.k ? b.k : width, t.c = c + from * n.c,
        t.bias = bias && !bias_of_rows ? bias + from : bias;
        if (m.size % STEP == 0 && here.size == width && n.c == 1 && !(bias && bias_of_rows))
            run_tile(&t, m.size, width);
        else if (m.size == ROWS && m.c == 1)
            run_turned(t, width, here, bias && bias_of_rows);
        else
            run_edge(t, width, m, here, bias_of_rows);
        t.each = 0; /* once is enough */
    }
}

/* GROUP strips at most. */
static void run_group(tile t, rows_of_a a, columns_of_b b, gemm_axis m, gemm_axis n, bool bias_of_rows)
{
    t.a_row = a.row, t.a_k = a.k;
    int64_t left = m.size;
    for (int64_t strip = 0; left > 0; strip++, left -= ROWS) {
        m.size = least(left, ROWS);
        t.a = a.at + strip * a.strip;
        t.soon = a.next + (uintptr_t)strip * a.next_strip;
        t.each = a.next_k;
        run_strip(t, b, m, n, bias_of_rows);
        t.c += ROWS * m.c;
        if (t.bias && bias_of_rows)
            t.bias += ROWS;
    }
}

static void run_item(const gemm_product *p, heed_real *scratch)
{
    float *room = scratch, *panels = scratch + ROOM;
    gemm_axis m = p->m, n = p->n, k = p->k;
    int64_t columns = block_columns(p);
    for (int64_t k0 = 0; k0 < p->k.size; k0 += DEPTH) {
        k.size = least(p->k.size - k0, DEPTH);
        tile t = { .k = k.size, .beta = k0 == 0 ? p->beta : 1 };
        bool last = k0 + k.size == p->k.size;
        for (int64_t n0 = 0; n0 < p->n.size; n0 += columns) {
            n.size = least(p->n.size - n0, columns);
            columns_of_b b = p->packed ? (columns_of_b){ p->packed + n0 * p->k.size + k0 * WIDTH, p->k.size, WIDTH }
                                       : place_columns(panels, p->b + k0 * k.b + n0 * n.b, k, n);
            for (int64_t m0 = 0; m0 < p->m.size; m0 += GROUP * ROWS) {
                m.size = least(p->m.size - m0, GROUP * ROWS);
                t.c = p->c + m0 * m.c + n0 * n.c;
                t.bias = p->bias && last ? p->bias + (p->bias_of_rows ? m0 : n0) : NULL;
                run_group(t, place_rows(room, p->a + m0 * m.a + k0 * k.a, m, k), b, m, n, p->bias_of_rows);
            }
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

const gemm_way k_tile = {
    .scratch = lines, .run = run, .any_cut = true, .turns = true, .rows = 2 * ROWS, .columns = WIDTH
};

#endif
