/* What each head does, by rules: a label needs the lower end of its interval at or above the threshold, above the untrained
 * control, and twice chance; and it says how good the evidence is:
 *
 *     A  causal: without the head, or with its pattern flattened, what it claims gets worse, or it carries a part of the
 *        cue between minimal pairs (after Holm's correction over heads)
 *     B  statistical only        C  single examples only
 *
 * Several labels may hold, and none may: then the head is unassigned. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { FEWEST = 3, FEW = 10 }; /* sentences: no label of fewer, no statistics of fewer */

typedef struct {
    const char *role, *name;
    measure_id measure;
    variant_id variant;
    double threshold;
    bool no_lift; /* its chance is near its end already */
} rule;
static const rule rules[] = {
    { "SELF", "itself", M_SELF_MASS, RAW, 0.5, false },
    { "FIRST", "the first token", M_FIRST_MASS, RAW, 0.5, false },
    { "EOS-SINK", "the end of the sentence", M_EOS_MASS, RAW, 0.5, false },
    { "PUNCT", "punctuation", M_PUNCTUATION_MASS, RAW, 0.5, false },
    { "UNIFORM", "everything alike", M_ENTROPY, RAW, 0.95, true },
    { "LOCAL", "its neighbours", M_LOCAL_MASS, RAW, 0.8, false },
    { "CUE", "the cue of an ambiguous word", M_CUE_MASS, CONTENT, 0.25, false },
};
enum { RULES = sizeof rules / sizeof rules[0] };
static const double OFFSET_RATE = 0.6, STRICT = 0.9, ALIGN_AER = 0.3, BETTER = 0.1, DEP_GAIN = 0.1, DEP_ACCURACY = 0.5,
                    MOST_TIES = 0.1;

int roles_thresholds(const char **names, double *values)
{
    static const struct {
        const char *name;
        const double *value;
    } others[] = { { "OFFSET", &OFFSET_RATE }, { "ALIGN", &ALIGN_AER }, { "DEP", &DEP_GAIN } };
    int n = 0;
    for (int i = 0; i < RULES; i++, n++) {
        names[n] = rules[i].role;
        values[n] = rules[i].threshold;
    }
    for (int i = 0; i < 3; i++, n++) {
        names[n] = others[i].name;
        values[n] = *others[i].value;
    }
    return n;
}

static bool holds(const heed_measure *m, double threshold, bool no_lift)
{
    return m && m->sentences >= FEWEST && m->lo >= threshold && !(m->lo <= m->untrained) &&
           (no_lift || isnan(m->chance) || m->value >= 2 * m->chance);
}

enum { GIVEN, TRANSLATED, LOG_ODDS, PATCHED, WAYS }; /* the first three as effects are ordered */

static void say_why(label *l, const char *code, int way, const effect *e)
{
    static const char *const what[] = { "", "", "the log odds of " };
    static const char *const where[] = { ", given the sentence so far, falls", ", in its own translations, falls",
                                         " fall" };
    if (way == PATCHED)
        snprintf(l->why, sizeof l->why, "of what differs between pairs of %.40s it carries %.2f (%.2f to %.2f)", code,
                 e->value, e->lo, e->hi);
    else
        snprintf(l->why, sizeof l->why, "without it %s%.40s%s by %.3f (%.3f to %.3f)", what[way], code, where[way],
                 -e->value, -e->hi, -e->lo);
}

/* Whether ablation or patching confirms a label of a kind of arcs (-1: of a pattern). */
static char grade(const heed_inspection *x, int64_t i, int kind, label *l)
{
    const ablations *a = x->ablations;
    int columns = effects_count(x), phenomena = x->desc.phenomena_count;
    int64_t sentences = measure_at(x, l->measure, l->variant, l->sub, i)->sentences;
    if (sentences < FEW || !a) {
        snprintf(l->why, sizeof l->why, a ? "of %lld sentences only" : "nothing was ablated", (long long)sentences);
        return sentences < FEW ? 'C' : 'B';
    }
    const effect *zero = a->of[HEED_ABLATE_ZERO] + i * columns, *flat = a->of[HEED_ABLATE_UNIFORM] + i * columns;
    for (int way = 0; way < WAYS; way++)
        for (int k = 0; k < x->desc.claims_count; k++) {
            int p = x->desc.claims[k][1];
            const effect *e = way != PATCHED ? &zero[EFFECT_FORCED + way * phenomena + p]
                              : x->patching  ? &x->patching->of[p * heads_count(x) + i]
                                             : NULL;
            if (x->desc.claims[k][0] != kind || !e || !e->matters || (way == PATCHED) != (e->value > 0))
                continue;
            say_why(l, x->desc.phenomena[p], way, e);
            return 'A';
        }
    if (kind < 0 && flat[EFFECT_LOSS].matters && flat[EFFECT_LOSS].value > 0) {
        snprintf(l->why, sizeof l->why, "with equal weights the loss rises by %.4f (%.4f to %.4f)",
                 flat[EFFECT_LOSS].value, flat[EFFECT_LOSS].lo, flat[EFFECT_LOSS].hi);
        return 'A';
    }
    snprintf(l->why, sizeof l->why, "what it claims does not get worse without it, as far as can be told");
    return 'B';
}

