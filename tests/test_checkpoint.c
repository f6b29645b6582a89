/* Checkpoints: the same bytes again, a run that goes on as if it had never stopped, and files that do not fit. */
#include "check.h"
#include "folder.h"
#include "mlp.h"

static bool load(const char *path, heed_params *params, heed_adamw *opt)
{
    heed_reader *reader = heed_safetensors_open(path);
    bool ok = reader && heed_checkpoint_load(reader, params, opt);
    heed_safetensors_close(reader);
    return ok;
}

/* ---- round trips ------------------------------------------------------------------------------------------------ */
static heed_params *random_params(int64_t seed, const heed_rng shapes)
{
    heed_params *params = heed_params_new();
    uint64_t at = 0;
    int count = (int)(1 + heed_rng_below(shapes, at++, 5));
    for (int i = 0; i < count; i++) {
        char name[32];
        heed_shape shape = { .rank = (int)heed_rng_below(shapes, at++, 4) };
        for (int k = 0; k < shape.rank; k++)
            shape.dims[k] = (int64_t)(1 + heed_rng_below(shapes, at++, 6));
        snprintf(name, sizeof name, i % 2 ? "layers.%d.w\xC3\xA9ight" : "p%d", i);
        heed_param_make(params, name, shape, (heed_init){ HEED_INIT_NORMAL, .scale = 1 });
    }
    assert_true(heed_params_init(params, (uint64_t)seed));
    return params;
}

static void fill_moments(heed_adamw *opt, uint64_t seed)
{
    mlp_fill(opt->m, heed_params_numel(opt->params), seed, "m");
    mlp_fill(opt->v, heed_params_numel(opt->params), seed, "v");
    opt->step = (int64_t)(seed * 1000000007);
}

static void test_save_load_save(void **state)
{
    (void)state;
    const heed_metadata metadata[] = { { "config", "{\"d_model\": 64}" }, { "vocabulary", "a\tb\n\xE2\x82\xAC" } };
    for (int at = 0; at < 250; at++) {
        heed_rng shapes = { .seed = (uint64_t)at };
        bool with_opt = at % 4, n = at % 3;
        heed_params *params = random_params(1, shapes), *other = random_params(2, shapes);
        heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1, .coupled = at % 5 == 0 }), second = { 0 };
        second = heed_adamw_make(other, opt.desc);
        fill_moments(&opt, (uint64_t)at);
        assert_true(heed_checkpoint_save(folder_path("a"), params, with_opt ? &opt : NULL, metadata, n));
        assert_true(load(folder_path("a"), other, with_opt ? &second : NULL));
        assert_true(heed_checkpoint_save(folder_path("b"), other, with_opt ? &second : NULL, metadata, n));
        int64_t bytes;
        char *saved = file_get(folder_path("a"), &bytes);
        check_file(folder_path("b"), saved, bytes);
        free(saved);
        size_t size = (size_t)heed_params_numel(params) * sizeof(heed_real);
        assert_memory_equal(heed_params_values(params), heed_params_values(other), size);
        if (with_opt) {
            assert_memory_equal(opt.m, second.m, size);
            assert_memory_equal(opt.v, second.v, size);
            assert_int_equal(opt.step, second.step);
        }
        heed_params_free(params);
        heed_params_free(other);
    }
}

/* w [3, 2] and b [3]. */
static heed_params *make_small(void)
{
    heed_params *params = heed_params_new();
    heed_param_make(params, "w", HEED_SHAPE(3, 2), (heed_init){ HEED_INIT_NORMAL, .scale = 1 });
    heed_param_make(params, "b", HEED_SHAPE(3), (heed_init){ HEED_INIT_NORMAL, .scale = 1 });
    assert_true(heed_params_init(params, 5));
    return params;
}

