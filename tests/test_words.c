/* Lines to words and back: the rules of words.c one by one, and the promise that nothing is lost. */
#include "memory_sweep.h"
#include "text/internal.h"

#define J TEXT_JOINER

static const struct {
    const char *line, *words; /* words separated by '|' */
} table[] = {
    { "", "" },
    { " \t\n ", "" },
    { "cold", "cold" },
    { "I am cold.", "I|am|cold|" J "." },
    { "  two \t words  ", "two|words" },
    { "l' ami ne dort pas .", "l'|ami|ne|dort|pas|." },
    { "the king 's horse sees n' qu' d' m' ?", "the|king|'s|horse|sees|n'|qu'|d'|m'|?" },
    { "the big cat ... !! -- ?! :-)", "the|big|cat|...|!!|--|?!|:-)" },
    { "Where is Tom?", "Where|is|Tom|" J "?" },
    { "I don't know, she's rock 'n' roll.", "I|don't|know|" J ",|she's|rock|'" J "|n|" J "'|roll|" J "." },
    { "I'm we'll o'clock O'Brien ma'am aujourd'hui n't", "I'm|we'll|o'clock|O'Brien|ma'am|aujourd'hui|n't" },
    { "dogs' 'tis 'I 'em '", "dogs|" J "'|'" J "|tis|'" J "|I|'em|'" },
    { "l'eau d'été qu'il jusqu'ici Lorsqu'elle puisqu'on quoiqu'une",
      "l'" J "|eau|d'" J "|été|qu'" J "|il|jusqu'" J "|ici|Lorsqu'" J "|elle|puisqu'" J "|on|quoiqu'" J "|une" },
    { "J'ai n'y s'il t'aime m'a c'est l'homme l\u2019\u0153uvre C\u2019\u00C9tait",
      "J'" J "|ai|n'" J "|y|s'" J "|il|t'" J "|aime|m'" J "|a|c'" J "|est|l'" J "|homme|l\u2019" J
      "|\u0153uvre|C\u2019" J "|\u00C9tait" },
    { "d'l'eau l'm l'5 a'i \u00E9'a aq'a u'a bu'a", "d'l'eau|l'm|l'5|a'i|\u00E9'a|aq'a|u'a|bu'a" },
    { "qu'l'eau qu'd'un s'l'", "qu'l'eau|qu'd'un|s'l|" J "'" },
    { "\u00ABl'ami\u00BB (\"oui\")", "\u00AB" J "|l'" J "|ami|" J "\u00BB|(" J "|\"" J "|oui|" J "\"|" J ")" },
    { "Va\u202F! Viens\u00A0?", "Va|!|Viens|?" },
    { "reposez-vous a.m. 3.14 U.S. 5\u20AC $5 100% a/b",
      "reposez-vous|a.m|" J ".|3.14|U.S|" J ".|5|" J "\u20AC|$" J "|5|100|" J "%|a/b" },
    { "wait... what?!! (((x)))", "wait|" J "...|what|" J "?|" J "!!|(((" J "|x|" J ")))" },
    { "\u00BFC\u00F3mo? \u3053\u3093\u306B\u3061\u306F\u3002",
      "\u00BF" J "|C\u00F3mo|" J "?|\u3053\u3093\u306B\u3061\u306F|" J "\u3002" },
    { "e\u0301te\u0301! x.\u0301.",
      "e\u0301te\u0301|" J "!|x|" J ".\u0301|" J "." }, /* an accent stays on its letter, or dot */
    { "l'e\u0301te\u0301 l'\u0301a n\u0303'a", "l'" J "|e\u0301te\u0301|l'\u0301a|n\u0303'" J "|a" },
    { "ok\U0001F44D\U0001F3FD \U0001F468\u200D\U0001F469\u200D\U0001F467! \U0001F1EB\U0001F1F7",
      "ok|" J "\U0001F44D\U0001F3FD|\U0001F468\u200D\U0001F469\u200D\U0001F467!|\U0001F1EB\U0001F1F7" },
    { "\u0645\u0631\u062D\u0628\u0627\u061F", "\u0645\u0631\u062D\u0628\u0627|" J "\u061F" }, /* right to left */
    { "<pad> </s> <eos>", "<" J "|pad|" J ">|<" J "|/" J "|s|" J ">|<" J "|eos|" J ">" },
    { "\x1A a\x1B[31mb \x7F", "\x1A|a\x1B[31mb|\x7F" }, /* control characters are characters */
    { J, J J },
    { J J, J J J J },
    { "a" J, "a" J J },
    { J "a", J J "a" },
    { "a" J "b", "a" J J "b" },
    { J "." J, J J "." J J },
    { "." J ".", "." J "|" J J "|" J "." },
    { J ".", J J "|" J "." },
    { "l'" J, "l'" J J },
    { "l'a" J, "l'" J "|a" J J },
};

