#!/bin/bash
# Data as people have it: which lines are taken, named, counted or refused, and what translate does with odd input.
. "$(dirname "$0")/cli/lib.sh"

"$toy" corpus --n 200 >good.tsv || wrong 'no corpus'
# line NUMBER REASON BYTES...: good.tsv with these bytes as line NUMBER: named, counted, skipped; refused with --strict
line() {
    { head -n $(($1 - 1)) good.tsv; printf "$3"; tail -n +"$1" good.tsv; } >bad.tsv
    expect 0 "bad.tsv:$1: skipped: $2" run_train bad.tsv
    check "and 200 pairs are trained on: $2" grep -q 'bad.tsv: 200 pairs' out
    check "and counted: $2" grep -q "1 of 201 lines skipped: $2" out
    expect 1 "$1" run_train bad.tsv --strict
    check "and --strict names the reason: $2" grep -qF "$2" out
}
cat >run_train <<END
#!/bin/bash
file=\$1; shift
exec '$toy' train --data "\$file" --valid good.tsv ${tiny[*]} --steps 1 --out "run\$\$" "\$@"
END
chmod +x run_train
PATH=$PWD:$PATH

# ---- one bad line among good ones ------------------------------------------------------------------------------------------
line 7 'not exactly two columns' 'only one column\n'
line 1 'not exactly two columns' 'a\tb\tc\n'
line 201 'an empty side' '\tla clé .\n'
line 20 'an empty side' 'the key .\t\n'
line 3 'an empty side' '\n'
line 4 'an empty side' '  \t \n'
line 5 'not valid UTF-8' 'the k\xC0\x80 .\tla .\n'
line 6 'not valid UTF-8' 'the \xED\xA0\x80 .\tla .\n'
line 8 'not valid UTF-8' 'the \xF5\x80\x80\x80 .\tla .\n'
line 9 'not valid UTF-8' 'the \xC3\tla .\n'
line 10 'a NUL byte' 'the \x00 .\tla .\n'

# ---- files that are fine ---------------------------------------------------------------------------------------------------
taken() { # taken COUNT: data.tsv gives so many pairs and nothing is said about bad lines
    expect 0 "data.tsv: $1 pairs" run_train data.tsv
    check "no line of it is skipped" bash -c '! grep -q skipped out'
}
sed 's/$/\r/' good.tsv >data.tsv && taken 200
printf '\xEF\xBB\xBF' | cat - good.tsv >data.tsv && taken 200
head -c -1 good.tsv >data.tsv && taken 200
{ cat good.tsv good.tsv; } >data.tsv && taken 400
{ cat good.tsv; printf 'a\xE2\x80\xA8b\tc\xC2\x85d\n<pad> <eos> <unk>\t<bos> <s>\n\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D\t\xF0\x9F\x90\xB1 e\xCC\x81\n\x1A\t\x1A\n'; } >data.tsv
taken 204
{ cat good.tsv; printf 'a\rb\tc\rd\n'; } >data.tsv && taken 201
{ cat good.tsv; for _ in $(seq 70); do printf 'word '; done; printf '\tmot\n'; } >data.tsv
expect 0 '1 training and 0 validation pairs have more than 60 words' run_train data.tsv
{ cat good.tsv; head -c 10000000 /dev/zero | tr '\0' a; printf '\tb\n'; } >data.tsv
expect 0 'data.tsv:201: skipped' run_train data.tsv

# ---- files that are not ----------------------------------------------------------------------------------------------------
: >data.tsv
expect 1 'no sentence pair' run_train data.tsv
printf '\n' >data.tsv
expect 1 'no sentence pair' run_train data.tsv
expect 1 'missing.tsv' run_train missing.tsv
mkdir folder && expect 1 'folder' run_train folder
mkfifo fifo && expect 1 'fifo' run_train fifo
expect 1 '/dev/zero' run_train /dev/zero
gzip -c good.tsv >data.tsv && expect 1 'gzip' run_train data.tsv
check 'refused data make no model' bash -c '! ls -d run*/ 2>/dev/null | while read -r d; do [ -s "$d/model.safetensors" ] || echo; done | grep -q x'

# ---- translate -------------------------------------------------------------------------------------------------------------
"$toy" train --data good.tsv --valid good.tsv "${tiny[@]}" --steps 5 --out model >out 2>&1 || wrong 'no model'
lines() { printf "$1" | "$toy" translate --model model 2>err | wc -l; }
for input in 'the cat sleeps .\n' '\n' '\n\n\n' 'the cat .\n\nthe key .\n' 'the cat .' 'the \xC0\x80 .\nthe key .\n' \
    'the\x00cat\n' '<pad> <eos>\n' '\xF0\x9F\x90\xB1\r\n' '\xE2\x80\xA8\n'; do
    want=$(printf "$input" | awk 'END { print NR }')
    check "as many lines out as in: $input" [ "$(lines "$input")" = "$want" ]
done
check 'no line in, no line out' [ "$(lines '')" = 0 ]
printf 'the cat .\nthe \xC0\x80 .\n' | "$toy" translate --model model >out 2>&1
check 'a bad line is named' grep -q 'line 2: not valid UTF-8' out
expect 0 'does not know "zebra"' "$toy" translate --model model 'the zebra sleeps .'
expect 0 'line 2: the model does not know "xyzzy"' "$toy" translate --model model 'the cat .' 'xyzzy .'
for n in $(seq 1100); do echo "the cat $n ."; done >many
check 'a thousand lines' [ "$("$toy" translate --model model <many 2>/dev/null | wc -l)" = 1100 ]
head -n 40 good.tsv | cut -f1 >few
check 'a line alone is a line among many' \
    cmp <("$toy" translate --model model <few) <(while read -r s; do "$toy" translate --model model "$s" </dev/null; done <few)
