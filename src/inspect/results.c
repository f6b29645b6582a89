/* What was found, as JSON: roles, alignments, ablations, likeness, examples, health. */
#include "json.h"

#include <math.h>
#include <string.h>

/* ---- roles, alignment ------------------------------------------------------------------------------------------------ */

static json_t *label_json(const heed_inspection *x, const label *l, int64_t i)
{
    const heed_measure *m = measure_at(x, l->measure, l->variant, l->sub, i);
    const table *t = x->trained;
    json_t *evidence = column_key_json(x, &t->columns[t->base[l->measure][l->variant][head_at(x, i).type] + l->sub]);
    const struct {
        const char *key;
        double value;
    } numbers[] = { { "value", m->value },
                    { "lo", m->lo },
                    { "hi", m->hi },
                    { "chance", m->chance },
                    { "untrained", m->untrained },
                    { "threshold", l->threshold } };
    for (int k = 0; k < 6; k++)
        json_set(&evidence, numbers[k].key, json_of(numbers[k].value));
    json_set(&evidence, "strict", json_boolean(l->strict));
    return json_pack("{s:s, s:o, s:s%, s:o, s:[o]}", "role", l->role, "name", json_text_of(l->name), "grade", &l->grade,
                     (size_t)1, "why", json_text_of(l->why), "evidence", evidence);
}

json_t *roles_json(const heed_inspection *x)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < heads_count(x); i++) {
        const role *r = &x->roles[i];
        json_t *labels = json_array();
        for (int k = 0; k < r->count; k++)
            json_push(&labels, label_json(x, &r->labels[k], i));
        json_push(&list, json_pack("{s:o, s:o, s:o, s:o}", "head", json_head(x, i), "labels", labels, "idle",
                                   x->ablations ? json_boolean(r->idle) : json_null(), "text", json_text_of(r->text)));
    }
    return list;
}

static json_t *aligner_name(const heed_inspection *x, int64_t slot)
{
    int64_t heads = x->heads[HEED_CROSS], layers = x->layers[HEED_CROSS];
    if (slot < heads)
        return json_head(x, x->heads[HEED_ENC] + x->heads[HEED_DEC] + slot);
    if (slot > heads && slot <= heads + layers)
        return json_sprintf("cross.%d.mean", (int)(slot - heads - 1));
    return json_string(slot == heads ? "uniform" : slot == heads + layers + 1 ? "cross.mean" : "diagonal");
}

static json_t *aligner_json(const heed_inspection *x, const aligner *a)
{
    const table *t = x->trained;
    const heed_measure *m[6];
    static const measure_id ids[] = { M_AER, M_AER_LINKED, M_PRECISION, M_RECALL, M_NULL_RATE, M_SOFT_MASS };
    for (int i = 0; i < 6; i++) {
        int base = t->base[ids[i]][i == 5 ? CONTENT : a->variant][HEED_CROSS];
        m[i] = &x->measures[t->columns[base + a->sub].first + a->slot];
    }
    return json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "head",
                     aligner_name(x, a->slot), "shift", a->sub % 2 ? "in" : "out", "by",
                     a->sub >= BY_NORM ? "norm" : "weight", "variant", variant_names[a->variant], "aer",
                     json_of(m[0]->value), "aer_lo", json_of(m[0]->lo), "aer_hi", json_of(m[0]->hi), "aer_fit",
                     json_of(a->fit), "aer_linked", json_of(m[1]->value), "precision", json_of(m[2]->value), "recall",
                     json_of(m[3]->value), "null_rate", json_of(m[4]->value), "soft_mass", json_of(m[5]->value),
                     "links", (json_int_t)m[0]->n, "untrained", json_of(m[0]->untrained));
}

json_t *alignment_json(const heed_inspection *x)
{
    json_t *rows = json_array();
    for (int i = 0; i < x->aligners_count; i++)
        json_push(&rows, aligner_json(x, &x->aligners[i]));
    return json_pack("{s:o, s:o}", "rows", rows, "winner", aligner_json(x, &x->winner));
}

