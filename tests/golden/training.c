/* Cases of what training does with gradients: Adam and AdamW, clipping, schedules. */
#include "golden.h"

#include <string.h>

/* ---- adam, adamw: minimise f(x) = x'Ax/2 - b'x from the trajectory's first row ----------------------------------- */

/* The arrays of a run, filled step by step and compared at the end. */
typedef struct {
    heed_tensor trajectory, loss, grad; /* [steps + 1, n], [steps], [steps, n] */
} record;

static record make_record(golden_case *c, int64_t steps, int64_t n)
{
    record r = {
        heed_tensor_new(c->arena, HEED_SHAPE(steps + 1, n)),
        heed_tensor_new(c->arena, HEED_SHAPE(steps)),
        heed_tensor_new(c->arena, HEED_SHAPE(steps, n)),
    };
    case_check(c, heed_tensor_ok(r.trajectory) && heed_tensor_ok(r.loss) && heed_tensor_ok(r.grad));
    return r;
}

static heed_var *objective(heed_tape *tape, heed_param *p, heed_tensor A, heed_tensor b)
{
    int64_t n = p->shape.dims[0];
    heed_var *x = heed_reshape(heed_param_on(tape, p), HEED_SHAPE(n, 1));
    heed_var *Ax = heed_matmul(heed_input(tape, A.shape, A.data), x);
    heed_var *square = heed_scale(heed_mul(x, Ax), 0.5);
    heed_var *linear = heed_mul(heed_input(tape, HEED_SHAPE(n, 1), b.data), x);
    return heed_sum(heed_sub(square, linear), (heed_axes){ 0 });
}

static void descend(golden_case *c, heed_params *params, heed_param *p, heed_tape *tape)
{
    const json_t *betas = json_object_get(c->config, "betas");
    heed_adamw_desc desc = {
        .lr = case_number(c, "lr"),
        .beta1 = json_number_value(json_array_get(betas, 0)),
        .beta2 = json_number_value(json_array_get(betas, 1)),
        .eps = case_number(c, "eps"),
        .weight_decay = case_number(c, "weight_decay"),
        .coupled = strcmp(case_text(c, "op"), "adam") == 0,
    };
    if (json_array_size(betas) != 2)
        case_fail(c, "case.json: config.betas is not two numbers");
    int64_t steps = case_integer(c, "steps"), n = p->shape.dims[0];
    heed_tensor A = case_array(c, "A"), b = case_array(c, "b"), want = case_array(c, "trajectory");
    if (c->failed)
        return;
    if (steps < 1 || !heed_shape_equal(b.shape, HEED_SHAPE(n)) ||
        !heed_shape_equal(want.shape, HEED_SHAPE(steps + 1, n))) {
        case_fail(c, "b.npy or trajectory.npy has not the shape that n and steps give");
        return;
    }
    heed_adamw opt = heed_adamw_make(params, desc);
    record r = make_record(c, steps, n);
    heed_tensor x = heed_param_value(p);
    if (!case_check(c, opt.m && !c->failed && heed_tensor_copy(x, heed_tensor_wrap(want.data, HEED_SHAPE(n)))))
        return;
    heed_params_changed(params);
    size_t row = (size_t)n * sizeof(heed_real);
    memcpy(r.trajectory.data, x.data, row);
    for (int64_t i = 0; i < steps; i++) {
        heed_var *loss = objective(tape, p, A, b);
        if (!case_check(c, loss && heed_backward(loss)))
            return;
        r.loss.data[i] = heed_item(loss);
        memcpy(r.grad.data + i * n, heed_param_grad(p).data, row);
        if (!case_check(c, heed_adamw_step(&opt)))
            return;
        memcpy(r.trajectory.data + (i + 1) * n, x.data, row);
        heed_tape_reset(tape);
    }
    case_output(c, "trajectory", r.trajectory);
    case_output(c, "loss", r.loss);
    case_output(c, "exp_avg", heed_tensor_wrap(opt.m + p->offset, HEED_SHAPE(n)));
    case_output(c, "exp_avg_sq", heed_tensor_wrap(opt.v + p->offset, HEED_SHAPE(n)));
    case_gradient(c, "x", "grad", r.grad);
}

