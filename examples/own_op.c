/* An op of your own, y = x^3 + c x, made outside the library by the route its own ops take, and its gradient check.
 *
 *     build/own_op
 *
 * Gradients are checked in double, so this program is built with libheed64 (-DHEED_DOUBLE). */
#include "heed.h"

/* ---- the op: formula, backward, descriptor, forward, adjacent ----------------------------------------------------- */

/* dL/dx += dL/dy (3 x^2 + c). One element after another; the library's ops use kernels for any strides. */
static bool cubic_backward(heed_node *node)
{
    const double *c = node->saved;
    heed_tensor x = node->in[0]->value, g = heed_out_grad(node);
    heed_grad_dest to = heed_grad_into(node, 0); /* asked for just before writing */
    if (!to.view.data)
        return true; /* nobody wants it */
    for (int64_t i = 0; i < heed_tensor_numel(x); i++)
        to.view.data[i] = to.beta * to.view.data[i] + g.data[i] * (3 * x.data[i] * x.data[i] + (heed_real)*c);
    return true;
}

static const heed_op cubic_op = { .name = "cubic", .operands = "x", .backward = cubic_backward };

static heed_var *cubic(heed_var *x, double c)
{
    heed_var *in[] = { x };
    heed_node *node = heed_op_begin(&cubic_op, in, 1); /* checks the operand and finds its tape */
    if (!node)
        return NULL;
    if (!heed_tensor_contiguous(x->value)) {
        heed_fail(HEED_UNSUPPORTED, "cubic: x is a strided view; copy it first");
        return NULL;
    }
    heed_var *y = heed_op_output(node, x->value.shape);
    double *saved = heed_op_save(node, (int64_t)sizeof *saved); /* lives until backward */
    if (!y || !saved)
        return NULL;
    *saved = c;
    for (int64_t i = 0; i < heed_tensor_numel(x->value); i++)
        y->value.data[i] = x->value.data[i] * (x->value.data[i] * x->value.data[i] + (heed_real)c);
    return heed_op_end(node);
}

/* ---- its check ------------------------------------------------------------------------------------------------------- */

static heed_var *build(heed_tape *tape, heed_var *const *inputs, void *context)
{
    (void)tape, (void)context;
    return heed_mul(cubic(inputs[0], 0.5), inputs[0]); /* used twice, so that gradients must add up */
}

int main(void)
{
    heed_real numbers[] = { -2, -0.3, 0, 0.7, 1, 2.5 };
    heed_named_tensor input = { "x", heed_tensor_wrap(numbers, HEED_SHAPE(2, 3)) };
    heed_gradcheck_report report;
    if (!heed_gradcheck(build, NULL, &input, 1, (heed_gradcheck_desc){ .seed = 1 }, &report)) {
        fprintf(stderr, "own_op: %s\n", heed_error());
        return 1;
    }
    printf("cubic: %lld derivatives agree, the worst at %.3f of the tolerance\n", (long long)report.checked,
           report.worst);
    return 0;
}
