/* The error text: first failure kept, read, carried between threads; and names made safe for messages. */
#include "check.h"
#include "tensor/internal.h"

#include <errno.h>
#include <pthread.h>

static void starts_empty(void **state)
{
    (void)state;
    assert_string_equal(heed_error(), "");
    assert_int_equal(heed_error_code(), HEED_OK);
    assert_false(heed_error_pending());
    assert_string_equal(heed_version(), HEED_VERSION);
}

static void first_failure_stays_until_read(void **state)
{
    (void)state;
    assert_false(heed_fail(HEED_IO, "first %d", 1));
    assert_false(heed_fail(HEED_MEMORY, "second"));
    assert_true(heed_error_pending());
    assert_int_equal(heed_error_code(), HEED_IO);
    assert_true(heed_error_pending()); /* the code does not read it */
    assert_string_equal(heed_error(), "first 1");
    assert_false(heed_error_pending());
    assert_string_equal(heed_error(), "first 1"); /* it can be read again */
    assert_int_equal(heed_error_code(), HEED_IO);
    heed_fail(HEED_BAD_SHAPE, "third");
    assert_string_equal(heed_error(), "third");
    assert_int_equal(heed_error_code(), HEED_BAD_SHAPE);
    heed_fail(HEED_BAD_TYPE, "after %s", heed_error()); /* its own text as an argument */
    assert_string_equal(heed_error(), "after third");
    heed_error_clear();
    assert_string_equal(heed_error(), "");
    assert_int_equal(heed_error_code(), HEED_OK);
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char text[700];
    for (int lead = 0; lead < 3; lead++) {
        memset(text, 'x', sizeof text);
        for (int i = lead; i + 2 < (int)sizeof text; i += 2)
            memcpy(text + i, "\xC3\xA9", 2); /* é */
        text[sizeof text - 1] = '\0';
        heed_fail(HEED_IO, "%s", text);
        const char *got = heed_error();
        size_t length = strlen(got);
        assert_in_range(length, 507, 511);
        assert_string_equal(got + length - 3, "...");
        assert_memory_equal(got, text, length - 3);
        assert_int_equal((length - 3 - (size_t)lead) % 2, 0);
    }
    memset(text, 'x', sizeof text);
    text[511] = '\0';
    heed_fail(HEED_IO, "%s", text); /* just fits */
    assert_string_equal(heed_error(), text);
    heed_error_clear();
}

static void errno_survives(void **state)
{
    (void)state;
    errno = ENOSPC;
    heed_fail(HEED_IO, "%d", 1);
    assert_int_equal(errno, ENOSPC);
    heed_error_clear();
}

static int called;
static heed_error_kind called_with;
static char called_text[512];
static void remember(heed_error_kind kind, const char *text)
{
    called++;
    called_with = kind;
    snprintf(called_text, sizeof called_text, "%s", text);
}

static void callback_at_the_failing_moment(void **state)
{
    (void)state;
    heed_on_error(remember);
    heed_fail(HEED_BAD_STATE, "now");
    assert_int_equal(called, 1);
    assert_int_equal(called_with, HEED_BAD_STATE);
    assert_string_equal(called_text, "now");
    heed_fail(HEED_BAD_STATE, "a consequence");
    assert_int_equal(called, 1);
    assert_string_equal(called_text, "now");
    heed_error_clear();
    heed_on_error(NULL);
    heed_fail(HEED_BAD_STATE, "again");
    assert_int_equal(called, 1);
    heed_error_clear();
}

static void *fail_elsewhere(void *out)
{
    if (heed_error_pending())
        return NULL;
    heed_fail(HEED_UNSUPPORTED, "of a worker");
    *(error_state *)out = error_take();
    return heed_error_pending() || heed_error_code() != HEED_OK ? NULL : out;
}

