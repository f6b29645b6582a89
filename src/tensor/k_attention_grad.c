/* Attention, backward. The weights are computed again from each row's maximum and sum, as in "FlashAttention", 3.1. With p
 * the weights, m the dropout factors, g the output's gradient, o the output, w the gate:
 *
 *     dp_j = m_j (g · v_j)    D = sum p_j dp_j = g · o / w    ds_j = w p_j (dp_j - D)
 *     dv_j += w p_j m_j g     dq += scale sum ds_j k_j     dk_j += scale ds_j q     dbias_j += ds_j     dw += D     */
#include "k_attention.h"

typedef struct {
    const k_attention *a;
    const k_attention_grads *to;
    heed_tensor out;
    const k_attention_row *row;
    heed_real *scratch;
    int64_t room, heads, each; /* numbers of scratch a part; heads in all, and of a part */
} pass;

/* Heads may share the gradients of biases and gates: then they are one part. */
static int64_t parts_of(const k_block *x, const k_attention_grads *to, int threads, int64_t *each)
{
    return k_block_parts(x, threads, to->bias.data || to->gates.data, each);
}

int64_t k_attention_backward_scratch(const k_attention *a, const k_attention_grads *to, int threads)
{
    k_block x;
    int64_t each, room = k_block_begin(&x, a, &to->out, NULL);
    return room * parts_of(&x, to, threads, &each);
}

/* ---- sums over queries: the gradients of a head's keys or values --------------------------------------------------- */

typedef struct {
    k_rows place, sum; /* where they belong, and where they are summed */
    int64_t width, wide;
    bool wanted, add; /* add: to what their place holds */
    k_rows queries;   /* what is summed: the block's queries, or their gradients */
    int64_t done;     /* keys that earlier blocks have been at */
} key_grads;

static key_grads key_grads_of(const k_block *x, heed_tensor to, bool add, heed_real *room, int64_t width, int64_t wide)
{
    key_grads g = { .width = width, .wide = wide, .wanted = to.data != NULL, .add = add };
    if (g.wanted) {
        g.place = k_block_rows(x, to);
        g.sum = room ? (k_rows){ .data = room, .row = wide } : g.place;
    }
    return g;
}

/* to[j] (+)= sum over queries i of weights[j][i] queries[i]; keys that no earlier block has been at are overwritten. */
static void sum_queries(const k_block *x, const key_grads *to, const heed_real *weights, int64_t from, int64_t end)
{
    const k_rows rows = to->queries;
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        int64_t low = from, high = end;
        if (!k_block_new_keys(x, g, &low, &high))
            continue;
        while (low < high) {
            int64_t next = low < to->done && to->done < high ? to->done : high;
            k_product p = { .y = to->sum.data + low * to->sum.row, .y_row = to->sum.row };
            p.w = weights + (low - from) * x->width + g, p.w_row = x->width, p.w_step = 1;
            p.x = rows.data + g * rows.row, p.x_row = rows.row, p.careful = rows.careful;
            p.vectors = to->wide / K_WIDTH, p.depth = x->count - g;
            p.rows = next - low, p.add = low < to->done || (to->add && to->sum.data == to->place.data);
            k_multiply(&p);
            low = next;
        }
    }
}

/* After the last block: the sums go to their place, and the keys nobody saw get 0. */
static void key_grads_end(const key_grads *g, int64_t Tk)
{
    for (int64_t j = 0; g->wanted && g->sum.data != g->place.data && j < g->done; j++) {
        heed_real *restrict to = g->place.data + j * g->place.row;
        const heed_real *from = g->sum.data + j * g->wide;
        for (int64_t c = 0; c < g->width; c++)
            to[c] = g->add ? to[c] + from[c] : from[c];
    }
    for (int64_t j = g->done; g->wanted && !g->add && j < Tk; j++)
        memset(g->place.data + j * g->place.row, 0, (size_t)g->width * sizeof *g->place.data);
}

/* ---- one block ----------------------------------------------------------------------------------------------------- */

typedef struct {
    heed_real top[K_WIDEST], inverse[K_WIDEST], D[K_WIDEST];
} row_stats;

