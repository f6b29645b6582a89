/* Measures against a second implementation, written from their definitions, on the attention of a random Transformer over
 * random sentences: rows, positions, changes, gradients. */
#include "inspected.h"

/* A measure of one row: false if the row does not count. */
typedef bool row_fn(const matrix *m, bool content, int64_t i, int offset, double *value, double *by);

static bool entropy(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)offset, (void)by;
    double a;
    int64_t n = keys_of(m, content, i);
    *value = 0;
    for (int64_t j = 0; j < m->keys; j++)
        if (entry(m, content, i, j, &a) && a > 0)
            *value -= a * log(a) / log((double)n);
    return n > 1;
}

static bool effective(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    int64_t n = keys_of(m, content, i);
    bool fine = entropy(m, content, i, offset, value, by);
    *value = exp(*value * log((double)n));
    return fine;
}

static bool confidence(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)offset, (void)by;
    *value = weight(m, i, largest(m, content, i, -1)); /* not renormalised */
    return keys_of(m, content, i) > 1;
}

static bool uniformity(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)offset, (void)by;
    double a, n = (double)keys_of(m, content, i);
    *value = 0;
    for (int64_t j = 0; j < m->keys; j++)
        *value += entry(m, content, i, j, &a) ? fabs(a - 1 / n) / 2 : 0;
    return n > 1;
}

static bool distance(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)offset, (void)by;
    double a;
    *value = 0;
    for (int64_t j = 0; j < m->keys; j++)
        *value += entry(m, content, i, j, &a) ? a * fabs((double)(j - i)) : 0;
    return keys_of(m, content, i) > 1;
}

static bool offset_mass(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)by;
    int64_t j = i + offset;
    return keys_of(m, content, i) > 1 && j >= 0 && j < m->keys && entry(m, content, i, j, value);
}

static bool offset_lift(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    *by = 1 / (double)keys_of(m, content, i);
    return offset_mass(m, content, i, offset, value, by);
}

static bool offset_argmax(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    bool fine = offset_mass(m, content, i, offset, value, by);
    *value = largest(m, content, i, -1) == i + offset;
    return fine;
}

static bool duplicate_mass(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)offset, (void)by;
    bool any = false;
    double a;
    *value = 0;
    for (int64_t j = 0; j < m->keys; j++)
        if (j != i && entry(m, content, i, j, &a) && m->key->ids[j] == m->query->ids[i])
            any = true, *value += a;
    return any;
}

static bool first_mass(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)offset, (void)by;
    for (int64_t j = 0; j < m->keys; j++)
        if (entry(m, content, i, j, value))
            return true;
    return false;
}

static bool punctuation(const matrix *m, bool content, int64_t i, int offset, double *value, double *by)
{
    (void)content, (void)offset, (void)by;
    *value = 0;
    for (int64_t j = 0; j < m->keys; j++)
        *value += m->key->flags[j] == HEED_TOKEN_PUNCTUATION ? weight(m, i, j) : 0;
    return true;
}

static void check_rows(const char *id, row_fn *fn, int offset, bool with_cross, int variants)
{
    for (int h = 0; h < (with_cross ? 12 : 8); h++)
        for (int content = 0; content < variants; content++) {
            heed_head head = { (heed_attention_type)(h / 4), h / 2 % 2, h % 2 };
            double sum = 0, by = 0;
            int64_t n = 0, sentences = 0;
            for (int s = 0; s < SENTENCES; s += 2) { /* the others are for fitting */
                matrix m = matrix_of(s, head);
                int64_t before = n;
                for (int64_t i = 0; i < m.rows; i++) {
                    double value = 0, one = 1;
                    if (!counts(&m, content, i) || !fn(&m, content, i, offset, &value, &one))
                        continue;
                    sum += value;
                    by += one;
                    n++;
                }
                sentences += n > before;
            }
            heed_measure got = measured((heed_measure_name){ id, content ? "content" : "raw", .offset = offset }, head);
            check_measure(got.value, sum / by, id, head);
            assert_int_equal(got.n, n);
            assert_int_equal(got.sentences, sentences);
            assert_true(got.lo <= got.value && got.value <= got.hi);
        }
}

static void rows_by_definition(void **state)
{
    (void)state;
    check_rows("entropy", entropy, 0, true, 2);
    check_rows("effective_keys", effective, 0, true, 2);
    check_rows("confidence", confidence, 0, true, 2);
    check_rows("uniformity", uniformity, 0, true, 2);
    check_rows("first_mass", first_mass, 0, true, 2);
    check_rows("punctuation_mass", punctuation, 0, true, 1);
    check_rows("distance", distance, 0, false, 2);
    check_rows("duplicate_mass", duplicate_mass, 0, false, 2);
    for (int k = -3; k <= 0; k++) {
        check_rows("offset_mass", offset_mass, k, false, 2);
        check_rows("offset_lift", offset_lift, k, false, 2);
        check_rows("offset_argmax", offset_argmax, k, false, 2);
    }
}

/* ---- position ---------------------------------------------------------------------------------------------------- */

