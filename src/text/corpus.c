/* Corpora: sentence pairs from a TSV file or two parallel files.
 *
 * A line ends at LF; one CR before it is dropped, and a byte order mark at the start of a file. Nothing else ends a
 * line (a lone CR, U+0085, U+2028 are characters), so line numbers are those of sed -n and wc -l. A last line without
 * LF counts. A line, or a pair of parallel lines, is of the first kind that fits: over max_bytes, a NUL, not UTF-8,
 * blank, not two columns, a blank side, a side over max_words (words of heed_words_split). Duplicates are kept.
 *
 * Files are read in blocks and only accepted lines are kept. Opening does not block, and only regular files are read,
 * so a FIFO or a device is an error and no wait. Compressed files and UTF-16 are recognised by their first bytes.
 */
#include <string.h>

#include "internal.h"
#include "../tensor/files.h"

enum { MAX_WORDS = 1000, MAX_BYTES = 1 << 20, BLOCK = 1 << 16 };

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

typedef struct {
    const char *text;
    int64_t bytes;
} span;

static bool keep_pair(heed_corpus *corpus, span source, span target, int64_t line)
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
    span sides[2] = { { source, (int64_t)strlen(source) }, { target, (int64_t)strlen(target) } };
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

/* ---- files as lines ---------------------------------------------------------------------------------------------- */

typedef struct {
    file_input file;
    int64_t offset; /* of the file's next byte */
    char *block;    /* [BLOCK], of which at .. have are still to be cut */
    int64_t at, have;
    char *line; /* the line's first bytes, at most max_bytes */
    int64_t room, max_bytes;
    int64_t bytes;  /* of the whole line, its end not counted */
    int64_t number; /* of lines so far */
} reader;

static bool refuse_contents(const reader *r)
{
    static const struct {
        const char *magic, *what, *hint;
    } known[] = {
        { "\x1F\x8B", "gzip-compressed", "unpack it with gunzip" },
        { "\xFD\x37zXZ", "xz-compressed", "unpack it with unxz" },
        { "\x28\xB5\x2F\xFD", "zstd-compressed", "unpack it with unzstd" },
        { "\xFF\xFE", "UTF-16", "convert it with iconv -f UTF-16 -t UTF-8" },
        { "\xFE\xFF", "UTF-16", "convert it with iconv -f UTF-16 -t UTF-8" },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        int64_t n = (int64_t)strlen(known[i].magic);
        if (r->have >= n && memcmp(r->block, known[i].magic, (size_t)n) == 0)
            return heed_fail(HEED_BAD_FORMAT, "corpus \"%s\": it looks %s; %s first", r->file.label, known[i].what,
                             known[i].hint);
    }
    return true;
}

/* The next block; have is 0 at the end of the file. */
static bool fill(reader *r)
{
    int64_t left = r->file.size - r->offset, n = left < BLOCK ? left : BLOCK;
    r->at = r->have = 0;
    if (!file_read_at(&r->file, "corpus", r->block, n, r->offset))
        return false;
    r->have = n;
    r->offset += n;
    return true;
}

static void reader_close(reader *r)
{
    file_close(&r->file);
    memory_put(r->block);
    memory_put(r->line);
}

static bool reader_open(reader *r, const char *path, int64_t max_bytes)
{
    *r = (reader){ .max_bytes = max_bytes };
    if (!file_open(&r->file, "corpus", path))
        return false;
    r->block = memory_get(BLOCK);
    if (!r->block || !fill(r) || !refuse_contents(r))
        return false;
    if (r->have >= 3 && memcmp(r->block, "\xEF\xBB\xBF", 3) == 0)
        r->at = 3;
    return true;
}

/* Appends the n bytes at the reader's place to the line, as far as it may keep them. */
static bool take(reader *r, int64_t n)
{
    int64_t space = r->max_bytes - r->bytes, kept = n < space ? n : space, used = r->bytes;
    r->bytes += n;
    if (kept <= 0)
        return true;
    if (used + kept > r->room) {
        int64_t room = used + kept > 2 * r->room ? used + kept : 2 * r->room;
        char *line = memory_grow(r->line, used, room);
        if (!line)
            return false;
        r->line = line;
        r->room = room;
    }
    memcpy(r->line + used, r->block + r->at, (size_t)kept);
    return true;
}

typedef enum { NEXT_FAILED, NEXT_LINE, NEXT_END } next_result;

/* The next line, without its end, in r->line; r->bytes is its length, of which max_bytes are there. */
static next_result next_line(reader *r)
{
    bool ended = false, any = false;
    char last = 0;
    r->bytes = 0;
    while (!ended) {
        if (r->at == r->have && !fill(r))
            return NEXT_FAILED;
        if (r->have == 0)
            break;
        any = true;
        char *end = memchr(r->block + r->at, '\n', (size_t)(r->have - r->at));
        int64_t n = end ? end - (r->block + r->at) : r->have - r->at;
        if (!take(r, n))
            return NEXT_FAILED;
        if (n > 0)
            last = r->block[r->at + n - 1];
        ended = end != NULL;
        r->at += n + ended;
    }
    if (ended && last == '\r')
        r->bytes--;
    r->number += any;
    return any ? NEXT_LINE : NEXT_END;
}

/* ---- lines as pairs ---------------------------------------------------------------------------------------------- */

