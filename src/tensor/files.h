/* What the readers and writers of files share. Not installed. */
#ifndef HEED_FILES_H
#define HEED_FILES_H

#include "internal.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file formats are little-endian, and heed moves their numbers without turning them round"
#endif

enum {
    FILE_CHUNK = 16384, /* bytes converted at a time, on the stack */
    FILE_LABEL = 160    /* room for a cleaned path or name in a message */
};

/* A file open for reading. `label` is the path as messages show it. */
typedef struct {
    int fd;
    int64_t size;
    char label[FILE_LABEL];
} file_input;

/* Opens a regular file; anything else (folder, pipe, device) is an error that names `what` is being read. Close with
 * file_close, which is harmless after a failed file_open. */
bool file_open(file_input *in, const char *what, const char *path);
void file_close(file_input *in);
/* n bytes at `offset`; a file that has become shorter is an error. */
bool file_read_at(const file_input *in, const char *what, void *to, int64_t n, int64_t offset);

/* Where the element at a row-major position lies, in elements from t.data; works for any strides. */
int64_t file_place(heed_tensor t, int64_t position);
/* Appends all elements of t, row-major. */
bool file_write_tensor(heed_file *file, heed_tensor t);

#endif
