/* The small layers and the encoder and decoder layers: values against formulas written out here, bad descriptors,
 * dropout sites, and gradient checks of all of them. */
#include "model.h"

static heed_params *params;
static heed_tape *tape;

static int setup(void **state)
{
    (void)state;
    params = heed_params_new();
    tape = heed_tape_new((heed_tape_desc){ .seed = 3 });
    return params && tape ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    heed_tape_free(tape);
    heed_params_free(params);
    return 0;
}

/* ---- linear ------------------------------------------------------------------------------------------------------ */

static void linear_is_x_w_transposed_plus_b(void **state)
{
    (void)state;
    heed_linear m = heed_linear_make(params, "fc", (heed_linear_desc){ .in = 3, .out = 2 });
    heed_linear bare = heed_linear_make(params, "bare", (heed_linear_desc){ .in = 3, .out = 2, .no_bias = true });
    params_ready(params, 1);
    assert_string_equal(m.weight->name, "fc.weight");
    assert_true(heed_shape_equal(m.weight->shape, HEED_SHAPE(2, 3)));
    assert_string_equal(m.bias->name, "fc.bias");
    assert_int_equal(m.weight->init.kind, HEED_INIT_XAVIER);
    for (int i = 0; i < 2; i++)
        assert_true(heed_param_value(m.bias).data[i] == 0);
    assert_null(bare.bias);
    assert_null(heed_params_find(params, "bare.bias"));

    params_shake(params, 2);
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(2, 1, 3));
    for (int k = 0; k < 2; k++) {
        const heed_linear *layer = k ? &bare : &m;
        heed_tensor y = heed_value(heed_linear_forward(layer, x)), w = heed_param_value(layer->weight);
        assert_true(heed_shape_equal(y.shape, HEED_SHAPE(2, 1, 2)));
        for (int row = 0; row < 2; row++)
            for (int out = 0; out < 2; out++) {
                double want = layer->bias ? (double)heed_param_value(layer->bias).data[out] : 0;
                for (int in = 0; in < 3; in++)
                    want += (double)x->value.data[row * 3 + in] * (double)w.data[out * 3 + in];
                check_close((double)y.data[row * 2 + out], want, CHECK_EPS);
            }
    }
}

static void forward_of_what_is_missing_is_refused(void **state)
{
    (void)state;
    heed_linear m = heed_linear_make(params, "fc", (heed_linear_desc){ .in = 3, .out = 2 });
    heed_embedding e = heed_embedding_make(params, "e", (heed_embedding_desc){ .count = 5, .dim = 3 });
    params_ready(params, 1);
    assert_null(heed_linear_forward(&m, NULL));
    check_failed(HEED_BAD_ARGUMENT, "linear: the operand for \"fc.weight\" is NULL");
    assert_null(heed_embedding_forward(&e, NULL));
    check_failed(HEED_BAD_ARGUMENT, "embedding: the operand for \"e.weight\" is NULL");
    assert_null(heed_linear_forward(&(heed_linear){ 0 }, NULL));
    check_failed(HEED_BAD_STATE, "linear: this layer was not made");
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(4, 2));
    assert_null(heed_linear_forward(&m, x));
    check_failed(HEED_BAD_SHAPE, "[4, 2]");
    heed_tape_reset(tape);
    assert_null(heed_linear_forward(&m, x));
    check_failed(HEED_BAD_STATE, "stale");
    assert_null(heed_activate((heed_activation)7, x));
    check_failed(HEED_BAD_ARGUMENT, "activation 7 is unknown");
}

/* ---- embedding --------------------------------------------------------------------------------------------------- */

