/* Scores of the toy language's decisions: the rules against answers worked out by hand or by brute force. */
#include "check.h"

#include "../examples/translate_toy/decisions.h"

/* ---- forced choice ------------------------------------------------------------------------------------------------- */

static void test_choose(void **state)
{
    (void)state;
    enum { RIGHT = 5, A = 6, B = 7, TIE = 8 };
    heed_real logits[] = { 9, 9, 9, 9, 9, (heed_real)1.5, (heed_real)-2, (heed_real)2.25, (heed_real)1.5 };
    choice c = decisions_choose(logits, RIGHT, (const int32_t[]){ A }, 1);
    assert_true(c.right && c.has_margin);
    assert_true(c.margin == 3.5);
    c = decisions_choose(logits, RIGHT, (const int32_t[]){ A, B }, 2);
    assert_true(!c.right && c.has_margin);
    assert_true(c.margin == -0.75); /* to the best of the wrong ones */
    c = decisions_choose(logits, RIGHT, (const int32_t[]){ B, A }, 2);
    assert_true(!c.right);
    assert_true(c.margin == -0.75);
    c = decisions_choose(logits, RIGHT, (const int32_t[]){ TIE }, 1);
    assert_true(!c.right && c.has_margin);
    assert_true(c.margin == 0);
}

static void test_choose_unknown(void **state)
{
    (void)state;
    heed_real logits[] = { 9, 9, 9, 9, 1, 2 };
    choice c = decisions_choose(logits, HEED_UNK, (const int32_t[]){ 4 }, 1); /* <unk> itself is likely */
    assert_false(c.right || c.has_margin);
    c = decisions_choose(logits, 4, (const int32_t[]){ HEED_UNK }, 1);
    assert_true(c.right && !c.has_margin);
    c = decisions_choose(logits, 4, (const int32_t[]){ HEED_UNK, 5 }, 2);
    assert_true(!c.right && c.has_margin);
    assert_true(c.margin == -1);
    logits[4] = (heed_real)NAN;
    assert_false(decisions_choose(logits, 4, (const int32_t[]){ 5 }, 1).right);
    assert_false(decisions_choose(logits, 5, (const int32_t[]){ 4 }, 1).right);
}

/* ---- alignment ----------------------------------------------------------------------------------------------------- */

enum { WORDS = 16 };

static int cut(char *line, const char **words)
{
    int count = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    return count;
}

/* The alignment as text: "0 - 2". */
static void check_align(const char *reference, const char *output, const char *want)
{
    char a[64], b[64], got[64] = "";
    const char *x[WORDS], *y[WORDS];
    int place[WORDS];
    snprintf(a, sizeof a, "%s", reference);
    snprintf(b, sizeof b, "%s", output);
    int n = cut(a, x), m = cut(b, y);
    assert_true(decisions_align(x, n, y, m, place));
    for (int i = 0; i < n; i++) {
        char one[16];
        snprintf(one, sizeof one, place[i] < 0 ? "%s-" : "%s%d", i ? " " : "", place[i]);
        strcat(got, one);
    }
    assert_string_equal(got, want);
}

static void test_align(void **state)
{
    (void)state;
    check_align("le chat dort .", "le chat dort .", "0 1 2 3");
    check_align("le chat dort .", "la chat dort .", "0 1 2 3");       /* replaced */
    check_align("le chat dort .", "le petit chat dort .", "0 2 3 4"); /* inserted */
    check_align("le petit chat dort .", "le chat dort .", "0 - 1 2 3");
    check_align("le chat", "", "- -");
    check_align("", "le chat", "");
    /* equal costs: the earliest match */
    check_align("a b", "a a b", "0 2");
    check_align("b", "a b b", "1");
    check_align("a a b", "a b", "0 - 1");
    check_align("petit chat", "chat petit", "1 -"); /* not two replacements */
    check_align("x a", "a b", "- 0");               /* as many edits, but a match */
    check_align("a b c", "x y", "0 1 -");
}

/* All alignments, one by one: fewest edits, then fewest replacements, then from left to right an earlier match, a match
 * at all, a replacement. */
typedef struct {
    const char *const *x, *const *y;
    int n, m, place[WORDS], best[WORDS], best_cost;
} search;

static int rank(const search *s, int i, int place)
{
    if (place < 0)
        return 1000;
    return strcmp(s->x[i], s->y[place]) ? 100 + place : place;
}

