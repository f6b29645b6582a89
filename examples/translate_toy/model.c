/* A translator and its file: model.h. */
#include "model.h"
#include "program.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const json_int_t MOST_STEPS = INT64_C(9000000000000000); /* a double holds them all */

double model_learning_rate(const model *m, int64_t step)
{
    const configuration *c = &m->config;
    if (strcmp(c->schedule, "cosine") == 0) /* a run shorter than its warm-up only warms up */
        return heed_schedule_cosine(step, c->lr, c->lr / 100, c->warmup < c->steps ? c->warmup : c->steps, c->steps);
    if (strcmp(c->schedule, "inverse-sqrt") == 0)
        return heed_schedule_inverse_sqrt(step, c->lr, c->warmup);
    return step < c->warmup ? c->lr * (double)step / (double)c->warmup : c->lr;
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------- */

static char *to_text(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    if (!text)
        die("out of memory");
    return text;
}

static char *progress_json(const progress *at)
{
    char data[24];
    snprintf(data, sizeof data, "%016llx", (unsigned long long)at->data);
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:I, s:s}", "step", (json_int_t)at->step, "epoch", (json_int_t)at->epoch, "batch",
                  (json_int_t)at->batch, "best_step", (json_int_t)at->best_step, "data", data);
    if (isfinite(at->best)) /* JSON has no infinity: before the first validation there is no loss */
        json_object_set_new(object, "best", json_real(at->best));
    return to_text(object);
}

static void read_progress(progress *at, const char *json, const char *path)
{
    json_t *object = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t step = -1, epoch = -1, batch = -1, best_step = -1;
    const char *data;
    if (json_unpack(object, "{s:I, s:I, s:I, s:I, s:s}", "step", &step, "epoch", &epoch, "batch", &batch, "best_step",
                    &best_step, "data", &data) ||
        step < 0 || epoch < 0 || batch < 0 || best_step < 0 || step > MOST_STEPS || epoch > MOST_STEPS)
        die("load \"%s\": its metadata does not say where training stood", path);
    const json_t *loss = json_object_get(object, "best");
    if (loss && !json_is_number(loss))
        die("load \"%s\": its best validation is no number", path);
    *at = (progress){ step,      epoch,
                      batch,     loss ? json_number_value(loss) : (double)INFINITY,
                      best_step, strtoull(data, NULL, 16) };
    json_decref(object);
}

/* ---- making, saving, loading ---------------------------------------------------------------------------------------------- */

/* The network of m's configuration and vocabularies. */
static void make_network(model *m)
{
    const configuration *c = &m->config;
    m->params = heed_params_new();
    if (!m->params)
        die("%s", heed_error());
    m->net =
        heed_transformer_make(m->params, (heed_transformer_desc){ .src_vocab = heed_vocab_size(m->source),
                                                                  .tgt_vocab = heed_vocab_size(m->target),
                                                                  .enc_layers = (int)c->layers,
                                                                  .dec_layers = (int)c->layers,
                                                                  .share_embeddings = c->share_embeddings,
                                                                  .layer = { .d_model = c->d_model,
                                                                             .heads = c->heads,
                                                                             .ffn = c->ffn,
                                                                             .pre_norm = !c->post_norm,
                                                                             .dropout = c->dropout,
                                                                             .attention_dropout = c->attention_dropout,
                                                                             .ffn_dropout = c->activation_dropout },
                                                                  .dropout = c->dropout,
                                                                  .has_padding = true,
                                                                  .padding = HEED_PAD });
}

/* Memory for the parameters, which start from the seed, and the optimiser. */
static void start(model *m)
{
    const configuration *c = &m->config;
    if (!heed_params_init(m->params, (uint64_t)c->seed))
        die("%s", heed_error());
    m->opt = heed_adamw_make(
        m->params, (heed_adamw_desc){ .lr = c->lr, .beta1 = 0.9, .beta2 = c->beta2, .eps = 1e-9, .clip = c->clip });
    if (!m->opt.params)
        die("%s", heed_error());
}

