/* Attention, backward. The weights are computed again from each row's maximum and sum, as in Dao, Fu, Ermon, Rudra, Ré,
 * "FlashAttention" (NeurIPS 2022), 3.1. With p the weights, m the dropout factors, g the output's gradient, w the gate:
 *
 *     dp_j = m_j (g · v_j)    D = sum p_j dp_j    ds_j = w p_j (dp_j - D)
 *     dv_j += w p_j m_j g     dq += scale sum ds_j k_j     dk_j += scale ds_j q     dbias_j += ds_j     dw += D     */
#include "k_attention.h"
#include "k_math.h"

/* An item is a head, each by itself but for gradients of biases and gates, which heads may share: then all is one part. */
typedef struct {
    const k_attention *a;
    const k_attention_grads *to;
    const k_attention_row *row;
    heed_real *scratch;
    int64_t room, items, each, parts;
} plan;

static plan plan_of(const k_attention *a, const k_attention_grads *to, int threads)
{
    k_block x;
    plan p = { .a = a, .to = to, .room = k_block_scratch(&x, a, true, NULL) };
    p.items = x.B * x.H;
    p.parts = k_parts(p.items, 3 * x.Tq * x.Tk * (x.d + x.e) / TILE_LANES, &p.each);
    if (k_threads(threads) == 1 || to->bias.data || to->gates.data) {
        p.each = p.items;
        p.parts = p.items > 0;
    }
    return p;
}

int64_t k_attention_backward_scratch(const k_attention *a, const k_attention_grads *to, int threads)
{
    plan p = plan_of(a, to, threads);
    return p.parts * p.room;
}

/* s, the scores, become the weights p. */
static void weights_again(const k_block *x, const k_attention_row *row)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        heed_real top[K_GROUP] = { 0 }, inverse[K_GROUP] = { 0 };
        for (int64_t i = 0; i < K_GROUP && g + i < x->count; i++) {
            top[i] = row[g + i].top;
            inverse[i] = row[g + i].inverse;
        }
        heed_real *s = x->s + g, *end = s + x->limit[g + K_GROUP - 1] * x->width;
        for (; s < end; s += x->width)
            for (int i = 0; i < K_GROUP; i++) {
                heed_real e = k_exp(s[i] - top[i]);
                s[i] = e == 0 ? 0 : e * inverse[i]; /* what is not allowed stays 0 in a row that is NaN */
            }
    }
}

/* ds, which holds g · v_j, becomes outer p (m g · v_j - D). Returns the sum of D over the block's queries. */
static double score_grads(const k_block *x, heed_real outer)
{
    const heed_real factor = (heed_real)(1 / (1 - x->a->dropout));
    const bool drops = x->a->dropout > 0;
    double total = 0;
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        heed_real D[K_GROUP] = { 0 };
        const int64_t end = x->limit[g + K_GROUP - 1] * x->width;
        for (int64_t at = g; drops && at < end; at += x->width)
            for (int i = 0; i < K_GROUP; i++)
                x->ds[at + i] *= x->kept[at + i] ? factor : 0;
        for (int64_t at = g; at < end; at += x->width) {
            const heed_real *restrict p = x->s + at;
            heed_real *restrict dp = x->ds + at;
            for (int i = 0; i < K_GROUP; i++) {
                dp[i] = p[i] == 0 ? 0 : dp[i]; /* a value that is not seen may be NaN */
                D[i] += p[i] * dp[i];
            }
        }
        for (int64_t at = g; at < end; at += x->width) {
            const heed_real *restrict p = x->s + at;
            heed_real *restrict ds = x->ds + at;
            for (int i = 0; i < K_GROUP; i++)
                ds[i] = p[i] == 0 ? 0 : outer * p[i] * (ds[i] - D[i]);
        }
        for (int64_t i = 0; i < K_GROUP && g + i < x->count; i++)
            total += (double)D[i];
    }
    return total;
}

/* s, the weights, become w p m. */
static void value_weights(const k_block *x)
{
    const heed_real factor = x->a->dropout > 0 ? (heed_real)(1 / (1 - x->a->dropout)) : 1, gate = x->gate;
    for (int64_t g = 0; g < x->width; g += K_GROUP)
        for (int64_t at = g; at < x->limit[g + K_GROUP - 1] * x->width; at += x->width)
            for (int i = 0; i < K_GROUP; i++)
                x->s[at + i] *= gate * (x->a->dropout == 0 || x->kept[at + i] ? factor : 0);
}

/* And scales ds, which could not be scaled before. */
static void bias_grads(const k_block *x, heed_tensor to)
{
    for (int64_t i = 0; i < x->count; i++) {
        heed_real *bias = k_block_bias(x, to, i);
        for (int64_t j = 0; j < x->limit[i]; j++) {
            bias[j * to.strides[3]] += x->ds[j * x->width + i];
            x->ds[j * x->width + i] *= x->a->scale;
        }
    }
}

/* to[j] = sum over queries i of weights[j][i] x[i], for the keys that a query sees, added to what it holds if add; for the
 * first `done` keys in any case, which other blocks have been at. */
