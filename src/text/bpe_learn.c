/* Learning merges from counted words, step for step as subword-nmt does.
 *
 * Of all pairs of neighbours the most frequent is merged, among equals the greater one (by the bytes of its left symbol,
 * then of its right one); then the counts of the pairs around change. Two shortcuts of subword-nmt change what is learned
 * when a symbol can be made in two ways, so they are repeated here:
 *
 *   - Counts of rare pairs are put aside (`aside`) and only compared again when the best of the others falls below the
 *     threshold. A pair put aside starts again from 0, and what it gathers replaces its count unless it is negative.
 *   - After a merge every symbol of the new kind in a changed word adds its neighbours, also one that was there before.
 *     Which words have a pair is counted the same way, and a word is changed if the count is positive.
 *
 * Words of more than BPE_LONGEST characters are left out. A pair chosen a second time counts as a merge, but is not
 * written again: it would never be used.
 */
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

enum { PRUNE_EVERY = 100 };

typedef struct {
    int32_t word, times;
} place;

typedef struct {
    int32_t left, right;
    int64_t count, aside;
    bool live;     /* compared; its count is in use */
    place *places; /* [room], n in use, by word */
    int32_t n, room;
} pair;

typedef struct {
    int32_t *units; /* its symbols, n of them */
    int32_t n;
    int64_t count;
} unit_word;

typedef struct {
    heed_bpe *bpe;
    int32_t *units; /* of all words */
    unit_word *words;
    int64_t n_words;
    pair_table numbers; /* of pairs */
    pair *pairs;
    int32_t n_pairs, room;
    int32_t *live; /* [room]: the numbers of the live pairs */
    int32_t n_live;
    double threshold;
} learner;

/* ---- pairs and their places -------------------------------------------------------------------------------------- */

static bool make_room(learner *l)
{
    if (l->n_pairs < l->room)
        return true;
    if (l->room > INT32_MAX / 2)
        return heed_fail(HEED_BAD_SHAPE, "bpe_learn: more than %d pairs", (int)l->room);
    int32_t room = l->room ? 2 * l->room : 1024;
    pair *pairs = memory_grow(l->pairs, l->n_pairs * (int64_t)sizeof(pair), room * (int64_t)sizeof(pair));
    if (pairs)
        l->pairs = pairs;
    int32_t *live =
        pairs ? memory_grow(l->live, l->n_live * (int64_t)sizeof(int32_t), room * (int64_t)sizeof(int32_t)) : NULL;
    if (live) {
        l->live = live;
        l->room = room;
    }
    return live != NULL;
}

/* The place of a word among a pair's, made if it is not there. */
static place *place_of(pair *p, int32_t word)
{
    int32_t low = 0, high = p->n;
    if (p->n > 0 && p->places[p->n - 1].word < word) /* words come in order, mostly */
        low = p->n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (p->places[middle].word < word)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < p->n && p->places[low].word == word)
        return &p->places[low];
    if (p->n == p->room) {
        int32_t room = p->room ? 2 * p->room : 4, size = (int32_t)sizeof(place);
        place *places = memory_grow(p->places, (int64_t)p->n * size, (int64_t)room * size);
        if (!places)
            return NULL;
        p->places = places;
        p->room = room;
    }
    memmove(p->places + low + 1, p->places + low, (size_t)(p->n - low) * sizeof(place));
    p->places[low] = (place){ word, 0 };
    p->n++;
    return &p->places[low];
}

/* One pair more (sign 1) or less (-1) in a word. */
static bool count_pair(learner *l, const int32_t *units, int32_t word, int sign)
{
    int32_t number = pairs_find(&l->numbers, units[0], units[1]);
    if (number < 0) {
        number = l->n_pairs;
        if (!make_room(l) || !pairs_add(&l->numbers, units[0], units[1], number))
            return false;
        l->pairs[l->n_pairs++] = (pair){ .left = units[0], .right = units[1] };
    }
    pair *p = &l->pairs[number];
    place *at = place_of(p, word);
    if (!at)
        return false;
    at->times += sign;
    if (!p->live) {
        p->live = true;
        p->count = 0;
        l->live[l->n_live++] = number;
    }
    p->count += sign * l->words[word].count;
    return true;
}

/* ---- the best pair ----------------------------------------------------------------------------------------------- */

static bool greater(const learner *l, const pair *a, const pair *b)
{
    const table_entry *symbols = l->bpe->symbols.entries;
    if (a->count != b->count)
        return a->count > b->count;
    int order = a->left == b->left ? 0 : strcmp(symbols[a->left].text, symbols[b->left].text);
    return order ? order > 0 : strcmp(symbols[a->right].text, symbols[b->right].text) > 0;
}

static pair *best_pair(const learner *l)
{
    pair *best = NULL;
    for (int32_t i = 0; i < l->n_live; i++) {
        pair *p = &l->pairs[l->live[i]];
        if (!best || greater(l, p, best))
            best = p;
    }
    return best;
}

static void put_rare_aside(learner *l)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < l->n_live; i++) {
        pair *p = &l->pairs[l->live[i]];
        p->live = (double)p->count >= l->threshold;
        if (p->live)
            l->live[kept++] = l->live[i];
        else
            p->aside = p->count < 0 ? p->aside + p->count : p->count;
    }
    l->n_live = kept;
}

