/* Corpora: what is accepted, skipped and refused, file by file. */
#include "folder.h"
#include "memory_sweep.h"
#include "text/internal.h"

#include <time.h>

/* A file's bytes, NUL included. */
#define BYTES(literal) literal, sizeof(literal) - 1

enum { OK = HEED_LINE_OK, ENCODING, NUL, COLUMNS, EMPTY, LONG };

/* What on_bad was told: "2:ENCODING ..." with the kind as a number. */
static void note(int64_t line, heed_line_kind kind, void *context)
{
    char *text = context;
    sprintf(text + strlen(text), "%s%lld:%d", *text ? " " : "", (long long)line, (int)kind);
}

/* ---- the data table ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *bytes;
    size_t n;
    int64_t lines;
    const char *pairs; /* accepted, as "line source>target" separated by '|' */
    const char *bad;   /* skipped, as "line:kind" separated by ' ' */
} table[] = {
    { "empty file", BYTES(""), 0, "", "" },
    { "only a newline", BYTES("\n"), 1, "", "1:4" },
    { "no final newline", BYTES("a\tb\nc\td"), 2, "1 a>b|2 c>d", "" },
    { "CRLF", BYTES("a\tb\r\nc\td\r\n"), 2, "1 a>b|2 c>d", "" },
    { "CRLF and LF mixed, blank", BYTES("a\tb\r\n\r\nc\td\n"), 3, "1 a>b|3 c>d", "2:4" },
    { "CR CR LF: one belongs to the end", BYTES("a\tb\r\r\n"), 1, "1 a>b\r", "" },
    { "lone CR is a character", BYTES("a\rb\tc\nd\te\r"), 2, "1 a\rb>c|2 d>e\r", "" },
    { "U+2028, U+2029, U+0085, VT, FF end no line", BYTES("x\u2028y\tz\xC2\x85x\ny\u2029\tz\v\f\n"), 2,
      "1 x\u2028y>z\xC2\x85x|2 y\u2029>z\v\f", "" },
    { "byte order mark", BYTES("\uFEFFa\tb\n\uFEFFc\td\n"), 2, "1 a>b|2 \uFEFFc>d", "" },
    { "only a byte order mark", BYTES("\uFEFF"), 0, "", "" },
    { "half a byte order mark", BYTES("\xEF\xBB\n"), 1, "", "1:1" },
    { "NUL inside", BYTES("a\0x\tb\nc\td\n"), 2, "2 c>d", "1:2" },
    { "NUL at the end", BYTES("a\tb\n\0"), 2, "1 a>b", "2:2" },
    { "overlong", BYTES("a\xC0\x80\tb\nc\td\n"), 2, "2 c>d", "1:1" },
    { "surrogate", BYTES("a\tb\nc\t\xED\xA0\x80\n"), 2, "1 a>b", "2:1" },
    { "truncated tail", BYTES("a\tb\xC3\nc\td\n"), 2, "2 c>d", "1:1" },
    { "truncated at the end of the file", BYTES("a\tb\nc\td\xE2\x82"), 2, "1 a>b", "2:1" },
    { "beyond U+10FFFF", BYTES("\xF4\x90\x80\x80\tb\n\xF5\x80\x80\x80\tb\n"), 2, "", "1:1 2:1" },
    { "five and six bytes", BYTES("\xF8\x88\x80\x80\x80\tb\n\xFC\x84\x80\x80\x80\x80\tb\n"), 2, "", "1:1 2:1" },
    { "Latin-1", BYTES("caf\xE9\tcoffee\n"), 1, "", "1:1" },
    { "0x1A is a character", BYTES("a\x1A\tb\n\x1A\t\x1A\n"), 2, "1 a\x1A>b|2 \x1A>\x1A", "" },
    { "one column", BYTES("a b\nc\td\n"), 2, "2 c>d", "1:3" },
    { "three columns", BYTES("a\tb\tc\nc\td\n\ta\tb\n"), 3, "2 c>d", "1:3 3:3" },
    { "empty source, empty target", BYTES("\tb\na\t\nc\td\n"), 3, "3 c>d", "1:4 2:4" },
    { "spaces only", BYTES("   \n  \t \na\t \u00A0\n\u3000\tb\n"), 4, "", "1:4 2:4 3:4 4:4" },
    { "tabs only", BYTES("\t\n\t\t\n"), 2, "", "1:4 2:4" },
    { "spaces are kept", BYTES(" a  b \t c \n"), 1, "1  a  b > c ", "" },
    { "duplicates are kept", BYTES("a\tb\na\tb\na\tb\n"), 3, "1 a>b|2 a>b|3 a>b", "" },
    { "combining marks stay as they are", BYTES("e\u0301\t\u00E9\n"), 1, "1 e\u0301>\u00E9", "" },
    { "right to left", BYTES("\u05E9\u05DC\t\u202E\u0645\n"), 1, "1 \u05E9\u05DC>\u202E\u0645", "" },
    { "emoji", BYTES("\U0001F44D\U0001F3FD\t\U0001F600 x\n"), 1, "1 \U0001F44D\U0001F3FD>\U0001F600 x", "" },
    { "specials in the text", BYTES("<pad>\t<eos> </s>\n"), 1, "1 <pad>><eos> </s>", "" },
    { "joiner in the text", BYTES("\uFFED.\tb\n"), 1, "1 \uFFED.>b", "" },
    { "several reasons, the first counts", BYTES("\xFF\0\n\xFF\n\xFF\ta\tb\n \t \t \n"), 4, "", "1:2 2:1 3:1 4:4" },
    { "gzip in the middle is only a bad line", BYTES("a\tb\n\x1F\x8B\n"), 2, "1 a>b", "2:1" },
};

