/* The tape: gradients through diamonds and views, what is refused and in which words, lifetimes. */
#include "tape.h"

static void test_diamond(void **state)
{
    (void)state;
    heed_var *x = leaf3(2, -3, 5);
    assert_true(backward_counting(heed_add(heed_mul(x, x), x))); /* 2x + 1 */
    check_close(GRAD(x, 0), 1 * 5, 0);
    check_close(GRAD(x, 1), 2 * -5, 0);
    check_close(GRAD(x, 2), 3 * 11, 0);
}

static void test_operand_used_three_times(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *y = heed_add(heed_add(x, x), x);
    assert_true(backward_counting(y));
    for (int64_t i = 0; i < 3; i++)
        check_close(GRAD(x, i), 3.0 * (double)(i + 1), 0);
}

/* A view's gradient is that of its elements through every path; a broadcast view's is the sum. */
static void test_views_share_their_roots_gradient(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 2), (const heed_real[]){ 1, 2, 3, 4 });
    heed_var *row = heed_slice(x, 0, 1, 2), *turned = heed_permute(x, (const int[]){ 1, 0 });
    heed_var *wide = heed_broadcast(row, HEED_SHAPE(2, 2));
    heed_var *y = heed_mul(heed_add(turned, wide), turned); /* y_ij = (x_ji + x_1j) x_ji */
    assert_true(backward_counting(y));                      /* g = 1 2 / 3 4 */
    /* y00 = (x00 + x10) x00, y01 = (x10 + x11) x10, y10 = (x01 + x10) x01, y11 = (x11 + x11) x11 */
    check_close(GRAD(x, 0, 0), 1 * (2 * 1 + 3), 0);
    check_close(GRAD(x, 1, 0), 1 * 1 + 2 * (2 * 3 + 4) + 3 * 2, 0);
    check_close(GRAD(x, 0, 1), 3 * (2 * 2 + 3), 0);
    check_close(GRAD(x, 1, 1), 2 * 3 + 4 * (4 * 4), 0);
    check_close(GRAD(row, 0, 1), 2 * 3 + 4 * (4 * 4), 0);
    check_close(GRAD(turned, 1, 0), 3 * (2 * 2 + 3), 0);
}

static void test_reshape_copies_when_it_must(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 3), (const heed_real[]){ 1, 2, 3, 4, 5, 6 });
    heed_var *flat = heed_reshape(x, HEED_SHAPE(-1));
    assert_ptr_equal(flat->root, x->root);
    heed_var *turned = heed_reshape(heed_permute(x, (const int[]){ 1, 0 }), HEED_SHAPE(6));
    assert_ptr_not_equal(turned->root, x->root);
    assert_true(backward_counting(turned)); /* 1 4 2 5 3 6 */
    check_close(GRAD(x, 0, 0), 1, 0);
    check_close(GRAD(x, 1, 0), 2, 0);
    check_close(GRAD(x, 0, 1), 3, 0);
    check_close(GRAD(x, 1, 2), 6, 0);
    assert_null(heed_reshape(x, HEED_SHAPE(4, -1)));
    check_failed(HEED_BAD_SHAPE, "[2, 3]");
}

static void test_detach_is_a_new_root(void **state)
{
    (void)state;
    heed_var *x = leaf3(2, 3, 4), *still = heed_detach(x), *y = heed_mul(x, still);
    assert_ptr_equal(heed_value(still).data, heed_value(x).data);
    assert_true(backward_counting(y));
    check_close(GRAD(x, 1), 2 * 3, 0);
    assert_false(heed_tensor_ok(heed_grad(still)));
    check_failed(HEED_BAD_STATE, "takes no gradient");
}

