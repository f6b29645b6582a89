/* Picking rows and elements by index, and joining tensors. The loops are in k_index.c. */
#include "internal.h"

#include <math.h>

/* All of ids in 0 .. n-1? */
static bool in_range(const heed_node *node, const heed_ids *ids, int64_t n, const char *what)
{
    heed_shape_buffer room;
    int64_t count = heed_shape_numel(ids->shape);
    for (int64_t i = 0; i < count; i++)
        if (ids->data[i] < 0 || ids->data[i] >= n)
            return heed_fail(HEED_BAD_ARGUMENT, "%s: id %d at position %lld of ids %s is outside 0 .. %lld, %s",
                             node->op->name, (int)ids->data[i], (long long)i, heed_shape_text(ids->shape, &room),
                             (long long)n - 1, what);
    return true;
}

/* ---- embed: y[.., :] = c table[ids[..], :] -------------------------------------------------------------------------- */

typedef struct {
    const int32_t *ids;
    int64_t count, padding; /* -1: none */
    heed_real scale;
} embed_saved;

static bool embed_backward(heed_node *node)
{
    const embed_saved *saved = node->saved;
    heed_tensor g = op_grad_to_add(node, 0);
    if (g.data)
        k_embed_grad(g, saved->scale, heed_out_grad(node).data, saved->ids, saved->count, saved->padding);
    return true;
}

static const heed_op embed_op = { .name = "embed", .operands = "table", .backward = embed_backward };

static bool embed_fits(const heed_node *node, const heed_ids *ids, heed_embed_desc desc)
{
    heed_shape table = node->in[0]->value.shape;
    heed_shape_buffer room, ids_room;
    if (!op_ids_usable(node, ids, "ids"))
        return false;
    if (table.rank != 2 || ids->shape.rank == HEED_MAX_RANK)
        return heed_fail(HEED_BAD_SHAPE, "embed: table %s with ids %s: the table has two axes, the ids at most %d",
                         heed_shape_text(table, &room), heed_shape_text(ids->shape, &ids_room), HEED_MAX_RANK - 1);
    if (desc.has_padding && (desc.padding < 0 || desc.padding >= table.dims[0]))
        return heed_fail(HEED_BAD_ARGUMENT, "embed: padding %d is not a row of the table %s", (int)desc.padding,
                         heed_shape_text(table, &room));
    if (!isfinite(desc.scale))
        return heed_fail(HEED_BAD_ARGUMENT, "embed: scale is %g, must be finite", desc.scale);
    return in_range(node, ids, table.dims[0], "the rows of the table");
}

heed_var *heed_embed(heed_var *table, const heed_ids *ids, heed_embed_desc desc)
{
    heed_var *in[] = { table };
    heed_node *node = heed_op_begin(&embed_op, in, 1);
    if (!node || !embed_fits(node, ids, desc))
        return NULL;
    heed_shape shape = ids->shape;
    shape.dims[shape.rank++] = table->value.shape.dims[1];
    heed_var *y = heed_op_output(node, shape);
    embed_saved *saved = heed_op_save(node, (int64_t)sizeof *saved);
    if (!y || !saved)
        return NULL;
    *saved = (embed_saved){ .ids = ids->data,
                            .count = heed_shape_numel(ids->shape),
                            .padding = desc.has_padding ? desc.padding : -1,
                            .scale = (heed_real)(desc.scale == 0 ? 1 : desc.scale) };
    k_embed(y->value.data, table->value, saved->scale, saved->ids, saved->count);
    return heed_op_end(node);
}

/* ---- gather: y[.. i ..] = x[.. ids[.. i ..] ..] along one axis ------------------------------------------------------- */

typedef struct {
    const int32_t *ids;
    int axis;
} gather_saved;

static bool gather_backward(heed_node *node)
{
    const gather_saved *saved = node->saved;
    heed_tensor g = op_grad_to_add(node, 0);
    if (g.data)
        k_gather_grad(g, heed_out_grad(node), saved->axis, saved->ids);
    return true;
}

static const heed_op gather_op = { .name = "gather", .operands = "x", .backward = gather_backward };

