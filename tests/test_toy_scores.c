/* Scores of the toy language's decisions over a whole split: against counts made here, against translations spoilt on
 * purpose, and against a model run one sentence at a time. */
#include "check.h"

#include "../examples/translate_toy/data.h"
#include "../examples/translate_toy/decisions.h"

enum { SENTENCES = 24 };

typedef struct {
    heed_corpus *corpus;
    heed_dataset *data;
    model *m;
    toy_split split;
} fixture;

/* An untrained model that knows the words of the first `known` sentences. */
static fixture fixture_of(toy_split split, int64_t known)
{
    configuration config = configuration_defaults();
    config.layers = 1;
    config.d_model = 16;
    config.heads = 2;
    config.ffn = 16;
    fixture f = { .corpus = data_toy(TOY_SEED, split, 0, SENTENCES), .split = split };
    heed_corpus *few = data_toy(TOY_SEED, split, 0, known);
    heed_vocab *source, *target;
    int64_t left_out;
    data_vocabularies(few, &config, &source, &target);
    f.m = model_new(&config, source, target);
    f.data = data_encode(f.corpus, source, target, 0, NULL, &left_out);
    heed_corpus_free(few);
    return f;
}

static void fixture_free(fixture *f)
{
    heed_dataset_free(f->data);
    heed_corpus_free(f->corpus);
    model_free(f->m);
}

/* Scores of translations that are the references; sentences 0, every, ... have a wrong form at each decision of a phenomenon. */
static decision_scores *score_spoilt(const fixture *f, int phenomenon, int every, int threads)
{
    char *translations[SENTENCES];
    for (int n = 0; n < SENTENCES; n++) {
        toy_sentence s;
        translations[n] = malloc(TOY_TEXT);
        assert_true(translations[n] && toy_make(TOY_SEED, f->split, n, &s));
        for (int i = 0; i < s.decision_count; i++)
            if (n % every == 0 && (int)s.decisions[i].phenomenon == phenomenon)
                s.french[s.decisions[i].position] = s.decisions[i].competitors[0];
        assert_true(toy_text(&s, true, translations[n], TOY_TEXT) > 0);
    }
    decision_scores *scores = decisions_score(f->m, f->data, f->corpus, translations, TOY_SEED, f->split, threads);
    for (int n = 0; n < SENTENCES; n++)
        free(translations[n]);
    return scores;
}

static const tally *tally_of(const decision_scores *scores, toy_phenomenon phenomenon)
{
    for (int64_t i = 0; i < scores->count; i++)
        if (scores->tallies[i].phenomenon == phenomenon && scores->tallies[i].kind == BUCKET_ALL)
            return &scores->tallies[i];
    return NULL;
}

/* Where all are right or all wrong: Wilson's interval of n, by hand: from 1 / (1 + z^2 / n) to 1, or its mirror image. */
static void check_all_alike(interval got, int share, int64_t n)
{
    double end = 1 / (1 + 1.959963984540054 * 1.959963984540054 / (double)n);
    assert_true(fabs((share ? got.low : 1 - got.high) - end) < 1e-12);
    assert_true((share ? got.high : got.low) == share);
}

static void test_counts(void **state)
{
    (void)state;
    fixture f = fixture_of(TOY_TEST_AGREE, SENTENCES);
    decision_scores *scores = score_spoilt(&f, -1, 1, 2);
    int64_t count[TOY_PHENOMENA] = { 0 }, with[TOY_PHENOMENA] = { 0 }, attractors[4] = { 0 };
    for (int n = 0; n < SENTENCES; n++) {
        toy_sentence s;
        int64_t before[TOY_PHENOMENA];
        memcpy(before, count, sizeof before);
        assert_true(toy_make(TOY_SEED, f.split, n, &s));
        for (int i = 0; i < s.decision_count; i++) {
            count[s.decisions[i].phenomenon]++;
            if (s.decisions[i].phenomenon == TOY_NUM_LONG)
                attractors[s.decisions[i].attractors]++;
        }
        for (int p = 0; p < TOY_PHENOMENA; p++)
            with[p] += count[p] > before[p];
    }
    for (int p = 0; p < TOY_PHENOMENA; p++) {
        const tally *t = tally_of(scores, (toy_phenomenon)p);
        assert_int_equal(t ? t->count : 0, count[p]);
        assert_int_equal(t ? t->sentence_count : 0, with[p]);
        assert_true(!t || (t->free == t->count && t->grammar == 0));
        if (t)
            check_all_alike(t->free_interval, 1, t->sentence_count);
    }
    assert_true(count[TOY_NUM_LONG] > SENTENCES);
    for (int64_t i = 0; i < scores->count; i++) {
        const tally *t = &scores->tallies[i];
        if (t->phenomenon == TOY_NUM_LONG && t->kind == BUCKET_ATTRACTORS)
            assert_int_equal(t->count, attractors[t->bucket[0] - '0']);
    }
    assert_int_equal(scores->pairs, 0);
    decisions_free(scores);
    fixture_free(&f);
}

