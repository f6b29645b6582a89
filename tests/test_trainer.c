/* Parallel steps: shards summed are the whole batch, threads change no bit, and what fails leaves no gradient. */
#include "check.h"
#include "mlp.h"

static const heed_rng rng = { .seed = 22, .stream = 5 };
static uint64_t drawn;

static int64_t below(int64_t n)
{
    return (int64_t)heed_rng_below(rng, drawn++, (uint64_t)n);
}

static mlp random_mlp(void)
{
    mlp m = mlp_new(1 + below(20), 1 + below(9), 1 + below(17), 1 + below(6), drawn);
    m.dropout = below(2) ? 0.4 : 0;
    mlp_cut(&m, 1);
    return m;
}

/* ---- shards and the batch --------------------------------------------------------------------------------------- */
/* Gradient / rows of one plain pass over the whole batch, at this training step. */
static void whole_batch(mlp *m, uint64_t seed, int64_t step, double *gradient, double *loss)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = seed });
    heed_tape_place(tape, (uint32_t)step, 0);
    mlp whole = *m;
    mlp_cut(&whole, 1);
    heed_var *sum = mlp_loss(tape, 0, &whole);
    *loss = heed_item(sum) / (double)m->rows;
    assert_true(heed_backward(sum));
    const heed_real *g = heed_grads_data(heed_params_grads(m->params));
    for (int i = 0; i < heed_params_count(m->params); i++) {
        const heed_param *p = heed_params_at(m->params, i);
        for (int64_t k = p->offset; k < p->offset + heed_shape_numel(p->shape); k++)
            gradient[k] = p == m->rare ? 0 : (double)g[k] / (double)m->rows;
    }
    heed_grads_clear(heed_params_grads(m->params));
    heed_tape_free(tape);
}

static void test_shards_sum_to_the_batch(void **state)
{
    (void)state;
    const double tolerance = sizeof(heed_real) == 8 ? 1e-12 : 2e-5;
    for (int at = 0; at < 300; at++) {
        mlp m = random_mlp();
        double *want = malloc((size_t)heed_params_numel(m.params) * sizeof *want), loss, want_loss;
        whole_batch(&m, 77, at, want, &want_loss);
        mlp_cut(&m, (int)(1 + below(m.rows < 8 ? m.rows : 8)));
        heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 1 + at % 3, .seed = 77 });
        assert_true(mlp_step(&m, trainer, at, &loss));
        check_close(loss, want_loss, tolerance);
        heed_grads *grads = heed_params_grads(m.params);
        assert_int_equal(*heed_grads_backwards(grads), 1);
        for (int i = 0; i < heed_params_count(m.params); i++) {
            const heed_param *p = heed_params_at(m.params, i);
            assert_int_equal(heed_grads_empty(grads)[i], p == m.rare);
            for (int64_t k = 0; p != m.rare && k < heed_shape_numel(p->shape); k++)
                check_close((double)heed_grads_data(grads)[p->offset + k], want[p->offset + k], tolerance);
        }
        heed_trainer_free(trainer);
        free(want);
        mlp_free(&m);
    }
}

/* The gradient of `rare` is that of the one shard that used it, whatever an untouched shard's slab holds. */
static void test_a_parameter_of_some_shards(void **state)
{
    (void)state;
    for (int used = 0; used < 4; used++) {
        mlp m = mlp_new(12, 3, 4, 2, 9);
        mlp_cut(&m, 4);
        heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 2 });
        m.rare_shard = (used + 1) % 4; /* leaves something behind in another slab */
        assert_true(mlp_step(&m, trainer, 0, NULL));
        heed_grads_clear(heed_params_grads(m.params));
        m.rare_shard = used;
        assert_true(mlp_step(&m, trainer, 0, NULL));
        heed_real sharded[2], whole[2];
        memcpy(sharded, heed_param_grad(m.rare).data, sizeof sharded);
        heed_grads_clear(heed_params_grads(m.params));
        assert_true(heed_trainer_step(trainer,
                                      (heed_trainer_step_desc){ .shards = 1,
                                                                .starts = (int64_t[]){ 0, 1 },
                                                                .divisor = 12,
                                                                .loss = mlp_loss,
                                                                .context = &(mlp){ .params = m.params,
                                                                                   .fc1 = m.fc1,
                                                                                   .fc2 = m.fc2,
                                                                                   .rare = m.rare,
                                                                                   .rows = 3,
                                                                                   .in = 3,
                                                                                   .out = 2,
                                                                                   .x = m.x + used * 3 * 3,
                                                                                   .c = m.c + used * 3 * 2,
                                                                                   .starts = { 0, 3 } } },
                                      NULL));
        memcpy(whole, heed_param_grad(m.rare).data, sizeof whole);
        assert_memory_equal(sharded, whole, sizeof whole);
        heed_trainer_free(trainer);
        mlp_free(&m);
    }
}

