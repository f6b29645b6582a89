/* translate_toy score: BLEU and chrF of a file of translations. */
#include "options.h"
#include "program.h"

#include "heed.h"

#include <jansson.h>
#include <string.h>

/* Lines there are beyond those read so far. */
static int64_t count_lines(heed_lines *lines)
{
    while (heed_lines_next(lines))
        ;
    if (heed_error_pending())
        die("%s", heed_error());
    return heed_lines_number(lines);
}

static void score_files(const char *hyp, const char *ref, heed_bleu *bleu, heed_chrf *chrf)
{
    heed_lines *hypotheses = heed_lines_open(hyp), *references = hypotheses ? heed_lines_open(ref) : NULL;
    if (!references)
        die("%s", heed_error());
    for (;;) {
        const char *hypothesis = heed_lines_next(hypotheses), *reference = heed_lines_next(references);
        if (!hypothesis || !reference)
            break;
        if (!heed_bleu_add(bleu, hypothesis, reference) || !heed_chrf_add(chrf, hypothesis, reference))
            die("%s:%lld: %s", hyp, (long long)heed_lines_number(hypotheses), heed_error());
    }
    if (heed_error_pending())
        die("%s", heed_error());
    int64_t n = count_lines(hypotheses), m = count_lines(references);
    if (n != m)
        die("%s has %lld lines and %s has %lld; they must match line by line", hyp, (long long)n, ref, (long long)m);
    if (n == 0)
        die("%s and %s are empty: there is nothing to score", hyp, ref);
    heed_lines_close(hypotheses);
    heed_lines_close(references);
}

static void print_text(const heed_bleu *bleu, const heed_chrf *chrf)
{
    heed_score_buffer signature;
    heed_bleu_result r = heed_bleu_score(bleu);
    double hypothesis = (double)bleu->hypothesis_length, reference = (double)bleu->reference_length;
    printf("BLEU  %.2f  %s\n", r.score, heed_bleu_signature(bleu, &signature));
    printf("      %.1f/%.1f/%.1f/%.1f (BP = %.3f ratio = %.3f hyp_len = %.0f ref_len = %.0f)\n", r.precision[0],
           r.precision[1], r.precision[2], r.precision[3], r.brevity_penalty,
           reference > 0 ? hypothesis / reference : 0, hypothesis, reference);
    printf("chrF2 %.2f  %s\n", heed_chrf_score(chrf), heed_chrf_signature(chrf, &signature));
}

static void print_json(const heed_bleu *bleu, const heed_chrf *chrf)
{
    heed_score_buffer b, c;
    json_t *object =
        json_pack("{s:f, s:f, s:s, s:s}", "bleu", heed_bleu_score(bleu).score, "chrf", heed_chrf_score(chrf),
                  "bleu_signature", heed_bleu_signature(bleu, &b), "chrf_signature", heed_chrf_signature(chrf, &c));
    if (!object)
        die("out of memory");
    if (json_dumpf(object, stdout, JSON_REAL_PRECISION(15)))
        die("standard output: write failed");
    putchar('\n');
    json_decref(object);
}

int cmd_score(int argc, char **argv)
{
    const char *hyp = NULL, *ref = NULL, *words = "13a";
    bool lower = false, json = false;
    option rows[] = {
        { "hyp", OPTION_TEXT, &hyp, "FILE", "translations, one a line", 0, 0, 0 },
        { "ref", OPTION_TEXT, &ref, "FILE", "reference translations, as many lines", 0, 0, 0 },
        { "tok", OPTION_TEXT, &words, "NAME", "13a, or none: the files are tokenised already", 0, 0, 0 },
        { "lc", OPTION_FLAG, &lower, NULL, "BLEU in lower case; chrF keeps case, as in sacrebleu", 0, 0, 0 },
        { "json", OPTION_FLAG, &json, NULL, "print one JSON object", 0, 0, 0 },
        { .name = NULL },
    };
    command_line line = { "score", NULL,
                          "Prints BLEU and chrF of translations, with a signature that says how they were\n"
                          "computed. The numbers are those of sacrebleu with the same settings.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    if (!hyp || !ref)
        die_usage("score: give --hyp FILE and --ref FILE");
    bool spaced = strcmp(words, "none") == 0;
    if (!spaced && strcmp(words, "13a") != 0)
        die_usage("score: --tok is 13a or none, not \"%s\"", words);
    heed_bleu bleu = { .desc = { .words = spaced ? HEED_BLEU_SPACED : HEED_BLEU_13A, .lower = lower } };
    heed_chrf chrf = { .desc = { 0 } };
    score_files(hyp, ref, &bleu, &chrf);
    if (json)
        print_json(&bleu, &chrf);
    else
        print_text(&bleu, &chrf);
    output_check();
    return 0;
}