static void test_what_is_in_a_file(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1 });
    fill_moments(&opt, 0);
    opt.step = 120;
    const heed_metadata metadata[] = { { "seed", "7" } };
    assert_true(heed_checkpoint_save(folder_path("a"), params, &opt, metadata, 1));
    heed_reader *reader = heed_safetensors_open(folder_path("a"));
    const char *names[] = { "w", "b", "optim.m.w", "optim.m.b", "optim.v.w", "optim.v.b" };
    assert_int_equal(heed_safetensors_count(reader), 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(heed_safetensors_entry(reader, i).name, names[i]);
    assert_string_equal(heed_safetensors_metadata(reader, "seed"), "7");
    assert_string_equal(heed_safetensors_metadata(reader, "optimizer"), "{\"kind\":\"adamw\",\"step\":120}");
    heed_real m[3];
    assert_true(heed_safetensors_read(reader, 3, heed_tensor_wrap(m, HEED_SHAPE(3))));
    assert_memory_equal(m, opt.m + 6, sizeof m);
    heed_safetensors_close(reader);
    assert_true(heed_checkpoint_save(folder_path("a"), params, NULL, NULL, 0));
    reader = heed_safetensors_open(folder_path("a"));
    assert_int_equal(heed_safetensors_count(reader), 2);
    assert_null(heed_safetensors_metadata(reader, "optimizer"));
    heed_safetensors_close(reader);
    heed_params_free(params);
}

/* ---- files that do not fit -------------------------------------------------------------------------------------- */
typedef struct {
    heed_real values[9], m[9], v[9];
    int64_t step;
    uint64_t version;
} snapshot;

static snapshot snap(const heed_adamw *opt)
{
    snapshot s = { .step = opt->step, .version = heed_params_version(opt->params) };
    memcpy(s.values, heed_params_values(opt->params), sizeof s.values);
    memcpy(s.m, opt->m, sizeof s.m);
    memcpy(s.v, opt->v, sizeof s.v);
    return s;
}

/* One tensor of a file made by hand. REAL is the build's type, OTHER the other build's. */
typedef struct {
    const char *name, *type, *shape;
    int numel;
} item;

/* clang-format off */
#define W  { "w", "REAL", "[3, 2]", 6 }
#define B  { "b", "REAL", "[3]", 3 }
#define MW { "optim.m.w", "REAL", "[3, 2]", 6 }
#define MB { "optim.m.b", "REAL", "[3]", 3 }
#define VW { "optim.v.w", "REAL", "[3, 2]", 6 }
#define VB { "optim.v.b", "REAL", "[3]", 3 }
#define ALL W, B, MW, MB, VW, VB
#define STEP_1 "{\\\"kind\\\":\\\"adamw\\\",\\\"step\\\":1}"

