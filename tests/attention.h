/* Random problems for attention: every mask alone and together, dropout, gates, operands that lie in memory this way or
 * that; run fused or composed, forward and backward. */
#ifndef ATTENTION_H
#define ATTENTION_H

#include "check.h"

enum { ATTENTION_ROWS = 40000, ATTENTION_PAIRS = 50000 }; /* numbers in q, k or v; in a mask */

/* How operands lie in memory: as they are, repeated over the rows, or that with their axes stored in reverse too. */
typedef enum { PLAIN, REPEATED, REVERSED, LAYOUTS } layout;

/* One random problem. Masks are on or off by chance. */
typedef struct {
    layout layout;
    bool projected; /* q, k and v are views of one [B, T, 3, H, d], whatever the layout; then Tk is Tq and e is d */
    int threads;
    int64_t B, Tq, Tk, H, d, e, unit; /* d and e are multiples of unit; 0: of 1 */
    bool causal, lengths, allowed, bias, gates, dropout;
    heed_real q[ATTENTION_ROWS], k[ATTENTION_ROWS], v[ATTENTION_ROWS], g[ATTENTION_ROWS];
    heed_real bias_at[ATTENTION_PAIRS], gate[16];
    int32_t length[4], allow[ATTENTION_PAIRS];
    int64_t allowed_rows, allowed_heads, bias_rows, bias_heads;
    heed_rng rng;
    uint64_t drawn;
} problem;

static int64_t draw(problem *p, int64_t n) /* 1 .. n */
{
    return 1 + (int64_t)heed_rng_below(p->rng, p->drawn++, (uint64_t)n);
}

static void fill(problem *p, heed_real *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (heed_real)heed_rng_normal(p->rng, p->drawn++);
}

/* Sizes from 1 to those of `most` (d and e: so many units). */
static problem *random_problem(int number, problem most)
{
    static problem p;
    memset(&p, 0, sizeof p);
    p.rng = (heed_rng){ .seed = 77, .stream = (uint64_t)number };
    p.B = draw(&p, most.B), p.Tq = draw(&p, most.Tq), p.Tk = draw(&p, most.Tk);
    p.H = draw(&p, most.H), p.d = draw(&p, most.d), p.e = draw(&p, most.e);
    if (most.unit)
        p.d *= most.unit, p.e *= most.unit;
    p.projected = most.projected, p.threads = 1;
    if (p.projected)
        p.Tk = p.Tq, p.e = p.d;
    p.causal = draw(&p, 2) == 1, p.lengths = draw(&p, 2) == 1, p.allowed = draw(&p, 2) == 1;
    p.bias = draw(&p, 2) == 1, p.gates = draw(&p, 2) == 1, p.dropout = draw(&p, 3) == 1;
    assert_true(p.B * p.Tq * p.H * p.d <= ATTENTION_ROWS && p.B * p.Tk * p.H * p.d <= ATTENTION_ROWS);
    assert_true(p.B * p.Tk * p.H * p.e <= ATTENTION_ROWS && p.B * p.H * p.Tq * p.Tk <= ATTENTION_PAIRS);
    fill(&p, p.q, p.B * p.Tq * p.H * p.d);
    fill(&p, p.k, p.B * p.Tk * p.H * p.d);
    fill(&p, p.v, p.B * p.Tk * p.H * p.e);
    fill(&p, p.g, p.B * p.Tq * p.H * p.e);
    fill(&p, p.gate, p.H);
    for (int64_t b = 0; b < p.B; b++)
        p.length[b] = (int32_t)draw(&p, p.Tk + 1) - 1; /* 0 too: nothing to see at all */
    p.allowed_rows = draw(&p, 2) == 1 ? 1 : p.B, p.allowed_heads = draw(&p, 2) == 1 ? 1 : p.H;
    p.bias_rows = draw(&p, 2) == 1 ? 1 : p.B, p.bias_heads = draw(&p, 2) == 1 ? 1 : p.H;
    fill(&p, p.bias_at, p.bias_rows * p.bias_heads * p.Tq * p.Tk);
    for (int64_t i = 0; i < p.bias_rows * p.bias_heads * p.Tq * p.Tk; i++)
        if (draw(&p, 6) == 1)
            p.bias_at[i] = -(heed_real)INFINITY;
    for (int64_t i = 0; i < p.allowed_rows * p.allowed_heads * p.Tq * p.Tk; i++)
        p.allow[i] = draw(&p, 3) != 1;
    return &p;
}

/* May query i of row b and head h see key j? Written for reading, and for checking the two implementations. */
static bool sees(const problem *p, int64_t b, int64_t h, int64_t i, int64_t j)
{
    int64_t at = ((p->allowed_rows > 1 ? b : 0) * p->allowed_heads + (p->allowed_heads > 1 ? h : 0)) * p->Tq * p->Tk;
    int64_t bias_at = ((p->bias_rows > 1 ? b : 0) * p->bias_heads + (p->bias_heads > 1 ? h : 0)) * p->Tq * p->Tk;
    return !(p->causal && j > i + p->Tk - p->Tq) && !(p->lengths && j >= p->length[b]) &&
           !(p->allowed && !p->allow[at + i * p->Tk + j]) &&
           !(p->bias && p->bias_at[bias_at + i * p->Tk + j] == -(heed_real)INFINITY);
}

/* What one run gives. */
typedef struct {
    heed_tape *tape;
    heed_var *q, *k, *v, *bias, *gates, *out, *weights;
} result;

