/* Memory: the one allocator, which counts and can be told to fail, and arenas on top of it.
 *
 * Every block is 64-byte aligned and has a 64-byte head with its size. Arenas are chains of blocks that are filled one
 * after the other; a rewind keeps the later blocks for the next turn, and a reset keeps one that holds all, of the old
 * ones or new. What has more than a small block to hold gets blocks of huge pages: an arena's memory is touched when
 * it is used, and 2 MB of huge page cost an eighth of as many small ones. */
#include "internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEED_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEED_ASAN 1
#endif
#endif
#ifdef HEED_ASAN
#include <sanitizer/asan_interface.h>
static const int64_t largest = INT64_C(1) << 39; /* ASan ends the program if asked for more than twice that */
#else
static const int64_t largest = INT64_MAX;
#endif

enum {
    ALIGNMENT = 64,
    HUGE_PAGE = 1 << 21,
    FIRST_BLOCK = 1 << 16, /* of an arena, at least, and the next ones: */
#ifdef HEED_DEBUG
    NEXT_BLOCK = FIRST_BLOCK, /* debug builds write to all they get */
#else
    NEXT_BLOCK = 2 * HUGE_PAGE - 2 * ALIGNMENT, /* with both heads, what from_system asks huge pages for */
#endif
};

typedef struct {
    _Alignas(ALIGNMENT) int64_t bytes;
} head;

static atomic_int_least64_t live_blocks, live_bytes, calls;
static atomic_int_least64_t fail_in; /* this many allocations from now one fails; 0: none */
static atomic_bool fail_sticky;

bool size_mul(int64_t a, int64_t b, int64_t *product)
{
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, product);
}

bool size_add(int64_t a, int64_t b, int64_t *sum)
{
    return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, sum);
}

void memory_released(void *start, int64_t bytes)
{
#ifdef HEED_DEBUG
    memory_reused(start, bytes);        /* parts of it may be poisoned already */
    memset(start, 0xFF, (size_t)bytes); /* every real a NaN, every int -1, every pointer wild */
#endif
#ifdef HEED_ASAN
    ASAN_POISON_MEMORY_REGION(start, (size_t)bytes);
#endif
    (void)start, (void)bytes;
}

void memory_reused(void *start, int64_t bytes)
{
#ifdef HEED_ASAN
    ASAN_UNPOISON_MEMORY_REGION(start, (size_t)bytes);
#endif
    (void)start, (void)bytes;
}

heed_memory heed_memory_now(void)
{
    return (heed_memory){ .blocks = atomic_load(&live_blocks),
                          .bytes = atomic_load(&live_bytes),
                          .calls = atomic_load(&calls) };
}

void heed_memory_fail_at(int64_t n, bool sticky)
{
    atomic_store(&fail_in, 0);
    atomic_store(&fail_sticky, sticky);
    atomic_store(&fail_in, n > 0 ? n : 0);
}

static bool must_fail(void)
{
    int64_t left = atomic_load(&fail_in);
    while (left > 0) {
        int64_t next = left == 1 && atomic_load(&fail_sticky) ? 1 : left - 1;
        if (atomic_compare_exchange_weak(&fail_in, &left, next))
            return left == 1;
    }
    return false;
}

/* Large blocks ask for huge pages: a first touch of 4 kB costs a microsecond, and passes over a slab or a large tensor
 * lose a tenth of their time to missing translations. It is advice; where it is not taken nothing else changes. */
static void *from_system(int64_t bytes)
{
    void *start;
    size_t alignment = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    if (posix_memalign(&start, alignment, (size_t)bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE)
        madvise(start, (size_t)bytes, MADV_HUGEPAGE);
#endif
    return start;
}

/* NULL without a word if there is no memory. */
static void *get_quietly(int64_t bytes)
{
    int64_t total;
    if (!size_add(bytes, sizeof(head), &total) || total > largest || must_fail())
        return NULL;
    void *start = from_system(total);
    if (!start)
        return NULL;
    ((head *)start)->bytes = bytes;
    atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&live_bytes, bytes);
    atomic_fetch_add(&calls, 1);
    void *block = (char *)start + sizeof(head);
#ifdef HEED_DEBUG
    memset(block, 0xFF, (size_t)bytes);
#endif
    return block;
}

void *memory_get(int64_t bytes)
{
    void *block = get_quietly(bytes);
    if (!block)
        heed_fail(HEED_MEMORY, "out of memory: %lld bytes asked for, %lld in use", (long long)bytes,
                  (long long)atomic_load(&live_bytes));
    return block;
}

void *memory_get_zeroed(int64_t bytes)
{
    void *block = memory_get(bytes);
    if (block)
        memset(block, 0, (size_t)bytes);
    return block;
}

void memory_put(void *block)
{
    if (!block)
        return;
    head *start = (head *)((char *)block - sizeof(head));
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, start->bytes);
    memory_reused(block, start->bytes); /* an arena may have poisoned it; free() must find it clean */
#ifdef HEED_DEBUG
    memset(block, 0xFF, (size_t)start->bytes);
#endif
    free(start);
}

void *memory_grow(void *block, int64_t keep, int64_t bytes)
{
    void *larger = memory_get(bytes);
    if (!larger)
        return NULL;
    if (block && keep > 0)
        memcpy(larger, block, (size_t)keep);
    memory_put(block);
    return larger;
}

