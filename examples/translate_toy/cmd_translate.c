/* translate_toy translate: sentences in, translations out, line for line. */
#include "data.h"
#include "program.h"
#include "score.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES_AT_ONCE = 512, MAX_TOKENS = 2000, NAMED = 10 };

typedef struct {
    const model *m;
    int threads;
    search_options how;
    bool forced;  /* --score: lines are pairs */
    int64_t line; /* number of the first sentence held */
    heed_dataset *data;
    int64_t held;
    bool empty[LINES_AT_ONCE];
} job;

/* Names the words that became <unk>, where a word has one id; counts pieces of words. */
static void say_unknown(const model *m, int64_t line, const char *text, const int32_t *ids, int64_t unknown)
{
    heed_words words;
    int64_t named = 0;
    if (m->config.bpe || m->config.spaced) {
        warn("line %lld: the model does not know %lld of its pieces", (long long)line, (long long)unknown);
        return;
    }
    if (!heed_words_split(text, &words))
        die("%s", heed_error());
    for (int64_t i = 0; i < words.count; i++)
        if (ids[i] == HEED_UNK && named++ < NAMED)
            warn("line %lld: the model does not know \"%s\"", (long long)line, words.words[i]);
    if (named > NAMED)
        warn("line %lld: nor %lld more words", (long long)line, (long long)(named - NAMED));
    heed_words_free(&words);
}

/* The ids of one side; -1, said, if it cannot be used. */
static int64_t encode(const job *j, const heed_vocab *vocab, const char *text, int32_t *ids)
{
    int64_t unknown = 0, line = j->line + j->held, n = -1;
    if (!heed_utf8_valid(text, (int64_t)strlen(text)))
        warn("line %lld: %s", (long long)line, heed_line_reason(HEED_LINE_ENCODING));
    else if ((n = heed_vocab_encode(vocab, text, ids, MAX_TOKENS, &unknown)) < 0)
        warn("line %lld: %s", (long long)line, heed_error());
    heed_error_clear();
    if (unknown)
        say_unknown(j->m, line, text, ids, unknown);
    return n;
}

/* One more sentence, or pair; one that cannot be used is named and becomes an empty line, so that lines stay aligned. */
static void hold(job *j, char *text)
{
    static int32_t src[MAX_TOKENS], tgt[MAX_TOKENS];
    char *tab = j->forced ? strchr(text, '\t') : NULL;
    int64_t n = 0, m = 0;
    if (j->forced && !tab) {
        warn("line %lld: no tab between a sentence and its translation", (long long)(j->line + j->held));
    } else {
        if (tab)
            *tab = '\0';
        n = encode(j, j->m->source, text, src);
        m = tab ? encode(j, j->m->target, tab + 1, tgt) : 0;
    }
    bool empty = n <= 0 || m < 0;
    j->empty[j->held++] = empty;
    if (!heed_dataset_add(j->data, src, empty ? 0 : n, tgt, empty ? 0 : m))
        die("%s", heed_error());
}

static void print_scores(const job *j)
{
    double *sums = calloc((size_t)j->held + 1, sizeof *sums);
    if (!sums)
        die("out of memory");
    score_targets(j->m, j->data, j->threads, sums);
    for (int64_t i = 0; i < j->held; i++)
        if (j->empty[i])
            putchar('\n');
        else
            printf("%.6f\t%lld\n", sums[i], (long long)heed_dataset_at(j->data, i).tgt_length + 1);
    free(sums);
}

static void print_translations(const job *j)
{
    int64_t n = j->how.n_best ? j->how.n_best : 1;
    double *scores = calloc((size_t)(j->held * n) + 1, sizeof *scores);
    if (!scores)
        die("out of memory");
    char **translations = score_translate(j->m, j->data, j->how, j->threads, scores);
    for (int64_t i = 0; i < j->held * n; i++) {
        if (j->how.n_best && translations[i] && !j->empty[i / n])
            printf("%lld\t%.6f\t%s\n", (long long)(j->line + i / n), scores[i], translations[i]);
        else if (!j->how.n_best)
            puts(j->empty[i] ? "" : translations[i]);
        free(translations[i]);
    }
    free(translations);
    free(scores);
}

static void translate_held(job *j)
{
    if (j->forced)
        print_scores(j);
    else
        print_translations(j);
    output_check();
    heed_dataset_free(j->data);
    j->line += j->held;
    j->held = 0;
    if (!(j->data = heed_dataset_new()))
        die("%s", heed_error());
}

static void translate_input(job *j)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    bool terminal = isatty(STDIN_FILENO);
    if (terminal)
        fputs("Type a sentence and Enter; Ctrl-D ends.\n", stderr);
    while ((length = getline(&text, &room, stdin)) >= 0) {
        while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
            text[--length] = '\0';
        if (strlen(text) != (size_t)length) {
            warn("line %lld: %s", (long long)(j->line + j->held), heed_line_reason(HEED_LINE_NUL));
            text[0] = '\0';
        }
        hold(j, text);
        if (terminal || j->held == LINES_AT_ONCE)
            translate_held(j);
    }
    if (ferror(stdin))
        die("standard input: %s", strerror(errno));
    free(text);
}

int cmd_translate(int argc, char **argv)
{
    const char *path = "heed-run";
    int64_t threads = 0;
    bool forced = false;
    search_options how = { .length_penalty = 1 };
    option rows[] = {
        { "model", OPTION_TEXT, &path, "M", "a model file, or the folder of a run", 0, 0, 0 },
        { "beam", OPTION_INTEGER, &how.beam, "N", "hypotheses of beam search; 0: greedy", 0, 1000, 0 },
        { "n-best", OPTION_INTEGER, &how.n_best, "N", "so many of each, as LINE, score and text; 0: the best", 0, 1000,
          0 },
        { "length-penalty", OPTION_NUMBER, &how.length_penalty, "R", "ranks by log probability / tokens^R", 0, 10, 0 },
        { "score", OPTION_FLAG, &forced, NULL, "of TEXT<TAB>TRANSLATION: log probability and tokens", 0, 0, 0 },
        { "threads", OPTION_INTEGER, &threads, "N", "0: all cores", 0, 256, 0 },
        { .name = NULL },
    };
    command_line line = { "translate", "[TEXT ...]",
                          "Translates each TEXT (quote a sentence), or standard input line by line. Greedily, the\n"
                          "most probable word is taken at every step; a beam keeps the best of several beginnings.\n"
                          "Words the model does not know are named on standard error.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    if (how.n_best > how.beam)
        die_usage("translate: --n-best %lld needs a --beam of at least as many", (long long)how.n_best);
    if (forced && (how.beam || how.n_best))
        die_usage("translate: --score looks for no translation; leave --beam and --n-best out");
    model *m = model_load(path, false);
    job j = { .how = how, .forced = forced, .m = m, .threads = (int)threads, .line = 1, .data = heed_dataset_new() };
    if (!j.data)
        die("%s", heed_error());
    for (int i = 1; i <= operands; i++) {
        hold(&j, argv[i]);
        if (j.held == LINES_AT_ONCE)
            translate_held(&j);
    }
    if (!operands)
        translate_input(&j);
    translate_held(&j);
    heed_dataset_free(j.data);
    model_free(m);
    return 0;
}
