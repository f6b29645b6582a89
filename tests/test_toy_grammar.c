/* The toy language from outside: a parser and a checker that share nothing with the generator but the dictionary.
 * HEED_LONG=1 parses 10^5 sentences and checks the French of 10^6. */
#include "check.h"

#include "toy_checker.h"
#include "toy_parser.h"

enum { WORDS = 64 };

static int split_words(char *line, const char **words)
{
    int count = 0;
    for (char *rest = line, *word; count < WORDS && (word = strtok_r(rest, " ", &rest));)
        words[count++] = word;
    return count;
}

static bool french_right(cfg *checker, const char *line)
{
    char copy[TOY_TEXT];
    const char *words[WORDS];
    snprintf(copy, sizeof copy, "%s", line);
    int count = split_words(copy, words);
    bool right = checker_right(checker, words, count);
    assert_false(checker->overflow);
    return right;
}

/* ---- pairs written by hand --------------------------------------------------------------------------------------- */

static bool has_decision(const toy_sentence *s, const char *code)
{
    for (int i = 0; i < s->decision_count; i++)
        if (!strcmp(toy_phenomenon_name(s->decisions[i].phenomenon), code))
            return true;
    return false;
}

static void check_golden(cfg *parser, cfg *checker, char *line, bool *seen)
{
    const char *words[WORDS];
    char french[TOY_TEXT], *english = strtok_r(line, "\t", &line), *wanted = strtok_r(line, "\t", &line), *code;
    int count = split_words(english, words);
    toy_tree tree;
    toy_sentence sentence;
    if (parser_count(parser, words, count, &tree) != 1 || !toy_render(&tree, &sentence))
        fail_msg("not one derivation: %s ...", wanted);
    assert_true(toy_text(&sentence, true, french, sizeof french) > 0);
    assert_string_equal(french, wanted);
    assert_true(toy_licensed(&tree));
    assert_int_equal(toy_readings(&tree, 9), 1);
    if (!french_right(checker, wanted))
        fail_msg("the checker refuses: %s", wanted);
    while ((code = strtok_r(line, ",\n", &line))) {
        if (!has_decision(&sentence, code))
            fail_msg("no %s decision: %s", code, wanted);
        for (int p = 0; p < TOY_PHENOMENA; p++)
            seen[p] = seen[p] || !strcmp(code, toy_phenomenon_name((toy_phenomenon)p));
    }
}

