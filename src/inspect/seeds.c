/* What stands beside the inspected model, as JSON: other models, their heads and roles. */
#include "json.h"

static json_t *match_json(const heed_inspection *x, const companion *o, int64_t i)
{
    const role *r = &o->roles[o->partner[i]];
    json_t *labels = json_array();
    for (int k = 0; k < r->count; k++)
        json_push(&labels,
                  json_pack("{s:s, s:o, s:s%, s:o}", "role", r->labels[k].role, "name", json_text_of(r->labels[k].name),
                            "grade", &r->labels[k].grade, (size_t)1, "why", json_text_of(r->labels[k].why)));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "head", json_head(x, o->partner[i]), "jsd", json_of(o->apart[i]),
                     "any", json_of(o->any[i]), "labels", labels, "text", json_text_of(r->text));
}

static json_t *model_json(const heed_inspection *x, int i)
{
    const heed_inspect_other *o = &x->desc.others[i];
    json_t *matches = json_array();
    for (int64_t k = 0; k < heads_count(x); k++)
        json_push(&matches, match_json(x, &x->others[i], k));
    return json_pack("{s:i, s:o, s:I, s:I, s:o, s:o}", "model", i + 1, "name", json_text_of(o->name), "step",
                     (json_int_t)o->step, "seed", (json_int_t)o->seed, "loss", json_of(x->others[i].loss), "matches",
                     matches);
}

static json_t *found_json(const heed_inspection *x, const found_role *found)
{
    json_t *heads = json_array();
    for (int i = -1; i < x->desc.others_count; i++)
        json_push(&heads, json_integer(others_heads_with(x, i, found->label->role)));
    return json_pack("{s:s, s:o, s:o, s:o}", "role", found->label->role, "name", json_text_of(found->label->name),
                     "heads", heads, "share", json_of(found->models / (1.0 + x->desc.others_count)));
}

json_t *seeds_json(const heed_inspection *x)
{
    if (!x->desc.others_count)
        return json_null();
    json_t *models = json_array(), *roles = json_array();
    for (int i = 0; i < x->desc.others_count; i++)
        json_push(&models, model_json(x, i));
    for (int k = 0; k < x->found_count; k++)
        json_push(&roles, found_json(x, &x->found[k]));
    return json_pack("{s:o, s:o}", "models", models, "roles", roles);
}