static void embedding_reads_rows_and_leaves_padding_alone(void **state)
{
    (void)state;
    heed_embedding m = heed_embedding_make(
        params, "e", (heed_embedding_desc){ .count = 6, .dim = 4, .scale = 3, .has_padding = true, .padding = 2 });
    heed_embedding plain = heed_embedding_make(params, "plain", (heed_embedding_desc){ .count = 200, .dim = 25 });
    params_ready(params, 1);
    heed_tensor w = heed_param_value(m.weight);
    for (int i = 0; i < 24; i++)
        assert_true((w.data[i] == 0) == (i / 4 == 2)); /* starts at zero */
    double squares = 0;
    for (int i = 0; i < 5000; i++)
        squares += pow((double)heed_param_value(plain.weight).data[i], 2);
    check_close(squares / 5000 * 25, 1, 0.1); /* deviation 1 / sqrt(dim) */

    params_shake(params, 2); /* read as it stands, whatever it is */
    heed_ids *ids = heed_input_ids(tape, HEED_SHAPE(2, 3), (const int32_t[]){ 5, 2, 0, 2, 5, 5 });
    heed_var *y = heed_embedding_forward(&m, ids);
    assert_true(heed_shape_equal(heed_value(y).shape, HEED_SHAPE(2, 3, 4)));
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 4; k++)
            check_close((double)heed_value(y).data[i * 4 + k], 3 * (double)w.data[ids->data[i] * 4 + k], CHECK_EPS);
    heed_real g[24];
    draws d = draws_of(5);
    draw_normals(&d, g, 24);
    assert_true(heed_backward_from(y, g));
    heed_tensor grad = heed_param_grad(m.weight);
    for (int row = 0; row < 6; row++)
        for (int k = 0; k < 4; k++) {
            double want = 0;
            for (int i = 0; i < 6; i++)
                want += row != 2 && ids->data[i] == row ? 3 * (double)g[i * 4 + k] : 0;
            check_close((double)grad.data[row * 4 + k], want, CHECK_EPS);
        }
    assert_null(heed_embedding_forward(&m, heed_input_ids(tape, HEED_SHAPE(1), (const int32_t[]){ 6 })));
    check_failed(HEED_BAD_ARGUMENT, "6");
}

/* Two layers on one weight: the gradient is the sum of what two weights of equal value would get. */
static void tied_gradients_are_the_sum_of_untied_ones(void **state)
{
    (void)state;
    heed_embedding e = heed_embedding_make(params, "e", (heed_embedding_desc){ .count = 7, .dim = 5 });
    heed_linear_desc out = { .in = 5, .out = 7, .no_bias = true };
    heed_linear untied = heed_linear_make(params, "untied", out);
    out.weight = e.weight;
    heed_linear tied = heed_linear_make(params, "tied", out);
    assert_null(heed_params_find(params, "tied.weight"));
    assert_ptr_equal(tied.weight, e.weight);
    params_ready(params, 1);
    params_shake(params, 9);
    assert_true(heed_tensor_copy(heed_param_value(untied.weight), heed_param_value(e.weight)));
    heed_params_changed(params);

    heed_real sum[35];
    for (int k = 0; k < 2; k++) {
        draws d = draws_of(4);
        heed_ids *ids = heed_input_ids(tape, HEED_SHAPE(3), (const int32_t[]){ 1, 6, 1 });
        heed_var *h = heed_tanh(heed_embedding_forward(&e, ids));
        backward_random(heed_linear_forward(k ? &tied : &untied, h), &d);
        for (int i = 0; i < 35 && k == 0; i++)
            sum[i] = heed_param_grad(e.weight).data[i] + heed_param_grad(untied.weight).data[i];
        for (int i = 0; i < 35 && k == 1; i++)
            check_close((double)heed_param_grad(e.weight).data[i], (double)sum[i], CHECK_EPS);
        heed_grads_clear(heed_params_grads(params));
        heed_tape_reset(tape);
    }
}

/* ---- positions --------------------------------------------------------------------------------------------------- */

