/* What moves through attention: the lengths of what each key carries (Kobayashi, Kuribayashi, Yokoi, Inui 2020), and
 * weights multiplied through the layers (rollout: Abnar and Zuidema 2020), here for a decoder too. */
#include "internal.h"

#include <math.h>
#include <string.h>

const heed_attention *attention_of(const heed_transformer *m, int type, int64_t layer)
{
    if (type == HEED_ENC)
        return &m->encoder.layers[layer].self_attn;
    return type == HEED_DEC ? &m->decoder.layers[layer].self_attn : &m->decoder.layers[layer].multihead_attn;
}

void record_say(const heed_record *r, int type, int64_t head, int64_t i, double *out)
{
    int64_t keys = record_keys(r, type);
    const heed_real *row = record_row(r, type, head, i), *v = r->v[type] + head * keys * r->d;
    for (int64_t j = 0; j < keys; j++)
        for (int64_t k = 0; k < r->d; k++)
            out[k] += (double)row[j] * (double)v[j * r->d + k];
}

double *scene_norms(scene *c, int type)
{
    int64_t heads = c->r.layers[type] * c->r.heads, keys = record_keys(&c->r, type), d = c->r.d, D = c->r.heads * d;
    double *norms = heed_arena_alloc(c->arena, heads * keys * (int64_t)sizeof *norms);
    for (int64_t i = 0; norms && i < heads * keys; i++) {
        int64_t head = i / keys % c->r.heads;
        const heed_real *v = c->r.v[type] + i * d;
        const heed_real *w = heed_param_value(attention_of(c->net, type, i / keys / c->r.heads)->out.weight).data;
        double squares = 0;
        for (int64_t row = 0; row < D; row++) { /* v Woᵀ, columns of this head */
            double f = 0;
            for (int64_t k = 0; k < d; k++)
                f += (double)w[row * D + head * d + k] * (double)v[k];
            squares += f * f;
        }
        norms[i] = sqrt(squares);
    }
    return norms;
}

/* ---- rollout ----------------------------------------------------------------------------------------------------- */

/* How much of what a layer gives at a position came through its attention. */
static double share_of(const heed_record *r, int type, int64_t layer, int64_t i)
{
    return r->share[type] ? r->share[type][layer * record_queries(r, type) + i] : 0.5;
}

/* to[i, :] = a_i sum_j mean_h A[i, j] from[j, :] + (1 - a_i) rest[i, :]. A is [rows, keys]. */
static void mix(const heed_record *r, int type, int64_t layer, bool uniform, const double *from, int64_t width,
                const double *rest, double *to)
{
    int64_t rows = record_queries(r, type), keys = record_keys(r, type);
    for (int64_t i = 0; i < rows; i++) {
        double through = share_of(r, type, layer, i);
        for (int64_t k = 0; k < width; k++)
            to[i * width + k] = (1 - through) * rest[i * width + k];
        int64_t n = type == HEED_DEC ? i + 1 : keys;
        for (int64_t j = 0; j < n; j++) {
            double a = 0;
            for (int64_t h = 0; h < r->heads; h++)
                a += uniform ? 1 / (double)n : (double)record_row(r, type, layer * r->heads + h, i)[j];
            for (int64_t k = 0; k < width; k++)
                to[i * width + k] += a / (double)r->heads * through * from[j * width + k];
        }
    }
}

bool rollout(heed_arena *arena, const heed_record *r, bool uniform, double *out[3])
{
    int64_t S = r->S, T = r->T, sizes[] = { S * S, T * T, T * S };
    double *other = heed_arena_alloc(arena, (S + T) * (S + T) * (int64_t)sizeof *other);
    for (int type = 0; type < 3; type++) {
        out[type] = heed_arena_alloc(arena, sizes[type] * (int64_t)sizeof(double));
        if (!other || !out[type])
            return false;
        memset(out[type], 0, (size_t)sizes[type] * sizeof(double));
    }
    double *enc = out[HEED_ENC], *own = out[HEED_DEC], *source = out[HEED_CROSS];
    for (int64_t i = 0; i < S; i++)
        enc[i * S + i] = 1;
    for (int64_t i = 0; i < T; i++)
        own[i * T + i] = 1;
    for (int64_t l = 0; l < r->layers[HEED_ENC]; l++) {
        memcpy(other, enc, (size_t)(S * S) * sizeof *other);
        mix(r, HEED_ENC, l, uniform, other, S, other, enc);
    }
    for (int64_t l = 0; l < r->layers[HEED_DEC]; l++) {
        memcpy(other, own, (size_t)(T * T) * sizeof *other);
        mix(r, HEED_DEC, l, uniform, other, T, other, own);
        memcpy(other, source, (size_t)(T * S) * sizeof *other);
        mix(r, HEED_DEC, l, uniform, other, S, other, source);
        memcpy(other, source, (size_t)(T * S) * sizeof *other);
        mix(r, HEED_CROSS, l, uniform, enc, S, other, source);
        for (int64_t i = 0; i < T * T; i++)
            own[i] *= 1 - share_of(r, HEED_CROSS, l, i / T);
    }
    return true;
}
