/* Sums and maxima over any axes of any strides. An axis of x is either kept, and out has its size, or gone, and out has
 * size 1.
 *
 * Sums are in double. If a kept axis is contiguous, a stretch of outputs is summed side by side; otherwise one output
 * at a time, along an axis that is gone. */
#include "k_row.h"
#include "kernels.h"

#include <string.h>

enum { STRETCH = 512, ROWS = 32 }; /* outputs side by side; rows of them that stay in cache */

typedef struct {
    int64_t dim, x_stride, out_stride;
} axis;

/* A place in some of the axes: an odometer, the last axis fastest. */
typedef struct {
    int rank;
    axis axes[HEED_MAX_RANK];
    int64_t index[HEED_MAX_RANK];
    int64_t x, out; /* offsets of the place */
    bool empty;
} walk;

static void walk_add(walk *w, axis a)
{
    w->empty |= a.dim == 0;
    if (a.dim != 1)
        w->axes[w->rank++] = a;
}

static axis walk_remove(walk *w, int i)
{
    axis a = w->axes[i];
    memmove(w->axes + i, w->axes + i + 1, (size_t)(--w->rank - i) * sizeof a);
    return a;
}

/* False after the last place; the walk is then at its first one again. */
static bool walk_next(walk *w)
{
    for (int i = w->rank - 1; i >= 0; i--) {
        w->x += w->axes[i].x_stride;
        w->out += w->axes[i].out_stride;
        if (++w->index[i] < w->axes[i].dim)
            return true;
        w->x -= w->axes[i].dim * w->axes[i].x_stride;
        w->out -= w->axes[i].dim * w->axes[i].out_stride;
        w->index[i] = 0;
    }
    return false;
}

static void split(walk *kept, walk *gone, heed_tensor out, heed_tensor x)
{
    memset(kept, 0, sizeof *kept);
    memset(gone, 0, sizeof *gone);
    for (int i = 0; i < x.shape.rank; i++) {
        axis a = { x.shape.dims[i], x.strides[i], out.strides[i] };
        walk_add(out.shape.dims[i] == a.dim ? kept : gone, a);
    }
}

/* Index of the axis with stride 1 in x, else `otherwise`. */
static int contiguous_axis(const walk *w, int otherwise)
{
    for (int i = w->rank - 1; i >= 0; i--)
        if (w->axes[i].x_stride == 1)
            return i;
    return otherwise;
}

static double strided_sum(const heed_real *x, int64_t n, int64_t stride)
{
    if (stride == 1)
        return k_row_sum(x, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i * stride];
    return sum;
}

/* total[j] += sum of x[i stride + j] over i < n. Some rows at a time, so that they are still in cache for the next
 * columns; of those as many as fit into registers. */
static void add_columns(double *total, const heed_real *x, int64_t width, int64_t n, int64_t stride)
{
    enum { COLUMNS = 32 };
    for (int64_t from = 0; from < n; from += ROWS, x += ROWS * stride) {
        int64_t rows = n - from < ROWS ? n - from : ROWS, j = 0;
        for (; j + COLUMNS <= width; j += COLUMNS) {
            double part[COLUMNS] = { 0 };
            for (int64_t i = 0; i < rows; i++)
                for (int k = 0; k < COLUMNS; k++)
                    part[k] += (double)x[i * stride + j + k];
            for (int k = 0; k < COLUMNS; k++)
                total[j + k] += part[k];
        }
        for (int64_t i = 0; i < rows && j < width; i++)
            for (int64_t k = j; k < width; k++)
                total[k] += (double)x[i * stride + k];
    }
}

typedef struct {
    walk gone;
    axis columns, run;
    const heed_real *x;
    heed_real *out;
    double scale;
    int64_t each; /* columns of a part */
} sum_job;

