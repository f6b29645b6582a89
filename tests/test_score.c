/* BLEU and chrF: the numbers of sacrebleu on files of translations, and what is refused. */
#include "memory_sweep.h"
#include "text/internal.h"

/* ---- against sacrebleu ------------------------------------------------------------------------------------------- */

enum { MAX_CASES = 32, MAX_COLUMNS = 24 };
typedef struct {
    char text[MAX_CASES][1024]; /* cut into columns */
    char *cells[MAX_CASES][MAX_COLUMNS];
    int rows, columns;
} sheet;

/* A TSV file whose first line without '#' names its columns. */
static void read_sheet(const char *path, sheet *s)
{
    heed_lines *lines = heed_lines_open(path);
    *s = (sheet){ 0 };
    for (const char *line; (line = heed_lines_next(lines));) {
        if (line[0] == '#')
            continue;
        assert_true(s->rows < MAX_CASES && strlen(line) < sizeof(s->text[0]));
        char *at = strcpy(s->text[s->rows], line);
        for (s->columns = 0; at; s->columns++) {
            char *tab = strchr(at, '\t');
            s->cells[s->rows][s->columns] = at;
            at = tab ? tab + 1 : NULL;
            if (tab)
                *tab = 0;
        }
        s->rows++;
    }
    heed_lines_close(lines);
    check_no_error();
}

static const char *cell(const sheet *s, int row, const char *column)
{
    for (int i = 0; i < s->columns; i++)
        if (strcmp(s->cells[0][i], column) == 0)
            return s->cells[row][i];
    fail_msg("no column %s", column);
    return NULL;
}

/* Adds the case's segments to both, either of which may be NULL; returns how many there are. */
static int64_t add_case(const char *name, heed_bleu *bleu, heed_chrf *chrf)
{
    char path[256];
    snprintf(path, sizeof(path), "tests/scores/%s.hyp", name);
    heed_lines *hyp = heed_lines_open(path);
    snprintf(path, sizeof(path), "tests/scores/%s.ref", name);
    heed_lines *ref = heed_lines_open(path);
    for (const char *h, *r; (h = heed_lines_next(hyp)) && (r = heed_lines_next(ref));)
        if ((bleu && !heed_bleu_add(bleu, h, r)) || (chrf && !heed_chrf_add(chrf, h, r)))
            fail_msg("%s: %s", name, heed_error());
    check_no_error();
    int64_t n = heed_lines_number(hyp);
    heed_lines_close(hyp);
    heed_lines_close(ref);
    return n;
}

static double bleu_of(const char *name, heed_bleu_desc desc)
{
    heed_bleu bleu = { .desc = desc };
    add_case(name, &bleu, NULL);
    return heed_bleu_score(&bleu).score;
}

static double chrf_of(const char *name, heed_chrf_desc desc)
{
    heed_chrf chrf = { .desc = desc };
    add_case(name, NULL, &chrf);
    return heed_chrf_score(&chrf);
}

#define SAME(got, s, row, column) \
    do { \
        double score = (got); \
        if (!(fabs(score - atof(cell(&(s), row, column))) <= 1e-9)) \
            fail_msg("%s, %s: got %.10f, want %s", (s).cells[row][0], column, score, cell(&(s), row, column)); \
    } while (0)

