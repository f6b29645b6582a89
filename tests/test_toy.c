/* The toy language from inside: purity, names, lines of text, links, arcs, decisions, JSON, statistics, dice. */
#include "check.h"

#include "../examples/translate_toy/toy_tree.h"

#include <jansson.h>

static void make(toy_split split, int64_t n, toy_sentence *out)
{
    assert_true(toy_make(TOY_SEED, split, n, out));
}

static void check_same(const toy_sentence *a, const toy_sentence *b)
{
    char x[TOY_TEXT], y[TOY_TEXT];
    for (int french = 0; french < 2; french++) {
        assert_true(toy_text(a, french, x, sizeof x) > 0 && toy_text(b, french, y, sizeof y) > 0);
        assert_string_equal(x, y);
    }
    assert_int_equal(a->decision_count, b->decision_count);
    assert_int_equal(a->arc_count, b->arc_count);
}

static void test_pure(void **state)
{
    (void)state;
    toy_sentence forward[40], again, other;
    for (int n = 0; n < 40; n++)
        make(TOY_TRAIN, n, &forward[n]);
    for (int n = 39; n >= 0; n--) {
        make(TOY_DEV, n, &other);
        make(TOY_TRAIN, n, &again);
        check_same(&again, &forward[n]);
        assert_int_equal(again.n, n);
        assert_int_equal(again.split, TOY_TRAIN);
    }
    int different = 0;
    for (int n = 0; n < 40; n++) {
        char x[TOY_TEXT], y[TOY_TEXT];
        assert_true(toy_make(TOY_SEED + 1, TOY_TRAIN, n, &other));
        toy_text(&other, false, x, sizeof x);
        toy_text(&forward[n], false, y, sizeof y);
        different += strcmp(x, y) != 0;
    }
    assert_true(different >= 39);
}

static void test_range(void **state)
{
    (void)state;
    toy_sentence s;
    for (int split = 0; split < TOY_SPLITS; split++) {
        toy_split found;
        assert_true(toy_split_named(toy_split_name((toy_split)split), &found));
        assert_int_equal(found, split);
        assert_false(toy_make(TOY_SEED, (toy_split)split, -1, &s));
        assert_false(toy_make(TOY_SEED, (toy_split)split, toy_split_size((toy_split)split), &s));
        assert_true(toy_make(TOY_SEED, (toy_split)split, toy_split_size((toy_split)split) - 1, &s));
    }
    assert_false(toy_split_named("tests", &(toy_split){ 0 }));
    assert_null(toy_split_name(TOY_SPLITS));
    assert_int_equal(toy_split_size(TOY_SPLITS), 0);
    assert_int_equal(toy_split_size(TOY_TRAIN), 60000);
    assert_int_equal(toy_split_size(TOY_TEST_AGREE), 3000);
}

static void test_text(void **state)
{
    (void)state;
    toy_sentence s;
    char room[TOY_TEXT];
    make(TOY_PROBE, 0, &s);
    int64_t length = toy_text(&s, false, room, sizeof room);
    assert_string_equal(room, "he gives an old letter to the men .");
    assert_int_equal(length, (int64_t)strlen(room));
    assert_int_equal(toy_text(&s, true, room, sizeof room),
                     (int64_t)strlen("il donne une vieille lettre aux hommes ."));
    assert_string_equal(room, "il donne une vieille lettre aux hommes .");
    assert_int_equal(toy_text(&s, false, room, length), -1);
    assert_int_equal(toy_text(&s, false, room, length + 1), length);
}

/* ---- gold -------------------------------------------------------------------------------------------------------- */

static void check_links(const toy_sentence *s)
{
    bool linked[TOY_MAX_ENGLISH] = { false };
    for (int i = 0; i < s->possible_count; i++) {
        const toy_link *l = &s->possible[i];
        assert_in_range(l->source, 0, s->english_count - 1);
        assert_in_range(l->target, 0, s->french_count - 1);
        linked[l->source] = true;
        for (int k = 0; k < i; k++)
            assert_false(s->possible[k].source == l->source && s->possible[k].target == l->target);
    }
    for (int i = 0; i < s->sure_count; i++) {
        bool found = false;
        for (int k = 0; k < s->possible_count; k++)
            found = found || !memcmp(&s->sure[i], &s->possible[k], sizeof s->sure[i]);
        assert_true(found);
    }
    for (int i = 0; i < s->english_count; i++)
        assert_true(linked[i]);
}

