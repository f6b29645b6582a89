#!/bin/bash
# evaluate --toy from the outside: the table and the JSON of a small model, for every split.
. "$(dirname "$0")/cli/lib.sh"
root=$OLDPWD

"$toy" corpus --n 400 >pairs.tsv || wrong 'no corpus to train on'
"$toy" train --data pairs.tsv "${tiny[@]}" --steps 40 --out model >out 2>&1 || wrong 'no model'
evaluate=("$toy" evaluate --model model --toy)

counts() { # phenomenon and number of decisions, from a table in file $1 that starts with the line $2
    awk -v start="^$2" '$0 ~ start { on = 1; next } !NF { on = 0 } on && $2 > 0 { print $1, $2 }' "$1"
}

for split in dev test-iid test-comb test-struct test-len test-agree test-sense test-pairs test-number; do
    expect 0 'exact match' "${evaluate[@]}" --split $split --n 50
    check "$split: the table has at most 100 columns" bash -c '! grep -qE ".{101}" out'
    check "$split: no blanks at line ends, no nan" bash -c '! grep -qiE " $|nan|inf\b" out'
    "$toy" corpus --split $split --n 50 --stats >stats
    check "$split: as many decisions as the corpus has" cmp <(counts out 'phenomenon  *n ') <(counts stats 'phenomenon,')
    check "$split: there are some" [ "$(counts out 'phenomenon  *n ' | wc -l)" -gt 10 ]
done

# ---- buckets ---------------------------------------------------------------------------------------------------------------
expect 0 'cue_side' "${evaluate[@]}" --split test-sense --n 60
sum() { # of n over the buckets of $2 by $3, in file $1
    awk -v name="$2" -v kind="$3" '
        /^phenomenon +by/ { on = 1; next }
        on && /^[A-Z]/ { now = $1 }
        on && substr($0, 14, 10) ~ /[a-z]/ { by = substr($0, 14, 10); gsub(/ /, "", by) }
        on && now == name && by == kind { n += substr($0, 36, 8) }
        END { print n + 0 }' "$1"
}
homonyms=$(counts out 'phenomenon  *n ' | awk '$1 == "HOMONYM" { print $2 }')
for kind in distance cue_side cue; do
    check "every homonym has a bucket by $kind" [ "$(sum out HOMONYM $kind)" = "$homonyms" ]
done
expect 0 'both right        20' "${evaluate[@]}" --split test-pairs --n 41
expect 0 'both right        20' "${evaluate[@]}" --split test-number --n 41
expect 0 'attractors' "${evaluate[@]}" --split test-agree --n 50
check 'no pairs in other splits' bash -c '! grep -q "both right" out'

# ---- JSON ------------------------------------------------------------------------------------------------------------------
for threads in 1 3; do
    "${evaluate[@]}" --split test-pairs --n 60 --json --threads $threads >json$threads || wrong "JSON with $threads threads"
    "${evaluate[@]}" --split test-pairs --n 60 --threads $threads >table$threads || wrong "table with $threads threads"
done
check 'the same JSON for any number of threads' cmp json1 json3
check 'the same table' cmp table1 table3
check 'one line' [ "$(wc -l <json1)" = 1 ]
for key in sentences tokens loss perplexity token_accuracy exact_match exact_interval split phenomena pairs; do
    check "key $key" grep -q "\"$key\": " json1
done
check 'a phenomenon' grep -qE '"NUM-SV": \{"n": [0-9]+, "forced_choice": [0-9.]+, "forced_choice_interval": \[' json1
expect 0 '"exact_interval"' "$toy" evaluate --model model --data pairs.tsv --json
check 'no phenomena of a file' bash -c '! grep -qE "phenomena|split" out'
expect 1 'standard output' bash -c "'$toy' evaluate --model model --toy --n 5 --json >/dev/full"

# ---- a model with other words ------------------------------------------------------------------------------------------------
printf 'the cat\tle chat\na dog\tun chien\n' >other.tsv
"$toy" train --data other.tsv --valid other.tsv "${tiny[@]}" --steps 2 --out other >out 2>&1 || wrong 'no other model'
expect 0 'GEN-DET' "$toy" evaluate --model other --toy --n 30
check 'no margin where it knows no form' grep -qE '^GEN-ADJ .* - ' out
expect 0 '"margin": null' "$toy" evaluate --model other --toy --n 30 --json
expect 0 'exact match' "$toy" evaluate --model other --toy --n 1
# ---- the recipe that scores splits -------------------------------------------------------------------------------------
recipe=(env BIN="$(dirname "$toy")" "$root/examples/translate_toy/recipes/toy_splits.sh")
expect 0 '| probe | 24 | ' "${recipe[@]}" model probe
check 'the full table stays' grep -q 'forced choice' model.splits/probe.txt
expect 2 'usage: toy_splits.sh' "${recipe[@]}"
expect 1 'nowhere' "${recipe[@]}" nowhere probe
total
