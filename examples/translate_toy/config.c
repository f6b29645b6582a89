/* The configuration of a model: config.h. */
#include "config.h"
#include "program.h"

#include <jansson.h>
#include <string.h>

static const double ANY = 9e15; /* the most a whole number in a double can be trusted with */

configuration configuration_defaults(void)
{
    return (configuration){
        .layers = 2,
        .d_model = 96,
        .heads = 4,
        .ffn = 256,
        .dropout = 0.05,
        .activation_dropout = 0.05,
        .steps = 4000,
        .batch = 64,
        .accumulate = 1,
        .warmup = 200,
        .lr = 0.003,
        .beta2 = 0.98,
        .clip = 1,
        .smoothing = 0.1,
        .schedule = "cosine",
        .metric = "loss",
        .max_words = 60,
        .min_count = 1,
        .seed = 1,
        .valid_every = 500,
    };
}

int configuration_options(configuration *c, option *rows)
{
    const option table[CONFIGURATION_ROWS] = {
        { "layers", OPTION_INTEGER, &c->layers, "N", "encoder layers, and decoder layers", 1, 64, 0 },
        { "d-model", OPTION_INTEGER, &c->d_model, "N", "width of the model; a multiple of heads", 1, 8192, 0 },
        { "heads", OPTION_INTEGER, &c->heads, "N", "attention heads", 1, 256, 0 },
        { "ffn", OPTION_INTEGER, &c->ffn, "N", "inner width of the feed-forward layers", 1, 65536, 0 },
        { "dropout", OPTION_NUMBER, &c->dropout, "P", "on embeddings and sublayers", 0, 0.99, 0 },
        { "attention-dropout", OPTION_NUMBER, &c->attention_dropout, "P", "on attention weights", 0, 0.99, 0 },
        { "activation-dropout", OPTION_NUMBER, &c->activation_dropout, "P", "inside the feed-forward layers", 0, 0.99,
          0 },
        { "post-norm", OPTION_FLAG, &c->post_norm, NULL, "norm(x + f(x)), as in the paper, not x + f(norm(x))", 0, 0,
          0 },
        { "share-embeddings", OPTION_FLAG, &c->share_embeddings, NULL,
          "one vocabulary and embedding for both languages", 0, 0, 0 },
        { "steps", OPTION_INTEGER, &c->steps, "N", "training steps", 0, ANY, OPTION_ANEW },
        { "batch", OPTION_INTEGER, &c->batch, "N", "sentence pairs a batch; 0: as many as --max-tokens allows", 0, 1e6,
          0 },
        { "max-tokens", OPTION_INTEGER, &c->max_tokens, "N", "tokens a batch, padding too, on its longer side; 0: any",
          0, ANY, 0 },
        { "accumulate", OPTION_INTEGER, &c->accumulate, "N", "batches a step; their gradients add up", 1, 1e6, 0 },
        { "warmup", OPTION_INTEGER, &c->warmup, "N", "steps over which the learning rate rises", 0, ANY, 0 },
        { "lr", OPTION_NUMBER, &c->lr, "R", "highest learning rate", 1e-12, 1000, 0 },
        { "beta2", OPTION_NUMBER, &c->beta2, "R", "Adam's decay of squared gradients", 0.5, 0.999999, 0 },
        { "clip", OPTION_NUMBER, &c->clip, "R", "largest gradient norm; 0: any", 0, 1e9, 0 },
        { "smoothing", OPTION_NUMBER, &c->smoothing, "P", "label smoothing", 0, 0.99, 0 },
        { "schedule", OPTION_TEXT, &c->schedule, "NAME", "cosine, inverse-sqrt or constant", 0, 0, 0 },
        { "max-words", OPTION_INTEGER, &c->max_words, "N", "longer sentences are not trained on", 1, 100000, 0 },
        { "min-count", OPTION_INTEGER, &c->min_count, "N", "rarer words are <unk>", 1, 1e9, 0 },
        { "bpe", OPTION_INTEGER, &c->bpe, "N", "subword merges to learn, joint with --share-embeddings; 0: whole words",
          0, 1e6, 0 },
        { "bpe-dropout", OPTION_NUMBER, &c->bpe_dropout, "P", "merges passed over in training, anew in each epoch", 0,
          0.99, OPTION_ADDED },
        { "spaced", OPTION_FLAG, &c->spaced, NULL, "words are what stands between spaces: text tokenised already", 0, 0,
          0 },
        { "lower", OPTION_FLAG, &c->lower, NULL, "lower-case the text", 0, 0, 0 },
        { "seed", OPTION_INTEGER, &c->seed, "N", "of everything random", 0, ANY, 0 },
        { "valid-every", OPTION_INTEGER, &c->valid_every, "N", "steps between validations and saves", 1, ANY, 0 },
        { "metric", OPTION_TEXT, &c->metric, "NAME", "what is best on validation: loss or bleu", 0, 0, 0 },
        { "patience", OPTION_INTEGER, &c->patience, "N", "stop after N validations without a new best; 0: never", 0,
          ANY, OPTION_ANEW },
        { "average", OPTION_INTEGER, &c->average, "N", "also save the mean of the last N validated models; 0: not", 0,
          1000, 0 },
    };
    memcpy(rows, table, sizeof table);
    return CONFIGURATION_ROWS;
}

