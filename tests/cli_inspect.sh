#!/bin/bash
# Looking into heads from the command line: what is written, what is refused, words that would break a page, little data.
. "$(dirname "$0")/cli/lib.sh"

"$toy" corpus --n 200 >pairs.tsv || wrong 'no corpus to train on'
small=(--d-model 16 --ffn 32 --batch 16 --warmup 5 --valid-every 10 --steps 30)
"$toy" train --data pairs.tsv "${small[@]}" --layers 1 --heads 1 --snapshots 5 --out one >log 2>&1 || wrong 'no model'
printf 'the cat sleeps .\tle chat dort .\n</script><b>x</b> "quoted" \\ \xe2\x80\xa8 .\tune <!-- \xe2\x80\xae .\n' >hostile.tsv
for i in 1 2 3 4 5 6 7 8; do cat hostile.tsv; done | cat - pairs.tsv >both.tsv
"$toy" train --data both.tsv "${small[@]}" --layers 2 --heads 2 --out two >log 2>&1 || wrong 'no model'

# ---- snapshots
check 'as many snapshots as asked for, from before the first step to the last' bash -c "
    ls one/snapshots | paste -sd' ' |
    grep -qx 'step-000000000.safetensors step-000000001.safetensors.*step-000000030.safetensors'"
check 'five of them' [ "$(ls one/snapshots | wc -l)" = 5 ]
check 'none unless asked for' [ ! -e two/snapshots ]
check 'a snapshot is a model' "$toy" translate --model one/snapshots/step-000000030.safetensors 'the cat sleeps .'
"$toy" train --data pairs.tsv "${small[@]}" --layers 1 --heads 1 --snapshots 3 --out one --force >log 2>&1
check 'those of a run that is replaced are gone' [ "$(ls one/snapshots | wc -l)" = 3 ]

# ---- one layer, one head
expect 0 'heads:' "$toy" inspect --model one --toy --n 12 --shown 3 --out seen
for file in heads.html inspect.json attn.safetensors align.txt attn/probe-0.enc.npy attn/test-pairs-0.cross.npy attn/test-number-3.enc.npy bertviz/probe-0.json probe-0.dec.svg; do
    check "writes $file" [ -s "seen/$file" ]
done
check 'a line of links for each sentence shown' [ "$(wc -l <seen/align.txt)" = 13 ]
check 'links are source-target, from 0' bash -c '! grep -qvE "^([0-9]+-[0-9]+( |$))*$" seen/align.txt'
check 'three heads in order' grep -q '"heads":\["enc.0.0","dec.0.0","cross.0.0"\]' seen/inspect.json
check 'snapshots are followed' grep -q '"snapshots":{"steps":\[0,1,30\]' seen/inspect.json
check 'no place on this machine is told' bash -c "! grep -rqF '$PWD' seen"
expect 0 'heads:' "$toy" inspect --model one --toy --n 12 --shown 3 --threads 1 --out again
check 'the same bytes for any number of threads' diff -r seen again
expect 0 'heads:' "$toy" inspect --model one --toy --n 12 --shown 3 --out seen
check 'and over what is there' diff -r seen again

# rollout by what attention adds
blocks() { grep -o '<script type="text/plain" id="[^"]*">[^<]*' "$1/heads.html"; }
expect 0 'heads:' "$toy" inspect --model one --toy --n 12 --shown 3 --measured-rollout --out measured
check 'how rollout is done is said' grep -q '"rollout":"measured"' measured/inspect.json
check 'and half and half otherwise' grep -q '"rollout":"half"' seen/inspect.json
diff <(blocks seen) <(blocks measured) | sed -n 's/^> .*id="\([a-z]-[^-]*\).*/\1/p' | sort -u >changed
check 'rollout of what is shown is another' grep -qxE 'r-probe' changed
check 'no other block is' bash -c "! grep -qvE '^[rv]-' changed"
check 'nor is any number' diff <(sed 's/"rollout":"[a-z]*"//' seen/inspect.json) <(sed 's/"rollout":"[a-z]*"//' measured/inspect.json)

