/* Heat maps in a terminal.
 *
 *     cross.1.0   rows look at columns; 0 [.:-=+*#%@] 1 linear, blank below 0.05
 *
 *              the   small   cat   sleeps
 *        le | ###### ...... :::::: ...... |
 *     petit |        @@@@@@ ......        |
 *      chat | ......        ###### :::::: |
 *      dort |               :::::: %%%%%% |
 *
 * One row a query, one column a key. Every map has the same linear scale, which its first line states: a cell's
 * character says in which of the equal parts of 0..1 its weight is, and so does its colour. What is exactly 0 has no
 * colour. What a causal mask forbids is '/', unless it has a weight after all. A weight that is not in 0..1 is shown as
 * '!', and the first line says so. A map stays within the columns asked for: column labels are shortened to as few as 6, then the columns go in blocks below one
 * another.
 *
 * Labels are foreign text: control characters, invalid UTF-8 and unassigned code points become '?', invisible format
 * characters (direction marks) are dropped, and widths are those of the code points in a terminal. */
#include "inspect.h"

#include <errno.h>
#include <string.h>
#include <utf8proc.h>

#include "../tensor/internal.h"

enum { WIDTH = 100, LEAST_WIDTH = 40, LABEL = 12, NARROW = 6 }; /* in columns; LABEL: the longest, NARROW: cut to */

const char *heed_head_name(heed_attention_type type, int layer, int head, heed_shape_buffer *buffer)
{
    static const char *const types[] = { [HEED_ENC] = "enc", [HEED_DEC] = "dec", [HEED_CROSS] = "cross" };
    const char *name = (unsigned)type < sizeof(types) / sizeof(types[0]) ? types[type] : "?";
    snprintf(buffer->text, sizeof(buffer->text), "%s.%d.%d", name, layer, head);
    return buffer->text;
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

typedef struct {
    char text[96];
    int width; /* in columns */
} label;

/* The next character of a text as it is shown; returns the bytes read. */
static int64_t next_shown(const char *text, label *shown)
{
    utf8proc_int32_t code;
    int64_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &code);
    *shown = (label){ .text = "?", .width = 1 };
    if (n < 1)
        return 1;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CF:
        *shown = (label){ .width = 0 };
        break;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        break;
    default:
        memcpy(shown->text, text, (size_t)n);
        shown->text[n] = 0;
        shown->width = utf8proc_charwidth(code);
    }
    return n;
}

/* The text, or the number if it is NULL, in at most `limit` columns. */
static label make_label(const char *text, int64_t number, int limit, bool unicode)
{
    const label dots = unicode ? (label){ "\u2026", 1 } : (label){ "..", 2 };
    label whole = { .width = 0 }, cut = whole, shown; /* cut: as much as leaves room for the dots */
    char digits[24];
    if (!text) {
        snprintf(digits, sizeof(digits), "%lld", (long long)number);
        text = digits;
    }
    while (*text) {
        text += next_shown(text, &shown);
        size_t room = sizeof(whole.text) - strlen(whole.text) - 1; /* accents have no width, but need bytes */
        if (whole.width + shown.width > limit || strlen(shown.text) > room) {
            strcat(cut.text, dots.text);
            cut.width += dots.width;
            return cut;
        }
        strcat(whole.text, shown.text);
        whole.width += shown.width;
        if (whole.width + dots.width <= limit && strlen(whole.text) + sizeof("\u2026") <= sizeof(whole.text))
            cut = whole;
    }
    return whole;
}

static int longest_label(const char *const *labels, int64_t n, bool unicode)
{
    int longest = 1;
    for (int64_t i = 0; i < n; i++) {
        int width = make_label(labels ? labels[i] : NULL, i, LABEL, unicode).width;
        longest = width > longest ? width : longest;
    }
    return longest;
}

