/* The gradient tests' table and how a row of it is run. A row is an op by its public name, a function that builds it, and
 * at least twelve configurations: shapes, and how each operand lies in memory. Every configuration is checked twice, with
 * the op used once (its gradients overwrite) and with it used twice (they add up).
 *
 * In the float build, which cannot check gradients, every configuration is still run forward and backward. */
#ifndef GRADIENTS_H
#define GRADIENTS_H

#include "check.h"

/* Shapes in tables. */
#define S(...) \
    { \
        HEED_COUNT_(__VA_ARGS__), \
        { \
            __VA_ARGS__ \
        } \
    }
#define SCALAR \
    { \
        0, \
        { \
            0 \
        } \
    }

/* How an operand lies: flags. What is varied is the leaf behind the views. */
enum {
    PERMUTED = 1, /* stored with its axes in reverse */
    SLICED = 2,   /* a window in something larger */
    SPREAD = 4,   /* its first long axis is a broadcast one */
    SAME = 8,     /* the same variable as operand 0 */
    SHARED = 16   /* operand 0's root seen through other views: its axes reversed */
};
typedef struct {
    heed_shape shape;
    int lies;
} operand;

/* Values: uniform in +-2; in 0.5 .. 2; in +-(0.1 .. 2), off a kink at 0; or all different by 0.05 at least. */
typedef enum { ANY, POSITIVE, OFF_ZERO, DISTINCT } sampling;

enum { MAX_OPERANDS = 4 };
typedef struct {
    operand in[MAX_OPERANDS];
    int n_in; /* 0: as many as the row has */
    int axis;
    heed_axes axes;
    double number;
    bool flag;
    heed_shape ids_shape;
    int32_t ids[24];
    heed_ce_desc ce;
} config;

typedef heed_var *build_fn(heed_tape *tape, heed_var *const *in, const config *c);
typedef struct {
    const char *name;
    build_fn *build;
    int n_in;
    sampling sampling;
    const config *configs;
    int n_configs;
} op_row;
#define CONFIGS(list) (list), (int)(sizeof(list) / sizeof *(list))

static heed_shape reversed(heed_shape s)
{
    heed_shape r = s;
    for (int i = 0; i < s.rank; i++)
        r.dims[i] = s.dims[s.rank - 1 - i];
    return r;
}

/* The operand's shape before it is broadcast, and the shape of the leaf behind it. */
static heed_shape before_spread(operand o)
{
    heed_shape s = o.shape;
    for (int i = 0; (o.lies & SPREAD) && i < s.rank; i++)
        if (s.dims[i] > 1) {
            s.dims[i] = 1;
            break;
        }
    return s;
}

static heed_shape leaf_shape(operand o)
{
    heed_shape s = before_spread(o);
    for (int i = 0; (o.lies & SLICED) && i < s.rank; i++)
        s.dims[i]++;
    return o.lies & PERMUTED ? reversed(s) : s;
}

static heed_var *back_to_front(heed_var *v)
{
    int axes[HEED_MAX_RANK] = { 0 };
    for (int i = 0; v && i < v->value.shape.rank; i++)
        axes[i] = v->value.shape.rank - 1 - i;
    return heed_permute(v, axes);
}

static heed_var *viewed(heed_var *leaf, operand o)
{
    heed_var *v = o.lies & PERMUTED ? back_to_front(leaf) : leaf;
    heed_shape s = before_spread(o);
    for (int i = 0; (o.lies & SLICED) && i < s.rank; i++)
        v = heed_slice(v, i, i % 2, i % 2 + s.dims[i]);
    return o.lies & SPREAD ? heed_broadcast(v, o.shape) : v;
}

typedef struct {
    const op_row *op;
    const config *config;
    bool twice;
} run;

static int count_operands(const run *r)
{
    return r->config->n_in ? r->config->n_in : r->op->n_in;
}

static heed_var *run_op(heed_tape *tape, heed_var *const *leaves, void *context)
{
    const run *r = context;
    heed_var *in[MAX_OPERANDS] = { NULL };
    int leaf = 0;
    for (int i = 0; i < count_operands(r); i++) {
        operand o = r->config->in[i];
        in[i] = o.lies & SAME ? in[0] : o.lies & SHARED ? back_to_front(in[0]) : viewed(leaves[leaf++], o);
        if (!in[i])
            return NULL;
    }
    heed_var *y = r->op->build(tape, in, r->config);
    return r->twice ? heed_add(y, heed_scale(r->op->build(tape, in, r->config), -0.3)) : y;
}