/* out[j] = scale times the sum of x[place + j] over all places of gone, each one along the run */
static void some_columns(int64_t part, void *context)
{
    const sum_job *job = context;
    walk gone = job->gone;
    axis run = job->run;
    int64_t end = (part + 1) * job->each < job->columns.dim ? (part + 1) * job->each : job->columns.dim;
    for (int64_t from = part * job->each; from < end; from += STRETCH) {
        int64_t width = end - from < STRETCH ? end - from : STRETCH;
        double total[STRETCH] = { 0 };
        if (!gone.empty)
            do {
                const heed_real *place = job->x + from + gone.x;
                if (width == 1)
                    total[0] += strided_sum(place, run.dim, run.x_stride);
                else
                    add_columns(total, place, width, run.dim, run.x_stride);
            } while (walk_next(&gone));
        for (int64_t j = 0; j < width; j++)
            job->out[(from + j) * job->columns.out_stride] = (heed_real)(job->scale * total[j]);
    }
}

void k_sum(heed_tensor out, double scale, heed_tensor x, int threads)
{
    walk kept;
    sum_job job = { .columns = { .dim = 1 }, .run = { .dim = 1 }, .scale = scale };
    split(&kept, &job.gone, out, x);
    if (kept.empty)
        return;
    int64_t over = 1;
    for (int i = 0; i < job.gone.rank; i++)
        over *= job.gone.axes[i].dim;
    int side = contiguous_axis(&kept, -1);
    if (side >= 0)
        job.columns = walk_remove(&kept, side);
    if (job.gone.rank > 0)
        job.run = walk_remove(&job.gone, contiguous_axis(&job.gone, job.gone.rank - 1));
    int64_t parts = k_parts(job.columns.dim, over, &job.each);
    do {
        job.x = x.data + kept.x;
        job.out = out.data + kept.out;
        k_parallel(threads, parts, some_columns, &job);
    } while (walk_next(&kept));
}

/* ---- rows, and a copy of them ------------------------------------------------------------------------------------ */

typedef struct {
    double *partial; /* [parts, n] */
    heed_real *copy, beta;
    const heed_real *x;
    int64_t rows, n, each;
} rows_job;

static void some_rows(int64_t part, void *context)
{
    const rows_job *job = context;
    int64_t n = job->n, end = (part + 1) * job->each < job->rows ? (part + 1) * job->each : job->rows;
    double *total = job->partial + part * n;
    memset(total, 0, (size_t)n * sizeof *total);
    for (int64_t from = part * job->each; from < end; from += ROWS) {
        int64_t rows = end - from < ROWS ? end - from : ROWS;
        const heed_real *x = job->x + from * n;
        add_columns(total, x, n, rows, n);
        for (int64_t i = 0; job->copy && i < rows * n; i += K_WIDTH)
            k_put_first(job->copy + from * n + i, job->beta, k_load_first(x + i, rows * n - i, 0), rows * n - i);
    }
}

static int64_t rows_parts(int64_t rows, int64_t n, int64_t *each)
{
    return k_parts(rows, 2 * n, each);
}

int64_t k_sum_rows_scratch(int64_t rows, int64_t n)
{
    int64_t each;
    return rows_parts(rows, n, &each) * n;
}

void k_sum_rows(heed_real *sums, heed_real *copy, heed_real beta, const heed_real *x, int64_t rows, int64_t n,
                double *scratch, int threads)
{
    rows_job job = { .partial = scratch, .copy = copy, .beta = beta, .x = x, .rows = rows, .n = n };
    int64_t parts = rows_parts(rows, n, &job.each);
    k_parallel(threads, parts, some_rows, &job);
    for (int64_t j = 0; j < n; j++) {
        double total = 0;
        for (int64_t part = 0; part < parts; part++)
            total += scratch[part * n + j];
        sums[j] = (heed_real)total;
    }
}

void k_max(heed_tensor out, int64_t *at, heed_tensor x)
{
    walk kept, gone;
    split(&kept, &gone, out, x);
    int64_t i = 0;
    do {
        const heed_real *place = x.data + kept.x;
        int64_t best = 0;
        do {
            heed_real value = place[gone.x], top = place[best];
            if (value > top || (isnan(value) && !isnan(top)))
                best = gone.x;
        } while (walk_next(&gone));
        out.data[kept.out] = place[best];
        at[i++] = kept.x + best;
    } while (walk_next(&kept));
}