/* s, the scores, become the weights p. */
static void weights_again(const k_block *x, const row_stats *row, int64_t from, int64_t to)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        const k_vec top = k_load(row->top + g), inverse = k_load(row->inverse + g);
        for (int64_t at = g, end = g + k_block_end(x, g, from, to); at < end; at += x->width) {
            k_vec e = k_exp_low(k_load(x->s + at) - top);
            k_store(x->s + at, k_where(e != 0, e * inverse)); /* what is not allowed is 0 in a NaN row too */
        }
    }
}

/* ds = m (g · v_j), and m = w p m, which weighs the values; from weights in s. */
static void weight_grads(const k_block *x, int64_t from, int64_t to)
{
    const bool drops = x->a->dropout > 0, weighs = drops || x->a->gates.data;
    k_block_times_queries(x, x->ds, x->v, x->g_t, x->e, from, to);
    if (drops)
        k_block_draw(x, from, to);
    for (int64_t g = 0; weighs && g < x->width; g += K_GROUP)
        for (int64_t at = g, end = g + k_block_end(x, g, from, to); at < end; at += x->width) {
            k_vec m = drops ? k_load(x->m + at) : k_fill(1);
            k_store(x->m + at, x->gate * k_load(x->s + at) * m);
            k_store(x->ds + at, k_load(x->ds + at) * m);
        }
}

/* ds, which holds dp, becomes factor p (dp - D). */
static void score_grads(const k_block *x, const heed_real *D, heed_real factor, int64_t from, int64_t to)
{
    for (int64_t g = 0; g < x->width; g += K_GROUP) {
        const int64_t end = g + k_block_end(x, g, from, to);
        const k_vec mean = k_load(D + g);
        for (int64_t at = g; at < end; at += x->width) {
            k_vec p = k_load(x->s + at), ds = factor * p * (k_load(x->ds + at) - mean);
            k_store(x->ds + at, k_where(p != 0, ds)); /* a value that is not seen may be NaN */
        }
    }
}

/* D = g · o, both transposed; x->sum is free here. */
static void row_means(const k_block *x, heed_real *D, k_rows out)
{
    k_vec sum[K_WIDEST / K_WIDTH] = { { 0 } };
    k_transpose(x->sum, x->width, out.data + x->first * out.row, out.row, x->count, x->e, 1);
    for (int64_t c = 0; c < x->e; c++)
        for (int64_t v = 0; v < x->width / K_WIDTH; v++)
            sum[v] += k_load(x->g_t + c * x->width + v * K_WIDTH) * k_load(x->sum + c * x->width + v * K_WIDTH);
    memcpy(D, sum, sizeof sum);
}

/* The same from the weights, where a gate may have made o 0. Returns the sum of D. */
static double gated_means(const k_block *x, row_stats *row)
{
    double total = 0;
    for (int64_t from = 0, to; from < x->most; from = to) {
        to = k_block_stretch(x, from);
        k_block_scores(x, from, to);
        weights_again(x, row, from, to);
        weight_grads(x, from, to);
        for (int64_t g = 0; g < x->width; g += K_GROUP) {
            k_vec D = k_load(row->D + g);
            for (int64_t at = g, end = g + k_block_end(x, g, from, to); at < end; at += x->width) {
                k_vec p = k_load(x->s + at);
                D += k_where(p != 0, p * k_load(x->ds + at));
            }
            k_store(row->D + g, D);
        }
    }
    for (int64_t i = 0; i < x->count; i++)
        total += (double)row->D[i];
    return total;
}

/* And scales ds, which could not be scaled before. */
static void bias_grads(const k_block *x, heed_tensor to, int64_t from, int64_t end)
{
    for (int64_t i = 0; i < x->count; i++) {
        heed_real *bias = k_block_bias(x, to, i);
        for (int64_t j = from; j < end && j < x->limit[i]; j++) {
            heed_real *ds = x->ds + (j - from) * x->width + i;
            bias[j * to.strides[3]] += *ds;
            *ds *= x->a->scale;
        }
    }
}