static int64_t cell_of(const matrix *m, bool classes, int64_t i, int64_t j)
{
    if (classes)
        return (m->query->classes[i] + 1) * 10 + m->key->classes[j] + 1;
    double along = m->rows > 1 ? (double)i * (double)(m->keys - 1) / (double)(m->rows - 1) : 0;
    return j - (m->head.type == HEED_CROSS ? (int64_t)floor(along + 0.5) : i) + 50;
}

static double explained(heed_head head, bool content, bool classes)
{
    double sums[100] = { 0 }, seen[100] = { 0 }, by_template = 0, by_uniform = 0, a;
    for (int s = 0; s < SENTENCES; s++) {
        matrix m = matrix_of(s, head);
        for (int64_t i = 0; i < m.rows; i++) {
            double all = 0, n = (double)keys_of(&m, content, i);
            if (!counts(&m, content, i) || n < 2)
                continue;
            for (int64_t j = 0; j < m.keys; j++) {
                if (!entry(&m, content, i, j, &a))
                    continue;
                int64_t cell = cell_of(&m, classes, i, j);
                sums[cell] += s % 2 ? a : 0;
                seen[cell] += s % 2;
            }
            (void)all;
        }
    }
    for (int s = 0; s < SENTENCES; s += 2) {
        matrix m = matrix_of(s, head);
        for (int64_t i = 0; i < m.rows; i++) {
            double all = 0, n = (double)keys_of(&m, content, i), t[LONGEST] = { 0 };
            if (!counts(&m, content, i) || n < 2)
                continue;
            for (int64_t j = 0; j < m.keys; j++)
                if (entry(&m, content, i, j, &a)) {
                    int64_t cell = cell_of(&m, classes, i, j);
                    t[j] = (seen[cell] > 0 ? sums[cell] / seen[cell] : 0) + 1e-6;
                    all += t[j];
                }
            for (int64_t j = 0; j < m.keys; j++)
                if (entry(&m, content, i, j, &a)) {
                    a = (a + 1e-6) / (1 + n * 1e-6);
                    by_template += a * log(a / (t[j] / all));
                    by_uniform += a * log(a / (1 / n));
                }
        }
    }
    return 1 - by_template / by_uniform;
}

static void position_and_classes_by_definition(void **state)
{
    (void)state;
    for (int h = 0; h < 12; h++)
        for (int content = 0; content < 2; content++) {
            heed_head head = { (heed_attention_type)(h / 4), h / 2 % 2, h % 2 };
            const char *variant = content ? "content" : "raw";
            double pos = explained(head, content, false), tag = explained(head, content, true);
            double clipped[] = { pos > 0 ? pos : 0, tag > 0 ? tag : 0 };
            check_measure(value_of("pos_r_unclipped", variant, head), pos, "PosR", head);
            check_measure(value_of("pos_r", variant, head), clipped[0], "PosR", head);
            check_measure(value_of("tag_r_unclipped", variant, head), tag, "TagR", head);
            check_measure(value_of("res_r", variant, head), 1 - fmax(clipped[0], clipped[1]), "ResR", head);
        }
}

/* ---- changes, gradients, intervals --------------------------------------------------------------------------------- */

static void shifted_positions_by_definition(void **state)
{
    (void)state;
    double sums[12] = { 0 }, n[12] = { 0 };
    for (int s = 0; s < SENTENCES; s += 2) {
        heed_record other = record_of(&w.sentences[s], w.sentences[s].src.ids, 1 + s / 2 % 3);
        for (int h = 0; h < 12; h++) {
            matrix m = matrix_of(s, (heed_head){ (heed_attention_type)(h / 4), h / 2 % 2, h % 2 }), shifted = m;
            shifted.r = &other;
            for (int64_t i = 0; i < m.rows; i++) {
                double kl = 0;
                for (int64_t j = 0; j < m.keys; j++) {
                    double a = weight(&m, i, j), b = weight(&shifted, i, j);
                    kl += a > 0 ? a * log(2 * a / (a + b)) / 2 : 0;
                    kl += b > 0 ? b * log(2 * b / (a + b)) / 2 : 0;
                }
                if (keys_of(&m, false, i) > 1)
                    sums[h] += kl / log(2), n[h]++;
            }
        }
    }
    for (int h = 0; h < 12; h++) {
        heed_head head = { (heed_attention_type)(h / 4), h / 2 % 2, h % 2 };
        check_measure(value_of("swap_position", "raw", head), sums[h] / n[h], "swap", head);
        heed_measure words = measured((heed_measure_name){ .id = "swap_content" }, head);
        assert_true(words.value > 0 && words.value < 1);
        check_measure(words.chance, 0.0 / 0.0, "chance", head);
    }
}

