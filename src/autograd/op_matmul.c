/* Products: matmul over leading axes, and x Wᵀ + b as one op. The work is in k_gemm; views of the operands go there as
 * they are, so transposes, heads and broadcast leading axes cost no copy. */
#include "internal.h"
#include "../tensor/internal.h"

static heed_tensor transposed(heed_tensor t)
{
    int axes[HEED_MAX_RANK];
    for (int i = 0; i < t.shape.rank; i++)
        axes[i] = i;
    axes[t.shape.rank - 2] = t.shape.rank - 1;
    axes[t.shape.rank - 1] = t.shape.rank - 2;
    return heed_tensor_permute(t, axes);
}

/* t with its leading axes broadcast to those of `like`; its own last two axes stay. */
static heed_tensor with_leading(heed_tensor t, heed_shape like)
{
    like.dims[like.rank - 2] = t.shape.dims[t.shape.rank - 2];
    like.dims[like.rank - 1] = t.shape.dims[t.shape.rank - 1];
    return heed_tensor_broadcast(t, like);
}

/* c = a b + beta c, as the node's tape wants it. */
static bool product(heed_node *node, heed_tensor c, heed_tensor a, heed_tensor b, heed_real beta)
{
    const heed_tape *tape = node->state->tape;
    return k_gemm(tape->scratch, c, a, b,
                  (k_gemm_how){ .beta = (double)beta, .threads = tape->desc.threads, .by = tape->desc.gemm });
}

/* ---- matmul: y = a b over the last two axes ------------------------------------------------------------------------
 */

static bool matmul_shape(heed_shape a, heed_shape b, heed_shape *out)
{
    heed_shape_buffer x, y;
    if (a.rank < 2 || b.rank < 2 || a.dims[a.rank - 1] != b.dims[b.rank - 2])
        return heed_fail(HEED_BAD_SHAPE,
                         "matmul: a %s times b %s: the last axis of a must equal the last but one of b%s",
                         heed_shape_text(a, &x), heed_shape_text(b, &y),
                         a.rank < 2 || b.rank < 2 ? "; both need two axes (heed_reshape)" : "; hint: heed_permute one");
    heed_shape lead_a = a, lead_b = b;
    lead_a.rank -= 2, lead_b.rank -= 2;
    static const heed_op leading = { .name = "matmul (leading axes)" };
    if (!op_broadcast(&leading, lead_a, lead_b, out))
        return false;
    out->dims[out->rank++] = a.dims[a.rank - 2];
    out->dims[out->rank++] = b.dims[b.rank - 1];
    return true;
}

static bool matmul_backward(heed_node *node)
{
    heed_tensor g = heed_out_grad(node), a = with_leading(node->in[0]->value, g.shape),
                b = with_leading(node->in[1]->value, g.shape);
    heed_grad_dest ga = heed_grad_into(node, 0); /* ga += g bᵀ */
    if (ga.view.data && !product(node, with_leading(ga.view, g.shape), g, transposed(b), ga.beta))
        return false;
    heed_grad_dest gb = heed_grad_into(node, 1); /* gb += aᵀ g */
    return !gb.view.data || product(node, with_leading(gb.view, g.shape), transposed(a), g, gb.beta);
}

static const heed_op matmul_op = { .name = "matmul", .backward = matmul_backward };

heed_var *heed_matmul(heed_var *a, heed_var *b)
{
    heed_var *in[] = { a, b };
    heed_node *node = heed_op_begin(&matmul_op, in, 2);
    heed_shape shape;
    if (!node || !matmul_shape(a->value.shape, b->value.shape, &shape))
        return NULL;
    heed_var *y = heed_op_output(node, shape);
    if (!y || !product(node, y->value, with_leading(a->value, shape), with_leading(b->value, shape), 0))
        return NULL;
    return heed_op_end(node);
}

/* ---- affine: y = x Wᵀ + b; x [..., K], w [N, K], b [N], y [..., N] --------------------------------------------------
 */

/* [..., n] as [rows, n]; a copy in scratch if strides forbid a view. */
static heed_tensor as_rows(heed_node *node, heed_tensor t)
{
    int64_t n = t.shape.dims[t.shape.rank - 1], numel = heed_tensor_numel(t);
    heed_shape rows = HEED_SHAPE(n ? numel / n : 0, n);
    bool muted = error_mute(true);
    heed_tensor view = heed_tensor_reshape(t, rows);
    error_mute(muted);
    if (heed_tensor_ok(view))
        return view;
    heed_tensor copy = heed_op_scratch(node, t.shape);
    if (!heed_tensor_ok(copy) || !heed_tensor_copy(copy, t))
        return (heed_tensor){ 0 };
    return heed_tensor_reshape(copy, rows);
}

/* A vector's numbers side by side; a copy in scratch if they are not. NULL: no memory. */
static const heed_real *as_vector(heed_node *node, heed_tensor t)
{
    if (heed_tensor_contiguous(t))
        return t.data;
    heed_tensor copy = heed_op_scratch(node, t.shape);
    return heed_tensor_ok(copy) && heed_tensor_copy(copy, t) ? copy.data : NULL;
}

