/* Beam search: against every sequence there is, against a search written out here that never stops early, against greedy
 * search, with the cache as without, each sentence alone; its edges, its errors and its memory. */
#include "scene.h"

enum { MOST_RESULTS = 64, TREE = 4 };

typedef struct {
    int32_t tokens[ROWS * MOST_RESULTS * MOST], lengths[ROWS * MOST_RESULTS];
    double scores[ROWS * MOST_RESULTS];
} found;

static heed_beam_desc desc_of(const scene *s, int beam, int n_best, double penalty)
{
    return (heed_beam_desc){ .bos = s->desc.bos,
                             .eos = s->desc.eos,
                             .max_length = s->desc.max_length,
                             .beam = beam,
                             .n_best = n_best,
                             .length_penalty = penalty };
}

static bool search_rows(scene *s, int64_t row, int64_t rows, heed_beam_desc desc, found *to)
{
    memset(to, 0x55, sizeof *to);
    return heed_decode_beam(&s->m, s->tape, s->src + row * s->src_length, s->lengths + row, rows, s->src_length, desc,
                            (heed_beam_results){ to->tokens, to->lengths, to->scores });
}

static bool search(scene *s, heed_beam_desc desc, found *to)
{
    return search_rows(s, 0, s->rows, desc, to);
}

/* ---- the same by hand ------------------------------------------------------------------------------------------------ */

typedef struct {
    int32_t tokens[MOST];
    int64_t length; /* <eos> included */
    double score;   /* log probability */
    bool ended;
} hypothesis;

/* log p(next token | prefix) of all tokens, from the whole model. */
static void log_probabilities(scene *s, int64_t row, const hypothesis *h, double *to)
{
    int32_t tokens[MOST + 1] = { s->desc.bos };
    memcpy(tokens + 1, h->tokens, (size_t)h->length * sizeof *tokens);
    heed_tape_reset(s->tape);
    heed_tape_set_eval(s->tape, true);
    heed_ids *src = heed_input_ids(s->tape, HEED_SHAPE(1, s->src_length), s->src + row * s->src_length);
    heed_ids *lengths = heed_input_ids(s->tape, HEED_SHAPE(1), s->lengths + row);
    heed_ids *tgt = heed_input_ids(s->tape, HEED_SHAPE(1, h->length + 1), tokens);
    heed_var *memory = heed_transformer_encode(&s->m, src, lengths, NULL);
    heed_tensor y = heed_value(heed_transformer_decode(&s->m, tgt, memory, lengths, NULL, NULL));
    assert_true(heed_tensor_ok(y));
    const heed_real *last = y.data + h->length * VOCAB;
    double sum = 0, top = (double)last[0];
    for (int i = 1; i < VOCAB; i++)
        top = fmax(top, (double)last[i]);
    for (int i = 0; i < VOCAB; i++)
        sum += exp((double)last[i] - top);
    for (int i = 0; i < VOCAB; i++)
        to[i] = (double)last[i] - top - log(sum);
    heed_tape_set_eval(s->tape, false);
    heed_tape_reset(s->tape);
}

static hypothesis extended(const hypothesis *h, int32_t token, double log_p, int32_t eos)
{
    hypothesis longer = *h;
    longer.tokens[longer.length++] = token;
    longer.score += log_p;
    longer.ended = token == eos;
    return longer;
}

static double rank_of(const hypothesis *h, double penalty)
{
    return h->score / pow((double)h->length, penalty);
}

typedef struct {
    hypothesis *items;
    int64_t count, room;
} list;

static void add(list *to, hypothesis h)
{
    if (to->count == to->room) {
        to->room = to->room ? 2 * to->room : 64;
        to->items = realloc(to->items, (size_t)to->room * sizeof h);
    }
    to->items[to->count++] = h;
}

static double sorting_penalty;

static int by_rank(const void *a, const void *b)
{
    double x = rank_of(a, sorting_penalty), y = rank_of(b, sorting_penalty);
    return (x < y) - (x > y);
}

static void sort(list *l, double penalty)
{
    sorting_penalty = penalty;
    qsort(l->items, (size_t)l->count, sizeof *l->items, by_rank);
}

/* Every sequence that ends in <eos> within max_length tokens, and every one cut off there. */
static void all_sequences(scene *s, int64_t row, const hypothesis *prefix, list *to)
{
    double log_p[VOCAB];
    log_probabilities(s, row, prefix, log_p);
    for (int32_t i = 0; i < VOCAB; i++) {
        hypothesis h = extended(prefix, i, log_p[i], s->desc.eos);
        if (h.ended || h.length == s->desc.max_length)
            add(to, h);
        else
            all_sequences(s, row, &h, to);
    }
}

