/* Lines to words and back.
 *
 * White space (the Unicode property White_Space: no-break spaces and the line and paragraph separators too) cuts a line
 * into pieces. A piece becomes one or more words:
 *
 *     cold.      cold  ￭.           punctuation and symbols at its ends become words, a run of equal ones one word,
 *     «oui!»     «￭  oui  ￭!  ￭»     marked with U+FFED on the side where they were joined
 *     l'eau      l'￭  eau           elision: one consonant, or letters ending in qu, an apostrophe, a vowel or h
 *     don't      don't              any other apostrophe, hyphen or dot inside stays inside
 *     l'  's     l'  's             such a clitic alone is a word, as in text that is tokenised already
 *     ?!  ...    ?!  ...            so is a piece without letters or digits
 *
 * Words are joined with one space, or none at a mark. A U+FFED of the text itself is never split off and is written
 * twice, so a word has a mark where it starts or ends with an odd number of them, and joining gives every line back,
 * its white space as single spaces. A character here is a grapheme cluster: an accent or an emoji's skin tone stays
 * with it. Case and normal form are kept, unless heed_text_desc says otherwise; if it says `spaced`, pieces are words.
 */
#include <string.h>
#include <utf8proc.h>

#include "internal.h"
#include "../tensor/internal.h"

/* ---- characters -------------------------------------------------------------------------------------------------- */

static bool is_ascii(char byte)
{
    return (unsigned char)byte < 0x80;
}

