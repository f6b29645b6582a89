/* Encoded pairs, and batches of near-equal length.
 *
 * An epoch: shuffle all rows; cut that order into windows of about a hundred batches; sort each window by length, in
 * turn falling and rising, so that neighbours are alike where windows meet; cut the rows into batches, each with as
 * many rows as the limits allow; shuffle the batches. The windows keep the company that a sentence gets changing from
 * epoch to epoch, the sort keeps padding small: by target, then source, 3 to 7 % of two corpora of English and French
 * (5 to 9 % by the sum of both). Equals stay in the order of the shuffle, so an epoch's batches are a function of
 * (data, limits, seed, epoch) alone.
 *
 * In order: rows as added are cut as they come. Either way a batch's rows are given longest first.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

/* ---- the data set ------------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t at; /* of the source's first id in ids; the target's follow the source's */
    int32_t src_length, tgt_length;
} stored;

struct heed_dataset {
    int32_t *ids;
    stored *examples;
    int64_t n_ids, ids_room, count, room;
};

heed_dataset *heed_dataset_new(void)
{
    return memory_get_zeroed(sizeof(heed_dataset));
}

void heed_dataset_free(heed_dataset *data)
{
    if (!data)
        return;
    memory_put(data->ids);
    memory_put(data->examples);
    memory_put(data);
}

static bool check_side(const char *side, const int32_t *ids, int64_t length)
{
    if (length < 0 || length > INT32_MAX - 1 || (length > 0 && !ids))
        return heed_fail(HEED_BAD_ARGUMENT, "dataset_add: %s is %s, its length %lld", side, ids ? "given" : "NULL",
                         (long long)length);
    for (int64_t i = 0; i < length; i++)
        if (ids[i] < HEED_UNK)
            return heed_fail(HEED_BAD_ARGUMENT, "dataset_add: %s id %d at %lld; only heed_batch_make adds specials",
                             side, (int)ids[i], (long long)i);
    return true;
}

static bool dataset_room(heed_dataset *data, int64_t more)
{
    int64_t need, bytes;
    if (!size_add(data->n_ids, more, &need) || !size_mul(2 * (int64_t)sizeof(int32_t), need, &bytes) ||
        data->count == INT32_MAX)
        return heed_fail(HEED_BAD_SHAPE, "dataset_add: too many examples or ids");
    if (need > data->ids_room) {
        int32_t *ids = memory_grow(data->ids, data->n_ids * (int64_t)sizeof(int32_t), bytes);
        if (!ids)
            return false;
        data->ids = ids;
        data->ids_room = 2 * need;
    }
    if (data->count == data->room) {
        int64_t room = data->room ? 2 * data->room : 64, size = (int64_t)sizeof(stored);
        stored *examples = memory_grow(data->examples, data->count * size, room * size);
        if (!examples)
            return false;
        data->examples = examples;
        data->room = room;
    }
    return true;
}

bool heed_dataset_add(heed_dataset *data, const int32_t *src, int64_t src_length, const int32_t *tgt,
                      int64_t tgt_length)
{
    if (!data)
        return heed_fail(HEED_BAD_ARGUMENT, "dataset_add: data is NULL");
    if (!check_side("source", src, src_length) || !check_side("target", tgt, tgt_length) ||
        !dataset_room(data, src_length + tgt_length))
        return false;
    stored s = { .at = data->n_ids, .src_length = (int32_t)src_length, .tgt_length = (int32_t)tgt_length };
    if (src_length > 0)
        memcpy(data->ids + s.at, src, (size_t)src_length * sizeof(int32_t));
    if (tgt_length > 0)
        memcpy(data->ids + s.at + src_length, tgt, (size_t)tgt_length * sizeof(int32_t));
    data->examples[data->count++] = s;
    data->n_ids += src_length + tgt_length;
    return true;
}

int64_t heed_dataset_count(const heed_dataset *data)
{
    return data ? data->count : 0;
}

