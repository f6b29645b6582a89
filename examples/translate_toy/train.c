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

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SHARDS = 8, LOG_EVERY = 100 };

typedef struct {
    model *m;
    const training *run;
    heed_dataset *train, *valid;
    heed_dataset *translated; /* all validation pairs, with --metric bleu */
    heed_batches *batches;
    heed_trainer *trainer;
    run_log *log;
    heed_arena *arenas[MAX_SHARDS]; /* of the shards' padded arrays */
    char *last, *best;              /* paths */
    /* the running batch */
    const int32_t *rows;
    int64_t first_row; /* its place among the rows of the step */
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
    if (!heed_batch_make(l->train, l->rows + l->starts[shard] - l->first_row, l->starts[shard + 1] - l->starts[shard],
                         l->arenas[shard], &batch))
        return NULL;
    heed_shape src_shape = HEED_SHAPE(batch.rows, batch.src_length),
               tgt_shape = HEED_SHAPE(batch.rows, batch.tgt_length);
    heed_ids *src = heed_input_ids(tape, src_shape, batch.src);
    heed_ids *lengths = heed_input_ids(tape, HEED_SHAPE(batch.rows), batch.src_lengths);
    heed_ids *in = heed_input_ids(tape, tgt_shape, batch.tgt_in);
    heed_ids *out = heed_input_ids(tape, tgt_shape, batch.tgt_out);
    heed_var *memory = heed_transformer_encode(&m->net, src, lengths, NULL);
    heed_ce_desc ce = { .smoothing = m->config.smoothing, .has_ignore = true, .ignore = HEED_PAD, .sum = true };
    return heed_transformer_loss(&m->net, in, memory, lengths, out, ce);
}

/* Cuts the running batch of so many rows into shards; returns how many. */
static int cut_batch(loop *l, int64_t rows)
{
    int32_t *lengths = heed_arena_alloc(l->arenas[0], rows * (int64_t)sizeof *lengths);
    int64_t longest_src = 0, longest_tgt = 0;
    if (!lengths)
        die("%s", heed_error());
    for (int64_t i = 0; i < rows; i++) {
        heed_example e = heed_dataset_at(l->train, l->rows[i]);
        lengths[i] = e.src_length + e.tgt_length + 2;
        longest_src = e.src_length + 1 > longest_src ? e.src_length + 1 : longest_src;
        longest_tgt = e.tgt_length + 1 > longest_tgt ? e.tgt_length + 1 : longest_tgt;
    }
    int shards = heed_shards_rule(rows, rows * (longest_src + longest_tgt), heed_params_numel(l->m->params));
    if (!heed_shards_cut(lengths, rows, shards, l->starts))
        die("%s", heed_error());
    for (int i = 0; i <= shards; i++)
        l->starts[i] += l->first_row;
    return shards;
}

static const int32_t *batch_rows(const loop *l, int64_t batch, int64_t *rows)
{
    const int32_t *found = heed_batches_rows(l->batches, batch, rows);
    if (!found)
        die("%s", heed_error());
    return found;
}

/* Target tokens, <eos> included, of the next n batches. */
static int64_t count_tokens(const loop *l, int64_t n)
{
    int64_t tokens = 0, rows;
    for (int64_t i = 0; i < n; i++) {
        const int32_t *batch = batch_rows(l, l->m->at.batch + i, &rows);
        for (int64_t k = 0; k < rows; k++)
            tokens += heed_dataset_at(l->train, batch[k]).tgt_length + 1;
    }
    return tokens;
}