/* The kind of arcs called this; -1: none. */
static int kind_named(const heed_inspection *x, const char *name)
{
    for (int kind = 0; kind < x->desc.kinds_count; kind++)
        if (strcmp(x->desc.kinds[kind], name) == 0)
            return kind;
    return -1;
}

static label *add(role *r, const char *code, const char *name, measure_id measure, variant_id variant, int sub)
{
    label *l = &r->labels[r->count < MAX_LABELS ? r->count++ : MAX_LABELS - 1];
    *l = (label){ .measure = measure, .variant = variant, .sub = sub };
    snprintf(l->role, sizeof l->role, "%s", code);
    snprintf(l->name, sizeof l->name, "%s", name);
    return l;
}

static void try_rules(const heed_inspection *x, int64_t i, role *r)
{
    for (int k = 0; k < RULES; k++) {
        const rule *u = &rules[k];
        if (!holds(measure_at(x, u->measure, u->variant, 0, i), u->threshold, u->no_lift))
            continue;
        label *l = add(r, u->role, u->name, u->measure, u->variant, 0);
        l->threshold = u->threshold;
        l->grade = grade(x, i, u->measure == M_CUE_MASS ? kind_named(x, "cue") : -1, l);
    }
    for (int k = -REACH; k <= REACH; k++) {
        const heed_measure *m = measure_at(x, M_OFFSET_ARGMAX, RAW, k + REACH, i);
        char code[32], name[48];
        if (k == 0 || !holds(m, OFFSET_RATE, false) || measure_at(x, M_TIE_RATE, RAW, 0, i)->value > MOST_TIES)
            continue; /* of equal weights the first counts as the largest: no place is meant */
        if (2 * m->n < measure_at(x, M_ENTROPY, RAW, 0, i)->n)
            continue; /* few rows reach so far */
        snprintf(code, sizeof code, "OFFSET%+d", k);
        snprintf(name, sizeof name, "the token %d to the %s", k < 0 ? -k : k, k < 0 ? "left" : "right");
        label *l = add(r, code,
                       k == -1  ? "the previous token"
                       : k == 1 ? "the next token"
                                : name,
                       M_OFFSET_ARGMAX, RAW, k + REACH);
        l->threshold = OFFSET_RATE;
        l->strict = m->lo >= STRICT;
        l->grade = grade(x, i, -1, l);
    }
}

static void try_alignment(const heed_inspection *x, int64_t i, role *r)
{
    const table *t = x->trained;
    int base = t->base[M_AER][CONTENT][HEED_CROSS];
    const heed_measure *diagonal = &x->measures[t->columns[base].first + t->columns[base].slots - 1];
    for (int shift = 0; shift < 2; shift++) {
        const heed_measure *m = measure_at(x, M_AER, CONTENT, shift, i);
        if (!m || m->sentences < FEWEST || !(m->hi <= ALIGN_AER) || m->hi >= m->untrained ||
            !(m->value <= diagonal->value - BETTER) || 1 - m->value < 2 * (1 - m->chance))
            continue;
        label *l = add(r, shift ? "ALIGN-in" : "ALIGN-out",
                       shift ? "the source of the word it reads" : "the source of the word it predicts", M_AER, CONTENT,
                       shift);
        l->threshold = ALIGN_AER;
        l->grade = grade(x, i, -1, l);
    }
}

/* Each kind of arcs, in the better of its shifts. */
static void try_arcs(const heed_inspection *x, int64_t i, role *r)
{
    const table *t = x->trained;
    int type = (int)head_at(x, i).type;
    for (int sub = 0; sub < t->arc_count[type]; sub++) {
        int kind = t->arc_kinds[type][sub] / 2, other = t->arc_kinds[type][sub] % 2 ? sub - 1 : sub + 1;
        const heed_measure *gain = measure_at(x, M_ARC_GAIN, CONTENT, sub, i);
        bool fits = holds(measure_at(x, M_ARC_ACCURACY, CONTENT, sub, i), DEP_ACCURACY, false) && gain->lo >= DEP_GAIN;
        double better = type == HEED_ENC ? -1 : measure_at(x, M_ARC_GAIN, CONTENT, other, i)->value;
        if (!fits || better > gain->value || (better == gain->value && other < sub))
            continue;
        char code[64];
        snprintf(code, sizeof code, "DEP:%.50s", x->desc.kinds[kind]);
        label *l = add(r, code, x->desc.kinds[kind], M_ARC_GAIN, CONTENT, sub);
        l->threshold = DEP_GAIN;
        l->grade = grade(x, i, kind, l);
    }
}

