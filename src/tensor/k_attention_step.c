/* Attention of one query a row, as decoding has it. The blocks of k_attention.c would fill one lane of each vector; here
 * vectors lie along the keys, which a cache holds side by side for each number of a key. Every sum is the same chain as
 * there, stretches included, so the bits are the same. */
#include "k_attention.h"

typedef struct {
    const k_attention *a;
    heed_tensor out;
    heed_real *weights, *scratch;
    int64_t rows, each, room; /* rows in all, and of a part; numbers of scratch a part */
} pass;

static pass pass_of(const k_attention *a, int threads, int64_t *parts)
{
    int64_t Tk = a->k.shape.dims[1], H = a->q.shape.dims[2], d = a->q.shape.dims[3], e = a->v.shape.dims[3];
    pass p = { .a = a, .rows = a->q.shape.dims[0], .room = (e + K_WIDTH - 1) / K_WIDTH * K_WIDTH };
    *parts = k_parts(p.rows, H * Tk * (d + e), &p.each);
    if (k_threads(threads) == 1) {
        p.each = p.rows;
        *parts = p.rows > 0;
    }
    return p;
}

int64_t k_attention_step_scratch(const k_attention *a, int threads)
{
    int64_t parts;
    pass p = pass_of(a, threads, &parts);
    return parts * p.room;
}

/* Scores of n keys of a head from one on; -inf where not allowed. Returns the largest, NaN passed over. */
static heed_real scores(heed_real s[K_STRETCH], const k_attention *a, int64_t b, int64_t h, int64_t from, int64_t n)
{
    const heed_real *q = a->q.data + b * a->q.strides[0] + h * a->q.strides[2];
    const heed_real *k = a->k.data + b * a->k.strides[0] + h * a->k.strides[2] + from, never = -(heed_real)INFINITY;
    const int64_t last = a->q.shape.dims[3] - 1, step = a->k.strides[3];
    for (int64_t j = 0; j < n; j += K_WIDTH) {
        const heed_real *at = k + j;
        k_vec sum = { 0 };
        if (step >= K_WIDTH) /* beyond n is memory all the same, if another line of keys follows */
            for (int64_t c = 0; c < last; c++, at += step)
                sum += (q[c * a->q.strides[3]] * a->scale) * k_load(at);
        else
            for (int64_t c = 0; c < last; c++, at += step)
                sum += (q[c * a->q.strides[3]] * a->scale) * k_load_first(at, n - j, 0);
        sum += (q[last * a->q.strides[3]] * a->scale) * k_load_first(at, n - j, 0);
        k_store(s + j, sum);
    }
    const int64_t *dims = a->bias.shape.dims, *strides = a->bias.strides;
    int64_t table = (a->allowed_rows > 1 ? b : 0) * a->allowed_heads + (a->allowed_heads > 1 ? h : 0);
    const int32_t *allowed = a->allowed ? a->allowed + table * a->k.shape.dims[1] + from : NULL;
    const heed_real *bias = a->bias.data;
    if (bias)
        bias += (dims[0] > 1 ? b * strides[0] : 0) + (dims[1] > 1 ? h * strides[1] : 0) + from * strides[3];
    heed_real top = never;
    for (int64_t j = 0; j < n; j++) {
        heed_real add = bias ? bias[j * strides[3]] : 0;
        s[j] = (allowed && !allowed[j]) || add == never ? never : s[j] + add;
        top = s[j] > top ? s[j] : top;
    }
    return top;
}

/* s = exp(s - top); returns sum plus their sum, in order. */
static heed_real exponentials(heed_real s[K_STRETCH], heed_real top, int64_t n, heed_real sum)
{
    for (int64_t j = 0; j < n; j += K_WIDTH)
        k_store(s + j, k_exp_low(k_load_first(s + j, n - j, 0) - (top == -(heed_real)INFINITY ? 0 : top)));
    for (int64_t j = 0; j < n; j++)
        sum += s[j];
    return sum;
}

/* sum [e, in whole vectors] = factor sum + sum over n keys j of s[j] v[j]; a value whose weight is 0 is not read. */
static void add_values(heed_real *sum, heed_real factor, const heed_real s[K_STRETCH], const heed_real *v, int64_t row,
                       int64_t n, int64_t e)
{
    for (int64_t c = 0; c < e; c += K_WIDTH) {
        k_vec total = k_load(sum + c);
        total = factor == 1 ? total : factor * total;
        for (int64_t j = 0; j < n; j++)
            if (s[j] != 0)
                total += s[j] * k_load_first(v + j * row + c, e - c, 0);
        k_store(sum + c, total);
    }
}

static void step_head(const pass *p, heed_real *sum, int64_t b, int64_t h)
{
    const k_attention *a = p->a;
    int64_t Tk = a->k.shape.dims[1], e = a->v.shape.dims[3], n = a->key_lengths ? a->key_lengths[b] : Tk;
    const heed_real *v = a->v.data + b * a->v.strides[0] + h * a->v.strides[2];
    heed_real *weights = p->weights ? p->weights + (b * a->q.shape.dims[2] + h) * Tk : NULL;
    heed_real top = -(heed_real)INFINITY, total = 0, gate = 1, s[K_STRETCH];
    memset(sum, 0, (size_t)p->room * sizeof *sum);
    for (int64_t from = 0; from < n; from += K_STRETCH) {
        int64_t count = n - from < K_STRETCH ? n - from : K_STRETCH;
        heed_real here = scores(s, a, b, h, from, count), factor = 1;
        if (weights)
            memcpy(weights + from, s, (size_t)count * sizeof *s);
        if (here > top) {
            factor = from > 0 ? k_exp(top - here) : 1;
            total *= factor;
            top = here;
        }
        total = exponentials(s, top, count, total);
        add_values(sum, factor, s, v + from * a->v.strides[1], a->v.strides[1], count, e);
    }
    heed_real inverse = total == 0 ? 0 : 1 / total;
    for (int64_t j = 0; weights && j < Tk; j++) {
        heed_real w = j < n ? k_exp(weights[j] - (top == -(heed_real)INFINITY ? 0 : top)) : 0;
        weights[j] = w == 0 ? 0 : w * inverse;
    }
    if (a->gates.data)
        gate = a->gates.data[b * a->gates.strides[0] + h * a->gates.strides[1]];
    heed_real *out = p->out.data + b * p->out.strides[0] + h * p->out.strides[2];
    for (int64_t c = 0; c < e; c++)
        out[c] = inverse * gate * sum[c];
}

static void step_part(int64_t part, void *context)
{
    const pass *p = context;
    int64_t H = p->a->q.shape.dims[2];
    for (int64_t b = part * p->each; b < (part + 1) * p->each && b < p->rows; b++)
        for (int64_t h = 0; h < H; h++)
            step_head(p, p->scratch + part * p->room, b, h);
}

void k_attention_step(heed_tensor out, heed_real *weights, const k_attention *a, heed_real *scratch, int threads)
{
    int64_t parts;
    pass p = pass_of(a, threads, &parts);
    p.out = out, p.weights = weights, p.scratch = scratch;
    k_parallel(threads, parts, step_part, &p);
}
