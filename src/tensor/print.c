/* Printing: nested brackets as NumPy's, numbers with six digits in aligned columns, the middle of long axes left out.
 *
 *     [[  1,   2,  -3],
 *      [  4, nan, 0.5]]
 */
#include "internal.h"

enum { SHOWN = 6 }; /* a longer axis shows half of them at each end */

static const char number[] = "%.6g";

/* The index to show after i, on an axis of this size. */
static int64_t next_shown(int64_t i, int64_t size)
{
    return size > SHOWN && i == SHOWN / 2 - 1 ? size - SHOWN / 2 : i + 1;
}

/* The width of the longest number that is shown. */
static int width_of(heed_tensor t, int axis)
{
    if (axis == t.shape.rank)
        return snprintf(NULL, 0, number, (double)*t.data);
    int widest = 0;
    for (int64_t i = 0; i < t.shape.dims[axis]; i = next_shown(i, t.shape.dims[axis])) {
        heed_tensor part = t;
        part.data += i * t.strides[axis];
        int width = width_of(part, axis + 1);
        widest = width > widest ? width : widest;
    }
    return widest;
}

/* Between two parts of an axis: a comma; if they are rows a new line and its indent, and an empty line between
 * matrices, two between what holds matrices, and so on. */
static void separate(FILE *file, int axis, int rank)
{
    int lines = rank - 1 - axis;
    fputc(',', file);
    for (int i = 0; i < lines; i++)
        fputc('\n', file);
    fprintf(file, "%*s", lines ? axis + 1 : 1, "");
}

static void print_axis(FILE *file, heed_tensor t, int axis, int width)
{
    int rank = t.shape.rank;
    if (axis == rank) {
        char text[32];
        snprintf(text, sizeof text, number, (double)*t.data);
        fprintf(file, "%*s", width, text);
        return;
    }
    int64_t size = t.shape.dims[axis];
    fputc('[', file);
    for (int64_t i = 0; i < size;) {
        heed_tensor part = t;
        part.data += i * t.strides[axis];
        print_axis(file, part, axis + 1, width);
        int64_t next = next_shown(i, size);
        if (next < size)
            separate(file, axis, rank);
        if (next > i + 1) {
            fputs("...", file);
            separate(file, axis, rank);
        }
        i = next;
    }
    fputc(']', file);
}

void heed_tensor_print(FILE *file, heed_tensor t)
{
    heed_shape_buffer text;
    if (!heed_tensor_ok(t))
        fputs("(a tensor whose making failed)", file);
    else if (heed_tensor_numel(t) <= 0)
        fprintf(file, "[] of shape %s", heed_shape_text(t.shape, &text));
    else
        print_axis(file, t, 0, width_of(t, 0));
    fputc('\n', file);
}
