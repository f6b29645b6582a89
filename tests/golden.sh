#!/bin/bash
# build/golden on its own reference numbers: they agree; and every way in which they could not, or could be missing, is
# noticed. The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
golden=$(realpath "${BIN:-build}/golden")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

ends() { # ends CODE TEXT ARGUMENTS...: golden exits with CODE and says TEXT
    local code=$1 text=$2
    shift 2
    "$golden" "$@" >"$work/out" 2>&1
    local got=$?
    if [ "$got" = "$code" ] && grep -qF -- "$text" "$work/out"; then
        ((++passed))
    else
        ((++failed))
        echo "golden $*: exit $got, want $code and \"$text\"; it said:"
        sed 's/^/    /' "$work/out"
    fi
}

fresh() { # an untouched copy of the fixtures in $work/all
    rm -rf "$work/all"
    cp -R tests/golden/fixtures "$work/all"
}

poke() { # poke FILE BYTES: overwrites the end of FILE
    printf '%b' "$2" | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - $(printf '%b' "$2" | wc -c))) conv=notrunc status=none
}

fresh
cases=$(find tests/golden/fixtures -name case.json | wc -l)
ends 0 "$cases passed, 0 failed" tests/golden/fixtures
[ "$(grep -c ': ok: outputs' "$work/out")" = "$cases" ] && ((++passed)) || ((++failed))
ends 0 '5 passed, 0 failed' tests/golden/fixtures/mha/
ends 0 '3 passed, 0 failed' tests/golden/fixtures/transformer
ends 0 'gradients src ' tests/golden/fixtures/transformer/encoder_layer_post_relu
ends 0 'causal_key_padding: ok: outputs' tests/golden/fixtures/mha/causal_key_padding

# Usage.
ends 2 'usage: golden DIR'
ends 2 'usage: golden DIR' a b
ends 2 'usage: golden DIR' --nonsense
ends 2 'usage: golden DIR' ''
ends 0 'usage: golden DIR' --help

# Every reference array counts: another number at its end, and its case fails.
while read -r file; do
    case ${file##*/} in
    grad_output.npy) continue ;;
    esac
    folder=$(dirname "$file")
    [ -f "$folder/case.json" ] || folder=$(dirname "$folder")
    cp "$file" "$work/saved"
    poke "$file" '\x00\x00\x00\x00\x45\x23\xE1\x3F' # 0.535...
    ends 1 ': FAILED: outputs' "$folder"
    cp "$work/saved" "$file"
done < <(find "$work/all" \( -name 'output.npy' -o -name 'attn_weights.npy' -o -name 'loss.npy' -o -name 'grad*.npy' \
    -o -path '*/grad/*.npy' -o -name 'trajectory.npy' -o -name 'exp_avg*.npy' -o -name 'value.npy' -o -name 'out?.npy' \
    -o -name 'total_norm.npy' \) ! -path '*/mha/*/value.npy' | sort)
((passed > 60)) || ((++failed))

# The limit is 1e-9: one bit worth at least 2^-28 of a number fails, one worth at most 2^-32 does not. NaN never passes.
norm=$work/all/ops/clip_grad_norm/clipped/total_norm.npy
flip() { # flip BYTE BIT: of the eight bytes at the end
    local at=$(($(stat -c %s "$norm") - 8 + $1)) byte
    byte=$(od -An -tu1 -j "$at" -N 1 "$norm")
    printf '%b' "\\x$(printf %02x $((byte ^ (1 << $2))))" | dd of="$norm" bs=1 seek="$at" conv=notrunc status=none
}
flip 3 1
ends 1 'clipped: FAILED: outputs' "$work/all/ops/clip_grad_norm"
flip 3 1
flip 2 4
ends 0 'clipped: ok: outputs' "$work/all/ops/clip_grad_norm"
poke "$norm" '\x00\x00\x00\x00\x00\x00\xF8\x7F'
ends 1 'clipped: FAILED: outputs' "$work/all/ops/clip_grad_norm"