static void every_case_scores_as_sacrebleu_says(void **state)
{
    (void)state;
    static sheet s;
    read_sheet("tests/scores/expected.tsv", &s);
    assert_int_equal(s.rows, 18);
    for (int row = 1; row < s.rows; row++) {
        const char *name = s.cells[row][0];
        SAME(bleu_of(name, (heed_bleu_desc){ 0 }), s, row, "bleu_13a");
        SAME(bleu_of(name, (heed_bleu_desc){ .lower = true }), s, row, "bleu_13a_lc");
        SAME(bleu_of(name, (heed_bleu_desc){ .words = HEED_BLEU_SPACED }), s, row, "bleu_none");
        SAME(bleu_of(name, (heed_bleu_desc){ .words = HEED_BLEU_SPACED, .lower = true }), s, row, "bleu_none_lc");
        SAME(chrf_of(name, (heed_chrf_desc){ 0 }), s, row, "chrf2");
    }
    read_sheet("tests/scores/more.tsv", &s);
    assert_int_equal(s.rows, 18);
    for (int row = 1; row < s.rows; row++) {
        const char *name = s.cells[row][0];
        heed_bleu_desc floor = { .smoothing = HEED_SMOOTH_FLOOR }, low = floor;
        low.smoothing_value = 0.01;
        SAME(bleu_of(name, floor), s, row, "floor");
        SAME(bleu_of(name, low), s, row, "floor_0.01");
        SAME(bleu_of(name, (heed_bleu_desc){ .smoothing = HEED_SMOOTH_ADD_K }), s, row, "add-k");
        SAME(bleu_of(name, (heed_bleu_desc){ .smoothing = HEED_SMOOTH_NONE }), s, row, "none");
        SAME(bleu_of(name, (heed_bleu_desc){ .effective_order = true }), s, row, "effective");
        SAME(chrf_of(name, (heed_chrf_desc){ .word_order = 1 }), s, row, "chrf+");
        SAME(chrf_of(name, (heed_chrf_desc){ .word_order = 2 }), s, row, "chrf++");
        SAME(chrf_of(name, (heed_chrf_desc){ .lower = true }), s, row, "chrf_lc");
    }
}

static void check_list(const char *want, const int64_t *got)
{
    char text[128];
    snprintf(text, sizeof(text), "%lld,%lld,%lld,%lld", (long long)got[0], (long long)got[1], (long long)got[2],
             (long long)got[3]);
    assert_string_equal(text, want);
}

static void the_counts_behind_bleu_are_those_of_sacrebleu(void **state)
{
    (void)state;
    static sheet s;
    read_sheet("tests/scores/expected.tsv", &s);
    for (int row = 1; row < s.rows; row++)
        for (int spaced = 0; spaced < 2; spaced++) {
            heed_bleu bleu = { .desc.words = spaced ? HEED_BLEU_SPACED : HEED_BLEU_13A };
            int64_t n = add_case(s.cells[row][0], &bleu, NULL);
            assert_int_equal(n, atoi(cell(&s, row, "segments")));
            assert_int_equal(bleu.segments, n);
            check_list(cell(&s, row, spaced ? "match_none" : "match_13a"), bleu.matches);
            check_list(cell(&s, row, spaced ? "total_none" : "total_13a"), bleu.ngrams);
            assert_int_equal(bleu.hypothesis_length, atoi(cell(&s, row, spaced ? "hyp_len_none" : "hyp_len_13a")));
            assert_int_equal(bleu.reference_length, atoi(cell(&s, row, spaced ? "ref_len_none" : "ref_len_13a")));
            SAME(heed_bleu_score(&bleu).brevity_penalty, s, row, spaced ? "bp_none" : "bp_13a");
        }
}

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

static void a_small_bleu_by_hand(void **state)
{
    (void)state;
    heed_bleu bleu = { .desc = { 0 } };
    assert_true(heed_bleu_add(&bleu, "a b c d e", "a b c d f g"));
    heed_bleu_result r = heed_bleu_score(&bleu);
    static const double precision[] = { 80, 75, 200.0 / 3, 50 }; /* 4/5, 3/4, 2/3, 1/2 */
    for (int i = 0; i < 4; i++)
        check_close(r.precision[i], precision[i], 1e-14);
    check_close(r.brevity_penalty, exp(1 - 6.0 / 5), 1e-14);
    check_close(r.score, 100 * exp(1 - 6.0 / 5) * pow(0.2, 0.25), 1e-13);
}

static void a_small_chrf_by_hand(void **state)
{
    (void)state;
    heed_chrf chrf = { .desc = { 0 } };
    assert_true(heed_chrf_add(&chrf, "a b", "a c d")); /* without spaces ab and acd: orders 1 and 2 on both sides */
    double p = (0.5 + 0) / 2, r = (1.0 / 3 + 0) / 2;
    check_close(heed_chrf_score(&chrf), 100 * 5 * p * r / (4 * p + r), 1e-13);
}

