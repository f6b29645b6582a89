/* What a run tells: a line or a moving bar on standard output, log.jsonl, and the loss curve. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t step;
    double loss;       /* of the steps since the last entry; NaN: none */
    double valid_loss; /* NaN: not measured here */
    double valid_accuracy;
    double valid_bleu; /* NaN: not measured */
    double rate;       /* learning rate */
    double tokens_per_s;
} log_entry;

typedef struct run_log run_log;
/* Opens FOLDER/log.jsonl and forgets entries after `step`, which a stopped run may have left. Dies on failure. */
run_log *log_open(const char *folder, int64_t step, int64_t steps);
void log_add(run_log *log, log_entry entry); /* prints it, and appends it to the file; dies if that fails */
void log_progress(run_log *log, int64_t step, double loss, double tokens_per_s); /* the bar, on a terminal only */
void log_close(run_log *log);                                                    /* writes FOLDER/loss.svg */

/* An SVG line chart of the entries' losses; false: heed_error() says why. */
bool curve_write(const char *path, const log_entry *entries, int64_t count);

#endif