static void sinusoidal_positions_are_the_formula(void **state)
{
    (void)state;
    heed_positions few = heed_positions_make(params, "few", (heed_positions_desc){ .count = 4, .dim = 7 });
    heed_positions many = heed_positions_make(params, "many", (heed_positions_desc){ .dim = 7 });
    heed_positions any = { 0 }; /* no dim: nothing is made beforehand */
    assert_int_equal(heed_params_count(params), 0);
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(2, 6, 7));
    for (int first = 0; first < 3; first++) {
        heed_tensor y = heed_value(heed_positions_forward(&many, x, first));
        for (int b = 0; b < 2; b++)
            for (int t = 0; t < 6; t++)
                for (int i = 0; i < 7; i++) {
                    double angle = (first + t) / pow(10000, (i - i % 2) / 7.0);
                    int64_t at = (b * 6 + t) * 7 + i;
                    check_close((double)y.data[at], (double)x->value.data[at] + (i % 2 ? cos(angle) : sin(angle)),
                                CHECK_EPS);
                }
        check_same_bits(y, heed_value(heed_positions_forward(&few, x, first))); /* beyond its table, too */
        check_same_bits(y, heed_value(heed_positions_forward(&any, x, first)));
    }
    heed_tensor far = heed_value(heed_positions_forward(&many, x, 510)); /* around the end of the table */
    check_same_bits(far, heed_value(heed_positions_forward(&any, x, 510)));

    int64_t length = heed_tape_length(tape);
    heed_var *y = heed_positions_forward(&many, x, 2);
    assert_int_equal(heed_tape_length(tape), length + 1); /* the code itself is no node */
    heed_real g[84];
    draw_normals(&d, g, 84);
    assert_true(heed_backward_from(y, g));
    for (int i = 0; i < 84; i++)
        assert_true(heed_grad(x).data[i] == g[i]);
}

static void learned_positions_are_rows_of_a_table(void **state)
{
    (void)state;
    heed_positions m =
        heed_positions_make(params, "pos", (heed_positions_desc){ .learned = true, .count = 5, .dim = 3 });
    params_ready(params, 1);
    assert_string_equal(m.weight->name, "pos.weight");
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(2, 3, 3)), *y = heed_positions_forward(&m, x, 2);
    heed_tensor w = heed_param_value(m.weight);
    for (int i = 0; i < 18; i++)
        check_close((double)heed_value(y).data[i], (double)(x->value.data[i] + w.data[6 + i % 9]), CHECK_EPS);
    assert_null(heed_positions_forward(&m, x, 3));
    check_failed(HEED_BAD_ARGUMENT, "there is a code for positions 0 .. 4, not for 3 .. 5");
    assert_null(heed_positions_forward(&m, x, -1));
    check_failed(HEED_BAD_ARGUMENT, "first position is -1");
    assert_null(heed_positions_forward(&m, NULL, 0));
    check_failed(HEED_BAD_ARGUMENT, "x is NULL");
    heed_var *flat = draw_leaf(&d, tape, HEED_SHAPE(2, 3));
    assert_null(heed_positions_forward(&m, flat, 0));
    check_failed(HEED_BAD_SHAPE, "[2, 3]");
    heed_real g[18];
    draw_normals(&d, g, 18);
    assert_true(heed_backward_from(y, g));
    for (int i = 0; i < 15; i++)
        check_close((double)heed_param_grad(m.weight).data[i], i < 6 ? 0 : (double)(g[i - 6] + g[i + 3]), CHECK_EPS);
}

/* ---- norm, feed-forward, dropout --------------------------------------------------------------------------------- */

static void norms_are_the_formula(void **state)
{
    (void)state;
    heed_norm m = heed_norm_make(params, "norm", (heed_norm_desc){ .dim = 5 });
    heed_norm rms = heed_norm_make(params, "rms", (heed_norm_desc){ .dim = 5, .rms = true, .eps = 0.1 });
    heed_norm bare = heed_norm_make(params, "bare", (heed_norm_desc){ .dim = 5, .no_bias = true });
    params_ready(params, 1);
    assert_true(m.eps == 1e-5 && rms.eps == 0.1);
    assert_null(rms.bias);
    assert_null(bare.bias);
    for (int i = 0; i < 5; i++)
        assert_true(heed_param_value(m.weight).data[i] == 1 && heed_param_value(m.bias).data[i] == 0);
    params_shake(params, 3);
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(3, 5));
    const heed_norm *norms[] = { &m, &rms, &bare };
    for (int k = 0; k < 3; k++) {
        const heed_norm *norm = norms[k];
        heed_tensor y = heed_value(heed_norm_forward(norm, x));
        for (int row = 0; row < 3; row++) {
            const heed_real *v = x->value.data + row * 5;
            double mean = 0, variance = 0;
            for (int i = 0; i < 5 && k != 1; i++)
                mean += (double)v[i] / 5;
            for (int i = 0; i < 5; i++)
                variance += ((double)v[i] - mean) * ((double)v[i] - mean) / 5;
            for (int i = 0; i < 5; i++) {
                double want = ((double)v[i] - mean) / sqrt(variance + norm->eps);
                want *= (double)heed_param_value(norm->weight).data[i];
                want += norm->bias ? (double)heed_param_value(norm->bias).data[i] : 0;
                check_close((double)y.data[row * 5 + i], want, 4 * CHECK_EPS);
            }
        }
    }
}

