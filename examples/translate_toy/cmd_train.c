/* translate_toy train: options to a training run. */
#include "data.h"
#include "folder.h"
#include "program.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    configuration config;
    const char *config_file, *data, *train, *valid, *out;
    bool strict, resume, force, check_finite;
    int64_t threads, stop_after;
    double max_minutes;
    int64_t snapshots;
} arguments;

enum { OWN_ROWS = 13 };

static void make_rows(arguments *a, option rows[OWN_ROWS + CONFIGURATION_ROWS + 1])
{
    const option own[OWN_ROWS] = {
        { "config", OPTION_TEXT, &a->config_file, "FILE", "JSON of options; those given here come first", 0, 0,
          OPTION_THIS_START },
        { "data", OPTION_TEXT, &a->data, "FILE", "TSV of pairs, a part of it held out; none: the toy language", 0, 0,
          0 },
        { "train", OPTION_TEXT, &a->train, "FILE", "TSV of pairs, all trained on; needs --valid", 0, 0, 0 },
        { "valid", OPTION_TEXT, &a->valid, "FILE", "TSV of pairs to validate on", 0, 0, 0 },
        { "strict", OPTION_FLAG, &a->strict, NULL, "a bad line in a file is an error, not skipped", 0, 0, 0 },
        { "out", OPTION_TEXT, &a->out, "DIR", "folder of the run", 0, 0, 0 },
        { "resume", OPTION_FLAG, &a->resume, NULL, "go on with the run in --out", 0, 0, OPTION_THIS_START },
        { "force", OPTION_FLAG, &a->force, NULL, "start anew over the run in --out", 0, 0, OPTION_THIS_START },
        { "max-minutes", OPTION_NUMBER, &a->max_minutes, "R", "save and stop after so long; 0: never", 0, 1e9, 0 },
        { "stop-after", OPTION_INTEGER, &a->stop_after, "N", "save and stop after step N, as Ctrl-C would; 0: never", 0,
          9e15, 0 },
        { "snapshots", OPTION_INTEGER, &a->snapshots, "N",
          "keep the weights of N steps, ever farther apart, for inspect", 0, 1000, 0 },
        { "threads", OPTION_INTEGER, &a->threads, "N", "0: all cores; any number gives the same bits", 0, 256, 0 },
        { "check-finite", OPTION_FLAG, &a->check_finite, NULL, "stop at the first op with a non-finite value", 0, 0,
          0 },
    };
    memcpy(rows, own, sizeof own);
    int n = OWN_ROWS + configuration_options(&a->config, rows + OWN_ROWS);
    rows[n] = (option){ .name = NULL };
}

static void check_choices(const arguments *a)
{
    if (a->data && a->train)
        die_usage("--data and --train cannot both be given: --data holds out its own validation pairs, --train needs "
                  "--valid");
    if (a->train && !a->valid)
        die_usage("--train needs --valid FILE");
    if (a->valid && !a->train && !a->data)
        die_usage("--valid needs --train FILE or --data FILE");
    if (a->resume && a->force)
        die_usage("--resume and --force cannot both be given");
    configuration_check(&a->config);
}

/* A resumed run is the run that was stopped: only what does not change its steps may be asked for anew. */
static void take_changes(const command_line *line, configuration asked, configuration *run)
{
    option now[CONFIGURATION_ROWS], then[CONFIGURATION_ROWS];
    int n = configuration_options(&asked, now);
    configuration_options(run, then);
    for (int i = 0; i < n; i++) {
        size_t size = now[i].kind == OPTION_FLAG ? sizeof(bool) : 8;
        bool same = now[i].kind == OPTION_TEXT
                        ? strcmp(*(const char **)now[i].value, *(const char **)then[i].value) == 0
                        : memcmp(now[i].value, then[i].value, size) == 0;
        if (!option_given(line, now[i].name) || same)
            continue;
        if (now[i].marks & OPTION_ANEW)
            memcpy(then[i].value, now[i].value, size);
        else
            die("--%s differs from the run that --resume goes on with; leave it out, or start anew with --force",
                now[i].name);
    }
}

static void load_pairs(const arguments *a, heed_corpus **train, heed_corpus **valid)
{
    const char *path = a->data ? a->data : a->train;
    if (!path) {
        *train = data_toy(TOY_SEED, TOY_TRAIN, 0, -1);
        *valid = data_toy(TOY_SEED, TOY_DEV, 0, -1);
        return;
    }
    *train = data_read(path, a->strict);
    *valid = a->valid ? data_read(a->valid, a->strict) : data_hold_out(*train);
    if (!(*train)->count || !(*valid)->count)
        die("%s: %lld pairs are too few to hold some out; give --valid FILE", path,
            (long long)((*train)->count + (*valid)->count));
}

static model *start_or_resume(const arguments *a, const command_line *line, const heed_corpus *train,
                              const heed_corpus *valid)
{
    bool there = folder_has(a->out, "model.safetensors");
    uint64_t fingerprint = 3 * data_fingerprint(train) + data_fingerprint(valid);
    if (a->resume) {
        model *m = model_load(a->out, true);
        if (m->at.data != fingerprint)
            die("--resume: the run in \"%s\" was trained or validated on other pairs; give the same data as before",
                a->out);
        take_changes(line, a->config, &m->config);
        if (m->config.steps < m->at.step)
            die("--steps %lld: the run in \"%s\" has done %lld steps already", (long long)m->config.steps, a->out,
                (long long)m->at.step);
        return m;
    }
    if (there && !a->force)
        die("there is a run in \"%s\"; go on with --resume, start anew with --force, or give another --out", a->out);
    heed_vocab *source, *target;
    data_vocabularies(train, &a->config, &source, &target);
    model *m = model_new(&a->config, source, target);
    m->at.data = fingerprint;
    return m;
}

int cmd_train(int argc, char **argv)
{
    arguments a = { .config = configuration_defaults(), .out = "heed-run" };
    option rows[OWN_ROWS + CONFIGURATION_ROWS + 1];
    make_rows(&a, rows);
    command_line line = { "train", NULL,
                          "Trains a Transformer to translate. Without --data or --train it learns the toy\n"
                          "language, a small English-French one. The folder gets model.safetensors (last\n"
                          "step), best.safetensors (best on validation), log.jsonl and loss.svg. Ctrl-C\n"
                          "finishes the step, saves and stops; --resume goes on to the same bits.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    if (a.config_file)
        options_read_json(&line, a.config_file);
    check_choices(&a);
    if (a.resume && !folder_has(a.out, "model.safetensors"))
        die("--resume: there is no run in \"%s\"", a.out);
    folder_open(a.out);
    heed_corpus *train, *valid;
    load_pairs(&a, &train, &valid);
    model *m = start_or_resume(&a, &line, train, valid);
    a.config = m->config;
    char *config = options_to_json(rows);
    training run = { .out = a.out,
                     .threads = a.threads,
                     .max_minutes = a.max_minutes,
                     .stop_after = a.stop_after,
                     .snapshots = a.snapshots,
                     .check_finite = a.check_finite,
                     .config = config,
                     .train = train,
                     .valid = valid,
                     .about = a.data    ? a.data
                              : a.train ? a.train
                                        : "toy language" };
    int code = train_run(m, &run);
    model_free(m);
    free(config);
    heed_corpus_free(train);
    heed_corpus_free(valid);
    return code;
}
