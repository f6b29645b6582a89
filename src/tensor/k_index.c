/* Picking rows and elements by index. Several indices may name one place: gradients are added one by one, in the order
 * of the indices, so the bits do not depend on anything else. */
#include "kernels.h"

void k_embed(heed_real *restrict out, heed_tensor table, heed_real scale, const int32_t *ids, int64_t count)
{
    int64_t width = table.shape.dims[1], step = table.strides[1];
    for (int64_t r = 0; r < count; r++, out += width) {
        const heed_real *row = table.data + ids[r] * table.strides[0];
        if (step == 1)
            for (int64_t i = 0; i < width; i++)
                out[i] = scale * row[i];
        else
            for (int64_t i = 0; i < width; i++)
                out[i] = scale * row[i * step];
    }
}

void k_embed_grad(heed_tensor dtable, heed_real scale, const heed_real *restrict dy, const int32_t *ids, int64_t count,
                  int64_t skip)
{
    int64_t width = dtable.shape.dims[1], step = dtable.strides[1];
    for (int64_t r = 0; r < count; r++, dy += width) {
        heed_real *row = dtable.data + ids[r] * dtable.strides[0];
        if (ids[r] == skip)
            continue;
        if (step == 1)
            for (int64_t i = 0; i < width; i++)
                row[i] += scale * dy[i];
        else
            for (int64_t i = 0; i < width; i++)
                row[i * step] += scale * dy[i];
    }
}

/* Offsets of one element in the picked tensor (small, the shape of ids) and in the one it is picked from (large). */
typedef struct {
    int64_t index[HEED_MAX_RANK];
    int64_t small, large; /* large without the picked axis */
} place;

static bool next_place(place *p, const heed_tensor *small, const heed_tensor *large, int picked)
{
    for (int i = small->shape.rank - 1; i >= 0; i--) {
        int64_t dim = small->shape.dims[i], step = i == picked ? 0 : large->strides[i];
        p->small += small->strides[i];
        p->large += step;
        if (++p->index[i] < dim)
            return true;
        p->small -= dim * small->strides[i];
        p->large -= dim * step;
        p->index[i] = 0;
    }
    return false;
}

void k_gather(heed_tensor out, heed_tensor x, int axis, const int32_t *ids)
{
    place p = { 0 };
    if (heed_tensor_numel(out) == 0)
        return;
    do
        out.data[p.small] = x.data[p.large + *ids++ * x.strides[axis]];
    while (next_place(&p, &out, &x, axis));
}

void k_gather_grad(heed_tensor dx, heed_tensor dy, int axis, const int32_t *ids)
{
    place p = { 0 };
    if (heed_tensor_numel(dy) == 0)
        return;
    do
        dx.data[p.large + *ids++ * dx.strides[axis]] += dy.data[p.small];
    while (next_place(&p, &dy, &dx, axis));
}
