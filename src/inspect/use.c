/* What heads are used for: gradients of their gates (Michel, Levy, Neubig 2019), and whether weights say which source
 * words a prediction rests on. */
#include "internal.h"

#include <math.h>
#include <string.h>

/* What each row should say: [T]. */
static heed_ids *answers(const scene *c, heed_tape *tape)
{
    int32_t *out;
    int64_t T = c->s->tgt.count;
    heed_ids *ids = heed_new_ids(tape, HEED_SHAPE(1, T), &out);
    for (int64_t i = 0; ids && i < T; i++)
        out[i] = i + 1 < T ? c->s->tgt.ids[i + 1] : c->x->desc.eos;
    return ids;
}

/* dL/dg at g = 1, L the mean loss of the sentence's target tokens. */
bool importance_measure(scene *c, table *t)
{
    heed_trace trace = { 0 };
    const heed_sentence *s = c->s;
    heed_tape_reset(c->tape);
    heed_tape_set_grad(c->tape, true);
    for (int type = 0; type < 3; type++) {
        heed_real *open = heed_arena_alloc(c->arena, t->heads[type] * (int64_t)sizeof *open);
        for (int64_t i = 0; open && i < t->heads[type]; i++)
            open[i] = 1;
        trace.gates[type] = open ? heed_leaf(c->tape, HEED_SHAPE(t->layers[type], c->r.heads), open) : NULL;
        if (!trace.gates[type])
            return false;
    }
    heed_ids *src = heed_input_ids(c->tape, HEED_SHAPE(1, s->src.count), s->src.ids);
    heed_ids *tgt = heed_input_ids(c->tape, HEED_SHAPE(1, s->tgt.count), s->tgt.ids);
    heed_var *logits =
        heed_transformer_decode(c->net, tgt, heed_transformer_encode(c->net, src, NULL, &trace), NULL, &trace, NULL);
    heed_var *loss = heed_cross_entropy(logits, answers(c, c->tape), (heed_ce_desc){ 0 });
    bool done = loss && heed_backward(loss);
    c->loss = done ? heed_item(loss) : 0;
    for (int type = 0; done && type < 3; type++)
        for (int64_t i = 0; i < t->heads[type]; i++) {
            double g = (double)heed_grad(trace.gates[type]).data[i];
            put((spot){ t, type, i, c->at }, M_IMPORTANCE, RAW, 0, fabs(g), 1);
            put((spot){ t, type, i, c->at }, M_IMPORTANCE_SIGNED, RAW, 0, -g, 1);
        }
    heed_grads_clear(c->grads);
    heed_tape_set_grad(c->tape, false);
    return done;
}

/* ---- faithfulness ------------------------------------------------------------------------------------------------ */

enum { FAITHFUL = 24 }; /* sentences looked at */

double tau_b(const double *a, const double *b, int64_t n)
{
    double agree = 0, pairs_a = 0, pairs_b = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            int x = (a[i] > a[j]) - (a[i] < a[j]), y = (b[i] > b[j]) - (b[i] < b[j]);
            agree += x * y;
            pairs_a += x != 0;
            pairs_b += y != 0;
        }
    return pairs_a > 0 && pairs_b > 0 ? agree / sqrt(pairs_a * pairs_b) : (double)NAN;
}

double log_probability(const heed_real *logits, int64_t words, int32_t token)
{
    double top = (double)logits[0], all = 0;
    for (int64_t k = 1; k < words; k++)
        top = fmax(top, (double)logits[k]);
    for (int64_t k = 0; k < words; k++)
        all += exp((double)logits[k] - top);
    return (double)logits[token] - top - log(all);
}

/* log p of every row's answer, with source token j replaced by the mean word in row j, in row S with none:
 * [S + 1, T]. */
static double *answer_log_p(scene *c)
{
    int64_t S = c->s->src.count, T = c->s->tgt.count, words = c->net->desc.tgt_vocab;
    int32_t *src, *tgt;
    heed_tape_reset(c->tape);
    heed_ids *sources = heed_new_ids(c->tape, HEED_SHAPE(S + 1, S), &src), *right = answers(c, c->tape);
    heed_ids *inputs = heed_new_ids(c->tape, HEED_SHAPE(S + 1, T), &tgt);
    for (int64_t k = 0; sources && inputs && k <= S; k++) {
        memcpy(src + k * S, c->s->src.ids, (size_t)S * sizeof *src);
        memcpy(tgt + k * T, c->s->tgt.ids, (size_t)T * sizeof *tgt);
        if (k < S)
            src[k * S + k] = c->net->desc.padding; /* its row holds the mean */
    }
    heed_var *memory = heed_transformer_encode(c->net, sources, NULL, NULL);
    heed_tensor logits = heed_value(heed_transformer_decode(c->net, inputs, memory, NULL, NULL, NULL));
    double *out = heed_arena_alloc(c->arena, (S + 1) * T * (int64_t)sizeof *out);
    if (!out || !right || !heed_tensor_ok(logits))
        return NULL;
    for (int64_t i = 0; i < (S + 1) * T; i++)
        out[i] = log_probability(logits.data + i * words, words, right->data[i % T]);
    return out;
}

bool faithfulness_measure(scene *c, table *t)
{
    int64_t S = c->s->src.count, T = c->s->tgt.count;
    field f = field_of(c->s, HEED_CROSS);
    double *log_p = c->at < FAITHFUL ? answer_log_p(c) : NULL;
    for (int64_t head = 0; log_p && head < t->heads[HEED_CROSS]; head++)
        for (int64_t i = 0; i < T; i++) {
            if (view_content(&c->a, &f, record_row(&c->r, HEED_CROSS, head, i), i) != ROW_COUNTS || c->a.n < 2)
                continue;
            for (int64_t j = 0; j < c->a.n; j++)
                c->room[j] = log_p[S * T + i] - log_p[c->a.key[j] * T + i];
            double tau = tau_b(c->a.p, c->room, c->a.n);
            if (!isnan(tau))
                put((spot){ t, HEED_CROSS, head, c->at }, M_TAU, CONTENT, 0, tau, 1);
        }
    return log_p || c->at >= FAITHFUL;
}
