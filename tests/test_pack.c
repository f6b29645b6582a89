/* Weights packed for many products: what is read is what was packed, bit for bit, and nothing stays packed after a step.
 * Where products have no use for it (double, processors without the vectors) packing is nothing, and says so. */
#include "mlp.h"
#include "layers/internal.h"
#include "tensor/k_gemm.h"

static const heed_rng rng = { .seed = 31 };
static uint64_t drawn;

static int64_t below(int64_t n)
{
    return (int64_t)heed_rng_below(rng, drawn++, (uint64_t)n);
}

static heed_tensor random_tensor(heed_arena *arena, heed_shape shape)
{
    heed_tensor t = heed_tensor_new(arena, shape);
    assert_true(heed_tensor_normal(t, (heed_rng){ .seed = drawn++ }, 0, 1));
    return t;
}

static heed_tensor turned(heed_tensor w)
{
    return heed_tensor_permute(w, (const int[]){ 1, 0 });
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* x, of many rows, times the rows [from, to) of w is the same from w and from the packed w, with w itself out of reach. */
static void check_product(heed_arena *arena, heed_tensor x, heed_tensor w, const heed_real *packed, int64_t from,
                          int64_t to, k_gemm_how how)
{
    int64_t m = x.shape.dims[0], n = to - from, k = x.shape.dims[1];
    heed_tensor rows = heed_tensor_slice(w, 0, from, to), want = heed_tensor_new(arena, HEED_SHAPE(m, n)),
                got = heed_tensor_new(arena, HEED_SHAPE(m, n)), nothing = heed_tensor_new(arena, HEED_SHAPE(n, k));
    assert_true(heed_tensor_fill(nothing, (double)NAN));
    assert_true(k_gemm(arena, want, x, turned(rows), how));
    how.packed = k_gemm_packed_from(packed, from, k);
    assert_non_null(how.packed);
    assert_true(k_gemm(arena, got, x, turned(nothing), how));
    assert_memory_equal(got.data, want.data, (size_t)(m * n) * sizeof *got.data);
}

static void test_products_read_what_was_packed(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    for (int at = 0; at < 300; at++) {
        heed_arena_reset(arena);
        int64_t m = 13 + below(150), n = 2 + below(at % 10 ? 200 : 1500), k = 1 + below(at % 7 ? 100 : 1300);
        heed_tensor x = random_tensor(arena, HEED_SHAPE(m, k)), w = random_tensor(arena, HEED_SHAPE(n, k)),
                    bias = random_tensor(arena, HEED_SHAPE(n));
        int64_t size = k_gemm_packed_size(n, k), panel = k_gemm_packed_size(1, 1);
        assert_true(K_TILE ? size >= n * k && panel > 1 : size == 0);
        if (size == 0)
            continue;
        heed_real *packed = heed_arena_alloc(arena, size * (int64_t)sizeof *packed);
        k_gemm_pack(packed, w.data, n, k);
        k_gemm_how how = { .threads = 1 + at % 3 };
        check_product(arena, x, w, packed, 0, n, how);
        int64_t from = panel * below(1 + n / panel);
        if (from + 1 < n)
            check_product(arena, x, w, packed, from, from + 2 + below(n - from - 1), how);
        how.bias = bias.data;
        check_product(arena, x, w, packed, 0, n, how);
        assert_null(k_gemm_packed_from(packed, 1 + below(panel - 1), k));
        assert_null(k_gemm_packed_from(NULL, 0, k));
    }
    heed_arena_free(arena);
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

enum { ROWS = 2, T = 17, D = 64 };

typedef struct {
    heed_params *params;
    heed_linear wide, narrow, tied;
    heed_embedding table;
    heed_attention attention, of_own_sizes;
    heed_tensor x, y; /* [ROWS, T, D], [ROWS, T, 24] */
    heed_arena *arena;
} net;

static net net_new(void)
{
    net m = { .params = heed_params_new(), .arena = heed_arena_new() };
    m.wide = heed_linear_make(m.params, "wide", (heed_linear_desc){ .in = D, .out = 401 });
    m.narrow = heed_linear_make(m.params, "narrow", (heed_linear_desc){ .in = D, .out = 3 });
    m.table = heed_embedding_make(m.params, "table", (heed_embedding_desc){ .count = 700, .dim = D });
    m.tied = heed_linear_make(m.params, "tied", (heed_linear_desc){ .in = D, .out = 700, .weight = m.table.weight });
    m.attention = heed_attention_make(m.params, "attention", (heed_attention_desc){ .d_model = D, .heads = 4 });
    m.of_own_sizes = heed_attention_make(m.params, "sizes",
                                         (heed_attention_desc){ .d_model = D, .heads = 2, .kdim = 24, .vdim = 24 });
    assert_true(heed_params_init(m.params, 5));
    m.x = random_tensor(m.arena, HEED_SHAPE(ROWS, T, D));
    m.y = random_tensor(m.arena, HEED_SHAPE(ROWS, T, 24));
    return m;
}

static void net_free(net *m)
{
    heed_params_free(m->params);
    heed_arena_free(m->arena);
}

enum { OUTPUTS = 6 };

/* What each layer makes of x, with cross-attention too; NaN anywhere in a weight that is read shows. */
static void run_all(net *m, heed_tensor out[OUTPUTS])
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .no_grad = true });
    heed_var *x = heed_input(tape, m->x.shape, m->x.data), *other = heed_scale(x, 2),
             *y = heed_input(tape, m->y.shape, m->y.data);
    const heed_attention_call call = { .cache = NULL };
    heed_var *made[OUTPUTS] = { heed_linear_forward(&m->wide, x),
                                heed_linear_forward(&m->narrow, x),
                                heed_linear_forward(&m->tied, x),
                                heed_attention_forward(&m->attention, x, x, x, call),
                                heed_attention_forward(&m->attention, x, other, other, call),
                                heed_attention_forward(&m->of_own_sizes, x, y, y, call) };
    for (int i = 0; i < OUTPUTS; i++) {
        assert_non_null(made[i]);
        out[i] = heed_tensor_new(m->arena, made[i]->value.shape);
        assert_true(heed_tensor_copy(out[i], made[i]->value));
    }
    heed_tape_free(tape);
}

