/* Layer norm (Ba, Kiros and Hinton 2016) and RMS norm (Zhang and Sennrich 2019), row by row:
 *
 *     x^_i = (x_i - mean) scale      scale = 1 / sqrt(mean over i of (x_i - mean)^2 + eps)      y_i = x^_i w_i + b_i
 *
 * with mean = 0 for RMS norm. The sums are in double, and the mean is taken off in two parts: what a heed_real holds of
 * it, and the rest. So rows with a large mean and a small deviation keep their digits. */
#include "k_row.h"
#include "kernels.h"

#include <string.h>

enum { WORK = 8 }; /* of an element, in multiplications */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first n of x, less the mean. */
static inline k_vec centred(const heed_real *x, int64_t n, k_norm_row s)
{
    return (k_load_first(x, n, 0) - s.mean) - s.rest;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static double sum_of_squares(const heed_real *x, k_norm_row s, int64_t n)
{
    k_sums sums = { 0 };
    double sum = 0;
    int64_t i = 0;
    for (; i + K_WIDTH <= n; i += K_WIDTH) {
        k_vec d = centred(x + i, K_WIDTH, s);
        k_sums_add_product(&sums, d, d);
    }
    for (; i < n; i++) {
        heed_real d = (x[i] - s.mean) - s.rest;
        sum += (double)d * (double)d;
    }
    return sum + k_sums_total(&sums);
}

static k_norm_row row_statistics(const heed_real *x, const k_norm *norm)
{
    k_norm_row s = { 0 };
    double n = (double)norm->n;
    if (!norm->rms) {
        double mean = k_row_sum(x, norm->n) / n;
        s.mean = (heed_real)mean;
        s.rest = (heed_real)(mean - (double)s.mean);
    }
    s.scale = (heed_real)(1 / sqrt(sum_of_squares(x, s, norm->n) / n + norm->eps));
    return s;
}

typedef struct {
    heed_real *y;
    k_norm_row *stats;
    const k_norm *norm;
    int64_t each; /* rows of a part */
} forward_job;

static void forward_part(int64_t part, void *context)
{
    const forward_job *job = context;
    const k_norm *norm = job->norm;
    int64_t n = norm->n, from = part * job->each, to = least(from + job->each, norm->rows);
    const heed_real *w = norm->weight, *b = norm->bias;
    for (int64_t r = from; r < to; r++) {
        const heed_real *x = norm->x + r * n;
        heed_real *y = job->y + r * n;
        k_norm_row s = job->stats[r] = row_statistics(x, norm);
        for (int64_t i = 0; i < n; i += K_WIDTH) {
            k_vec v = centred(x + i, n - i, s) * s.scale;
            if (w)
                v *= k_load_first(w + i, n - i, 0);
            if (b)
                v += k_load_first(b + i, n - i, 0);
            k_store_first(y + i, v, n - i);
        }
    }
}

void k_norm_forward(heed_real *y, k_norm_row *stats, const k_norm *norm, int threads)
{
    forward_job job = { .y = y, .stats = stats, .norm = norm };
    k_parallel(threads, k_parts(norm->rows, WORK * norm->n, &job.each), forward_part, &job);
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const k_norm_grads *to;
    heed_real *partial; /* [parts, 2, n]: each part's gradient of weight and bias */
    const heed_real *dy;
    const k_norm_row *stats;
    const k_norm *norm;
    int64_t each;
} backward_job;

/* dw += dy x^,  db += dy,  and with g = dy w:
 *
 *     dx_i = scale (g_i - mean(g) - x^_i mean(g x^))      without the first mean for RMS norm
 *
 * These means decide no norm: they are summed in heed_real, side by side. */
static void row_gradient(const backward_job *job, int64_t r, heed_real *dw, heed_real *db)
{
    const k_norm *norm = job->norm;
    const k_norm_grads *to = job->to;
    int64_t n = norm->n;
    const heed_real *x = norm->x + r * n, *dy = job->dy + r * n, *w = norm->weight;
    k_norm_row s = job->stats[r];
    k_vec sums = { 0 }, sums_x = { 0 };
    for (int64_t i = 0; i < n; i += K_WIDTH) {
        k_vec g = k_load_first(dy + i, n - i, 0), c = centred(x + i, n - i, s);
        if (to->weight)
            k_put_first(dw + i, 1, g * (c * s.scale), n - i);
        if (to->bias)
            k_put_first(db + i, 1, g, n - i);
        if (w)
            g *= k_load_first(w + i, n - i, 0);
        sums += g;
        sums_x += g * c;
    }
    if (!to->x)
        return;
    heed_real mean = norm->rms ? 0 : k_sum_of(sums) / (heed_real)n;
    heed_real along = k_sum_of(sums_x) / (heed_real)n * s.scale * s.scale;
    for (int64_t i = 0; i < n; i += K_WIDTH) {
        k_vec g = k_load_first(dy + i, n - i, 0);
        if (w)
            g *= k_load_first(w + i, n - i, 0);
        k_put_first(to->x + r * n + i, to->x_beta, s.scale * (g - mean - centred(x + i, n - i, s) * along), n - i);
    }
}

static void backward_part(int64_t part, void *context)
{
    const backward_job *job = context;
    int64_t n = job->norm->n, from = part * job->each, to = least(from + job->each, job->norm->rows);
    heed_real *dw = job->partial + part * 2 * n;
    memset(dw, 0, (size_t)(2 * n) * sizeof *dw);
    for (int64_t r = from; r < to; r++)
        row_gradient(job, r, dw, dw + n);
}

/* out [n] = the sum of `parts` rows that are 2 n apart */
static void add_parts(heed_real *out, const heed_real *partial, int64_t parts, int64_t n)
{
    if (!out)
        return;
    memset(out, 0, (size_t)n * sizeof *out);
    for (int64_t part = 0; part < parts; part++)
        for (int64_t i = 0; i < n; i++)
            out[i] += partial[part * 2 * n + i];
}

int64_t k_norm_scratch(const k_norm *norm)
{
    int64_t each;
    return k_parts(norm->rows, WORK * norm->n, &each) * 2 * norm->n;
}

void k_norm_backward(const k_norm_grads *to, const heed_real *dy, const k_norm_row *stats, const k_norm *norm,
                     heed_real *scratch, int threads)
{
    backward_job job = { .to = to, .partial = scratch, .dy = dy, .stats = stats, .norm = norm };
    int64_t parts = k_parts(norm->rows, WORK * norm->n, &job.each);
    k_parallel(threads, parts, backward_part, &job);
    add_parts(to->weight, scratch, parts, norm->n);
    add_parts(to->bias, scratch + norm->n, parts, norm->n);
}