# the size of the page
expect 0 'MiB, and a browser may be slow' "$toy" inspect --model one --toy --n 12 --shown 3 --page 0.12 --out small
expect 1 ' MiB, more than 0.05; show fewer sentences' "$toy" inspect --model one --toy --n 12 --shown 3 --page 0.01 --out refused
check 'the other files are there' [ -s refused/inspect.json ]
check 'what would not have fitted is told' grep -q 'arrays do not fit into the page' refused/inspect.json
check 'the page is not' [ ! -e refused/heads.html ]
expect 1 'show fewer sentences' "$toy" inspect --model one --toy --n 12 --shown 3 --page 0.01 --out small
check 'nor is one of other numbers left beside them' [ ! -e small/heads.html ]

# what stands between a noun and its verb in English stands there for the French verb
expect 0 'heads:' "$toy" inspect --model one --toy --split test-agree --n 24 --shown 0 --out agreeing
grep -o '{"code":"NUM-LONG","by":"attractors"[^{]*{[^}]*},"free":{[^}]*},"arcs":{[^}]*}' agreeing/inspect.json |
    sed -E 's/.*"bucket":"([^"]*)".*"enc":([0-9]+),"dec":([0-9]+),"cross":([0-9]+).*/\1 \2 \3 \4/' >arcs
check 'a verb with attractors has them in both languages (a row of an unknown word does not count)' awk '
    $4 < $2 || $3 > 0 || ($1 == "0" && $2 + $4 > 0) { bad = 1 } { n += $2 } END { exit bad || n <= 10 }' arcs

# BLEU of the measured sentences, 512 to 523 of dev, is that of score
"$toy" corpus --split dev --from 512 --n 12 >dev.tsv
cut -f1 dev.tsv >dev.en
cut -f2 dev.tsv >dev.fr
"$toy" translate --model one <dev.en >dev.out 2>said
bleu=$(sed -E 's/.*"base":\{[^{]*"bleu":([0-9.]+).*/\1/' seen/inspect.json)
expect 0 "BLEU  $(printf %.2f "$bleu") " "$toy" score --hyp dev.out --ref dev.fr
check 'BLEU falls or rises without a head' grep -qE '"bleu":\{"value":-?[0-9.]+' seen/inspect.json

# ---- other data, and words that would break a page
expect 0 'heads:' "$toy" inspect --model two --data hostile.tsv --out hostile '</script><script>alert(1)</script>' 'the cat'
check 'no word of it is markup' bash -c '! grep -q "[<]" hostile/inspect.json'
check 'words stay as they are' grep -qF 'script>\u003cb>x\u003c/b' hostile/inspect.json
check 'what is not measured is null' grep -q '"pairs":null,"patching":null' hostile/inspect.json
check 'nor is there gold' grep -q '"gold":null' hostile/inspect.json
expect 0 'heads:' "$toy" inspect --model two --out typed 'a'
check 'one sentence is said to be little' grep -q '"code":"few"' typed/inspect.json
: >empty.tsv
expect 1 'no sentence' "$toy" inspect --model two --data empty.tsv --out nothing
check 'nothing is written then' [ ! -e nothing ]
expect 1 'no sentence' "$toy" inspect --model two --out nothing ''
expect 1 'no sentence' "$toy" inspect --model two --out nothing $'\xff\xfe'