static void test_wrong_forms(void **state)
{
    (void)state;
    fixture f = fixture_of(TOY_TEST_AGREE, SENTENCES);
    decision_scores *scores = score_spoilt(&f, TOY_NUM_LONG, 1, 2);
    const tally *t = tally_of(scores, TOY_NUM_LONG);
    assert_non_null(t);
    assert_int_equal(t->free, 0);
    assert_int_equal(t->grammar, t->count);
    check_all_alike(t->free_interval, 0, t->sentence_count);
    t = tally_of(scores, TOY_GEN_DET); /* another word of the same sentences */
    assert_non_null(t);
    assert_int_equal(t->free, t->count);
    decisions_free(scores);
    fixture_free(&f);
}

static void test_pairs(void **state)
{
    (void)state;
    fixture f = fixture_of(TOY_TEST_PAIRS, SENTENCES);
    decision_scores *scores = score_spoilt(&f, -1, 1, 1);
    toy_sentence s;
    assert_int_equal(scores->pairs, SENTENCES / 2);
    assert_int_equal(scores->pairs_free, SENTENCES / 2);
    decisions_free(scores);
    /* Spoil what flips in the first pair, in one member of each: pairs that flip something else stay. */
    int64_t stay = 0;
    assert_true(toy_make(TOY_SEED, f.split, 0, &s));
    toy_phenomenon spoilt = s.decisions[s.pair_decision].phenomenon;
    for (int n = 0; n < SENTENCES; n += 2) {
        assert_true(toy_make(TOY_SEED, f.split, n, &s));
        bool touched = false;
        for (int i = 0; i < s.decision_count; i++)
            touched = touched || (s.decisions[i].phenomenon == spoilt &&
                                  s.decisions[i].position == s.decisions[s.pair_decision].position);
        stay += !touched;
    }
    scores = score_spoilt(&f, (int)spoilt, 2, 1);
    assert_int_equal(scores->pairs_free, stay);
    assert_true(stay < SENTENCES / 2);
    decisions_free(scores);
    fixture_free(&f);
}

/* The log probabilities of each token of a sentence run alone, [tokens and <eos>, words]. */
static double *log_probabilities(const fixture *f, int32_t n)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true });
    heed_arena *arena = heed_arena_new();
    heed_batch one;
    assert_true(tape && arena && heed_batch_make(f->data, &n, 1, arena, &one));
    int64_t words = heed_vocab_size(f->m->target);
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(1, one.src_length), one.src);
    heed_ids *in = heed_input_ids(tape, HEED_SHAPE(1, one.tgt_length), one.tgt_in);
    heed_var *logits =
        heed_transformer_decode(&f->m->net, in, heed_transformer_encode(&f->m->net, src, NULL, NULL), NULL, NULL, NULL);
    assert_non_null(logits);
    double *out = malloc((size_t)(one.tgt_length * words) * sizeof *out);
    for (int64_t t = 0; t < one.tgt_length; t++) {
        const heed_real *row = heed_value(logits).data + t * words;
        double sum = 0;
        for (int64_t k = 0; k < words; k++)
            sum += exp((double)row[k]);
        for (int64_t k = 0; k < words; k++)
            out[t * words + k] = (double)row[k] - log(sum);
    }
    heed_tape_free(tape);
    heed_arena_free(arena);
    return out;
}

/* The forced choice by definition; margin is 0 where a form is unknown. */
static bool forced_right(const fixture *f, const toy_sentence *s, const toy_decision *d, const double *log_p,
                         double *margin)
{
    const double *row = log_p + d->position * heed_vocab_size(f->m->target);
    int32_t gold = heed_vocab_id(f->m->target, s->french[d->position]);
    double best = -(double)INFINITY;
    for (int c = 0; c < d->competitor_count; c++) {
        int32_t id = heed_vocab_id(f->m->target, d->competitors[c]);
        best = id == HEED_UNK ? best : fmax(best, row[id]);
    }
    *margin = gold != HEED_UNK && isfinite(best) ? row[gold] - best : 0;
    return gold != HEED_UNK && row[gold] > best;
}

