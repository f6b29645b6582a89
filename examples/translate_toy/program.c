/* What every command shares: program.h. */
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void say(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
static void say(const char *format, va_list arguments)
{
    fflush(stdout); /* what was printed before comes before */
    fputs("translate_toy: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

void die_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    exit(EXIT_USAGE);
}

void warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

/* ---- signals ------------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t stop_code;

static void on_signal(int number)
{
    int code = number == SIGTERM ? EXIT_TERM : EXIT_INT;
    if (stop_code)
        _exit(code);
    stop_code = code;
}

void signals_catch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int signals_stop(void)
{
    return stop_code;
}

/* ---- output ------------------------------------------------------------------------------------------------------------- */

void output_check(void)
{
    if (fflush(stdout) || ferror(stdout))
        die("standard output: %s", errno ? strerror(errno) : "write failed");
}

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
