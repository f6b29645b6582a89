/* k_map: an elementwise function over tensors with any strides.
 *
 * Axes are merged where every operand allows it. The best axis becomes the inner one, an odometer runs over the others,
 * and the function gets contiguous stretches: operands that lie so are handed over as they are, others pass through
 * small buffers. So every op is written once, as a plain loop that the compiler can vectorise. */
#include "k_row.h"
#include "kernels.h"

#include <string.h>

enum { STRETCH = 256, OPERANDS = 1 + K_MAP_INPUTS };

/* Operand 0 is the output. Axes of size 1 are gone, axis `rank` - 1 is the inner one. */
typedef struct {
    int rank, n_operands;
    int64_t dims[HEED_MAX_RANK];
    int64_t strides[OPERANDS][HEED_MAX_RANK];
    heed_real *at[OPERANDS]; /* inputs are only read */
} plan;

/* True if the plan's last axis and one with this tensors' strides walk like one longer axis. */
static bool mergeable(const plan *p, const heed_tensor *const *operands, int axis)
{
    for (int k = 0; k < p->n_operands; k++)
        if (p->strides[k][p->rank - 1] != operands[k]->strides[axis] * operands[k]->shape.dims[axis])
            return false;
    return true;
}

/* Relative time per element with this axis inside: short rows cost, and so do buffers and jumps through memory. */
static double inner_cost(const plan *p, int axis)
{
    double cost = 16.0 / (double)p->dims[axis];
    for (int k = 0; k < p->n_operands; k++) {
        int64_t stride = p->strides[k][axis];
        cost += stride == 1 ? 0 : stride == 0 ? 0.5 : 2;
    }
    return cost;
}

/* Moves the best axis inside, unless the output already runs straight along the last one. */
static void choose_inner(plan *p)
{
    int last = p->rank - 1, best = last;
    if (p->strides[0][last] == 1 && p->dims[last] >= 16)
        return;
    double least = inner_cost(p, last);
    for (int axis = last - 1; axis >= 0; axis--) {
        double cost = inner_cost(p, axis);
        bool tie_to_output = cost == least && p->strides[0][axis] == 1 && p->strides[0][best] != 1;
        if (cost < least || tie_to_output) {
            best = axis;
            least = cost;
        }
    }
    int64_t dim = p->dims[best];
    memmove(p->dims + best, p->dims + best + 1, (size_t)(last - best) * sizeof dim);
    p->dims[last] = dim;
    for (int k = 0; k < p->n_operands; k++) {
        int64_t stride = p->strides[k][best];
        memmove(p->strides[k] + best, p->strides[k] + best + 1, (size_t)(last - best) * sizeof stride);
        p->strides[k][last] = stride;
    }
}

/* False if there is nothing to do. */
static bool make_plan(plan *p, const heed_tensor *out, const heed_tensor *in, int n_in)
{
    const heed_tensor *operands[OPERANDS] = { out };
    p->rank = 0;
    p->n_operands = 1 + n_in;
    for (int k = 0; k < n_in; k++)
        operands[1 + k] = in + k;
    for (int k = 0; k < p->n_operands; k++)
        p->at[k] = operands[k]->data;
    for (int axis = 0; axis < out->shape.rank; axis++) {
        int64_t dim = out->shape.dims[axis];
        if (dim == 0)
            return false;
        if (dim == 1)
            continue;
        if (p->rank > 0 && mergeable(p, operands, axis))
            p->dims[p->rank - 1] *= dim;
        else
            p->dims[p->rank++] = dim;
        for (int k = 0; k < p->n_operands; k++)
            p->strides[k][p->rank - 1] = operands[k]->strides[axis];
    }
    if (p->rank == 0) {
        p->dims[p->rank++] = 1;
        for (int k = 0; k < p->n_operands; k++)
            p->strides[k][0] = 1;
    }
    choose_inner(p);
    return true;
}

/* out[i stride] = values[i] + beta out[i stride] */
static void put_values(heed_real *out, int64_t stride, heed_real beta, const heed_real *values, int64_t n)
{
    if (beta == 0) {
        for (int64_t i = 0; i < n; i++)
            out[i * stride] = values[i];
    } else if (stride == 1) {
        for (int64_t i = 0; i < n; i++)
            out[i] = values[i] + beta * out[i];
    } else {
        for (int64_t i = 0; i < n; i++)
            out[i * stride] = values[i] + beta * out[i * stride];
    }
}

/* Nothing of a row passes through a buffer. */
static bool is_straight(const plan *p, heed_real beta)
{
    bool straight = beta == 0;
    for (int k = 0; k < p->n_operands; k++)
        straight = straight && p->strides[k][p->rank - 1] == 1;
    return straight;
}

