/* What an inspection writes, read back by other means: arrays, JSON, alignments, pictures, the page's data; hostile tokens. */
#include "exported.h"

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

/* Version 1.0 .npy of this build's numbers, shape 1 x 4 x rows x keys. */
static const heed_real *read_npy(const char *folder, const char *name, int rows, int keys)
{
    size_t bytes;
    char *text = slurp(folder, name, &bytes), want[128];
    assert_non_null(text);
    assert_memory_equal(text, "\x93NUMPY\x01\x00", 8);
    int header = (unsigned char)text[8] + 256 * (unsigned char)text[9];
    snprintf(want, sizeof want, "{'descr': '<f%d', 'fortran_order': False, 'shape': (1, 4, %d, %d), }",
             (int)sizeof(heed_real), rows, keys);
    assert_memory_equal(text + 10, want, strlen(want));
    assert_int_equal(bytes, 10 + (size_t)header + (size_t)(4 * rows * keys) * sizeof(heed_real));
    return (const heed_real *)(void *)(text + 10 + header);
}

/* Every head of the planted model at the place it was built to look at: turned or shifted data would not do. */
static void arrays_have_every_head_in_its_place(void **state)
{
    (void)state;
    const char *folder = inspect_once();
    int (*const looks[3][4])(int) = { { planted_before, planted_after, NULL, NULL },
                                      { planted_before, planted_self, planted_first, NULL },
                                      { planted_out, NULL, planted_end, planted_in } };
    for (int s = 0; s < 3; s++)
        for (int type = 0; type < 3; type++) {
            char name[64];
            snprintf(name, sizeof name, "attn/planted-%d.%s.npy", s, type == 0 ? "enc" : type == 1 ? "dec" : "cross");
            const heed_real *w = read_npy(folder, name, PLANTED_S, PLANTED_S);
            for (int head = 0; head < 4; head++)
                for (int i = 0; i < PLANTED_S; i++) {
                    double sum = 0;
                    for (int j = 0; j < PLANTED_S; j++) {
                        double x = (double)w[(head * PLANTED_S + i) * PLANTED_S + j];
                        int (*look)(int) = looks[type][head];
                        const heed_arc *arc = set.sentences[s].arcs;
                        sum += x;
                        if (look)
                            check_close(x, j == look(i), 1e-6);
                        else if (type == 0 && head == 3 && i == arc->word)
                            check_close(x, j == arc->keys[0], 1e-6);
                        else if (type == 1)
                            check_close(x, j <= i ? 1.0 / (i + 1) : 0, 1e-6);
                        assert_true(type != 1 || j <= i || x == 0);
                    }
                    check_close(sum, 1, 1e-6);
                }
        }
    /* The same in one safetensors file. */
    char path[300];
    snprintf(path, sizeof path, "%s/attn.safetensors", folder);
    heed_reader *file = heed_safetensors_open(path);
    assert_non_null(file);
    assert_int_equal(heed_safetensors_count(file), 9);
    int entry = heed_safetensors_find(file, "planted-1.cross.l0");
    assert_true(entry >= 0);
    heed_real values[4 * 49];
    assert_true(heed_safetensors_read(file, entry, heed_tensor_wrap(values, HEED_SHAPE(4, 7, 7))));
    assert_memory_equal(values, read_npy(folder, "attn/planted-1.cross.npy", 7, 7), sizeof values);
    assert_non_null(strstr(heed_safetensors_metadata(file, "conventions"), "rows=queries; cols=keys; pre-dropout"));
    assert_string_equal(heed_safetensors_metadata(file, "step"), "7");
    heed_safetensors_close(file);
}

static void alignments_are_pharaoh_lines(void **state)
{
    (void)state;
    size_t bytes;
    const char *line = "5-0 4-1 3-2 2-3 1-4 0-5\n";
    char *text = slurp(inspect_once(), "align.txt", &bytes);
    assert_int_equal(bytes, 3 * strlen(line));
    for (int i = 0; i < 3; i++)
        assert_memory_equal(text + (size_t)i * strlen(line), line, strlen(line));
}

