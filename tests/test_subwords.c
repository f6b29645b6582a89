/* Vocabularies of subwords and of prepared text: ids there and back, JSON, and hostile text from file to score. */
#include "folder.h"
#include "memory_sweep.h"
#include "text/internal.h"

static heed_vocab *vocab_of(const char *const *lines, heed_text_desc text, heed_vocab_desc desc)
{
    heed_vocab *vocab = heed_vocab_for(text);
    bool ok = vocab != NULL;
    for (int i = 0; ok && lines[i]; i++)
        ok = heed_vocab_count(vocab, lines[i]);
    if (ok && heed_vocab_freeze(vocab, desc))
        return vocab;
    heed_vocab_free(vocab);
    return NULL;
}
#define VOCAB(text, desc, ...) vocab_of((const char *const[]){ __VA_ARGS__, NULL }, text, desc)

/* The words of a line's ids, separated by spaces. */
static const char *words_of(const heed_vocab *vocab, const char *line)
{
    static char text[1024];
    int32_t ids[256];
    int64_t n = heed_vocab_encode(vocab, line, ids, 256, NULL);
    text[0] = 0;
    for (int64_t i = 0; i < n; i++)
        strcat(strcat(text, i ? " " : ""), heed_vocab_word(vocab, ids[i]));
    return text;
}

static void check_back(const heed_vocab *vocab, const char *line, const char *want)
{
    int32_t ids[1024];
    int64_t unknown, n = heed_vocab_encode(vocab, line, ids, 1024, &unknown);
    assert_true(n >= 0);
    assert_int_equal(unknown, 0);
    char *back = heed_vocab_decode(vocab, ids, n);
    assert_string_equal(back, want);
    heed_text_free(back);
}

/* ---- prepared text ----------------------------------------------------------------------------------------------- */

