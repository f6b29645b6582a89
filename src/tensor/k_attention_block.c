/* What attention's two passes share: places and scratch, products, scores, dropout. */
#include "k_attention.h"

/* ---- places ------------------------------------------------------------------------------------------------------- */

static int64_t whole(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* The next `numbers` of scratch, if there is any. */
static heed_real *take(heed_real *scratch, int64_t *used, int64_t numbers)
{
    heed_real *at = scratch && numbers ? scratch + *used : NULL;
    *used += whole(numbers, K_GROUP);
    return at;
}

/* Are rows of t to be copied before they are used many times? If they are not whole vectors, or lie so that they would
 * all go to the same few places of a cache. */
static bool scattered(const heed_tensor *t)
{
    return t->shape.dims[3] % K_WIDTH || t->strides[1] * (int64_t)sizeof(heed_real) % 1024 == 0;
}

int64_t k_block_begin(k_block *x, const k_attention *a, const heed_tensor *g, heed_real *scratch)
{
    int64_t B = a->q.shape.dims[0], Tq = a->q.shape.dims[1], H = a->q.shape.dims[2], d = a->q.shape.dims[3];
    int64_t Tk = a->k.shape.dims[1], e = a->v.shape.dims[3], used = 0;
    *x = (k_block){ .a = a, .B = B, .Tq = Tq, .Tk = Tk, .H = H, .d = d, .e = e };
    int64_t wide_d = x->wide_d = whole(d, K_WIDTH), wide_e = x->wide_e = whole(e, K_WIDTH);
    int64_t width = x->widest = Tq < K_WIDEST ? whole(Tq, K_GROUP) : K_WIDEST;
    int64_t stretch = width * (Tk < K_STRETCH ? whole(Tk, 4 * K_BLOCKS / K_GROUP) : K_STRETCH);
    x->q_t = take(scratch, &used, width * d);
    x->s = take(scratch, &used, stretch);
    x->m = take(scratch, &used, a->dropout > 0 || a->gates.data ? stretch : 0);
    x->sum = take(scratch, &used, width * (wide_d > wide_e ? wide_d : wide_e)); /* or e by width */
    x->room_k = take(scratch, &used, scattered(&a->k) ? Tk * wide_d : 0);
    x->room_v = take(scratch, &used, scattered(&a->v) ? Tk * wide_e : 0);
    if (g) {
        x->g_t = take(scratch, &used, width * e);
        x->ds = take(scratch, &used, stretch);
        x->room_q = take(scratch, &used, scattered(&a->q) ? width * wide_d : 0);
        x->room_g = take(scratch, &used, scattered(g) ? width * wide_e : 0);
        x->dk = take(scratch, &used, scattered(&a->k) ? Tk * wide_d : 0);
        x->dv = take(scratch, &used, scattered(&a->v) ? Tk * wide_e : 0);
    }
    return used;
}

int64_t k_block_parts(const k_block *x, int threads, bool alone, int64_t *each)
{
    int64_t heads = x->B * x->H;
    if (!alone && k_threads(threads) > 1)
        return k_parts(heads, 3 * x->Tq * x->Tk * (x->d + x->e) / K_WIDTH, each);
    *each = heads;
    return heads > 0;
}

void k_block_enter(k_block *x, int64_t head)
{
    heed_tensor gates = x->a->gates;
    x->b = head / x->H;
    x->h = head % x->H;
    x->gate = gates.data ? gates.data[x->b * gates.strides[0] + x->h * gates.strides[1]] : 1;
    x->seen = x->a->key_lengths ? x->a->key_lengths[x->b] : x->Tk;
    bool backward = x->ds != NULL;
    x->k = k_block_pack(k_block_rows(x, x->a->k), x->seen, x->d, x->room_k, backward);
    x->v = k_block_pack(k_block_rows(x, x->a->v), x->seen, x->e, x->room_v, !backward);
}

void k_block_place(k_block *x, int64_t first)
{
    x->first = first;
    x->count = x->Tq - first < x->widest ? x->Tq - first : x->widest;
    x->width = whole(x->count, K_GROUP);
    const int64_t after = first + x->Tk - x->Tq + 1, last = after + x->count - 1; /* causal: the first and last limit */
    for (int64_t i = 0; i < x->width; i++) {
        int64_t n = x->a->causal ? (after + i < last ? after + i : last) : x->seen;
        n = n < x->seen ? n : x->seen;
        x->limit[i] = n < 0 ? 0 : n;
    }
    x->most = x->width ? x->limit[x->width - 1] : 0;
}

k_rows k_block_rows(const k_block *x, heed_tensor t)
{
    return (k_rows){ .data = t.data + x->b * t.strides[0] + x->h * t.strides[2], .row = t.strides[1] };
}

k_rows k_block_pack(k_rows from, int64_t n, int64_t width, heed_real *room, bool checked)
{
    int64_t wide = whole(width, K_WIDTH);
    for (int64_t j = 0; room && j < n; j++) {
        memcpy(room + j * wide, from.data + j * from.row, (size_t)width * sizeof *room);
        if (wide > width)
            memset(room + j * wide + width, 0, (size_t)(wide - width) * sizeof *room);
    }
    if (room)
        from = (k_rows){ .data = room, .row = wide };
    from.careful = checked && !k_finite(from.data, from.row, n, wide / K_WIDTH);
    return from;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

bool k_block_new_keys(const k_block *x, int64_t group, int64_t *from, int64_t *to)
{
    int64_t before = group ? x->limit[group - 1] : 0, limit = x->limit[group + K_GROUP - 1];
    *from = *from > before ? *from : before;
    *to = *to < limit ? *to : limit;
    return *from < *to;
}

void k_block_times_queries(const k_block *x, heed_real *out, k_rows keys, const heed_real *t, int64_t depth,
                           int64_t from, int64_t to)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        int64_t low = from, high = to;
        if (!k_block_new_keys(x, g, &low, &high))
            continue;
        k_product p = { .y = out + (low - from) * x->width + g, .y_row = x->width };
        p.w = keys.data + low * keys.row, p.w_row = keys.row, p.w_step = 1;
        p.x = t + g, p.x_row = x->width;
        p.rows = high - low, p.vectors = (x->width - g) / K_WIDTH, p.depth = depth;
        k_multiply(&p);
    }
}

