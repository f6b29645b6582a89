/* Heat maps in a terminal: exact pictures, one scale for all, widths that hold, labels that do no harm. */
#include "check.h"

#include <utf8proc.h>

/* The map as text, until the next call. */
static const char *map(heed_tensor weights, heed_heatmap_desc desc)
{
    static char *text;
    size_t bytes;
    free(text);
    FILE *file = open_memstream(&text, &bytes);
    bool ok = heed_heatmap_ascii(file, weights, desc);
    fclose(file);
    assert_true(ok);
    return text;
}

static heed_tensor wrap(const heed_real *values, int64_t rows, int64_t cols)
{
    static heed_real copy[4096];
    memcpy(copy, values, (size_t)(rows * cols) * sizeof(heed_real));
    return heed_tensor_wrap(copy, HEED_SHAPE(rows, cols));
}

static const char *const en[] = { "the", "cat", "sleeps", "." }, *const fr[] = { "le", "chat", "dort" };
static const heed_real weights[] = {
    (heed_real)1.0,
    0,
    0,
    0, /* le */
    (heed_real)0.30,
    (heed_real)0.65,
    (heed_real)0.05,
    0, /* chat */
    (heed_real)0.01,
    (heed_real)0.04,
    (heed_real)0.8,
    (heed_real)0.15, /* dort */
};

static void a_map_in_ascii(void **state)
{
    (void)state;
    assert_string_equal(map(wrap(weights, 3, 4), (heed_heatmap_desc){ .title = "cross.0.1", .rows = fr, .cols = en }),
                        "cross.0.1   rows look at columns; 0 [.:-=+*#%@] 1 linear, blank below 0.05\n"
                        "\n"
                        "        the    cat   sleeps   .\n"
                        "  le | @@@@@@                      |\n"
                        "chat | ------ ****** ......        |\n"
                        "dort |               %%%%%% :::::: |\n");
}

static void a_map_in_unicode(void **state)
{
    (void)state;
    assert_string_equal(
        map(wrap(weights, 3, 4), (heed_heatmap_desc){ .rows = fr, .cols = en, .unicode = true }),
        "rows look at columns; 0 [\u00B7\u2591\u2592\u2593\u2588] 1 linear, blank below 0.05\n"
        "\n"
        "        the    cat   sleeps   .\n"
        "  le \u2502 \u2588\u2588\u2588\u2588\u2588\u2588                      \u2502\n"
        "chat \u2502 \u2591\u2591\u2591\u2591\u2591\u2591 \u2593\u2593\u2593\u2593\u2593\u2593 "
        "\u00B7\u00B7\u00B7\u00B7\u00B7\u00B7        \u2502\n"
        "dort \u2502               \u2588\u2588\u2588\u2588\u2588\u2588 \u00B7\u00B7\u00B7\u00B7\u00B7\u00B7 \u2502\n");
}

static void a_map_of_digits_with_a_mask(void **state)
{
    (void)state;
    static heed_real own[] = { 1, 0, 0, (heed_real)0.099, (heed_real)0.901, 0, (heed_real)0.25, 0, (heed_real)0.75 };
    assert_string_equal(
        map(wrap(own, 3, 3), (heed_heatmap_desc){ .rows = fr, .cols = fr, .digits = true, .causal = true }),
        "rows look at columns; in tenths; / is masked\n"
        "\n"
        "        le  chat dort\n"
        "  le |   9  //// //// |\n"
        "chat |   0    9  //// |\n"
        "dort |   2    0    7  |\n");
    own[2] = 1; /* a leak through the mask is not covered */
    assert_non_null(strstr(map(wrap(own, 3, 3), (heed_heatmap_desc){ .causal = true }), "\n0 | @@@ /// @@@ |\n"));
    own[2] = 2;
    assert_non_null(strstr(map(wrap(own, 3, 3), (heed_heatmap_desc){ .digits = true }), "\n0 |  9   0   !  |\n"));
    const char *text = map(wrap(own, 3, 3), (heed_heatmap_desc){ .digits = true, .color = true });
    assert_non_null(strstr(text, "\x1B[48;5;195;38;5;16m 9  \x1B[0m")); /* dark on pale */
    assert_non_null(strstr(text, "\x1B[48;5;25;38;5;231m 2  \x1B[0m")); /* white on dark */
}

