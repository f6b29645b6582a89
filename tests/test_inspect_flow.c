/* What moves through attention: the residual stream a recorder sees, and rollout against a second implementation, written
 * from its definition as a walk from the top down, on random Transformers. */
#include "inspected.h"

#include "../src/inspect/internal.h"

enum { MODELS = 40 };

typedef struct {
    model a;
    heed_arena *arena;
    heed_recorder *recorder;
    batch b;
    int64_t row, S, T;
    heed_record r;
} seen;

static void take(seen *s, int64_t row, int64_t S, int64_t T)
{
    if (!heed_recorder_take(s->recorder, s->arena, row, S, T, &s->r))
        fail_msg("%s", heed_error());
}

/* One row of a padded batch, recorded. */
static void see(seen *s, uint64_t seed, heed_recorder_desc wanted)
{
    draws d = draws_of(seed);
    *s = (seen){ .a = model_new(draw_desc(&d), seed), .arena = heed_arena_new() };
    s->b = draw_batch(&d);
    s->row = draw_int(&d, 0, s->b.B - 1);
    s->S = s->b.lengths[s->row];
    s->T = draw_int(&d, 1, s->b.T);
    s->recorder = heed_recorder_new(&s->a.m, wanted);
    heed_tape_set_eval(s->a.tape, true);
    assert_non_null(logits_of(&s->a, &s->b, heed_recorder_trace(s->recorder)));
    take(s, s->row, s->S, s->T);
}

static void seen_free(seen *s)
{
    heed_recorder_free(s->recorder);
    heed_arena_free(s->arena);
    model_free(&s->a);
}

/* ---- the residual stream --------------------------------------------------------------------------------------------- */

/* y = W x + b, row `first` of W on, [n] */
static void times(const heed_param *weight, const heed_param *bias, int64_t first, const double *x, double *y,
                  int64_t n)
{
    const heed_real *rows = heed_param_value(weight).data, *b = heed_param_value(bias).data;
    for (int64_t i = first; i < first + n; i++) {
        y[i - first] = (double)b[i];
        for (int64_t k = 0; k < n; k++)
            y[i - first] += (double)rows[i * n + k] * x[k];
    }
}

static void normed(const heed_norm *m, double *x, int64_t n)
{
    const heed_real *scale = heed_param_value(m->weight).data, *b = heed_param_value(m->bias).data;
    double mean = 0, var = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)scale[i] * (x[i] - mean) / sqrt(var + 1e-5) + (double)b[i];
}

/* The queries of attention are made of the residual, and what the heads say makes what joins it. */
static void streams_are_what_goes_in_and_comes_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= MODELS; seed++) {
        seen s;
        see(&s, seed, (heed_recorder_desc){ .parts = true, .shares = true });
        heed_trace *trace = heed_recorder_trace(s.recorder);
        int64_t d = s.r.d, D = s.r.heads * d;
        for (int type = 0; type < 3; type++)
            for (int64_t l = 0; l < s.r.layers[type]; l++)
                for (int64_t i = 0; i < record_queries(&s.r, type); i++) {
                    double x[32], q[32], said[32] = { 0 }, joins[32], into = 0, out = 0;
                    const heed_attention *attention = attention_of(&s.a.m, type, l);
                    heed_tensor stream = heed_value(trace->streams[type][2 * l]);
                    heed_tensor added = heed_value(trace->streams[type][2 * l + 1]);
                    int64_t at = (s.row * stream.shape.dims[1] + i) * D;
                    for (int64_t k = 0; k < D; k++) {
                        x[k] = (double)stream.data[at + k];
                        into += x[k] * x[k];
                    }
                    for (int64_t h = 0; h < s.r.heads; h++)
                        record_say(&s.r, type, l * s.r.heads + h, i, said + h * d);
                    times(attention->out.weight, attention->out.bias, 0, said, joins, D);
                    for (int64_t k = 0; k < D; k++) {
                        check_close(added.data[at + k], joins[k], 100 * CHECK_EPS);
                        out += joins[k] * joins[k];
                    }
                    check_close((heed_real)s.r.share[type][l * record_queries(&s.r, type) + i],
                                sqrt(out) / (sqrt(out) + sqrt(into)), 100 * CHECK_EPS);
                    const heed_norm *norm = type == HEED_ENC   ? &s.a.m.encoder.layers[l].norm1
                                            : type == HEED_DEC ? &s.a.m.decoder.layers[l].norm1
                                                               : &s.a.m.decoder.layers[l].norm2;
                    if (s.a.m.desc.layer.pre_norm)
                        normed(norm, x, D);
                    times(attention->in_weight, attention->in_bias, 0, x, q, D);
                    for (int64_t k = 0; k < D; k++)
                        check_close(s.r.q[type][((l * s.r.heads + k / d) * record_queries(&s.r, type) + i) * d + k % d],
                                    q[k], 100 * CHECK_EPS);
                }
        seen_free(&s);
    }
}