static const struct {
    bool with_opt;
    item items[7];
    const char *optimizer, *message;
} misfits[] = {
    { false, { B }, NULL, "tensor \"w\": expected REAL [3, 2], found none; model unchanged" },
    { false, { W }, NULL, "tensor \"b\": expected REAL [3], found none; model unchanged" },
    { false, { W, B, { "c", "REAL", "[2]", 2 } }, NULL,
      "tensor \"c\": expected no such tensor, found REAL [2]; model unchanged" },
    { false, { { "W", "REAL", "[3, 2]", 6 }, B }, NULL, "tensor \"w\": expected REAL [3, 2], found none" },
    { false, { { "w", "REAL", "[2, 3]", 6 }, B }, NULL,
      "tensor \"w\": expected REAL [3, 2], found REAL [2, 3]; model unchanged" },
    { false, { { "w", "REAL", "[6]", 6 }, B }, NULL, "tensor \"w\": expected REAL [3, 2], found REAL [6]" },
    { false, { W, { "b", "REAL", "[]", 1 } }, NULL, "tensor \"b\": expected REAL [3], found REAL []" },
    { false, { { "w", "OTHER", "[3, 2]", 6 }, B }, NULL,
      "tensor \"w\": expected REAL [3, 2], found OTHER [3, 2]; model unchanged" },
    { false, { W, { "b", "BF16", "[3]", 3 } }, NULL, "tensor \"b\": expected REAL [3], found BF16 [3]" },
    { false, { W, { "b", "I32", "[3]", 3 } }, NULL, "tensor \"b\": expected REAL [3], found I32 [3]" },
    { false, { W, B, { "optim.m.c", "REAL", "[1]", 1 } }, NULL,
      "tensor \"optim.m.c\": expected no such tensor, found REAL [1]; model unchanged" },
    { true, { W, B }, STEP_1,
      "tensor \"optim.m.w\": expected REAL [3, 2], found none (it may hold weights alone); model unchanged" },
    { true, { W, B, MW, MB, VW }, STEP_1, "tensor \"optim.v.b\": expected REAL [3], found none" },
    { true, { W, B, MW, MB, VW, { "optim.v.b", "REAL", "[2]", 2 } }, STEP_1,
      "tensor \"optim.v.b\": expected REAL [3], found REAL [2]" },
    { true, { ALL }, NULL, "metadata has no \"optimizer\"; model unchanged" },
    { true, { ALL }, "{",
      "metadata \"optimizer\": expected {\"kind\":\"adamw\",\"step\":N}, found {; model unchanged" },
    { true, { ALL }, "{\\\"kind\\\":\\\"adamw\\\"}", "found {\"kind\":\"adamw\"}; model unchanged" },
    { true, { ALL }, "{\\\"kind\\\":\\\"adamw\\\",\\\"step\\\":-1}", "\"step\":N}, found" },
    { true, { ALL }, "{\\\"kind\\\":\\\"adamw\\\",\\\"step\\\":1.5}", "\"step\":N}, found" },
    { true, { ALL }, "{\\\"kind\\\":1,\\\"step\\\":1}", "\"step\":N}, found" },
    { true, { ALL }, "{\\\"kind\\\":\\\"adamw\\\",\\\"step\\\":1,\\\"lr\\\":1}", "\"step\":N}, found" },
    { true, { ALL }, "{\\\"kind\\\":\\\"adam\\\",\\\"step\\\":1}",
      "optimiser: expected adamw, found adam; model unchanged" },
};
/* clang-format on */

/* text with REAL and OTHER made the types of this build. */
static char *adapted(const char *text, char room[2048])
{
    bool twice = sizeof(heed_real) == 8;
    char *to = room;
    while (*text) {
        bool real = strncmp(text, "REAL", 4) == 0, other = strncmp(text, "OTHER", 5) == 0;
        if (real || other) {
            to += sprintf(to, "%s", real == twice ? "F64" : "F32");
            text += real ? 4 : 5;
        } else {
            *to++ = *text++;
        }
    }
    *to = '\0';
    return room;
}

static int size_of(const char *type)
{
    int own = (int)sizeof(heed_real);
    return !strcmp(type, "REAL") ? own : !strcmp(type, "OTHER") ? 12 - own : !strcmp(type, "BF16") ? 2 : 4;
}

static void put_file(const char *path, const item *items, const char *optimizer)
{
    char header[2048], room[2048 + 8 + 256] = { 0 };
    int at = 0, bytes = 0;
    at += sprintf(header, optimizer ? "{\"__metadata__\":{\"optimizer\":\"%s\"}" : "{\"__metadata__\":{}", optimizer);
    for (const item *i = items; i->name; i++) {
        int end = bytes + i->numel * size_of(i->type);
        at += sprintf(header + at, ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}", i->name, i->type,
                      i->shape, bytes, end);
        bytes = end;
    }
    sprintf(header + at, "}");
    uint64_t length = strlen(adapted(header, room + 8));
    memcpy(room, &length, sizeof length);
    memset(room + 8 + length, 0, (size_t)bytes);
    file_put(path, room, (int64_t)(8 + length) + bytes);
}

