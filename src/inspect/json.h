/* Making inspect.json: what json.c and results.c share. Not installed. */
#ifndef HEED_INSPECT_JSON_H
#define HEED_INSPECT_JSON_H

#include "internal.h"

#include <jansson.h>

json_t *json_of(double x);              /* null if not finite */
json_t *json_text_of(const char *from); /* U+FFFD for every byte that is no UTF-8; NULL: null */
json_t *json_list(const double *x, int64_t n);
json_t *json_head(const heed_inspection *x, int64_t i); /* its name; -1: null */
/* One that failed is NULL. */
void json_push(json_t **list, json_t *value);
void json_set(json_t **object, const char *key, json_t *value);

json_t *roles_json(const heed_inspection *x);
json_t *alignment_json(const heed_inspection *x);
json_t *ablation_json(const heed_inspection *x);
json_t *pairs_json(const heed_inspection *x);
json_t *agreement_json(const heed_inspection *x);
json_t *carriers_json(const heed_inspection *x);
json_t *patching_json(const heed_inspection *x);
json_t *similarity_json(const heed_inspection *x);
json_t *examples_json(const heed_inspection *x);
json_t *faithfulness_json(const heed_inspection *x);
json_t *column_key_json(const heed_inspection *x, const column *c); /* id, variant, ..., offset */
json_t *snapshots_json(const heed_inspection *x);
json_t *seeds_json(const heed_inspection *x);
json_t *health_json(const heed_inspection *x);

#endif
