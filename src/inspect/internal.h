/* What the files of the inspect room share. Not installed. */
#ifndef HEED_INSPECT_INTERNAL_H
#define HEED_INSPECT_INTERNAL_H

#include "inspect.h"
#include "../tensor/internal.h"

/* ---- record.c ---------------------------------------------------------------------------------------------------- */
int64_t record_queries(const heed_record *r, int type);
int64_t record_keys(const heed_record *r, int type);
/* The weights of a query; head counts all heads of the type. */
const heed_real *record_row(const heed_record *r, int type, int64_t head, int64_t row);

#endif
