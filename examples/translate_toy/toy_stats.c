/* What a split is made of, in numbers. */
#include "toy_tree.h"

#include <stdlib.h>
#include <string.h>

enum { TYPES = 2048, LENGTHS = TOY_MAX_FRENCH + 1, DISTANCES = 16, ATTRACTORS = 5, RAREST = 10 };

typedef struct {
    const char *word;
    int64_t count;
} type_count;

/* Words by open addressing; there are far fewer than TYPES. */
typedef struct {
    type_count types[TYPES];
    int64_t tokens, lengths[LENGTHS];
    int count;
} language;

typedef struct {
    language english, french;
    int64_t sentences, decisions[TOY_PHENOMENA], with[TOY_PHENOMENA], features[TOY_FEATURES];
    int64_t agreement[ATTRACTORS][DISTANCES];
    uint64_t *hashes; /* of the English */
} statistics;

static void count_words(language *l, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t at = toy_mix(toy_hash_word(0, words[i])) % TYPES;
        while (l->types[at].word && strcmp(l->types[at].word, words[i]))
            at = (at + 1) % TYPES;
        l->count += !l->types[at].word;
        l->types[at].word = words[i];
        l->types[at].count++;
    }
    l->tokens += count;
    l->lengths[count]++;
}

static void count_decisions(statistics *s, const toy_sentence *sentence)
{
    bool seen[TOY_PHENOMENA] = { false };
    for (int i = 0; i < sentence->decision_count; i++) {
        const toy_decision *d = &sentence->decisions[i];
        s->decisions[d->phenomenon]++;
        s->with[d->phenomenon] += !seen[d->phenomenon];
        seen[d->phenomenon] = true;
        if (d->phenomenon == TOY_NUM_LONG && d->attractors < ATTRACTORS)
            s->agreement[d->attractors][d->distance < DISTANCES ? d->distance : DISTANCES - 1]++;
    }
}

static void count_sentence(statistics *s, const toy_sentence *sentence)
{
    uint64_t hash = 0;
    for (int i = 0; i < sentence->english_count; i++)
        hash = toy_hash_word(hash, sentence->english[i]);
    s->hashes[s->sentences++] = hash;
    count_words(&s->english, sentence->english, sentence->english_count);
    count_words(&s->french, sentence->french, sentence->french_count);
    count_decisions(s, sentence);
    for (int i = 0; i < TOY_FEATURES; i++)
        s->features[i] += sentence->features[i];
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int64_t repeated(statistics *s)
{
    int64_t found = 0;
    qsort(s->hashes, (size_t)s->sentences, sizeof s->hashes[0], by_hash);
    for (int64_t i = 1; i < s->sentences; i++)
        found += s->hashes[i] == s->hashes[i - 1];
    return found;
}

static int by_count(const void *a, const void *b)
{
    const type_count *x = a, *y = b;
    if (!x->word || !y->word)
        return !x->word - !y->word;
    if (x->count != y->count)
        return (x->count > y->count) - (x->count < y->count);
    return strcmp(x->word, y->word);
}

static void print_language(language *l, const char *name, int64_t sentences, FILE *out)
{
    fprintf(out, "%-8s %d types, %lld tokens, %.2f a sentence; rarest:", name, l->count, (long long)l->tokens,
            sentences ? (double)l->tokens / (double)sentences : 0.0);
    qsort(l->types, TYPES, sizeof l->types[0], by_count);
    for (int i = 0; i < RAREST && i < l->count; i++)
        fprintf(out, " %s %lld", l->types[i].word, (long long)l->types[i].count);
    fprintf(out, "\n");
}

static void print_lengths(const language *l, int64_t sentences, FILE *out)
{
    fprintf(out, "\nEnglish length, sentences, share\n");
    for (int i = 0; i < LENGTHS; i++)
        if (l->lengths[i])
            fprintf(out, "%8d %8lld %6.2f %%\n", i, (long long)l->lengths[i],
                    100.0 * (double)l->lengths[i] / (double)sentences);
}

static void print_agreement(const statistics *s, FILE *out)
{
    fprintf(out, "\nNUM-LONG by attractors (rows) and distance (columns, the last: or more)\n    ");
    for (int d = 1; d < DISTANCES; d++)
        fprintf(out, "%7d", d);
    for (int a = 0; a < ATTRACTORS; a++) {
        fprintf(out, "\n%4d", a);
        for (int d = 1; d < DISTANCES; d++)
            fprintf(out, "%7lld", (long long)s->agreement[a][d]);
    }
    fprintf(out, "\n");
}

static void print(statistics *s, FILE *out)
{
    fprintf(out, "sentences %lld, repeated %lld\n", (long long)s->sentences, (long long)repeated(s));
    print_language(&s->english, "English", s->sentences, out);
    print_language(&s->french, "French", s->sentences, out);
    print_lengths(&s->english, s->sentences, out);
    fprintf(out, "\nphenomenon, decisions, sentences with one\n");
    for (int i = 0; i < TOY_PHENOMENA; i++)
        fprintf(out, "%-12s %8lld %8lld\n", toy_phenomenon_name((toy_phenomenon)i), (long long)s->decisions[i],
                (long long)s->with[i]);
    fprintf(out, "\nstructure, times used\n");
    for (int i = 0; i < TOY_FEATURES; i++)
        if (i != TOY_F_ATTRACTORS && i != TOY_F_POSSESSOR_DEPTH)
            fprintf(out, "%-18s %8lld\n", toy_feature_name((toy_feature)i), (long long)s->features[i]);
    print_agreement(s, out);
}

bool toy_stats_write(uint64_t seed, toy_split split, int64_t from, int64_t count, FILE *out)
{
    int64_t size = toy_split_size(split), end = count < 0 || count > size - from ? size : from + count;
    statistics *s = calloc(1, sizeof *s);
    uint64_t *hashes = calloc((size_t)(end > from ? end - from : 1), sizeof *hashes);
    bool made = s && hashes;
    if (made)
        s->hashes = hashes;
    for (int64_t n = from; made && n < end; n++) {
        toy_sentence sentence;
        made = toy_make(seed, split, n, &sentence);
        if (made)
            count_sentence(s, &sentence);
    }
    if (made)
        print(s, out);
    free(hashes);
    free(s);
    return made && !ferror(out);
}