static double loss_with(const heed_sentence *s, heed_head head, double gate)
{
    heed_real open[4] = { 1, 1, 1, 1 };
    open[head.layer * 2 + head.head] = (heed_real)gate;
    heed_tape_reset(w.a.tape);
    heed_trace trace = { 0 };
    trace.gates[head.type] = heed_input(w.a.tape, HEED_SHAPE(2, 2), open);
    heed_ids *src = heed_input_ids(w.a.tape, HEED_SHAPE(1, s->src.count), s->src.ids);
    heed_ids *tgt = heed_input_ids(w.a.tape, HEED_SHAPE(1, s->tgt.count), s->tgt.ids);
    heed_tensor logits = heed_value(
        heed_transformer_decode(&w.a.m, tgt, heed_transformer_encode(&w.a.m, src, NULL, &trace), NULL, &trace, NULL));
    double loss = 0;
    for (int64_t i = 0; i < s->tgt.count; i++) {
        double all = 0;
        for (int k = 0; k < 8; k++)
            all += exp((double)logits.data[i * 8 + k]);
        loss += log(all) - (double)logits.data[i * 8 + (i + 1 < s->tgt.count ? s->tgt.ids[i + 1] : 2)];
    }
    return loss / (double)s->tgt.count;
}

/* dL/dgate by central differences; in float only roughly. */
static void importance_is_the_slope_of_the_gate(void **state)
{
    (void)state;
    double h = sizeof(heed_real) == 8 ? 1e-5 : 0.01, tolerance = sizeof(heed_real) == 8 ? 1e-8 : 2e-3;
    double all[12], of_layer[6] = { 0 };
    for (int k = 0; k < 12; k++) {
        heed_head head = { (heed_attention_type)(k / 4), k / 2 % 2, k % 2 };
        double sum = 0, with_sign = 0;
        for (int s = 0; s < SENTENCES; s += 2) {
            double slope =
                (loss_with(&w.sentences[s], head, 1 + h) - loss_with(&w.sentences[s], head, 1 - h)) / (2 * h);
            sum += fabs(slope) / (SENTENCES / 2);
            with_sign -= slope / (SENTENCES / 2);
        }
        all[k] = value_of("importance", "raw", head);
        assert_true(fabs(all[k] - sum) < tolerance);
        assert_true(fabs(value_of("importance_signed", "raw", head) - with_sign) < tolerance);
        of_layer[k / 2] += all[k] * all[k];
    }
    for (int k = 0; k < 12; k++)
        check_measure(measured((heed_measure_name){ .id = "importance_layer" },
                               (heed_head){ (heed_attention_type)(k / 4), k / 2 % 2, k % 2 })
                          .value,
                      all[k] / sqrt(of_layer[k / 2]), "importance_layer", (heed_head){ 0 });
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The interval of entropy, drawn here with the same numbers. */
static void intervals_are_percentiles_of_resampled_sentences(void **state)
{
    (void)state;
    heed_head head = { HEED_CROSS, 1, 0 };
    double sums[SENTENCES / 2] = { 0 }, rows[SENTENCES / 2] = { 0 }, values[1000], unused;
    for (int s = 0; s < SENTENCES / 2; s++) {
        matrix m = matrix_of(2 * s, head);
        for (int64_t i = 0; i < m.rows; i++) {
            double value;
            if (entropy(&m, false, i, 0, &value, &unused))
                sums[s] += value, rows[s]++;
        }
    }
    for (uint32_t r = 0; r < 1000; r++) {
        heed_rng rng = { .seed = 1, .stream = heed_rng_stream("bootstrap"), .row = r };
        double sum = 0, n = 0;
        for (uint64_t i = 0; i < SENTENCES / 2; i++) {
            uint64_t s = heed_rng_below(rng, i, SENTENCES / 2);
            sum += sums[s];
            n += rows[s];
        }
        values[r] = sum / n;
    }
    qsort(values, 1000, sizeof *values, by_size);
    heed_measure got = measured((heed_measure_name){ .id = "entropy" }, head);
    check_measure(got.lo, values[25], "lo", head);
    check_measure(got.hi, values[974], "hi", head);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    heed_inspect_desc desc = inspect_desc(&w.a, w.sentences, SENTENCES);
    heed_inspection *first = w.x;
    static const char *const ids[] = { "entropy", "importance", "pos_r", "swap_content", "special_mass" };
    for (int threads = 1; threads <= 3; threads++) {
        desc.threads = threads;
        heed_inspection *other = heed_inspect(desc);
        assert_non_null(other);
        for (int h = 0; h < 12; h++)
            for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
                heed_head head = { (heed_attention_type)(h / 4), h / 2 % 2, h % 2 };
                heed_measure a, b;
                assert_true(heed_inspection_measure(first, (heed_measure_name){ .id = ids[i] }, head, &a));
                assert_true(heed_inspection_measure(other, (heed_measure_name){ .id = ids[i] }, head, &b));
                assert_memory_equal(&a.value, &b.value, sizeof a.value);
                assert_memory_equal(&a.lo, &b.lo, sizeof a.lo);
            }
        heed_inspection_free(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_by_definition),
        cmocka_unit_test(position_and_classes_by_definition),
        cmocka_unit_test(shifted_positions_by_definition),
        cmocka_unit_test(importance_is_the_slope_of_the_gate),
        cmocka_unit_test(intervals_are_percentiles_of_resampled_sentences),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
