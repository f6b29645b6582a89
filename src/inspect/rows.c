/* Measures of the shape of a distribution, row by row, and of a whole cross-attention: coverage, the diagonal.
 *
 * A view is a row as a measure sees it: all keys it may look at (raw), or those that are no special tokens, made to sum
 * to 1 (content). A content row counts if its query is no special token (but <bos> in cross, which predicts a word) and
 * at least 0.05 of it is on content; otherwise it is a sink row. Rows with one key say nothing about choice. */
#include "internal.h"

#include <math.h>

static const double SINK = 0.05;

field field_of(const heed_sentence *s, int type)
{
    return (field){ type, type == HEED_ENC ? &s->src : &s->tgt, type == HEED_DEC ? &s->tgt : &s->src };
}

int64_t field_valid(const field *f, int64_t row)
{
    return f->type == HEED_DEC ? row + 1 : f->key->count;
}

void view_raw(view *v, const field *f, const heed_real *row, int64_t i)
{
    v->i = i;
    v->n = field_valid(f, i);
    v->kept = 1;
    for (int64_t j = 0; j < v->n; j++) {
        v->p[j] = (double)row[j];
        v->key[j] = (int32_t)j;
    }
}

row_kind view_content(view *v, const field *f, const heed_real *row, int64_t i)
{
    int query = f->query->flags[i];
    if ((query & HEED_TOKEN_SPECIAL) && !(f->type == HEED_CROSS && (query & HEED_TOKEN_BOS)))
        return ROW_OUT;
    return view_keys(v, f, row, i);
}

row_kind view_keys(view *v, const field *f, const heed_real *row, int64_t i)
{
    v->i = i;
    v->n = 0;
    v->kept = 0;
    for (int64_t j = 0; j < field_valid(f, i); j++) {
        if (f->key->flags[j] & HEED_TOKEN_SPECIAL)
            continue;
        v->p[v->n] = (double)row[j];
        v->key[v->n++] = (int32_t)j;
        v->kept += (double)row[j];
    }
    if (v->n == 0)
        return ROW_OUT;
    for (int64_t j = 0; v->kept >= SINK && j < v->n; j++)
        v->p[j] /= v->kept;
    return v->kept >= SINK ? ROW_COUNTS : ROW_SINK;
}

int64_t view_best(const view *v)
{
    int64_t best = 0;
    for (int64_t j = 1; j < v->n; j++)
        best = v->p[j] > v->p[best] ? j : best;
    return best;
}

double divergence(const heed_real *a, const heed_real *b, int64_t n)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        double x = (double)a[j], y = (double)b[j], m = (x + y) / 2;
        sum += (x > 0 ? x * log2(x / m) : 0) + (y > 0 ? y * log2(y / m) : 0);
    }
    return sum > 0 ? sum / 2 : 0;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void shape_of(spot at, variant_id variant, const view *v)
{
    double nats = 0, uniform = 1 / (double)v->n, away = 0;
    for (int64_t j = 0; j < v->n; j++) {
        nats -= v->p[j] > 0 ? v->p[j] * log(v->p[j]) : 0;
        away += fabs(v->p[j] - uniform) / 2;
    }
    put(at, M_ENTROPY, variant, 0, nats / log((double)v->n), 1);
    put(at, M_EFFECTIVE_KEYS, variant, 0, exp(nats), 1);
    put(at, M_CONFIDENCE, variant, 0, v->p[view_best(v)] * v->kept, 1);
    put(at, M_UNIFORMITY, variant, 0, away, 1);
}

static void places_of(spot at, variant_id variant, const view *v)
{
    int64_t best = view_best(v);
    double far = 0, signed_far = 0, self = 0, local = 0, uniform = 1 / (double)v->n;
    for (int64_t j = 0; j < v->n; j++) {
        int64_t k = v->key[j] - v->i;
        far += v->p[j] * (double)(k < 0 ? -k : k);
        signed_far += v->p[j] * (double)k;
        self += k == 0 ? v->p[j] : 0;
        local += k >= -2 && k <= 2 ? v->p[j] : 0;
        if (k < -REACH || k > REACH)
            continue;
        put(at, M_OFFSET_MASS, variant, (int)k + REACH, v->p[j], 1);
        put(at, M_OFFSET_LIFT, variant, (int)k + REACH, v->p[j], uniform);
        put(at, M_OFFSET_ARGMAX, variant, (int)k + REACH, v->random ? uniform : j == best, 1);
    }
    put(at, M_DISTANCE, variant, 0, far, 1);
    put(at, M_OFFSET, variant, 0, signed_far, 1);
    put(at, M_SELF_MASS, variant, 0, self, 1);
    put(at, M_LOCAL_MASS, variant, 0, local, 1);
}

static void row_of(spot at, variant_id variant, const view *v, const field *f)
{
    double same = 0;
    bool any = false;
    put(at, M_FIRST_MASS, variant, 0, v->p[0], 1);
    put(at, M_LAST_MASS, variant, 0, v->p[v->n - 1], 1);
    for (int64_t j = 0; f->type != HEED_CROSS && j < v->n; j++) {
        bool duplicate = v->key[j] != v->i && f->key->ids[v->key[j]] == f->query->ids[v->i];
        same += duplicate ? v->p[j] : 0;
        any = any || duplicate;
    }
    if (any)
        put(at, M_DUPLICATE_MASS, variant, 0, same, 1);
    if (v->n < 2)
        return;
    shape_of(at, variant, v);
    if (f->type != HEED_CROSS)
        places_of(at, variant, v);
}

