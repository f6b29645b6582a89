/* Beam search: layers.h says what it finds.
 *
 * The running hypotheses of all unfinished sentences are the rows of one batch, those of a sentence side by side. After
 * each step the rows that run on are gathered, from one cache into another and back, so a finished sentence costs nothing
 * more.
 *
 * Stopping. A log probability s <= 0 only falls as a hypothesis grows, so with a penalty a >= 0 whatever still comes of
 * it ranks no higher than s / L^a, L being the most tokens allowed. Once the n-th best result ranks at least as high as
 * that bound of the best running hypothesis, nothing that runs can displace it. */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "../tensor/k_row.h"

typedef struct {
    double score; /* log probability */
    int64_t parent;
    int32_t token;
} extension;

typedef struct {
    const heed_transformer *m;
    heed_tape *tape;
    heed_beam_desc desc;
    heed_beam_results to;
    const int32_t *src, *src_lengths; /* the caller's; src_lengths may be NULL */
    int64_t rows, src_length;
    heed_decode_cache *cache, *spare; /* NULL: none */
    /* the running hypotheses, at most rows x beam */
    int64_t running;
    int32_t *sentence; /* which it translates */
    int32_t *tokens;   /* [.., max_length] */
    double *scores;    /* log probability so far */
    /* those of the next step, exchanged with the above */
    int64_t next;
    int32_t *next_sentence, *next_tokens, *parents;
    double *next_scores;
    extension *best; /* [2 beam], of one sentence */
    int n_best;      /* extensions held */
} search;

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static bool check(const search *s)
{
    static const char who[] = "decode_beam";
    const heed_beam_desc *d = &s->desc;
    const char *missing = !s->m ? "m" : !s->tape ? "tape" : !s->src ? "src" : !s->to.tokens ? "tokens" : NULL;
    if (!missing)
        missing = !s->to.lengths ? "lengths" : !s->to.scores ? "scores" : NULL;
    if (missing)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: %s is NULL", who, missing);
    if (s->rows < 1 || s->src_length < 1 || d->max_length < 1 || d->max_length > INT32_MAX || s->rows > INT32_MAX)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: rows is %lld, src_length %lld, max_length %lld; want 1 .. 2^31 - 1",
                         who, (long long)s->rows, (long long)s->src_length, (long long)d->max_length);
    if (d->beam < 1 || d->n_best < 1 || d->n_best > d->beam)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: beam is %d and n_best %d; want at least 1, and n_best at most beam",
                         who, d->beam, d->n_best);
    if (!(d->length_penalty >= 0) || isinf(d->length_penalty))
        return heed_fail(HEED_BAD_ARGUMENT, "%s: length_penalty is %g; want 0 or more", who, d->length_penalty);
    int64_t vocab = s->m->desc.tgt_vocab;
    if (d->bos < 0 || d->bos >= vocab || d->eos < 0 || d->eos >= vocab)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: bos is %d and eos %d, must be 0 .. %lld", who, (int)d->bos,
                         (int)d->eos, (long long)vocab - 1);
    for (int64_t i = 0; d->max_lengths && i < s->rows; i++)
        if (d->max_lengths[i] < 1 || d->max_lengths[i] > d->max_length)
            return heed_fail(HEED_BAD_ARGUMENT, "%s: max_lengths[%lld] is %d, must be 1 .. %lld", who, (long long)i,
                             (int)d->max_lengths[i], (long long)d->max_length);
    return true;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static int64_t most_tokens(const search *s, int32_t sentence)
{
    return s->desc.max_lengths ? s->desc.max_lengths[sentence] : s->desc.max_length;
}

static double rank(const search *s, double score, int64_t tokens)
{
    return score / pow((double)tokens, s->desc.length_penalty);
}

/* Puts prefix [length] and then, unless it is <eos>, the token among the results of a sentence, best first; the later of
 * equals last. */
