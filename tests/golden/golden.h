/* golden: compares heed with reference numbers. main.c says how it is used, case.c what a case is.
 *
 * Everything is sticky: after the first failure of a case the calls below do nothing and return 0, NULL or a tensor
 * that is not ok, and the case's line says what failed. So a check reads as a straight list of steps. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "heed.h"

#include <jansson.h>

_Static_assert(sizeof(heed_real) == 8, "golden needs the double library: compile with -DHEED_DOUBLE");

typedef struct {
    char name[128];
    double error;
} golden_gradient;

typedef struct {
    char folder[4096];
    json_t *document, *config, *files;
    heed_arena *arena; /* arrays read from files live here */
    double outputs;    /* the largest relative error of an output */
    golden_gradient *gradients;
    int n_gradients;
    bool failed;
    char why[600];
} golden_case;

/* ---- case.c ------------------------------------------------------------------------------------------------------ */
void case_open(golden_case *c, const char *folder);
void case_close(golden_case *c);
void case_fail(golden_case *c, const char *format, ...) HEED_PRINTF(2, 3);
/* Fails with heed's error unless `ok`; returns whether the case has not failed. */
bool case_check(golden_case *c, bool ok);

/* config.KEY, which has to be there. */
int64_t case_integer(golden_case *c, const char *key);
double case_number(golden_case *c, const char *key);
bool case_flag(golden_case *c, const char *key);
const char *case_text(golden_case *c, const char *key);   /* "" after a failure */
bool case_is_null(const golden_case *c, const char *key); /* null, or not there */

/* NAME.npy. */
bool case_has(const golden_case *c, const char *name);
bool case_is_bool(const golden_case *c, const char *name);
heed_tensor case_array(golden_case *c, const char *name);
heed_ids *case_ids(golden_case *c, heed_tape *tape, const char *name); /* of whole numbers */
heed_var *case_leaf(golden_case *c, heed_tape *tape, const char *name);
heed_var *case_tokens(golden_case *c, heed_tape *tape, const char *name, int64_t B, int64_t T); /* a leaf [B, T, any] */

/* Compares with NAME.npy. The worse of several comparisons of one name counts. */
void case_output(golden_case *c, const char *name, heed_tensor got);
void case_output_number(golden_case *c, const char *name, double got);
void case_gradient(golden_case *c, const char *shown, const char *name, heed_tensor got);
/* Output and gradients of loss = sum(output * grad_output): output.npy, loss.npy if there, and grad_X for each leaf. */
void case_backward(golden_case *c, heed_var *output);
void case_leaf_gradient(golden_case *c, const char *name, const heed_var *leaf); /* grad_NAME.npy; leaf NULL: none */

/* Makes the parameters ready, with values from files, and compares their gradients with files; `state` and `grad` go in
 * front of each name. */
void case_params(golden_case *c, heed_params *params, const char *state);
void case_param_gradients(golden_case *c, heed_params *params, const char *grad);

/* ---- masks.c ----------------------------------------------------------------------------------------------------- */
typedef struct {
    int64_t B, H, Tq, Tk;
} golden_sizes;
/* The masks in ATTENTION.npy and PADDING.npy, each if there. typed: as causal and key_lengths if that is what they
 * hold; otherwise as a matrix of allowed pairs. */
heed_mask case_mask(golden_case *c, heed_tape *tape, const char *attention, const char *padding, golden_sizes sizes,
                    bool typed);

/* ---- what is compared -------------------------------------------------------------------------------------------- */
void check_attention(golden_case *c);   /* attention.c */
void check_transformer(golden_case *c); /* transformer.c */
void check_op(golden_case *c);          /* ops.c */
void check_optimizer(golden_case *c);   /* training.c: adam, adamw */
void check_clipping(golden_case *c);
void check_schedule(golden_case *c);

#endif
