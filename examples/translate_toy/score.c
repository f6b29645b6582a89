/* Running a trained model over many sentences: score.h. Batches are the shards; each writes its results to a place of its
 * own, and sums are taken afterwards in the order of the batches. */
#include "score.h"
#include "program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORKERS = 256, BATCH_ROWS = 64, BATCH_TOKENS = 4096 };

typedef struct {
    const model *m;
    const heed_dataset *data;
    heed_batches *batches;
    heed_tape *tapes[MAX_WORKERS];
    heed_arena *arenas[MAX_WORKERS];
    struct {
        double loss;
        int64_t tokens, right;
    } * sums; /* of each batch */
    search_options how;
    char **translations; /* [sentences, n_best] */
    double *scores;      /* likewise, or NULL */
    logits_visit *visit;
    void *context; /* of visit */
} job;

/* Runs the work on every batch, each worker with a tape and an arena of its own. */
static void run(job *j, int threads, heed_shard_fn *work)
{
    threads = threads > 0 ? threads : heed_threads();
    threads = threads < MAX_WORKERS ? threads : MAX_WORKERS;
    for (int i = 0; i < threads; i++) {
        j->tapes[i] = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
        j->arenas[i] = heed_arena_new();
        if (!j->tapes[i] || !j->arenas[i])
            die("%s", heed_error());
    }
    if (!heed_shards_run((int)heed_batches_count(j->batches), threads, work, j))
        die("%s", heed_error());
    for (int i = 0; i < threads; i++) {
        heed_tape_free(j->tapes[i]);
        heed_arena_free(j->arenas[i]);
    }
}

static void cut(job *j, const model *m, const heed_dataset *data)
{
    *j = (job){ .m = m, .data = data };
    j->batches = heed_batches_new(data, (heed_batches_desc){ .rows = BATCH_ROWS, .max_tokens = BATCH_TOKENS });
    if (!j->batches || !heed_batches_epoch(j->batches, 0))
        die("%s", heed_error());
}

static bool next_batch(job *j, int shard, int worker, heed_batch *batch, const int32_t **rows)
{
    int64_t count;
    heed_arena_reset(j->arenas[worker]);
    heed_tape_reset(j->tapes[worker]);
    *rows = heed_batches_rows(j->batches, shard, &count);
    return *rows && heed_batch_make(j->data, *rows, count, j->arenas[worker], batch);
}

/* ---- likelihood ----------------------------------------------------------------------------------------------------------- */

static int64_t count_right(heed_tensor logits, const heed_batch *batch)
{
    int64_t V = logits.shape.dims[2], right = 0;
    for (int64_t i = 0; i < batch->rows * batch->tgt_length; i++) {
        const heed_real *row = logits.data + i * V;
        int64_t best = 0;
        for (int64_t k = 1; k < V; k++)
            best = row[k] > row[best] ? k : best;
        right += batch->tgt_out[i] != HEED_PAD && best == batch->tgt_out[i];
    }
    return right;
}

/* The logits of the references, [rows, tgt_length, words]. */
static heed_var *reference_logits(const job *j, int worker, const heed_batch *batch)
{
    heed_tape *tape = j->tapes[worker];
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(batch->rows, batch->src_length), batch->src);
    heed_ids *lengths = heed_input_ids(tape, HEED_SHAPE(batch->rows), batch->src_lengths);
    heed_ids *in = heed_input_ids(tape, HEED_SHAPE(batch->rows, batch->tgt_length), batch->tgt_in);
    heed_var *memory = heed_transformer_encode(&j->m->net, src, lengths, NULL);
    return heed_transformer_decode(&j->m->net, in, memory, lengths, NULL, NULL);
}

static bool batch_likelihood(int shard, int worker, void *context)
{
    job *j = context;
    heed_batch batch;
    const int32_t *rows;
    if (!next_batch(j, shard, worker, &batch, &rows))
        return false;
    heed_ids *out = heed_input_ids(j->tapes[worker], HEED_SHAPE(batch.rows, batch.tgt_length), batch.tgt_out);
    heed_var *logits = reference_logits(j, worker, &batch);
    heed_var *loss =
        heed_cross_entropy(logits, out, (heed_ce_desc){ .has_ignore = true, .ignore = HEED_PAD, .sum = true });
    if (!loss)
        return false;
    j->sums[shard].loss = heed_item(loss);
    j->sums[shard].tokens = batch.tokens;
    j->sums[shard].right = count_right(heed_value(logits), &batch);
    return true;
}

