/* Packed strings: corpora and vocabularies hold millions of small ones, each for as long as the whole.
 *
 * An arena's own grain is 64 bytes, so strings are cut from chunks of it. */
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

enum { CHUNK = 1 << 16 };

bool text_store_open(text_store *store)
{
    *store = (text_store){ .arena = heed_arena_new() };
    return store->arena != NULL;
}

void text_store_close(text_store *store)
{
    heed_arena_free(store->arena);
    *store = (text_store){ 0 };
}

char *text_store_add(text_store *store, const char *text, int64_t bytes)
{
    int64_t need;
    if (!size_add(bytes, 1, &need)) {
        heed_fail(HEED_BAD_SHAPE, "text: a string of %lld bytes is too long", (long long)bytes);
        return NULL;
    }
    char *copy;
    if (need > CHUNK / 4) { /* one of its own, and the chunk stays in use */
        copy = heed_arena_alloc(store->arena, need);
        if (!copy)
            return NULL;
    } else {
        if (need > store->left) {
            char *room = heed_arena_alloc(store->arena, CHUNK);
            if (!room)
                return NULL;
            store->room = room;
            store->left = CHUNK;
        }
        copy = store->room;
        store->room += need;
        store->left -= need;
    }
    memcpy(copy, text, (size_t)bytes);
    copy[bytes] = 0;
    return copy;
}
