/* Decoding: with the cache as without, against a search written out here, its edges, its errors and its memory. */
#include "scene.h"

typedef struct {
    int32_t out[ROWS * MOST], lengths[ROWS];
} result;

static bool decode(scene *s, bool no_cache, result *r)
{
    heed_decode_desc desc = s->desc;
    desc.no_cache = no_cache;
    memset(r, 0x55, sizeof *r);
    return heed_decode_greedy(&s->m, s->tape, s->src, s->lengths, s->rows, s->src_length, desc, r->out, r->lengths);
}

/* One sentence, token by token, from the whole logits. */
static int64_t by_hand(scene *s, int64_t row, int32_t *out)
{
    heed_tape_set_eval(s->tape, true);
    int32_t tokens[MOST + 1] = { s->desc.bos };
    int64_t length = 0;
    while (length < s->desc.max_length) {
        heed_tape_reset(s->tape);
        heed_ids *src = heed_input_ids(s->tape, HEED_SHAPE(1, s->src_length), s->src + row * s->src_length);
        heed_ids *lengths = heed_input_ids(s->tape, HEED_SHAPE(1), s->lengths + row);
        heed_ids *tgt = heed_input_ids(s->tape, HEED_SHAPE(1, length + 1), tokens);
        heed_var *memory = heed_transformer_encode(&s->m, src, lengths, NULL);
        heed_tensor y = heed_value(heed_transformer_decode(&s->m, tgt, memory, lengths, NULL, NULL));
        const heed_real *last = y.data + length * VOCAB;
        int32_t best = VOCAB - 1;
        for (int32_t i = VOCAB - 2; i >= 0; i--)
            if (last[i] >= last[best])
                best = i;
        if (best == s->desc.eos)
            break;
        out[length++] = best;
        tokens[length] = best;
    }
    heed_tape_set_eval(s->tape, false);
    heed_tape_reset(s->tape);
    return length;
}

static void cached_equals_uncached_equals_by_hand(void **state)
{
    (void)state;
    int rows = 0, stopped = 0, empty = 0, full = 0, varied = 0;
    for (int n = 0; n < CASES; n++) {
        scene s = scene_new((uint64_t)n);
        result cached, uncached;
        assert_true(decode(&s, false, &cached));
        assert_true(decode(&s, true, &uncached));
        assert_memory_equal(&cached, &uncached, sizeof cached);
        for (int64_t row = 0; row < s.rows; row++) {
            int32_t want[MOST];
            int64_t length = by_hand(&s, row, want), max = s.desc.max_length;
            assert_int_equal(cached.lengths[row], length);
            for (int64_t i = 0; i < max; i++)
                assert_int_equal(cached.out[row * max + i], i < length ? want[i] : s.desc.eos);
            rows++;
            full += length == max;
            empty += length == 0;
            stopped += length > 0 && length < max;
            for (int64_t i = 1; i < length; i++)
                if (want[i] != want[0]) {
                    varied++;
                    break;
                }
        }
        scene_free(&s);
    }
    /* The cases are of all kinds. */
    assert_true(rows > 2 * CASES && stopped > 50 && empty > 20 && full > 100 && varied > 100);
}

