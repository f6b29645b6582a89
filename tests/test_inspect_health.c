/* What an inspection says of its own grounds: little data, sentences that cannot be, broken records, untrained models; and
 * its examples. */
#include "exported.h"
#include "memory_sweep.h"

/* One layer, one head, one token a side; nothing measured, nothing shown, no gold, no evaluation. */
static void little_data_is_said_to_be_little(void **state)
{
    (void)state;
    heed_transformer_desc desc = { .src_vocab = 5, .tgt_vocab = 5, .enc_layers = 1, .dec_layers = 1 };
    desc.layer = (heed_layer_desc){ .d_model = 4, .heads = 1, .ffn = 4 };
    heed_params *params = heed_params_new();
    heed_transformer m = heed_transformer_make(params, desc);
    params_ready(params, 1);
    const int32_t eos = 2, bos = 1;
    const uint8_t eos_flag = HEED_TOKEN_EOS, bos_flag = HEED_TOKEN_BOS;
    const char *const words[] = { "<eos>" }, *const begin[] = { "<bos>" };
    heed_sentence one = { .id = "text-0", .set = "text", .decoded = true, .exact = -1 };
    one.src = (heed_tokens){ 1, &eos, &eos_flag, NULL, words };
    one.tgt = (heed_tokens){ 1, &bos, &bos_flag, NULL, begin };
    for (int count = 0; count < 2; count++) {
        heed_inspection *x = heed_inspect((heed_inspect_desc){ .net = &m,
                                                               .eos = 2,
                                                               .name = "tiny",
                                                               .shown = &one,
                                                               .measured = &one,
                                                               .shown_count = count,
                                                               .measured_count = count });
        if (!x)
            fail_msg("%s", heed_error());
        const char *folder = folder_path(count ? "tiny" : "nothing");
        mkdir(folder, 0777);
        assert_true(heed_inspection_write(x, folder));
        assert_string_equal(heed_inspection_summary(x), "3 heads: 3 unassigned.");
        json_t *all = load(folder);
        assert_int_equal(json_array_size(at(all, "sentences")), (size_t)count);
        assert_true(json_is_null(at(all, "ablation")));
        assert_true(json_is_null(at(all, "faithfulness")));
        assert_string_equal(json_string_value(at(all, "health.0.code")), "few");
        assert_true(!count || json_is_null(at(all, "sentences.0.gold")));
        assert_int_equal(json_array_size(at(all, "alignment.rows")), 0);
        json_decref(all);
        heed_inspection_free(x);
    }
    heed_params_free(params);
}

static void bad_sentences_are_refused(void **state)
{
    (void)state;
    planted_set bad = set;
    heed_inspect_desc desc = { .net = &trained.m,
                               .name = "bad",
                               .measured = bad.sentences,
                               .measured_count = 1,
                               .kinds = PLANTED_KINDS,
                               .kinds_count = 1,
                               .classes = PLANTED_CLASSES,
                               .classes_count = 3 };
    heed_link outside = { 7, 0, true };
    bad.sentences[0].links = &outside;
    bad.sentences[0].links_count = 1;
    assert_null(heed_inspect(desc));
    check_failed(HEED_BAD_ARGUMENT, "link 7-0 is outside 7 source tokens, 6 words");
    bad.sentences[0].links_count = 0;
    heed_arc arc = { HEED_DEC, 0, 2, { 2 }, 1, { 0 }, 0 }; /* not to its left */
    bad.sentences[0].arcs = &arc;
    assert_null(heed_inspect(desc));
    check_failed(HEED_BAD_ARGUMENT, "arc 0 of word 2");
    bad.sentences[0].arcs_count = 0;
    desc.classes_count = 2;
    assert_null(heed_inspect(desc));
    check_failed(HEED_BAD_ARGUMENT, "class 2 of");
    desc.name = NULL;
    assert_null(heed_inspect(desc));
    check_failed(HEED_BAD_ARGUMENT, "name is missing");
    desc = (heed_inspect_desc){ .net = &trained.m,
                                .name = "bad",
                                .measured_count = 1,
                                .measured = set.sentences,
                                .kinds = PLANTED_KINDS,
                                .kinds_count = 1,
                                .classes = PLANTED_CLASSES,
                                .classes_count = 3 };
    heed_inspection *x = heed_inspect(desc);
    assert_non_null(x);
    assert_false(heed_inspection_write(x, "/dev/null/nowhere"));
    check_failed(HEED_IO, "nowhere");
    heed_measure m;
    assert_false(heed_inspection_measure(x, (heed_measure_name){ .id = "entropie" }, (heed_head){ 0 }, &m));
    check_failed(HEED_BAD_ARGUMENT, "nothing called entropie");
    heed_inspection_free(x);
}

/* ---- health ------------------------------------------------------------------------------------------------------ */

