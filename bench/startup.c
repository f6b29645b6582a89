/* W7: from the start of a fresh process to its end: the program is loaded, W1 built, one training step done. The process
 * is this program with --startup-child, whose own clock and loss come back on a line. */
#include "bench.h"

#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void child(const bench_options *options)
{
    double start = bench_now();
    seq2seq s;
    seq2seq_open(&s, seq2seq_find("W1"), options);
    training_step(&s.training);
    printf("%.9f %.9f\n", bench_now() - start, s.training.loss);
    seq2seq_close(&s);
    exit(fflush(stdout) ? 1 : 0);
}

typedef struct {
    double wall, inside, rss, loss;
} start_up; /* ms, ms, MB */

/* Its output is a pipe that this process reads to the end. */
static pid_t spawn(const bench_options *options, int *from)
{
    char threads[16], program[] = "heed_bench", workload[] = "--workload=W7", flag[] = "--startup-child",
                      option[] = "--threads";
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(threads, sizeof threads, "%d", options->threads);
    char *const argv[] = { program, workload, flag, option, threads, NULL };
    if (pipe(ends) || posix_spawn_file_actions_init(&actions) ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) ||
        posix_spawn_file_actions_addclose(&actions, ends[0]) ||
        posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ))
        die("a new process could not be started");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *from = ends[0];
    return pid;
}

static start_up start_once(const bench_options *options)
{
    start_up found;
    int from, status;
    struct rusage usage;
    double start = bench_now(), seconds;
    pid_t pid = spawn(options, &from);
    FILE *line = fdopen(from, "r");
    bool read = line && fscanf(line, "%lf %lf", &seconds, &found.loss) == 2;
    if (wait4(pid, &status, 0, &usage) != pid || status || !read)
        die("the new process failed");
    found.wall = (bench_now() - start) * 1e3;
    found.inside = seconds * 1e3;
    found.rss = (double)usage.ru_maxrss / 1024;
    fclose(line);
    return found;
}

void run_startup(const bench_options *options, json_t *report)
{
    enum { LEAST = 5, MOST = 9 };
    double wall[MOST], inside[MOST], rss[MOST], loss = 0;
    int64_t n = options->reps < LEAST ? LEAST : options->reps > MOST ? MOST : options->reps;
    if (options->startup_child)
        child(options);
    start_once(options); /* warms the page cache */
    for (int64_t i = 0; i < n; i++) {
        start_up found = start_once(options);
        wall[i] = found.wall;
        inside[i] = found.inside;
        rss[i] = found.rss;
        loss = found.loss;
    }
    bench_report_timing(report, bench_timing_of(wall, n));
    bench_report(report, "child_peak_rss_mb", bench_timing_of(rss, n).median);
    bench_report(report, "build_and_step_ms", bench_timing_of(inside, n).median);
    bench_report(report, "loss_before", loss);
}
