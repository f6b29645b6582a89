/* What safetensors.c (opening, checking) and safetensors_data.c (values, saving) share. Not installed. */
#ifndef HEED_SAFETENSORS_H
#define HEED_SAFETENSORS_H

#include "files.h"

#include <jansson.h>

enum {
    SAFETENSORS_LENGTH_BYTES = 8,      /* the header's length, in front of it */
    SAFETENSORS_HEADER_MAX = 16 << 20, /* of the JSON header */
    SAFETENSORS_ALIGNMENT = 8          /* of where the values start, in files we write */
};
#define SAFETENSORS_METADATA "__metadata__"

typedef struct {
    heed_stored stored;
    int64_t begin; /* in the file */
} safetensors_entry;

struct heed_reader {
    file_input file;
    safetensors_entry *entries; /* in the order of their bytes */
    int count;
    char *names;      /* what entries' names point into */
    json_t *metadata; /* object of strings, or NULL */
};

int64_t safetensors_element_bytes(heed_dtype type);

#endif