static char *joined_by_bar(const heed_words *words)
{
    static char text[4096];
    text[0] = 0;
    for (int64_t i = 0; i < words->count; i++) {
        if (i)
            strcat(text, "|");
        strcat(text, words->words[i]);
    }
    return text;
}

/* White space as single spaces, from the list of Unicode's White_Space code points. */
static const char *const spaces[] = { "\t",     "\n",     "\v",     "\f",     "\r",     " ",      "\xC2\x85",
                                      "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
                                      "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200A", "\u2028",
                                      "\u2029", "\u202F", "\u205F", "\u3000" };
enum { SPACES = sizeof(spaces) / sizeof(spaces[0]) };

static void normalise(char *out, const char *line)
{
    char *start = out;
    bool gap = false;
    while (*line) {
        size_t n = 0;
        for (int i = 0; i < SPACES && n == 0; i++)
            if (strncmp(line, spaces[i], strlen(spaces[i])) == 0)
                n = strlen(spaces[i]);
        if (n > 0) {
            gap = true;
            line += n;
            continue;
        }
        if (gap && out > start)
            *out++ = ' ';
        gap = false;
        *out++ = *line++;
    }
    *out = 0;
}

static void check_back(const char *line)
{
    heed_words words, again;
    char want[4096];
    assert_true(heed_words_split(line, &words));
    assert_int_equal(words_count(line, (int64_t)strlen(line)), words.count);
    char *back = heed_words_join(words.words, words.count);
    assert_non_null(back);
    normalise(want, line);
    assert_string_equal(back, want);
    assert_true(heed_words_split(back, &again));
    assert_int_equal(again.count, words.count);
    for (int64_t i = 0; i < words.count; i++) {
        assert_string_equal(again.words[i], words.words[i]);
        assert_true(words.words[i][0] != 0);
    }
    heed_text_free(back);
    heed_words_free(&words);
    heed_words_free(&again);
}

static void lines_split_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        heed_words words;
        assert_true(heed_words_split(table[i].line, &words));
        assert_string_equal(joined_by_bar(&words), table[i].words);
        heed_words_free(&words);
        check_back(table[i].line);
    }
}

static void every_white_space_cuts_and_nothing_else(void **state)
{
    (void)state;
    static const char *const not_spaces[] = {
        "\u200B", "\u180E", "\uFEFF", "\u2060", "\u200D", "\x1F", "\x1A", "\u00AD"
    };
    char line[64];
    for (int i = 0; i < SPACES; i++) {
        snprintf(line, sizeof(line), "%sa%s%sb%s", spaces[i], spaces[i], spaces[i], spaces[i]);
        heed_words words;
        assert_true(heed_words_split(line, &words));
        assert_string_equal(joined_by_bar(&words), "a|b");
        heed_words_free(&words);
        assert_true(text_blank(spaces[i], (int64_t)strlen(spaces[i])));
    }
    for (size_t i = 0; i < sizeof(not_spaces) / sizeof(not_spaces[0]); i++) {
        snprintf(line, sizeof(line), "a%sb", not_spaces[i]);
        assert_int_equal(words_count(line, (int64_t)strlen(line)), 1);
        assert_false(text_blank(not_spaces[i], (int64_t)strlen(not_spaces[i])));
    }
}

