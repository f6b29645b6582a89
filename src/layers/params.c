/* Named parameters: one slab of values, laid out in the order of the makes without gaps, and slabs of gradients laid
 * out alike.
 *
 * Until heed_params_init a make only records a name and a shape; init then takes the slab and fills it. A bad make is
 * remembered, the first one wins, and init gives its message: so a model is built without checks and judged once.
 * A slab of gradients is never cleared: a flag per parameter says that its stretch holds nothing yet, and the first
 * write of a backward pass overwrites. */
#include <math.h>
#include <string.h>

#include "internal.h"

struct heed_grads {
    heed_params *params;
    heed_real *data; /* [numel] */
    bool *empty;     /* [count] */
    uint64_t backwards;
    heed_arena *own; /* of heed_grads_new: all of it lies there */
};

/* ---- making ---------------------------------------------------------------------------------------------------- */

heed_params *heed_params_new(void)
{
    heed_params *params = memory_get_zeroed(sizeof *params);
    if (!params)
        return NULL;
    params->arena = heed_arena_new();
    if (!params->arena) {
        memory_put(params);
        return NULL;
    }
    return params;
}

void heed_params_free(heed_params *params)
{
    if (!params)
        return;
    heed_arena_free(params->arena);
    memory_put(params);
}

static bool given(const heed_params *params, const char *what)
{
    return params || heed_fail(HEED_BAD_ARGUMENT, "%s: params is NULL", what);
}

void *heed_params_alloc(heed_params *params, int64_t bytes)
{
    if (!given(params, "heed_params_alloc"))
        return NULL;
    void *block = heed_arena_alloc(params->arena, bytes);
    if (block && bytes)
        memset(block, 0, (size_t)bytes);
    return block;
}

/* The error stays this thread's as well: a program that asks right after the make gets its message too. */
void heed_params_fail(heed_params *params)
{
    if (params && params->bad.pending)
        return;
    if (!heed_error_pending())
        heed_fail(HEED_BAD_STATE, "heed_params_fail: called without an error");
    if (!params)
        return;
    params->bad = error_take();
    error_put(&params->bad);
}

const char *heed_param_name(heed_params *params, const char *prefix, const char *name)
{
    if (!params || !name) {
        heed_fail(HEED_BAD_ARGUMENT, "heed_param_name: %s is NULL", params ? "name" : "params");
        heed_params_fail(params);
        return NULL;
    }
    size_t head = prefix ? strlen(prefix) : 0, tail = strlen(name) + 1;
    char *text = heed_params_alloc(params, (int64_t)(head + 1 + tail));
    if (!text) {
        heed_params_fail(params);
        return NULL;
    }
    if (head) {
        memcpy(text, prefix, head);
        text[head++] = '.';
    }
    memcpy(text + head, name, tail);
    return text;
}

/* 1 .. 200 bytes of printable UTF-8, so that a message and a file can always show it, and not taken. */
static bool name_check(heed_params *params, const char *name)
{
    char clean[256];
    if (!name || !*name)
        return heed_fail(HEED_BAD_ARGUMENT, "parameter %d: its name is %s", params->count, name ? "empty" : "NULL");
    text_clean(clean, sizeof clean, name);
    if (strlen(name) > 200 || strcmp(clean, name) != 0)
        return heed_fail(HEED_BAD_ARGUMENT, "parameter \"%s\": a name is at most 200 bytes of printable UTF-8", clean);
    if (heed_params_find(params, name))
        return heed_fail(HEED_BAD_ARGUMENT,
                         "parameter \"%s\": the name is taken; to share a weight, set it in the layer's descriptor",
                         name);
    return true;
}