static void test_no_grad_region(void **state)
{
    (void)state;
    heed_var *x = leaf3(2, 3, 4);
    assert_true(heed_tape_set_grad(tape, false));
    heed_var *constant = heed_mul(x, x);
    assert_false(heed_tape_set_grad(tape, true));
    assert_int_equal(heed_tape_length(tape), 0);
    heed_var *y = heed_mul(x, constant);
    assert_int_equal(heed_tape_length(tape), 1);
    assert_true(backward_counting(y));
    check_close(GRAD(x, 2), 3 * 16, 0);
}

static void test_leaf_not_reached_is_zero(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *other = leaf3(4, 5, 6);
    assert_non_null(heed_exp(other));
    assert_true(backward_counting(heed_scale(x, 3)));
    check_close(GRAD(other, 0), 0, 0);
    check_close(GRAD(x, 2), 9, 0);
}

static void test_intermediate_gradients(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *kept = heed_scale(x, 2), *gone = heed_scale(kept, 2), *y = heed_scale(gone, 2);
    heed_keep_grad(kept);
    assert_true(backward_counting(y));
    check_close(GRAD(kept, 1), 8, 0);
    assert_false(heed_tensor_ok(heed_grad(gone)));
    check_failed(HEED_BAD_STATE, "heed_keep_grad");
}

/* The gradient backward starts from is the caller's: it is not written, nor read once the pass is over. */
static void test_the_first_gradient_is_the_callers(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *kept = heed_scale(x, 2);
    heed_real g[] = { 1, 2, 3 };
    heed_keep_grad(kept);
    assert_true(heed_backward_from(kept, g));
    g[1] = (heed_real)NAN;
    check_close(GRAD(kept, 1), 2, 0);
    check_close(GRAD(x, 1), 4, 0);

    heed_tape_reset(tape);
    x = leaf3(1, 2, 3);
    heed_var *y = heed_mul(x, x);
    assert_true(heed_backward_from(y, (const heed_real[]){ 1, 2, 3 })); /* in memory that may not be written */
    check_close(GRAD(x, 2), 18, 0);
    assert_false(heed_tensor_ok(heed_grad(y)));
    check_failed(HEED_BAD_STATE, "heed_keep_grad");

    heed_tape_reset(tape);
    x = leaf3(1, 2, 3);
    g[1] = 7;
    assert_true(heed_backward_from(x, g));
    g[1] = (heed_real)NAN;
    check_close(GRAD(x, 1), 7, 0);
}

/* A sum hands its gradient on without a copy; what is then added to one operand must not reach the others. */
static void test_gradients_shared_by_a_sum(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *square = heed_mul(x, x), *sum = heed_add(x, square), *twice = heed_add(sum, sum);
    heed_keep_grad(square);
    heed_keep_grad(sum);
    heed_keep_grad(twice);
    assert_true(backward_counting(heed_scale(twice, 3)));
    for (int i = 0; i < 3; i++) {
        check_close(GRAD(twice, i), 3 * (i + 1), 0);
        check_close(GRAD(sum, i), 6 * (i + 1), 0);
        check_close(GRAD(square, i), 6 * (i + 1), 0);
        check_close(GRAD(x, i), 6 * (i + 1) * (1 + 2 * (i + 1)), 0);
    }
}

static void test_second_backward_is_refused(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *y = heed_exp(x);
    assert_true(backward_counting(y));
    assert_false(backward_counting(y));
    check_failed(HEED_BAD_STATE, "already run");
    assert_false(backward_counting(heed_neg(x)));
    check_failed(HEED_BAD_STATE, "neg");
}

static void test_stale_variables_are_refused_by_name(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *y = heed_exp(x);
    heed_tape_reset(tape);
    assert_null(heed_neg(y));
    check_failed(HEED_BAD_STATE, "neg: operand x is stale: it was exp");
    heed_var *fresh = leaf3(1, 2, 3);
    assert_null(heed_add(fresh, x));
    check_failed(HEED_BAD_STATE, "add: operand b is stale: it was leaf");
    assert_false(heed_backward(y));
    check_failed(HEED_BAD_STATE, "stale");
    assert_false(heed_tensor_ok(heed_grad(x)));
    check_failed(HEED_BAD_STATE, "grad");
    assert_true(isnan(heed_item(x)));
    check_failed(HEED_BAD_STATE, "item");
}