static model *model_alloc(void)
{
    model *m = calloc(1, sizeof *m);
    if (!m)
        die("out of memory");
    return m;
}

model *model_new(const configuration *config, heed_vocab *source, heed_vocab *target)
{
    model *m = model_alloc();
    m->config = *config;
    m->at.best = (double)INFINITY;
    m->source = source;
    m->target = target;
    make_network(m);
    start(m);
    return m;
}

void model_free(model *m)
{
    if (!m)
        return;
    heed_params_free(m->params);
    heed_vocab_free(m->source);
    heed_vocab_free(m->target);
    free(m);
}

static bool save(const model *m, const heed_adamw *opt, const char *path)
{
    char *config = configuration_to_json(&m->config), *at = progress_json(&m->at);
    char *source = heed_vocab_to_json(m->source), *target = heed_vocab_to_json(m->target);
    const heed_metadata metadata[] = { { "configuration", config },
                                       { "progress", at },
                                       { "source_vocabulary", source },
                                       { "target_vocabulary", target } };
    bool saved = source && target && heed_checkpoint_save(path, m->params, opt, metadata, 4);
    free(config);
    free(at);
    heed_text_free(source);
    heed_text_free(target);
    return saved;
}

bool model_save(const model *m, const char *path)
{
    return save(m, &m->opt, path);
}

bool model_save_weights(const model *m, const char *path)
{
    return save(m, NULL, path);
}

static heed_vocab *read_vocabulary(heed_reader *file, const char *key, const char *path)
{
    const char *json = heed_safetensors_metadata(file, key);
    heed_vocab *vocab = json ? heed_vocab_from_json(json) : NULL;
    if (!vocab)
        die("load \"%s\": %s: %s", path, key, json ? heed_error() : "missing; is it a translate_toy model?");
    return vocab;
}

static void read_configuration(model *m, heed_reader *file, const char *path)
{
    const char *wrong;
    if (configuration_from_json(&m->config, heed_safetensors_metadata(file, "configuration"), &wrong))
        return;
    if (wrong)
        die("load \"%s\": the configuration's \"%s\" is missing or out of range", path, wrong);
    die("load \"%s\": its metadata holds no configuration of this version; is it a translate_toy model?", path);
}

/* Every parameter against the file, before memory is taken for them: a configuration cannot ask for more than the file
 * holds. */
static void check_sizes(heed_reader *file, const model *m)
{
    for (int i = 0, n = heed_params_count(m->params); i < n; i++) {
        const heed_param *p = heed_params_at(m->params, i);
        int at = heed_safetensors_find(file, p->name);
        heed_shape_buffer want, found;
        if (at < 0 || !heed_shape_equal(heed_safetensors_entry(file, at).shape, p->shape))
            die("load \"%s\": tensor \"%s\": its configuration says %s, found %s", heed_safetensors_path(file), p->name,
                heed_shape_text(p->shape, &want),
                at < 0 ? "none" : heed_shape_text(heed_safetensors_entry(file, at).shape, &found));
    }
}

model *model_load(const char *path, bool with_optimizer)
{
    char file_path[4096];
    struct stat status;
    bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    int length = snprintf(file_path, sizeof file_path, "%s%s", path, folder ? "/model.safetensors" : "");
    if (length >= (int)sizeof file_path)
        die("load \"%.60s...\": the path is too long", path);
    heed_reader *file = heed_safetensors_open(file_path);
    if (!file)
        die("%s", heed_error());
    model *m = model_alloc();
    m->source = read_vocabulary(file, "source_vocabulary", path);
    m->target = read_vocabulary(file, "target_vocabulary", path);
    m->config = configuration_defaults();
    read_configuration(m, file, path);
    read_progress(&m->at, heed_safetensors_metadata(file, "progress"), path);
    make_network(m);
    check_sizes(file, m);
    start(m);
    if (!heed_checkpoint_load(file, m->params, with_optimizer ? &m->opt : NULL))
        die("%s", heed_error());
    heed_safetensors_close(file);
    return m;
}
