/* Training: train.h.
 *
 * A step takes the next batch, cuts it into shards (a rule on batch and model alone), lets the trainer run them in
 * parallel and gives the summed gradient to the optimiser. Nothing a step computes depends on threads or on where a run
 * was stopped, so a resumed run ends with the same bits. */
#include "train.h"
#include "folder.h"
#include "log.h"
#include "program.h"
#include "data.h"
#include "score.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SHARDS = 8, LOG_EVERY = 100 };

typedef struct {
    model *m;
    const training *run;
    heed_dataset *train, *valid;
    heed_batches *batches;
    heed_trainer *trainer;
    run_log *log;
    heed_arena *arenas[MAX_SHARDS]; /* of the shards' padded arrays */
    char *last, *best;              /* paths */
    /* the running batch */
    const int32_t *rows;
    int64_t starts[MAX_SHARDS + 1];
    /* since the last entry of the log */
    double loss_sum, since;
    double last_valid; /* validation loss; 0 before the first */
    int64_t loss_steps, tokens;
} loop;

/* ---- a step ------------------------------------------------------------------------------------------------------------- */

/* The sum of the losses of one shard's rows. */
static heed_var *shard_loss(heed_tape *tape, int shard, void *context)
{
    loop *l = context;
    const model *m = l->m;
    heed_batch batch;
    heed_arena_reset(l->arenas[shard]);
    if (!heed_batch_make(l->train, l->rows + l->starts[shard], l->starts[shard + 1] - l->starts[shard],
                         l->arenas[shard], &batch))
        return NULL;
    heed_shape src_shape = HEED_SHAPE(batch.rows, batch.src_length),
               tgt_shape = HEED_SHAPE(batch.rows, batch.tgt_length);
    heed_ids *src = heed_input_ids(tape, src_shape, batch.src);
    heed_ids *lengths = heed_input_ids(tape, HEED_SHAPE(batch.rows), batch.src_lengths);
    heed_ids *in = heed_input_ids(tape, tgt_shape, batch.tgt_in);
    heed_ids *out = heed_input_ids(tape, tgt_shape, batch.tgt_out);
    heed_var *memory = heed_transformer_encode(&m->net, src, lengths, NULL);
    heed_var *logits = heed_transformer_decode(&m->net, in, memory, lengths, NULL, NULL);
    return heed_cross_entropy(
        logits, out,
        (heed_ce_desc){ .smoothing = m->config.smoothing, .has_ignore = true, .ignore = HEED_PAD, .sum = true });
}

/* Cuts the running batch into shards; returns how many. *tokens: target tokens, what the loss is divided by. */
static int cut_batch(loop *l, int64_t rows, int64_t *tokens)
{
    int32_t *lengths = heed_arena_alloc(l->arenas[0], rows * (int64_t)sizeof *lengths);
    int64_t longest_src = 0, longest_tgt = 0;
    if (!lengths)
        die("%s", heed_error());
    *tokens = 0;
    for (int64_t i = 0; i < rows; i++) {
        heed_example e = heed_dataset_at(l->train, l->rows[i]);
        lengths[i] = e.src_length + e.tgt_length + 2;
        longest_src = e.src_length + 1 > longest_src ? e.src_length + 1 : longest_src;
        longest_tgt = e.tgt_length + 1 > longest_tgt ? e.tgt_length + 1 : longest_tgt;
        *tokens += e.tgt_length + 1;
    }
    int shards = heed_shards_rule(rows, rows * (longest_src + longest_tgt), heed_params_numel(l->m->params));
    if (!heed_shards_cut(lengths, rows, shards, l->starts))
        die("%s", heed_error());
    return shards;
}

/* One step on the next batch; the place in the data moves on. */
static double train_step(loop *l)
{
    model *m = l->m;
    int64_t rows, tokens;
    double loss;
    while (m->at.batch >= heed_batches_count(l->batches)) { /* an epoch is over */
        m->at.epoch++;
        m->at.batch = 0;
        if (!heed_batches_epoch(l->batches, m->at.epoch))
            die("%s", heed_error());
    }
    heed_arena_reset(l->arenas[0]);
    l->rows = heed_batches_rows(l->batches, m->at.batch, &rows);
    if (!l->rows)
        die("%s", heed_error());
    int shards = cut_batch(l, rows, &tokens);
    m->opt.lr = model_learning_rate(m, m->at.step + 1);
    if (!heed_trainer_step(l->trainer,
                           (heed_trainer_step_desc){ .shards = shards,
                                                     .starts = l->starts,
                                                     .step = m->at.step + 1,
                                                     .divisor = (double)tokens,
                                                     .loss = shard_loss,
                                                     .context = l },
                           &loss) ||
        !heed_adamw_step(&m->opt))
        die("step %lld: %s; the last saved model is in \"%s\"", (long long)m->at.step + 1, heed_error(), l->last);
    m->at.step++;
    m->at.batch++;
    l->loss_sum += loss;
    l->loss_steps++;
    l->tokens += tokens;
    return loss;
}

/* ---- between steps -------------------------------------------------------------------------------------------------------- */

static void save(loop *l, const char *path)
{
    if (!model_save(l->m, path))
        die("%s", heed_error());
}

static double tokens_per_s(const loop *l)
{
    double elapsed = seconds_now() - l->since;
    return elapsed > 0 ? (double)l->tokens / elapsed : 0;
}