static void sum_queries(const k_block *x, k_rows to, const heed_real *weights, k_rows from, int64_t wide, int64_t done,
                        bool add)
{
    tile_product p = { .y = to.data, .y_row = to.row, .w = weights, .w_row = x->width, .w_step = 1, .x = from.data };
    p.x_row = from.row, p.vectors = wide / TILE_LANES, p.depth = x->count, p.rows = done, p.add = true;
    p.careful = !tile_finite(from.data, from.row, x->count, p.vectors);
    tile_multiply(&p);
    p.y += done * to.row, p.w += done * x->width, p.rows = x->fewest - done, p.add = add;
    tile_multiply(&p);
    for (int64_t j = x->fewest, i = 0; j < x->most; j += K_GROUP) { /* the diagonal */
        while (x->limit[i] <= j)
            i++;
        p.rows = x->most - j < K_GROUP ? x->most - j : K_GROUP, p.depth = x->count - i;
        p.y = to.data + j * to.row, p.w = weights + j * x->width + i, p.x = from.data + i * from.row;
        tile_multiply(&p);
    }
}

/* to [n, width] = from [n, wide], added to what it holds if add. */
static void write_rows(k_rows to, const heed_real *from, int64_t n, int64_t width, int64_t wide, bool add)
{
    for (int64_t j = 0; j < n; j++) {
        heed_real *restrict row = to.data + j * to.row;
        for (int64_t c = 0; c < width; c++)
            row[c] = from[j * wide + c] + (add ? row[c] : 0);
    }
}

/* The gradients for a head's keys or values: where they are summed, and how they get to their place. */
typedef struct {
    k_rows sum, place;
    int64_t width, wide;
    bool wanted, add;
} head_grad;

static head_grad head_grad_of(const k_block *x, heed_tensor to, bool add, heed_real *room, int64_t wide)
{
    if (!to.data)
        return (head_grad){ .wanted = false };
    head_grad g = { .place = k_block_head(x, to), .width = to.shape.dims[3], .wide = wide, .wanted = true, .add = add };
    g.sum = wide == g.width ? g.place : (k_rows){ room, wide };
    return g;
}

/* After the last block, which saw the first `done` keys: nobody saw the others. */
static void head_grad_end(const head_grad *g, int64_t done, int64_t Tk)
{
    if (!g->wanted)
        return;
    if (g->wide != g->width)
        write_rows(g->place, g->sum.data, done, g->width, g->wide, g->add);
    for (int64_t j = done; j < Tk && !g->add; j++)
        memset(g->place.data + j * g->place.row, 0, (size_t)g->width * sizeof *g->place.data);
}

static void backward_block(const plan *p, k_block *x, const head_grad *dk, const head_grad *dv, int64_t done)
{
    const k_attention *a = x->a;
    const k_attention_grads *to = p->to;
    k_rows q = k_block_head(x, a->q), g = k_block_head(x, to->out);
    q.data += x->first * q.row, g.data += x->first * g.row;
    k_block_scores(x);
    weights_again(x, p->row + (x->b * x->H + x->h) * x->Tq + x->first);
    tile_transpose(x->transposed, x->width, g.data, g.row, x->count, x->e, 1);
    k_block_times_queries(x, x->ds, k_block_head(x, a->v), x->e);
    if (a->dropout > 0)
        k_block_draw(x);
    double D = score_grads(x, to->bias.data ? x->gate : x->gate * a->scale);
    if (to->gates.data)
        to->gates.data[x->b * to->gates.strides[0] + x->h * to->gates.strides[1]] += (heed_real)D;
    if (to->bias.data)
        bias_grads(x, to->bias);
    if (dv->wanted) {
        if (a->dropout > 0 || a->gates.data)
            value_weights(x);
        k_block_clear_unseen(x, x->s);
        sum_queries(x, dv->sum, x->s, k_block_widened(g, x->count, x->e, x->g, x->wide_e), x->wide_e, done,
                    dv->add && dv->wide == dv->width);
    }
    k_block_clear_unseen(x, x->ds);
    if (to->q.data) {
        k_rows dq = k_block_head(x, to->q), k = k_block_head(x, a->k);
        dq.data += x->first * dq.row;
        k_block_sum_keys(x, x->out, x->ds, x->wide_d == x->d ? k : (k_rows){ x->k, x->wide_d }, x->wide_d);
        write_rows(dq, x->out, x->count, x->d, x->wide_d, to->add_q);
    }
    if (dk->wanted)
        sum_queries(x, dk->sum, x->ds, k_block_widened(q, x->count, x->d, x->q, x->wide_d), x->wide_d, done,
                    dk->add && dk->wide == dk->width);
}

static void backward_part(int64_t part, void *context)
{
    const plan *p = context;
    k_block x;
    k_block_scratch(&x, p->a, true, p->scratch + part * p->room);
    int64_t end = (part + 1) * p->each < p->items ? (part + 1) * p->each : p->items;
    for (int64_t item = part * p->each; item < end; item++) {
        x.b = item / x.H, x.h = item % x.H;
        head_grad dk = head_grad_of(&x, p->to->k, p->to->add_k, x.dk, x.wide_d);
        head_grad dv = head_grad_of(&x, p->to->v, p->to->add_v, x.dv, x.wide_e);
        k_block_widened(k_block_head(&x, p->a->k), x.Tk, x.d, x.k, x.wide_d);
        int64_t done = 0;
        for (int64_t first = 0; first < x.Tq; first += x.widest) {
            k_block_place(&x, x.b, x.h, first);
            backward_block(p, &x, &dk, &dv, done);
            done = x.most;
        }
        head_grad_end(&dk, done, x.Tk);
        head_grad_end(&dv, done, x.Tk);
    }
}

void k_attention_backward(const k_attention_grads *to, const k_attention_row *row, const k_attention *a,
                          heed_real *scratch, int threads)
{
    plan p = plan_of(a, to, threads);
    p.row = row, p.scratch = scratch;
    k_parallel(threads, p.parts, backward_part, &p);
}
