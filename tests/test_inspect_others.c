/* Other models beside the inspected one: the assignment against all permutations, a model whose heads are dealt out anew,
 * divergences of random models by a computation of its own, and models that cannot be compared. */
#include "exported.h"

enum { HEADS = 4, ALL = 3 * HEADS };
static const int ORDER[HEADS] = { 2, 0, 3, 1 };

/* ---- the assignment ------------------------------------------------------------------------------------------------ */

/* The least sum of costs over all permutations of n. */
static double least_of_all(const double *cost, int n, int row, unsigned taken)
{
    double least = row == n ? 0 : (double)INFINITY;
    for (int k = 0; k < n && row < n; k++)
        if (!(taken >> k & 1)) {
            double sum = cost[row * n + k] + least_of_all(cost, n, row + 1, taken | 1u << k);
            least = sum < least ? sum : least;
        }
    return least;
}

static double sum_of(const double *cost, int n, const int64_t *to)
{
    unsigned taken = 0;
    double sum = 0;
    for (int i = 0; i < n; i++) {
        assert_true(to[i] >= 0 && to[i] < n && !(taken >> to[i] & 1));
        taken |= 1u << to[i];
        sum += cost[i * n + to[i]];
    }
    return sum;
}

static void assignments_are_the_least_of_all(void **state)
{
    (void)state;
    draws d = draws_of(21);
    heed_arena *arena = heed_arena_new();
    for (int n = 1; n <= 7; n++)
        for (int trial = 0; trial < 60; trial++) {
            double cost[49];
            int64_t to[7];
            for (int i = 0; i < n * n; i++) /* by thirds: any; few different ones; one column is good for all */
                cost[i] = trial % 3 == 0   ? (double)draw_int(&d, 0, 1000000) / 1e6
                          : trial % 3 == 1 ? (double)draw_int(&d, 0, 3)
                                           : (double)draw_int(&d, 0, 100) + 100.0 * (i % n);
            assert_true(assign(arena, cost, n, to));
            check_close(sum_of(cost, n, to), least_of_all(cost, n, 0, 0), 1e-9);
        }
    double same[64] = { 0 };
    int64_t to[8];
    assert_true(assign(arena, same, 8, to));
    for (int i = 0; i < 8; i++)
        assert_int_equal(to[i], i); /* nothing to choose between: each stays */
    heed_arena_free(arena);
}

/* ---- models -------------------------------------------------------------------------------------------------------- */

static heed_inspect_other other_of(const planted *p, const char *name, int64_t seed)
{
    return (heed_inspect_other){ .net = &p->m, .untrained = &untrained.m, .name = name, .step = 3, .seed = seed };
}

static json_t *inspected(const char *name, planted_set *of, const heed_inspect_other *others, int count)
{
    of->others = others;
    of->others_count = count;
    of->plain = true;
    json_t *all = load(inspect_into(name, of));
    of->others_count = 0;
    return all;
}

static const char *text_at(json_t *all, const char *path)
{
    return json_string_value(at(all, path));
}

/* "enc.0.2" of the i-th head of all */
static const char *head_called(int i)
{
    static heed_shape_buffer name;
    return heed_head_name((heed_attention_type)(i / HEADS), 0, i % HEADS, &name);
}

static void permuted_heads_are_found_again(void **state)
{
    (void)state;
    planted permuted = planted_trained();
    planted_permute(&permuted, ORDER);
    heed_inspect_other other = other_of(&permuted, "permuted", 5);
    json_t *all = inspected("beside", &set, &other, 1), *there = at(all, "seeds.models.0");
    for (int i = 0; i < ALL; i++) {
        json_t *match = json_array_get(at(there, "matches"), (size_t)i),
               *own = json_array_get(at(all, "roles"), (size_t)i);
        assert_string_equal(text_at(match, "head"), head_called(i / HEADS * HEADS + ORDER[i % HEADS]));
        assert_true(json_number_value(at(match, "jsd")) <= 1e-9);
        assert_true(json_number_value(at(match, "any")) > 0.1);
        assert_string_equal(text_at(match, "text"), text_at(own, "text"));
        assert_int_equal(json_array_size(at(match, "labels")), json_array_size(at(own, "labels")));
        for (size_t k = 0; k < json_array_size(at(own, "labels")); k++) {
            json_t *theirs = json_array_get(at(match, "labels"), k);
            assert_string_equal(text_at(theirs, "role"), text_at(json_array_get(at(own, "labels"), k), "role"));
            assert_string_equal(text_at(theirs, "grade"), "B"); /* nothing was ablated there */
        }
    }
    assert_true(json_array_size(at(all, "seeds.roles")) >= 6);
    for (size_t k = 0; k < json_array_size(at(all, "seeds.roles")); k++) {
        json_t *found = json_array_get(at(all, "seeds.roles"), k);
        assert_true(json_number_value(at(found, "share")) == 1);
        assert_true(json_equal(at(found, "heads.0"), at(found, "heads.1")));
    }
    assert_int_equal(json_integer_value(at(there, "seed")), 5);
    assert_int_equal(json_integer_value(at(there, "step")), 3);
    json_t *last = json_array_get(at(all, "summary"), json_array_size(at(all, "summary")) - 1);
    assert_non_null(strstr(json_string_value(last), "roles are in all; heads are 0.000 bit from their matches, "));
    json_decref(all);
    planted kept = trained; /* its own arrays, for tests of the page */
    trained = permuted;
    inspect_into("beside-own", &set);
    trained = kept;
    heed_params_free(permuted.params);
}

