/* What a pass leaves behind when it was refused, failed or asked for more than there is: nothing. */
#include "tape.h"

static int errors_told;

static void count_error(heed_error_kind kind, const char *text)
{
    (void)kind, (void)text;
    errors_told++;
}

/* Trying a view first is not a failure: heed_on_error hears nothing of it. */
static void test_a_copy_instead_of_a_view_is_no_error(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 3), (const heed_real[]){ 1, 2, 3, 4, 5, 6 });
    heed_on_error(count_error);
    assert_non_null(heed_reshape(heed_permute(x, (const int[]){ 1, 0 }), HEED_SHAPE(6)));
    assert_int_equal(errors_told, 0);
    assert_null(heed_reshape(x, HEED_SHAPE(5)));
    heed_on_error(NULL);
    assert_int_equal(errors_told, 1);
    check_failed(HEED_BAD_SHAPE, "reshape");
}

/* -inf that a mask puts there is meant. */
static void test_check_finite_lets_masks_pass(void **state)
{
    (void)state;
    heed_tape *careful = heed_tape_new((heed_tape_desc){ .check_finite = true });
    heed_var *x = heed_leaf(careful, HEED_SHAPE(3), (const heed_real[]){ 1, 2, 3 });
    heed_ids *mask = heed_input_ids(careful, HEED_SHAPE(3), (const int32_t[]){ 0, 1, 0 });
    heed_var *y = heed_softmax(heed_masked_fill(x, mask, -(double)INFINITY), 0);
    assert_non_null(y);
    assert_true(heed_backward_from(y, (const heed_real[]){ 1, 2, 3 }));
    heed_tape_free(careful);
}

/* Asking for a gradient nothing reached leaves nothing behind that a rewind could take away. */
static void test_grad_of_the_unreached_after_a_rewind(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *other = leaf3(4, 5, 6);
    assert_true(backward_counting(heed_scale(x, 2)));
    heed_tape_mark mark = heed_tape_marked(tape);
    check_close(GRAD(other, 0), 0, 0);
    assert_true(heed_tape_rewind(tape, mark));
    heed_var *fresh = leaf3(7, 8, 9);
    check_close(GRAD(other, 0), 0, 0);
    check_close((double)heed_value(fresh).data[0], 7, 0);
}

/* Gradients of an earlier pass that a failing one has added to are not whole any more: no step may use them. */
static void test_failed_backward_disarms_an_earlier_one(void **state)
{
    (void)state;
    static const heed_op failing_op = { .name = "failing", .operands = "x", .backward = failing_backward };
    owner o = { { 1, 2, 3 }, { 0 }, true, 0, 0 };
    assert_true(backward_counting(heed_scale(owner_on(&o), 2)));
    assert_int_equal(o.backwards, 1);
    heed_tape_reset(tape);
    heed_var *w = owner_on(&o), *in[] = { heed_exp(w) };
    heed_node *node = heed_op_begin(&failing_op, in, 1);
    heed_var *y = heed_op_output(node, HEED_SHAPE(3));
    assert_true(heed_tensor_copy(y->value, in[0]->value));
    assert_false(backward_counting(heed_mul(w, heed_op_end(node))));
    check_failed(HEED_UNSUPPORTED, "planted");
    assert_true(o.empty);
    assert_int_equal(o.backwards, 0);
}

/* What a refused pass looked at does not count for the next one. */
static void test_refused_backward_leaves_no_marks(void **state)
{
    (void)state;
    static const heed_op round_op = { .name = "round", .operands = "x" };
    heed_var *x = leaf3(1, 2, 3), *in[] = { x };
    heed_node *node = heed_op_begin(&round_op, in, 1);
    heed_var *rounded = heed_op_output(node, x->value.shape);
    assert_true(heed_tensor_copy(rounded->value, x->value));
    assert_false(backward_counting(heed_scale(heed_op_end(node), 2)));
    check_failed(HEED_UNSUPPORTED, "round");
    assert_true(backward_counting(heed_scale(x, 2)));
    check_close(GRAD(x, 1), 4, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TAPE(test_a_copy_instead_of_a_view_is_no_error), WITH_TAPE(test_check_finite_lets_masks_pass),
        WITH_TAPE(test_grad_of_the_unreached_after_a_rewind), WITH_TAPE(test_failed_backward_disarms_an_earlier_one),
        WITH_TAPE(test_refused_backward_leaves_no_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
