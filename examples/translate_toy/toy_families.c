/* How each split is drawn: its families, their styles and what they take. */
#include "toy_tree.h"

#include <string.h>

enum { BUCKETS = 5, LONGEST = 25 };

/* English length with the full stop, and how many of 20 sentences are that long. */
static const struct {
    int shortest, longest, share;
} buckets[BUCKETS] = { { 3, 5, 4 }, { 6, 8, 5 }, { 9, 11, 5 }, { 12, 14, 4 }, { 15, 18, 2 } };

/* clang-format off */
static const toy_style styles[BUCKETS] = {
    /* kinds: simple but and that question; frames: plain object give - be;
     * mods: none, preposition, subject relative, object relative, the same without "that" */
    { .kinds = { 90, 0, 0, 0, 10 }, .frames = { 55, 30, 0, 0, 15 }, .mods = { 1 }, .inner_mods = { 1 },
      .pronoun = 30, .object_pronoun = 50, .pre = 35, .post = 60, .negation = 25, .homonym = 100,
      .flat = true },
    { .kinds = { 48, 8, 8, 27, 9 }, .frames = { 24, 46, 16, 0, 28 }, .mods = { 60, 18, 8, 8, 6 }, .inner_mods = { 1 },
      .pronoun = 30, .object_pronoun = 25, .pre = 22, .post = 20, .owner = 14, .negation = 25, .homonym = 130 },
    { .kinds = { 26, 16, 36, 18, 7 }, .frames = { 20, 46, 20, 0, 28 }, .mods = { 45, 24, 11, 11, 9 },
      .inner_mods = { 80, 8, 4, 4, 4 }, .pronoun = 24, .object_pronoun = 20, .pre = 28, .post = 22, .owner = 14,
      .negation = 22, .homonym = 205 },
    { .kinds = { 26, 17, 40, 15, 5 }, .frames = { 16, 46, 24, 0, 28 }, .mods = { 30, 28, 14, 16, 12 },
      .inner_mods = { 60, 20, 7, 7, 6 }, .pronoun = 18, .object_pronoun = 18, .pre = 32, .post = 28, .owner = 14,
      .negation = 22, .homonym = 205 },
    { .kinds = { 35, 20, 34, 6, 5 }, .frames = { 12, 46, 26, 0, 28 }, .mods = { 16, 34, 16, 20, 14 },
      .inner_mods = { 40, 30, 10, 11, 9 }, .pronoun = 12, .object_pronoun = 15, .pre = 38, .post = 32, .owner = 14,
      .negation = 22, .homonym = 205 },
};
/* clang-format on */

/* ---- like train -------------------------------------------------------------------------------------------------- */

static int bucket_of_length(int length)
{
    int bucket = 0;
    while (bucket < BUCKETS - 1 && length > buckets[bucket].longest)
        bucket++;
    return bucket;
}

static toy_style style_of(int bucket)
{
    toy_style style = styles[bucket];
    style.that_pronoun = 56;
    style.opposite = 50;
    return style;
}

static toy_family of_length(int shortest, int longest)
{
    toy_family f = { .style = style_of(bucket_of_length(longest)),
                     .id = longest,
                     .shortest = shortest,
                     .longest = longest,
                     .sense = -1,
                     .run = 512 };
    f.style.longest = longest;
    return f;
}

/* Short sentences are one family; the others are dealt to their exact lengths in turn. */
static toy_family by_length(toy_split split, int64_t n)
{
    int slot = (int)(n % 20), bucket = 0;
    while (slot >= buckets[bucket].share)
        slot -= buckets[bucket++].share;
    int64_t twenties = toy_split_size(split) / 20 + 1;
    int64_t share = buckets[bucket].share, rank = n / 20 * share + slot;
    if (!bucket) {
        toy_family f = of_length(buckets[0].shortest, buckets[0].longest);
        f.run = 128;
        f.turn = rank;
        f.turns = twenties * share;
        return f;
    }
    int lengths = buckets[bucket].longest - buckets[bucket].shortest + 1;
    int length = buckets[bucket].shortest + (int)(rank % lengths);
    toy_family f = of_length(length, length);
    f.run = split == TOY_TRAIN ? 512 : 4096; /* of these splits' strings there are fewer */
    f.turn = rank / lengths;
    f.turns = twenties * (2 + buckets[0].share); /* two of its own at most, and those that step in for short ones */
    return f;
}