static const char *const schedules[] = { "cosine", "inverse-sqrt", "constant", NULL };
static const char *const metrics[] = { "loss", "bleu", NULL };

static void check_choice(const char *name, const char *value, const char *const *choices, const char *listed)
{
    const char *best = closest_name(value, choices);
    if (!option_choice(value, choices))
        die_usage("--%s is %s, not \"%s\"%s%s%s", name, listed, value, best ? "; did you mean " : "", best ? best : "",
                  best ? "?" : "");
}

void configuration_check(const configuration *c)
{
    check_choice("schedule", c->schedule, schedules, "cosine, inverse-sqrt or constant");
    check_choice("metric", c->metric, metrics, "loss or bleu");
    if (c->d_model % c->heads)
        die_usage("--d-model %lld is not a multiple of --heads %lld", (long long)c->d_model, (long long)c->heads);
    if (c->bpe_dropout > 0 && !c->bpe)
        die_usage("--bpe-dropout is for --bpe");
    if (!c->batch && !c->max_tokens)
        die_usage("--batch and --max-tokens cannot both be 0: one of them says how large a batch is");
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------- */

char *configuration_to_json(const configuration *c)
{
    configuration copy = *c;
    option rows[CONFIGURATION_ROWS + 1];
    int n = configuration_options(&copy, rows);
    rows[n] = (option){ .name = NULL };
    return options_to_json(rows);
}

bool configuration_from_json(configuration *c, const char *json, const char **wrong)
{
    json_t *object = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
    option rows[CONFIGURATION_ROWS];
    *c = configuration_defaults();
    int n = configuration_options(c, rows);
    size_t known = 0;
    bool fine = json_is_object(object);
    *wrong = NULL;
    for (int i = 0; fine && i < n; i++) {
        const json_t *value = json_object_get(object, rows[i].name);
        known += value != NULL;
        fine = value ? option_from_json(&rows[i], value) : (rows[i].marks & OPTION_ADDED) != 0;
        *wrong = fine ? NULL : rows[i].name;
    }
    fine = fine && json_object_size(object) == known;
    const char *schedule = fine ? option_choice(c->schedule, schedules) : NULL;
    const char *metric = fine ? option_choice(c->metric, metrics) : NULL;
    if (fine && !(schedule && metric)) {
        fine = false;
        *wrong = schedule ? "metric" : "schedule";
    }
    c->schedule = schedule; /* the texts of the JSON go */
    c->metric = metric;
    json_decref(object);
    return fine;
}
