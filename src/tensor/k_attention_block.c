/* What attention's two passes share: a block's place and scratch, its scores, its products, its dropout. */
#include "k_attention.h"

/* How many of the first keys query i of row b may see, before `allowed` and `bias`. */
static int64_t visible_keys(const k_attention *a, int64_t b, int64_t i)
{
    int64_t Tq = a->q.shape.dims[1], Tk = a->k.shape.dims[1], n = Tk;
    if (a->causal && i + Tk - Tq + 1 < n)
        n = i + Tk - Tq + 1;
    if (a->key_lengths && a->key_lengths[b] < n)
        n = a->key_lengths[b];
    return n < 0 ? 0 : n;
}

static int64_t whole(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* The next `numbers` of scratch, which begins at *at if that is not NULL. */
static heed_real *take(heed_real *scratch, int64_t *used, int64_t numbers)
{
    heed_real *at = scratch ? scratch + *used : NULL;
    *used += whole(numbers, K_GROUP);
    return at;
}

int64_t k_block_scratch(k_block *x, const k_attention *a, bool backward, heed_real *scratch)
{
    *x = (k_block){ .a = a,
                    .B = a->q.shape.dims[0],
                    .Tq = a->q.shape.dims[1],
                    .H = a->q.shape.dims[2],
                    .d = a->q.shape.dims[3],
                    .Tk = a->k.shape.dims[1],
                    .e = a->v.shape.dims[3] };
    int64_t used = 0, most = x->Tk <= 1024 ? K_WIDEST : x->Tk <= 4096 ? K_WIDEST / 2 : K_GROUP; /* to stay in cache */
    int64_t d = x->wide_d = whole(x->d, TILE_LANES), e = x->wide_e = whole(x->e, TILE_LANES), Tk = x->Tk;
    int64_t width = x->widest = x->Tq < most ? whole(x->Tq, K_GROUP) : most;
    bool pads_d = d > x->d, pads_e = e > x->e, drops = a->dropout > 0;
    x->transposed = take(scratch, &used, width * (x->d > x->e ? x->d : x->e));
    x->s = take(scratch, &used, width * Tk);
    x->ds = take(scratch, &used, backward ? width * Tk : 0);
    x->kept = (uint8_t *)take(scratch, &used, drops ? width * whole(Tk, 8) / (int64_t)sizeof *scratch : 0);
    x->out = take(scratch, &used, width * (d > e ? d : e));
    x->v = take(scratch, &used, pads_e && !backward ? Tk * e : 0);
    x->k = take(scratch, &used, pads_d && backward ? Tk * d : 0);
    x->q = take(scratch, &used, pads_d && backward ? width * d : 0);
    x->g = take(scratch, &used, pads_e && backward ? width * e : 0);
    x->dk = take(scratch, &used, pads_d && backward ? Tk * d : 0);
    x->dv = take(scratch, &used, pads_e && backward ? Tk * e : 0);
    return used;
}

void k_block_place(k_block *x, int64_t b, int64_t h, int64_t first)
{
    heed_tensor gates = x->a->gates;
    x->b = b, x->h = h, x->first = first;
    x->count = x->Tq - first < x->widest ? x->Tq - first : x->widest;
    x->width = whole(x->count, K_GROUP);
    x->gate = gates.data ? gates.data[b * gates.strides[0] + h * gates.strides[1]] : 1;
    for (int64_t i = 0; i < x->width; i++)
        x->limit[i] = i < x->count ? visible_keys(x->a, b, first + i) : x->limit[i - 1];
    x->fewest = x->limit[0];
    x->most = x->limit[x->width - 1];
}

k_rows k_block_head(const k_block *x, heed_tensor t)
{
    return (k_rows){ t.data + x->b * t.strides[0] + x->h * t.strides[2], t.strides[1] };
}

k_rows k_block_widened(k_rows from, int64_t n, int64_t width, heed_real *to, int64_t wide)
{
    if (wide == width)
        return from;
    for (int64_t j = 0; j < n; j++) {
        memcpy(to + j * wide, from.data + j * from.row, (size_t)width * sizeof *to);
        memset(to + j * wide + width, 0, (size_t)(wide - width) * sizeof *to);
    }
    return (k_rows){ to, wide };
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

void k_block_times_queries(const k_block *x, heed_real *to, k_rows keys, int64_t depth)
{
    tile_product p = { .y = to, .y_row = x->width, .w = keys.data, .w_row = keys.row, .w_step = 1 };
    p.x = x->transposed, p.x_row = x->width, p.depth = depth;
    p.rows = x->fewest, p.vectors = x->width / TILE_LANES;
    tile_multiply(&p);
    for (int64_t j = x->fewest, skip = 0; j < x->most; j += K_GROUP) { /* the diagonal */
        while (x->limit[skip + K_GROUP - 1] <= j)
            skip += K_GROUP;
        p.rows = x->most - j < K_GROUP ? x->most - j : K_GROUP;
        p.vectors = (x->width - skip) / TILE_LANES;
        p.y = to + j * x->width + skip, p.w = keys.data + j * keys.row, p.x = x->transposed + skip;
        tile_multiply(&p);
    }
}

void k_block_sum_keys(const k_block *x, heed_real *to, const heed_real *weights, k_rows values, int64_t wide)
{
    int64_t step = x->fewest == x->most ? x->count : K_GROUP, vectors = wide / TILE_LANES;
    bool careful = !tile_finite(values.data, values.row, x->most, vectors);
    for (int64_t i = 0; i < x->count; i += step) {
        tile_product p = { .y = to + i * wide, .y_row = wide, .w = weights + i, .w_row = 1, .w_step = x->width };
        p.x = values.data, p.x_row = values.row, p.vectors = vectors, p.careful = careful;
        p.rows = x->count - i < step ? x->count - i : step;
        p.depth = x->limit[i + p.rows - 1];
        tile_multiply(&p);
    }
}

/* ---- scores ------------------------------------------------------------------------------------------------------- */

heed_real *k_block_bias(const k_block *x, heed_tensor bias, int64_t i)
{
    const int64_t *dims = bias.shape.dims, *strides = bias.strides;
    return bias.data + (dims[0] > 1 ? x->b * strides[0] : 0) + (dims[1] > 1 ? x->h * strides[1] : 0) +
           (x->first + i) * strides[2];
}

/* Adds the bias; what it or the table forbids becomes -inf. */
static void apply_tables(const k_block *x)
{
    const k_attention *a = x->a;
    const heed_real never = -(heed_real)INFINITY;
    for (int64_t i = 0; a->bias.data && i < x->count; i++) {
        const heed_real *bias = k_block_bias(x, a->bias, i);
        heed_real *s = x->s + i;
        for (int64_t j = 0; j < x->limit[i]; j++, s += x->width, bias += a->bias.strides[3])
            *s = *bias == never ? never : *s + *bias;
    }
    int64_t table = (a->allowed_rows > 1 ? x->b : 0) * a->allowed_heads + (a->allowed_heads > 1 ? x->h : 0);
    for (int64_t i = 0; a->allowed && i < x->count; i++) {
        const int32_t *allowed = a->allowed + (table * x->Tq + x->first + i) * x->Tk;
        heed_real *s = x->s + i;
        for (int64_t j = 0; j < x->limit[i]; j++, s += x->width)
            *s = allowed[j] ? *s : never;
    }
}

void k_block_scores(k_block *x)
{
    const k_attention *a = x->a;
    k_rows q = k_block_head(x, a->q);
    tile_transpose(x->transposed, x->width, q.data + x->first * q.row, q.row, x->count, x->d, a->scale);
    k_block_times_queries(x, x->s, k_block_head(x, a->k), x->d);
    if (a->bias.data || a->allowed)
        apply_tables(x);
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        const int64_t *limit = x->limit + g;
        for (int64_t j = x->fewest; j < limit[K_GROUP - 1]; j++) {
            heed_real *s = x->s + j * x->width + g;
            for (int i = 0; i < K_GROUP; i++)
                s[i] = j < limit[i] ? s[i] : -(heed_real)INFINITY;
        }
    }
}

void k_block_clear_unseen(const k_block *x, heed_real *weights)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        for (int64_t j = x->limit[g + K_GROUP - 1]; j < x->most; j++)
            memset(weights + j * x->width + g, 0, K_GROUP * sizeof *weights);
}