/* As the table writes accepted pairs. */
static char *pairs_text(const heed_corpus *corpus)
{
    static char text[4096];
    text[0] = 0;
    for (int64_t i = 0; i < corpus->count; i++)
        sprintf(text + strlen(text), "%s%lld %s>%s", i ? "|" : "", (long long)corpus->pairs[i].line,
                corpus->pairs[i].source, corpus->pairs[i].target);
    return text;
}

static void check_counts(const heed_corpus *corpus, int64_t lines, const char *bad)
{
    int64_t kinds[HEED_LINE_KINDS] = { corpus->count }, total = 0;
    for (const char *at = bad; (at = strchr(at, ':')); at++)
        kinds[at[1] - '0']++;
    for (int kind = 0; kind < HEED_LINE_KINDS; kind++) {
        assert_int_equal(corpus->kinds[kind], kinds[kind]);
        total += corpus->kinds[kind];
    }
    assert_int_equal(corpus->lines, lines);
    assert_int_equal(total, lines);
}

static void files_read_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *path = folder_path("data.tsv");
        char bad[256] = "";
        file_put(path, table[i].bytes, (int64_t)table[i].n);
        heed_corpus *corpus = heed_corpus_read_tsv(path, (heed_corpus_desc){ .on_bad = note, .context = bad });
        if (!corpus)
            fail_msg("%s: %s", table[i].name, heed_error());
        if (strcmp(pairs_text(corpus), table[i].pairs) != 0 || strcmp(bad, table[i].bad) != 0)
            fail_msg("%s: got \"%s\" and \"%s\"", table[i].name, pairs_text(corpus), bad);
        check_counts(corpus, table[i].lines, table[i].bad);
        heed_corpus_free(corpus);
        check_no_error();

        corpus = heed_corpus_read_tsv(path, (heed_corpus_desc){ .strict = true }); /* the first bad line is fatal */
        if (*table[i].bad) {
            char part[64];
            snprintf(part, sizeof(part), "data.tsv\", line %d: %s", atoi(table[i].bad),
                     heed_line_reason((heed_line_kind)(strchr(table[i].bad, ':')[1] - '0')));
            assert_null(corpus);
            check_failed(HEED_BAD_FORMAT, part);
        } else {
            assert_string_equal(pairs_text(corpus), table[i].pairs);
        }
        heed_corpus_free(corpus);
    }
}

/* ---- long lines and large files ---------------------------------------------------------------------------------- */

/* "WORD WORD ...TAB b" with n words, or a line of n bytes if word is "". */
static char *long_line(const char *word, int64_t n)
{
    size_t step = strlen(word) + 1;
    char *line = malloc(step * (size_t)n + 16), *at = line;
    for (int64_t i = 0; i < n; i++, at += step)
        memcpy(at, *word ? word : "x", step), at[step - 1] = ' ';
    if (!*word)
        memset(line, 'x', (size_t)n);
    strcpy(at, "\tb\n");
    return line;
}

