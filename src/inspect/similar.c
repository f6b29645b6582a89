/* How alike heads are: Jensen-Shannon divergence of their rows, a map of it (classical scaling, Torgerson 1952), and by
 * layer the mean of pairs and the disagreement of what heads say (Li, Tu, Yang, Lyu, Zhang 2018). */
#include "internal.h"

#include <math.h>
#include <string.h>

/* Sums over one block of sentences; for each type. */
typedef struct {
    double *jsd[3], rows[3];        /* [heads, heads]; rows with a choice */
    double *disagree[3], *pairs[3]; /* [layers] */
} sums;

static sums *sums_new(const heed_inspection *x)
{
    sums *s = heed_arena_alloc(x->arena, (int64_t)sizeof *s);
    for (int type = 0; s && type < 3; type++) {
        int64_t n = x->heads[type] * x->heads[type] + 2 * x->layers[type];
        s->rows[type] = 0;
        if (!(s->jsd[type] = heed_arena_alloc(x->arena, n * (int64_t)sizeof(double))))
            return NULL;
        memset(s->jsd[type], 0, (size_t)n * sizeof(double));
        s->disagree[type] = s->jsd[type] + x->heads[type] * x->heads[type];
        s->pairs[type] = s->disagree[type] + x->layers[type];
    }
    return s;
}

static void compare(scene *c, sums *to, int type, int64_t a, int64_t b)
{
    int64_t heads = c->x->heads[type], layer = a / c->r.heads;
    field f = field_of(c->s, type);
    double *one = c->said, *other = one + c->r.d;
    for (int64_t i = 0; i < f.query->count; i++) {
        int64_t n = field_valid(&f, i);
        if (n > 1)
            to->jsd[type][a * heads + b] += divergence(record_row(&c->r, type, a, i), record_row(&c->r, type, b, i), n);
        if (layer != b / c->r.heads)
            continue;
        double both = 0, squares[2] = { 0 };
        memset(one, 0, 2 * (size_t)c->r.d * sizeof *one);
        record_say(&c->r, type, a, i, one);
        record_say(&c->r, type, b, i, other);
        for (int64_t k = 0; k < c->r.d; k++) {
            both += one[k] * other[k];
            squares[0] += one[k] * one[k];
            squares[1] += other[k] * other[k];
        }
        if (squares[0] > 0 && squares[1] > 0) {
            to->disagree[type][layer] += 1 - both / sqrt(squares[0] * squares[1]);
            to->pairs[type][layer]++;
        }
    }
}

static bool compare_all(scene *c, void *context)
{
    sums *to = context;
    if (!(c->said = heed_arena_alloc(c->arena, 2 * c->r.d * (int64_t)sizeof(double))))
        return false;
    for (int type = 0; type < 3; type++) {
        field f = field_of(c->s, type);
        for (int64_t i = 0; i < f.query->count; i++)
            to->rows[type] += field_valid(&f, i) > 1;
        for (int64_t a = 0; a < c->x->heads[type]; a++)
            for (int64_t b = 0; b < a; b++)
                compare(c, to, type, a, b);
    }
    return true;
}

/* The two directions of largest variance of -1/2 J D^2 J, by repeated multiplication: map [n, 2]. */
static bool scale_to_plane(const heed_inspection *x, const double *distance, int64_t n, double *map)
{
    double *b = heed_arena_alloc(x->arena, (n * n + 2 * n) * (int64_t)sizeof *b), *v = b + n * n, *next = v + n,
           all = 0;
    if (!b)
        return false;
    for (int64_t i = 0; i < n; i++) {
        v[i] = 0;
        for (int64_t j = 0; j < n; j++)
            v[i] += distance[i * n + j] * distance[i * n + j] / (double)n;
        all += v[i] / (double)n;
    }
    for (int64_t i = 0; i < n * n; i++)
        b[i] = -(distance[i] * distance[i] - v[i / n] - v[i % n] + all) / 2;
    for (int axis = 0; axis < 2; axis++) {
        double value = 0;
        for (int64_t i = 0; i < n; i++)
            v[i] = 1 / (1.0 + (double)i) - (double)axis / (2.0 + (double)i);
        for (int step = 0; step < 300; step++) {
            value = 0;
            for (int64_t i = 0; i < n; i++) {
                next[i] = 0;
                for (int64_t j = 0; j < n; j++)
                    next[i] += b[i * n + j] * v[j];
                value += next[i] * next[i];
            }
            value = sqrt(value);
            for (int64_t i = 0; i < n; i++)
                v[i] = value > 1e-12 ? next[i] / value : 0;
        }
        double sign = 0; /* a negative direction is no distance in the plane */
        for (int64_t i = 0; i < n; i++)
            sign += v[i] * next[i];
        for (int64_t i = 0; i < n; i++)
            map[2 * i + axis] = sign > 0 ? v[i] * sqrt(value) : 0;
        for (int64_t i = 0; i < n * n; i++)
            b[i] -= (sign > 0 ? value : -value) * v[i / n] * v[i % n];
    }
    return true;
}

bool similarity_run(heed_inspection *x)
{
    enum { PARTS = 8, MOST = 100 };
    void *blocks[PARTS];
    scene_pass pass = { x,           x->desc.net, x->measured, x->measured_count < MOST ? x->measured_count : MOST,
                        compare_all, blocks,      PARTS };
    for (int i = 0; i < PARTS; i++)
        if (!(blocks[i] = sums_new(x)))
            return false;
    if (!inspect_each(pass))
        return false;
    for (int type = 0; type < 3; type++) {
        similarity *to = &x->similarity[type];
        int64_t n = x->heads[type], layers = x->layers[type], per = n / layers;
        to->jsd = heed_arena_alloc(x->arena, (n * n + 2 * n + 2 * layers) * (int64_t)sizeof(double));
        if (!to->jsd)
            return false;
        to->map = to->jsd + n * n;
        to->diversity = to->map + 2 * n;
        to->disagreement = to->diversity + layers;
        sums *all = blocks[0];
        for (int i = 1; i < PARTS; i++) {
            const sums *part = blocks[i];
            all->rows[type] += part->rows[type];
            for (int64_t k = 0; k < n * n + 2 * layers; k++)
                all->jsd[type][k] += part->jsd[type][k];
        }
        for (int64_t i = 0; i < n * n; i++) {
            int64_t a = i / n > i % n ? i / n : i % n, b = i / n > i % n ? i % n : i / n;
            to->jsd[i] = a == b ? 0 : all->jsd[type][a * n + b] / all->rows[type];
        }
        for (int64_t layer = 0; layer < layers; layer++) {
            double sum = 0;
            for (int64_t a = layer * per; a < (layer + 1) * per; a++)
                for (int64_t b = layer * per; b < a; b++)
                    sum += to->jsd[a * n + b];
            to->diversity[layer] = per > 1 ? 2 * sum / (double)(per * (per - 1)) : (double)NAN;
            to->disagreement[layer] = all->disagree[type][layer] / all->pairs[type][layer];
        }
        if (!scale_to_plane(x, to->jsd, n, to->map))
            return false;
    }
    return true;
}
