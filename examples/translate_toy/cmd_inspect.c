/* translate_toy inspect: what every head learned, in numbers, words and pictures (docs/inspect.md). */
#include "decisions.h"
#include "folder.h"
#include "inspect_data.h"
#include "program.h"
#include "score.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_SNAPSHOTS = 1000, VALIDATED = 500 }; /* sentences of dev that training validates on */

/* ---- how the model does, as its weights are now --------------------------------------------------------------------- */

typedef struct {
    const model *m;
    const inspect_data *data;
    heed_dataset *measured, *shown;
    int64_t *first; /* decision of each measured sentence, and the end */
    int threads;
    heed_outcome *to;
    int done;                        /* runs, for the bar */
    char *snapshots[MOST_SNAPSHOTS]; /* files, by step */
    int64_t steps[MOST_SNAPSHOTS];
    int snapshots_count;
    model *then; /* the snapshot looked at */
} evaluation;

static void add_example(heed_dataset *data, const heed_sentence *s)
{
    if (!heed_dataset_add(data, s->src.ids, s->src.count - 1, s->tgt.ids + 1, s->tgt.count - 1))
        die("%s", heed_error());
}

static evaluation evaluation_of(const model *m, const inspect_data *d, int threads)
{
    evaluation e = { .m = m, .data = d, .threads = threads };
    e.measured = heed_dataset_new();
    e.shown = heed_dataset_new();
    e.first = calloc((size_t)d->count + 1, sizeof *e.first);
    if (!e.measured || !e.shown || !e.first)
        die("out of memory");
    int64_t n = 0;
    for (int64_t i = 0; i < d->measured; i++)
        if (i < d->shown)
            add_example(e.shown, &d->sentences[i]);
        else if (!d->sentences[i].fit)
            add_example(e.measured, &d->sentences[i]), n++;
    for (int64_t i = 0; i < d->decisions_count; i++)
        e.first[d->decisions[i].sentence + 1]++;
    for (int64_t i = 0; i < n; i++)
        e.first[i + 1] += e.first[i];
    return e;
}

static double mean_loss(heed_example one, const heed_real *logits, int64_t words)
{
    double sum = 0;
    for (int64_t t = 0; t <= one.tgt_length; t++, logits += words) {
        double top = (double)logits[0], all = 0;
        for (int64_t k = 1; k < words; k++)
            top = fmax(top, (double)logits[k]);
        for (int64_t k = 0; k < words; k++)
            all += exp((double)logits[k] - top);
        sum += log(all) + top - (double)logits[t < one.tgt_length ? one.tgt[t] : HEED_EOS];
    }
    return sum / (double)(one.tgt_length + 1);
}

static void see_measured(int64_t sentence, const heed_real *logits, int64_t words, void *context)
{
    evaluation *e = context;
    heed_example one = heed_dataset_at(e->measured, sentence);
    e->to->loss[sentence] = mean_loss(one, logits, words);
    for (int64_t i = e->first[sentence]; i < e->first[sentence + 1]; i++) {
        const toy_decision *d = &e->data->toy[i];
        int32_t wrong[TOY_MAX_COMPETITORS];
        for (int k = 0; k < d->competitor_count; k++)
            wrong[k] = heed_vocab_id(e->m->target, d->competitors[k]);
        choice made = decisions_choose(logits + d->position * words, one.tgt[d->position], wrong, d->competitor_count);
        e->to->forced[i] = made.right;
        e->to->margin[i] = made.has_margin ? made.margin : (double)NAN;
    }
}

static void see_shown(int64_t sentence, const heed_real *logits, int64_t words, void *context)
{
    evaluation *e = context;
    e->to->shown_loss[sentence] = mean_loss(heed_dataset_at(e->shown, sentence), logits, words);
}