static void lines_are_prepared_as_asked(void **state)
{
    (void)state;
    static const struct {
        heed_text_desc text;
        const char *line, *words; /* words separated by '|' */
    } cases[] = {
        { { 0 }, "E\u0301te\u0301, OUI!", "E\u0301te\u0301|\uFFED,|OUI|\uFFED!" },
        { { .lower = true }, "E\u0301te\u0301, OUI!", "e\u0301te\u0301|\uFFED,|oui|\uFFED!" },
        { { .compose = true }, "E\u0301te\u0301, OUI!", "\u00C9t\u00E9|\uFFED,|OUI|\uFFED!" },
        { { .compose = true, .lower = true }, "E\u0301te\u0301, OUI!", "\u00E9t\u00E9|\uFFED,|oui|\uFFED!" },
        { { .spaced = true }, " E\u0301te\u0301,\u00A0OUI! \uFFED a\uFFED ", "E\u0301te\u0301,|OUI!|\uFFED|a\uFFED" },
        { { .spaced = true, .compose = true, .lower = true },
          "L' E\u0301TE\u0301 \u039F\u03A3 \u0130",
          "l'|\u00E9t\u00E9|\u03BF\u03C2|i\u0307" },
        { { .compose = true }, "\u1112\u1161\u11AB \uAC00\u11A8 \u212B", "\uD55C|\uAC01|\u00C5" },
        { { .compose = true, .lower = true }, "", "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        heed_words words;
        char text[256] = "";
        assert_true(words_split(cases[i].line, cases[i].text, &words));
        for (int64_t k = 0; k < words.count; k++)
            strcat(strcat(text, k ? "|" : ""), words.words[k]);
        assert_string_equal(text, cases[i].words);
        heed_words_free(&words);
    }
}

/* Sorting marks would take minutes: beyond 30 in a row the text stays as it is. */
static void many_marks_in_a_row_are_left_alone(void **state)
{
    (void)state;
    enum { MARKS = 300000 };
    char *line = malloc(2 * MARKS + 2);
    line[0] = 'a';
    for (int i = 0; i < MARKS; i++)
        memcpy(line + 1 + 2 * i, i % 2 ? "\u0300" : "\u0316", 2); /* classes 230 and 220 */
    line[2 * MARKS + 1] = 0;
    heed_words words;
    assert_true(words_split(line, (heed_text_desc){ .compose = true }, &words));
    assert_string_equal(words.words[0], line);
    heed_words_free(&words);
    line[2 * 30 + 1] = 0;
    assert_true(words_split(line, (heed_text_desc){ .compose = true }, &words));
    assert_true(strncmp(words.words[0], "\u00E0\u0316\u0316", 6) == 0);
    heed_words_free(&words);
    free(line);
}

/* ---- ids --------------------------------------------------------------------------------------------------------- */

#define LOW "low low low lower lower newest newest newest widest Widest"

static void words_are_cut_into_known_pieces(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB(((heed_text_desc){ .spaced = true }), ((heed_vocab_desc){ .bpe.merges = 12 }), LOW);
    assert_non_null(heed_vocab_bpe(vocab));
    check_back(vocab, LOW, LOW);
    check_back(vocab, "  lower\u00A0 Widest  ", "lower Widest");
    assert_string_equal(words_of(vocab, "<pad>"), "<unk> <unk> <unk> <unk> <unk>");
    int32_t ids[8];
    int64_t unknown;
    assert_int_equal(heed_vocab_encode(vocab, "zzz low", ids, 8, &unknown), 4);
    assert_int_equal(unknown, 3);
    assert_int_equal(heed_vocab_encode(vocab, "zzz low", ids, 3, NULL), -1);
    check_failed(HEED_BAD_SHAPE, "4 subwords, and room for 3 ids");
    assert_int_equal(heed_vocab_encode(vocab, "a \xFF", ids, 3, NULL), -1);
    check_failed(HEED_BAD_FORMAT, "byte 2");
    char *line = heed_vocab_decode(vocab, (const int32_t[]){ HEED_BOS, HEED_UNK, HEED_UNK, HEED_EOS }, 4);
    assert_string_equal(line, "<unk> <unk>");
    heed_text_free(line);
    heed_vocab_free(vocab);
}

/* With join marks: punctuation is split off first, and given back where it was. */
static void raw_lines_come_back(void **state)
{
    (void)state;
    static const char line[] = "\u00ABl'eau\u00BB n'est pas froide, dit-il (\u00E0 voix basse)... @@ a@@";
    for (int merges = 1; merges < 60; merges += 13) {
        heed_vocab *vocab = VOCAB((heed_text_desc){ 0 }, ((heed_vocab_desc){ .bpe = { merges, 1 } }), line, "the eau");
        check_back(vocab, line, line);
        heed_vocab_free(vocab);
    }
}

/* Pieces that the vocabulary does not have are made of others. */
static void unknown_pieces_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *words, *cut;
    } cases[] = {
        { "[\"abcd\",2],[\"ab@@\",1],[\"cd\",1]", "abcd" },
        { "[\"ab@@\",1],[\"cd\",1]", "ab@@ cd" },
        { "[\"ab\",1],[\"a@@\",1],[\"cd\",1],[\"c@@\",1],[\"d\",1]", "a@@ <unk> cd" },
        { "[\"ab@@\",1],[\"cd@@\",1],[\"c@@\",1],[\"d\",1]", "ab@@ c@@ d" },
        { "[\"x\",1]", "<unk> <unk> <unk> <unk>" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char json[512];
        snprintf(json, sizeof(json), "{%s,\"merges\":\"#version: 0.2\\na b\\nc d</w>\\nab cd</w>\\n\",\"words\":[%s]}",
                 "\"spaced\":true,\"compose\":false,\"lower\":false", cases[i].words);
        heed_vocab *vocab = heed_vocab_from_json(json);
        assert_string_equal(words_of(vocab, "abcd"), cases[i].cut);
        heed_vocab_free(vocab);
    }
}

static void control_characters_have_no_id(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB(((heed_text_desc){ .spaced = true }), ((heed_vocab_desc){ .bpe = { 50, 1 } }),
                              "ab ab a\x01"
                              "b a\x1B[2J \x7F \xC2\x9B ab");
    assert_int_equal(heed_vocab_size(vocab), HEED_SPECIALS + 1);
    assert_string_equal(words_of(vocab, "ab a\x01"
                                        "b"),
                        "ab <unk> <unk> <unk>");
    heed_vocab_free(vocab);
}