static void sample(heed_real *x, int64_t n, sampling how, uint64_t seed)
{
    heed_rng rng = { .seed = seed, .stream = 1 };
    int32_t *order = malloc((size_t)(n ? n : 1) * sizeof *order);
    assert_non_null(order);
    for (int64_t i = 0; i < n; i++)
        order[i] = (int32_t)i;
    heed_rng_shuffle((heed_rng){ .seed = seed, .stream = 2 }, order, n);
    for (int64_t i = 0; i < n; i++) {
        double u = heed_rng_uniform(rng, (uint64_t)i), sign = heed_rng_bits(rng, (uint64_t)(n + i)) % 2 ? 1 : -1;
        x[i] = (heed_real)(how == ANY        ? 4 * u - 2
                           : how == POSITIVE ? 0.5 + 1.5 * u
                           : how == OFF_ZERO ? sign * (0.1 + 1.9 * u)
                                             : 0.1 * (order[i] - n / 2) + 0.05 * u);
    }
    free(order);
}

/* The op forward and backward, without an error and with finite gradients. */
static bool runs(run *r, const heed_named_tensor *inputs, int n)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 5, .check_finite = true });
    heed_var *leaves[MAX_OPERANDS] = { NULL };
    for (int i = 0; tape && i < n; i++)
        leaves[i] = heed_leaf(tape, inputs[i].values.shape, inputs[i].values.data);
    heed_var *y = tape && !heed_error_pending() ? run_op(tape, leaves, r) : NULL;
    int64_t outputs = y ? heed_tensor_numel(heed_value(y)) : 0;
    heed_real *c = malloc((size_t)outputs * sizeof *c + 1);
    assert_non_null(c);
    sample(c, outputs, ANY, 3);
    bool fine = y && heed_backward_from(y, c);
    assert_true(fine == !heed_error_pending());
    free(c);
    heed_tape_free(tape);
    return fine;
}

/* Each allocation fails in its turn: that is an error, nothing worse, and nothing is lost. */
static void check_memory(run *r, const heed_named_tensor *inputs, int n)
{
    const int64_t blocks = heed_memory_now().blocks;
    for (int64_t at = 1;; at++) {
        heed_memory_fail_at(at, false);
        bool fine = runs(r, inputs, n);
        heed_memory_fail_at(0, false);
        assert_int_equal(heed_memory_now().blocks, blocks);
        if (fine)
            return;
        check_failed(HEED_MEMORY, "");
    }
}

static void check_config(const op_row *op, int number, bool twice)
{
    static const char *names[MAX_OPERANDS] = { "a", "b", "c", "d" };
    const config *c = &op->configs[number];
    run r = { op, c, twice };
    heed_named_tensor inputs[MAX_OPERANDS];
    heed_gradcheck_report report = { 0 };
    heed_arena *arena = heed_arena_new();
    int n = 0;
    int64_t varied = 0;
    for (int i = 0; i < count_operands(&r); i++)
        if (!(c->in[i].lies & (SAME | SHARED))) {
            heed_tensor values = heed_tensor_new(arena, leaf_shape(c->in[i]));
            sample(values.data, heed_tensor_numel(values), op->sampling, 100 * (uint64_t)number + (uint64_t)i);
            varied += heed_tensor_numel(values);
            inputs[n++] = (heed_named_tensor){ names[i], values };
        }
    bool fine = sizeof(heed_real) == 8
                    ? heed_gradcheck(run_op, &r, inputs, n, (heed_gradcheck_desc){ .seed = 11 }, &report)
                    : runs(&r, inputs, n);
    if (!fine) {
        print_error("%s, configuration %d%s: %s\n", op->name, number, twice ? ", used twice" : "", heed_error());
        fail();
    }
    if (twice)
        check_memory(&r, inputs, n);
    assert_true(report.checked > 0 || varied == 0 || sizeof(heed_real) == 4);
    heed_arena_free(arena);
}

static inline void check_rows(const op_row *rows, int n_rows)
{
    for (int i = 0; i < n_rows; i++) {
        assert_true(rows[i].n_configs >= 12);
        for (int number = 0; number < rows[i].n_configs; number++) {
            check_config(&rows[i], number, false);
            check_config(&rows[i], number, true);
        }
    }
}

#endif