static void check_arcs(const toy_sentence *s)
{
    for (int i = 0; i < s->arc_count; i++) {
        const toy_arc *a = &s->arcs[i];
        int queries = a->side == TOY_ENC ? s->english_count : s->french_count;
        int keys = a->side == TOY_DEC ? a->query : s->english_count;
        assert_in_range(a->query, 0, queries - 1);
        assert_true(a->count > 0);
        for (int k = 0; k < a->count; k++) {
            assert_in_range(a->keys[k], 0, keys - 1);
            assert_true(a->side != TOY_ENC || a->keys[k] != a->query);
        }
    }
}

static void check_decisions(const toy_sentence *s)
{
    assert_true(s->decision_count > 0);
    for (int i = 0; i < s->decision_count; i++) {
        const toy_decision *d = &s->decisions[i];
        assert_true(d->source_count > 0 && d->competitor_count > 0 && d->span >= 1);
        assert_in_range(d->position, 0, s->french_count - 1);
        assert_in_range(d->position + d->span, 1, s->french_count);
        for (int k = 0; k < d->competitor_count; k++)
            assert_string_not_equal(d->competitors[k], s->french[d->position]);
        for (int k = 0; k < d->source_count; k++)
            assert_in_range(d->source[k], 0, s->english_count - 1);
        for (int k = 0; k < d->target_count; k++)
            assert_in_range(d->target[k], 0, s->french_count - 1);
        bool far = d->phenomenon == TOY_NUM_LONG || d->phenomenon == TOY_GEN_LONG;
        assert_true(!far || (d->distance > 0 && d->attractors >= 0));
        assert_true((d->phenomenon == TOY_HOMONYM) == (d->cue != TOY_NO_CUE));
        assert_true((d->cue != TOY_NO_CUE) == (d->cue_side != 0));
    }
}

static void test_gold(void **state)
{
    (void)state;
    for (int split = 0; split < TOY_SPLITS; split++)
        for (int64_t n = 0; n < toy_split_size((toy_split)split) && n < (split < TOY_TEST_AGREE ? 500 : 60); n++) {
            toy_sentence s;
            make((toy_split)split, n, &s);
            check_links(&s);
            check_arcs(&s);
            check_decisions(&s);
        }
}

static const toy_decision *decision_of(const toy_sentence *s, toy_phenomenon p)
{
    for (int i = 0; i < s->decision_count; i++)
        if (s->decisions[i].phenomenon == p)
            return &s->decisions[i];
    fail_msg("no %s", toy_phenomenon_name(p));
    return NULL;
}

static bool has_link(const toy_link *links, int count, int source, int target)
{
    for (int i = 0; i < count; i++)
        if (links[i].source == source && links[i].target == target)
            return true;
    return false;
}

static bool has_arc(const toy_sentence *s, toy_side side, const char *kind, int query, int key)
{
    for (int i = 0; i < s->arc_count; i++)
        for (int k = 0; k < s->arcs[i].count; k++)
            if (s->arcs[i].side == side && !strcmp(s->arcs[i].kind, kind) && s->arcs[i].query == query &&
                s->arcs[i].keys[k] == key)
                return true;
    return false;
}

