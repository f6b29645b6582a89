/* What a run tells: log.h. */
#include "log.h"
#include "folder.h"
#include "program.h"

#include "heed.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run_log {
    const char *folder;
    FILE *file;
    log_entry *entries;
    int64_t count, room;
    int64_t first_step, steps;
    double started;
    bool terminal, bar_shown;
};

static void keep(run_log *log, log_entry entry)
{
    if (log->count == log->room) {
        log->room = log->room ? 2 * log->room : 64;
        log->entries = realloc(log->entries, (size_t)log->room * sizeof *log->entries);
        if (!log->entries)
            die("out of memory");
    }
    log->entries[log->count++] = entry;
}

/* ---- the file: one JSON object a line ------------------------------------------------------------------------------------- */

static void set_number(json_t *object, const char *key, double value)
{
    if (isfinite(value)) /* JSON has neither NaN nor infinity: what was not measured is left out */
        json_object_set_new(object, key, json_real(value));
}

static void write_entry(run_log *log, const log_entry *entry)
{
    json_t *object = json_object();
    json_object_set_new(object, "step", json_integer(entry->step));
    set_number(object, "loss", entry->loss);
    set_number(object, "valid_loss", entry->valid_loss);
    set_number(object, "valid_accuracy", entry->valid_accuracy);
    set_number(object, "valid_bleu", entry->valid_bleu);
    set_number(object, "lr", entry->rate);
    set_number(object, "tokens_per_s", entry->tokens_per_s);
    char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (!line || fprintf(log->file, "%s\n", line) < 0 || fflush(log->file))
        die("folder \"%s\": log.jsonl: %s", log->folder, line ? strerror(errno) : "out of memory");
    free(line);
}

static double number_or_nan(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* What an earlier part of this run wrote, up to the step that was saved. */
static void read_entries(run_log *log, FILE *file)
{
    char line[1024];
    while (fgets(line, sizeof line, file)) {
        json_t *object = json_loads(line, 0, NULL);
        const json_t *step = json_object_get(object, "step");
        if (json_is_integer(step) && json_integer_value(step) <= log->first_step)
            keep(log, (log_entry){ json_integer_value(step), number_or_nan(object, "loss"),
                                   number_or_nan(object, "valid_loss"), number_or_nan(object, "valid_accuracy"),
                                   number_or_nan(object, "valid_bleu"), number_or_nan(object, "lr"),
                                   number_or_nan(object, "tokens_per_s") });
        json_decref(object);
    }
}

run_log *log_open(const char *folder, int64_t step, int64_t steps)
{
    run_log *log = calloc(1, sizeof *log);
    if (!log)
        die("out of memory");
    *log = (run_log){ .folder = folder, .first_step = step, .steps = steps, .started = seconds_now() };
    log->terminal = isatty(STDOUT_FILENO);
    char *path = folder_path(folder, "log.jsonl"), *fresh = folder_path(folder, "log.jsonl.tmp");
    FILE *old = step > 0 ? fopen(path, "r") : NULL;
    if (old) {
        read_entries(log, old);
        fclose(old);
    }
    log->file = fopen(fresh, "w"); /* takes the old one's place when it is whole */
    if (!log->file)
        die("%s: %s", fresh, strerror(errno));
    for (int64_t i = 0; i < log->count; i++)
        write_entry(log, &log->entries[i]);
    if (rename(fresh, path))
        die("%s: %s", path, strerror(errno));
    free(fresh);
    free(path);
    return log;
}

/* ---- the terminal ---------------------------------------------------------------------------------------------------------- */

static const char *duration(double seconds, char room[32])
{
    int64_t s = (int64_t)(seconds + 0.5);
    snprintf(room, 32, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
    return room;
}

void log_progress(run_log *log, int64_t step, double loss, double tokens_per_s)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1], left[32];
    if (!log->terminal)
        return;
    int64_t done = step - log->first_step, all = log->steps - log->first_step;
    double elapsed = seconds_now() - log->started;
    int filled = (int)(step * WIDTH / (log->steps ? log->steps : 1));
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = '\0';
    printf("\r[%s] step %lld of %lld  loss %.3f  %.0f tokens/s  %s left \033[K", bar, (long long)step,
           (long long)log->steps, loss, tokens_per_s,
           duration(done ? elapsed * (double)(all - done) / (double)done : 0, left));
    fflush(stdout);
    log->bar_shown = true;
}

void log_add(run_log *log, log_entry entry)
{
    keep(log, entry);
    write_entry(log, &entry);
    if (log->bar_shown)
        fputs("\r\033[K", stdout);
    log->bar_shown = false;
    printf("step %6lld", (long long)entry.step);
    if (isfinite(entry.loss))
        printf("  loss %.4f", entry.loss);
    if (isfinite(entry.valid_loss))
        printf("  validation loss %.4f, tokens right %.2f %%", entry.valid_loss, 100 * entry.valid_accuracy);
    if (isfinite(entry.valid_bleu))
        printf(", BLEU %.2f", entry.valid_bleu);
    if (entry.tokens_per_s > 0)
        printf("  %.0f tokens/s", entry.tokens_per_s);
    putchar('\n');
    fflush(stdout);
}

void log_close(run_log *log)
{
    if (log->bar_shown)
        fputs("\r\033[K", stdout);
    char *path = folder_path(log->folder, "loss.svg");
    if (!curve_write(path, log->entries, log->count))
        die("%s", heed_error());
    if (fclose(log->file))
        die("folder \"%s\": log.jsonl: %s", log->folder, strerror(errno));
    free(path);
    free(log->entries);
    free(log);
}
