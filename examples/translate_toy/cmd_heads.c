/* translate_toy heads: translates a sentence, then shows what every head of the three attention types looked at. */
#include "model.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MAX_TOKENS = 64, MAX_LABEL = 96 };

/* A sentence as ids, and as labels for the rows and columns of a heat map. */
typedef struct {
    int32_t ids[MAX_TOKENS];
    int64_t count;
    char text[MAX_TOKENS][MAX_LABEL];
    const char *labels[MAX_TOKENS];
} tokens;

static void name_tokens(tokens *t, const heed_vocab *vocab)
{
    for (int64_t i = 0; i < t->count; i++) {
        snprintf(t->text[i], MAX_LABEL, "%s", heed_vocab_word(vocab, t->ids[i]));
        t->labels[i] = t->text[i];
    }
}

static void read_source(tokens *source, const model *m, const char *text)
{
    int64_t unknown;
    if (!heed_utf8_valid(text, (int64_t)strlen(text)))
        die("heads: the sentence is %s", heed_line_reason(HEED_LINE_ENCODING));
    source->count = heed_vocab_encode(m->source, text, source->ids, MAX_TOKENS - 1, &unknown);
    if (source->count < 0)
        die("heads: %s; at most %d tokens can be shown", heed_error(), MAX_TOKENS - 1);
    if (source->count == 0)
        die("heads: the sentence is empty");
    if (unknown)
        warn("%lld of the words are unknown to the model and read as <unk>", (long long)unknown);
    source->ids[source->count++] = HEED_EOS;
    name_tokens(source, m->source);
}

/* Decodes greedily; target holds <bos> and what came out: what the decoder reads. */
static void translate(tokens *target, const tokens *source, const model *m, heed_tape *tape)
{
    int32_t out[MAX_TOKENS], length;
    heed_decode_desc desc = { .bos = HEED_BOS, .eos = HEED_EOS, .max_length = MAX_TOKENS - 1 };
    if (!heed_decode_greedy(&m->net, tape, source->ids, NULL, 1, source->count, desc, out, &length))
        die("%s", heed_error());
    target->ids[0] = HEED_BOS;
    memcpy(target->ids + 1, out, (size_t)length * sizeof *out);
    target->count = length + 1;
    name_tokens(target, m->target);
}

/* One forward pass over the finished translation, with all weights recorded. */
static void record(const model *m, heed_tape *tape, const tokens *source, const tokens *target, heed_trace *trace)
{
    heed_tape_reset(tape);
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(1, source->count), source->ids);
    heed_ids *tgt = heed_input_ids(tape, HEED_SHAPE(1, target->count), target->ids);
    heed_var *memory = heed_transformer_encode(&m->net, src, NULL, trace);
    if (!heed_transformer_decode(&m->net, tgt, memory, NULL, trace, NULL))
        die("%s", heed_error());
}

/* Row i of a decoder head reads token i and predicts token i + 1; both stand in the label. */
static void decoder_rows(const tokens *target, char text[MAX_TOKENS][2 * MAX_LABEL + 4], const char *labels[MAX_TOKENS])
{
    for (int64_t i = 0; i < target->count; i++) {
        snprintf(text[i], 2 * MAX_LABEL + 4, "%s>%s", target->labels[i],
                 i + 1 < target->count ? target->labels[i + 1] : "<eos>");
        labels[i] = text[i];
    }
}

static void show(const heed_var *weights, heed_attention_type type, int layer, const char *only, heed_heatmap_desc desc)
{
    heed_tensor all = heed_value(weights);
    for (int64_t head = 0; head < all.shape.dims[1]; head++) {
        heed_shape_buffer name;
        heed_tensor one = heed_tensor_slice(heed_tensor_slice(all, 0, 0, 1), 1, head, head + 1);
        heed_tensor matrix = { .data = one.data,
                               .shape = HEED_SHAPE(one.shape.dims[2], one.shape.dims[3]),
                               .strides = { one.strides[2], one.strides[3] } };
        desc.title = heed_head_name(type, layer, (int)head, &name);
        if (only && strcmp(only, desc.title) != 0)
            continue;
        if (!heed_heatmap_ascii(stdout, matrix, desc))
            die("%s", heed_error());
        putchar('\n');
    }
}