static void add_result(search *s, int32_t sentence, const int32_t *prefix, int64_t length, const extension *e)
{
    int64_t n = s->desc.n_best, width = s->desc.max_length, at = n;
    double score = rank(s, e->score, length + 1);
    double *scores = s->to.scores + sentence * n;
    int32_t *lengths = s->to.lengths + sentence * n, *tokens = s->to.tokens + sentence * n * width;
    while (at > 0 && (lengths[at - 1] < 0 || score > scores[at - 1]))
        at--;
    if (at == n)
        return;
    memmove(scores + at + 1, scores + at, (size_t)(n - 1 - at) * sizeof *scores);
    memmove(lengths + at + 1, lengths + at, (size_t)(n - 1 - at) * sizeof *lengths);
    memmove(tokens + (at + 1) * width, tokens + at * width, (size_t)((n - 1 - at) * width) * sizeof *tokens);
    scores[at] = score;
    lengths[at] = (int32_t)(length + (e->token != s->desc.eos));
    int32_t *to = tokens + at * width;
    memcpy(to, prefix, (size_t)length * sizeof *to);
    for (int64_t i = length; i < width; i++)
        to[i] = i == length ? e->token : s->desc.eos;
}

/* No running hypothesis of this log probability can still become one of the sentence's results. */
static bool decided(const search *s, int32_t sentence, double score)
{
    int64_t last = sentence * s->desc.n_best + s->desc.n_best - 1;
    return s->to.lengths[last] >= 0 && s->to.scores[last] >= rank(s, score, most_tokens(s, sentence));
}

/* ---- extensions -------------------------------------------------------------------------------------------------- */

/* Keeps the 2 beam best; the earlier of equals first. */
static void offer(search *s, extension e)
{
    int most = 2 * s->desc.beam, at = s->n_best;
    while (at > 0 && e.score > s->best[at - 1].score)
        at--;
    if (at == most)
        return;
    int end = s->n_best < most ? s->n_best++ : most - 1;
    memmove(s->best + at + 1, s->best + at, (size_t)(end - at) * sizeof e);
    s->best[at] = e;
}

/* What a logit must exceed to get among the best; rounded down, so that offer() decides. */
static heed_real threshold(const search *s, double base)
{
    if (s->n_best < 2 * s->desc.beam)
        return -(heed_real)INFINITY;
    return (heed_real)nextafterf((float)(s->best[s->n_best - 1].score - base), -INFINITY);
}

static bool any_above(const heed_real *x, heed_real least, int64_t n)
{
    int above = 0;
    for (int64_t i = 0; i < n; i++)
        above |= x[i] > least;
    return above;
}