static heed_var *operand(const problem *p, heed_tape *tape, heed_shape shape, const heed_real *values)
{
    heed_shape row = shape, reverse = HEED_SHAPE(shape.dims[3], shape.dims[2], shape.dims[1], 1);
    row.dims[0] = 1;
    if (p->layout == PLAIN)
        return heed_leaf(tape, shape, values);
    if (p->layout == REPEATED)
        return heed_broadcast(heed_leaf(tape, row, values), shape);
    return heed_broadcast(heed_permute(heed_leaf(tape, reverse, values), (const int[]){ 3, 2, 1, 0 }), shape);
}

/* Three leaves, or views of one. */
static void operands(const problem *p, result *r)
{
    if (!p->projected) {
        r->q = operand(p, r->tape, HEED_SHAPE(p->B, p->Tq, p->H, p->d), p->q);
        r->k = operand(p, r->tape, HEED_SHAPE(p->B, p->Tk, p->H, p->d), p->k);
        r->v = operand(p, r->tape, HEED_SHAPE(p->B, p->Tk, p->H, p->e), p->v);
        return;
    }
    const heed_real *from[] = { p->q, p->k, p->v };
    int64_t n = p->H * p->d;
    heed_real *all = malloc((size_t)(p->B * p->Tq * 3 * n) * sizeof *all);
    for (int64_t at = 0; at < p->B * p->Tq * 3; at++)
        memcpy(all + at * n, from[at % 3] + at / 3 * n, (size_t)n * sizeof *all);
    heed_var *leaf = heed_leaf(r->tape, HEED_SHAPE(p->B, p->Tq, 3, p->H, p->d), all), **to[] = { &r->q, &r->k, &r->v };
    for (int i = 0; i < 3; i++)
        *to[i] = heed_reshape(heed_slice(leaf, 2, i, i + 1), HEED_SHAPE(p->B, p->Tq, p->H, p->d));
    free(all);
}

/* Masks, gates and dropout; the vars go to r. */
static heed_attend_desc desc_of(const problem *p, result *r)
{
    heed_attend_desc desc = { .mask = { .causal = p->causal }, .weights = &r->weights, .site = "attention" };
    if (p->lengths)
        desc.mask.key_lengths = heed_input_ids(r->tape, HEED_SHAPE(p->B), p->length);
    if (p->allowed)
        desc.mask.allowed =
            heed_input_ids(r->tape, HEED_SHAPE(p->allowed_rows, p->allowed_heads, p->Tq, p->Tk), p->allow);
    if (p->bias)
        desc.mask.bias = r->bias =
            operand(p, r->tape, HEED_SHAPE(p->bias_rows, p->bias_heads, p->Tq, p->Tk), p->bias_at);
    if (p->gates)
        desc.gates = r->gates = heed_leaf(r->tape, HEED_SHAPE(p->H), p->gate);
    if (p->gates && p->layout != PLAIN)
        desc.gates = r->gates = heed_broadcast(r->gates, HEED_SHAPE(p->B, p->H));
    desc.dropout = p->dropout ? 0.3 : 0;
    return desc;
}

/* Forward and backward. A dropout run trains; one tape a run. Views are used twice, so gradients meet others. */
static result run(problem *p, bool composed)
{
    result r = { .tape = heed_tape_new((heed_tape_desc){ .seed = 5, .threads = p->threads }) };
    heed_tape_place(r.tape, 3, 8);
    operands(p, &r);
    heed_attend_desc desc = desc_of(p, &r);
    r.out = composed ? heed_attend_composed(r.q, r.k, r.v, desc) : heed_attend(r.q, r.k, r.v, desc);
    if (p->layout != PLAIN)
        r.out =
            heed_add(r.out, composed ? heed_attend_composed(r.q, r.k, r.v, desc) : heed_attend(r.q, r.k, r.v, desc));
    check_no_error();
    assert_true(heed_backward_from(r.out, p->g));
    return r;
}

static void end(result *r)
{
    heed_tape_free(r->tape);
}

static heed_real element(heed_tensor t, int64_t number) /* row-major */
{
    int64_t index[HEED_MAX_RANK];
    for (int axis = t.shape.rank - 1; axis >= 0; axis--) {
        index[axis] = number % t.shape.dims[axis];
        number /= t.shape.dims[axis];
    }
    return *heed_tensor_at(t, index);
}

/* Bit for bit (NaN included). */
static void identical(heed_tensor a, heed_tensor b)
{
    assert_true(heed_shape_equal(a.shape, b.shape));
    for (int64_t i = 0; i < heed_tensor_numel(a); i++) {
        heed_real x = element(a, i), y = element(b, i);
        assert_memory_equal(&x, &y, sizeof x);
    }
}

/* tolerance 0: bit for bit */
static void same(heed_tensor a, heed_tensor b, double tolerance)
{
    assert_true(heed_tensor_ok(a) && heed_tensor_ok(b) && heed_shape_equal(a.shape, b.shape));
    if (tolerance == 0)
        identical(a, b);
    for (int64_t i = 0; tolerance > 0 && i < heed_tensor_numel(a); i++)
        check_close((double)element(a, i), (double)element(b, i), tolerance);
}

/* Outputs, weights and gradients. tolerance 0: bit for bit. */
static void same_results(const problem *p, const result *a, const result *b, double tolerance)
{
    heed_tensor of_a[] = { heed_value(a->out), heed_value(a->weights), heed_grad(a->q), heed_grad(a->k),
                           heed_grad(a->v) };
    heed_tensor of_b[] = { heed_value(b->out), heed_value(b->weights), heed_grad(b->q), heed_grad(b->k),
                           heed_grad(b->v) };
    for (int i = 0; i < 5; i++)
        same(of_a[i], of_b[i], tolerance);
    if (p->bias)
        same(heed_grad(a->bias), heed_grad(b->bias), tolerance);
    if (p->gates)
        same(heed_grad(a->gates), heed_grad(b->gates), tolerance);
}

#endif