/* The definition in layers.h, step by step to the last token allowed. */
static void plain_beam(scene *s, int64_t row, int beam, int32_t never, list *to)
{
    list running = { 0 };
    add(&running, (hypothesis){ .length = 0 });
    for (int64_t length = 0; running.count; length++) {
        list next = { 0 }, kept = { 0 };
        for (int64_t i = 0; i < running.count; i++) {
            double log_p[VOCAB];
            log_probabilities(s, row, &running.items[i], log_p);
            for (int32_t k = 0; k < VOCAB; k++)
                if (k != never)
                    add(&next, extended(&running.items[i], k, log_p[k], s->desc.eos));
        }
        sort(&next, 0);
        for (int64_t i = 0; i < next.count && kept.count < beam; i++)
            if (next.items[i].ended || length + 1 == s->desc.max_length) {
                if (i < beam)
                    add(to, next.items[i]);
            } else {
                add(&kept, next.items[i]);
            }
        free(running.items);
        free(next.items);
        running = kept;
    }
    free(running.items);
}

static void check_results(const scene *s, const found *got, int64_t row, int n_best, const list *want, double penalty)
{
    int64_t max = s->desc.max_length;
    const double tolerance = sizeof(heed_real) == 4 ? 2e-5 : 1e-12;
    for (int64_t k = 0; k < n_best; k++) {
        int64_t at = row * n_best + k, length = got->lengths[at];
        if (k >= want->count) {
            assert_int_equal(length, -1);
            assert_true(isinf(got->scores[at]));
            continue;
        }
        const hypothesis *h = &want->items[k];
        double rank = rank_of(h, penalty);
        assert_true(fabs(got->scores[at] - rank) < tolerance);
        bool near = (k > 0 && rank_of(h - 1, penalty) - rank < 2 * tolerance) ||
                    (k + 1 < want->count && rank - rank_of(h + 1, penalty) < 2 * tolerance);
        if (near)
            continue; /* either order is right */
        assert_int_equal(length, h->length - h->ended);
        for (int64_t i = 0; i < max; i++)
            assert_int_equal(got->tokens[at * max + i], i < length ? h->tokens[i] : s->desc.eos);
    }
}

/* ---- what it finds --------------------------------------------------------------------------------------------------- */

static const double penalties[] = { 0, 0.6, 1, 2 };

/* Wide enough for all prefixes, it finds the best of all sequences. */
static void a_wide_beam_finds_the_best_there_are(void **state)
{
    (void)state;
    int ended = 0, cut_off = 0;
    for (uint64_t n = 0; n < 40; n++) {
        scene s = scene_new(n);
        s.desc.max_length = 1 + (int64_t)(n % TREE);
        double penalty = penalties[n / TREE % 4];
        int n_best = 1 + (int)(n % 9);
        found got;
        assert_true(search(&s, desc_of(&s, 7 * 7 * 7 * 7, n_best, penalty), &got));
        for (int64_t row = 0; row < (s.rows < 2 ? s.rows : 2); row++) {
            list all = { 0 };
            all_sequences(&s, row, &(hypothesis){ .length = 0 }, &all);
            sort(&all, penalty);
            check_results(&s, &got, row, n_best, &all, penalty);
            ended += all.items[0].ended;
            cut_off += !all.items[0].ended;
            free(all.items);
        }
        scene_free(&s);
    }
    assert_true(ended > 10 && cut_off > 10);
}

/* Any beam, with its early stop, finds what the plain search finds without one. In float two hypotheses may be too close
 * to tell apart where the beam is cut; in double none of these cases is. */
static void stopping_early_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < (sizeof(heed_real) == 4 ? 60 : 250); n++) {
        scene s = scene_new(n + 100);
        int beam = 1 + (int)(n % 6), n_best = 1 + (int)(n / 6 % (uint64_t)beam);
        double penalty = penalties[n / 2 % 4];
        heed_beam_desc desc = desc_of(&s, beam, n_best, penalty);
        int32_t never = n % 3 ? -1 : (int32_t)((s.desc.eos + 1) % VOCAB);
        desc.has_unk = never >= 0;
        desc.unk = never;
        found got;
        assert_true(search(&s, desc, &got));
        for (int64_t row = 0; row < s.rows; row++) {
            list all = { 0 };
            plain_beam(&s, row, beam, never, &all);
            sort(&all, penalty);
            check_results(&s, &got, row, n_best, &all, penalty);
            free(all.items);
        }
        scene_free(&s);
    }
}

