/* Losses. The formulas and loops are in k_loss.c; sums are in double. */
#include "internal.h"

/* ---- cross_entropy: - sum over rows of sum_j q_j log softmax(x)_j, or its mean ---------------------------------------
 * q is 1 - e on the label plus e / V on every class (Szegedy et al. 2016, section 7; PyTorch's label_smoothing). A logit of
 * -inf under a q > 0 makes the loss inf. */

typedef struct {
    row_layout layout;
    k_cross_entropy ce;
    double factor; /* of the sum: 1, or 1 / count */
    k_cross_entropy_row rows[];
} ce_saved;

static bool cross_entropy_backward(heed_node *node)
{
    ce_saved *saved = node->saved;
    k_cross_entropy ce = saved->ce;
    heed_root *logits = node->in[0]->root;
    if (logits->spare && !logits->grad && heed_tensor_contiguous(node->in[0]->value))
        logits->grad = logits->base; /* each logit is read before its gradient is written */
    rows_grad g = rows_grad_begin(node, 0, &saved->layout);
    ce.logits = rows_of(node, node->in[0]->value, &saved->layout);
    if (!g.to || !ce.logits)
        return false;
    heed_real factor = (heed_real)saved->factor * *heed_out_grad(node).data;
    k_cross_entropy_backward(g.to, g.beta, factor, saved->rows, &ce, heed_op_threads(node));
    rows_grad_end(&g);
    return true;
}

static const heed_op cross_entropy_op = { .name = "cross_entropy",
                                          .operands = "logits",
                                          .backward = cross_entropy_backward };

/* Checks shapes, settings and every label; *count receives how many rows are not ignored. */
static bool labels_fit(const heed_node *node, const heed_ids *labels, heed_ce_desc desc, int64_t *count)
{
    heed_shape logits = node->in[0]->value.shape, rows = logits;
    heed_shape_buffer room, labels_room;
    if (!op_ids_usable(node, labels, "labels"))
        return false;
    rows.rank--;
    if (logits.rank < 1 || !heed_shape_equal(labels->shape, rows))
        return heed_fail(HEED_BAD_SHAPE,
                         "cross_entropy: labels %s with logits %s: logits have one axis more, the classes",
                         heed_shape_text(labels->shape, &labels_room), heed_shape_text(logits, &room));
    if (!(desc.smoothing >= 0 && desc.smoothing <= 1))
        return heed_fail(HEED_BAD_ARGUMENT, "cross_entropy: smoothing is %g; it must be in 0 .. 1", desc.smoothing);
    int64_t classes = logits.dims[logits.rank - 1], n = heed_shape_numel(labels->shape);
    *count = 0;
    for (int64_t r = 0; r < n; r++) {
        int32_t label = labels->data[r];
        if (desc.has_ignore && label == desc.ignore)
            continue;
        if (label < 0 || label >= classes)
            return heed_fail(HEED_BAD_ARGUMENT, "cross_entropy: label %d in row %lld is outside 0 .. %lld%s",
                             (int)label, (long long)r, (long long)classes - 1,
                             desc.has_ignore ? "" : "; hint: .has_ignore and .ignore leave rows out");
        ++*count;
    }
    return true;
}

heed_var *heed_cross_entropy(heed_var *logits, const heed_ids *labels, heed_ce_desc desc)
{
    heed_var *in[] = { logits };
    heed_node *node = heed_op_begin(&cross_entropy_op, in, 1);
    row_layout layout;
    int64_t count = 0;
    if (!node || !labels_fit(node, labels, desc, &count) ||
        !rows_along(&cross_entropy_op, logits->value.shape, -1, &layout))
        return NULL;
    heed_var *loss = heed_op_output(node, heed_shape_scalar());
    ce_saved *saved = heed_op_save(node, (int64_t)sizeof *saved + layout.rows * (int64_t)sizeof *saved->rows);
    if (!loss || !saved)
        return NULL;
    *saved = (ce_saved){ .layout = layout,
                         .ce = { .logits = rows_of(node, logits->value, &layout),
                                 .labels = labels->data,
                                 .rows = layout.rows,
                                 .classes = layout.n,
                                 .smoothing = desc.smoothing,
                                 .has_ignore = desc.has_ignore,
                                 .ignore = desc.ignore },
                         .factor = desc.sum || count == 0 ? 1 : 1 / (double)count };
    if (!saved->ce.logits)
        return NULL;
    double sum = k_cross_entropy_forward(saved->rows, &saved->ce, heed_op_threads(node));
    *loss->value.data = (heed_real)(saved->factor * sum);
    if (desc.count)
        *desc.count = count;
    return heed_op_end(node);
}

heed_var *heed_affine_cross_entropy(heed_var *x, heed_var *w, heed_var *b, const heed_ids *labels, heed_ce_desc desc)
{
    heed_var *logits = heed_affine(x, w, b);
    if (logits)
        logits->root->spare = true;
    return heed_cross_entropy(logits, labels, desc);
}

/* ---- mse: mean of (a - b)^2; ga += 2 g (a - b) / n, gb the negative --------------------------------------------------- */

static void difference_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    heed_real factor = (heed_real)(2 * *(const double *)arg);
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * factor * (in[1][i] - in[2][i]);
}

static bool mse_backward(heed_node *node)
{
    heed_tensor a = node->in[0]->value, b = node->in[1]->value, g = heed_tensor_broadcast(heed_out_grad(node), a.shape);
    heed_grad_dest ga = heed_grad_into(node, 0);
    if (ga.view.data)
        op_map(node, ga.view, ga.beta, difference_row, (heed_tensor[]){ g, a, b }, 3, node->saved);
    heed_grad_dest gb = heed_grad_into(node, 1);
    if (gb.view.data)
        op_map(node, gb.view, gb.beta, difference_row, (heed_tensor[]){ g, b, a }, 3, node->saved);
    return true;
}

static const heed_op mse_op = { .name = "mse", .backward = mse_backward };

heed_var *heed_mse(heed_var *a, heed_var *b)
{
    heed_var *in[] = { a, b };
    heed_node *node = heed_op_begin(&mse_op, in, 2);
    heed_shape_buffer x, y;
    if (!node)
        return NULL;
    heed_shape shape = a->value.shape;
    const int64_t numel = heed_shape_numel(shape);
    if (!heed_shape_equal(shape, b->value.shape) || numel == 0) {
        heed_fail(HEED_BAD_SHAPE, "mse: a %s and b %s: %s", heed_shape_text(shape, &x),
                  heed_shape_text(b->value.shape, &y), numel ? "shapes must be equal" : "there is nothing to average");
        return NULL;
    }
    heed_var *loss = heed_op_output(node, heed_shape_scalar());
    double *scale = heed_op_save(node, (int64_t)sizeof *scale);
    const row_layout as_it_is = { .order = { 0, 1, 2, 3, 4, 5 } };
    const heed_real *from_a = loss ? rows_of(node, a->value, &as_it_is) : NULL;
    const heed_real *from_b = from_a ? rows_of(node, b->value, &as_it_is) : NULL;
    if (!scale || !from_b)
        return NULL;
    *scale = 1 / (double)numel;
    *loss->value.data = (heed_real)(*scale * k_squared_distance(from_a, from_b, numel));
    return heed_op_end(node);
}