/* One stretch of keys: all that goes to keys and values, and what adds to the sums for queries. */
static void backward_stretch(const pass *p, k_block *x, const row_stats *row, const key_grads *dk, const key_grads *dv,
                             int64_t from, int64_t to)
{
    const bool weighs = x->a->dropout > 0 || x->a->gates.data, biased = p->to->bias.data != NULL;
    heed_real *weights = weighs ? x->m : x->s;
    k_block_scores(x, from, to);
    weights_again(x, row, from, to);
    weight_grads(x, from, to);
    score_grads(x, row->D, biased ? x->gate : x->gate * x->a->scale, from, to);
    if (biased)
        bias_grads(x, p->to->bias, from, to);
    k_block_clear_unseen(x, weights, from, to);
    k_block_clear_unseen(x, x->ds, from, to);
    if (dv->wanted)
        sum_queries(x, dv, weights, from, to);
    if (dk->wanted)
        sum_queries(x, dk, x->ds, from, to);
    if (p->to->q.data)
        k_block_sum_keys(x, x->ds, x->k, x->wide_d, from, to);
}

static void backward_block(const pass *p, k_block *x, key_grads *dk, key_grads *dv)
{
    const k_attention *a = x->a;
    const k_attention_row *kept = p->row + (x->b * x->H + x->h) * x->Tq + x->first;
    k_rows q = k_block_rows(x, a->q), g = k_block_rows(x, p->to->out);
    row_stats row = { .D = { 0 } };
    for (int64_t i = 0; i < x->width; i++) {
        row.top[i] = i < x->count ? kept[i].top : 0;
        row.inverse[i] = i < x->count ? kept[i].inverse : 0;
    }
    q.data += x->first * q.row, g.data += x->first * g.row;
    k_transpose(x->q_t, x->width, q.data, q.row, x->count, x->d, a->scale);
    k_transpose(x->g_t, x->width, g.data, g.row, x->count, x->e, 1);
    dk->queries = k_block_pack(q, x->count, x->d, x->room_q, true);
    dv->queries = k_block_pack(g, x->count, x->e, x->room_g, true);
    double D = 0;
    if (a->gates.data)
        D = gated_means(x, &row);
    else
        row_means(x, row.D, k_block_rows(x, p->out));
    if (p->to->gates.data)
        p->to->gates.data[x->b * p->to->gates.strides[0] + x->h * p->to->gates.strides[1]] += (heed_real)D;
    int64_t from = 0, to;
    do { /* once if there are no keys, to clear the sums */
        to = k_block_stretch(x, from);
        backward_stretch(p, x, &row, dk, dv, from, to);
    } while ((from = to) < x->most);
    dk->done = dv->done = x->most;
    k_rows dq = p->to->q.data ? k_block_rows(x, p->to->q) : q;
    for (int64_t i = 0; p->to->q.data && i < x->count; i++) {
        heed_real *restrict at = dq.data + (x->first + i) * dq.row;
        const heed_real *sum = x->sum + i * x->wide_d;
        for (int64_t c = 0; c < x->d; c++)
            at[c] = p->to->add_q ? at[c] + sum[c] : sum[c];
    }
}

static void backward_part(int64_t part, void *context)
{
    const pass *p = context;
    k_block x;
    k_block_begin(&x, p->a, &p->to->out, p->scratch + part * p->room);
    for (int64_t head = part * p->each; head < (part + 1) * p->each && head < p->heads; head++) {
        k_block_enter(&x, head);
        key_grads dk = key_grads_of(&x, p->to->k, p->to->add_k, x.dk, x.d, x.wide_d);
        key_grads dv = key_grads_of(&x, p->to->v, p->to->add_v, x.dv, x.e, x.wide_e);
        for (int64_t first = 0; first < x.Tq; first += x.widest) {
            k_block_place(&x, first);
            backward_block(p, &x, &dk, &dv);
        }
        key_grads_end(&dk, x.Tk);
        key_grads_end(&dv, x.Tk);
    }
}

void k_attention_backward(const k_attention_grads *to, heed_tensor out, const k_attention_row *row,
                          const k_attention *a, heed_real *scratch, int threads)
{
    k_block x;
    pass p = { .a = a, .to = to, .out = out, .row = row, .scratch = scratch };
    p.room = k_block_begin(&x, a, &to->out, NULL);
    p.heads = x.B * x.H;
    k_parallel(threads, parts_of(&x, to, threads, &p.each), backward_part, &p);
}