static void dropout_reaches_the_ids(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB(((heed_text_desc){ .spaced = true }), ((heed_vocab_desc){ .bpe = { 50, 1 } }), LOW,
                              "l o w e r n s t i d W l@@ o@@ w@@");
    int32_t plain[64], ids[64], again[64];
    int64_t n = heed_vocab_encode(vocab, LOW, plain, 64, NULL), differ = 0;
    assert_int_equal(heed_vocab_encode_with(vocab, LOW, &(heed_bpe_dropout){ .p = 0 }, ids, 64, NULL), n);
    assert_memory_equal(ids, plain, (size_t)n * sizeof(int32_t));
    for (uint32_t row = 0; row < 20; row++) {
        heed_bpe_dropout dropout = { .p = 0.2, .rng = { .seed = 5, .row = row } };
        int64_t count = heed_vocab_encode_with(vocab, LOW, &dropout, ids, 64, NULL);
        assert_int_equal(heed_vocab_encode_with(vocab, LOW, &dropout, again, 64, NULL), count);
        assert_memory_equal(ids, again, (size_t)count * sizeof(int32_t));
        differ += count != n || memcmp(ids, plain, (size_t)n * sizeof(int32_t)) != 0;
    }
    assert_in_range(differ, 15, 20);
    heed_vocab_free(vocab);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void json_keeps_everything(void **state)
{
    (void)state;
    for (int kind = 0; kind < 16; kind++) {
        heed_text_desc text = { .spaced = kind & 1, .compose = kind & 2, .lower = kind & 4 };
        heed_vocab_desc desc = { .bpe.merges = kind & 8 ? 20 : 0 };
        heed_vocab *vocab = VOCAB(text, desc, LOW, "\"E\u0301te\u0301\" \\ \u00C9T\u00C9, \"",
                                  "e</w>x e</w>x e</w>x re</w>x e</w>y"); /* literal: as text the same as a final "e" */
        char *json = heed_vocab_to_json(vocab), *json_again;
        heed_vocab *again = heed_vocab_from_json(json);
        assert_non_null(again);
        json_again = heed_vocab_to_json(again);
        assert_string_equal(json_again, json);
        assert_true(json[0] == (kind == 0 ? '[' : '{'));
        char want[1024];
        static const char line[] = "lowest E\u0301t\u00E9 \\LOW, WIDER re e</w> ee</w>x re";
        strcpy(want, words_of(vocab, line));
        assert_string_equal(words_of(again, line), want);
        heed_text_free(json);
        heed_text_free(json_again);
        heed_vocab_free(vocab);
        heed_vocab_free(again);
    }
}

#define FLAGS "\"spaced\":true,\"compose\":false,\"lower\":false"

static void bad_objects_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } cases[] = {
        { "{\"spaced\":1}", "\"spaced\" is of another type" },
        { "{\"spaced\":true,\"compose\":false,\"words\":[]}", "\"lower\" is missing" },
        { "{" FLAGS "}", "\"words\" is missing" },
        { "{" FLAGS ",\"words\":{}}", "\"words\" is of another type" },
        { "{" FLAGS ",\"words\":[[]]}", "entry 0 is not" },
        { "{" FLAGS ",\"words\":[[\"a\",1],[\"a\",1]]}", "entries 0 and 1 are both \"a\"" },
        { "{" FLAGS ",\"words\":[],\"x\":1}", "one of them is unknown" },
        { "{" FLAGS ",\"words\":[],\"words\":[]}", "duplicate object key" },
        { "{" FLAGS ",\"merges\":[],\"words\":[]}", "\"merges\" is of another type" },
        { "{" FLAGS ",\"merges\":\"a b\",\"words\":[]}", "line 1, \"a b\": the first line" },
        { "{" FLAGS ",\"merges\":\"#version: 0.2\\na b\\nx yz\\n\",\"words\":[]}", "line 3, \"x yz\": its second" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        heed_memory before = heed_memory_now();
        assert_null(heed_vocab_from_json(cases[i].json));
        check_failed(HEED_BAD_FORMAT, cases[i].message);
        assert_int_equal(heed_memory_now().blocks, before.blocks);
    }
}

/* A literal "</w>" of the text is merged, and what claims to be its result is taken apart: nothing is read outside. */
static void forged_merges_do_no_harm(void **state)
{
    (void)state;
    heed_vocab *vocab = heed_vocab_from_json("{" FLAGS ",\"merges\":\"#version: 0.2\\n< /\\n</ w\\ne </w\\n"
                                             "</w >\\ne</w >\\nr e</w>\\ne r</w>\\n\",\"words\":[[\"x\",1]]}");
    assert_non_null(vocab);
    assert_string_equal(
        words_of(vocab, "re e er e</w> re</w> x"),
        "<unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> <unk> x");
    heed_vocab_free(vocab);
}

/* ---- hostile text, from file to score ---------------------------------------------------------------------------- */

#define BYTES(literal) \
    { \
        literal, sizeof(literal) - 1 \
    }