/* ---- ablation ---------------------------------------------------------------------------------------------------------- */

static json_t *effect_json(const effect *e)
{
    if (isnan(e->value))
        return json_null();
    return json_pack("{s:f, s:o, s:o, s:o, s:b}", "value", e->value, "lo", json_of(e->lo), "hi", json_of(e->hi), "p",
                     json_of(e->p), "matters", e->matters);
}

static json_t *effects_json(const heed_inspection *x, const effect *e, int64_t i, int how)
{
    static const char *const variants[ABLATIONS] = { "zero", "mean", "uniform", "shuffle" };
    json_t *of[] = { json_object(), json_object(), json_object() };
    for (int p = 0; p < x->desc.phenomena_count; p++)
        for (int k = 0; k < 3; k++) {
            const effect *one = &e[EFFECT_FORCED + k * x->desc.phenomena_count + p];
            if (!isnan(one->value))
                json_set(&of[k], x->desc.phenomena[p], effect_json(one));
        }
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "head", json_head(x, i), "variant", variants[how],
                     "loss", effect_json(&e[EFFECT_LOSS]), "exact", effect_json(&e[EFFECT_EXACT]), "bleu",
                     effect_json(&e[EFFECT_BLEU]), "forced", of[0], "free", of[1], "margin", of[2]);
}

static double area(const double *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (y[i] + y[i + 1]) / 2 / (double)n;
    return sum;
}

/* Of RANDOM_ORDERS curves [n + 1] the least, the mean and the most at every point. */
static json_t *band_json(const double *y, int64_t n)
{
    json_t *lo = json_array(), *mean = json_array(), *hi = json_array();
    for (int64_t k = 0; k <= n; k++) {
        double least = y[k], most = y[k], sum = 0;
        for (int r = 0; r < RANDOM_ORDERS; r++) {
            double one = y[r * (n + 1) + k];
            least = one < least ? one : least;
            most = one > most ? one : most;
            sum += one / RANDOM_ORDERS;
        }
        json_push(&lo, json_of(least));
        json_push(&mean, json_of(sum));
        json_push(&hi, json_of(most));
    }
    return json_pack("{s:o, s:o, s:o}", "lo", lo, "mean", mean, "hi", hi);
}

static json_t *curve_json(const heed_inspection *x)
{
    const ablations *a = x->ablations;
    int64_t n = heads_count(x);
    json_t *order = json_array(), *loss = json_array(), *exact = json_array(), *forced = json_array();
    json_t *phenomena = json_object(), *areas = json_array();
    double *decided = heed_arena_alloc(x->arena, (n + 1) * (int64_t)sizeof *decided);
    for (int64_t k = 0; decided && k <= n; k++) {
        if (k < n)
            json_push(&order, json_head(x, a->order[k]));
        json_push(&loss, json_of(a->curve[k].loss));
        json_push(&exact, json_of(a->curve[k].exact));
        json_push(&forced, json_of(decided[k] = a->curve[k].decided));
    }
    for (int p = 0; p < x->desc.phenomena_count; p++) {
        json_t *one = json_array();
        for (int64_t k = 0; k <= n; k++)
            json_push(&one, json_of(a->curve[k].free[p]));
        json_set(&phenomena, x->desc.phenomena[p], one);
    }
    for (int r = 0; r < RANDOM_ORDERS; r++)
        json_push(&areas, json_of(area(a->random_decided + r * (n + 1), n)));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "order", order, "loss", loss, "exact", exact,
                     "forced", forced, "phenomena", phenomena, "area", decided ? json_of(area(decided, n)) : NULL,
                     "random", "loss", band_json(a->random_loss, n), "forced", band_json(a->random_decided, n), "area",
                     areas);
}