/* The line between two good ones: how it is counted. */
static heed_line_kind kind_between(const char *line, heed_corpus_desc desc)
{
    const char *path = folder_path("long.tsv");
    FILE *file = fopen(path, "wb");
    fprintf(file, "a\tb\n%sc\td", line);
    fclose(file);
    char bad[64] = "";
    desc.on_bad = note;
    desc.context = bad;
    heed_corpus *corpus = heed_corpus_read_tsv(path, desc);
    assert_non_null(corpus);
    assert_int_equal(corpus->lines, 3);
    assert_int_equal(corpus->pairs[corpus->count - 1].line, 3);
    assert_string_equal(corpus->pairs[corpus->count - 1].source, "c");
    heed_line_kind kind = *bad ? (heed_line_kind)(bad[2] - '0') : HEED_LINE_OK;
    assert_int_equal(corpus->kinds[kind], kind == HEED_LINE_OK ? 3 : 1);
    assert_int_equal(corpus->count, kind == HEED_LINE_OK ? 3 : 2);
    heed_corpus_free(corpus);
    return kind;
}

static void long_lines_are_counted_and_told(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        int64_t n;
        heed_corpus_desc desc;
        int kind;
    } cases[] = {
        { "", 10 << 20, { 0 }, LONG },                 /* a line of 10 MB */
        { "", 2 << 20, { .max_bytes = 3 << 20 }, OK }, /* as one word, if asked for */
        { "a", 100000, { 0 }, LONG },                  /* one token, 100,000 times */
        { "a", 100000, { .max_words = 100000 }, OK },
        { "", 100000, { 0 }, OK }, /* one token of 100,000 letters */
        { "a", 1000, { 0 }, OK },
        { "a", 1001, { 0 }, LONG },
        { "a", 5, { .max_words = 5 }, OK },
        { "a", 6, { .max_words = 5 }, LONG },
        { "a.", 3, { .max_words = 5 }, LONG }, /* six words: a stop is one */
        { "", 8, { .max_bytes = 10 }, OK },    /* with the tab and b ten bytes */
        { "", 9, { .max_bytes = 10 }, LONG },
        { "", 1 << 20, { 0 }, LONG },
        { "", (1 << 20) - 2, { 0 }, OK },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *line = long_line(cases[i].word, cases[i].n);
        assert_int_equal(kind_between(line, cases[i].desc), cases[i].kind);
        size_t n = strlen(line); /* the same with CR LF: the CR does not count */
        strcpy(line + n - 1, "\r\n");
        assert_int_equal(kind_between(line, cases[i].desc), cases[i].kind);
        free(line);
    }
    assert_int_equal(kind_between("x\ta b c d\n", (heed_corpus_desc){ .max_words = 3 }), LONG); /* the other side */
    file_put(folder_path("long.tsv"), BYTES("a b c\td\n"));
    assert_null(heed_corpus_read_tsv(folder_path("long.tsv"), (heed_corpus_desc){ .strict = true, .max_words = 2 }));
    check_failed(HEED_BAD_FORMAT, "line 1: too long, over 2 words or 1048576 bytes");
}

/* A skipped line of 64 MB takes no memory of its size. */
static void long_lines_take_little_memory(void **state)
{
    (void)state;
    const char *path = folder_path("huge.tsv");
    file_put(path, "x", 1);
    assert_int_equal(truncate(path, 64 << 20), 0);
    heed_memory_fail_at(100, true); /* enough for all that is needed, and none for growing on and on */
    heed_corpus *corpus = heed_corpus_read_tsv(path, (heed_corpus_desc){ .max_bytes = 1000 });
    heed_memory_fail_at(0, false);
    assert_int_equal(corpus->kinds[LONG], 1);
    assert_true(heed_memory_now().bytes < 1 << 20);
    heed_corpus_free(corpus);
}

