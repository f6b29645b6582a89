/* A case: a folder with case.json (`config`: sizes and settings; `files`: every array with its type) and the arrays as
 * .npy files. Errors are relative to the largest absolute value of the reference array. */
#include "golden.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A gradient whose largest value is under this is a true zero with rounding on it: compared with 1 instead. */
static const double noise = 1e-13;

void case_fail(golden_case *c, const char *format, ...)
{
    if (c->failed)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
    c->failed = true;
}

bool case_check(golden_case *c, bool ok)
{
    if (!ok)
        case_fail(c, "%s", heed_error_pending() ? heed_error() : "failed without an error");
    return !c->failed;
}

void case_open(golden_case *c, const char *folder)
{
    memset(c, 0, sizeof *c);
    char path[4200];
    snprintf(c->folder, sizeof c->folder, "%s", folder);
    snprintf(path, sizeof path, "%s/case.json", folder);
    c->arena = heed_arena_new();
    case_check(c, c->arena != NULL);
    json_error_t error;
    c->document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    c->config = json_object_get(c->document, "config");
    c->files = json_object_get(c->document, "files");
    if (!c->document)
        case_fail(c, "case.json, line %d: %s", error.line, error.text);
    else if (!json_is_object(c->config) || !json_is_object(c->files))
        case_fail(c, "case.json has no objects `config` and `files`");
    c->gradients = calloc(json_object_size(c->files) + 1, sizeof *c->gradients);
    if (!c->gradients)
        case_fail(c, "out of memory");
}

void case_close(golden_case *c)
{
    free(c->gradients);
    heed_arena_free(c->arena);
    json_decref(c->document);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static const json_t *setting(golden_case *c, const char *key, bool (*is)(const json_t *), const char *what)
{
    const json_t *value = json_object_get(c->config, key);
    if (value && is(value))
        return value;
    case_fail(c, "case.json: config.%s is %s %s", key, value ? "not" : "missing; it has to be", what);
    return NULL;
}

static bool is_integer(const json_t *v)
{
    return json_is_integer(v);
}

static bool is_number(const json_t *v)
{
    return json_is_number(v);
}

static bool is_flag(const json_t *v)
{
    return json_is_boolean(v);
}

static bool is_text(const json_t *v)
{
    return json_is_string(v);
}

int64_t case_integer(golden_case *c, const char *key)
{
    int64_t value = json_integer_value(setting(c, key, is_integer, "an integer"));
    if (value >= -INT32_MAX && value <= INT32_MAX)
        return value;
    case_fail(c, "case.json: config.%s is %lld, out of range", key, (long long)value);
    return 0;
}

double case_number(golden_case *c, const char *key)
{
    return json_number_value(setting(c, key, is_number, "a number"));
}

bool case_flag(golden_case *c, const char *key)
{
    return json_is_true(setting(c, key, is_flag, "true or false"));
}

const char *case_text(golden_case *c, const char *key)
{
    const json_t *value = setting(c, key, is_text, "a string");
    return value ? json_string_value(value) : "";
}

bool case_is_null(const golden_case *c, const char *key)
{
    const json_t *value = json_object_get(c->config, key);
    return !value || json_is_null(value);
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static const json_t *file_entry(const golden_case *c, const char *name)
{
    char key[256];
    snprintf(key, sizeof key, "%s.npy", name);
    return json_object_get(c->files, key);
}

bool case_has(const golden_case *c, const char *name)
{
    return file_entry(c, name) != NULL;
}

bool case_is_bool(const golden_case *c, const char *name)
{
    const char *type = json_string_value(json_object_get(file_entry(c, name), "dtype"));
    return type && strcmp(type, "|b1") == 0;
}

heed_tensor case_array(golden_case *c, const char *name)
{
    heed_tensor t = { .data = NULL };
    if (!c->failed && !case_has(c, name))
        case_fail(c, "case.json: no %s.npy among the files", name);
    if (c->failed)
        return t;
    char path[4400];
    snprintf(path, sizeof path, "%s/%s.npy", c->folder, name);
    t = heed_npy_load(c->arena, path);
    case_check(c, heed_tensor_ok(t));
    return t;
}

heed_ids *case_ids(golden_case *c, heed_tape *tape, const char *name)
{
    heed_tensor t = case_array(c, name);
    int64_t n = heed_tensor_ok(t) ? heed_tensor_numel(t) : 0;
    int32_t *values = c->failed ? NULL : heed_arena_alloc(c->arena, n * (int64_t)sizeof *values);
    if (!case_check(c, values != NULL))
        return NULL;
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs(t.data[i]) <= INT32_MAX))
            case_fail(c, "%s.npy: %g does not fit in 32 bits", name, t.data[i]);
        values[i] = c->failed ? 0 : (int32_t)t.data[i];
    }
    heed_ids *ids = c->failed ? NULL : heed_input_ids(tape, t.shape, values);
    case_check(c, ids != NULL);
    return ids;
}

