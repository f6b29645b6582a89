/* MLP: training steps of a perceptron on 784 inputs, ReLU and dropout 0.1 between its layers. The peers use RMSprop; heed
 * has none, and runs AdamW with a first moment that forgets at once, which reads and writes a third more. */
#include "bench.h"

#include <stdlib.h>

enum { MOST_LAYERS = 3, BATCH = 64 };
typedef struct {
    const char *name;
    int layers;
    int64_t widths[MOST_LAYERS + 1];
} mlp_size;
static const mlp_size sizes[] = { { "mlp_64", 2, { 784, 64, 10 } }, { "mlp_512", 3, { 784, 512, 512, 10 } } };

typedef struct {
    mlp_size size;
    heed_linear layers[MOST_LAYERS];
    heed_real *x; /* [BATCH, 784] */
    int32_t labels[BATCH];
    training training;
} mlp;

static heed_var *shard_loss(heed_tape *tape, int shard, void *context)
{
    static const char *const sites[MOST_LAYERS] = { "dropout0", "dropout1", "dropout2" };
    const mlp *m = context;
    int64_t from = m->training.starts[shard], rows = m->training.starts[shard + 1] - from, width = m->size.widths[0];
    heed_ids *labels = heed_input_ids(tape, HEED_SHAPE(rows), m->labels + from);
    heed_var *x = heed_input(tape, HEED_SHAPE(rows, width), m->x + from * width);
    for (int i = 0; i < m->size.layers; i++) {
        x = heed_linear_forward(&m->layers[i], x);
        if (i < m->size.layers - 1)
            x = heed_dropout(heed_relu(x), 0.1, sites[i]);
    }
    return heed_cross_entropy(x, labels, (heed_ce_desc){ .sum = true });
}

/* Six for each weight, but the input needs no gradient. */
static double mlp_flops(const mlp_size *size)
{
    const int64_t *w = size->widths;
    double flops = -2.0 * BATCH * (double)(w[0] * w[1]);
    for (int i = 0; i < size->layers; i++)
        flops += 6.0 * BATCH * (double)(w[i] * w[i + 1]);
    return flops;
}

static void mlp_open(mlp *m, const mlp_size *size, const bench_options *options)
{
    heed_params *params = heed_params_new();
    *m = (mlp){ .size = *size };
    for (int i = 0; i < size->layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i);
        m->layers[i] =
            heed_linear_make(params, name, (heed_linear_desc){ .in = size->widths[i], .out = size->widths[i + 1] });
    }
    if (!heed_params_init(params, 1234))
        die("%s", heed_error());
    m->x = bench_alloc(BATCH * size->widths[0], sizeof *m->x);
    bench_fill_normal(m->x, BATCH * size->widths[0], "pixels");
    bench_fill_ids(m->labels, BATCH, "labels", size->widths[size->layers]);
    training_open(&m->training, options,
                  (training_desc){ .params = params,
                                   .opt = { .lr = 1e-3, .beta1 = 1e-9, .beta2 = 0.9 },
                                   .rows = BATCH,
                                   .row_tokens = 1,
                                   .divisor = BATCH,
                                   .loss = shard_loss,
                                   .context = m });
}

void run_mlp(const bench_options *options, json_t *report)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!bench_wants(options, sizes[i].name))
            continue;
        mlp m;
        mlp_open(&m, &sizes[i], options);
        json_t *object = bench_add_case(report, sizes[i].name);
        bench_timing timing = training_measure(&m.training, options, options->min_time / 2, object);
        bench_report_gflops(object, mlp_flops(&sizes[i]), timing);
        bench_report_rate(object, "samples_per_s", BATCH, timing);
        training_close(&m.training);
        free(m.x);
    }
}