static bool is_idle(const heed_inspection *x, int64_t i)
{
    int64_t n = heads_count(x), below = 0;
    if (!x->ablations)
        return false;
    const effect *loss = &x->ablations->of[HEED_ABLATE_ZERO][i * effects_count(x) + EFFECT_LOSS];
    for (int64_t k = 0; k < n; k++)
        below += measure_at(x, M_IMPORTANCE, RAW, 0, k)->value < measure_at(x, M_IMPORTANCE, RAW, 0, i)->value;
    return loss->lo <= 0 && loss->hi >= 0 && below * 10 < n;
}

/* ---- in words ---------------------------------------------------------------------------------------------------- */

enum { ALIGNMENT, DEPENDENCY, POSITIONAL, SINK, EVEN, IDLE, UNASSIGNED, SORTS };

static int sort_of(const role *r, bool *confirmed)
{
    int best = r->idle ? IDLE : UNASSIGNED;
    for (int k = 0; k < r->count; k++) {
        measure_id m = r->labels[k].measure;
        int sort = m == M_AER                                                        ? ALIGNMENT
                   : m == M_ARC_GAIN || m == M_CUE_MASS                              ? DEPENDENCY
                   : m == M_EOS_MASS || m == M_PUNCTUATION_MASS || m == M_FIRST_MASS ? SINK
                   : m == M_ENTROPY                                                  ? EVEN
                                                                                     : POSITIONAL;
        *confirmed = *confirmed || (sort == DEPENDENCY && r->labels[k].grade == 'A');
        best = sort < best ? sort : best;
    }
    return best;
}

static void summarise(heed_inspection *x)
{
    static const char *const names[SORTS] = {
        "alignment", "dependency candidates", "positional", "sinks", "uniform", "idle", "unassigned"
    };
    int64_t n = heads_count(x), counts[SORTS] = { 0 }, sure = 0;
    for (int64_t i = 0; i < n; i++) {
        bool confirmed = false;
        int sort = sort_of(&x->roles[i], &confirmed);
        counts[sort]++;
        sure += sort == DEPENDENCY && confirmed;
    }
    size_t at = (size_t)snprintf(x->summary, sizeof x->summary, "%lld heads:", (long long)n);
    for (int i = 0, said = 0; i < SORTS; i++) {
        if (!counts[i])
            continue;
        at += (size_t)snprintf(x->summary + at, sizeof x->summary - at, "%s %lld %s", said++ ? "," : "",
                               (long long)counts[i], names[i]);
        if (i == DEPENDENCY && x->ablations)
            at += (size_t)snprintf(x->summary + at, sizeof x->summary - at, " (%lld confirmed by ablation)",
                                   (long long)sure);
    }
    snprintf(x->summary + at, sizeof x->summary - at, ".");
}

/* "looks at the previous token; gold arcs: subject, relative" */
static void say_text(role *r)
{
    size_t at = (size_t)snprintf(r->text, sizeof r->text, "%s", r->count ? "" : "unassigned");
    for (int arcs = 0; arcs < 2; arcs++)
        for (int k = 0, said = 0; k < r->count; k++) {
            const char *start = arcs ? at ? "; gold arcs: " : "gold arcs: " : "looks at ";
            if ((r->labels[k].measure == M_ARC_GAIN) != arcs || at >= sizeof r->text)
                continue;
            at += (size_t)snprintf(r->text + at, sizeof r->text - at, "%s%s", said++ ? arcs ? ", " : " and " : start,
                                   r->labels[k].name);
        }
}

bool roles_run(heed_inspection *x)
{
    int64_t n = heads_count(x), count, *which = heed_arena_alloc(x->arena, n * (int64_t)sizeof *which);
    x->roles = heed_arena_alloc(x->arena, n * (int64_t)sizeof *x->roles);
    if (!x->roles || !which)
        return false;
    for (int64_t i = 0; i < n; i++) {
        role *r = &x->roles[i];
        *r = (role){ .idle = is_idle(x, i) };
        try_rules(x, i, r);
        try_alignment(x, i, r);
        try_arcs(x, i, r);
        say_text(r);
    }
    for (int64_t i = 0; i < n && x->ablations; i++) /* all heads of one role, off together */
        for (int k = 0; k < x->roles[i].count; k++) {
            count = 0;
            for (int64_t other = 0; other < n; other++)
                for (int l = 0; l < x->roles[other].count; l++)
                    if (strcmp(x->roles[other].labels[l].role, x->roles[i].labels[k].role) == 0)
                        which[count++] = other;
            if (count > 1 && x->ablations->cached_count < x->ablations->cache_room &&
                !ablations_keep(x, x->ablations, which, (int)count))
                return false;
        }
    summarise(x);
    return true;
}
