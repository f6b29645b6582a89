/* An inspection: runs the network over sentences it was given, teacher-forced, and measures every head. Sentences go to
 * blocks by their number, blocks to threads, and sums are taken in the order of the blocks. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { MAX_WORKERS = 256 };

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static bool tokens_fit(const heed_sentence *s, const heed_tokens *t, const char *side, int classes)
{
    if (t->count < 1 || t->count > MAX_TOKENS || !t->ids || !t->flags)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "inspect: sentence \"%s\": %s has %lld tokens (at most %d), ids %s, flags %s", s->id, side,
                         (long long)t->count, (int)MAX_TOKENS, t->ids ? "there" : "NULL", t->flags ? "there" : "NULL");
    for (int64_t i = 0; t->classes && i < t->count; i++)
        if (t->classes[i] < -1 || t->classes[i] >= classes)
            return heed_fail(HEED_BAD_ARGUMENT, "inspect: sentence \"%s\": class %d of %s token %lld, of %d classes",
                             s->id, t->classes[i], side, (long long)i, classes);
    return true;
}

static bool positions_fit(const int16_t *list, int count, int64_t limit)
{
    bool fit = count >= 0 && count <= HEED_ARC_KEYS;
    for (int i = 0; fit && i < count; i++)
        fit = list[i] >= 0 && list[i] < limit;
    return fit;
}

static bool arc_fits(const heed_arc *arc, int64_t source, int64_t words, int kinds)
{
    int64_t queries = arc->type == HEED_ENC ? source : words;
    int64_t keys = arc->type == HEED_DEC ? arc->word : source; /* words to its left */
    return (unsigned)arc->type < 3 && arc->kind >= 0 && arc->kind < kinds && arc->word >= 0 && arc->word < queries &&
           positions_fit(arc->keys, arc->keys_count, keys) &&
           positions_fit(arc->attractors, arc->attractors_count, keys);
}

static bool sentence_fits(const heed_sentence *s, const heed_inspect_desc *desc)
{
    if (!s->id || !s->set)
        return heed_fail(HEED_BAD_ARGUMENT, "inspect: a sentence's id or set is NULL");
    if (!tokens_fit(s, &s->src, "src", desc->classes_count) || !tokens_fit(s, &s->tgt, "tgt", desc->classes_count))
        return false;
    int64_t source = s->src.count, words = s->tgt.count - 1;
    for (int64_t i = 0; i < s->links_count; i++)
        if (s->links[i].source < 0 || s->links[i].source >= source || s->links[i].target < 0 ||
            s->links[i].target >= words)
            return heed_fail(HEED_BAD_ARGUMENT,
                             "inspect: sentence \"%s\": link %d-%d is outside %lld source tokens, %lld words", s->id,
                             s->links[i].source, s->links[i].target, (long long)source, (long long)words);
    for (int64_t i = 0; i < s->arcs_count; i++)
        if (!arc_fits(&s->arcs[i], source, words, desc->kinds_count))
            return heed_fail(HEED_BAD_ARGUMENT,
                             "inspect: sentence \"%s\": arc %lld of word %d is outside the sentence, or its kind",
                             s->id, (long long)i, s->arcs[i].word);
    return true;
}

static bool pair_fits(const heed_minimal_pair *pair, const heed_inspect_desc *desc, int64_t i)
{
    const heed_sentence *a = pair->sentences[0], *b = pair->sentences[1];
    int64_t words = desc->net->desc.tgt_vocab;
    if (!a || !b || !sentence_fits(a, desc) || !sentence_fits(b, desc))
        return (a && b) || heed_fail(HEED_BAD_ARGUMENT, "inspect: a sentence of pair %lld is NULL", (long long)i);
    return (a->src.count == b->src.count && a->tgt.count == b->tgt.count && pair->row >= 0 &&
            pair->row < a->tgt.count && pair->word >= 0 && pair->word < a->src.count &&
            (!pair->also || (pair->also > pair->word && pair->also < a->src.count)) && pair->phenomenon >= 0 &&
            pair->phenomenon < desc->phenomena_count && pair->token[0] >= 0 && pair->token[0] < words &&
            pair->token[1] >= 0 && pair->token[1] < words) ||
           heed_fail(HEED_BAD_ARGUMENT, "inspect: the sentences of pair %lld differ in length, or it is outside them",
                     (long long)i);
}