static void test_rewind(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *before = heed_exp(x);
    heed_tape_mark mark = heed_tape_marked(tape);
    heed_var *after = heed_neg(before);
    for (int i = 0; i < 600; i++) /* more than a chunk of slots */
        after = heed_neg(after);
    assert_true(heed_tape_rewind(tape, mark));
    assert_int_equal(heed_tape_length(tape), 1);
    assert_null(heed_neg(after));
    check_failed(HEED_BAD_STATE, "stale");
    assert_true(backward_counting(heed_scale(before, 2)));
    check_close(GRAD(x, 0), 2 * exp(1), CHECK_EPS);
    assert_false(heed_tape_rewind(tape, mark));
    check_failed(HEED_BAD_STATE, "backward ran");
    heed_tape_reset(tape);
    assert_false(heed_tape_rewind(tape, mark));
    check_failed(HEED_BAD_STATE, "reset");
}

static void test_in_place_change_is_refused_by_name(void **state)
{
    (void)state;
    heed_var *x = heed_named(leaf3(1, 2, 3), "angles"), *y = heed_exp(x), *z = heed_mul(y, y);
    heed_write(y)[0] = 7;
    assert_false(backward_counting(z));
    check_failed(HEED_BAD_STATE, "the value of exp was changed in place after mul used it");
    heed_tape_reset(tape);
    x = heed_named(leaf3(1, 2, 3), "angles");
    z = heed_mul(x, x);
    heed_write(heed_slice(x, 0, 1, 2))[0] = 7; /* through a view */
    assert_false(backward_counting(z));
    check_failed(HEED_BAD_STATE, "\"angles\" was changed in place after mul used it");
    heed_tape_reset(tape);
    x = leaf3(1, 2, 3);
    heed_write(x)[1] = 5; /* before its use: fine */
    assert_true(backward_counting(heed_mul(x, x)));
    check_close(GRAD(x, 1), 2 * 2 * 5, 0);
}

static void test_operands_must_share_a_tape(void **state)
{
    (void)state;
    heed_tape *other = heed_tape_new((heed_tape_desc){ 0 });
    heed_var *x = leaf3(1, 2, 3), *y = heed_leaf(other, HEED_SHAPE(3), (const heed_real[]){ 1, 2, 3 });
    assert_null(heed_mul(x, y));
    check_failed(HEED_BAD_ARGUMENT, "mul: operand b is on another tape");
    heed_tape_free(other);
}

static void test_null_keeps_the_first_message(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3), *bad = heed_add(x, heed_leaf(tape, HEED_SHAPE(2), (const heed_real[]){ 1, 2 }));
    assert_null(bad);
    heed_var *loss = heed_mul(heed_exp(bad), x);
    assert_null(loss);
    assert_false(heed_backward(loss));
    check_failed(HEED_BAD_SHAPE, "add: shapes [3] and [2]");
    assert_null(heed_mul(x, NULL));
    check_failed(HEED_BAD_ARGUMENT, "mul: operand b is NULL");
}

static void test_backward_needs_a_scalar_that_depends_on_something(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3);
    assert_false(heed_backward(heed_exp(x)));
    check_failed(HEED_BAD_SHAPE, "[3]");
    heed_var *constant = heed_input(tape, heed_shape_scalar(), &(const heed_real){ 2 });
    assert_false(heed_backward(heed_exp(constant)));
    check_failed(HEED_BAD_STATE, "depends on nothing");
}

