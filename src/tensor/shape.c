/* Shapes: sizes, their checked product, and NumPy's broadcasting rule. */
#include "internal.h"

heed_shape heed_shape_scalar(void)
{
    return (heed_shape){ .rank = 0 };
}

const char *heed_shape_text(heed_shape shape, heed_shape_buffer *buffer)
{
    if (shape.rank < 0 || shape.rank > HEED_MAX_RANK) {
        snprintf(buffer->text, sizeof buffer->text, "[rank %d]", shape.rank);
        return buffer->text;
    }
    int used = snprintf(buffer->text, sizeof buffer->text, "[");
    for (int i = 0; i < shape.rank; i++)
        used += snprintf(buffer->text + used, sizeof buffer->text - (size_t)used, i ? ", %lld" : "%lld",
                         (long long)shape.dims[i]);
    snprintf(buffer->text + used, sizeof buffer->text - (size_t)used, "]");
    return buffer->text;
}

/* Sizes of zero count as one in the check, so that the strides of a checked shape always fit too. */
bool heed_shape_check(heed_shape shape)
{
    heed_shape_buffer text;
    if (shape.rank < 0 || shape.rank > HEED_MAX_RANK)
        return heed_fail(HEED_BAD_SHAPE, "shape: rank %d, expected 0 to %d", shape.rank, HEED_MAX_RANK);
    int64_t bytes = sizeof(heed_real);
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] < 0)
            return heed_fail(HEED_BAD_SHAPE, "shape: %s has a negative size at axis %d", heed_shape_text(shape, &text),
                             i);
        if (shape.dims[i] > 0 && !size_mul(bytes, shape.dims[i], &bytes))
            return heed_fail(HEED_BAD_SHAPE, "shape: %s of %d-byte reals has more bytes than fit in 64 bits",
                             heed_shape_text(shape, &text), (int)sizeof(heed_real));
    }
    return true;
}

int64_t heed_shape_numel(heed_shape shape)
{
    if (!heed_shape_check(shape))
        return -1;
    int64_t numel = 1;
    for (int i = 0; i < shape.rank; i++)
        numel *= shape.dims[i];
    return numel;
}

bool heed_shape_equal(heed_shape a, heed_shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dims[i] != b.dims[i])
            return false;
    return true;
}

bool heed_shape_broadcast(heed_shape a, heed_shape b, heed_shape *out)
{
    if (!heed_shape_check(a) || !heed_shape_check(b))
        return false;
    heed_shape result = { .rank = a.rank > b.rank ? a.rank : b.rank };
    for (int i = 1; i <= result.rank; i++) {
        int64_t da = i <= a.rank ? a.dims[a.rank - i] : 1;
        int64_t db = i <= b.rank ? b.dims[b.rank - i] : 1;
        if (da != db && da != 1 && db != 1) {
            heed_shape_buffer ta, tb;
            return heed_fail(
                HEED_BAD_SHAPE,
                "broadcast: shapes %s and %s do not fit: %lld against %lld at axis %d from the right; sizes "
                "must be equal or 1",
                heed_shape_text(a, &ta), heed_shape_text(b, &tb), (long long)da, (long long)db, i);
        }
        result.dims[result.rank - i] = da == 1 ? db : da;
    }
    if (!heed_shape_check(result))
        return false;
    *out = result;
    return true;
}
