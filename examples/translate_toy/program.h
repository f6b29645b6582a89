/* What every command shares: the end of the program, signals, output that is checked. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_USAGE = 2, EXIT_INT = 130, EXIT_TERM = 143 };

/* "translate_toy: ..." on standard error, then exit(1). The only way out below main but for returning. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_usage(const char *format, ...) __attribute__((format(printf, 1, 2))); /* exit(2) */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* After signals_catch, SIGINT and SIGTERM are remembered for the running loop to stop at a good place; a second one ends
 * the program at once. signals_stop: 0, or the exit code to stop with. */
void signals_catch(void);
void signals_release(void); /* back to what signals usually do */
int signals_stop(void);

void descriptors_check(void); /* opens what of 0, 1 and 2 was closed, so that no file of ours gets its number */

/* Flushes standard output; dies if anything written to it was lost. Call at the end of a command that prints results. */
void output_check(void);

double seconds_now(void); /* of a clock that only goes forward */

int cmd_train(int argc, char **argv);
int cmd_translate(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_heads(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_ablate(int argc, char **argv);
int cmd_corpus(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* Items with room for one more than count; *room is how many there is room for. Dies if memory runs out. */
void *grow(void *items, int64_t count, int64_t *room, size_t size);

#endif
