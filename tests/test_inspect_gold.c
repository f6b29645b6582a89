/* Measures against a second implementation, written from their definitions, on the attention of a random Transformer over
 * random sentences: arcs, cues, alignments. */
#include "inspected.h"

/* ---- gold -------------------------------------------------------------------------------------------------------- */

static bool in_list(const int16_t *list, int n, int64_t x)
{
    for (int i = 0; i < n; i++)
        if (list[i] == x)
            return true;
    return false;
}

/* The fixed offset that finds most arcs of the kind in the odd sentences; the leftmost of equals. */
static int64_t best_offset(heed_attention_type type, int kind, int shift)
{
    int64_t best = 0, most = 0;
    for (int64_t k = -LONGEST; k <= LONGEST; k++) {
        int64_t found = 0;
        for (int s = 1; s < SENTENCES; s += 2)
            for (int64_t a = 0; a < w.sentences[s].arcs_count; a++) {
                const heed_arc *arc = &w.sentences[s].arcs[a];
                int64_t row = arc->word + (type == HEED_ENC ? 0 : shift);
                for (int g = 0; arc->type == type && arc->kind == kind && g < arc->keys_count; g++)
                    found += arc->keys[g] + (type == HEED_DEC) == row + k;
            }
        if (found > most)
            best = k, most = found;
    }
    return most ? best : INT64_MIN;
}

static void check_arcs(heed_head head, int kind, int shift, bool content)
{
    double hits = 0, mass = 0, chance = 0, base = 0, n = 0, margin = 0, wins = 0, attracted = 0, a;
    int64_t offset = best_offset(head.type, kind, shift), seen = 0;
    for (int s = 0; s < SENTENCES; s++)
        for (int64_t k = 0; k < w.sentences[s].arcs_count; k++) {
            const heed_arc *arc = &w.sentences[s].arcs[k];
            if (arc->type != head.type || arc->kind != kind || (seen++, s % 2))
                continue;
            matrix m = matrix_of(s, head);
            int64_t dec = head.type == HEED_DEC, i = arc->word + (head.type == HEED_ENC ? 0 : shift);
            int64_t own = head.type == HEED_CROSS ? -1 : arc->word + dec;
            if (!counts(&m, content, i) || keys_of(&m, content, i) < 2)
                continue;
            int64_t best = largest(&m, content, i, own);
            double gold = 0, gold_keys = 0, attractor = 0;
            for (int64_t j = 0; j < m.keys; j++) {
                if (!entry(&m, content, i, j, &a))
                    continue;
                if (in_list(arc->keys, arc->keys_count, j - dec))
                    gold += a, gold_keys++;
                if (in_list(arc->attractors, arc->attractors_count, j - dec))
                    attractor = fmax(attractor, a);
            }
            n++;
            hits += in_list(arc->keys, arc->keys_count, best - dec);
            base += offset != INT64_MIN && in_list(arc->keys, arc->keys_count, i + offset - dec);
            mass += gold;
            chance += gold_keys / (double)keys_of(&m, content, i);
            if (arc->attractors_count)
                attracted++, margin += gold - attractor, wins += gold > attractor;
        }
    if (!seen)
        return;
    heed_measure_name name = { NULL, content ? "content" : "raw", KIND_NAMES[kind], shift ? "in" : "out", 0 };
    const struct {
        const char *id;
        double want;
    } all[] = { { "arc_accuracy", hits / n },
                { "arc_gain", offset == INT64_MIN ? (double)NAN : (hits - base) / n },
                { "arc_mass", mass / n },
                { "arc_lift", mass / chance },
                { "attractor_margin", margin / attracted },
                { "attractor_win", wins / attracted } };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        name.id = all[i].id;
        check_measure(measured(name, head).value, all[i].want, name.id, head);
    }
}

static void arcs_by_definition(void **state)
{
    (void)state;
    for (int h = 0; h < 12; h++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int shift = 0; shift < (h < 4 ? 1 : 2); shift++)
                for (int content = 0; content < 2; content++)
                    check_arcs((heed_head){ (heed_attention_type)(h / 4), h / 2 % 2, h % 2 }, kind, shift, content);
}

static void cues_by_definition(void **state)
{
    (void)state;
    for (int h = 0; h < 4; h++)
        for (int content = 0; content < 2; content++) {
            heed_head head = { HEED_ENC, h / 2, h % 2 };
            double sum = 0, n = 0;
            for (int s = 0; s < SENTENCES; s += 2) {
                const heed_sentence *one = &w.sentences[s];
                if (!one->control)
                    continue;
                heed_record other = record_of(one, one->control, 0);
                matrix m = matrix_of(s, head), control = m;
                control.r = &other;
                for (int64_t k = 0; k < one->arcs_count; k++) {
                    const heed_arc *arc = &one->arcs[k];
                    int64_t i = arc->word;
                    if (arc->type != HEED_ENC || one->control[i] == one->src.ids[i] || !counts(&m, content, i) ||
                        !counts(&control, content, i) || keys_of(&m, content, i) < 2)
                        continue;
                    n++;
                    for (int64_t j = 0; j < m.keys; j++) {
                        double a, b;
                        if (in_list(arc->keys, arc->keys_count, j) && entry(&m, content, i, j, &a) &&
                            entry(&control, content, i, j, &b))
                            sum += a - b;
                    }
                }
            }
            assert_true(n > 2);
            heed_measure got =
                measured((heed_measure_name){ .id = "cue_mass", .variant = content ? "content" : "raw" }, head);
            check_measure(got.value, sum / n, "cue_mass", head);
            assert_int_equal(got.n, (int64_t)n);
        }
}