/* Adds the next batch's part to the loss and the gradients of a step of so many tokens. */
static double add_batch(loop *l, int64_t tokens)
{
    double loss;
    int64_t rows;
    heed_arena_reset(l->arenas[0]);
    l->rows = batch_rows(l, l->m->at.batch, &rows);
    int shards = cut_batch(l, rows);
    if (!heed_trainer_step(l->trainer,
                           (heed_trainer_step_desc){ .shards = shards,
                                                     .starts = l->starts,
                                                     .step = l->m->at.step + 1,
                                                     .divisor = (double)tokens,
                                                     .loss = shard_loss,
                                                     .context = l },
                           &loss))
        die("step %lld: %s; the last saved model is in \"%s\"", (long long)l->m->at.step + 1, heed_error(), l->last);
    l->m->at.batch++;
    l->first_row += rows;
    return loss;
}

/* The batches of the running epoch, of pairs cut anew if subwords are dropped. Returns how many pairs are left out. */
static int64_t encode_epoch(loop *l)
{
    const configuration *c = &l->m->config;
    int64_t left_out = 0;
    if (!l->train || c->bpe_dropout > 0) {
        heed_bpe_dropout dropout = { .p = c->bpe_dropout,
                                     .rng = { .seed = (uint64_t)c->seed,
                                              .stream = heed_rng_stream("bpe dropout"),
                                              .step = (uint32_t)l->m->at.epoch } };
        heed_batches_free(l->batches);
        heed_dataset_free(l->train);
        l->train = data_encode(l->run->train, l->m->source, l->m->target, c->max_words,
                               c->bpe_dropout > 0 ? &dropout : NULL, &left_out);
        l->batches = heed_batches_new(
            l->train, (heed_batches_desc){ .rows = c->batch, .side_tokens = c->max_tokens, .seed = (uint64_t)c->seed });
    }
    if (!l->batches || !heed_batches_epoch(l->batches, l->m->at.epoch))
        die("%s", heed_error());
    if (!heed_batches_count(l->batches))
        die("no training pair is left to work with");
    return left_out;
}

/* One step on the next batches, fewer at the end of an epoch; the place in the data moves on. */
static double train_step(loop *l)
{
    model *m = l->m;
    while (m->at.batch >= heed_batches_count(l->batches)) { /* an epoch is over */
        m->at.epoch++;
        m->at.batch = 0;
        encode_epoch(l);
    }
    int64_t left = heed_batches_count(l->batches) - m->at.batch;
    int64_t batches = m->config.accumulate < left ? m->config.accumulate : left, tokens = count_tokens(l, batches);
    double loss = 0;
    l->first_row = 0;
    for (int64_t i = 0; i < batches; i++)
        loss += add_batch(l, tokens);
    m->opt.lr = model_learning_rate(m, m->at.step + 1);
    m->opt.known_norm = heed_trainer_norm(l->trainer);
    if (!heed_adamw_step(&m->opt))
        die("step %lld: %s; the last saved model is in \"%s\"", (long long)m->at.step + 1, heed_error(), l->last);
    m->at.step++;
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
                        .valid_bleu = (double)NAN,
                        .rate = model_learning_rate(l->m, l->m->at.step),
                        .tokens_per_s = tokens_per_s(l) };
}

static void start_entry(loop *l)
{
    l->loss_sum = 0;
    l->loss_steps = l->tokens = 0;
    l->since = seconds_now();
}

/* How many validations there have been: one at every multiple of --valid-every, and one at the end. */
static int64_t validations(const model *m)
{
    return m->at.step / m->config.valid_every + (m->at.step == m->config.steps && m->at.step % m->config.valid_every);
}

/* The last models validated, in turn: what --average is the mean of. */
static char *average_path(const loop *l, int64_t turn)
{
    char name[64];
    snprintf(name, sizeof name, "average-%lld.safetensors", (long long)turn);
    return folder_path(l->run->out, name);
}

static double valid_bleu(const loop *l)
{
    int threads = (int)l->run->threads;
    char **translations = score_translate(l->m, l->translated, (search_options){ 0 }, threads, NULL);
    double bleu = score_bleu(l->run->valid, translations);
    for (int64_t i = 0; i < l->run->valid->count; i++)
        free(translations[i]);
    free(translations);
    return bleu;
}