void check_optimizer(golden_case *c)
{
    heed_params *params = heed_params_new();
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    int64_t n = case_integer(c, "n");
    heed_tensor A = case_array(c, "A");
    if (!c->failed && !heed_shape_equal(A.shape, HEED_SHAPE(n, n)))
        case_fail(c, "A.npy is not [n, n]");
    if (case_check(c, c->failed || (params && tape))) {
        heed_param *p = heed_param_make(params, "x", HEED_SHAPE(n), (heed_init){ 0 });
        if (case_check(c, heed_params_init(params, 1)))
            descend(c, params, p, tape);
    }
    heed_tape_free(tape);
    heed_params_free(params);
}

/* ---- clip_grad_norm: gradients g0, g1, ... as one vector --------------------------------------------------------- */

/* Gives each parameter its gradient g, as the derivative of sum(p g). */
static heed_var *with_gradients(golden_case *c, heed_tape *tape, heed_params *params)
{
    heed_var *loss = NULL;
    for (int i = 0; i < heed_params_count(params); i++) {
        heed_param *p = heed_params_at(params, i);
        heed_tensor g = case_array(c, p->name);
        if (c->failed)
            return NULL;
        heed_var *part =
            heed_sum(heed_mul(heed_param_on(tape, p), heed_input(tape, g.shape, g.data)), (heed_axes){ 0 });
        loss = loss ? heed_add(loss, part) : part;
    }
    return loss;
}

void check_clipping(golden_case *c)
{
    heed_params *params = heed_params_new();
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    double max_norm = case_number(c, "max_norm");
    char name[32];
    case_check(c, params && tape);
    for (int i = 0; !c->failed && (snprintf(name, sizeof name, "g%d", i), case_has(c, name)); i++)
        heed_param_make(params, heed_param_name(params, "", name), case_array(c, name).shape, (heed_init){ 0 });
    if (!c->failed && case_check(c, heed_params_init(params, 1))) {
        heed_var *loss = with_gradients(c, tape, params);
        if (case_check(c, c->failed || (loss && heed_backward(loss))))
            case_output_number(c, "total_norm", heed_clip_grad_norm(params, max_norm, 1));
        for (int i = 0; !c->failed && i < heed_params_count(params); i++) {
            snprintf(name, sizeof name, "out%d", i);
            case_output(c, name, heed_param_grad(heed_params_at(params, i)));
        }
    }
    heed_tape_free(tape);
    heed_params_free(params);
}

/* ---- schedules --------------------------------------------------------------------------------------------------- */

/* The reference's cosine goes up again after its end; ours stays. So steps are counted back and forth. */
static int64_t fold(int64_t step, int64_t warmup, int64_t total)
{
    int64_t length = total - warmup;
    if (step <= total || length < 1)
        return step;
    int64_t at = (step - warmup) % (2 * length);
    return warmup + (at <= length ? at : 2 * length - at);
}

void check_schedule(golden_case *c)
{
    const char *kind = case_text(c, "kind");
    bool noam = strcmp(kind, "noam") == 0, warm = strcmp(kind, "warmup_cosine") == 0;
    heed_tensor step = case_array(c, "step");
    heed_tensor value = c->failed ? step : heed_tensor_new(c->arena, step.shape);
    if (!noam && !warm && strcmp(kind, "cosine") != 0)
        case_fail(c, "case.json: config.kind is \"%s\", want noam, cosine or warmup_cosine", kind);
    int64_t warmup = noam || warm ? case_integer(c, "warmup") : 0;
    int64_t d_model = noam ? case_integer(c, "d_model") : 0;
    int64_t total = noam ? 0 : case_integer(c, warm ? "total" : "T_max");
    double factor = noam ? case_number(c, "factor") : 0;
    double base = noam ? 0 : case_number(c, "base_lr"), least = noam ? 0 : case_number(c, "eta_min");
    if (c->failed || !case_check(c, heed_tensor_ok(value)))
        return;
    for (int64_t i = 0, n = heed_tensor_numel(step); i < n; i++) {
        int64_t at = (int64_t)step.data[i];
        value.data[i] = noam ? heed_schedule_noam(at, d_model, warmup, factor)
                             : heed_schedule_cosine(fold(at, warmup, total), base, least, warmup, total);
    }
    case_check(c, !heed_error_pending());
    case_output(c, "value", value);
}
