/* Attention for one batch: out = softmax(scale q kᵀ + bias) v, row by row, in memory linear in T.
 * "Attention Is All You Need", 3.2.1; the backward pass recomputes a row's weights from its log-sum-exp instead of
 * keeping them, as in Dao, Fu, Ermon, Rudra, Ré, "FlashAttention" (NeurIPS 2022), 3.1.
 *
 * Per row b and head h the keys and values are transposed once, [d, Tk] and [e, Tk], so that the loops over keys run
 * along memory. Every sum is taken over the allowed keys in their order, and only over them: what a masked key or value
 * holds, even NaN, is never added to anything. */
#include "kernels.h"
#include "k_math.h"

#include <string.h>
#include <tgmath.h>

/* Element [i0, i1, i2] of a [.., .., ..]-strided table whose axes of size 1 repeat. */
static int64_t spot(heed_tensor t, int64_t b, int64_t h, int64_t i)
{
    const int64_t *dims = t.shape.dims, *strides = t.strides;
    return (dims[0] > 1 ? b * strides[0] : 0) + (dims[1] > 1 ? h * strides[1] : 0) + i * strides[2];
}

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

/* to [width, n] = from [n, width] of head h in row b. */
static void transpose_head(heed_real *to, heed_tensor from, int64_t b, int64_t h)
{
    int64_t n = from.shape.dims[1], width = from.shape.dims[3];
    const heed_real *head = from.data + b * from.strides[0] + h * from.strides[2];
    for (int64_t j = 0; j < n; j++)
        for (int64_t c = 0; c < width; c++)
            to[c * n + j] = head[j * from.strides[1] + c];
}

/* s[j] = sum over c of x[c] t[c][j], j < n; rows of t are `stride` apart. */
static void dots(heed_real *restrict s, const heed_real *x, const heed_real *t, int64_t n, int64_t width,
                 int64_t stride)
{
    for (int64_t j = 0; j < n; j++)
        s[j] = x[0] * t[j];
    for (int64_t c = 1; c < width; c++)
        for (int64_t j = 0; j < n; j++)
            s[j] += x[c] * t[c * stride + j];
}

/* Scaled and biased scores of one query over its n visible keys; what is not allowed becomes -inf. */
static void scores(heed_real *s, const k_attention *a, const heed_real *k_t, int64_t b, int64_t h, int64_t i, int64_t n)
{
    const heed_real *q = a->q.data + b * a->q.strides[0] + i * a->q.strides[1] + h * a->q.strides[2];
    dots(s, q, k_t, n, a->q.shape.dims[3], a->k.shape.dims[1]);
    for (int64_t j = 0; j < n; j++)
        s[j] *= a->scale;
    if (a->bias.data) {
        const heed_real *bias = a->bias.data + spot(a->bias, b, h, i);
        for (int64_t j = 0; j < n; j++)
            s[j] = bias[j * a->bias.strides[3]] == -(heed_real)INFINITY ? -(heed_real)INFINITY
                                                                        : s[j] + bias[j * a->bias.strides[3]];
    }
    if (a->allowed) {
        int64_t Tq = a->q.shape.dims[1], Tk = a->k.shape.dims[1];
        int64_t table = (a->allowed_rows > 1 ? b : 0) * a->allowed_heads + (a->allowed_heads > 1 ? h : 0);
        const int32_t *allowed = a->allowed + (table * Tq + i) * Tk;
        for (int64_t j = 0; j < n; j++)
            s[j] = allowed[j] ? s[j] : -(heed_real)INFINITY;
    }
}

/* s becomes softmax(s); returns log sum exp. No allowed key: zeros and -inf. */
static heed_real normalise(heed_real *s, int64_t n)
{
    heed_real top = -(heed_real)INFINITY;
    for (int64_t j = 0; j < n; j++)
        top = s[j] > top || isnan(s[j]) ? s[j] : top;
    if (top == -(heed_real)INFINITY) {
        memset(s, 0, (size_t)n * sizeof *s);
        return top;
    }
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        s[j] = k_exp(s[j] - top);
    for (int64_t j = 0; j < n; j++)
        sum += (double)s[j];
    heed_real inverse = (heed_real)(1 / sum);
    for (int64_t j = 0; j < n; j++)
        s[j] *= inverse;
    return top + (heed_real)log(sum);
}