static void beam_one_without_penalty_is_greedy(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < CASES; n++) {
        scene s = scene_new(n);
        found got;
        int32_t out[ROWS * MOST], lengths[ROWS];
        assert_true(search(&s, desc_of(&s, 1, 0, 0), &got));
        assert_true(heed_decode_greedy(&s.m, s.tape, s.src, s.lengths, s.rows, s.src_length, s.desc, out, lengths));
        assert_memory_equal(got.lengths, lengths, (size_t)s.rows * sizeof *lengths);
        assert_memory_equal(got.tokens, out, (size_t)(s.rows * s.desc.max_length) * sizeof *out);
        scene_free(&s);
    }
}

/* The bits of the scores may differ: products of other sizes. */
static void check_alike(const found *a, const found *b, int64_t results, int64_t max)
{
    for (int64_t i = 0; i < results; i++) {
        assert_int_equal(a->lengths[i], b->lengths[i]);
        if (a->lengths[i] >= 0)
            check_close(a->scores[i], b->scores[i], 50 * CHECK_EPS);
    }
    assert_memory_equal(a->tokens, b->tokens, (size_t)(results * max) * sizeof *a->tokens);
}

static void cached_equals_uncached_equals_alone(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < CASES / 2; n++) {
        scene s = scene_new(n + 1000);
        int beam = 1 + (int)(n % 5);
        int32_t limits[ROWS];
        heed_beam_desc desc = desc_of(&s, beam, beam, penalties[n % 4]);
        for (int64_t row = 0; row < s.rows; row++)
            limits[row] = 1 + (int32_t)((n + 3 * (uint64_t)row) % (uint64_t)s.desc.max_length);
        desc.max_lengths = limits;
        found cached, uncached, alone;
        assert_true(search(&s, desc, &cached));
        desc.no_cache = true;
        assert_true(search(&s, desc, &uncached));
        check_alike(&cached, &uncached, s.rows * beam, s.desc.max_length);
        desc.no_cache = false;
        for (int64_t row = 0; row < s.rows; row++) {
            desc.max_lengths = limits + row;
            assert_true(search_rows(&s, row, 1, desc, &alone));
            found mine = { .lengths = { 0 } };
            memcpy(mine.lengths, cached.lengths + row * beam, (size_t)beam * sizeof *mine.lengths);
            memcpy(mine.scores, cached.scores + row * beam, (size_t)beam * sizeof *mine.scores);
            memcpy(mine.tokens, cached.tokens + row * beam * s.desc.max_length,
                   (size_t)(beam * s.desc.max_length) * sizeof *mine.tokens);
            check_alike(&mine, &alone, beam, s.desc.max_length);
        }
        scene_free(&s);
    }
}

/* All tokens equally probable: the first of equals, at every place. */
static void of_equals_the_first_is_kept(void **state)
{
    (void)state;
    scene s = scene_new(2);
    assert_true(heed_tensor_fill(heed_param_value(s.m.generator.weight), 0)); /* every logit is 0 */
    heed_params_changed(s.params);
    s.desc.eos = 6;
    s.desc.max_length = 3;
    found got;
    assert_true(search(&s, desc_of(&s, 3, 3, 0), &got));
    const int32_t want[3][3] = { { 0, 0, 0 }, { 0, 0, 1 }, { 0, 0, 2 } };
    for (int64_t row = 0; row < s.rows; row++)
        assert_memory_equal(got.tokens + row * 9, want, sizeof want);
    scene_free(&s);
}