bool toy_family_longer(toy_split split, toy_family *family)
{
    if (family->longest != buckets[0].longest)
        return false;
    int64_t twenties = toy_split_size(split) / 20 + 1;
    toy_family longer = of_length(buckets[1].shortest, buckets[1].shortest);
    longer.held_out_pair = family->held_out_pair;
    longer.run = split == TOY_TRAIN ? 512 : 4096;
    longer.turn = twenties * 2 + family->turn;
    longer.turns = twenties * (2 + buckets[0].share);
    *family = longer;
    return true;
}

/* ---- generalisation ---------------------------------------------------------------------------------------------- */

static toy_family by_structure(int64_t n)
{
    int kind = (int)(n % 4);
    toy_family f = of_length(5, 18);
    f.id = 100 + kind;
    f.structures = 1 << kind;
    f.run = 4096;
    f.turn = n / 4;
    f.turns = toy_split_size(TOY_TEST_STRUCT) / 4;
    toy_style *s = &f.style;
    if (f.structures == STRUCT_RELATIVE) {
        *s = (toy_style){ .kinds = { 1 },
                          .frames = { 20, 30, 30, 0, 30 },
                          .mods = { 30, 0, 0, 50, 40 },
                          .inner_mods = { 1 },
                          .pronoun = 20,
                          .object_pronoun = 60,
                          .pre = 15,
                          .post = 15,
                          .negation = 50,
                          .homonym = 100,
                          .opposite = 50 };
    } else if (f.structures == STRUCT_OWNERS) {
        s->owner = s->owner_depth = 60;
        s->mods[MOD_NONE] = 60;
    } else if (f.structures == STRUCT_ATTRACTORS) {
        *s = (toy_style){ .kinds = { 1 },
                          .frames = { 12, 30, 12, 0, 60 },
                          .mods = { 5, 50, 15, 15, 15 },
                          .inner_mods = { 40, 40, 5, 10, 5 },
                          .pronoun = 2,
                          .object_pronoun = 10,
                          .pre = 12,
                          .post = 8,
                          .owner = 8,
                          .negation = 15,
                          .homonym = 100,
                          .opposite = 80 };
    } else {
        *s = style_of(2);
        s->kinds[TREE_SIMPLE] = s->kinds[TREE_BUT] = s->kinds[TREE_AND] = s->kinds[TREE_THAT] = 0;
        s->question_that = 100;
    }
    s->longest = 18;
    return f;
}

static toy_family longer_than_train(int64_t n)
{
    enum { FIRST = 19, LENGTHS = LONGEST - FIRST + 1 };
    toy_family f = of_length(FIRST + (int)(n % LENGTHS), FIRST + (int)(n % LENGTHS));
    f.turn = n / LENGTHS;
    f.turns = toy_split_size(TOY_TEST_LEN) / LENGTHS + 1;
    f.style.mods[MOD_NONE] = 8;
    f.style.inner_mods[MOD_NONE] = 25;
    return f;
}

/* Attractors by distance; even n: number, any verb; odd n: gender, with "be". Three nouns need ten tokens, so of the
 * sixteen cells thirteen exist. */
