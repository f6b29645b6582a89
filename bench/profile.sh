#!/bin/bash
# Where the time of a workload goes: perf's samples by kind of work, then by function. Needs perf; one thread, so that
# waiting does not count.
#
#     bench/profile.sh WORKLOAD [heed_bench's options]
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || { echo 'usage: bench/profile.sh WORKLOAD [options]' >&2 && exit 2; }
command -v perf >/dev/null || { echo 'skipped: perf is not installed' && exit 77; }
data=$(mktemp)
trap 'rm -f "$data"' EXIT
perf record -q -o "$data" "${BIN:-build}/heed_bench" --workload "$1" --threads 1 "${@:2}" >/dev/null || exit 1
perf report -i "$data" --stdio --sort symbol 2>/dev/null | awk '
    $1 ~ /^[0-9.]+%$/ {
        share = $1 + 0; name = $3; kind = "other"
        if ($2 == "[k]") kind = "system"
        else if (name ~ /gemm|pack/) kind = "products (GEMM)"
        else if (name ~ /atten|scores/) kind = "attention"
        else if (name ~ /dropout|random|philox|lines_of|mask/) kind = "dropout"
        else if (name ~ /cross_entropy|sum_exp|softmax/) kind = "softmax and loss"
        else if (name ~ /norm|row_gradient/) kind = "norms"
        else if (name ~ /adamw|add_scaled|sum_squares|sum_piece/) kind = "optimiser, sum of shards"
        else if (name ~ /mem(set|cpy|move)/) kind = "clearing and copying"
        else if (name ~ /embed/) kind = "embedding"
        else if (name ~ /run_plan|run_row|k_map|_row|put_values/) kind = "elementwise"
        sum[kind] += share
        if (listed++ < 25) line[listed] = sprintf("%6.2f %%  %s", share, name)
    }
    END {
        for (kind in sum) printf "%6.2f %%  %s\n", sum[kind], kind | "sort -rn"
        close("sort -rn")
        print ""
        for (i = 1; i <= listed && i <= 25; i++) print line[i]
    }'
