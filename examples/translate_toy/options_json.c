/* Options as JSON: options.h. */
#include "options.h"
#include "program.h"

#include "heed.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *value_of(const option *o)
{
    switch (o->kind) {
    case OPTION_FLAG:
        return json_boolean(*(const bool *)o->value);
    case OPTION_TEXT:
        return *(const char *const *)o->value ? json_string(*(const char *const *)o->value) : json_null();
    case OPTION_INTEGER:
        return json_integer(*(const int64_t *)o->value);
    case OPTION_NUMBER:
        return json_real(*(const double *)o->value);
    }
    return NULL;
}

/* 15 digits say every number that has so many; 17 say any. */
static size_t digits_of(const option *rows)
{
    for (const option *o = rows; o->name; o++) {
        char text[32];
        snprintf(text, sizeof text, "%.15g", o->kind == OPTION_NUMBER ? *(const double *)o->value : 0);
        if (o->kind == OPTION_NUMBER && strtod(text, NULL) != *(const double *)o->value)
            return 17;
    }
    return 15;
}

char *options_to_json(const option *rows)
{
    json_t *object = json_object();
    for (const option *o = rows; o->name; o++)
        if (!(o->marks & OPTION_THIS_START) && json_object_set_new(object, o->name, value_of(o)))
            die("option --%s cannot be written: its value is no UTF-8 text", o->name);
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(digits_of(rows))) : NULL;
    json_decref(object);
    if (!text)
        die("out of memory");
    return text;
}

bool option_from_json(option *o, const json_t *value)
{
    double number = json_number_value(value);
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->value = json_is_true(value);
        return json_is_boolean(value);
    case OPTION_TEXT:
        *(const char **)o->value = json_string_value(value); /* NULL for null */
        return json_is_null(value) || (json_is_string(value) && *json_string_value(value));
    case OPTION_INTEGER:
        *(int64_t *)o->value = json_integer_value(value);
        return json_is_integer(value) && number >= o->low && number <= o->high;
    case OPTION_NUMBER:
        *(double *)o->value = number;
        return json_is_number(value) && number >= o->low && number <= o->high;
    }
    return false;
}

static json_t *kept; /* options point into the last file read */

static void set(const command_line *line, const char *path, const char *key, const json_t *value)
{
    const char *names[OPTIONS_MOST + 1];
    int count = 0;
    for (option *o = line->options; o->name; o++) {
        if (!(o->marks & OPTION_THIS_START) && count < OPTIONS_MOST)
            names[count++] = o->name;
        if ((o->marks & OPTION_THIS_START) || strcmp(o->name, key) != 0)
            continue;
        if (o->marks & OPTION_GIVEN)
            return; /* the command line comes first */
        if (!option_from_json(o, value)) {
            char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
            die_usage("%s: \"%s\" is %.60s; %s --help says what --%s takes", path, key, text ? text : "?", line->name,
                      key);
        }
        if (o->kind != OPTION_TEXT || *(const char **)o->value)
            o->marks |= OPTION_GIVEN;
        return;
    }
    names[count] = NULL;
    const char *best = closest_name(key, names);
    die_usage("%s: there is no option \"%s\"%s%s%s", path, key, best ? "; did you mean \"" : "", best ? best : "",
              best ? "\"?" : "");
}

void options_read_json(const command_line *line, const char *path)
{
    json_error_t error;
    const char *key;
    json_t *value;
    json_decref(kept);
    FILE *file = fopen(path, "r");
    if (!file)
        die("%s: %s", path, strerror(errno));
    kept = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    fclose(file);
    if (!kept)
        die_usage("%s:%d: %s", path, error.line, error.text);
    if (!json_is_object(kept))
        die_usage("%s: not a JSON object of options", path);
    json_object_foreach(kept, key, value) set(line, path, key, value);
}