/* Feeding several tokens at once and then one by one gives the logits of the whole. */
static void a_cache_takes_tokens_in_any_portions(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        scene s = scene_new((uint64_t)n);
        draws d = draws_of((uint64_t)n + 1000);
        int32_t tokens[ROWS * MOST], part[ROWS * MOST];
        int64_t T = draw_int(&d, 1, MOST), done = 0;
        draw_ids(&d, tokens, s.rows * T, 0, VOCAB - 1);
        heed_tape_set_eval(s.tape, true);
        heed_tape_set_grad(s.tape, false);
        heed_ids *src = heed_input_ids(s.tape, HEED_SHAPE(s.rows, s.src_length), s.src);
        heed_ids *lengths = heed_input_ids(s.tape, HEED_SHAPE(s.rows), s.lengths);
        heed_var *memory = heed_transformer_encode(&s.m, src, lengths, NULL);
        heed_ids *all = heed_input_ids(s.tape, HEED_SHAPE(s.rows, T), tokens);
        heed_tensor want = heed_value(heed_transformer_decode(&s.m, all, memory, lengths, NULL, NULL));
        heed_decode_cache *cache = heed_decode_cache_new(&s.m, s.rows, s.src_length, MOST);
        assert_non_null(cache);
        while (done < T) {
            int64_t more = draw_int(&d, 1, T - done);
            for (int64_t i = 0; i < s.rows * more; i++)
                part[i] = tokens[i / more * T + done + i % more];
            heed_ids *ids = heed_input_ids(s.tape, HEED_SHAPE(s.rows, more), part);
            heed_tensor got =
                heed_value(heed_transformer_decode(&s.m, ids, done ? NULL : memory, lengths, NULL, cache));
            assert_true(heed_tensor_ok(got));
            for (int64_t i = 0; i < s.rows * more; i++)
                for (int v = 0; v < VOCAB; v++)
                    check_close((double)got.data[i * VOCAB + v],
                                (double)want.data[(i / more * T + done + i % more) * VOCAB + v], 20 * CHECK_EPS);
            done += more;
            assert_int_equal(heed_decode_cache_length(cache), done);
        }
        heed_decode_cache_free(cache);
        scene_free(&s);
    }
}

static void equal_logits_give_the_lowest_id(void **state)
{
    (void)state;
    scene s = scene_new(2);
    heed_param *table = s.m.generator.weight;
    assert_true(heed_tensor_fill(heed_param_value(table), 0)); /* every logit is 0 */
    heed_params_changed(s.params);
    result r;
    s.desc.eos = 3;
    assert_true(decode(&s, false, &r));
    for (int64_t row = 0; row < s.rows; row++) {
        assert_int_equal(r.lengths[row], s.desc.max_length);
        for (int64_t i = 0; i < s.desc.max_length; i++)
            assert_int_equal(r.out[row * s.desc.max_length + i], 0);
    }
    s.desc.eos = 0;
    assert_true(decode(&s, false, &r));
    for (int64_t row = 0; row < s.rows; row++)
        assert_int_equal(r.lengths[row], 0);
    scene_free(&s);
}

static void the_tape_comes_back_as_it_was(void **state)
{
    (void)state;
    scene s = scene_new(1);
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, s.tape, HEED_SHAPE(2, 3)), *y = heed_exp(x);
    int64_t length = heed_tape_length(s.tape);
    heed_tape_mark before = heed_tape_marked(s.tape);
    result r;
    for (int fail = 0; fail < 2; fail++) {
        if (fail)
            s.src[0] = 100;
        assert_true(decode(&s, false, &r) == !fail);
        heed_tape_mark after = heed_tape_marked(s.tape);
        assert_int_equal(heed_tape_length(s.tape), length);
        assert_int_equal(after.slots, before.slots);
        assert_int_equal(after.externals, before.externals);
        assert_ptr_equal(after.memory.block, before.memory.block);
        assert_int_equal(after.memory.used, before.memory.used);
        assert_true(heed_tape_is_grad(s.tape) && !heed_tape_is_eval(s.tape));
    }
    check_failed(HEED_BAD_ARGUMENT, "100");
    assert_true(heed_backward(heed_sum(y, (heed_axes){ 0 }))); /* what was on it still works */
    check_same_bits(heed_grad(x), heed_value(y));
    heed_tape_set_eval(s.tape, true);
    heed_tape_set_grad(s.tape, false);
    s.src[0] = 1;
    assert_true(decode(&s, false, &r));
    assert_true(!heed_tape_is_grad(s.tape) && heed_tape_is_eval(s.tape));
    scene_free(&s);
}

