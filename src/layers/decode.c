/* Decoding over token ids: the cache of keys and values, and greedy search.
 *
 * A step feeds the newest token of every row and reads the logits of the next. The tape goes back to a mark after each
 * step, so memory does not grow with the length. Finished rows are fed <eos> until the last one is done: rows do not
 * read one another, so this changes nothing for the others. */
#include <math.h>

#include "internal.h"

#include <string.h>

/* ---- the cache --------------------------------------------------------------------------------------------------- */

/* Elements of one array [rows, capacity, d_model], rounded up to whole cache lines; -1 if that does not fit. */
static int64_t array_size(int64_t rows, int64_t capacity, int64_t d_model)
{
    int64_t n;
    if (!size_mul(rows, capacity, &n) || !size_mul(n, d_model, &n) || !size_add(n, 15, &n))
        return -1;
    return n / 16 * 16;
}

/* Lays the caches of all layers out behind the struct: k and v of self and of cross, layer by layer. */
static void cache_lay_out(heed_decode_cache *cache, heed_real *data, heed_cache self, int64_t self_size,
                          heed_cache cross, int64_t cross_size)
{
    for (int64_t i = 0; i < cache->layers; i++, data += 2 * (self_size + cross_size)) {
        self.k = data;
        self.v = data + self_size;
        cross.k = self.v + self_size;
        cross.v = cross.k + cross_size;
        cache->self[i] = self;
        cache->cross[i] = cross;
    }
}

heed_decode_cache *decode_cache_in(heed_arena *arena, const heed_transformer *m, int64_t rows, int64_t src_length,
                                   int64_t max_length)
{
    if (!m || m->decoder.n_layers < 1 || rows < 1 || src_length < 1 || max_length < 1) {
        heed_fail(HEED_BAD_ARGUMENT,
                  "decode_cache: %d layers, rows %lld, src_length %lld, max_length %lld; each must be at least 1",
                  m ? m->decoder.n_layers : 0, (long long)rows, (long long)src_length, (long long)max_length);
        return NULL;
    }
    int64_t layers = m->decoder.n_layers, heads = m->desc.layer.heads, d_model = m->desc.layer.d_model;
    int64_t self_size = array_size(rows, max_length, d_model), cross_size = array_size(rows, src_length, d_model);
    int64_t head = ((int64_t)sizeof(heed_decode_cache) + 63) / 64 * 64;
    int64_t lists = (2 * layers * (int64_t)sizeof(heed_cache) + 63) / 64 * 64, bytes;
    if (self_size < 0 || cross_size < 0 || !size_add(self_size, cross_size, &bytes) ||
        !size_mul(bytes, 2 * layers * (int64_t)sizeof(heed_real), &bytes) || !size_add(bytes, head + lists, &bytes)) {
        heed_fail(HEED_BAD_SHAPE, "decode_cache: rows %lld, src_length %lld, max_length %lld are too large",
                  (long long)rows, (long long)src_length, (long long)max_length);
        return NULL;
    }
    char *block = arena ? heed_arena_alloc(arena, bytes) : memory_get(bytes);
    if (!block)
        return NULL;
    heed_decode_cache *cache = (heed_decode_cache *)(void *)block;
    cache->layers = layers;
    cache->self = (heed_cache *)(void *)(block + head);
    cache->cross = cache->self + layers;
    heed_cache empty = { .rows = rows, .heads = heads, .d = d_model / heads };
    heed_cache self = empty, cross = empty;
    self.capacity = max_length;
    cross.capacity = src_length;
    cache_lay_out(cache, (heed_real *)(void *)(block + head + lists), self, self_size, cross, cross_size);
    return cache;
}

heed_decode_cache *heed_decode_cache_new(const heed_transformer *m, int64_t rows, int64_t src_length,
                                         int64_t max_length)
{
    return decode_cache_in(NULL, m, rows, src_length, max_length);
}

void heed_decode_cache_free(heed_decode_cache *cache)
{
    memory_put(cache);
}

int64_t heed_decode_cache_length(const heed_decode_cache *cache)
{
    return cache ? cache->self[0].length : 0;
}

