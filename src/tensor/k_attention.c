/* Attention, forward: softmax(scale q kᵀ + bias) v; how it works is in k_attention.h. */
#include "k_attention.h"
#include "k_math.h"

/* An item is one block, each by itself. */
typedef struct {
    const k_attention *a;
    heed_tensor out;
    k_attention_row *row;
    heed_real *weights, *scratch;
    int64_t room;                       /* scratch of a part */
    int64_t blocks, items, each, parts; /* blocks: of a head */
} plan;

static plan plan_of(const k_attention *a, int threads)
{
    k_block x;
    plan p = { .a = a, .room = k_block_scratch(&x, a, false, NULL) };
    p.blocks = x.Tq ? (x.Tq + x.widest - 1) / x.widest : 0;
    p.items = x.B * x.H * p.blocks;
    p.parts = k_parts(p.items, x.widest * x.Tk * (x.d + x.e) / TILE_LANES, &p.each);
    if (k_threads(threads) == 1) {
        p.each = p.items;
        p.parts = p.items > 0;
    }
    return p;
}

int64_t k_attention_scratch(const k_attention *a, int threads)
{
    plan p = plan_of(a, threads);
    return p.parts * p.room;
}

/* s becomes exp(s - top); row receives top and 1 / sum, or 0 and 0 where nothing is allowed. One group of queries. */
static void exponentials(const k_block *x, int64_t g, k_attention_row row[K_GROUP])
{
    heed_real top[K_GROUP], sum[K_GROUP] = { 0 };
    heed_real *const from = x->s + g, *const end = from + x->limit[g + K_GROUP - 1] * x->width;
    for (int i = 0; i < K_GROUP; i++)
        top[i] = -(heed_real)INFINITY;
    for (const heed_real *s = from; s < end; s += x->width)
        for (int i = 0; i < K_GROUP; i++)
            top[i] = s[i] > top[i] ? s[i] : top[i];
    for (int i = 0; i < K_GROUP; i++)
        top[i] = top[i] == -(heed_real)INFINITY ? 0 : top[i];
    for (heed_real *s = from; s < end; s += x->width)
        for (int i = 0; i < K_GROUP; i++) {
            s[i] = k_exp(s[i] - top[i]);
            sum[i] += s[i];
        }
    for (int i = 0; i < K_GROUP; i++)
        row[i] = (k_attention_row){ top[i], sum[i] == 0 ? 0 : 1 / sum[i] };
}

/* to [count, Tk]; before dropout */
static void write_weights(const k_block *x, heed_real *to, const k_attention_row *row)
{
    for (int64_t i = 0; i < x->count; i++, to += x->Tk) {
        for (int64_t j = 0; j < x->limit[i]; j++) {
            heed_real e = x->s[j * x->width + i];
            to[j] = e == 0 ? 0 : e * row[i].inverse; /* what is not allowed stays 0 in a row that is NaN */
        }
        memset(to + x->limit[i], 0, (size_t)(x->Tk - x->limit[i]) * sizeof *to);
    }
}

static void drop(const k_block *x)
{
    const heed_real factor = (heed_real)(1 / (1 - x->a->dropout));
    k_block_draw(x);
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        for (int64_t at = g; at < x->limit[g + K_GROUP - 1] * x->width; at += x->width)
            for (int i = 0; i < K_GROUP; i++)
                x->s[at + i] *= x->kept[at + i] ? factor : 0;
}

static void forward_block(const plan *p, k_block *x)
{
    k_attention_row row[K_WIDEST];
    int64_t first = (x->b * x->H + x->h) * x->Tq + x->first;
    k_block_scores(x);
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        exponentials(x, g, row + g);
    k_block_clear_unseen(x, x->s);
    memcpy(p->row + first, row, (size_t)x->count * sizeof *row);
    if (p->weights)
        write_weights(x, p->weights + first * x->Tk, row);
    if (x->a->dropout > 0)
        drop(x);
    k_rows v = k_block_widened(k_block_head(x, x->a->v), x->most, x->e, x->v, x->wide_e), to = k_block_head(x, p->out);
    k_block_sum_keys(x, x->out, x->s, v, x->wide_e);
    for (int64_t i = 0; i < x->count; i++) {
        heed_real *restrict out = to.data + (x->first + i) * to.row, factor = row[i].inverse * x->gate;
        for (int64_t c = 0; c < x->e; c++)
            out[c] = factor * x->out[i * x->wide_e + c];
    }
}

static void forward_part(int64_t part, void *context)
{
    const plan *p = context;
    k_block x;
    k_block_scratch(&x, p->a, false, p->scratch + part * p->room);
    int64_t end = (part + 1) * p->each < p->items ? (part + 1) * p->each : p->items;
    for (int64_t item = part * p->each; item < end; item++) {
        int64_t head = item / p->blocks;
        k_block_place(&x, head / x.H, head % x.H, item % p->blocks * x.widest);
        forward_block(p, &x);
    }
}

void k_attention_forward(heed_tensor out, k_attention_row *row, heed_real *weights, const k_attention *a,
                         heed_real *scratch, int threads)
{
    plan p = plan_of(a, threads);
    p.out = out, p.row = row, p.weights = weights, p.scratch = scratch;
    k_parallel(threads, p.parts, forward_part, &p);
}
