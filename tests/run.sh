#!/bin/bash
# Runs test programs (cmocka) and test scripts (*.sh), JOBS at a time (default 2), and counts.
#
#     tests/run.sh build/float/tests/test_tensor ... tests/cli_usage.sh ...
#
# One line for each; what a failing one printed follows in full. The last line is `N passed, N failed`, with
# `, N skipped` if there are any; the exit code is 1 if anything failed, or if nothing ran.
#
# A test program counts with its tests. One that crashes, runs none or stops half-way has failed. A script says what it
# counted in a last line like ours, or it counts as one: exit 0 is passed, 77 is skipped, anything else has failed.
# Scripts run in the root of the project and find the programs in $BIN. TEST_SECONDS limits each (default 600).
set -u
cd "$(dirname "$0")/.." || exit 1
export BIN=${BIN:-build} LC_ALL=C.UTF-8 OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
unset CMOCKA_MESSAGE_OUTPUT CMOCKA_XML_FILE HEED_BLAS

sum() { # the numbers of the lines in file $1 that match regular expression $2, whose group 1 is the number
    sed -nE "s/^$2.*/\\1/p" "$1" | awk '{ n += $1 } END { print n + 0 }'
}

run_one() { # runs $1, appends its counts to $RESULTS/counts
    local program=$1 room code planned passed failed skipped start
    start=$(date +%s)
    room=$(mktemp -d "$RESULTS/XXXXXX")
    if [[ $program == *.sh ]]; then
        timeout -k 10 "${TEST_SECONDS:-600}" bash "$program" >"$room/out" 2>"$room/err" </dev/null
        code=$?
        local last counted='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'
        last=$(tail -n 1 "$room/out")
        if [[ $last =~ $counted ]]; then
            passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]} skipped=${BASH_REMATCH[4]:-0}
            planned=$((passed + failed + skipped))
        else
            planned=1 passed=$((code == 0)) skipped=$((code == 77)) failed=$((code != 0 && code != 77))
        fi
        [ "$code" = 77 ] && code=0
    else
        timeout -k 10 "${TEST_SECONDS:-600}" "$program" >"$room/out" 2>"$room/err" </dev/null
        code=$?
        planned=$(sum "$room/out" '\[==========\] Running ([0-9]+) test')
        passed=$(sum "$room/err" '\[  PASSED  \] ([0-9]+) test')
        skipped=$(sum "$room/err" '\[  SKIPPED \] ([0-9]+) test')
        failed=$((planned - passed - skipped))
    fi
    if ((failed <= 0 && (code != 0 || planned == 0 || failed < 0))); then
        failed=1
    fi
    echo "$passed $failed $skipped" >>"$RESULTS/counts"

    local how="$passed passed"
    ((skipped)) && how+=", $skipped skipped"
    if ((failed)); then
        how+=", $failed FAILED"
        case $code in
        124 | 137) how+=" (stopped after ${TEST_SECONDS:-600} s)" ;;
        0) ((planned)) || how+=" (no test ran)" ;;
        *) how+=" (exit $code)" ;;
        esac
    fi
    local line
    line=$(printf '%-44s %s, %d s' "$program" "$how" $(($(date +%s) - start)))
    if ((failed)); then
        line+=$(printf '\n' && sed 's/^/    /' "$room/out" "$room/err")
    elif ((skipped)); then
        line+=$(grep -hiE '^ *skip' "$room/out" "$room/err" | sed 's/^ */\n    /')
    fi
    (
        flock 9
        printf '%s\n' "$line"
    ) 9>"$RESULTS/lock"
}

if [ "${1:-}" = --one ]; then
    run_one "$2"
    exit 0
fi
RESULTS=$(mktemp -d)
export RESULTS
trap 'rm -rf "$RESULTS"' EXIT
[ $# -gt 0 ] && printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-2}" tests/run.sh --one

touch "$RESULTS/counts"
awk -v started=$# '
    { passed += $1; failed += $2; skipped += $3 }
    END {
        if (NR < started)
            failed += started - NR
        printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
        exit failed > 0 || passed + skipped == 0
    }' "$RESULTS/counts"