static void test_steps_add_up(void **state)
{
    (void)state;
    mlp m = mlp_new(10, 3, 4, 2, 3);
    mlp_cut(&m, 2);
    heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ 0 });
    int64_t n = heed_params_numel(m.params);
    heed_real *g = heed_grads_data(heed_params_grads(m.params)), once[64];
    assert_in_range(n, 1, 64);
    assert_true(mlp_step(&m, trainer, 0, NULL));
    memcpy(once, g, (size_t)n * sizeof *g);
    assert_true(mlp_step(&m, trainer, 0, NULL)); /* no step of an optimiser in between */
    assert_int_equal(*heed_grads_backwards(heed_params_grads(m.params)), 2);
    assert_true(heed_trainer_norm(trainer) == 0); /* it knows only what it added */
    for (int64_t i = 0; i < n; i++)
        if (i < m.rare->offset || i >= m.rare->offset + 2)
            assert_true(g[i] == 2 * once[i]);
    heed_trainer_free(trainer);
    mlp_free(&m);
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */
/* Four steps of training; all parameters, moments and losses end up in `out`. One thread takes the gradient's norm, more
 * are told it. */
static size_t train(int64_t rows, int64_t hidden, int shards, uint64_t seed, int threads, unsigned char *out)
{
    mlp m = mlp_new(rows, 5, hidden, 3, seed);
    m.dropout = 0.3;
    m.rare_shard = shards / 2;
    mlp_cut(&m, shards);
    heed_adamw opt = heed_adamw_make(m.params, (heed_adamw_desc){ .lr = 0.01, .clip = 0.5, .weight_decay = 0.01 });
    heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = threads, .seed = seed });
    opt.threads = threads;
    size_t bytes = (size_t)heed_params_numel(m.params) * sizeof(heed_real), used = 0;
    for (int step = 0; step < 4; step++) {
        double loss;
        assert_true(mlp_step(&m, trainer, step, &loss));
        assert_true(heed_trainer_norm(trainer) == heed_grad_norm(m.params, 1));
        opt.known_norm = threads > 1 ? heed_trainer_norm(trainer) : 0;
        assert_true(heed_adamw_step(&opt) && opt.known_norm == 0);
        memcpy(out + used, &loss, sizeof loss);
        memcpy(out + used + sizeof loss, &opt.norm, sizeof opt.norm);
        used += sizeof loss + sizeof opt.norm;
    }
    const heed_real *slabs[] = { heed_params_values(m.params), opt.m, opt.v };
    for (int i = 0; i < 3; i++, used += bytes)
        memcpy(out + used, slabs[i], bytes);
    heed_trainer_free(trainer);
    mlp_free(&m);
    return used;
}

static void test_threads_give_the_same_bits(void **state)
{
    (void)state;
    enum { ROOM = 1 << 21 };
    unsigned char *one = malloc(ROOM), *more = malloc(ROOM);
    for (int at = 0; at < 200; at++) {
        int64_t rows = 1 + below(30), hidden = 1 + below(at % 10 ? 40 : 6000);
        int shards = (int)(1 + below(rows < 8 ? rows : 8));
        size_t bytes = train(rows, hidden, shards, (uint64_t)at, 1, one);
        assert_in_range(bytes, 1, ROOM);
        for (int threads = 2; threads <= 4; threads++) {
            assert_int_equal(train(rows, hidden, shards, (uint64_t)at, threads, more), bytes);
            assert_memory_equal(one, more, bytes);
        }
    }
    free(one);
    free(more);
}

