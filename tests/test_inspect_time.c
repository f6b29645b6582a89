/* Heads over training, on snapshots whose heads are known: when a role came to stay, and how much weights changed, by
 * hand. A snapshot is the planted Transformer, or the same with enc.0.0 and dec.0.0, which look at the previous token,
 * made to look everywhere alike. */
#include "planted.h"

enum { MOST = 8 };
static const int64_t STEPS[MOST] = { 0, 10, 30, 70, 150, 310, 630, 1270 };

static planted_set set;
static planted trained, flat;
static heed_ablated *flattened;

static int set_up(void **state)
{
    (void)state;
    static const heed_head heads[] = { { HEED_ENC, 0, 0 }, { HEED_DEC, 0, 0 } };
    planted_draw(&set);
    trained = planted_trained();
    flat = planted_trained();
    flattened = heed_ablate(&flat.m, heads, 2, HEED_ABLATE_UNIFORM, NULL);
    return flattened ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    heed_ablate_undo(flattened);
    heed_params_free(trained.params);
    heed_params_free(flat.params);
    return 0;
}

/* context: a letter for each snapshot, 'p' for previous, 'f' for flat. */
static const heed_transformer *at_step(int i, void *context)
{
    return ((const char *)context)[i] == 'p' ? &trained.m : &flat.m;
}

static json_t *snapshots_of(char *letters, json_t **all)
{
    heed_inspection *x = heed_inspect((heed_inspect_desc){ .net = &trained.m,
                                                           .eos = 2,
                                                           .name = "planted",
                                                           .shown = set.sentences,
                                                           .shown_count = 3,
                                                           .measured = set.sentences,
                                                           .measured_count = PLANTED_COUNT,
                                                           .kinds = PLANTED_KINDS,
                                                           .classes = PLANTED_CLASSES,
                                                           .kinds_count = 1,
                                                           .classes_count = 3,
                                                           .context = letters,
                                                           .steps = STEPS,
                                                           .steps_count = (int)strlen(letters),
                                                           .at_step = at_step });
    *all = planted_written(x);
    heed_inspection_free(x);
    return json_object_get(*all, "snapshots");
}

/* The step from which a head keeps a role; -1: it has none. The role must be listed. */
static int64_t onset_of(const json_t *snapshots, const char *head, const char *role)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(snapshots, "onset"), i, one)
    {
        const json_t *step = json_object_get(one, "step");
        if (strcmp(json_string_value(json_object_get(one, "head")), head) == 0 &&
            strcmp(json_string_value(json_object_get(one, "role")), role) == 0)
            return json_is_null(step) ? -1 : json_integer_value(step);
    }
    fail_msg("%s of %s is not listed", role, head);
    return -1;
}

/* A role has begun where it holds for three snapshots on end, to the letter. */
static void a_role_begins_where_it_stays(void **state)
{
    (void)state;
    static const struct {
        char letters[MOST + 1];
        int64_t step;
    } cases[] = {
        { "ffpppppp", 30 },  { "fpppffff", 10 }, /* once begun, it has begun */
        { "fppfpppp", 150 },                     /* two are a passing thing */
        { "ppfppfpp", -1 },  { "ffffppp", 150 }, /* the last three are enough */
        { "fffffpp", -1 },   { "ppp", 0 },       { "pp", -1 },
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        char letters[MOST + 1];
        json_t *all;
        strcpy(letters, cases[k].letters);
        json_t *snapshots = snapshots_of(letters, &all);
        int64_t n = (int64_t)strlen(letters);
        assert_int_equal(onset_of(snapshots, "enc.0.0", "OFFSET-1"), cases[k].step);
        assert_int_equal(onset_of(snapshots, "dec.0.0", "OFFSET-1"), cases[k].step);
        assert_int_equal(onset_of(snapshots, "enc.0.1", "OFFSET+1"), n >= 3 ? 0 : -1);
        for (int64_t i = 0; i < n; i++) { /* what it was called at each step */
            json_t *now = json_array_get(json_array_get(json_object_get(snapshots, "roles"), (size_t)i), 0);
            assert_int_equal(json_array_size(now), 1);
            assert_string_equal(json_string_value(json_array_get(now, 0)), letters[i] == 'p' ? "OFFSET-1" : "UNIFORM");
            assert_int_equal(json_integer_value(json_array_get(json_object_get(snapshots, "steps"), (size_t)i)),
                             STEPS[i]);
        }
        json_decref(all);
    }
}

/* Jensen-Shannon divergence in bits of a row that looks at one of n keys from one that looks at all alike. */
static double apart(double n)
{
    return (log2(2 * n / (n + 1)) + log2(2 / (n + 1)) / n + (n - 1) / n) / 2;
}

static void churn_is_how_far_weights_moved(void **state)
{
    (void)state;
    char letters[] = "pffp";
    json_t *all, *snapshots = snapshots_of(letters, &all), *churn = json_object_get(snapshots, "churn");
    double dec = 0;
    for (int n = 2; n <= PLANTED_S; n++)
        dec += apart(n) / (PLANTED_S - 1); /* the first row has one key: it cannot move, and does not count */
    static const char *const types[] = { "enc", "dec", "cross" };
    const double moved[] = { apart(PLANTED_S), dec, 0 };
    for (int type = 0; type < 3; type++) {
        json_t *steps = json_object_get(churn, types[type]);
        assert_int_equal(json_array_size(steps), strlen(letters) - 1);
        for (size_t i = 0; i < strlen(letters) - 1; i++)
            for (size_t head = 0; head < 4; head++) {
                double got = json_number_value(json_array_get(json_array_get(steps, i), head));
                bool moves = letters[i] != letters[i + 1];
                if (head == 0 && moves)
                    check_close(got, moved[type], 1e-3); /* a planted head's weight is nearly 1 */
                else if (type == 0)
                    assert_true(got == 0);
                else
                    assert_true(got < 1e-6); /* the layers above see what moved */
            }
    }
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_role_begins_where_it_stays, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(churn_is_how_far_weights_moved, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
