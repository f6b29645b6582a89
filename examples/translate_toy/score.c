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
    } * sums;            /* of each batch */
    char **translations; /* of each sentence */
    logits_visit *visit;
    void *context; /* of visit */
} job;

/* Runs the work on every batch, each worker with a tape and an arena of its own. */
static void run(job *j, int threads, heed_shard_fn *work)
{
    threads = threads > 0 ? threads : heed_threads();
    threads = threads < MAX_WORKERS ? threads : MAX_WORKERS;
    for (int i = 0; i < threads; i++) {
        j->tapes[i] = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true });
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

/* ---- translation ----------------------------------------------------------------------------------------------------------- */

/* The longest translation looked for: what a source of n words could plausibly become. */
static int64_t target_limit(int64_t n)
{
    return 2 * n + 10;
}

static bool batch_translate(int shard, int worker, void *context)
{
    job *j = context;
    heed_batch batch;
    const int32_t *rows;
    if (!next_batch(j, shard, worker, &batch, &rows))
        return false;
    int64_t limit = target_limit(batch.src_length);
    int32_t *out = heed_arena_alloc(j->arenas[worker], batch.rows * limit * (int64_t)sizeof *out);
    int32_t *lengths = heed_arena_alloc(j->arenas[worker], batch.rows * (int64_t)sizeof *lengths);
    if (!out || !lengths ||
        !heed_decode_greedy(&j->m->net, j->tapes[worker], batch.src, batch.src_lengths, batch.rows, batch.src_length,
                            (heed_decode_desc){ .bos = HEED_BOS, .eos = HEED_EOS, .max_length = limit }, out, lengths))
        return false;
    for (int64_t i = 0; i < batch.rows; i++) {
        int64_t own = target_limit(batch.src_lengths[i]); /* so that neighbours do not matter */
        char *text = heed_vocab_decode(j->m->target, out + i * limit, lengths[i] < own ? lengths[i] : own);
        if (!text || !(j->translations[rows[i]] = strdup(text)))
            return false;
        heed_text_free(text);
    }
    return true;
}

char **score_translate(const model *m, const heed_dataset *data, int threads)
{
    job j;
    int64_t n = heed_dataset_count(data);
    cut(&j, m, data);
    j.translations = calloc((size_t)(n ? n : 1), sizeof *j.translations);
    if (!j.translations)
        die("out of memory");
    run(&j, threads, batch_translate);
    heed_batches_free(j.batches);
    return j.translations;
}

/* The text with its white space as translations have it. */
static bool equals_normalised(const char *text, const char *translation)
{
    heed_words words;
    char *joined = heed_words_split(text, &words) ? heed_words_join(words.words, words.count) : NULL;
    if (!joined)
        die("%s", heed_error());
    bool equal = strcmp(joined, translation) == 0;
    heed_words_free(&words);
    heed_text_free(joined);
    return equal;
}

int64_t score_exact(const heed_corpus *corpus, char *const *translations)
{
    int64_t exact = 0;
    for (int64_t i = 0; i < corpus->count; i++)
        exact += equals_normalised(corpus->pairs[i].target, translations[i]);
    return exact;
}