/* The function over one row, in stretches, through a buffer for each operand that needs one. */
static void run_row(const plan *p, heed_real beta, k_row *row, const void *arg)
{
    heed_real buffers[OPERANDS][STRETCH];
    const heed_real *in[K_MAP_INPUTS];
    int inner = p->rank - 1;
    int64_t n = p->dims[inner], out_stride = p->strides[0][inner];
    bool to_target = beta == 0 && out_stride == 1;
    double total = 0; /* of a row that goes to one element */
    for (int64_t from = 0; from < n; from += STRETCH) {
        int64_t count = n - from < STRETCH ? n - from : STRETCH;
        for (int k = 1; k < p->n_operands; k++) {
            int64_t stride = p->strides[k][inner];
            const heed_real *source = p->at[k] + from * stride;
            in[k - 1] = stride == 1 ? source : buffers[k];
            if (stride == 1 || (stride == 0 && from > 0))
                continue;
            for (int64_t i = 0; i < count; i++)
                buffers[k][i] = source[i * stride];
        }
        heed_real *target = p->at[0] + from * out_stride;
        const heed_real *values = row == k_copy_row ? in[0] : buffers[0];
        if (to_target)
            row(target, in, count, arg);
        else if (row != k_copy_row)
            row(buffers[0], in, count, arg);
        if (out_stride == 0)
            total += k_row_sum(values, count);
        else if (!to_target)
            put_values(target, out_stride, beta, values, count);
    }
    if (out_stride == 0)
        *p->at[0] = (heed_real)(total + (double)*p->at[0]);
}

/* All rows of a plan, which it uses up. */
static void run_plan(plan *p, heed_real beta, k_row *row, const void *arg)
{
    int64_t index[HEED_MAX_RANK] = { 0 };
    bool straight = is_straight(p, beta);
    for (;;) {
        if (straight)
            row(p->at[0], (const heed_real *const *)(p->at + 1), p->dims[p->rank - 1], arg);
        else
            run_row(p, beta, row, arg);
        int axis = p->rank - 2;
        while (axis >= 0 && ++index[axis] == p->dims[axis]) {
            for (int k = 0; k < p->n_operands; k++)
                p->at[k] -= (p->dims[axis] - 1) * p->strides[k][axis];
            index[axis--] = 0;
        }
        if (axis < 0)
            return;
        for (int k = 0; k < p->n_operands; k++)
            p->at[k] += p->strides[k][axis];
    }
}

void k_map(heed_tensor out, heed_real beta, k_row *row, const heed_tensor *in, int n_in, const void *arg)
{
    plan p;
    if (make_plan(&p, &out, in, n_in))
        run_plan(&p, beta, row, arg);
}

/* ---- in parts --------------------------------------------------------------------------------------------------- */

typedef struct {
    plan whole;
    heed_real beta;
    k_row *row;
    const void *arg;
    int axis; /* that is cut, and into stretches of how many */
    int64_t each;
} map_job;

static void run_part(int64_t part, void *context)
{
    const map_job *job = context;
    plan p = job->whole;
    int64_t from = part * job->each, left = p.dims[job->axis] - from;
    p.dims[job->axis] = left < job->each ? left : job->each;
    for (int k = 0; k < p.n_operands; k++)
        p.at[k] += from * p.strides[k][job->axis];
    run_plan(&p, job->beta, job->row, job->arg);
}

/* The outermost axis of some length, else the longest one; never one along which out is summed. -1: none. */
static int axis_to_cut(const plan *p)
{
    enum { ENOUGH = 16 };
    int best = -1;
    for (int axis = 0; axis < p->rank; axis++) {
        if (p->strides[0][axis] == 0)
            continue;
        if (p->dims[axis] >= ENOUGH)
            return axis;
        if (best < 0 || p->dims[axis] > p->dims[best])
            best = axis;
    }
    return best;
}

void k_map_parallel(heed_tensor out, heed_real beta, k_row *row, const heed_tensor *in, int n_in, const void *arg,
                    int threads)
{
    enum { WORK = 4, LINE = 64 / sizeof(heed_real) }; /* an element, mostly a matter of memory, in multiplications */
    map_job job = { .beta = beta, .row = row, .arg = arg };
    plan *p = &job.whole;
    if (!make_plan(p, &out, in, n_in))
        return;
    int64_t parts = 1, rest = WORK;
    if ((job.axis = axis_to_cut(p)) >= 0) {
        for (int axis = 0; axis < p->rank; axis++)
            rest *= axis == job.axis ? 1 : p->dims[axis];
        parts = k_parts(p->dims[job.axis], rest, &job.each);
    }
    if (parts > 1 && job.axis == p->rank - 1) { /* no two parts in one line of cache */
        job.each = (job.each + LINE - 1) / LINE * LINE;
        parts = (p->dims[job.axis] + job.each - 1) / job.each;
    }
    if (parts > 1)
        k_parallel(threads, parts, run_part, &job);
    else
        run_plan(p, beta, row, arg);
}

void k_copy_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    (void)arg;
    memmove(out, in[0], (size_t)n * sizeof *out);
}