static bool desc_fits(const heed_inspect_desc *desc)
{
    if (!desc->net || !desc->net->params || !desc->name)
        return heed_fail(HEED_BAD_ARGUMENT, "inspect: %s is missing", desc->name ? "net" : "name");
    for (int64_t i = 0; i < desc->shown_count; i++)
        if (!sentence_fits(&desc->shown[i], desc))
            return false;
    for (int64_t i = 0; i < desc->measured_count; i++)
        if (!sentence_fits(&desc->measured[i], desc))
            return false;
    for (int64_t i = 0; i < desc->decisions_count; i++)
        if (desc->decisions[i].phenomenon < 0 || desc->decisions[i].phenomenon >= desc->phenomena_count)
            return heed_fail(HEED_BAD_ARGUMENT, "inspect: decision %lld is of no phenomenon", (long long)i);
    for (int64_t i = 0; i < desc->pairs_count; i++)
        if (!pair_fits(&desc->pairs[i], desc, i))
            return false;
    for (int i = 0; i < desc->claims_count; i++)
        if (desc->claims[i][0] < 0 || desc->claims[i][0] >= desc->kinds_count || desc->claims[i][1] < 0 ||
            desc->claims[i][1] >= desc->phenomena_count)
            return heed_fail(HEED_BAD_ARGUMENT, "inspect: claim %d is of no kind or phenomenon", i);
    return true;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

void scene_free(scene *c)
{
    heed_tape_free(c->tape);
    heed_arena_free(c->arena);
    heed_recorder_free(c->recorder);
    heed_grads_free(c->grads);
    memory_put(c->room);
    memory_put(c->uniform);
    *c = (scene){ 0 };
}

bool scene_start(scene *c, const heed_inspection *x, const heed_transformer *net)
{
    int64_t n = x->longest;
    *c = (scene){ .x = x, .net = net };
    c->tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
    c->arena = heed_arena_new();
    c->recorder = heed_recorder_new(net, (heed_recorder_desc){ .parts = true, .shares = x->desc.measured_rollout });
    c->grads = heed_grads_new(net->params);
    c->room = memory_get(8 * n * (int64_t)sizeof *c->room);
    c->uniform = memory_get(n * n * (int64_t)sizeof *c->uniform);
    if (!c->tape || !c->arena || !c->recorder || !c->grads || !c->room || !c->uniform) {
        scene_free(c);
        return false;
    }
    heed_grads_bind(c->tape, c->grads);
    c->a = (view){ .p = c->room + 4 * n, .key = (int32_t *)(c->room + 6 * n) };
    c->b = (view){ .p = c->room + 5 * n, .key = (int32_t *)(c->room + 7 * n) };
    for (int64_t i = 0; i < n * n; i++)
        c->uniform[i] = 1 / (heed_real)(i / n + 1);
    return true;
}

bool scene_record(scene *c, const int32_t *src, const int32_t *tgt, int64_t first, heed_record *out)
{
    int64_t S = c->s->src.count, T = c->s->tgt.count;
    heed_trace *trace = heed_recorder_trace(c->recorder);
    heed_tape_reset(c->tape);
    trace->first = first;
    heed_ids *source = heed_input_ids(c->tape, HEED_SHAPE(1, S), src);
    heed_ids *target = heed_input_ids(c->tape, HEED_SHAPE(1, T), tgt);
    heed_var *memory = heed_transformer_encode(c->net, source, NULL, trace);
    return heed_transformer_decode(c->net, target, memory, NULL, trace, NULL) &&
           heed_recorder_take(c->recorder, c->arena, 0, S, T, out);
}

const heed_real *scene_row(const scene *c, int type, int64_t slot, int64_t row)
{
    if (slot < c->x->heads[type])
        return record_row(&c->r, type, slot, row);
    return c->uniform + (type == HEED_DEC ? row : c->s->src.count - 1) * c->x->longest;
}

typedef struct {
    scene_pass pass;
    scene workers[MAX_WORKERS];
} running;

static bool run_block(int shard, int worker, void *context)
{
    running *run = context;
    const scene_pass *p = &run->pass;
    scene *c = &run->workers[worker];
    if (!c->tape && !scene_start(c, p->x, p->net))
        return false;
    for (int64_t i = shard * p->count / p->n_blocks; i < (shard + 1) * p->count / p->n_blocks; i++) {
        heed_arena_reset(c->arena);
        c->s = p->list[i];
        c->at = i;
        if (!scene_record(c, c->s->src.ids, c->s->tgt.ids, 0, &c->r) || !p->fn(c, p->blocks[shard]))
            return false;
    }
    return true;
}

bool inspect_each(scene_pass pass)
{
    int threads = pass.x->desc.threads > 0 ? pass.x->desc.threads : heed_threads();
    running *run = memory_get_zeroed((int64_t)sizeof *run);
    if (!run)
        return false;
    run->pass = pass;
    bool done = heed_shards_run(pass.n_blocks, threads < MAX_WORKERS ? threads : MAX_WORKERS, run_block, run);
    for (int i = 0; i < MAX_WORKERS; i++)
        scene_free(&run->workers[i]);
    memory_put(run);
    return done;
}

/* ---- measuring a model --------------------------------------------------------------------------------------------- */

typedef struct {
    table *t;
    const templates *fitted;
    watch *watch; /* NULL: not this model */
} measuring;

static bool fit_scene(scene *c, void *to)
{
    templates_fit(c, to);
    return true;
}

static bool align_scene(scene *c, void *to)
{
    return !c->s->gold || alignment_measure(c, to);
}

static bool measure_scene(scene *c, void *context)
{
    measuring *to = context;
    if (to->watch)
        watch_scene(c, to->watch);
    rows_measure(c, to->t);
    if (c->x->fit_count)
        templates_measure(c, to->t, to->fitted);
    bool done = (!c->s->gold || (arcs_measure(c, to->t) && alignment_measure(c, to->t))) &&
                (c->x->brief || swaps_measure(c, to->t)) && importance_measure(c, to->t);
    if (to->watch)
        to->watch->loss += c->loss;
    return done;
}

static bool faithful_scene(scene *c, void *to)
{
    return faithfulness_measure(c, to);
}

/* With the mean of all words in the place of <pad>. Where the output reads that row too, a table being shared, it is so in
 * what is compared with as well. */
static bool measure_faithfulness(const heed_inspection *x, scene_pass pass, table *t)
{
    if (!pass.net->desc.has_padding || x->brief)
        return true;
    heed_tensor words = heed_param_value(pass.net->src_embed.weight);
    int64_t D = words.shape.dims[1], padding = pass.net->desc.padding;
    heed_real *row = words.data + padding * D, *kept = heed_arena_alloc(x->arena, D * (int64_t)sizeof *kept);
    if (!kept)
        return false;
    memcpy(kept, row, (size_t)D * sizeof *row);
    for (int64_t k = 0; k < D; k++) {
        double sum = 0;
        for (int64_t i = 0; i < words.shape.dims[0]; i++)
            sum += i == padding ? 0 : (double)words.data[i * D + k];
        row[k] = (heed_real)(sum / (double)(words.shape.dims[0] - 1));
    }
    heed_params_changed(pass.net->params);
    pass.fn = faithful_scene;
    for (int i = 0; i < pass.n_blocks; i++)
        pass.blocks[i] = t;
    bool done = inspect_each(pass);
    memcpy(row, kept, (size_t)D * sizeof *row);
    heed_params_changed(pass.net->params);
    return done;
}

static bool inspect_model(const heed_inspection *x, const heed_transformer *net, table *t, table *fitted,
                          watch *watched, templates **out)
{
    void *blocks[BLOCKS];
    scene_pass pass = { x, net, x->fit, x->fit_count, fit_scene, blocks, BLOCKS };
    for (int i = 0; i < BLOCKS; i++)
        if (!(blocks[i] = templates_new(x->arena, x)))
            return false;
    if (!inspect_each(pass))
        return false;
    for (int i = 1; i < BLOCKS; i++)
        templates_add(blocks[0], blocks[i]);
    *out = blocks[0];
    for (int type = 0; type < 3; type++)
        for (int64_t i = 0; i < x->heads[type] * (*out)->d; i++)
            (*out)->outputs[type][i] /= (*out)->rows[type] > 0 ? (*out)->rows[type] : 1;
    measuring to[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = fitted;
    pass.fn = align_scene;
    if (fitted && !inspect_each(pass))
        return false;
    for (int i = 0; i < BLOCKS; i++) {
        to[i] = (measuring){ t, *out, watched ? watch_new(x->arena, x) : NULL };
        if (watched && !to[i].watch)
            return false;
        blocks[i] = &to[i];
    }
    pass.fn = measure_scene;
    pass.list = x->measured;
    pass.count = x->measured_count;
    if (!inspect_each(pass))
        return false;
    for (int i = 0; watched && i < BLOCKS; i++)
        watch_add(watched, to[i].watch, heads_count(x));
    return measure_faithfulness(x, pass, t);
}

bool record_shown(heed_inspection *x, const heed_transformer *net, int64_t count, heed_record **out)
{
    scene c;
    watch *w = watch_new(x->arena, x);
    heed_record *shown = *out = heed_arena_alloc(x->arena, count * (int64_t)sizeof *shown);
    bool done = scene_start(&c, x, net) && shown && w;
    heed_arena_free(c.arena);
    c.arena = x->arena;
    for (int64_t i = 0; done && i < count; i++) {
        c.s = &x->desc.shown[i];
        done = scene_record(&c, c.s->src.ids, c.s->tgt.ids, 0, &shown[i]);
        c.r = shown[i];
        if (done)
            watch_scene(&c, w);
    }
    for (int i = 0; w && i < FAULTS; i++)
        x->watch->faults[i] += w->faults[i];
    c.arena = NULL;
    scene_free(&c);
    return done;
}

/* ---- the numbers --------------------------------------------------------------------------------------------------- */

/* What roles are made of, and followed in time. */
static bool is_of_roles(measure_id m)
{
    return (m >= M_ENTROPY && m <= M_CUE_MASS && m != M_OFFSET_MASS && m != M_OFFSET_LIFT) || m == M_AER;
}

static bool count_column(int shard, int worker, void *context)
{
    heed_inspection *x = context;
    const column *c = &x->trained->columns[shard];
    (void)worker;
    for (int64_t slot = 0; (!x->brief || is_of_roles(c->measure)) && slot < c->slots; slot++) {
        heed_measure m = table_measure(x->trained, c, slot, x->draws);
        m.chance = table_value(x->trained, c, table_slot_uniform(x->trained, c->type));
        if (x->untrained)
            m.untrained = table_value(x->untrained, c, slot);
        x->measures[c->first + slot] = m;
    }
    return true;
}

bool inspect_numbers(heed_inspection *x, const heed_transformer *net)
{
    x->trained = table_new(x->arena, x, x->measured_count, false);
    x->draws = table_draws(x->arena, x->measured_count);
    x->watch = watch_new(x->arena, x);
    if (!x->trained || !x->draws || !x->watch ||
        (!x->brief && (!baselines_fit(x, x->trained) || !margins_start(x, x->trained))))
        return false;
    x->measures = heed_arena_alloc(x->arena, x->trained->slots * (int64_t)sizeof *x->measures);
    if (!x->measures || !inspect_model(x, net, x->trained, x->brief ? NULL : x->fitted, x->watch, &x->templates))
        return false;
    return heed_shards_run(x->trained->count, x->desc.threads, count_column, x);
}

bool inspect_control(heed_inspection *x, const heed_transformer *net)
{
    templates *unused;
    x->untrained = table_new(x->arena, x, x->measured_count, false);
    return x->untrained && (x->brief || baselines_fit(x, x->untrained)) &&
           inspect_model(x, net, x->untrained, NULL, NULL, &unused);
}

static bool run(heed_inspection *x)
{
    x->fitted = table_new(x->arena, x, x->fit_count, true);
    if (!x->fitted || (x->desc.untrained && !inspect_control(x, x->desc.untrained)))
        return false;
    return inspect_numbers(x, x->desc.net) && (!x->desc.evaluate || ablations_run(x)) && patching_run(x) &&
           similarity_run(x) && roles_run(x) && record_shown(x, x->desc.net, x->desc.shown_count, &x->shown) &&
           history_run(x) && others_run(x) && aligners_find(x) && blocks_find(x) && health_run(x);
}

static void make_room(heed_inspection *x, const heed_sentence *s)
{
    int64_t longer = s->src.count > s->tgt.count ? s->src.count : s->tgt.count;
    x->longest = longer > x->longest ? longer : x->longest;
}

static bool sort_sentences(heed_inspection *x)
{
    const heed_inspect_desc *desc = &x->desc;
    x->fit = heed_arena_alloc(x->arena, 2 * desc->measured_count * (int64_t)sizeof *x->fit);
    if (!x->fit)
        return false;
    x->measured = x->fit + desc->measured_count;
    for (int64_t i = 0; i < desc->pairs_count; i++)
        make_room(x, desc->pairs[i].sentences[0]);
    for (int64_t i = 0; i < desc->shown_count + desc->measured_count; i++) {
        const heed_sentence *s = i < desc->shown_count ? &desc->shown[i] : &desc->measured[i - desc->shown_count];
        make_room(x, s);
        if (i >= desc->shown_count && s->fit)
            x->fit[x->fit_count++] = s;
        else if (i >= desc->shown_count)
            x->measured[x->measured_count++] = s;
    }
    return true;
}

heed_inspection *heed_inspect(heed_inspect_desc desc)
{
    if (!desc_fits(&desc))
        return NULL;
    heed_inspection *x = memory_get_zeroed((int64_t)sizeof *x);
    if (!x)
        return NULL;
    x->desc = desc;
    x->arena = heed_arena_new();
    for (int type = 0; type < 3; type++) {
        x->layers[type] = type == HEED_ENC ? desc.net->encoder.n_layers : desc.net->decoder.n_layers;
        x->heads[type] = x->layers[type] * desc.net->desc.layer.heads;
    }
    if (x->arena && sort_sentences(x) && decisions_fit(x) && others_fit(x) && run(x))
        return x;
    heed_inspection_free(x);
    return NULL;
}

void heed_inspection_free(heed_inspection *x)
{
    if (!x)
        return;
    heed_arena_free(x->arena);
    memory_put(x);
}

const char *heed_inspection_summary(const heed_inspection *x)
{
    return x->summary;
}

const char *heed_inspection_beside(const heed_inspection *x)
{
    return x->beside;
}

const char *heed_inspection_role(const heed_inspection *x, heed_head head, int i, char *grade)
{
    const role *r = &x->roles[0];
    for (int64_t k = 0; k < heads_count(x); k++) {
        heed_head at = head_at(x, k);
        r = at.type == head.type && at.layer == head.layer && at.head == head.head ? &x->roles[k] : r;
    }
    *grade = 0;
    if (i >= 0 && i < r->count)
        *grade = r->labels[i].grade;
    return *grade ? r->labels[i].role : NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

const heed_measure *measure_at(const heed_inspection *x, measure_id m, variant_id variant, int sub, int64_t i)
{
    heed_head head = head_at(x, i);
    int base = x->trained->base[m][variant][head.type];
    int64_t slot = head.layer * (x->heads[head.type] / x->layers[head.type]) + head.head;
    return base < 0 ? NULL : &x->measures[x->trained->columns[base + sub].first + slot];
}

/* The sub of a column a name means; -1: none. */
static int sub_of(const heed_inspection *x, measure_subs subs, heed_measure_name name, int type)
{
    int shift = name.shift && strcmp(name.shift, "in") == 0 ? SHIFT_IN : SHIFT_OUT;
    if (subs == SUB_OFFSETS)
        return name.offset >= -REACH && name.offset <= REACH ? name.offset + REACH : -1;
    if (subs == SUB_ALIGN)
        return shift + (name.kind && strcmp(name.kind, "norm") == 0 ? BY_NORM : 0);
    for (int sub = 0; subs == SUB_ARCS && sub < x->trained->arc_count[type]; sub++) {
        int code = x->trained->arc_kinds[type][sub];
        if (name.kind && code % 2 == shift && strcmp(x->desc.kinds[code / 2], name.kind) == 0)
            return sub;
    }
    return subs == SUB_ONE ? 0 : -1;
}

bool heed_inspection_measure(const heed_inspection *x, heed_measure_name name, heed_head head, heed_measure *out)
{
    const char *variant = name.variant ? name.variant : "raw";
    bool there = (unsigned)head.type < 3 && head.layer >= 0 && head.layer < x->layers[head.type] && head.head >= 0 &&
                 head.head < x->heads[head.type] / x->layers[head.type];
    for (int m = 0; there && m < MEASURES; m++)
        for (int v = 0; v < VARIANTS && strcmp(measure_infos[m].id, name.id) == 0; v++) {
            int base = x->trained->base[m][v][head.type], sub = sub_of(x, measure_infos[m].subs, name, (int)head.type);
            if (base < 0 || sub < 0 || strcmp(variant_names[v], variant) != 0)
                continue;
            int64_t slot = head.layer * (x->heads[head.type] / x->layers[head.type]) + head.head;
            *out = x->measures[x->trained->columns[base + sub].first + slot];
            return true;
        }
    heed_shape_buffer buffer;
    return heed_fail(HEED_BAD_ARGUMENT, "inspection: nothing called %s (%s) was measured of %s", name.id, variant,
                     heed_head_name(head.type, head.layer, head.head, &buffer));
}