static void check_head(const char *only, const model *m)
{
    static const char *const types[] = { "enc", "dec", "cross" };
    heed_shape_buffer name;
    for (int type = 0; only && type < 3; type++)
        for (int layer = 0; layer < m->config.layers; layer++)
            for (int head = 0; head < m->config.heads; head++)
                if (strcmp(heed_head_name((heed_attention_type)type, layer, head, &name), only) == 0)
                    return;
    if (only)
        die_usage("heads: there is no head \"%s\"; they are %s.L.H, %s.L.H and %s.L.H with L below %lld, H below %lld",
                  only, types[0], types[1], types[2], (long long)m->config.layers, (long long)m->config.heads);
}

/* May standard output have colours, and how wide is it (0: no terminal)? NO_COLOR and TERM=dumb say no. */
static bool terminal_colours(int *width)
{
    struct winsize size = { 0 };
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(STDOUT_FILENO);
    *width = terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
    return terminal && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

int cmd_heads(int argc, char **argv)
{
    const char *path = "heed-run", *only = NULL;
    bool ascii = false, digits = false;
    option rows[] = {
        { "model", OPTION_TEXT, &path, "M", "a model file, or the folder of a run", 0, 0, 0 },
        { "head", OPTION_TEXT, &only, "NAME", "this head alone, such as cross.1.0", 0, 0, 0 },
        { "ascii", OPTION_FLAG, &ascii, NULL, "plain characters, no colours", 0, 0, 0 },
        { "digits", OPTION_FLAG, &digits, NULL, "weights in tenths, not shades", 0, 0, 0 },
        { .name = NULL },
    };
    command_line line = { "heads", "TEXT",
                          "Translates TEXT and shows what every attention head looked at, as a heat map:\n"
                          "enc.LAYER.HEAD (encoder), dec.LAYER.HEAD (decoder's own words) and\n"
                          "cross.LAYER.HEAD (decoder to source). A row is a query; a decoder's row reads one\n"
                          "word and predicts the next, shown as read>predicted.",
                          rows };
    int operands;
    options_result parsed = options_parse(&line, argc, argv, &operands);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_HELP ? (output_check(), 0) : EXIT_USAGE;
    if (operands != 1)
        die_usage("heads: give one sentence, in quotes");
    model *m = model_load(path, false);
    check_head(only, m);
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true });
    if (!tape)
        die("%s", heed_error());
    static tokens source, target;
    static char row_text[MAX_TOKENS][2 * MAX_LABEL + 4];
    const char *decoder_labels[MAX_TOKENS];
    heed_var *weights[3][64];
    heed_trace trace = { .weights = { weights[0], weights[1], weights[2] } };
    read_source(&source, m, argv[1]);
    translate(&target, &source, m, tape);
    record(m, tape, &source, &target, &trace);
    decoder_rows(&target, row_text, decoder_labels);

    char *translation = heed_vocab_decode(m->target, target.ids + 1, target.count - 1);
    printf("%s\n%s\n\n", argv[1], translation ? translation : "");
    heed_text_free(translation);
    int width;
    bool colours = terminal_colours(&width);
    for (int type = HEED_ENC; type <= HEED_CROSS; type++)
        for (int layer = 0; layer < m->config.layers; layer++)
            show(weights[type][layer], (heed_attention_type)type, layer, only,
                 (heed_heatmap_desc){ .rows = type == HEED_ENC ? source.labels : decoder_labels,
                                      .cols = type == HEED_DEC ? target.labels : source.labels,
                                      .color = colours && !ascii,
                                      .unicode = !ascii,
                                      .causal = type == HEED_DEC,
                                      .digits = digits,
                                      .width = width });
    output_check();
    heed_tape_free(tape);
    model_free(m);
    return 0;
}
