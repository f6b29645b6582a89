/* Corpora: sentence pairs from a TSV file or two parallel files, one after another or all at once.
 *
 * Lines are those of lines.c. A line, or a pair of parallel lines, is of the first kind that fits: over max_bytes, a
 * NUL, not UTF-8, blank, not two columns, a blank side, a side over max_words (words of heed_words_split). Duplicates
 * are kept. A stream holds one line of each file; a corpus holds what was accepted.
 */
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

enum { MAX_WORDS = 1000, MAX_BYTES = 1 << 20 };

const char *heed_line_reason(heed_line_kind kind)
{
    static const char *const reasons[HEED_LINE_KINDS] = {
        [HEED_LINE_OK] = "fine",
        [HEED_LINE_ENCODING] = "not valid UTF-8",
        [HEED_LINE_NUL] = "a NUL byte",
        [HEED_LINE_COLUMNS] = "not exactly two columns",
        [HEED_LINE_EMPTY] = "an empty side",
        [HEED_LINE_LONG] = "too long",
    };
    return (unsigned)kind < HEED_LINE_KINDS ? reasons[kind] : "unknown";
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

typedef struct {
    heed_corpus corpus; /* first: what the caller sees */
    text_store text;
    int64_t capacity; /* of corpus.pairs */
} full_corpus;

heed_corpus *heed_corpus_new(void)
{
    full_corpus *full = memory_get_zeroed(sizeof(*full));
    if (full && !text_store_open(&full->text)) {
        memory_put(full);
        return NULL;
    }
    return full ? &full->corpus : NULL;
}

void heed_corpus_free(heed_corpus *corpus)
{
    if (!corpus)
        return;
    full_corpus *full = (full_corpus *)corpus;
    text_store_close(&full->text);
    memory_put(corpus->pairs);
    memory_put(full);
}

static bool keep_pair(heed_corpus *corpus, text_span source, text_span target, int64_t line)
{
    full_corpus *full = (full_corpus *)corpus;
    if (corpus->count == full->capacity) {
        int64_t capacity = full->capacity ? 2 * full->capacity : 256, size = (int64_t)sizeof(heed_pair);
        heed_pair *pairs = memory_grow(corpus->pairs, corpus->count * size, capacity * size);
        if (!pairs)
            return false;
        corpus->pairs = pairs;
        full->capacity = capacity;
    }
    heed_pair pair = { .line = line };
    pair.source = text_store_add(&full->text, source.text, source.bytes);
    pair.target = pair.source ? text_store_add(&full->text, target.text, target.bytes) : NULL;
    if (!pair.target)
        return false;
    corpus->pairs[corpus->count++] = pair;
    corpus->kinds[HEED_LINE_OK]++;
    return true;
}

bool heed_corpus_add(heed_corpus *corpus, const char *source, const char *target)
{
    if (!corpus || !source || !target)
        return heed_fail(HEED_BAD_ARGUMENT, "corpus_add: %s is NULL",
                         !corpus   ? "corpus"
                         : !source ? "source"
                                   : "target");
    text_span sides[2] = { { source, (int64_t)strlen(source) }, { target, (int64_t)strlen(target) } };
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "source" : "target";
        int64_t bad = text_invalid_at(sides[i].text, sides[i].bytes);
        if (bad >= 0)
            return heed_fail(HEED_BAD_FORMAT, "corpus_add: byte %lld of the %s is not valid UTF-8", (long long)bad,
                             name);
        if (text_blank(sides[i].text, sides[i].bytes))
            return heed_fail(HEED_BAD_FORMAT, "corpus_add: the %s has no words", name);
    }
    if (!keep_pair(corpus, sides[0], sides[1], corpus->lines + 1))
        return false;
    corpus->lines++;
    return true;
}

/* ---- lines as pairs ---------------------------------------------------------------------------------------------- */