static void check_same(const heed_tensor *got, const heed_tensor *want)
{
    for (int i = 0; i < OUTPUTS; i++)
        assert_memory_equal(got[i].data, want[i].data, (size_t)heed_tensor_numel(want[i]) * sizeof *want[i].data);
}

/* All weights of all layers are taken, by any number of threads: they are out of reach while packed ones serve. */
static void test_layers_read_packed_weights(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        net m = net_new();
        heed_tensor want[OUTPUTS], got[OUTPUTS];
        size_t bytes = (size_t)heed_params_numel(m.params) * sizeof(heed_real);
        heed_real *values = heed_params_values(m.params), *kept = malloc(bytes);
        memcpy(kept, values, bytes);
        run_all(&m, want);
        assert_true(heed_params_pack(m.params, threads));
        run_all(&m, got);
        check_same(got, want);
        int weights = 0;
        for (int i = 0; i < heed_params_count(m.params); i++) {
            const heed_param *p = heed_params_at(m.params, i);
            assert_int_equal(p->multiplies, p->shape.rank == 2);
            weights += p->multiplies;
            if (p->multiplies)
                assert_true(heed_tensor_fill(heed_param_value(p), (double)NAN));
        }
        assert_int_equal(weights, 3 + 2 + 4);
        if (K_TILE) {
            run_all(&m, got);
            check_same(got, want);
        }
        heed_params_unpack(m.params);
        run_all(&m, got);
        for (int i = 0; i < OUTPUTS; i++)
            assert_true(isnan((double)got[i].data[0]));
        memcpy(values, kept, bytes);
        free(kept);
        net_free(&m);
    }
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

typedef struct {
    mlp *m;
    bool packed; /* what every shard should find */
    bool fails;
} watched;

static heed_var *watched_loss(heed_tape *tape, int shard, void *context)
{
    const watched *w = context;
    assert_int_equal(param_packed(w->m->fc1.weight) != NULL, w->packed && K_TILE);
    return w->fails ? NULL : mlp_loss(tape, shard, w->m);
}

/* Four shards or more find weights packed, whatever becomes of the step; and nobody after it. */
static void test_shards_find_packed_weights(void **state)
{
    (void)state;
    for (int at = 0; at < 12; at++) {
        int shards = 3 + at % 3;
        bool blas = at / 3 == 1, fails = at / 3 == 2;
        mlp m = mlp_new(20, 40, 70, 33, 9);
        mlp_cut(&m, shards);
        heed_trainer *trainer =
            heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 1, .gemm = blas ? HEED_GEMM_BLAS : 0 });
        watched w = { .m = &m, .packed = shards >= 4 && !blas, .fails = fails };
        heed_trainer_step_desc desc = {
            .shards = shards, .starts = m.starts, .divisor = 20, .loss = watched_loss, .context = &w
        };
        assert_int_equal(heed_trainer_step(trainer, desc, NULL), !fails);
        heed_error_clear();
        assert_null(param_packed(m.fc1.weight));
        heed_trainer_free(trainer);
        mlp_free(&m);
    }
}