static void ffn_is_two_linears_around_an_activation(void **state)
{
    (void)state;
    static heed_var *(*const functions[])(heed_var *) = { heed_relu, heed_gelu, heed_gelu_tanh, heed_silu };
    heed_ffn m[4];
    for (int k = 0; k < 4; k++) {
        char name[] = "ffn0";
        name[3] = (char)('0' + k);
        m[k] = heed_ffn_make(
            params, name, (heed_ffn_desc){ .d_model = 3, .ffn = 5, .activation = (heed_activation)k, .dropout = 0.5 });
    }
    heed_ffn bare = heed_ffn_make(params, "bare", (heed_ffn_desc){ .d_model = 3, .ffn = 5, .no_bias = true });
    params_ready(params, 1);
    assert_non_null(heed_params_find(params, "ffn0.linear1.weight"));
    assert_non_null(heed_params_find(params, "ffn0.linear2.bias"));
    assert_string_equal(m[1].site, "ffn1.dropout");
    assert_null(bare.linear1.bias);
    assert_null(bare.linear2.bias);
    params_shake(params, 3);
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(40, 2, 3));
    for (int k = 0; k < 4; k++) {
        heed_var *h = functions[k](heed_linear_forward(&m[k].linear1, x));
        h = heed_dropout(h, 0.5, m[k].site);
        check_same_bits(heed_value(heed_ffn_forward(&m[k], x)), heed_value(heed_linear_forward(&m[k].linear2, h)));
    }
}

/* ---- encoder and decoder layers ---------------------------------------------------------------------------------- */

static heed_layer_desc layer_desc(bool pre_norm)
{
    return (heed_layer_desc){ .d_model = 6,
                              .heads = 2,
                              .ffn = 8,
                              .pre_norm = pre_norm,
                              .dropout = 0.3,
                              .attention_dropout = 0.2,
                              .ffn_dropout = 0.4,
                              .norm_eps = 1e-3 };
}

/* x = norm(x + dropout(f(x))) or x + dropout(f(norm(x))), as PyTorch's layers are written. */
static void encoder_layer_is_its_two_sublayers(void **state)
{
    (void)state;
    heed_encoder_layer m[2] = { heed_encoder_layer_make(params, "post", layer_desc(false)),
                                heed_encoder_layer_make(params, "pre", layer_desc(true)) };
    params_ready(params, 1);
    params_shake(params, 3);
    assert_string_equal(m[1].site2, "pre.dropout2");
    assert_true(m[0].ffn.dropout == 0.4 && m[0].self_attn.dropout == 0.2 && m[0].norm2.eps == 1e-3);
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(3, 4, 6)), *h;
    heed_ids *lengths = heed_input_ids(tape, HEED_SHAPE(3), (const int32_t[]){ 4, 2, 3 });
    heed_attention_call self = { .mask.key_lengths = lengths };

    h = heed_attention_forward(&m[0].self_attn, x, x, x, self);
    h = heed_norm_forward(&m[0].norm1, heed_add(x, heed_dropout(h, 0.3, "post.dropout1")));
    h = heed_norm_forward(&m[0].norm2, heed_add(h, heed_dropout(heed_ffn_forward(&m[0].ffn, h), 0.3, "post.dropout2")));
    check_same_bits(heed_value(heed_encoder_layer_forward(&m[0], x, self)), heed_value(h));

    heed_var *n = heed_norm_forward(&m[1].norm1, x);
    h = heed_add(x, heed_dropout(heed_attention_forward(&m[1].self_attn, n, n, n, self), 0.3, "pre.dropout1"));
    n = heed_norm_forward(&m[1].norm2, h);
    h = heed_add(h, heed_dropout(heed_ffn_forward(&m[1].ffn, n), 0.3, "pre.dropout2"));
    check_same_bits(heed_value(heed_encoder_layer_forward(&m[1], x, self)), heed_value(h));
}

