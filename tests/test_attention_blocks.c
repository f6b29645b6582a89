/* Attention in blocks: sizes beyond one block of queries and one vector of columns, against the composed version; and
 * what must stay bit for bit: any number of threads, padding, what is not seen. */
#include "attention.h"

static void test_sizes(void **state)
{
    (void)state;
    static const problem most[] = { { .B = 2, .Tq = 70, .Tk = 70, .H = 3, .d = 80, .e = 80 },
                                    { .B = 2, .Tq = 40, .Tk = 70, .H = 2, .d = 5, .e = 5, .unit = 16 },
                                    { .B = 1, .Tq = 150, .Tk = 150, .H = 2, .d = 40, .e = 40 } };
    for (int n = 0; n < 90; n++) {
        problem *p = random_problem(1000 + n, most[n % 3]);
        p->layout = (layout)(n / 3 % LAYOUTS);
        result fused = run(p, false), composed = run(p, true);
        same_results(p, &fused, &composed, 20 * CHECK_EPS);
        end(&fused);
        end(&composed);
    }
}

/* q, k and v as views of one projection: their gradients are written to a place that is new, or added to one that is not;
 * with rows of whole vectors and with others. */
static void test_projected(void **state)
{
    (void)state;
    static const problem most[] = {
        { .projected = true, .B = 2, .Tq = 80, .Tk = 1, .H = 3, .d = 4, .e = 1, .unit = 16 },
        { .projected = true, .B = 2, .Tq = 80, .Tk = 1, .H = 3, .d = 80, .e = 1 }
    };
    for (int n = 0; n < 60; n++) {
        problem *p = random_problem(2000 + n, most[n % 2]);
        p->layout = n % 4 < 2 ? PLAIN : REPEATED;
        p->bias &= n % 3 == 0, p->allowed &= n % 3 == 0;
        result fused = run(p, false), composed = run(p, true);
        same_results(p, &fused, &composed, 20 * CHECK_EPS);
        end(&fused);
        end(&composed);
    }
}

/* Shapes that are cut into parts: the same bits however many threads there are. */
static void test_threads(void **state)
{
    (void)state;
    static const problem most = { .B = 2, .Tq = 110, .Tk = 110, .H = 2, .d = 2, .e = 2, .unit = 16 };
    for (int n = 0; n < 30; n++) {
        problem *p = random_problem(3000 + n, most);
        p->projected = n % 3 == 0 && p->Tq == p->Tk && p->d == p->e;
        p->bias &= n % 2 == 0, p->gates &= n % 2 == 0, p->layout = (layout)(n % LAYOUTS);
        result one = run(p, false);
        for (p->threads = 2; p->threads < 5; p->threads++) {
            result more = run(p, false);
            same_results(p, &one, &more, 0);
            end(&more);
        }
        end(&one);
    }
}

/* Copies the first rows of a [B, from, width] into a [B, to, width]; the rest keeps what it holds. */
static void widen(heed_real *out, int64_t to, const heed_real *in, int64_t from, int64_t B, int64_t width)
{
    for (int64_t b = 0; b < B; b++)
        memcpy(out + b * to * width, in + b * from * width, (size_t)(from * width) * sizeof *out);
}

/* Self-attention over T tokens of which each row has key_lengths, and over more, filled with NaN: the same bits, dropout
 * included, causal or not, across the borders of blocks. The cotangent of the added queries is zero. */
static void test_padding(void **state)
{
    (void)state;
    static const problem most = { .B = 3, .Tq = 70, .Tk = 1, .H = 2, .d = 40, .e = 1, .projected = true };
    for (int n = 0; n < 40; n++) {
        problem *p = random_problem(4000 + n, most);
        static problem wide;
        int64_t width = p->H * p->d, more = p->Tq + 1 + n % 4 * 20;
        p->allowed = p->bias = false, p->lengths = true;
        for (int64_t b = 0; b < p->B; b++)
            p->length[b] = (int32_t)draw(p, p->Tk);
        wide = *p;
        wide.Tq = wide.Tk = more;
        heed_real *to[] = { wide.q, wide.k, wide.v, wide.g }, *from[] = { p->q, p->k, p->v, p->g };
        for (int i = 0; i < 4; i++) {
            for (int64_t at = 0; at < p->B * more * width; at++)
                to[i][at] = i == 0 ? 1 : i == 3 ? 0 : (heed_real)NAN;
            widen(to[i], more, from[i], p->Tq, p->B, width);
        }
        result before = run(p, false), after = run(&wide, false);
        identical(heed_value(before.out), heed_tensor_slice(heed_value(after.out), 1, 0, p->Tq));
        identical(heed_grad(before.q), heed_tensor_slice(heed_grad(after.q), 1, 0, p->Tq));
        identical(heed_grad(before.k), heed_tensor_slice(heed_grad(after.k), 1, 0, p->Tq));
        identical(heed_grad(before.v), heed_tensor_slice(heed_grad(after.v), 1, 0, p->Tq));
        end(&before);
        end(&after);
    }
}

/* Queries of a block see different keys, and one key holds NaN, and in some cases one query too: a query that does not see
 * that key has the bits it has without, in its output and gradient; and so has a key that no poisoned query sees. */