static void test_files_that_do_not_fit(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1 });
    fill_moments(&opt, 3);
    const snapshot before = snap(&opt);
    char want[2048], path[600];
    snprintf(path, sizeof path, "load \"%s\": ", folder_path("bad"));
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        put_file(folder_path("bad"), misfits[i].items, misfits[i].optimizer);
        assert_false(load(folder_path("bad"), params, misfits[i].with_opt ? &opt : NULL));
        assert_non_null(strstr(heed_error(), path));
        heed_fail(heed_error_code(), "%s", heed_error()); /* unread again */
        check_failed(heed_error_code(), adapted(misfits[i].message, want));
        snapshot after = snap(&opt);
        assert_memory_equal(&before, &after, sizeof before);
    }
    put_file(folder_path("good"), (const item[]){ VB, MW, MB, B, W, VW, { 0 } }, STEP_1); /* any order */
    assert_true(load(folder_path("good"), params, &opt));
    assert_int_equal(opt.step, 1);
    assert_true(load(folder_path("good"), params, NULL)); /* moments in the file are not read */
    heed_params_free(params);
}

static void test_bad_calls(void **state)
{
    (void)state;
    heed_params *params = make_small(), *other = make_small(), *empty = heed_params_new();
    heed_adamw opt = heed_adamw_make(other, (heed_adamw_desc){ .lr = 1 }), none = { 0 };
    const char *path = folder_path("c");
    assert_false(heed_checkpoint_save(path, params, &opt, NULL, 0));
    check_failed(HEED_BAD_ARGUMENT, "checkpoint_save: the optimiser was made for other params");
    assert_false(heed_checkpoint_save(path, params, &none, NULL, 0));
    check_failed(HEED_BAD_ARGUMENT, "checkpoint_save: the optimiser was made for other params");
    assert_false(heed_checkpoint_save(path, params, NULL, (const heed_metadata[]){ { "optimizer", "" } }, 1));
    check_failed(HEED_BAD_ARGUMENT, "metadata key \"optimizer\" is the optimiser's own");
    assert_false(heed_checkpoint_save(path, empty, NULL, NULL, 0));
    check_failed(HEED_BAD_STATE, "heed_params_init");
    assert_false(heed_checkpoint_save(folder_path("no/such/folder"), params, NULL, NULL, 0));
    check_failed(HEED_IO, "no/such/folder");
    assert_int_equal(folder_count(), 0);
    assert_false(heed_checkpoint_load(NULL, params, NULL));
    check_failed(HEED_BAD_ARGUMENT, "checkpoint_load: reader is NULL");
    assert_true(heed_checkpoint_save(path, params, NULL, NULL, 0));
    assert_false(load(path, params, &opt));
    check_failed(HEED_BAD_ARGUMENT, "checkpoint_load: the optimiser was made for other params");
    heed_params_free(params);
    heed_params_free(other);
    heed_params_free(empty);
}

static void test_a_file_cut_while_it_is_read(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1 });
    assert_true(heed_checkpoint_save(folder_path("a"), params, &opt, NULL, 0));
    fill_moments(&opt, 3);
    mlp_fill(heed_params_values(params), 9, 8, "new values");
    const snapshot before = snap(&opt);
    heed_reader *reader = heed_safetensors_open(folder_path("a"));
    struct stat status;
    assert_int_equal(stat(folder_path("a"), &status), 0);
    assert_int_equal(truncate(folder_path("a"), status.st_size - 1), 0); /* all but the last tensor can be read */
    assert_false(heed_checkpoint_load(reader, params, &opt));
    check_failed(HEED_IO, "");
    snapshot after = snap(&opt);
    assert_memory_equal(&before, &after, sizeof before);
    heed_safetensors_close(reader);
    heed_params_free(params);
}

/* ---- going on ---------------------------------------------------------------------------------------------------- */
enum { STEPS = 20 };

