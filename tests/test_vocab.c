/* Vocabularies: the order of ids, what text finds, what it falls back to, and JSON there and back. */
#include "memory_sweep.h"
#include "text/internal.h"

#define J TEXT_JOINER

static heed_vocab *vocab_of(const char *const *lines, heed_vocab_desc desc)
{
    heed_vocab *vocab = heed_vocab_new();
    bool ok = vocab != NULL;
    for (int i = 0; ok && lines[i]; i++)
        ok = heed_vocab_count(vocab, lines[i]);
    if (ok && heed_vocab_freeze(vocab, desc))
        return vocab;
    heed_vocab_free(vocab);
    return NULL;
}
#define VOCAB(...) vocab_of((const char *const[]){ __VA_ARGS__, NULL }, (heed_vocab_desc){ 0 })

/* The words from id 4 on, separated by spaces. */
static void check_words(const heed_vocab *vocab, const char *want)
{
    char text[1024] = "";
    for (int32_t id = HEED_SPECIALS; id < heed_vocab_size(vocab); id++) {
        strcat(text, heed_vocab_word(vocab, id));
        strcat(text, id + 1 < heed_vocab_size(vocab) ? " " : "");
    }
    assert_string_equal(text, want);
}

static void ids_go_by_falling_count_then_by_bytes(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB("b b é z", "a é c Z b", "é");
    check_words(vocab, "b é Z a c z");
    assert_int_equal(heed_vocab_size(vocab), 10);
    for (int32_t id = HEED_SPECIALS; id < 10; id++)
        assert_int_equal(heed_vocab_id(vocab, heed_vocab_word(vocab, id)), id);
    heed_vocab_free(vocab);
}