static void no_lengths_means_whole_rows(void **state)
{
    (void)state;
    scene s = scene_new(4);
    result r, whole;
    for (int64_t row = 0; row < s.rows; row++)
        s.lengths[row] = (int32_t)s.src_length;
    assert_true(decode(&s, false, &r));
    memset(&whole, 0x55, sizeof whole);
    assert_true(heed_decode_greedy(&s.m, s.tape, s.src, NULL, s.rows, s.src_length, s.desc, whole.out, whole.lengths));
    assert_memory_equal(&r, &whole, sizeof r);
    scene_free(&s);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    scene s = scene_new(1);
    result r;
    const scene fine = s;
    s.desc.max_length = 0;
    assert_false(decode(&s, false, &r));
    check_failed(HEED_BAD_ARGUMENT, "max_length 0; each must be at least 1");
    s = fine;
    s.rows = 0;
    assert_false(decode(&s, false, &r));
    check_failed(HEED_BAD_ARGUMENT, "rows is 0");
    s = fine;
    s.desc.bos = VOCAB;
    assert_false(decode(&s, false, &r));
    check_failed(HEED_BAD_ARGUMENT, "bos is 7 and eos");
    s = fine;
    s.desc.eos = -1;
    assert_false(decode(&s, false, &r));
    check_failed(HEED_BAD_ARGUMENT, "eos -1, must be 0 .. 6");
    s = fine;
    s.lengths[0] = (int32_t)s.src_length + 1;
    assert_false(decode(&s, false, &r));
    check_failed(HEED_BAD_ARGUMENT, "key_lengths[0]");
    s = fine;
    assert_false(heed_decode_greedy(NULL, s.tape, s.src, NULL, 1, 1, s.desc, r.out, r.lengths));
    check_failed(HEED_BAD_ARGUMENT, "m is NULL");
    assert_false(heed_decode_greedy(&s.m, NULL, s.src, NULL, 1, 1, s.desc, r.out, r.lengths));
    check_failed(HEED_BAD_ARGUMENT, "tape is NULL");
    assert_false(heed_decode_greedy(&s.m, s.tape, NULL, NULL, 1, 1, s.desc, r.out, r.lengths));
    check_failed(HEED_BAD_ARGUMENT, "src is NULL");
    assert_false(heed_decode_greedy(&s.m, s.tape, s.src, NULL, 1, 1, s.desc, NULL, r.lengths));
    check_failed(HEED_BAD_ARGUMENT, "out is NULL");
    assert_false(heed_decode_greedy(&s.m, s.tape, s.src, NULL, 1, 1, s.desc, r.out, NULL));
    check_failed(HEED_BAD_ARGUMENT, "out_lengths is NULL");
    assert_null(heed_decode_cache_new(&s.m, 1, 0, 1));
    check_failed(HEED_BAD_ARGUMENT, "src_length 0");
    assert_null(heed_decode_cache_new(NULL, 1, 1, 1));
    check_failed(HEED_BAD_ARGUMENT, "0 layers");
    assert_null(heed_decode_cache_new(&s.m, INT64_MAX / 2, 1, INT64_MAX / 2));
    check_failed(HEED_BAD_SHAPE, "too large");
    heed_decode_cache_free(NULL);
    assert_int_equal(heed_decode_cache_length(NULL), 0);
    heed_params_values(s.params)[0] = 0; /* still usable */
    assert_true(decode(&s, false, &r));
    scene_free(&s);
}

static void logits_that_are_not_numbers_are_refused(void **state)
{
    (void)state;
    scene s = scene_new(1);
    result r;
    assert_true(heed_tensor_fill(heed_param_value(s.m.generator.weight), (double)NAN));
    heed_params_changed(s.params);
    assert_false(decode(&s, false, &r));
    check_failed(HEED_BAD_STATE, "the best logit of row 0 at token 0 is not finite");
    scene_free(&s);
}