/* The words of a translation, in place. */
static int cut(char *line, const char **words, int room)
{
    int n = 0;
    char *rest;
    for (char *word = strtok_r(line, " ", &rest); word && n < room; word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    return n;
}

_Static_assert(3 + 2 * HEED_BLEU_ORDERS <= HEED_SCORE_PARTS, "BLEU has more parts than an outcome keeps");

/* What BLEU is made of: three counts, and those of each order. */
static void keep_parts(double *parts, const char *translation, const char *reference)
{
    heed_bleu bleu = { .segments = 0 };
    if (!reference || !heed_bleu_add(&bleu, translation, reference))
        die("%s", heed_error());
    parts[0] = (double)bleu.segments;
    parts[1] = (double)bleu.hypothesis_length;
    parts[2] = (double)bleu.reference_length;
    for (int k = 0; k < HEED_BLEU_ORDERS; k++) {
        parts[3 + k] = (double)bleu.matches[k];
        parts[3 + HEED_BLEU_ORDERS + k] = (double)bleu.ngrams[k];
    }
}

static double bleu_from(const double parts[HEED_SCORE_PARTS], void *context)
{
    heed_bleu bleu = { .segments = (int64_t)parts[0],
                       .hypothesis_length = (int64_t)parts[1],
                       .reference_length = (int64_t)parts[2] };
    (void)context;
    for (int k = 0; k < HEED_BLEU_ORDERS; k++) {
        bleu.matches[k] = (int64_t)parts[3 + k];
        bleu.ngrams[k] = (int64_t)parts[3 + HEED_BLEU_ORDERS + k];
    }
    return heed_bleu_score(&bleu).score;
}

static void compare(evaluation *e, int64_t sentence, char *translation)
{
    enum { WORDS = 1024 };
    const char *want[WORDS], *got[WORDS];
    int place[WORDS], count = 0;
    heed_example one = heed_dataset_at(e->measured, sentence);
    for (; count < one.tgt_length; count++)
        want[count] = heed_vocab_word(e->m->target, one.tgt[count]);
    char *reference = heed_vocab_decode(e->m->target, one.tgt, one.tgt_length);
    e->to->exact[sentence] = reference && strcmp(reference, translation) == 0;
    keep_parts(&e->to->parts[sentence * HEED_SCORE_PARTS], translation, reference);
    heed_text_free(reference);
    if (e->first[sentence] == e->first[sentence + 1])
        return;
    int output = cut(translation, got, WORDS);
    if (!decisions_align(want, count, got, output, place))
        die("out of memory");
    for (int64_t i = e->first[sentence]; i < e->first[sentence + 1]; i++)
        e->to->free[i] = decisions_free_result(&e->data->toy[i], want, got, output, place) == FREE_RIGHT;
}

static bool keep_texts(evaluation *e, char *const *texts)
{
    for (int64_t i = 0; i < e->data->shown; i++) {
        size_t bytes = strlen(texts[i]) + 1;
        if (!(e->to->texts[i] = heed_arena_alloc(e->to->arena, (int64_t)bytes)))
            return false;
        memcpy(e->to->texts[i], texts[i], bytes);
    }
    return true;
}

static bool evaluate(heed_outcome *to, void *context)
{
    evaluation *e = context;
    bool done = true;
    int64_t n = heed_dataset_count(e->measured);
    e->to = to;
    if (isatty(STDERR_FILENO) && ++e->done % 5 == 0)
        fprintf(stderr, "\r%d runs", e->done);
    if (to->measure)
        score_logits(e->m, e->measured, e->threads, see_measured, e);
    if (to->show)
        score_logits(e->m, e->shown, e->threads, see_shown, e);
    for (int set = 0; set < 2; set++) {
        heed_dataset *data = set ? e->shown : e->measured;
        if (!(set ? to->show : to->translate))
            continue;
        char **texts = score_translate(e->m, data, (search_options){ 0 }, e->threads, NULL);
        for (int64_t i = 0; !set && i < n; i++)
            compare(e, i, texts[i]);
        done = done && (!set || keep_texts(e, texts));
        for (int64_t i = 0; i < heed_dataset_count(data); i++)
            free(texts[i]);
        free(texts);
    }
    return done;
}

static void evaluation_free(evaluation *e)
{
    heed_dataset_free(e->measured);
    heed_dataset_free(e->shown);
    free(e->first);
    for (int i = 0; i < e->snapshots_count; i++)
        free(e->snapshots[i]);
    model_free(e->then);
}

/* ---- snapshots ----------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files that train --snapshots left in the model's folder. Their names sort by step. */
static void find_snapshots(evaluation *e, const char *folder)
{
    char *place = folder_path(folder, "snapshots");
    DIR *dir = opendir(place);
    for (struct dirent *entry; dir && (entry = readdir(dir)) && e->snapshots_count < MOST_SNAPSHOTS;)
        if (strncmp(entry->d_name, "step-", 5) == 0 && !strstr(entry->d_name, ".tmp"))
            e->snapshots[e->snapshots_count++] = folder_path(place, entry->d_name);
    if (dir)
        closedir(dir);
    qsort(e->snapshots, (size_t)e->snapshots_count, sizeof *e->snapshots, by_text);
    for (int i = 0; i < e->snapshots_count; i++)
        e->steps[i] = strtoll(strrchr(e->snapshots[i], '-') + 1, NULL, 10);
    free(place);
}

static const heed_transformer *at_step(int i, void *context)
{
    evaluation *e = context;
    model_free(e->then);
    e->then = model_load(e->snapshots[i], false);
    return &e->then->net;
}

/* ---- inspect ----------------------------------------------------------------------------------------------------- */

static void make_folder(const char *out)
{
    if (mkdir(out, 0777) && errno != EEXIST)
        die("\"%s\": %s", out, strerror(errno));
}

static heed_inspection *look(const model *m, const other_models *others, const inspect_data *d, evaluation *e,
                             const char *name)
{
    static const char *phenomena[TOY_PHENOMENA];
    model *untrained = untrained_of(m);
    for (int i = 0; i < TOY_PHENOMENA; i++)
        phenomena[i] = toy_phenomenon_name((toy_phenomenon)i);
    heed_inspection *x = heed_inspect((heed_inspect_desc){ .net = &m->net,
                                                           .untrained = &untrained->net,
                                                           .eos = HEED_EOS,
                                                           .name = name,
                                                           .step = m->at.step,
                                                           .seed = m->config.seed,
                                                           .shown = d->sentences,
                                                           .shown_count = d->shown,
                                                           .measured = d->sentences + d->shown,
                                                           .measured_count = d->measured - d->shown,
                                                           .kinds = d->kinds,
                                                           .classes = inspect_classes,
                                                           .phenomena = phenomena,
                                                           .kinds_count = d->kinds_count,
                                                           .classes_count = inspect_classes_count,
                                                           .phenomena_count = d->decisions_count ? TOY_PHENOMENA : 0,
                                                           .claims = (const int16_t(*)[2])d->claims,
                                                           .claims_count = d->decisions_count ? d->claims_count : 0,
                                                           .evaluate = evaluate,
                                                           .bleu = bleu_from,
                                                           .context = e,
                                                           .decisions = d->decisions,
                                                           .decisions_count = d->decisions_count,
                                                           .pairs = d->pairs,
                                                           .pairs_count = d->pairs_count,
                                                           .steps = e->steps,
                                                           .steps_count = e->snapshots_count,
                                                           .at_step = at_step,
                                                           .others = others ? others->list : NULL,
                                                           .others_count = others ? others->count : 0,
                                                           .page_bytes = d->page_bytes,
                                                           .measured_rollout = d->measured_rollout,
                                                           .threads = e->threads });
    model_free(untrained);
    if (!x)
        die("%s", heed_error());
    return x;
}

void inspect_into(const model *m, const other_models *others, inspect_data *d, const char *run, const char *out,
                  int threads)
{
    char *name = model_name(run);
    inspect_ready(d);
    evaluation e = evaluation_of(m, d, threads);
    find_snapshots(&e, run);
    heed_inspection *x = look(m, others, d, &e, name);
    make_folder(out);
    if (isatty(STDERR_FILENO))
        fputs("\r          \r", stderr);
    if (!heed_inspection_write(x, out))
        die("%s", heed_error());
    char *page = folder_path(out, "heads.html");
    printf("%s\n", heed_inspection_summary(x));
    if (*heed_inspection_beside(x))
        printf("%s\n", heed_inspection_beside(x));
    struct stat found = { 0 };
    printf("%s/%s\n", out, stat(page, &found) ? "inspect.json" : "heads.html");
    if (d->page_bytes > 0 && found.st_size > 2 * d->page_bytes)
        fprintf(stderr,
                "translate_toy: \"%s\" has %.2f MiB, and a browser may be slow with it; --shown makes it smaller\n",
                page, (double)found.st_size / (1 << 20));
    free(page);
    heed_inspection_free(x);
    evaluation_free(&e);
    free(name);
}

static void add_texts(inspect_data *d, const model *m, char **texts, int count)
{
    for (int i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "text-%d", i);
        inspect_add_pair(d, m, id, "text", texts[i], NULL, false);
    }
}

