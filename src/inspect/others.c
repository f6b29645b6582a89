/* Other models beside the one inspected: the same sentences on them, their roles by the same rules, and for each head
 * here the one there that looks most like it. Heads of two models have no order in common, so each layer's are paired,
 * one to one, such that the sum of their divergences is least. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { PARTS = 8, MOST = 100 }; /* sentences that heads are matched on, as for likeness */

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static bool other_fits(const heed_inspection *x, const heed_inspect_other *o)
{
    if (!o->net || !o->net->params || !o->name)
        return heed_fail(HEED_BAD_ARGUMENT, "inspect: of another model, %s is missing", o->name ? "net" : "name");
    const heed_transformer_desc *a = &x->desc.net->desc, *b = &o->net->desc;
    if (a->src_vocab != b->src_vocab || a->tgt_vocab != b->tgt_vocab)
        return heed_fail(HEED_BAD_SHAPE,
                         "inspect: \"%s\" and \"%s\" have different vocabularies: %lld source and %lld target tokens, "
                         "%lld and %lld",
                         x->desc.name, o->name, (long long)a->src_vocab, (long long)a->tgt_vocab,
                         (long long)b->src_vocab, (long long)b->tgt_vocab);
    if (a->enc_layers != b->enc_layers || a->dec_layers != b->dec_layers || a->layer.heads != b->layer.heads)
        return heed_fail(HEED_BAD_SHAPE,
                         "inspect: \"%s\" and \"%s\" have different shapes: %d + %d layers of %d heads, %d + %d of %d",
                         x->desc.name, o->name, a->enc_layers, a->dec_layers, (int)a->layer.heads, b->enc_layers,
                         b->dec_layers, (int)b->layer.heads);
    if (b->learned_positions && b->max_length < x->longest)
        return heed_fail(HEED_BAD_SHAPE, "inspect: a sentence has %lld tokens; \"%s\" has positions for %lld",
                         (long long)x->longest, o->name, (long long)b->max_length);
    return true;
}

bool others_fit(const heed_inspection *x)
{
    if (x->desc.others_count && !x->measured_count)
        return heed_fail(HEED_BAD_ARGUMENT, "inspect: other models need a measured sentence to match heads on");
    for (int i = 0; i < x->desc.others_count; i++)
        if (!other_fits(x, &x->desc.others[i]))
            return false;
    return true;
}

/* ---- likeness ------------------------------------------------------------------------------------------------------ */

/* Sums over one part of the sentences. */
typedef struct {
    const heed_transformer *net;
    scene there;             /* the same sentence on the other model */
    double *jsd[3], rows[3]; /* [layers, heads here, heads there]; rows with a choice */
} likeness;

static likeness *likeness_new(const heed_inspection *x, const heed_transformer *net)
{
    likeness *l = heed_arena_alloc(x->arena, (int64_t)sizeof *l);
    if (!l)
        return NULL;
    *l = (likeness){ .net = net };
    for (int type = 0; type < 3; type++) {
        int64_t bytes = x->heads[type] * x->heads[type] / x->layers[type] * (int64_t)sizeof(double);
        if (!(l->jsd[type] = heed_arena_alloc(x->arena, bytes)))
            return NULL;
        memset(l->jsd[type], 0, (size_t)bytes);
    }
    return l;
}

static bool compare_scene(scene *c, void *context)
{
    likeness *to = context;
    scene *o = &to->there;
    if (!o->tape && !scene_start(o, c->x, to->net))
        return false;
    heed_arena_reset(o->arena);
    o->s = c->s;
    if (!scene_record(o, c->s->src.ids, c->s->tgt.ids, 0, &o->r))
        return false;
    for (int type = 0; type < 3; type++) {
        field f = field_of(c->s, type);
        int64_t per = c->r.heads;
        for (int64_t i = 0; i < f.query->count; i++) {
            int64_t n = field_valid(&f, i);
            to->rows[type] += n > 1;
            for (int64_t k = 0; n > 1 && k < c->x->heads[type] * per; k++) {
                int64_t here = k / per, there = here / per * per + k % per;
                to->jsd[type][k] += divergence(record_row(&c->r, type, here, i), record_row(&o->r, type, there, i), n);
            }
        }
    }
    return true;
}