static void decoder_layer_is_its_three_sublayers(void **state)
{
    (void)state;
    heed_decoder_layer m[2] = { heed_decoder_layer_make(params, "post", layer_desc(false)),
                                heed_decoder_layer_make(params, "pre", layer_desc(true)) };
    params_ready(params, 1);
    params_shake(params, 3);
    draws d = draws_of(1);
    heed_var *x = draw_leaf(&d, tape, HEED_SHAPE(3, 4, 6)), *memory = draw_leaf(&d, tape, HEED_SHAPE(3, 5, 6)), *h, *n;
    heed_ids *lengths = heed_input_ids(tape, HEED_SHAPE(3), (const int32_t[]){ 5, 2, 3 });
    heed_attention_call self = { .mask.causal = true }, cross = { .mask.key_lengths = lengths };

    h = heed_dropout(heed_attention_forward(&m[0].self_attn, x, x, x, self), 0.3, "post.dropout1");
    h = heed_norm_forward(&m[0].norm1, heed_add(x, h));
    n = heed_dropout(heed_attention_forward(&m[0].multihead_attn, h, memory, memory, cross), 0.3, "post.dropout2");
    h = heed_norm_forward(&m[0].norm2, heed_add(h, n));
    h = heed_norm_forward(&m[0].norm3, heed_add(h, heed_dropout(heed_ffn_forward(&m[0].ffn, h), 0.3, "post.dropout3")));
    check_same_bits(heed_value(heed_decoder_layer_forward(&m[0], x, memory, self, cross)), heed_value(h));

    n = heed_norm_forward(&m[1].norm1, x);
    h = heed_add(x, heed_dropout(heed_attention_forward(&m[1].self_attn, n, n, n, self), 0.3, "pre.dropout1"));
    n = heed_attention_forward(&m[1].multihead_attn, heed_norm_forward(&m[1].norm2, h), memory, memory, cross);
    h = heed_add(h, heed_dropout(n, 0.3, "pre.dropout2"));
    n = heed_ffn_forward(&m[1].ffn, heed_norm_forward(&m[1].norm3, h));
    h = heed_add(h, heed_dropout(n, 0.3, "pre.dropout3"));
    check_same_bits(heed_value(heed_decoder_layer_forward(&m[1], x, memory, self, cross)), heed_value(h));
}

/* ---- bad descriptors --------------------------------------------------------------------------------------------- */

static void check_bad(heed_error_kind kind, const char *message)
{
    check_failed(kind, message);
    assert_false(heed_params_init(params, 1));
    check_failed(kind, message);
    heed_params_free(params);
    params = heed_params_new();
}

