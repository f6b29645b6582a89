/* Which sentence is number n of a split.
 *
 * Sentence n owns a run of cells of the dice (toy_dice.c) and takes the first that decodes to a sentence this split may
 * have. What a split may have is a property of the English alone: its hash here, its length, pairs of words and
 * structures in toy_families.c; so splits cannot overlap, whatever the seed. */
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

/* Splits that only their strings' hashes keep apart own hash cells. The others never have what train may have. */
static const cell_range hash_cells[TOY_SPLITS] = {
    [TOY_TRAIN] = { 0, 36 },       [TOY_DEV] = { 36, 4 },          [TOY_TEST_IID] = { 40, 4 },
    [TOY_TEST_COMB] = { 0, 44 },   [TOY_TEST_STRUCT] = { 0, 44 },  [TOY_TEST_LEN] = { 0, 44 },
    [TOY_TEST_AGREE] = { 44, 4 },  [TOY_TEST_SENSE] = { 48, 3 },   [TOY_PROBE] = { 51, 1 },
    [TOY_TEST_PAIRS] = { 52, 12 }, [TOY_TEST_NUMBER] = { 52, 12 }, /* of other lengths */
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

/* May this be in a minimal pair of either split, whichever of the two? */
static bool fits_pair(const toy_tree *tree)
{
    const char *words[TOY_MAX_ENGLISH];
    toy_places places;
    toy_family plain = { .longest = TOY_MAX_ENGLISH, .sense = -1 };
    return toy_english(tree, words, &places) && hash_belongs(TOY_TEST_PAIRS, words, places.count) &&
           toy_family_takes(&plain, tree, &places);
}

static bool make_pair(const toy_family *family, const candidate *c, toy_sentence *pair)
{
    return toy_pair_make(&c->tree, (toy_pair_kind)(family->pair_kind - 1), fits_pair, &pair[0], &pair[1]);
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
        if (throw_cell(split, family, key, turn * run + i, bits, c) && (!pair || make_pair(family, c, pair)) &&
            !order--)
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
        1479114, /* he gives an old letter to the men . */
        848613,  /* he finds the prizes we give to her . */
        1392808, /* the men say that the woman does not follow him . */
        1858114, /* the child 's slow dog never follows him . */
        54532,   /* some beautiful bats see the book that is small . */
        2909457, /* her sheep near the coats sleep . */
        18786,   /* his sisters the sheep follows are beautiful . */
        2608603, /* the sheep never see his small cows . */
        2469660, /* this old bag falls but it is red . */
        238422,  /* this woman breaks the bat but it is green . */
        1950578, /* her doctor 's machine is black but it falls . */
        1273957, /* a sister never buys my apple and sees it . */
        1230277, /* the man buys the sheep and shows it to the boy . */
        1215557, /* the old man buys my beautiful springs . */
        202761,  /* our new friend 's white keys are black . */
        1923020, /* the old bank that the woman never loves burns . */
        2811645, /* the bank that my teachers see is never wet . */
        1431386, /* the good matches these children see begin . */
        1582055, /* his matches the boys find never fall . */
        1320875, /* he knows that a slow girl is old . */
        1206949, /* he knows the small mother but she sleeps . */
        482474,  /* his machines near the beautiful river run . */
        1246451, /* the bat sees his wooden church . */
        970726,  /* does she know the woman 's friends ? */
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
    bool pairs = split == TOY_TEST_PAIRS || split == TOY_TEST_NUMBER;
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
