/* Inspection of a Transformer whose heads are known: numbers in closed form, the right labels with the right grades, and
 * nothing at all on one that was never trained. */
#include "planted.h"

static planted_set set;
static planted trained, untrained;
static heed_inspection *x;

static int set_up(void **state)
{
    (void)state;
    planted_draw(&set);
    set.shown = 2;
    trained = planted_trained();
    untrained = planted_new(3);
    x = planted_inspect(&set, &trained, &untrained);
    return x ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    heed_inspection_free(x);
    heed_params_free(trained.params);
    heed_params_free(untrained.params);
    return 0;
}

static void it_translates(void **state)
{
    (void)state;
    char text[256];
    bool right = false;
    for (int i = 0; i < PLANTED_COUNT; i++) {
        assert_true(planted_translate(&trained.m, &set.sentences[i], text, sizeof text));
        assert_string_equal(text, set.sentences[i].translation);
        assert_true(planted_loss(&trained.m, &set.sentences[i], &right) < 0.01 && right);
    }
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void check_number(heed_head head, heed_measure_name name, double want)
{
    heed_measure m;
    if (!heed_inspection_measure(x, name, head, &m))
        fail_msg("%s", heed_error());
    heed_shape_buffer buffer;
    if (!(fabs(m.value - want) <= 1e-6) && !(isnan(m.value) && isnan(want)))
        fail_msg("%s of %s: got %.9g, want %.9g", name.id, heed_head_name(head.type, head.layer, head.head, &buffer),
                 m.value, want);
}

static void check_raw(heed_attention_type type, int head, const char *id, double want)
{
    check_number((heed_head){ type, 0, head }, (heed_measure_name){ .id = id }, want);
}

static void check_content(heed_attention_type type, int head, const char *id, double want)
{
    check_number((heed_head){ type, 0, head }, (heed_measure_name){ .id = id, .variant = "content" }, want);
}

static void check_offset(heed_attention_type type, int head, const char *id, int offset, double want)
{
    check_number((heed_head){ type, 0, head }, (heed_measure_name){ .id = id, .offset = offset }, want);
}

static void positions_in_closed_form(void **state)
{
    (void)state;
    for (int head = 0; head < 2; head++) { /* previous, next: all but one row */
        int k = head ? 1 : -1;
        check_raw(HEED_ENC, head, "entropy", 0);
        check_raw(HEED_ENC, head, "effective_keys", 1);
        check_raw(HEED_ENC, head, "confidence", 1);
        check_raw(HEED_ENC, head, "uniformity", 6.0 / 7);
        check_raw(HEED_ENC, head, "distance", 6.0 / 7);
        check_raw(HEED_ENC, head, "offset", k * 6.0 / 7);
        check_raw(HEED_ENC, head, "self_mass", 1.0 / 7);
        check_raw(HEED_ENC, head, "local_mass", 1);
        check_raw(HEED_ENC, head, "tie_rate", 0);
        check_offset(HEED_ENC, head, "offset_mass", k, 1);
        check_offset(HEED_ENC, head, "offset_argmax", k, 1);
        check_offset(HEED_ENC, head, "offset_argmax", -k, 0);
        check_offset(HEED_ENC, head, "offset_lift", k, 7);
        /* the one row at the end makes the template 7/8 sure of the others; all is smoothed by 1e-6 */
        heed_measure m;
        assert_true(
            heed_inspection_measure(x, (heed_measure_name){ .id = "pos_r" }, (heed_head){ HEED_ENC, 0, head }, &m));
        check_close(m.value, 1 - 6 * log(8.0 / 7) / (7 * log(7)), 5e-6);
        check_raw(HEED_ENC, head, "swap_content", 0);
    }
    check_raw(HEED_ENC, 0, "first_mass", 2.0 / 7);
    check_raw(HEED_ENC, 1, "last_mass", 2.0 / 7);
    check_raw(HEED_ENC, 1, "eos_mass", 2.0 / 7);
    check_raw(HEED_ENC, 1, "sink_row_rate", 1.0 / 6); /* the last word looks at <eos>, whose own row is not counted */
    check_raw(HEED_ENC, 2, "entropy", 1);
    check_raw(HEED_ENC, 2, "effective_keys", 7);
    check_raw(HEED_ENC, 2, "uniformity", 0);
    check_raw(HEED_ENC, 2, "distance", 48.0 / 21); /* (n^2 - 1) / 3n */
    check_raw(HEED_ENC, 2, "special_mass", 1.0 / 7);
    check_content(HEED_ENC, 2, "effective_keys", 6);
    check_content(HEED_ENC, 2, "confidence", 1.0 / 7); /* not renormalised */
    check_raw(HEED_DEC, 0, "offset_argmax", 0);
    check_offset(HEED_DEC, 0, "offset_argmax", -1, 1);
    check_raw(HEED_DEC, 1, "self_mass", 1);
    check_raw(HEED_DEC, 1, "last_mass", 1);
    check_raw(HEED_DEC, 2, "first_mass", 1);
    check_raw(HEED_DEC, 2, "bos_mass", 1);
    check_raw(HEED_DEC, 3, "entropy", 1);
    check_raw(HEED_DEC, 3, "effective_keys", (2 + 3 + 4 + 5 + 6 + 7) / 6.0);
}

static void gold_in_closed_form(void **state)
{
    (void)state;
    heed_head subject = { HEED_ENC, 0, 3 };
    heed_measure_name arc = { .id = "arc_accuracy", .variant = "content", .kind = "subject" };
    check_number(subject, arc, 1);
    arc.id = "arc_mass";
    check_number(subject, arc, 1);
    arc.id = "arc_lift";
    check_number(subject, arc, 6);
    check_raw(HEED_ENC, 3, "tag_r", 1); /* the verb looks at the noun, others at all: classes explain it */
    check_raw(HEED_ENC, 3, "entropy", 6.0 / 7);
    heed_measure m;
    arc.id = "arc_gain";
    assert_true(heed_inspection_measure(x, arc, subject, &m) && m.value > 0.5);
    double gain = m.value;
    arc.id = "arc_baseline";
    assert_true(heed_inspection_measure(x, arc, subject, &m));
    check_close(m.value, 1 - gain, 1e-12);

    for (int head = 0; head < 4; head += 3) {
        heed_measure_name aer = { "aer", "content", "weight", head ? "in" : "out", 0 };
        check_number((heed_head){ HEED_CROSS, 0, head }, aer, 0);
        aer.id = "soft_mass";
        check_number((heed_head){ HEED_CROSS, 0, head }, aer, 1);
        aer = (heed_measure_name){ "aer", "content", "weight", head ? "out" : "in", 0 };
        assert_true(heed_inspection_measure(x, aer, (heed_head){ HEED_CROSS, 0, head }, &m) && m.value > 0.9);
    }
    heed_measure_name aer = { "aer", "content", "weight", "out", 0 };
    assert_true(heed_inspection_measure(x, aer, (heed_head){ HEED_CROSS, 0, 0 }, &m));
    check_close(m.chance, 1 - 1.0 / PLANTED_WORDS, 1e-9);
    check_content(HEED_CROSS, 0, "diagonality", -1); /* the order is reversed */
    check_raw(HEED_CROSS, 0, "over_coverage", 0);
    check_raw(HEED_CROSS, 0, "under_coverage", 0);
    check_raw(HEED_CROSS, 2, "eos_mass", 1);
    check_raw(HEED_CROSS, 2, "sink_row_rate", 1);
    check_content(HEED_CROSS, 2, "entropy", (double)NAN);
    check_raw(HEED_CROSS, 2, "under_coverage", 1);
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

/* All labels of a head, "OFFSET-1:B DEP:subject:A". */
static const char *labels_of(const heed_inspection *of, heed_attention_type type, int head)
{
    static char text[512];
    char grade;
    const char *role;
    *text = 0;
    for (int i = 0; (role = heed_inspection_role(of, (heed_head){ type, 0, head }, i, &grade)); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s:%c", i ? " " : "", role, grade);
    return text;
}

static void known_heads_get_their_labels(void **state)
{
    (void)state;
    static const char *const want[] = {
        "OFFSET-1:B",  "OFFSET+1:B", "UNIFORM:B",  "DEP:subject:A", /* enc */
        "OFFSET-1:B",  "SELF:B",     "FIRST:B",    "UNIFORM:B",     /* dec */
        "ALIGN-out:A", "UNIFORM:B",  "EOS-SINK:B", "ALIGN-in:B",    /* cross */
    };
    for (int h = 0; h < 12; h++)
        assert_string_equal(labels_of(x, (heed_attention_type)(h / 4), h % 4), want[h]);
    assert_string_equal(
        heed_inspection_summary(x),
        "12 heads: 2 alignment, 1 dependency candidates (1 confirmed by ablation), 4 positional, 2 sinks, "
        "3 uniform.");
}

static void an_untrained_model_gets_none(void **state)
{
    (void)state;
    planted control = planted_new(3);
    heed_inspection *none = planted_inspect(&set, &untrained, &control);
    for (int h = 0; h < 12; h++)
        assert_string_equal(labels_of(none, (heed_attention_type)(h / 4), h % 4), "");
    assert_non_null(strstr(heed_inspection_summary(none), "unassigned"));
    assert_null(strstr(heed_inspection_summary(none), "alignment"));
    heed_inspection_free(none);
    heed_params_free(control.params);
}

/* ---- ablation ---------------------------------------------------------------------------------------------------- */

static void edits_are_undone_to_the_bit(void **state)
{
    (void)state;
    int64_t n = heed_params_numel(trained.params);
    heed_real *before = malloc((size_t)n * sizeof *before);
    memcpy(before, heed_params_values(trained.params), (size_t)n * sizeof *before);
    const heed_head heads[] = { { HEED_ENC, 0, 3 }, { HEED_CROSS, 0, 0 } };
    for (int how = HEED_ABLATE_ZERO; how <= HEED_ABLATE_UNIFORM; how++) {
        uint64_t version = heed_params_version(trained.params);
        heed_ablated *off = heed_ablate(&trained.m, heads, 2, (heed_ablation)how, x);
        assert_non_null(off);
        assert_true(memcmp(before, heed_params_values(trained.params), (size_t)n * sizeof *before) != 0);
        heed_ablate_undo(off);
        assert_memory_equal(before, heed_params_values(trained.params), (size_t)n * sizeof *before);
        assert_true(heed_params_version(trained.params) > version + 1);
    }
    free(before);
    heed_ablate_undo(NULL);
    assert_null(heed_ablate(&trained.m, &(heed_head){ HEED_ENC, 1, 0 }, 1, HEED_ABLATE_ZERO, NULL));
    check_failed(HEED_BAD_ARGUMENT, "there is no head enc.1.0");
    assert_null(heed_ablate(&trained.m, heads, 1, HEED_ABLATE_MEAN, NULL));
    check_failed(HEED_BAD_ARGUMENT, "an inspection");
}

static void ablation_changes_what_the_head_carries(void **state)
{
    (void)state;
    char text[256];
    const heed_head number = { HEED_ENC, 0, 3 };
    const heed_sentence *many = NULL, *one = NULL;
    for (int i = 0; i < PLANTED_COUNT; i++)
        for (int k = 0; k < PLANTED_WORDS; k++) {
            int32_t id = set.sentences[i].src.ids[k];
            many = id == 6 || id == 7 ? &set.sentences[i] : many;
            one = id == 4 || id == 5 ? &set.sentences[i] : one;
        }
    heed_ablated *off = heed_ablate(&trained.m, &number, 1, HEED_ABLATE_ZERO, NULL);
    assert_true(off && many && one && planted_translate(&trained.m, one, text, sizeof text));
    assert_string_equal(text, one->translation);
    assert_true(planted_translate(&trained.m, many, text, sizeof text)); /* the verb loses its number, nothing else */
    assert_string_not_equal(text, many->translation);
    assert_int_equal(strlen(text) + 2, strlen(many->translation)); /* sees+, eats+ */
    heed_ablate_undo(off);

    /* A gate of 0 says the same, to rounding. */
    const heed_head words = { HEED_CROSS, 0, 0 };
    bool unused;
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true });
    heed_real open[] = { 0, 1, 1, 1 };
    heed_trace trace = { .gates[HEED_CROSS] = heed_input(tape, HEED_SHAPE(1, 4), open) };
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), one->src.ids);
    heed_ids *tgt = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), one->tgt.ids);
    heed_var *gated = heed_transformer_decode(&trained.m, tgt, heed_transformer_encode(&trained.m, src, NULL, NULL),
                                              NULL, &trace, NULL);
    double before = planted_loss(&trained.m, one, &unused);
    off = heed_ablate(&trained.m, &words, 1, HEED_ABLATE_ZERO, NULL);
    heed_var *edited = heed_transformer_decode(&trained.m, tgt, heed_transformer_encode(&trained.m, src, NULL, NULL),
                                               NULL, NULL, NULL);
    check_near(heed_value(gated), heed_value(edited), 1e-5);
    assert_true(planted_loss(&trained.m, one, &unused) > before + 1);
    heed_ablate_undo(off);
    heed_tape_free(tape);
}

static void heads_are_found_by_name(void **state)
{
    (void)state;
    heed_head head;
    assert_true(heed_head_named(&trained.m, "cross.0.3", &head));
    assert_true(head.type == HEED_CROSS && head.layer == 0 && head.head == 3);
    assert_false(heed_head_named(&trained.m, "cross.0.4", &head));
    check_failed(HEED_BAD_ARGUMENT, "there is no head \"cross.0.4\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_translates),
        cmocka_unit_test(positions_in_closed_form),
        cmocka_unit_test(gold_in_closed_form),
        cmocka_unit_test(known_heads_get_their_labels),
        cmocka_unit_test(an_untrained_model_gets_none),
        cmocka_unit_test(edits_are_undone_to_the_bit),
        cmocka_unit_test(ablation_changes_what_the_head_carries),
        cmocka_unit_test(heads_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