static bool compare_all(const heed_inspection *x, const heed_transformer *net, void **parts)
{
    scene_pass pass = {
        x, x->desc.net, x->measured, x->measured_count < MOST ? x->measured_count : MOST, compare_scene, parts, PARTS
    };
    for (int i = 0; i < PARTS; i++)
        if (!(parts[i] = likeness_new(x, net)))
            return false;
    bool done = inspect_each(pass);
    for (int i = 0; i < PARTS; i++)
        scene_free(&((likeness *)parts[i])->there);
    return done;
}

/* The partners of a layer's heads. */
static bool match_layer(const heed_inspection *x, int type, int64_t layer, const double *jsd, bool known, companion *to)
{
    int64_t per = x->heads[type] / x->layers[type], first = layer * per;
    for (int k = 0; k < type; k++)
        first += x->heads[k];
    if (!assign(x->arena, jsd, per, to->partner + first))
        return false;
    for (int64_t i = 0; i < per; i++) {
        double sum = 0;
        for (int64_t k = 0; k < per; k++)
            sum += jsd[i * per + k];
        to->apart[first + i] = known ? jsd[i * per + to->partner[first + i]] : (double)NAN;
        to->any[first + i] = known ? sum / (double)per : (double)NAN;
        to->partner[first + i] += first;
    }
    return true;
}

static bool match(const heed_inspection *x, const heed_transformer *net, companion *to)
{
    void *parts[PARTS] = { NULL };
    if (!compare_all(x, net, parts))
        return false;
    likeness *all = parts[0];
    for (int type = 0; type < 3; type++) {
        int64_t per = x->heads[type] / x->layers[type], n = x->heads[type] * per;
        for (int i = 1; i < PARTS; i++) {
            const likeness *part = parts[i];
            all->rows[type] += part->rows[type];
            for (int64_t k = 0; k < n; k++)
                all->jsd[type][k] += part->jsd[type][k];
        }
        for (int64_t k = 0; k < n; k++)
            all->jsd[type][k] /= all->rows[type] > 0 ? all->rows[type] : 1;
        for (int64_t layer = 0; layer < x->layers[type]; layer++)
            if (!match_layer(x, type, layer, all->jsd[type] + layer * per * per, all->rows[type] > 0, to))
                return false;
    }
    return true;
}

/* ---- roles ----------------------------------------------------------------------------------------------------------- */

/* By an inspection of its own, on all measured sentences and against its own untrained control, that is given up again. */
static bool look_at(heed_inspection *x, const heed_inspect_other *o, companion *to)
{
    heed_inspection y = *x;
    y.brief = true;
    y.ablations = NULL;
    y.untrained = NULL;
    y.desc.net = o->net;
    if (!(y.watch = watch_new(x->arena, x)) || !record_shown(&y, o->net, x->desc.shown_count, &to->shown))
        return false;
    memcpy(to->faults, y.watch->faults, sizeof to->faults);
    heed_arena_mark mark = heed_arena_marked(x->arena);
    if ((o->untrained && !inspect_control(&y, o->untrained)) || !inspect_numbers(&y, o->net) || !roles_run(&y))
        return false;
    to->loss = y.watch->loss / (double)y.measured_count;
    for (int i = 0; i < FAULTS; i++)
        to->faults[i] += y.watch->faults[i];
    memcpy(to->roles, y.roles, (size_t)heads_count(x) * sizeof *to->roles);
    heed_arena_rewind(x->arena, mark);
    return true;
}

/* ---- in words ---------------------------------------------------------------------------------------------------------- */

