/* The loss curve as a self-contained SVG: training loss as a line, validation loss as a line with dots, two labelled axes.
 * Colours and text follow the viewer's light or dark scheme. */
#include "log.h"

#include "heed.h"

#include <math.h>

enum { WIDTH = 720, HEIGHT = 400, LEFT = 64, RIGHT = 20, TOP = 40, BOTTOM = 48 };

typedef struct {
    double last_step, low, high;
} frame;

static double x_of(const frame *f, double step)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (f->last_step > 0 ? step / f->last_step : 0);
}

static double y_of(const frame *f, double loss)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (loss - f->low) / (f->high - f->low);
}

/* A step of 1, 2 or 5 times a power of ten that cuts the span in at most `pieces`. */
static double nice_step(double span, int pieces)
{
    double step = pow(10, floor(log10(span / pieces)));
    while (span / step > pieces)
        step *= span / (2 * step) <= pieces ? 2 : span / (5 * step) <= pieces ? 5 : 10;
    return step;
}

static frame frame_of(const log_entry *entries, int64_t count)
{
    frame f = { 1, 0, 1e-6 };
    for (int64_t i = 0; i < count; i++) {
        f.last_step = fmax(f.last_step, (double)entries[i].step);
        if (isfinite(entries[i].loss))
            f.high = fmax(f.high, entries[i].loss);
        if (isfinite(entries[i].valid_loss))
            f.high = fmax(f.high, entries[i].valid_loss);
    }
    f.high *= 1.05;
    return f;
}

static bool write_axes(heed_file *file, const frame *f)
{
    bool fine = true;
    double step = nice_step(f->high - f->low, 6);
    for (double loss = f->low; loss <= f->high; loss += step)
        fine &= heed_file_printf(file,
                                 "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                                 "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                                 LEFT, y_of(f, loss), WIDTH - RIGHT, y_of(f, loss), LEFT - 8, y_of(f, loss) + 4, loss);
    step = nice_step(f->last_step, 8);
    for (double at = 0; at <= f->last_step; at += step)
        fine &= heed_file_printf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", x_of(f, at),
                                 HEIGHT - BOTTOM + 18, at);
    return fine && heed_file_printf(file,
                                    "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">training step</text>\n"
                                    "<text x=\"14\" y=\"%d\" transform=\"rotate(-90 14 %d)\" text-anchor=\"middle\">"
                                    "loss (nats a token)</text>\n",
                                    (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, HEIGHT / 2, HEIGHT / 2);
}

static double loss_of(const log_entry *entry, bool valid)
{
    return valid ? entry->valid_loss : entry->loss;
}

static bool write_line(heed_file *file, const frame *f, const log_entry *entries, int64_t count, bool valid)
{
    bool fine = heed_file_printf(file, "<polyline class=\"%s\" points=\"", valid ? "valid" : "train");
    for (int64_t i = 0; i < count; i++)
        if (isfinite(loss_of(&entries[i], valid)))
            fine &= heed_file_printf(file, "%.1f,%.1f ", x_of(f, (double)entries[i].step),
                                     y_of(f, loss_of(&entries[i], valid)));
    fine &= heed_file_printf(file, "\"/>\n");
    for (int64_t i = 0; valid && i < count; i++)
        if (isfinite(entries[i].valid_loss))
            fine &= heed_file_printf(file, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n",
                                     x_of(f, (double)entries[i].step), y_of(f, entries[i].valid_loss));
    return fine;
}

bool curve_write(const char *path, const log_entry *entries, int64_t count)
{
    frame f = frame_of(entries, count);
    heed_file *file = heed_file_create(path);
    if (!file)
        return false;
    bool fine = heed_file_printf(file,
                                 "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
                                 "font-family=\"sans-serif\" font-size=\"12\">\n<title>Loss during training</title>\n"
                                 "<style>svg{background:#fff}text{fill:#333}.grid{stroke:#ddd}polyline{fill:none;"
                                 "stroke-width:1.5}.train{stroke:#0072b2}.valid{stroke:#d55e00}.dot{fill:#d55e00}"
                                 "@media(prefers-color-scheme:dark){svg{background:#16181d}text{fill:#ccc}"
                                 ".grid{stroke:#333}.train{stroke:#56b4e9}}</style>\n",
                                 WIDTH, HEIGHT) &&
                write_axes(file, &f) && write_line(file, &f, entries, count, false) &&
                write_line(file, &f, entries, count, true) &&
                heed_file_printf(
                    file,
                    "<polyline class=\"train\" points=\"%d,20 %d,20\"/><text x=\"%d\" y=\"24\">training "
                    "(smoothed labels)</text>\n<polyline class=\"valid\" points=\"%d,20 %d,20\"/><circle class=\"dot\" "
                    "cx=\"%d\" cy=\"20\" r=\"2.5\"/><text x=\"%d\" y=\"24\">validation</text>\n</svg>\n",
                    LEFT, LEFT + 24, LEFT + 32, LEFT + 220, LEFT + 244, LEFT + 232, LEFT + 252);
    if (!fine) {
        heed_file_abort(file);
        return false;
    }
    return heed_file_commit(file);
}
