/* Recording: what a trace leaves, in one pass and in cached decoding, against the attention's own formula. */
#include "memory_sweep.h"
#include "transformers.h"

static const heed_head ALL[] = { { HEED_ENC, 0, 0 }, { HEED_ENC, 1, 1 },   { HEED_DEC, 0, 1 },
                                 { HEED_DEC, 1, 0 }, { HEED_CROSS, 0, 0 }, { HEED_CROSS, 1, 1 } };
enum { HEADS = sizeof ALL / sizeof ALL[0] };

static void check_same_head(const heed_record *a, const heed_record *b, heed_head head, double tolerance)
{
    check_near(heed_record_head(a, head), heed_record_head(b, head), tolerance);
}

/* One row of a padded batch, recorded: equal to the sentence alone, and what q and k say. */
static void records_hold_one_row_without_padding(void **state)
{
    (void)state;
    model a = model_new(TINY, 1);
    heed_arena *arena = heed_arena_new();
    heed_recorder *r = heed_recorder_new(&a.m, (heed_recorder_desc){ .parts = true });
    assert_true(arena && r);
    const batch two = { .B = 2,
                        .S = 5,
                        .T = 4,
                        .src = { 1, 2, 3, 0, 0, 4, 5, 6, 7, 8 },
                        .tgt = { 1, 2, 3, 0, 1, 4, 5, 6 },
                        .lengths = { 3, 5 } },
                one = { .B = 1, .S = 3, .T = 3, .src = { 1, 2, 3 }, .tgt = { 1, 2, 3 }, .lengths = { 3 } };
    heed_record from_two, from_one;
    assert_non_null(logits_of(&a, &two, heed_recorder_trace(r)));
    assert_true(heed_recorder_take(r, arena, 0, 3, 3, &from_two));
    heed_tape_reset(a.tape);
    assert_non_null(logits_of(&a, &one, heed_recorder_trace(r)));
    assert_true(heed_recorder_take(r, arena, 0, 3, 3, &from_one));
    for (int i = 0; i < HEADS; i++) {
        heed_tensor w = heed_record_head(&from_one, ALL[i]);
        assert_true(heed_shape_equal(w.shape, HEED_SHAPE(3, 3)));
        check_same_head(&from_two, &from_one, ALL[i], CHECK_EPS);
        int64_t at = (ALL[i].layer * 2 + ALL[i].head) * 3;
        for (int64_t q = 0; q < 3; q++) {
            double e[3], sum = 0;
            for (int64_t k = 0; k < 3; k++) {
                double score = 0;
                for (int64_t d = 0; d < from_one.d; d++)
                    score += (double)from_one.q[ALL[i].type][(at + q) * from_one.d + d] *
                             (double)from_one.k[ALL[i].type][(at + k) * from_one.d + d];
                e[k] = ALL[i].type == HEED_DEC && k > q ? 0 : exp(score / sqrt((double)from_one.d));
                sum += e[k];
            }
            for (int64_t k = 0; k < 3; k++)
                check_close(w.data[q * 3 + k], e[k] / sum, CHECK_EPS);
        }
    }
    heed_recorder_free(r);
    heed_arena_free(arena);
    model_free(&a);
}

/* The rows of cached decoding are those of one pass over what was decoded. */
static void cached_decoding_records_the_same(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    int longer = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        model a = model_new(TINY, seed);
        batch b = { .B = 1, .S = 4, .src = { 3, 4, 5, 6 }, .lengths = { 4 } };
        int32_t length, plain[9], plain_length;
        heed_decode_desc desc = { .bos = 1, .eos = 2, .max_length = 9 };
        heed_record stepwise, whole;
        assert_true(heed_record_decode(&a.m, a.tape, arena, b.src, 4, desc, b.tgt + 1, &length, &stepwise));
        assert_true(heed_decode_greedy(&a.m, a.tape, b.src, NULL, 1, 4, desc, plain, &plain_length));
        assert_int_equal(length, plain_length);
        assert_memory_equal(plain, b.tgt + 1, (size_t)length * sizeof *plain);
        b.tgt[0] = 1;
        b.T = length < 9 ? length + 1 : 9; /* the last row chose <eos>, or was the last allowed */
        heed_recorder *r = heed_recorder_new(&a.m, (heed_recorder_desc){ 0 });
        heed_tape_set_grad(a.tape, false);
        assert_non_null(logits_of(&a, &b, heed_recorder_trace(r)));
        assert_true(heed_recorder_take(r, arena, 0, 4, b.T, &whole));
        assert_int_equal(stepwise.T, b.T);
        for (int i = 0; i < HEADS; i++)
            check_same_head(&stepwise, &whole, ALL[i], 5 * CHECK_EPS);
        longer += length > 2;
        heed_recorder_free(r);
        model_free(&a);
    }
    assert_true(longer > 5);
    heed_arena_free(arena);
}

