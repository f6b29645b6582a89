#!/bin/bash
# heed beside its peers on this machine: processes in turn (heed, peer, heed, peer, ...), and a table of ratios.
#
#     bench/run.sh [--pairs N] [--threads N] [--dropout P] [--case NAME] [--gemm MODE] [--min-time S]
#                  [--one-thread | --against PROGRAM] [WORKLOAD ...]
#
# Without workloads all of them, W1-W3 with dropout 0.1 and with 0; MLP on one thread, the rest on two. A time is the
# median of its runs' medians in ms; a ratio, peer / heed, is the median over pairs, with the smallest and largest in
# brackets: above 1 heed is faster. RSS is the peak of the process in MB. --min-time is each measurement's in seconds.
# PyTorch runs through bench/peers/run.sh. Other peers are programs of your own on the PATH, llmc_bench and kann_bench,
# that take --workload, --threads and --case and print a line of JSON like heed_bench. What is not found is a line.
# OpenBLAS's own threads are kept out of heed (--gemm blas), which gives them no work: they would spin for 0.03 s.
# --one-thread takes heed on one thread as the only peer, --against another heed_bench.
set -u
cd "$(dirname "$0")/.." || exit 1
heed=${BIN:-build}/heed_bench
pairs=3 threads='' dropout='' only=() gemm=() min_time=1 one='' against='' workloads=()

usage() {
    echo "bench/run.sh: $1" >&2
    sed -n '4,5s/^#  *//p' bench/run.sh >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --one-thread) one=yes && shift ;;
    --pairs | --threads | --dropout | --case | --gemm | --min-time | --against)
        [ $# -gt 1 ] || usage "$1 needs a value"
        case $1 in
        --pairs) pairs=$2 ;;
        --threads) threads=$2 ;;
        --dropout) dropout=$2 ;;
        --case) only=(--case "$2") ;;
        --gemm) gemm=(--gemm "$2") ;;
        --min-time) min_time=$2 ;;
        --against) against=$2 ;;
        esac
        shift 2
        ;;
    W[1-7] | GPT | MLP) workloads+=("$1") && shift ;;
    *) usage "unknown workload or option \"$1\"" ;;
    esac
done
[[ $pairs =~ ^[1-9][0-9]*$ ]] || usage "--pairs needs a whole number from 1, not \"$pairs\""
[ ${#workloads[@]} -gt 0 ] || workloads=(W1 W2 W3 W4 W5 W6 W7 GPT MLP)
[ -x "$heed" ] || { echo "bench/run.sh: no $heed; run make" >&2 && exit 1; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

heed() { OPENBLAS_NUM_THREADS=1 "$heed" "$@" "${gemm[@]}" --json; }
one_thread() { heed "$@" --threads 1; }
other() { OPENBLAS_NUM_THREADS=1 "$against" "$@" "${gemm[@]}" --json; }

# peers WORKLOAD: who can do it, a name and a command a line
peers() {
    case $1${one:+:one}${against:+:other} in
    *:one*) printf '1-thread one_thread\n' ;;
    *:other) printf 'other other\n' ;;
    GPT) printf 'PyTorch bench/peers/run.sh\nllm.c llmc_bench\n' ;;
    MLP) printf 'PyTorch bench/peers/run.sh\nKANN kann_bench\n' ;;
    *) printf 'PyTorch bench/peers/run.sh\n' ;;
    esac
}

# found NAME COMMAND: is it here? Says so once if not.
found() {
    local there=$room/found-$1
    if [ ! -e "$there" ]; then
        echo no >"$there"
        if ! command -v "$2" >/dev/null; then
            echo "$1: not found; a program called $2 would be run"
        elif [ "$1" != PyTorch ] || "$2" --help >/dev/null 2>"$room/why"; then
            echo yes >"$there"
        else
            tail -n 1 "$room/why"
        fi
    fi
    grep -q yes "$there"
}

# results FILE: the JSON line as `CASE MS RSS` lines; CASE is - where there are no cases. W7's RSS is its child's.
results() {
    sed -E 's/("|:|,) +/\1/g; s/"child_peak_rss_mb"/"peak_rss_mb_of_child"/' "$1" | awk '
        function field(text, name,    at) {
            at = index(text, "\"" name "\":")
            return at ? substr(text, at + length(name) + 3) + 0 : 0
        }
        {
            rss = field($0, "peak_rss_mb_of_child")
            if (!rss) rss = field($0, "peak_rss_mb")
            n = split($0, part, /"case":"/)
            if (n == 1) print "-", field($0, "ms_median"), rss
            for (i = 2; i <= n; i++)
                if (field(part[i], "ms_median")) print substr(part[i], 1, index(part[i], "\"") - 1), field(part[i], "ms_median"), rss
        }'
}

# One workload against one peer, or heed alone: a row of the table for each case that both have.
compare() { # compare WORKLOAD DROPOUT THREADS [NAME COMMAND]
    local options=(--workload "$1" --dropout "$2" --threads "$3" --warmup 2 --reps 3 --min-time "$min_time" "${only[@]}") pair
    : >"$room/pairs"
    for ((pair = 1; pair <= pairs; pair++)); do
        heed "${options[@]}" >"$room/heed" || exit 1
        if [ $# -lt 4 ]; then
            cp "$room/heed" "$room/peer"
        elif ! "$5" "${options[@]}" >"$room/peer" 2>"$room/why"; then
            echo "$4 $1: failed: $(tail -n 1 "$room/why")"
            return
        fi
        join <(results "$room/heed" | sort) <(results "$room/peer" | sort) >>"$room/pairs"
    done
    awk -v title="$1$([[ $1 == W[123] ]] && echo " p=$2")" -v threads="$3" -v peer="${4:-}" '
        function median(list, n,    i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
            return (list[int((n + 1) / 2)] + list[int(n / 2) + 1]) / 2
        }
        !($1 in n) { order[++cases] = $1 }
        { n[$1]++; a[$1, n[$1]] = $2; b[$1, n[$1]] = $4; r[$1] = $3; s[$1] = $5 }
        END {
            for (c = 1; c <= cases; c++) {
                k = order[c]
                for (i = 1; i <= n[k]; i++) { x[i] = a[k, i]; y[i] = b[k, i]; q[i] = b[k, i] / a[k, i] }
                printf "| %s | %d | %.4g |", k == "-" ? title : title " " k, threads, median(x, n[k])
                if (peer) {
                    ratio = median(q, n[k])
                    printf " %s %.4g | %.2f (%.2f-%.2f) | %.0f / %.0f |\n", peer, median(y, n[k]), ratio, q[1], q[n[k]], r[k], s[k]
                } else
                    printf " - | - | %.0f |\n", r[k]
            }
        }' "$room/pairs"
}

echo '| workload | threads | heed, ms | peer, ms | ratio | RSS, MB |'
echo '|---|---|---|---|---|---|'
for workload in "${workloads[@]}"; do
    rates=("${dropout:-0.1}")
    [[ $workload == W[123] && -z $dropout ]] && rates=(0.1 0)
    for rate in "${rates[@]}"; do
        count=${threads:-$([ "$workload" = MLP ] && echo 1 || echo 2)}
        alone=yes
        while read -r name command; do
            found "$name" "$command" >>"$room/absent" || continue
            compare "$workload" "$rate" "$count" "$name" "$command" </dev/null
            alone=no
        done < <(peers "$workload")
        [ $alone = yes ] && compare "$workload" "$rate" "$count"
    done
done
cat "$room/absent"