/* Lists in the shape that BertViz takes, with the cells of the arrays. */
static void lists_have_the_cells_of_the_arrays(void **state)
{
    (void)state;
    static const char *const keys[] = { "encoder_attention", "decoder_attention", "cross_attention" };
    static const char *const types[] = { "enc", "dec", "cross" };
    const char *folder = inspect_once();
    char path[512], name[64];
    snprintf(path, sizeof path, "%s/bertviz/planted-1.json", folder);
    json_t *all = json_load_file(path, 0, NULL);
    assert_non_null(all);
    assert_int_equal(json_object_size(all), 5);
    for (int type = 0; type < 3; type++) {
        json_t *layers = at(all, keys[type]), *heads = json_array_get(json_array_get(layers, 0), 0);
        snprintf(name, sizeof name, "attn/planted-1.%s.npy", types[type]);
        const heed_real *want = read_npy(folder, name, PLANTED_S, PLANTED_S);
        assert_int_equal(json_array_size(layers), 1);
        assert_int_equal(json_array_size(json_array_get(layers, 0)), 1);
        assert_int_equal(json_array_size(heads), 4);
        for (size_t cell = 0; cell < 4 * PLANTED_S * PLANTED_S; cell++) {
            json_t *rows = json_array_get(heads, cell / (PLANTED_S * PLANTED_S));
            json_t *row = json_array_get(rows, cell / PLANTED_S % PLANTED_S);
            assert_int_equal(json_array_size(rows), PLANTED_S);
            assert_int_equal(json_array_size(row), PLANTED_S);
            check_close(json_number_value(json_array_get(row, cell % PLANTED_S)), (double)want[cell], 1e-5);
        }
    }
    for (size_t i = 0; i < PLANTED_S; i++) {
        const char *source = json_string_value(json_array_get(at(all, "encoder_tokens"), i));
        assert_string_equal(source, set.sentences[1].src.words[i]);
        assert_string_equal(json_string_value(json_array_get(at(all, "decoder_tokens"), i)),
                            set.sentences[1].tgt.words[i]);
    }
    json_decref(all);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void the_json_has_what_its_page_says(void **state)
{
    (void)state;
    json_t *all = load(inspect_once());
    static const char *const keys[] = { "schema",     "version",      "run",       "model",    "summary",
                                        "heads",      "sentences",    "blocks",    "measures", "about",
                                        "thresholds", "roles",        "alignment", "ablation", "similarity",
                                        "examples",   "faithfulness", "snapshots", "pairs",    "patching",
                                        "carriers",   "agreement",    "seeds",     "health",   "caveats" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        at(all, keys[i]);
    assert_int_equal(json_object_size(all), sizeof keys / sizeof keys[0]);
    assert_string_equal(json_string_value(at(all, "heads.5")), "dec.0.1");
    assert_string_equal(json_string_value(at(all, "summary.1")), "cross.0.0 aligns words best: error rate 0.00.");
    assert_string_equal(json_string_value(at(all, "carriers.0.code")), "NUMBER");
    assert_string_equal(json_string_value(at(all, "carriers.0.by")), "margin");
    assert_string_equal(json_string_value(at(all, "carriers.0.head")), "cross.0.0");
    assert_int_equal(json_integer_value(at(all, "run.measured")), PLANTED_COUNT - PLANTED_FIT);
    assert_int_equal(json_integer_value(at(all, "model.layers.cross")), 1);
    for (size_t i = 0; i < json_array_size(at(all, "health")); i++) { /* a sink, and that some are uniform */
        json_t *one = json_array_get(at(all, "health"), i);
        assert_string_equal(json_string_value(at(one, "level")), "info");
        assert_true(!strcmp(json_string_value(at(one, "code")), "untrained") ||
                    !strcmp(json_string_value(at(one, "head")), "cross.0.2") ||
                    !strcmp(json_string_value(at(one, "head")), "dec.0.2"));
    }
    const heed_sentence *s = &set.sentences[1];
    for (size_t i = 0; i < PLANTED_S; i++) { /* a decoder's row reads one word and predicts the next */
        json_t *tgt = at(all, "sentences.1.tgt");
        assert_string_equal(json_string_value(json_array_get(at(tgt, "tokens"), i)), s->tgt.words[i]);
        assert_string_equal(json_string_value(json_array_get(at(tgt, "predicts"), i)),
                            i + 1 < PLANTED_S ? s->tgt.words[i + 1] : "<eos>");
    }
    assert_int_equal(json_integer_value(at(all, "sentences.1.gold.arcs.0.row")), s->arcs->word);
    assert_int_equal(json_integer_value(at(all, "sentences.1.gold.arcs.0.keys.0")), s->arcs->keys[0]);
    assert_true(json_is_null(at(all, "sentences.1.gold.arcs.0.row_in")));
    assert_int_equal(json_integer_value(at(all, "sentences.1.gold.sure.2.1")), 3);
    assert_string_equal(json_string_value(at(all, "alignment.winner.head")), "cross.0.0");
    assert_true(json_number_value(at(all, "alignment.winner.aer_fit")) == 0);
    assert_string_equal(json_string_value(at(all, "roles.3.labels.0.role")), "DEP:subject");
    assert_string_equal(json_string_value(at(all, "roles.3.labels.0.grade")), "A");
    assert_true(json_number_value(at(all, "roles.3.labels.0.evidence.0.threshold")) == 0.1);
    assert_string_equal(json_string_value(at(all, "roles.0.text")), "looks at the previous token");
    json_decref(all);
}

/* The score of all translations together, without enc.0.3, by running it so. */
static void check_score(json_t *of_head)
{
    heed_head head = { HEED_ENC, 0, 3 };
    heed_ablated *off = heed_ablate(&trained.m, &head, 1, HEED_ABLATE_ZERO, NULL);
    double parts[HEED_SCORE_PARTS] = { 0 };
    for (int i = PLANTED_FIT; i < PLANTED_COUNT; i++) {
        char text[256];
        assert_true(planted_translate(&trained.m, &set.sentences[i], text, sizeof text));
        parts[0] += planted_words_right(text, set.sentences[i].translation);
        parts[HEED_SCORE_PARTS - 1] += PLANTED_WORDS;
    }
    heed_ablate_undo(off);
    double want = planted_score(parts, NULL) - 100, got = json_number_value(at(of_head, "bleu.value"));
    check_close(got, want, 1e-4);
    assert_true(want < -1 && json_number_value(at(of_head, "bleu.lo")) < got);
    assert_true(json_number_value(at(of_head, "bleu.hi")) > got && json_is_true(at(of_head, "bleu.matters")));
}

static void ablations_are_what_the_program_says(void **state)
{
    (void)state;
    planted_set many = set; /* so that the first sentences shown have a plural */
    int64_t n = 0;
    for (int i = 0; i < PLANTED_COUNT && n < 3; i++)
        for (int k = 0; k < PLANTED_WORDS; k++)
            if (set.sentences[i].src.ids[k] == 6 || set.sentences[i].src.ids[k] == 7) {
                many.sentences[n] = set.sentences[i];
                many.sentences[n++].fit = true;
            }
    json_t *all = load(inspect_into("ablation", &many)), *of_number = NULL;
    assert_true(json_number_value(at(all, "ablation.base.exact")) == 1);
    json_t *effects = at(all, "ablation.effects");
    for (size_t i = 0; i < json_array_size(effects); i++) {
        json_t *one = json_array_get(effects, i);
        if (!strcmp(json_string_value(at(one, "head")), "enc.0.3") &&
            !strcmp(json_string_value(at(one, "variant")), "zero"))
            of_number = one;
    }
    assert_non_null(of_number);
    assert_true(json_number_value(at(all, "ablation.base.bleu")) == 100);
    check_score(of_number);
    int flattened = 0;
    for (size_t i = 0; i < json_array_size(effects);
         i++) { /* the pattern of words and number matters, of no other head */
        json_t *one = json_array_get(effects, i);
        const char *head = json_string_value(at(one, "head"));
        double loss = json_number_value(at(one, "loss.value"));
        const char *how = json_string_value(at(one, "variant"));
        if (strcmp(how, "shuffle") != 0 && strcmp(how, "uniform") != 0)
            continue;
        double number = strcmp(how, "shuffle") == 0 ? 0.1 : 0.01; /* a seventh of the noun still tells some of it */
        flattened++;
        assert_true(!strcmp(head, "cross.0.0") ? loss > 1
                    : !strcmp(head, "enc.0.3") ? loss > number
                                               : fabs(loss) < 1e-6);
        assert_true(json_is_null(at(one, "exact")) && json_is_null(at(one, "bleu")));
    }
    assert_int_equal(flattened, 24);
    json_t *redundancy = at(all, "ablation.redundancy");
    assert_int_equal(json_array_size(redundancy), 15);
    assert_string_equal(json_string_value(at(redundancy, "0.heads.0")), "enc.0.3");
    assert_string_equal(json_string_value(at(redundancy, "0.heads.1")), "cross.0.0");
    /* The number goes through cross.0.0, so without that enc.0.3 costs nothing more. */
    assert_true(fabs(json_number_value(at(redundancy, "0.loss.value")) +
                     json_number_value(at(of_number, "loss.value"))) < 0.05);
    double change = json_number_value(at(of_number, "forced.NUMBER.value"));
    assert_true(change < -0.2 && json_is_true(at(of_number, "forced.NUMBER.matters")));
    assert_true(json_number_value(at(of_number, "forced.NUMBER.lo")) < change);
    assert_true(json_number_value(at(of_number, "free.NUMBER.value")) == change); /* nothing else goes wrong */
    const heed_head number = { HEED_ENC, 0, 3 };
    double margins[2] = { 0, 0 };
    for (int off = 0; off < 2; off++) {
        heed_ablated *without = off ? heed_ablate(&trained.m, &number, 1, HEED_ABLATE_ZERO, NULL) : NULL;
        for (int i = PLANTED_FIT; i < PLANTED_COUNT; i++)
            margins[off] += planted_margin(&trained.m, &many.sentences[i]) / (PLANTED_COUNT - PLANTED_FIT);
        heed_ablate_undo(without);
    }
    change = json_number_value(at(of_number, "margin.NUMBER.value"));
    assert_true(change < -1 && fabs(change - (margins[1] - margins[0])) < 1e-4);
    json_t *cache = json_object_get(at(all, "ablation.cache"), "enc.0.3");
    assert_non_null(cache);
    heed_ablated *off = heed_ablate(&trained.m, &number, 1, HEED_ABLATE_ZERO, NULL);
    for (size_t k = 0; k < 3; k++) {
        char text[256];
        assert_true(planted_translate(&trained.m, &many.sentences[k], text, sizeof text));
        assert_string_equal(json_string_value(json_array_get(at(cache, "translations"), k)), text);
    }
    heed_ablate_undo(off);
    cache = json_object_get(at(all, "ablation.cache"), "enc.0.0"); /* it carries nothing: as before */
    assert_true(json_is_null(at(cache, "translations.0")));
    assert_int_equal(json_array_size(at(all, "ablation.curve.order")), 12);
    assert_int_equal(json_array_size(at(all, "ablation.curve.loss")), 13);
    for (int k = 10; k < 12; k++) { /* what matters goes last */
        char path[40];
        snprintf(path, sizeof path, "ablation.curve.order.%d", k);
        const char *name = json_string_value(at(all, path));
        assert_true(!strcmp(name, "cross.0.0") || !strcmp(name, "enc.0.3"));
    }
    assert_non_null(json_object_get(at(all, "ablation.cache"), "enc.0.0,enc.0.1,enc.0.2,enc.0.3"));
    json_decref(all);
}

static void the_same_run_writes_the_same_bytes(void **state)
{
    (void)state;
    static const char *const names[] = { "inspect.json", "align.txt", "attn.safetensors", "planted-0.dec.svg" };
    const char *first = inspect_once(), *second = inspect_into("again", &set);
    for (int i = 0; i < 4; i++) {
        size_t a, b;
        char *x = slurp(first, names[i], &a), *y = slurp(second, names[i], &b);
        assert_true(x && y && a == b);
        assert_memory_equal(x, y, a);
    }
}

/* ---- the page's data ----------------------------------------------------------------------------------------------- */

static void rows_are_rounded_to_their_sum(void **state)
{
    (void)state;
    draws d = draws_of(1);
    for (int turn = 0; turn < 2000; turn++) {
        heed_real row[64];
        uint8_t cells[64];
        double all = 0;
        int64_t n = draw_int(&d, 1, 64), sum = 0;
        for (int64_t j = 0; j < n; j++) {
            row[j] = draw_int(&d, 0, 3) ? (heed_real)exp(3 * draw_normal(&d)) : 0;
            all += (double)row[j];
        }
        for (int64_t j = 0; j < n && all > 0; j++)
            row[j] = (heed_real)((double)row[j] / all);
        block_round(row, n, cells);
        for (int64_t j = 0; j < n; j++) {
            sum += cells[j];
            assert_true(row[j] != 0 || cells[j] == 0);
            assert_true(fabs(cells[j] / 255.0 - (double)row[j]) < 1 / 255.0);
        }
        assert_int_equal(sum, all > 0 ? 255 : 0);
    }
}

static int digit(char c)
{
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = strchr(digits, c);
    return c && found ? (int)(found - digits) : -1;
}

static size_t decode(const char *text, uint8_t *out)
{
    size_t n = 0;
    uint32_t bits = 0;
    for (int have = 0; digit(*text) >= 0; text++) {
        bits = bits << 6 | (uint32_t)digit(*text);
        have += 6;
        if (have >= 8)
            out[n++] = (uint8_t)(bits >> (have -= 8));
    }
    return n;
}

/* Each block is there once, as long as its shape says; attention is that of the arrays, to the rounding. */
static void the_page_holds_every_block(void **state)
{
    (void)state;
    const char *folder = inspect_once();
    json_t *all = load(folder);
    size_t bytes;
    if (!slurp(folder, "heads.html", &bytes)) {
        json_decref(all);
        skip(); /* built without the page */
    }
    char *page = strdup(slurp(folder, "heads.html", &bytes)), *json = slurp(folder, "inspect.json", &bytes);
    json[bytes - 1] = 0; /* its line end */
    assert_non_null(strstr(page, json));
    for (size_t i = 0; i < json_array_size(at(all, "blocks")); i++) {
        json_t *one = json_array_get(at(all, "blocks"), i);
        char open[160], name[64];
        const char *id = json_string_value(at(one, "id")), *kind = json_string_value(at(one, "kind"));
        snprintf(open, sizeof open, "<script type=\"text/plain\" id=\"%s\">", id);
        char *found = strstr(page, open);
        assert_true(found && !strstr(found + 1, open));
        size_t cells = 1, k, size = strcmp(json_string_value(at(one, "dtype")), "u8") ? 4 : 1;
        for (k = 0; k < json_array_size(at(one, "shape")); k++)
            cells *= (size_t)json_integer_value(json_array_get(at(one, "shape"), k));
        uint8_t *data = malloc(cells * size + 3);
        assert_int_equal(decode(found + strlen(open), data), cells * size);
        if (!strcmp(kind, "attention")) {
            snprintf(name, sizeof name, "attn/%s.%s.npy", json_string_value(at(one, "sentence")),
                     json_string_value(at(one, "type")));
            const heed_real *w = read_npy(folder, name, PLANTED_S, PLANTED_S);
            for (k = 0; k < cells; k++)
                assert_true(fabs(data[k] / 255.0 - (double)w[k]) < 1 / 255.0);
        }
        free(data);
    }
    free(page);
    json_decref(all);
}

/* ---- hostile words, little data ------------------------------------------------------------------------------------ */

static const char *const HOSTILE[] = { "</script>", "<!--",        "<img src=x onerror=alert(1)>",
                                       "a\"b'c&d",  "back\\slash", "\x01\x1B[2J\x7F" };
static char longest[301];

static void hostile_words_are_text(void **state)
{
    (void)state;
    planted_set bad = set;
    heed_sentence *s = &bad.sentences[0], *t = &bad.sentences[1];
    const char *words[PLANTED_S], *others[PLANTED_S];
    memset(longest, 'x', 300);
    for (int i = 0; i < 6; i++)
        words[i] = HOSTILE[i];
    words[6] = longest;
    const char *const rest[] = { "\xFF\xFEz",    "\u202Eabc", "e\u0301\u0301\u0301", "", "\u2028\u2029",
                                 "\xED\xA0\x80", "\\u003c" };
    memcpy(others, rest, sizeof others);
    s->src.words = s->tgt.words = words;
    t->src.words = t->tgt.words = others;
    s->translation = "a <b> \"c\"";
    const char *folder = inspect_into("hostile", &bad);
    json_t *all = load(folder);
    for (size_t i = 0; i < PLANTED_S; i++)
        assert_string_equal(json_string_value(json_array_get(at(all, "sentences.0.src.tokens"), i)), words[i]);
    static const char *const mended[] = { "\uFFFD\uFFFDz",      "\u202Eabc", "e\u0301\u0301\u0301", "", "\u2028\u2029",
                                          "\uFFFD\uFFFD\uFFFD", "\\u003c" };
    for (size_t i = 0; i < PLANTED_S; i++)
        assert_string_equal(json_string_value(json_array_get(at(all, "sentences.1.tgt.tokens"), i)), mended[i]);
    assert_string_equal(json_string_value(at(all, "sentences.0.translation.words.1")), "<b>");
    json_decref(all);
    for (int i = 0; i < 2; i++) {
        size_t bytes;
        char *svg = slurp(folder, i ? "planted-1.cross.svg" : "planted-0.enc.svg", &bytes);
        assert_true(svg && heed_utf8_valid(svg, (int64_t)bytes));
        assert_true(!strstr(svg, "<script") && !strstr(svg, "</script") && !strstr(svg, "<img") &&
                    !strstr(svg, "<!--"));
        assert_null(memchr(svg, 0x1B, bytes));
        assert_string_equal(svg + bytes - 7, "</svg>\n");
    }
}

static void pictures_hatch_what_is_masked(void **state)
{
    (void)state;
    size_t bytes;
    char *svg = slurp(inspect_once(), "planted-0.dec.svg", &bytes);
    int hatched = 0, titles = 0;
    for (const char *p = svg; (p = strstr(p, "url(#no)")); p++)
        hatched++;
    for (const char *p = svg; (p = strstr(p, "<title>")); p++)
        titles++;
    assert_int_equal(hatched, 4 * (PLANTED_S - 1)); /* every row but the last, of every head */
    assert_true(titles > 4 * PLANTED_S - 1);
    assert_non_null(strstr(svg, ">dec.0.3</text>"));
    assert_non_null(strstr(svg, "&#8250;")); /* reads > predicts */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_have_every_head_in_its_place),
        cmocka_unit_test(alignments_are_pharaoh_lines),
        cmocka_unit_test(lists_have_the_cells_of_the_arrays),
        cmocka_unit_test(the_json_has_what_its_page_says),
        cmocka_unit_test(ablations_are_what_the_program_says),
        cmocka_unit_test(the_same_run_writes_the_same_bytes),
        cmocka_unit_test(rows_are_rounded_to_their_sum),
        cmocka_unit_test(the_page_holds_every_block),
        cmocka_unit_test(hostile_words_are_text),
        cmocka_unit_test(pictures_hatch_what_is_masked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
