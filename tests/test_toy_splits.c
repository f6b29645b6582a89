/* What the splits of the toy language are made of: nothing twice, what each may have, sizes, shares, pinned bytes.
 * HEED_LONG=1 looks at all of them. */
#include "check.h"

#include "toy_parser.h"

static bool everything(void)
{
    return getenv("HEED_LONG") != NULL;
}

/* How much of a split the short run looks at; of those that are slow to make, less. */
static int64_t part(toy_split split, int64_t sentences)
{
    int64_t size = toy_split_size(split);
    bool slow = split >= TOY_TEST_AGREE && split <= TOY_TEST_NUMBER;
    sentences = slow ? sentences / 2 : sentences;
    return everything() || sentences > size ? size : sentences;
}

static void make(toy_split split, int64_t n, toy_sentence *out)
{
    if (!toy_make(TOY_SEED, split, n, out))
        fail_msg("no sentence %d of %s", (int)n, toy_split_name(split));
}

static toy_tree tree_of(cfg *parser, const toy_sentence *s, toy_places *places)
{
    toy_tree tree;
    const char *words[TOY_MAX_ENGLISH];
    assert_int_equal(parser_count(parser, s->english, s->english_count, &tree), 1);
    assert_true(toy_english(&tree, words, places));
    return tree;
}

/* ---- no leakage -------------------------------------------------------------------------------------------------- */

typedef struct {
    char **lines;
    int64_t count, room;
} line_list;

