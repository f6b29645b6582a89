/* Strings and their numbers, and pairs of numbers and theirs: open addressing, linear probing, at most half full. */
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

enum { FEWEST_SLOTS = 256 };

bool table_open(text_table *table)
{
    *table = (text_table){ 0 };
    return text_store_open(&table->text);
}

void table_close(text_table *table)
{
    text_store_close(&table->text);
    memory_put(table->entries);
    memory_put(table->slots);
    *table = (text_table){ 0 };
}

/* 64-bit FNV-1a, its high bits mixed into the low ones that choose the slot. */
static uint64_t hash_bytes(const char *text, int64_t bytes)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (int64_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001B3u;
    return hash ^ (hash >> 32);
}

/* Where the text is, or where it would go. */
static int32_t *find_slot(const text_table *table, const char *text, int64_t bytes)
{
    uint64_t last = (uint64_t)table->n_slots - 1, at = hash_bytes(text, bytes) & last;
    for (;; at = (at + 1) & last) {
        if (table->slots[at] < 0)
            return &table->slots[at];
        const table_entry *entry = &table->entries[table->slots[at]];
        if (entry->bytes == bytes && memcmp(entry->text, text, (size_t)bytes) == 0)
            return &table->slots[at];
    }
}

void table_renumber(text_table *table)
{
    for (int64_t i = 0; i < table->n_slots; i++)
        table->slots[i] = -1;
    for (int64_t i = 0; i < table->n; i++)
        *find_slot(table, table->entries[i].text, table->entries[i].bytes) = (int32_t)i;
}

int64_t table_find(const text_table *table, const char *text, int64_t bytes)
{
    return table->slots ? *find_slot(table, text, bytes) : -1;
}

/* Room for one more entry, in the array and in the table. */
static bool make_room(text_table *table)
{
    if (table->n == INT32_MAX - HEED_SPECIALS)
        return heed_fail(HEED_BAD_SHAPE, "text: more than %d different words", INT32_MAX - HEED_SPECIALS);
    if (table->n == table->room) {
        int64_t room = table->room ? 2 * table->room : FEWEST_SLOTS / 2, size = (int64_t)sizeof(table_entry);
        table_entry *entries = memory_grow(table->entries, table->n * size, room * size);
        if (!entries)
            return false;
        table->entries = entries;
        table->room = room;
    }
    if (2 * (table->n + 1) > table->n_slots) {
        int64_t n_slots = table->n_slots ? 2 * table->n_slots : FEWEST_SLOTS;
        int32_t *slots = memory_get(n_slots * (int64_t)sizeof(int32_t));
        if (!slots)
            return false;
        memory_put(table->slots);
        table->slots = slots;
        table->n_slots = n_slots;
        table_renumber(table);
    }
    return true;
}

int64_t table_add(text_table *table, const char *text, int64_t bytes)
{
    int64_t i = table_find(table, text, bytes);
    if (i >= 0)
        return i;
    if (!make_room(table))
        return -1;
    const char *copy = text_store_add(&table->text, text, bytes);
    if (!copy)
        return -1;
    *find_slot(table, text, bytes) = (int32_t)table->n;
    table->entries[table->n] = (table_entry){ .text = copy, .bytes = bytes };
    return table->n++;
}

/* ---- pairs of numbers -------------------------------------------------------------------------------------------- */

void pairs_close(pair_table *pairs)
{
    memory_put(pairs->slots);
    *pairs = (pair_table){ 0 };
}

static pair_slot *find_pair(const pair_table *pairs, int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    uint64_t last = (uint64_t)pairs->n_slots - 1, at = (hash ^ (hash >> 32)) & last;
    while (pairs->slots[at].number >= 0 && (pairs->slots[at].left != left || pairs->slots[at].right != right))
        at = (at + 1) & last;
    return &pairs->slots[at];
}

int32_t pairs_find(const pair_table *pairs, int32_t left, int32_t right)
{
    return pairs->slots ? find_pair(pairs, left, right)->number : -1;
}

bool pairs_add(pair_table *pairs, int32_t left, int32_t right, int32_t number)
{
    if (2 * (pairs->n + 1) > pairs->n_slots) {
        pair_table larger = { .n = pairs->n, .n_slots = pairs->n_slots ? 2 * pairs->n_slots : FEWEST_SLOTS };
        larger.slots = memory_get(larger.n_slots * (int64_t)sizeof(pair_slot));
        if (!larger.slots)
            return false;
        for (int64_t i = 0; i < larger.n_slots; i++)
            larger.slots[i].number = -1;
        for (int64_t i = 0; i < pairs->n_slots; i++)
            if (pairs->slots[i].number >= 0)
                *find_pair(&larger, pairs->slots[i].left, pairs->slots[i].right) = pairs->slots[i];
        pairs_close(pairs);
        *pairs = larger;
    }
    *find_pair(pairs, left, right) = (pair_slot){ left, right, number };
    pairs->n++;
    return true;
}