static heed_real gate_of(const k_attention *a, int64_t b, int64_t h)
{
    return a->gates.data ? a->gates.data[b * a->gates.strides[0] + h * a->gates.strides[1]] : 1;
}

/* Dropout's factors of one row of weights, as heed_dropout's for [B, H, Tq, Tk]. */
static void drop_line(heed_real *mask, const k_attention *a, int64_t b, int64_t h, int64_t i, int64_t n)
{
    int64_t Tq = a->q.shape.dims[1], H = a->q.shape.dims[2], Tk = a->k.shape.dims[1];
    const heed_real factor = (heed_real)(1 / (1 - a->dropout));
    k_dropout draws = { .rng = a->rng, .shape = HEED_SHAPE(a->q.shape.dims[0], H, Tq, Tk), .p = a->dropout };
    uint8_t *kept = (uint8_t *)mask; /* the beginning of the same memory: read from the end */
    k_dropout_draw(kept, &draws, (b * H + h) * Tq + i, 1);
    for (int64_t j = n - 1; j >= 0; j--)
        mask[j] = kept[j] ? factor : 0;
}

/* o[c] = sum over j of p[j] v[j][c]. A weight of exactly zero reads nothing. */
static void weighted_sum(heed_real *restrict o, const heed_real *p, heed_tensor v, int64_t b, int64_t h, int64_t n)
{
    int64_t width = v.shape.dims[3];
    const heed_real *head = v.data + b * v.strides[0] + h * v.strides[2];
    memset(o, 0, (size_t)width * sizeof *o);
    for (int64_t j = 0; j < n; j++)
        if (p[j] != 0)
            for (int64_t c = 0; c < width; c++)
                o[c] += p[j] * head[j * v.strides[1] + c];
}

int64_t k_attention_scratch(const k_attention *a)
{
    int64_t Tk = a->k.shape.dims[1], d = a->q.shape.dims[3], e = a->v.shape.dims[3];
    return Tk * (d + e) + 3 * Tk + e;
}

void k_attention_forward(heed_tensor out, heed_real *lse, heed_real *weights, const k_attention *a, heed_real *scratch)
{
    int64_t B = a->q.shape.dims[0], Tq = a->q.shape.dims[1], H = a->q.shape.dims[2], Tk = a->k.shape.dims[1],
            d = a->q.shape.dims[3], e = a->v.shape.dims[3];
    heed_real *k_t = scratch, *p = k_t + Tk * d, *mask = p + Tk;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < H; h++) {
            heed_real gate = gate_of(a, b, h);
            transpose_head(k_t, a->k, b, h);
            for (int64_t i = 0; i < Tq; i++) {
                int64_t n = visible_keys(a, b, i);
                scores(p, a, k_t, b, h, i, n);
                lse[(b * H + h) * Tq + i] = normalise(p, n);
                if (weights) {
                    heed_real *row = weights + ((b * H + h) * Tq + i) * Tk;
                    memcpy(row, p, (size_t)n * sizeof *p);
                    memset(row + n, 0, (size_t)(Tk - n) * sizeof *p);
                }
                if (a->dropout > 0) {
                    drop_line(mask, a, b, h, i, n);
                    for (int64_t j = 0; j < n; j++)
                        p[j] *= mask[j];
                }
                heed_real *o = out.data + b * out.strides[0] + i * out.strides[1] + h * out.strides[2];
                weighted_sum(o, p, a->v, b, h, n);
                for (int64_t c = 0; a->gates.data && c < e; c++)
                    o[c] *= gate;
            }
        }
}

/* y[c] += f x[c], c < n. */
static void add_scaled(heed_real *restrict y, heed_real f, const heed_real *x, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        y[c] += f * x[c];
}

