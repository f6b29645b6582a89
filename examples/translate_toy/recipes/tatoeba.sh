#!/bin/sh
# Short everyday sentences, English to French, from raw text: cased, with punctuation.
#
#     examples/translate_toy/recipes/tatoeba.sh DATA_DIR [train options ...]
#
# Data: train.en-fr.tsv, val.en-fr.tsv and test.en-fr.tsv in DATA_DIR, `English TAB French` a line, for example of the
# sentence pairs of tatoeba.org (Creative Commons Attribution 2.0 France; the collections of manythings.org/anki are cut
# from it). No sentence of one file should be in another.
#
# The run is in $OUT (default run-tatoeba); the same command goes on with one that was stopped.
set -eu
here=$(dirname "$0")
toy=${BIN:-$here/../../../build}/translate_toy
data=${1:-}
[ $# -eq 0 ] || shift
out=${OUT:-run-tatoeba}

fail() { echo "tatoeba.sh: $*" >&2; exit 2; }
[ -n "$data" ] || fail 'usage: tatoeba.sh DATA_DIR [train options ...]'
[ -x "$toy" ] || fail "no $toy: run make first"
for split in train val test; do
    [ -f "$data/$split.en-fr.tsv" ] || fail "no $data/$split.en-fr.tsv; the head of this file says where the data is"
done

resume=
[ -f "$out/model.safetensors" ] && resume=--resume
"$toy" train --config "$here/tatoeba.json" --train "$data/train.en-fr.tsv" --valid "$data/val.en-fr.tsv" --out "$out" \
    $resume "$@"

cut -f2 "$data/test.en-fr.tsv" >"$out/test.reference"
cut -f1 "$data/test.en-fr.tsv" | "$toy" translate --model "$out/average.safetensors" --beam 5 >"$out/test.average"
paste "$out/test.average" "$data/test.en-fr.tsv" | head -n 20 |
    awk -F'\t' '{ printf "%s\n    %s\n    reference: %s\n", $2, $1, $3 }'
"$toy" score --hyp "$out/test.average" --ref "$out/test.reference"