/* The words that rules 0 to 4 of tokenise_13a.c make. */
static void lines_are_cut_as_by_13a(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words; /* words with '|' between */
    } cases[] = {
        { "", "" },
        { "Hello, world!", "Hello|,|world|!" },
        { "3.5 3,000.50 .5 5. ,x x,", "3.5|3,000.50|.|5|5|.|,|x|x|," },
        { "a..b a...b 1..2 ...", "a|.|.|b|a|.|.|.|b|1|.|.|2|.|.|." },
        { "10-20 pre-war 5- -5 --", "10|-|20|pre-war|5|-|-5|--" },
        { "it's 'quoted' \"q\"", "it's|'quoted'|\"|q|\"" },
        { "&quot;a&amp;b&quot; &lt;c&gt; &amp;lt; &amp;amp; &apos;", "\"|a|&|b|\"|<|c|>|<|&|amp|;|&|apos|;" },
        { "a<skipped>b <skip<skipped>ped>", "ab|<|skipped|>" },
        { "x_y [a] {b} ~c` ^d| $e %f #g @h a/b c\\d (i) *j+ k=l",
          "x|_|y|[|a|]|{|b|}|~|c|`|^|d|||$|e|%|f|#|g|@|h|a|/|b|c|\\|d|(|i|)|*|j|+|k|=|l" },
        { "\u00E9t\u00E9. \u4F60\u3002 5.\u00BD \u00BD.5", "\u00E9t\u00E9|.|\u4F60\u3002|5|.|\u00BD|\u00BD|.|5" },
        { "a\u00A0b\u3000c\x1C"
          "d\u2028e\u200Bf",
          "a|b|c|d|e\u200Bf" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        score_text side;
        text_span words[128];
        char text[512] = "";
        assert_true(score_side("test", "line", cases[i].line, false, &side));
        assert_true(tokenise_13a(&side));
        int64_t n = score_words(side.text, side.bytes, words);
        for (int64_t k = 0; k < n; k++)
            sprintf(text + strlen(text), "%s%.*s", k ? "|" : "", (int)words[k].bytes, words[k].text);
        assert_string_equal(text, cases[i].words);
        heed_text_free(side.text);
    }
}

static void lower_case_is_that_of_unicode(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "" },
        { "THE Cat 12 !", "the cat 12 !" },
        { "\u00C9T\u00C9 STRASSE \u1E9E \u01C5 \u0416", "\u00E9t\u00E9 strasse \u00DF \u01C6 \u0436" },
        { "\u0130 I", "i\u0307 i" }, /* I with a dot is the only letter to become two */
        { "\u039F\u03A3 \u03A3\u039F \u03A3", "\u03BF\u03C2 \u03C3\u03BF \u03C3" }, /* final sigma, first, alone */
        { "A\u03A3' A\u03A3'B a.\u03A3. a:\u0301\u03A3", "a\u03C2' a\u03C3'b a.\u03C2. a:\u0301\u03C2" },
        { "1\u03A3 \u2160\u03A3 \u24B6\u03A3 \U0001F130\u03A3 \U0001F14A\u03A3",
          "1\u03C3 \u2170\u03C2 \u24D0\u03C2 \U0001F130\u03C2 \U0001F14A\u03C3" },
        { "\u023A\u023E", "\u2C65\u2C66" }, /* two bytes become three */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[256];
        int64_t bytes = (int64_t)strlen(cases[i][0]), n = text_lower(cases[i][0], bytes, out);
        assert_true(2 * n <= 3 * bytes);
        out[n] = 0;
        assert_string_equal(out, cases[i][1]);
    }
}