check 'the same for any number of threads' \
    cmp <("$toy" translate --model model --threads 1 <few) <("$toy" translate --model model --threads 3 <few)

# ---- models that are none --------------------------------------------------------------------------------------------------
expect 1 'nothing' "$toy" translate --model nothing hello
expect 1 'good.tsv' "$toy" translate --model good.tsv hello
head -c 3000 model/model.safetensors >cut.safetensors
expect 1 'cut.safetensors' "$toy" translate --model cut.safetensors hello
printf '\x02\0\0\0\0\0\0\0{}' >empty.safetensors
expect 1 'is it a translate_toy model?' "$toy" translate --model empty.safetensors hello
sed 's/\\"heads\\":2/\\"heads\\":3/' model/model.safetensors >changed.safetensors
expect 1 'heads' "$toy" translate --model changed.safetensors hello
sed 's/\\"layers\\":1/\\"layers\\":2/' model/model.safetensors >changed.safetensors
expect 1 'changed.safetensors' "$toy" translate --model changed.safetensors hello

sed 's/\\"d-model\\":16/\\"d-model\\":96/' model/model.safetensors >changed.safetensors
expect 1 'its configuration says [226, 96]' "$toy" translate --model changed.safetensors hello
sed 's/\\"cosine\\"/\\"linear\\"/' model/model.safetensors >changed.safetensors
expect 1 '"schedule" is missing or out of range' "$toy" translate --model changed.safetensors hello

# An option that is younger than a file has its default there; any other must be in it.
without() { perl -pe "s/(\\\\\"$1\\\\\":[0-9.]+,)/\" \" x length \$1/e" model/model.safetensors >changed.safetensors; }
without bpe-dropout
check 'an option is gone' bash -c '! cmp -s model/model.safetensors changed.safetensors'
expect 0 '' "$toy" translate --model changed.safetensors hello
without warmup
expect 1 '"warmup" is missing or out of range' "$toy" translate --model changed.safetensors hello

# The tensor self_attn.in_proj_weight is [48, 16]: a file that says [24, 32] has as many bytes.
sed 's/\(in_proj_weight":{"dtype":"F32","shape":\)\[48,16\]/\1[24,32]/' model/model.safetensors >changed.safetensors
expect 1 'in_proj_weight": its configuration says [48, 16], found [24, 32]' "$toy" translate --model changed.safetensors hello
perl -0777 -pe 'my $n = unpack "Q<"; my $head = substr $_, 8, $n; my $rest = substr $_, 8 + $n;
    $head =~ s/(\\"step\\":)\d+/${1}9223372036854775807/; $head .= " " x (-length($head) % 64);
    $_ = pack("Q<", length $head) . $head . $rest' model/model.safetensors >changed.safetensors
expect 1 'where training stood' "$toy" translate --model changed.safetensors hello

# ---- what a terminal would obey --------------------------------------------------------------------------------------------
escape=$(printf '\033]0;owned\007')
for place in "translate --model ${escape}" "translate --model model ${escape}word" "train --resume --out ${escape}" \
    "train --data ${escape}" "train --steps ${escape}" "evaluate --toy --split ${escape}" "${escape}"; do
    # shellcheck disable=SC2086
    timeout 60 "$toy" $place >out 2>&1 </dev/null
    check "no escape reaches the terminal: $place" bash -c '! grep -qP "[\x1b\x07]" out && grep -q "x1B" out'
done
expect 0 'does not know "zebra9"' "$toy" translate --model model "$(printf 'zebra%d ' $(seq 40))"
check 'ten unknown words by name' [ "$(grep -c 'does not know' out)" = 10 ]
check 'and how many more' grep -q 'line 1: nor 30 more words' out

# ---- heads -----------------------------------------------------------------------------------------------------------------
expect 0 'enc.0.1' "$toy" heads --model model 'the cat sleeps .'
check 'all three types' bash -c 'grep -q dec.0.0 out && grep -q cross.0.1 out'
expect 0 'cross.0.1' "$toy" heads --model model --head cross.0.1 --ascii 'the cat sleeps .'
check 'only the head asked for' bash -c '! grep -q enc.0.0 out'
check 'plain ASCII but for the words' bash -c '! grep -qP "\x1b" out'
expect 0 'in tenths; / is masked' "$toy" heads --model model --head dec.0.0 --digits 'the cat sleeps .'
on_terminal=(script -qec "stty cols 40; '$toy' heads --model model 'the cat sleeps .'" /dev/null)
if command -v script >/dev/null; then
    expect 0 'enc.0.1' env TERM=xterm "${on_terminal[@]/cols 40/cols 90}"
    mv out wide
    expect 0 $'\x1B[48;5;' env -u NO_COLOR TERM=xterm "${on_terminal[@]}"
    check 'a narrow terminal has the maps in blocks' [ "$(wc -l <out)" -gt "$(wc -l <wide)" ]
    for plain in NO_COLOR=1 TERM=dumb; do
        expect 0 'enc.0.1' env TERM=xterm "$plain" "${on_terminal[@]}"
        check "no colours with $plain" bash -c '! grep -q "\[48;5" out'
    done
else
    echo 'skipped: no program "script" to make a terminal with'
fi
expect 2 'there is no head "cross.1.0"' "$toy" heads --model model --head cross.1.0 'the cat .'
expect 1 'empty' "$toy" heads --model model ''
expect 1 'at most 63 tokens' "$toy" heads --model model "$(printf 'cat %.0s' $(seq 80))"
expect 0 '<unk>' "$toy" heads --model model 'the zebra .'
total
