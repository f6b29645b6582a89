/* How alike heads are, and whether weights say what a prediction rests on, against a second implementation on the attention
 * of a random Transformer over random sentences. */
#include "inspected.h"

#include "../src/inspect/internal.h"

/* ---- similarity ------------------------------------------------------------------------------------------------------ */

static double bits(double p)
{
    return p > 0 ? -p * log2(p) : 0;
}

/* The entropy of the mean less the mean entropy, over all rows with a choice of the sentences that are not fitted on. */
static double distance(heed_attention_type type, int64_t a, int64_t b)
{
    double sum = 0, rows = 0;
    for (int s = 0; s < SENTENCES; s += 2) {
        matrix one = matrix_of(s, (heed_head){ type, (int)a / 2, (int)a % 2 });
        matrix other = matrix_of(s, (heed_head){ type, (int)b / 2, (int)b % 2 });
        for (int64_t i = 0; i < one.rows; i++) {
            rows += keys_of(&one, false, i) > 1;
            for (int64_t j = 0; j < one.keys && keys_of(&one, false, i) > 1; j++) {
                double x = weight(&one, i, j), y = weight(&other, i, j);
                sum += bits((x + y) / 2) - (bits(x) + bits(y)) / 2;
            }
        }
    }
    return sum / rows;
}

/* 1 - cosine of what two heads of a layer say, over all rows. */
static double disagreement(heed_attention_type type, int64_t layer)
{
    double sum = 0, rows = 0;
    for (int s = 0; s < SENTENCES; s += 2) {
        const heed_record *r = &w.records[s];
        matrix m = matrix_of(s, (heed_head){ type, (int)layer, 0 });
        for (int64_t i = 0; i < m.rows; i++, rows++) {
            double xy = 0, xx = 0, yy = 0;
            for (int64_t k = 0; k < r->d; k++) {
                double said[2] = { 0 };
                for (int64_t h = 0; h < 2; h++)
                    for (int64_t j = 0; j < m.keys; j++)
                        said[h] += (double)r->weights[type][((layer * 2 + h) * m.rows + i) * m.keys + j] *
                                   (double)r->v[type][((layer * 2 + h) * m.keys + j) * r->d + k];
                xy += said[0] * said[1];
                xx += said[0] * said[0];
                yy += said[1] * said[1];
            }
            sum += 1 - xy / sqrt(xx) / sqrt(yy);
        }
    }
    return sum / rows;
}

static void heads_differ_by_definition(void **state)
{
    (void)state;
    for (int type = 0; type < 3; type++) {
        const similarity *is = &w.x->similarity[type];
        heed_attention_type of = (heed_attention_type)type;
        for (int64_t a = 0; a < 4; a++)
            for (int64_t b = 0; b < 4; b++) {
                assert_true(fabs(is->jsd[a * 4 + b] - distance(of, a, b)) < 1e-9);
                assert_true(is->jsd[a * 4 + b] == is->jsd[b * 4 + a] && is->jsd[a * 4 + b] <= 1);
                assert_true(a != b || is->jsd[a * 4 + b] == 0);
            }
        for (int64_t layer = 0; layer < 2; layer++) {
            assert_true(fabs(is->diversity[layer] - distance(of, 2 * layer, 2 * layer + 1)) < 1e-9);
            assert_true(fabs(is->disagreement[layer] - disagreement(of, layer)) < 1e-9);
        }
    }
}

/* B = -1/2 J D^2 J of the distances, by its definition. */
static void centred(const double *distances, double b[16])
{
    double half[16] = { 0 };
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 4; k++)
            half[i] += ((i / 4 == k) - 0.25) * distances[k * 4 + i % 4] * distances[k * 4 + i % 4];
    for (int i = 0; i < 16; i++) {
        b[i] = 0;
        for (int k = 0; k < 4; k++)
            b[i] -= half[i / 4 * 4 + k] * ((k == i % 4) - 0.25) / 2;
    }
}

/* The plane is that of the two largest eigenvectors of B: no direction has more of it, none across the first more than the
 * second. */