static bool gather_fits(const heed_node *node, int *axis, const heed_ids *ids)
{
    heed_shape x = node->in[0]->value.shape;
    heed_shape_buffer room, ids_room;
    if (!op_axis(node->op, x, axis) || !op_ids_usable(node, ids, "ids"))
        return false;
    bool fits = ids->shape.rank == x.rank;
    for (int i = 0; fits && i < x.rank; i++)
        fits = i == *axis || ids->shape.dims[i] <= x.dims[i];
    if (!fits)
        return heed_fail(HEED_BAD_SHAPE,
                         "gather: ids %s do not fit x %s along axis %d: as many axes, and no other axis longer",
                         heed_shape_text(ids->shape, &ids_room), heed_shape_text(x, &room), *axis);
    return in_range(node, ids, x.dims[*axis], "the places along the axis");
}

heed_var *heed_gather(heed_var *x, int axis, const heed_ids *ids)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(&gather_op, in, 1);
    if (!node || !gather_fits(node, &axis, ids))
        return NULL;
    heed_var *y = heed_op_output(node, ids->shape);
    gather_saved *saved = heed_op_save(node, (int64_t)sizeof *saved);
    if (!y || !saved)
        return NULL;
    *saved = (gather_saved){ .ids = ids->data, .axis = axis };
    k_gather(y->value, x->value, axis, saved->ids);
    return heed_op_end(node);
}

/* ---- concat: the parts, one after the other along one axis ----------------------------------------------------------- */

/* The stretch of t that is part i. *from is moved past it. */
static heed_tensor stretch(const heed_node *node, heed_tensor t, int i, int64_t *from)
{
    const int axis = *(const int *)node->saved;
    int64_t start = *from;
    *from += node->in[i]->value.shape.dims[axis];
    return heed_tensor_slice(t, axis, start, *from);
}

static bool concat_backward(heed_node *node)
{
    int64_t from = 0;
    for (int i = 0; i < node->n_in; i++) {
        heed_tensor gy = stretch(node, heed_out_grad(node), i, &from);
        heed_grad_dest g = heed_grad_into(node, i);
        if (g.view.data)
            op_map(node, g.view, g.beta, k_copy_row, &gy, 1, NULL);
    }
    return true;
}

static const heed_op concat_op = { .name = "concat", .backward = concat_backward };

static bool concat_shape(const heed_node *node, int *axis, heed_shape *shape)
{
    *shape = node->in[0]->value.shape;
    if (!op_axis(node->op, *shape, axis))
        return false;
    for (int i = 1; i < node->n_in; i++) {
        heed_shape part = node->in[i]->value.shape, like = part;
        heed_shape_buffer first, room;
        if (part.rank == shape->rank)
            like.dims[*axis] = shape->dims[*axis];
        if (!heed_shape_equal(like, *shape))
            return heed_fail(HEED_BAD_SHAPE,
                             "concat: part %d is %s, the parts before it make %s: only axis %d may differ", i,
                             heed_shape_text(part, &room), heed_shape_text(*shape, &first), *axis);
        shape->dims[*axis] += part.dims[*axis];
    }
    return true;
}

heed_var *heed_concat(heed_var *const *parts, int count, int axis)
{
    heed_shape shape;
    if (!parts || count < 1) {
        heed_fail(HEED_BAD_ARGUMENT, "concat: %s", parts ? "there are no parts" : "the list of parts is NULL");
        return NULL;
    }
    heed_node *node = heed_op_begin(&concat_op, parts, count);
    if (!node || !concat_shape(node, &axis, &shape))
        return NULL;
    heed_var *y = heed_op_output(node, shape);
    int *saved = heed_op_save(node, (int64_t)sizeof *saved);
    if (!y || !saved)
        return NULL;
    *saved = axis;
    int64_t from = 0;
    for (int i = 0; i < count; i++) {
        heed_tensor to = stretch(node, y->value, i, &from);
        op_map(node, to, 0, k_copy_row, &parts[i]->value, 1, NULL);
    }
    return heed_op_end(node);
}
