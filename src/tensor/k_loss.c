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

double k_cross_entropy_forward(k_cross_entropy_row *stats, const k_cross_entropy *ce)
{
    const heed_real *x = ce->logits;
    double loss = 0;
    for (int64_t r = 0; r < ce->rows; r++, x += ce->classes)
        if (counts(ce, r))
            loss += row_loss(x, stats + r, ce->labels[r], ce);
    return loss;
}

/* dx_j = factor (softmax(x)_j - q_j); 0 in rows that do not count, and in rows of only -inf */
void k_cross_entropy_backward(heed_real *dx, heed_real beta, heed_real factor, const k_cross_entropy_row *stats,
                              const k_cross_entropy *ce)
{
    const heed_real *x = ce->logits;
    int64_t n = ce->classes;
    heed_real everywhere = (heed_real)(ce->smoothing / (double)n), on_label = (heed_real)(1 - ce->smoothing);
    for (int64_t r = 0; r < ce->rows; r++, x += n, dx += n) {
        k_cross_entropy_row s = stats[r];
        if (!counts(ce, r) || s.inverse == 0) {
            for (int64_t j = 0; j < n; j++)
                k_put(dx + j, beta, 0);
            continue;
        }
        for (int64_t j = 0; j < n; j++)
            k_put(dx + j, beta, factor * (k_exp(x[j] - s.top) * s.inverse - everywhere));
        dx[ce->labels[r]] -= factor * on_label;
    }
}

double k_squared_distance(const heed_real *a, const heed_real *b, int64_t n)
{
    double part[K_LANES] = { 0 }, sum = 0;
    int64_t i = 0;
    for (; i + K_LANES <= n; i += K_LANES)
        for (int lane = 0; lane < K_LANES; lane++) {
            double d = (double)a[i + lane] - (double)b[i + lane];
            part[lane] += d * d;
        }
    for (; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum + k_lanes_sum(part);
}
