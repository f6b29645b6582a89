/* Scoring every decision of a split, and adding up: decisions.h. The model runs in batches; each sentence's choices are
 * written to a place of their own, and everything is added up afterwards, in order. */
#include "decisions.h"
#include "program.h"
#include "score.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    toy_decision toy;
    int32_t sentence;
    int32_t right, wrong[TOY_MAX_COMPETITORS]; /* ids */
    choice forced;
    free_result free;
} decision;

typedef struct {
    decision *decisions; /* those of a sentence side by side */
    int64_t count, room;
    int64_t *first; /* of each sentence, and one more: the end */
    int64_t *flips; /* of each sentence the decision that flips, or -1 */
    int64_t sentences;
} collection;

/* ---- collecting --------------------------------------------------------------------------------------------------- */

static int32_t first_id(const heed_vocab *vocab, const char *word)
{
    int32_t ids[8];
    int64_t n = heed_vocab_encode(vocab, word, ids, 8, NULL);
    return n > 0 ? ids[0] : HEED_UNK;
}

static void collect_one(collection *c, const heed_vocab *target, const toy_decision *toy, int32_t sentence,
                        int32_t right)
{
    decision d = { .toy = *toy, .sentence = sentence, .right = right };
    for (int i = 0; i < toy->competitor_count; i++)
        d.wrong[i] = first_id(target, toy->competitors[i]);
    c->decisions = grow(c->decisions, c->count, &c->room, sizeof d);
    c->decisions[c->count++] = d;
}

static void collect(collection *c, const model *m, const heed_dataset *data, uint64_t seed, toy_split split)
{
    c->sentences = heed_dataset_count(data);
    c->first = calloc((size_t)c->sentences + 1, sizeof *c->first);
    c->flips = calloc((size_t)c->sentences + 1, sizeof *c->flips);
    if (!c->first || !c->flips)
        die("out of memory");
    for (int32_t n = 0; n < c->sentences; n++) {
        toy_sentence sentence;
        heed_example ids = heed_dataset_at(data, n);
        if (!toy_make(seed, split, n, &sentence) || sentence.french_count != ids.tgt_length)
            die("sentence %d of %s is not the one the model reads", n, toy_split_name(split));
        c->first[n] = c->count;
        c->flips[n] = sentence.pair_decision < 0 ? -1 : c->count + sentence.pair_decision;
        for (int i = 0; i < sentence.decision_count; i++)
            collect_one(c, m->target, &sentence.decisions[i], n, ids.tgt[sentence.decisions[i].position]);
    }
    c->first[c->sentences] = c->count;
}

/* ---- scoring ------------------------------------------------------------------------------------------------------ */

static void choose(int64_t sentence, const heed_real *logits, int64_t words, void *context)
{
    collection *c = context;
    for (int64_t i = c->first[sentence]; i < c->first[sentence + 1]; i++) {
        decision *d = &c->decisions[i];
        d->forced = decisions_choose(logits + d->toy.position * words, d->right, d->wrong, d->toy.competitor_count);
    }
}

