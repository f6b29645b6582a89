#!/bin/bash
# The corpus command: lines, ranges, seeds, JSON, statistics, mistakes, lost output.
. "$(dirname "$0")/cli/lib.sh"

for split in train dev test-iid test-comb test-struct test-len test-agree test-sense test-pairs test-number probe; do
    "$toy" corpus --split $split --n 6 >out
    check "$split: six lines of two columns" [ "$(awk -F'\t' 'NF == 2 && $1 != "" && $2 != ""' out | wc -l)" = 6 ]
    "$toy" corpus --split $split --from 2 --n 3 >part
    check "$split: a part is a part" cmp part <(sed -n 3,5p out)
    "$toy" corpus --split $split --n 6 --gold >gold
    check "$split: an object a line" [ "$(grep -c "^{\"id\":\"$split-[0-5]\",.*\"features\":{.*}\$" gold)" = 6 ]
done
"$toy" corpus --split probe >whole
check 'the whole split' [ "$(wc -l <whole)" = 24 ]
"$toy" corpus --split probe --seed 5 >again
check 'the probe is the same for every seed' cmp again whole
check 'another seed is another corpus' bash -c "! cmp -s <('$toy' corpus --n 9) <('$toy' corpus --n 9 --seed 2)"
check 'more than there is: to the end' [ "$("$toy" corpus --split dev --from 1998 --n 50 | wc -l)" = 2 ]
check 'none' [ "$("$toy" corpus --n 0 | wc -l)" = 0 ]
expect 0 'sentences 50, repeated 0' "$toy" corpus --n 50 --stats

expect 2 'there is no split "tset-len"; did you mean test-len?' "$toy" corpus --split tset-len
expect 2 'there is no split "xyzzy"' "$toy" corpus --split xyzzy
expect 2 'split dev has 2000 sentences' "$toy" corpus --split dev --from 2001
expect 2 'not both' "$toy" corpus --gold --stats
for option in '' --gold --stats; do
    expect 1 'standard output' bash -c "'$toy' corpus --n 50 $option >/dev/full"
    expect 1 'standard output' bash -c "'$toy' corpus --n 50 $option >&-"
done
expect 1 'standard output' bash -c "set -o pipefail; '$toy' corpus | head -1"
total