static void test_golden(void **state)
{
    (void)state;
    char line[1024];
    bool seen[TOY_PHENOMENA] = { false };
    int count = 0;
    cfg *parser = parser_new(), *checker = checker_new();
    FILE *file = fopen("tests/toy_golden.tsv", "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); count++)
        check_golden(parser, checker, line, seen);
    fclose(file);
    assert_true(count >= 80);
    for (int p = 0; p < TOY_PHENOMENA; p++)
        assert_true(seen[p]);
    cfg_free(parser);
    cfg_free(checker);
}

/* ---- the checker and the parser can fail ------------------------------------------------------------------------- */

static void test_corruptions(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        { "la clé est lourde .", "le clé est lourde ." },                 /* gender of the article */
        { "la clé est lourde .", "la clé est lourd ." },                  /* of the predicate */
        { "la clé est lourde .", "la clé est lourdes ." },                /* number of the predicate */
        { "la clé est lourde .", "la clé sont lourde ." },                /* number of the verb */
        { "les chats dorment .", "les chats dort ." },                    /* the same */
        { "les chats dorment .", "le chats dorment ." },                  /* number of the article */
        { "l' ami dort .", "le ami dort ." },                             /* elision missing */
        { "le chat dort .", "l' chat dort ." },                           /* elision wrong */
        { "le chat du roi dort .", "le chat de le roi dort ." },          /* contraction missing */
        { "le chat des rois dort .", "le chat de les rois dort ." },      /* the same */
        { "le chat de la reine dort .", "le chat du reine dort ." },      /* contraction wrong */
        { "le chat de l' ami dort .", "le chat du ami dort ." },          /* before a vowel */
        { "il donne la clé au roi .", "il donne la clé à le roi ." },     /* à */
        { "il donne la clé aux rois .", "il donne la clé à les rois ." }, /* the same */
        { "il donne la clé à la reine .", "il donne la clé au reine ." }, /* the same */
        { "il le voit .", "il voit le ." },                               /* clitic after the verb */
        { "il ne le voit pas .", "il le ne voit pas ." },                 /* clitic before ne */
        { "il ne le voit pas .", "il ne voit le pas ." },                 /* clitic after the verb */
        { "il ne dort pas .", "il ne dort ." },                           /* pas dropped */
        { "il ne dort pas .", "il dort pas ." },                          /* ne dropped */
        { "il ne dort pas .", "il ne pas dort ." },                       /* order */
        { "il n' arrive jamais .", "il ne arrive jamais ." },             /* elision of ne */
        { "un vieil ami dort .", "un vieux ami dort ." },                 /* vieil */
        { "un vieux roi dort .", "un vieil roi dort ." },                 /* vieux */
        { "cet enfant dort .", "ce enfant dort ." },                      /* cet */
        { "ce roi dort .", "cet roi dort ." },                            /* ce */
        { "mon image brûle .", "ma image brûle ." },                      /* mon before a vowel */
        { "ma clé tombe .", "mon clé tombe ." },                          /* ma */
        { "de petits chats dorment .", "des petits chats dorment ." },    /* de */
        { "des chats dorment .", "de chats dorment ." },                  /* des */
        { "le petit chat noir dort .", "le noir chat dort ." },           /* order of adjectives */
        { "le petit chat noir dort .", "le chat petit dort ." },          /* the same */
        { "le petit chat noir dort .", "le petit chat noire dort ." },    /* agreement */
        { "les tables que l' homme voit sont vertes .", "les tables que l' homme voit est verte ." }, /* attractor */
        { "les tables que l' homme voit sont vertes .", "les tables que l' homme voit sont verts ." },
        { "la clé qu' il voit tombe .", "la clé que il voit tombe ." },    /* elision of que */
        { "la clé qu' il voit tombe .", "la clé qui il voit tombe ." },    /* qui for que */
        { "l' homme qui dort rit .", "l' homme que dort rit ." },          /* que for qui */
        { "nous dormons .", "nous dorment ." },                            /* person */
        { "je les aime .", "je les aiment ." },                            /* person */
        { "j' achète une clé .", "je achète une clé ." },                  /* elision of je */
        { "il sait que le chat dort .", "il connaît que le chat dort ." }, /* savoir */
        { "il connaît le roi .", "il sait le roi ." },                     /* connaître */
        { "les clés sont vieilles mais elles brillent .", "" },            /* (an unknown word) */
        { "les clés sont vieilles mais elles tombent .", "les clés sont vieilles mais ils tombent ." }, /* antecedent */
        { "est-ce qu' elle dort ?", "est-ce que elle dort ?" },                                         /* elision */
        { "il lui donne la clé .", "il donne lui la clé ." },                                           /* clitic */
        { "la table en bois tombe .", "la table bois tombe ." },                                        /* en bois */
    };
    int flagged = 0, unknown = 0;
    cfg *checker = checker_new();
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (!lines[i][1][0]) {
            unknown += !french_right(checker, lines[i][0]);
            continue;
        }
        if (!french_right(checker, lines[i][0]))
            fail_msg("refused: %s", lines[i][0]);
        if (french_right(checker, lines[i][1]))
            fail_msg("not flagged: %s", lines[i][1]);
        flagged++;
    }
    assert_int_equal(unknown, 1);
    assert_true(flagged >= 30);
    cfg_free(checker);
}

static int derivations(cfg *parser, const char *line)
{
    char copy[TOY_TEXT];
    const char *words[WORDS];
    snprintf(copy, sizeof copy, "%s", line);
    int count = split_words(copy, words);
    return parser_count(parser, words, count, NULL);
}

static void test_ambiguity(void **state)
{
    (void)state;
    static const char *const attached = "the man sees the boy near the river .";
    cfg *parser = parser_new(), *ambiguous = parser_new();
    cfg_add(ambiguous, "VP -> VT NPo Mod");
    assert_int_equal(derivations(parser, attached), 1);
    assert_int_equal(derivations(ambiguous, attached), 2);
    assert_int_equal(derivations(parser, "the man sees the bank ."), 2);                      /* either bank */
    assert_int_equal(derivations(parser, "the man sees the sheep ."), 2);                     /* one or several */
    assert_int_equal(derivations(parser, "he sees the key near the car but it is old ."), 2); /* either is it */
    assert_int_equal(derivations(parser, "the sheep near the bank that he sees are old ."), 2);
    assert_int_equal(derivations(parser, "the dogs sleeps ."), 0);
    assert_int_equal(derivations(parser, "the key sleeps ."), 0);
    assert_int_equal(derivations(parser, "a apple falls ."), 0);
    assert_int_equal(derivations(parser, "we see us ."), 0);
    cfg_free(parser);
    cfg_free(ambiguous);
}