static void test_an_op_without_backward_refuses_by_name(void **state)
{
    (void)state;
    static const heed_op round_op = { .name = "round", .operands = "x" };
    heed_var *x = leaf3(1, 2, 3), *in[] = { x };
    heed_node *node = heed_op_begin(&round_op, in, 1);
    heed_var *y = heed_op_output(node, x->value.shape);
    assert_true(heed_tensor_copy(y->value, x->value));
    y = heed_op_end(node);
    assert_false(backward_counting(heed_scale(y, 2)));
    check_failed(HEED_UNSUPPORTED, "round");
    heed_tape_reset(tape); /* and one the loss does not depend on is nobody's business */
    x = in[0] = leaf3(1, 2, 3);
    node = heed_op_begin(&round_op, in, 1);
    y = heed_op_output(node, x->value.shape);
    assert_true(heed_tensor_copy(y->value, x->value));
    assert_non_null(heed_op_end(node));
    assert_true(backward_counting(heed_scale(x, 2)));
}

static void test_check_finite_names_the_first_op(void **state)
{
    (void)state;
    heed_tape *careful = heed_tape_new((heed_tape_desc){ .check_finite = true });
    heed_var *x = heed_leaf(careful, HEED_SHAPE(3), (const heed_real[]){ 1, 0, 4 });
    assert_null(heed_exp(heed_log(x)));
    check_failed(HEED_BAD_STATE, "log: forward made a non-finite value, element 1");
    heed_tape_reset(careful);
    x = heed_leaf(careful, HEED_SHAPE(3), (const heed_real[]){ 1, 0, 4 });
    assert_false(heed_backward_from(heed_scale(heed_sqrt(x), 2), (const heed_real[]){ 1, 1, 1 }));
    check_failed(HEED_BAD_STATE, "sqrt: backward made a non-finite gradient, element 1 of the value of leaf");
    heed_tape_free(careful);
}

/* ---- externals: what parameters are made of ------------------------------------------------------------------------
 */

static void test_external_gradients_accumulate_until_cleared(void **state)
{
    (void)state;
    owner o = { { 1, 2, 3 }, { NAN, NAN, NAN }, true, 0, 0 };
    for (int pass = 1; pass <= 2; pass++) {
        heed_var *w = owner_on(&o);
        assert_ptr_equal(w, owner_on(&o));
        assert_true(backward_counting(heed_mul(w, w)));
        for (int i = 0; i < 3; i++)
            assert_true(o.grad[i] == pass * (i + 1) * 2 * o.value[i]); /* twice the passes, exactly twice the sum */
        assert_int_equal(o.backwards, pass);
        heed_tape_reset(tape);
    }
    o.empty = true;
    assert_true(backward_counting(heed_scale(owner_on(&o), 2)));
    assert_true(o.grad[2] == 6);
}

/* What backward starts from adds up like the rest: for an element that is repeated, and with what a parameter has. */
static void test_start_adds_up(void **state)
{
    (void)state;
    heed_var *x = leaf3(1, 2, 3);
    assert_true(backward_counting(heed_broadcast(x, HEED_SHAPE(2, 3)))); /* 1 2 3 / 4 5 6 */
    for (int64_t i = 0; i < 3; i++)
        check_close(GRAD(x, i), (double)(2 * i + 5), 0);
    owner o = { { 1, 2, 3 }, { NAN, NAN, NAN }, true, 0, 0 };
    for (int pass = 1; pass <= 2; pass++) {
        heed_tape_reset(tape);
        assert_true(backward_counting(owner_on(&o)));
        assert_true(o.grad[0] == pass && o.grad[2] == 3 * pass);
    }
}

static void test_external_change_between_forward_and_backward(void **state)
{
    (void)state;
    owner o = { { 1, 2, 3 }, { 0 }, true, 0, 0 };
    heed_var *y = heed_exp(owner_on(&o));
    o.version++;
    assert_false(backward_counting(y));
    check_failed(HEED_BAD_STATE, "parameter \"w\" was changed in place after exp used it");
    assert_true(o.empty);
    assert_int_equal(o.backwards, 0);
    assert_null(heed_write(owner_on(&o)));
    check_failed(HEED_BAD_STATE, "shares its values");
}

