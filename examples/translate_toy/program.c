/* What every command shares: program.h. */
#include "program.h"

#include "heed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Words, names and options come from files and users: what a terminal would obey is shown as \xNN. */
static void say(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
static void say(const char *format, va_list arguments)
{
    char text[8192], clean[8192];
    vsnprintf(text, sizeof text, format, arguments);
    fflush(stdout); /* what was printed before comes before */
    fprintf(stderr, "translate_toy: %s\n", heed_error_clean(clean, sizeof clean, text));
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
    static const char told[] =
        "\ntranslate_toy: finishing the step and saving; once more stops at once and loses what was not "
        "saved\n";
    int code = number == SIGTERM ? EXIT_TERM : EXIT_INT;
    if (stop_code)
        _exit(code);
    stop_code = code;
    if (write(STDERR_FILENO, told, sizeof told - 1) < 0)
        return; /* nobody is there to be told */
}

static void signals_handle(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void signals_catch(void)
{
    signals_handle(on_signal);
}

void signals_release(void)
{
    signals_handle(SIG_DFL);
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

void descriptors_check(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) /* the lowest free number: fd. Writing fails. */
            exit(EXIT_FAILURE);
}

void *grow(void *items, int64_t count, int64_t *room, size_t size)
{
    enum { FIRST = 16 };
    if (count < *room)
        return items;
    *room = *room ? 2 * *room : FIRST;
    items = realloc(items, (size_t)*room * size);
    if (!items)
        die("out of memory");
    return items;
}