static void test_partly_seen(void **state)
{
    (void)state;
    static const problem most = { .B = 1, .Tq = 70, .Tk = 70, .H = 1, .d = 3, .e = 3, .unit = 8 };
    int64_t untouched = 0, poisoned = 0;
    for (int n = 0; n < 60; n++) {
        problem *p = random_problem(5000 + n, most);
        static problem bad;
        p->causal = n % 2, p->allowed = n % 3 > 0, p->bias &= n % 3 == 1;
        bad = *p;
        int64_t key = draw(p, p->Tk) - 1, query = n % 5 < 3 ? draw(p, p->Tq) - 1 : -1;
        for (int64_t c = 0; c < p->d; c++)
            bad.k[key * p->d + c] = (heed_real)(n % 4 < 2 ? NAN : INFINITY);
        for (int64_t c = 0; c < p->e; c++)
            bad.v[key * p->e + c] = (heed_real)NAN;
        for (int64_t c = 0; query >= 0 && c < p->d; c++)
            bad.q[query * p->d + c] = (heed_real)NAN;
        for (int64_t c = 0; query >= 0 && n % 2 && c < p->e; c++)
            bad.g[query * p->e + c] = (heed_real)NAN;
        result before = run(p, false), after = run(&bad, false);
        for (int64_t i = 0; i < p->Tq; i++) {
            bool clean = !sees(p, 0, 0, i, key) && i != query;
            untouched += clean, poisoned += !clean;
            if (!clean)
                continue;
            identical(heed_tensor_slice(heed_value(before.out), 1, i, i + 1),
                      heed_tensor_slice(heed_value(after.out), 1, i, i + 1));
            identical(heed_tensor_slice(heed_grad(before.q), 1, i, i + 1),
                      heed_tensor_slice(heed_grad(after.q), 1, i, i + 1));
        }
        for (int64_t j = 0; j < p->Tk; j++) {
            bool clean = true;
            for (int64_t i = 0; i < p->Tq; i++)
                clean &= !(sees(p, 0, 0, i, j) && (sees(p, 0, 0, i, key) || i == query));
            if (!clean)
                continue;
            identical(heed_tensor_slice(heed_grad(before.k), 1, j, j + 1),
                      heed_tensor_slice(heed_grad(after.k), 1, j, j + 1));
            identical(heed_tensor_slice(heed_grad(before.v), 1, j, j + 1),
                      heed_tensor_slice(heed_grad(after.v), 1, j, j + 1));
        }
        end(&before);
        end(&after);
    }
    assert_true(untouched > 300 && poisoned > 300);
}

/* Long rows take narrower blocks: a result must not show it. One query more or less, and Tk across the border. */
static void test_long(void **state)
{
    (void)state;
    static problem p, wide;
    p.B = p.H = 1, p.Tq = 40, p.Tk = 1000, p.d = p.e = 16, p.lengths = true, p.length[0] = 900, p.threads = 1;
    p.rng = (heed_rng){ .seed = 6 };
    fill(&p, p.q, p.Tq * p.d);
    fill(&p, p.k, p.Tk * p.d);
    fill(&p, p.v, p.Tk * p.e);
    fill(&p, p.g, p.Tq * p.e);
    result composed = run(&p, true), fused = run(&p, false);
    same_results(&p, &fused, &composed, 20 * CHECK_EPS);
    wide = p;
    for (int n = 0; n < 2; n++) {
        wide.Tk = n ? 2200 : 1100;
        result more = run(&wide, false);
        identical(heed_value(fused.out), heed_value(more.out));
        identical(heed_grad(fused.q), heed_grad(more.q));
        identical(heed_grad(fused.k), heed_tensor_slice(heed_grad(more.k), 1, 0, p.Tk));
        identical(heed_grad(fused.v), heed_tensor_slice(heed_grad(more.v), 1, 0, p.Tk));
        end(&more);
    }
    end(&fused);
    end(&composed);
}

/* One query a row with its keys as a cache holds them, [B, H, d, Tk], takes a way of its own: the same bits, weights
 * included, with every mask, over several stretches, on any number of threads; NaN where nobody looks. */
static void test_step(void **state)
{
    (void)state;
    static const problem most = { .B = 2, .Tq = 1, .Tk = 160, .H = 3, .d = 40, .e = 40 };
    for (int n = 0; n < 100; n++) {
        problem *p = random_problem(6000 + n, most);
        p->threads = 1 + n % 3, p->dropout = false;
        static heed_real turned[ATTENTION_ROWS];
        for (int64_t b = 0; b < p->B; b++)
            for (int64_t j = 0; j < p->Tk; j++)
                for (int64_t h = 0; h < p->H; h++)
                    for (int64_t c = 0; c < p->d; c++)
                        turned[((b * p->H + h) * p->d + c) * p->Tk + j] =
                            p->lengths && j >= p->length[b] ? (heed_real)NAN
                                                            : p->k[((b * p->Tk + j) * p->H + h) * p->d + c];
        result whole = run(p, false), step = { .tape = heed_tape_new((heed_tape_desc){ .threads = p->threads }) };
        heed_tape_set_grad(step.tape, false);
        operands(p, &step);
        heed_var *keys = heed_input(step.tape, HEED_SHAPE(p->B, p->H, p->d, p->Tk), turned);
        heed_attend_desc desc = desc_of(p, &step);
        step.out = heed_attend(step.q, heed_permute(keys, (const int[]){ 0, 3, 1, 2 }), step.v, desc);
        check_no_error();
        identical(heed_value(whole.out), heed_value(step.out));
        identical(heed_value(whole.weights), heed_value(step.weights));
        end(&whole);
        end(&step);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_projected),   cmocka_unit_test(test_threads),
        cmocka_unit_test(test_padding), cmocka_unit_test(test_partly_seen), cmocka_unit_test(test_long),
        cmocka_unit_test(test_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