/* Steps from .. to-1 of one fixed training, with `threads` threads. */
static void train(mlp *m, heed_adamw *opt, int from, int to, int threads)
{
    heed_trainer *trainer = heed_trainer_new(m->params, (heed_trainer_desc){ .threads = threads, .seed = 11 });
    m->dropout = 0.25;
    opt->threads = threads;
    for (int step = from; step < to; step++) {
        mlp_cut(m, 2 + step % 3);
        m->rare_shard = step % 2 ? 1 : -1;
        opt->lr = heed_schedule_inverse_sqrt(step + 1, 0.02, 5);
        assert_true(mlp_step(m, trainer, step, NULL) && heed_adamw_step(opt));
    }
    heed_trainer_free(trainer);
}

static mlp new_run(heed_adamw *opt)
{
    mlp m = mlp_new(17, 4, 9, 3, 31);
    *opt = heed_adamw_make(m.params, (heed_adamw_desc){ .lr = 1, .clip = 0.8, .weight_decay = 0.05 });
    return m;
}

static void test_resume_equals_never_stopping(void **state)
{
    (void)state;
    heed_adamw opt;
    mlp m = new_run(&opt);
    train(&m, &opt, 0, STEPS, 1);
    assert_true(heed_checkpoint_save(folder_path("straight"), m.params, &opt, NULL, 0));
    int64_t bytes;
    char *straight = file_get(folder_path("straight"), &bytes);
    mlp_free(&m);
    const int stops[] = { 0, 1, 5, 12, 19, 20 };
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        m = new_run(&opt);
        train(&m, &opt, 0, stops[i], 1 + (int)i % 3);
        assert_true(heed_checkpoint_save(folder_path("stopped"), m.params, &opt, NULL, 0));
        mlp_free(&m);
        m = new_run(&opt);
        train(&m, &opt, 0, 2, 1); /* whatever was there is replaced */
        assert_true(load(folder_path("stopped"), m.params, &opt));
        assert_int_equal(opt.step, stops[i]);
        train(&m, &opt, stops[i], STEPS, 1 + (int)(i + 1) % 3);
        assert_true(heed_checkpoint_save(folder_path("resumed"), m.params, &opt, NULL, 0));
        check_file(folder_path("resumed"), straight, bytes);
        mlp_free(&m);
    }
    free(straight);
}

static void test_old_gradients_are_gone(void **state)
{
    (void)state;
    heed_adamw opt;
    mlp m = new_run(&opt);
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    assert_true(heed_checkpoint_save(folder_path("a"), m.params, NULL, NULL, 0));
    mlp_cut(&m, 1);
    heed_var *loss = mlp_loss(tape, 0, &m);
    assert_true(heed_backward(loss));
    assert_true(load(folder_path("a"), m.params, NULL));
    assert_false(heed_adamw_step(&opt));
    check_failed(HEED_BAD_STATE, "no backward pass was completed");
    heed_tape_reset(tape);
    loss = mlp_loss(tape, 0, &m);
    assert_true(load(folder_path("a"), m.params, NULL));
    assert_false(heed_backward(loss)); /* its values are no longer those of the forward pass */
    check_failed(HEED_BAD_STATE, "fc");
    heed_tape_free(tape);
    mlp_free(&m);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */
static void test_out_of_memory(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1 });
    const heed_metadata metadata[] = { { "seed", "7" } };
    assert_true(heed_checkpoint_save(folder_path("a"), params, &opt, metadata, 1));
    int64_t bytes, live = heed_memory_now().bytes;
    char *saved = file_get(folder_path("a"), &bytes);
    for (int scenario = 0; scenario < 4; scenario++) { /* save or load; one failure or all from then on */
        bool through = false;
        int64_t n = 0;
        fill_moments(&opt, 3);
        const snapshot before = snap(&opt);
        while (!through) {
            file_put(folder_path("a"), saved, bytes);
            heed_memory_fail_at(++n, scenario % 2);
            through = scenario < 2 ? heed_checkpoint_save(folder_path("a"), params, &opt, metadata, 1)
                                   : load(folder_path("a"), params, &opt);
            heed_memory_fail_at(0, false);
            assert_int_equal(heed_memory_now().bytes, live);
            assert_int_equal(folder_count(), 1);
            if (through)
                break;
            check_failed(HEED_MEMORY, "out of memory");
            check_file(folder_path("a"), saved, bytes);
            snapshot after = snap(&opt);
            assert_memory_equal(&before, &after, sizeof before);
        }
        assert_true(n > 2);
    }
    free(saved);
    heed_params_free(params);
}

