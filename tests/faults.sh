#!/bin/bash
# Planted faults: every patch in tests/faults breaks one line of src, and a test must notice.
#
#     tests/faults.sh [N | PATTERN]     N of them, spread over the list, or those with such names ('norm_*'); else all
#
# A patch is a unified diff against the root of the project, below two lines that say what it breaks and which test
# program must fail, built in double (or in float, if a word says so):
#
#     Fault: softmax backward forgets to subtract the row's sum
#     Test: test_gradients
#     --- a/src/autograd/op_softmax.c
#     ...
#
# To make one: edit, `git diff -U1 src > tests/faults/NAME.patch`, put the two lines on top, `git checkout src`. Name the
# quickest test that notices. If the lines in the patch occur twice in the file, take more of them (-U3).
#
# The tree is copied and built. Unpatched, each named test must pass. Patched, it must build and report a failed test. A
# patch that does not apply, without fuzz, has failed. If the test noticed nothing but skipped something, the fault counts
# as skipped. JOBS of them run at a time (default 2). The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
unset BUILD BIN WERROR MAKEFLAGS MAKELEVEL HEED_LONG
jobs=${JOBS:-2}
export TEST_SECONDS=300 # a fault may make a loop endless

report() { # report RESULT TEXT [LOG]
    (
        flock 9
        echo "$1" >>"$WORK/results"
        printf '%-7s %s\n' "$1" "$2"
        if [ "$1" = FAILED ] && [ -n "${3:-}" ]; then
            tail -n 20 "$3" | sed 's/^/    /'
        fi
    ) 9>"$WORK/lock"
}

field() { sed -n "/^---/q; s/^$1: *//p" "$2"; } # field NAME PATCH

program() { # program PATCH: the test program's path
    local test flavour
    read -r test flavour <<<"$(field Test "$1")"
    echo "build/${flavour:-double}/tests/$test"
}

fault() { # fault PATCH, in a tree that is built
    local patch=$1 name fault test
    name=$(basename "$patch" .patch) fault=$(field Fault "$patch") test=$(program "$patch")
    if [ -z "$fault" ] || [ "$(basename "$test")" = tests ]; then
        report FAILED "$name: wants a line \"Fault: ...\" and a line \"Test: ...\" on top"
    elif ! patch -p1 -F0 --no-backup-if-mismatch <"$patch" >log 2>&1; then
        report FAILED "$name: the patch no longer applies" log
    elif ! make --no-print-directory "$test" >log 2>&1; then
        report FAILED "$name: does not build" log
    elif ! tests/run.sh "$test" >log 2>&1; then
        report ok "$name: $fault"
    elif grep -q 'failed, .* skipped$' log; then
        report skipped "$name: $(basename "$test") skipped something and did not notice: $fault"
    else
        report FAILED "$name: $(basename "$test") did not notice: $fault" log
    fi
}

restore() { # restore STAMP: what is newer becomes again as it was built, times included
    local file
    find . -type f -newer "$1" | while read -r file; do
        cp -p "$WORK/tree/$file" "$file" 2>/dev/null || rm "$file"
    done
}

worker() { # worker I: every JOBS-th of the chosen patches, from the I-th on, in a tree of its own
    local i
    cp -Rp "$WORK/tree" "$WORK/$1" && cd "$WORK/$1" || exit 1
    touch "$WORK/$1.stamp"
    for ((i = $1; i < ${#chosen[@]}; i += jobs)); do
        fault "${chosen[i]}"
        restore "$WORK/$1.stamp"
    done
}

# shellcheck disable=SC2206 # the pattern is meant to be one
case ${1:-} in
'' | *[!0-9]*) patches=("$PWD"/tests/faults/${1:-*}.patch) count=${#patches[@]} ;;
*) patches=("$PWD"/tests/faults/*.patch) count=$1 ;;
esac
if [ ! -f "${patches[0]}" ] || ((count == 0)); then
    echo "tests/faults: no such patch: ${1:-*}"
    echo '0 passed, 1 failed'
    exit 1
fi
total=${#patches[@]} chosen=() tests=()
((count > total)) && count=$total
for ((i = 0; i < count; i++)); do
    patch=${patches[(2 * i + 1) * total / (2 * count)]}
    chosen+=("$patch")
    tests+=("$(program "$patch")")
done
mapfile -t tests < <(printf '%s\n' "${tests[@]}" | grep -v '/tests/$' | sort -u)

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir "$WORK/tree"
cp -Rp Makefile src tests tools examples "$WORK/tree"
cd "$WORK/tree" || exit 1
if ! { make --no-print-directory -j"$jobs" "${tests[@]}" && tests/run.sh "${tests[@]}"; } >"$WORK/log" 2>&1; then
    report FAILED "without any fault: ${tests[*]}" "$WORK/log"
else
    report ok 'without any fault'
    for ((i = 0; i < jobs; i++)); do
        worker "$i" &
    done
    wait
fi
awk -v started="$count" '
    { n[$1]++ }
    END {
        if (n["ok"] && NR < started + 1)
            n["FAILED"] += started + 1 - NR
        printf "%d passed, %d failed%s\n", n["ok"], n["FAILED"], n["skipped"] ? ", " n["skipped"] " skipped" : ""
        exit n["FAILED"] > 0
    }' "$WORK/results"