static void signatures_say_every_setting(void **state)
{
    (void)state;
    heed_score_buffer room;
    char want[256];
    static const struct {
        heed_bleu_desc desc;
        const char *text;
    } cases[] = {
        { { 0 }, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp" },
        { { .words = HEED_BLEU_SPACED, .lower = true }, "nrefs:1|case:lc|eff:no|tok:none|smooth:exp" },
        { { .smoothing = HEED_SMOOTH_FLOOR }, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:floor[0.10]" },
        { { .smoothing = HEED_SMOOTH_ADD_K, .smoothing_value = 2 },
          "nrefs:1|case:mixed|eff:no|tok:13a|smooth:add-k[2.00]" },
        { { .smoothing = HEED_SMOOTH_NONE, .effective_order = true },
          "nrefs:1|case:mixed|eff:yes|tok:13a|smooth:none" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(want, sizeof(want), "%s|version:heed-%s", cases[i].text, heed_version());
        assert_string_equal(heed_bleu_signature(&(heed_bleu){ .desc = cases[i].desc }, &room), want);
    }
    snprintf(want, sizeof(want), "nrefs:1|case:lc|eff:yes|nc:6|nw:2|space:no|version:heed-%s", heed_version());
    heed_chrf chrf = { .desc = { .word_order = 2, .lower = true } };
    assert_string_equal(heed_chrf_signature(&chrf, &room), want);
}

static void nothing_and_bad_text(void **state)
{
    (void)state;
    heed_bleu bleu = { .desc = { 0 } };
    heed_chrf chrf = { .desc = { 0 } };
    assert_true(heed_bleu_score(&bleu).score == 0 && heed_chrf_score(&chrf) == 0);
    assert_true(heed_bleu_score(NULL).score == 0 && heed_chrf_score(NULL) == 0);
    assert_false(heed_bleu_add(NULL, "a", "a"));
    check_failed(HEED_BAD_ARGUMENT, "bleu is NULL");
    assert_false(heed_bleu_add(&bleu, NULL, "a"));
    check_failed(HEED_BAD_ARGUMENT, "hypothesis is NULL");
    assert_false(heed_bleu_add(&bleu, "a", "b\xC3"));
    check_failed(HEED_BAD_FORMAT, "byte 1 of the reference");
    assert_false(heed_chrf_add(NULL, "a", "a"));
    check_failed(HEED_BAD_ARGUMENT, "chrf is NULL");
    assert_false(heed_chrf_add(&chrf, "\xFF", "a"));
    check_failed(HEED_BAD_FORMAT, "byte 0 of the hypothesis");
    for (int order = -1; order <= 3; order += 4) {
        heed_chrf words = { .desc = { .word_order = order } };
        assert_false(heed_chrf_add(&words, "a", "a"));
        check_failed(HEED_BAD_ARGUMENT, "word_order");
    }
    assert_int_equal(bleu.segments + chrf.segments, 0);
    assert_true(heed_bleu_add(&bleu, "", "") && heed_chrf_add(&chrf, "", "\u3000"));
    assert_true(heed_bleu_score(&bleu).score == 0 && heed_chrf_score(&chrf) == 0);
}

/* One word, ever new words, punctuation: each 128 KiB. */
static void huge_segments_are_scored(void **state)
{
    (void)state;
    enum { BYTES = 1 << 17 };
    char *text = malloc(BYTES + 1);
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < BYTES; i++)
            text[i] = kind == 0   ? 'a'
                      : kind == 1 ? (i % 5 ? (char)('a' + i / 5 / (int)pow(26, i % 5 - 1) % 26) : ' ')
                                  : '.';
        text[BYTES] = 0;
        heed_bleu bleu = { .desc = { .lower = true, .effective_order = true } };
        heed_chrf chrf = { .desc = { .word_order = 2 } };
        assert_true(heed_bleu_add(&bleu, text, text) && heed_chrf_add(&chrf, text, text));
        check_close(heed_bleu_score(&bleu).score, 100, 1e-12);
        check_close(heed_chrf_score(&chrf), 100, 1e-12);
    }
    free(text);
}

static bool one_of_each(void)
{
    heed_bleu bleu = { .desc = { .lower = true } };
    heed_chrf chrf = { .desc = { .word_order = 2 } };
    bool ok = heed_bleu_add(&bleu, "The cat (sat).", "the cat sat!") && heed_chrf_add(&chrf, "The cat", "the cat");
    assert_int_equal(bleu.segments + chrf.segments, ok ? 2 : bleu.segments); /* what failed has added nothing */
    return ok;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(one_of_each, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_scores_as_sacrebleu_says),
        cmocka_unit_test(the_counts_behind_bleu_are_those_of_sacrebleu),
        cmocka_unit_test(a_small_bleu_by_hand),
        cmocka_unit_test(a_small_chrf_by_hand),
        cmocka_unit_test(lines_are_cut_as_by_13a),
        cmocka_unit_test(lower_case_is_that_of_unicode),
        cmocka_unit_test(signatures_say_every_setting),
        cmocka_unit_test(nothing_and_bad_text),
        cmocka_unit_test(huge_segments_are_scored),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