/* One query row of the backward pass. With m the dropout factors, g the output's gradient, w the gate:
 *     dp_j = m_j (g · v_j)    D = sum p_j dp_j    ds_j = w p_j (dp_j - D)
 *     dv_j += w p_j m_j g     dq += scale sum ds_j k_j     dk_j += scale ds_j q     dbias_j += ds_j     dw += D    */
static void backward_row(const k_attention_grads *to, const k_attention *a, heed_real lse, heed_real *scratch,
                         const int64_t at[3])
{
    int64_t b = at[0], h = at[1], i = at[2], Tk = a->k.shape.dims[1], d = a->q.shape.dims[3], e = a->v.shape.dims[3];
    int64_t n = visible_keys(a, b, i);
    heed_real *k_t = scratch, *v_t = k_t + Tk * d, *p = v_t + Tk * e, *mask = p + Tk, *dp = mask + Tk;
    const heed_real *g = to->out.data + b * to->out.strides[0] + i * to->out.strides[1] + h * to->out.strides[2];
    if (n == 0 || lse == -(heed_real)INFINITY)
        return; /* nothing was allowed: zero gradients */
    scores(p, a, k_t, b, h, i, n);
    for (int64_t j = 0; j < n; j++)
        p[j] = k_exp(p[j] - lse);
    dots(dp, g, v_t, n, e, Tk);
    heed_real gate = gate_of(a, b, h);
    if (a->dropout > 0)
        drop_line(mask, a, b, h, i, n);
    double D = 0;
    for (int64_t j = 0; j < n; j++) {
        dp[j] = p[j] == 0 ? 0 : a->dropout > 0 ? mask[j] * dp[j] : dp[j];
        D += (double)p[j] * (double)dp[j];
    }
    if (to->v.data)
        for (int64_t j = 0; j < n; j++) {
            heed_real f = a->dropout > 0 ? gate * p[j] * mask[j] : gate * p[j];
            if (f != 0)
                add_scaled(to->v.data + b * to->v.strides[0] + j * to->v.strides[1] + h * to->v.strides[2], f, g, e);
        }
    for (int64_t j = 0; j < n; j++)
        dp[j] = p[j] == 0 ? 0 : gate * p[j] * (dp[j] - (heed_real)D); /* from here on: ds */
    if (to->gates.data)
        to->gates.data[b * to->gates.strides[0] + h * to->gates.strides[1]] += (heed_real)D;
    if (to->bias.data)
        for (int64_t j = 0; j < n; j++)
            to->bias.data[spot(to->bias, b, h, i) + j * to->bias.strides[3]] += dp[j];
    const heed_real *q = a->q.data + b * a->q.strides[0] + i * a->q.strides[1] + h * a->q.strides[2];
    const heed_real *k = a->k.data + b * a->k.strides[0] + h * a->k.strides[2];
    for (int64_t j = 0; j < n; j++) {
        heed_real f = a->scale * dp[j];
        if (f == 0)
            continue;
        if (to->q.data)
            add_scaled(to->q.data + b * to->q.strides[0] + i * to->q.strides[1] + h * to->q.strides[2], f,
                       k + j * a->k.strides[1], d);
        if (to->k.data)
            add_scaled(to->k.data + b * to->k.strides[0] + j * to->k.strides[1] + h * to->k.strides[2], f, q, d);
    }
}

void k_attention_backward(const k_attention_grads *to, const heed_real *lse, const k_attention *a, heed_real *scratch)
{
    int64_t B = a->q.shape.dims[0], Tq = a->q.shape.dims[1], H = a->q.shape.dims[2];
    int64_t Tk = a->k.shape.dims[1], d = a->q.shape.dims[3];
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < H; h++) {
            transpose_head(scratch, a->k, b, h);
            transpose_head(scratch + Tk * d, a->v, b, h);
            for (int64_t i = 0; i < Tq; i++)
                backward_row(to, a, lse[(b * H + h) * Tq + i], scratch, (const int64_t[]){ b, h, i });
        }
}