static void a_map_keeps_to_its_width(void **state)
{
    (void)state;
    heed_real values[60] = { 0 };
    static const int asked[] = { 1, 40, 41, 72, 100, 200 };
    int widest = 0;
    for (int i = 0; i < 6; i++) {
        const char *text = map(heed_tensor_wrap(values, HEED_SHAPE(1, 60)), (heed_heatmap_desc){ .width = asked[i] });
        int longest = 0;
        text = strchr(text, '\n');
        for (const char *line = text + 1, *end; (end = strchr(line, '\n')); line = end + 1)
            longest = end - line > longest ? (int)(end - line) : longest;
        assert_in_range(longest, asked[i] < 40 ? 30 : asked[i] - 20, asked[i] < 40 ? 40 : asked[i]);
        assert_true(longest >= widest);
        widest = longest;
    }
}

static void a_map_without_labels_counts(void **state)
{
    (void)state;
    assert_string_equal(map(wrap(weights, 2, 4), (heed_heatmap_desc){ 0 }),
                        "rows look at columns; 0 [.:-=+*#%@] 1 linear, blank below 0.05\n"
                        "\n"
                        "     0   1   2   3\n"
                        "0 | @@@             |\n"
                        "1 | --- *** ...     |\n");
}

static void colours_lie_behind_the_shades(void **state)
{
    (void)state;
    const heed_real row[] = { 0, (heed_real)0.01, (heed_real)0.99, -1 };
    const char *text = map(wrap(row, 1, 4), (heed_heatmap_desc){ .color = true });
    assert_non_null(strstr(text, "\n0 |     \x1B[48;5;234;38;5;234m    \x1B[0m" /* exactly 0 has none */
                                 "\x1B[48;5;195;38;5;195m@@@ \x1B[0m\x1B[48;5;160;38;5;231m!!! \x1B[0m|\n"));
    assert_non_null(strstr(text, "0 [\x1B[48;5;18;38;5;18m.\x1B[0m"));
    assert_non_null(strstr(text, "1 linear, blank below 0.05; ! is not in 0..1\n"));
}

/* The character of a cell is the part its weight is in, up to the ends; the scale does not follow the data. */
static void the_scale_is_linear_and_fixed(void **state)
{
    (void)state;
    for (int i = 0; i <= 1000; i++) {
        double weight = i / 1000.0, ninths = weight * 9, fifths = weight * 5;
        if (fabs(ninths - round(ninths)) < 1e-3 || fabs(fifths - round(fifths)) < 1e-3 || fabs(weight - 0.05) < 1e-4)
            continue; /* at an edge floats may go either way */
        heed_real value = (heed_real)weight;
        char want = weight < 0.05 ? ' ' : ".:-=+*#%@"[(int)ninths];
        const char *row = strstr(map(wrap(&value, 1, 1), (heed_heatmap_desc){ 0 }), "\n0 | ");
        assert_int_equal(row[5], want);
        assert_int_equal(row[7], want);
        static const char *const shades[] = { "\u00B7", "\u2591", "\u2592", "\u2593", "\u2588" };
        const char *shade = weight < 0.05 ? " " : shades[(int)fifths];
        row = strstr(map(wrap(&value, 1, 1), (heed_heatmap_desc){ .unicode = true }), "\n0 \u2502 ");
        assert_int_equal(strncmp(row + 7, shade, strlen(shade)), 0);
    }
    const heed_real ends[] = { 0, 1 };
    assert_non_null(strstr(map(wrap(ends, 1, 2), (heed_heatmap_desc){ 0 }), "\n0 |     @@@ |\n"));
}