json_t *ablation_json(const heed_inspection *x)
{
    const ablations *a = x->ablations;
    if (!a)
        return json_null();
    json_t *effects = json_array(), *cache = json_object(), *phenomena = json_object(), *redundancy = json_array();
    for (int how = 0; how < ABLATIONS; how++)
        for (int64_t i = 0; a->of[how] && i < heads_count(x); i++)
            json_push(&effects, effects_json(x, a->of[how] + i * effects_count(x), i, how));
    for (int i = 0; i < a->cached_count; i++) {
        json_t *texts = json_array();
        for (int64_t k = 0; k < x->desc.shown_count; k++)
            json_push(&texts, json_text_of(a->cache[i].texts[k]));
        json_set(&cache, a->cache[i].name,
                 json_pack("{s:s, s:o, s:o}", "variant", "zero", "translations", texts, "losses",
                           json_list(a->cache[i].losses, x->desc.shown_count)));
    }
    for (int i = 0; i < a->pairs_count; i++)
        json_push(&redundancy, json_pack("{s:[o, o], s:o}", "heads", json_head(x, a->pairs[i][0]),
                                         json_head(x, a->pairs[i][1]), "loss", effect_json(&a->redundancy[i])));
    for (int p = 0; p < x->desc.phenomena_count; p++)
        if (a->tally.count[p] > 0)
            json_set(&phenomena, x->desc.phenomena[p],
                     json_pack("{s:I, s:f, s:f}", "n", (json_int_t)a->tally.count[p], "forced", a->tally.forced[p],
                               "free", a->tally.free[p]));
    return json_pack("{s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:o}", "base", "loss", json_of(a->tally.loss), "exact",
                     json_of(a->tally.exact), "bleu",
                     x->desc.bleu ? json_of(bleu_of(x, &a->base, RESAMPLES)) : json_null(), "phenomena", phenomena,
                     "effects", effects, "curve", curve_json(x), "cache", cache, "redundancy", redundancy);
}

/* ---- minimal pairs ------------------------------------------------------------------------------------------------------ */

static json_t *head_effects(const heed_inspection *x, const double *values)
{
    json_t *object = json_object();
    heed_shape_buffer name;
    for (int64_t i = 0; i < heads_count(x); i++) {
        heed_head head = head_at(x, i);
        json_set(&object, heed_head_name(head.type, head.layer, head.head, &name), json_of(values[i]));
    }
    return object;
}

/* Those whose two sentences are shown. */
json_t *pairs_json(const heed_inspection *x)
{
    json_t *list = json_array();
    const heed_sentence *shown = x->desc.shown;
    for (int64_t i = 0; i < x->desc.pairs_count; i++) {
        const heed_minimal_pair *p = &x->desc.pairs[i];
        const heed_sentence *a = p->sentences[0], *b = p->sentences[1];
        if (a < shown || a >= shown + x->desc.shown_count || b < shown || b >= shown + x->desc.shown_count)
            continue;
        bool last = p->row + 1 >= a->tgt.count;
        json_push(&list, json_pack("{s:[o, o], s:i, s:o, s:o, s:i, s:[o, o], s:[o, o], s:o}", "sentences",
                                   json_text_of(a->id), json_text_of(b->id), "word", (int)p->word, "also",
                                   p->also ? json_integer(p->also) : json_null(), "code",
                                   json_text_of(x->desc.phenomena[p->phenomenon]), "position", (int)p->row, "form",
                                   json_text_of(last ? "<eos>" : a->tgt.words[p->row + 1]),
                                   json_text_of(last ? "<eos>" : b->tgt.words[p->row + 1]), "margin",
                                   json_of(x->patching->margins[2 * i]), json_of(x->patching->margins[2 * i + 1]),
                                   "effect", head_effects(x, x->patching->effects + i * heads_count(x))));
    }
    if (x->patching)
        return list;
    json_decref(list);
    return json_null();
}