static log_entry entry_now(const loop *l)
{
    return (log_entry){ .step = l->m->at.step,
                        .loss = l->loss_steps ? l->loss_sum / (double)l->loss_steps : (double)NAN,
                        .valid_loss = (double)NAN,
                        .valid_accuracy = (double)NAN,
                        .rate = model_learning_rate(l->m, l->m->at.step),
                        .tokens_per_s = tokens_per_s(l) };
}

static void start_entry(loop *l)
{
    l->loss_sum = 0;
    l->loss_steps = l->tokens = 0;
    l->since = seconds_now();
}

static void validate(loop *l)
{
    model *m = l->m;
    log_entry entry = entry_now(l);
    likelihood found = score_likelihood(m, l->valid, (int)l->run->threads);
    entry.valid_loss = l->last_valid = found.loss;
    entry.valid_accuracy = found.token_accuracy;
    if (found.loss < m->at.best_loss) {
        m->at.best_loss = found.loss;
        m->at.best_step = m->at.step;
        save(l, l->best);
    }
    save(l, l->last);
    log_add(l->log, entry);
    start_entry(l);
}

static loop loop_open(model *m, const training *run)
{
    int64_t train_left = 0, valid_left = 0;
    loop l = { .m = m, .run = run };
    l.train = data_encode(run->train, m->source, m->target, m->config.max_words, &train_left);
    l.valid = data_encode(run->valid, m->source, m->target, m->config.max_words, &valid_left);
    if (train_left + valid_left)
        warn("%lld training and %lld validation pairs have more than %lld words on a side (--max-words) and are left "
             "out",
             (long long)train_left, (long long)valid_left, (long long)m->config.max_words);
    if (!heed_dataset_count(l.train) || !heed_dataset_count(l.valid))
        die("no %s pair is left to work with", heed_dataset_count(l.train) ? "validation" : "training");
    l.batches =
        heed_batches_new(l.train, (heed_batches_desc){ .rows = m->config.batch, .seed = (uint64_t)m->config.seed });
    l.trainer = heed_trainer_new(m->params, (heed_trainer_desc){ .threads = (int)run->threads,
                                                                 .seed = (uint64_t)m->config.seed,
                                                                 .check_finite = run->check_finite });
    m->opt.threads = (int)run->threads;
    if (!l.batches || !l.trainer || !heed_batches_epoch(l.batches, m->at.epoch))
        die("%s", heed_error());
    for (int i = 0; i < MAX_SHARDS; i++)
        if (!(l.arenas[i] = heed_arena_new()))
            die("%s", heed_error());
    l.last = folder_path(run->out, "model.safetensors");
    l.best = folder_path(run->out, "best.safetensors");
    return l;
}

static void loop_close(loop *l)
{
    log_close(l->log);
    for (int i = 0; i < MAX_SHARDS; i++)
        heed_arena_free(l->arenas[i]);
    heed_trainer_free(l->trainer);
    heed_batches_free(l->batches);
    heed_dataset_free(l->train);
    heed_dataset_free(l->valid);
    free(l->last);
    free(l->best);
}

/* A model that gives every word the same probability loses log V nats a token; label smoothing moves that little. */
static void warn_if_worse_than_guessing(const loop *l)
{
    double guessing = log((double)heed_vocab_size(l->m->target));
    if (l->last_valid > guessing)
        warn("the validation loss, %.2f, is worse than guessing (%.2f): training has diverged; try a lower --lr",
             l->last_valid, guessing);
}

int train_run(model *m, const training *run)
{
    loop l = loop_open(m, run);
    if (m->at.step == 0 && unlink(l.best) && errno != ENOENT) /* of a run that is being replaced */
        die("%s: %s", l.best, strerror(errno));
    save(&l, l.last); /* the size of every later one: a full disk or a bad folder is told now, not after hours */
    l.log = log_open(run->out, m->at.step, m->config.steps);
    printf("%s: %lld pairs, %lld for validation, %d English and %d French words\n", run->about,
           (long long)heed_dataset_count(l.train), (long long)heed_dataset_count(l.valid), heed_vocab_size(m->source),
           heed_vocab_size(m->target));
    printf("%lld parameters; step %lld of %lld; %s\n", (long long)heed_params_numel(m->params), (long long)m->at.step,
           (long long)m->config.steps, l.last);
    if (m->at.step >= m->config.steps)
        printf("all %lld steps are done; --steps N goes further\n", (long long)m->config.steps);
    double started = seconds_now();
    bool stopped = run->stop_after && m->at.step >= run->stop_after;
    start_entry(&l);
    signals_catch();
    while (m->at.step < m->config.steps && !signals_stop() && !stopped) {
        double loss = train_step(&l);
        if (m->at.step % 10 == 0)
            log_progress(l.log, m->at.step, loss, tokens_per_s(&l));
        if (m->at.step % m->config.valid_every == 0 || m->at.step == m->config.steps) {
            validate(&l);
        } else if (m->at.step % LOG_EVERY == 0) {
            log_add(l.log, entry_now(&l));
            start_entry(&l);
        }
        stopped =
            (run->max_minutes > 0 && seconds_now() - started > 60 * run->max_minutes) || m->at.step == run->stop_after;
    }
    save(&l, l.last);
    warn_if_worse_than_guessing(&l);
    loop_close(&l);
    signals_release();
    if (m->at.step < m->config.steps)
        printf("stopped after step %lld of %lld (%s) and saved; go on with --resume\n", (long long)m->at.step,
               (long long)m->config.steps,
               signals_stop()                                     ? "signal"
               : run->stop_after && m->at.step >= run->stop_after ? "--stop-after"
                                                                  : "--max-minutes");
    fflush(stdout);
    return m->at.step < m->config.steps ? signals_stop() : 0;
}
