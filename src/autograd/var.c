/* Entering and leaving the tape: inputs, leaves, ids, detach; reading and writing values. */
#include "internal.h"
#include "../tensor/internal.h"

#include <math.h>
#include <string.h>

static heed_var *enter(heed_tape *tape, heed_shape shape, const heed_real *data, const char *kind, bool wants)
{
    if (!tape || !data) {
        heed_fail(HEED_BAD_ARGUMENT, "%s: %s is NULL", kind, tape ? "data" : "tape");
        return NULL;
    }
    heed_tensor value = heed_tensor_new(tape->arena, shape);
    if (!heed_tensor_ok(value))
        return NULL;
    int64_t numel = heed_tensor_numel(value);
    memcpy(value.data, data, (size_t)numel * sizeof *data);
    heed_root *root = tape_root(tape, value.data, numel, kind);
    if (root)
        root->wants = wants;
    return tape_var(tape, root, value, kind);
}

heed_var *heed_input(heed_tape *tape, heed_shape shape, const heed_real *data)
{
    return enter(tape, shape, data, "input", false);
}

heed_var *heed_leaf(heed_tape *tape, heed_shape shape, const heed_real *data)
{
    return enter(tape, shape, data, "leaf", true);
}

heed_ids *heed_new_ids(heed_tape *tape, heed_shape shape, int32_t **values)
{
    int64_t numel = heed_shape_check(shape) ? heed_shape_numel(shape) : -1;
    *values = NULL;
    if (numel < 0)
        return NULL;
    if (!tape) {
        heed_fail(HEED_BAD_ARGUMENT, "new_ids: tape is NULL");
        return NULL;
    }
    *values = heed_arena_alloc(tape->arena, numel * (int64_t)sizeof **values);
    tape_slot *slot = *values ? tape_slot_new(tape, "ids") : NULL;
    if (!slot)
        return NULL;
    slot->ids = (heed_ids){ .tape = tape, .shape = shape, .data = *values };
    return &slot->ids;
}

heed_ids *heed_input_ids(heed_tape *tape, heed_shape shape, const int32_t *data)
{
    int32_t *values;
    if (!tape || !data) {
        heed_fail(HEED_BAD_ARGUMENT, "input_ids: %s is NULL", tape ? "data" : "tape");
        return NULL;
    }
    heed_ids *ids = heed_new_ids(tape, shape, &values);
    if (ids)
        memcpy(values, data, (size_t)heed_shape_numel(shape) * sizeof *data);
    return ids;
}

heed_var *heed_detach(heed_var *v)
{
    if (!tape_var_usable(v, "detach", "operand"))
        return NULL;
    heed_root *root = tape_root(v->tape, v->root->base, v->root->numel, "detached value");
    if (!root)
        return NULL;
    root->version = v->root->version; /* the same values: a change of one is a change of the other */
    root->name = v->root->name;
    return tape_var(v->tape, root, v->value, "detached value");
}

heed_var *heed_named(heed_var *v, const char *name)
{
    if (!tape_var_usable(v, "named", "operand"))
        return NULL;
    size_t bytes = strlen(name) + 1;
    char *copy = heed_arena_alloc(v->tape->arena, (int64_t)bytes);
    if (!copy)
        return NULL;
    memcpy(copy, name, bytes);
    v->root->name = copy;
    return v;
}

heed_tensor heed_value(const heed_var *v)
{
    return tape_var_usable(v, "value", "operand") ? v->value : (heed_tensor){ 0 };
}

double heed_item(const heed_var *v)
{
    if (!tape_var_usable(v, "item", "operand"))
        return (double)NAN;
    if (heed_tensor_numel(v->value) != 1) {
        heed_shape_buffer room;
        heed_fail(HEED_BAD_SHAPE, "item: one element is needed, not %s", heed_shape_text(v->value.shape, &room));
        return (double)NAN;
    }
    return (double)v->value.data[0];
}

heed_real *heed_write(heed_var *v)
{
    if (!tape_var_usable(v, "write", "operand"))
        return NULL;
    if (v->root->version != &v->root->own_version) {
        char text[160];
        heed_fail(HEED_BAD_STATE, "write: %s shares its values with something outside; write there",
                  root_text(v->root, text, sizeof text));
        return NULL;
    }
    v->root->own_version++;
    return v->value.data;
}