int64_t others_heads_with(const heed_inspection *x, int i, const char *code)
{
    const role *roles = i < 0 ? x->roles : x->others[i].roles;
    int64_t n = 0;
    for (int64_t k = 0; k < heads_count(x); k++)
        n += role_has(&roles[k], code);
    return n;
}

/* Models that have the role, the inspected one among them. */
static int models_with(const heed_inspection *x, const char *code)
{
    int n = 0;
    for (int i = -1; i < x->desc.others_count; i++)
        n += others_heads_with(x, i, code) > 0;
    return n;
}

static bool collect_roles(heed_inspection *x)
{
    int64_t heads = heads_count(x), most = heads * (x->desc.others_count + 1) * MAX_LABELS;
    x->found = heed_arena_alloc(x->arena, most * (int64_t)sizeof *x->found);
    if (!x->found)
        return false;
    for (int i = -1; i < x->desc.others_count; i++)
        for (int64_t k = 0; k < heads; k++) {
            const role *r = &(i < 0 ? x->roles : x->others[i].roles)[k];
            for (int at = 0, known; at < r->count; at++) {
                for (known = 0; known < x->found_count; known++)
                    if (strcmp(x->found[known].label->role, r->labels[at].role) == 0)
                        break;
                if (known == x->found_count)
                    x->found[x->found_count++].label = &r->labels[at];
            }
        }
    for (int k = 0; k < x->found_count; k++)
        x->found[k].models = models_with(x, x->found[k].label->role);
    return true;
}

/* "0.123": printf's point would depend on the locale. */
static void put_number(char *room, size_t bytes, double x)
{
    long long thousandths = llround(1000 * x);
    snprintf(room, bytes, "%lld.%03lld", thousandths / 1000, thousandths % 1000);
}

static void say(heed_inspection *x)
{
    int models = x->desc.others_count + 1, everywhere = 0;
    double apart = 0, any = 0, n = 0;
    char numbers[2][32];
    for (int k = 0; k < x->found_count; k++)
        everywhere += x->found[k].models == models;
    for (int i = 0; i + 1 < models; i++)
        for (int64_t k = 0; k < heads_count(x); k++)
            if (!isnan(x->others[i].apart[k])) {
                apart += x->others[i].apart[k];
                any += x->others[i].any[k];
                n++;
            }
    put_number(numbers[0], sizeof numbers[0], n > 0 ? apart / n : 0);
    put_number(numbers[1], sizeof numbers[1], n > 0 ? any / n : 0);
    snprintf(x->beside, sizeof x->beside,
             "Beside %d other model%s: %d of %d roles %s in all; heads are %s bit from their matches, %s from any head "
             "of the layer.",
             models - 1, models > 2 ? "s" : "", everywhere, x->found_count, everywhere == 1 ? "is" : "are", numbers[0],
             numbers[1]);
}

bool others_run(heed_inspection *x)
{
    int64_t n = heads_count(x), count = x->desc.others_count;
    if (count == 0)
        return true;
    x->others = heed_arena_alloc(x->arena, count * (int64_t)sizeof *x->others);
    for (int i = 0; i < count; i++) {
        companion *to = x->others ? &x->others[i] : NULL;
        if (!to)
            return false;
        *to = (companion){ .roles = heed_arena_alloc(x->arena, n * (int64_t)sizeof *to->roles),
                           .partner = heed_arena_alloc(x->arena, n * (int64_t)sizeof *to->partner),
                           .apart = heed_arena_alloc(x->arena, 2 * n * (int64_t)sizeof *to->apart) };
        to->any = to->apart ? to->apart + n : NULL;
        if (!to->roles || !to->partner || !to->apart || !match(x, x->desc.others[i].net, to) ||
            !look_at(x, &x->desc.others[i], to))
            return false;
        for (int64_t k = 0; to->faults[FAULT_NAN] && k < 2 * n; k++)
            to->apart[k] = (double)NAN; /* what is not finite is no distance */
    }
    if (!collect_roles(x))
        return false;
    say(x);
    return true;
}