static void validate(loop *l)
{
    model *m = l->m;
    log_entry entry = entry_now(l);
    likelihood found = score_likelihood(m, l->valid, (int)l->run->threads);
    entry.valid_loss = l->last_valid = found.loss;
    entry.valid_accuracy = found.token_accuracy;
    if (l->translated)
        entry.valid_bleu = valid_bleu(l);
    double measured = l->translated ? -entry.valid_bleu : found.loss;
    if (measured < m->at.best) {
        m->at.best = measured;
        m->at.best_step = m->at.step;
        save(l, l->best);
    }
    if (m->config.average) {
        char *path = average_path(l, (validations(m) - 1) % m->config.average);
        if (!model_save_weights(m, path))
            die("%s", heed_error());
        free(path);
    }
    save(l, l->last);
    log_add(l->log, entry);
    start_entry(l);
}

/* Is it step 0, or one of steps^(k / (n - 1))? */
static bool is_snapshot(int64_t step, int64_t steps, int64_t n)
{
    bool is = n > 0 && step == 0;
    for (int64_t k = 0; k < n - 1 && !is; k++)
        is = step == llround(pow((double)steps, (double)k / (double)(n > 2 ? n - 2 : 1)));
    return is;
}

static void save_snapshot(const loop *l)
{
    char name[64];
    char *folder = folder_path(l->run->out, "snapshots");
    snprintf(name, sizeof name, "snapshots/step-%09lld.safetensors", (long long)l->m->at.step);
    char *path = folder_path(l->run->out, name);
    if ((mkdir(folder, 0777) && errno != EEXIST) || !model_save_weights(l->m, path))
        die("%s: %s", folder, heed_error_pending() ? heed_error() : strerror(errno));
    free(folder);
    free(path);
}

static bool out_of_patience(const model *m)
{
    return m->config.patience && (m->at.step - m->at.best_step) / m->config.valid_every >= m->config.patience;
}

/* average.safetensors: the mean of the models at the last validations. The parameters in memory become it. */
static void save_average(loop *l)
{
    int64_t n = validations(l->m) < l->m->config.average ? validations(l->m) : l->m->config.average;
    char **paths = calloc((size_t)n + 1, sizeof *paths), *to = folder_path(l->run->out, "average.safetensors");
    if (!paths)
        die("out of memory");
    for (int64_t i = 0; i < n; i++)
        paths[i] = average_path(l, i);
    if (n &&
        !(heed_checkpoint_average((const char *const *)paths, (int)n, l->m->params) && model_save_weights(l->m, to)))
        die("%s", heed_error());
    for (int64_t i = 0; i < n; i++)
        free(paths[i]);
    free(paths);
    free(to);
}

static loop loop_open(model *m, const training *run)
{
    int64_t train_left = 0, valid_left = 0;
    loop l = { .m = m, .run = run };
    train_left = encode_epoch(&l);
    l.valid = data_encode(run->valid, m->source, m->target, m->config.max_words, NULL, &valid_left);
    if (train_left + valid_left)
        warn("%lld training and %lld validation pairs have more than %lld words on a side (--max-words) and are left "
             "out",
             (long long)train_left, (long long)valid_left, (long long)m->config.max_words);
    if (!heed_dataset_count(l.valid))
        die("no validation pair is left to work with");
    if (strcmp(m->config.metric, "bleu") == 0)
        l.translated = data_encode(run->valid, m->source, m->target, 0, NULL, &valid_left);
    l.trainer = heed_trainer_new(m->params, (heed_trainer_desc){ .threads = (int)run->threads,
                                                                 .seed = (uint64_t)m->config.seed,
                                                                 .check_finite = run->check_finite });
    m->opt.threads = (int)run->threads;
    if (!l.trainer)
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
    heed_dataset_free(l->translated);
    free(l->last);
    free(l->best);
}