/* ---- dropout ------------------------------------------------------------------------------------------------------- */

/* As heed_dropout for [B, H, Tq, Tk], whose line is h + H i. A block of Philox has the draws of four keys for a query. */
void k_block_draw(const k_block *x)
{
    const k_attention *a = x->a;
    const uint32_t limit = k_dropout_limit(a->dropout);
    uint32_t key[2];
    rng_key(a->rng, key);
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        for (int64_t j = 0; j < x->limit[g + K_GROUP - 1]; j += 4 * K_BLOCKS / K_GROUP) {
            k_counters at;
            uint32_t bits[4][K_BLOCKS];
            for (int n = 0; n < K_BLOCKS; n++) {
                uint32_t line = (uint32_t)(x->h + x->H * (x->first + g + n % K_GROUP));
                at.low[n] = (line << 30) | (uint32_t)(j / 4 + n / K_GROUP);
                at.high[n] = line >> 2;
                at.row[n] = a->rng.row + (uint32_t)x->b;
            }
            k_random_blocks(bits, &at, a->rng.step, key);
            for (int n = 0; n < 4 * K_BLOCKS / K_GROUP; n++) /* key j + n */
                for (int i = 0; i < K_GROUP; i++)
                    x->kept[(j + n) * x->width + g + i] = bits[n % 4][n / 4 * K_GROUP + i] > limit;
        }
}
