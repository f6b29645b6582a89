/* Long options from a table: one row says the name, the kind, the range and the help line, so parsing, --help and the
 * manual page cannot drift apart. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum { OPTION_FLAG, OPTION_TEXT, OPTION_INTEGER, OPTION_NUMBER } option_kind;

/* GIVEN: on the command line or in a --config file. THIS_START: about this start, not the run, so neither read from JSON nor
 * written to it. ADDED: files of models from before it lack it. ANEW: a number that --resume may set anew. */
enum { OPTION_GIVEN = 1, OPTION_THIS_START = 2, OPTION_ADDED = 4, OPTION_ANEW = 8 };

typedef struct {
    const char *name; /* without "--" */
    option_kind kind;
    void *value;          /* bool, const char *, int64_t, double; holds the default before */
    const char *argument; /* "N", "FILE"; NULL for a flag */
    const char *help;
    double low, high; /* of numbers, inclusive */
    unsigned marks;
} option;
enum { OPTIONS_MOST = 64 }; /* rows of a command */

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

/* options_json.c: the values as one line of JSON, to be freed; one value from JSON, false if it is none the option takes
 * (texts point into the value); and those of a file for what the command line did not give. The last dies on what it
 * cannot use. */
char *options_to_json(const option *rows);
bool option_from_json(option *o, const json_t *value);
void options_read_json(const command_line *line, const char *path);

/* The choice that `name` is, or NULL. choices ends with NULL. */
const char *option_choice(const char *name, const char *const *choices);
/* The closest of the names to a mistyped one, or NULL if none is close. names ends with NULL. */
const char *closest_name(const char *typed, const char *const *names);

#endif