/* Offers every token after hypothesis `row`; its log probability is logit - log sum exp. */
static bool extend(search *s, const heed_real *logits, int64_t vocab, int64_t row, int64_t length)
{
    enum { STRETCH = 64 };
    heed_real top = k_row_max(logits, vocab);
    double base = s->scores[row] - (double)top - log(k_row_sum_exp(logits, top, vocab));
    if (!isfinite(base))
        return heed_fail(HEED_BAD_STATE, "decode_beam: sentence %d: the logits after %lld tokens are not finite",
                         (int)s->sentence[row], (long long)length);
    heed_real least = threshold(s, base);
    for (int64_t from = 0; from < vocab; from += STRETCH) {
        int64_t count = vocab - from < STRETCH ? vocab - from : STRETCH;
        if (!any_above(logits + from, least, count))
            continue;
        for (int64_t i = from; i < from + count; i++)
            if (logits[i] > least && !(s->desc.has_unk && i == s->desc.unk)) {
                offer(s, (extension){ .score = base + (double)logits[i], .parent = row, .token = (int32_t)i });
                least = threshold(s, base);
            }
    }
    return true;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

static void run_on(search *s, const extension *e, int64_t length)
{
    int64_t width = s->desc.max_length, row = s->next++;
    memcpy(s->next_tokens + row * width, s->tokens + e->parent * width, (size_t)length * sizeof *s->tokens);
    s->next_tokens[row * width + length] = e->token;
    s->next_scores[row] = e->score;
    s->next_sentence[row] = s->sentence[e->parent];
    s->parents[row] = (int32_t)e->parent;
}

/* Sorts the best extensions of a sentence into results and hypotheses that run on; length: tokens so far. */
static void sort_out(search *s, int32_t sentence, int64_t length)
{
    bool last = length + 1 == most_tokens(s, sentence);
    int64_t first = s->next;
    for (int i = 0, kept = 0; i < s->n_best && kept < s->desc.beam; i++) {
        const extension *e = &s->best[i];
        if (e->token == s->desc.eos || last) {
            if (i < s->desc.beam)
                add_result(s, sentence, s->tokens + e->parent * s->desc.max_length, length, e);
        } else {
            run_on(s, e, length);
            kept++;
        }
    }
    if (s->next > first && decided(s, sentence, s->next_scores[first])) /* the first is the most probable */
        s->next = first;
}

/* logits [running, T, vocab], whose last of T predicts the token at place `length`. */
static bool take(search *s, heed_tensor logits, int64_t length)
{
    int64_t T = logits.shape.dims[1], vocab = logits.shape.dims[2];
    s->next = 0;
    for (int64_t row = 0; row < s->running;) {
        int32_t sentence = s->sentence[row];
        s->n_best = 0;
        for (; row < s->running && s->sentence[row] == sentence; row++)
            if (!extend(s, logits.data + (row * T + T - 1) * vocab, vocab, row, length))
                return false;
        sort_out(s, sentence, length);
    }
    return true;
}

/* The hypotheses that run on become the running ones. */
static void advance(search *s)
{
    bool same_sources = s->next == s->running;
    for (int64_t i = 0; i < s->next; i++)
        same_sources = same_sources && s->sentence[i] == s->next_sentence[i];
    if (s->cache && s->next) {
        decode_cache_gather(s->spare, s->cache, s->parents, s->next, same_sources);
        heed_decode_cache *cache = s->cache;
        s->cache = s->spare;
        s->spare = cache;
    }
    int32_t *sentence = s->sentence, *tokens = s->tokens;
    double *scores = s->scores;
    s->sentence = s->next_sentence, s->tokens = s->next_tokens, s->scores = s->next_scores;
    s->next_sentence = sentence, s->next_tokens = tokens, s->next_scores = scores;
    s->running = s->next;
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

/* The tokens at places from .. length of every running hypothesis, <bos> being at place 0. */
static heed_ids *feed(const search *s, int64_t from, int64_t length)
{
    int32_t *token;
    heed_ids *ids = heed_new_ids(s->tape, HEED_SHAPE(s->running, length + 1 - from), &token);
    for (int64_t row = 0; ids && row < s->running; row++)
        for (int64_t at = from; at <= length; at++)
            *token++ = at == 0 ? s->desc.bos : s->tokens[row * s->desc.max_length + at - 1];
    return ids;
}

/* The source lengths of the running hypotheses; *failed if there should be some and are not. */
static heed_ids *source_lengths(const search *s, bool *failed)
{
    int32_t *to;
    if (!s->src_lengths)
        return NULL;
    heed_ids *ids = heed_new_ids(s->tape, HEED_SHAPE(s->running), &to);
    for (int64_t row = 0; ids && row < s->running; row++)
        to[row] = s->src_lengths[s->sentence[row]];
    *failed = !ids;
    return ids;
}

static heed_var *encode(const search *s, const heed_ids *lengths)
{
    int32_t *to;
    heed_ids *ids = heed_new_ids(s->tape, HEED_SHAPE(s->running, s->src_length), &to);
    for (int64_t row = 0; ids && row < s->running; row++, to += s->src_length)
        memcpy(to, s->src + s->sentence[row] * s->src_length, (size_t)s->src_length * sizeof *to);
    return heed_transformer_encode(s->m, ids, lengths, NULL);
}

static bool run(search *s)
{
    for (int64_t length = 0; s->running > 0; length++) {
        bool failed = false;
        heed_tape_mark mark = heed_tape_marked(s->tape);
        heed_ids *lengths = source_lengths(s, &failed);
        if (failed)
            return false;
        heed_var *memory = length == 0 || !s->cache ? encode(s, lengths) : NULL; /* else it is in the cache */
        heed_ids *tokens = feed(s, s->cache ? length : 0, length);
        if ((length == 0 || !s->cache) && !memory)
            return false;
        heed_tensor logits = heed_value(heed_transformer_decode(s->m, tokens, memory, lengths, NULL, s->cache));
        if (!heed_tensor_ok(logits) || !take(s, logits, length) || !heed_tape_rewind(s->tape, mark))
            return false;
        advance(s);
    }
    return true;
}

/* All arrays of at most `most` hypotheses, in one block. */
static bool arrays(search *s, int64_t most)
{
    int64_t tokens, bytes, words;
    if (!size_mul(most, s->desc.max_length, &tokens) || !size_mul(most, 3, &words) ||
        !size_add(words, tokens, &words) || !size_add(words, tokens, &words) || !size_mul(words, 4, &words) ||
        !size_mul(most, 2 * (int64_t)sizeof(double), &bytes) || !size_add(bytes, words, &bytes) ||
        !size_add(bytes, 2 * s->desc.beam * (int64_t)sizeof(extension), &bytes))
        return heed_fail(HEED_BAD_SHAPE, "decode_beam: %lld rows with beam %d and max_length %lld are too many",
                         (long long)s->rows, s->desc.beam, (long long)s->desc.max_length);
    extension *block = heed_arena_alloc(heed_tape_arena(s->tape), bytes);
    if (!block)
        return false;
    s->best = block;
    s->scores = (double *)(s->best + 2 * s->desc.beam);
    s->next_scores = s->scores + most;
    s->sentence = (int32_t *)(s->next_scores + most);
    s->next_sentence = s->sentence + most;
    s->parents = s->next_sentence + most;
    s->tokens = s->parents + most;
    s->next_tokens = s->tokens + tokens;
    return true;
}

static bool caches(search *s, int64_t most)
{
    if (s->desc.no_cache)
        return true;
    heed_arena *arena = heed_tape_arena(s->tape);
    s->cache = decode_cache_in(arena, s->m, most, s->src_length, s->desc.max_length);
    s->spare = s->cache ? decode_cache_in(arena, s->m, most, s->src_length, s->desc.max_length) : NULL;
    if (s->cache)
        decode_cache_set_rows(s->cache, s->rows);
    return s->spare;
}

/* One empty hypothesis a sentence, and no results. */
static void begin(search *s)
{
    const heed_beam_results *to = &s->to;
    for (int64_t i = 0; i < s->rows; i++) {
        s->sentence[i] = (int32_t)i;
        s->scores[i] = 0;
    }
    for (int64_t i = 0; i < s->rows * s->desc.n_best; i++) {
        to->lengths[i] = -1;
        to->scores[i] = -(double)INFINITY;
    }
    for (int64_t i = 0; i < s->rows * s->desc.n_best * s->desc.max_length; i++)
        to->tokens[i] = s->desc.eos;
}

bool heed_decode_beam(const heed_transformer *m, heed_tape *tape, const int32_t *src, const int32_t *lengths,
                      int64_t rows, int64_t src_length, heed_beam_desc desc, heed_beam_results to)
{
    search s = { .m = m, .tape = tape, .desc = desc, .to = to, .src = src, .src_lengths = lengths };
    s.rows = s.running = rows;
    s.src_length = src_length;
    s.desc.n_best = desc.n_best ? desc.n_best : 1;
    int64_t most;
    if (!check(&s))
        return false;
    if (!size_mul(rows, desc.beam, &most) || most > INT32_MAX)
        return heed_fail(HEED_BAD_SHAPE, "decode_beam: %lld rows with beam %d are too many", (long long)rows,
                         desc.beam);
    heed_tape_mark mark = heed_tape_marked(tape);
    bool eval = heed_tape_set_eval(tape, true), grad = heed_tape_set_grad(tape, false);
    bool done = arrays(&s, most) && caches(&s, most);
    if (done) {
        begin(&s);
        done = run(&s);
    }
    heed_tape_set_eval(tape, eval);
    heed_tape_set_grad(tape, grad);
    return heed_tape_rewind(tape, mark) && done; /* what the search held goes with it */
}
