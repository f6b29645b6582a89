/* The command line of heed_bench, and how the program ends. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- the end ------------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 0))) static _Noreturn void end(int code, const char *format, va_list arguments)
{
    fprintf(stderr, "heed_bench: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(code);
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    end(1, format, arguments);
}

void die_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    end(2, format, arguments);
}

void *bench_alloc(int64_t count, size_t size)
{
    void *memory = calloc((size_t)(count > 0 ? count : 1), size);
    if (!memory)
        die("out of memory");
    return memory;
}

/* ---- the line ------------------------------------------------------------------------------------------------------ */

enum { WORKLOAD = 1, CASE, GEMM, THREADS, REPS, WARMUP, LENGTH, BATCH, LAYERS, DROPOUT, ATTN_DROPOUT, MIN_TIME, FLAG };
typedef struct {
    const char *name, *argument, *help;
    int kind;
    double low, high; /* of numbers; THREADS .. LAYERS are whole ones */
} row;
static const row rows[] = {
    { "workload", "NAME", "one of those above; needed", WORKLOAD, 0, 0 },
    { "case", "NAME", "only cases whose name has this in it", CASE, 0, 0 },
    { "threads", "N", "0: as many as there are cores (default 0)", THREADS, 0, 1024 },
    { "dropout", "P", "W1-W3: on embeddings, sublayers and ffn (default 0.1)", DROPOUT, 0, 0.99 },
    { "attn-dropout", "P", "W1-W3: on attention weights (default 0)", ATTN_DROPOUT, 0, 0.99 },
    { "gemm", "MODE", "auto, blas, split6, split3 or bf16 (default auto)", GEMM, 0, 0 },
    { "reps", "N", "least number of timed steps (default 15)", REPS, 1, 1e6 },
    { "min-time", "S", "least seconds of timing (default 4)", MIN_TIME, 0, 3600 },
    { "warmup", "N", "steps before timing (default 5)", WARMUP, 0, 1e6 },
    { "length", "N", "W1-W4: tokens in a sentence, instead of the workload's", LENGTH, 1, 1e6 },
    { "batch", "N", "W1-W4: sentences, instead of the workload's", BATCH, 1, 1e6 },
    { "layers", "N", "W1-W3: in the encoder and in the decoder, instead of the workload's", LAYERS, 1, 64 },
    { "json", NULL, "print one line of JSON", FLAG, 0, 0 },
    { "startup-child", NULL, NULL, FLAG, 0, 0 },
    { "help", NULL, "print this and stop", FLAG, 0, 0 },
};
enum { ROWS = sizeof rows / sizeof *rows };

static _Noreturn void help(const bench_workload *workloads)
{
    printf("usage: heed_bench --workload NAME [options]\n\nTimes heed on one workload.\n\nworkloads:\n");
    for (const bench_workload *w = workloads; w->name; w++)
        printf("  %-4s %s\n", w->name, w->about);
    printf("\noptions:\n");
    for (int i = 0; i < ROWS; i++) {
        char left[32];
        snprintf(left, sizeof left, "--%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
        if (rows[i].help)
            printf("  %-17s %s\n", left, rows[i].help);
    }
    exit(fflush(stdout) ? 1 : 0);
}

static double number(const row *r, const char *text)
{
    bool whole = r->kind >= THREADS && r->kind <= LAYERS;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (!*text || *end || strpbrk(text, whole ? " .eExXnNiI" : " xXnNiI") || errno || value < r->low || value > r->high)
        die_usage("--%s needs a %snumber from %.10g to %.10g, not \"%s\"", r->name, whole ? "whole " : "", r->low,
                  r->high, text);
    return value;
}

static const char *const gemm_names[] = {
    [HEED_GEMM_AUTO] = "auto",     [HEED_GEMM_BLAS] = "blas", [HEED_GEMM_SPLIT6] = "split6",
    [HEED_GEMM_SPLIT3] = "split3", [HEED_GEMM_BF16] = "bf16",
};

static heed_gemm gemm_mode(const char *name)
{
    for (int i = 0; i < (int)(sizeof gemm_names / sizeof *gemm_names); i++)
        if (strcmp(name, gemm_names[i]) == 0)
            return (heed_gemm)i;
    die_usage("--gemm is auto, blas, split6, split3 or bf16, not \"%s\"", name);
}

const char *bench_gemm_name(const bench_options *options)
{
    return gemm_names[options->gemm];
}

static void take(bench_options *o, const row *r, const char *text)
{
    switch (r->kind) {
    case WORKLOAD:
        o->workload = text;
        break;
    case CASE:
        o->only = text;
        break;
    case GEMM:
        o->gemm = gemm_mode(text);
        break;
    case THREADS:
        o->threads = (int)number(r, text);
        break;
    case REPS:
        o->reps = (int64_t)number(r, text);
        break;
    case WARMUP:
        o->warmup = (int64_t)number(r, text);
        break;
    case LENGTH:
        o->length = (int64_t)number(r, text);
        break;
    case BATCH:
        o->batch = (int64_t)number(r, text);
        break;
    case LAYERS:
        o->layers = (int64_t)number(r, text);
        break;
    case DROPOUT:
        o->dropout = number(r, text);
        break;
    case ATTN_DROPOUT:
        o->attention_dropout = number(r, text);
        break;
    case MIN_TIME:
        o->min_time = number(r, text);
        break;
    }
}

static const bench_workload *find(const bench_workload *workloads, const char *name)
{
    if (!name)
        die_usage("--workload is needed (heed_bench --help lists them)");
    for (const bench_workload *w = workloads; w->name; w++)
        if (strcmp(w->name, name) == 0)
            return w;
    die_usage("unknown workload \"%s\"; heed_bench --help lists them", name);
}

const bench_workload *bench_options_read(bench_options *options, int argc, char **argv, const bench_workload *workloads)
{
    struct option table[ROWS + 1] = { { 0 } };
    for (int i = 0; i < ROWS; i++)
        table[i] = (struct option){ rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, i + 1 };
    *options = (bench_options){ .dropout = 0.1, .warmup = 5, .reps = 15, .min_time = 4 };
    for (int found; (found = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (found < 1 || found > ROWS) /* getopt has said what is wrong */
            exit(2);
        const row *r = &rows[found - 1];
        if (strcmp(r->name, "help") == 0)
            help(workloads);
        options->json |= strcmp(r->name, "json") == 0;
        options->startup_child |= strcmp(r->name, "startup-child") == 0;
        take(options, r, optarg);
    }
    if (optind < argc)
        die_usage("takes no operand, got \"%s\"", argv[optind]);
    const bench_workload *w = find(workloads, options->workload);
    if (options->only && !w->has_cases)
        die_usage("%s has no cases; leave --case out", w->name);
    if ((options->length || options->batch || options->layers) && !w->resizes)
        die_usage("%s has fixed sizes; leave --length, --batch and --layers out", w->name);
    if (!options->threads)
        options->threads = heed_threads();
    return w;
}
