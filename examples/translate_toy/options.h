/* Long options from a table: one row says the name, the kind, the range and the help line, so parsing, --help and the
 * manual page cannot drift apart. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum { OPTION_FLAG, OPTION_TEXT, OPTION_INTEGER, OPTION_NUMBER } option_kind;

typedef struct {
    const char *name; /* without "--" */
    option_kind kind;
    void *value;          /* bool, const char *, int64_t, double; holds the default before */
    const char *argument; /* "N", "FILE"; NULL for a flag */
    const char *help;
    double low, high; /* of numbers, inclusive */
    bool given;
} option;

typedef struct {
    const char *name;     /* "translate" */
    const char *operands; /* "[TEXT ...]" or NULL: none allowed */
    const char *about;    /* what it does; lines of at most 78 columns */
    option *options;      /* ended by a row without a name */
} command_line;

typedef enum { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG } options_result;

/* Reads argv[1..]. Operands end up in argv[1 .. *operands]. HELP: --help was printed. WRONG: a message was printed to
 * standard error (exit with 2). */
options_result options_parse(command_line *line, int argc, char **argv, int *operands);
void options_help(FILE *file, const command_line *line);
bool option_given(const command_line *line, const char *name);

/* The closest of the names to a mistyped one, or NULL if none is close. names ends with NULL. */
const char *closest_name(const char *typed, const char *const *names);

#endif