/* ---- alignment --------------------------------------------------------------------------------------------------- */

/* ||(x_j Wv + bv) Wo|| */
static double norm_of(const matrix *m, int64_t j)
{
    char name[64];
    snprintf(name, sizeof name, "decoder.layers.%d.multihead_attn.out_proj.weight", m->head.layer);
    heed_tensor wo = heed_param_value(heed_params_find(w.a.params, name));
    double squares = 0;
    for (int64_t row = 0; row < 8; row++) {
        double f = 0;
        for (int64_t d = 0; d < 4; d++)
            f += (double)wo.data[row * 8 + m->head.head * 4 + d] *
                 (double)m->r->v[HEED_CROSS][((m->head.layer * 2 + m->head.head) * m->keys + j) * 4 + d];
        squares += f * f;
    }
    return sqrt(squares);
}

static bool linked(const heed_sentence *s, int64_t j, int64_t word, bool sure)
{
    for (int64_t i = 0; i < s->links_count; i++)
        if (s->links[i].source == j && s->links[i].target == word && (s->links[i].sure || !sure))
            return true;
    return false;
}

static void check_alignment(heed_head head, int shift, bool norm, bool eos_null)
{
    double both = 0, made = 0, sure = 0, possible = 0, found = 0, soft = 0, soft_rows = 0, words = 0, without = 0;
    double made_linked = 0;
    for (int s = 0; s < SENTENCES; s += 2) {
        matrix m = matrix_of(s, head);
        for (int64_t i = 0; i < m.s->links_count; i++)
            sure += m.s->links[i].sure;
        for (int64_t word = 0; word + 1 < m.rows; word++) {
            int64_t i = word + shift, best = -1;
            double most = -1, on_links = 0, kept = 0, all = 0;
            bool null = true;
            if (special(&m.s->tgt, word + 1))
                continue;
            for (int64_t j = 0; j < m.keys; j++) {
                double a = weight(&m, i, j) * (norm ? norm_of(&m, j) : 1);
                all += a;
                if (!eos_null && special(m.key, j))
                    continue;
                kept += a;
                on_links += linked(m.s, j, word, false) ? a : 0;
                null = null && !linked(m.s, j, word, false);
                if (a > most)
                    most = a, best = j;
            }
            for (int64_t j = 0; j < m.keys; j++)
                null = null && !linked(m.s, j, word, false);
            if (best < 0)
                continue;
            words++;
            without += null;
            if (!eos_null && kept / all >= 0.05)
                soft_rows++, soft += on_links / kept;
            if (eos_null && special(m.key, best))
                continue;
            made++;
            made_linked += !null;
            both += linked(m.s, best, word, true) + linked(m.s, best, word, false);
            possible += linked(m.s, best, word, false);
            found += linked(m.s, best, word, true);
        }
    }
    heed_measure_name name = { "aer", eos_null ? "eos-null" : "content", norm ? "norm" : "weight", shift ? "in" : "out",
                               0 };
    check_measure(measured(name, head).value, 1 - both / (made + sure), "AER", head);
    name.id = "aer_linked";
    check_measure(measured(name, head).value, 1 - both / (made_linked + sure), "AER, linked", head);
    name.id = "precision";
    check_measure(measured(name, head).value, possible / made, "precision", head);
    assert_int_equal(measured(name, head).n, (int64_t)made);
    name.id = "recall";
    check_measure(measured(name, head).value, found / sure, "recall", head);
    name.id = "null_rate";
    check_measure(measured(name, head).value, without / words, "null rate", head);
    name.id = "soft_mass";
    if (!eos_null && !norm)
        check_measure(measured(name, head).value, soft / soft_rows, "soft mass", head);
}

static void alignment_by_definition(void **state)
{
    (void)state;
    for (int h = 0; h < 4; h++)
        for (int shift = 0; shift < 2; shift++)
            for (int norm = 0; norm < 2; norm++)
                for (int eos_null = 0; eos_null < 2; eos_null++)
                    check_alignment((heed_head){ HEED_CROSS, h / 2, h % 2 }, shift, norm, eos_null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arcs_by_definition),
        cmocka_unit_test(cues_by_definition),
        cmocka_unit_test(alignment_by_definition),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
