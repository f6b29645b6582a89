/* translate_toy corpus: prints sentences of the toy language. */
#include "options.h"
#include "program.h"
#include "toy.h"

static toy_split split_named(const char *name)
{
    toy_split split = TOY_TRAIN;
    if (toy_split_named(name, &split))
        return split;
    const char *names[TOY_SPLITS + 1] = { NULL };
    for (int i = 0; i < TOY_SPLITS; i++)
        names[i] = toy_split_name((toy_split)i);
    const char *best = closest_name(name, names);
    die_usage("corpus: there is no split \"%s\"%s%s%s (translate_toy corpus --help lists them)", name,
              best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
}

static void print_pair(const toy_sentence *sentence)
{
    char english[TOY_TEXT], french[TOY_TEXT];
    toy_text(sentence, false, english, sizeof english);
    toy_text(sentence, true, french, sizeof french);
    printf("%s\t%s\n", english, french);
}

int cmd_corpus(int argc, char **argv)
{
    const char *split_name = "train";
    int64_t count = -1, from = 0, seed = TOY_SEED;
    bool gold = false, stats = false;
    option rows[] = {
        { "split", OPTION_TEXT, &split_name, "NAME", "which part of the language", 0, 0, 0 },
        { "n", OPTION_INTEGER, &count, "N", "how many sentences; -1: to the end of the split", -1, 9e15, 0 },
        { "from", OPTION_INTEGER, &from, "I", "number of the first one", 0, 9e15, 0 },
        { "seed", OPTION_INTEGER, &seed, "S", "another corpus of the same language", 0, 9e15, 0 },
        { "gold", OPTION_FLAG, &gold, NULL, "one JSON object a line, with links, arcs and decisions", 0, 0, 0 },
        { "stats", OPTION_FLAG, &stats, NULL, "words, lengths, phenomena and attractors instead", 0, 0, 0 },
        { .name = NULL },
    };
    command_line line = { "corpus", NULL,
                          "Prints sentence pairs of the toy language, English TAB French. Its splits are\n"
                          "train, dev, test-iid, test-comb, test-struct, test-len, test-agree, test-sense,\n"
                          "test-pairs, test-number and probe.",
                          rows };
    int operands = 0;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    toy_split split = split_named(split_name);
    int64_t size = toy_split_size(split);
    int64_t end = count < 0 || count > size - from ? size : from + count;
    if (from > size)
        die_usage("corpus: --from %lld: split %s has %lld sentences", (long long)from, split_name, (long long)size);
    if (gold && stats)
        die_usage("corpus: give --gold or --stats, not both");
    if (stats && !toy_stats_write((uint64_t)seed, split, from, count, stdout) && !ferror(stdout))
        die("out of memory");
    for (int64_t n = from; n < end && !stats && !ferror(stdout); n++) {
        toy_sentence sentence;
        if (!toy_make((uint64_t)seed, split, n, &sentence))
            die("sentence %lld of %s cannot be made", (long long)n, split_name);
        if (!gold)
            print_pair(&sentence);
        else if (!toy_gold_write(&sentence, stdout) && !ferror(stdout))
            die("out of memory");
    }
    output_check();
    return 0;
}