static void what_is_no_weight_is_marked(void **state)
{
    (void)state;
    const heed_real bad[] = { (heed_real)NAN, (heed_real)INFINITY, (heed_real)-INFINITY, (heed_real)1.01,
                              (heed_real)-0.01 };
    const char *text = map(wrap(bad, 1, 5), (heed_heatmap_desc){ 0 });
    assert_non_null(strstr(text, "\n0 | !!! !!! !!! !!! !!! |\n"));
    assert_non_null(strstr(text, "; ! is not in 0..1\n"));
    const heed_real rounded[] = { (heed_real)1.000001, (heed_real)-1e-9 };
    text = map(wrap(rounded, 1, 2), (heed_heatmap_desc){ 0 });
    assert_non_null(strstr(text, "\n0 | @@@     |\n"));
    assert_null(strchr(text, '!'));
}

static void any_strides_are_read(void **state)
{
    (void)state;
    heed_tensor t = heed_tensor_permute(wrap(weights, 3, 4), (const int[]){ 1, 0 });
    assert_non_null(
        strstr(map(t, (heed_heatmap_desc){ 0 }), "\n0 | @@@ ---     |\n1 |     ***     |\n2 |     ... %%% |\n"));
    heed_real one = 1;
    t = heed_tensor_broadcast(heed_tensor_wrap(&one, HEED_SHAPE(1, 1)), HEED_SHAPE(2, 2));
    assert_non_null(strstr(map(t, (heed_heatmap_desc){ 0 }), "\n0 | @@@ @@@ |\n1 | @@@ @@@ |\n"));
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

/* How a row label of the one-cell map comes out, without the blanks that align it. */
static const char *shown(const char *text, bool unicode)
{
    static char out[256];
    heed_real one = 1;
    const char *const rows[] = { text };
    const char *line = map(wrap(&one, 1, 1), (heed_heatmap_desc){ .rows = rows, .unicode = unicode });
    for (int i = 0; i < 3; i++)
        line = strchr(line, '\n') + 1;
    const char *end = strstr(line, unicode ? " \u2502 " : " | ");
    assert_non_null(end);
    snprintf(out, sizeof(out), "%.*s", (int)(end - line), line);
    return out;
}

static void labels_are_cleaned_and_shortened(void **state)
{
    (void)state;
    static const struct {
        const char *text, *ascii, *unicode; /* NULL: the same */
    } cases[] = {
        { "chat", "chat", NULL },
        { "", " ", NULL },
        { "twelve_chars", "twelve_chars", NULL },
        { "thirteenchars", "thirteench..", "thirteencha\u2026" },
        { "\u00E9t\u00E9s\u00E9t\u00E9s\u00E9t\u00E9s", "\u00E9t\u00E9s\u00E9t\u00E9s\u00E9t\u00E9s", NULL },
        { "e\u0301te\u0301", "e\u0301te\u0301", NULL },
        { "\x1B[31mred\x1B[0m", "?[31mred?[0m", NULL }, /* no escape sequence comes through */
        { "a\nb\tc\r\x7F\x08", "a?b?c???", NULL },
        { "\xC2\x9B"
          "31m",
          "?31m", NULL },                                 /* C1: an escape sequence in one character */
        { "a\u202Eb\u2066c\u200Fd\uFEFF", "abcd", NULL }, /* direction marks */
        { "a\u2028b", "a?b", NULL },
        { "a\xFFz\xC3", "a?z?", NULL },
        { "\xED\xA0\x80", "???", NULL },
        { "\u0378", "?", NULL },                                                                  /* unassigned */
        { "\u4E2D\u6587\u4E2D\u6587\u4E2D\u6587", "\u4E2D\u6587\u4E2D\u6587\u4E2D\u6587", NULL }, /* two columns each */
        { "\u4E2D\u6587\u4E2D\u6587\u4E2D\u6587\u4E2D", "\u4E2D\u6587\u4E2D\u6587\u4E2D..",
          "\u4E2D\u6587\u4E2D\u6587\u4E2D\u2026" },
        { "\uFFED.", "\uFFED.", NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(shown(cases[i].text, false), cases[i].ascii);
        assert_string_equal(shown(cases[i].text, true), cases[i].unicode ? cases[i].unicode : cases[i].ascii);
    }
    char tall[1000] = "a"; /* accents without end take no columns, but the label has an end */
    for (int i = 0; i < 400; i++)
        strcat(tall, "\u0301");
    for (int unicode = 0; unicode < 2; unicode++) {
        const char *text = shown(tall, unicode), *dots = unicode ? "\u0301\u2026" : "\u0301..";
        assert_in_range(strlen(text), 80, 95);
        assert_true(heed_utf8_valid(text, (int64_t)strlen(text)));
        assert_string_equal(text + strlen(text) - strlen(dots), dots);
    }

    heed_real one = 1;
    const char *text = map(wrap(&one, 1, 1), (heed_heatmap_desc){ .title = "\x1B[2Jtitle" });
    assert_true(strncmp(text, "\\x1B[2Jtitle   rows", 19) == 0);
}

static int columns_of(const char *line, size_t bytes)
{
    int columns = 0;
    for (size_t i = 0; i < bytes;) {
        utf8proc_int32_t code;
        i += (size_t)utf8proc_iterate((const utf8proc_uint8_t *)line + i, (utf8proc_ssize_t)(bytes - i), &code);
        columns += utf8proc_charwidth(code);
    }
    return columns;
}

/* Any number of columns and any labels: no line over 100 columns, all cells there, all rows of a block equally wide. */
static void maps_stay_within_100_columns(void **state)
{
    (void)state;
    static const char *const words[] = {
        "a", "le", "beautiful", "sleeping", "\u4E2D\u6587", ".", "constitutionally", "", "\u00E9t\u00E9"
    };
    static heed_real ones[80 * 80];
    for (int i = 0; i < 80 * 80; i++)
        ones[i] = 1;
    heed_rng rng = { .seed = 1 };
    for (rng.row = 0; rng.row < 300; rng.row++) {
        int64_t cols = 1 + (int64_t)heed_rng_below(rng, 0, rng.row % 2 ? 80 : 12), rows = 2, cells = 0;
        const char *labels[80];
        for (int i = 0; i < cols; i++)
            labels[i] = words[heed_rng_below(rng, 1 + (uint64_t)i, sizeof(words) / sizeof(words[0]))];
        heed_heatmap_desc desc = { .rows = rng.row % 3 ? labels : NULL, .cols = rng.row % 5 ? labels : NULL };
        const char *line = map(heed_tensor_wrap(ones, HEED_SHAPE(rows > cols ? cols : rows, cols)), desc);
        int width = 0;
        for (const char *end; *line; line = end + 1) {
            end = strchr(line, '\n');
            int columns = columns_of(line, (size_t)(end - line));
            assert_true(columns <= 100);
            bool row = end > line && end[-1] == '|';
            if (row && width)
                assert_int_equal(columns, width);
            width = row ? columns : 0;
            for (const char *at = line; row && at < end; at++)
                cells += at[0] == '@' && at[1] != '@';
        }
        assert_int_equal(cells, cols * (rows > cols ? cols : rows));
    }
}

static void many_columns_go_in_blocks(void **state)
{
    (void)state;
    static heed_real values[40];
    const char *labels[40];
    for (int i = 0; i < 40; i++)
        values[i] = (heed_real)(i == 0 || i == 39), labels[i] = "sentence";
    const char *text = map(heed_tensor_wrap(values, HEED_SHAPE(1, 40)), (heed_heatmap_desc){ .cols = labels });
    int blocks = 0;
    for (const char *at = text; (at = strstr(at, "\n\n")); at += 2)
        blocks++;
    assert_int_equal(blocks, 4); /* 13 labels of 6 fit beside one another, so four blocks of 10 */
    assert_non_null(strstr(text, "\n    sent.. sent.. sent.."));
    assert_non_null(strstr(text, "\n0 | @@@@@@                                                                |\n"));
    assert_non_null(strstr(text, "\n0 |                                                                @@@@@@ |\n"));
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void heads_have_names(void **state)
{
    (void)state;
    heed_shape_buffer buffer;
    assert_string_equal(heed_head_name(HEED_ENC, 0, 1, &buffer), "enc.0.1");
    assert_string_equal(heed_head_name(HEED_DEC, 12, 0, &buffer), "dec.12.0");
    assert_string_equal(heed_head_name(HEED_CROSS, 3, 7, &buffer), "cross.3.7");
    assert_string_equal(heed_head_name((heed_attention_type)9, 0, 0, &buffer), "?.0.0");
    assert_ptr_equal(heed_head_name(HEED_ENC, 0, 0, &buffer), buffer.text);
}

static void empty_maps_have_a_first_line(void **state)
{
    (void)state;
    heed_real none = 0;
    static const char line[] = "t   rows look at columns; 0 [.:-=+*#%@] 1 linear, blank below 0.05\n";
    assert_string_equal(map(heed_tensor_wrap(&none, HEED_SHAPE(0, 0)), (heed_heatmap_desc){ .title = "t" }), line);
    assert_string_equal(map(heed_tensor_wrap(&none, HEED_SHAPE(3, 0)), (heed_heatmap_desc){ .title = "t" }), line);
    assert_non_null(strstr(map(heed_tensor_wrap(&none, HEED_SHAPE(0, 2)), (heed_heatmap_desc){ 0 }), "\n     0   1\n"));
}

static void bad_arguments_and_full_disks_are_errors(void **state)
{
    (void)state;
    heed_tensor t = wrap(weights, 3, 4);
    assert_false(heed_heatmap_ascii(NULL, t, (heed_heatmap_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "file is NULL");
    assert_false(heed_heatmap_ascii(stdout, (heed_tensor){ 0 }, (heed_heatmap_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "weights");
    assert_false(heed_heatmap_ascii(stdout, heed_tensor_reshape(t, HEED_SHAPE(1, 3, 4)), (heed_heatmap_desc){ 0 }));
    check_failed(HEED_BAD_SHAPE, "weights [1, 3, 4]; want [queries, keys]");

    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    for (int i = 0; i < 2; i++) { /* the second time the stream is in error already */
        assert_false(heed_heatmap_ascii(full, t, (heed_heatmap_desc){ 0 }));
        check_failed(HEED_IO, "cannot write");
    }
    fclose(full);
    FILE *closed = fopen("/dev/null", "r"); /* not open for writing */
    assert_false(heed_heatmap_ascii(closed, t, (heed_heatmap_desc){ 0 }));
    check_failed(HEED_IO, "cannot write");
    fclose(closed);
}

static void maps_take_no_memory(void **state)
{
    (void)state;
    int64_t calls = heed_memory_now().calls;
    map(wrap(weights, 3, 4), (heed_heatmap_desc){ .rows = fr, .cols = en, .color = true, .unicode = true });
    assert_int_equal(heed_memory_now().calls, calls);
    check_no_error();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_in_ascii),
        cmocka_unit_test(a_map_in_unicode),
        cmocka_unit_test(a_map_of_digits_with_a_mask),
        cmocka_unit_test(a_map_keeps_to_its_width),
        cmocka_unit_test(a_map_without_labels_counts),
        cmocka_unit_test(colours_lie_behind_the_shades),
        cmocka_unit_test(the_scale_is_linear_and_fixed),
        cmocka_unit_test(what_is_no_weight_is_marked),
        cmocka_unit_test(any_strides_are_read),
        cmocka_unit_test(labels_are_cleaned_and_shortened),
        cmocka_unit_test(maps_stay_within_100_columns),
        cmocka_unit_test(many_columns_go_in_blocks),
        cmocka_unit_test(heads_have_names),
        cmocka_unit_test(empty_maps_have_a_first_line),
        cmocka_unit_test(bad_arguments_and_full_disks_are_errors),
        cmocka_unit_test(maps_take_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
