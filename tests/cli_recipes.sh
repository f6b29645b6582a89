#!/bin/bash
# The recipes, from files to a score, on a few sentences; and what they say when the data is not there.
. "$(dirname "$0")/cli/lib.sh"
recipes=$OLDPWD/examples/translate_toy/recipes
BIN=$(dirname "$toy")
export BIN

mkdir data
"$toy" corpus --n 200 >data/train.en-fr.tsv
"$toy" corpus --split dev --n 20 | tee data/val.en-fr.tsv data/test.en-fr.tsv >/dev/null
for split in train val; do
    cp "data/$split.en-fr.tsv" "data/$split.en-fr.tok.tsv"
done
small=(--layers 1 --d-model 16 --heads 2 --ffn 32 --bpe 50 --max-tokens 400 --warmup 5 --steps 12 --valid-every 3)

expect 2 'usage: multi30k.sh' "$recipes/multi30k.sh"
expect 2 'no data/train.en-de.tok.tsv' "$recipes/multi30k.sh" data
expect 2 'no data/test2016.en-fr.tok.tsv' "$recipes/multi30k.sh" data en-fr
cp data/test.en-fr.tsv data/test2016.en-fr.tok.tsv
expect 0 'stopped after step 5' env OUT=tiny "$recipes/multi30k.sh" data en-fr "${small[@]}" --stop-after 5
expect 0 'step     12' env OUT=tiny "$recipes/multi30k.sh" data en-fr "${small[@]}"
check 'validation of both models' bash -c "grep -q '^best, validation: BLEU' out && grep -q '^average, validation: BLEU' out"
check 'one line of the test' [ "$(grep -c '^BLEU' out)" = 1 ]
check 'a translation a line' [ "$(wc -l <tiny/test2016.average)" = 20 ]

expect 2 'usage: tatoeba.sh' "$recipes/tatoeba.sh"
expect 2 'no nowhere/train.en-fr.tsv' "$recipes/tatoeba.sh" nowhere
expect 0 'BLEU' env OUT=small "$recipes/tatoeba.sh" data "${small[@]}"
check 'twenty sentences are shown' [ "$(grep -c 'reference: ' out)" = 20 ]
total