/* Files of a run that is being replaced. */
static void forget_averages(const loop *l)
{
    char *average = folder_path(l->run->out, "average.safetensors");
    bool more = unlink(average) == 0 || errno == ENOENT;
    for (int64_t i = 0; more; i++) {
        char *path = average_path(l, i);
        more = unlink(path) == 0;
        free(path);
    }
    free(average);
}

static void forget_snapshots(const loop *l)
{
    char *folder = folder_path(l->run->out, "snapshots");
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strncmp(entry->d_name, "step-", 5) == 0) {
            char *path = folder_path(folder, entry->d_name);
            unlink(path);
            free(path);
        }
    if (dir)
        closedir(dir);
    free(folder);
}

/* What was asked for and what was left as it is, for people and for --config. */
static void write_configuration(const training *run)
{
    char *path = folder_path(run->out, "config.json");
    FILE *file = fopen(path, "w");
    bool written = file && fprintf(file, "%s\n", run->config) > 0;
    if (!file || fclose(file) || !written)
        die("%s: %s", path, strerror(errno));
    printf("%s\n", run->config);
    free(path);
}

/* A model that gives every word the same probability loses log V nats a token, one that has not learned yet a little
 * more. */
static void warn_if_diverged(const loop *l)
{
    double guessing = log((double)heed_vocab_size(l->m->target));
    if (l->last_valid > 1.2 * guessing)
        warn("the validation loss, %.2f, is worse than guessing (%.2f): training has diverged; try a lower --lr",
             l->last_valid, guessing);
}

int train_run(model *m, const training *run)
{
    loop l = loop_open(m, run);
    if (m->at.step == 0 && unlink(l.best) && errno != ENOENT) /* of a run that is being replaced */
        die("%s: %s", l.best, strerror(errno));
    if (m->at.step == 0)
        forget_averages(&l), forget_snapshots(&l);
    if (run->config)
        write_configuration(run);
    save(&l, l.last); /* the size of every later one: a full disk or a bad folder is told now, not after hours */
    l.log = log_open(run->out, m->at.step, m->config.steps);
    printf("%s: %lld pairs, %lld for validation, %d source and %d target words\n", run->about,
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
    bool patient = m->at.step == 0 || !out_of_patience(m);
    if (m->at.step == 0 && run->snapshots)
        save_snapshot(&l);
    while (m->at.step < m->config.steps && !signals_stop() && !stopped && patient) {
        double loss = train_step(&l);
        if (is_snapshot(m->at.step, m->config.steps, run->snapshots))
            save_snapshot(&l);
        if (m->at.step % 10 == 0)
            log_progress(l.log, m->at.step, loss, tokens_per_s(&l));
        if (m->at.step % m->config.valid_every == 0 || m->at.step == m->config.steps) {
            validate(&l);
            patient = !out_of_patience(m);
        } else if (m->at.step % LOG_EVERY == 0) {
            log_add(l.log, entry_now(&l));
            start_entry(&l);
        }
        stopped =
            (run->max_minutes > 0 && seconds_now() - started > 60 * run->max_minutes) || m->at.step == run->stop_after;
    }
    save(&l, l.last);
    warn_if_diverged(&l);
    if (m->config.average)
        save_average(&l);
    loop_close(&l);
    signals_release();
    if (!patient)
        printf("stopped after step %lld: no new best since step %lld; --resume --patience N goes further\n",
               (long long)m->at.step, (long long)m->at.best_step);
    else if (m->at.step < m->config.steps)
        printf("stopped after step %lld of %lld (%s) and saved; go on with --resume\n", (long long)m->at.step,
               (long long)m->config.steps,
               signals_stop()                                     ? "signal"
               : run->stop_after && m->at.step >= run->stop_after ? "--stop-after"
                                                                  : "--max-minutes");
    fflush(stdout);
    return patient && m->at.step < m->config.steps ? signals_stop() : 0;
}