static const struct {
    const char *text;
    size_t n;
} hostile[] = {
    BYTES("plain text\ttexte\n"),
    BYTES("a\tb\r\n"),
    BYTES("a\rb\tc\n"),
    BYTES("\uFEFFx\ty\n"),
    BYTES("\n"),
    BYTES(" \t \n"),
    BYTES("one column\n"),
    BYTES("a\tb\tc\n"),
    BYTES("\tx\n"),
    BYTES("x\t\n"),
    BYTES("a\0b\tc\n"),
    BYTES("\xC0\x80\tx\n"),
    BYTES("\xED\xA0\x80\tx\n"),
    BYTES("x\t\xF5\x80\x80\x80\n"),
    BYTES("x\t\xC3\n"),
    BYTES("\x1A\t\x1A\n"),
    BYTES("a\u2028b\xC2\x85"
          "c\td\u00A0e\n"),
    BYTES("e\u0301\u0323\u0300\t\u1EC7\u0300\n"),
    BYTES("\u05E9\u05DC\u05D5\u05DD \u202E\u0645\t\u200F\u0645\u200E\n"),
    BYTES("\U0001F44D\U0001F3FD \U0001F468\u200D\U0001F469\t\U0001F1EB\U0001F1F7\n"),
    BYTES("<pad> <eos> <unk> </s>\t<bos> <s> </w> a</w>\n"),
    BYTES("@@ a@@ @@b a@@b @\t@@@@ @@@ x@@ @@\n"),
    BYTES("\uFFED \uFFED. a\uFFED \uFFED\uFFED\t\uFFEDa\uFFED\n"),
    BYTES("\x1B[31mred\x1B[0m \x7F\t\x01\x02 ok\n"),
    BYTES("' '' ''' ,, .. ... ,,.. ?!\t&quot;&amp;lt; <skipped> -- - 5- 1.000,50\n"),
    BYTES("\u0130 \u1E9E \u01C5 \u03A3\u03A3\t\uFB01 \u2167 \u24B6\n"),
    BYTES("\xF4\x8F\xBF\xBF \xEF\xBF\xBF\t\xEE\x80\x80\n"),
    BYTES("a\tb\na\tb\na\tb\n"),
    BYTES("last line\twithout an end"),
};

/* Cut and joined, the words stand as before, with one space between. */
static void check_line(const heed_bpe *bpe, const char *line)
{
    heed_words words;
    assert_true(words_split(line, (heed_text_desc){ .spaced = true }, &words));
    char *cut = heed_bpe_split(bpe, line, NULL), *back = heed_bpe_join(cut), *at = back;
    for (int64_t i = 0; i < words.count; i++) {
        size_t bytes = strlen(words.words[i]);
        assert_memory_equal(at, words.words[i], bytes);
        at += bytes;
        assert_true(*at == (i + 1 < words.count ? ' ' : 0));
        at += *at != 0;
    }
    assert_int_equal(*at, 0);
    heed_words_free(&words);
    heed_text_free(cut);
    heed_text_free(back);
}

static void hostile_text_is_counted_cut_and_scored(void **state)
{
    (void)state;
    const char *path = folder_path("hostile.tsv");
    FILE *file = fopen(path, "wb");
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        fwrite(hostile[i].text, 1, hostile[i].n, file);
    fputs("\n", file);
    for (int i = 0; i < 100000; i++)
        fputs("w ", file);
    fputs("\tx\n", file);
    for (int i = 0; i < 10000000; i++)
        fputc("ab"[i % 2], file);
    fputs("\ty\n", file);
    for (int i = 0; i < 900000; i++)
        fputc("abcdefghij"[(int64_t)i * 7919 % 9973 % 10], file);
    fputs("\ty\n", file);
    fclose(file);

    heed_text_desc text = { .spaced = true, .compose = true };
    heed_vocab *vocab = heed_vocab_for(text), *raw = heed_vocab_for((heed_text_desc){ .lower = true });
    heed_stream *stream = heed_stream_open_tsv(path, (heed_corpus_desc){ 0 });
    heed_pair pair;
    int64_t pairs = 0, next;
    for (; (next = heed_stream_next(stream, &pair)) == 1; pairs++)
        assert_true(heed_vocab_count(vocab, pair.source) && heed_vocab_count(vocab, pair.target) &&
                    heed_vocab_count(raw, pair.source) && heed_vocab_count(raw, pair.target));
    assert_int_equal(next, 0);
    static const int64_t kinds[HEED_LINE_KINDS] = { 21, 4, 1, 2, 4, 2 };
    assert_int_equal(stream->lines, 34);
    assert_memory_equal(stream->kinds, kinds, sizeof(kinds));
    assert_int_equal(pairs, 21);
    heed_stream_close(stream);

    heed_bpe *bpe = heed_bpe_learn(vocab, (heed_bpe_desc){ .merges = 200, .min_count = 1 });
    assert_true(heed_vocab_freeze(raw, (heed_vocab_desc){ .bpe = { 200, 1 } }));
    heed_bleu bleu = { .desc = { .lower = true } };
    heed_chrf chrf = { .desc = { .word_order = 2 } };
    int32_t *ids = malloc(sizeof(int32_t) << 20);
    stream = heed_stream_open_tsv(path, (heed_corpus_desc){ 0 });
    while (heed_stream_next(stream, &pair) == 1) {
        check_line(bpe, pair.source);
        check_line(bpe, pair.target);
        assert_true(heed_vocab_encode(raw, pair.source, ids, 1 << 20, NULL) > 0);
        assert_true(heed_bleu_add(&bleu, pair.source, pair.target) && heed_chrf_add(&chrf, pair.source, pair.target));
    }
    check_no_error();
    assert_true(heed_bleu_score(&bleu).score >= 0 && heed_chrf_score(&chrf) > 0);
    assert_int_equal(bleu.segments, 21);
    char *json = heed_vocab_to_json(raw);
    heed_vocab *again = heed_vocab_from_json(json); /* nothing in it that could not be loaded */
    assert_non_null(again);
    heed_text_free(json);
    heed_stream_close(stream);
    heed_bpe_free(bpe);
    heed_vocab_free(vocab);
    heed_vocab_free(raw);
    heed_vocab_free(again);
    free(ids);
}