# ---- beside other models
expect 0 'Beside 2 other models: 0 of 1 roles' "$toy" inspect --model one --toy --n 12 --shown 3 --with one/snapshots/step-000000001.safetensors,one --out beside
check 'their weights are in the page' [ "$(grep -o 'id="m-probe-0-enc-[12]"' beside/heads.html | sort -u | wc -l)" = 2 ]
check 'the same model is no distance away' bash -c 'grep -oE "\"model\":2,\"name\":\"one\".*\"roles\"" beside/inspect.json | grep -o "\"jsd\":[^,]*" | sort -u | grep -qx "\"jsd\":0.0"'
check 'no place on this machine is told' bash -c "! grep -rqF '$PWD' beside"
expect 0 'heads:' "$toy" inspect --model one --toy --n 12 --shown 3 --with one/snapshots/step-000000001.safetensors,one --threads 1 --out again
check 'the same bytes again' diff -r beside again
"$toy" train --data pairs.tsv "${small[@]}" --layers 2 --heads 1 --out deep >log 2>&1 || wrong 'no model'
expect 1 '"one" and "deep" have different shapes: 1 + 1 layers of 1 heads, 2 + 2 of 1' "$toy" inspect --model one --with one,deep --toy --n 12 --out nothing
expect 1 '"one" and "two" have different source vocabularies' "$toy" inspect --model one --with two --toy --n 12 --out nothing
expect 1 'missing' "$toy" inspect --model one --with one,missing --toy --n 12 --out nothing
expect 1 'inspect.json' "$toy" inspect --model one --with seen/inspect.json --toy --n 12 --out nothing
expect 2 'names no model' "$toy" inspect --model one --with , --toy --n 12 --out nothing
expect 2 '--with needs a value' "$toy" inspect --model one --with '' --toy
check 'nothing is written then' [ ! -e nothing ]

# ---- refused
expect 2 'give --toy, --data FILE or sentences' "$toy" inspect --model two
expect 2 'cannot both' "$toy" inspect --model two --toy --data hostile.tsv
expect 2 '--split is for --toy' "$toy" inspect --model two --split dev 'a'
expect 2 'no split "tset"' "$toy" inspect --model two --toy --split tset
expect 2 '--n' "$toy" inspect --model two --toy --n 0
expect 1 'missing' "$toy" inspect --model missing --toy
expect 1 'inspect.json' "$toy" inspect --model inspect.json --toy
: >file
expect 1 'file' "$toy" inspect --model two --out file 'a'
expect 1 'no/such' "$toy" inspect --model two --out no/such/folder 'a'
expect 1 'standard output' bash -c "'$toy' inspect --model two --out full 'a' >/dev/full"
mkdir blocked && : >blocked/attn
expect 1 'blocked/attn' "$toy" inspect --model two --out blocked 'a'
cp -r two torn && mkdir torn/snapshots && echo no >torn/snapshots/step-000000001.safetensors
expect 1 'step-000000001' "$toy" inspect --model torn --out torn.seen 'a'
expect 1 'torn.limit' bash -c "ulimit -f 40; trap '' XFSZ; '$toy' inspect --model two --toy --n 10 --out torn.limit"
check 'a failed write leaves no half file' bash -c '! ls -A torn.limit | grep -q tmp'

# ---- ablate
expect 0 'differs' "$toy" ablate --model two --heads enc.0.1,cross.1.0 'the cat sleeps .' 'the dog'
check 'two sentences, five lines each and one between' [ "$(wc -l <out)" = 11 ]
cp out first
expect 0 'without' "$toy" ablate --model two --heads cross.1.0,enc.0.1 'the cat sleeps .' 'the dog'
check 'in any order of heads' cmp out first
expect 0 'without' "$toy" ablate --model two --heads enc.0.0 --how uniform 'the cat sleeps .'
expect 2 'there is no head "enc.0.2"' "$toy" ablate --model two --heads enc.0.2 'a'
expect 2 'there is no head "enc.0.0x"' "$toy" ablate --model two --heads enc.0.0x 'a'
expect 2 'there is no head "cross"' "$toy" ablate --model two --heads dec.0.0,cross 'a'
expect 2 'names none' "$toy" ablate --model two --heads ,, 'a'
expect 2 'give --heads' "$toy" ablate --model two 'a'
expect 2 'give --heads' "$toy" ablate --model two --heads enc.0.0
expect 2 '--how' "$toy" ablate --model two --heads enc.0.0 --how half 'a'
expect 1 'the sentence is empty' "$toy" ablate --model two --heads enc.0.0 ''
expect 1 'UTF-8' "$toy" ablate --model two --heads enc.0.0 $'\xff'
expect 1 'standard output' bash -c "'$toy' ablate --model two --heads enc.0.0 'a' >/dev/full"
total