/* ---- failures --------------------------------------------------------------------------------------------------- */
typedef struct {
    mlp *m;
    int shard;
    enum { LOSS_NAN, LOSS_NULL, LOSS_SILENT, LOSS_FOREIGN, LOSS_VECTOR, SLOPE_INFINITE } kind;
    heed_tape *other;
} fault;

static heed_var *faulty_loss(heed_tape *tape, int shard, void *context)
{
    const fault *f = context;
    heed_var *loss = mlp_loss(tape, shard, f->m);
    if (shard < f->shard)
        return loss;
    switch (f->kind) {
    case LOSS_NAN:
        return heed_log(heed_scale(heed_mul(loss, loss), -1));
    case LOSS_NULL:
        return heed_matmul(loss, loss);
    case LOSS_SILENT:
        return NULL;
    case LOSS_FOREIGN:
        return heed_leaf(f->other, heed_shape_scalar(), (const heed_real[]){ 1 });
    case LOSS_VECTOR:
        return heed_param_on(tape, f->m->rare);
    case SLOPE_INFINITE: /* sqrt(0 w): 0 with an infinite slope times 0 */
        return heed_add(loss, heed_sum(heed_sqrt(heed_scale(heed_param_on(tape, f->m->rare), 0)), (heed_axes){ 0 }));
    }
    return NULL;
}

static void test_failures_leave_no_gradient(void **state)
{
    (void)state;
    const struct {
        int kind;
        heed_error_kind error;
        const char *message;
    } cases[] = {
        { LOSS_NAN, HEED_BAD_STATE, "trainer_step: shard 1: the loss is " },
        { LOSS_NULL, HEED_BAD_SHAPE, "matmul" },
        { LOSS_SILENT, HEED_BAD_ARGUMENT, "trainer_step: shard 1: the loss function returned NULL" },
        { LOSS_FOREIGN, HEED_BAD_ARGUMENT, "trainer_step: shard 1: the loss function returned a loss of another tape" },
        { LOSS_VECTOR, HEED_BAD_SHAPE, "" },
        { SLOPE_INFINITE, HEED_BAD_STATE, "trainer_step: gradient of \"rare\" is " },
    };
    mlp m = mlp_new(12, 3, 4, 2, 9);
    mlp_cut(&m, 3);
    heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 1 });
    heed_adamw opt = heed_adamw_make(m.params, (heed_adamw_desc){ .lr = 1 });
    fault f = { .m = &m, .shard = 1, .other = heed_tape_new((heed_tape_desc){ 0 }) };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double loss = -1;
        f.kind = cases[i].kind;
        heed_trainer_step_desc desc = {
            .shards = 3, .starts = m.starts, .divisor = 1, .loss = faulty_loss, .context = &f
        };
        assert_false(heed_trainer_step(trainer, desc, &loss));
        check_failed(cases[i].error, cases[i].message);
        assert_true(loss == -1 && heed_trainer_norm(trainer) == 0);
        for (int p = 0; p < heed_params_count(m.params); p++)
            assert_true(heed_grads_empty(heed_params_grads(m.params))[p]);
        assert_false(heed_adamw_step(&opt));
        check_failed(HEED_BAD_STATE, "no backward pass was completed");
        assert_true(mlp_step(&m, trainer, 0, &loss)); /* and the trainer goes on */
        heed_grads_clear(heed_params_grads(m.params));
    }
    heed_tape_free(f.other);
    heed_trainer_free(trainer);
    mlp_free(&m);
}

static void test_check_finite_names_the_op(void **state)
{
    (void)state;
    mlp m = mlp_new(12, 3, 4, 2, 9);
    mlp_cut(&m, 3);
    heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 2, .check_finite = true });
    fault f = { .m = &m, .shard = 1, .kind = LOSS_NAN };
    heed_trainer_step_desc desc = { .shards = 3, .starts = m.starts, .divisor = 1, .loss = faulty_loss, .context = &f };
    assert_false(heed_trainer_step(trainer, desc, NULL));
    check_failed(HEED_BAD_STATE, "log: forward made a non-finite value");
    heed_trainer_free(trainer);
    mlp_free(&m);
}