/* Labels of a few probe sentences, by hand. */
static void test_gold_values(void **state)
{
    (void)state;
    toy_sentence s;
    /*                   0   1     2    3    4    5     6       7   8     9
     *                  the child  's slow  dog never follows  him .
     *                  le  chien lent de   l'  enfant ne      le  suit  jamais . */
    make(TOY_PROBE, 3, &s);
    assert_true(has_link(s.sure, s.sure_count, 2, 3) && has_link(s.possible, s.possible_count, 2, 0));
    assert_false(has_link(s.sure, s.sure_count, 2, 0));
    assert_true(has_link(s.sure, s.sure_count, 5, 6) && has_link(s.sure, s.sure_count, 5, 9));
    assert_true(has_arc(&s, TOY_ENC, "subject", 6, 4) && has_arc(&s, TOY_DEC, "pas", 9, 6));
    assert_true(has_arc(&s, TOY_DEC, "verb", 8, 1) && has_arc(&s, TOY_CROSS, "GEN-DET", 0, 4));
    const toy_decision *genitive = decision_of(&s, TOY_GENITIVE);
    assert_int_equal(genitive->position, 1);
    assert_int_equal(genitive->span, 5);
    assert_string_equal(genitive->competitors[0], "enfant");
    assert_string_equal(decision_of(&s, TOY_CLITIC)->variant, "negated");
    /*                   0   1    2   3    4        5   6  7     8   9
     *                  the bank that my teachers  see is never wet .
     *                  la  rive que  mes professeurs voient n' est jamais mouillée . */
    make(TOY_PROBE, 16, &s);
    const toy_decision *bank = decision_of(&s, TOY_HOMONYM);
    assert_string_equal(s.french[bank->position], "rive");
    assert_string_equal(bank->competitors[0], "banque");
    assert_int_equal(bank->distance, 7);
    assert_int_equal(bank->cue_side, 1);
    assert_int_equal(bank->cue, TOY_CUE_ADJECTIVE);
    assert_true(has_arc(&s, TOY_ENC, "cue", 1, 8) && has_arc(&s, TOY_CROSS, "HOMONYM", 1, 8));
    const toy_decision *wet = decision_of(&s, TOY_GEN_LONG);
    assert_string_equal(s.french[wet->position], "mouillée");
    assert_int_equal(wet->attractors, 1);
    assert_int_equal(wet->distance, 5);
    make(TOY_PROBE, 10, &s); /* her doctor 's machine is black but it falls . */
    const toy_decision *it = decision_of(&s, TOY_ANAPHOR);
    assert_string_equal(s.french[it->position], "elle");
    assert_int_equal(it->source[0], 3);
    assert_int_equal(it->attractors, 0);
    make(TOY_PROBE, 5, &s); /* her sheep near the coats sleep . */
    const toy_decision *sheep = decision_of(&s, TOY_NUM_VERB);
    assert_string_equal(s.french[sheep->position], "moutons");
    assert_int_equal(sheep->source[0], 5);
    assert_true(has_arc(&s, TOY_ENC, "number", 1, 5));
}

static void test_json(void **state)
{
    (void)state;
    static const char *const fields[] = { "src", "tgt", "sure", "possible", "arcs", "decisions", "features" };
    toy_sentence s;
    make(TOY_TEST_PAIRS, 7, &s);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_true(toy_gold_write(&s, file));
    fclose(file);
    assert_int_equal(text[size - 1], '\n');
    assert_ptr_equal(strchr(text, '\n'), text + size - 1);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "id")), "test-pairs-7");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        assert_non_null(json_object_get(object, fields[i]));
    assert_int_equal(json_array_size(json_object_get(object, "decisions")), s.decision_count);
    assert_int_equal(json_array_size(json_object_get(object, "arcs")), s.arc_count);
    assert_int_equal(json_array_size(json_object_get(object, "possible")), s.possible_count);
    assert_int_equal(json_integer_value(json_object_get(object, "pair_decision")), s.pair_decision);
    json_t *decision = json_array_get(json_object_get(object, "decisions"), (size_t)s.pair_decision);
    assert_string_equal(json_string_value(json_object_get(decision, "form")),
                        s.french[s.decisions[s.pair_decision].position]);
    json_decref(object);
    free(text);
    file = fopen("/dev/full", "w");
    if (file) {
        setvbuf(file, NULL, _IONBF, 0);
        assert_false(toy_gold_write(&s, file));
        fclose(file);
    }
}