void k_block_sum_keys(const k_block *x, const heed_real *weights, k_rows values, int64_t wide, int64_t from, int64_t to)
{
    bool alike = to <= x->limit[K_GROUP - 1] || x->limit[K_GROUP - 1] == x->most;
    int64_t step = alike ? x->count : K_GROUP;
    for (int64_t i = 0; i < x->count; i += step) {
        k_product p = { .y = x->sum + i * wide, .y_row = wide, .w = weights + i, .w_row = 1, .w_step = x->width };
        p.x = values.data + from * values.row, p.x_row = values.row, p.vectors = wide / K_WIDTH;
        p.rows = x->count - i < step ? x->count - i : step;
        p.depth = x->limit[i + p.rows - 1] < to ? x->limit[i + p.rows - 1] - from : to - from;
        p.add = from > 0, p.careful = values.careful;
        k_multiply(&p);
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
static void apply_tables(const k_block *x, int64_t from, int64_t to)
{
    const k_attention *a = x->a;
    const heed_real never = -(heed_real)INFINITY;
    int64_t table = (a->allowed_rows > 1 ? x->b : 0) * a->allowed_heads + (a->allowed_heads > 1 ? x->h : 0);
    for (int64_t i = 0; i < x->count; i++) {
        const heed_real *bias = a->bias.data ? k_block_bias(x, a->bias, i) : NULL;
        const int32_t *allowed = a->allowed ? a->allowed + (table * x->Tq + x->first + i) * x->Tk : NULL;
        heed_real *s = x->s + i;
        for (int64_t j = from; j < to && j < x->limit[i]; j++, s += x->width) {
            heed_real add = bias ? bias[j * a->bias.strides[3]] : 0;
            *s = (allowed && !allowed[j]) || add == never ? never : *s + add;
        }
    }
}

void k_block_scores(const k_block *x, int64_t from, int64_t to)
{
    k_block_times_queries(x, x->s, x->k, x->q_t, x->d, from, to);
    if (x->a->bias.data || x->a->allowed)
        apply_tables(x, from, to);
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        const int64_t *limit = x->limit + g, end = to < limit[K_GROUP - 1] ? to : limit[K_GROUP - 1];
        for (int64_t j = from > limit[0] ? from : limit[0]; j < end; j++)
            for (int64_t i = 0; limit[i] <= j; i++)
                x->s[(j - from) * x->width + g + i] = -(heed_real)INFINITY;
    }
}

void k_block_clear_unseen(const k_block *x, heed_real *weights, int64_t from, int64_t to)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        for (int64_t j = x->limit[g + K_GROUP - 1] > from ? x->limit[g + K_GROUP - 1] : from; j < to; j++)
            memset(weights + (j - from) * x->width + g, 0, K_GROUP * sizeof *weights);
}

/* ---- dropout ------------------------------------------------------------------------------------------------------- */

/* As heed_dropout for [B, H, Tq, Tk], whose line is h + H i. A block of Philox has the draws of four keys for a query. */
void k_block_draw(const k_block *x, int64_t from, int64_t to)
{
    enum { KEYS = 4 * K_BLOCKS / K_GROUP };
    const k_attention *a = x->a;
    const uint32_t limit = k_dropout_limit(a->dropout);
    const heed_real factor = (heed_real)(1 / (1 - a->dropout));
    uint32_t key[2];
    rng_key(a->rng, key);
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        for (int64_t j = from; j < to && j < x->limit[g + K_GROUP - 1]; j += KEYS) {
            k_counters at;
            uint32_t bits[4][K_BLOCKS];
            heed_real m[4][K_BLOCKS];
            for (int n = 0; n < K_BLOCKS; n++) {
                uint32_t line = (uint32_t)(x->h + x->H * (x->first + g + n % K_GROUP));
                at.low[n] = (line << 30) | (uint32_t)(j / 4 + n / K_GROUP);
                at.high[n] = line >> 2;
                at.row[n] = a->rng.row + (uint32_t)x->b;
            }
            k_random_blocks(bits, &at, a->rng.step, key);
            for (int w = 0; w < 4; w++)
                for (int n = 0; n < K_BLOCKS; n++)
                    m[w][n] = bits[w][n] > limit ? factor : 0;
            for (int n = 0; n < KEYS; n++) /* key j + n */
                memcpy(x->m + (j - from + n) * x->width + g, m[n % 4] + n / 4 * K_GROUP, K_GROUP * sizeof *x->m);
        }
}
