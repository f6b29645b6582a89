#!/bin/bash
# Draws the rooms of src and the arrows between them, from the includes and line counts as they are.
#
#     tools/rooms.sh > docs/rooms.svg
set -eu
cd "$(dirname "$0")/.."

lines() { cat "src/$1"/*.[ch] | grep -cv '^ *$'; }

box() { # box ROOM X Y WIDTH TEXT
    printf '<g><rect x="%d" y="%d" width="%d" height="58" rx="8"/><text class="name" x="%d" y="%d">%s</text>' \
        "$2" "$3" "$4" $(($2 + 14)) $(($3 + 24)) "$1"
    printf '<text x="%d" y="%d">%s</text>' $(($2 + 14)) $(($3 + 44)) "$5"
    if [ -d "src/$1" ]; then
        printf '<text class="count" x="%d" y="%d">%d lines</text>' $(($2 + $4 - 14)) $(($3 + 24)) "$(lines "$1")"
    fi
    printf '</g>\n'
}

arrow() { printf '<path class="arrow" d="M%d %dL%d %d" marker-end="url(#tip)"/>\n' "$@"; }

cat <<'END'
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 452" role="img" font-family="sans-serif" font-size="13">
<title>The rooms of heed: each uses only rooms below it</title>
<style>svg{background:#fff}rect{fill:#f3f6fa;stroke:#8aa1bd}text{fill:#333}.name{font-weight:bold;font-size:16px}
.count{text-anchor:end;fill:#777;font-size:12px}.arrow{stroke:#5b6b7f;stroke-width:1.5;fill:none}#tip path{fill:#5b6b7f}
@media(prefers-color-scheme:dark){svg{background:#16181d}rect{fill:#222833;stroke:#4a5d78}text{fill:#ddd}.count{fill:#999}}</style>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>
END
box examples 20 14 720 'programs a person runs: translate_toy trains a translator and shows its heads'
box train 20 104 228 'optimisers, parallel steps'
box inspect 266 104 228 'what a head looks at'
box text 512 104 228 'words, batches'
box layers 20 194 474 'parameters, attention, encoder, decoder, Transformer, decoding'
box autograd 20 284 474 'the tape, every op forward beside backward, gradient checks'
box tensor 20 374 720 'numbers: strided tensors, memory, randomness, kernels, files; below it OpenBLAS and OpenMP'
arrow 134 72 134 102
arrow 380 72 380 102
arrow 626 72 626 102
arrow 134 162 134 192
arrow 380 162 380 192
arrow 257 252 257 282
arrow 257 342 257 372
arrow 626 162 626 372
echo '</svg>'
