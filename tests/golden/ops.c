/* Cases of single operations. Where one is differentiable, loss = sum(output * grad_output) and grad_X is X's gradient;
 * cross_entropy's output is the loss. */
#include "golden.h"

#include <string.h>

static void layer_norm(golden_case *c, heed_tape *tape)
{
    heed_var *x = case_leaf(c, tape, "x");
    heed_var *weight = case_has(c, "weight") ? case_leaf(c, tape, "weight") : NULL;
    heed_var *bias = case_has(c, "bias") ? case_leaf(c, tape, "bias") : NULL;
    double eps = case_number(c, "eps");
    if (c->failed)
        return;
    case_backward(c, heed_layer_norm(x, weight, bias, eps));
    case_leaf_gradient(c, "x", x);
    case_leaf_gradient(c, "weight", weight);
    case_leaf_gradient(c, "bias", bias);
}

static void gelu(golden_case *c, heed_tape *tape)
{
    heed_var *x = case_leaf(c, tape, "x");
    const char *how = case_text(c, "approximate");
    bool exact = strcmp(how, "none") == 0;
    if (!exact && strcmp(how, "tanh") != 0)
        case_fail(c, "case.json: config.approximate is \"%s\", want none or tanh", how);
    if (c->failed)
        return;
    case_backward(c, exact ? heed_gelu(x) : heed_gelu_tanh(x));
    case_leaf_gradient(c, "x", x);
}

static void softmax_like(golden_case *c, heed_tape *tape, heed_var *(*op)(heed_var *, int))
{
    heed_var *x = case_leaf(c, tape, "x");
    if (c->failed)
        return;
    case_backward(c, op(x, x->value.shape.rank - 1));
    case_leaf_gradient(c, "x", x);
}

static void softmax(golden_case *c, heed_tape *tape)
{
    softmax_like(c, tape, heed_softmax);
}

static void log_softmax(golden_case *c, heed_tape *tape)
{
    softmax_like(c, tape, heed_log_softmax);
}

static void cross_entropy(golden_case *c, heed_tape *tape)
{
    int64_t count = -1;
    const char *reduction = case_text(c, "reduction");
    heed_ce_desc desc = {
        .smoothing = case_number(c, "smoothing"),
        .has_ignore = true,
        .ignore = (int32_t)case_integer(c, "ignore_index"),
        .sum = strcmp(reduction, "sum") == 0,
        .count = &count,
    };
    if (!desc.sum && strcmp(reduction, "mean") != 0)
        case_fail(c, "case.json: config.reduction is \"%s\", want mean or sum", reduction);
    heed_var *logits = case_leaf(c, tape, "logits");
    heed_ids *target = case_ids(c, tape, "target");
    if (c->failed)
        return;
    heed_var *loss = heed_cross_entropy(logits, target, desc);
    if (!case_check(c, loss && heed_backward(loss)))
        return;
    case_output(c, "loss", heed_value(loss));
    case_leaf_gradient(c, "logits", logits);
    if (!case_is_null(c, "counted_rows") && case_integer(c, "counted_rows") != count)
        case_fail(c, "%lld rows counted, want %lld", (long long)count, (long long)case_integer(c, "counted_rows"));
}

static void embedding(golden_case *c, heed_tape *tape)
{
    heed_var *weight = case_leaf(c, tape, "weight");
    heed_ids *index = case_ids(c, tape, "index");
    heed_embed_desc desc = { .has_padding = !case_is_null(c, "padding_idx") };
    if (desc.has_padding)
        desc.padding = (int32_t)case_integer(c, "padding_idx");
    if (c->failed)
        return;
    case_backward(c, heed_embed(weight, index, desc));
    case_leaf_gradient(c, "weight", weight);
}

static const struct {
    const char *name;
    void (*on_tape)(golden_case *c, heed_tape *tape);
    void (*alone)(golden_case *c);
} ops[] = {
    { "layer_norm", layer_norm, NULL },
    { "gelu", gelu, NULL },
    { "softmax", softmax, NULL },
    { "log_softmax", log_softmax, NULL },
    { "cross_entropy", cross_entropy, NULL },
    { "embedding", embedding, NULL },
    { "adam", NULL, check_optimizer },
    { "adamw", NULL, check_optimizer },
    { "clip_grad_norm", NULL, check_clipping },
    { "schedule", NULL, check_schedule },
};

void check_op(golden_case *c)
{
    const char *name = case_text(c, "op");
    size_t i = 0;
    while (i < sizeof ops / sizeof *ops && strcmp(ops[i].name, name) != 0)
        i++;
    if (i == sizeof ops / sizeof *ops) {
        case_fail(c, "case.json: config.op is \"%s\", which is not known here", name);
    } else if (ops[i].alone) {
        ops[i].alone(c);
    } else {
        heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
        if (case_check(c, tape != NULL))
            ops[i].on_tape(c, tape);
        heed_tape_free(tape);
    }
}