/* ---- divergences -------------------------------------------------------------------------------------------------- */

/* In bits, by entropies: H(m) - H(a) / 2 - H(b) / 2. */
static double jensen_shannon(const heed_real *a, const heed_real *b, int64_t n)
{
    double bits = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)a[i], y = (double)b[i], m = (x + y) / 2;
        bits += (x > 0 ? x * log(x) / 2 : 0) + (y > 0 ? y * log(y) / 2 : 0) - (m > 0 ? m * log(m) : 0);
    }
    return bits / log(2);
}

static void record_of(const heed_transformer *m, const heed_sentence *s, heed_arena *arena, heed_record *out)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
    heed_recorder *recorder = heed_recorder_new(m, (heed_recorder_desc){ 0 });
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), s->src.ids);
    heed_ids *tgt = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), s->tgt.ids);
    heed_var *memory = heed_transformer_encode(m, src, NULL, heed_recorder_trace(recorder));
    assert_non_null(heed_transformer_decode(m, tgt, memory, NULL, heed_recorder_trace(recorder), NULL));
    assert_true(heed_recorder_take(recorder, arena, 0, PLANTED_S, PLANTED_S, out));
    heed_recorder_free(recorder);
    heed_tape_free(tape);
}

enum { LAYERS = 2, PAIRS = HEADS * HEADS };

/* [3 types, layers, heads of a, heads of b] over the measured sentences. */
static void divergences(const heed_transformer *a, const heed_transformer *b, double *out)
{
    heed_arena *arena = heed_arena_new();
    double rows[3] = { 0 };
    memset(out, 0, 3 * LAYERS * PAIRS * sizeof *out);
    for (int s = PLANTED_FIT; s < PLANTED_COUNT; s++) {
        heed_record one, two;
        record_of(a, &set.sentences[s], arena, &one);
        record_of(b, &set.sentences[s], arena, &two);
        for (int type = 0; type < 3; type++)
            for (int i = type == HEED_DEC ? 1 : 0; i < PLANTED_S; i++) {
                rows[type]++;
                for (int k = 0; k < LAYERS * PAIRS; k++) {
                    int first = k / PAIRS * HEADS, n = type == HEED_DEC ? i + 1 : PLANTED_S;
                    int here = first + k % PAIRS / HEADS, there = first + k % HEADS;
                    out[type * LAYERS * PAIRS + k] +=
                        jensen_shannon(one.weights[type] + (here * PLANTED_S + i) * PLANTED_S,
                                       two.weights[type] + (there * PLANTED_S + i) * PLANTED_S, n);
                }
            }
        heed_arena_reset(arena);
    }
    for (int k = 0; k < 3 * LAYERS * PAIRS; k++)
        out[k] /= rows[k / PAIRS / LAYERS];
    heed_arena_free(arena);
}

/* Matches of one layer against all permutations. */
static void check_layer(const heed_transformer *m, json_t *matches, int type, int layer, const double *cost)
{
    int64_t to[HEADS];
    for (int h = 0; h < HEADS; h++) {
        json_t *match = json_array_get(matches, (size_t)((type * LAYERS + layer) * HEADS + h));
        heed_head head;
        double any = 0;
        assert_true(heed_head_named(m, text_at(match, "head"), &head));
        assert_true((int)head.type == type && head.layer == layer);
        to[h] = head.head;
        for (int k = 0; k < HEADS; k++)
            any += cost[h * HEADS + k] / HEADS;
        check_close(json_number_value(at(match, "jsd")), cost[h * HEADS + to[h]], 2e-6); /* 6 digits are written */
        check_close(json_number_value(at(match, "any")), any, 2e-6);
    }
    check_close(sum_of(cost, HEADS, to), least_of_all(cost, HEADS, 0, 0), 1e-9);
}