/* ---- averaging -------------------------------------------------------------------------------------------------- */
static void test_average(void **state)
{
    (void)state;
    enum { FILES = 7 };
    static const char *const names[FILES] = { "0", "1", "2", "3", "4", "5", "6" };
    char *paths[FILES];
    heed_params *params = make_small();
    heed_real *values = heed_params_values(params);
    int64_t n = heed_params_numel(params);
    double sums[64] = { 0 };
    assert_true(n <= 64);
    for (int k = 0; k < FILES; k++) {
        heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1 });
        mlp_fill(values, n, (uint64_t)k + 1, "weights");
        paths[k] = strdup(folder_path(names[k]));
        assert_true(heed_checkpoint_save(paths[k], params, k % 2 ? &opt : NULL, NULL, 0));
        for (int64_t i = 0; i < n; i++)
            sums[i] += (double)values[i];
    }
    for (int64_t i = 0; i < n; i++)
        heed_grads_data(heed_params_grads(params))[i] = 1;
    heed_grads_empty(heed_params_grads(params))[0] = false;
    assert_true(heed_checkpoint_average((const char *const *)paths, FILES, params));
    assert_true(heed_grads_empty(heed_params_grads(params))[0]);
    for (int64_t i = 0; i < n; i++)
        assert_true(values[i] == (heed_real)(sums[i] / FILES));
    assert_true(heed_checkpoint_average((const char *const *)paths + 2, 1, params)); /* of one: itself */
    heed_real *third = malloc((size_t)n * sizeof *third);
    mlp_fill(third, n, 3, "weights");
    assert_memory_equal(values, third, (size_t)n * sizeof *third);

    /* what does not fit changes nothing, wherever among the files it is */
    assert_false(heed_checkpoint_average(NULL, 2, params));
    check_failed(HEED_BAD_ARGUMENT, "checkpoint_average: 0 files");
    assert_false(heed_checkpoint_average((const char *const *)paths, 0, params));
    check_failed(HEED_BAD_ARGUMENT, "checkpoint_average: 0 files");
    assert_false(heed_checkpoint_average((const char *const[]){ paths[0], NULL }, 2, params));
    check_failed(HEED_BAD_ARGUMENT, "path 1 is NULL");
    assert_false(heed_checkpoint_average((const char *const[]){ paths[0], "nowhere" }, 2, params));
    check_failed(HEED_IO, "nowhere");
    heed_params *other = random_params(1, (heed_rng){ .seed = 3 });
    assert_true(heed_checkpoint_save(folder_path("other"), other, NULL, NULL, 0));
    assert_false(heed_checkpoint_average((const char *const[]){ paths[0], folder_path("other") }, 2, params));
    check_failed(HEED_BAD_FORMAT, "tensor \"w\"");
    assert_memory_equal(values, third, (size_t)n * sizeof *third);
    assert_false(heed_checkpoint_average((const char *const *)paths, 1, NULL));
    heed_error_clear();
    free(third);
    for (int k = 0; k < FILES; k++)
        free(paths[k]);
    heed_params_free(params);
    heed_params_free(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        TEST(test_average),
        TEST(test_save_load_save),
        TEST(test_what_is_in_a_file),
        TEST(test_files_that_do_not_fit),
        TEST(test_bad_calls),
        TEST(test_a_file_cut_while_it_is_read),
        TEST(test_resume_equals_never_stopping),
        TEST(test_old_gradients_are_gone),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