static void test_failed_backward_leaves_no_gradient(void **state)
{
    (void)state;
    static const heed_op failing_op = { .name = "failing", .operands = "x", .backward = failing_backward };
    owner o = { { 1, 2, 3 }, { 0 }, true, 0, 0 };
    heed_var *w = owner_on(&o), *in[] = { heed_exp(w) };
    heed_node *node = heed_op_begin(&failing_op, in, 1);
    heed_var *y = heed_op_output(node, HEED_SHAPE(3));
    assert_true(heed_tensor_copy(y->value, in[0]->value));
    y = heed_op_end(node);
    assert_false(backward_counting(heed_mul(w, y))); /* w got a gradient before `failing` ran */
    check_failed(HEED_UNSUPPORTED, "planted");
    assert_true(o.empty);
    assert_int_equal(o.backwards, 0);
}

static void test_nothing_is_allocated_after_the_largest_turn(void **state)
{
    (void)state;
    owner o = { { 1, 2, 3 }, { 0 }, true, 0, 0 };
    int64_t calls = 0;
    for (int turn = 0; turn < 20; turn++) {
        heed_var *y = owner_on(&o);
        for (int i = 0; i < 900 + (turn == 1 ? 300 : -turn); i++)
            y = heed_scale(heed_add(y, owner_on(&o)), 0.5);
        assert_true(backward_counting(y));
        heed_tape_reset(tape);
        if (turn == 3) /* two pools of slots have each seen a long turn */
            calls = heed_memory_now().calls;
    }
    assert_int_equal(heed_memory_now().calls, calls);
}

/* Every allocation in turn fails: a clean error, no crash, and the tape can go on. */
static void test_out_of_memory_anywhere(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 200; n++) {
        heed_memory_fail_at(n, true);
        heed_tape *t = heed_tape_new((heed_tape_desc){ 0 });
        heed_var *x = t ? heed_leaf(t, HEED_SHAPE(3), (const heed_real[]){ 1, 2, 3 }) : NULL, *y = x;
        for (int i = 0; x && i < 300; i++)
            y = heed_exp(heed_mul(y, x));
        bool fine = t && backward_counting(y);
        heed_memory_fail_at(0, false);
        if (!fine)
            check_failed(HEED_MEMORY, "");
        heed_tape_free(t);
        if (fine)
            return;
    }
    fail_msg("two hundred allocations and still none too many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TAPE(test_diamond),
        WITH_TAPE(test_operand_used_three_times),
        WITH_TAPE(test_views_share_their_roots_gradient),
        WITH_TAPE(test_reshape_copies_when_it_must),
        WITH_TAPE(test_detach_is_a_new_root),
        WITH_TAPE(test_no_grad_region),
        WITH_TAPE(test_leaf_not_reached_is_zero),
        WITH_TAPE(test_intermediate_gradients),
        WITH_TAPE(test_the_first_gradient_is_the_callers),
        WITH_TAPE(test_gradients_shared_by_a_sum),
        WITH_TAPE(test_second_backward_is_refused),
        WITH_TAPE(test_stale_variables_are_refused_by_name),
        WITH_TAPE(test_rewind),
        WITH_TAPE(test_in_place_change_is_refused_by_name),
        WITH_TAPE(test_operands_must_share_a_tape),
        WITH_TAPE(test_null_keeps_the_first_message),
        WITH_TAPE(test_backward_needs_a_scalar_that_depends_on_something),
        WITH_TAPE(test_an_op_without_backward_refuses_by_name),
        WITH_TAPE(test_check_finite_names_the_first_op),
        WITH_TAPE(test_external_gradients_accumulate_until_cleared),
        WITH_TAPE(test_start_adds_up),
        WITH_TAPE(test_external_change_between_forward_and_backward),
        WITH_TAPE(test_failed_backward_leaves_no_gradient),
        WITH_TAPE(test_nothing_is_allocated_after_the_largest_turn),
        WITH_TAPE(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
