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
    int64_t line; /* number of the first sentence held */
    heed_dataset *data;
    int64_t held;
    bool empty[LINES_AT_ONCE];
} job;

/* Names the words that became <unk>: a line has as many words as ids. */
static void say_unknown(int64_t line, const char *text, const int32_t *ids)
{
    heed_words words;
    if (!heed_words_split(text, &words))
        die("%s", heed_error());
    int64_t more = 0, named = 0;
    for (int64_t i = 0; i < words.count; i++)
        if (ids[i] == HEED_UNK && named++ < NAMED)
            warn("line %lld: the model does not know \"%s\"", (long long)line, words.words[i]);
        else if (ids[i] == HEED_UNK)
            more++;
    if (more)
        warn("line %lld: nor %lld more words", (long long)line, (long long)more);
    heed_words_free(&words);
}

/* One more sentence; one that cannot be translated is named and becomes an empty line, so that lines stay aligned. */
static void hold(job *j, const char *text)
{
    static int32_t ids[MAX_TOKENS];
    int64_t unknown = 0, line = j->line + j->held, n = 0;
    if (!heed_utf8_valid(text, (int64_t)strlen(text)))
        warn("line %lld: %s", (long long)line, heed_line_reason(HEED_LINE_ENCODING));
    else if ((n = heed_vocab_encode(j->m->source, text, ids, MAX_TOKENS, &unknown)) < 0)
        warn("line %lld: %s", (long long)line, heed_error());
    heed_error_clear();
    if (unknown)
        say_unknown(line, text, ids);
    j->empty[j->held++] = n <= 0;
    if (!heed_dataset_add(j->data, ids, n > 0 ? n : 0, NULL, 0))
        die("%s", heed_error());
}

static void translate_held(job *j)
{
    char **translations = score_translate(j->m, j->data, j->threads);
    for (int64_t i = 0; i < j->held; i++) {
        puts(j->empty[i] ? "" : translations[i]);
        free(translations[i]);
    }
    free(translations);
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
    option rows[] = {
        { "model", OPTION_TEXT, &path, "M", "a model file, or the folder of a run", 0, 0, 0 },
        { "threads", OPTION_INTEGER, &threads, "N", "0: all cores", 0, 256, 0 },
        { .name = NULL },
    };
    command_line line = { "translate", "[TEXT ...]",
                          "Translates each TEXT (quote a sentence), or standard input line by line. The most\n"
                          "probable word is taken at every step. Words the model does not know are named on\n"
                          "standard error.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    model *m = model_load(path, false);
    job j = { .m = m, .threads = (int)threads, .line = 1, .data = heed_dataset_new() };
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