/* Lines of every length around the blocks that files are read in; each says its own number. */
static void lines_cross_blocks_unharmed(void **state)
{
    (void)state;
    const char *path = folder_path("many.tsv");
    FILE *file = fopen(path, "wb");
    heed_rng rng = { .seed = 5 };
    enum { LINES = 20000 };
    for (int i = 1; i <= LINES; i++) {
        fprintf(file, "%d", i);
        for (uint64_t k = heed_rng_below(rng, (uint64_t)i, 40); k > 0; k--)
            fputs(" \xC3\xA9", file);
        fprintf(file, "\t%d%s", i * 7, i % 3 ? "\n" : "\r\n");
    }
    fclose(file);
    heed_corpus *corpus = heed_corpus_read_tsv(path, (heed_corpus_desc){ .strict = true });
    assert_int_equal(corpus->count, LINES);
    for (int i = 1; i <= LINES; i++) {
        heed_pair pair = corpus->pairs[i - 1];
        char *end;
        assert_int_equal(pair.line, i);
        assert_int_equal(atoi(pair.source), i);
        assert_int_equal(strlen(pair.source) - strspn(pair.source, "0123456789"),
                         3 * heed_rng_below(rng, (uint64_t)i, 40));
        assert_int_equal(strtol(pair.target, &end, 10), i * 7);
        assert_int_equal(*end, 0);
    }
    heed_corpus_free(corpus);

    for (int size = (1 << 16) - 4; size <= (1 << 16) + 4; size++) { /* a CR, an LF or a tab at the edge */
        char *bytes = malloc((size_t)size + 16);
        memset(bytes, 'x', (size_t)size);
        strcpy(bytes + size, "\ty\r\nz\tw\n");
        file_put(path, bytes, size + 8);
        corpus = heed_corpus_read_tsv(path, (heed_corpus_desc){ .strict = true });
        assert_int_equal(corpus->count, 2);
        assert_int_equal(strlen(corpus->pairs[0].source), size);
        assert_string_equal(corpus->pairs[0].target, "y");
        assert_string_equal(corpus->pairs[1].source, "z");
        heed_corpus_free(corpus);
        free(bytes);
    }
}

/* ---- what is no corpus at all ------------------------------------------------------------------------------------ */

static void check_refused(const char *path, heed_error_kind kind, const char *part)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    assert_null(heed_corpus_read_tsv(path, (heed_corpus_desc){ 0 }));
    check_failed(kind, part);
    file_put(folder_path("good.txt"), BYTES("a\n"));
    assert_null(heed_corpus_read_parallel(folder_path("good.txt"), path, (heed_corpus_desc){ 0 }));
    check_failed(kind, part);
    assert_null(heed_corpus_read_parallel(path, folder_path("good.txt"), (heed_corpus_desc){ 0 }));
    check_failed(kind, part);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - start.tv_sec < 5);
}

static void what_is_no_regular_file_is_refused_at_once(void **state)
{
    (void)state;
    const char *fifo = folder_path("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    check_refused(fifo, HEED_IO, "not a regular file");
    check_refused(folder_name, HEED_IO, "a folder, not a regular file");
    check_refused("/dev/zero", HEED_IO, "not a regular file");
    check_refused("/dev/null", HEED_IO, "not a regular file");
    check_refused(folder_path("absent.tsv"), HEED_IO, "No such file");
    check_refused("", HEED_IO, "No such file");
    check_refused(NULL, HEED_BAD_ARGUMENT, "path is NULL");
    check_refused(folder_path("\x1B[2J"), HEED_IO, "\\x1B[2J");
}

static void compressed_files_and_utf16_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {
        { BYTES("\x1F\x8B\x08\0\0\0\0\0\0\x03\x4B\xE4\x4C\xE2\x02\0"), "looks gzip-compressed; unpack it with gunzip" },
        { BYTES("\x1F\x8B"), "looks gzip-compressed" },
        { BYTES("\xFD\x37zXZ\0\0"), "looks xz-compressed" },
        { BYTES("\x28\xB5\x2F\xFD\x04"), "looks zstd-compressed" },
        { BYTES("\xFF\xFEx\0\t\0y\0\n\0"), "looks UTF-16" },
        { BYTES("\xFE\xFF\0a\0\t\0b\0\n"), "looks UTF-16" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        file_put(folder_path("packed.tsv"), cases[i].bytes, (int64_t)cases[i].n);
        check_refused(folder_path("packed.tsv"), HEED_BAD_FORMAT, cases[i].message);
    }
}

static void shrink(int64_t line, heed_line_kind kind, void *path)
{
    (void)line, (void)kind;
    assert_int_equal(truncate(path, 100000), 0);
}

static void a_file_that_shrinks_is_an_error(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof(path), "%s", folder_path("shrinks.tsv"));
    FILE *file = fopen(path, "wb");
    fputs("bad\n", file);
    for (int i = 0; i < 100000; i++)
        fputs("a\tb\n", file);
    fclose(file);
    heed_memory before = heed_memory_now();
    assert_null(heed_corpus_read_tsv(path, (heed_corpus_desc){ .on_bad = shrink, .context = path }));
    check_failed(HEED_IO, "it ends at byte 100000, and had 400004 when it was opened");
    assert_int_equal(heed_memory_now().blocks, before.blocks);
}

