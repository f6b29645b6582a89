/* Lines of a file, one at a time.
 *
 * A line ends at LF; one CR before it is dropped, and a byte order mark at the start of a file. Nothing else ends a
 * line (a lone CR, U+0085, U+2028 are characters), so line numbers are those of sed -n and wc -l. A last line without
 * LF counts.
 *
 * Files are read in blocks. Opening does not block, and only regular files are read, so a FIFO or a device is an error
 * and no wait. Compressed files and UTF-16 are recognised by their first bytes.
 */
#include <string.h>

#include "internal.h"

enum { BLOCK = 1 << 16 };

static bool refuse_contents(const text_lines *r)
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
            return heed_fail(HEED_BAD_FORMAT, "%s \"%s\": it looks %s; %s first", r->what, r->file.label, known[i].what,
                             known[i].hint);
    }
    return true;
}

/* The next block; have is 0 at the end of the file. */
static bool fill(text_lines *r)
{
    int64_t left = r->file.size - r->offset, n = left < BLOCK ? left : BLOCK;
    r->at = r->have = 0;
    if (!file_read_at(&r->file, r->what, r->block, n, r->offset))
        return false;
    r->have = n;
    r->offset += n;
    return true;
}

void lines_close(text_lines *r)
{
    file_close(&r->file);
    memory_put(r->block);
    memory_put(r->line);
}

bool lines_open(text_lines *r, const char *what, const char *path, int64_t max_bytes)
{
    *r = (text_lines){ .what = what, .max_bytes = max_bytes };
    if (!file_open(&r->file, what, path))
        return false;
    r->block = memory_get(BLOCK);
    r->line = memory_get(r->room = 256);
    if (!r->block || !r->line || !fill(r) || !refuse_contents(r))
        return false;
    if (r->have >= 3 && memcmp(r->block, "\xEF\xBB\xBF", 3) == 0)
        r->at = 3;
    return true;
}

/* Appends the n bytes at the reader's place to the line, as far as it may keep them. */
static bool take(text_lines *r, int64_t n)
{
    int64_t space = r->max_bytes - r->bytes, kept = n < space ? n : space, used = r->bytes;
    r->bytes += n;
    if (kept <= 0)
        return true;
    if (used + kept >= r->room) { /* a NUL always fits behind the line */
        int64_t room = used + kept + 1 > 2 * r->room ? used + kept + 1 : 2 * r->room;
        char *line = memory_grow(r->line, used, room);
        if (!line)
            return false;
        r->line = line;
        r->room = room;
    }
    memcpy(r->line + used, r->block + r->at, (size_t)kept);
    return true;
}

lines_result lines_next(text_lines *r)
{
    bool ended = false, any = false;
    char last = 0;
    r->bytes = 0;
    while (!ended) {
        if (r->at == r->have && !fill(r))
            return LINES_FAILED;
        if (r->have == 0)
            break;
        any = true;
        char *end = memchr(r->block + r->at, '\n', (size_t)(r->have - r->at));
        int64_t n = end ? end - (r->block + r->at) : r->have - r->at;
        if (!take(r, n))
            return LINES_FAILED;
        if (n > 0)
            last = r->block[r->at + n - 1];
        ended = end != NULL;
        r->at += n + ended;
    }
    if (ended && last == '\r')
        r->bytes--;
    r->number += any;
    return any ? LINES_LINE : LINES_END;
}

heed_line_kind lines_kind(const text_lines *r)
{
    if (r->bytes > r->max_bytes)
        return HEED_LINE_LONG;
    if (memchr(r->line, 0, (size_t)r->bytes))
        return HEED_LINE_NUL;
    return text_invalid_at(r->line, r->bytes) >= 0 ? HEED_LINE_ENCODING : HEED_LINE_OK;
}

/* ---- for programs ------------------------------------------------------------------------------------------------ */

struct heed_lines {
    text_lines lines;
};

heed_lines *heed_lines_open(const char *path)
{
    heed_lines *r = memory_get_zeroed(sizeof(*r));
    if (r && !lines_open(&r->lines, "lines", path, INT64_MAX / 4)) {
        heed_lines_close(r);
        return NULL;
    }
    return r;
}

const char *heed_lines_next(heed_lines *lines)
{
    if (!lines) {
        heed_fail(HEED_BAD_ARGUMENT, "lines_next: lines is NULL");
        return NULL;
    }
    text_lines *r = &lines->lines;
    if (lines_next(r) != LINES_LINE)
        return NULL;
    heed_line_kind kind = lines_kind(r);
    if (kind != HEED_LINE_OK) {
        heed_fail(HEED_BAD_FORMAT, "lines \"%s\", line %lld: %s", r->file.label, (long long)r->number,
                  heed_line_reason(kind));
        return NULL;
    }
    r->line[r->bytes] = 0;
    return r->line;
}

int64_t heed_lines_number(const heed_lines *lines)
{
    return lines ? lines->lines.number : 0;
}

void heed_lines_close(heed_lines *lines)
{
    if (!lines)
        return;
    lines_close(&lines->lines);
    memory_put(lines);
}