/* ---- rollout ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    const heed_record *r;
    bool uniform;
} walk;

static double mean_weight(walk down, int type, int64_t l, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t h = 0; h < down.r->heads; h++)
        sum += (double)record_row(down.r, type, l * down.r->heads + h, i)[j] / (double)down.r->heads;
    if (down.uniform && type == HEED_DEC)
        return j <= i ? 1 / (double)(i + 1) : 0;
    return down.uniform ? 1 / (double)record_keys(down.r, type) : sum;
}

static double through(walk down, int type, int64_t l, int64_t i)
{
    return down.r->share[type] ? down.r->share[type][l * record_queries(down.r, type) + i] : 0.5;
}

/* What of source token j is in token i above l layers of the encoder. */
static double in_encoder(walk down, int64_t l, int64_t i, int64_t j)
{
    if (l == 0)
        return i == j;
    double a = through(down, HEED_ENC, l - 1, i), sum = (1 - a) * in_encoder(down, l - 1, i, j);
    for (int64_t k = 0; k < down.r->S; k++)
        sum += a * mean_weight(down, HEED_ENC, l - 1, i, k) * in_encoder(down, l - 1, k, j);
    return sum;
}

/* What of source token j, or of decoder input j, is in input i above l layers of the decoder. */
static double in_decoder(walk down, int64_t l, int64_t i, int64_t j, bool source)
{
    if (l == 0)
        return !source && i == j;
    double own = through(down, HEED_DEC, l - 1, i), other = through(down, HEED_CROSS, l - 1, i);
    double sum = (1 - other) * (1 - own) * in_decoder(down, l - 1, i, j, source);
    for (int64_t k = 0; k <= i; k++)
        sum += (1 - other) * own * mean_weight(down, HEED_DEC, l - 1, i, k) * in_decoder(down, l - 1, k, j, source);
    for (int64_t k = 0; source && k < down.r->S; k++)
        sum += other * mean_weight(down, HEED_CROSS, l - 1, i, k) * in_encoder(down, down.r->layers[HEED_ENC], k, j);
    return sum;
}

static void check_rollout(const seen *s, bool uniform)
{
    walk down = { &s->r, uniform };
    double *out[3];
    assert_true(rollout(s->arena, &s->r, uniform, out));
    for (int64_t i = 0; i < s->S; i++)
        for (int64_t j = 0; j < s->S; j++)
            assert_true(fabs(out[HEED_ENC][i * s->S + j] - in_encoder(down, s->r.layers[HEED_ENC], i, j)) < 1e-9);
    for (int64_t i = 0; i < s->T; i++) {
        double own = 0, source = 0;
        for (int64_t j = 0; j < s->T; j++) {
            double is = out[HEED_DEC][i * s->T + j];
            assert_true(fabs(is - in_decoder(down, s->r.layers[HEED_DEC], i, j, false)) < 1e-9);
            assert_true(j <= i || is == 0);
            own += is;
        }
        for (int64_t j = 0; j < s->S; j++) {
            double is = out[HEED_CROSS][i * s->S + j];
            assert_true(fabs(is - in_decoder(down, s->r.layers[HEED_DEC], i, j, true)) < 1e-9);
            source += is;
        }
        assert_true(fabs(own + source - 1) < 1e-6); /* as rows of float weights do */
        if (!s->r.share[HEED_CROSS])
            assert_true(fabs(source - (1 - pow(0.5, (double)s->r.layers[HEED_DEC]))) < 1e-6);
    }
}