/* ---- parallel files ---------------------------------------------------------------------------------------------- */

static heed_corpus *read_two(const char *source, size_t n, const char *target, size_t m, heed_corpus_desc desc)
{
    file_put(folder_path("a.en"), source, (int64_t)n);
    file_put(folder_path("b.fr"), target, (int64_t)m);
    return heed_corpus_read_parallel(folder_path("a.en"), folder_path("b.fr"), desc);
}

static void parallel_files_pair_line_by_line(void **state)
{
    (void)state;
    char bad[256] = "";
    heed_corpus_desc desc = { .on_bad = note, .context = bad };
    heed_corpus *corpus = read_two(BYTES("\xEF\xBB\xBFone\r\ntwo\n\nfour\nfi\xFFve\nsix\nseven\tcolumns\neight"),
                                   BYTES("\xEF\xBB\xBFun\ndeux\ntrois\n \ncinq\ns\0ix\nsept\r\nhuit\n"), desc);
    assert_non_null(corpus);
    assert_string_equal(pairs_text(corpus), "1 one>un|2 two>deux|7 seven\tcolumns>sept|8 eight>huit");
    assert_string_equal(bad, "3:4 4:4 5:1 6:2");
    check_counts(corpus, 8, bad);
    heed_corpus_free(corpus);

    corpus = read_two(BYTES(""), BYTES(""), (heed_corpus_desc){ 0 });
    assert_int_equal(corpus->count, 0);
    heed_corpus_free(corpus);
    assert_null(read_two(BYTES("a\nb\n"), BYTES("c\n\xC3\n"), (heed_corpus_desc){ .strict = true }));
    check_failed(HEED_BAD_FORMAT, "b.fr\", line 2: not valid UTF-8");
    assert_null(read_two(BYTES("a\nb c d\n"), BYTES("c\nd\n"), (heed_corpus_desc){ .strict = true, .max_words = 2 }));
    check_failed(HEED_BAD_FORMAT, "a.en\", line 2: too long");
    assert_null(read_two(BYTES("a\nb\n"), BYTES("c\n \n"), (heed_corpus_desc){ .strict = true }));
    check_failed(HEED_BAD_FORMAT, "b.fr\", line 2: an empty side");
    assert_null(read_two(BYTES("a\nb\n"), BYTES("c\nd e f\n"), (heed_corpus_desc){ .strict = true, .max_words = 2 }));
    check_failed(HEED_BAD_FORMAT, "b.fr\", line 2: too long");
}

static void parallel_files_of_unequal_length_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *source, *target, *message;
    } cases[] = {
        { "a\nb\nc\n", "d\ne\n", "a.en\" has 3 lines and \"" }, { "a\nb\nc\n", "d\ne\n", "b.fr\" 2; they must match" },
        { "a\n", "d\ne\nf", "b.fr\" 3; they must match" },      { "", "d\n", "has 0 lines" },
        { "a", "d\n\n", "b.fr\" 2; they must match" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bad[64] = "";
        for (int strict = 0; strict < 2; strict++) { /* the lines that are missing are not bad lines */
            heed_corpus_desc desc = { .strict = strict, .on_bad = note, .context = bad };
            assert_null(
                read_two(cases[i].source, strlen(cases[i].source), cases[i].target, strlen(cases[i].target), desc));
            check_failed(HEED_BAD_FORMAT, cases[i].message);
            assert_string_equal(bad, "");
        }
    }
}

/* ---- made in memory, and the rest -------------------------------------------------------------------------------- */