likelihood score_likelihood(const model *m, const heed_dataset *data, int threads)
{
    job j;
    cut(&j, m, data);
    int64_t n = heed_batches_count(j.batches);
    j.sums = calloc((size_t)(n ? n : 1), sizeof *j.sums);
    if (!j.sums)
        die("out of memory");
    run(&j, threads, batch_likelihood);
    likelihood all = { .sentences = heed_dataset_count(data) };
    int64_t right = 0;
    for (int64_t i = 0; i < n; i++) {
        all.loss += j.sums[i].loss;
        all.tokens += j.sums[i].tokens;
        right += j.sums[i].right;
    }
    all.loss = all.tokens ? all.loss / (double)all.tokens : 0;
    all.token_accuracy = all.tokens ? (double)right / (double)all.tokens : 0;
    free(j.sums);
    heed_batches_free(j.batches);
    return all;
}

static bool batch_logits(int shard, int worker, void *context)
{
    job *j = context;
    heed_batch batch;
    const int32_t *rows;
    if (!next_batch(j, shard, worker, &batch, &rows))
        return false;
    heed_var *logits = reference_logits(j, worker, &batch);
    if (!logits)
        return false;
    heed_tensor values = heed_value(logits);
    int64_t of_one = batch.tgt_length * values.shape.dims[2];
    for (int64_t i = 0; i < batch.rows; i++)
        j->visit(rows[i], values.data + i * of_one, values.shape.dims[2], j->context);
    return true;
}

void score_logits(const model *m, const heed_dataset *data, int threads, logits_visit *visit, void *context)
{
    job j;
    cut(&j, m, data);
    j.visit = visit;
    j.context = context;
    run(&j, threads, batch_logits);
    heed_batches_free(j.batches);
}

typedef struct {
    const heed_dataset *data;
    double *to;
} target_sums;

static void add_target(int64_t sentence, const heed_real *logits, int64_t words, void *context)
{
    target_sums *sums = context;
    heed_example e = heed_dataset_at(sums->data, sentence);
    double sum = 0;
    for (int64_t t = 0; t <= e.tgt_length; t++, logits += words) {
        int32_t token = t < e.tgt_length ? e.tgt[t] : HEED_EOS;
        double top = (double)logits[0], all = 0;
        for (int64_t i = 1; i < words; i++)
            top = fmax(top, (double)logits[i]);
        for (int64_t i = 0; i < words; i++)
            all += exp((double)logits[i] - top);
        sum += (double)logits[token] - top - log(all);
    }
    sums->to[sentence] = sum;
}

void score_targets(const model *m, const heed_dataset *data, int threads, double *to)
{
    target_sums sums = { data, to };
    score_logits(m, data, threads, add_target, &sums);
}

/* ---- translation ----------------------------------------------------------------------------------------------------------- */

/* The longest translation looked for: what a source of n words could plausibly become. */
static int64_t target_limit(int64_t n)
{
    return 2 * n + 10;
}

static char *text_of(const job *j, const int32_t *ids, int64_t n)
{
    char *text = heed_vocab_decode(j->m->target, ids, n), *copy = text ? strdup(text) : NULL;
    heed_text_free(text);
    return copy;
}

/* Greedy search looks at limits [rows] when all is done: what it found further on is cut off. */
static bool greedy(job *j, int worker, const heed_batch *batch, const int32_t *rows, const int32_t *limits)
{
    int64_t most = target_limit(batch->src_length);
    int32_t *out = heed_arena_alloc(j->arenas[worker], batch->rows * most * (int64_t)sizeof *out);
    int32_t *lengths = heed_arena_alloc(j->arenas[worker], batch->rows * (int64_t)sizeof *lengths);
    if (!out || !lengths ||
        !heed_decode_greedy(&j->m->net, j->tapes[worker], batch->src, batch->src_lengths, batch->rows,
                            batch->src_length,
                            (heed_decode_desc){ .bos = HEED_BOS, .eos = HEED_EOS, .max_length = most }, out, lengths))
        return false;
    for (int64_t i = 0; i < batch->rows; i++)
        if (!(j->translations[rows[i]] = text_of(j, out + i * most, lengths[i] < limits[i] ? lengths[i] : limits[i])))
            return false;
    return true;
}

