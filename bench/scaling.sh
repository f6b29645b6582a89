#!/bin/bash
# Cost against sentence length, batch and layers (W2's model), and memory of attention against length (W4's layer).
#
#     bench/scaling.sh > docs/scaling.svg        measures for about two minutes, then draws
#     bench/scaling.sh --numbers > FILE          measures: a line a point, PANEL X Y
#     bench/scaling.sh --draw FILE > SVG         draws such a file
#
# A time is the fastest of five steps. The straight line of a panel is the least-squares fit of its points.
set -u
cd "$(dirname "$0")/.." || exit 1
heed=${BIN:-build}/heed_bench
threads=${THREADS:-2}

field() { sed -nE "s/.*\"$1\":([0-9.e+-]+).*/\1/p"; }

step() { # step PANEL X OPTION...: the milliseconds of a training step
    printf '%s %s %s\n' "$1" "$2" \
        "$("$heed" --workload W2 --threads "$threads" --warmup 2 --reps 5 --min-time 0 --json "${@:3}" | field ms_min)"
}

attention() { # attention T: peak memory of one forward and backward pass
    printf 'attention %s %s\n' "$1" "$("$heed" --workload W4 --threads "$threads" --batch 1 --length "$1" --case causal \
        --warmup 1 --reps 1 --min-time 0 --json | field peak_rss_mb)"
}

measure() {
    local n
    for n in 8 16 32 48 64 96 128; do step length "$n" --batch 32 --length "$n"; done
    for n in 16 32 64 96 128 192 256; do step batch "$n" --batch "$n"; done
    for n in 1 2 3 4 6 8; do step layers "$n" --batch 64 --layers "$n"; done
    for n in 512 1024 2048 4096 6144 8192; do attention "$n"; done
}

draw() {
    awk '
        BEGIN {
            wide = 250; high = 180; gap = 80
            title["length"] = "tokens in a sentence (32 of them)"; title["batch"] = "sentences (of 16 + 16 tokens)"
            title["layers"] = "encoder and decoder layers (64 sentences)"; title["attention"] = "tokens, attention d 512, 8 heads"
            printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"11\">\n", \
                2 * (wide + gap) + 10, 2 * (high + gap) + 10
            print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
        }
        NF == 3 {
            if (!($1 in n)) order[++panels] = $1
            i = ++n[$1]; x[$1, i] = $2; y[$1, i] = $3
            if ($2 > mx[$1]) mx[$1] = $2
            if ($3 > my[$1]) my[$1] = $3
            sx[$1] += $2; sy[$1] += $3; sxx[$1] += $2 * $2; sxy[$1] += $2 * $3
        }
        function across(p, v) { return left + v / mx[p] * wide }
        function down(p, v) { return top + high - v / my[p] * high }
        END {
            for (k = 1; k <= panels; k++) {
                p = order[k]
                left = 65 + (k - 1) % 2 * (wide + gap); top = 25 + int((k - 1) / 2) * (high + gap)
                printf "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#bbb\"/>\n", left, top, wide, high
                for (t = 0; t <= 2; t++) {
                    printf "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", left + t * wide / 2, top + high + 15, mx[p] * t / 2
                    printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.3g</text>\n", left - 5, top + high - t * high / 2 + 4, my[p] * t / 2
                }
                printf "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", left + wide / 2, top + high + 32, title[p]
                printf "<text x=\"%d\" y=\"%d\">%s</text>\n", left, top - 8, p == "attention" ? "peak memory, MB" : "training step, ms"
                slope = (n[p] * sxy[p] - sx[p] * sy[p]) / (n[p] * sxx[p] - sx[p] * sx[p])
                start = (sy[p] - slope * sx[p]) / n[p]
                printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#c33\"/>\n", across(p, 0), down(p, start), \
                    across(p, mx[p]), down(p, start + slope * mx[p])
                for (i = 1; i <= n[p]; i++)
                    printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#036\"><title>%s: %s</title></circle>\n", \
                        across(p, x[p, i]), down(p, y[p, i]), x[p, i], y[p, i]
            }
            print "</svg>"
        }' "$@"
}

case ${1:-} in
--numbers) measure ;;
--draw) draw "${2:?--draw needs a file}" ;;
'') measure | draw ;;
*) echo "bench/scaling.sh: --numbers or --draw FILE, not \"$1\"" >&2 && exit 2 ;;
esac
