/* Pictures: all heads of a type for one sentence, a row a layer. Equal neighbours in a row are one rectangle; what a mask
 * forbids is hatched; words are text, and a rectangle's title says its numbers. */
#include "internal.h"

#include <string.h>
#include <utf8proc.h>

enum { CELL = 14, LABEL = 84, TOP_LABEL = 64, GAP = 18, LEVELS = 16, LETTERS = 12 };

/* The ramp of the light page between its six stops, white at 0. */
static void colour_of(int level, char *out, size_t room)
{
    static const uint8_t stops[][3] = { { 0xff, 0xff, 0xff }, { 0x98, 0xd2, 0xfe }, { 0x5b, 0xa3, 0xe2 },
                                        { 0x37, 0x74, 0xb7 }, { 0x27, 0x48, 0x7c }, { 0x19, 0x23, 0x3a } };
    int at = level * 5 / (LEVELS - 1), part = level * 5 - at * (LEVELS - 1), c[3];
    for (int k = 0; k < 3; k++)
        c[k] = stops[at][k] + (at < 5 ? (stops[at + 1][k] - stops[at][k]) * part / (LEVELS - 1) : 0);
    snprintf(out, room, "#%02x%02x%02x", c[0], c[1], c[2]);
}

/* A word as XML text: escaped, what is no UTF-8 or no XML character as '?', cut after LETTERS. */
static bool put_word(heed_file *file, const char *word)
{
    bool done = true;
    int letters = 0;
    for (const char *at = word; done && *at; letters++) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &code);
        if (letters == LETTERS)
            return heed_file_printf(file, "\u2026");
        bool plain = n > 0 && code >= 32 && code != 0x7F && (code & 0xFFFE) != 0xFFFE;
        if (n == 1 && strchr("<>&\"'", *at))
            done = heed_file_printf(file, "&#%d;", *at);
        else
            done = plain ? heed_file_write(file, at, n) : heed_file_printf(file, "?");
        at += n > 0 ? n : 1;
    }
    return done;
}

static int level_of(heed_real weight)
{
    int level = (int)((double)weight * LEVELS);
    return level < 0 ? 0 : level < LEVELS ? level : LEVELS - 1;
}

static bool put_row(heed_file *file, const field *f, const heed_real *row, int64_t i, int y)
{
    bool done = true;
    char colour[16];
    int64_t valid = field_valid(f, i);
    for (int64_t j = 0; done && j < valid;) {
        int64_t from = j, level = level_of(row[j]);
        while (j < valid && level_of(row[j]) == level)
            j++;
        colour_of((int)level, colour, sizeof colour);
        if (level == 0)
            continue; /* paper */
        done =
            heed_file_printf(file, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"><title>%d.%02d",
                             (int)from * CELL, y, (int)(j - from) * CELL, CELL, colour,
                             (int)((double)row[from] * 100 + 0.5) / 100, (int)((double)row[from] * 100 + 0.5) % 100) &&
            heed_file_printf(file, " ") && put_word(file, f->query->words[i]) && heed_file_printf(file, " &#8594; ") &&
            put_word(file, f->key->words[from]) && heed_file_printf(file, "</title></rect>\n");
    }
    if (done && valid < f->key->count)
        done = heed_file_printf(file, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"url(#no)\"/>\n",
                                (int)valid * CELL, y, (int)(f->key->count - valid) * CELL, CELL);
    return done;
}

/* A decoder's row says what it reads and what it predicts. */
static bool put_labels(heed_file *file, const field *f)
{
    bool done = true;
    for (int64_t i = 0; done && i < f->query->count; i++) {
        done = heed_file_printf(file, "<text x=\"-4\" y=\"%d\" text-anchor=\"end\">", (int)i * CELL + CELL - 3) &&
               put_word(file, f->query->words[i]);
        if (done && f->type != HEED_ENC)
            done = heed_file_printf(file, "&#8250;") &&
                   put_word(file, i + 1 < f->query->count ? f->query->words[i + 1] : "<eos>");
        done = done && heed_file_printf(file, "</text>\n");
    }
    for (int64_t j = 0; done && j < f->key->count; j++)
        done = heed_file_printf(file, "<text transform=\"translate(%d -4) rotate(-45)\">", (int)j * CELL + CELL / 2) &&
               put_word(file, f->key->words[j]) && heed_file_printf(file, "</text>\n");
    return done;
}

static bool put_head(const heed_inspection *x, heed_file *file, const field *f, int64_t sentence, int64_t head)
{
    int left = LABEL * (f->type == HEED_ENC ? 1 : 2), width = left + (int)f->key->count * CELL + GAP;
    int height = TOP_LABEL + (int)f->query->count * CELL + GAP, per = (int)(x->heads[f->type] / x->layers[f->type]);
    heed_shape_buffer name;
    heed_head_name((heed_attention_type)f->type, (int)head / per, (int)head % per, &name);
    bool done = heed_file_printf(file,
                                 "<g transform=\"translate(%d %d)\"><text x=\"-4\" y=\"-%d\" text-anchor=\"end\" "
                                 "font-weight=\"bold\">%s</text>\n",
                                 left + (int)head % per * width, TOP_LABEL + (int)head / per * height, 6, name.text) &&
                put_labels(file, f);
    for (int64_t i = 0; done && i < f->query->count; i++)
        done = put_row(file, f, record_row(&x->shown[sentence], f->type, head, i), i, (int)i * CELL);
    return done && heed_file_printf(file, "<rect width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#888\"/></g>\n",
                                    (int)f->key->count * CELL, (int)f->query->count * CELL);
}

bool svg_write(const heed_inspection *x, const char *path, int64_t sentence, int type)
{
    field f = field_of(&x->desc.shown[sentence], type);
    int64_t heads = x->heads[type], per = heads / x->layers[type];
    int64_t width = per * (LABEL * (type == HEED_ENC ? 1 : 2) + f.key->count * CELL + GAP);
    int64_t height = x->layers[type] * (TOP_LABEL + f.query->count * CELL + GAP);
    heed_file *file = heed_file_create(path);
    bool done = file && heed_file_printf(file,
                                         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%lld\" height=\"%lld\" "
                                         "font-family=\"sans-serif\" font-size=\"10\">\n"
                                         "<pattern id=\"no\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
                                         "<path d=\"M0 4L4 0\" stroke=\"#bbb\"/></pattern>\n"
                                         "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                                         (long long)width, (long long)height);
    for (int64_t head = 0; done && head < heads; head++)
        done = put_head(x, file, &f, sentence, head);
    if (done && heed_file_printf(file, "</svg>\n"))
        return heed_file_commit(file);
    heed_file_abort(file);
    return false;
}