static void pairs_can_be_added(void **state)
{
    (void)state;
    heed_corpus *corpus = heed_corpus_new();
    char word[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(word, sizeof(word), "w%d", i);
        assert_true(heed_corpus_add(corpus, word, word + 1)); /* copied */
    }
    assert_int_equal(corpus->count, 1000);
    assert_string_equal(corpus->pairs[7].source, "w7");
    assert_string_equal(corpus->pairs[999].target, "999");
    assert_int_equal(corpus->pairs[999].line, 1000);
    assert_false(heed_corpus_add(corpus, "a", "\xFF"));
    check_failed(HEED_BAD_FORMAT, "byte 0 of the target");
    assert_false(heed_corpus_add(corpus, " ", "a"));
    check_failed(HEED_BAD_FORMAT, "the source has no words");
    assert_false(heed_corpus_add(corpus, NULL, "a"));
    check_failed(HEED_BAD_ARGUMENT, "source is NULL");
    assert_false(heed_corpus_add(NULL, "a", "a"));
    check_failed(HEED_BAD_ARGUMENT, "corpus is NULL");
    check_counts(corpus, 1000, "");
    heed_corpus_free(corpus);
    heed_corpus_free(NULL);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    file_put(folder_path("a.tsv"), "a\tb\n", 4);
    assert_null(heed_corpus_read_tsv(folder_path("a.tsv"), (heed_corpus_desc){ .max_words = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "max_words is -1");
    assert_null(heed_corpus_read_tsv(folder_path("a.tsv"), (heed_corpus_desc){ .max_bytes = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "max_bytes -1");
    heed_corpus *corpus = heed_corpus_read_tsv(
        folder_path("a.tsv"), (heed_corpus_desc){ .max_words = INT64_MAX, .max_bytes = INT64_MAX / 4 });
    assert_int_equal(corpus->count, 1);
    heed_corpus_free(corpus);
    for (int kind = 0; kind < HEED_LINE_KINDS; kind++)
        assert_true(strlen(heed_line_reason((heed_line_kind)kind)) > 3);
    assert_string_equal(heed_line_reason(HEED_LINE_KINDS), "unknown");
}

static bool read_all(void)
{
    heed_corpus *corpus = heed_corpus_read_parallel(folder_path("a.en"), folder_path("b.fr"), (heed_corpus_desc){ 0 });
    bool ok = corpus && heed_corpus_add(corpus, "x", "y");
    heed_corpus_free(corpus);
    return ok;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    char *line = malloc(300000 + 1); /* pairs, strings and the line all grow */
    for (int i = 0; i < 300000; i++)
        line[i] = i % 500 == 499 ? '\n' : 'x';
    heed_corpus_free(read_two(line, 300000, line, 300000, (heed_corpus_desc){ 0 }));
    free(line);
    check_memory_sweep(read_all, 12);
}

/* Random bytes from few values: no crash, and every line is counted once. */
static void hostile_bytes_are_counted(void **state)
{
    (void)state;
    static const unsigned char few[] = { 'a',  'b',  '\t', '\t', '\n', '\r', ' ', 0,
                                         0xC3, 0xA9, 0xEF, 0xBB, 0xBF, 0x1F, 0x8B };
    heed_rng rng = { .seed = 9 };
    for (rng.row = 0; rng.row < 500; rng.row++) {
        unsigned char bytes[400];
        int n = (int)heed_rng_below(rng, 0, sizeof(bytes)), lines = 0;
        for (int i = 0; i < n; i++) {
            bytes[i] = few[heed_rng_below(rng, 1 + (uint64_t)i, sizeof(few))];
            lines += bytes[i] == '\n';
        }
        lines += n > 0 && bytes[n - 1] != '\n' && !(n == 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0);
        const char *path = folder_path("hostile.tsv");
        file_put(path, bytes, n);
        char bad[4096] = "";
        heed_corpus *corpus = heed_corpus_read_tsv(path, (heed_corpus_desc){ .on_bad = note, .context = bad });
        if (n >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B) {
            assert_null(corpus);
            heed_error_clear();
            continue;
        }
        check_counts(corpus, lines, bad);
        for (int64_t i = 0; i < corpus->count; i++)
            assert_true(heed_utf8_valid(corpus->pairs[i].source, (int64_t)strlen(corpus->pairs[i].source)));
        heed_corpus_free(corpus);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_read_as_the_table_says),
        cmocka_unit_test(long_lines_are_counted_and_told),
        cmocka_unit_test(long_lines_take_little_memory),
        cmocka_unit_test(lines_cross_blocks_unharmed),
        cmocka_unit_test(what_is_no_regular_file_is_refused_at_once),
        cmocka_unit_test(compressed_files_and_utf16_are_recognised),
        cmocka_unit_test(a_file_that_shrinks_is_an_error),
        cmocka_unit_test(parallel_files_pair_line_by_line),
        cmocka_unit_test(parallel_files_of_unequal_length_are_refused),
        cmocka_unit_test(pairs_can_be_added),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(running_out_of_memory_is_an_error),
        cmocka_unit_test(hostile_bytes_are_counted),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