/* In training, with dropout: what is recorded is what came before it. */
static void training_records_before_dropout(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    desc.layer.attention_dropout = 0.5;
    model a = model_new(desc, 1);
    heed_arena *arena = heed_arena_new();
    draws d = draws_of(3);
    batch b = draw_batch(&d);
    b.B = 1;
    heed_recorder *r = heed_recorder_new(&a.m, (heed_recorder_desc){ 0 });
    heed_record record;
    heed_var *logits = logits_of(&a, &b, heed_recorder_trace(r));
    assert_true(heed_recorder_take(r, arena, 0, b.lengths[0], b.T, &record));
    backward_random(logits, &d);
    heed_tensor w = heed_record_head(&record, ALL[4]);
    for (int64_t i = 0; i < b.T; i++) {
        double sum = 0;
        for (int64_t j = 0; j < b.lengths[0]; j++)
            sum += (double)w.data[i * b.lengths[0] + j];
        check_close(sum, 1, CHECK_EPS);
    }
    heed_recorder_free(r);
    heed_arena_free(arena);
    model_free(&a);
}

static void off_is_free(void **state)
{
    (void)state;
    assert_null(heed_recorder_trace(NULL));
    heed_recorder_free(NULL);
    assert_null(heed_recorder_new(NULL, (heed_recorder_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "recorder: m is NULL");
    model a = model_new(TINY, 1);
    heed_recorder *r = heed_recorder_new(&a.m, (heed_recorder_desc){ 0 });
    heed_arena *arena = heed_arena_new();
    heed_record record;
    assert_false(heed_recorder_take(r, arena, 0, 1, 1, &record)); /* nothing was run */
    assert_true(heed_error_pending());
    heed_error_clear();
    draws d = draws_of(1);
    batch b = draw_batch(&d);
    assert_non_null(logits_of(&a, &b, heed_recorder_trace(r)));
    assert_false(heed_recorder_take(r, arena, b.B, 1, 1, &record)); /* no such row */
    assert_true(heed_error_pending());
    heed_error_clear();
    assert_true(heed_recorder_take(r, arena, 0, 1, 1, &record));
    assert_false(heed_tensor_ok(heed_record_head(&record, (heed_head){ HEED_CROSS, 2, 0 })));
    check_failed(HEED_BAD_ARGUMENT, "there is no head cross.2.0");
    heed_recorder_free(r);
    heed_arena_free(arena);
    model_free(&a);
}

/* ---- what a trace changes ---------------------------------------------------------------------------------------- */

/* Gates of every row: the gradients of a batch are those of its sentences alone, one by one. */
static void gates_of_rows_have_the_gradients_of_sentences(void **state)
{
    (void)state;
    for (int type = 0; type < 3; type++) {
        model a = model_new(TINY, 2);
        const batch both = {
            .B = 2, .S = 4, .T = 3, .src = { 1, 2, 3, 0, 4, 5, 6, 7 }, .tgt = { 1, 2, 3, 1, 4, 5 }, .lengths = { 3, 4 }
        };
        heed_real open[8], c[3 * 8];
        for (int i = 0; i < 8; i++)
            open[i] = 1;
        draws d = draws_of(5);
        draw_normals(&d, c, 24);
        heed_tensor got;
        double want[2][4];
        for (int row = 0; row < 3; row++) { /* 2: both at once */
            batch one = both;
            if (row < 2) {
                one.B = 1;
                memcpy(one.src, both.src + 4 * row, sizeof *one.src * 4);
                memcpy(one.tgt, both.tgt + 3 * row, sizeof *one.tgt * 3);
                one.lengths[0] = both.lengths[row];
            }
            heed_trace trace = { 0 };
            trace.gates[type] = heed_leaf(a.tape, HEED_SHAPE(2, one.B, 2), open);
            heed_var *logits = logits_of(&a, &one, &trace);
            heed_real gradient[2 * 24];
            memcpy(gradient, c, sizeof c);
            memcpy(gradient + 24, c, sizeof c);
            assert_true(logits && heed_backward_from(logits, gradient));
            got = heed_grad(trace.gates[type]); /* [layers, B, heads] */
            for (int i = 0; i < 4 && row < 2; i++)
                want[row][i] = (double)got.data[i];
            for (int i = 0; i < 4 && row == 2; i++)
                for (int b = 0; b < 2; b++)
                    check_close(got.data[i / 2 * 4 + b * 2 + i % 2], want[b][i], 20 * CHECK_EPS);
            heed_grads_clear(heed_params_grads(a.params));
            heed_tape_reset(a.tape);
        }
        assert_true(fabs(want[0][0] - want[1][0]) > 1e-4);
        model_free(&a);
    }
}

/* Positions that start later, on both sides, sinusoidal and learned. */
static void first_moves_the_positions(void **state)
{
    (void)state;
    for (int learned = 0; learned < 2; learned++) {
        heed_transformer_desc desc = TINY;
        desc.learned_positions = learned;
        desc.max_length = 8;
        model a = model_new(desc, 1);
        const batch b = { .B = 1, .S = 3, .T = 2, .src = { 1, 2, 3 }, .tgt = { 1, 2 }, .lengths = { 3 } };
        heed_var *weights[3][2];
        heed_trace trace = { .weights = { weights[0], weights[1], weights[2] }, .first = 2 };
        heed_var *x = heed_embedding_forward(&a.m.src_embed, heed_input_ids(a.tape, HEED_SHAPE(1, 3), b.src));
        x = heed_positions_forward(&a.m.src_positions, x, 2);
        heed_var *memory = heed_encoder_forward(&a.m.encoder, x, (heed_mask){ 0 }, NULL);
        x = heed_embedding_forward(&a.m.tgt_embed, heed_input_ids(a.tape, HEED_SHAPE(1, 2), b.tgt));
        x = heed_positions_forward(&a.m.tgt_positions, x, 2);
        x = heed_decoder_forward(&a.m.decoder, x, memory, (heed_mask){ .causal = true }, (heed_mask){ 0 }, NULL, NULL);
        x = heed_linear_forward(&a.m.generator, x);
        check_near(heed_value(logits_of(&a, &b, &trace)), heed_value(x), CHECK_EPS);
        heed_tensor moved = heed_value(x);
        trace.first = 0;
        assert_true(memcmp(heed_value(logits_of(&a, &b, &trace)).data, moved.data, 16 * sizeof(heed_real)) != 0);
        model_free(&a);
    }
}

static bool stop_at(int64_t t, void *context)
{
    ++*(int64_t *)context;
    return t < 1 || heed_fail(HEED_BAD_STATE, "enough");
}

static void decoding_tells_of_each_step(void **state)
{
    (void)state;
    model a = model_new(TINY, 1);
    int32_t out[6], length;
    int64_t steps = 0;
    heed_decode_desc desc = { .bos = 1, .eos = 5, .max_length = 6, .on_step = stop_at, .context = &steps };
    assert_false(heed_decode_greedy(&a.m, a.tape, (const int32_t[]){ 3, 4 }, NULL, 1, 2, desc, out, &length));
    check_failed(HEED_BAD_STATE, "enough");
    assert_int_equal(steps, 2);
    heed_arena *arena = heed_arena_new();
    heed_record record;
    assert_false(heed_record_decode(&a.m, a.tape, arena, out, 2, desc, out, &length, &record));
    check_failed(HEED_BAD_ARGUMENT, "no trace of yours");
    heed_arena_free(arena);
    model_free(&a);
}

static bool record_and_decode(void)
{
    heed_params *params = heed_params_new();
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    heed_arena *arena = heed_arena_new();
    bool done = false;
    if (params && tape && arena) {
        heed_transformer m = heed_transformer_make(params, TINY);
        int32_t out[4], length;
        heed_record record;
        done = heed_params_init(params, 1) &&
               heed_record_decode(&m, tape, arena, (const int32_t[]){ 3, 4 }, 2,
                                  (heed_decode_desc){ .bos = 1, .eos = 2, .max_length = 4 }, out, &length, &record);
    }
    heed_arena_free(arena);
    heed_tape_free(tape);
    heed_params_free(params);
    return done;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(record_and_decode, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_hold_one_row_without_padding),
        cmocka_unit_test(cached_decoding_records_the_same),
        cmocka_unit_test(training_records_before_dropout),
        cmocka_unit_test(off_is_free),
        cmocka_unit_test(gates_of_rows_have_the_gradients_of_sentences),
        cmocka_unit_test(first_moves_the_positions),
        cmocka_unit_test(decoding_tells_of_each_step),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