static void bad_descriptors_are_refused_by_name(void **state)
{
    (void)state;
    heed_linear_make(params, "fc", (heed_linear_desc){ .in = 3 });
    check_bad(HEED_BAD_ARGUMENT, "linear \"fc\": in is 3 and out is 0; both are needed");
    heed_linear_make(params, NULL, (heed_linear_desc){ .in = -3, .out = 1 });
    check_bad(HEED_BAD_ARGUMENT, "linear \"\": in is -3");
    heed_param *w = heed_param_make(params, "w", HEED_SHAPE(4, 3), (heed_init){ 0 });
    heed_linear_make(params, "fc", (heed_linear_desc){ .in = 4, .out = 3, .weight = w });
    check_bad(HEED_BAD_SHAPE, "linear \"fc\": the shared weight \"w\" is [4, 3], must be [3, 4]");
    w = heed_param_make(params, "w", HEED_SHAPE(4, 3), (heed_init){ 0 });
    heed_embedding_make(params, "e", (heed_embedding_desc){ .count = 3, .dim = 4, .weight = w });
    check_bad(HEED_BAD_SHAPE, "embedding \"e\": the shared weight \"w\" is [4, 3], must be [3, 4]");
    heed_embedding_make(params, "e", (heed_embedding_desc){ .count = 3 });
    check_bad(HEED_BAD_ARGUMENT, "embedding \"e\": count is 3 and dim is 0");
    heed_embedding_make(params, "e", (heed_embedding_desc){ .count = 3, .dim = 2, .has_padding = true, .padding = 3 });
    check_bad(HEED_BAD_ARGUMENT, "embedding \"e\": the padding id is 3, must be 0 .. 2");
    heed_embedding_make(params, "e", (heed_embedding_desc){ .count = 3, .dim = 2, .scale = (double)NAN });
    check_bad(HEED_BAD_ARGUMENT, "embedding \"e\": scale is");
    heed_positions_make(params, "p", (heed_positions_desc){ .learned = true, .dim = 4 });
    check_bad(HEED_BAD_ARGUMENT, "positions \"p\": count is 0 and dim is 4; learned ones need both");
    heed_positions_make(params, "p", (heed_positions_desc){ .count = -1 });
    check_bad(HEED_BAD_ARGUMENT, "positions \"p\": count is -1");
    heed_positions_make(params, "p", (heed_positions_desc){ .count = INT64_MAX / 2, .dim = 4 });
    check_bad(HEED_BAD_SHAPE, "too large");
    heed_norm_make(params, "n", (heed_norm_desc){ .dim = 0 });
    check_bad(HEED_BAD_ARGUMENT, "norm \"n\": dim is 0");
    heed_norm_make(params, "n", (heed_norm_desc){ .dim = 2, .eps = -1 });
    check_bad(HEED_BAD_ARGUMENT, "eps is -1");
    heed_ffn_make(params, "f", (heed_ffn_desc){ .d_model = 3 });
    check_bad(HEED_BAD_ARGUMENT, "ffn \"f\": d_model is 3 and ffn is 0");
    heed_ffn_make(params, "f", (heed_ffn_desc){ .d_model = 3, .ffn = 2, .activation = (heed_activation)-1 });
    check_bad(HEED_BAD_ARGUMENT, "ffn \"f\": activation -1 is unknown");
    heed_ffn_make(params, "f", (heed_ffn_desc){ .d_model = 3, .ffn = 2, .dropout = 1 });
    check_bad(HEED_BAD_ARGUMENT, "ffn \"f\": dropout is 1, must be 0 <= p < 1");
    heed_encoder_layer_make(params, "l", (heed_layer_desc){ .d_model = 6, .heads = 4, .ffn = 2 });
    check_bad(HEED_BAD_ARGUMENT, "encoder layer \"l\": d_model 6 is not a multiple of heads 4");
    heed_decoder_layer_make(params, "l", (heed_layer_desc){ .d_model = 6, .ffn = 2 });
    check_bad(HEED_BAD_ARGUMENT, "decoder layer \"l\": d_model is 6, heads is 0, ffn is 2");
    heed_layer_desc desc = layer_desc(false);
    desc.attention_dropout = -0.1;
    heed_encoder_layer_make(params, "l", desc);
    check_bad(HEED_BAD_ARGUMENT, "encoder layer \"l\": attention_dropout is -0.1");
    heed_encoder_make(params, "enc", (heed_stack_desc){ .layer = layer_desc(false) });
    check_bad(HEED_BAD_ARGUMENT, "encoder \"enc\": layers is 0");
    heed_decoder_make(params, "dec", (heed_stack_desc){ .layers = -2, .layer = layer_desc(false) });
    check_bad(HEED_BAD_ARGUMENT, "decoder \"dec\": layers is -2");
    assert_null(heed_linear_make(NULL, "fc", (heed_linear_desc){ .in = 1, .out = 1 }).weight);
    check_failed(HEED_BAD_ARGUMENT, "params is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(linear_is_x_w_transposed_plus_b, setup, teardown),
        cmocka_unit_test_setup_teardown(forward_of_what_is_missing_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(embedding_reads_rows_and_leaves_padding_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(tied_gradients_are_the_sum_of_untied_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(sinusoidal_positions_are_the_formula, setup, teardown),
        cmocka_unit_test_setup_teardown(learned_positions_are_rows_of_a_table, setup, teardown),
        cmocka_unit_test_setup_teardown(norms_are_the_formula, setup, teardown),
        cmocka_unit_test_setup_teardown(ffn_is_two_linears_around_an_activation, setup, teardown),
        cmocka_unit_test_setup_teardown(encoder_layer_is_its_two_sublayers, setup, teardown),
        cmocka_unit_test_setup_teardown(decoder_layer_is_its_three_sublayers, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_descriptors_are_refused_by_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
