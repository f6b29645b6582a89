/* Dropout (Srivastava et al. 2014): y = x m, m = 0 with probability p, else 1 / (1 - p).
 *
 * The draw for an element is at index (line << 32) + column of its row's generator: row counts axis 0, column is the place
 * along the last axis, line counts the axes between, the first of them fastest. So which elements fall is a function of
 * (seed, site, step, row, line, column) alone, never of how a batch was cut or padded. A block of Philox has the draws of
 * four columns; K_BLOCKS blocks are drawn at once, whichever lines they are of. */
#include "kernels.h"

#include <math.h>

uint32_t k_dropout_limit(double p)
{
    return (uint32_t)(ceil(p * 4294967296.0) - 1); /* kept: bits >= p 2^32 */
}

/* The next block of four columns, going through the tensor in its row-major order. */
typedef struct {
    uint32_t row, line, block, blocks; /* blocks: in a line */
    int axes;                          /* between the first and the last */
    int64_t index[HEED_MAX_RANK], dims[HEED_MAX_RANK];
} cursor;

static int64_t columns_of(heed_shape shape)
{
    return shape.rank > 1 ? shape.dims[shape.rank - 1] : 1;
}

static uint32_t line_number(const cursor *c)
{
    int64_t number = 0;
    for (int axis = c->axes - 1; axis >= 0; axis--)
        number = number * c->dims[axis] + c->index[axis];
    return (uint32_t)number;
}

/* At the beginning of a line; lines are counted through all rows. */
static cursor cursor_at(heed_shape shape, int64_t line)
{
    cursor c = { .blocks = (uint32_t)((columns_of(shape) + 3) / 4), .axes = shape.rank > 2 ? shape.rank - 2 : 0 };
    for (int axis = c.axes - 1; axis >= 0; axis--) {
        c.dims[axis] = shape.dims[axis + 1];
        c.index[axis] = line % c.dims[axis];
        line /= c.dims[axis];
    }
    c.row = (uint32_t)line;
    c.line = line_number(&c);
    return c;
}

static void next_line(cursor *c)
{
    int axis = c->axes - 1;
    for (; axis >= 0 && ++c->index[axis] == c->dims[axis]; axis--)
        c->index[axis] = 0;
    c->row += axis < 0;
    c->line = c->axes == 1 ? (uint32_t)c->index[0] : line_number(c);
}

/* The counters of the next K_BLOCKS blocks. */
static void take(k_counters *at, cursor *c, uint32_t first_row)
{
    if (c->blocks - c->block > K_BLOCKS) { /* all in this line */
        for (uint32_t i = 0; i < K_BLOCKS; i++) {
            at->low[i] = (c->line << 30) | (c->block + i);
            at->high[i] = c->line >> 2;
            at->row[i] = first_row + c->row;
        }
        c->block += K_BLOCKS;
        return;
    }
    for (int i = 0; i < K_BLOCKS; i++) {
        at->low[i] = (c->line << 30) | c->block;
        at->high[i] = c->line >> 2;
        at->row[i] = first_row + c->row;
        if (++c->block == c->blocks) {
            c->block = 0;
            next_line(c);
        }
    }
}

int64_t k_dropout_bytes(heed_shape shape)
{
    return (columns_of(shape) + 3) / 4 * 4;
}

void k_dropout_draw(uint8_t *kept, const k_dropout *d, int64_t first, int64_t lines)
{
    cursor c = cursor_at(d->shape, first);
    const uint32_t limit = k_dropout_limit(d->p);
    uint32_t key[2];
    rng_key(d->rng, key);
    for (int64_t left = lines * c.blocks; left > 0; left -= K_BLOCKS, kept += 4 * K_BLOCKS) {
        k_counters at;
        uint32_t bits[4][K_BLOCKS];
        take(&at, &c, d->rng.row);
        k_random_blocks(bits, &at, d->rng.step, key);
        int64_t count = left < K_BLOCKS ? left : K_BLOCKS;
        for (int64_t i = 0; i < count; i++)
            for (int w = 0; w < 4; w++)
                kept[4 * i + w] = bits[w][i] > limit;
    }
}

/* ---- a whole tensor ---------------------------------------------------------------------------------------------- */

typedef struct {
    heed_real *out, beta;
    const heed_real *in;
    uint8_t *kept;
    bool draw; /* kept is drawn, not given */
    const k_dropout *d;
    int64_t each, lines, columns, bytes;
} pass;

/* Lines from .. to: out = in m + beta out. */
static void multiply(const pass *s, int64_t from, int64_t to)
{
    const heed_real factor = (heed_real)(1 / (1 - s->d->p));
    for (int64_t line = from; line < to; line++) {
        heed_real *out = s->out + line * s->columns;
        const heed_real *in = s->in + line * s->columns;
        const uint8_t *kept = s->kept + line * s->bytes;
        if (s->beta == 0)
            for (int64_t i = 0; i < s->columns; i++)
                out[i] = in[i] * (kept[i] ? factor : 0);
        else
            for (int64_t i = 0; i < s->columns; i++)
                out[i] += in[i] * (kept[i] ? factor : 0);
    }
}

static void lines_of(int64_t part, void *context)
{
    enum { CHUNK = 4096 }; /* elements that are in cache between drawing and multiplying */
    const pass *s = context;
    int64_t from = part * s->each, end = from + s->each < s->lines ? from + s->each : s->lines;
    int64_t step = CHUNK / (s->columns + 1) + 1;
    for (; from < end; from += step) {
        int64_t to = from + step < end ? from + step : end;
        if (s->draw)
            k_dropout_draw(s->kept + from * s->bytes, s->d, from, to - from);
        multiply(s, from, to);
    }
}

static void run(pass s, int threads)
{
    enum { COST = 4 }; /* of an element, in multiplications */
    s.columns = columns_of(s.d->shape);
    s.bytes = k_dropout_bytes(s.d->shape);
    s.lines = s.columns ? heed_shape_numel(s.d->shape) / s.columns : 0;
    k_parallel(threads, k_parts(s.lines, COST * s.columns, &s.each), lines_of, &s);
}

void k_dropout_forward(heed_real *y, uint8_t *kept, const heed_real *x, const k_dropout *d, int threads)
{
    run((pass){ .out = y, .in = x, .kept = kept, .draw = true, .d = d }, threads);
}

void k_dropout_backward(heed_real *dx, heed_real beta, const heed_real *dy, uint8_t *kept, const k_dropout *d,
                        int threads)
{
    run((pass){ .out = dx, .beta = beta, .in = dy, .kept = kept, .d = d }, threads);
}