/* The first of a file's pairs are shown; of all, every second is measured, the others are to fit on. */
static void add_file(inspect_data *d, const model *m, const heed_corpus *corpus, int64_t most)
{
    for (int64_t i = 0; i < corpus->count && i < most; i++) {
        char id[32];
        snprintf(id, sizeof id, "data-%lld", (long long)i);
        inspect_add_pair(d, m, id, "data", corpus->pairs[i].source, corpus->pairs[i].target, i % 2);
    }
}

int cmd_inspect(int argc, char **argv)
{
    const char *path = "heed-run", *with = NULL, *file = NULL, *out = "heed-inspect", *split_name = "dev";
    toy_split split = TOY_DEV;
    bool toy = false, measured = false;
    int64_t threads = 0, n = 300, shown = 24;
    double page = 5;
    option rows[] = {
        { "model", OPTION_TEXT, &path, "M", "a model file, or the folder of a run", 0, 0, 0 },
        { "with", OPTION_TEXT, &with, "M,M", "other models of its words and shape, to compare heads with", 0, 0, 0 },
        { "toy", OPTION_FLAG, &toy, NULL, "measure on the toy language, against its gold", 0, 0, 0 },
        { "split", OPTION_TEXT, &split_name, "NAME", "its split to measure on, with --toy; dev: what training left", 0,
          0, 0 },
        { "data", OPTION_TEXT, &file, "FILE", "measure on these pairs (TSV)", 0, 0, 0 },
        { "out", OPTION_TEXT, &out, "DIR", "folder of the files written", 0, 0, 0 },
        { "n", OPTION_INTEGER, &n, "N", "sentences measured, and as many more fitted on", 1, 100000, 0 },
        { "shown", OPTION_INTEGER, &shown, "N", "sentences shown, but for TEXT", 0, 1000, 0 },
        { "measured-rollout", OPTION_FLAG, &measured, NULL,
          "rollout by how much attention adds at each position, not half of every layer", 0, 0, 0 },
        { "page", OPTION_NUMBER, &page, "R",
          "MiB of heads.html: pictures that do not fit are left out; more than twice as many are warned of, five times "
          "refused",
          0.01, 1000, 0 },
        { "threads", OPTION_INTEGER, &threads, "N", "0: all cores; any number gives the same bits", 0, 256, 0 },
        { .name = NULL },
    };
    command_line line = { "inspect", "[TEXT ...]",
                          "Looks into every attention head: where it looks, how that differs from chance and\n"
                          "from the untrained model, and what breaks without it. Writes DIR/heads.html,\n"
                          "inspect.json, attn/*.npy, attn.safetensors, align.txt and pictures, and prints the\n"
                          "answer in a sentence. TEXTs are translated and shown too.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    if (toy && file)
        die_usage("inspect: --toy and --data cannot both be given");
    if (!toy && option_given(&line, "split"))
        die_usage("inspect: --split is for --toy");
    if (!toy_split_named(split_name, &split))
        die_usage("inspect: the toy language has no split \"%s\"; translate_toy corpus --help lists them", split_name);
    if (!toy && !file && operands == 0)
        die_usage("inspect: give --toy, --data FILE or sentences to look at");
    model *m = model_load(path, false);
    other_models others = others_load(with, m, path);
    heed_corpus *corpus = file ? data_read(file, false) : NULL;
    inspect_data d = { .showing = true, .page_bytes = (int64_t)(page * (1 << 20)), .measured_rollout = measured };
    if (toy) {
        inspect_add_toy(&d, m, TOY_PROBE, 0, shown, false);
        inspect_add_pairs(&d, m, shown);
    }
    if (corpus)
        add_file(&d, m, corpus, shown);
    add_texts(&d, m, argv + 1, operands);
    d.shown = d.count;
    d.showing = false;
    if (toy) {
        inspect_add_toy(&d, m, TOY_DEV, VALIDATED, n, true);
        inspect_add_toy(&d, m, split, split == TOY_DEV ? VALIDATED + n : 0, n, false);
    } else if (corpus) {
        add_file(&d, m, corpus, 2 * n);
    } else {
        add_texts(&d, m, argv + 1, operands);
    }
    d.measured = d.count;
    if (toy)
        inspect_add_pairs(&d, m, n);
    if (d.measured == 0)
        die("inspect: there is no sentence to look at");
    inspect_into(m, &others, &d, path, out, (int)threads);
    output_check();
    inspect_data_free(&d);
    heed_corpus_free(corpus);
    others_free(&others);
    model_free(m);
    return 0;
}