static void the_map_holds_most_of_the_distances(void **state)
{
    (void)state;
    draws d = draws_of(5);
    for (int type = 0; type < 3; type++) {
        const double *map = w.x->similarity[type].map;
        double b[16], value[2] = { 0 }, across = 0;
        centred(w.x->similarity[type].jsd, b);
        for (int i = 0; i < 4; i++) {
            value[0] += map[2 * i] * map[2 * i];
            value[1] += map[2 * i + 1] * map[2 * i + 1];
            across += map[2 * i] * map[2 * i + 1];
        }
        assert_true(value[0] >= value[1] && value[1] > 0 && fabs(across) < 1e-9 * value[0]);
        for (int axis = 0; axis < 2; axis++)
            for (int i = 0; i < 4; i++) {
                double is = 0;
                for (int j = 0; j < 4; j++)
                    is += b[i * 4 + j] * map[2 * j + axis];
                assert_true(fabs(is - value[axis] * map[2 * i + axis]) < 1e-6 * sqrt(value[0]) * value[0]);
            }
        for (int turn = 0; turn < 1000; turn++) {
            double v[4], along = 0, size = 0, all = 0;
            for (int i = 0; i < 4; i++) {
                v[i] = draw_normal(&d);
                along += v[i] * map[2 * i] / value[0];
            }
            for (int i = 0; i < 4; i++)
                v[i] -= turn % 2 ? along * map[2 * i] : 0;
            for (int i = 0; i < 16; i++)
                all += v[i / 4] * b[i] * v[i % 4];
            for (int i = 0; i < 4; i++)
                size += v[i] * v[i];
            assert_true(all <= value[turn % 2] * size * (1 + 1e-6));
        }
    }
}

/* ---- faithfulness ------------------------------------------------------------------------------------------------------ */

/* log p of what row i should say, source token j (-1: none) being <pad>. */
static void log_p_without(model *of, const heed_sentence *s, int64_t j, double *out)
{
    int32_t src[LONGEST];
    memcpy(src, s->src.ids, (size_t)s->src.count * sizeof *src);
    if (j >= 0)
        src[j] = 0;
    heed_tape_reset(of->tape);
    heed_ids *source = heed_input_ids(of->tape, HEED_SHAPE(1, s->src.count), src);
    heed_ids *target = heed_input_ids(of->tape, HEED_SHAPE(1, s->tgt.count), s->tgt.ids);
    heed_var *memory = heed_transformer_encode(&of->m, source, NULL, NULL);
    heed_tensor logits = heed_value(heed_transformer_decode(&of->m, target, memory, NULL, NULL, NULL));
    assert_true(heed_tensor_ok(logits));
    for (int64_t i = 0; i < s->tgt.count; i++) {
        double all = 0;
        int64_t next = i + 1 < s->tgt.count ? s->tgt.ids[i + 1] : 2;
        for (int64_t k = 0; k < 8; k++)
            all += exp((double)logits.data[i * 8 + k]);
        out[i] = (double)logits.data[i * 8 + next] - log(all);
    }
}

/* Kendall's tau-b: concordant less discordant pairs over the roots of those untied on each side. False: all tied. */
static bool tau_by_pairs(const double *a, const double *b, int64_t n, double *tau)
{
    double concordant = 0, discordant = 0, tied_a = 0, tied_b = 0, pairs = (double)(n * (n - 1)) / 2;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) {
            double product = (a[i] - a[j]) * (b[i] - b[j]);
            concordant += product > 0;
            discordant += product < 0;
            tied_a += a[i] == a[j];
            tied_b += b[i] == b[j];
        }
    *tau = (concordant - discordant) / sqrt((pairs - tied_a) * (pairs - tied_b));
    return tied_a < pairs && tied_b < pairs;
}

static void ties_count_on_their_own_side(void **state)
{
    (void)state;
    draws d = draws_of(9);
    int none = 0;
    for (int turn = 0; turn < 500; turn++) {
        double a[6], b[6], want;
        int64_t n = draw_int(&d, 2, 6);
        for (int64_t i = 0; i < n; i++) {
            a[i] = (double)draw_int(&d, 0, 3);
            b[i] = (double)draw_int(&d, 0, 3);
        }
        bool any = tau_by_pairs(a, b, n, &want);
        none += !any;
        assert_true(any ? fabs(tau_b(a, b, n) - want) < 1e-12 : isnan(tau_b(a, b, n)));
    }
    assert_true(none > 10);
}

