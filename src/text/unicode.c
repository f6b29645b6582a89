/* Characters: what is valid, what is white space, lower case and composition. From utf8proc, and where it stops short of
 * the Unicode standard, by the standard's rules. */
#include <utf8proc.h>

#include "internal.h"
#include "../tensor/internal.h"

int64_t text_decode(const char *text, int64_t bytes, int32_t *code)
{
    return utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, code);
}

int64_t text_invalid_at(const char *text, int64_t bytes)
{
    int64_t i = 0;
    while (i < bytes) {
        int32_t code;
        int64_t n = (unsigned char)text[i] < 0x80 ? 1 : text_decode(text + i, bytes - i, &code);
        if (n < 1)
            return i;
        i += n;
    }
    return -1;
}

bool heed_utf8_valid(const char *text, int64_t bytes)
{
    if (!text || bytes < 0)
        return heed_fail(HEED_BAD_ARGUMENT, "utf8_valid: text is %s, %lld bytes", text ? "given" : "NULL",
                         (long long)bytes);
    return text_invalid_at(text, bytes) < 0;
}

bool text_space(int32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    utf8proc_category_t category = utf8proc_category(code);
    return code == 0x85 || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

bool text_blank(const char *text, int64_t bytes)
{
    int32_t code;
    for (int64_t at = 0; at < bytes;) {
        at += text_decode(text + at, bytes - at, &code);
        if (!text_space(code))
            return false;
    }
    return true;
}

bool text_has_space(const char *text, int64_t bytes)
{
    int32_t code;
    for (int64_t at = 0; at < bytes;) {
        at += text_decode(text + at, bytes - at, &code);
        if (text_space(code))
            return true;
    }
    return false;
}

bool text_control(const char *text, int64_t bytes)
{
    int32_t code;
    for (int64_t at = 0; at < bytes;) {
        at += text_decode(text + at, bytes - at, &code);
        if (utf8proc_category(code) == UTF8PROC_CATEGORY_CC)
            return true;
    }
    return false;
}

/* ---- lower case -------------------------------------------------------------------------------------------------- */

enum { SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2, DOTTED_I = 0x130, DOT_ABOVE = 0x307 };

/* The property Cased. */
static bool is_cased(int32_t code)
{
    utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT ||
           utf8proc_islower(code) || utf8proc_isupper(code) || code == 0xAA || code == 0xBA ||
           (code >= 0x1F130 && code <= 0x1F189 && (code - 16) % 32 < 26); /* letters in squares, circles */
}

/* The property Case_Ignorable: marks, modifiers, formats, and the apostrophes and dots that stand inside words. */
static bool is_case_ignorable(int32_t code)
{
    static const int32_t inside_words[] = { 0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                            0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A };
    for (size_t i = 0; i < sizeof(inside_words) / sizeof(inside_words[0]); i++)
        if (code == inside_words[i])
            return true;
    utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_LM || category == UTF8PROC_CATEGORY_SK;
}

/* Whether the first character that is not ignorable has case. */
static bool cased_follows(const char *text, int64_t bytes)
{
    int32_t code;
    for (int64_t at = 0; at < bytes;) {
        at += text_decode(text + at, bytes - at, &code);
        if (!is_case_ignorable(code))
            return is_cased(code);
    }
    return false;
}

int64_t text_lower(const char *text, int64_t bytes, char *out)
{
    int64_t n = 0;
    bool after_cased = false; /* the last character that is not ignorable has case */
    for (int64_t at = 0; at < bytes;) {
        int32_t code;
        at += text_decode(text + at, bytes - at, &code);
        int32_t low = utf8proc_tolower(code);
        if (code == SIGMA && after_cased && !cased_follows(text + at, bytes - at))
            low = FINAL_SIGMA;
        n += utf8proc_encode_char(low, (utf8proc_uint8_t *)out + n);
        if (code == DOTTED_I)
            n += utf8proc_encode_char(DOT_ABOVE, (utf8proc_uint8_t *)out + n);
        if (!is_case_ignorable(code))
            after_cased = is_cased(code);
    }
    return n;
}

/* ---- composition ------------------------------------------------------------------------------------------------- */

enum { MARKS = 30 }; /* in a row: Unicode's Stream-Safe Text Format. Sorting more of them takes quadratic time. */

static bool stream_safe(const char *text, int64_t bytes)
{
    int32_t code;
    int run = 0;
    for (int64_t at = 0; at < bytes && run <= MARKS;) {
        at += text_decode(text + at, bytes - at, &code);
        run = utf8proc_get_property(code)->combining_class ? run + 1 : 0;
    }
    return run <= MARKS;
}

char *text_composed(const char *text, int64_t bytes)
{
    const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const utf8proc_uint8_t *in = (const utf8proc_uint8_t *)text;
    if (!stream_safe(text, bytes))
        return memory_string(text);
    utf8proc_ssize_t n = utf8proc_decompose(in, bytes, NULL, 0, how);
    int32_t *codes = n < 0 ? NULL : memory_get((n + 1) * (int64_t)sizeof(*codes));
    if (codes)
        n = utf8proc_decompose(in, bytes, codes, n, how);
    if (codes && n >= 0)
        n = utf8proc_reencode(codes, n, how); /* to UTF-8, with a NUL, in the same place */
    if (n >= 0)
        return (char *)codes;
    heed_fail(HEED_BAD_SHAPE, "text: %s", utf8proc_errmsg(n));
    memory_put(codes);
    return NULL;
}