static void rare_words_and_too_many_are_left_out(void **state)
{
    (void)state;
    static const char *const lines[] = { "a a a b b c c d", NULL };
    static const struct {
        heed_vocab_desc desc;
        const char *words;
    } cases[] = {
        { { 0 }, "a b c d" },
        { { .min_count = 1 }, "a b c d" },
        { { .min_count = 2 }, "a b c" },
        { { .min_count = 9 }, "" },
        { { .max_size = 4 }, "" },
        { { .max_size = 6 }, "a b" },
        { { .max_size = 7, .min_count = 3 }, "a" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        heed_vocab *vocab = vocab_of(lines, cases[i].desc);
        check_words(vocab, cases[i].words);
        assert_int_equal(heed_vocab_id(vocab, "d"), strchr(cases[i].words, 'd') ? 7 : HEED_UNK);
        heed_vocab_free(vocab);
    }
}

static void specials_are_not_found_by_text(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB("<pad> <bos> <eos> <unk> pad");
    static const char *const names[] = { "<pad>", "<bos>", "<eos>", "<unk>" };
    for (int32_t id = 0; id < HEED_SPECIALS; id++) {
        assert_string_equal(heed_vocab_word(vocab, id), names[id]);
        assert_int_equal(heed_vocab_id(vocab, names[id]), HEED_UNK);
    }
    int32_t ids[16];
    int64_t unknown;
    int64_t n = heed_vocab_encode(vocab, "<pad> <eos>", ids, 16, &unknown);
    assert_int_equal(n, 6);
    assert_int_equal(unknown, 0);
    for (int i = 0; i < 6; i++)
        assert_true(ids[i] >= HEED_SPECIALS);
    char *line = heed_vocab_decode(vocab, ids, n);
    assert_string_equal(line, "<pad> <eos>");
    heed_text_free(line);
    heed_vocab_free(vocab);

    vocab = heed_vocab_from_json("[[\"<eos>\",1]]"); /* even a word of that very name is another id */
    assert_int_equal(heed_vocab_id(vocab, "<eos>"), HEED_SPECIALS);
    heed_vocab_free(vocab);
}

static void unknown_words_fall_back_to_their_siblings(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB("the cat sleeps . Tom l' ami", "wait ?", "(x) oui!", "été straße \u2C65");
    static const struct {
        const char *line, *words; /* of the ids, separated by spaces */
    } cases[] = {
        { "the cat sleeps.", "the cat sleeps ." },
        { "The CAT sleeps!", "the cat sleeps " J "!" },
        { "oui !", "oui " J "!" },
        { "oui?", "oui ?" },
        { "x) )x (", "x " J ") " J ") x (" J },
        { "l'ami L'ami", "l' ami l' ami" },
        { "tom Tom TOM", "<unk> Tom <unk>" },
        { "ÉTÉ Été STRASSE Stra\u1E9Ee \u023A", "été été <unk> straße \u2C65" },
        { "dog " J " .", "<unk> <unk> ." },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int32_t ids[16];
        int64_t unknown = -1, want_unknown = 0;
        char text[512] = "";
        int64_t n = heed_vocab_encode(vocab, cases[i].line, ids, 16, &unknown);
        for (int64_t k = 0; k < n; k++) {
            strcat(strcat(text, k ? " " : ""), heed_vocab_word(vocab, ids[k]));
            want_unknown += ids[k] == HEED_UNK;
        }
        assert_string_equal(text, cases[i].words);
        assert_int_equal(unknown, want_unknown);
    }
    assert_int_equal(heed_vocab_encode(vocab, "a b", (int32_t[2]){ 0 }, 2, NULL), 2);
    heed_vocab_free(vocab);
}

/* What stands in the vocabulary as it is comes before any sibling. */
static void a_word_itself_comes_first(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB(". a. .b The the (x )x");
    static const char *const words[] = { ".", J ".", "." J, "The", "the", "(" J, ")" J };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_true(heed_vocab_id(vocab, words[i]) >= HEED_SPECIALS);
    int32_t ids[8];
    assert_int_equal(heed_vocab_encode(vocab, ". a. .b The the", ids, 8, NULL), 7);
    static const char *const want[] = { ".", "a", (J "."), ("." J), "b", "The", "the" };
    for (int i = 0; i < 7; i++)
        assert_string_equal(heed_vocab_word(vocab, ids[i]), want[i]);
    heed_vocab_free(vocab);
}

static void decode_gives_the_line_back(void **state)
{
    (void)state;
    static const char *const line = "\u00ABl'eau\u00BB n'est pas froide, dit-il (\u00E0 voix basse)...";
    heed_vocab *vocab = VOCAB(line);
    int32_t ids[40] = { HEED_BOS };
    int64_t n = heed_vocab_encode(vocab, line, ids + 1, 30, NULL);
    ids[n + 1] = HEED_EOS;
    ids[n + 2] = HEED_PAD;
    char *back = heed_vocab_decode(vocab, ids, n + 3);
    assert_string_equal(back, line);
    heed_text_free(back);
    back = heed_vocab_decode(vocab, (const int32_t[]){ HEED_UNK, heed_vocab_id(vocab, J ",") }, 2);
    assert_string_equal(back, "<unk>,");
    heed_text_free(back);
    back = heed_vocab_decode(vocab, NULL, 0);
    assert_string_equal(back, "");
    heed_text_free(back);
    heed_vocab_free(vocab);
}

static void calls_in_the_wrong_order_and_bad_arguments_are_refused(void **state)
{
    (void)state;
    int32_t ids[4];
    heed_vocab *vocab = heed_vocab_new();
    assert_true(heed_vocab_count(vocab, "a a b"));
    assert_int_equal(heed_vocab_size(vocab), HEED_SPECIALS);
    assert_null(heed_vocab_word(vocab, 4));
    assert_int_equal(heed_vocab_id(vocab, "a"), HEED_UNK);
    assert_int_equal(heed_vocab_encode(vocab, "a", ids, 4, NULL), -1);
    check_failed(HEED_BAD_STATE, "vocab_encode: the vocabulary is not yet frozen");
    assert_null(heed_vocab_decode(vocab, ids, 0));
    check_failed(HEED_BAD_STATE, "not yet frozen");
    assert_null(heed_vocab_to_json(vocab));
    check_failed(HEED_BAD_STATE, "not yet frozen");
    assert_false(heed_vocab_freeze(vocab, (heed_vocab_desc){ .max_size = 3 }));
    check_failed(HEED_BAD_ARGUMENT, "max_size is 3");
    assert_false(heed_vocab_freeze(vocab, (heed_vocab_desc){ .max_size = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "max_size is -1");
    assert_false(heed_vocab_freeze(vocab, (heed_vocab_desc){ .min_count = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "min_count -1");
    assert_false(heed_vocab_count(vocab, "a \xFF"));
    check_failed(HEED_BAD_FORMAT, "byte 2");
    assert_true(heed_vocab_freeze(vocab, (heed_vocab_desc){ 0 }));
    assert_false(heed_vocab_freeze(vocab, (heed_vocab_desc){ 0 }));
    check_failed(HEED_BAD_STATE, "already frozen");
    assert_false(heed_vocab_count(vocab, "a"));
    check_failed(HEED_BAD_STATE, "vocab_count: the vocabulary is already frozen");

    assert_int_equal(heed_vocab_encode(vocab, "a b a", ids, 2, NULL), -1);
    check_failed(HEED_BAD_SHAPE, "3 words, and room for 2 ids");
    assert_int_equal(heed_vocab_encode(vocab, "a", NULL, 2, NULL), -1);
    check_failed(HEED_BAD_ARGUMENT, "ids is NULL");
    assert_int_equal(heed_vocab_encode(vocab, "a", ids, -2, NULL), -1);
    check_failed(HEED_BAD_ARGUMENT, "room -2");
    assert_int_equal(heed_vocab_encode(vocab, NULL, ids, 2, NULL), -1);
    check_failed(HEED_BAD_ARGUMENT, "line is NULL");
    assert_int_equal(heed_vocab_encode(vocab, "\xED\xA0\x80", ids, 2, NULL), -1);
    check_failed(HEED_BAD_FORMAT, "byte 0");
    assert_null(heed_vocab_decode(vocab, (const int32_t[]){ 4, 6 }, 2));
    check_failed(HEED_BAD_ARGUMENT, "id 6 at 1");
    assert_null(heed_vocab_decode(vocab, (const int32_t[]){ -1 }, 1));
    check_failed(HEED_BAD_ARGUMENT, "id -1 at 0");
    assert_null(heed_vocab_decode(vocab, NULL, 1));
    check_failed(HEED_BAD_ARGUMENT, "ids is NULL");
    assert_null(heed_vocab_decode(vocab, ids, -1));
    check_failed(HEED_BAD_ARGUMENT, "count -1");
    assert_null(heed_vocab_word(vocab, -1));
    assert_null(heed_vocab_word(vocab, 6));
    heed_vocab_free(vocab);
    heed_vocab_free(NULL);

    assert_false(heed_vocab_count(NULL, "a"));
    check_failed(HEED_BAD_ARGUMENT, "vocab is NULL");
    assert_int_equal(heed_vocab_size(NULL), HEED_SPECIALS);
    assert_int_equal(heed_vocab_id(NULL, "a"), HEED_UNK);
    check_no_error();
}

static void an_empty_vocabulary_knows_nothing(void **state)
{
    (void)state;
    heed_vocab *vocab = heed_vocab_new();
    assert_true(heed_vocab_freeze(vocab, (heed_vocab_desc){ 0 }));
    int32_t ids[2];
    int64_t unknown;
    assert_int_equal(heed_vocab_encode(vocab, "a b", ids, 2, &unknown), 2);
    assert_int_equal(unknown, 2);
    char *json = heed_vocab_to_json(vocab);
    assert_string_equal(json, "[]");
    heed_text_free(json);
    heed_vocab_free(vocab);
}

/* Enough words to grow every array several times; the word "w123" is counted 1 + 123 % 7 times. */
static void many_words_are_all_found(void **state)
{
    (void)state;
    enum { WORDS = 60000 };
    heed_vocab *vocab = heed_vocab_new();
    char word[16];
    for (int i = 0; i < WORDS; i++)
        for (int k = 0; k <= i % 7; k++) {
            snprintf(word, sizeof(word), "w%d", i);
            assert_true(heed_vocab_count(vocab, word));
        }
    assert_true(heed_vocab_freeze(vocab, (heed_vocab_desc){ .min_count = 2 }));
    int32_t size = heed_vocab_size(vocab);
    assert_int_equal(size, HEED_SPECIALS + WORDS - (WORDS + 6) / 7);
    for (int i = 0; i < WORDS; i++) {
        snprintf(word, sizeof(word), "w%d", i);
        int32_t id = heed_vocab_id(vocab, word);
        assert_true(i % 7 == 0 ? id == HEED_UNK : id >= HEED_SPECIALS && id < size);
        if (id != HEED_UNK)
            assert_string_equal(heed_vocab_word(vocab, id), word);
    }
    heed_vocab_free(vocab);
}

static void long_words_are_kept_whole(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    char *line = malloc(BYTES + 1);
    memset(line, 'A', BYTES);
    line[BYTES] = 0;
    heed_vocab *vocab = VOCAB("b", line);
    assert_int_equal(heed_vocab_id(vocab, line), 4);
    char *json = heed_vocab_to_json(vocab);
    heed_vocab *again = heed_vocab_from_json(json);
    int32_t id;
    assert_int_equal(heed_vocab_encode(again, line, &id, 1, NULL), 1);
    assert_int_equal(id, 4);
    line[BYTES - 1] = 'a';
    assert_int_equal(heed_vocab_encode(again, line, &id, 1, NULL), 1);
    assert_int_equal(id, HEED_UNK);
    heed_text_free(json);
    heed_vocab_free(again);
    heed_vocab_free(vocab);
    free(line);
}

static void json_goes_there_and_back(void **state)
{
    (void)state;
    heed_vocab *vocab = VOCAB("a a a b\"b b\\b été, \x01 \u2028 \U0001F600 </script> b\"b"); /* \x01 is left out */
    char *json = heed_vocab_to_json(vocab);
    heed_vocab *again = heed_vocab_from_json(json);
    assert_non_null(again);
    assert_int_equal(heed_vocab_size(again), heed_vocab_size(vocab));
    for (int32_t id = 0; id < heed_vocab_size(vocab); id++)
        assert_string_equal(heed_vocab_word(again, id), heed_vocab_word(vocab, id));
    char *json_again = heed_vocab_to_json(again);
    assert_string_equal(json_again, json);
    assert_true(strncmp(json, "[[\"a\",3],[\"b\\\"b\",2],", 20) == 0);
    heed_text_free(json);
    heed_text_free(json_again);
    heed_vocab_free(again);
    heed_vocab_free(vocab);

    /* the order of the array is the order of the ids, whatever the counts say */
    again = heed_vocab_from_json(" [ [\"x\", 1], [\"\\u00e9t\\u00e9\", 0], [\"y\", 9223372036854775807] ] \n");
    check_words(again, "x été y");
    heed_vocab_free(again);
}

static void bad_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } cases[] = {
        { "", "line 1" },
        { "[", "line 1, column 1" },
        { "{}", "\"spaced\" is missing" },
        { "\"a\"", "'[' or '{' expected" },
        { "null", "'[' or '{' expected" },
        { "[[\"a\",1]] x", "end of file expected" },
        { "[[\"a\",1],]", "unexpected token" },
        { "[\n[\"a\",1],\n[\"b\",01]]", "line 3" },
        { "[\"a\"]", "entry 0 is not" },
        { "[[\"a\",1],[]]", "entry 1 is not" },
        { "[[\"a\"]]", "entry 0 is not" },
        { "[[\"a\",1,2]]", "entry 0 is not" },
        { "[[1,\"a\"]]", "entry 0 is not" },
        { "[[\"a\",1.0]]", "entry 0 is not" },
        { "[[\"a\",\"1\"]]", "entry 0 is not" },
        { "[[\"a\",null]]", "entry 0 is not" },
        { "[[\"a\",true]]", "entry 0 is not" },
        { "[{\"a\":1}]", "entry 0 is not" },
        { "[[[\"a\"],1]]", "entry 0 is not" },
        { "[[\"\",1]]", "an empty word" },
        { "[[\"a\",-1]]", "negative count" },
        { "[[\"a\",9223372036854775808]]", "too big integer" },
        { "[[\"a\",1e400]]", "real number overflow" },
        { "[[\"a\",1],[\"b\",1],[\"a\",1]]", "entries 0 and 2 are both \"a\"" },
        { "[[\"a\",1],[\"\\u0061\",2]]", "entries 0 and 1 are both \"a\"" },
        { "[[\"\x1B\\u001b[2J\",1]]", "control character" },
        { "[[\"\\u001b[2J\",-1]]", "[\"\\x1B[2J\", -1]" }, /* no escape sequence reaches a terminal */
        { "[[\"a\",1],[\"a\\u0001\",1]]", "entry 1, [\"a\\x01\", 1]: white space or a control character" },
        { "[[\"\\u001b[2J\",1]]", "control character" },
        { "[[\"\\u007f\",1]]", "control character" },
        { "[[\"\\u009b\",1]]", "control character" },
        { "[[\" a\",1]]", "white space" },
        { "[[\"a b\",1]]", "white space" },
        { "[[\"a\\u00a0b\",1]]", "white space" },
        { "[[\"\\u2028\",1]]", "white space" },
        { "[[\"\\u0000\",1]]", "\\u0000 is not allowed" },
        { "[[\"\\ud800\",1]]", "invalid Unicode" },
        { "[[\"\xC0\x80\",1]]", "unable to decode byte 0xc0" },
        { "[[\"\xFF\",1]]", "unable to decode byte 0xff" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        heed_memory before = heed_memory_now();
        assert_null(heed_vocab_from_json(cases[i].json));
        check_failed(HEED_BAD_FORMAT, cases[i].message);
        assert_int_equal(heed_memory_now().blocks, before.blocks);
    }
    assert_null(heed_vocab_from_json(NULL));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    char *deep = malloc(100001);
    memset(deep, '[', 100000);
    deep[100000] = 0;
    assert_null(heed_vocab_from_json(deep));
    check_failed(HEED_BAD_FORMAT, "depth");
    free(deep);
}

/* A count that fails in the middle of a line has counted nothing of it. */
static void a_failed_count_changes_no_counts(void **state)
{
    (void)state;
    int failed = 0;
    for (int64_t n = 1;; n++) {
        heed_vocab *vocab = heed_vocab_new();
        assert_true(heed_vocab_count(vocab, "b b"));
        char line[4000] = "b b b";
        for (int i = 0; i < 300; i++)
            sprintf(line + strlen(line), " w%d", i);
        heed_memory_fail_at(n, false);
        bool ok = heed_vocab_count(vocab, line);
        heed_memory_fail_at(0, false);
        failed += !ok;
        heed_error_clear();
        assert_true(heed_vocab_freeze(vocab, (heed_vocab_desc){ 0 }));
        assert_int_equal(heed_vocab_size(vocab), ok ? 305 : 5);
        char *json = heed_vocab_to_json(vocab);
        assert_true(strncmp(json, ok ? "[[\"b\",5]," : "[[\"b\",2]]", 9) == 0);
        heed_text_free(json);
        heed_vocab_free(vocab);
        if (ok)
            break;
    }
    assert_true(failed >= 3);
}

static bool whole_life(void)
{
    heed_vocab *vocab = VOCAB("the cat sleeps.", "l'ami dort"), *again = NULL;
    char *json = vocab ? heed_vocab_to_json(vocab) : NULL, *line = NULL;
    int32_t ids[8];
    if (json)
        again = heed_vocab_from_json(json);
    if (again && heed_vocab_encode(again, "The cat sleeps.", ids, 8, NULL) == 4)
        line = heed_vocab_decode(again, ids, 4);
    bool ok = line && strcmp(line, "the cat sleeps.") == 0;
    heed_text_free(line);
    heed_text_free(json);
    heed_vocab_free(again);
    heed_vocab_free(vocab);
    return ok;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(whole_life, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_go_by_falling_count_then_by_bytes),
        cmocka_unit_test(rare_words_and_too_many_are_left_out),
        cmocka_unit_test(specials_are_not_found_by_text),
        cmocka_unit_test(unknown_words_fall_back_to_their_siblings),
        cmocka_unit_test(a_word_itself_comes_first),
        cmocka_unit_test(decode_gives_the_line_back),
        cmocka_unit_test(calls_in_the_wrong_order_and_bad_arguments_are_refused),
        cmocka_unit_test(an_empty_vocabulary_knows_nothing),
        cmocka_unit_test(many_words_are_all_found),
        cmocka_unit_test(long_words_are_kept_whole),
        cmocka_unit_test(json_goes_there_and_back),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(a_failed_count_changes_no_counts),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
