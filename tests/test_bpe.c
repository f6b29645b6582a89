/* Subwords: learned and cut as by subword-nmt (tests/bpe), every line given back, dropout, and what is refused. */
#include "folder.h"
#include "memory_sweep.h"
#include "text/internal.h"

static const heed_text_desc spaced = { .spaced = true };

static heed_vocab *count_files(const char *first, const char *second)
{
    heed_vocab *vocab = heed_vocab_for(spaced);
    const char *paths[2] = { first, second };
    for (int i = 0; i < 2 && paths[i]; i++) {
        heed_lines *lines = heed_lines_open(paths[i]);
        for (const char *line; (line = heed_lines_next(lines));)
            assert_true(heed_vocab_count(vocab, line));
        heed_lines_close(lines);
    }
    check_no_error();
    return vocab;
}

static heed_bpe *learn_lines(const char *const *lines, int64_t merges)
{
    heed_vocab *vocab = heed_vocab_for(spaced);
    for (; *lines; lines++)
        assert_true(heed_vocab_count(vocab, *lines));
    heed_bpe *bpe = heed_bpe_learn(vocab, (heed_bpe_desc){ .merges = merges });
    heed_vocab_free(vocab);
    assert_non_null(bpe);
    return bpe;
}
#define LEARN(merges, ...) learn_lines((const char *const[]){ __VA_ARGS__, NULL }, merges)

static void check_merges(const heed_bpe *bpe, const char *want)
{
    char *text = heed_bpe_to_text(bpe);
    assert_true(strncmp(text, "#version: 0.2\n", 14) == 0);
    assert_string_equal(text + 14, want);
    heed_text_free(text);
}

/* ---- against subword-nmt ----------------------------------------------------------------------------------------- */

static void merges_are_learned_as_by_subword_nmt(void **state)
{
    (void)state;
    int64_t n;
    char *want = file_get("tests/bpe/codes", &n);
    heed_vocab *words = count_files("tests/bpe/text.en", "tests/bpe/text.fr");
    heed_bpe *bpe = heed_bpe_learn(words, (heed_bpe_desc){ .merges = 2000 });
    char *got = heed_bpe_to_text(bpe);
    assert_string_equal(got, want);
    assert_int_equal(heed_bpe_merges(bpe), 1038); /* then pairs are rarer than 2 */
    heed_text_free(got);
    heed_bpe_free(bpe);

    bpe = heed_bpe_learn(words, (heed_bpe_desc){ .merges = 300 }); /* the first of them are the same */
    got = heed_bpe_to_text(bpe);
    assert_int_equal(heed_bpe_merges(bpe), 300);
    assert_memory_equal(got, want, strlen(got));
    heed_text_free(got);
    heed_bpe_free(bpe);
    heed_vocab_free(words);
    free(want);
}

static heed_bpe *read_codes(void)
{
    int64_t n;
    char *text = file_get("tests/bpe/codes", &n);
    heed_bpe *bpe = heed_bpe_from_text(text);
    assert_non_null(bpe);
    char *again = heed_bpe_to_text(bpe);
    assert_string_equal(again, text);
    heed_text_free(again);
    free(text);
    return bpe;
}

static void lines_are_cut_as_by_subword_nmt(void **state)
{
    (void)state;
    heed_bpe *bpe = read_codes();
    heed_lines *lines = heed_lines_open("tests/bpe/unseen"), *cut = heed_lines_open("tests/bpe/unseen.cut");
    for (const char *line, *want; (line = heed_lines_next(lines)) && (want = heed_lines_next(cut));) {
        char *got = heed_bpe_split(bpe, line, NULL), *back = heed_bpe_join(want);
        assert_string_equal(got, want);
        assert_string_equal(back, line);
        heed_text_free(got);
        heed_text_free(back);
    }
    check_no_error();
    assert_int_equal(heed_lines_number(lines), 142);
    heed_lines_close(lines);
    heed_lines_close(cut);
    heed_bpe_free(bpe);
}

/* Adds the counts of a vocabulary file of subword-nmt. */
static void add_counts(text_table *table, const char *path)
{
    heed_lines *lines = heed_lines_open(path);
    for (const char *line; (line = heed_lines_next(lines));) {
        const char *space = strchr(line, ' ');
        int64_t at = table_add(table, line, space - line);
        table->entries[at].count += atoll(space);
    }
    heed_lines_close(lines);
    check_no_error();
}

