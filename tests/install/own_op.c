/* An op made outside the tree, y = x^2, checked by the installed double library. With -DWRONG its derivative is x
 * instead of 2 x, and the check must say so. C11 and C++20. */
#include <heed.h>

#ifdef WRONG
static const heed_real slope = 1;
#else
static const heed_real slope = 2;
#endif

static bool square_backward(heed_node *node)
{
    heed_tensor x = node->in[0]->value, dy = heed_out_grad(node);
    heed_grad_dest dx = heed_grad_into(node, 0);
    for (int64_t i = 0; dx.view.data && i < heed_tensor_numel(x); i++)
        dx.view.data[i] = (dx.beta == 0 ? 0 : dx.view.data[i]) + slope * x.data[i] * dy.data[i];
    return true;
}

static const heed_op square_op = { .name = "square", .backward = square_backward };

static heed_var *square(heed_tape *tape, heed_var *const *inputs, void *context)
{
    (void)tape, (void)context;
    heed_node *node = heed_op_begin(&square_op, inputs, 1);
    heed_var *y = heed_op_output(node, node ? inputs[0]->value.shape : heed_shape_scalar());
    for (int64_t i = 0; y && i < heed_tensor_numel(y->value); i++)
        y->value.data[i] = inputs[0]->value.data[i] * inputs[0]->value.data[i];
    return y ? heed_op_end(node) : NULL;
}

int main(void)
{
    heed_real numbers[6] = { 1, -2, 3, -1, -4, 5 };
    heed_named_tensor x = { .name = "x", .values = heed_tensor_wrap(numbers, HEED_SHAPE(2, 3)) };
    heed_gradcheck_desc desc = { .seed = 3 };
    heed_gradcheck_report report;
    bool agrees = heed_gradcheck(square, NULL, &x, 1, desc, &report);
    printf("%s: %d comparisons, worst %.3g of the tolerance %s\n", agrees ? "agrees" : "differs", (int)report.checked,
           report.worst, heed_error());
    return agrees ? 0 : 1;
}