void decode_cache_set_rows(heed_decode_cache *cache, int64_t rows)
{
    for (int64_t i = 0; i < cache->layers; i++)
        cache->self[i].rows = cache->cross[i].rows = rows;
}

void decode_cache_restore(heed_decode_cache *cache, int64_t self, int64_t cross)
{
    for (int64_t i = 0; cache && i < cache->layers; i++) {
        cache->self[i].length = self;
        cache->cross[i].length = cross;
    }
}

static void gather(heed_cache *to, const heed_cache *from, const int32_t *parents, int64_t rows)
{
    int64_t head = from->capacity * from->d, row = from->heads * head;
    size_t held = (size_t)from->length * sizeof *to->k;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t at = 0; at < row; at += from->capacity)
            memcpy(to->k + i * row + at, from->k + parents[i] * row + at, held);
        for (int64_t at = 0; at < row; at += head)
            memcpy(to->v + i * row + at, from->v + parents[i] * row + at, (size_t)from->d * held);
    }
    to->length = from->length;
}

void decode_cache_gather(heed_decode_cache *to, heed_decode_cache *from, const int32_t *parents, int64_t rows,
                         bool same_sources)
{
    for (int64_t i = 0; i < from->layers; i++) {
        gather(&to->self[i], &from->self[i], parents, rows);
        if (same_sources) {
            heed_cache other = to->cross[i];
            to->cross[i] = from->cross[i];
            from->cross[i] = other;
        } else {
            gather(&to->cross[i], &from->cross[i], parents, rows);
        }
    }
    decode_cache_set_rows(to, rows);
}

/* ---- greedy search ----------------------------------------------------------------------------------------------- */

/* One call of heed_decode_greedy. */
typedef struct {
    const heed_transformer *m;
    heed_tape *tape;
    heed_decode_desc desc;
    int64_t rows, src_length;
    heed_decode_cache *cache; /* NULL: none */
    int32_t *out, *out_lengths;
    int64_t running; /* rows without <eos> so far */
} search;

static bool check(const search *s, const int32_t *src)
{
    const char *missing = !s->m ? "m" : !s->tape ? "tape" : !src ? "src" : !s->out ? "out" : NULL;
    if (!missing && !s->out_lengths)
        missing = "out_lengths";
    if (missing)
        return heed_fail(HEED_BAD_ARGUMENT, "decode_greedy: %s is NULL", missing);
    if (s->rows < 1 || s->src_length < 1 || s->desc.max_length < 1 || s->desc.max_length > INT32_MAX)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "decode_greedy: rows is %lld, src_length %lld, max_length %lld; each must be at least 1",
                         (long long)s->rows, (long long)s->src_length, (long long)s->desc.max_length);
    int64_t vocab = s->m->desc.tgt_vocab;
    if (s->desc.bos < 0 || s->desc.bos >= vocab || s->desc.eos < 0 || s->desc.eos >= vocab)
        return heed_fail(HEED_BAD_ARGUMENT, "decode_greedy: bos is %d and eos %d, must be 0 .. %lld", (int)s->desc.bos,
                         (int)s->desc.eos, (long long)vocab - 1);
    return true;
}

/* The tokens at places from .. to of every row, <bos> being at place 0: [rows, to - from]. */
static heed_ids *feed(const search *s, int64_t from, int64_t to)
{
    int32_t *token;
    heed_ids *ids = heed_new_ids(s->tape, HEED_SHAPE(s->rows, to - from), &token);
    for (int64_t row = 0; ids && row < s->rows; row++)
        for (int64_t at = from; at < to; at++)
            *token++ = at == 0 ? s->desc.bos : s->out[row * s->desc.max_length + at - 1];
    return ids;
}

