#!/bin/bash
# What a training run can be asked for: options from a file, batches that add up, an early end, the mean of models.
. "$(dirname "$0")/cli/lib.sh"

"$toy" corpus --n 400 >pairs.tsv || wrong 'no corpus to train on'
train=("$toy" train --data pairs.tsv "${tiny[@]}")

# ---- --config ----------------------------------------------------------------------------------------------------------
expect 0 '"d-model":16' "${train[@]}" --steps 20 --out whole
check 'the folder holds what was printed' bash -c 'grep -qxF -f whole/config.json out'
expect 0 '' "$toy" train --config whole/config.json --out again
check 'the configuration of a run gives the run again' cmp whole/model.safetensors again/model.safetensors
expect 0 '"steps":10,' "$toy" train --config whole/config.json --out shorter --steps 10
echo '{ "steps": 3, "data": "pairs.tsv", "post-norm": true, "lr": 1e-3 }' >own.json
expect 0 '"lr":0.001' "$toy" train --config own.json "${tiny[@]}" --out own
check 'a flag is set' grep -q '"post-norm":true' own/config.json
expect 0 'step      3' "$toy" train --config own.json "${tiny[@]}" --out own --force
for bad in '{"step": 3}=did you mean "steps"?' '{"steps": 3.5}="steps" is 3.5' '{"steps": "3"}="steps" is "3"' \
    '{"lr": 0}="lr" is 0' '{"post-norm": 1}="post-norm" is 1' '{"schedule": "fast"}=--schedule is cosine' \
    '{"steps": 3=own.json:2' '[1]=not a JSON object' '{"resume": true}=no option "resume"' \
    '{"lr": 1e999}=own.json:1' '{"config": "x"}=no option "config"' '{"steps": 3, "steps": 4}=duplicate' '{"data": ""}="data" is ""'; do
    echo "${bad%%=*}" >own.json
    expect 2 "${bad#*=}" "$toy" train --config own.json --out refused
done
expect 1 'nowhere.json' "$toy" train --config nowhere.json --out refused
check 'a refused configuration makes no folder' [ ! -e refused ]

# ---- --accumulate ------------------------------------------------------------------------------------------------------
# All 24 pairs in one batch, or as two batches of 12 or three of 8 in one step: the same sums, but for rounding.
head -n 24 pairs.tsv >few.tsv
for batch in 24 12 8; do
    expect 0 '' "$toy" train --train few.tsv --valid few.tsv --layers 1 --d-model 16 --heads 2 --ffn 32 --warmup 5 \
        --valid-every 10 --dropout 0 --activation-dropout 0 --steps 30 --batch "$batch" --accumulate $((24 / batch)) --out "accumulate$batch"
done
last_loss() { sed -n '$s/.*"valid_loss":\([0-9.]*\).*/\1/p' "$1/log.jsonl"; }
for batch in 12 8; do
    check "24 pairs a step in batches of $batch: the same loss" awk -v a="$(last_loss accumulate24)" \
        -v b="$(last_loss accumulate$batch)" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 1e-6) }'
done
expect 0 '' "${train[@]}" --steps 20 --accumulate 4 --dropout 0.2 --out adds
expect 0 '' "${train[@]}" --steps 20 --accumulate 4 --dropout 0.2 --out adds2 --stop-after 7
expect 0 '' "${train[@]}" --out adds2 --resume --threads 3
check 'resumed while batches add up: the same bits' cmp adds/model.safetensors adds2/model.safetensors

# ---- --max-tokens, --share-embeddings, --metric ------------------------------------------------------------------------
expect 0 'step     20' "$toy" train --data pairs.tsv "${tiny[@]:0:8}" --valid-every 10 --batch 0 --max-tokens 300 --steps 20 --out tokens
expect 0 '' "$toy" train --data pairs.tsv "${tiny[@]:0:8}" --valid-every 10 --batch 0 --max-tokens 300 --steps 20 --out tokens2 --stop-after 13
expect 0 '' "$toy" train --data pairs.tsv --out tokens2 --resume --threads 1
check 'batches by tokens: resumed to the same bits' cmp tokens/model.safetensors tokens2/model.safetensors
expect 0 ', BLEU ' "${train[@]}" --share-embeddings --metric bleu --steps 30 --out shared
check 'one embedding' bash -c '! grep -aq tgt_embed shared/model.safetensors && grep -aq src_embed shared/model.safetensors'
check 'the log has the BLEU' grep -q '"valid_bleu":' shared/log.jsonl
expect 0 'perplexity' "$toy" evaluate --model shared --data pairs.tsv
check 'the best of BLEU is kept' [ -s shared/best.safetensors ]
expect 1 '--share-embeddings differs' "${train[@]}" --share-embeddings --out whole --resume

