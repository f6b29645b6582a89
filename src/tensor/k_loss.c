/* Losses. Sums in double, over rows in order. */
#include "k_row.h"
#include "kernels.h"

static bool counts(const k_cross_entropy *ce, int64_t r)
{
    return !(ce->has_ignore && ce->labels[r] == ce->ignore);
}

/* With the target q = (1 - e) on the label + e / V on every class, and l = log sum_j exp(x_j):
 *
 *     loss = - sum_j q_j (x_j - l) = l - (1 - e) x_label - e / V sum_j x_j
 *
 * x is measured from its largest element, so that l is small; a term with factor 0 is left out, since its logit may be
 * -inf. A row of only -inf gives every class probability 0, and a loss of inf. */
static double row_loss(const heed_real *x, k_cross_entropy_row *s, int32_t label, const k_cross_entropy *ce)
{
    int64_t n = ce->classes;
    double e = ce->smoothing;
    heed_real top = k_row_max(x, n);
    s->top = top == -(heed_real)INFINITY ? 0 : top;
    double sum = k_row_sum_exp(x, s->top, n);
    s->inverse = (heed_real)(sum > 0 ? 1 / sum : sum);
    if (sum == 0)
        return (double)INFINITY;
    double loss = log(sum);
    if (e < 1)
        loss -= (1 - e) * ((double)x[label] - (double)s->top);
    if (e > 0)
        loss -= e * (k_row_sum(x, n) / (double)n - (double)s->top);
    return loss;
}

/* dx_j = factor (softmax(x)_j - q_j); 0 in rows that do not count, and in rows of only -inf */
static void row_gradient(heed_real *dx, heed_real beta, heed_real factor, const heed_real *x, k_cross_entropy_row s,
                         const k_cross_entropy *ce)
{
    heed_real everywhere = (heed_real)(ce->smoothing / (double)ce->classes);
    int64_t n = ce->classes;
    for (int64_t j = 0; j < n; j += K_WIDTH) {
        k_vec p = k_exp_low(k_load_first(x + j, n - j, s.top) - s.top) * s.inverse;
        k_put_first(dx + j, beta, factor * (p - everywhere), n - j);
    }
}

/* ---- all rows, in parts ------------------------------------------------------------------------------------------ */

typedef struct {
    const k_cross_entropy *ce;
    k_cross_entropy_row *stats;  /* forward fills them */
    double losses[K_MOST_PARTS]; /* forward: of each part */
    heed_real *dx, beta, factor; /* backward */
    int64_t each;                /* rows of a part */
} loss_job;

static void forward_part(int64_t part, void *context)
{
    loss_job *job = context;
    const k_cross_entropy *ce = job->ce;
    int64_t from = part * job->each, to = from + job->each < ce->rows ? from + job->each : ce->rows;
    double loss = 0;
    for (int64_t r = from; r < to; r++)
        if (counts(ce, r))
            loss += row_loss(ce->logits + r * ce->classes, job->stats + r, ce->labels[r], ce);
    job->losses[part] = loss;
}

static void backward_part(int64_t part, void *context)
{
    const loss_job *job = context;
    const k_cross_entropy *ce = job->ce;
    int64_t n = ce->classes, from = part * job->each, to = from + job->each < ce->rows ? from + job->each : ce->rows;
    heed_real on_label = (heed_real)(1 - ce->smoothing);
    for (int64_t r = from; r < to; r++) {
        heed_real *dx = job->dx + r * n;
        if (!counts(ce, r) || job->stats[r].inverse == 0) {
            for (int64_t j = 0; j < n; j++)
                k_put(dx + j, job->beta, 0);
            continue;
        }
        row_gradient(dx, job->beta, job->factor, ce->logits + r * n, job->stats[r], ce);
        dx[ce->labels[r]] -= job->factor * on_label;
    }
}

static int64_t run_parts(k_part *part, loss_job *job, int threads)
{
    enum { WORK = 16 }; /* of a logit, in multiplications */
    int64_t parts = k_parts(job->ce->rows, WORK * job->ce->classes, &job->each);
    k_parallel(threads, parts, part, job);
    return parts;
}

double k_cross_entropy_forward(k_cross_entropy_row *stats, const k_cross_entropy *ce, int threads)
{
    loss_job job = { .ce = ce, .stats = stats };
    int64_t parts = run_parts(forward_part, &job, threads);
    double loss = 0;
    for (int64_t i = 0; i < parts; i++)
        loss += job.losses[i];
    return loss;
}

void k_cross_entropy_backward(heed_real *dx, heed_real beta, heed_real factor, k_cross_entropy_row *stats,
                              const k_cross_entropy *ce, int threads)
{
    loss_job job = { .ce = ce, .stats = stats, .dx = dx, .beta = beta, .factor = factor };
    run_parts(backward_part, &job, threads);
}

double k_squared_distance(const heed_real *a, const heed_real *b, int64_t n)
{
    k_sums sums = { 0 };
    int64_t i = 0;
    double rest = 0;
    for (; i + K_WIDTH <= n; i += K_WIDTH)
        for (int lane = 0; lane < K_WIDTH; lane++) {
            double d = (double)a[i + lane] - (double)b[i + lane];
            sums.part[lane] += d * d;
        }
    for (; i < n; i++)
        rest += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return rest + k_sums_total(&sums);
}