static toy_family by_attractors(int64_t n)
{
    static const struct {
        int near, far;
    } distances[4] = { { 3, 4 }, { 5, 7 }, { 8, 11 }, { 12, 14 } };
    static const int cells[][2] = { { 0, 0 }, { 0, 1 }, { 0, 2 }, { 0, 3 }, { 1, 0 }, { 1, 1 }, { 1, 2 },
                                    { 1, 3 }, { 2, 1 }, { 2, 2 }, { 2, 3 }, { 3, 2 }, { 3, 3 } };
    enum { CELLS = sizeof cells / sizeof cells[0] };
    int cell = (int)(n / 2 % CELLS), attractors = cells[cell][0], distance = cells[cell][1];
    toy_family f = { .id = 200 + (int)(n % (2 * CELLS)),
                     .turn = n / (2 * CELLS),
                     .shortest = 6,
                     .longest = 18,
                     .sense = -1,
                     .turns = toy_split_size(TOY_TEST_AGREE) / (2 * CELLS) + 1,
                     .attractors = attractors,
                     .near = distances[distance].near,
                     .far = distances[distance].far,
                     .by_gender = n % 2 };
    f.structures = -1;
    f.run = 1 << 15;
    f.style = (toy_style){ .longest = f.far + 7,
                           .kinds = { 1 },
                           .frames = { 30, 40, 20, 0, 15 },
                           .mods = { 0, 34, 22, 24, 20 },
                           .inner_mods = { 40, 40, 7, 7, 6 },
                           .object_pronoun = 5,
                           .pre = 12,
                           .post = 8,
                           .owner = 8,
                           .negation = 10,
                           .homonym = 100 };
    f.style.longest = f.style.longest > 18 ? 18 : f.style.longest;
    int share = 100 * attractors / (distance + 1); /* of the nouns in between, about */
    share = share < 8 ? 8 : share > 85 ? 85 : share;
    f.style.opposite = f.by_gender ? 50 : share;
    f.style.other_gender = f.by_gender ? 100 * share / (100 - share) : 100;
    f.style.root_be = f.by_gender;
    if (distance == 3) {
        f.style.pre = f.style.post = 25;
        f.style.inner_mods[MOD_NONE] = 20;
    }
    if (attractors == 3) {
        f.style.mods[MOD_SUBJECT_RC] = 60;
        f.style.frames[V_GIVE] = 60;
    }
    return f;
}

/* Every sense of every homonym; odd n: by a cue that train never has with it. */
static toy_family by_sense(int64_t n)
{
    static int const SENSES = 8;
    int sense = (int)(n / 2 % SENSES), row = 0;
    for (int seen = 0; row < toy_noun_count; row++)
        if (toy_nouns[row].twin && seen++ == sense)
            break;
    toy_family f = { .style = style_of(2),
                     .id = 300 + (int)(n % (2 * SENSES)),
                     .turn = n / (2 * SENSES),
                     .turns = toy_split_size(TOY_TEST_SENSE) / (2 * SENSES) + 1,
                     .shortest = 4,
                     .longest = 14,
                     .sense = row,
                     .cue_held_out = n % 2 };
    f.run = 1 << 14;
    f.style.longest = 14;
    f.style.sense = row + 1;
    f.style.homonym = 3000;
    return f;
}

/* Pairs of the six kinds in turn, by length. */
static toy_family by_pair(int64_t n)
{
    enum { FIRST = 8, LENGTHS = 6 };
    int64_t pair = n / 2;
    int kind = (int)(pair % PAIR_KINDS), length = FIRST + (int)(pair / PAIR_KINDS % LENGTHS);
    toy_family f = of_length(length, length);
    f.id = 400 + kind * 20 + length;
    f.turn = pair / (PAIR_KINDS * LENGTHS);
    f.turns = toy_split_size(TOY_TEST_PAIRS) / 2 / (PAIR_KINDS * LENGTHS) + 1;
    f.run = 1 << 15;
    f.pair_kind = kind + 1;
    if (kind == PAIR_LONG || kind == PAIR_GENDER)
        f.style.kinds[TREE_BUT] = f.style.kinds[TREE_AND] = 0;
    f.style.root_be = kind == PAIR_LONG;
    if (kind == PAIR_ANTECEDENT)
        f.style.kinds[TREE_SIMPLE] = f.style.kinds[TREE_THAT] = f.style.kinds[TREE_QUESTION] = 0;
    f.style.homonym = kind == PAIR_SENSE ? 400 : 20;
    f.style.invariant = kind == PAIR_NUMBER ? 500 : 30;
    f.style.run = kind == PAIR_VERB ? 800 : 30;
    return f;
}

/* Pairs by the main subject's number: with no noun between it and its verb, and with one or two of the plural. Their
 * lengths are those that the other pairs leave. */
