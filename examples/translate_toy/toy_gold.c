/* A sentence and its labels as one line of JSON; docs/toy.md has the schema. */
#include "toy.h"

#include <jansson.h>

static json_t *line(const toy_sentence *s, bool french)
{
    char text[TOY_TEXT];
    return toy_text(s, french, text, sizeof text) < 0 ? NULL : json_string(text);
}

static json_t *links(const toy_link *list, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_pack("[i, i]", list[i].source, list[i].target));
    return array;
}

static json_t *numbers(const int16_t *list, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_integer(list[i]));
    return array;
}

static json_t *arcs(const toy_sentence *s)
{
    static const char *const sides[] = { [TOY_ENC] = "enc", [TOY_DEC] = "dec", [TOY_CROSS] = "cross" };
    json_t *array = json_array();
    for (int i = 0; i < s->arc_count; i++) {
        const toy_arc *a = &s->arcs[i];
        json_array_append_new(array, json_pack("{s:s, s:s, s:i, s:o}", "side", sides[a->side], "kind", a->kind, "query",
                                               a->query, "keys", numbers(a->keys, a->count)));
    }
    return array;
}

static json_t *decision(const toy_sentence *s, const toy_decision *d)
{
    json_t *competitors = json_array();
    for (int i = 0; i < d->competitor_count; i++)
        json_array_append_new(competitors, json_string(d->competitors[i]));
    json_t *object =
        json_pack("{s:s, s:i, s:i, s:s, s:o, s:o, s:o}", "code", toy_phenomenon_name(d->phenomenon), "position",
                  d->position, "span", d->span, "form", s->french[d->position], "competitors", competitors, "source",
                  numbers(d->source, d->source_count), "target", numbers(d->target, d->target_count));
    if (d->variant)
        json_object_set_new(object, "variant", json_string(d->variant));
    if (d->distance >= 0)
        json_object_set_new(object, "distance", json_integer(d->distance));
    if (d->attractors >= 0)
        json_object_set_new(object, "attractors", json_integer(d->attractors));
    if (d->cue != TOY_NO_CUE) {
        json_object_set_new(object, "cue", json_string(toy_cue_name(d->cue)));
        json_object_set_new(object, "side", json_string(d->cue_side < 0 ? "left" : "right"));
    }
    return object;
}

static json_t *decisions(const toy_sentence *s)
{
    json_t *array = json_array();
    for (int i = 0; i < s->decision_count; i++)
        json_array_append_new(array, decision(s, &s->decisions[i]));
    return array;
}

static json_t *features(const toy_sentence *s)
{
    json_t *object = json_object();
    for (int i = 0; i < TOY_FEATURES; i++)
        if (s->features[i])
            json_object_set_new(object, toy_feature_name((toy_feature)i), json_integer(s->features[i]));
    return object;
}

bool toy_gold_write(const toy_sentence *s, FILE *out)
{
    char id[40];
    snprintf(id, sizeof id, "%s-%lld", toy_split_name(s->split), (long long)s->n);
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", id, "src", line(s, false), "tgt", line(s, true),
                  "sure", links(s->sure, s->sure_count), "possible", links(s->possible, s->possible_count), "arcs",
                  arcs(s), "decisions", decisions(s), "features", features(s));
    if (object && s->pair_decision >= 0)
        json_object_set_new(object, "pair_decision", json_integer(s->pair_decision));
    bool written = object && !json_dumpf(object, out, JSON_COMPACT) && fputc('\n', out) != EOF;
    json_decref(object);
    return written;
}