/* logits [vocab]; the lowest id of equals. -1 if the best is not finite, or the first not a number. */
static int32_t best_token(const heed_real *logits, int64_t vocab)
{
    enum { SIDE = 32 }; /* maxima side by side, for the compiler to put into vectors */
    heed_real tops[SIDE], top = logits[0];
    int64_t i = 0, best = 0;
    for (int j = 0; j < SIDE; j++)
        tops[j] = top;
    for (; i + SIDE <= vocab; i += SIDE)
        for (int j = 0; j < SIDE; j++)
            tops[j] = logits[i + j] > tops[j] ? logits[i + j] : tops[j];
    for (int j = 0; j < SIDE; j++)
        top = tops[j] > top ? tops[j] : top;
    for (; i < vocab; i++)
        top = logits[i] > top ? logits[i] : top;
    if (!isfinite(top))
        return -1;
    while (logits[best] != top)
        best++;
    return (int32_t)best;
}

/* Takes the token after place t from logits [rows, T, vocab], whose last row of each sentence predicts it. */
static bool take(search *s, heed_tensor logits, int64_t t)
{
    int64_t T = logits.shape.dims[1], vocab = logits.shape.dims[2];
    for (int64_t row = 0; row < s->rows; row++) {
        if (s->out_lengths[row] < s->desc.max_length)
            continue; /* finished */
        int32_t token = best_token(logits.data + (row * T + T - 1) * vocab, vocab);
        if (token < 0)
            return heed_fail(HEED_BAD_STATE, "decode_greedy: the best logit of row %lld at token %lld is not finite",
                             (long long)row, (long long)t);
        if (token == s->desc.eos) {
            s->out_lengths[row] = (int32_t)t;
            s->running--;
        } else {
            s->out[row * s->desc.max_length + t] = token;
        }
    }
    return true;
}

static bool run(search *s, heed_var *memory, const heed_ids *lengths)
{
    for (int64_t t = 0; t < s->desc.max_length && s->running > 0; t++) {
        heed_tape_mark mark = heed_tape_marked(s->tape);
        heed_ids *tokens = feed(s, s->cache ? t : 0, t + 1);
        heed_tensor logits =
            heed_value(heed_transformer_decode(s->m, tokens, memory, lengths, s->desc.trace, s->cache)); /* row-major */
        if (!heed_tensor_ok(logits) || !take(s, logits, t) ||
            (s->desc.on_step && !s->desc.on_step(t, s->desc.context)) || !heed_tape_rewind(s->tape, mark))
            return false;
    }
    return true;
}

/* With the tape in eval and no-grad mode. */
static bool search_all(search *s, const int32_t *src, const int32_t *lengths)
{
    for (int64_t i = 0; i < s->rows * s->desc.max_length; i++)
        s->out[i] = s->desc.eos;
    for (int64_t row = 0; row < s->rows; row++)
        s->out_lengths[row] = (int32_t)s->desc.max_length; /* not finished */
    s->running = s->rows;

    heed_ids *ids = heed_input_ids(s->tape, HEED_SHAPE(s->rows, s->src_length), src);
    heed_ids *src_lengths = lengths ? heed_input_ids(s->tape, HEED_SHAPE(s->rows), lengths) : NULL;
    if (!ids || (lengths && !src_lengths))
        return false;
    heed_var *memory = heed_transformer_encode(s->m, ids, src_lengths, s->desc.trace);
    return memory && run(s, memory, src_lengths);
}

bool heed_decode_greedy(const heed_transformer *m, heed_tape *tape, const int32_t *src, const int32_t *lengths,
                        int64_t rows, int64_t src_length, heed_decode_desc desc, int32_t *out, int32_t *out_lengths)
{
    search s = { .m = m, .tape = tape, .desc = desc, .rows = rows, .src_length = src_length };
    s.out = out;
    s.out_lengths = out_lengths;
    if (!check(&s, src))
        return false;
    heed_tape_mark mark = heed_tape_marked(tape);
    if (!desc.no_cache && !(s.cache = decode_cache_in(heed_tape_arena(tape), m, rows, src_length, desc.max_length)))
        return false;
    bool eval = heed_tape_set_eval(tape, true), grad = heed_tape_set_grad(tape, false);
    bool done = search_all(&s, src, lengths);
    heed_tape_set_eval(tape, eval);
    heed_tape_set_grad(tape, grad);
    return heed_tape_rewind(tape, mark) && done; /* the cache goes with it */
}
