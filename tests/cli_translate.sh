#!/bin/bash
# Ways to look for a translation: greedily, with a beam, the n best, and the score of one that is given.
. "$(dirname "$0")/cli/lib.sh"

"$toy" corpus --n 300 >pairs.tsv || wrong 'no corpus to train on'
"$toy" train --train pairs.tsv --valid pairs.tsv --layers 1 --d-model 32 --heads 2 --ffn 64 --steps 300 --lr 0.01 \
    --warmup 20 --valid-every 300 --out model >log 2>&1 || wrong 'no model'
cut -f1 pairs.tsv | head -n 60 >english
translate=("$toy" translate --model model)

"${translate[@]}" <english >greedy
"${translate[@]}" --beam 1 --length-penalty 0 <english >beam1
check 'a beam of 1 without a penalty is greedy search' cmp greedy beam1
for threads in 1 3; do
    "${translate[@]}" --beam 4 --threads $threads <english >"beam4.$threads"
done
check 'a beam: the same for any number of threads' cmp beam4.1 beam4.3
check 'a line for each sentence' [ "$(wc -l <beam4.1)" = 60 ]
check 'a beam finds other translations' bash -c '! cmp -s greedy beam4.1'

"${translate[@]}" --beam 4 --n-best 3 --length-penalty 1 <english >best3
check 'three of each, best first' awk -F'\t' '
    $1 != line { if (NR > 1 && count != 3) exit 1; line = $1; count = 0; last = 1e9; lines++ }
    { count++; if ($2 > last) exit 1; last = $2 }
    END { exit !(lines == 60 && count == 3) }' best3
check 'the first of them is the translation' bash -c "cmp beam4.1 <(awk -F'\t' '\$1 != line { print \$3; line = \$1 }' best3)"

# The score of a translation is log p / tokens; --score says both when it is given the words again.
awk -F'\t' 'NR == FNR { english[NR] = $0; next } { print english[$1] "\t" $3 }' english best3 >given
"${translate[@]}" --score <given >scores
check 'a given translation scores what the search said, unless it was cut off' bash -c "
    paste given <(cut -f2 best3) scores | awk -F'\t' '
    split(\$2, t, \" \") >= 2 * split(\$1, s, \" \") + 10 { next }
    { d = \$3 - \$4 / \$5; if (d * d > 1e-8 || \$3 > 0) exit 1; seen++ } END { exit seen < 150 }'"
check 'tokens are words and the end' bash -c "paste <(cut -f3 best3) scores | awk -F'\t' '
    { if (split(\$1, words, \" \") + 1 != \$3) exit 1 }'"
# The beam's best is at least as probable a token as the greedy translation, summed over all.
paste english greedy | "${translate[@]}" --score >greedy.scores
check 'the beam gains' bash -c "paste greedy.scores <(awk -F'\t' '\$1 != line { print \$2; line = \$1 }' best3) |
    awk '{ gain += \$3 - \$1 / \$2 } END { exit !(gain > 0) }'"

expect 0 'no tab' "${translate[@]}" --score 'no translation here'
check 'such a line stays empty' grep -qx '' out
expect 0 '	2' "${translate[@]}" --score "the cat sleeps .	."
expect 0 'does not know "zebra"' "${translate[@]}" --score "the cat	zebra"
expect 2 '--n-best 3 needs a --beam' "${translate[@]}" --n-best 3 'the cat'
expect 2 '--n-best 3 needs a --beam' "${translate[@]}" --n-best 3 --beam 2 'the cat'
expect 2 'leave --beam and --n-best out' "${translate[@]}" --score --beam 2 'the cat	le chat'
expect 2 '--beam needs a whole number' "${translate[@]}" --beam -1 'the cat'
expect 2 '--length-penalty needs a number' "${translate[@]}" --beam 2 --length-penalty -1 'the cat'
expect 0 '' "${translate[@]}" --beam 1000 'the cat'
expect 0 'exact match' "$toy" evaluate --model model --data pairs.tsv --beam 3
total