/* Cuts a line at its spaces, in place; returns how many words. */
static int cut_words(char *line, const char **words, int room)
{
    int count = 0;
    char *rest;
    for (char *word = strtok_r(line, " ", &rest); word && count < room; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    return count;
}

static void compare(collection *c, int64_t sentence, const char *reference, const char *translation)
{
    enum { WORDS = 256 }; /* more than a translation of the longest sentence may have */
    const char *want[WORDS], *got[WORDS];
    int place[WORDS];
    char *lines[] = { strdup(reference), strdup(translation) };
    if (!lines[0] || !lines[1])
        die("out of memory");
    int count = cut_words(lines[0], want, WORDS), output_count = cut_words(lines[1], got, WORDS);
    if (!decisions_align(want, count, got, output_count, place))
        die("out of memory");
    for (int64_t i = c->first[sentence]; i < c->first[sentence + 1]; i++)
        c->decisions[i].free = decisions_free_result(&c->decisions[i].toy, want, got, output_count, place);
    free(lines[0]);
    free(lines[1]);
}

/* ---- adding up ---------------------------------------------------------------------------------------------------- */

static tally *find_tally(decision_scores *scores, toy_phenomenon phenomenon, bucket_kind kind, const char *bucket)
{
    for (int64_t i = 0; i < scores->count; i++) {
        tally *t = &scores->tallies[i];
        if (t->phenomenon == phenomenon && t->kind == kind && !strcmp(t->bucket, bucket))
            return t;
    }
    scores->tallies = grow(scores->tallies, scores->count, &scores->room, sizeof *scores->tallies);
    scores->tallies[scores->count] = (tally){ .phenomenon = phenomenon, .kind = kind, .bucket = bucket };
    return &scores->tallies[scores->count++];
}

static void add(tally *t, const decision *d)
{
    t->count++;
    t->forced += d->forced.right;
    t->free += d->free == FREE_RIGHT;
    t->grammar += d->free == FREE_GRAMMAR;
    t->chance += 1.0 / (1 + d->toy.competitor_count);
    t->with_margin += d->forced.has_margin;
    t->margin += d->forced.margin;
    if (!t->sentence_count || t->sentences[t->sentence_count - 1].sentence != d->sentence) {
        t->sentences = grow(t->sentences, t->sentence_count, &t->sentence_room, sizeof *t->sentences);
        t->sentences[t->sentence_count++] = (sentence_tally){ .sentence = d->sentence };
    }
    sentence_tally *s = &t->sentences[t->sentence_count - 1];
    s->count++;
    s->forced += d->forced.right;
    s->free += d->free == FREE_RIGHT;
}

static void add_all(decision_scores *scores, const collection *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        const decision *d = &c->decisions[i];
        for (int kind = 0; kind < BUCKET_KINDS; kind++) {
            const char *bucket = decisions_bucket(&d->toy, (bucket_kind)kind);
            if (bucket)
                add(find_tally(scores, d->toy.phenomenon, (bucket_kind)kind, bucket), d);
        }
    }
}

static void add_pairs(decision_scores *scores, const collection *c)
{
    for (int64_t i = 0; i + 1 < c->sentences; i += 2) {
        if (c->flips[i] < 0 || c->flips[i + 1] < 0)
            continue;
        const decision *a = &c->decisions[c->flips[i]], *b = &c->decisions[c->flips[i + 1]];
        scores->pairs++;
        scores->pairs_forced += a->forced.right && b->forced.right;
        scores->pairs_free += a->free == FREE_RIGHT && b->free == FREE_RIGHT;
    }
}

static int by_name(const void *a, const void *b)
{
    const tally *x = a, *y = b;
    if (x->phenomenon != y->phenomenon)
        return x->phenomenon < y->phenomenon ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return strcmp(x->bucket, y->bucket);
}

static bool resample(int shard, int worker, void *context)
{
    decision_scores *scores = context;
    tally *t = &scores->tallies[shard];
    (void)worker;
    decisions_bootstrap(t->sentences, t->sentence_count, &t->forced_interval, &t->free_interval);
    if (t->forced == 0 || t->forced == t->count) /* all alike: every resample too */
        t->forced_interval = decisions_wilson(t->forced ? t->sentence_count : 0, t->sentence_count);
    if (t->free == 0 || t->free == t->count)
        t->free_interval = decisions_wilson(t->free ? t->sentence_count : 0, t->sentence_count);
    return true;
}

decision_scores *decisions_score(const model *m, const heed_dataset *data, const heed_corpus *corpus,
                                 char *const *translations, uint64_t seed, toy_split split, int threads)
{
    decision_scores *scores = calloc(1, sizeof *scores);
    collection c = { .count = 0 };
    if (!scores)
        die("out of memory");
    scores->split = split;
    collect(&c, m, data, seed, split);
    score_logits(m, data, threads, choose, &c);
    for (int64_t i = 0; i < c.sentences; i++)
        compare(&c, i, corpus->pairs[i].target, translations[i]);
    add_all(scores, &c);
    add_pairs(scores, &c);
    if (scores->count)
        qsort(scores->tallies, (size_t)scores->count, sizeof *scores->tallies, by_name);
    if (!heed_shards_run((int)scores->count, threads, resample, scores))
        die("%s", heed_error());
    free(c.decisions);
    free(c.first);
    free(c.flips);
    return scores;
}

void decisions_free(decision_scores *scores)
{
    if (!scores)
        return;
    for (int64_t i = 0; i < scores->count; i++)
        free(scores->tallies[i].sentences);
    free(scores->tallies);
    free(scores);
}
