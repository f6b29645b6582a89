/* translate_toy ablate: a translation with and without some heads, and which words differ. */
#include "decisions.h"
#include "model.h"
#include "program.h"
#include "score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADS = 256, MOST_WORDS = 2100 };

static int read_heads(const model *m, const char *names, heed_head *heads)
{
    char *copy = strdup(names), *rest;
    int n = 0;
    if (!copy)
        die("out of memory");
    for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (n == MOST_HEADS)
            die_usage("ablate: at most %d heads", MOST_HEADS);
        if (!heed_head_named(&m->net, name, &heads[n++]))
            die_usage("ablate: %s", heed_error());
    }
    if (n == 0)
        die_usage("ablate: --heads names none");
    free(copy);
    return n;
}

/* The sentence's translation, and the loss of `of` (NULL: of that translation). */
static char *translate_one(const model *m, const char *text, const int32_t **of, int64_t *length, double *loss)
{
    static int32_t src[1024], tgt[2100], kept[2100];
    int32_t out_length;
    if (!heed_utf8_valid(text, (int64_t)strlen(text)))
        die("ablate: %s", heed_line_reason(HEED_LINE_ENCODING));
    int64_t n = heed_vocab_encode(m->source, text, src, 1000, NULL);
    if (n < 1)
        die("ablate: %s", n ? heed_error() : "the sentence is empty");
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
    src[n] = HEED_EOS;
    heed_decode_desc desc = { .bos = HEED_BOS, .eos = HEED_EOS, .max_length = 2 * n + 10 };
    if (!tape || !heed_decode_greedy(&m->net, tape, src, NULL, 1, n + 1, desc, tgt, &out_length))
        die("%s", heed_error());
    char *translation = heed_vocab_decode(m->target, tgt, out_length);
    if (!*of) {
        memcpy(kept, tgt, sizeof kept);
        *of = kept;
        *length = out_length;
    }
    heed_dataset *one = heed_dataset_new();
    if (!translation || !one || !heed_dataset_add(one, src, n, *of, *length))
        die("%s", heed_error());
    score_targets(m, one, 1, loss);
    *loss = -*loss / (double)(*length + 1);
    heed_dataset_free(one);
    heed_tape_free(tape);
    return translation;
}

static int words_of(char *line, const char **words)
{
    int n = 0;
    char *rest;
    for (char *word = strtok_r(line, " ", &rest); word && n < MOST_WORDS; word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    return n;
}

/* "differs          chat -> chats, -noir, +dort": the fewest words to change, drop and add. Cuts both lines. */
static void print_difference(char *before, char *after)
{
    static const char *had[MOST_WORDS], *has[MOST_WORDS];
    static int place[MOST_WORDS];
    int n = words_of(before, had), m = words_of(after, has), next = 0;
    const char *between = "differs          ";
    if (!decisions_align(had, n, has, m, place))
        die("out of memory");
    for (int i = 0; i <= n; i++) {
        int to = i == n ? m : place[i];
        for (; next < to; next++, between = ", ")
            printf("%s+%s", between, has[next]);
        if (i == n || (to >= 0 && strcmp(had[i], has[to]) == 0)) {
            next = to + 1;
            continue;
        }
        if (to < 0)
            printf("%s-%s", between, had[i]);
        else
            printf("%s%s -> %s", between, had[i], has[to]);
        next = to < 0 ? next : to + 1;
        between = ", ";
    }
    puts(*between == ',' ? "" : "differs          in nothing");
}

int cmd_ablate(int argc, char **argv)
{
    const char *path = "heed-run", *names = NULL, *how_name = "zero";
    static const char *const ways[] = { "zero", "uniform", NULL };
    option rows[] = {
        { "model", OPTION_TEXT, &path, "M", "a model file, or the folder of a run", 0, 0, 0 },
        { "heads", OPTION_TEXT, &names, "LIST", "heads to switch off, such as enc.0.1,cross.1.3", 0, 0, 0 },
        { "how", OPTION_TEXT, &how_name, "WAY", "zero: silent; uniform: equal weights", 0, 0, 0 },
        { .name = NULL },
    };
    command_line line = { "ablate", "TEXT ...",
                          "Translates each TEXT with all heads, then without some, and says which words differ\n"
                          "and what the heads were worth: the loss, in nats a token, of the first translation.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    if (!names || operands == 0)
        die_usage("ablate: give --heads and sentences, in quotes");
    if (!option_choice(how_name, ways))
        die_usage("ablate: --how is zero or uniform, not \"%s\"", how_name);
    model *m = model_load(path, false);
    heed_head heads[MOST_HEADS];
    int n = read_heads(m, names, heads);
    heed_ablation how = how_name[0] == 'z' ? HEED_ABLATE_ZERO : HEED_ABLATE_UNIFORM;
    for (int i = 1; i <= operands; i++) {
        const int32_t *of = NULL;
        int64_t length;
        double with, without;
        char *before = translate_one(m, argv[i], &of, &length, &with);
        heed_ablated *off = heed_ablate(&m->net, heads, n, how, NULL);
        if (!off)
            die("%s", heed_error());
        char *after = translate_one(m, argv[i], &of, &length, &without);
        heed_ablate_undo(off);
        printf("%s%s\n", i > 1 ? "\n" : "", argv[i]);
        printf("with all heads   %s\n", before);
        printf("without          %s\n", after);
        print_difference(before, after);
        printf("loss             %.4f, without %.4f\n", with, without);
        heed_text_free(before);
        heed_text_free(after);
    }
    output_check();
    model_free(m);
    return 0;
}
