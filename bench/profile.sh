#!/bin/bash
# Where the time of a workload goes: perf's samples by kind of work, then by function and the file it is in. Needs perf
# and binutils; one thread, so that waiting does not count.
#
#     bench/profile.sh WORKLOAD [heed_bench's options]
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BIN:-build}
[ $# -gt 0 ] || { echo 'usage: bench/profile.sh WORKLOAD [options]' >&2 && exit 2; }
command -v perf >/dev/null || { echo 'skipped: perf is not installed' && exit 77; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
export OPENBLAS_NUM_THREADS=1
perf record -q -o "$room/data" "$build/heed_bench" --workload "$1" --threads 1 "${@:2}" >/dev/null || exit 1
# NAME FILE of what has a name of its own in the library; START SIZE NAME FILE of what is static.
for object in "$build"/float/src/*/*.o; do
    nm "$object" | awk -v file="$(basename "$object" .o)" 'NF == 3 && $2 == "T" { print $3, file }'
done >"$room/places"
readelf -sW "$build/heed_bench" |
    awk '$4 == "FILE" { file = $8; sub(/[.]c$/, "", file) } $4 == "FUNC" && $6 == "DEFAULT" { print $2, $3, $8, file }' >>"$room/places"
perf report -v -i "$room/data" --stdio --sort symbol 2>/dev/null | awk '
    function number(hex,    i, n) { # of hexadecimal digits
        sub(/^0x/, "", hex)
        for (i = 1; i <= length(hex); i++) n = 16 * n + index("0123456789abcdef", substr(hex, i, 1)) - 1
        return n
    }
    function file_of(name, address,    i) {
        for (i = 1; i <= copies[name]; i++)
            if (address >= start[name, i] && address < end[name, i]) return static[name, i]
        return place[name]
    }
    NR == FNR && NF == 2 { place[$1] = $2; next }
    NR == FNR { i = ++copies[$3]; start[$3, i] = number($1); end[$3, i] = number($1) + $2; static[$3, i] = $4; next }
    $1 !~ /^[0-9.]+%$/ { next }
    {
        share = $1 + 0; name = $5; file = file_of(name, number($2))
        if ($4 == "[k]") kind = "system"
        else if (file ~ /^k_(gemm|tile|blas|split|pack)/ || name ~ /gem[mv]_/) kind = "products (GEMM)"
        else if (file ~ /^(k_)?atten/) kind = "attention"
        else if (file ~ /^(k_dropout|op_dropout|k_random|rng)/) kind = "dropout"
        else if (file ~ /^(k_softmax|k_loss|k_row|op_loss|op_softmax)/) kind = "softmax and loss"
        else if (file ~ /norm/) kind = "norms"
        else if (file ~ /^(k_optim|optim|slab|shard)/) kind = "optimiser, sum of shards"
        else if (name ~ /mem(set|cpy|move)/) kind = "clearing and copying"
        else if (file ~ /^(k_map|op_elementwise|op_activation)/) kind = "elementwise"
        else if (file ~ /^(seq2seq|training|ops|leaf|gpt|mlp|decode|timing|startup)$/) kind = "the benchmark itself"
        else kind = "other"
        sum[kind] += share
        if (listed++ < 25) line[listed] = sprintf("%6.2f %%  %-40s %s", share, name, file)
    }
    END {
        for (kind in sum) printf "%6.2f %%  %s\n", sum[kind], kind | "sort -rn"
        close("sort -rn")
        print ""
        for (i = 1; i <= listed && i <= 25; i++) print line[i]
    }' "$room/places" -