static void caches_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    scene s = scene_new(1), other = scene_new(1);
    heed_decode_cache *cache = heed_decode_cache_new(&s.m, 2, 3, 2);
    assert_non_null(cache);
    heed_ids *src = heed_input_ids(s.tape, HEED_SHAPE(2, 3), (const int32_t[]){ 1, 2, 3, 4, 5, 6 });
    heed_ids *tgt = heed_input_ids(s.tape, HEED_SHAPE(2, 1), (const int32_t[]){ 1, 2 });
    heed_var *memory = heed_transformer_encode(&s.m, src, NULL, NULL);
    assert_null(heed_transformer_decode(&s.m, tgt, memory, NULL, NULL, cache));
    check_failed(HEED_BAD_STATE, "turn gradients off");
    heed_tape_set_grad(s.tape, false);
    assert_non_null(heed_transformer_decode(&s.m, tgt, memory, NULL, NULL, cache));
    assert_non_null(heed_transformer_decode(&s.m, tgt, NULL, NULL, NULL, cache));
    assert_null(heed_transformer_decode(&s.m, tgt, NULL, NULL, NULL, cache));
    check_failed(HEED_BAD_ARGUMENT, "holds 2 tokens and has no room for 1 more");
    heed_ids *three = heed_input_ids(s.tape, HEED_SHAPE(3, 1), (const int32_t[]){ 1, 2, 3 });
    assert_null(heed_transformer_decode(&s.m, three, NULL, NULL, NULL, cache));
    check_failed(HEED_BAD_SHAPE, "the cache is for 2 rows");
    other.m.decoder.n_layers++;
    assert_null(heed_transformer_decode(&other.m, heed_input_ids(other.tape, HEED_SHAPE(1, 1), (const int32_t[]){ 1 }),
                                        NULL, NULL, NULL, cache));
    check_failed(HEED_BAD_ARGUMENT, "decoder: the cache is for");
    heed_decode_cache_free(cache);
    scene_free(&s);
    scene_free(&other);
}

/* The logits of one step, or of one that fails because a weight is infinite, on a tape that looks at every value. */
static bool step(scene *s, heed_tape *tape, heed_decode_cache *cache, int32_t token, heed_real *logits)
{
    heed_tape_reset(tape);
    int32_t tokens[ROWS] = { token, token, token, token };
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(s->rows, s->src_length), s->src);
    heed_ids *tgt = heed_input_ids(tape, HEED_SHAPE(s->rows, 1), tokens);
    heed_var *memory = heed_transformer_encode(&s->m, src, NULL, NULL);
    heed_tensor got = heed_value(heed_transformer_decode(&s->m, tgt, memory, NULL, NULL, cache));
    if (heed_tensor_ok(got))
        memcpy(logits, got.data, (size_t)(s->rows * VOCAB) * sizeof *logits);
    return heed_tensor_ok(got);
}

/* A step that fails in the last layer, or after it, leaves the cache as it was: the same step then gives what it would
 * have given. */
static void a_failed_step_leaves_the_cache(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        scene s = scene_new((uint64_t)n);
        int last = s.m.decoder.n_layers - 1;
        heed_param *weights[] = { s.m.decoder.layers[last].ffn.linear2.weight, s.m.decoder.layers[last].norm1.weight,
                                  s.m.decoder.layers[last].multihead_attn.out.weight,
                                  s.m.desc.untied_output ? s.m.generator.weight : s.m.decoder.norm.weight };
        heed_real *at = heed_param_value(weights[n % 4]).data, weight = *at, want[ROWS * VOCAB], got[ROWS * VOCAB];
        heed_tape *tape =
            heed_tape_new((heed_tape_desc){ .check_finite = true, .eval = true, .no_grad = true, .threads = 1 });
        heed_decode_cache *clean = heed_decode_cache_new(&s.m, s.rows, s.src_length, 3),
                          *cache = heed_decode_cache_new(&s.m, s.rows, s.src_length, 3);
        for (int32_t t = 0; t < 3; t++) {
            assert_true(step(&s, tape, clean, t, want));
            *at = (heed_real)INFINITY;
            heed_params_changed(s.params);
            assert_false(step(&s, tape, cache, t, got));
            check_failed(HEED_BAD_STATE, "non-finite");
            assert_int_equal(heed_decode_cache_length(cache), t);
            *at = weight;
            heed_params_changed(s.params);
            assert_true(step(&s, tape, cache, t, got));
            assert_memory_equal(got, want, (size_t)(s.rows * VOCAB) * sizeof *got);
        }
        heed_decode_cache_free(clean);
        heed_decode_cache_free(cache);
        heed_tape_free(tape);
        scene_free(&s);
    }
}