static void add_split(line_list *list, uint64_t seed, toy_split split, int64_t count)
{
    for (int64_t n = 0; n < count; n++) {
        toy_sentence s;
        char text[TOY_TEXT];
        assert_true(toy_make(seed, split, n, &s));
        assert_true(toy_text(&s, false, text, sizeof text) > 0);
        if (list->count == list->room) {
            list->room = list->room ? 2 * list->room : 1024;
            list->lines = realloc(list->lines, (size_t)list->room * sizeof *list->lines);
        }
        list->lines[list->count++] = strdup(text);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int64_t repeats(line_list *list)
{
    int64_t found = 0;
    qsort(list->lines, (size_t)list->count, sizeof *list->lines, by_text);
    for (int64_t i = 1; i < list->count; i++)
        found += !strcmp(list->lines[i], list->lines[i - 1]);
    for (int64_t i = 0; i < list->count; i++)
        free(list->lines[i]);
    free(list->lines);
    *list = (line_list){ 0 };
    return found;
}

static void test_no_string_twice(void **state)
{
    (void)state;
    line_list list = { 0 };
    for (int split = 0; split < TOY_SPLITS; split++)
        add_split(&list, TOY_SEED, (toy_split)split, part((toy_split)split, split == TOY_TRAIN ? 10000 : 200));
    print_message("%lld sentences, no English string twice\n", (long long)list.count);
    assert_int_equal(repeats(&list), 0);
    /* Another seed's train does not meet this one's other splits; each with itself is distinct too. */
    for (int split = TOY_DEV; split < TOY_SPLITS; split++)
        add_split(&list, TOY_SEED, (toy_split)split, part((toy_split)split, 100));
    add_split(&list, TOY_SEED + 1, TOY_TRAIN, part(TOY_TRAIN, 4000));
    assert_int_equal(repeats(&list), 0);
}

/* ---- train ------------------------------------------------------------------------------------------------------- */

enum { TYPES = 1024 };
typedef struct {
    const char *word;
    int64_t sentences;
} word_count;

static int count_words(word_count *words, int count, const char *const *tokens, int token_count)
{
    for (int i = 0; i < token_count; i++) {
        bool before = false;
        for (int k = 0; k < i; k++)
            before = before || !strcmp(tokens[k], tokens[i]);
        int w = 0;
        while (w < count && strcmp(words[w].word, tokens[i]))
            w++;
        if (w == count)
            words[count++] = (word_count){ tokens[i], 0 };
        words[w].sentences += !before;
    }
    return count;
}

static void test_train(void **state)
{
    (void)state;
    static const struct {
        int shortest, longest;
        double share;
    } lengths[] = { { 3, 5, 0.20 }, { 6, 8, 0.25 }, { 9, 11, 0.25 }, { 12, 14, 0.20 }, { 15, 18, 0.10 } };
    word_count english[TYPES], french[TYPES];
    int english_count = 0, french_count = 0;
    int64_t n = part(TOY_TRAIN, 6000), phenomena[TOY_PHENOMENA] = { 0 }, of_length[32] = { 0 };
    for (int64_t i = 0; i < n; i++) {
        toy_sentence s;
        make(TOY_TRAIN, i, &s);
        of_length[s.english_count]++;
        english_count = count_words(english, english_count, s.english, s.english_count);
        french_count = count_words(french, french_count, s.french, s.french_count);
        bool seen[TOY_PHENOMENA] = { false };
        for (int k = 0; k < s.decision_count; k++)
            seen[s.decisions[k].phenomenon] = true;
        for (int p = 0; p < TOY_PHENOMENA; p++)
            phenomena[p] += seen[p];
    }
    print_message("%lld sentences, %d English and %d French words\n", (long long)n, english_count, french_count);
    assert_in_range(english_count, 230, 260);
    assert_in_range(french_count, 330, 380);
    for (size_t b = 0; b < sizeof lengths / sizeof lengths[0]; b++) {
        int64_t found = 0;
        for (int l = lengths[b].shortest; l <= lengths[b].longest; l++)
            found += of_length[l];
        check_close((double)found / (double)n, lengths[b].share, 0.015);
    }
    for (int p = 0; p < TOY_PHENOMENA; p++)
        if (phenomena[p] * 60000 / n < (everything() ? 3000 : 2600))
            fail_msg("%s in %d sentences only", toy_phenomenon_name((toy_phenomenon)p), (int)phenomena[p]);
    for (int w = 0; everything() && w < english_count + french_count; w++) {
        const word_count *word = w < english_count ? &english[w] : &french[w - english_count];
        if (word->sentences < 200)
            fail_msg("%s in %d sentences only", word->word, (int)word->sentences);
    }
}

/* ---- what each split may have ------------------------------------------------------------------------------------ */

/* Cues of all homonyms: how many, and how many of them held out. */
static int held_cues(const toy_tree *tree, const toy_places *places, int *cues)
{
    int held = 0;
    *cues = 0;
    for (int i = 0; i < tree->np_count; i++) {
        toy_cue_word found[TREE_CUES];
        if (tree->np[i].noun < 0 || !toy_nouns[tree->np[i].noun].twin)
            continue;
        int count = toy_cues(tree, places, i, found);
        assert_true(count > 0);
        *cues += count;
        for (int k = 0; k < count; k++)
            held += found[k].held_out;
    }
    return held;
}

static void check_content(toy_split split, int64_t n, const toy_sentence *s, const toy_tree *tree,
                          const toy_places *places)
{
    int cues, held = held_cues(tree, places, &cues), structures = toy_structures(tree, places),
              length = s->english_count;
    assert_true((toy_held_out_pairs(tree) > 0) == (split == TOY_TEST_COMB));
    if (split == TOY_TEST_SENSE) {
        assert_int_equal(cues, 1);
        assert_int_equal(held, n % 2);
        assert_int_equal(s->features[TOY_F_HOMONYMS], 1);
    } else {
        assert_int_equal(held, 0);
    }
    if (split == TOY_TEST_STRUCT)
        assert_int_equal(structures, 1 << n % 4);
    else if (split != TOY_TEST_AGREE)
        assert_int_equal(structures, 0);
    if (split == TOY_TEST_LEN)
        assert_in_range(length, 19, 25);
    else
        assert_in_range(length, 3, 18);
}

static void test_content(void **state)
{
    (void)state;
    cfg *parser = parser_new();
    for (int split = 0; split < TOY_SPLITS; split++)
        for (int64_t n = 0, end = part((toy_split)split, split == TOY_TRAIN ? 3000 : 200); n < end; n++) {
            toy_sentence s;
            toy_places places;
            make((toy_split)split, n, &s);
            toy_tree tree = tree_of(parser, &s, &places);
            check_content((toy_split)split, n, &s, &tree, &places);
        }
    cfg_free(parser);
}

/* Every structure of test-struct is in train, but never together. */
static void test_structures_apart(void **state)
{
    (void)state;
    int64_t negated = 0, clitic = 0, relative = 0, owners = 0, two_attractors = 0, copula = 0, question = 0, that = 0;
    for (int64_t n = 0; n < 6000; n++) {
        toy_sentence s;
        make(TOY_TRAIN, n, &s);
        negated += s.features[TOY_F_NEGATIONS] > 0;
        clitic += s.features[TOY_F_CLITICS] > 0;
        relative += s.features[TOY_F_OBJECT_RELATIVES] > 0;
        owners += s.features[TOY_F_POSSESSORS] > 0;
        two_attractors += s.features[TOY_F_ATTRACTORS] >= 2;
        copula += s.features[TOY_F_COPULAS] > 0;
        question += s.features[TOY_F_QUESTIONS] > 0;
        that += s.features[TOY_F_THAT_CLAUSES] > 0;
        assert_true(s.features[TOY_F_POSSESSOR_DEPTH] < 2);
        assert_false(s.features[TOY_F_QUESTIONS] && s.features[TOY_F_THAT_CLAUSES]);
    }
    assert_true(negated > 500 && clitic > 500 && relative > 500 && owners > 300 && two_attractors > 50 &&
                copula > 500 && question > 200 && that > 300);
}

/* Thirteen cells of attractors by distance, for number (even n) and for gender (odd n). */
static void test_agree(void **state)
{
    (void)state;
    int cells[2][4][4] = { 0 }, used = 0;
    int64_t end = part(TOY_TEST_AGREE, 520);
    for (int64_t n = 0; n < end; n++) {
        toy_sentence s;
        make(TOY_TEST_AGREE, n, &s);
        int found = -1;
        for (int i = 0; i < s.decision_count && found < 0; i++) {
            const toy_decision *d = &s.decisions[i];
            bool main = d->phenomenon == (n % 2 ? TOY_GEN_LONG : TOY_NUM_LONG);
            if (main && (n % 2 || !strcmp(d->variant, "verb")))
                found = i;
        }
        if (found < 0)
            continue; /* no attractor and no other noun in between */
        const toy_decision *d = &s.decisions[found];
        int distance = d->distance <= 4 ? 0 : d->distance <= 7 ? 1 : d->distance <= 11 ? 2 : 3;
        if (d->attractors < 4)
            cells[n % 2][d->attractors][distance]++;
    }
    for (int gender = 0; gender < 2; gender++)
        for (int a = 1; a < 4; a++)
            for (int d = a == 1 ? 0 : a - 1; d < 4; d++, used++)
                if (cells[gender][a][d] < end / 26 * 8 / 10)
                    fail_msg("%d attractors, distance %d: %d", a, d, cells[gender][a][d]);
    assert_int_equal(used, 18);
}

static void test_senses(void **state)
{
    (void)state;
    int senses[2][8] = { 0 }, kinds[TOY_CUE_OWNER + 1] = { 0 }, left = 0, far = 0;
    int64_t end = part(TOY_TEST_SENSE, 320);
    for (int64_t n = 0; n < end; n++) {
        toy_sentence s;
        make(TOY_TEST_SENSE, n, &s);
        for (int i = 0; i < s.decision_count; i++) {
            const toy_decision *d = &s.decisions[i];
            if (d->phenomenon != TOY_HOMONYM)
                continue;
            for (int k = 0, row = 0; row < toy_noun_count; row++)
                if (toy_nouns[row].twin && k++ >= 0 && !strcmp(toy_nouns[row].french[0], d->variant))
                    senses[n % 2][k - 1]++;
            kinds[d->cue]++;
            left += d->cue_side < 0;
            far += d->distance >= 5;
        }
    }
    for (int i = 0; i < 16; i++)
        assert_in_range(senses[i / 8][i % 8], end / 16 - 1, end / 16 + 1);
    for (int kind = TOY_CUE_ADJECTIVE; kind <= TOY_CUE_OWNER; kind++)
        assert_true(kinds[kind] > end / 40);
    assert_true(left > end / 10 && left < end * 9 / 10 && far > end / 20);
}

/* Sentences n and n + 1 of a split; the English words that differ are `changed` ones. */
static const toy_decision *make_pair(toy_split split, int64_t n, toy_sentence pair[2], int changed)
{
    toy_sentence *a = &pair[0], *b = &pair[1];
    make(split, n, a);
    make(split, n + 1, b);
    assert_int_equal(a->english_count, b->english_count);
    assert_int_equal(a->french_count, b->french_count);
    for (int i = 0; i < a->english_count; i++)
        changed -= strcmp(a->english[i], b->english[i]) != 0;
    assert_int_equal(changed, 0);
    assert_in_range(a->pair_decision, 0, a->decision_count - 1);
    assert_in_range(b->pair_decision, 0, b->decision_count - 1);
    const toy_decision *d = &a->decisions[a->pair_decision], *e = &b->decisions[b->pair_decision];
    assert_int_equal(d->phenomenon, e->phenomenon);
    assert_int_equal(d->position, e->position);
    assert_string_not_equal(a->french[d->position], b->french[e->position]);
    return d;
}

static void test_pairs(void **state)
{
    (void)state;
    int phenomena[TOY_PHENOMENA] = { 0 };
    int64_t end = part(TOY_TEST_PAIRS, 120);
    for (int64_t n = 0; n < end; n += 2) {
        toy_sentence pair[2];
        phenomena[make_pair(TOY_TEST_PAIRS, n, pair, 1)->phenomenon]++;
    }
    assert_true(phenomena[TOY_HOMONYM] >= end / 2 / 6 && phenomena[TOY_VERB_SENSE] >= end / 2 / 6);
    assert_true(phenomena[TOY_GEN_LONG] >= end / 2 / 6 && phenomena[TOY_NUM_VERB] >= end / 2 / 6);
    assert_int_equal(phenomena[TOY_ANAPHOR] + phenomena[TOY_CL_ANTE], end / 2 / 6);
}

/* What else says the number of the main subject, whose noun is the first of the words that change? The other is the
 * verb of the main clause, and the French decision is that verb's. Of four pairs one has nothing in between, two one
 * plural in between, one two, seen from the singular; from the plural these are none of another number. */
static void test_number(void **state)
{
    (void)state;
    static const struct {
        toy_phenomenon phenomenon;
        int shortest, longest, attractors;
    } cells[] = {
        { TOY_NUM_SV, 6, 6, -1 }, { TOY_NUM_LONG, 7, 7, 1 }, { TOY_NUM_LONG, 14, 16, 1 }, { TOY_NUM_LONG, 14, 16, 2 }
    };
    int64_t end = part(TOY_TEST_NUMBER, 160);
    cfg *parser = parser_new();
    for (int64_t n = 0; n < end; n += 2) {
        toy_sentence pair[2];
        toy_places places;
        const toy_decision *d = make_pair(TOY_TEST_NUMBER, n, pair, 2);
        toy_tree trees[2] = { tree_of(parser, &pair[1], &places), tree_of(parser, &pair[0], &places) };
        const toy_clause *root = &trees[1].clause[trees[1].root];
        int noun = places.np[root->subject].noun, finite = toy_finite_place(&trees[1], &places, trees[1].root);
        assert_true(strcmp(pair[0].english[noun], pair[1].english[noun]) != 0);
        assert_true(strcmp(pair[0].english[finite], pair[1].english[finite]) != 0);
        assert_false(trees[1].np[root->subject].plural);
        assert_true(trees[0].np[trees[0].clause[trees[0].root].subject].plural);
        assert_int_equal(d->source_count, 1);
        assert_int_equal(d->source[0], noun);
        assert_int_equal(d->phenomenon, cells[n / 2 % 4].phenomenon);
        assert_int_equal(d->attractors, cells[n / 2 % 4].attractors);
        assert_in_range(pair[0].english_count, cells[n / 2 % 4].shortest, cells[n / 2 % 4].longest);
        if (d->phenomenon == TOY_NUM_LONG)
            assert_string_equal(d->variant, "verb");
    }
    cfg_free(parser);
}

/* ---- pinned bytes ------------------------------------------------------------------------------------------------ */

static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* FNV-1a of the first lines, as the corpus command prints them, and of the JSON. If these change, models trained before
 * were trained on another language: say so in CHANGELOG.md. */
static void hash_split(toy_split split, int64_t lines, uint64_t *text, uint64_t *gold)
{
    *text = *gold = UINT64_C(0xcbf29ce484222325);
    for (int64_t n = 0; n < lines && n < toy_split_size(split); n++) {
        toy_sentence s;
        char english[TOY_TEXT], french[TOY_TEXT], *json = NULL;
        size_t size = 0;
        make(split, n, &s);
        *text = hash_bytes(*text, english, (size_t)toy_text(&s, false, english, sizeof english));
        *text = hash_bytes(*text, "\t", 1);
        *text = hash_bytes(*text, french, (size_t)toy_text(&s, true, french, sizeof french));
        *text = hash_bytes(*text, "\n", 1);
        FILE *file = open_memstream(&json, &size);
        assert_true(toy_gold_write(&s, file));
        fclose(file);
        *gold = hash_bytes(*gold, json, size);
        free(json);
    }
}

static void test_pinned(void **state)
{
    (void)state;
    static const struct {
        uint64_t text, gold, long_text, long_gold; /* of 100 lines, of 1000 */
    } pinned[TOY_SPLITS] = {
        [TOY_TRAIN] = { 0x04b5f8a49863498e, 0x8771f79d6292f082, 0x4d1bbe99cbc3c898, 0xbf6f80b3a2d9c9e4 },
        [TOY_DEV] = { 0x2c613e05e58762fc, 0x1630c8be28a80ace, 0x6a602676cb519663, 0x68f4d8eb22b60e77 },
        [TOY_TEST_IID] = { 0xdf6ed0a2586864de, 0xe3d868847368b02f, 0x153e5d7ca57d5699, 0x76143b4c9be90b57 },
        [TOY_TEST_COMB] = { 0x0ce8076e8d17b60c, 0x85c64e068b336b0e, 0x3febbd38fca218f3, 0xa0fb68ee3ddc1d09 },
        [TOY_TEST_STRUCT] = { 0x206aa9d47ddf9cbb, 0x3e0c67862a211e05, 0x735442a575e864e4, 0x4c65722d32bf448a },
        [TOY_TEST_LEN] = { 0xa291ed273c862e1a, 0x1804ea895189c7be, 0xbf4d9d15f0320030, 0xb03950d5ef172550 },
        [TOY_TEST_AGREE] = { 0xbe6bc8d2180fb959, 0xc23a25767df06324, 0x37d615e5d44f5e47, 0xc9850373b8127710 },
        [TOY_TEST_SENSE] = { 0x363aa071169440f3, 0xf909188b51fa3bc2, 0x48f971882f17809a, 0xf58b264318390200 },
        [TOY_TEST_PAIRS] = { 0xafebbba95c7a60e6, 0xda30248d3f4977c9, 0x85b8377479d2c36f, 0x2faeb4119d6c011d },
        [TOY_TEST_NUMBER] = { 0x6aa72483d8be6e70, 0x1578a3c06d1b4826, 0x233fd1929e7145f6, 0x75bee9e2659670fc },
        [TOY_PROBE] = { 0x6bd90f25d2286b1c, 0x74411278838e0d0f, 0x6bd90f25d2286b1c, 0x74411278838e0d0f },
    };
    bool changed = false;
    for (int split = 0; split < TOY_SPLITS; split++) {
        uint64_t text, gold;
        hash_split((toy_split)split, everything() ? 1000 : 100, &text, &gold);
        uint64_t want_text = everything() ? pinned[split].long_text : pinned[split].text;
        uint64_t want_gold = everything() ? pinned[split].long_gold : pinned[split].gold;
        if (text != want_text || gold != want_gold) {
            print_error("%s: 0x%016llx, 0x%016llx\n", toy_split_name((toy_split)split), (unsigned long long)text,
                        (unsigned long long)gold);
            changed = true;
        }
    }
    assert_false(changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_string_twice), cmocka_unit_test(test_train),
        cmocka_unit_test(test_content),         cmocka_unit_test(test_structures_apart),
        cmocka_unit_test(test_agree),           cmocka_unit_test(test_senses),
        cmocka_unit_test(test_pairs),           cmocka_unit_test(test_number),
        cmocka_unit_test(test_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