/* gb [N] += the sum of rows [rows, N] */
static bool add_column_sums(heed_node *node, heed_grad_dest gb, heed_tensor rows)
{
    heed_tensor sums = heed_op_scratch(node, HEED_SHAPE(1, rows.shape.dims[1]));
    if (!heed_tensor_ok(sums))
        return false;
    k_sum(sums, 1, rows, heed_op_threads(node));
    k_map(heed_tensor_broadcast(gb.view, sums.shape), gb.beta, k_copy_row, &sums, 1, NULL);
    return true;
}

static bool affine_backward(heed_node *node)
{
    heed_tensor x = node->in[0]->value, w = node->in[1]->value, g = heed_out_grad(node), rows = as_rows(node, g);
    if (!heed_tensor_ok(rows))
        return false;
    if (heed_op_wants(node, 1)) { /* gw += gᵀ x */
        heed_tensor x_rows = as_rows(node, x);
        heed_grad_dest gw = heed_grad_into(node, 1);
        if (!heed_tensor_ok(x_rows) || (gw.view.data && !product(node, gw.view, transposed(rows), x_rows, gw.beta)))
            return false;
    }
    if (heed_op_wants(node, 2)) { /* gb += g summed over rows */
        heed_grad_dest gb = heed_grad_into(node, 2);
        if (gb.view.data && !add_column_sums(node, gb, rows))
            return false;
    }
    heed_grad_dest gx = heed_grad_into(node, 0); /* gx += g w */
    if (!gx.view.data)
        return true;
    if (x.shape.rank == 1)
        return product(node, heed_tensor_broadcast(gx.view, HEED_SHAPE(1, x.shape.dims[0])), rows, w, gx.beta);
    return product(node, gx.view, g, with_leading(w, g.shape), gx.beta);
}

static const heed_op affine_op = { .name = "affine", .operands = "x w b", .backward = affine_backward };

static bool affine_fits(heed_shape x, heed_shape w, const heed_var *b)
{
    heed_shape_buffer xs, ws, bs;
    if (x.rank < 1 || w.rank != 2 || x.dims[x.rank - 1] != w.dims[1])
        return heed_fail(HEED_BAD_SHAPE, "affine: x %s with w %s: w is [out, in], and the last axis of x must be `in`",
                         heed_shape_text(x, &xs), heed_shape_text(w, &ws));
    if (b && (b->value.shape.rank != 1 || b->value.shape.dims[0] != w.dims[0]))
        return heed_fail(HEED_BAD_SHAPE, "affine: b %s with w %s: b must be [out]",
                         heed_shape_text(b->value.shape, &bs), heed_shape_text(w, &ws));
    return true;
}

/* Where the rows of a weight [N, K] were packed for products; NULL: nowhere, or they have changed since. */
static const heed_real *packed_rows(const heed_var *w)
{
    const heed_root *root = w->root;
    heed_shape whole = root->external.value.shape;
    int64_t k = w->value.shape.dims[1];
    if (!root->external.packed || root->external.packed_version != *root->version || whole.rank != 2 ||
        whole.dims[1] != k || !heed_tensor_contiguous(w->value))
        return NULL;
    return k_gemm_packed_from(root->external.packed, (w->value.data - root->base) / k, k);
}

/* y [..., N] = x Wᵀ + bias */
static bool affine_product(heed_node *node, heed_tensor y, heed_tensor x, const heed_var *w, const heed_real *bias)
{
    const heed_tape *tape = node->state->tape;
    return k_gemm(
        tape->scratch, y, x, with_leading(transposed(w->value), y.shape),
        (k_gemm_how){ .bias = bias, .packed = packed_rows(w), .threads = tape->desc.threads, .by = tape->desc.gemm });
}

heed_var *heed_affine(heed_var *x, heed_var *w, heed_var *b)
{
    heed_var *in[] = { x, w, b };
    heed_node *node = heed_op_begin_optional(&affine_op, in, 3, 2);
    if (!node || !affine_fits(x->value.shape, w->value.shape, b))
        return NULL;
    heed_shape shape = x->value.shape;
    shape.dims[shape.rank - 1] = w->value.shape.dims[0];
    heed_var *y = heed_op_output(node, shape);
    if (!y)
        return NULL;
    heed_tensor xs = x->value, ys = y->value;
    const heed_real *bias = b ? as_vector(node, b->value) : NULL;
    if (shape.rank == 1) {
        xs = heed_tensor_broadcast(xs, HEED_SHAPE(1, xs.shape.dims[0]));
        ys = heed_tensor_broadcast(ys, HEED_SHAPE(1, shape.dims[0]));
    }
    if ((b && !bias) || !affine_product(node, ys, xs, w, bias))
        return NULL;
    return heed_op_end(node);
}