# ---- --bpe, --spaced, --lower ------------------------------------------------------------------------------------------
# Few enough merges that most words are in pieces; a model that knows two sentences by heart gives them back whole.
printf 'The Weather is lovely today !\tDas Wetter ist heute schön !\nMy weathered house\tMein verwittertes Haus\n' >two.tsv
for i in 1 2 3 4; do cat two.tsv; done >eight.tsv
expect 0 'step    150' "$toy" train --train eight.tsv --valid two.tsv "${tiny[@]:0:8}" --valid-every 150 --steps 150 --lr 0.02 \
    --warmup 10 --bpe 12 --spaced --lower --share-embeddings --dropout 0 --activation-dropout 0 --smoothing 0 --out pieces
expect 0 'das wetter ist heute schön !' "$toy" translate --model pieces 'the WEATHER is lovely today !'
check 'no join marks are left' bash -c '! grep -q @@ out'
expect 0 'exact match     100.00 %' "$toy" evaluate --model pieces --data two.tsv
expect 0 'exact match     100.00 %' "$toy" evaluate --model pieces --data two.tsv --beam 3
expect 0 'does not know 1 of its pieces' "$toy" translate --model pieces 'the weather is lovely 7'
expect 0 '	' "$toy" translate --model pieces --score 'my weathered house	mein verwittertes haus'
expect 0 '' "$toy" train --train eight.tsv --valid two.tsv --resume --out pieces --steps 151
expect 0 'enc.0.0' "$toy" heads --model pieces 'my weathered house'

# Cut anew in each epoch: another model, and the same when resumed in the middle of a later epoch.
dropped=("$toy" train --data pairs.tsv "${tiny[@]:0:8}" --batch 64 --valid-every 10 --steps 30 --bpe 40 --bpe-dropout 0.3)
expect 0 '' "${dropped[@]}" --out dropped
expect 0 '' "${dropped[@]}" --out dropped2 --stop-after 17
expect 0 '' "${dropped[@]}" --out dropped2 --resume --threads 3
check 'subwords dropped: resumed to the same bits' cmp dropped/model.safetensors dropped2/model.safetensors
expect 0 '' "${dropped[@]:0:${#dropped[@]}-2}" --out undropped
check 'each epoch has a validation of its own subwords' bash -c '! cmp -s <(sed -n 1p dropped/log.jsonl) <(sed -n 1p undropped/log.jsonl)'
expect 2 '--bpe-dropout is for --bpe' "${train[@]}" --bpe-dropout 0.1 --out refused
expect 1 'no training pair is left' "${train[@]}" --max-words 1 --out empty

# ---- --patience --------------------------------------------------------------------------------------------------------
expect 0 'no new best since step' "${train[@]}" --steps 100000 --lr 3 --clip 0 --patience 3 --out impatient
stop=$(sed -n 's/.*stopped after step \([0-9]*\): no new best since step \([0-9]*\).*/\1-\2/p' out)
check 'three validations after the best' [ $((stop)) = 30 ]
expect 0 'no new best since step' "${train[@]}" --out impatient --resume
check 'resuming it does nothing more' grep -q "stopped after step ${stop%-*}:" out
expect 0 'go on with --resume' "${train[@]}" --out impatient --resume --patience 0 --stop-after $((${stop%-*} + 15))
check 'without patience it goes on' grep -q "stopped after step $((${stop%-*} + 15)) of" out

# ---- --average ---------------------------------------------------------------------------------------------------------
expect 0 '' "${train[@]}" --steps 45 --average 3 --out mean
for i in 0 1 2; do
    check "model $i of the mean is there" [ -s "mean/average-$i.safetensors" ]
done
check 'no fourth' [ ! -e mean/average-3.safetensors ]
expect 0 'perplexity' "$toy" evaluate --model mean/average.safetensors --data pairs.tsv
check 'the last of them is the last model' bash -c \
    "cmp <('$toy' evaluate --model mean/average-1.safetensors --data pairs.tsv) <('$toy' evaluate --model mean --data pairs.tsv)"
check 'the mean is another model' bash -c "! cmp -s mean/average.safetensors mean/average-1.safetensors"
expect 0 '' "${train[@]}" --steps 45 --average 3 --out mean2 --stop-after 23
expect 0 '' "${train[@]}" --out mean2 --resume
check 'resumed: the same mean' cmp mean/average.safetensors mean2/average.safetensors
check 'resumed: the same model' cmp mean/model.safetensors mean2/model.safetensors
expect 0 '' "${train[@]}" --steps 10 --average 2 --out mean --force
check 'a run that is replaced leaves no old models' [ ! -e mean/average-1.safetensors ]
cp mean/average.safetensors mean/model.safetensors
expect 1 'it may hold weights alone' "${train[@]}" --resume --out mean --steps 20
total