heed_var *case_leaf(golden_case *c, heed_tape *tape, const char *name)
{
    heed_tensor t = case_array(c, name);
    heed_var *v = c->failed ? NULL : heed_leaf(tape, t.shape, t.data);
    case_check(c, v != NULL);
    return v;
}

heed_var *case_tokens(golden_case *c, heed_tape *tape, const char *name, int64_t B, int64_t T)
{
    heed_var *v = case_leaf(c, tape, name);
    heed_shape_buffer text;
    heed_shape s = c->failed ? heed_shape_scalar() : v->value.shape;
    if (!c->failed && (s.rank != 3 || s.dims[0] != B || s.dims[1] != T))
        case_fail(c, "%s.npy is %s, and by case.json [%lld, %lld, ...]", name, heed_shape_text(s, &text), (long long)B,
                  (long long)T);
    return c->failed ? NULL : v;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* A scalar is [] or [1]. */
static bool same_shape(heed_shape a, heed_shape b)
{
    return heed_shape_equal(a, b) || (heed_shape_numel(a) == 1 && heed_shape_numel(b) == 1 && a.rank + b.rank == 1);
}

/* The largest |got - want|, over the largest |want|. An infinity has to be met exactly; a NaN is never right. */
static double compare(golden_case *c, const char *name, heed_tensor got, double zero)
{
    heed_tensor want = case_array(c, name);
    case_check(c, c->failed || heed_tensor_ok(got));
    if (c->failed)
        return INFINITY;
    if (!same_shape(got.shape, want.shape)) {
        heed_shape_buffer a, b;
        case_fail(c, "%s is %s, and %s in the file", name, heed_shape_text(got.shape, &a),
                  heed_shape_text(want.shape, &b));
        return INFINITY;
    }
    got = heed_tensor_contiguous_copy(c->arena, got);
    if (!case_check(c, heed_tensor_ok(got)))
        return INFINITY;
    double largest = 0, worst = 0;
    for (int64_t i = 0, n = heed_tensor_numel(want); i < n; i++) {
        double off = isinf(want.data[i]) && got.data[i] == want.data[i] ? 0 : fabs(got.data[i] - want.data[i]);
        worst = isnan(off) ? INFINITY : fmax(worst, off);
        if (isfinite(want.data[i]))
            largest = fmax(largest, fabs(want.data[i]));
        if (isinf(worst))
            return worst;
    }
    return worst / (largest > zero ? largest : 1);
}

void case_output(golden_case *c, const char *name, heed_tensor got)
{
    double error = compare(c, name, got, 0);
    c->outputs = fmax(c->outputs, error);
}

void case_output_number(golden_case *c, const char *name, double got)
{
    heed_real value = got;
    case_output(c, name, heed_tensor_wrap(&value, HEED_SHAPE(1)));
}

void case_gradient(golden_case *c, const char *shown, const char *name, heed_tensor got)
{
    double error = compare(c, name, got, noise);
    if (c->failed)
        return;
    int i = 0;
    while (i < c->n_gradients && strcmp(c->gradients[i].name, shown) != 0)
        i++;
    if (i == c->n_gradients) /* each has a file of its own, so there is room */
        snprintf(c->gradients[c->n_gradients++].name, sizeof c->gradients[i].name, "%s", shown);
    c->gradients[i].error = fmax(c->gradients[i].error, error);
}

void case_backward(golden_case *c, heed_var *output)
{
    if (!case_check(c, c->failed || output != NULL))
        return;
    heed_tensor out = heed_value(output), upstream = case_array(c, "grad_output");
    case_output(c, "output", out);
    if (c->failed)
        return;
    if (!heed_shape_equal(out.shape, upstream.shape))
        case_fail(c, "grad_output.npy has not the output's shape");
    else
        case_check(c, heed_backward_from(output, upstream.data));
    out = c->failed ? out : heed_tensor_contiguous_copy(c->arena, out);
    if (c->failed || !case_check(c, heed_tensor_ok(out)) || !case_has(c, "loss"))
        return;
    double loss = 0;
    for (int64_t i = 0, n = heed_tensor_numel(out); i < n; i++)
        loss += out.data[i] * upstream.data[i];
    case_output_number(c, "loss", loss);
}

void case_leaf_gradient(golden_case *c, const char *name, const heed_var *leaf)
{
    char file[128];
    snprintf(file, sizeof file, "grad_%s", name);
    if (!c->failed && leaf)
        case_gradient(c, name, file, heed_grad(leaf));
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* Where a parameter is stored. Attention alone keeps its output projection as out_proj_weight. */
static const char *param_file(char file[256], const char *front, const char *param)
{
    static const char projection[] = "out_proj.";
    bool alone = strncmp(param, projection, sizeof projection - 1) == 0;
    snprintf(file, 256, "%s%s", front, param);
    if (alone)
        *strrchr(file, '.') = '_';
    return file;
}

/* How many arrays are stored below `front`, a folder. */
static int stored_below(const golden_case *c, const char *front)
{
    int count = 0;
    for (void *i = json_object_iter(c->files); i; i = json_object_iter_next(c->files, i))
        count += strncmp(json_object_iter_key(i), front, strlen(front)) == 0;
    return count;
}

void case_params(golden_case *c, heed_params *params, const char *state)
{
    char file[256];
    int count = heed_params_count(params);
    if (!c->failed && count == 0) /* a layer could not be made: this says why */
        case_check(c, heed_params_init(params, 1));
    for (int i = 0; !c->failed && i < count; i++) { /* before memory is taken for what case.json says */
        heed_param *p = heed_params_at(params, i);
        heed_shape_buffer a, b;
        heed_shape stored = case_array(c, param_file(file, state, p->name)).shape;
        if (!c->failed && !heed_shape_equal(stored, p->shape))
            case_fail(c, "%s is %s, and %s in the file", p->name, heed_shape_text(p->shape, &a),
                      heed_shape_text(stored, &b));
    }
    if (state[0] && stored_below(c, state) != count)
        case_fail(c, "%d parameters in %s, and %d in heed", stored_below(c, state), state, count);
    case_check(c, c->failed || heed_params_init(params, 1));
    for (int i = 0; !c->failed && i < count; i++) {
        heed_param *p = heed_params_at(params, i);
        case_check(c, heed_tensor_copy(heed_param_value(p), case_array(c, param_file(file, state, p->name))));
    }
    heed_params_changed(params);
}

void case_param_gradients(golden_case *c, heed_params *params, const char *grad)
{
    for (int i = 0; !c->failed && i < heed_params_count(params); i++) {
        char file[256];
        heed_param *p = heed_params_at(params, i);
        case_gradient(c, p->name, param_file(file, grad, p->name), heed_param_grad(p));
    }
}