/* ---- the generator ----------------------------------------------------------------------------------------------- */

static void check_sentence(cfg *parser, cfg *checker, const toy_sentence *s)
{
    char english[TOY_TEXT], french[TOY_TEXT], again[TOY_TEXT];
    toy_tree tree;
    toy_sentence rendered;
    toy_text(s, false, english, sizeof english);
    toy_text(s, true, french, sizeof french);
    if (!checker_right(checker, s->french, s->french_count))
        fail_msg("%s %d: wrong French: %s", toy_split_name(s->split), (int)s->n, french);
    if (!parser)
        return;
    int found = parser_count(parser, s->english, s->english_count, &tree);
    if (found != 1)
        fail_msg("%s %d: %d derivations: %s", toy_split_name(s->split), (int)s->n, found, english);
    assert_true(toy_render(&tree, &rendered));
    toy_text(&rendered, true, again, sizeof again);
    assert_string_equal(again, french);
    assert_int_equal(toy_readings(&tree, 9), 1);
}

static void test_round_trip(void **state)
{
    (void)state;
    bool everything = getenv("HEED_LONG") != NULL;
    int64_t parsed = 0;
    cfg *parser = parser_new(), *checker = checker_new();
    for (uint64_t seed = 1; seed <= (everything ? 2 : 1); seed++)
        for (int split = 0; split < TOY_SPLITS; split++) {
            bool slow = split >= TOY_TEST_AGREE && split <= TOY_TEST_NUMBER;
            int64_t size = toy_split_size((toy_split)split), step = everything           ? 1
                                                                    : slow               ? 40
                                                                    : split == TOY_TRAIN ? 7
                                                                                         : 5;
            for (int64_t n = 0; n < size; n += step, parsed++) {
                toy_sentence s;
                assert_true(toy_make(seed, (toy_split)split, n, &s));
                check_sentence(parser, checker, &s);
            }
        }
    print_message("%lld sentences, one derivation each, French right\n", (long long)parsed);
    assert_true(parsed >= (everything ? 100000 : 10000));
    cfg_free(parser);
    cfg_free(checker);
}

static void test_french_at_length(void **state)
{
    (void)state;
    if (!getenv("HEED_LONG"))
        skip();
    int64_t checked = 0;
    cfg *checker = checker_new();
    for (uint64_t seed = 3; checked < 1000000; seed++)
        for (int64_t n = 0; n < toy_split_size(TOY_TRAIN) && checked < 1000000; n++, checked++) {
            toy_sentence s;
            assert_true(toy_make(seed, TOY_TRAIN, n, &s));
            check_sentence(NULL, checker, &s);
        }
    print_message("%lld sentences, French right\n", (long long)checked);
    cfg_free(checker);
}

/* Without the filter for one reading: the parser counts as many derivations as there are licensed assignments of what
 * English hides, and many sentences have several. */
static void test_latent_flip(void **state)
{
    (void)state;
    int ambiguous = 0, licensed = 0;
    cfg *parser = parser_new();
    for (int64_t n = 0; n < 10000; n++) {
        toy_family family = toy_family_of(TOY_TRAIN, n);
        toy_dice dice;
        toy_tree tree;
        toy_places places;
        const char *words[TOY_MAX_ENGLISH];
        toy_dice_throw(&dice, 5, (uint64_t)n, 30);
        if (!toy_tree_draw(&tree, &dice, &family.style) || !toy_english(&tree, words, &places) || !toy_licensed(&tree))
            continue;
        int readings = toy_readings(&tree, 1000), found = parser_count(parser, words, places.count, NULL);
        licensed++;
        ambiguous += readings > 1;
        assert_int_equal(readings, found);
    }
    print_message("filter off: %d of %d sentences have several readings\n", ambiguous, licensed);
    assert_true(ambiguous > licensed / 20);
    cfg_free(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_corruptions),      cmocka_unit_test(test_ambiguity),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_french_at_length), cmocka_unit_test(test_latent_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