/* The same of a layer of attention and of a decoder, called by themselves. */
static void a_failed_call_leaves_the_cache(void **state)
{
    (void)state;
    scene s = scene_new(2);
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .check_finite = true, .eval = true, .no_grad = true });
    heed_attention *m = &s.m.decoder.layers[0].self_attn;
    heed_real k[ROWS * 2 * MOST] = { 0 }, v[ROWS * 2 * MOST] = { 0 }, x[2 * MOST] = { 1 };
    heed_cache held = { .k = k, .v = v, .rows = 1, .capacity = 2, .heads = m->heads, .d = m->d_model / m->heads };
    heed_decode_cache *cache = heed_decode_cache_new(&s.m, 1, 1, 2);
    heed_real *weights[] = { heed_param_value(m->out.weight).data, heed_param_value(s.m.decoder.norm.weight).data };
    for (int t = 0; t < 2; t++) {
        heed_var *in = heed_input(tape, HEED_SHAPE(1, 1, m->d_model), x);
        for (int bad = 1; bad >= 0; bad--) {
            heed_real kept[] = { *weights[0], *weights[1] };
            *weights[0] = bad ? (heed_real)INFINITY : *weights[0];
            heed_params_changed(s.params);
            assert_int_equal(!heed_attention_forward(m, in, in, in, (heed_attention_call){ .cache = &held }), bad);
            assert_int_equal(held.length, t + !bad);
            *weights[0] = kept[0];
            *weights[1] = bad ? (heed_real)INFINITY : *weights[1];
            heed_params_changed(s.params);
            heed_var *memory = t == 0 ? in : NULL;
            heed_error_clear();
            assert_int_equal(!heed_decoder_forward(&s.m.decoder, in, memory, (heed_mask){ .causal = true },
                                                   (heed_mask){ .causal = false }, NULL, cache),
                             bad);
            assert_int_equal(heed_decode_cache_length(cache), t + !bad);
            *weights[1] = kept[1];
            heed_params_changed(s.params);
            heed_error_clear();
        }
    }
    heed_decode_cache_free(cache);
    heed_tape_free(tape);
    scene_free(&s);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* A second decode allocates nothing, and a longer one needs no more than a longer cache. */
static void memory_stays_bounded(void **state)
{
    (void)state;
    scene s = scene_new(2);
    result r;
    for (int i = 0; i < 3; i++) {
        assert_true(decode(&s, false, &r));
        heed_tape_reset(s.tape);
    }
    heed_memory before = heed_memory_now();
    heed_tape_mark mark = heed_tape_marked(s.tape);
    for (int i = 0; i < 5; i++)
        assert_true(decode(&s, false, &r));
    heed_memory after = heed_memory_now();
    assert_int_equal(after.calls, before.calls);
    assert_int_equal(after.bytes, before.bytes);
    assert_ptr_equal(heed_tape_marked(s.tape).memory.block, mark.memory.block);
    assert_int_equal(heed_tape_marked(s.tape).memory.used, mark.memory.used);
    scene_free(&s);
}

