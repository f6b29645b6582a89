/* Shapes: texts, checked products at the limits of 64 bits, and broadcasting over all pairs of small shapes. */
#include "check.h"
#include "views.h"

static void texts(void **state)
{
    (void)state;
    heed_shape_buffer text;
    assert_string_equal(heed_shape_text(heed_shape_scalar(), &text), "[]");
    assert_string_equal(heed_shape_text(HEED_SHAPE(7), &text), "[7]");
    assert_string_equal(heed_shape_text(HEED_SHAPE(2, 0, 3), &text), "[2, 0, 3]");
    heed_shape longest = HEED_SHAPE(INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN);
    const char *got = heed_shape_text(longest, &text);
    assert_ptr_equal(got, text.text);
    assert_int_equal(strlen(got), 6 * 20 + 5 * 2 + 2);
    assert_string_equal(heed_shape_text((heed_shape){ .rank = 7 }, &text), "[rank 7]");
    assert_string_equal(heed_shape_text((heed_shape){ .rank = -1 }, &text), "[rank -1]");
}

static void products(void **state)
{
    (void)state;
    assert_int_equal(heed_shape_numel(heed_shape_scalar()), 1);
    assert_int_equal(heed_shape_numel(HEED_SHAPE(2, 3, 4, 5, 6, 7)), 5040);
    assert_int_equal(heed_shape_numel(HEED_SHAPE(46342, 46341)), INT64_C(2147534622)); /* over 2^31 */
    assert_int_equal(heed_shape_numel(HEED_SHAPE(INT64_C(1) << 31)), INT64_C(1) << 31);
    assert_int_equal(heed_shape_numel(HEED_SHAPE(5, 0, 7)), 0);
    assert_true(heed_shape_check(HEED_SHAPE(0)));
    int64_t most = INT64_MAX / (int64_t)sizeof(heed_real);
    assert_int_equal(heed_shape_numel(HEED_SHAPE(most)), most);
    check_no_error();
}

static void refused(heed_shape shape, const char *part)
{
    assert_int_equal(heed_shape_numel(shape), -1);
    check_failed(HEED_BAD_SHAPE, part);
    assert_false(heed_shape_check(shape));
    check_failed(HEED_BAD_SHAPE, part);
}

static void refusals(void **state)
{
    (void)state;
    refused(HEED_SHAPE(INT64_C(1) << 62, 2), "[4611686018427387904, 2]");
    refused(HEED_SHAPE(INT64_C(1) << 32, INT64_C(1) << 32), "64 bits"); /* wraps to 0 in 64 bits */
    refused(HEED_SHAPE(INT64_MAX), "64 bits");                          /* the elements fit, the bytes do not */
    refused(HEED_SHAPE(INT64_MAX / (int64_t)sizeof(heed_real) + 1), "64 bits");
    refused(HEED_SHAPE(INT64_C(1) << 62, 4, 0), "64 bits"); /* no elements, but strides that do not fit */
    refused(HEED_SHAPE(0, INT64_C(1) << 62, 4), "64 bits");
    refused(HEED_SHAPE(3, -1), "[3, -1] has a negative size at axis 1");
    refused((heed_shape){ .rank = 7 }, "rank 7, expected 0 to 6");
    refused((heed_shape){ .rank = -1 }, "rank -1");
}

static void equality(void **state)
{
    (void)state;
    assert_true(heed_shape_equal(HEED_SHAPE(2, 3), HEED_SHAPE(2, 3)));
    assert_false(heed_shape_equal(HEED_SHAPE(2, 3), HEED_SHAPE(3, 2)));
    assert_false(heed_shape_equal(HEED_SHAPE(2), HEED_SHAPE(2, 1)));
    assert_true(heed_shape_equal(heed_shape_scalar(), heed_shape_scalar()));
}

/* Size of axis i when a shape is seen as one of rank 3. */
static int64_t aligned(heed_shape shape, int i)
{
    int at = i - (3 - shape.rank);
    return at < 0 ? 1 : shape.dims[at];
}

static void broadcasting_all_pairs(void **state)
{
    (void)state;
    int accepted = 0;
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 40; j++) {
            heed_shape a = view_small_shape(i), b = view_small_shape(j), got = { .rank = -5 };
            heed_shape want = { .rank = a.rank > b.rank ? a.rank : b.rank };
            bool fits = true;
            for (int k = 0; k < 3; k++) {
                int64_t da = aligned(a, k), db = aligned(b, k);
                fits = fits && (da == db || da == 1 || db == 1);
                if (k >= 3 - want.rank)
                    want.dims[k - (3 - want.rank)] = da > db ? da : db;
            }
            assert_int_equal(heed_shape_broadcast(a, b, &got), fits);
            accepted += fits;
            if (fits) {
                assert_true(heed_shape_equal(got, want));
            } else {
                assert_int_equal(got.rank, -5); /* untouched */
                check_failed(HEED_BAD_SHAPE, "broadcast: shapes [");
            }
        }
    assert_int_equal(accepted, 940); /* NumPy accepts as many */
}

static void broadcasting_messages_and_limits(void **state)
{
    (void)state;
    heed_shape out;
    assert_false(heed_shape_broadcast(HEED_SHAPE(5, 2, 3), HEED_SHAPE(4, 3), &out));
    check_failed(HEED_BAD_SHAPE, "[5, 2, 3] and [4, 3] do not fit: 2 against 4 at axis 2 from the right");
    assert_true(heed_shape_broadcast(HEED_SHAPE(1, 3), HEED_SHAPE(0, 1), &out));
    assert_true(heed_shape_equal(out, HEED_SHAPE(0, 3)));
    assert_false(heed_shape_broadcast(HEED_SHAPE(INT64_C(1) << 32, 1), HEED_SHAPE(1, INT64_C(1) << 32), &out));
    check_failed(HEED_BAD_SHAPE, "64 bits");
    assert_false(heed_shape_broadcast(HEED_SHAPE(-1), HEED_SHAPE(1), &out));
    check_failed(HEED_BAD_SHAPE, "negative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(products),
        cmocka_unit_test(refusals),
        cmocka_unit_test(equality),
        cmocka_unit_test(broadcasting_all_pairs),
        cmocka_unit_test(broadcasting_messages_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
