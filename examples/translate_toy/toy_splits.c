/* Which sentence is number n of a split.
 *
 * Sentence n owns a run of cells of the dice (toy_dice.c) and takes the first that decodes to a sentence this split may
 * have. What a split may have is a property of the English alone: its hash here, its length, pairs of words and structures
 * in toy_families.c; so splits cannot overlap, whatever the seed. */
#include "toy_tree.h"

#include <string.h>

enum { HASH_CELLS = 64, LENDERS = 6 };

typedef struct {
    toy_tree tree;
    toy_places places;
    const char *words[TOY_MAX_ENGLISH];
} candidate;

typedef struct {
    int first, count;
} cell_range;

/* Splits that only their strings' hashes keep apart own cells of their own. The others never have what train may have. */
static const cell_range hash_cells[TOY_SPLITS] = {
    [TOY_TRAIN] = { 0, 36 },       [TOY_DEV] = { 36, 4 },         [TOY_TEST_IID] = { 40, 4 },
    [TOY_TEST_COMB] = { 0, 44 },   [TOY_TEST_STRUCT] = { 0, 44 }, [TOY_TEST_LEN] = { 0, 44 },
    [TOY_TEST_AGREE] = { 44, 4 },  [TOY_TEST_SENSE] = { 48, 3 },  [TOY_PROBE] = { 51, 1 },
    [TOY_TEST_PAIRS] = { 52, 12 },
};

/* Sentences of up to five words are too few to be shared with splits that need none. */
enum { SHORT = 5 };
static const cell_range short_cells[TOY_SPLITS] = {
    [TOY_TRAIN] = { 0, 51 },     [TOY_DEV] = { 51, 6 },   [TOY_TEST_IID] = { 57, 6 },
    [TOY_TEST_COMB] = { 0, 63 }, [TOY_PROBE] = { 63, 1 },
};

static bool hash_belongs(toy_split split, const char *const *words, int count)
{
    uint64_t hash = 0;
    for (int i = 0; i < count; i++)
        hash = toy_hash_word(hash, words[i]);
    int cell = (int)(toy_mix(hash) % HASH_CELLS);
    cell_range own = count <= SHORT ? short_cells[split] : hash_cells[split];
    return cell >= own.first && cell < own.first + own.count;
}

static int bits_for(int64_t cells)
{
    int bits = 10;
    while (INT64_C(1) << bits < cells)
        bits++;
    return bits;
}

/* The candidate of one cell, if the split may have it. Cheap checks first. */
static bool throw_cell(toy_split split, const toy_family *family, uint64_t key, int64_t cell, int bits, candidate *c)
{
    toy_dice dice;
    toy_dice_throw(&dice, key, (uint64_t)cell, bits);
    return toy_tree_draw(&c->tree, &dice, &family->style) && toy_dice_first(&dice) &&
           toy_english(&c->tree, c->words, &c->places) && c->places.count >= family->shortest &&
           c->places.count <= family->longest && hash_belongs(split, c->words, c->places.count) &&
           toy_licensed(&c->tree) && toy_family_takes(family, &c->tree, &c->places) && toy_readings(&c->tree, 2) == 1;
}

/* May this be in a minimal pair, whichever of the two? */
static bool fits_pair(const toy_tree *tree)
{
    const char *words[TOY_MAX_ENGLISH];
    toy_places places;
    toy_family plain = { .longest = TOY_MAX_ENGLISH, .sense = -1 };
    return toy_english(tree, words, &places) && hash_belongs(TOY_TEST_PAIRS, words, places.count) &&
           toy_family_takes(&plain, tree, &places);
}

static bool make_pair(const candidate *c, toy_sentence *pair)
{
    return toy_pair_make(&c->tree, fits_pair, &pair[0], &pair[1]);
}

static uint64_t key_of(uint64_t seed, toy_split split, int family)
{
    return toy_mix(toy_mix(toy_mix(seed) + (uint64_t)split) + (uint64_t)family);
}

/* Success number `order` of the run of a turn; with `pair`, a success is the first of a minimal pair. */
static bool throw_run(uint64_t seed, toy_split split, const toy_family *family, int64_t turn, int order, candidate *c,
                      toy_sentence *pair)
{
    uint64_t key = key_of(seed, split, family->id);
    int bits = bits_for(family->turns * family->run);
    int64_t run = (INT64_C(1) << bits) / family->turns;
    for (int64_t i = 0; i < run; i++)
        if (throw_cell(split, family, key, turn * run + i, bits, c) && (!pair || make_pair(c, pair)) && !order--)
            return true;
    return false;
}

/* A run without success borrows: the second success of the next run, the third of the one after. No two sentences can
 * borrow the same. When short sentences run out all the same, the next longer ones step in. */
static bool find(uint64_t seed, toy_split split, toy_family family, candidate *c, toy_sentence *pair)
{
    do {
        for (int order = 0; order < LENDERS; order++)
            if (throw_run(seed, split, &family, (family.turn + order) % family.turns, order, c, pair))
                return true;
    } while (toy_family_longer(split, &family));
    return false;
}

/* Cells of the probe's own style and key: chosen once, for what they show. */
static bool find_probe(int64_t n, candidate *c)
{
    static const int64_t chosen[] = {
        2789516, /* she shows the ring to the king . */
        172619,  /* these men show our books to her . */
        1543970, /* a boy 's queen does not see him . */
        1523498, /* my child thinks that his sisters never follow me . */
        1131825, /* the fish hears some big muddy rivers . */
        599208,  /* some beautiful cars that she buys fall . */
        1267628, /* my letters near the teacher are green . */
        1463537, /* the heavy knives the birds find fall . */
        2951397, /* his sheep that the cats love wait . */
        2474914, /* her sheep this tired friend buys waits . */
        1326881, /* her big boat is slow but it arrives . */
        1180518, /* our match near a mouse falls but it swims . */
        2817613, /* i never light the new match and see it . */
        900713,  /* his letter burns but some slow bats see it . */
        1423013, /* an old man 's slow boat arrives . */
        290338,  /* the beautiful friend 's new eggs are white . */
        191037,  /* the bank near a woman 's houses is wet . */
        2378138, /* my old friend knows the new banks . */
        316390,  /* the muddy springs near these heavy books flow . */
        1089865, /* we show the heavy spring to him . */
        1033755, /* the children win the match but the bats find it . */
        1514229, /* he knows that the rings fall . */
        780607,  /* his kings ' small machine runs . */
        2536754, /* does my beautiful picture in my church burn ? */
    };
    enum { BITS = 32 };
    toy_family family = toy_probe_family();
    return throw_cell(TOY_PROBE, &family, toy_mix(0x70726f6265), chosen[n], BITS, c);
}

bool toy_make(uint64_t seed, toy_split split, int64_t n, toy_sentence *out)
{
    candidate c;
    if (n < 0 || n >= toy_split_size(split))
        return false;
    toy_sentence pair[2];
    bool pairs = split == TOY_TEST_PAIRS;
    bool found =
        split == TOY_PROBE ? find_probe(n, &c) : find(seed, split, toy_family_of(split, n), &c, pairs ? pair : NULL);
    if (!found)
        return false;
    if (pairs)
        *out = pair[n % 2];
    else if (!toy_render(&c.tree, out))
        return false;
    out->split = split;
    out->n = n;
    return true;
}