static void test_bad_calls(void **state)
{
    (void)state;
    mlp m = mlp_new(12, 3, 4, 2, 9);
    heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 1 });
    int64_t good[] = { 0, 6, 12 }, empty[] = { 0, 6, 6 }, back[] = { 0, 6, 5 }, before[] = { -1, 6, 12 };
    int64_t far[] = { 0, 6, INT64_C(1) << 33 };
    const heed_trainer_step_desc fine = { .shards = 2, .starts = good, .divisor = 1, .loss = mlp_loss, .context = &m };
    heed_trainer_step_desc descs[12];
    for (int i = 0; i < 12; i++)
        descs[i] = fine;
    descs[0].shards = 0;
    descs[1].starts = NULL;
    descs[2].loss = NULL;
    descs[3].divisor = 0;
    descs[4].divisor = (double)NAN;
    descs[5].divisor = -1;
    descs[6].step = -1;
    descs[7].step = INT64_C(1) << 32;
    descs[8].starts = empty;
    descs[9].starts = back;
    descs[10].starts = before;
    descs[11].starts = far;
    const char *messages[12] = { "got 0 shards",
                                 "no starts",
                                 "no loss",
                                 "divisor is 0",
                                 "divisor is ",
                                 "divisor is -1",
                                 "step is -1",
                                 "step is 4294967296",
                                 "shard 1 holds rows 6 to 6",
                                 "shard 1 holds rows 6 to 5",
                                 "shard 0 holds rows -1 to 6",
                                 "shard 1 holds rows 6 to 8589934592" };
    for (int i = 0; i < 12; i++) {
        assert_false(heed_trainer_step(trainer, descs[i], NULL));
        check_failed(HEED_BAD_ARGUMENT, messages[i]);
    }
    assert_false(heed_trainer_step(NULL, fine, NULL));
    check_failed(HEED_BAD_ARGUMENT, "trainer is NULL");
    assert_null(heed_trainer_new(m.params, (heed_trainer_desc){ .threads = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "trainer: threads is -1");
    assert_null(heed_trainer_new(NULL, (heed_trainer_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "params is NULL");
    heed_trainer_free(NULL);
    heed_trainer_free(trainer);
    mlp_free(&m);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (int sticky = 0; sticky < 2; sticky++)
        for (int64_t n = 1;; n++) {
            mlp m = mlp_new(12, 3, 4, 2, 9);
            mlp_cut(&m, 3);
            heed_memory before = heed_memory_now();
            heed_memory_fail_at(n, sticky);
            heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 1 });
            bool ok = trainer && mlp_step(&m, trainer, 0, NULL);
            heed_memory_fail_at(0, false);
            if (!ok) {
                check_failed(HEED_MEMORY, "");
                assert_int_equal(*heed_grads_backwards(heed_params_grads(m.params)), 0);
            }
            if (trainer)
                assert_true(mlp_step(&m, trainer, 0, NULL)); /* memory is back: it goes on */
            heed_trainer_free(trainer);
            assert_int_equal(heed_memory_now().bytes, before.bytes);
            mlp_free(&m);
            if (ok) {
                assert_true(n > 10);
                break;
            }
        }
}

static void test_nothing_is_allocated_after_the_largest_batch(void **state)
{
    (void)state;
    mlp m = mlp_new(24, 3, 40, 2, 9);
    m.dropout = 0.1;
    mlp_cut(&m, 4);
    heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 1 });
    heed_adamw opt = heed_adamw_make(m.params, (heed_adamw_desc){ .lr = 1e-3 });
    int64_t calls = 0;
    for (int step = 0; step < 30; step++) {
        assert_true(mlp_step(&m, trainer, step, NULL) && heed_adamw_step(&opt));
        if (step == 2)
            calls = heed_memory_now().calls;
        mlp_cut(&m, 4 - step % 3);
        m.starts[m.shards] = m.starts[m.shards - 1] + (step % 3 ? 3 : 6);
    }
    assert_int_equal(heed_memory_now().calls, calls);
    heed_trainer_free(trainer);
    mlp_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards_sum_to_the_batch),
        cmocka_unit_test(test_a_parameter_of_some_shards),
        cmocka_unit_test(test_steps_add_up),
        cmocka_unit_test(test_threads_give_the_same_bits),
        cmocka_unit_test(test_failures_leave_no_gradient),
        cmocka_unit_test(test_check_finite_names_the_op),
        cmocka_unit_test(test_bad_calls),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_nothing_is_allocated_after_the_largest_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