static void try_all(search *s, int i, int next, int cost)
{
    if (i == s->n) {
        int better = s->best_cost - (cost + 100 * (s->m - next));
        for (int k = 0; k < s->n && !better; k++)
            better = rank(s, k, s->best[k]) - rank(s, k, s->place[k]);
        if (better > 0) {
            s->best_cost = cost + 100 * (s->m - next);
            memcpy(s->best, s->place, sizeof s->best);
        }
        return;
    }
    s->place[i] = -1;
    try_all(s, i + 1, next, cost + 100);
    for (int j = next; j < s->m; j++) {
        s->place[i] = j;
        try_all(s, i + 1, j + 1, cost + 100 * (j - next) + 101 * (strcmp(s->x[i], s->y[j]) != 0));
    }
}

static void test_align_brute_force(void **state)
{
    (void)state;
    static const char *const alphabet[] = { "a", "b", "c" };
    heed_rng rng = { .seed = 3 };
    uint64_t at = 0;
    for (int round = 0; round < 4000; round++) {
        const char *x[6], *y[6];
        int place[6];
        search s = { .x = x, .y = y, .best_cost = 1 << 20 };
        s.n = (int)heed_rng_below(rng, at++, 6);
        s.m = (int)heed_rng_below(rng, at++, 7);
        for (int i = 0; i < s.n; i++)
            x[i] = alphabet[heed_rng_below(rng, at++, 3)];
        for (int i = 0; i < s.m; i++)
            y[i] = alphabet[heed_rng_below(rng, at++, 3)];
        try_all(&s, 0, 0, 0);
        assert_true(decisions_align(x, s.n, y, s.m, place));
        for (int i = 0; i < s.n; i++)
            assert_int_equal(place[i], s.best[i]);
    }
}

/* ---- free decoding ------------------------------------------------------------------------------------------------- */

static free_result free_of(const char *reference, int position, int span, const char *competitor, const char *output)
{
    char a[64], b[64];
    const char *x[WORDS], *y[WORDS];
    int place[WORDS];
    toy_decision d = { .position = (int16_t)position, .span = (int16_t)span, .competitor_count = 2 };
    d.competitors[0] = "other";
    d.competitors[1] = competitor;
    snprintf(a, sizeof a, "%s", reference);
    snprintf(b, sizeof b, "%s", output);
    int n = cut(a, x), m = cut(b, y);
    assert_true(decisions_align(x, n, y, m, place));
    return decisions_free_result(&d, x, y, m, place);
}

static void test_free_decoding(void **state)
{
    (void)state;
    const char *reference = "le petit chat noir dort .";
    assert_int_equal(free_of(reference, 0, 1, "la", "le petit chat noir dort ."), FREE_RIGHT);
    assert_int_equal(free_of(reference, 0, 1, "la", "le chien dort"), FREE_RIGHT);
    assert_int_equal(free_of(reference, 0, 1, "la", "la petit chat noir dort ."), FREE_GRAMMAR);
    assert_int_equal(free_of(reference, 0, 1, "la", "un petit chat noir dort ."), FREE_OTHER);
    assert_int_equal(free_of(reference, 0, 1, "la", "petit chat noir dort ."), FREE_OTHER); /* not aligned */
    assert_int_equal(free_of(reference, 5, 1, "?", ""), FREE_OTHER);
    /* an order: all of it, side by side */
    assert_int_equal(free_of(reference, 1, 3, "chat", "le petit chat noir mange ."), FREE_RIGHT);
    assert_int_equal(free_of(reference, 1, 3, "chat", "le petit chat très noir dort ."), FREE_GRAMMAR);
    assert_int_equal(free_of(reference, 1, 3, "chat", "le petit noir chat dort ."), FREE_GRAMMAR);
    assert_int_equal(free_of(reference, 1, 3, "chat", "le chat petit noir dort ."), FREE_GRAMMAR);
    assert_int_equal(free_of(reference, 1, 3, "chat", "le chat chat blanc dort ."), FREE_GRAMMAR); /* a wrong form */
    assert_int_equal(free_of(reference, 1, 3, "chat", "le petit chat blanc dort ."), FREE_OTHER);
    assert_int_equal(free_of("a b a", 0, 3, "x", "b a"), FREE_OTHER); /* only one a */
}

/* ---- buckets, intervals -------------------------------------------------------------------------------------------- */