static bool is_letter(int32_t code)
{
    utf8proc_category_t category = utf8proc_category(code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

/* Punctuation and symbols, but not the joiner, which must never be split off. */
static bool is_punctuation(int32_t code)
{
    utf8proc_category_t category = utf8proc_category(code);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_SO && code != 0xFFED;
}

static bool is_apostrophe(int32_t code)
{
    return code == '\'' || code == 0x2019;
}

/* The lower-case letter below the accents: 'e' for é; 0 if it is not one of a to z, œ and æ. */
static int32_t base_letter(int32_t code)
{
    int32_t parts[4];
    int bound = 0;
    if (utf8proc_decompose_char(code, parts, 4, UTF8PROC_DECOMPOSE, &bound) < 1)
        return 0;
    int32_t base = utf8proc_tolower(parts[0]);
    return (base >= 'a' && base <= 'z') || base == 0x153 || base == 0xE6 ? base : 0;
}

static bool is_vowel(int32_t base)
{
    return base >= 0x80 || (base && strchr("aeiouy", (char)base));
}

/* A grapheme cluster: its bytes and its first code point; one that is an apostrophe with an accent is no apostrophe. */
typedef struct {
    int64_t bytes;
    int32_t code;
    bool single; /* one code point */
} cluster;

static cluster next_cluster(const char *text, int64_t bytes)
{
    cluster c = { .bytes = 1, .code = text[0], .single = true };
    if (is_ascii(text[0]) && (bytes == 1 || is_ascii(text[1])))
        return c; /* two ASCII characters never belong together (CR LF is not in a word) */
    int32_t state = 0, last, code;
    c.bytes = text_decode(text, bytes, &c.code);
    for (last = c.code; c.bytes < bytes; last = code) {
        int64_t n = text_decode(text + c.bytes, bytes - c.bytes, &code);
        if (utf8proc_grapheme_break_stateful(last, code, &state))
            break;
        c.bytes += n;
        c.single = false;
    }
    return c;
}

/* Bytes of the run of equal punctuation at the start; 0: none. */
static int64_t punctuation_run(const char *text, int64_t bytes)
{
    cluster first = next_cluster(text, bytes);
    if (!is_punctuation(first.code))
        return 0;
    int64_t run = first.bytes;
    while (run < bytes) {
        cluster next = next_cluster(text + run, bytes - run);
        if (next.bytes != first.bytes || memcmp(text, text + run, (size_t)next.bytes) != 0)
            break;
        run += next.bytes;
    }
    return run;
}

/* ---- splitting --------------------------------------------------------------------------------------------------- */

/* Where words go. The first pass has no buffer and only counts. */
typedef struct {
    char *buffer;
    const char **words;
    int64_t count, bytes;
    bool spaced; /* pieces are words as they are */
} sink;

static bool joiner_at(const char *text, int64_t bytes)
{
    return bytes >= TEXT_JOINER_BYTES && memcmp(text, TEXT_JOINER, TEXT_JOINER_BYTES) == 0;
}

static void put_bytes(sink *s, const char *text, int64_t bytes)
{
    if (s->buffer)
        memcpy(s->buffer + s->bytes, text, (size_t)bytes);
    s->bytes += bytes;
}

static void put_word(sink *s, bool before, const char *text, int64_t bytes, bool after)
{
    if (s->words)
        s->words[s->count] = s->buffer + s->bytes;
    s->count++;
    if (before)
        put_bytes(s, TEXT_JOINER, TEXT_JOINER_BYTES);
    for (int64_t i = 0, n; i < bytes; i += n) {
        n = joiner_at(text + i, bytes - i) ? TEXT_JOINER_BYTES : 1;
        put_bytes(s, text + i, n);
        if (n == TEXT_JOINER_BYTES)
            put_bytes(s, text + i, n);
    }
    if (after)
        put_bytes(s, TEXT_JOINER, TEXT_JOINER_BYTES);
    put_bytes(s, "", 1);
}

/* Bytes of "l'" or "jusqu'" at the start of the text if it may be elided; what follows is for the caller to look at. */
static int64_t elided(const char *text, int64_t bytes)
{
    int32_t last = 0, before = 0;
    int64_t at = 0, letters = 0;
    while (at < bytes) {
        cluster c = next_cluster(text + at, bytes - at);
        at += c.bytes;
        if (is_letter(c.code)) {
            before = last;
            last = base_letter(c.code);
            letters++;
            continue;
        }
        bool consonant = letters == 1 && last && !is_vowel(last);
        bool qu = before == 'q' && last == 'u';
        return is_apostrophe(c.code) && c.single && (consonant || qu) ? at : 0;
    }
    return 0;
}

/* Bytes of an elided word and its apostrophe at the start, before a vowel or h; 0: none. */
static int64_t elision(const char *text, int64_t bytes)
{
    int64_t n = elided(text, bytes);
    if (n == 0 || n == bytes)
        return 0;
    int32_t base = base_letter(next_cluster(text + n, bytes - n).code);
    return is_vowel(base) || base == 'h' ? n : 0;
}

/* "l'" or "'s" and nothing else. */
static bool is_clitic(const char *text, int64_t bytes)
{
    if (elided(text, bytes) == bytes)
        return true;
    cluster c = next_cluster(text, bytes);
    if (!is_apostrophe(c.code) || !c.single)
        return false;
    int letters = 0;
    for (int64_t at = c.bytes; at < bytes; at += c.bytes) {
        c = next_cluster(text + at, bytes - at);
        if (++letters > 2 || utf8proc_category(c.code) != UTF8PROC_CATEGORY_LL)
            return false;
    }
    return letters > 0;
}

/* Where the punctuation at the end begins; 0: there is nothing else. */
static int64_t trailing(const char *text, int64_t bytes)
{
    int64_t end = 0;
    for (int64_t at = 0; at < bytes;) {
        cluster c = next_cluster(text + at, bytes - at);
        at += c.bytes;
        if (!is_punctuation(c.code))
            end = at;
    }
    return end;
}

static void put_piece(sink *s, const char *text, int64_t bytes)
{
    if (s->words)
        s->words[s->count] = s->buffer + s->bytes;
    s->count++;
    put_bytes(s, text, bytes);
    put_bytes(s, "", 1);
}

static void split_piece(sink *s, const char *text, int64_t bytes)
{
    if (s->spaced) {
        put_piece(s, text, bytes);
        return;
    }
    int64_t end = trailing(text, bytes), at = 0, n;
    if (end == 0 || is_clitic(text, bytes)) {
        put_word(s, false, text, bytes, false);
        return;
    }
    for (; (n = punctuation_run(text + at, end - at)) > 0; at += n)
        put_word(s, false, text + at, n, true);
    for (; (n = elision(text + at, end - at)) > 0; at += n)
        put_word(s, false, text + at, n, true);
    put_word(s, false, text + at, end - at, false);
    for (at = end; at < bytes; at += n) {
        n = punctuation_run(text + at, bytes - at);
        put_word(s, true, text + at, n, false);
    }
}

static void split_line(sink *s, const char *text, int64_t bytes)
{
    int64_t start = 0, at = 0;
    while (at < bytes) {
        int32_t code;
        int64_t n = text_decode(text + at, bytes - at, &code);
        if (text_space(code)) {
            if (at > start)
                split_piece(s, text + start, at - start);
            start = at + n;
        }
        at += n;
    }
    if (at > start)
        split_piece(s, text + start, at - start);
}

int64_t words_count(const char *text, int64_t bytes)
{
    sink s = { 0 };
    split_line(&s, text, bytes);
    return s.count;
}

static bool split_valid(const char *line, int64_t bytes, bool spaced, heed_words *out)
{
    int64_t table, total;
    sink s = { .spaced = spaced };
    split_line(&s, line, bytes);
    if (!size_mul(s.count, (int64_t)sizeof(char *), &table) || !size_add(table, s.bytes, &total))
        return heed_fail(HEED_BAD_SHAPE, "words_split: a line of %lld bytes is too long", (long long)bytes);
    const char **words = memory_get(total); /* the table, then the buffer */
    if (!words)
        return false;
    *out = (heed_words){ .buffer = (char *)(words + s.count), .words = words };
    s = (sink){ .buffer = out->buffer, .words = out->words, .spaced = spaced };
    split_line(&s, line, bytes);
    out->count = s.count;
    return true;
}

bool words_split(const char *line, heed_text_desc text, heed_words *out)
{
    if (!line || !out)
        return heed_fail(HEED_BAD_ARGUMENT, "words_split: %s is NULL", line ? "out" : "line");
    *out = (heed_words){ 0 };
    int64_t bytes = (int64_t)strlen(line), bad = text_invalid_at(line, bytes), room;
    if (bad >= 0)
        return heed_fail(HEED_BAD_FORMAT, "words_split: byte %lld of the line is not valid UTF-8", (long long)bad);
    char *composed = text.compose ? text_composed(line, bytes) : NULL, *lower = NULL;
    bool ok = composed || !text.compose;
    if (composed) {
        line = composed;
        bytes = (int64_t)strlen(composed);
    }
    if (ok && text.lower) {
        ok = size_mul(2, bytes, &room) && (lower = memory_get(room));
        bytes = ok ? text_lower(line, bytes, lower) : 0;
        line = lower;
    }
    ok = ok && split_valid(line, bytes, text.spaced, out);
    memory_put(composed);
    memory_put(lower);
    return ok;
}

bool heed_words_split(const char *line, heed_words *out)
{
    return words_split(line, (heed_text_desc){ 0 }, out);
}

void heed_words_free(heed_words *words)
{
    if (!words)
        return;
    memory_put(words->words);
    *words = (heed_words){ 0 };
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

/* How many joiners the word starts with, or ends with. */
static int64_t joiners(const char *word, int64_t bytes, bool at_end)
{
    int64_t n = 0;
    for (int64_t left = bytes; left >= TEXT_JOINER_BYTES; left -= TEXT_JOINER_BYTES, n++)
        if (!joiner_at(at_end ? word + left - TEXT_JOINER_BYTES : word + bytes - left, left))
            break;
    return n;
}

words_body words_unmarked(const char *word, int64_t bytes)
{
    int64_t leading = joiners(word, bytes, false), closing = joiners(word, bytes, true);
    words_body body = { .text = word, .bytes = bytes, .before = leading % 2 == 1 };
    body.after = closing % 2 == 1 && closing * TEXT_JOINER_BYTES < bytes; /* joiners only: the mark is in front */
    if (body.before) {
        body.text += TEXT_JOINER_BYTES;
        body.bytes -= TEXT_JOINER_BYTES;
    }
    if (body.after)
        body.bytes -= TEXT_JOINER_BYTES;
    return body;
}

/* Copies the body, doubled joiners as one; returns the bytes written, at most body.bytes. */
static int64_t put_body(char *out, words_body body)
{
    int64_t n = 0;
    for (int64_t i = 0; i < body.bytes;) {
        bool joiner = joiner_at(body.text + i, body.bytes - i);
        int64_t bytes = joiner ? TEXT_JOINER_BYTES : 1;
        memcpy(out + n, body.text + i, (size_t)bytes);
        n += bytes;
        i += bytes;
        if (joiner && joiner_at(body.text + i, body.bytes - i))
            i += TEXT_JOINER_BYTES;
    }
    return n;
}

char *heed_words_join(const char *const *words, int64_t count)
{
    int64_t room = 1;
    if (count < 0 || (count > 0 && !words)) {
        heed_fail(HEED_BAD_ARGUMENT, "words_join: words is %s, count %lld", words ? "given" : "NULL", (long long)count);
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        if (!words[i]) {
            heed_fail(HEED_BAD_ARGUMENT, "words_join: word %lld of %lld is NULL", (long long)i, (long long)count);
            return NULL;
        }
        room += (int64_t)strlen(words[i]) + 1;
    }
    char *line = memory_get(room);
    if (!line)
        return NULL;
    int64_t n = 0;
    bool joined = true; /* no space before the next word */
    for (int64_t i = 0; i < count; i++) {
        words_body body = words_unmarked(words[i], (int64_t)strlen(words[i]));
        if (!joined && !body.before && body.bytes > 0)
            line[n++] = ' ';
        n += put_body(line + n, body);
        joined = body.after || (joined && body.bytes == 0);
    }
    line[n] = 0;
    return line;
}

void heed_text_free(char *text)
{
    memory_put(text);
}
