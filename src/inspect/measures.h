/* The measures: one row each. Included by internal.h for their numbers and by table.c for what is known of them.
 *
 *     X(name, "name", types, variants, subs, form, n, range, what it says)       n: the measure that counts what it is of */
/* clang-format off */
#define MEASURE_LIST(X) \
    X(ENTROPY, "entropy", ALL, RK, SUB_ONE, MEAN, ENTROPY, 0, 1, "0: one key, 1: uniform") \
    X(EFFECTIVE_KEYS, "effective_keys", ALL, RK, SUB_ONE, MEAN, ENTROPY, 1, OPEN, "how many keys share a row") \
    X(CONFIDENCE, "confidence", ALL, RK, SUB_ONE, MEAN, ENTROPY, 0, 1, "the largest weight of a row") \
    X(UNIFORMITY, "uniformity", ALL, RK, SUB_ONE, MEAN, ENTROPY, 0, 1, "distance from uniform; below 0.02: as untrained") \
    X(SPECIAL_MASS, "special_mass", ALL, R, SUB_ONE, MEAN, SPECIAL_MASS, 0, 1, "weight on special tokens") \
    X(BOS_MASS, "bos_mass", ALL, R, SUB_ONE, MEAN, SPECIAL_MASS, 0, 1, "weight on <bos>") \
    X(EOS_MASS, "eos_mass", ALL, R, SUB_ONE, MEAN, SPECIAL_MASS, 0, 1, "weight on <eos>") \
    X(PUNCTUATION_MASS, "punctuation_mass", ALL, R, SUB_ONE, MEAN, SPECIAL_MASS, 0, 1, "weight on punctuation") \
    X(SINK_ROW_RATE, "sink_row_rate", ALL, R, SUB_ONE, MEAN, SINK_ROW_RATE, 0, 1, "share of rows with less than 0.05 on content") \
    X(TIE_RATE, "tie_rate", ALL, R, SUB_ONE, MEAN, ENTROPY, 0, 1, "share of rows whose largest weight is not the only one") \
    X(FIRST_MASS, "first_mass", ALL, RK, SUB_ONE, MEAN, FIRST_MASS, 0, 1, "weight on the first key") \
    X(LAST_MASS, "last_mass", ALL, RK, SUB_ONE, MEAN, FIRST_MASS, 0, 1, "weight on the last key") \
    X(DISTANCE, "distance", SELF, RK, SUB_ONE, MEAN, DISTANCE, 0, OPEN, "how far away it looks, in tokens") \
    X(OFFSET, "offset", SELF, RK, SUB_ONE, MEAN, DISTANCE, -OPEN, OPEN, "key minus query; negative looks left") \
    X(SELF_MASS, "self_mass", SELF, RK, SUB_ONE, MEAN, DISTANCE, 0, 1, "weight on the query itself") \
    X(LOCAL_MASS, "local_mass", SELF, RK, SUB_ONE, MEAN, DISTANCE, 0, 1, "weight within two tokens") \
    X(DUPLICATE_MASS, "duplicate_mass", SELF, RK, SUB_ONE, MEAN, DUPLICATE_MASS, 0, 1, "weight on the same word elsewhere, where there is one") \
    X(OFFSET_MASS, "offset_mass", SELF, RK, SUB_OFFSETS, MEAN, OFFSET_MASS, 0, 1, "weight at this offset") \
    X(OFFSET_LIFT, "offset_lift", SELF, RK, SUB_OFFSETS, MEAN, OFFSET_MASS, 0, OPEN, "weight at this offset over chance") \
    X(OFFSET_ARGMAX, "offset_argmax", SELF, RK, SUB_OFFSETS, MEAN, OFFSET_MASS, 0, 1, "share of rows with their largest weight at this offset") \
    X(DIAGONALITY, "diagonality", C, K, SUB_ONE, MEAN, DIAGONALITY, -1, 1, "rank correlation of row and mean key") \
    X(BAND_MASS, "band_mass", C, K, SUB_ONE, MEAN, BAND_MASS, 0, 1, "weight near the diagonal") \
    X(OVER_COVERAGE, "over_coverage", C, R, SUB_ONE, MEAN, OVER_COVERAGE, 0, OPEN, "what a source word gets above 1") \
    X(UNDER_COVERAGE, "under_coverage", C, R, SUB_ONE, MEAN, OVER_COVERAGE, 0, 1, "what a source word lacks to 1") \
    X(POS_R, "pos_r", ALL, RK, SUB_ONE, CLIPPED, ENTROPY, 0, 1, "explained by position") \
    X(POS_R_UNCLIPPED, "pos_r_unclipped", ALL, RK, SUB_ONE, ONE_MINUS, ENTROPY, -OPEN, 1, "the same, below 0 where a template misleads") \
    X(TAG_R, "tag_r", ALL, RK, SUB_ONE, CLIPPED, ENTROPY, 0, 1, "explained by the two word classes") \
    X(TAG_R_UNCLIPPED, "tag_r_unclipped", ALL, RK, SUB_ONE, ONE_MINUS, ENTROPY, -OPEN, 1, "the same, below 0 where a template misleads") \
    X(RES_R, "res_r", ALL, RK, SUB_ONE, RESIDUAL, ENTROPY, 0, 1, "explained by neither alone; the three do not add up") \
    X(SWAP_CONTENT, "swap_content", ALL, R, SUB_ONE, MEAN, SWAP_CONTENT, 0, 1, "change when every word becomes another of its class, bits") \
    X(SWAP_POSITION, "swap_position", ALL, R, SUB_ONE, MEAN, SWAP_POSITION, 0, 1, "change when all positions shift by 1 to 3, bits") \
    X(ARC_ACCURACY, "arc_accuracy", ALL, RK, SUB_ARCS, MEAN, ARC_ACCURACY, 0, 1, "share of arcs with the largest weight on a gold key") \
    X(ARC_BASELINE, "arc_baseline", ALL, RK, SUB_ARCS, MEAN, ARC_BASELINE, 0, 1, "the best fixed offset on the same arcs") \
    X(ARC_GAIN, "arc_gain", ALL, RK, SUB_ARCS, MEAN, ARC_BASELINE, -1, 1, "accuracy minus that baseline") \
    X(ARC_MASS, "arc_mass", ALL, RK, SUB_ARCS, MEAN, ARC_MASS, 0, 1, "weight on gold keys") \
    X(ARC_LIFT, "arc_lift", ALL, RK, SUB_ARCS, MEAN, ARC_MASS, 0, OPEN, "weight on gold keys over chance") \
    X(ATTRACTOR_MARGIN, "attractor_margin", ALL, RK, SUB_ARCS, MEAN, ATTRACTOR_MARGIN, -1, 1, "weight on the controller minus that on the best attractor") \
    X(ATTRACTOR_WIN, "attractor_win", ALL, RK, SUB_ARCS, MEAN, ATTRACTOR_MARGIN, 0, 1, "share of such arcs where that is above 0") \
    X(CUE_MASS, "cue_mass", E, RK, SUB_ONE, MEAN, CUE_MASS, -1, 1, "weight of an ambiguous word on its cue, minus that of an unambiguous one in its place") \
    X(AER, "aer", C, LINKS, SUB_ALIGN, ONE_MINUS, PRECISION, 0, 1, "alignment error rate; lower is better") \
    X(AER_LINKED, "aer_linked", C, LINKS, SUB_ALIGN, ONE_MINUS, PRECISION, 0, 1, "the same without target words that have no gold link") \
    X(PRECISION, "precision", C, LINKS, SUB_ALIGN, MEAN, PRECISION, 0, 1, "share of links that are possible") \
    X(RECALL, "recall", C, LINKS, SUB_ALIGN, MEAN, RECALL, 0, 1, "share of sure links found") \
    X(NULL_RATE, "null_rate", C, LINKS, SUB_ALIGN, MEAN, NULL_RATE, 0, 1, "share of target words without gold link") \
    X(SOFT_MASS, "soft_mass", C, K, SUB_ALIGN, MEAN, SOFT_MASS, 0, 1, "weight on possible links") \
    X(IMPORTANCE, "importance", ALL, R, SUB_ONE, MEAN, IMPORTANCE, 0, OPEN, "|dL/dgate|, mean over sentences") \
    X(IMPORTANCE_LAYER, "importance_layer", ALL, R, SUB_ONE, OF_LAYER, IMPORTANCE, 0, 1, "the same over the norm of its layer") \
    X(IMPORTANCE_SIGNED, "importance_signed", ALL, R, SUB_ONE, MEAN, IMPORTANCE, -OPEN, OPEN, "-dL/dgate: what the loss would rise by without the head, to first order") \
    X(TAU, "tau", C, K, SUB_ONE, MEAN, TAU, -1, 1, "rank correlation of weights with what each source word's loss costs")
/* clang-format on */
