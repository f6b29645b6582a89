/* The tape: what lives on it, and for how long.
 *
 * Everything of one pass (values, nodes, gradients) is in one arena, so a reset frees it in one go. Only the slots of
 * heed_var outlive a reset: the previous turn's are marked dead and rest for a turn before they are used again, which
 * is how a stale variable is recognised instead of being read as something else. */
#include "internal.h"
#include "../tensor/internal.h"

#include <string.h>

heed_tape *heed_tape_new(heed_tape_desc desc)
{
    if (desc.threads < 0) {
        heed_fail(HEED_BAD_ARGUMENT, "tape: threads is %d, want 0 (all cores) or more", desc.threads);
        return NULL;
    }
    if (desc.threads == 0)
        desc.threads = heed_threads();
    heed_tape *tape = memory_get_zeroed((int64_t)sizeof *tape);
    if (!tape)
        return NULL;
    tape->desc = desc;
    tape->arena = heed_arena_new();
    tape->scratch = heed_arena_new();
    if (!tape->arena || !tape->scratch) {
        heed_tape_free(tape);
        return NULL;
    }
    return tape;
}

void heed_tape_free(heed_tape *tape)
{
    if (!tape)
        return;
    for (int i = 0; i < 2; i++)
        for (slot_chunk *chunk = tape->pools[i].first, *next; chunk; chunk = next) {
            next = chunk->next;
            memory_put(chunk);
        }
    heed_arena_free(tape->arena);
    heed_arena_free(tape->scratch);
    memory_put(tape->nodes);
    memory_put(tape->externals);
    memory_put(tape->external_index);
    memory_put(tape);
}

/* ---- slots ----------------------------------------------------------------------------------------------------- */

static void slots_kill(slot_pool *pool, int64_t from)
{
    int64_t i = 0;
    for (slot_chunk *chunk = pool->first; chunk && i < pool->used; chunk = chunk->next)
        for (int k = 0; k < SLOTS_PER_CHUNK && i < pool->used; k++, i++)
            if (i >= from)
                chunk->slots[k].var.tape = chunk->slots[k].ids.tape = NULL;
}

/* Makes the slot number pool->used the next one to be handed out. */
static void slots_seek(slot_pool *pool)
{
    pool->current = pool->first;
    for (int64_t skip = pool->used / SLOTS_PER_CHUNK; skip > 0 && pool->current; skip--)
        pool->current = pool->current->next;
}

tape_slot *tape_slot_new(heed_tape *tape, const char *kind)
{
    slot_pool *pool = &tape->pools[tape->turn % 2];
    if (!pool->current) { /* every chunk is full, or there is none */
        slot_chunk *chunk = memory_get_zeroed((int64_t)sizeof *chunk), **end = &pool->first;
        if (!chunk)
            return NULL;
        while (*end)
            end = &(*end)->next;
        *end = pool->current = chunk;
    }
    tape_slot *slot = &pool->current->slots[pool->used++ % SLOTS_PER_CHUNK];
    if (pool->used % SLOTS_PER_CHUNK == 0)
        pool->current = pool->current->next;
    *slot = (tape_slot){ .kind = kind };
    return slot;
}

/* ---- turns and marks ------------------------------------------------------------------------------------------- */

static void externals_reindex(heed_tape *tape);

void heed_tape_reset(heed_tape *tape)
{
    slots_kill(&tape->pools[tape->turn % 2], 0);
    tape->turn++;
    slot_pool *pool = &tape->pools[tape->turn % 2];
    pool->used = 0;
    pool->current = pool->first;
    tape->n_nodes = tape->n_externals = 0;
    externals_reindex(tape);
    tape->free_grads = NULL;
    tape->spent = tape->failed = false;
    tape->step++;
    tape->first_row = 0;
    heed_arena_reset(tape->arena);
    heed_arena_reset(tape->scratch);
}

heed_tape_mark heed_tape_marked(heed_tape *tape)
{
    return (heed_tape_mark){ .nodes = tape->n_nodes,
                             .slots = tape->pools[tape->turn % 2].used,
                             .externals = tape->n_externals,
                             .memory = heed_arena_marked(tape->arena),
                             .turn = tape->turn,
                             .spent = tape->spent };
}

bool heed_tape_rewind(heed_tape *tape, heed_tape_mark mark)
{
    if (mark.turn != tape->turn)
        return heed_fail(HEED_BAD_STATE, "tape_rewind: the tape was reset since this mark");
    if (mark.spent != tape->spent)
        return heed_fail(HEED_BAD_STATE, "tape_rewind: backward ran since this mark; use heed_tape_reset");
    slot_pool *pool = &tape->pools[tape->turn % 2];
    slots_kill(pool, mark.slots);
    pool->used = mark.slots;
    slots_seek(pool);
    tape->n_nodes = mark.nodes;
    tape->n_externals = mark.externals;
    externals_reindex(tape);
    heed_arena_rewind(tape->arena, mark.memory);
    return true;
}

void heed_tape_place(heed_tape *tape, uint32_t step, uint32_t first_row)
{
    tape->step = step;
    tape->first_row = first_row;
}

bool heed_tape_set_grad(heed_tape *tape, bool on)
{
    bool was = !tape->desc.no_grad;
    tape->desc.no_grad = !on;
    return was;
}

