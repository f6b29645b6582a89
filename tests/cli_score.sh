#!/bin/bash
# translate_toy score: sacrebleu's numbers on the files of tests/scores, and clear words for files that cannot be scored.
cases=$(cd "$(dirname "$0")/scores" && pwd)
. "$(dirname "$0")/cli/lib.sh"

column() { # column CASE NAME: the number in expected.tsv
    grep -v '^#' "$cases/expected.tsv" | awk -F'\t' -v row="$1" -v name="$2" \
        'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } $1 == row { print $at[name] }'
}
close() { # close KEY WANT: the JSON in `out` is one line and has this number, to 1e-6
    [ "$(wc -l <out)" = 1 ] && sed -nE "s/.*\"$1\": ([0-9.e-]+).*/\1/p" out |
        awk -v want="$2" '{ d = $1 - want } END { exit !(NR == 1 && d < 1e-6 && d > -1e-6) }'
}
for hyp in "$cases"/*.hyp; do
    case=$(basename "$hyp" .hyp)
    files=(--hyp "$hyp" --ref "$cases/$case.ref" --json)
    expect 0 '"bleu_signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:' "$toy" score "${files[@]}"
    check "$case: BLEU" close bleu "$(column "$case" bleu_13a)"
    check "$case: chrF" close chrf "$(column "$case" chrf2)"
    expect 0 'case:lc|eff:no|tok:none' "$toy" score "${files[@]}" --tok none --lc
    check "$case: BLEU of words, lower case" close bleu "$(column "$case" bleu_none_lc)"
done
expect 0 'BLEU  36.72  nrefs:1|case:mixed|eff:no|tok:13a' "$toy" score --hyp "$cases/multi_sentence.hyp" \
    --ref "$cases/multi_sentence.ref"
check 'chrF below' grep -q 'chrF2 62.07  nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no' out
check 'what it is made of' grep -q '84.0/59.1/31.6/18.8 (BP = 0.887 ratio = 0.893 hyp_len = 25 ref_len = 28)' out

# ---- files ---------------------------------------------------------------------------------------------------------------
printf 'a b\nc d\n' >two
printf 'a b\nc d' >open_end
printf '\xEF\xBB\xBFa b\r\nc d\r\n' >dos
printf 'a b\n' >one
printf 'a b\nc \xC3\n' >bad
printf 'a b\n\0\n' >nul
: >empty
printf '\n\n' >blank
gzip -c two >two.gz
mkfifo fifo
for file in two open_end dos; do
    expect 0 '"chrf": 100' "$toy" score --hyp two --ref "$file" --json
done
expect 0 '"bleu": 0' "$toy" score --hyp blank --ref two --json
expect 1 'one has 1 lines and two has 2; they must match line by line' "$toy" score --hyp one --ref two
expect 1 'two has 2 lines and empty has 0' "$toy" score --hyp two --ref empty
expect 1 'nothing to score' "$toy" score --hyp empty --ref empty
expect 1 '"bad", line 2: not valid UTF-8' "$toy" score --hyp two --ref bad
expect 1 '"bad", line 2: not valid UTF-8' "$toy" score --hyp bad --ref one
expect 1 '"nul", line 2: a NUL byte' "$toy" score --hyp nul --ref two
expect 1 'missing' "$toy" score --hyp missing --ref two
expect 1 'missing' "$toy" score --hyp two --ref missing
expect 1 'gunzip' "$toy" score --hyp two.gz --ref two
for odd in . fifo /dev/zero; do
    expect 1 "$odd" "$toy" score --hyp two --ref "$odd"
done

# ---- options -------------------------------------------------------------------------------------------------------------
expect 2 'give --hyp FILE and --ref FILE' "$toy" score
expect 2 'give --hyp FILE and --ref FILE' "$toy" score --hyp two
expect 2 '--tok is 13a or none, not "intl"' "$toy" score --hyp two --ref two --tok intl
expect 2 '--hyp is given twice' "$toy" score --hyp two --hyp two --ref two
expect 2 'takes no operand' "$toy" score two two
expect 1 'standard output' bash -c "'$toy' score --hyp two --ref two >/dev/full"
expect 1 'standard output' bash -c "'$toy' score --hyp two --ref two --json >/dev/full"
total
