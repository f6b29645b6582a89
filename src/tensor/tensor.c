/* Tensors: windows on buffers, and the views that need no copy. What reads or writes numbers goes through k_map or
 * tensor_rows, which take any strides. */
#include "internal.h"
#include "kernels.h"

#include <math.h>
#include <string.h>

static const heed_tensor failed;

bool heed_tensor_ok(heed_tensor t)
{
    return t.data != NULL;
}

/* A view of a failed tensor fails too; the first message stays. */
static bool usable(heed_tensor t, const char *op)
{
    if (t.data)
        return true;
    return heed_fail(HEED_BAD_ARGUMENT, "%s: the tensor is not valid (the call that made it failed)", op);
}

int64_t heed_tensor_numel(heed_tensor t)
{
    return t.data ? heed_shape_numel(t.shape) : 0;
}

bool heed_tensor_contiguous(heed_tensor t)
{
    int64_t expected = 1;
    bool dense = true;
    for (int i = t.shape.rank - 1; i >= 0; i--) {
        if (t.shape.dims[i] == 0)
            return true;
        if (t.shape.dims[i] == 1)
            continue;
        dense = dense && t.strides[i] == expected;
        expected *= t.shape.dims[i];
    }
    return dense;
}

/* Row-major strides of a checked shape; sizes of zero count as one, as in heed_shape_check. */
static void set_row_major(heed_tensor *t)
{
    int64_t stride = 1;
    for (int i = t->shape.rank - 1; i >= 0; i--) {
        t->strides[i] = stride;
        if (t->shape.dims[i] > 0)
            stride *= t->shape.dims[i];
    }
}

heed_tensor heed_tensor_new(heed_arena *arena, heed_shape shape)
{
    int64_t numel = heed_shape_numel(shape);
    if (numel < 0)
        return failed;
    return heed_tensor_wrap(heed_arena_alloc(arena, numel * (int64_t)sizeof(heed_real)), shape);
}

heed_tensor heed_tensor_wrap(heed_real *data, heed_shape shape)
{
    heed_tensor t = { .data = data, .shape = shape };
    if (!data) {
        heed_fail(HEED_BAD_ARGUMENT, "tensor_wrap: the data is NULL");
        return failed;
    }
    if (!heed_shape_check(shape))
        return failed;
    set_row_major(&t);
    return t;
}

/* Strides for `to` over the same elements in the same order. Axes of both are matched in groups of equal product, from
 * the right; inside a group the old axes must follow one another without gaps. False if one does not. */
static bool regroup_strides(const heed_tensor *from, heed_tensor *to)
{
    int i = from->shape.rank - 1, j = to->shape.rank - 1;
    const int64_t *old_dims = from->shape.dims, *new_dims = to->shape.dims;
    while (j >= 0) {
        if (new_dims[j] == 1) {
            to->strides[j--] = 1;
            continue;
        }
        while (old_dims[i] == 1)
            i--;
        int64_t inner = from->strides[i], next = inner;
        int64_t old_size = old_dims[i--], new_size = new_dims[j];
        to->strides[j--] = next;
        next *= new_size;
        while (old_size != new_size) {
            if (new_size < old_size) {
                to->strides[j] = next;
                next *= new_dims[j];
                new_size *= new_dims[j--];
            } else {
                if (old_dims[i] != 1 && from->strides[i] != inner * old_size)
                    return false;
                old_size *= old_dims[i--];
            }
        }
    }
    return true;
}

