# The page of an inspection in a headless Chromium: what it shows against the arrays, in every view, theme and width.
#
#     BIN=build bash tests/page.sh [TEST ... | --mutations [NAME ...]]
#
# Skipped without Chromium or node; not run in the sanitizers' tree, where the page is the same.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8
BIN=${BIN:-build}
if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || ! command -v node >/dev/null; then
    echo 'skip: Chromium or node is not installed (apt-get install chromium nodejs)'
    exit 77
fi
if [ ! -x "$BIN/float/tests/test_inspect_export" ]; then
    echo 'skip: no float tests in this tree'
    exit 77
fi
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mkdir "$room/kept"

made() { # made COMMAND...: says what failed
    "$@" >"$room/log" 2>&1 || { echo "FAILED  $*" && cat "$room/log" && echo '0 passed, 1 failed' && exit 1; }
}

# A planted model, and beside itself with its heads dealt out anew; a small one trained a little, with snapshots, beside one of them; typed sentences; words that would break out of a page.
env HEED_KEEP="$room/kept" "$BIN/float/tests/test_inspect_export" >"$room/log" 2>&1
made mv "$room/kept/whole" "$room/planted"
env HEED_KEEP="$room/kept" "$BIN/float/tests/test_inspect_others" >"$room/log" 2>&1
made mv "$room/kept/beside" "$room/kept/beside-own" "$room/kept/same" "$room"
small='--layers 2 --heads 4 --d-model 32 --ffn 64 --threads 1'
# shellcheck disable=SC2086
{
    made "$BIN/translate_toy" train --out "$room/run" $small --steps 150 --batch 32 --valid-every 150 --snapshots 4
    made "$BIN/translate_toy" inspect --model "$room/run" --toy --n 12 --shown 6 --out "$room/real" --threads 1 \
        --with "$room/run/snapshots/step-000000001.safetensors"
    made "$BIN/translate_toy" inspect --model "$room/run" --out "$room/text" --threads 1 'the old cat sleeps .' 'her small dogs see it .' 'a key near the boats is new .'
    printf '%s\t%s\n' '</script><script>window.hacked=1</script> <!-- <img/src=x/onerror=window.hacked=1> " \ &amp;' '</script> <iframe> --> é́ ' \
        '<svg/onload=window.hacked=1> שלום ]]> %s' "$(printf 'x%.0s' {1..300}) </style> ' \`" >"$room/hostile.tsv"
    made "$BIN/translate_toy" train --train "$room/hostile.tsv" --valid "$room/hostile.tsv" --out "$room/hostile-run" $small --spaced --steps 3 --batch 2 --valid-every 3
    made "$BIN/translate_toy" inspect --model "$room/hostile-run" --data "$room/hostile.tsv" --out "$room/hostile" --n 1 --threads 1
}
export HEADS_RUN=$room/run
node tests/page/run.js "$room" "$@"
