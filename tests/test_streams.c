/* Pairs and lines one at a time. test_corpus.c has the cases of reading files; a stream must agree with it. */
#include "folder.h"

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
    const char *bytes;
    size_t n;
} files[] = {
    { BYTES("") },
    { BYTES("a\tb\r\n\r\nc\td") },
    { BYTES("\uFEFFa b\tc\n\tx\nx\t\na\tb\tc\n\xFF\tb\n\0\tb\n  \n\u00A0a\t \u2028b \n") },
};

static void note(int64_t line, heed_line_kind kind, void *context)
{
    char *text = context;
    sprintf(text + strlen(text), "%lld:%d ", (long long)line, (int)kind);
}

static void streams_give_what_reading_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *path = folder_path("data.tsv");
        char bad[2][256] = { "", "" };
        file_put(path, files[i].bytes, (int64_t)files[i].n);
        heed_corpus *corpus = heed_corpus_read_tsv(path, (heed_corpus_desc){ .on_bad = note, .context = bad[0] });
        heed_stream *stream = heed_stream_open_tsv(path, (heed_corpus_desc){ .on_bad = note, .context = bad[1] });
        heed_pair pair;
        for (int64_t k = 0; k < corpus->count; k++) {
            assert_int_equal(heed_stream_next(stream, &pair), 1);
            assert_string_equal(pair.source, corpus->pairs[k].source);
            assert_string_equal(pair.target, corpus->pairs[k].target);
            assert_int_equal(pair.line, corpus->pairs[k].line);
        }
        assert_int_equal(heed_stream_next(stream, &pair), 0);
        assert_int_equal(heed_stream_next(stream, &pair), 0); /* the end stays the end */
        assert_string_equal(bad[0], bad[1]);
        assert_int_equal(stream->lines, corpus->lines);
        assert_memory_equal(stream->kinds, corpus->kinds, sizeof(stream->kinds));
        heed_stream_close(stream);
        heed_corpus_free(corpus);
    }
    check_no_error();
    heed_stream_close(NULL);
    assert_int_equal(heed_stream_next(NULL, NULL), -1);
    check_failed(HEED_BAD_ARGUMENT, "stream is NULL");
    assert_null(heed_stream_open_parallel(folder_path("data.tsv"), folder_path("none"), (heed_corpus_desc){ 0 }));
    check_failed(HEED_IO, "none");
}

static void a_stream_that_failed_stays_failed(void **state)
{
    (void)state;
    const char *path = folder_path("data.tsv");
    file_put(path, BYTES("a\tb\nc\nd\te\n"));
    heed_stream *stream = heed_stream_open_tsv(path, (heed_corpus_desc){ .strict = true });
    heed_pair pair;
    assert_int_equal(heed_stream_next(stream, &pair), 1);
    assert_int_equal(heed_stream_next(stream, &pair), -1);
    check_failed(HEED_BAD_FORMAT, "line 2: not exactly two columns");
    assert_int_equal(heed_stream_next(stream, &pair), -1);
    check_failed(HEED_BAD_STATE, "failed before");
    heed_stream_close(stream);
}

/* However long the file, a stream keeps a block and a line. */
static void streams_need_little_memory(void **state)
{
    (void)state;
    const char *paths[2] = { folder_path("source"), folder_path("target") };
    for (int side = 0; side < 2; side++) {
        FILE *file = fopen(paths[side], "wb");
        for (int i = 0; i < 100000; i++)
            fprintf(file, "%s %d\n", side ? "la phrase numéro" : "sentence number", i);
        fclose(file);
    }
    int64_t before = heed_memory_now().bytes, most = 0, n = 0;
    heed_stream *stream = heed_stream_open_parallel(paths[0], paths[1], (heed_corpus_desc){ 0 });
    for (heed_pair pair; heed_stream_next(stream, &pair) == 1; n++) {
        int64_t bytes = heed_memory_now().bytes - before;
        most = bytes > most ? bytes : most;
        if (n % 9999 == 0)
            assert_int_equal(atoi(strrchr(pair.target, ' ')), n);
    }
    assert_int_equal(n, 100000);
    assert_in_range(most, 2 << 16, 3 << 16);
    heed_stream_close(stream);
}

/* ---- lines of a file --------------------------------------------------------------------------------------------- */

static void lines_come_without_their_ends(void **state)
{
    (void)state;
    const char *path = folder_path("lines");
    file_put(path, BYTES("\uFEFFone\r\n\n \t\r\r\nlast\u2028line"));
    heed_lines *lines = heed_lines_open(path);
    static const char *const want[] = { "one", "", " \t\r", "last\u2028line" };
    for (int i = 0; i < 4; i++) {
        assert_string_equal(heed_lines_next(lines), want[i]);
        assert_int_equal(heed_lines_number(lines), i + 1);
    }
    assert_null(heed_lines_next(lines));
    assert_null(heed_lines_next(lines));
    check_no_error();
    heed_lines_close(lines);

    file_put(path, BYTES("ok\nb\xC3\nc\0d\n"));
    lines = heed_lines_open(path);
    assert_string_equal(heed_lines_next(lines), "ok");
    assert_null(heed_lines_next(lines));
    check_failed(HEED_BAD_FORMAT, "line 2: not valid UTF-8");
    assert_null(heed_lines_next(lines));
    check_failed(HEED_BAD_FORMAT, "line 3: a NUL byte");
    heed_lines_close(lines);
    assert_null(heed_lines_open(folder_path("none")));
    check_failed(HEED_IO, "none");
    assert_null(heed_lines_next(NULL));
    check_failed(HEED_BAD_ARGUMENT, "lines is NULL");
    heed_lines_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_give_what_reading_gives),
        cmocka_unit_test(a_stream_that_failed_stays_failed),
        cmocka_unit_test(streams_need_little_memory),
        cmocka_unit_test(lines_come_without_their_ends),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
