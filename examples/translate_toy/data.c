/* Pairs of sentences: data.h. */
#include "data.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

heed_corpus *data_toy(uint64_t seed, toy_split split, int64_t from, int64_t n)
{
    heed_corpus *corpus = heed_corpus_new();
    int64_t end = toy_split_size(split);
    if (n >= 0 && from + n < end)
        end = from + n;
    for (int64_t i = from; corpus && i < end; i++) {
        toy_sentence sentence;
        char english[TOY_TEXT], french[TOY_TEXT];
        if (!toy_make(seed, split, i, &sentence) || toy_text(&sentence, false, english, sizeof english) < 0 ||
            toy_text(&sentence, true, french, sizeof french) < 0)
            die("the toy language has no sentence %lld of %s", (long long)i, toy_split_name(split));
        if (!heed_corpus_add(corpus, english, french))
            die("%s", heed_error());
    }
    if (!corpus)
        die("%s", heed_error());
    return corpus;
}

/* ---- files -------------------------------------------------------------------------------------------------------------- */

enum { LINES_SAID = 5 };

typedef struct {
    const char *path;
    int64_t said;
} bad_lines;

static void say_bad_line(int64_t line, heed_line_kind kind, void *context)
{
    bad_lines *bad = context;
    if (bad->said++ < LINES_SAID)
        warn("%s:%lld: skipped: %s", bad->path, (long long)line, heed_line_reason(kind));
}

heed_corpus *data_read(const char *path, bool strict)
{
    bad_lines bad = { path, 0 };
    heed_corpus *corpus =
        heed_corpus_read_tsv(path, (heed_corpus_desc){ .strict = strict, .on_bad = say_bad_line, .context = &bad });
    if (!corpus)
        die("%s", heed_error());
    for (int kind = HEED_LINE_OK + 1; bad.said && kind < HEED_LINE_KINDS; kind++)
        if (corpus->kinds[kind])
            warn("%s: %lld of %lld lines skipped: %s", path, (long long)corpus->kinds[kind], (long long)corpus->lines,
                 heed_line_reason((heed_line_kind)kind));
    if (corpus->count == 0)
        die("%s: no sentence pair in it; a line is an English and a French sentence with a tab between", path);
    return corpus;
}

heed_corpus *data_hold_out(heed_corpus *all)
{
    heed_corpus *held = heed_corpus_new();
    int64_t kept = 0;
    for (int64_t i = 0; held && i < all->count; i++) {
        heed_pair pair = all->pairs[i];
        if (heed_rng_stream(pair.source) % 20 != 0)
            all->pairs[kept++] = pair;
        else if (!heed_corpus_add(held, pair.source, pair.target))
            die("%s", heed_error());
    }
    if (!held)
        die("%s", heed_error());
    all->count = kept;
    return held;
}

uint64_t data_fingerprint(const heed_corpus *corpus)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < corpus->count; i++)
        sum = (sum ^ heed_rng_stream(corpus->pairs[i].source)) * UINT64_C(0x100000001B3) +
              heed_rng_stream(corpus->pairs[i].target);
    return sum;
}

/* ---- ids ---------------------------------------------------------------------------------------------------------------- */

void data_vocabularies(const heed_corpus *corpus, const configuration *config, heed_vocab **source, heed_vocab **target)
{
    heed_text_desc text = { .spaced = config->spaced, .lower = config->lower, .compose = true };
    heed_vocab_desc desc = { .min_count = config->min_count, .bpe = { .merges = config->bpe } };
    heed_vocab *vocabs[2] = { heed_vocab_for(text), heed_vocab_for(text) };
    bool fine = vocabs[0] && vocabs[1];
    for (int64_t i = 0; fine && i < corpus->count; i++)
        for (int v = 0; fine && v < 2; v++) {
            const char *own = v ? corpus->pairs[i].target : corpus->pairs[i].source;
            const char *other = v ? corpus->pairs[i].source : corpus->pairs[i].target;
            fine =
                heed_vocab_count(vocabs[v], own) && (!config->share_embeddings || heed_vocab_count(vocabs[v], other));
        }
    if (!fine || !heed_vocab_freeze(vocabs[0], desc) || !heed_vocab_freeze(vocabs[1], desc))
        die("%s", heed_error());
    *source = vocabs[0];
    *target = vocabs[1];
}

heed_dataset *data_encode(const heed_corpus *corpus, const heed_vocab *source, const heed_vocab *target,
                          int64_t max_words, const heed_bpe_dropout *dropout, int64_t *left_out)
{
    enum { ROOM = 1 << 20 };
    int32_t *ids = malloc(2 * ROOM * sizeof *ids);
    heed_dataset *data = heed_dataset_new();
    *left_out = 0;
    if (!ids || !data)
        die("out of memory");
    for (int64_t i = 0; i < corpus->count; i++) {
        heed_bpe_dropout here[2] = { 0 };
        for (int v = 0; dropout && v < 2; v++) {
            here[v] = *dropout;
            here[v].rng.row = (uint32_t)(2 * i + v);
        }
        int64_t n = heed_vocab_encode_with(source, corpus->pairs[i].source, dropout ? &here[0] : NULL, ids, ROOM, NULL);
        int64_t m =
            heed_vocab_encode_with(target, corpus->pairs[i].target, dropout ? &here[1] : NULL, ids + ROOM, ROOM, NULL);
        if (n < 0 || m < 0)
            die("%s", heed_error());
        if (max_words && (n > max_words || m > max_words))
            ++*left_out;
        else if (!heed_dataset_add(data, ids, n, ids + ROOM, m))
            die("%s", heed_error());
    }
    free(ids);
    return data;
}
