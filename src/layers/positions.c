/* Positions: x plus a code of where each row of it stands. "Attention Is All You Need", 3.5.
 *
 * The sinusoidal code of position p is a constant, sin and cos of p / 10000^(2i/D). Its first rows come from a table
 * made with the layer; those beyond it are computed the same way, so a code never depends on where it came from. */
#include <math.h>

#include "internal.h"

/* code [dim] of position p */
static void sinusoid(heed_real *code, int64_t p, int64_t dim)
{
    for (int64_t i = 0; i < dim; i += 2) {
        double angle = (double)p * pow(10000, -(double)i / (double)dim);
        code[i] = (heed_real)sin(angle);
        if (i + 1 < dim)
            code[i + 1] = (heed_real)cos(angle);
    }
}

static heed_real *sinusoid_table(heed_params *params, int64_t count, int64_t dim)
{
    int64_t bytes;
    if (!size_mul(count, dim, &bytes) || !size_mul(bytes, (int64_t)sizeof(heed_real), &bytes)) {
        heed_fail(HEED_BAD_SHAPE, "positions: a table [%lld, %lld] is too large", (long long)count, (long long)dim);
        return NULL;
    }
    heed_real *table = heed_params_alloc(params, bytes);
    for (int64_t p = 0; table && p < count; p++)
        sinusoid(table + p * dim, p, dim);
    return table;
}

static bool check(const char *name, heed_positions_desc desc)
{
    if (desc.learned && (desc.count < 1 || desc.dim < 1))
        return heed_fail(HEED_BAD_ARGUMENT, "positions \"%s\": count is %lld and dim is %lld; learned ones need both",
                         name, (long long)desc.count, (long long)desc.dim);
    return (desc.count >= 0 && desc.dim >= 0) ||
           heed_fail(HEED_BAD_ARGUMENT, "positions \"%s\": count is %lld and dim is %lld, must not be negative", name,
                     (long long)desc.count, (long long)desc.dim);
}

heed_positions heed_positions_make(heed_params *params, const char *name, heed_positions_desc desc)
{
    heed_positions m = { .count = desc.count, .dim = desc.dim };
    if (!check(name ? name : "", desc)) {
        heed_params_fail(params);
        return (heed_positions){ 0 };
    }
    if (desc.learned) {
        m.weight = heed_param_make(params, heed_param_name(params, name, "weight"), HEED_SHAPE(desc.count, desc.dim),
                                   (heed_init){ .kind = HEED_INIT_NORMAL, .scale = 1 / sqrt((double)desc.dim) });
    } else if (desc.dim > 0) {
        m.count = desc.count ? desc.count : 512;
        m.table = sinusoid_table(params, m.count, m.dim);
        if (!m.table)
            heed_params_fail(params);
    }
    return m;
}

static const heed_op positions_op = { .name = "positions" };

/* The codes of positions first .. first + T - 1 as a constant on x's tape: [T, D]. */
static heed_var *codes(const heed_positions *m, heed_var *x, int64_t first)
{
    int64_t T = x->value.shape.dims[1], D = x->value.shape.dims[2];
    if (m->table && first + T <= m->count) {
        heed_external table = { .name = "positions", .value = heed_tensor_wrap(m->table, HEED_SHAPE(m->count, D)) };
        return heed_slice(heed_external_on(x->tape, m->table, table), 0, first, first + T);
    }
    bool grad = heed_tape_set_grad(x->tape, false);
    heed_node *node = heed_op_begin(&positions_op, &x, 1);
    heed_var *code = heed_op_output(node, HEED_SHAPE(T, D));
    for (int64_t t = 0; code && t < T; t++)
        sinusoid(code->value.data + t * D, first + t, D);
    code = heed_op_end(code ? node : NULL);
    heed_tape_set_grad(x->tape, grad);
    return code;
}

heed_var *heed_positions_forward(const heed_positions *m, heed_var *x, int64_t first)
{
    heed_shape_buffer buffer;
    if (!x || !x->tape) {
        heed_fail(HEED_BAD_ARGUMENT, "positions: x is %s", x ? "stale: its tape was reset or rewound" : "NULL");
        return NULL;
    }
    heed_shape shape = x->value.shape;
    if (shape.rank != 3 || (m->dim && shape.dims[2] != m->dim)) {
        heed_fail(HEED_BAD_SHAPE, "positions: x is %s, must be [B, T, D] with the D of the codes, %lld (0: any)",
                  heed_shape_text(shape, &buffer), (long long)m->dim);
        return NULL;
    }
    if (first < 0) {
        heed_fail(HEED_BAD_ARGUMENT, "positions: the first position is %lld, must be 0 or more", (long long)first);
        return NULL;
    }
    if (!m->weight)
        return heed_add(x, codes(m, x, first));
    if (shape.dims[1] > m->count - first) {
        heed_fail(HEED_BAD_ARGUMENT, "positions \"%s\": there is a code for positions 0 .. %lld, not for %lld .. %lld",
                  m->weight->name, (long long)m->count - 1, (long long)first, (long long)(first + shape.dims[1] - 1));
        return NULL;
    }
    return heed_add(x, heed_slice(heed_param_on(x->tape, m->weight), 0, first, first + shape.dims[1]));
}
