/* A small network that learns to tell two spirals apart: the whole of a heed program on one page.
 *
 *     build/mlp
 *
 * It prints the loss as it falls, and at the end how many of the points it puts on the right spiral. */
#include "heed.h"

#include <math.h>
#include <stdlib.h>

enum { POINTS = 256, HIDDEN = 32, STEPS = 1500 };

static void die(const char *message)
{
    fprintf(stderr, "mlp: %s\n", message);
    exit(EXIT_FAILURE);
}

/* Point i lies on spiral i % 2, one turn and a half long. */
static void spirals(heed_real xy[2 * POINTS], int32_t label[POINTS])
{
    for (int i = 0; i < POINTS; i++) {
        double along = (i / 2 + 1) * 2.0 / POINTS, angle = 3 * acos(-1.0) * along + (i % 2) * acos(-1.0);
        xy[2 * i] = (heed_real)(along * cos(angle));
        xy[2 * i + 1] = (heed_real)(along * sin(angle));
        label[i] = i % 2;
    }
}

int main(void)
{
    static heed_real xy[2 * POINTS];
    static int32_t label[POINTS];
    spirals(xy, label);

    heed_params *params = heed_params_new();
    heed_linear fc1 = heed_linear_make(params, "fc1", (heed_linear_desc){ .in = 2, .out = HIDDEN });
    heed_linear fc2 = heed_linear_make(params, "fc2", (heed_linear_desc){ .in = HIDDEN, .out = HIDDEN });
    heed_linear fc3 = heed_linear_make(params, "fc3", (heed_linear_desc){ .in = HIDDEN, .out = 2 });
    if (!heed_params_init(params, 42)) /* one slab, one seed; reports the first bad make */
        die(heed_error());

    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.01, .clip = 1 });
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    if (!tape)
        die(heed_error());
    int right = 0;
    for (int step = 1; step <= STEPS; step++) {
        heed_var *x = heed_input(tape, HEED_SHAPE(POINTS, 2), xy);
        heed_ids *labels = heed_input_ids(tape, HEED_SHAPE(POINTS), label);
        heed_var *h = heed_tanh(heed_linear_forward(&fc1, x)); /* [POINTS, HIDDEN] */
        h = heed_tanh(heed_linear_forward(&fc2, h));           /* [POINTS, HIDDEN] */
        heed_var *out = heed_linear_forward(&fc3, h);          /* [POINTS, 2] */
        heed_var *loss = heed_cross_entropy(out, labels, (heed_ce_desc){ 0 });
        if (!heed_backward(loss) || !heed_adamw_step(&opt)) /* the one check of the step */
            die(heed_error());
        if (step % 250 == 0)
            printf("step %4d  loss %.4f\n", step, heed_item(loss));
        right = 0;
        for (int i = 0; i < POINTS; i++)
            right += (out->value.data[2 * i + 1] > out->value.data[2 * i]) == label[i];
        heed_tape_reset(tape); /* every heed_var above is gone */
    }
    printf("%d of %d points on the right spiral\n", right, POINTS);
    heed_tape_free(tape);
    heed_params_free(params);
    return right < POINTS * 95 / 100;
}