static bool beam(job *j, int worker, const heed_batch *batch, const int32_t *rows, const int32_t *limits)
{
    int64_t most = target_limit(batch->src_length), n = j->how.n_best, results = batch->rows * n;
    heed_arena *arena = j->arenas[worker];
    heed_beam_results to = { heed_arena_alloc(arena, results * most * (int64_t)sizeof *to.tokens),
                             heed_arena_alloc(arena, results * (int64_t)sizeof *to.lengths),
                             heed_arena_alloc(arena, results * (int64_t)sizeof *to.scores) };
    heed_beam_desc desc = { .bos = HEED_BOS,
                            .eos = HEED_EOS,
                            .max_length = most,
                            .max_lengths = limits,
                            .beam = (int)j->how.beam,
                            .n_best = (int)n,
                            .length_penalty = j->how.length_penalty,
                            .has_unk = true,
                            .unk = HEED_UNK };
    if (!to.tokens || !to.lengths || !to.scores ||
        !heed_decode_beam(&j->m->net, j->tapes[worker], batch->src, batch->src_lengths, batch->rows, batch->src_length,
                          desc, to))
        return false;
    for (int64_t i = 0; i < results; i++) {
        int64_t at = rows[i / n] * n + i % n;
        if (to.lengths[i] >= 0 && !(j->translations[at] = text_of(j, to.tokens + i * most, to.lengths[i])))
            return false;
        if (j->scores)
            j->scores[at] = to.scores[i];
    }
    return true;
}

static bool batch_translate(int shard, int worker, void *context)
{
    job *j = context;
    heed_batch batch;
    const int32_t *rows;
    if (!next_batch(j, shard, worker, &batch, &rows))
        return false;
    int32_t *limits = heed_arena_alloc(j->arenas[worker], batch.rows * (int64_t)sizeof *limits);
    for (int64_t i = 0; limits && i < batch.rows; i++)
        limits[i] = (int32_t)target_limit(batch.src_lengths[i]); /* its own, so that neighbours do not matter */
    return limits && (j->how.beam ? beam : greedy)(j, worker, &batch, rows, limits);
}

char **score_translate(const model *m, const heed_dataset *data, search_options how, int threads, double *scores)
{
    job j;
    cut(&j, m, data);
    j.how = how;
    j.how.n_best = how.n_best && how.beam ? how.n_best : 1;
    j.scores = scores;
    int64_t n = heed_dataset_count(data) * j.how.n_best;
    j.translations = calloc((size_t)(n ? n : 1), sizeof *j.translations);
    if (!j.translations)
        die("out of memory");
    run(&j, threads, batch_translate);
    heed_batches_free(j.batches);
    return j.translations;
}

double score_bleu(const heed_corpus *corpus, char *const *translations)
{
    heed_bleu bleu = { .segments = 0 };
    for (int64_t i = 0; i < corpus->count; i++)
        if (!heed_bleu_add(&bleu, translations[i], corpus->pairs[i].target))
            die("%s", heed_error());
    return heed_bleu_score(&bleu).score;
}

/* The text as translations have it: its words again, or, where the vocabulary changes more than white space, what comes
 * back from its ids. To be freed with heed_text_free. */
static char *normalised(const model *m, const char *text)
{
    enum { ROOM = 4096 };
    int32_t ids[ROOM];
    heed_words words;
    char *again = NULL;
    if (m->config.spaced || m->config.lower || m->config.bpe) {
        int64_t n = heed_vocab_encode(m->target, text, ids, ROOM, NULL);
        return n < 0 ? (heed_error_clear(), NULL)
                     : heed_vocab_decode(m->target, ids, n); /* NULL: too long to be equal */
    }
    if (heed_words_split(text, &words)) {
        again = heed_words_join(words.words, words.count);
        heed_words_free(&words);
    }
    if (!again)
        die("%s", heed_error());
    return again;
}

int64_t score_exact(const model *m, const heed_corpus *corpus, char *const *translations)
{
    int64_t exact = 0;
    for (int64_t i = 0; i < corpus->count; i++) {
        char *reference = normalised(m, corpus->pairs[i].target);
        exact += reference && strcmp(reference, translations[i]) == 0;
        heed_text_free(reference);
    }
    return exact;
}