static bool init_check(const char *name, heed_shape shape, heed_init init)
{
    heed_shape_buffer buffer;
    if ((unsigned)init.kind > HEED_INIT_XAVIER)
        return heed_fail(HEED_BAD_ARGUMENT, "parameter \"%s\": init kind %d is unknown", name, (int)init.kind);
    if (!(init.scale >= 0 && isfinite(init.scale)))
        return heed_fail(HEED_BAD_ARGUMENT, "parameter \"%s\": init scale is %g, must be finite and not negative", name,
                         init.scale);
    if (init.kind == HEED_INIT_XAVIER && shape.rank != 2)
        return heed_fail(HEED_BAD_SHAPE, "parameter \"%s\": XAVIER needs a matrix [out, in], the shape is %s", name,
                         heed_shape_text(shape, &buffer));
    if (init.has_zero_row && (shape.rank != 2 || init.zero_row < 0 || init.zero_row >= shape.dims[0]))
        return heed_fail(HEED_BAD_SHAPE, "parameter \"%s\": there is no row %lld to be zero in shape %s", name,
                         (long long)init.zero_row, heed_shape_text(shape, &buffer));
    return true;
}

static bool shape_check(const char *name, heed_shape shape)
{
    heed_shape_buffer buffer;
    if (!heed_shape_check(shape))
        return false;
    if (heed_shape_numel(shape) < 1)
        return heed_fail(HEED_BAD_SHAPE, "parameter \"%s\": shape %s has no elements", name,
                         heed_shape_text(shape, &buffer));
    return true;
}

/* Room for one more pointer; the old array stays in the arena. */
static bool items_grow(heed_params *params)
{
    if (params->count < params->room)
        return true;
    int room = params->room ? 2 * params->room : 64;
    heed_param **items = heed_params_alloc(params, (int64_t)sizeof *items * room);
    if (!items)
        return false;
    if (params->count)
        memcpy(items, params->items, sizeof *items * (size_t)params->count);
    params->items = items;
    params->room = room;
    return true;
}

static heed_param *make(heed_params *params, const char *name, heed_shape shape, heed_init init)
{
    if (!name_check(params, name) || !shape_check(name, shape) || !init_check(name, shape, init))
        return NULL;
    if (params->values) {
        heed_fail(HEED_BAD_STATE, "parameter \"%s\": made after heed_params_init", name);
        return NULL;
    }
    int64_t end;
    if (!size_add(params->numel, heed_shape_numel(shape), &end) || end > INT64_MAX / (int64_t)sizeof(heed_real)) {
        heed_fail(HEED_BAD_SHAPE, "parameter \"%s\": too many elements in all", name);
        return NULL;
    }
    heed_param *p = heed_params_alloc(params, sizeof *p);
    const char *kept = p ? heed_param_name(params, "", name) : NULL;
    if (!kept || !items_grow(params))
        return NULL;
    *p = (heed_param){
        .name = kept, .shape = shape, .offset = params->numel, .index = params->count, .init = init, .params = params
    };
    params->items[params->count++] = p;
    params->numel = end;
    return p;
}

heed_param *heed_param_make(heed_params *params, const char *name, heed_shape shape, heed_init init)
{
    heed_param *p = given(params, "heed_param_make") ? make(params, name, shape, init) : NULL;
    if (!p)
        heed_params_fail(params);
    return p;
}

/* ---- initial values ---------------------------------------------------------------------------------------------- */

