/* Errors: each thread's first failure, in a fixed buffer, so that it can be told when memory has run out.
 *
 * The first failure stays until it is read or cleared; failures in between are dropped, because they are usually its
 * consequences. After it was read the next failure starts afresh. */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

typedef void error_callback(heed_error_kind kind, const char *text);

static _Thread_local bool muted; /* see error_mute */
static _Thread_local error_state state;
static _Atomic(error_callback *) on_error;

const char *heed_version(void)
{
    return HEED_VERSION;
}

const char *heed_error(void)
{
    state.pending = false;
    return state.text;
}

heed_error_kind heed_error_code(void)
{
    return state.kind;
}

bool heed_error_pending(void)
{
    return state.pending;
}

void heed_error_clear(void)
{
    state.kind = HEED_OK;
    state.pending = false;
    state.text[0] = '\0';
}

void heed_on_error(void (*fn)(heed_error_kind, const char *text))
{
    atomic_store(&on_error, fn);
}

/* Ends a text that was cut at size - 1 bytes with "...", never in the middle of a character. */
static void mark_cut(char *text, size_t size)
{
    size_t end = size - sizeof("...");
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
        end--;
    memcpy(text + end, "...", sizeof("..."));
}

bool heed_fail(heed_error_kind kind, const char *format, ...)
{
    if (state.pending || muted)
        return false;
    int saved_errno = errno;
    error_state failure = { .kind = kind, .pending = true };
    va_list args;
    va_start(args, format);
    int length = vsnprintf(failure.text, sizeof failure.text, format, args);
    va_end(args);
    if (length < 0)
        strcpy(failure.text, "heed_fail: a message that cannot be formatted");
    else if ((size_t)length >= sizeof failure.text)
        mark_cut(failure.text, sizeof failure.text);
    state = failure; /* only now: an argument may be this thread's previous text */
    error_callback *callback = atomic_load(&on_error);
    if (callback)
        callback(kind, state.text);
    errno = saved_errno;
    return false;
}

bool error_mute(bool on)
{
    bool was = muted;
    muted = on;
    return was;
}

error_state error_take(void)
{
    error_state taken = { .kind = HEED_OK };
    if (state.pending) {
        taken = state;
        heed_error_clear();
    }
    return taken;
}

void error_put(const error_state *from)
{
    if (from->pending && !state.pending)
        state = *from;
}

/* Bytes of the printable character at s, or 0: controls (C0, DEL, C1), broken, overlong or surrogate UTF-8. */
static size_t printable(const unsigned char *s)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xC0 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF8 ? 4 : 0;
    if (length <= 1)
        return length && s[0] >= 0x20 && s[0] != 0x7F;
    uint32_t code = s[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3Fu);
    }
    bool bad = code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) || code < 0xA0;
    return bad ? 0 : length;
}

const char *text_clean(char *room, size_t size, const char *text)
{
    static const char dots[] = "...";
    size_t used = 0, safe = 0; /* safe: where the dots go if the rest does not fit */
    const unsigned char *s = (const unsigned char *)(text ? text : "(null)");
    if (size < sizeof dots) {
        if (size)
            room[0] = '\0';
        return size ? room : "";
    }
    while (*s) {
        size_t length = printable(s), take = length ? length : 4;
        if (used + sizeof dots <= size)
            safe = used;
        if (used + take + 1 > size) {
            memcpy(room + safe, dots, sizeof dots);
            return room;
        }
        if (length)
            memcpy(room + used, s, length);
        else
            snprintf(room + used, size - used, "\\x%02X", (unsigned)*s);
        used += take;
        s += length ? length : 1;
    }
    room[used] = '\0';
    return room;
}

const char *heed_error_clean(char *room, size_t size, const char *text)
{
    return text_clean(room, size, text);
}
