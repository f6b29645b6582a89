#!/bin/bash
# heed_bench and bench/run.sh from outside: what is wrong has exit code 2 and a sentence; a report has its fields.
. "$(dirname "$0")/cli/lib.sh"
bench=${toy%/*}/heed_bench run=$OLDPWD/bench/run.sh
quick=(--reps 2 --warmup 0 --min-time 0)
export OMP_WAIT_POLICY=passive

# ---- mistakes --------------------------------------------------------------------------------------------------------
expect 2 '--workload is needed' "$bench"
expect 0 'usage: heed_bench --workload' "$bench" --help
expect 2 'unknown workload "W9"' "$bench" --workload W9
expect 2 'unknown workload ""' "$bench" --workload=
expect 2 'W6 has no case with "xyzzy" in its name' "$bench" --workload W6 --case xyzzy
expect 2 'W1 has no cases' "$bench" --workload W1 --case b1
expect 2 'W5 has fixed sizes' "$bench" --workload W5 --batch 3
expect 2 "unrecognized option '--frobnicate'" "$bench" --workload W1 --frobnicate
expect 2 'takes no operand, got "W1"' "$bench" --workload W1 W1
expect 2 '--gemm is auto, blas, split6, split3 or bf16, not "fast"' "$bench" --workload W1 --gemm fast
for value in -1 1.5 ten '' 1e3 99999; do
    expect 2 "--threads needs a whole number from 0 to 1024, not \"$value\"" "$bench" --workload W1 "--threads=$value"
done
for value in -0.1 1 nan x ''; do
    expect 2 "--dropout needs a number from 0 to 0.99, not \"$value\"" "$bench" --workload W1 "--dropout=$value"
done
expect 2 '--reps needs a whole number from 1' "$bench" --workload W1 --reps 0
expect 1 'standard output' bash -c "'$bench' --workload MLP --case mlp_64 ${quick[*]} >/dev/full"
blas=("$bench" --workload W1 --gemm blas "${quick[@]}")
HEED_BLAS=none.so expect 1 'none.so' "${blas[@]}"
HEED_BLAS=libm.so.6 expect 1 'has no cblas_sgemm' "${blas[@]}"
echo 'char *openblas_get_config(void) { return "USE64BITINT"; } void cblas_sgemm(void) {}' >wide.c
check 'a BLAS of 64-bit integers is built' "${CC:-cc}" -shared -fPIC -o wide.so wide.c
HEED_BLAS=$PWD/wide.so expect 1 'integers of 64 bits' "${blas[@]}"
case $bench in
*/asan*) echo 'skipped: ASan needs more address space than a limit leaves' ;;
*) expect 1 'OPENBLAS_NUM_THREADS=1' bash -c "ulimit -v 200000; exec ${blas[*]}" ;; # OpenBLAS itself would hang
esac

# ---- reports ---------------------------------------------------------------------------------------------------------
expect 0 '"workload":"W1"' "$bench" --workload W1 --threads 2 --json "${quick[@]}"
check 'one line' [ "$(wc -l <out)" = 1 ]
for field in ms_median ms_min ms_max reps tokens_per_s gflops peak_rss_mb threads dropout loss_before loss_after; do
    check "W1 has $field" grep -qE "\"$field\":[0-9.e+-]+[,}]" out
done
losses() { grep -oE '"loss_[a-z]+":[0-9.]+' out; }
two=$(losses)
expect 0 '"threads":1' "$bench" --workload W1 --threads 1 --json "${quick[@]}"
check 'the same losses with one thread and with two' [ "$(losses)" = "$two" ]
expect 0 '"dropout":0.0' "$bench" --workload W1 --dropout 0 --json "${quick[@]}"
check 'other losses without dropout' [ "$(losses)" != "$two" ]
check 'starts without OpenBLAS, whose threads would spin beside ours' bash -c "! ldd '$bench' | grep openblas"
expect 0 '"gemm":"blas"' "$bench" --workload W1 --gemm blas --json "${quick[@]}"
expect 0 '"gemm":"bf16"' "$bench" --workload W1 --gemm bf16 --json "${quick[@]}"
check 'other losses with bf16' [ "$(losses)" != "$two" ]
expect 0 'B2_T5_d512_h8_causal' "$bench" --workload W4 --batch 2 --length 5 "${quick[@]}"
expect 0 '"agree_uncached":1.0' "$bench" --workload W5 --case b1 --json "${quick[@]}"
expect 0 'fwd_ms_median' "$bench" --workload W6 --case softmax "${quick[@]}"
expect 0 'samples_per_s' "$bench" --workload MLP --case mlp_64 "${quick[@]}"
check 'one case alone' [ "$(grep -c ms_median out)" = 1 ]
expect 0 'child_peak_rss_mb' "$bench" --workload W7 "${quick[@]}"

# ---- the comparison ----------------------------------------------------------------------------------------------------
expect 2 'unknown workload or option "W9"' "$run" W9
expect 2 '--pairs needs a whole number from 1, not "0"' "$run" --pairs 0 W1
expect 2 '--case needs a value' "$run" --case
expect 0 '| MLP mlp_64 | 2 |' "$run" --one-thread --threads 2 --pairs 1 --min-time 0 --case mlp_64 MLP
check 'the row has a ratio to one thread' grep -qE '\| 1-thread [0-9.]+ \| [0-9.]+ \([0-9.]+-[0-9.]+\) \|' out
expect 0 '| other ' "$run" --against "$bench" --pairs 1 --min-time 0 --case mlp_64 MLP
expect 0 'failed' "$run" --against "$room/none" --pairs 1 --min-time 0 --case mlp_64 MLP
mkdir bin
ln -s "$(command -v false)" bin/python3 # no PyTorch
export PATH=$room/bin:$PATH PEER_ROOT=$room/none
expect 0 'PyTorch: not found' "$run" --pairs 1 --min-time 0 --case mlp_64 MLP
check 'heed alone has its row' grep -qE '^\| MLP mlp_64 \| 1 \| [0-9.]+ \| - \| - \|' out
check 'KANN is a line' grep -q '^KANN: not found' out
printf '#!/bin/sh\necho %s\n' "'{\"cases\": [{\"case\": \"mlp_64\", \"ms_median\": 1e9}], \"peak_rss_mb\": 7.0}'" >bin/kann_bench
chmod +x bin/kann_bench
expect 0 '| KANN 1e+09 |' "$run" --pairs 2 --min-time 0 --case mlp_64 MLP
printf '#!/bin/sh\necho broken >&2; exit 1\n' >bin/kann_bench
expect 0 'KANN MLP: failed: broken' "$run" --pairs 1 --min-time 0 --case mlp_64 MLP
total