/* Element i is a function of (seed, name, i) alone. */
static bool fill(const heed_param *p, uint64_t seed)
{
    heed_tensor values = heed_param_value(p);
    heed_rng rng = { .seed = seed, .stream = heed_rng_stream(p->name) };
    double scale = p->init.scale;
    bool done = false;
    switch (p->init.kind) {
    case HEED_INIT_ZEROS:
        done = heed_tensor_fill(values, 0);
        break;
    case HEED_INIT_ONES:
        done = heed_tensor_fill(values, 1);
        break;
    case HEED_INIT_UNIFORM:
        done = heed_tensor_uniform(values, rng, -scale, scale);
        break;
    case HEED_INIT_NORMAL:
        done = heed_tensor_normal(values, rng, 0, scale);
        break;
    case HEED_INIT_XAVIER:
        scale = (scale > 0 ? scale : 1) * sqrt(6 / ((double)p->shape.dims[0] + (double)p->shape.dims[1]));
        done = heed_tensor_uniform(values, rng, -scale, scale);
        break;
    }
    if (done && p->init.has_zero_row)
        done = heed_tensor_fill(heed_tensor_slice(values, 0, p->init.zero_row, p->init.zero_row + 1), 0);
    return done;
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

int heed_params_count(const heed_params *params)
{
    return params ? params->count : 0;
}

int64_t heed_params_numel(const heed_params *params)
{
    return params ? params->numel : 0;
}

heed_param *heed_params_at(heed_params *params, int i)
{
    if (params && i >= 0 && i < params->count)
        return params->items[i];
    heed_fail(HEED_BAD_ARGUMENT, "heed_params_at: there is no parameter %d of %d", i, heed_params_count(params));
    return NULL;
}

heed_param *heed_params_find(heed_params *params, const char *name)
{
    for (int i = 0; name && i < heed_params_count(params); i++)
        if (strcmp(params->items[i]->name, name) == 0)
            return params->items[i];
    return NULL;
}

bool params_ready(const heed_params *params, const char *what)
{
    if (!given(params, what))
        return false;
    return params->values || heed_fail(HEED_BAD_STATE, "%s: heed_params_init comes first", what);
}

heed_real *heed_params_values(heed_params *params)
{
    return params_ready(params, "heed_params_values") ? params->values : NULL;
}

void heed_params_changed(heed_params *params)
{
    if (params)
        params->version++;
}

uint64_t heed_params_version(const heed_params *params)
{
    return params ? params->version : 0;
}

heed_tensor heed_param_value(const heed_param *p)
{
    if (!p || !params_ready(p->params, p->name)) {
        if (!p)
            heed_fail(HEED_BAD_ARGUMENT, "heed_param_value: the parameter is NULL");
        return (heed_tensor){ 0 };
    }
    return heed_tensor_wrap(p->params->values + p->offset, p->shape);
}

heed_tensor heed_param_grad(const heed_param *p)
{
    heed_tensor value = heed_param_value(p);
    if (!heed_tensor_ok(value))
        return value;
    heed_grads *grads = p->params->grads;
    heed_tensor grad = heed_tensor_wrap(grads->data + p->offset, p->shape);
    if (grads->empty[p->index] && !heed_tensor_fill(grad, 0))
        return (heed_tensor){ 0 };
    return grad;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

/* Each in one piece: the struct, the flags, the numbers. */
static bool grads_in(heed_arena *arena, heed_params *params, int count, heed_grads **grads)
{
    const int64_t line = 64, flags = params->count * (int64_t)sizeof(bool);
    const int64_t head = ((int64_t)sizeof(heed_grads) + flags + line - 1) / line * line;
    int64_t each, bytes;
    if (!size_add(head, params->numel * (int64_t)sizeof(heed_real), &each) || !size_add(each, line - 1, &each) ||
        !size_mul(each / line * line, count, &bytes))
        return heed_fail(HEED_MEMORY, "grads: %d of %lld numbers do not fit into memory", count,
                         (long long)params->numel);
    char *block = heed_arena_alloc(arena, bytes);
    for (int i = 0; block && i < count; i++, block += each / line * line) {
        grads[i] = (heed_grads *)(void *)block;
        *grads[i] = (heed_grads){ .params = params,
                                  .data = (heed_real *)(void *)(block + head),
                                  .empty = (bool *)(block + sizeof(heed_grads)) };
        heed_grads_clear(grads[i]);
    }
    return block;
}

bool heed_grads_in(heed_arena *arena, heed_params *params, int count, heed_grads **grads)
{
    return params_ready(params, "heed_grads_in") && grads_in(arena, params, count, grads);
}

heed_grads *heed_grads_new(heed_params *params)
{
    heed_arena *own = params_ready(params, "heed_grads_new") ? heed_arena_new() : NULL;
    heed_grads *grads;
    if (!own || !grads_in(own, params, 1, &grads)) {
        heed_arena_free(own);
        return NULL;
    }
    grads->own = own;
    return grads;
}

void heed_grads_free(heed_grads *grads)
{
    if (grads)
        heed_arena_free(grads->own);
}

heed_grads *heed_params_grads(heed_params *params)
{
    return params_ready(params, "heed_params_grads") ? params->grads : NULL;
}

void heed_grads_bind(heed_tape *tape, heed_grads *grads)
{
    heed_tape_bind(tape, grads);
}

void heed_grads_clear(heed_grads *grads)
{
    if (!grads)
        return;
    for (int i = 0; i < grads->params->count; i++)
        grads->empty[i] = true;
    grads->backwards = 0;
}

heed_real *heed_grads_data(heed_grads *grads)
{
    return grads ? grads->data : NULL;
}

bool *heed_grads_empty(heed_grads *grads)
{
    return grads ? grads->empty : NULL;
}

uint64_t *heed_grads_backwards(heed_grads *grads)
{
    return grads ? &grads->backwards : NULL;
}

bool heed_params_init(heed_params *params, uint64_t seed)
{
    if (!given(params, "heed_params_init"))
        return false;
    if (params->bad.pending) {
        error_put(&params->bad);
        return false;
    }
    if (params->values)
        return heed_fail(HEED_BAD_STATE, "heed_params_init: called twice");
    if (params->count == 0)
        return heed_fail(HEED_BAD_STATE, "heed_params_init: no parameter was made");
    heed_arena_mark mark = heed_arena_marked(params->arena);
    heed_grads *grads;
    bool done = grads_in(params->arena, params, 1, &grads);
    params->values = done ? heed_arena_alloc(params->arena, params->numel * (int64_t)sizeof(heed_real)) : NULL;
    done = params->values;
    for (int i = 0; done && i < params->count; i++)
        done = fill(params->items[i], seed);
    if (!done) {
        heed_arena_rewind(params->arena, mark);
        params->values = NULL;
        return false;
    }
    params->grads = grads;
    params->version = 1;
    return true;
}

const char *heed_params_untouched(heed_params *params, int i)
{
    const heed_grads *grads = heed_params_grads(params);
    for (int k = 0; grads && k < params->count; k++)
        if (grads->empty[k] && i-- == 0)
            return params->items[k]->name;
    return NULL;
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

static heed_external external_of(const heed_param *p, heed_grads *grads)
{
    return (heed_external){ .name = p->name,
                            .value = heed_param_value(p),
                            .grad = grads->data + p->offset,
                            .empty = &grads->empty[p->index],
                            .version = &p->params->version,
                            .backwards = &grads->backwards,
                            .packed = param_packed(p),
                            .packed_version = p->params->packed_version };
}

heed_var *heed_param_on(heed_tape *tape, heed_param *p)
{
    if (!p || !params_ready(p->params, p->name))
        return NULL;
    if (!tape) {
        heed_fail(HEED_BAD_ARGUMENT, "parameter \"%s\": the tape it should be on is NULL", p->name);
        return NULL;
    }
    heed_grads *grads = heed_tape_bound(tape);
    if (!grads || grads->params != p->params)
        grads = p->params->grads;
    return heed_external_on(tape, p, external_of(p, grads));
}

bool heed_params_gradcheck(heed_params *params, heed_gradcheck_fn *fn, void *context, const heed_named_tensor *inputs,
                           int n_inputs, heed_gradcheck_desc desc, heed_gradcheck_report *report)
{
    if (!params_ready(params, "heed_params_gradcheck"))
        return false;
    heed_external *externals = memory_get((int64_t)sizeof *externals * params->count);
    if (!externals)
        return false;
    for (int i = 0; i < params->count; i++)
        externals[i] = external_of(params->items[i], params->grads);
    bool same = heed_gradcheck_with(fn, context, inputs, n_inputs, externals, params->count, desc, report);
    memory_put(externals);
    return same;
}