static void random_models_are_matched_at_the_least_divergence(void **state)
{
    (void)state;
    heed_params *params[3];
    heed_transformer m[3];
    heed_inspect_other others[2];
    for (int i = 0; i < 3; i++) { /* each is its own control */
        heed_transformer_desc desc = PLANTED_DESC;
        desc.enc_layers = desc.dec_layers = LAYERS;
        params[i] = heed_params_new();
        m[i] = heed_transformer_make(params[i], desc);
        params_ready(params[i], 11 + (uint64_t)i);
        if (i > 0)
            others[i - 1] = (heed_inspect_other){ .net = &m[i], .untrained = &m[i], .name = "random" };
    }
    planted first = { .params = params[0], .m = m[0] };
    set.others = others;
    set.others_count = 2;
    set.plain = true;
    heed_inspection *x = planted_inspect(&set, &first, &first);
    set.others_count = 0;
    mkdir(folder_path("random"), 0777);
    assert_true(heed_inspection_write(x, folder_path("random")));
    json_t *all = load(folder_path("random"));
    for (int i = 0; i < 2; i++) {
        double jsd[3 * LAYERS * PAIRS];
        divergences(&m[0], &m[i + 1], jsd);
        json_t *matches = at(json_array_get(at(all, "seeds.models"), (size_t)i), "matches");
        assert_int_equal(json_array_size(matches), 3 * LAYERS * HEADS);
        for (int k = 0; k < 3 * LAYERS; k++)
            check_layer(&m[0], matches, k / LAYERS, k % LAYERS, jsd + k * PAIRS);
    }
    assert_int_equal(json_array_size(at(all, "seeds.roles")), 0); /* models that were not trained have none */
    json_decref(all);
    heed_inspection_free(x);
    for (int i = 0; i < 3; i++)
        heed_params_free(params[i]);
}

/* ---- the same twice, and what is written of others --------------------------------------------------------------------- */

static void the_same_model_is_no_distance_away(void **state)
{
    (void)state;
    heed_inspect_other others[] = { other_of(&trained, "planted", 1), other_of(&trained, "planted", 1) };
    json_t *all = inspected("same", &set, others, 2);
    for (int i = 0; i < 2 * ALL; i++) {
        json_t *match = json_array_get(at(json_array_get(at(all, "seeds.models"), (size_t)(i / ALL)), "matches"),
                                       (size_t)(i % ALL));
        assert_string_equal(text_at(match, "head"), head_called(i % ALL));
        assert_true(json_number_value(at(match, "jsd")) == 0);
    }
    /* The page has their weights, bit for bit those of the first. */
    size_t bytes;
    char *page = slurp(folder_name, "same/heads.html", &bytes);
    int there = 0;
    for (size_t i = 0; page && i < json_array_size(at(all, "blocks")); i++) {
        json_t *about = json_array_get(at(all, "blocks"), i);
        if (strcmp(text_at(about, "kind"), "model") != 0)
            continue;
        char id[2][160];
        long long model = json_integer_value(at(about, "model"));
        snprintf(id[0], sizeof id[0], "m-%s-%s-%lld", text_at(about, "sentence"), text_at(about, "type"), model);
        assert_string_equal(text_at(about, "id"), id[0]);
        snprintf(id[0], sizeof id[0], "id=\"%s\">", text_at(about, "id"));
        snprintf(id[1], sizeof id[1], "id=\"a-%s-%s\">", text_at(about, "sentence"), text_at(about, "type"));
        const char *one = strstr(page, id[0]), *two = strstr(page, id[1]);
        assert_non_null(one);
        assert_non_null(two);
        one += strlen(id[0]);
        two += strlen(id[1]);
        assert_int_equal(strcspn(one, "<"), 4 * ((HEADS * PLANTED_S * PLANTED_S + 2) / 3));
        assert_memory_equal(one, two, strcspn(one, "<"));
        there++;
    }
    assert_int_equal(there, 2 * 3 * set.shown);
    json_decref(all);
}