static void random_lines_come_back(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "a",      "b",      "l",      "qu",         "e",          "h",          "'",
        "'",      "\u2019", ".",      ".",          "!",          "-",          "\u00AB",
        "(",      J,        J,        " ",          " ",          "\u00A0",     "\t",
        "\u2028", "\u0301", "\u200D", "\U0001F469", "\U0001F3FD", "\U0001F1EB", "\u00E9",
        "\u0645", "\u4E2D", "5",      "$",          "<",          "\x01",       "\uFFFD",
        "\u0600", "\u0E33", "\u1100", "\u1161",     "L",          "Qu",         "\xF4\x8F\xBF\xBF",
        "\uFFFC"
    };
    const int n_parts = sizeof(parts) / sizeof(parts[0]);
    heed_rng rng = { .seed = 20, .stream = heed_rng_stream("lines") };
    for (rng.row = 0; rng.row < 20000; rng.row++) {
        char line[1024] = "";
        int length = (int)heed_rng_below(rng, 0, 25);
        /* half of the lines from few parts, so that rare neighbours meet */
        int few = rng.row % 2 ? n_parts : 5, first = (int)heed_rng_below(rng, 1, (uint64_t)n_parts);
        for (int i = 0; i < length; i++)
            strcat(line, parts[(first + (int)heed_rng_below(rng, 2 + (uint64_t)i, (uint64_t)few) * 7) % n_parts]);
        check_back(line);
    }
    check_no_error();
}

static void join_takes_any_words(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        const char *line;
    } cases[] = {
        { { 0 }, "" },
        { { "a", "b" }, "a b" },
        { { J ".", "b" }, ". b" },
        { { "a" J, J "b" }, "ab" },
        { { "a" J, "b" J }, "ab" },
        { { "a", J, "b" }, "a b" },
        { { J, "b" }, "b" },
        { { "a", "", "b" }, "a b" },
        { { "a", J J, "b" }, "a " J " b" },
        { { "a", J J J, "b" }, "a" J " b" },
        { { J "-" J, "b" }, "-b" },
        { { "a", J "-" J, "b" }, "a-b" },
        { { "\xEF\xBF", "\xFF" }, "\xEF\xBF \xFF" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t n = 0;
        while (n < 4 && cases[i].words[n])
            n++;
        char *line = heed_words_join(cases[i].words, n);
        assert_string_equal(line, cases[i].line);
        heed_text_free(line);
    }
}

/* Well-formed UTF-8 by the table of the Unicode standard (3-7), for one sequence of n bytes. */
static bool well_formed(const unsigned char *s, int n)
{
    static const unsigned char rows[][9] = {
        /* length, then low and high of each byte */
        { 1, 0x00, 0x7F },
        { 2, 0xC2, 0xDF, 0x80, 0xBF },
        { 3, 0xE0, 0xE0, 0xA0, 0xBF, 0x80, 0xBF },
        { 3, 0xE1, 0xEC, 0x80, 0xBF, 0x80, 0xBF },
        { 3, 0xED, 0xED, 0x80, 0x9F, 0x80, 0xBF },
        { 3, 0xEE, 0xEF, 0x80, 0xBF, 0x80, 0xBF },
        { 4, 0xF0, 0xF0, 0x90, 0xBF, 0x80, 0xBF, 0x80, 0xBF },
        { 4, 0xF1, 0xF3, 0x80, 0xBF, 0x80, 0xBF, 0x80, 0xBF },
        { 4, 0xF4, 0xF4, 0x80, 0x8F, 0x80, 0xBF, 0x80, 0xBF },
    };
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        bool fits = rows[r][0] == n;
        for (int i = 0; fits && i < n; i++)
            fits = s[i] >= rows[r][1 + 2 * i] && s[i] <= rows[r][2 + 2 * i];
        if (fits)
            return true;
    }
    return false;
}

