/* heed_bench: the workloads of bench/peers/peer.py, done with heed's public interface alone.
 *
 * A workload builds its model and data, times its steps and adds what it found to a report. Sizes, names of cases and
 * FLOP formulas are the peer's, so that two lines of output can be compared. Programs end through die() only. */
#ifndef BENCH_H
#define BENCH_H

#include "heed.h"

#include <jansson.h>

/* ---- options.c -------------------------------------------------------------------------------------------------- */
typedef struct {
    const char *workload, *only; /* only: a part of the names of the cases to run; NULL: all */
    int threads;
    heed_gemm gemm;
    double dropout, attention_dropout; /* of W1-W3 */
    int64_t warmup, reps;              /* steps before timing; least number of timed ones */
    double min_time;                   /* seconds of timing, at least */
    int64_t length, batch, layers;     /* instead of the workload's; 0: as they are */
    bool json;
    bool startup_child; /* W7's own: build W1, do a step, say how long it took */
} bench_options;

typedef struct {
    const char *name, *about;
    void (*run)(const bench_options *options, json_t *report);
    bool has_cases, resizes; /* knows --case; knows --length, --batch and --layers */
} bench_workload;

/* Fills options in from the command line; exits with 2 and a sentence, or with 0 after --help. */
const bench_workload *bench_options_read(bench_options *options, int argc, char **argv,
                                         const bench_workload *workloads);

const char *bench_gemm_name(const bench_options *options);
heed_tape *bench_tape(const bench_options *options); /* with the options' threads and products */

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));       /* exit 1 */
_Noreturn void die_usage(const char *format, ...) __attribute__((format(printf, 1, 2))); /* exit 2 */
void *bench_alloc(int64_t count, size_t size); /* zeroed; dies instead of NULL */

/* ---- timing.c ---------------------------------------------------------------------------------------------------- */
typedef struct {
    double median, least, most; /* milliseconds */
    int64_t reps;
} bench_timing;
typedef void bench_step(void *context);
/* Warm-up steps, then at least options->reps timed ones and at least min_time seconds of them. */
bench_timing bench_measure(const bench_options *options, double min_time, bench_step *step, void *context);
double bench_now(void); /* seconds, of a clock that only goes forward */
double bench_rss_mb(void);

bench_timing bench_timing_of(double *ms, int64_t reps); /* sorts ms */
void bench_report_timing(json_t *object, bench_timing timing);
/* flops: multiplications and additions of one step; 0: not reported. */
void bench_report_gflops(json_t *object, double flops, bench_timing timing);
/* count things a step, in things a second */
void bench_report_rate(json_t *object, const char *name, double count, bench_timing timing);
void bench_report(json_t *object, const char *name, double value);
/* Does the user want this case? */
bool bench_wants(const bench_options *options, const char *name);
json_t *bench_add_case(json_t *report, const char *name); /* an object in report's "cases" */
/* The report on standard output, as one line of JSON or as a line for each case. */
void bench_print(const bench_options *options, json_t *report);

/* ---- training.c: what W1-W3, GPT and MLP share: a step in shards with AdamW -------------------------------------- */
enum { BENCH_SHARDS = 8 };
typedef struct {
    heed_params *params;
    heed_trainer *trainer;
    heed_adamw opt;
    int shards;
    int64_t starts[BENCH_SHARDS + 1];
    double divisor;
    heed_loss_fn *loss_fn;
    void *context;
    int64_t steps;
    double loss, first_loss;
} training;
typedef struct {
    heed_params *params; /* initialised */
    heed_adamw_desc opt;
    int64_t rows, row_tokens; /* of a batch; padded tokens in a row */
    double divisor;           /* what the summed loss is divided by */
    heed_loss_fn *loss;
    void *context;
} training_desc;
void training_open(training *t, const bench_options *options, training_desc desc);
void training_close(training *t); /* frees the params too */
void training_gradients(training *t);
void training_step(void *t); /* gradients and the optimiser */
/* Times steps and reports the times, the loss before and after, and the time of the first step. */
bench_timing training_measure(training *t, const bench_options *options, double min_time, json_t *object);

heed_rng bench_rng(const char *name);
void bench_fill_ids(int32_t *ids, int64_t n, const char *name, int64_t below);
void bench_fill_normal(heed_real *values, int64_t n, const char *name);

/* ---- leaf.c: an array with a gradient that enters a tape without a copy ------------------------------------------- */
typedef struct {
    const char *name;
    heed_tensor value;
    heed_real *grad;
    bool empty;
    uint64_t version;
} bench_leaf;
bench_leaf leaf_new(const char *name, heed_shape shape); /* random; not to be moved while on a tape */
void leaf_free(bench_leaf *l);
heed_var *leaf_on(heed_tape *tape, bench_leaf *l); /* its gradient starts anew */

/* ---- seq2seq.c: W1-W3 -------------------------------------------------------------------------------------------- */
typedef struct {
    const char *name;
    int64_t vocab;
    bool joint; /* one table for source and target */
    int64_t d, heads, layers, ffn, batch, src, tgt;
} seq2seq_size;
typedef struct {
    seq2seq_size size;
    heed_transformer net;
    int32_t *src, *in, *out; /* [batch, src], [batch, tgt], [batch, tgt] */
    training training;
} seq2seq;
seq2seq_size seq2seq_find(const char *name);
heed_transformer seq2seq_make(heed_params *params, seq2seq_size size, double dropout, double attention_dropout);
void seq2seq_open(seq2seq *s, seq2seq_size size, const bench_options *options);
void seq2seq_close(seq2seq *s);
double seq2seq_flops(seq2seq_size size);                                       /* of a training step */
double attention_flops(double B, double Tq, double Tk, double d, bool causal); /* of a forward pass */

void run_seq2seq(const bench_options *options, json_t *report);
void run_attention(const bench_options *options, json_t *report);
void run_decode(const bench_options *options, json_t *report);
void run_ops(const bench_options *options, json_t *report);
void run_startup(const bench_options *options, json_t *report);
void run_gpt(const bench_options *options, json_t *report);
void run_mlp(const bench_options *options, json_t *report);

#endif
