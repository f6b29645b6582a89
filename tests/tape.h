/* A tape for each test, a leaf of three numbers, gradients that count 1, 2, 3, ..., and a parameter. */
#ifndef TAPE_H
#define TAPE_H

#include "check.h"

static heed_tape *tape;

static inline int open_tape(void **state)
{
    (void)state;
    tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    return tape ? 0 : -1;
}

static inline int close_tape(void **state)
{
    (void)state;
    heed_tape_free(tape);
    heed_error_clear();
    return 0;
}

static inline heed_var *leaf3(heed_real a, heed_real b, heed_real c)
{
    return heed_leaf(tape, HEED_SHAPE(3), (const heed_real[]){ a, b, c });
}

/* Backward from v with the gradient 1, 2, 3, ... */
static inline bool backward_counting(heed_var *v)
{
    heed_real g[64];
    for (int i = 0; i < 64; i++)
        g[i] = (heed_real)(i + 1);
    return heed_backward_from(v, g);
}

static inline double grad_at(const heed_var *v, const int64_t *index)
{
    heed_tensor g = heed_grad(v);
    assert_true(heed_tensor_ok(g));
    return (double)*heed_tensor_at(g, index);
}
#define GRAD(v, ...) grad_at((v), (const int64_t[]){ __VA_ARGS__ })

/* What a parameter is made of. */
typedef struct {
    heed_real value[3], grad[3];
    bool empty;
    uint64_t version, backwards;
} owner;

static inline heed_var *owner_on(owner *o)
{
    return heed_external_on(tape, o,
                            (heed_external){ .name = "w",
                                             .value = heed_tensor_wrap(o->value, HEED_SHAPE(3)),
                                             .grad = o->grad,
                                             .empty = &o->empty,
                                             .version = &o->version,
                                             .backwards = &o->backwards });
}

static inline bool failing_backward(heed_node *node)
{
    (void)node;
    return heed_fail(HEED_UNSUPPORTED, "planted");
}

#define WITH_TAPE(name) cmocka_unit_test_setup_teardown(name, open_tape, close_tape)

#endif