/* All but what is about the others is as without them, whatever the number of threads. */
static void the_rest_is_as_without_them(void **state)
{
    (void)state;
    heed_inspect_other other = other_of(&untrained, "untrained", 3);
    set.plain = false;
    set.threads = 3;
    json_t *one = load(inspect_into("alone", &set)), *two;
    set.others = &other;
    set.others_count = set.threads = 1;
    two = load(inspect_into("with", &set));
    set.others_count = set.threads = 0;
    assert_true(json_is_null(at(one, "seeds")));
    assert_false(json_is_null(at(two, "seeds")));
    assert_false(json_is_null(at(two, "ablation")));
    assert_true(json_array_size(at(two, "seeds.roles")) >= 6);
    for (size_t k = 0; k < json_array_size(at(two, "seeds.roles")); k++) { /* one that was not trained has none */
        json_t *found = json_array_get(at(two, "seeds.roles"), k);
        assert_true(json_integer_value(at(found, "heads.0")) > 0 && json_integer_value(at(found, "heads.1")) == 0);
        assert_true(json_number_value(at(found, "share")) == 0.5);
    }
    static const char *const about_others[] = { "seeds", "summary", "blocks" };
    for (int i = 0; i < 3; i++) {
        json_object_del(one, about_others[i]);
        json_object_del(two, about_others[i]);
    }
    assert_true(json_equal(one, two));
    json_decref(one);
    json_decref(two);
}

/* ---- what cannot be compared ------------------------------------------------------------------------------------------ */

static void refused(heed_inspect_other other, planted_set *of, int measured, const char *like)
{
    assert_null(heed_inspect((heed_inspect_desc){ .net = &trained.m,
                                                  .name = "first",
                                                  .measured = of->sentences,
                                                  .measured_count = measured,
                                                  .kinds = PLANTED_KINDS,
                                                  .kinds_count = 1,
                                                  .classes = PLANTED_CLASSES,
                                                  .classes_count = 3,
                                                  .others = &other,
                                                  .others_count = 1 }));
    assert_non_null(strstr(heed_error(), like));
    assert_true(other.name == NULL || strstr(heed_error(), "first") == NULL || strstr(heed_error(), other.name));
    heed_error_clear();
}

static void models_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const char *const likes[] = { "different vocabularies: 15 source and 17 target tokens, 16 and 17",
                                         "different vocabularies: 15 source and 17 target tokens, 15 and 16",
                                         "different shapes: 1 + 1 layers of 4 heads, 2 + 1 of 4",
                                         "1 + 1 layers of 4 heads, 1 + 2 of 4",
                                         "1 + 1 layers of 4 heads, 1 + 1 of 8",
                                         "a sentence has 7 tokens; \"second\" has positions for 6" };
    for (int i = 0; i < 6; i++) {
        heed_transformer_desc desc = PLANTED_DESC;
        desc.src_vocab += i == 0;
        desc.tgt_vocab -= i == 1;
        desc.enc_layers += i == 2;
        desc.dec_layers += i == 3;
        desc.layer.heads *= i == 4 ? 2 : 1;
        desc.max_length = i == 5 ? 6 : desc.max_length;
        heed_params *params = heed_params_new();
        heed_transformer m = heed_transformer_make(params, desc);
        params_ready(params, 1);
        refused((heed_inspect_other){ .net = &m, .name = "second" }, &set, PLANTED_COUNT, likes[i]);
        heed_params_free(params);
    }
    refused((heed_inspect_other){ .net = &trained.m }, &set, PLANTED_COUNT, "name is missing");
    refused((heed_inspect_other){ .name = "second" }, &set, PLANTED_COUNT, "net is missing");
    refused((heed_inspect_other){ .net = &trained.m, .name = "second" }, &set, PLANTED_FIT, "need a measured sentence");
}

static void a_broken_model_is_said_to_be(void **state)
{
    (void)state;
    planted broken = planted_trained();
    planted_param(&broken, "encoder.layers.0.self_attn.in_proj_bias")[0] = (heed_real)NAN;
    heed_params_changed(broken.params);
    heed_inspect_other other = other_of(&broken, "broken", 1);
    json_t *all = inspected("broken", &set, &other, 1);
    bool said = false;
    for (size_t i = 0; i < json_array_size(at(all, "health")); i++) {
        json_t *one = json_array_get(at(all, "health"), i);
        bool about = strcmp(text_at(one, "code"), "other") == 0;
        assert_true(about == (strcmp(text_at(one, "level"), "error") == 0));
        said = said || (about && strstr(text_at(one, "text"), "\"broken\""));
    }
    assert_true(said);
    assert_true(json_is_null(at(all, "seeds.models.0.matches.0.jsd")));
    json_decref(all);
    heed_params_free(broken.params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_are_the_least_of_all),
        cmocka_unit_test(permuted_heads_are_found_again),
        cmocka_unit_test(random_models_are_matched_at_the_least_divergence),
        cmocka_unit_test(the_same_model_is_no_distance_away),
        cmocka_unit_test(the_rest_is_as_without_them),
        cmocka_unit_test(models_that_do_not_fit_are_refused),
        cmocka_unit_test(a_broken_model_is_said_to_be),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