json_t *patching_json(const heed_inspection *x)
{
    const patching *p = x->patching;
    json_t *object = json_object();
    int64_t n = heads_count(x);
    for (int code = 0; p && code < x->desc.phenomena_count; code++) {
        json_t *effects = json_array();
        for (int64_t i = 0; i < n; i++)
            json_push(&effects, effect_json(&p->of[code * n + i]));
        json_t *one = json_pack("{s:I, s:I, s:o}", "n", (json_int_t)p->count[2 * code], "dropped",
                                (json_int_t)p->count[2 * code + 1], "effects", effects);
        if (p->count[2 * code] || p->count[2 * code + 1])
            json_set(&object, x->desc.phenomena[code], one);
        else
            json_decref(one);
    }
    if (p)
        return object;
    json_decref(object);
    return json_null();
}

json_t *carriers_json(const heed_inspection *x)
{
    json_t *list = json_array();
    for (int p = 0; p < x->desc.phenomena_count; p++)
        for (int patched = 1; patched >= 0; patched--) {
            int64_t i = carrier_of(x, p, patched);
            const effect *e = i < 0     ? NULL
                              : patched ? &x->patching->of[p * heads_count(x) + i]
                                        : &x->ablations->of[HEED_ABLATE_ZERO][i * effects_count(x) + EFFECT_FORCED +
                                                                              2 * x->desc.phenomena_count + p];
            if (e)
                json_push(&list,
                          json_pack("{s:s, s:o, s:s, s:o}", "code", x->desc.phenomena[p], "head", json_head(x, i), "by",
                                    patched ? "patching" : "margin", "effect", effect_json(e)));
        }
    return list;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

json_t *similarity_json(const heed_inspection *x)
{
    json_t *object = json_object();
    for (int type = 0; type < 3; type++) {
        const similarity *s = &x->similarity[type];
        json_t *jsd = json_array(), *map = json_array();
        int64_t n = x->heads[type];
        for (int64_t i = 0; i < n; i++) {
            json_push(&jsd, json_list(s->jsd + i * n, n));
            json_push(&map, json_list(s->map + 2 * i, 2));
        }
        json_set(&object, type_names[type],
                 json_pack("{s:o, s:o, s:o, s:o}", "jsd", jsd, "map", map, "diversity",
                           json_list(s->diversity, x->layers[type]), "disagreement",
                           json_list(s->disagreement, x->layers[type])));
    }
    return object;
}

static json_t *line_json(const heed_tokens *t)
{
    json_t *line = json_string("");
    for (int64_t i = 0; i < t->count; i++) {
        json_t *word = t->flags[i] & (HEED_TOKEN_BOS | HEED_TOKEN_EOS) ? NULL : json_text_of(t->words[i]);
        json_t *longer = word ? json_sprintf("%s%s%s", json_string_value(line), *json_string_value(line) ? " " : "",
                                             json_string_value(word))
                              : json_incref(line);
        json_decref(word);
        json_decref(line);
        line = longer;
    }
    return line;
}

static json_t *example_json(const example *e, int type)
{
    field f = field_of(e->sentence, type);
    const heed_tokens *tgt = &e->sentence->tgt;
    bool enc = type == HEED_ENC;
    return json_pack(
        "{s:o, s:i, s:i, s:f, s:o, s:o, s:o, s:o, s:o}", "sentence", json_text_of(e->sentence->id), "row", e->row,
        "key", e->key, "weight", e->weight, "reads", json_text_of(f.query->words[e->row]), "predicts",
        enc                       ? json_null()
        : e->row + 1 < tgt->count ? json_text_of(tgt->words[e->row + 1])
                                  : json_string("<eos>"),
        "looks_at", json_text_of(f.key->words[e->key]), "src", line_json(&e->sentence->src), "tgt", line_json(tgt));
}

json_t *examples_json(const heed_inspection *x)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < heads_count(x); i++) {
        json_t *of_head = json_array();
        for (int k = 0; k < TOP && x->watch->top[i * TOP + k].sentence; k++)
            json_push(&of_head, example_json(&x->watch->top[i * TOP + k], (int)head_at(x, i).type));
        json_push(&list, of_head);
    }
    return list;
}

