/* Which sentence is number n of a split.
 *
 * Sentence n owns a run of cells of the dice (toy_dice.c) and takes the first that decodes to a sentence this split may
 * have. What a split may have is a property of the English string alone: its hash, its length, its pairs of words and
 * its structures; so splits cannot overlap, whatever the seed. */
#include "toy_tree.h"

enum { BUCKETS = 5, HASH_CELLS = 32 };

/* English length with the full stop, and how many of 20 sentences are that long. */
static const struct {
    int shortest, longest, share;
} buckets[BUCKETS] = { { 3, 5, 4 }, { 6, 8, 5 }, { 9, 11, 5 }, { 12, 14, 4 }, { 15, 18, 2 } };

/* clang-format off */
static const toy_style styles[BUCKETS] = {
    /*  kinds: simple but and that question; mods: none PP RC-subject RC-object RC-bare */
    { .kinds = { 85,  0,  0,  0, 15 }, .pronoun = 30, .object_pronoun = 30, .mods = { 1, 0, 0, 0, 0 },
      .inner_mods = { 1, 0, 0, 0, 0 }, .pre = 30, .post = 30, .owner = 0, .negation = 25, .copula = 22, .homonym = 100 },
    { .kinds = { 62,  8,  0, 15, 15 }, .pronoun = 18, .object_pronoun = 25, .mods = { 66, 16, 6, 7, 5 },
      .inner_mods = { 1, 0, 0, 0, 0 }, .pre = 22, .post = 20, .owner = 12, .negation = 25, .copula = 22, .homonym = 130 },
    { .kinds = { 40, 20, 15, 15, 10 }, .pronoun = 12, .object_pronoun = 20, .mods = { 52, 20, 10, 10, 8 },
      .inner_mods = { 1, 0, 0, 0, 0 }, .pre = 28, .post = 22, .owner = 12, .negation = 20, .copula = 20, .homonym = 150 },
    { .kinds = { 40, 25, 15, 12,  8 }, .pronoun = 10, .object_pronoun = 18, .mods = { 40, 24, 12, 14, 10 },
      .inner_mods = { 75, 15, 3, 4, 3 }, .pre = 30, .post = 25, .owner = 12, .negation = 20, .copula = 22, .homonym = 150 },
    { .kinds = { 45, 25, 12, 10,  8 }, .pronoun = 6, .object_pronoun = 15, .mods = { 25, 30, 15, 18, 12 },
      .inner_mods = { 60, 22, 6, 7, 5 }, .pre = 32, .post = 28, .owner = 12, .negation = 20, .copula = 24, .homonym = 150 },
};
/* clang-format on */

typedef struct {
    toy_tree tree;
    toy_places places;
    toy_french_places french;
} workspace;

/* FNV-1a over the words, then mixed. */
static uint64_t hash_words(const char *const *words, int count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < count; i++)
        for (const char *c = words[i]; c == words[i] || c[-1]; c++)
            hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return toy_mix(hash);
}

static bool hash_belongs(toy_split split, uint64_t hash)
{
    static const struct {
        int first, count;
    } owned[TOY_SPLITS] = {
        [TOY_TRAIN] = { 0, 18 },
        [TOY_DEV] = { 18, 3 },
        [TOY_TEST_IID] = { 21, 3 },
    };
    int cell = (int)(hash % HASH_CELLS);
    return cell >= owned[split].first && cell < owned[split].first + owned[split].count;
}

/* The bucket of sentence n, and its number among the split's sentences of that bucket. */
static int bucket_of(int64_t n, int64_t *rank)
{
    int slot = (int)(n % 20), bucket = 0;
    while (slot >= buckets[bucket].share)
        slot -= buckets[bucket++].share;
    *rank = n / 20 * buckets[bucket].share + slot;
    return bucket;
}

static bool try_cell(toy_split split, int bucket, uint64_t key, uint64_t cell, int bits, workspace *w,
                     toy_sentence *out)
{
    toy_dice dice;
    toy_dice_throw(&dice, key, cell, bits);
    if (!toy_tree_draw(&w->tree, &dice, &styles[bucket]) || !toy_dice_first(&dice) ||
        !toy_english(&w->tree, out->english, &w->places))
        return false;
    int length = w->places.count;
    if (length < buckets[bucket].shortest || length > buckets[bucket].longest ||
        !hash_belongs(split, hash_words(out->english, length)) || !toy_licensed(&w->tree) ||
        toy_readings(&w->tree, 2) != 1)
        return false;
    out->english_count = (int16_t)length;
    return toy_french(&w->tree, &w->places, out, &w->french);
}

/* When short sentences run out, the next longer ones step in, with cells that no sentence of that length has. */
bool toy_make(uint64_t seed, toy_split split, int64_t n, toy_sentence *out)
{
    enum { ATTEMPTS = 2048, CELL_BITS = 27 };
    if (n < 0 || n >= toy_split_size(split))
        return false;
    int64_t rank;
    workspace w;
    for (int bucket = bucket_of(n, &rank), late = 0; bucket < BUCKETS; bucket++, late = 1) {
        uint64_t key = toy_mix(seed * 64 + (uint64_t)split * 8 + (uint64_t)bucket + 1);
        int64_t turn = late ? toy_split_size(split) / 2 + rank : rank;
        for (int i = 0; i < ATTEMPTS; i++)
            if (try_cell(split, bucket, key, (uint64_t)(turn * ATTEMPTS + i), CELL_BITS, &w, out)) {
                out->split = split;
                out->n = n;
                return true;
            }
    }
    return false;
}
