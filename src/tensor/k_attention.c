/* Attention, forward: softmax(scale q kᵀ + bias) v; how it works is in k_attention.h.
 *
 * A stretch of keys may bring a query a larger score than all before. Then what has been summed is scaled down: Milakov
 * and Gimelshein, "Online normalizer calculation for softmax", 2018. */
#include "k_attention.h"

typedef struct {
    const k_attention *a;
    heed_tensor out;
    k_attention_row *row;
    heed_real *weights, *scratch;
    int64_t room, heads, each; /* numbers of scratch a part; heads in all, and of a part */
} pass;

/* Of each query of a block: the largest score up to here, and the sum of exp(score - top). */
typedef struct {
    heed_real top[K_WIDEST], sum[K_WIDEST];
} so_far;

int64_t k_attention_scratch(const k_attention *a, int threads)
{
    k_block x;
    int64_t each, room = k_block_begin(&x, a, NULL, NULL);
    return room * k_block_parts(&x, threads, false, &each);
}

/* top = the largest score up to these keys; NaN is passed over. In two chains, for speed. */
static void find_top(const k_block *x, heed_real *top, int64_t from, int64_t to)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        const int64_t end = g + k_block_end(x, g, from, to), step = x->width;
        k_vec best = k_load(top + g), other = best;
        int64_t at = g;
        for (; at + step < end; at += 2 * step) {
            k_vec here = k_load(x->s + at), next = k_load(x->s + at + step);
            best = k_select(here > best, here, best);
            other = k_select(next > other, next, other);
        }
        if (at < end)
            best = k_select(k_load(x->s + at) > best, k_load(x->s + at), best);
        k_store(top + g, k_select(other > best, other, best));
    }
}

/* Raises the tops to those of a stretch whose scores are in s, and scales what has been summed accordingly. */
static void raise_tops(const k_block *x, so_far *row, int64_t from, int64_t to)
{
    heed_real top[K_WIDEST];
    memcpy(top, row->top, sizeof top);
    find_top(x, top, from, to);
    for (int64_t i = 0; from > 0 && i < x->count; i++)
        if (top[i] > row->top[i]) {
            heed_real factor = k_exp(row->top[i] - top[i]), *sum = x->sum + i * x->wide_e;
            row->sum[i] *= factor;
            for (int64_t c = 0; c < x->wide_e; c++)
                sum[c] *= factor;
        }
    memcpy(row->top, top, sizeof top);
}

/* s = exp(s - top), added to sum. */
static void exponentials(const k_block *x, so_far *row, int64_t from, int64_t to)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        k_vec top = k_load(row->top + g), sum = k_load(row->sum + g);
        top = k_where(top != -(heed_real)INFINITY, top);
        for (int64_t at = g, end = g + k_block_end(x, g, from, to); at < end; at += x->width) {
            k_vec e = k_exp_low(k_load(x->s + at) - top);
            k_store(x->s + at, e);
            sum += e;
        }
        k_store(row->sum + g, sum);
    }
}

/* m = s m, the weights that are left. */
static void drop(const k_block *x, int64_t from, int64_t to)
{
    k_block_draw(x, from, to);
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        for (int64_t at = g, end = g + k_block_end(x, g, from, to); at < end; at += x->width)
            k_store(x->m + at, k_load(x->s + at) * k_load(x->m + at));
}

/* to [count, Tk] = the scores of a stretch; -inf where not allowed. */
static void write_scores(const k_block *x, heed_real *to, int64_t from, int64_t end)
{
    for (int64_t i = 0; i < x->count; i++, to += x->Tk)
        for (int64_t j = from; j < end; j++)
            to[j] = j < x->limit[i] ? x->s[(j - from) * x->width + i] : -(heed_real)INFINITY;
}

/* Scores become weights, before dropout. What is not allowed is 0 even in a row that is NaN. */
static void write_weights(const k_block *x, heed_real *to, const k_attention_row *row)
{
    for (int64_t i = 0; i < x->count; i++, to += x->Tk) {
        for (int64_t j = 0; j < x->most; j++) {
            heed_real e = k_exp(to[j] - row[i].top);
            to[j] = e == 0 ? 0 : e * row[i].inverse;
        }
        memset(to + x->most, 0, (size_t)(x->Tk - x->most) * sizeof *to);
    }
}

static void forward_block(const pass *p, k_block *x)
{
    const int64_t first = (x->b * x->H + x->h) * x->Tq + x->first;
    const bool drops = x->a->dropout > 0;
    heed_real *weights = p->weights ? p->weights + first * x->Tk : NULL;
    k_rows q = k_block_rows(x, x->a->q), out = k_block_rows(x, p->out);
    so_far rows = { .sum = { 0 } };
    for (int64_t i = 0; i < x->width; i++)
        rows.top[i] = -(heed_real)INFINITY;
    k_transpose(x->q_t, x->width, q.data + x->first * q.row, q.row, x->count, x->d, x->a->scale);
    int64_t from = 0, to;
    do { /* once if there are no keys, to clear the sums */
        to = k_block_stretch(x, from);
        k_block_scores(x, from, to);
        if (weights)
            write_scores(x, weights, from, to);
        raise_tops(x, &rows, from, to);
        exponentials(x, &rows, from, to);
        if (drops)
            drop(x, from, to);
        k_block_sum_keys(x, drops ? x->m : x->s, x->v, x->wide_e, from, to);
    } while ((from = to) < x->most);
    for (int64_t i = 0; i < x->count; i++) {
        k_attention_row row = { rows.top[i] == -(heed_real)INFINITY ? 0 : rows.top[i],
                                rows.sum[i] == 0 ? 0 : 1 / rows.sum[i] };
        heed_real *restrict sum = out.data + (x->first + i) * out.row, factor = row.inverse * x->gate;
        for (int64_t c = 0; c < x->e; c++)
            sum[c] = factor * x->sum[i * x->wide_e + c];
        p->row[first + i] = row;
    }
    if (weights)
        write_weights(x, weights, p->row + first);
}

static void forward_part(int64_t part, void *context)
{
    const pass *p = context;
    k_block x;
    k_block_begin(&x, p->a, NULL, p->scratch + part * p->room);
    for (int64_t head = part * p->each; head < (part + 1) * p->each && head < p->heads; head++) {
        k_block_enter(&x, head);
        for (int64_t first = 0; first < x.Tq; first += x.widest) {
            k_block_place(&x, first);
            forward_block(p, &x);
        }
    }
}

void k_attention_forward(heed_tensor out, k_attention_row *row, heed_real *weights, const k_attention *a,
                         heed_real *scratch, int threads)
{
    k_block x;
    pass p = { .a = a, .out = out, .row = row, .weights = weights, .scratch = scratch };
    p.room = k_block_begin(&x, a, NULL, NULL);
    p.heads = x.B * x.H;
    k_parallel(threads, k_block_parts(&x, threads, false, &p.each), forward_part, &p);
}
