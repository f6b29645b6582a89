/* translate_toy demo: trains a small model on the toy language, shows held-out translations and their score, and lets
 * you type sentences of your own. */
#include "data.h"
#include "folder.h"
#include "inspect_data.h"
#include "program.h"
#include "score.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Training validates on the first sentences of dev; the ones after them are held out here, so that the test splits stay
 * unseen until somebody asks for them (evaluate --toy). */
enum { SHOWN = 8, VALID = 500, SCORED = 1000, PROBES = 24, MEASURED = 150, SNAPSHOTS = 12 };

/* The first few of the held-out sentences, and how many of all come out word for word. */
static void show_held_out(const model *m, const training *run, int threads)
{
    int64_t left_out;
    heed_corpus *held = data_toy(TOY_SEED, TOY_DEV, VALID, SCORED);
    heed_dataset *data = data_encode(held, m->source, m->target, 0, NULL, &left_out);
    char **translations = score_translate(m, data, (search_options){ 0 }, threads, NULL);
    printf("\nSentences it has never seen:\n\n");
    for (int64_t i = 0; i < held->count; i++) {
        bool right = strcmp(held->pairs[i].target, translations[i]) == 0;
        if (i < SHOWN)
            printf("  %s\n  %s\n", held->pairs[i].source, translations[i]);
        if (i < SHOWN)
            printf("  %s%s\n\n", right ? "= reference" : "reference: ", right ? "" : held->pairs[i].target);
    }
    int64_t exact = score_exact(m, held, translations);
    printf("Exactly right: %lld of %lld held-out sentences, %.1f %%.\n", (long long)exact, (long long)held->count,
           100 * (double)exact / (double)held->count);
    printf("\nNow yours:\n"
           "  build/translate_toy translate --model %s \"the small cat sleeps .\"\n"
           "  build/translate_toy heads --model %s \"the small cat sleeps .\"\n",
           run->out, run->out);
    for (int64_t i = 0; i < held->count; i++)
        free(translations[i]);
    free(translations);
    heed_dataset_free(data);
    heed_corpus_free(held);
    output_check();
}

/* What its heads learned, in OUT/inspect. */
static void show_heads(const model *m, const training *run)
{
    char *folder = folder_path(run->out, "inspect");
    inspect_data d = { .showing = true };
    inspect_add_toy(&d, m, TOY_PROBE, 0, PROBES, false);
    inspect_add_pairs(&d, m, PROBES);
    d.shown = d.count;
    d.showing = false;
    inspect_add_toy(&d, m, TOY_DEV, VALID, MEASURED, true);
    inspect_add_toy(&d, m, TOY_DEV, VALID + MEASURED, MEASURED, false);
    d.measured = d.count;
    inspect_add_pairs(&d, m, MEASURED);
    printf("\nIts heads:\n\n");
    fflush(stdout);
    inspect_into(m, NULL, &d, run->out, folder, (int)run->threads);
    inspect_data_free(&d);
    free(folder);
}

int cmd_demo(int argc, char **argv)
{
    configuration config = configuration_defaults();
    const char *out = "build/demo";
    int64_t threads = 0;
    option rows[] = {
        { "out", OPTION_TEXT, &out, "DIR", "folder of the run, overwritten", 0, 0, 0 },
        { "seed", OPTION_INTEGER, &config.seed, "N", "of everything random", 0, 9e15, 0 },
        { "steps", OPTION_INTEGER, &config.steps, "N", "training steps", 0, 9e15, 0 },
        { "threads", OPTION_INTEGER, &threads, "N", "0: all cores; any number gives the same bits", 0, 256, 0 },
        { .name = NULL },
    };
    command_line line = { "demo", NULL,
                          "Trains a small Transformer on the toy language for two minutes at most, translates\n"
                          "sentences it has never seen, and says how many are exactly right. On a terminal it\n"
                          "then translates what you type.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    folder_open(out);
    heed_corpus *train = data_toy(TOY_SEED, TOY_TRAIN, 0, -1), *valid = data_toy(TOY_SEED, TOY_DEV, 0, VALID);
    heed_vocab *source, *target;
    data_vocabularies(train, &config, &source, &target);
    model *m = model_new(&config, source, target);
    m->at.data = data_fingerprint(train);
    training run = {
        .out = out, .threads = threads, .train = train, .valid = valid, .snapshots = SNAPSHOTS, .about = "toy language"
    };
    int code = train_run(m, &run);
    if (code == 0) {
        show_held_out(m, &run, (int)threads);
        show_heads(m, &run);
        output_check();
    }
    model_free(m);
    heed_corpus_free(train);
    heed_corpus_free(valid);
    if (code == 0 && isatty(STDIN_FILENO)) {
        char name[] = "translate", option_model[] = "--model", *folder = strdup(out);
        putchar('\n');
        fflush(stdout);
        return cmd_translate(3, (char *[]){ name, option_model, folder, NULL });
    }
    return code;
}