json_t *faithfulness_json(const heed_inspection *x)
{
    json_t *object = json_object();
    heed_shape_buffer name;
    int64_t first = heads_count(x) - x->heads[HEED_CROSS], n = 0;
    for (int64_t i = first; i < heads_count(x); i++) {
        const heed_measure *m = measure_at(x, M_TAU, CONTENT, 0, i);
        heed_head head = head_at(x, i);
        n += m->n;
        json_set(&object, heed_head_name(head.type, head.layer, head.head, &name),
                 json_pack("{s:o, s:o, s:o, s:I}", "tau", json_of(m->value), "lo", json_of(m->lo), "hi", json_of(m->hi),
                           "n", (json_int_t)m->n));
    }
    if (n > 0)
        return object;
    json_decref(object);
    return json_null();
}

static json_t *moment_roles(const heed_inspection *x, const moment *m)
{
    json_t *all = json_array();
    for (int64_t i = 0; i < heads_count(x); i++) {
        json_t *one = json_array();
        for (int k = 0; k < m->roles[i].count; k++)
            json_push(&one, json_text_of(m->roles[i].labels[k].role));
        json_push(&all, one);
    }
    return all;
}

static json_t *by_step(const double *x, int64_t steps, int64_t heads, int64_t stride)
{
    json_t *all = json_array();
    for (int64_t i = 0; i < steps; i++)
        json_push(&all, json_list(x + i * stride, heads));
    return all;
}

json_t *snapshots_json(const heed_inspection *x)
{
    const history *h = x->history;
    int64_t steps = x->desc.steps_count, n = heads_count(x), first = 0;
    if (!h)
        return json_null();
    json_t *at = json_array(), *loss = json_array(), *ids = json_array(), *roles = json_array(), *list = json_array();
    json_t *onset = json_array(), *churn = json_object();
    for (int64_t i = 0; i < steps; i++) {
        json_push(&at, json_integer(x->desc.steps[i]));
        json_push(&loss, json_of(h->moments[i].loss));
        json_push(&roles, moment_roles(x, &h->moments[i]));
    }
    for (int64_t i = 0; i < h->shown; i++)
        json_push(&ids, json_text_of(x->desc.shown[i].id));
    for (int k = 0; k < h->series_count; k++) {
        const column *c = &x->trained->columns[h->series[k].column];
        int64_t heads = x->heads[c->type];
        json_t *one = column_key_json(x, c);
        json_set(&one, "value", by_step(h->series[k].value, steps, heads, heads));
        json_set(&one, "lo", by_step(h->series[k].lo, steps, heads, heads));
        json_set(&one, "hi", by_step(h->series[k].hi, steps, heads, heads));
        json_push(&list, one);
    }
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < x->roles[i].count; k++) {
            int64_t step = history_onset(x, i, x->roles[i].labels[k].role);
            json_push(&onset, json_pack("{s:o, s:o, s:o}", "head", json_head(x, i), "role",
                                        json_text_of(x->roles[i].labels[k].role), "step",
                                        step < 0 ? json_null() : json_integer(step)));
        }
    for (int type = 0; type < 3; first += x->heads[type++])
        json_set(&churn, type_names[type], by_step(h->churn + first, steps - 1, x->heads[type], n));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "steps", at, "loss", loss, "sentences", ids, "roles", roles,
                     "series", list, "onset", onset, "churn", churn);
}

json_t *health_json(const heed_inspection *x)
{
    json_t *list = json_array();
    for (int i = 0; i < x->findings_count; i++)
        json_push(&list, json_pack("{s:s, s:s, s:o, s:n, s:o}", "level", x->findings[i].level, "code",
                                   x->findings[i].code, "head", json_head(x, x->findings[i].head), "sentence", "text",
                                   json_text_of(x->findings[i].text)));
    return list;
}