bool heed_tape_set_eval(heed_tape *tape, bool on)
{
    bool was = tape->desc.eval;
    tape->desc.eval = on;
    return was;
}

bool heed_tape_is_eval(const heed_tape *tape)
{
    return tape->desc.eval;
}
bool heed_tape_is_grad(const heed_tape *tape)
{
    return !tape->desc.no_grad;
}
int64_t heed_tape_length(const heed_tape *tape)
{
    return tape->n_nodes;
}
heed_arena *heed_tape_arena(heed_tape *tape)
{
    return tape->arena;
}
void heed_tape_bind(heed_tape *tape, void *slab)
{
    tape->slab = slab;
}
void *heed_tape_bound(const heed_tape *tape)
{
    return tape->slab;
}

heed_rng tape_rng(const heed_tape *tape, const char *site)
{
    return (heed_rng){
        .seed = tape->desc.seed, .stream = heed_rng_stream(site), .step = tape->step, .row = tape->first_row
    };
}

/* ---- nodes, roots, vars ---------------------------------------------------------------------------------------- */

bool tape_push(heed_tape *tape, heed_node *node)
{
    if (tape->n_nodes == tape->nodes_room) {
        int64_t room = tape->nodes_room ? 2 * tape->nodes_room : 256, size = (int64_t)sizeof *tape->nodes;
        heed_node **nodes = memory_grow(tape->nodes, tape->n_nodes * size, room * size);
        if (!nodes)
            return false;
        tape->nodes = nodes;
        tape->nodes_room = room;
    }
    tape->nodes[tape->n_nodes++] = node;
    return true;
}

heed_root *tape_root(heed_tape *tape, heed_real *base, int64_t numel, const char *kind)
{
    heed_root *root = heed_arena_alloc(tape->arena, (int64_t)sizeof *root);
    if (!root)
        return NULL;
    *root = (heed_root){ .base = base, .numel = numel, .kind = kind };
    root->version = &root->own_version;
    return root;
}

heed_var *tape_var(heed_tape *tape, heed_root *root, heed_tensor value, const char *kind)
{
    if (!root || !heed_tensor_ok(value))
        return NULL;
    tape_slot *slot = tape_slot_new(tape, kind);
    if (!slot)
        return NULL;
    slot->var = (heed_var){ .tape = tape, .root = root, .value = value };
    return &slot->var;
}

bool tape_var_usable(const heed_var *v, const char *who, const char *what)
{
    if (!v)
        return heed_error_pending() ? false : heed_fail(HEED_BAD_ARGUMENT, "%s: %s is NULL", who, what);
    if (!v->tape) /* var is the first member of its slot */
        return heed_fail(HEED_BAD_STATE,
                         "%s: %s is stale: it was %s of a turn that ended when its tape was reset or rewound", who,
                         what, ((const tape_slot *)(const void *)v)->kind);
    return true;
}

/* ---- externals: one root per key ------------------------------------------------------------------------------- */

static int64_t external_place(const heed_tape *tape, const void *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
    uint64_t slots = 2 * (uint64_t)tape->externals_room, at = (hash >> 32) & (slots - 1); /* a power of two */
    while (tape->external_index[at] && tape->externals[tape->external_index[at] - 1].key != key)
        at = (at + 1) & (slots - 1);
    return (int64_t)at;
}

static void externals_reindex(heed_tape *tape)
{
    if (!tape->externals_room)
        return;
    memset(tape->external_index, 0, (size_t)(2 * tape->externals_room) * sizeof *tape->external_index);
    for (int64_t i = 0; i < tape->n_externals; i++)
        tape->external_index[external_place(tape, tape->externals[i].key)] = (int32_t)(i + 1);
}

static bool externals_grow(heed_tape *tape)
{
    int64_t room = tape->externals_room ? 2 * tape->externals_room : 64, size = (int64_t)sizeof *tape->externals;
    int32_t *index = memory_get(2 * room * (int64_t)sizeof *index);
    void *list = index ? memory_grow(tape->externals, tape->n_externals * size, room * size) : NULL;
    if (!list) {
        memory_put(index);
        return false;
    }
    memory_put(tape->external_index);
    tape->external_index = index;
    tape->externals = list;
    tape->externals_room = room;
    externals_reindex(tape);
    return true;
}

heed_var *heed_external_on(heed_tape *tape, const void *key, heed_external external)
{
    if (tape->n_externals == tape->externals_room && !externals_grow(tape))
        return NULL;
    int64_t place = external_place(tape, key);
    if (tape->external_index[place])
        return tape->externals[tape->external_index[place] - 1].var;
    if (!heed_tensor_contiguous(external.value)) {
        heed_fail(HEED_BAD_ARGUMENT, "external_on: the value of \"%s\" is not contiguous", external.name);
        return NULL;
    }
    heed_root *root = tape_root(tape, external.value.data, heed_tensor_numel(external.value), "parameter");
    if (!root)
        return NULL;
    root->wants = external.grad != NULL;
    root->is_external = true;
    root->external = external;
    root->name = external.name;
    root->grad = external.grad;
    if (external.version)
        root->version = external.version;
    heed_var *v = tape_var(tape, root, external.value, "parameter");
    if (!v)
        return NULL;
    tape->externals[tape->n_externals].key = key;
    tape->externals[tape->n_externals].var = v;
    tape->external_index[place] = (int32_t)++tape->n_externals;
    return v;
}