/* What a tape holds after a decode of at most 500 tokens that are all 0, which may be <eos>. */
static int64_t bytes_after(int32_t eos, int32_t tokens)
{
    heed_params *params = heed_params_new();
    heed_transformer m =
        heed_transformer_make(params, (heed_transformer_desc){ .src_vocab = 5,
                                                               .tgt_vocab = 5,
                                                               .enc_layers = 1,
                                                               .dec_layers = 1,
                                                               .layer = { .d_model = 8, .heads = 2, .ffn = 8 } });
    params_ready(params, 1);
    assert_true(heed_tensor_fill(heed_param_value(m.generator.weight), 0));
    int32_t out[500], length;
    int64_t before = heed_memory_now().bytes;
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    assert_true(heed_decode_greedy(&m, tape, (const int32_t[]){ 1, 2, 3 }, NULL, 1, 3,
                                   (heed_decode_desc){ .bos = 1, .eos = eos, .max_length = 500 }, out, &length));
    assert_int_equal(length, tokens);
    int64_t bytes = heed_memory_now().bytes - before;
    heed_tape_free(tape);
    heed_params_free(params);
    return bytes;
}

static void memory_does_not_grow_with_the_length(void **state)
{
    (void)state;
    int64_t none = bytes_after(0, 0), many = bytes_after(2, 500);
    assert_true(none > 0);
    assert_int_equal(many, none);
}

/* Positions are learned up to MOST, so a step after the last row has finished would be an error. */
static void decoding_stops_when_all_rows_have_finished(void **state)
{
    (void)state;
    int32_t out[ROWS * 100], lengths[ROWS];
    int tried = 0;
    for (uint64_t n = 0; n < 20; n++) {
        scene s = scene_new(n);
        if (s.m.desc.learned_positions) {
            assert_true(heed_tensor_fill(heed_param_value(s.m.generator.weight), 0));
            s.desc.eos = 0;
            s.desc.max_length = 100;
            assert_true(heed_decode_greedy(&s.m, s.tape, s.src, s.lengths, s.rows, s.src_length, s.desc, out, lengths));
            s.desc.eos = 1;
            assert_false(
                heed_decode_greedy(&s.m, s.tape, s.src, s.lengths, s.rows, s.src_length, s.desc, out, lengths));
            check_failed(HEED_BAD_ARGUMENT, "there is a code for positions 0 .. 11, not for 12 .. 12");
            tried++;
        }
        scene_free(&s);
    }
    assert_true(tried > 4);
}

static bool make_and_decode(void)
{
    heed_params *params = heed_params_new();
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    bool done = false;
    if (params && tape) {
        heed_transformer m =
            heed_transformer_make(params, (heed_transformer_desc){ .src_vocab = 5,
                                                                   .tgt_vocab = 5,
                                                                   .enc_layers = 1,
                                                                   .dec_layers = 1,
                                                                   .layer = { .d_model = 4, .heads = 2, .ffn = 4 } });
        const int32_t src[] = { 1, 2, 3 };
        int32_t out[6], length;
        done = heed_params_init(params, 1) &&
               heed_decode_greedy(&m, tape, src, NULL, 1, 3, (heed_decode_desc){ .bos = 1, .eos = 2, .max_length = 6 },
                                  out, &length);
    }
    heed_tape_free(tape);
    heed_params_free(params);
    return done;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(make_and_decode, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cached_equals_uncached_equals_by_hand),
        cmocka_unit_test(a_cache_takes_tokens_in_any_portions),
        cmocka_unit_test(equal_logits_give_the_lowest_id),
        cmocka_unit_test(the_tape_comes_back_as_it_was),
        cmocka_unit_test(no_lengths_means_whole_rows),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(logits_that_are_not_numbers_are_refused),
        cmocka_unit_test(caches_that_do_not_fit_are_refused),
        cmocka_unit_test(a_failed_step_leaves_the_cache),
        cmocka_unit_test(a_failed_call_leaves_the_cache),
        cmocka_unit_test(memory_stays_bounded),
        cmocka_unit_test(memory_does_not_grow_with_the_length),
        cmocka_unit_test(decoding_stops_when_all_rows_have_finished),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