heed_tensor heed_tensor_reshape(heed_tensor t, heed_shape shape)
{
    heed_shape_buffer from, into;
    heed_tensor view = { .data = t.data, .shape = shape };
    if (!usable(t, "reshape") || !heed_shape_check(shape))
        return failed;
    int64_t numel = heed_tensor_numel(t), wanted = heed_shape_numel(shape);
    if (numel != wanted) {
        heed_fail(HEED_BAD_SHAPE, "reshape: %s has %lld elements, %s has %lld", heed_shape_text(t.shape, &from),
                  (long long)numel, heed_shape_text(shape, &into), (long long)wanted);
        return failed;
    }
    if (numel == 0) {
        set_row_major(&view);
    } else if (!regroup_strides(&t, &view)) {
        heed_fail(HEED_BAD_SHAPE, "reshape: the strides of this %s have no view as %s; hint: reshape a contiguous copy",
                  heed_shape_text(t.shape, &from), heed_shape_text(shape, &into));
        return failed;
    }
    return view;
}

heed_tensor heed_tensor_permute(heed_tensor t, const int *axes)
{
    heed_tensor view = t;
    unsigned seen = 0;
    if (!usable(t, "permute"))
        return failed;
    if (!axes && t.shape.rank > 0) {
        heed_fail(HEED_BAD_ARGUMENT, "permute: the order of axes is NULL");
        return failed;
    }
    for (int i = 0; i < t.shape.rank; i++) {
        heed_shape_buffer text;
        int axis = axes[i];
        bool exists = axis >= 0 && axis < t.shape.rank;
        if (!exists || (seen & 1u << axis)) {
            heed_fail(HEED_BAD_ARGUMENT, "permute: axis %d of %s %s; each of 0 to %d must appear once", axis,
                      heed_shape_text(t.shape, &text), exists ? "appears twice" : "does not exist", t.shape.rank - 1);
            return failed;
        }
        seen |= 1u << axis;
        view.shape.dims[i] = t.shape.dims[axis];
        view.strides[i] = t.strides[axis];
    }
    return view;
}

heed_tensor heed_tensor_slice(heed_tensor t, int axis, int64_t from, int64_t to)
{
    heed_shape_buffer text;
    if (!usable(t, "slice"))
        return failed;
    int which = axis < 0 ? axis + t.shape.rank : axis;
    if (which < 0 || which >= t.shape.rank) {
        heed_fail(HEED_BAD_ARGUMENT, "slice: %s has no axis %d", heed_shape_text(t.shape, &text), axis);
        return failed;
    }
    if (from < 0 || from > to || to > t.shape.dims[which]) {
        heed_fail(HEED_BAD_ARGUMENT,
                  "slice: [%lld, %lld) is not inside axis %d of %s; expected 0 <= from <= to <= %lld", (long long)from,
                  (long long)to, axis, heed_shape_text(t.shape, &text), (long long)t.shape.dims[which]);
        return failed;
    }
    if (from < to)
        t.data += from * t.strides[which];
    t.shape.dims[which] = to - from;
    return t;
}

heed_tensor heed_tensor_broadcast(heed_tensor t, heed_shape shape)
{
    heed_tensor view = { .data = t.data, .shape = shape };
    if (!usable(t, "broadcast") || !heed_shape_check(shape))
        return failed;
    int shift = shape.rank - t.shape.rank;
    bool fits = shift >= 0;
    for (int i = 0; fits && i < shape.rank; i++) {
        int64_t old = i < shift ? 1 : t.shape.dims[i - shift];
        bool same = i >= shift && old == shape.dims[i];
        view.strides[i] = same ? t.strides[i - shift] : 0;
        fits = same || old == 1;
    }
    if (!fits) {
        heed_shape_buffer have, want;
        heed_fail(HEED_BAD_SHAPE,
                  "broadcast: %s does not fit %s; aligned at the right, sizes must be equal, or 1 in the first",
                  heed_shape_text(t.shape, &have), heed_shape_text(shape, &want));
        return failed;
    }
    return view;
}

heed_tensor heed_tensor_contiguous_copy(heed_arena *arena, heed_tensor t)
{
    if (!usable(t, "contiguous_copy"))
        return failed;
    heed_tensor copy = heed_tensor_new(arena, t.shape);
    return heed_tensor_ok(copy) && heed_tensor_copy(copy, t) ? copy : failed;
}

