/* Heads over training time: the same sentences on snapshots of the model, their measures and roles at each step; when a
 * role began, and how much each head changed from one snapshot to the next. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { SENTENCES = 100, STAYS = 3 }; /* measured at each step; snapshots a role must hold to have begun */

/* What is followed. */
static bool followed(const column *c)
{
    if (c->measure == M_OFFSET_ARGMAX)
        return c->variant == RAW && (c->sub == REACH - 1 || c->sub == REACH + 1);
    if (c->measure == M_AER)
        return c->variant == CONTENT && c->sub < BY_NORM;
    return (c->measure == M_ENTROPY && c->variant == RAW) || (c->measure == M_CONFIDENCE && c->variant == CONTENT) ||
           (c->measure == M_ARC_GAIN && c->variant == CONTENT);
}

static bool follow(heed_inspection *x, history *h)
{
    int64_t steps = x->desc.steps_count;
    h->series = heed_arena_alloc(x->arena, x->trained->count * (int64_t)sizeof *h->series);
    for (int i = 0; h->series && i < x->trained->count; i++) {
        int64_t n = steps * x->heads[x->trained->columns[i].type];
        if (!followed(&x->trained->columns[i]))
            continue;
        series *s = &h->series[h->series_count++];
        *s = (series){ .column = i, .value = heed_arena_alloc(x->arena, 3 * n * (int64_t)sizeof(double)) };
        if (!s->value)
            return false;
        s->lo = s->value + n;
        s->hi = s->lo + n;
    }
    return h->series;
}

/* The measures and roles of a snapshot, by an inspection of its own that is given up again. */
static bool look_at(heed_inspection *x, history *h, int i, const heed_transformer *net)
{
    heed_inspection y = *x;
    moment *to = &h->moments[i];
    heed_arena_mark mark = heed_arena_marked(x->arena);
    y.brief = true;
    y.ablations = NULL;
    y.measured_count = x->measured_count < SENTENCES ? x->measured_count : SENTENCES;
    y.fit_count = x->fit_count < SENTENCES ? x->fit_count : SENTENCES;
    if (!inspect_numbers(&y, net) || !roles_run(&y))
        return false;
    to->loss = y.watch->loss / (double)y.measured_count;
    memcpy(to->roles, y.roles, (size_t)heads_count(x) * sizeof *to->roles);
    for (int k = 0; k < h->series_count; k++) {
        const column *c = &x->trained->columns[h->series[k].column];
        int64_t heads = x->heads[c->type];
        for (int64_t head = 0; head < heads; head++) {
            const heed_measure *m = &y.measures[c->first + head];
            h->series[k].value[i * heads + head] = m->value;
            h->series[k].lo[i * heads + head] = m->lo;
            h->series[k].hi[i * heads + head] = m->hi;
        }
    }
    heed_arena_rewind(x->arena, mark);
    return true;
}

/* Mean divergence of a head's rows from those of the next snapshot. */
static double churn_of(const moment *a, const moment *b, int64_t shown, int type, int64_t head)
{
    double sum = 0, n = 0;
    for (int64_t s = 0; s < shown; s++)
        for (int64_t i = 0; i < record_queries(&a->shown[s], type); i++) {
            int64_t keys = type == HEED_DEC ? i + 1 : record_keys(&a->shown[s], type);
            if (keys < 2)
                continue;
            sum += divergence(record_row(&a->shown[s], type, head, i), record_row(&b->shown[s], type, head, i), keys);
            n++;
        }
    return sum / n;
}

bool role_has(const role *r, const char *code)
{
    for (int k = 0; k < r->count; k++)
        if (strcmp(r->labels[k].role, code) == 0)
            return true;
    return false;
}

int64_t history_onset(const heed_inspection *x, int64_t head, const char *code)
{
    const history *h = x->history;
    for (int i = 0; i + STAYS <= x->desc.steps_count; i++) {
        int k = 0;
        while (k < STAYS && role_has(&h->moments[i + k].roles[head], code))
            k++;
        if (k == STAYS)
            return x->desc.steps[i];
    }
    return -1;
}

bool history_run(heed_inspection *x)
{
    int64_t n = heads_count(x), steps = x->desc.steps_count;
    if (steps == 0 || x->measured_count == 0)
        return true;
    history *h = x->history = heed_arena_alloc(x->arena, (int64_t)sizeof *h);
    if (!h)
        return false;
    *h = (history){ .shown = x->desc.shown_count < HISTORY_SHOWN ? x->desc.shown_count : HISTORY_SHOWN };
    h->moments = heed_arena_alloc(x->arena, steps * (int64_t)sizeof *h->moments);
    h->churn = heed_arena_alloc(x->arena, steps * n * (int64_t)sizeof *h->churn);
    if (!h->moments || !h->churn || !follow(x, h))
        return false;
    for (int i = 0; i < steps; i++) {
        const heed_transformer *net = x->desc.at_step(i, x->desc.context);
        moment *m = &h->moments[i];
        m->roles = heed_arena_alloc(x->arena, n * (int64_t)sizeof *m->roles);
        if (!net || !m->roles || !record_shown(x, net, h->shown, &m->shown) || !look_at(x, h, i, net))
            return false;
    }
    for (int64_t i = 0; i + 1 < steps; i++)
        for (int64_t head = 0; head < n; head++) {
            int64_t in_type = head, type = 0;
            while (in_type >= x->heads[type])
                in_type -= x->heads[type++];
            h->churn[i * n + head] = churn_of(&h->moments[i], &h->moments[i + 1], h->shown, (int)type, in_type);
        }
    return true;
}