static void put_blanks(FILE *file, int n)
{
    fprintf(file, "%*s", n, "");
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

enum { ALARM = 160, BLANK = 234, PARTS = 9, UNICODE_PARTS = 5 };
static const char *const ascii_shades[PARTS] = { ".", ":", "-", "=", "+", "*", "#", "%", "@" };
static const char *const unicode_shades[UNICODE_PARTS] = { "\u00B7", "\u2591", "\u2592", "\u2593", "\u2588" };
/* From dark to pale blue, brighter at every step; BLANK is darker still, so a map looks the same on any background. */
static const int colours[PARTS] = { 18, 20, 25, 32, 38, 75, 81, 153, 195 };

/* Softmax may round to just above 1. */
static bool is_weight(double weight)
{
    return weight >= -1e-5 && weight <= 1 + 1e-5;
}

/* Which of n equal parts of 0..1 it is in; -1: too small to show. */
static int part_of(double weight, int n)
{
    int part = (int)(weight * n);
    return weight < 0.05 ? -1 : part < n ? part : n - 1;
}

static const char *shade_of(double weight, bool unicode, bool digits)
{
    static const char *const tenths[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
    if (!is_weight(weight))
        return "!";
    if (digits)
        return tenths[weight < 0.1 ? 0 : part_of(weight, 10)];
    int part = part_of(weight, unicode ? UNICODE_PARTS : PARTS);
    if (part < 0)
        return " ";
    return unicode ? unicode_shades[part] : ascii_shades[part];
}

/* A shade `width` times, or a digit, and `gap` blanks. Shade and ground have one colour: on a terminal a cell is a plain
 * field, and as text it is still a shade. */
static void put_cell(FILE *file, double weight, int width, int gap, heed_heatmap_desc desc)
{
    enum { WHITE = 231, DARK = 16 };
    bool painted = desc.color && weight != 0;
    int part = is_weight(weight) ? part_of(weight, PARTS) : 0, colour = part < 0 ? BLANK : colours[part];
    if (painted && is_weight(weight))
        fprintf(file, "\x1B[48;5;%d;38;5;%dm", colour, !desc.digits ? colour : part > PARTS / 2 ? DARK : WHITE);
    else if (painted)
        fprintf(file, "\x1B[48;5;%d;38;5;%dm", ALARM, WHITE);
    if (desc.digits)
        put_blanks(file, width / 2);
    for (int i = desc.digits ? width - 1 : 0; i < width; i++)
        fputs(shade_of(weight, desc.unicode, desc.digits), file);
    if (desc.digits)
        put_blanks(file, width - width / 2 - 1);
    put_blanks(file, gap);
    if (painted)
        fputs("\x1B[0m", file);
}

static void put_masked(FILE *file, int width)
{
    for (int i = 0; i < width; i++)
        fputs("/", file);
    put_blanks(file, 1);
}

static void put_heading(FILE *file, heed_heatmap_desc desc, bool alarm)
{
    char title[128];
    int parts = desc.unicode && !desc.color ? UNICODE_PARTS : PARTS;
    if (desc.title)
        fprintf(file, "%s   ", text_clean(title, sizeof(title), desc.title));
    fputs("rows look at columns; ", file);
    if (desc.digits)
        fputs("in tenths", file);
    else
        fputs("0 [", file);
    for (int i = 0; i < parts && !desc.digits; i++)
        put_cell(file, (i + 0.5) / parts, 1, 0, desc);
    fprintf(file, "%s%s%s\n", desc.digits ? "" : "] 1 linear, blank below 0.05", desc.causal ? "; / is masked" : "",
            alarm ? "; ! is not in 0..1" : "");
}

/* ---- the map ----------------------------------------------------------------------------------------------------- */

/* Where everything goes, in columns. */
typedef struct {
    heed_tensor weights;
    heed_heatmap_desc desc;
    int64_t rows, cols, block; /* block: columns of the map beside one another */
    int left, cell;            /* width of row labels and of cells; a blank or border behind each */
} layout;

static layout make_layout(heed_tensor weights, heed_heatmap_desc desc)
{
    layout l = { .weights = weights, .desc = desc, .rows = weights.shape.dims[0], .cols = weights.shape.dims[1] };
    l.left = longest_label(desc.rows, l.rows, desc.unicode);
    int longest = longest_label(desc.cols, l.cols, desc.unicode), width = desc.width ? desc.width : WIDTH;
    int room = (width > LEAST_WIDTH ? width : LEAST_WIDTH) - l.left - 4; /* " | " and "|" */
    int least = longest < NARROW ? longest : NARROW;
    l.cell = longest > 3 ? longest : 3;
    if (l.cols > 0 && l.cols * (l.cell + 1) > room) {
        int64_t fit = room / l.cols - 1;
        l.cell = fit > least ? (int)fit : least;
    }
    int64_t fit = room / (l.cell + 1), blocks = (l.cols + fit - 1) / fit;
    l.block = blocks > 0 ? (l.cols + blocks - 1) / blocks : 1; /* blocks of equal size */
    return l;
}

static double weight_at(const layout *l, int64_t row, int64_t col)
{
    return (double)l->weights.data[row * l->weights.strides[0] + col * l->weights.strides[1]];
}

static bool any_alarm(const layout *l)
{
    for (int64_t i = 0; i < l->rows; i++)
        for (int64_t j = 0; j < l->cols; j++)
            if (!is_weight(weight_at(l, i, j)))
                return true;
    return false;
}

/* Columns [from, to) of all rows, below their labels. */
static void put_block(FILE *file, const layout *l, int64_t from, int64_t to)
{
    const char *border = l->desc.unicode ? "\u2502" : "|";
    put_blanks(file, l->left + 3);
    for (int64_t j = from; j < to; j++) {
        label name = make_label(l->desc.cols ? l->desc.cols[j] : NULL, j, l->cell, l->desc.unicode);
        int before = (l->cell - name.width) / 2;
        put_blanks(file, before);
        fputs(name.text, file);
        if (j + 1 < to)
            put_blanks(file, l->cell - before - name.width + 1);
    }
    fputs("\n", file);
    for (int64_t i = 0; i < l->rows; i++) {
        label name = make_label(l->desc.rows ? l->desc.rows[i] : NULL, i, LABEL, l->desc.unicode);
        put_blanks(file, l->left - name.width);
        fprintf(file, "%s %s ", name.text, border);
        for (int64_t j = from; j < to; j++)
            if (l->desc.causal && j > i && weight_at(l, i, j) == 0)
                put_masked(file, l->cell);
            else
                put_cell(file, weight_at(l, i, j), l->cell, 1, l->desc);
        fprintf(file, "%s\n", border);
    }
}

bool heed_heatmap_ascii(FILE *file, heed_tensor weights, heed_heatmap_desc desc)
{
    heed_shape_buffer shape;
    if (!file)
        return heed_fail(HEED_BAD_ARGUMENT, "heatmap: file is NULL");
    if (!heed_tensor_ok(weights))
        return heed_fail(HEED_BAD_ARGUMENT, "heatmap: weights failed");
    if (weights.shape.rank != 2)
        return heed_fail(HEED_BAD_SHAPE, "heatmap: weights %s; want [queries, keys] of one head",
                         heed_shape_text(weights.shape, &shape));
    layout l = make_layout(weights, desc);
    errno = 0;
    put_heading(file, desc, any_alarm(&l));
    for (int64_t from = 0; from < l.cols; from += l.block) {
        fputs("\n", file);
        put_block(file, &l, from, from + l.block < l.cols ? from + l.block : l.cols);
    }
    if (fflush(file) != 0 || ferror(file))
        return heed_fail(HEED_IO, "heatmap: cannot write: %s", errno ? strerror(errno) : "an earlier write failed");
    return true;
}