static void fill_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    heed_real value = *(const heed_real *)arg;
    (void)in;
    for (int64_t i = 0; i < n; i++)
        out[i] = value;
}

heed_tensor tensor_without_repeats(heed_tensor t)
{
    for (int i = 0; i < t.shape.rank; i++)
        if (t.strides[i] == 0 && t.shape.dims[i] > 1)
            t.shape.dims[i] = 1;
    return t;
}

bool tensor_writable(heed_tensor t, const char *op)
{
    heed_shape_buffer text;
    if (!usable(t, op))
        return false;
    if (!heed_shape_equal(t.shape, tensor_without_repeats(t).shape))
        return heed_fail(HEED_BAD_ARGUMENT, "%s: the target %s is a broadcast view, its elements overlap", op,
                         heed_shape_text(t.shape, &text));
    return true;
}

bool heed_tensor_copy(heed_tensor to, heed_tensor from)
{
    heed_shape_buffer a, b;
    if (!tensor_writable(to, "tensor_copy") || !usable(from, "tensor_copy"))
        return false;
    if (!heed_shape_equal(to.shape, from.shape))
        return heed_fail(HEED_BAD_SHAPE, "tensor_copy: the shapes differ: to %s, from %s; hint: broadcast the source",
                         heed_shape_text(to.shape, &a), heed_shape_text(from.shape, &b));
    k_map(to, 0, k_copy_row, &from, 1, NULL);
    return true;
}

bool heed_tensor_fill(heed_tensor t, double value)
{
    heed_real real = (heed_real)value;
    if (!usable(t, "tensor_fill"))
        return false;
    k_map(tensor_without_repeats(t), 0, fill_row, NULL, 0, &real);
    return true;
}

heed_real *heed_tensor_at(heed_tensor t, const int64_t *index)
{
    if (!usable(t, "tensor_at"))
        return NULL;
    if (!index && t.shape.rank > 0) {
        heed_fail(HEED_BAD_ARGUMENT, "tensor_at: the index is NULL");
        return NULL;
    }
    for (int i = 0; i < t.shape.rank; i++) {
        heed_shape_buffer text;
        if (index[i] < 0 || index[i] >= t.shape.dims[i]) {
            heed_fail(HEED_BAD_ARGUMENT, "tensor_at: index %lld is outside axis %d of %s", (long long)index[i], i,
                      heed_shape_text(t.shape, &text));
            return NULL;
        }
        t.data += index[i] * t.strides[i];
    }
    return t.data;
}

static bool rows_from(heed_tensor t, int axis, int64_t position, row_visit *visit, void *arg)
{
    if (axis >= t.shape.rank - 1)
        return visit(t.data, t.shape.rank ? t.strides[axis] : 1, t.shape.rank ? t.shape.dims[axis] : 1, position, arg);
    int64_t inside = 1;
    for (int i = axis + 1; i < t.shape.rank; i++)
        inside *= t.shape.dims[i];
    for (int64_t i = 0; i < t.shape.dims[axis]; i++, t.data += t.strides[axis])
        if (!rows_from(t, axis + 1, position + i * inside, visit, arg))
            return false;
    return true;
}

bool tensor_rows(heed_tensor t, row_visit *visit, void *arg)
{
    int64_t numel = heed_tensor_numel(t);
    if (numel <= 0)
        return true;
    return heed_tensor_contiguous(t) ? visit(t.data, 1, numel, 0, arg) : rows_from(t, 0, 0, visit, arg);
}

static bool finite_row(heed_real *row, int64_t stride, int64_t n, int64_t position, void *arg)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(row[i * stride])) {
            *(int64_t *)arg = position + i;
            return false;
        }
    return true;
}

bool heed_tensor_finite(heed_tensor t, int64_t *first)
{
    int64_t found = -1;
    if (!usable(t, "tensor_finite"))
        return false;
    bool all = tensor_rows(t, finite_row, &found);
    if (first && !all)
        *first = found;
    return all;
}