/* A record that breaks a rule is noticed. */
static void broken_records_are_noticed(void **state)
{
    (void)state;
    planted_set few = set;
    few.shown = 0;
    heed_inspection *x = planted_inspect(&few, &trained, &untrained);
    for (int k = 0; k < FAULTS; k++) {
        scene c;
        watch *w = watch_new(x->arena, x);
        assert_true(scene_start(&c, x, &trained.m) && w);
        c.s = &set.sentences[0];
        assert_true(scene_record(&c, c.s->src.ids, c.s->tgt.ids, 0, &c.r));
        watch_scene(&c, w);
        for (int i = 0; i < FAULTS; i++)
            assert_int_equal(w->faults[i], 0);
        heed_real *row = c.r.weights[HEED_DEC]; /* of <bos>: 1 0 0 0 0 0 0 */
        row[0] = k == FAULT_NAN ? (heed_real)NAN : (heed_real)0.5;
        row[1] = k == FAULT_MASK ? (heed_real)0.5 : 0;
        watch_scene(&c, w);
        assert_int_equal(w->faults[FAULT_NAN], k == FAULT_NAN);
        assert_int_equal(w->faults[FAULT_MASK], k == FAULT_MASK);
        assert_int_equal(w->faults[FAULT_SUM], k != FAULT_MASK);
        scene_free(&c);
    }
    heed_inspection_free(x);
}

static void an_untrained_model_is_said_to_look_so(void **state)
{
    (void)state;
    planted even = planted_new(1); /* all queries 0: every head is uniform */
    for (int i = 0; i < heed_params_count(even.params); i++)
        if (strstr(heed_params_at(even.params, i)->name, "in_proj"))
            assert_true(heed_tensor_fill(heed_param_value(heed_params_at(even.params, i)), 0));
    heed_params_changed(even.params);
    heed_inspection *x = planted_inspect(&set, &even, &untrained);
    bool said = false;
    for (int i = 0; i < x->findings_count; i++)
        said =
            said || strstr(x->findings[i].text, "12 of 12 heads are within 2 % of uniform; the model looks untrained");
    assert_true(said);
    heed_inspection_free(x);
    heed_params_free(even.params);
}

/* The rows in which a head looked hardest: against all rows. */
static void examples_are_the_largest_weights(void **state)
{
    (void)state;
    heed_inspection *x = planted_inspect(&set, &untrained, &trained);
    heed_arena *arena = heed_arena_new();
    for (int64_t h = 0; h < 12; h++) {
        const example *top = &x->watch->top[h * TOP];
        double least = top[TOP - 1].weight;
        int64_t larger = 0;
        for (int k = 1; k < TOP; k++)
            assert_true(top[k].weight <= top[k - 1].weight && top[k].sentence);
        for (int s = PLANTED_FIT; s < PLANTED_COUNT; s++) {
            scene c;
            assert_true(scene_start(&c, x, &untrained.m));
            c.s = &set.sentences[s];
            assert_true(scene_record(&c, c.s->src.ids, c.s->tgt.ids, 0, &c.r));
            int type = (int)h / 4;
            for (int i = 0; i < PLANTED_S; i++) {
                bool counts = type == 0 ? i < 6 : type == 1 ? i > 1 : true; /* more than one content key */
                double most = 0;
                for (int j = type == 1; j < (type == 1 ? i + 1 : 6); j++)
                    most = fmax(most, (double)record_row(&c.r, type, h % 4, i)[j]);
                larger += counts && most > least;
            }
            scene_free(&c);
        }
        assert_true(larger < TOP);
    }
    heed_arena_free(arena);
    heed_inspection_free(x);
}

static bool inspect_tiny(void)
{
    heed_params *params = heed_params_new();
    bool done = false;
    if (params) {
        heed_transformer_desc desc = { .src_vocab = 16, .tgt_vocab = 17, .enc_layers = 1, .dec_layers = 1 };
        desc.layer = (heed_layer_desc){ .d_model = 4, .heads = 2, .ffn = 4 };
        heed_transformer m = heed_transformer_make(params, desc);
        heed_inspect_other other = { .net = &m, .name = "other" };
        heed_inspection *x = NULL;
        if (heed_params_init(params, 1))
            x = heed_inspect((heed_inspect_desc){ .net = &m,
                                                  .eos = 2,
                                                  .name = "tiny",
                                                  .shown = set.sentences,
                                                  .measured = &set.sentences[PLANTED_FIT],
                                                  .shown_count = 1,
                                                  .measured_count = 1,
                                                  .kinds = PLANTED_KINDS,
                                                  .kinds_count = 1,
                                                  .classes = PLANTED_CLASSES,
                                                  .classes_count = 3,
                                                  .others = &other,
                                                  .others_count = 1,
                                                  .threads = 1 });
        done = x;
        heed_inspection_free(x);
    }
    heed_params_free(params);
    return done;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(inspect_tiny, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_data_is_said_to_be_little), cmocka_unit_test(bad_sentences_are_refused),
        cmocka_unit_test(broken_records_are_noticed),       cmocka_unit_test(an_untrained_model_is_said_to_look_so),
        cmocka_unit_test(examples_are_the_largest_weights), cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
