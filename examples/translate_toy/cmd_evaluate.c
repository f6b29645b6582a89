/* translate_toy evaluate: loss, perplexity, token accuracy and exact match of a model on pairs, and of the toy language
 * what it gets right phenomenon by phenomenon. */
#include "data.h"
#include "decisions.h"
#include "program.h"
#include "score.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

typedef struct {
    likelihood found;
    int64_t exact;
    decision_scores *decisions; /* NULL: pairs from a file */
} result;

static interval exact_interval(const result *r)
{
    return decisions_wilson(r->exact, r->found.sentences);
}

static void print_text(const result *r)
{
    printf("sentences       %lld\n", (long long)r->found.sentences);
    printf("target tokens   %lld\n", (long long)r->found.tokens);
    printf("loss            %.4f nats a token\n", r->found.loss);
    printf("perplexity      %.3f\n", exp(r->found.loss));
    printf("token accuracy  %.2f %%\n", 100 * r->found.token_accuracy);
    printf("exact match     %.2f %% (%lld), 95 %% interval %.2f to %.2f %%\n",
           100 * (double)r->exact / (double)r->found.sentences, (long long)r->exact, 100 * exact_interval(r).low,
           100 * exact_interval(r).high);
    if (r->decisions)
        decisions_print(r->decisions, stdout);
}

/* JSON has no infinity. */
static json_t *number_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static void print_json(const result *r)
{
    json_t *object = json_pack("{s:I, s:I, s:o, s:o, s:f, s:f, s:o}", "sentences", (json_int_t)r->found.sentences,
                               "tokens", (json_int_t)r->found.tokens, "loss", number_or_null(r->found.loss),
                               "perplexity", number_or_null(exp(r->found.loss)), "token_accuracy",
                               r->found.token_accuracy, "exact_match", (double)r->exact / (double)r->found.sentences,
                               "exact_interval", decisions_interval_json(exact_interval(r)));
    if (!object || (r->decisions && !decisions_to_json(r->decisions, object)))
        die("out of memory");
    if (json_dumpf(object, stdout, JSON_REAL_PRECISION(12)))
        die("standard output: write failed");
    putchar('\n');
    json_decref(object);
}

/* The logits of every pair, [target tokens and <eos>, words] under the pair's number: to compare with other programs. */
static void write_logits(const model *m, const heed_dataset *data, const char *path)
{
    int64_t n = heed_dataset_count(data);
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true });
    heed_arena *arena = heed_arena_new();
    heed_named_tensor *all = calloc((size_t)n, sizeof *all);
    char(*names)[24] = calloc((size_t)n, sizeof *names);
    if (!tape || !arena || !all || !names)
        die("out of memory");
    for (int32_t i = 0; i < n; i++) {
        heed_batch one;
        if (!heed_batch_make(data, &i, 1, arena, &one))
            die("%s", heed_error());
        heed_ids *src = heed_input_ids(tape, HEED_SHAPE(1, one.src_length), one.src);
        heed_ids *in = heed_input_ids(tape, HEED_SHAPE(1, one.tgt_length), one.tgt_in);
        heed_var *memory = heed_transformer_encode(&m->net, src, NULL, NULL);
        heed_var *logits = heed_transformer_decode(&m->net, in, memory, NULL, NULL, NULL);
        snprintf(names[i], sizeof *names, "%d", i);
        all[i].name = names[i];
        if (!logits)
            die("%s", heed_error());
        all[i].values = heed_tensor_contiguous_copy(
            arena, heed_tensor_reshape(heed_value(logits), HEED_SHAPE(one.tgt_length, heed_vocab_size(m->target))));
        heed_tape_reset(tape);
    }
    if (!heed_safetensors_save(path, all, (int)n, NULL, 0))
        die("%s", heed_error());
    free(all);
    free(names);
    heed_arena_free(arena);
    heed_tape_free(tape);
}

int cmd_evaluate(int argc, char **argv)
{
    const char *path = "heed-run", *file = NULL, *split_name = "test-iid", *logits = NULL;
    bool toy = false, strict = false, json = false;
    int64_t threads = 0, n = -1, left_out;
    search_options how = { .length_penalty = 1 };
    option rows[] = {
        { "model", OPTION_TEXT, &path, "M", "a model file, or the folder of a run", 0, 0, 0 },
        { "data", OPTION_TEXT, &file, "FILE", "TSV of pairs", 0, 0, 0 },
        { "toy", OPTION_FLAG, &toy, NULL, "the toy language instead of a file", 0, 0, 0 },
        { "split", OPTION_TEXT, &split_name, "NAME", "its split, with --toy", 0, 0, 0 },
        { "n", OPTION_INTEGER, &n, "N", "its first N sentences, with --toy; -1: all", -1, 9e15, 0 },
        { "beam", OPTION_INTEGER, &how.beam, "N", "hypotheses of beam search; 0: greedy", 0, 1000, 0 },
        { "length-penalty", OPTION_NUMBER, &how.length_penalty, "R", "ranks by log probability / tokens^R", 0, 10, 0 },
        { "strict", OPTION_FLAG, &strict, NULL, "a bad line is an error, not skipped", 0, 0, 0 },
        { "json", OPTION_FLAG, &json, NULL, "print one JSON object", 0, 0, 0 },
        { "logits", OPTION_TEXT, &logits, "FILE", "write every pair's logits to this safetensors file", 0, 0, 0 },
        { "threads", OPTION_INTEGER, &threads, "N", "0: all cores", 0, 256, 0 },
        { .name = NULL },
    };
    command_line line = { "evaluate", NULL,
                          "Scores a model on sentence pairs: the loss and perplexity of the reference\n"
                          "translations, the share of their tokens that are the model's first choice given\n"
                          "those before, and the share of its own translations that equal the reference.\n"
                          "With --toy also how often it takes the right form, by phenomenon.",
                          rows };
    int operands;
    toy_split split = TOY_TEST_IID;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    if (!file == !toy)
        die_usage("evaluate: give either --data FILE or --toy");
    if (file && (option_given(&line, "split") || option_given(&line, "n")))
        die_usage("evaluate: --split and --n are for --toy, not for --data");
    if (!toy_split_named(split_name, &split))
        die_usage("evaluate: the toy language has no split \"%s\"; translate_toy corpus --help lists them", split_name);

    model *m = model_load(path, false);
    heed_corpus *corpus = file ? data_read(file, strict) : data_toy(TOY_SEED, split, 0, n);
    result r = { .exact = 0 };
    heed_dataset *data = data_encode(corpus, m->source, m->target, 0, NULL, &left_out);
    if (!heed_dataset_count(data))
        die("no sentence pair to evaluate");
    if (logits)
        write_logits(m, data, logits);
    r.found = score_likelihood(m, data, (int)threads);
    char **translations = score_translate(m, data, how, (int)threads, NULL);
    r.exact = score_exact(m, corpus, translations);
    if (toy)
        r.decisions = decisions_score(m, data, corpus, translations, TOY_SEED, split, (int)threads);
    if (json)
        print_json(&r);
    else
        print_text(&r);
    output_check();
    for (int64_t i = 0; i < corpus->count; i++)
        free(translations[i]);
    free(translations);
    decisions_free(r.decisions);
    heed_dataset_free(data);
    heed_corpus_free(corpus);
    model_free(m);
    return 0;
}
