/* Agreement by distance and by attractors, on a Transformer whose heads are known: enc.0.3 looks from a verb at its
 * subject, enc.0.0 at what stands before it, which is the attractor, enc.0.2 everywhere. */
#include "planted.h"

static planted_set set;
static planted trained, untrained;

static int set_up(void **state)
{
    (void)state;
    planted_draw(&set);
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

static json_t *agreement_of(heed_inspection *x, json_t **all)
{
    *all = planted_written(x);
    heed_inspection_free(x);
    return json_object_get(*all, "agreement");
}

/* What a bucket should say: how many decisions, how many of them right, and how many arcs with an attractor. */
typedef struct {
    int n, forced, free, arcs;
} wanted;

static wanted want_of(bool by_distance, int low, int high, const heed_transformer *m)
{
    wanted want = { 0 };
    for (int i = 0; i < PLANTED_COUNT - PLANTED_FIT; i++) {
        const heed_sentence *s = &set.sentences[PLANTED_FIT + i];
        int value = by_distance ? set.decisions[i].distance : set.decisions[i].attractors;
        if (value < low || value > high)
            continue;
        char text[256];
        bool forced = false;
        planted_loss(m, s, &forced);
        assert_true(planted_translate(m, s, text, sizeof text));
        want.n++;
        want.forced += forced;
        want.free += strcmp(text, s->translation) == 0;
        want.arcs += s->arcs->attractors_count;
    }
    return want;
}

static double number(const json_t *object, const char *key, const char *part)
{
    const json_t *found = json_object_get(json_object_get(object, key), part);
    return json_is_number(found) ? json_number_value(found) : (double)NAN;
}

static void check_margin(const json_t *bucket, int head, double want)
{
    static const char *const parts[] = { "value", "lo", "hi" };
    for (int k = 0; k < 3; k++) {
        const json_t *one = json_array_get(json_object_get(json_object_get(bucket, "margin"), parts[k]), (size_t)head);
        if (isnan(want))
            assert_true(json_is_null(one));
        else
            check_close(json_number_value(one), want, 0.01); /* a head's weight is nearly 1 */
    }
}

/* Every bucket of the number of the verb, in order; those without decisions are left out. */
static void check_buckets(const json_t *list, const heed_transformer *m)
{
    static const struct {
        const char *by, *name;
        int low, high;
    } buckets[] = { { "attractors", "0", 0, 0 },   { "attractors", "1", 1, 1 }, { "attractors", "2", 2, 2 },
                    { "attractors", "3+", 3, 99 }, { "distance", "0-2", 0, 2 }, { "distance", "3-5", 3, 5 },
                    { "distance", "6-8", 6, 8 },   { "distance", "9+", 9, 99 } };
    size_t at = 0;
    for (size_t k = 0; k < sizeof buckets / sizeof buckets[0]; k++) {
        wanted want = want_of(buckets[k].by[0] == 'd', buckets[k].low, buckets[k].high, m);
        if (want.n == 0)
            continue;
        const json_t *one = json_array_get(list, at++);
        assert_string_equal(json_string_value(json_object_get(one, "code")), "NUMBER");
        assert_string_equal(json_string_value(json_object_get(one, "by")), buckets[k].by);
        assert_string_equal(json_string_value(json_object_get(one, "bucket")), buckets[k].name);
        assert_int_equal(json_integer_value(json_object_get(one, "n")), want.n);
        check_close(number(one, "forced", "value"), (double)want.forced / want.n, 1e-5);
        check_close(number(one, "free", "value"), (double)want.free / want.n, 1e-5);
        assert_true(number(one, "free", "lo") <= number(one, "free", "value"));
        assert_true(number(one, "free", "hi") >= number(one, "free", "value"));
        assert_int_equal(number(one, "arcs", "enc"), want.arcs);
        assert_int_equal(number(one, "arcs", "cross"), 0);
        check_margin(one, 3, want.arcs ? 1 : (double)NAN);
        check_margin(one, 0, want.arcs ? -1 : (double)NAN);
        check_margin(one, 2, want.arcs ? 0 : (double)NAN);
        check_margin(one, 8, (double)NAN); /* a head of another type */
    }
    assert_int_equal(json_array_size(list), at);
    assert_true(at >= 5);
}

static void margins_stand_beside_what_is_right(void **state)
{
    (void)state;
    json_t *all;
    check_buckets(agreement_of(planted_inspect(&set, &trained, &untrained), &all), &trained.m);
    json_decref(all);
}

/* Without the head that tells the verb its number, half of the decisions are wrong: the shares follow. */
static void shares_follow_the_model(void **state)
{
    (void)state;
    json_t *all;
    heed_head teller = { HEED_ENC, 0, 3 };
    heed_ablated *off = heed_ablate(&trained.m, &teller, 1, HEED_ABLATE_ZERO, NULL);
    assert_non_null(off);
    json_t *list = agreement_of(planted_inspect(&set, &trained, &untrained), &all), *one;
    check_buckets(list, &trained.m);
    double right = 0, n = 0;
    size_t i;
    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "by")), "distance") == 0) {
            n += (double)json_integer_value(json_object_get(one, "n"));
            right += number(one, "forced", "value") * (double)json_integer_value(json_object_get(one, "n"));
        }
    }
    assert_true(n == PLANTED_COUNT - PLANTED_FIT && right > 5 && right < n - 5);
    heed_ablate_undo(off);
    json_decref(all);
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    json_t *all;
    planted_set plain = set;
    for (int i = 0; i < PLANTED_COUNT - PLANTED_FIT; i++)
        plain.decisions[i].distance = 0;
    json_t *list = agreement_of(planted_inspect(&plain, &trained, &untrained), &all);
    assert_true(json_is_null(list));
    json_decref(all);
}

static void bad_decisions_are_refused(void **state)
{
    (void)state;
    static const heed_decision bad[] = { { .sentence = PLANTED_COUNT - PLANTED_FIT },
                                         { .sentence = -1 },
                                         { .phenomenon = 1 },
                                         { .arcs = { 2 } },
                                         { .arcs = { 1, -1 } } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(heed_inspect((heed_inspect_desc){ .net = &trained.m,
                                                      .name = "planted",
                                                      .measured = set.sentences,
                                                      .measured_count = PLANTED_COUNT,
                                                      .kinds = PLANTED_KINDS,
                                                      .classes = PLANTED_CLASSES,
                                                      .phenomena = PLANTED_PHENOMENA,
                                                      .kinds_count = 1,
                                                      .classes_count = 3,
                                                      .phenomena_count = 1,
                                                      .decisions = &bad[i],
                                                      .decisions_count = 1 }));
        check_failed(HEED_BAD_ARGUMENT, "decision 0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(margins_stand_beside_what_is_right, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(shares_follow_the_model, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_left_out, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(bad_decisions_are_refused, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
