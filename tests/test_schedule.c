/* Learning rates against numbers computed elsewhere (PyTorch 1.13's cosine; the paper's formula), at the joints, and
 * outside their range. */
#include "check.h"

static const double tight = 1e-15;

/* Relative, for values as small as rates are. */
static void check_rate(double got, double want)
{
    check_close(got / (want == 0 ? 1 : want), want == 0 ? 0 : 1, tight);
}

static void test_noam(void **state)
{
    (void)state;
    const struct {
        int64_t step, d_model, warmup;
        double factor, rate;
    } cases[] = {
        { 1, 512, 4000, 1, 1.746928107421711e-07 },
        { 26, 512, 4000, 1, 4.542013079296448e-06 },
        { 2501, 512, 4000, 1, 0.00043690671966616985 },
        { 4976, 512, 4000, 1, 0.0006265054216911137 },
        { 5001, 512, 4000, 1, 0.0006249375093734377 },
        { 9976, 512, 4000, 1, 0.00044247302483484303 },
        { 1, 64, 100, 2, 0.00025 },
        { 76, 64, 100, 2, 0.019 },
        { 150, 64, 100, 2, 0.020412414523193152 },
        { 300, 64, 100, 2, 0.014433756729740644 },
        { 100, 64, 100, 2, 0.025 },
        { 4, 16, 0, 1, 0.125 },
        { INT64_C(1) << 40, 4, 1 << 20, 4, 0x1p-19 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_rate(heed_schedule_noam(cases[i].step, cases[i].d_model, cases[i].warmup, cases[i].factor),
                   cases[i].rate);
}

static void test_inverse_sqrt(void **state)
{
    (void)state;
    check_rate(heed_schedule_inverse_sqrt(0, 0.5, 10), 0);
    check_rate(heed_schedule_inverse_sqrt(3, 0.5, 10), 0.15);
    check_rate(heed_schedule_inverse_sqrt(10, 0.5, 10), 0.5);
    check_rate(heed_schedule_inverse_sqrt(40, 0.5, 10), 0.25);
    check_rate(heed_schedule_inverse_sqrt(1, 0.5, 0), 0.5);
    check_rate(heed_schedule_inverse_sqrt(100, 0.5, 0), 0.05);
    /* The same curve as noam, named by its peak, factor / sqrt(d_model warmup). */
    for (int64_t step = 1; step < 300; step++)
        check_close(heed_schedule_inverse_sqrt(step, 3 / sqrt(32.0 * 70), 70) / heed_schedule_noam(step, 32, 70, 3), 1,
                    1e-14);
}

static void test_cosine(void **state)
{
    (void)state;
    const struct {
        int64_t step;
        double base, least;
        int64_t warmup, total;
        double rate;
    } cases[] = {
        { 0, 1e-3, 1e-5, 0, 100, 0.001 },
        { 1, 1e-3, 1e-5, 0, 100, 0.0009997557473810372 },
        { 2, 1e-3, 1e-5, 0, 100, 0.0009990232305719944 },
        { 25, 1e-3, 1e-5, 0, 100, 0.000855017856687341 },
        { 49, 1e-3, 1e-5, 0, 100, 0.0005205483257436735 },
        { 50, 1e-3, 1e-5, 0, 100, 0.000505 },
        { 75, 1e-3, 1e-5, 0, 100, 0.000154982143312659 },
        { 99, 1e-3, 1e-5, 0, 100, 1.0244252618962858e-05 },
        { 100, 1e-3, 1e-5, 0, 100, 1e-05 },
        { 5000, 1e-3, 1e-5, 0, 100, 1e-05 },
        { 0, 3e-3, 0, 20, 200, 0 },
        { 1, 3e-3, 0, 20, 200, 0.00015000000000000001 },
        { 2, 3e-3, 0, 20, 200, 0.00030000000000000003 },
        { 19, 3e-3, 0, 20, 200, 0.00285 },
        { 20, 3e-3, 0, 20, 200, 0.003 },
        { 50, 3e-3, 0, 20, 200, 0.002799038105676658 },
        { 99, 3e-3, 0, 20, 200, 0.0017862134930648173 },
        { 150, 3e-3, 0, 20, 200, 0.000535818585470191 },
        { 199, 3e-3, 0, 20, 200, 2.2845726541309564e-07 },
        { 200, 3e-3, 0, 20, 200, 0 },
        { 4, 1, 0.5, 5, 5, 0.8 },
        { 5, 1, 0.5, 5, 5, 0.5 },
        { 0, 1, 0.25, 0, 0, 0.25 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_close(heed_schedule_cosine(cases[i].step, cases[i].base, cases[i].least, cases[i].warmup, cases[i].total),
                    cases[i].rate, 4e-19);
}

static void test_outside(void **state)
{
    (void)state;
    assert_true(isnan(heed_schedule_noam(0, 512, 4000, 1)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_noam: step is 0, want 1 or more (it counts from 1)");
    assert_true(isnan(heed_schedule_noam(1, 0, 4000, 1)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_noam: d_model is 0, want 1 or more");
    assert_true(isnan(heed_schedule_noam(1, 512, -1, 1)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_noam: warmup is -1, want 0 or more");
    assert_true(isnan(heed_schedule_inverse_sqrt(-1, 1, 10)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_inverse_sqrt: step is -1, want 0 or more");
    assert_true(isnan(heed_schedule_inverse_sqrt(0, 1, 0)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_inverse_sqrt: step is 0, want 1 or more");
    assert_true(isnan(heed_schedule_inverse_sqrt(1, 1, -5)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_inverse_sqrt: warmup is -5");
    assert_true(isnan(heed_schedule_cosine(-1, 1, 0, 0, 10)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_cosine: step is -1");
    assert_true(isnan(heed_schedule_cosine(0, 1, 0, -1, 10)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_cosine: warmup is -1");
    assert_true(isnan(heed_schedule_cosine(0, 1, 0, 20, 10)));
    check_failed(HEED_BAD_ARGUMENT, "schedule_cosine: total is 10, want at least the warm-up's length");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noam),
        cmocka_unit_test(test_inverse_sqrt),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