static void each_thread_has_its_own(void **state)
{
    (void)state;
    pthread_t thread;
    error_state taken;
    void *result;
    heed_fail(HEED_IO, "of the main thread");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &taken), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &taken);
    assert_true(taken.pending);
    error_put(&taken); /* one is pending already */
    check_failed(HEED_IO, "of the main thread");
    error_put(&taken);
    assert_true(heed_error_pending());
    check_failed(HEED_UNSUPPORTED, "of a worker");
    error_state none = error_take();
    assert_false(none.pending);
    error_put(&none);
    assert_false(heed_error_pending());
    assert_string_equal(heed_error(), "");
}

static void names_are_cleaned(void **state)
{
    (void)state;
    char room[64], small[8];
    assert_string_equal(text_clean(room, sizeof room, "plain.name_0"), "plain.name_0");
    assert_string_equal(text_clean(room, sizeof room, "caf\xC3\xA9 \xE6\xBC\xA2 \xF0\x9F\x98\x80"),
                        "caf\xC3\xA9 \xE6\xBC\xA2 \xF0\x9F\x98\x80");
    assert_string_equal(text_clean(room, sizeof room, "a\tb\n\x1B[31m\x7F"), "a\\x09b\\x0A\\x1B[31m\\x7F");
    assert_string_equal(text_clean(room, sizeof room, "\xC2\x9B\xFF"), "\\xC2\\x9B\\xFF"); /* C1, never UTF-8 */
    assert_string_equal(text_clean(room, sizeof room, "\xC0\xAF"), "\\xC0\\xAF");          /* overlong */
    assert_string_equal(text_clean(room, sizeof room, "\xE0\x9F\xBF"), "\\xE0\\x9F\\xBF");
    assert_string_equal(text_clean(room, sizeof room, "\xF0\x8F\xBF\xBF"), "\\xF0\\x8F\\xBF\\xBF");
    assert_string_equal(text_clean(room, sizeof room, "\xED\xA0\x80"), "\\xED\\xA0\\x80"); /* surrogate */
    assert_string_equal(text_clean(room, sizeof room, "\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");
    assert_string_equal(text_clean(room, sizeof room, "\xE6\xBC"), "\\xE6\\xBC"); /* cut short */
    assert_string_equal(text_clean(room, sizeof room, NULL), "(null)");
    assert_string_equal(text_clean(small, sizeof small, "1234567"), "1234567");
    assert_string_equal(text_clean(small, sizeof small, "12345678"), "1234...");
    assert_string_equal(text_clean(small, sizeof small,
                                   "123\xC3\xA9"
                                   "567"),
                        "123...");
    assert_string_equal(text_clean(small, sizeof small, "12\n3456"), "12...");
    assert_string_equal(text_clean(small, 3, "123"), "");
}

/* Whatever the bytes and the room: printable UTF-8, within the room. */
static void cleaned_texts_are_clean(void **state)
{
    (void)state;
    heed_rng rng = { .seed = 11 };
    for (uint64_t turn = 0; turn < 20000; turn++) {
        char text[24], room[40], again[200];
        uint64_t length = heed_rng_below(rng, 100 * turn, sizeof text), size = heed_rng_below(rng, 100 * turn + 1, 41);
        for (uint64_t i = 0; i < length; i++) {
            uint32_t bits = heed_rng_bits(rng, 100 * turn + 40 + i); /* many lead and continuation bytes */
            text[i] = (char)(bits & 1 ? 0x80 | (bits >> 8 & 0x7F) : 1 + (bits >> 8 & 0x7E));
        }
        text[length] = '\0';
        const char *got = text_clean(room, size, text);
        assert_true(strlen(got) < size || size == 0);
        text_clean(again, sizeof again, got);
        assert_string_equal(again, got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),
        cmocka_unit_test(first_failure_stays_until_read),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(errno_survives),
        cmocka_unit_test(callback_at_the_failing_moment),
        cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(names_are_cleaned),
        cmocka_unit_test(cleaned_texts_are_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