static heed_line_kind side_kind(text_span side, int64_t max_words)
{
    if (text_blank(side.text, side.bytes))
        return HEED_LINE_EMPTY;
    return words_count(side.text, side.bytes) > max_words ? HEED_LINE_LONG : HEED_LINE_OK;
}

/* A stream: one TSV file (n = 1), or two parallel files. */
typedef struct {
    heed_stream stream; /* first: what the caller sees */
    heed_corpus_desc desc;
    text_lines files[2];
    int n;
    bool failed;
} full_stream;

/* What is wrong with a line, and in which of the files. */
typedef struct {
    heed_line_kind kind;
    int file;
} verdict;

/* One line of a TSV file, cut at its tab, or of both parallel files. */
static verdict judge(const full_stream *s, text_span sides[2])
{
    heed_line_kind kind;
    const text_lines *lines = s->files;
    for (int i = 0; i < s->n; i++) {
        if ((kind = lines_kind(&lines[i])) != HEED_LINE_OK)
            return (verdict){ kind, i };
        if (text_blank(lines[i].line, lines[i].bytes))
            return (verdict){ HEED_LINE_EMPTY, i };
    }
    sides[0] = (text_span){ lines[0].line, lines[0].bytes };
    sides[1] = (text_span){ lines[s->n - 1].line, lines[s->n - 1].bytes };
    if (s->n == 1) {
        const char *tab = memchr(lines->line, '\t', (size_t)lines->bytes), *end = lines->line + lines->bytes;
        if (!tab || memchr(tab + 1, '\t', (size_t)(end - (tab + 1))))
            return (verdict){ HEED_LINE_COLUMNS, 0 };
        sides[0].bytes = tab - lines->line;
        sides[1] = (text_span){ tab + 1, end - (tab + 1) };
    }
    for (int i = 0; i < 2; i++)
        if ((kind = side_kind(sides[i], s->desc.max_words)) != HEED_LINE_OK)
            return (verdict){ kind, s->n == 1 ? 0 : i };
    return (verdict){ HEED_LINE_OK, 0 };
}

static bool refuse_line(const text_lines *lines, heed_line_kind kind, const heed_corpus_desc *desc)
{
    char limits[80] = "";
    if (kind == HEED_LINE_LONG)
        snprintf(limits, sizeof(limits), ", over %lld words or %lld bytes", (long long)desc->max_words,
                 (long long)desc->max_bytes);
    return heed_fail(HEED_BAD_FORMAT, "corpus \"%s\", line %lld: %s%s", lines->file.label, (long long)lines->number,
                     heed_line_reason(kind), limits);
}

/* Reads a line of every file; next says whether there is one. Lines behind the end of the shorter file are only
 * counted. */
static bool read_lines(full_stream *s, bool *more)
{
    text_lines *files = s->files;
    lines_result next[2] = { LINES_END, LINES_END };
    do {
        for (int i = 0; i < s->n; i++)
            if ((next[i] = lines_next(&files[i])) == LINES_FAILED)
                return false;
        *more = next[0] == LINES_LINE && next[s->n - 1] == LINES_LINE;
    } while (!*more && (next[0] == LINES_LINE || next[s->n - 1] == LINES_LINE));
    if (!*more && files[0].number != files[s->n - 1].number)
        return heed_fail(HEED_BAD_FORMAT, "corpus: \"%s\" has %lld lines and \"%s\" %lld; they must match line by line",
                         files[0].file.label, (long long)files[0].number, files[1].file.label,
                         (long long)files[1].number);
    return true;
}

/* The next accepted line; the others are told, or refused. */
static bool next_sides(full_stream *s, text_span sides[2], bool *more)
{
    for (;;) {
        if (!read_lines(s, more))
            return false;
        if (!*more)
            return true;
        verdict v = judge(s, sides);
        s->stream.lines++;
        s->stream.kinds[v.kind]++;
        if (v.kind == HEED_LINE_OK)
            return true;
        if (s->desc.strict)
            return refuse_line(&s->files[v.file], v.kind, &s->desc);
        if (s->desc.on_bad)
            s->desc.on_bad(s->files[0].number, v.kind, s->desc.context);
    }
}

