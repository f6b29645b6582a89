/* Masks of a case. In the files a bool is True where a pair may NOT attend, and a padding mask is True at padding; a
 * float mask is added to the scaled scores. heed's matrix says the opposite: what is allowed. */
#include "golden.h"

/* True exactly where a causal mask forbids: key j behind query i, the last query seeing the last key. */
static bool is_causal(heed_tensor mask, golden_sizes s)
{
    for (int64_t i = 0; i < s.Tq; i++)
        for (int64_t j = 0; j < s.Tk; j++)
            if ((mask.data[i * s.Tk + j] != 0) != (j > i + s.Tk - s.Tq))
                return false;
    return true;
}

/* Padding only at the ends of rows: fills lengths. */
static bool is_lengths(heed_tensor padding, golden_sizes s, int32_t *lengths)
{
    for (int64_t b = 0; b < s.B; b++) {
        const heed_real *row = padding.data + b * s.Tk;
        int64_t n = 0;
        while (n < s.Tk && row[n] == 0)
            n++;
        lengths[b] = (int32_t)n;
        for (; n < s.Tk; n++)
            if (row[n] == 0)
                return false;
    }
    return true;
}

/* The matrix for all pairs: allowed unless `mask` (one matrix, or one for each row and head) or `padding` forbids. */
static heed_ids *allowed_pairs(heed_tape *tape, heed_tensor mask, heed_tensor padding, golden_sizes s)
{
    int32_t *allowed;
    heed_ids *ids = heed_new_ids(tape, HEED_SHAPE(s.B, s.H, s.Tq, s.Tk), &allowed);
    bool each = mask.data && heed_tensor_numel(mask) > s.Tq * s.Tk;
    for (int64_t b = 0; ids && b < s.B; b++)
        for (int64_t h = 0; h < s.H; h++)
            for (int64_t i = 0; i < s.Tq; i++)
                for (int64_t j = 0; j < s.Tk; j++) {
                    int64_t matrix = each ? b * s.H + h : 0;
                    bool no = mask.data && mask.data[(matrix * s.Tq + i) * s.Tk + j] != 0;
                    *allowed++ = !(no || (padding.data && padding.data[b * s.Tk + j] != 0));
                }
    return ids;
}

/* The array if the case has it, with as many numbers as one of two counts. */
static heed_tensor optional(golden_case *c, const char *name, int64_t count, int64_t other)
{
    heed_tensor t = { .data = NULL };
    if (c->failed || !case_has(c, name))
        return t;
    t = case_array(c, name);
    if (c->failed || heed_tensor_numel(t) == count || heed_tensor_numel(t) == other)
        return t;
    heed_shape_buffer text;
    case_fail(c, "%s.npy is %s: not a mask for these sizes", name, heed_shape_text(t.shape, &text));
    return (heed_tensor){ .data = NULL };
}

heed_mask case_mask(golden_case *c, heed_tape *tape, const char *attention, const char *padding, golden_sizes s,
                    bool typed)
{
    heed_mask mask = { .causal = false };
    heed_tensor pairs = optional(c, attention, s.Tq * s.Tk, s.B * s.H * s.Tq * s.Tk);
    heed_tensor ends = optional(c, padding, s.B * s.Tk, s.B * s.Tk);
    if (c->failed)
        return mask;
    if (pairs.data && !case_is_bool(c, attention)) {
        bool each = heed_tensor_numel(pairs) > s.Tq * s.Tk;
        mask.bias = heed_input(tape, HEED_SHAPE(each ? s.B : 1, each ? s.H : 1, s.Tq, s.Tk), pairs.data);
        case_check(c, mask.bias != NULL);
        pairs.data = NULL;
    }
    if (typed && pairs.data && heed_tensor_numel(pairs) == s.Tq * s.Tk && is_causal(pairs, s)) {
        mask.causal = true;
        pairs.data = NULL;
    }
    int32_t *lengths = heed_arena_alloc(c->arena, (s.B + 1) * (int64_t)sizeof *lengths);
    if (!case_check(c, lengths != NULL))
        return mask;
    if (typed && ends.data && is_lengths(ends, s, lengths)) {
        mask.key_lengths = heed_input_ids(tape, HEED_SHAPE(s.B), lengths);
        case_check(c, mask.key_lengths != NULL);
        ends.data = NULL;
    }
    if (pairs.data || ends.data) {
        mask.allowed = allowed_pairs(tape, pairs, ends, s);
        case_check(c, mask.allowed != NULL);
    }
    return mask;
}
