/* Words as the scorer of the NIST evaluations cuts them (mteval-v13a.pl), which WMT and so most papers use.
 *
 * With a space before and after the line, and each rule over the result of the one before, from left to right without
 * overlaps (so in "a..b" the second dot belongs to no match of rule 2):
 *
 *     0. <skipped> goes; &quot; &amp; &lt; &gt; become the characters they stand for, in this order
 *     1. ASCII punctuation and symbols other than ' , - .    c   ->  ' c '
 *     2. a dot or comma after anything but a digit           ac  ->  'a c '
 *     3. a dot or comma before anything but a digit          ca  ->  ' c a'
 *     4. a dash after a digit                                5-  ->  '5 - '
 *
 * A byte of a longer UTF-8 character is none of these, so the rules work on bytes.
 */
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

typedef struct {
    char *text;
    int64_t n;
} growing;

static void put(growing *out, char c)
{
    out->text[out->n++] = c;
}

/* Replaces in place; what is put is not longer than what it replaces, and not searched again. */
static int64_t replace(char *text, int64_t n, const char *what, const char *by)
{
    int64_t length = (int64_t)strlen(what), kept = 0;
    for (int64_t i = 0; i < n;) {
        bool found = n - i >= length && memcmp(text + i, what, (size_t)length) == 0;
        if (!found)
            text[kept++] = text[i++];
        for (const char *c = by; found && *c; c++)
            text[kept++] = *c;
        i += found ? length : 0;
    }
    return kept;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_point(char c)
{
    return c == '.' || c == ',';
}

static bool is_symbol(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

/* One of the rules 2 to 4: where two neighbours match, spaces go around the first or around the second. */
static void rule(int number, const growing *in, growing *out)
{
    out->n = 0;
    for (int64_t i = 0; i < in->n; i++) {
        char a = in->text[i], b = i + 1 < in->n ? in->text[i + 1] : 0;
        bool pair = i + 1 < in->n;
        bool first = number == 3 && pair && is_point(a) && !is_digit(b);
        bool second = (number == 2 && pair && !is_digit(a) && is_point(b)) || (number == 4 && is_digit(a) && b == '-');
        if (first)
            put(out, ' ');
        put(out, a);
        if (!first && !second)
            continue;
        put(out, ' ');
        put(out, b);
        if (second)
            put(out, ' ');
        i++;
    }
}

bool tokenise_13a(score_text *side)
{
    static const char *const entities[][2] = {
        { "<skipped>", "" }, { "&quot;", "\"" }, { "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" }
    };
    int64_t n = side->bytes;
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
        n = replace(side->text, n, entities[i][0], entities[i][1]);
    int64_t room = 5 * (n + 2); /* a dot gets two spaces from rule 2 and from rule 3, other symbols two in all */
    growing a = { .text = memory_get(2 * room) }, b = { .text = a.text + room };
    if (!a.text)
        return false;
    for (int64_t i = -1; i <= n; i++) {
        char c = i < 0 || i == n ? ' ' : side->text[i];
        bool symbol = is_symbol(c);
        if (symbol)
            put(&a, ' ');
        put(&a, c);
        if (symbol)
            put(&a, ' ');
    }
    rule(2, &a, &b);
    rule(3, &b, &a);
    rule(4, &a, &b);
    memmove(a.text, b.text, (size_t)b.n);
    memory_put(side->text);
    *side = (score_text){ .text = a.text, .bytes = b.n };
    return true;
}