static void weights_are_ranked_beside_what_words_are_worth(void **state)
{
    (void)state;
    if (sizeof(heed_real) == sizeof(float))
        skip(); /* what almost ties falls either way */
    heed_transformer_desc desc = TINY;
    desc.has_padding = true;
    model mean = model_new(desc, 7); /* as w.a, with the mean word for <pad> */
    heed_tensor words = heed_param_value(mean.m.src_embed.weight);
    heed_tape_set_grad(mean.tape, false);
    for (int64_t k = 0; k < 8; k++) {
        words.data[k] = 0;
        for (int64_t i = 1; i < 9; i++)
            words.data[k] += words.data[i * 8 + k] / 8;
    }
    heed_params_changed(mean.params);
    double sums[4] = { 0 };
    int64_t rows[4] = { 0 };
    for (int s = 0; s < SENTENCES; s += 2) {
        double whole[LONGEST], without[LONGEST][LONGEST];
        const heed_sentence *sentence = &w.sentences[s];
        log_p_without(&mean, sentence, -1, whole);
        for (int64_t j = 0; j < sentence->src.count; j++)
            log_p_without(&mean, sentence, j, without[j]);
        for (int head = 0; head < 4; head++) {
            matrix m = matrix_of(s, (heed_head){ HEED_CROSS, head / 2, head % 2 });
            for (int64_t i = 0; i < m.rows; i++) {
                double a[LONGEST], drop[LONGEST], tau;
                int64_t n = 0;
                for (int64_t j = 0; j < m.keys; j++)
                    if (entry(&m, true, i, j, &a[n]))
                        drop[n++] = whole[i] - without[j][i];
                if (counts(&m, true, i) && n > 1 && tau_by_pairs(a, drop, n, &tau)) {
                    sums[head] += tau;
                    rows[head]++;
                }
            }
        }
    }
    for (int head = 0; head < 4; head++) {
        heed_head h = { HEED_CROSS, head / 2, head % 2 };
        heed_measure got = measured((heed_measure_name){ .id = "tau", .variant = "content" }, h);
        assert_int_equal(got.n, rows[head]);
        check_measure(got.value, sums[head] / (double)rows[head], "tau", h);
    }
    model_free(&mean);
}

/* ---- the band around the diagonal -------------------------------------------------------------------------------------- */

static void bands_by_definition(void **state)
{
    (void)state;
    for (int head = 0; head < 4; head++) {
        heed_head h = { HEED_CROSS, head / 2, head % 2 };
        double sum = 0, all = 0;
        for (int s = 0; s < SENTENCES; s += 2) {
            matrix m = matrix_of(s, h);
            int64_t S = 0, T = 0, row = 0;
            for (int64_t j = 0; j < m.keys; j++)
                S += !special(m.key, j);
            for (int64_t i = 0; i < m.rows; i++)
                T += counts(&m, true, i);
            for (int64_t i = 0; i < m.rows; i++) {
                if (!counts(&m, true, i))
                    continue;
                double a, y = T > 1 ? (double)row / (double)(T - 1) : 0;
                int64_t key = 0;
                for (int64_t j = 0; j < m.keys; j++)
                    if (entry(&m, true, i, j, &a)) {
                        double x = S > 1 ? (double)key / (double)(S - 1) : 0;
                        sum += fabs(x - y) <= 1.5 / fmax((double)S, (double)T) ? a : 0;
                        key++;
                    }
                row++;
                all++;
            }
        }
        check_measure(value_of("band_mass", "content", h), sum / all, "band_mass", h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_differ_by_definition),
        cmocka_unit_test(the_map_holds_most_of_the_distances),
        cmocka_unit_test(ties_count_on_their_own_side),
        cmocka_unit_test(weights_are_ranked_beside_what_words_are_worth),
        cmocka_unit_test(bands_by_definition),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