# Inputs count too.
fresh
poke "$work/all/mha/kdim_vdim/key.npy" '\x00\x00\x00\x00\x45\x23\xE1\x3F'
ends 1 'kdim_vdim: FAILED: outputs' "$work/all"
grep -qF "$((cases - 1)) passed, 1 failed" "$work/out" && ((++passed)) || ((++failed))
poke "$work/all/mha/causal_key_padding/key_padding_mask.npy" '\x00'
ends 1 'mha/causal_key_padding: FAILED: outputs' "$work/all"

# What is missing or broken.
fresh
ends 1 'none: FAILED: No such file or directory' "$work/none"
mkdir "$work/none"
ends 1 'none: FAILED: an empty folder' "$work/none"
touch "$work/none/case.hyp"
ends 1 'none: FAILED: no cases found' "$work/none"
ends 1 'FAILED: Not a directory' "$work/none/case.hyp"
mha=$work/all/mha ops=$work/all/ops
rm "$mha/one_key/query.npy"
ends 1 'one_key: FAILED: load' "$mha"
truncate -s -1 "$mha/kdim_vdim/query.npy"
ends 1 'the file is cut short' "$mha/kdim_vdim"
cp "$mha/causal_key_padding/value.npy" "$mha/bool_mask_per_head/value.npy"
ends 1 'bool_mask_per_head: FAILED: ' "$mha/bool_mask_per_head"
rm "$mha/float_mask_inf_padding/case.json"
ends 1 'float_mask_inf_padding: FAILED: arrays, but no case.json' "$mha"
rm "$work/all/transformer/transformer_pre_gelu/state/decoder.norm.bias.npy"
ends 1 'decoder.norm.bias.npy' "$work/all/transformer/transformer_pre_gelu"
sed -i 's/"Tq": 4/"Tq": 3/' "$mha/kdim_vdim/case.json"
cp tests/golden/fixtures/mha/kdim_vdim/query.npy "$mha/kdim_vdim"
ends 1 'query.npy is [2, 4, 8], and by case.json [2, 3, ...]' "$mha/kdim_vdim"
sed -i 's/"heads": 2/"heads": 3/' "$work/all/transformer/encoder_layer_post_relu/case.json"
ends 1 'd_model 8 is not a multiple of heads 3' "$work/all/transformer/encoder_layer_post_relu"
edit() { # edit CASE SED: changes its case.json
    sed -i "$2" "$ops/$1/case.json"
}
edit gelu/exact 's/"gelu"/"mish"/'
ends 1 'config.op is "mish", which is not known here' "$ops/gelu"
edit gelu/tanh 's/"tanh"/"fast"/'
ends 1 'config.approximate is "fast"' "$ops/gelu"
edit softmax/masked 's/"x.npy"/"y.npy"/'
ends 1 'no x.npy among the files' "$ops/softmax"
edit adam/l2 '/"lr"/d'
ends 1 'config.lr is missing' "$ops/adam"
edit clip_grad_norm/clipped 's/"max_norm": 1.0/"max_norm": []/'
ends 1 'config.max_norm is not a number' "$ops/clip_grad_norm"
edit adamw/strong_decay 's/"n": 4/"n": "4"/'
ends 1 'config.n is not an integer' "$ops/adamw"
edit cross_entropy/sum_ignore 's/"counted_rows": [0-9]*/"counted_rows": 1/'
ends 1 'rows counted, want 1' "$ops/cross_entropy"
edit layer_norm/affine 's/"eps": 1e-05/"eps": 1.001e-05/'
ends 1 'affine: FAILED: outputs' "$ops/layer_norm"
edit embedding/padding_0 '1s/.*/[/'
ends 1 'case.json, line' "$ops/embedding"
printf 'op\tcase\tconfig\nschedule\tcosine\tx\nschedule\tlinear\tx\n' >"$ops/cases.tsv"
ends 1 'schedule/linear: FAILED: listed in cases.tsv, but not there' "$ops"

echo "$passed passed, $failed failed"
((failed == 0))
