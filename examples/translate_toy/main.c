/* translate_toy: trains an encoder-decoder Transformer to translate, and shows what its heads look at.
 *
 * This file only finds the command; each one is in a file of its own, cmd_*.c, and says its options there. */
#include "options.h"
#include "program.h"

#include "heed.h"

#include <signal.h>
#include <string.h>

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "demo", "train a small model in two minutes, then translate with it", cmd_demo },
    { "train", "train a model, on the toy language or on your own pairs", cmd_train },
    { "translate", "translate sentences", cmd_translate },
    { "evaluate", "score a model: loss, perplexity, accuracy, exact match", cmd_evaluate },
    { "score", "BLEU and chrF of a file of translations", cmd_score },
    { "heads", "show what every attention head looks at", cmd_heads },
    { "inspect", "measure every head, switch it off, and write what was found", cmd_inspect },
    { "ablate", "translate without some heads", cmd_ablate },
    { "corpus", "print the toy language", cmd_corpus },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void help(FILE *file)
{
    fputs("usage: translate_toy COMMAND [options]\n\n"
          "Trains an encoder-decoder Transformer to translate, and shows what its\n"
          "attention heads look at.\n\ncommands:\n",
          file);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(file, "  %-12s %s\n", commands[i].name, commands[i].about);
    fputs("\ntranslate_toy COMMAND --help lists a command's options; --version prints the version.\n", file);
}

int main(int argc, char **argv)
{
    descriptors_check();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error like others: training goes on, the rest says so */
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        output_check();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("translate_toy %s\n", heed_version());
        output_check();
        return 0;
    }
    const char *names[COMMANDS + 1] = { NULL };
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
        names[i] = commands[i].name;
    }
    const char *best = closest_name(argv[1], names);
    die_usage("unknown command \"%s\"%s%s%s (translate_toy --help lists them)", argv[1], best ? "; did you mean " : "",
              best ? best : "", best ? "?" : "");
}
