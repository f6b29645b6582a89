/* Patching between minimal pairs: on a Transformer whose heads are known it finds the heads on the number's way, and no
 * others. */
#include "planted.h"

enum { PAIRS = 20 };

static planted_set set;
static planted trained, untrained;
static planted_data other[PAIRS];
static heed_sentence others[PAIRS];
static heed_minimal_pair pairs[PAIRS];

/* Sentence i, and the same with its noun in the other number; of the last two pairs with the other noun of that number. */
static void draw_pairs(void)
{
    planted_draw(&set);
    for (int i = 0; i < PAIRS; i++) {
        planted_data *from = &set.data[i];
        int noun = from->noun, verb = from->arc.word;
        other[i] = *from;
        others[i] = set.sentences[i];
        other[i].src[noun] = i < PAIRS - 2 ? (from->src[noun] + 2 - NOUNS) % 4 + NOUNS : from->src[noun] ^ 1;
        planted_translation(&other[i]);
        others[i].src.ids = other[i].src;
        others[i].tgt.ids = other[i].tgt;
        int row = PLANTED_WORDS - 1 - verb;
        pairs[i] = (heed_minimal_pair){ .sentences = { &set.sentences[i], &others[i] },
                                        .row = row,
                                        .token = { from->tgt[row + 1], other[i].tgt[row + 1] },
                                        .word = (int16_t)noun };
    }
    set.pairs = pairs;
    set.pairs_count = PAIRS;
}

static int set_up(void **state)
{
    (void)state;
    draw_pairs();
    trained = planted_trained();
    untrained = planted_new(3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    heed_params_free(trained.params);
    heed_params_free(untrained.params);
    return 0;
}

/* Of this pair alone. */
static heed_inspection *inspect_pair(const heed_minimal_pair *pair, const heed_sentence *shown, int64_t shown_count)
{
    return heed_inspect((heed_inspect_desc){ .net = &trained.m,
                                             .eos = 2,
                                             .name = "planted",
                                             .shown = shown,
                                             .shown_count = shown_count,
                                             .kinds = PLANTED_KINDS,
                                             .classes = PLANTED_CLASSES,
                                             .kinds_count = 1,
                                             .classes_count = 3,
                                             .phenomena = PLANTED_PHENOMENA,
                                             .phenomena_count = 1,
                                             .pairs = pair,
                                             .pairs_count = 1 });
}

static void the_heads_on_the_way_are_found(void **state)
{
    (void)state;
    set.shown = 2;
    heed_inspection *x = planted_inspect(&set, &trained, &untrained);
    json_t *all = planted_written(x), *code = json_object_get(json_object_get(all, "patching"), "NUMBER"), *head;
    assert_int_equal(json_integer_value(json_object_get(code, "n")), PAIRS - 2);
    assert_int_equal(json_integer_value(json_object_get(code, "dropped")), 2);
    size_t i;
    json_array_foreach(json_object_get(all, "heads"), i, head)
    {
        const char *name = json_string_value(head);
        bool carries = strcmp(name, "enc.0.3") == 0 || strcmp(name, "cross.0.0") == 0;
        json_t *effect = json_array_get(json_object_get(code, "effects"), i);
        double value = json_number_value(json_object_get(effect, "value"));
        if (!(fabs(value - carries) < 0.02) || json_is_true(json_object_get(effect, "matters")) != carries)
            fail_msg("%s carries %g", name, value);
    }
    assert_int_equal(json_array_size(json_object_get(all, "pairs")), 0); /* none of two shown sentences */
    json_decref(all);
    heed_inspection_free(x);
}

static void shown_pairs_are_written(void **state)
{
    (void)state;
    heed_sentence shown[] = { set.sentences[0], others[0] };
    shown[1].id = "other";
    heed_minimal_pair one = pairs[0];
    one.sentences[0] = &shown[0];
    one.sentences[1] = &shown[1];
    heed_inspection *x = inspect_pair(&one, shown, 2);
    assert_non_null(x);
    json_t *all = planted_written(x), *p = json_array_get(json_object_get(all, "pairs"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(p, "sentences"), 1)), "other");
    assert_int_equal(json_integer_value(json_object_get(p, "word")), one.word);
    assert_true(json_is_null(json_object_get(p, "also")));
    assert_int_equal(json_integer_value(json_object_get(p, "position")), one.row);
    assert_string_equal(json_string_value(json_array_get(json_object_get(p, "form"), 0)), PLANTED_NAMES[one.token[0]]);
    json_t *effect = json_object_get(p, "effect");
    assert_true(fabs(json_number_value(json_object_get(effect, "enc.0.3")) - 1) < 0.02);
    assert_true(fabs(json_number_value(json_object_get(effect, "dec.0.1"))) < 0.02);
    assert_true(json_number_value(json_array_get(json_object_get(p, "margin"), 0)) > 1);
    json_decref(all);
    heed_inspection_free(x);
    one.word = 0; /* what differs is for readers: heads are exchanged whole */
    one.also = 3;
    x = inspect_pair(&one, shown, 2);
    assert_non_null(x);
    all = planted_written(x);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(all, "pairs"), 0), "also")), 3);
    json_decref(all);
    heed_inspection_free(x);
}

static void bad_pairs_are_refused(void **state)
{
    (void)state;
    heed_minimal_pair good = pairs[0];
    heed_sentence longer = others[0];
    longer.src.count--;
    longer.src.ids++;
    longer.src.flags++;
    longer.src.words++;
    longer.src.classes++;
    longer.links_count = longer.arcs_count = 0;
    heed_minimal_pair bad[8];
    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].sentences[1] = NULL;
    bad[1].sentences[1] = &longer;
    bad[2].row = PLANTED_S;
    bad[3].token[1] = TARGET_WORDS;
    bad[4].phenomenon = 1;
    bad[5].word = PLANTED_S;
    bad[6].also = PLANTED_S;
    bad[7].word = 2;
    bad[7].also = 1; /* the second stands behind the first */
    for (int i = 0; i < 8; i++) {
        assert_null(inspect_pair(&bad[i], NULL, 0));
        check_failed(HEED_BAD_ARGUMENT, "pair 0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_heads_on_the_way_are_found, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(shown_pairs_are_written, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(bad_pairs_are_refused, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
