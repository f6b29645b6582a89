/* Sums and maxima over any axes of any strides. An axis of x is either kept, and out has its size, or gone, and out has
 * size 1.
 *
 * Sums are in double. If a kept axis is contiguous, a stretch of outputs is summed side by side; otherwise one output
 * at a time, along an axis that is gone. */
#include "k_row.h"
#include "kernels.h"

#include <string.h>

enum { STRETCH = 32 }; /* partial sums that stay in registers */

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

/* total[j] += sum of x[i stride + j] over i < n, for j < STRETCH */
static void add_columns(double *total, const heed_real *x, int64_t n, int64_t stride)
{
    double part[STRETCH] = { 0 };
    for (int64_t i = 0; i < n; i++, x += stride)
        for (int j = 0; j < STRETCH; j++)
            part[j] += (double)x[j];
    for (int j = 0; j < STRETCH; j++)
        total[j] += part[j];
}

/* total[j] = sum of x[place + j] over all places of gone, each one along the run */
static void sum_stretch(double *total, const heed_real *x, int64_t width, walk *gone, axis run)
{
    for (int64_t j = 0; j < width; j++)
        total[j] = 0;
    if (gone->empty)
        return;
    do {
        const heed_real *place = x + gone->x;
        if (width == 1)
            total[0] += strided_sum(place, run.dim, run.x_stride);
        else if (width == STRETCH)
            add_columns(total, place, run.dim, run.x_stride);
        else
            for (int64_t i = 0; i < run.dim; i++, place += run.x_stride)
                for (int64_t j = 0; j < width; j++)
                    total[j] += (double)place[j];
    } while (walk_next(gone));
}

void k_sum(heed_tensor out, double scale, heed_tensor x)
{
    walk kept, gone;
    axis columns = { .dim = 1 }, run = { .dim = 1 };
    double total[STRETCH];
    split(&kept, &gone, out, x);
    if (kept.empty)
        return;
    int side = contiguous_axis(&kept, -1);
    if (side >= 0)
        columns = walk_remove(&kept, side);
    if (gone.rank > 0)
        run = walk_remove(&gone, contiguous_axis(&gone, gone.rank - 1));
    do {
        for (int64_t from = 0; from < columns.dim; from += STRETCH) {
            int64_t width = columns.dim - from < STRETCH ? columns.dim - from : STRETCH;
            heed_real *to = out.data + kept.out + from * columns.out_stride;
            sum_stretch(total, x.data + kept.x + from, width, &gone, run);
            for (int64_t j = 0; j < width; j++)
                to[j * columns.out_stride] = (heed_real)(scale * total[j]);
        }
    } while (walk_next(&kept));
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