static void check_forced_choice(toy_split split, int64_t known, int64_t pairs)
{
    fixture f = fixture_of(split, known);
    decision_scores *scores = score_spoilt(&f, -1, 1, 2);
    int64_t right[TOY_PHENOMENA] = { 0 }, both = 0;
    double margins[TOY_PHENOMENA] = { 0 }, chance[TOY_PHENOMENA] = { 0 };
    bool before = false;
    for (int n = 0; n < SENTENCES; n++) {
        toy_sentence s;
        assert_true(toy_make(TOY_SEED, split, n, &s));
        double *log_p = log_probabilities(&f, n);
        bool flip = false;
        for (int i = 0; i < s.decision_count; i++) {
            const toy_decision *d = &s.decisions[i];
            double margin;
            bool is_right = forced_right(&f, &s, d, log_p, &margin);
            right[d->phenomenon] += is_right;
            margins[d->phenomenon] += margin;
            chance[d->phenomenon] += 1.0 / (1 + d->competitor_count);
            flip = flip || (i == s.pair_decision && is_right);
        }
        both += n % 2 && before && flip;
        before = flip;
        free(log_p);
    }
    for (int64_t i = 0; i < scores->count; i++) {
        const tally *t = &scores->tallies[i];
        if (t->kind != BUCKET_ALL)
            continue;
        assert_int_equal(t->forced, right[t->phenomenon]);
        check_close(t->margin, margins[t->phenomenon], 20 * CHECK_EPS * (double)t->count);
        check_close(t->chance, chance[t->phenomenon], 1e-12);
    }
    assert_int_equal(scores->pairs, pairs);
    assert_int_equal(scores->pairs_forced, both);
    decisions_free(scores);
    fixture_free(&f);
}

static void test_forced_choice_and_margin(void **state)
{
    (void)state;
    check_forced_choice(TOY_TEST_SENSE, SENTENCES / 4, 0); /* some forms are unknown */
    check_forced_choice(TOY_TEST_PAIRS, SENTENCES, SENTENCES / 2);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------- */

static void test_json(void **state)
{
    (void)state;
    fixture f = fixture_of(TOY_TEST_PAIRS, SENTENCES);
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        decision_scores *scores = score_spoilt(&f, TOY_NUM_LONG, 1, 2 * i + 1);
        json_t *object = json_object();
        assert_true(decisions_to_json(scores, object));
        texts[i] = json_dumps(object, 0);
        json_decref(object);
        decisions_free(scores);
    }
    assert_string_equal(texts[0], texts[1]); /* whatever the threads */
    json_error_t error;
    json_t *object = json_loads(texts[0], JSON_REJECT_DUPLICATES, &error);
    const char *split, *key;
    json_t *phenomena, *phenomenon, *kinds, *kind;
    int pairs;
    assert_int_equal(
        json_unpack(object, "{s:s, s:o, s:{s:i}}", "split", &split, "phenomena", &phenomena, "pairs", "n", &pairs), 0);
    assert_string_equal(split, "test-pairs");
    assert_int_equal(pairs, SENTENCES / 2);
    assert_true(json_object_size(phenomena) > 8);
    json_object_foreach(phenomena, key, phenomenon)
    {
        int n;
        double forced, low, high, chance;
        assert_int_equal(json_unpack(phenomenon, "{s:i, s:F, s:[F, F], s:F, s:[F, F], s:o}", "n", &n, "forced_choice",
                                     &forced, "forced_choice_interval", &low, &high, "chance", &chance,
                                     "free_decoding_interval", &low, &high, "buckets", &kinds),
                         0);
        assert_true(n > 0 && forced >= 0 && forced <= 1 && chance >= 0.2 && chance <= 0.5);
        const char *kind_name;
        json_object_foreach(kinds, kind_name, kind)
        {
            const char *bucket;
            json_t *entry;
            int sum = 0;
            json_object_foreach(kind, bucket, entry) sum += (int)json_integer_value(json_object_get(entry, "n"));
            assert_true(sum > 0 && sum <= n);
        }
    }
    /* all wrong, and every wrong word a wrong form; nothing wrong: no share of it */
    json_t *all_wrong = json_object_get(phenomena, "NUM-LONG"), *none_wrong = json_object_get(phenomena, "GEN-DET");
    assert_true(json_real_value(json_object_get(all_wrong, "grammar_errors")) == 1);
    assert_true(json_is_null(json_object_get(none_wrong, "grammar_errors")));
    json_decref(object);
    free(texts[0]);
    free(texts[1]);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts), cmocka_unit_test(test_wrong_forms),
        cmocka_unit_test(test_pairs),  cmocka_unit_test(test_forced_choice_and_margin),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
