/* Long options from a table: options.h. */
#include "options.h"

#include "heed.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 40 };

/* ---- suggestions ------------------------------------------------------------------------------------------------------ */

/* Levenshtein's distance: the fewest insertions, deletions and changes. */
static int distance(const char *a, const char *b)
{
    int row[MAX_NAME + 1], columns = (int)strlen(b);
    for (int j = 0; j <= columns; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= columns; j++) {
            int change = corner + (a[i - 1] != b[j - 1]), least = row[j] + 1;
            corner = row[j];
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            row[j] = change < least ? change : least;
        }
    }
    return row[columns];
}

const char *closest_name(const char *typed, const char *const *names)
{
    const char *best = NULL;
    int least = 3;
    if (strlen(typed) > MAX_NAME)
        return NULL;
    for (; *names; names++) {
        size_t shorter = strlen(typed) < strlen(*names) ? strlen(typed) : strlen(*names);
        int d = strlen(*names) <= MAX_NAME ? distance(typed, *names) : least;
        if (d < least && d < (int)shorter) {
            least = d;
            best = *names;
        }
    }
    return best;
}

const char *option_choice(const char *name, const char *const *choices)
{
    while (name && *choices && strcmp(name, *choices) != 0)
        choices++;
    return name ? *choices : NULL;
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

static bool wrong(const command_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(const command_line *line, const char *format, ...)
{
    char text[1024], clean[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "translate_toy %s: %s\n", line->name, heed_error_clean(clean, sizeof clean, text));
    fprintf(stderr, "(translate_toy %s --help lists the options)\n", line->name);
    return false;
}

static const char *range_text(const option *o, char room[96])
{
    if (o->high < 1e15)
        snprintf(room, 96, "from %.10g to %.10g", o->low, o->high);
    else
        snprintf(room, 96, "of at least %.10g", o->low);
    return room;
}

static bool read_number(const command_line *line, const option *o, const char *text)
{
    char range[96], *end;
    errno = 0;
    double number = strtod(text, &end);
    bool whole = o->kind == OPTION_INTEGER;
    bool digits = *text && !strpbrk(text, whole ? " \t\n.eExXnNiI" : " \t\nxXnNiI");
    if (!digits || *end || end == text || errno == ERANGE || !isfinite(number) || number < o->low || number > o->high)
        return wrong(line, "--%s needs %s %s, not \"%s\"", o->name, whole ? "a whole number" : "a number",
                     range_text(o, range), text);
    if (whole)
        *(int64_t *)o->value = strtoll(text, NULL, 10);
    else
        *(double *)o->value = number;
    return true;
}

/* Sets one option; *used says whether the next argument was its value. */
static bool take(const command_line *line, option *o, const char *inlined, const char *next, bool *used)
{
    *used = false;
    if (o->marks & OPTION_GIVEN)
        return wrong(line, "--%s is given twice", o->name);
    o->marks |= OPTION_GIVEN;
    if (o->kind == OPTION_FLAG) {
        if (inlined)
            return wrong(line, "--%s takes no value, got \"%s\"", o->name, inlined);
        *(bool *)o->value = true;
        return true;
    }
    const char *text = inlined ? inlined : next;
    *used = !inlined;
    if (!text)
        return wrong(line, "--%s needs a value: %s", o->name, o->argument);
    if (o->kind != OPTION_TEXT)
        return read_number(line, o, text);
    if (!*text)
        return wrong(line, "--%s needs a value: %s, not an empty one", o->name, o->argument);
    *(const char **)o->value = text;
    return true;
}

/* ---- the line ---------------------------------------------------------------------------------------------------------- */

static option *find(const command_line *line, const char *name, size_t length)
{
    for (option *o = line->options; o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

static bool unknown(const command_line *line, const char *argument, size_t length)
{
    const char *names[OPTIONS_MOST] = { "help" };
    int count = 1;
    char typed[MAX_NAME + 1] = "";
    for (const option *o = line->options; o->name && count < OPTIONS_MOST - 1; o++)
        names[count++] = o->name;
    const char *bare = argument + strspn(argument, "-");
    length -= (size_t)(bare - argument);
    memcpy(typed, bare, length < MAX_NAME ? length : MAX_NAME);
    const char *best = closest_name(typed, names);
    if (best)
        return wrong(line, "unknown option %s; did you mean --%s?", argument, best);
    return wrong(line, "unknown option %s", argument);
}

options_result options_parse(command_line *line, int argc, char **argv, int *operands)
{
    *operands = 0;
    for (int i = 1; i < argc; i++) {
        char *argument = argv[i];
        bool only_operands = strcmp(argument, "--") == 0;
        for (i += only_operands; only_operands && i < argc; i++)
            argv[++*operands] = argv[i];
        if (only_operands)
            break;
        if (argument[0] != '-' || !argument[1]) {
            argv[++*operands] = argument;
            continue;
        }
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            options_help(stdout, line);
            return OPTIONS_HELP;
        }
        size_t length = strcspn(argument, "=");
        option *o = strncmp(argument, "--", 2) == 0 ? find(line, argument + 2, length - 2) : NULL;
        bool used;
        if (!o) {
            unknown(line, argument, length);
            return OPTIONS_WRONG;
        }
        if (!take(line, o, argument[length] ? argument + length + 1 : NULL, i + 1 < argc ? argv[i + 1] : NULL, &used))
            return OPTIONS_WRONG;
        i += used;
    }
    if (*operands && !line->operands) {
        wrong(line, "takes no operand, got \"%s\"", argv[1]);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

bool option_given(const command_line *line, const char *name)
{
    const option *o = find(line, name, strlen(name));
    return o && (o->marks & OPTION_GIVEN);
}

/* ---- help -------------------------------------------------------------------------------------------------------------- */

static void print_default(FILE *file, const option *o)
{
    if (o->kind == OPTION_INTEGER)
        fprintf(file, " (default %lld)", (long long)*(const int64_t *)o->value);
    else if (o->kind == OPTION_NUMBER)
        fprintf(file, " (default %g)", *(const double *)o->value);
    else if (o->kind == OPTION_TEXT && *(const char *const *)o->value)
        fprintf(file, " (default %s)", *(const char *const *)o->value);
}

void options_help(FILE *file, const command_line *line)
{
    fprintf(file, "usage: translate_toy %s [options]%s%s\n\n%s\n\noptions:\n", line->name, line->operands ? " " : "",
            line->operands ? line->operands : "", line->about);
    for (const option *o = line->options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        fprintf(file, "  %-22s %s", left, o->help);
        print_default(file, o);
        fputc('\n', file);
    }
    fprintf(file, "  %-22s %s\n", "--help", "print this and stop");
}