int heed_stream_next(heed_stream *stream, heed_pair *pair)
{
    if (!stream || !pair) {
        heed_fail(HEED_BAD_ARGUMENT, "stream_next: %s is NULL", stream ? "pair" : "stream");
        return -1;
    }
    full_stream *s = (full_stream *)stream;
    text_span sides[2];
    bool more = false;
    if (s->failed)
        heed_fail(HEED_BAD_STATE, "stream_next: reading has failed before");
    s->failed = s->failed || !next_sides(s, sides, &more);
    if (s->failed || !more)
        return s->failed ? -1 : 0;
    /* Both sides are whole lines, or parts of one line with a tab between: NUL-terminated where they stand. */
    s->files[0].line[sides[0].bytes] = 0;
    s->files[s->n - 1].line[sides[1].text + sides[1].bytes - s->files[s->n - 1].line] = 0;
    *pair = (heed_pair){ sides[0].text, sides[1].text, s->files[0].number };
    return 1;
}

void heed_stream_close(heed_stream *stream)
{
    full_stream *s = (full_stream *)stream;
    for (int i = 0; s && i < s->n; i++)
        lines_close(&s->files[i]);
    memory_put(s);
}

static heed_stream *open_files(const char *const *paths, int n, heed_corpus_desc desc)
{
    if (desc.max_words < 0 || desc.max_bytes < 0 || desc.max_bytes > INT64_MAX / 4) {
        heed_fail(HEED_BAD_ARGUMENT, "corpus: max_words is %lld and max_bytes %lld; neither may be negative",
                  (long long)desc.max_words, (long long)desc.max_bytes);
        return NULL;
    }
    full_stream *s = memory_get_zeroed(sizeof(*s));
    if (!s)
        return NULL;
    desc.max_words = desc.max_words ? desc.max_words : MAX_WORDS;
    desc.max_bytes = desc.max_bytes ? desc.max_bytes : MAX_BYTES;
    s->desc = desc;
    for (; s->n < n; s->n++)
        if (!lines_open(&s->files[s->n], "corpus", paths[s->n], desc.max_bytes)) {
            s->n++; /* close that one too */
            heed_stream_close(&s->stream);
            return NULL;
        }
    return &s->stream;
}

heed_stream *heed_stream_open_tsv(const char *path, heed_corpus_desc desc)
{
    return open_files((const char *const[]){ path }, 1, desc);
}

heed_stream *heed_stream_open_parallel(const char *source, const char *target, heed_corpus_desc desc)
{
    return open_files((const char *const[]){ source, target }, 2, desc);
}

/* ---- whole corpora ----------------------------------------------------------------------------------------------- */

/* What is left of the stream, which is closed. */
static heed_corpus *read_all(heed_stream *stream)
{
    heed_corpus *corpus = stream ? heed_corpus_new() : NULL;
    text_span sides[2];
    bool more = true, ok = corpus != NULL;
    while (ok && more) {
        ok = next_sides((full_stream *)stream, sides, &more);
        if (ok && more)
            ok = keep_pair(corpus, sides[0], sides[1], ((full_stream *)stream)->files[0].number);
    }
    if (ok) {
        corpus->lines = stream->lines;
        memcpy(corpus->kinds, stream->kinds, sizeof(corpus->kinds));
    } else {
        heed_corpus_free(corpus);
    }
    heed_stream_close(stream);
    return ok ? corpus : NULL;
}

heed_corpus *heed_corpus_read_tsv(const char *path, heed_corpus_desc desc)
{
    return read_all(heed_stream_open_tsv(path, desc));
}

heed_corpus *heed_corpus_read_parallel(const char *source, const char *target, heed_corpus_desc desc)
{
    return read_all(heed_stream_open_parallel(source, target, desc));
}