/* ---- errors ---------------------------------------------------------------------------------------------------------- */

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    scene s = scene_new(1);
    found got;
    const heed_beam_desc fine = desc_of(&s, 2, 2, 1);
    const heed_beam_results to = { got.tokens, got.lengths, got.scores };
    const struct {
        heed_beam_desc desc;
        const char *text;
    } cases[] = {
        { { .eos = 1, .max_length = 4, .n_best = 1 }, "beam is 0 and n_best 1" },
        { { .eos = 1, .max_length = 4, .beam = 2, .n_best = 3 }, "n_best at most beam" },
        { { .eos = 1, .max_length = 4, .beam = 2, .n_best = -1 }, "n_best -1" },
        { { .eos = 1, .max_length = 0, .beam = 2 }, "max_length 0" },
        { { .eos = 1, .max_length = INT64_C(1) << 31, .beam = 2 }, "max_length 2147483648" },
        { { .eos = 1, .max_length = 4, .beam = 2, .length_penalty = -0.1 }, "length_penalty is -0.1" },
        { { .eos = 1, .max_length = 4, .beam = 2, .length_penalty = (double)NAN }, "length_penalty is" },
        { { .eos = 1, .max_length = 4, .beam = 2, .length_penalty = (double)INFINITY }, "length_penalty is inf" },
        { { .eos = VOCAB, .max_length = 4, .beam = 2 }, "eos 7, must be 0 .. 6" },
        { { .bos = -1, .eos = 1, .max_length = 4, .beam = 2 }, "bos is -1" },
        { { .eos = 1, .max_length = 4, .beam = 2, .max_lengths = (const int32_t[]){ 5, 5, 5, 5 } },
          "max_lengths[0] is 5, must be 1 .. 4" },
        { { .eos = 1, .max_length = 4, .beam = 2, .max_lengths = (const int32_t[]){ 0, 1, 1, 1 } },
          "max_lengths[0] is 0" },
        { { .eos = 1, .max_length = 4, .beam = INT32_MAX }, "too many" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s.rows = 4;
        assert_false(heed_decode_beam(&s.m, s.tape, s.src, NULL, 4, 1, cases[i].desc, to));
        check_failed(i + 1 < sizeof cases / sizeof *cases ? HEED_BAD_ARGUMENT : HEED_BAD_SHAPE, cases[i].text);
    }
    assert_false(heed_decode_beam(NULL, s.tape, s.src, NULL, 1, 1, fine, to));
    check_failed(HEED_BAD_ARGUMENT, "m is NULL");
    assert_false(heed_decode_beam(&s.m, NULL, s.src, NULL, 1, 1, fine, to));
    check_failed(HEED_BAD_ARGUMENT, "tape is NULL");
    assert_false(heed_decode_beam(&s.m, s.tape, NULL, NULL, 1, 1, fine, to));
    check_failed(HEED_BAD_ARGUMENT, "src is NULL");
    assert_false(
        heed_decode_beam(&s.m, s.tape, s.src, NULL, 1, 1, fine, (heed_beam_results){ NULL, got.lengths, got.scores }));
    check_failed(HEED_BAD_ARGUMENT, "tokens is NULL");
    assert_false(
        heed_decode_beam(&s.m, s.tape, s.src, NULL, 1, 1, fine, (heed_beam_results){ got.tokens, NULL, got.scores }));
    check_failed(HEED_BAD_ARGUMENT, "lengths is NULL");
    assert_false(
        heed_decode_beam(&s.m, s.tape, s.src, NULL, 1, 1, fine, (heed_beam_results){ got.tokens, got.lengths, NULL }));
    check_failed(HEED_BAD_ARGUMENT, "scores is NULL");
    assert_false(heed_decode_beam(&s.m, s.tape, s.src, NULL, 0, 1, fine, to));
    check_failed(HEED_BAD_ARGUMENT, "rows is 0");
    s.rows = 1;
    s.src[0] = 100;
    assert_false(search(&s, fine, &got));
    check_failed(HEED_BAD_ARGUMENT, "100");
    s.src[0] = 1;
    assert_true(heed_tape_is_grad(s.tape) && !heed_tape_is_eval(s.tape)); /* the tape came back as it was */
    assert_true(search(&s, fine, &got));
    assert_true(heed_tensor_fill(heed_param_value(s.m.generator.weight), (double)NAN));
    heed_params_changed(s.params);
    assert_false(search(&s, fine, &got));
    check_failed(HEED_BAD_STATE, "sentence 0: the logits after 0 tokens are not finite");
    scene_free(&s);
}

static void a_search_leaves_nothing_and_a_second_allocates_nothing(void **state)
{
    (void)state;
    scene s = scene_new(2);
    found got;
    for (int i = 0; i < 3; i++) {
        assert_true(search(&s, desc_of(&s, 3, 1, 0), &got));
        heed_tape_reset(s.tape);
    }
    heed_tape_mark mark = heed_tape_marked(s.tape);
    heed_memory before = heed_memory_now();
    for (int i = 0; i < 3; i++)
        assert_true(search(&s, desc_of(&s, 3, 1, 0), &got));
    assert_int_equal(heed_memory_now().calls, before.calls);
    assert_ptr_equal(heed_tape_marked(s.tape).memory.block, mark.memory.block);
    assert_int_equal(heed_tape_marked(s.tape).memory.used, mark.memory.used);
    scene_free(&s);
}

static bool make_and_search(void)
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
        int32_t tokens[6], length;
        double score;
        done = heed_params_init(params, 1) &&
               heed_decode_beam(&m, tape, src, NULL, 1, 3,
                                (heed_beam_desc){ .bos = 1, .eos = 2, .max_length = 6, .beam = 3, .length_penalty = 1 },
                                (heed_beam_results){ &tokens[0], &length, &score });
    }
    heed_tape_free(tape);
    heed_params_free(params);
    return done;
}

static void every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(make_and_search, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_beam_finds_the_best_there_are),
        cmocka_unit_test(stopping_early_changes_nothing),
        cmocka_unit_test(beam_one_without_penalty_is_greedy),
        cmocka_unit_test(cached_equals_uncached_equals_alone),
        cmocka_unit_test(of_equals_the_first_is_kept),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(every_failing_allocation_is_an_error),
        cmocka_unit_test(a_search_leaves_nothing_and_a_second_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