static void subwords_are_counted_as_by_subword_nmt(void **state)
{
    (void)state;
    text_table want;
    assert_true(table_open(&want));
    add_counts(&want, "tests/bpe/vocab.en");
    add_counts(&want, "tests/bpe/vocab.fr");
    heed_vocab *vocab = count_files("tests/bpe/text.en", "tests/bpe/text.fr");
    assert_true(heed_vocab_freeze(vocab, (heed_vocab_desc){ .bpe.merges = 2000 }));
    assert_int_equal(heed_vocab_size(vocab), HEED_SPECIALS + want.n);
    for (int64_t i = 0; i < want.n; i++) {
        int64_t at = table_find(&vocab->words, want.entries[i].text, want.entries[i].bytes);
        if (at < 0 || vocab->words.entries[at].count != want.entries[i].count)
            fail_msg("%s: want %lld", want.entries[i].text, (long long)want.entries[i].count);
        if (i > 0)
            assert_true(vocab->words.entries[i - 1].count >= vocab->words.entries[i].count);
    }
    table_close(&want);
    heed_vocab_free(vocab);
}

/* The vocabulary of vocab.fr from 3 occurrences on, with all merges: what is not in it is taken apart. */
static void unknown_subwords_are_taken_apart_as_by_subword_nmt(void **state)
{
    (void)state;
    int64_t n;
    char *codes = file_get("tests/bpe/codes", &n);
    heed_vocab *vocab = heed_vocab_for(spaced);
    vocab->bpe = heed_bpe_from_text(codes);
    heed_lines *lines = heed_lines_open("tests/bpe/vocab.fr");
    for (const char *line; (line = heed_lines_next(lines));)
        if (atoi(strchr(line, ' ')) >= 3)
            assert_true(table_add(&vocab->words, line, strchr(line, ' ') - line) >= 0);
    heed_lines_close(lines);
    vocab->frozen = true;

    lines = heed_lines_open("tests/bpe/unseen");
    heed_lines *known = heed_lines_open("tests/bpe/unseen.known");
    int64_t unknowns = 0, total = 0;
    for (const char *line, *want; (line = heed_lines_next(lines)) && (want = heed_lines_next(known));) {
        int32_t ids[512];
        int64_t unknown, count = heed_vocab_encode(vocab, line, ids, 512, &unknown);
        const char *at = want;
        for (int64_t i = 0; i < count; i++) {
            int64_t bytes = (int64_t)strcspn(at, " ");
            int64_t number = table_find(&vocab->words, at, bytes);
            assert_int_equal(ids[i], number < 0 ? HEED_UNK : number + HEED_SPECIALS);
            at += bytes + (at[bytes] == ' ');
        }
        assert_int_equal(*at, 0);
        unknowns += unknown;
        total += count;
    }
    assert_in_range(unknowns, 1000, total - 1000); /* most of these letters are not in vocab.fr */
    heed_lines_close(lines);
    heed_lines_close(known);
    heed_vocab_free(vocab);
    free(codes);
}

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

static void ties_go_to_the_greater_pair(void **state)
{
    (void)state;
    heed_bpe *bpe = LEARN(9, "ab cd", "ab cd"); /* both twice: "c" is greater than "a" */
    check_merges(bpe, "c d</w>\na b</w>\n");
    heed_bpe_free(bpe);
    bpe = LEARN(1, "ax ay bx", "ax ay bx"); /* left symbols first, then right ones */
    check_merges(bpe, "b x</w>\n");
    heed_bpe_free(bpe);
    bpe = LEARN(1, "aax aa", "aax aa"); /* a a, a a</w>, a x</w>: "a</w>" is greater than "a", "x</w>" than both */
    check_merges(bpe, "a x</w>\n");
    heed_bpe_free(bpe);
    bpe = LEARN(1, "\xC3\xA9z zz", "\xC3\xA9z zz"); /* bytes, and so code points: \u00E9 above z */
    check_merges(bpe, "\xC3\xA9 z</w>\n");
    heed_bpe_free(bpe);
    bpe = LEARN(5, "a b c", "a", ""); /* nothing to merge */
    check_merges(bpe, "");
    char *line = heed_bpe_split(bpe, "abc d", NULL);
    assert_string_equal(line, "a@@ b@@ c d");
    heed_text_free(line);
    heed_bpe_free(bpe);
}