/* Compares all pairs again. */
static pair *best_of_all(learner *l, int64_t step)
{
    put_rare_aside(l);
    for (int32_t i = 0; i < l->n_pairs; i++) {
        pair *p = &l->pairs[i];
        p->count = p->aside;
        p->live = true;
        l->live[i] = i;
    }
    l->n_live = l->n_pairs;
    pair *best = best_pair(l);
    if (best)
        l->threshold = (double)(best->count * step) / ((double)step + 10000.0);
    put_rare_aside(l);
    return best;
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

/* Merges the pair in a word, whose units were old [n]. */
static void merge_word(unit_word *word, const int32_t *old, int32_t n, int32_t left, int32_t right, int32_t made)
{
    word->n = 0;
    for (int32_t i = 0; i < n; i++) {
        bool merged = i + 1 < n && old[i] == left && old[i + 1] == right;
        word->units[word->n++] = merged ? made : old[i];
        i += merged;
    }
}

/* In "A B C", merging B C takes away A B and C D. */
static bool take_neighbours(learner *l, int32_t word, const int32_t *old, int32_t n, int32_t left, int32_t right)
{
    for (int32_t i = 0; i + 1 < n; i++) {
        if (old[i] != left || old[i + 1] != right)
            continue;
        if (i > 0 && !count_pair(l, old + i - 1, word, -1))
            return false;
        bool again = i + 3 < n && old[i + 2] == left && old[i + 3] == right; /* the next one will take it */
        if (i + 2 < n && !again && !count_pair(l, old + i + 1, word, -1))
            return false;
        i++;
    }
    return true;
}

static bool give_neighbours(learner *l, int32_t word, int32_t made)
{
    const unit_word *w = &l->words[word];
    for (int32_t i = 0; i < w->n; i++) {
        if (w->units[i] != made)
            continue;
        if (i > 0 && !count_pair(l, w->units + i - 1, word, 1))
            return false;
        if (i + 1 < w->n && w->units[i + 1] != made && !count_pair(l, w->units + i, word, 1))
            return false;
    }
    return true;
}

/* Merges a pair wherever it is counted to be. */
static bool merge_pair(learner *l, pair *p)
{
    int32_t left = p->left, right = p->right, n = p->n, number = (int32_t)(p - l->pairs);
    place *places = p->places; /* those to come are new ones */
    p->places = NULL;
    p->n = p->room = 0;
    int64_t made = bpe_joined(l->bpe, left, right);
    bool ok = made >= 0;
    for (int32_t i = 0; ok && i < n; i++) {
        if (places[i].times < 1)
            continue;
        int32_t word = places[i].word, old[BPE_LONGEST], old_n = l->words[word].n;
        memcpy(old, l->words[word].units, (size_t)old_n * sizeof(int32_t));
        merge_word(&l->words[word], old, old_n, left, right, (int32_t)made);
        ok = take_neighbours(l, word, old, old_n, left, right) && give_neighbours(l, word, (int32_t)made);
    }
    memory_put(places);
    l->pairs[number].count = 0;
    return ok;
}

static bool learn(learner *l, int64_t merges, int64_t fewest)
{
    const pair *first = best_pair(l);
    l->threshold = first ? (double)first->count / 10 : 0;
    for (int64_t step = 0; step < merges; step++) {
        pair *best = best_pair(l);
        if (!best || (step > 0 && (double)best->count < l->threshold))
            best = best_of_all(l, step);
        if (!best || best->count < fewest)
            break;
        if (pairs_find(&l->bpe->ranks, best->left, best->right) < 0 && !bpe_add_merge(l->bpe, best->left, best->right))
            return false;
        if (!merge_pair(l, best))
            return false;
        if (step % PRUNE_EVERY == 0)
            put_rare_aside(l);
    }
    return true;
}

/* ---- from words -------------------------------------------------------------------------------------------------- */

static bool start(learner *l, const text_table *words)
{
    int64_t total = 0;
    for (int64_t i = 0; i < words->n; i++)
        total += words->entries[i].bytes < BPE_LONGEST ? words->entries[i].bytes : BPE_LONGEST;
    l->units = memory_get(total * (int64_t)sizeof(int32_t));
    l->words = l->units ? memory_get(words->n * (int64_t)sizeof(unit_word)) : NULL;
    int32_t *at = l->units;
    for (int64_t i = 0; l->words && i < words->n; i++) {
        const table_entry *entry = &words->entries[i];
        int64_t n = bpe_characters(l->bpe, entry->text, entry->bytes, at);
        if (n < 0)
            return false;
        if (n > BPE_LONGEST)
            continue;
        l->words[l->n_words] = (unit_word){ .units = at, .n = (int32_t)n, .count = entry->count };
        for (int32_t k = 0; k + 1 < n; k++)
            if (!count_pair(l, at + k, (int32_t)l->n_words, 1))
                return false;
        l->n_words++;
        at += n;
    }
    for (int32_t i = 0; i < l->n_pairs; i++)
        l->pairs[i].aside = l->pairs[i].count;
    return l->words != NULL;
}

heed_bpe *bpe_learn(const text_table *words, int64_t merges, int64_t fewest)
{
    learner l = { .bpe = bpe_new() };
    bool ok = l.bpe && start(&l, words) && learn(&l, merges, fewest);
    for (int32_t i = 0; i < l.n_pairs; i++)
        memory_put(l.pairs[i].places);
    memory_put(l.pairs);
    memory_put(l.live);
    memory_put(l.words);
    memory_put(l.units);
    pairs_close(&l.numbers);
    if (ok)
        return l.bpe;
    heed_bpe_free(l.bpe);
    return NULL;
}