static toy_family by_number(int64_t n)
{
    static const struct {
        int shortest, longest, attractors, near, far;
    } cells[] = { { 6, 6, 0, 0, 0 }, { 7, 7, 1, 3, 5 }, { 14, 16, 1, 3, 12 }, { 14, 16, 2, 6, 14 } };
    enum { CELLS = sizeof cells / sizeof cells[0] };
    int64_t pair = n / 2;
    int cell = (int)(pair % CELLS);
    toy_family f = of_length(cells[cell].shortest, cells[cell].longest);
    f.id = 600 + cell;
    f.turn = pair / CELLS;
    f.turns = toy_split_size(TOY_TEST_NUMBER) / 2 / CELLS;
    f.run = 1 << 15;
    f.pair_kind = PAIR_SUBJECT + 1;
    f.attractors = cells[cell].attractors;
    f.near = cells[cell].near;
    f.far = cells[cell].far;
    f.style.kinds[TREE_BUT] = f.style.kinds[TREE_AND] = 0;
    f.style.pronoun = 0;
    f.style.homonym = 20;
    f.style.opposite = f.far ? 75 : 50;
    if (f.far)
        f.style.mods[MOD_NONE] = f.style.mods[MOD_SUBJECT_RC] = 0;
    return f;
}

static const toy_style probe_style = { .longest = 13,
                                       .kinds = { 40, 20, 20, 10, 10 },
                                       .frames = { 25, 45, 15, 0, 25 },
                                       .mods = { 50, 20, 10, 10, 10 },
                                       .inner_mods = { 1 },
                                       .pronoun = 20,
                                       .that_pronoun = 20,
                                       .object_pronoun = 25,
                                       .pre = 20,
                                       .post = 20,
                                       .owner = 12,
                                       .negation = 20,
                                       .homonym = 200,
                                       .opposite = 50 };

toy_family toy_probe_family(void)
{
    return (toy_family){ .style = probe_style, .shortest = 3, .longest = 13, .sense = -1 };
}

toy_family toy_family_of(toy_split split, int64_t n)
{
    toy_family f;
    switch (split) {
    case TOY_TEST_COMB:
        f = by_length(split, n);
        f.held_out_pair = true;
        return f;
    case TOY_TEST_STRUCT:
        return by_structure(n);
    case TOY_TEST_LEN:
        return longer_than_train(n);
    case TOY_TEST_AGREE:
        return by_attractors(n);
    case TOY_TEST_SENSE:
        return by_sense(n);
    case TOY_TEST_PAIRS:
        return by_pair(n);
    case TOY_TEST_NUMBER:
        return by_number(n);
    default:
        return by_length(split, n);
    }
}

/* ---- what a family takes ----------------------------------------------------------------------------------------- */

static bool takes_agreement(const toy_family *family, const toy_tree *tree, const toy_places *places)
{
    toy_span span;
    if (!family->far)
        return true;
    const toy_clause *root = &tree->clause[tree->root];
    if (tree->kind != TREE_SIMPLE || !toy_subject_span(tree, places, tree->root, &span))
        return false;
    bool be = root->verb < 0;
    int plural = tree->np[root->subject].plural;
    if (be &&
        !strcmp(toy_adjectives[root->predicate].french[0][plural], toy_adjectives[root->predicate].french[1][plural]))
        return false;
    int attractors = family->by_gender ? span.by_gender : span.by_number;
    return be == family->by_gender && attractors == family->attractors && span.distance >= family->near &&
           span.distance <= family->far;
}

static bool takes_senses(const toy_family *family, const toy_tree *tree, const toy_places *places)
{
    toy_cue_word cues[TREE_CUES];
    int homonyms = 0;
    for (int i = 0; i < tree->np_count; i++) {
        if (tree->np[i].noun < 0 || !toy_nouns[tree->np[i].noun].twin)
            continue;
        homonyms++;
        int count = toy_cues(tree, places, i, cues);
        for (int k = 0; k < count; k++)
            if (cues[k].held_out != family->cue_held_out)
                return false;
        if (family->sense >= 0 && (tree->np[i].noun != family->sense || count != 1))
            return false;
    }
    return family->sense < 0 || homonyms == 1;
}

bool toy_family_takes(const toy_family *family, const toy_tree *tree, const toy_places *places)
{
    if (places->count < family->shortest || places->count > family->longest)
        return false;
    if (family->pair_kind && family->pair_kind - 1 != PAIR_SUBJECT &&
        (int)toy_pair_kind_of(tree, places) != family->pair_kind - 1)
        return false;
    if (family->structures >= 0 && toy_structures(tree, places) != family->structures)
        return false;
    return (toy_held_out_pairs(tree) > 0) == family->held_out_pair && takes_agreement(family, tree, places) &&
           takes_senses(family, tree, places);
}
