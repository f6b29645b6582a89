/* Dropout (Srivastava et al. 2014): y = x m, m = 0 with probability p, else 1 / (1 - p).
 *
 * The draw for an element is at (seed, site, step, row, line, column): row counts axis 0 from the batch's first row, column
 * is the place along the last axis, line counts the axes between, the first of them fastest. So a mask does not depend on
 * how far a batch is padded or how it is cut into shards. */
#include "internal.h"

/* [rows, lines, columns] of a shape, and the number of the i-th line in row-major order. */
typedef struct {
    int64_t rows, lines, columns;
} grid;

static grid grid_of(heed_shape shape)
{
    grid g = { .rows = 1, .lines = 1, .columns = 1 };
    for (int axis = 0; axis < shape.rank; axis++)
        *(axis == 0 ? &g.rows : axis < shape.rank - 1 ? &g.lines : &g.columns) *= shape.dims[axis];
    return g;
}

static uint32_t line_number(heed_shape shape, int64_t i)
{
    int64_t line = 0;
    for (int axis = shape.rank - 2; axis > 0; axis--) {
        line = line * shape.dims[axis] + i % shape.dims[axis];
        i /= shape.dims[axis];
    }
    return (uint32_t)line;
}

static void times_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = in[0][i] * in[1][i];
}

static bool dropout_backward(heed_node *node)
{
    heed_grad_dest gx = heed_grad_into(node, 0);
    if (gx.view.data)
        k_map(gx.view, gx.beta, times_row, (heed_tensor[]){ heed_out_grad(node), *(heed_tensor *)node->saved }, 2,
              NULL);
    return true;
}

static const heed_op dropout_op = { .name = "dropout", .operands = "x", .backward = dropout_backward };

static bool usable(heed_shape shape, double p, const char *site)
{
    heed_shape_buffer room;
    grid g = grid_of(shape);
    if (!(p >= 0 && p < 1))
        return heed_fail(HEED_BAD_ARGUMENT, "dropout: p is %g; it must be at least 0 and below 1", p);
    if (!site)
        return heed_fail(HEED_BAD_ARGUMENT, "dropout: the site is NULL; give each place of dropout its own name");
    if (g.rows > UINT32_MAX || g.lines > UINT32_MAX || g.columns > UINT32_MAX)
        return heed_fail(HEED_BAD_SHAPE, "dropout: %s is too large: rows, lines and columns stay below 2^32",
                         heed_shape_text(shape, &room));
    return true;
}

heed_var *heed_dropout(heed_var *x, double p, const char *site)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(&dropout_op, in, 1);
    if (!node || !usable(x->value.shape, p, site))
        return NULL;
    if (p == 0 || heed_tape_is_eval(x->tape))
        return x;
    heed_var *y = heed_op_output(node, x->value.shape);
    heed_tensor *mask = heed_op_save(node, (int64_t)sizeof *mask);
    if (!y || !mask || !heed_tensor_ok(*mask = heed_tensor_new(node->state->tape->arena, x->value.shape)))
        return NULL;
    grid g = grid_of(x->value.shape);
    heed_rng rng = heed_op_rng(node, site);
    heed_real *to = mask->data;
    for (int64_t row = 0; row < g.rows; row++, rng.row++)
        for (int64_t line = 0; line < g.lines; line++, to += g.columns)
            k_dropout_line(to, rng, line_number(x->value.shape, line), g.columns, p);
    k_map(y->value, 0, times_row, (heed_tensor[]){ x->value, *mask }, 2, NULL);
    return heed_op_end(node);
}
