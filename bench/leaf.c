/* A plain array with a gradient, for timing one operation: it enters a tape without a copy, as a parameter does. */
#include "bench.h"

#include <stdlib.h>

bench_leaf leaf_new(const char *name, heed_shape shape)
{
    bench_leaf l = { .name = name };
    int64_t n = heed_shape_numel(shape);
    heed_real *values = bench_alloc(n, sizeof *values);
    bench_fill_normal(values, n, name);
    l.value = heed_tensor_wrap(values, shape);
    l.grad = bench_alloc(n, sizeof *l.grad);
    return l;
}

void leaf_free(bench_leaf *l)
{
    free(l->value.data);
    free(l->grad);
}

heed_var *leaf_on(heed_tape *tape, bench_leaf *l)
{
    l->empty = true;
    return heed_external_on(
        tape, l,
        (heed_external){
            .name = l->name, .value = l->value, .grad = l->grad, .empty = &l->empty, .version = &l->version });
}