/* HEED_TSV=FILE: every line of it, cut by merges learned on it. */
static void lines_of_a_file_come_back(void **state)
{
    (void)state;
    const char *path = getenv("HEED_TSV");
    if (!path)
        skip();
    heed_vocab *vocab = heed_vocab_for((heed_text_desc){ .spaced = true });
    heed_pair pair;
    heed_stream *stream = heed_stream_open_tsv(path, (heed_corpus_desc){ 0 });
    while (heed_stream_next(stream, &pair) == 1)
        assert_true(heed_vocab_count(vocab, pair.source) && heed_vocab_count(vocab, pair.target));
    heed_stream_close(stream);
    heed_bpe *bpe = heed_bpe_learn(vocab, (heed_bpe_desc){ .merges = 10000, .min_count = 1 });
    int64_t lines = 0;
    stream = heed_stream_open_tsv(path, (heed_corpus_desc){ 0 });
    for (; heed_stream_next(stream, &pair) == 1; lines += 2) {
        check_line(bpe, pair.source);
        check_line(bpe, pair.target);
    }
    check_no_error();
    print_message("%s: %lld lines came back, %lld merges\n", path, (long long)lines, (long long)heed_bpe_merges(bpe));
    assert_true(lines > 0);
    heed_stream_close(stream);
    heed_bpe_free(bpe);
    heed_vocab_free(vocab);
}

static bool whole_life(void)
{
    heed_vocab *vocab = VOCAB(((heed_text_desc){ .compose = true, .lower = true }),
                              ((heed_vocab_desc){ .bpe.merges = 9 }), "Lower lowest, newer newest.", "E\u0301te\u0301"),
               *again = NULL;
    char *json = vocab ? heed_vocab_to_json(vocab) : NULL, *line = NULL;
    int32_t ids[32];
    int64_t n = -1;
    if (json)
        again = heed_vocab_from_json(json);
    if (again)
        n = heed_vocab_encode_with(again, "Newest \u00C9te\u0301.", &(heed_bpe_dropout){ .p = 0.5 }, ids, 32, NULL);
    if (n >= 0)
        n = heed_vocab_encode(again, "Newest \u00C9te\u0301.", ids, 32, NULL);
    if (n >= 0)
        line = heed_vocab_decode(again, ids, n);
    bool ok = line && strcmp(line, "newest \u00E9t\u00E9.") == 0;
    heed_text_free(json);
    heed_text_free(line);
    heed_vocab_free(vocab);
    heed_vocab_free(again);
    return ok;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(whole_life, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_prepared_as_asked),
        cmocka_unit_test(many_marks_in_a_row_are_left_alone),
        cmocka_unit_test(words_are_cut_into_known_pieces),
        cmocka_unit_test(raw_lines_come_back),
        cmocka_unit_test(unknown_pieces_are_taken_apart),
        cmocka_unit_test(control_characters_have_no_id),
        cmocka_unit_test(dropout_reaches_the_ids),
        cmocka_unit_test(json_keeps_everything),
        cmocka_unit_test(bad_objects_are_refused),
        cmocka_unit_test(forged_merges_do_no_harm),
        cmocka_unit_test(hostile_text_is_counted_cut_and_scored),
        cmocka_unit_test(lines_of_a_file_come_back),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