static void utf8_is_what_the_standard_says(void **state)
{
    (void)state;
    static const unsigned char tails[] = { 0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF };
    unsigned char s[6];
    for (int a = 0x41; a < 256; a += a < 0x7E ? 0x3D : 1) /* two of ASCII are enough */
        for (int b = 0; b < 256; b++)
            for (int c = 0; c < 100; c++) {
                s[0] = (unsigned char)a, s[1] = (unsigned char)b, s[2] = tails[c / 10], s[3] = tails[c % 10];
                for (int n = 1; n <= 4; n++) {
                    bool want = false; /* all ways to cut n bytes into well-formed sequences */
                    bool reach[5] = { true };
                    for (int from = 0; from < n; from++)
                        for (int k = 1; reach[from] && k <= n - from; k++)
                            reach[from + k] |= well_formed(s + from, k);
                    want = reach[n];
                    if (heed_utf8_valid((const char *)s, n) != want)
                        fail_msg("%02X %02X %02X %02X, %d bytes: want %d", s[0], s[1], s[2], s[3], n, want);
                }
            }
    assert_false(heed_utf8_valid("\xF8\x88\x80\x80\x80", 5));
    assert_false(heed_utf8_valid("\xFC\x84\x80\x80\x80\x80", 6));
    assert_true(heed_utf8_valid("", 0));
    check_no_error();
    assert_false(heed_utf8_valid(NULL, 0));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    assert_int_equal(text_invalid_at("ab\xC3\xA9\xC3", 5), 4);
}

static void bad_lines_and_arguments_are_refused(void **state)
{
    (void)state;
    heed_words words = { .count = 7 };
    assert_false(heed_words_split("good \xC0\x80", &words));
    check_failed(HEED_BAD_FORMAT, "byte 5");
    assert_int_equal(words.count, 0);
    heed_words_free(&words);
    heed_words_free(NULL);
    assert_false(heed_words_split(NULL, &words));
    check_failed(HEED_BAD_ARGUMENT, "line is NULL");
    assert_false(heed_words_split("a", NULL));
    check_failed(HEED_BAD_ARGUMENT, "out is NULL");
    assert_null(heed_words_join(NULL, 2));
    check_failed(HEED_BAD_ARGUMENT, "words is NULL");
    assert_null(heed_words_join(NULL, -1));
    check_failed(HEED_BAD_ARGUMENT, "count -1");
    assert_null(heed_words_join((const char *const[]){ "a", NULL }, 2));
    check_failed(HEED_BAD_ARGUMENT, "word 1 of 2 is NULL");
    heed_text_free(NULL);
}

/* A megabyte of anything takes no time that grows with its square. */
static void huge_lines_are_split(void **state)
{
    (void)state;
    static const char *const parts[] = { "a",  ".",  "?!",  "l'", "l'a",        J,        "\u0301",
                                         "a ", "qu", "qu'", "'",  "\U0001F1EB", "a\u200D" };
    enum { BYTES = 1 << 20 };
    char *line = malloc(BYTES + 16);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t n = strlen(parts[i]), used = 0;
        for (; used + n < BYTES; used += n)
            memcpy(line + used, parts[i], n);
        line[used] = 0;
        heed_words words;
        assert_true(heed_words_split(line, &words));
        char *back = heed_words_join(words.words, words.count);
        assert_true(strncmp(back, line, used - 1) == 0);
        heed_text_free(back);
        heed_words_free(&words);
    }
    free(line);
}

static bool split_and_join(void)
{
    heed_words words;
    bool ok = heed_words_split("I am cold.", &words);
    char *line = ok ? heed_words_join(words.words, words.count) : NULL;
    ok = ok && line && strcmp(line, "I am cold.") == 0;
    heed_text_free(line);
    heed_words_free(&words);
    return ok;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(split_and_join, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_split_as_the_table_says),  cmocka_unit_test(every_white_space_cuts_and_nothing_else),
        cmocka_unit_test(random_lines_come_back),         cmocka_unit_test(join_takes_any_words),
        cmocka_unit_test(utf8_is_what_the_standard_says), cmocka_unit_test(bad_lines_and_arguments_are_refused),
        cmocka_unit_test(huge_lines_are_split),           cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
