#!/bin/bash
# The command line: every kind of wrong option has exit code 2 and a sentence; help and version go to standard output.
. "$(dirname "$0")/cli/lib.sh"

expect 2 'usage: translate_toy COMMAND' "$toy"
expect 0 'usage: translate_toy COMMAND' "$toy" --help
expect 0 'translate_toy 0.' "$toy" --version
expect 2 'unknown command "trian"; did you mean train?' "$toy" trian
expect 2 'unknown command "xyzzy"' "$toy" xyzzy
for command in demo train translate evaluate score heads inspect ablate corpus; do
    expect 0 "usage: translate_toy $command" "$toy" "$command" --help
    expect 2 'unknown option --frobnicate' "$toy" "$command" --frobnicate
    check "$command --help says nothing on standard error" bash -c "[ -z \"\$('$toy' $command --help 2>&1 >/dev/null)\" ]"
    expect 1 'standard output' bash -c "'$toy' $command --help >/dev/full"
done

# ---- numbers -----------------------------------------------------------------------------------------------------------
for option in steps batch layers heads seed threads; do
    expect 2 "--$option needs a value" "$toy" train "--$option"
    for value in '' ten -1 1.5 1e3 10x 99999999999999999999 nan inf ' 3' 0x10; do
        expect 2 "--$option needs a" "$toy" train "--$option" "$value"
    done
done
for option in lr dropout smoothing clip max-minutes; do
    expect 2 "--$option needs a value" "$toy" train "--$option"
    for value in '' ten -1 1e999 nan inf 0.1x '0.1 ' 0x1p3; do
        expect 2 "--$option needs a" "$toy" train "--$option" "$value"
    done
done
expect 2 '--layers needs a whole number from 1 to 64, not "0"' "$toy" train --layers 0
expect 2 '--dropout needs a number from 0 to 0.99, not "1"' "$toy" train --dropout 1
expect 2 '--batch and --max-tokens cannot both be 0' "$toy" train --batch 0
expect 2 '--metric is loss or bleu, not "blue"; did you mean bleu?' "$toy" train --metric blue

# ---- other mistakes ------------------------------------------------------------------------------------------------------
expect 2 'unknown option --step; did you mean --steps?' "$toy" train --step 10
expect 2 'unknown option -s' "$toy" train -s 10
expect 2 '--steps is given twice' "$toy" train --steps 10 --steps 20
expect 2 '--steps is given twice' "$toy" train --steps=10 --steps 20
expect 2 '--resume takes no value' "$toy" train --resume=yes
expect 2 'takes no operand, got "pairs.tsv"' "$toy" train pairs.tsv
expect 2 '--out needs a value: DIR, not an empty one' "$toy" train --out ''
expect 2 '--d-model 10 is not a multiple of --heads 3' "$toy" train --d-model 10 --heads 3
expect 2 'did you mean cosine?' "$toy" train --schedule cosin
expect 2 '--schedule is cosine, inverse-sqrt or constant' "$toy" train --schedule linear
expect 2 '--data and --train cannot both' "$toy" train --data a --train b --valid c
expect 2 '--train needs --valid' "$toy" train --train a
expect 2 '--valid needs' "$toy" train --valid a
expect 2 '--resume and --force' "$toy" train --resume --force
expect 2 'either --data FILE or --toy' "$toy" evaluate
expect 2 'either --data FILE or --toy' "$toy" evaluate --toy --data x
expect 2 '--split and --n are for --toy' "$toy" evaluate --data x --split dev
expect 2 '--split and --n are for --toy' "$toy" evaluate --data x --n 5
expect 2 'no split "test"' "$toy" evaluate --toy --split test
expect 2 'give one sentence, in quotes' "$toy" heads
expect 2 'give one sentence, in quotes' "$toy" heads the cat
check 'a rejected command line makes no folder' [ ! -e heed-run ]
total
