#!/bin/sh
# Transformer-Tiny on Multi30k: from text to BLEU, as published (Wu, Kong, Bi, Li, Kao, "Good for Misconceived Reasons: An
# Empirical Revisiting on the Need for Visual Context in Multimodal Machine Translation", ACL 2021; 41.02 for en-de).
#
#     examples/translate_toy/recipes/multi30k.sh DATA_DIR [en-de|en-fr [train options ...]]
#
# Data: the captions of the public repository multi30k/dataset, data/task1/tok (lower-cased, normalised, tokenised), joined
# to `source TAB target` files train.en-de.tok.tsv, val.en-de.tok.tsv and test2016.en-de.tok.tsv in DATA_DIR, and the same
# for en-fr. The texts may be used for research and education, not commercially; please cite Elliott et al. 2016 (en-de) and
# 2017 (en-fr).
#
# The run is in $OUT (default run-multi30k-PAIR). When it stops, or is stopped, the same command goes on with it;
# `--max-minutes 60` among the train options stops it after an hour. Settings are in multi30k.json; what training options
# say comes first.
set -eu
here=$(dirname "$0")
toy=${BIN:-$here/../../../build}/translate_toy
data=${1:-}
pair=${2:-en-de}
[ $# -lt 2 ] && shift $# || shift 2
out=${OUT:-run-multi30k-$pair}

fail() { echo "multi30k.sh: $*" >&2; exit 2; }
[ -n "$data" ] || fail 'usage: multi30k.sh DATA_DIR [en-de|en-fr [train options ...]]'
[ -x "$toy" ] || fail "no $toy: run make first"
for split in train val test2016; do
    [ -f "$data/$split.$pair.tok.tsv" ] || fail "no $data/$split.$pair.tok.tsv; the head of this file says where the data is"
done

# One epoch is about 57 steps: a validation, and a model for the average, each.
resume=
[ -f "$out/model.safetensors" ] && resume=--resume
"$toy" train --config "$here/multi30k.json" --train "$data/train.$pair.tok.tsv" --valid "$data/val.$pair.tok.tsv" \
    --out "$out" $resume "$@"

# Chosen on validation: the mean of the last ten models, a beam of 5, log probability per token.
for model in best average; do
    cut -f1 "$data/val.$pair.tok.tsv" | "$toy" translate --model "$out/$model.safetensors" --beam 5 >"$out/val.$model"
    cut -f2 "$data/val.$pair.tok.tsv" >"$out/val.reference"
    printf '%s, validation: ' "$model"
    "$toy" score --hyp "$out/val.$model" --ref "$out/val.reference" --tok none --lc | head -n 1
done

cut -f2 "$data/test2016.$pair.tok.tsv" >"$out/test2016.reference"
cut -f1 "$data/test2016.$pair.tok.tsv" | "$toy" translate --model "$out/average.safetensors" --beam 5 >"$out/test2016.average"
"$toy" score --hyp "$out/test2016.average" --ref "$out/test2016.reference" --tok none --lc
