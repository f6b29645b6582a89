#!/bin/sh
# Scores a model on every split of the toy language, and prints a Markdown table of whole sentences and one of what gets
# harder: a subject's number and gender across attractors, and the meaning of a word by how far its cue is.
#
#     examples/translate_toy/recipes/toy_splits.sh MODEL [SPLIT ...]
#
# It runs build/translate_toy, or that in $BIN. The full tables stay in MODEL.splits/SPLIT.txt.
set -eu
toy=${BIN:-$(dirname "$0")/../../../build}/translate_toy
[ -x "$toy" ] || { echo "toy_splits.sh: no $toy: run make first" >&2; exit 2; }
[ $# -ge 1 ] || { echo "usage: toy_splits.sh MODEL [SPLIT ...]" >&2; exit 2; }
model=$1
shift
[ $# -gt 0 ] || set -- dev test-iid test-comb test-struct test-len test-agree test-sense test-pairs test-number
mkdir -p "$model.splits"

printf '| split | sentences | exact match, %% | 95 %% interval |\n|---|---|---|---|\n'
for split; do
    table=$model.splits/$split.txt
    "$toy" evaluate --model "$model" --toy --split "$split" >"$table"
    awk -v split_name="$split" '
        $1 == "sentences" { n = $2 }
        /^exact match/ { printf "| %s | %d | %.1f | %.1f to %.1f |\n", split_name, n, $3, $(NF - 3), $(NF - 1) }' "$table"
done

# Rows of the second table of evaluate: phenomenon and kind stand in the first row of theirs only.
printf '\n| split | phenomenon | by | | n | forced choice, %% | free decoding, %% |\n|---|---|---|---|---|---|---|\n'
for split; do
    awk -v split_name="$split" '
        /^phenomenon +by/ { buckets = 1; next }
        !buckets || !NF || /^pairs/ { next }
        {
            if ($1 ~ /^[A-Z]/) { phenomenon = $1; rest = 2 } else rest = 1
            if ($rest ~ /^(attractors|distance|cue|cue_side|cue side)$/) kind = $rest
            line = $0
            sub(/^[A-Z-]* */, "", line); sub(/^(attractors|distance|cue_side|cue) +/, "", line)
            gsub(/\[ */, "[", line); gsub(/, +/, ",", line)
            split(line, f, " ")
            wanted = (phenomenon ~ /LONG/ && kind == "attractors") || (phenomenon == "HOMONYM" && kind == "distance")
            if (wanted) printf "| %s | %s | %s | %s | %s | %s | %s |\n", split_name, phenomenon, kind, f[1], f[2], f[3], f[5]
        }' "$model.splits/$split.txt"
done