static void rollout_is_a_walk_from_the_top(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= MODELS; seed++)
        for (int what = 0; what < 4; what++) {
            seen s;
            see(&s, seed, (heed_recorder_desc){ .shares = what / 2 });
            assert_true(!s.r.share[HEED_CROSS] == !(what / 2) && !s.r.q[HEED_ENC]);
            check_rollout(&s, what % 2);
            seen_free(&s);
        }
}

/* What is shown of it: shares of each row, and how the decoder's own part differs from uniform attention. */
static void check_shown(const heed_inspection *x, const seen *s, int at)
{
    double *flow[3], *even[3];
    int found = 0;
    assert_true(rollout(s->arena, &s->r, false, flow) && rollout(s->arena, &s->r, true, even));
    for (int k = 0; k < x->blocks_count; k++) {
        const block *b = &x->blocks[k];
        bool relative = strcmp(b->kind, "relative") == 0;
        if (strcmp(b->sentence, w.sentences[at].id) != 0 || (!relative && strcmp(b->kind, "rollout") != 0))
            continue;
        int64_t keys = record_keys(&s->r, b->type), n = record_queries(&s->r, b->type) * keys;
        for (int64_t i = 0; i < n; i++) {
            double all = 0, is = flow[b->type][i];
            for (int64_t j = 0; j < keys; j++)
                all += flow[b->type][i / keys * keys + j];
            if (relative && i % keys > i / keys)
                assert_true(isnan(b->data[i]));
            else
                check_close(b->data[i], relative ? log2(is / even[b->type][i]) : is / all, 10 * CHECK_EPS);
        }
        found++;
    }
    assert_int_equal(found, 4);
}

static void what_is_shown_is_rollout(void **state)
{
    (void)state;
    for (int measured_rollout = 0; measured_rollout < 2; measured_rollout++) {
        heed_inspect_desc desc = inspect_desc(&w.a, w.sentences, 4);
        desc.shown = w.sentences;
        desc.shown_count = 3;
        desc.measured_rollout = measured_rollout;
        heed_inspection *x = heed_inspect(desc);
        assert_non_null(x);
        for (int i = 0; i < 3; i++) {
            seen s = { .arena = w.arena, .r = x->shown[i] };
            assert_true(!s.r.share[HEED_ENC] == !measured_rollout);
            check_shown(x, &s, i);
        }
        heed_inspection_free(x);
    }
}

/* Where neither has a length nobody can say; the share is one half, not NaN. */
static void nothing_added_to_nothing_counts_half(void **state)
{
    (void)state;
    heed_real zeros[6] = { 0 }, ones[6] = { 1, 1, 1, 1, 1, 1 };
    seen s;
    see(&s, 3, (heed_recorder_desc){ .shares = true });
    heed_var **stream = heed_recorder_trace(s.recorder)->streams[HEED_ENC];
    heed_var *nothing = heed_input(s.a.tape, HEED_SHAPE(1, 2, 3), zeros);
    heed_var *something = heed_input(s.a.tape, HEED_SHAPE(1, 2, 3), ones);
    heed_var *const pairs[][2] = { { nothing, nothing }, { nothing, something }, { something, nothing } };
    static const double share[] = { 0.5, 1, 0 };
    for (int i = 0; i < 3; i++) {
        memcpy(stream, pairs[i], sizeof pairs[i]);
        take(&s, 0, 1, 1);
        assert_true(s.r.share[HEED_ENC][0] == share[i]);
    }
    seen_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_what_goes_in_and_comes_out),
        cmocka_unit_test(rollout_is_a_walk_from_the_top),
        cmocka_unit_test_setup_teardown(what_is_shown_is_rollout, set_up, tear_down),
        cmocka_unit_test(nothing_added_to_nothing_counts_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