/* A weight that has changed is read as it is, on tapes from before too. */
static void test_changed_weights_are_read(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    heed_params *params = heed_params_new();
    heed_linear fc = heed_linear_make(params, "fc", (heed_linear_desc){ .in = 24, .out = 40 });
    assert_true(heed_params_init(params, 3) && heed_params_pack(params, 1));
    heed_tensor x = random_tensor(arena, HEED_SHAPE(20, 24));
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    heed_var *in = heed_input(tape, x.shape, x.data);
    assert_non_null(heed_linear_forward(&fc, in));
    assert_true(heed_tensor_fill(heed_param_value(fc.weight), 0.5));
    heed_params_changed(params);
    const heed_var *y = heed_linear_forward(&fc, in);
    double sum = 0;
    for (int i = 0; i < 24; i++)
        sum += 0.5 * (double)x.data[i];
    check_close(y->value.data[0], sum, CHECK_EPS);
    assert_true(heed_params_pack(params, 1)); /* packed again: the same numbers */
    heed_tape_reset(tape);
    const heed_var *again = heed_linear_forward(&fc, heed_input(tape, x.shape, x.data));
    check_close(again->value.data[0], sum, CHECK_EPS);
    heed_tape_free(tape);
    heed_params_free(params);
    heed_arena_free(arena);
}

static void test_running_out_of_memory(void **state)
{
    (void)state;
    for (int64_t n = 1, done = 0; !done; n++) {
        mlp m = mlp_new(20, 40, 700, 33, 9);
        mlp_cut(&m, 4);
        heed_memory_fail_at(n, true);
        heed_trainer *trainer = heed_trainer_new(m.params, (heed_trainer_desc){ .threads = 1 });
        done = trainer && mlp_step(&m, trainer, 0, NULL);
        heed_memory_fail_at(0, false);
        if (!done)
            check_failed(HEED_MEMORY, "");
        assert_null(param_packed(m.fc1.weight));
        if (trainer)
            assert_true(mlp_step(&m, trainer, 1, NULL)); /* memory is back: it goes on */
        assert_true(!done || n > 5);
        heed_trainer_free(trainer);
        mlp_free(&m);
    }
}

static void test_every_step_packs_anew(void **state)
{
    (void)state;
    mlp nets[2];
    heed_trainer *trainers[2];
    heed_adamw opts[2];
    for (int i = 0; i < 2; i++) {
        nets[i] = mlp_new(80, 40, 70, 33, 9);
        mlp_cut(&nets[i], 4);
        for (int p = 0; i == 1 && p < heed_params_count(nets[i].params); p++)
            heed_params_at(nets[i].params, p)->multiplies = false; /* the second one packs nothing */
        trainers[i] = heed_trainer_new(nets[i].params, (heed_trainer_desc){ .threads = 2 });
        opts[i] = heed_adamw_make(nets[i].params, (heed_adamw_desc){ .lr = 0.1 });
    }
    for (int step = 0; step < 4; step++) {
        for (int i = 0; i < 2; i++)
            assert_true(mlp_step(&nets[i], trainers[i], step, NULL) && heed_adamw_step(&opts[i]));
        assert_memory_equal(heed_params_values(nets[0].params), heed_params_values(nets[1].params),
                            (size_t)heed_params_numel(nets[0].params) * sizeof(heed_real));
        assert_null(param_packed(nets[0].fc1.weight)); /* nor does it stay so */
    }
    for (int i = 0; i < 2; i++) {
        heed_trainer_free(trainers[i]);
        mlp_free(&nets[i]);
    }
}

static void test_bad_calls(void **state)
{
    (void)state;
    heed_params *params = heed_params_new();
    assert_false(heed_params_pack(NULL, 1));
    check_failed(HEED_BAD_ARGUMENT, "params is NULL");
    assert_false(heed_params_pack(params, 1));
    check_failed(HEED_BAD_STATE, "heed_params_init comes first");
    heed_params_unpack(NULL);
    heed_param *w = heed_param_make(params, "w", HEED_SHAPE(40, 8), (heed_init){ HEED_INIT_NORMAL, .scale = 1 });
    heed_param *large = heed_param_make(params, "large", HEED_SHAPE(3000, 400), (heed_init){ 0 });
    assert_true(heed_params_init(params, 1));
    assert_true(heed_params_pack(params, 2)); /* nothing: they are no layers' weights */
    heed_linear shared = heed_linear_make(params, "late", (heed_linear_desc){ 8, 40, .no_bias = true, .weight = w });
    assert_true(shared.weight == w && !param_packed(w));
    assert_true(heed_params_pack(params, 2));
    assert_true(!param_packed(w) == !K_TILE);
    shared = heed_linear_make(params, "later", (heed_linear_desc){ 400, 3000, .no_bias = true, .weight = large });
    heed_memory_fail_at(1, true);
    assert_int_equal(heed_params_pack(params, 1), !K_TILE); /* finds no room for more */
    heed_memory_fail_at(0, false);
    heed_error_clear();
    assert_null(param_packed(w));
    assert_false(heed_params_pack(params, -1));
    check_failed(HEED_BAD_ARGUMENT, "-1 threads");
    heed_params_free(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_read_what_was_packed),
        cmocka_unit_test(test_layers_read_packed_weights),
        cmocka_unit_test(test_shards_find_packed_weights),
        cmocka_unit_test(test_changed_weights_are_read),
        cmocka_unit_test(test_running_out_of_memory),
        cmocka_unit_test(test_every_step_packs_anew),
        cmocka_unit_test(test_bad_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
