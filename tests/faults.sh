#!/bin/bash
# Planted faults: every patch in tests/faults breaks one line of src, and a test must notice.
#
#     tests/faults.sh [N]        N of them, spread over the list; without N all
#
# A patch is a unified diff against the root of the project, below two lines that say what it breaks and which test
# program must fail, built in double (or in float, if a word says so):
#
#     Fault: softmax backward forgets to subtract the row's sum
#     Test: test_gradients
#     --- a/src/autograd/op_softmax.c
#     ...
#
# To make one: edit, `git diff -U1 src > tests/faults/NAME.patch`, put the two lines on top, `git checkout src`.
#
# The tree is copied. Unpatched, each named test must pass. Patched, it must build and report a failed test. A patch
# that does not apply, without fuzz, has failed. The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
unset BUILD BIN WERROR MAKEFLAGS MAKELEVEL HEED_LONG
export TEST_SECONDS=300 # a fault may make a loop endless
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

report() { # report RESULT TEXT [LOG]
    if [ "$1" = ok ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
    printf '%-7s %s\n' "$1" "$2"
    if [ "$1" != ok ] && [ -n "${3:-}" ]; then
        tail -n 20 "$3" | sed 's/^/    /'
    fi
}

field() { sed -n "/^---/q; s/^$1: *//p" "$2"; } # field NAME PATCH

program() { # program PATCH: the test program's path
    local test flavour
    read -r test flavour <<<"$(field Test "$1")"
    echo "build/${flavour:-double}/tests/$test"
}

build() { make --no-print-directory -j2 "$@" >"$work/build.log" 2>&1; }

fault() { # fault PATCH, in the copied tree
    local patch=$1 name fault test
    name=$(basename "$patch" .patch) fault=$(field Fault "$patch") test=$(program "$patch")
    if [ -z "$fault" ] || [ "$(basename "$test")" = tests ]; then
        report FAILED "$name: wants a line \"Fault: ...\" and a line \"Test: ...\" on top"
    elif ! patch -p1 -F0 --no-backup-if-mismatch --dry-run <"$patch" >"$work/patch.log" 2>&1; then
        report FAILED "$name: the patch no longer applies" "$work/patch.log"
    else
        patch -p1 -F0 <"$patch" >/dev/null
        if ! build "$test"; then
            report FAILED "$name: does not build" "$work/build.log"
        elif tests/run.sh "$test" >"$work/test.log" 2>&1; then
            report FAILED "$name: $(basename "$test") did not notice: $fault" "$work/test.log"
        else
            report ok "$name: $fault"
        fi
        patch -p1 -R <"$patch" >/dev/null
    fi
}

patches=(tests/faults/*.patch)
if [ ! -f "${patches[0]}" ]; then
    echo 'tests/faults has no patches'
    echo '0 passed, 1 failed'
    exit 1
fi
total=${#patches[@]} count=${1:-${#patches[@]}} chosen=()
((count > total)) && count=$total
for ((i = 0; i < count; i++)); do
    chosen+=("${patches[i * total / count]}")
done

cp -R Makefile src tests tools examples "$work"
cd "$work" || exit 1
tests=()
for patch in "${chosen[@]}"; do
    tests+=("$(program "$patch")")
done
mapfile -t tests < <(printf '%s\n' "${tests[@]}" | grep -v '/tests/$' | sort -u)
if ! build "${tests[@]}" || ! tests/run.sh "${tests[@]}" >"$work/build.log" 2>&1; then
    report FAILED "without any fault: ${tests[*]}" "$work/build.log"
else
    report ok 'without any fault'
    for patch in "${chosen[@]}"; do
        fault "$patch"
    done
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