static void test_stats(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_true(toy_stats_write(TOY_SEED, TOY_TRAIN, 100, 400, file));
    fclose(file);
    assert_non_null(strstr(text, "sentences 400, repeated 0"));
    assert_non_null(strstr(text, "NUM-LONG by attractors"));
    for (int p = 0; p < TOY_PHENOMENA; p++)
        assert_non_null(strstr(text, toy_phenomenon_name((toy_phenomenon)p)));
    for (int f = 0; f < TOY_FEATURES; f++)
        assert_non_null(toy_feature_name((toy_feature)f));
    free(text);
}

/* ---- dice -------------------------------------------------------------------------------------------------------- */

/* Weights 1 : 2 : 5, three times in a row: the shares come out, and of all cells each outcome is kept once. */
static void test_dice(void **state)
{
    (void)state;
    enum { BITS = 14 };
    static const int weights[3] = { 1, 2, 5 };
    int first[3] = { 0 }, kept[27] = { 0 };
    for (uint64_t cell = 0; cell < 1 << BITS; cell++) {
        toy_dice dice;
        toy_dice_throw(&dice, 99, cell, BITS);
        int a = toy_dice_choose(&dice, weights, 3), b = toy_dice_choose(&dice, weights, 3);
        int c = toy_dice_choose(&dice, weights, 3);
        first[a]++;
        kept[a * 9 + b * 3 + c] += toy_dice_first(&dice);
    }
    for (int i = 0; i < 3; i++)
        check_close(first[i], weights[i] * (1 << BITS) / 8, 1e-3);
    for (int i = 0; i < 27; i++)
        assert_int_equal(kept[i], 1);
    toy_dice dice;
    toy_dice_throw(&dice, 1, 0, BITS);
    assert_int_equal(toy_dice_choose(&dice, (int[2]){ 0, 0 }, 2), -1);
}

/* Rare outcomes have at most one cell, usually one, and the number runs out without harm. */
static void test_dice_rare(void **state)
{
    (void)state;
    enum { BITS = 12, DEEP = 40 };
    int kept = 0;
    uint64_t seen[1 << BITS];
    for (uint64_t cell = 0; cell < 1 << BITS; cell++) {
        toy_dice dice;
        toy_dice_throw(&dice, 3, cell, BITS);
        uint64_t outcome = 0;
        for (int i = 0; i < DEEP; i++)
            outcome = outcome * 3 + (uint64_t)toy_dice_below(&dice, 3);
        if (toy_dice_first(&dice))
            seen[kept++] = outcome;
    }
    for (int i = 0; i < kept; i++)
        for (int k = 0; k < i; k++)
            assert_true(seen[i] != seen[k]);
    assert_true(kept > (1 << BITS) - 8);
}

static void test_lexicon(void **state)
{
    (void)state;
    for (int i = 0; i < toy_noun_count; i++) {
        const toy_noun *n = &toy_nouns[i];
        assert_true(n->kind && !(n->kind & (n->kind - 1)));
        assert_int_equal(toy_nouns[i + n->twin].twin, -n->twin);
        assert_string_equal(toy_nouns[i + n->twin].english[0], n->english[0]);
    }
    for (int i = 0; i < toy_verb_count; i++) {
        assert_string_equal(toy_verbs[i + toy_verbs[i].twin].english[0], toy_verbs[i].english[0]);
        assert_true(!toy_verbs[i].french[0] == !toy_verbs[i].french[2]);
    }
    for (int i = 0; i < toy_held_cue_count; i++) {
        bool found = false;
        for (int k = 0; k < toy_noun_count; k++)
            found = found || (toy_nouns[k].twin && !strcmp(toy_nouns[k].french[0], toy_held_cues[i].sense));
        assert_true(found);
    }
    assert_int_equal(toy_zipf(1), 1000);
    assert_int_equal(toy_zipf(10), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pure),    cmocka_unit_test(test_range),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_gold),    cmocka_unit_test(test_gold_values), cmocka_unit_test(test_json),
        cmocka_unit_test(test_stats),   cmocka_unit_test(test_dice),        cmocka_unit_test(test_dice_rare),
        cmocka_unit_test(test_lexicon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
