/* Clocks, and the report they fill: one JSON object, printed as it is or as lines for people. */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* ---- measuring ----------------------------------------------------------------------------------------------------- */

double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bench_rss_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bench_timing bench_timing_of(double *ms, int64_t reps)
{
    qsort(ms, (size_t)reps, sizeof *ms, compare);
    return (bench_timing){
        .median = (ms[(reps - 1) / 2] + ms[reps / 2]) / 2, .least = ms[0], .most = ms[reps - 1], .reps = reps
    };
}

bench_timing bench_measure(const bench_options *options, double min_time, bench_step *step, void *context)
{
    enum { CAP = 5000 }; /* no more steps than this once there are enough */
    int64_t reps = 0, most = options->reps > CAP ? options->reps : CAP;
    double *ms = bench_alloc(most, sizeof *ms);
    for (int64_t i = 0; i < options->warmup; i++)
        step(context);
    double start = bench_now();
    while (reps < options->reps || (bench_now() - start < min_time && reps < most)) {
        double before = bench_now();
        step(context);
        ms[reps++] = (bench_now() - before) * 1e3;
    }
    bench_timing timing = bench_timing_of(ms, reps);
    free(ms);
    return timing;
}

/* ---- reporting ------------------------------------------------------------------------------------------------------ */

static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value))
        die("out of memory");
}

void bench_report(json_t *object, const char *name, double value)
{
    set(object, name, json_real(value));
}

void bench_report_timing(json_t *object, bench_timing timing)
{
    bench_report(object, "ms_median", timing.median);
    bench_report(object, "ms_min", timing.least);
    bench_report(object, "ms_max", timing.most);
    set(object, "reps", json_integer(timing.reps));
}

void bench_report_gflops(json_t *object, double flops, bench_timing timing)
{
    if (flops > 0)
        bench_report(object, "gflops", flops / timing.median / 1e6);
}

void bench_report_rate(json_t *object, const char *name, double count, bench_timing timing)
{
    bench_report(object, name, count / timing.median * 1e3);
}

bool bench_wants(const bench_options *options, const char *name)
{
    return !options->only || strstr(name, options->only);
}

json_t *bench_add_case(json_t *report, const char *name)
{
    json_t *cases = json_object_get(report, "cases");
    if (!cases) {
        set(report, "cases", json_array());
        cases = json_object_get(report, "cases");
    }
    json_t *one = json_pack("{s:s}", "case", name);
    if (!one || json_array_append_new(cases, one))
        die("out of memory");
    return one;
}

/* "W2  ms_median 217.3  ms_min ..." */
static void print_line(const json_t *object, const char *name)
{
    const char *key;
    const json_t *value;
    printf("%-30s", name);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (json_is_real(value))
            printf("  %s %.6g", key, json_real_value(value));
        else if (json_is_integer(value))
            printf("  %s %lld", key, (long long)json_integer_value(value));
    }
    putchar('\n');
}

void bench_print(const bench_options *options, json_t *report)
{
    json_t *cases = json_object_get(report, "cases"), *one;
    if (options->only && !cases)
        die_usage("%s has no case with \"%s\" in its name", options->workload, options->only);
    bench_report(report, "peak_rss_mb", bench_rss_mb());
    size_t i;
    if (options->json) {
        json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
        putchar('\n');
    } else {
        print_line(report, options->workload);
        json_array_foreach(cases, i, one) print_line(one, json_string_value(json_object_get(one, "case")));
    }
    if (fflush(stdout) || ferror(stdout))
        die("standard output: the report was not written");
}