static heed_line_kind text_kind(const reader *r)
{
    if (r->bytes > r->max_bytes)
        return HEED_LINE_LONG;
    if (r->bytes > 0 && memchr(r->line, 0, (size_t)r->bytes))
        return HEED_LINE_NUL;
    if (text_invalid_at(r->line, r->bytes) >= 0)
        return HEED_LINE_ENCODING;
    return text_blank(r->line, r->bytes) ? HEED_LINE_EMPTY : HEED_LINE_OK;
}

static heed_line_kind side_kind(span side, int64_t max_words)
{
    if (text_blank(side.text, side.bytes))
        return HEED_LINE_EMPTY;
    return words_count(side.text, side.bytes) > max_words ? HEED_LINE_LONG : HEED_LINE_OK;
}

/* What is wrong with a line, and in which of the files. */
typedef struct {
    heed_line_kind kind;
    int file;
} verdict;

/* One line of a TSV file (n = 1), cut at its tab, or of both parallel files (n = 2). */
static verdict judge(const reader *r, int n, int64_t max_words, span sides[2])
{
    heed_line_kind kind;
    for (int i = 0; i < n; i++)
        if ((kind = text_kind(&r[i])) != HEED_LINE_OK)
            return (verdict){ kind, i };
    sides[0] = (span){ r[0].line, r[0].bytes };
    sides[1] = (span){ r[n - 1].line, r[n - 1].bytes };
    if (n == 1) {
        const char *tab = memchr(r->line, '\t', (size_t)r->bytes), *end = r->line + r->bytes;
        if (!tab || memchr(tab + 1, '\t', (size_t)(end - (tab + 1))))
            return (verdict){ HEED_LINE_COLUMNS, 0 };
        sides[0].bytes = tab - r->line;
        sides[1] = (span){ tab + 1, end - (tab + 1) };
    }
    for (int i = 0; i < 2; i++)
        if ((kind = side_kind(sides[i], max_words)) != HEED_LINE_OK)
            return (verdict){ kind, n == 1 ? 0 : i };
    return (verdict){ HEED_LINE_OK, 0 };
}

static bool refuse_line(const reader *r, heed_line_kind kind, const heed_corpus_desc *desc)
{
    char limits[80] = "";
    if (kind == HEED_LINE_LONG)
        snprintf(limits, sizeof(limits), ", over %lld words or %lld bytes", (long long)desc->max_words,
                 (long long)desc->max_bytes);
    return heed_fail(HEED_BAD_FORMAT, "corpus \"%s\", line %lld: %s%s", r->file.label, (long long)r->number,
                     heed_line_reason(kind), limits);
}

/* The line is kept, told, or refused. */
static bool add_lines(heed_corpus *corpus, const reader *r, int n, const heed_corpus_desc *desc)
{
    span sides[2];
    verdict v = judge(r, n, desc->max_words, sides);
    corpus->lines++;
    if (v.kind == HEED_LINE_OK)
        return keep_pair(corpus, sides[0], sides[1], r->number);
    corpus->kinds[v.kind]++;
    if (desc->strict)
        return refuse_line(&r[v.file], v.kind, desc);
    if (desc->on_bad)
        desc->on_bad(r->number, v.kind, desc->context);
    return true;
}

/* All lines; those behind the end of the shorter file are only counted. */
static bool read_lines(heed_corpus *corpus, reader *r, int n, const heed_corpus_desc *desc)
{
    for (;;) {
        next_result next[2] = { NEXT_END, NEXT_END };
        for (int i = 0; i < n; i++)
            if ((next[i] = next_line(&r[i])) == NEXT_FAILED)
                return false;
        if (next[0] == NEXT_END && next[n - 1] == NEXT_END)
            break;
        if (r[0].number == r[n - 1].number && !add_lines(corpus, r, n, desc))
            return false;
    }
    if (r[0].number != r[n - 1].number)
        return heed_fail(HEED_BAD_FORMAT, "corpus: \"%s\" has %lld lines and \"%s\" %lld; they must match line by line",
                         r[0].file.label, (long long)r[0].number, r[1].file.label, (long long)r[1].number);
    return true;
}

static heed_corpus *read_files(const char *const *paths, int n, heed_corpus_desc desc)
{
    if (desc.max_words < 0 || desc.max_bytes < 0 || desc.max_bytes > INT64_MAX / 4) {
        heed_fail(HEED_BAD_ARGUMENT, "corpus: max_words is %lld and max_bytes %lld; neither may be negative",
                  (long long)desc.max_words, (long long)desc.max_bytes);
        return NULL;
    }
    desc.max_words = desc.max_words ? desc.max_words : MAX_WORDS;
    desc.max_bytes = desc.max_bytes ? desc.max_bytes : MAX_BYTES;
    reader readers[2];
    int opened = 0;
    bool ok = true;
    for (; ok && opened < n; opened++)
        ok = reader_open(&readers[opened], paths[opened], desc.max_bytes);
    heed_corpus *corpus = ok ? heed_corpus_new() : NULL;
    ok = corpus && read_lines(corpus, readers, n, &desc);
    while (opened > 0)
        reader_close(&readers[--opened]);
    if (ok)
        return corpus;
    heed_corpus_free(corpus);
    return NULL;
}

heed_corpus *heed_corpus_read_tsv(const char *path, heed_corpus_desc desc)
{
    return read_files((const char *const[]){ path }, 1, desc);
}

heed_corpus *heed_corpus_read_parallel(const char *source, const char *target, heed_corpus_desc desc)
{
    return read_files((const char *const[]){ source, target }, 2, desc);
}