heed_example heed_dataset_at(const heed_dataset *data, int64_t i)
{
    if (!data || i < 0 || i >= data->count) {
        heed_fail(HEED_BAD_ARGUMENT, "dataset_at: row %lld of %lld", (long long)i, (long long)heed_dataset_count(data));
        return (heed_example){ 0 };
    }
    stored s = data->examples[i];
    const int32_t *src = data->ids + s.at;
    return (
        heed_example){ .src = src, .tgt = src + s.src_length, .src_length = s.src_length, .tgt_length = s.tgt_length };
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

enum { WINDOW = 100 }; /* batches sorted together */

typedef struct {
    int32_t tgt, src;   /* lengths */
    int32_t place, row; /* place: in the shuffled order */
} sorted_row;

typedef struct {
    int64_t from, rows;
} cut;

struct heed_batches {
    const heed_dataset *data;
    heed_batches_desc desc;
    int64_t n, count;   /* rows; batches of the current epoch */
    int64_t window;     /* rows sorted together */
    sorted_row *sorted; /* [n] */
    int32_t *rows;      /* [n], batch by batch */
    cut *cuts;          /* [n] */
    int32_t *order;     /* [n]: first of the rows, then of the batches */
};

/* How many rows a batch has on average if all sentences had the mean length; for the size of windows. */
static int64_t usual_rows(const heed_dataset *data, heed_batches_desc desc)
{
    double rows = (double)(desc.rows > 0 ? desc.rows : data->count);
    double both = data->count ? (double)data->n_ids / (double)data->count + 2 : 2; /* sides and their specials */
    if (desc.max_tokens > 0 && (double)desc.max_tokens / both < rows)
        rows = (double)desc.max_tokens / both;
    if (desc.side_tokens > 0 && (double)desc.side_tokens / (both / 2) < rows)
        rows = (double)desc.side_tokens / (both / 2);
    return rows > 1 ? (int64_t)rows : 1;
}

heed_batches *heed_batches_new(const heed_dataset *data, heed_batches_desc desc)
{
    if (!data || desc.rows < 0 || desc.max_tokens < 0 || desc.side_tokens < 0) {
        heed_fail(HEED_BAD_ARGUMENT, "batches_new: data is %s, rows %lld, max_tokens %lld, side_tokens %lld",
                  data ? "given" : "NULL", (long long)desc.rows, (long long)desc.max_tokens,
                  (long long)desc.side_tokens);
        return NULL;
    }
    heed_batches *b = memory_get_zeroed(sizeof(*b));
    if (!b)
        return NULL;
    int64_t n = data->count;
    *b = (heed_batches){ .data = data, .desc = desc, .n = n };
    int64_t usual = usual_rows(data, desc);
    b->window = usual > n / WINDOW ? n : WINDOW * usual;
    b->sorted = memory_get(n * (int64_t)sizeof(*b->sorted));
    b->rows = memory_get(n * (int64_t)sizeof(*b->rows));
    b->cuts = memory_get(n * (int64_t)sizeof(*b->cuts));
    b->order = memory_get(n * (int64_t)sizeof(*b->order));
    if (b->sorted && b->rows && b->cuts && b->order)
        return b;
    heed_batches_free(b);
    return NULL;
}

void heed_batches_free(heed_batches *b)
{
    if (!b)
        return;
    memory_put(b->sorted);
    memory_put(b->rows);
    memory_put(b->cuts);
    memory_put(b->order);
    memory_put(b);
}

static int longest_first(const void *a, const void *b)
{
    const sorted_row *x = a, *y = b;
    if (x->tgt != y->tgt)
        return x->tgt > y->tgt ? -1 : 1;
    if (x->src != y->src)
        return x->src > y->src ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Puts 0 .. n-1 into b->order, shuffled unless in order. */
static void shuffled(heed_batches *b, int64_t n, const char *stream, int64_t epoch)
{
    for (int64_t i = 0; i < n; i++)
        b->order[i] = (int32_t)i;
    heed_rng rng = { .seed = b->desc.seed, .stream = heed_rng_stream(stream) };
    rng.step = (uint32_t)epoch;
    rng.row = (uint32_t)((uint64_t)epoch >> 32);
    if (!b->desc.in_order)
        heed_rng_shuffle(rng, b->order, n);
}

/* Falling in even windows, rising in odd ones. */
static void sort_window(heed_batches *b, int64_t from)
{
    int64_t n = b->window < b->n - from ? b->window : b->n - from;
    sorted_row *window = b->sorted + from;
    qsort(window, (size_t)n, sizeof(*window), longest_first);
    for (int64_t i = 0; i < n / 2 && from / b->window % 2 == 1; i++) {
        sorted_row swapped = window[i];
        window[i] = window[n - 1 - i];
        window[n - 1 - i] = swapped;
    }
}

/* Rows [from, to) of sorted that make the batch at from: as many as fit, at least one. */
static int64_t batch_end(const heed_batches *b, int64_t from)
{
    int64_t most_src = 0, most_tgt = 0, to = from;
    while (to < b->n && (b->desc.rows == 0 || to - from < b->desc.rows)) {
        sorted_row row = b->sorted[to];
        most_src = row.src > most_src ? row.src : most_src;
        most_tgt = row.tgt > most_tgt ? row.tgt : most_tgt;
        int64_t both = most_src + most_tgt + 2, longer = (most_src > most_tgt ? most_src : most_tgt) + 1; /* specials */
        int64_t rows = to + 1 - from;
        if (rows > 1 && ((b->desc.max_tokens > 0 && rows > b->desc.max_tokens / both) ||
                         (b->desc.side_tokens > 0 && rows > b->desc.side_tokens / longer)))
            break;
        to++;
    }
    return to;
}

bool heed_batches_epoch(heed_batches *b, int64_t epoch)
{
    if (!b || epoch < 0)
        return heed_fail(HEED_BAD_ARGUMENT, "batches_epoch: batches is %s, epoch %lld", b ? "given" : "NULL",
                         (long long)epoch);
    if (b->data->count != b->n)
        return heed_fail(HEED_BAD_STATE, "batches_epoch: the data set has %lld examples, and had %lld in batches_new",
                         (long long)b->data->count, (long long)b->n);
    shuffled(b, b->n, "batches.rows", epoch);
    for (int64_t i = 0; i < b->n; i++) {
        stored s = b->data->examples[b->order[i]];
        b->sorted[i] = (sorted_row){ s.tgt_length, s.src_length, .place = (int32_t)i, .row = b->order[i] };
    }
    for (int64_t from = 0; from < b->n && !b->desc.in_order; from += b->window)
        sort_window(b, from);
    b->count = 0;
    for (int64_t from = 0, to; from < b->n; from = to) {
        to = batch_end(b, from);
        qsort(b->sorted + from, (size_t)(to - from), sizeof(*b->sorted), longest_first);
        b->cuts[b->count++] = (cut){ from, to - from };
    }
    for (int64_t i = 0; i < b->n; i++)
        b->rows[i] = b->sorted[i].row;
    shuffled(b, b->count, "batches.order", epoch);
    return true;
}

int64_t heed_batches_count(const heed_batches *b)
{
    return b ? b->count : 0;
}

const int32_t *heed_batches_rows(const heed_batches *b, int64_t i, int64_t *count)
{
    if (!b || !count || i < 0 || i >= b->count) {
        heed_fail(HEED_BAD_ARGUMENT, "batches_rows: batch %lld of %lld%s", (long long)i,
                  (long long)heed_batches_count(b), count ? "" : ", count is NULL");
        return NULL;
    }
    cut c = b->cuts[b->order[i]];
    *count = c.rows;
    return b->rows + c.from;
}

/* ---- padded arrays ----------------------------------------------------------------------------------------------- */

/* first (if it is a special to begin with), ids, last (to end with), <pad> up to width. */
static void put_row(int32_t *row, int64_t width, int32_t first, const int32_t *ids, int64_t length, int32_t last)
{
    int64_t n = 0;
    if (first != HEED_PAD)
        row[n++] = first;
    for (int64_t i = 0; i < length; i++)
        row[n++] = ids[i];
    if (last != HEED_PAD)
        row[n++] = last;
    while (n < width)
        row[n++] = HEED_PAD;
}

static int32_t *new_ids(heed_arena *arena, int64_t rows, int64_t width)
{
    int64_t numel, bytes;
    if (!size_mul(rows, width, &numel) || !size_mul(numel, (int64_t)sizeof(int32_t), &bytes)) {
        heed_fail(HEED_BAD_SHAPE, "batch_make: [%lld, %lld] is too large", (long long)rows, (long long)width);
        return NULL;
    }
    return heed_arena_alloc(arena, bytes);
}

bool heed_batch_make(const heed_dataset *data, const int32_t *rows, int64_t count, heed_arena *arena, heed_batch *out)
{
    if (!data || !rows || !arena || !out || count < 1)
        return heed_fail(HEED_BAD_ARGUMENT, "batch_make: something is NULL, or count %lld is below 1",
                         (long long)count);
    heed_batch batch = { .rows = count, .src_length = 1, .tgt_length = 1 };
    for (int64_t i = 0; i < count; i++) {
        if (rows[i] < 0 || rows[i] >= data->count)
            return heed_fail(HEED_BAD_ARGUMENT, "batch_make: row %d of a data set of %lld", (int)rows[i],
                             (long long)data->count);
        stored s = data->examples[rows[i]];
        batch.src_length = s.src_length >= batch.src_length ? s.src_length + 1 : batch.src_length;
        batch.tgt_length = s.tgt_length >= batch.tgt_length ? s.tgt_length + 1 : batch.tgt_length;
        batch.tokens += s.tgt_length + 1;
    }
    heed_arena_mark mark = heed_arena_marked(arena);
    batch.src = new_ids(arena, count, batch.src_length);
    batch.src_lengths = batch.src ? new_ids(arena, count, 1) : NULL;
    batch.tgt_in = batch.src_lengths ? new_ids(arena, count, batch.tgt_length) : NULL;
    batch.tgt_out = batch.tgt_in ? new_ids(arena, count, batch.tgt_length) : NULL;
    if (!batch.tgt_out) {
        heed_arena_rewind(arena, mark);
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        heed_example e = heed_dataset_at(data, rows[i]);
        put_row(batch.src + i * batch.src_length, batch.src_length, HEED_PAD, e.src, e.src_length, HEED_EOS);
        put_row(batch.tgt_in + i * batch.tgt_length, batch.tgt_length, HEED_BOS, e.tgt, e.tgt_length, HEED_PAD);
        put_row(batch.tgt_out + i * batch.tgt_length, batch.tgt_length, HEED_PAD, e.tgt, e.tgt_length, HEED_EOS);
        batch.src_lengths[i] = e.src_length + 1;
    }
    *out = batch;
    return true;
}
