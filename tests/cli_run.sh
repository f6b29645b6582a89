#!/bin/bash
# A run from the outside: stopping, resuming, folders that refuse, pipes that close, and what is left afterwards.
. "$(dirname "$0")/cli/lib.sh"

"$toy" corpus --n 400 >pairs.tsv || wrong 'no corpus to train on'
train=("$toy" train --data pairs.tsv "${tiny[@]}")
loads() { expect 0 'perplexity' "$toy" evaluate --model "$1" --data pairs.tsv; }

# ---- files, and the same bits however a run went -----------------------------------------------------------------------
expect 0 'step     40' "${train[@]}" --steps 40 --out whole
for file in model.safetensors best.safetensors log.jsonl loss.svg; do
    check "the run wrote $file" [ -s "whole/$file" ]
done
check 'no temporary file is left' bash -c '! ls -A whole | grep -q tmp'
loads whole
for threads in 1 2 3 4; do
    expect 0 '' "${train[@]}" --steps 40 --out "threads$threads" --threads "$threads"
    check "the same bits with $threads threads" cmp whole/model.safetensors "threads$threads/model.safetensors"
done
for stop in 1 9 10 11 39; do # before, at and after a validation
    expect 0 'go on with --resume' "${train[@]}" --steps 40 --out "stop$stop" --stop-after "$stop"
    expect 0 '' "${train[@]}" --out "stop$stop" --resume --threads $((stop % 3 + 1))
    check "resumed after step $stop: the same bits" cmp whole/model.safetensors "stop$stop/model.safetensors"
    check "resumed after step $stop: the same best" cmp whole/best.safetensors "stop$stop/best.safetensors"
    check "resumed after step $stop: as many log lines" \
        bash -c "[ \$(grep -c valid_loss whole/log.jsonl) = \$(grep -c valid_loss stop$stop/log.jsonl) ]"
done

# ---- signals ---------------------------------------------------------------------------------------------------------------
for signal in INT TERM; do
    code=130
    [ "$signal" = TERM ] && code=143
    "${train[@]}" --steps 100000 --out "sig$signal" >out 2>&1 &
    pid=$!
    for _ in $(seq 100); do grep -q 'step ' out && break; sleep 0.1; done
    sleep 0.3
    kill -s "$signal" $pid
    wait $pid
    got=$?
    check "SIG$signal: exit $code, not $got" [ $got = "$code" ]
    check "SIG$signal says what it does" grep -q 'finishing the step and saving' out
    check "SIG$signal says how to go on" grep -q -- --resume out
    loads "sig$signal"
done
"${train[@]}" --steps 100000 --out killed >out 2>&1 &
pid=$!
for _ in $(seq 100); do grep -q 'step ' out && break; sleep 0.1; done
expect 1 'another run is training in it' "${train[@]}" --steps 5 --out killed --force
kill -KILL $pid
wait $pid 2>/dev/null
loads killed
expect 0 '--resume' "${train[@]}" --steps 100000 --out killed --resume --max-minutes 0.001
expect 0 'stopped after step' "${train[@]}" --steps 100000 --out minutes --max-minutes 0.001

expect 0 'all 40 steps are done' "${train[@]}" --out whole --resume
check 'nothing was changed by it' cmp whole/model.safetensors threads1/model.safetensors
expect 0 'worse than guessing' "${train[@]}" --steps 30 --out astray --lr 30 --clip 0
check 'a sane run does not say so' bash -c "! '${train[0]}' ${train[*]:1} --steps 30 --out sane 2>&1 | grep -q guessing"

# ---- what a second start may and may not do --------------------------------------------------------------------------------
expect 1 'there is a run in "whole"' "${train[@]}" --out whole
expect 1 'there is no run in "nothing"' "${train[@]}" --out nothing --resume
expect 1 '--heads differs from the run' "$toy" train --data pairs.tsv --heads 1 --out whole --resume
"$toy" corpus --n 300 --seed 9 >others.tsv
expect 1 'on other pairs' "$toy" train --data others.tsv --out whole --resume
check 'the refused runs changed nothing' cmp whole/model.safetensors threads1/model.safetensors
expect 1 'has done 40 steps already' "${train[@]}" --out whole --resume --steps 5
expect 0 'stopped after step 40' "${train[@]}" --out whole --resume --steps 60 --stop-after 3
expect 0 '' "${train[@]}" --out whole --force --stop-after 2
check 'a run started anew keeps no best model of another' [ ! -e whole/best.safetensors ]
check '--resume makes no folder' [ ! -e nothing ]

# ---- folders and pipes -----------------------------------------------------------------------------------------------------
touch file
expect 1 'there is a file of that name' "${train[@]}" --out file
expect 1 'Not a directory' "${train[@]}" --out file/below
if [ "$(id -u)" != 0 ]; then
    mkdir readonly && chmod a-w readonly
    expect 1 'cannot write' "${train[@]}" --out readonly
fi
expect 1 'folder "/proc/none"' "${train[@]}" --out /proc/none
(ulimit -f 20; trap '' XFSZ; "${train[@]}" --out small --steps 5 >out 2>&1) # no room for a model
check 'a full disk is told before the first step' bash -c '! grep -q "^step" out && grep -q "small/model.safetensors" out'
check 'and leaves no broken model' bash -c '! [ -e small/model.safetensors ]'
"${train[@]}" --steps 30 --out piped 2>err | head -1 >/dev/null
check 'a closed pipe does not stop a run' grep -q '"step":30' piped/log.jsonl
loads piped
expect 0 '' bash -c "'$toy' train --data pairs.tsv ${tiny[*]} --steps 3 --out closed >&-"
check 'and writes none of its lines into its files' bash -c '! grep -q "^step" closed/log.jsonl'
expect 1 'standard output' bash -c "'$toy' translate --model threads1 'the cat sleeps .' >/dev/full"
expect 1 'standard output' bash -c "'$toy' evaluate --model threads1 --data pairs.tsv >/dev/full"
total