static void merges_go_from_left_to_right_without_overlaps(void **state)
{
    (void)state;
    heed_bpe *bpe = heed_bpe_from_text("#version: 0.2\na a\naa a\na b</w>\nb c\nbc d</w>\na bc\nabc b\n");
    static const char *const cases[][2] = {
        { "aaa", "aa@@ a" },             /* the last is a</w> */
        { "aaaax", "aa@@ aa@@ x" },      /* two pairs, no overlap */
        { "aaaaax", "aa@@ aaa@@ x" },    /* then aa a */
        { "bbcdab", "b@@ bc@@ d@@ ab" }, /* "bc d</w>" only at the end */
        { "ab", "ab" },
        { "abcbx", "abcb@@ x" },
        { "xabcx bcd", "x@@ abc@@ x bcd" },
        { "", "" },
        { " a\u00A0 b\t", "a b" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *line = heed_bpe_split(bpe, cases[i][0], NULL);
        assert_string_equal(line, cases[i][1]);
        heed_text_free(line);
    }
    heed_bpe_free(bpe);
}

static void check_back(const heed_bpe *bpe, const char *line, const char *want)
{
    char *cut = heed_bpe_split(bpe, line, NULL), *back = heed_bpe_join(cut);
    assert_string_equal(back, want);
    heed_text_free(cut);
    heed_text_free(back);
}

static void marks_in_the_text_are_given_back(void **state)
{
    (void)state;
    heed_bpe *bpe = LEARN(100, "@@ @@@ a@@ a@@ a@@b @@b @@b", "a@@ @@ @@ </w> a</w> a</w>");
    static const char *const lines[] = { "@@",     "@",          "@@@ @@@@ a@@ b",     "a@@",          "@@ a @@",
                                         "a@@b@@", "</w> a</w>", "x@@y </w>@@ @@</w>", "a@@ @@ @@ b@", "" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        check_back(bpe, lines[i], lines[i]);
    check_back(bpe, "\u3000 a@@ \t b ", "a@@ b");
    char *line = heed_bpe_join("a@@ b@@");
    assert_string_equal(line, "ab"); /* a line cut off inside a word */
    heed_text_free(line);
    heed_bpe_free(bpe);
}

/* Words beyond BPE_LONGEST are cut in stretches, and teach nothing. */
static void long_words_take_linear_time(void **state)
{
    (void)state;
    heed_bpe *bpe = read_codes();
    enum { BYTES = 1 << 20 };
    char *line = malloc(BYTES + 1);
    heed_rng rng = { .seed = 1 };
    for (int i = 0; i < BYTES; i++)
        line[i] = "etaoinshrdlu@"[heed_rng_below(rng, (uint64_t)i, 13)];
    line[BYTES] = 0;
    check_back(bpe, line, line);
    memset(line, 'a', BYTES);
    check_back(bpe, line, line);
    line[BPE_LONGEST + 1] = 0;
    char *cut = heed_bpe_split(bpe, line, NULL);
    assert_string_equal(cut + strlen(cut) - 5, "a@@ a");
    heed_text_free(cut);
    heed_bpe_free(bpe);

    bpe = LEARN(5, line, line);
    assert_int_equal(heed_bpe_merges(bpe), 0);
    heed_bpe_free(bpe);
    bpe = LEARN(5, line + 1, line + 1);
    assert_int_equal(heed_bpe_merges(bpe), 5);
    heed_bpe_free(bpe);
    free(line);
}

/* ---- dropout ----------------------------------------------------------------------------------------------------- */

static void dropout_is_a_function_of_seed_and_row(void **state)
{
    (void)state;
    heed_bpe *bpe = read_codes();
    static const char line[] = "the unbelievable believers believe bananas are believable";
    char *plain = heed_bpe_split(bpe, line, NULL), *all = heed_bpe_split(bpe, line, &(heed_bpe_dropout){ .p = 1 });
    int64_t pieces[2] = { 0, 0 }, differ = 0;
    assert_int_equal(strlen(all), strlen(line) + 3 * (strlen(line) - 6 - 7)); /* every character a piece */
    char *none = heed_bpe_split(bpe, line, &(heed_bpe_dropout){ .p = 0 });
    assert_string_equal(none, plain);
    char *last = NULL;
    for (uint32_t row = 0; row < 50; row++) {
        heed_bpe_dropout dropout = { .p = 0.1, .rng = { .seed = 3, .row = row } };
        char *a = heed_bpe_split(bpe, line, &dropout), *b = heed_bpe_split(bpe, line, &dropout);
        char *back = heed_bpe_join(a);
        assert_string_equal(a, b);
        assert_string_equal(back, line);
        for (int i = 0; i < 2; i++)
            for (const char *at = i ? a : plain; *at; at++)
                pieces[i] += *at == ' ';
        differ += last && strcmp(a, last) != 0;
        heed_text_free(last);
        last = a;
        heed_text_free(b);
        heed_text_free(back);
    }
    assert_true(differ > 25);
    assert_true(pieces[1] > pieces[0]);
    heed_text_free(last);
    heed_text_free(plain);
    heed_text_free(all);
    heed_text_free(none);
    heed_bpe_free(bpe);
}

/* "ab" stays apart with probability p. */
static void dropout_has_the_probability_it_says(void **state)
{
    (void)state;
    heed_bpe *bpe = heed_bpe_from_text("#version: 0.2\na b</w>\n");
    int64_t apart = 0;
    for (uint32_t row = 0; row < 20000; row++) {
        char *line = heed_bpe_split(bpe, "ab", &(heed_bpe_dropout){ .p = 0.3, .rng = { .row = row } });
        apart += strcmp(line, "a@@ b") == 0;
        heed_text_free(line);
    }
    assert_in_range(apart, 6000 - 330, 6000 + 330); /* five deviations */
    heed_bpe_free(bpe);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void bad_merges_are_refused_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "line 1, \"\": the first line must be #version: 0.2" },
        { "a b\n", "line 1, \"a b\": the first line" },
        { "#version: 0.1\na b\n", "line 1" },
        { "#version: 0.2\r\na b\n", "line 1, \"#version: 0.2\\x0D\"" },
        { "#version: 0.2 byte\n", "line 1" },
        { "#version: 0.2\na b\n\nc d\n", "line 3, \"\": not two subwords" },
        { "#version: 0.2\nab\n", "line 2, \"ab\": not two subwords" },
        { "#version: 0.2\na  b\n", "not two subwords" },
        { "#version: 0.2\n a b\n", "not two subwords" },
        { "#version: 0.2\na b \n", "not two subwords" },
        { "#version: 0.2\na b c\n", "not two subwords" },
        { "#version: 0.2\na \u3000\n", "not two subwords" },
        { "#version: 0.2\na\tb c\n", "a control character" },
        { "#version: 0.2\na \x1B[2J\n", "\\x1B[2J\": a control character" },
        { "#version: 0.2\na b\r\n", "a control character" },
        { "#version: 0.2\na \xC2\x9B\n", "a control character" },
        { "#version: 0.2\na b\na \xC3\n", "line 3, \"a \\xC3\": not valid UTF-8" },
        { "#version: 0.2\n\xED\xA0\x80 b\n", "not valid UTF-8" },
        { "#version: 0.2\nab c\n", "line 2, \"ab c\": its first part is no character, and no line before makes it" },
        { "#version: 0.2\na bc\n", "its second part" },
        { "#version: 0.2\na b\nc ab\nab c</w>\ncab</w> d\n", "line 5, \"cab</w> d\": its first part" },
        { "#version: 0.2\na b\nb c\na b\n", "line 4, \"a b\": the merge of line 2 again" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        heed_memory before = heed_memory_now();
        assert_null(heed_bpe_from_text(cases[i].text));
        check_failed(HEED_BAD_FORMAT, cases[i].message);
        assert_int_equal(heed_memory_now().blocks, before.blocks);
    }
    heed_bpe *bpe = heed_bpe_from_text("#version: 0.2"); /* no merge, and no last newline, are fine */
    check_merges(bpe, "");
    heed_bpe_free(bpe);
    bpe = heed_bpe_from_text("#version: 0.2\na b");
    check_merges(bpe, "a b\n");
    heed_bpe_free(bpe);
}

/* Merges that double their symbol until it is longer than any word. */
static void endless_symbols_are_refused(void **state)
{
    (void)state;
    char *text = calloc(1, 1 << 20), *symbol = calloc(1, 1 << 18);
    strcpy(text, "#version: 0.2\n");
    strcpy(symbol, "a");
    for (int i = 0; i < 16; i++) {
        sprintf(text + strlen(text), "%s %s\n", symbol, symbol);
        memcpy(symbol + strlen(symbol), symbol, strlen(symbol));
    }
    assert_null(heed_bpe_from_text(text));
    check_failed(HEED_BAD_FORMAT, "line 12, \"aaaaaaaa");
    free(text);
    free(symbol);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    heed_vocab *vocab = heed_vocab_new();
    assert_true(heed_vocab_count(vocab, "ab ab"));
    assert_null(heed_bpe_learn(NULL, (heed_bpe_desc){ .merges = 1 }));
    check_failed(HEED_BAD_ARGUMENT, "words is NULL");
    assert_null(heed_bpe_learn(vocab, (heed_bpe_desc){ .merges = 0 }));
    check_failed(HEED_BAD_ARGUMENT, "merges is 0");
    assert_null(heed_bpe_learn(vocab, (heed_bpe_desc){ .merges = 1, .min_count = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "min_count -1");
    assert_false(heed_vocab_freeze(vocab, (heed_vocab_desc){ .bpe.merges = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "merges is -1");
    assert_true(heed_vocab_freeze(vocab, (heed_vocab_desc){ .bpe.merges = 1 }));
    assert_null(heed_bpe_learn(vocab, (heed_bpe_desc){ .merges = 1 }));
    check_failed(HEED_BAD_ARGUMENT, "words are cut already");
    const heed_bpe *bpe = heed_vocab_bpe(vocab);
    assert_null(heed_bpe_split(bpe, NULL, NULL));
    check_failed(HEED_BAD_ARGUMENT, "line is NULL");
    assert_null(heed_bpe_split(NULL, "a", NULL));
    check_failed(HEED_BAD_ARGUMENT, "bpe is NULL");
    assert_null(heed_bpe_split(bpe, "a \xFF", NULL));
    check_failed(HEED_BAD_FORMAT, "byte 2");
    assert_null(heed_bpe_join(NULL));
    check_failed(HEED_BAD_ARGUMENT, "line is NULL");
    assert_null(heed_bpe_join("\xC0\x80"));
    check_failed(HEED_BAD_FORMAT, "byte 0");
    assert_null(heed_bpe_to_text(NULL));
    check_failed(HEED_BAD_ARGUMENT, "bpe is NULL");
    assert_null(heed_bpe_from_text(NULL));
    check_failed(HEED_BAD_ARGUMENT, "text is NULL");
    assert_int_equal(heed_bpe_merges(NULL), 0);
    assert_null(heed_vocab_bpe(NULL));
    heed_bpe_free(NULL);
    heed_vocab_free(vocab);
}

static bool whole_life(void)
{
    heed_vocab *vocab = heed_vocab_for(spaced);
    bool ok = vocab && heed_vocab_count(vocab, "lower lowest lower newest newer newer wider wide widest");
    heed_bpe *bpe = ok ? heed_bpe_learn(vocab, (heed_bpe_desc){ .merges = 50 }) : NULL;
    char *text = bpe ? heed_bpe_to_text(bpe) : NULL, *cut = NULL, *line = NULL;
    heed_bpe *again = text ? heed_bpe_from_text(text) : NULL;
    if (again && (cut = heed_bpe_split(again, "newest lows", NULL)))
        line = heed_bpe_join(cut);
    ok = line && strcmp(line, "newest lows") == 0;
    heed_text_free(text);
    heed_text_free(cut);
    heed_text_free(line);
    heed_bpe_free(bpe);
    heed_bpe_free(again);
    heed_vocab_free(vocab);
    return ok;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(whole_life, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_learned_as_by_subword_nmt),
        cmocka_unit_test(lines_are_cut_as_by_subword_nmt),
        cmocka_unit_test(subwords_are_counted_as_by_subword_nmt),
        cmocka_unit_test(unknown_subwords_are_taken_apart_as_by_subword_nmt),
        cmocka_unit_test(ties_go_to_the_greater_pair),
        cmocka_unit_test(merges_go_from_left_to_right_without_overlaps),
        cmocka_unit_test(marks_in_the_text_are_given_back),
        cmocka_unit_test(long_words_take_linear_time),
        cmocka_unit_test(dropout_is_a_function_of_seed_and_row),
        cmocka_unit_test(dropout_has_the_probability_it_says),
        cmocka_unit_test(bad_merges_are_refused_by_line),
        cmocka_unit_test(endless_symbols_are_refused),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