static void test_buckets(void **state)
{
    (void)state;
    static const char *const distances[] = {
        "0-2", "0-2", "0-2", "3-5", "3-5", "3-5", "6-8", "6-8", "6-8", "9+", "9+"
    };
    static const char *const attractors[] = { "0", "1", "2", "3+", "3+" };
    toy_decision d = { .distance = -1, .attractors = -1 };
    assert_string_equal(decisions_bucket(&d, BUCKET_ALL), "");
    for (int kind = BUCKET_ALL + 1; kind < BUCKET_KINDS; kind++)
        assert_null(decisions_bucket(&d, (bucket_kind)kind));
    for (d.distance = 0; d.distance < 11; d.distance++)
        assert_string_equal(decisions_bucket(&d, BUCKET_DISTANCE), distances[d.distance]);
    for (d.attractors = 0; d.attractors < 5; d.attractors++)
        assert_string_equal(decisions_bucket(&d, BUCKET_ATTRACTORS), attractors[d.attractors]);
    d.cue_side = -1;
    assert_string_equal(decisions_bucket(&d, BUCKET_CUE_SIDE), "left");
    d.cue_side = 1;
    assert_string_equal(decisions_bucket(&d, BUCKET_CUE_SIDE), "right");
    d.cue = TOY_CUE_VERB;
    assert_string_equal(decisions_bucket(&d, BUCKET_CUE), toy_cue_name(TOY_CUE_VERB));
    d.variant = "vowel";
    assert_string_equal(decisions_bucket(&d, BUCKET_VARIANT), "vowel");
}

static void test_bootstrap(void **state)
{
    (void)state;
    enum { N = 400 };
    sentence_tally many[N], few[N / 4];
    interval forced, decoded, again, wide;
    for (int i = 0; i < N; i++)
        many[i] = (sentence_tally){ .sentence = i, .count = 1, .forced = i % 2, .free = 1 };
    decisions_bootstrap(many, N, &forced, &decoded);
    assert_true(decoded.low == 1 && decoded.high == 1);
    /* 0.5 -+ 1.96 sqrt(0.25 / 400) */
    check_close(forced.low, 0.451, 0.006);
    check_close(forced.high, 0.549, 0.006);
    decisions_bootstrap(many, N, &again, &decoded);
    assert_memory_equal(&again, &forced, sizeof again);
    /* As many decisions in a quarter of the sentences, those of a sentence alike: twice as wide. */
    for (int i = 0; i < N / 4; i++)
        few[i] = (sentence_tally){ .sentence = i, .count = 4, .forced = 4 * (i % 2), .free = i % 2 };
    decisions_bootstrap(few, N / 4, &wide, &decoded);
    check_close(wide.low, 0.402, 0.012);
    check_close(wide.high, 0.598, 0.012);
    assert_true(decoded.low == wide.low / 4 && decoded.high == wide.high / 4); /* the same resamples */
    decisions_bootstrap(few + 1, 1, &wide, &decoded);
    assert_true(wide.low == 1 && wide.high == 1 && decoded.low == 0.25 && decoded.high == 0.25);
}

static void test_bootstrap_pinned(void **state)
{
    (void)state;
    sentence_tally sentences[10];
    interval forced, decoded;
    for (int i = 0; i < 10; i++)
        sentences[i] = (sentence_tally){ .sentence = i, .count = 1 + i % 3, .forced = i % 3, .free = i % 2 };
    decisions_bootstrap(sentences, 10, &forced, &decoded);
    check_close(forced.low, 6.0 / 21, 1e-15);
    check_close(forced.high, 7.0 / 12, 1e-15);
    check_close(decoded.low, 2.0 / 21, 1e-15);
    check_close(decoded.high, 6.0 / 13, 1e-15);
}

static void check_wilson(int64_t right, int64_t count, double low, double high)
{
    interval got = decisions_wilson(right, count);
    check_close(got.low, low, 5e-5);
    check_close(got.high, high, 5e-5);
}

static void test_wilson(void **state)
{
    (void)state;
    check_wilson(5, 10, 0.23659, 0.76341);
    check_wilson(95, 100, 0.88825, 0.97846);
    check_wilson(0, 10, 0, 0.27753);
    check_wilson(10, 10, 0.72247, 1);
    assert_true(decisions_wilson(0, 7).low == 0 && decisions_wilson(7, 7).high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose),        cmocka_unit_test(test_choose_unknown),
        cmocka_unit_test(test_align),         cmocka_unit_test(test_align_brute_force),
        cmocka_unit_test(test_free_decoding), cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_bootstrap),     cmocka_unit_test(test_bootstrap_pinned),
        cmocka_unit_test(test_wilson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