static void specials_of(spot at, const view *v, const field *f)
{
    double mass[4] = { 0 };
    static const int flags[] = { HEED_TOKEN_SPECIAL, HEED_TOKEN_BOS, HEED_TOKEN_EOS, HEED_TOKEN_PUNCTUATION };
    int64_t best = view_best(v), equal = 0;
    for (int64_t j = 0; j < v->n; j++) {
        for (int i = 0; i < 4; i++)
            mass[i] += f->key->flags[v->key[j]] & flags[i] ? v->p[j] : 0;
        equal += v->p[j] == v->p[best];
    }
    for (int i = 0; i < 4; i++)
        put(at, (measure_id)(M_SPECIAL_MASS + i), RAW, 0, mass[i], 1);
    if (v->n > 1)
        put(at, M_TIE_RATE, RAW, 0, equal > 1, 1);
}

/* ---- a whole cross-attention --------------------------------------------------------------------------------------- */

static int64_t content_count(const heed_tokens *t)
{
    int64_t n = 0;
    for (int64_t i = 0; i < t->count; i++)
        n += !(t->flags[i] & HEED_TOKEN_SPECIAL);
    return n;
}

/* What each source word gets from all rows together. */
static void coverage_of(scene *c, spot at, const field *f)
{
    for (int64_t j = 0; j < f->key->count; j++) {
        double all = 0;
        for (int64_t i = 0; i < f->query->count; i++)
            all += (double)scene_row(c, f->type, at.slot, i)[j];
        if (f->key->flags[j] & HEED_TOKEN_SPECIAL)
            continue;
        put(at, M_OVER_COVERAGE, RAW, 0, all > 1 ? all - 1 : 0, 1);
        put(at, M_UNDER_COVERAGE, RAW, 0, all < 1 ? 1 - all : 0, 1);
    }
}

/* Ranks from 1, equals sharing their mean. */
static void ranks_of(const double *x, int64_t n, double *ranks)
{
    for (int64_t i = 0; i < n; i++) {
        double below = 0, equal = 0;
        for (int64_t k = 0; k < n; k++) {
            below += x[k] < x[i];
            equal += x[k] == x[i];
        }
        ranks[i] = below + (equal + 1) / 2;
    }
}

/* Spearman's: the correlation of ranks. NaN if either has no variance. ranks: room for 2 n. */
static double rank_correlation(const double *x, const double *y, int64_t n, double *ranks)
{
    double xy = 0, xx = 0, yy = 0, middle = (double)(n + 1) / 2;
    ranks_of(x, n, ranks);
    ranks_of(y, n, ranks + n);
    for (int64_t i = 0; i < n; i++) {
        double a = ranks[i] - middle, b = ranks[n + i] - middle;
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

/* Rows and keys as places among content, from 0 to 1. */
static double part(int64_t i, int64_t n)
{
    return n > 1 ? (double)i / (double)(n - 1) : 0;
}

static void diagonal_of(scene *c, spot at, const field *f)
{
    int64_t rows = 0, of = 0, keys = content_count(f->key), n = f->query->count;
    double *middle = c->room, *row = middle + n;
    for (int64_t i = 0; i < n; i++)
        of += view_content(&c->a, f, scene_row(c, f->type, at.slot, i), i) == ROW_COUNTS;
    double reach = 1.5 / (double)(keys > of ? keys : of);
    for (int64_t i = 0; i < n; i++) {
        if (view_content(&c->a, f, scene_row(c, f->type, at.slot, i), i) != ROW_COUNTS)
            continue;
        double band = 0, mean = 0;
        for (int64_t j = 0; j < c->a.n; j++) {
            mean += c->a.p[j] * (double)c->a.key[j];
            band += fabs(part(j, keys) - part(rows, of)) <= reach ? c->a.p[j] : 0;
        }
        row[rows] = (double)i;
        middle[rows++] = mean;
        put(at, M_BAND_MASS, CONTENT, 0, band, 1);
    }
    double rho = rows >= 4 ? rank_correlation(row, middle, rows, row + n) : (double)NAN;
    if (!isnan(rho))
        put(at, M_DIAGONALITY, CONTENT, 0, rho, 1);
}

void rows_measure(scene *c, table *t)
{
    for (int type = 0; type < 3; type++) {
        field f = field_of(c->s, type);
        for (int64_t slot = 0; slot <= t->heads[type]; slot++) {
            spot at = { t, type, slot, c->at };
            c->a.random = slot == table_slot_uniform(t, type);
            for (int64_t i = 0; i < f.query->count; i++) {
                const heed_real *row = scene_row(c, type, slot, i);
                view_raw(&c->a, &f, row, i);
                row_of(at, RAW, &c->a, &f);
                specials_of(at, &c->a, &f);
                row_kind kind = view_content(&c->a, &f, row, i);
                if (kind == ROW_COUNTS)
                    row_of(at, CONTENT, &c->a, &f);
                if (kind != ROW_OUT)
                    put(at, M_SINK_ROW_RATE, RAW, 0, kind == ROW_SINK, 1);
            }
            if (type == HEED_CROSS) {
                coverage_of(c, at, &f);
                diagonal_of(c, at, &f);
            }
        }
        c->a.random = false;
    }
}