char *memory_string(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = memory_get((int64_t)bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

/* ---- arenas ------------------------------------------------------------------------------------------------------ */

/* A block's memory starts right behind this struct, which is as large as the alignment. */
typedef struct block {
    _Alignas(ALIGNMENT) struct block *next;
    int64_t size, used; /* of the memory behind; multiples of the alignment */
    int64_t before;     /* bytes used in the blocks before this one */
} block;

struct heed_arena {
    block *first, *current; /* blocks behind current are empty spares */
    int64_t most;           /* the most bytes ever in use at once */
};

static char *block_memory(block *b)
{
    return (char *)b + sizeof(block);
}

static void block_empty_to(block *b, int64_t used)
{
    memory_released(block_memory(b) + used, b->used - used);
    b->used = used;
}

static block *block_new(int64_t size)
{
    int64_t bytes;
    if (!size_add(size, sizeof(block), &bytes))
        return NULL;
    block *b = get_quietly(bytes);
    if (b) {
        *b = (block){ .size = size };
        memory_released(block_memory(b), size);
    }
    return b;
}

static void blocks_free(block *b)
{
    while (b) {
        block *next = b->next;
        memory_put(b);
        b = next;
    }
}

heed_arena *heed_arena_new(void)
{
    return memory_get_zeroed(sizeof(heed_arena));
}

void heed_arena_free(heed_arena *arena)
{
    if (arena)
        blocks_free(arena->first);
    memory_put(arena);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Moves to a block behind the current one with room for size bytes: the spare if it is large enough, otherwise a new
 * one in place of all the spares, at least as large as they were together, so that turns of any kind settle. */
static bool next_block(heed_arena *arena, int64_t size)
{
    block **link = arena->current ? &arena->current->next : &arena->first;
    int64_t before = arena->current ? arena->current->before + arena->current->used : 0;
    if (!*link || (*link)->size < size) {
        int64_t spares = 0, half = before / 2 / ALIGNMENT * ALIGNMENT, wanted;
        int64_t smallest = arena->current ? NEXT_BLOCK : FIRST_BLOCK;
        for (block *b = *link; b; b = b->next)
            spares += b->size;
        blocks_free(*link);
        *link = size_add(spares, larger(size, larger(half, smallest)), &wanted) ? block_new(wanted) : NULL;
        if (!*link)
            return heed_fail(HEED_MEMORY, "out of memory: an arena that holds %lld bytes needs %lld more",
                             (long long)before, (long long)size);
    }
    arena->current = *link;
    arena->current->before = before;
    return true;
}

void *heed_arena_alloc(heed_arena *arena, int64_t bytes)
{
    int64_t size;
    if (!arena) {
        heed_fail(HEED_BAD_ARGUMENT, "arena_alloc: the arena is NULL");
        return NULL;
    }
    if (!size_add(bytes, bytes == 0 ? ALIGNMENT : ALIGNMENT - 1, &size)) {
        heed_fail(HEED_MEMORY, "arena_alloc: %lld bytes are no possible size", (long long)bytes);
        return NULL;
    }
    size -= size % ALIGNMENT;
    block *b = arena->current;
    if (!b || b->size - b->used < size) {
        if (!next_block(arena, size))
            return NULL;
        b = arena->current;
    }
    void *start = block_memory(b) + b->used;
    memory_reused(start, bytes);
    b->used += size;
    if (arena->most < b->before + b->used)
        arena->most = b->before + b->used;
    return start;
}

heed_arena_mark heed_arena_marked(heed_arena *arena)
{
    block *b = arena ? arena->current : NULL;
    return (heed_arena_mark){ .block = b, .used = b ? (size_t)b->used : 0 };
}

/* A mark that is not of this arena, or whose block is gone, changes nothing. */
void heed_arena_rewind(heed_arena *arena, heed_arena_mark mark)
{
    if (!arena || !arena->current)
        return;
    block *target = arena->first;
    while (mark.block && target != mark.block) {
        if (target == arena->current)
            return;
        target = target->next;
    }
    if ((int64_t)mark.used > target->used)
        return;
    for (block *b = target; b != arena->current;) {
        b = b->next;
        block_empty_to(b, 0);
    }
    block_empty_to(target, (int64_t)mark.used);
    arena->current = target;
}

/* Takes a block of so many bytes out of the chain; NULL if there is none. */
static block *take_large(heed_arena *arena, int64_t bytes)
{
    block **link = &arena->first;
    while (*link && (*link)->size < bytes)
        link = &(*link)->next;
    block *found = *link;
    if (found) {
        *link = found->next;
        found->next = NULL;
        found->before = 0;
    }
    return found;
}

void heed_arena_reset(heed_arena *arena)
{
    if (!arena || !arena->first)
        return;
    heed_arena_rewind(arena, (heed_arena_mark){ 0 });
    if (!arena->first->next)
        return;
    block *whole = take_large(arena, arena->most);
    if (!whole)
        whole = block_new(arena->most); /* if there is no memory for it the old chain serves as well */
    if (!whole)
        return;
    blocks_free(arena->first);
    arena->first = arena->current = whole;
}
