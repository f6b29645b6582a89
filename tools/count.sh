# shellcheck shell=bash
# Sourced by scripts that run several checks and end with one line `N passed, N failed`.
passed=0 failed=0 skipped=0

# run_counted NAME COMMAND...: runs the command. Its last such line says what it counted (make may add a complaint below);
# without one the command counts as one. A command that fails without counting a failure has one.
run_counted() {
    local name=$1 code last log p f s counted='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$' start
    shift
    log=$(mktemp)
    start=$(date +%s)
    printf '\n== %s\n' "$name"
    "$@" </dev/null 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    last=$(grep -E "$counted" "$log" | tail -n 1)
    rm -f "$log"
    if [[ $last =~ $counted ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[4]:-0}
        [ "$code" = 0 ] || [ "$f" -gt 0 ] || f=1
    else
        p=$((code == 0)) s=$((code == 77)) f=$((code != 0 && code != 77))
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf -- '-- %s: %s, %d s\n' "$name" "$([ "$f" != 0 ] && echo FAILED || { [ "$p" = 0 ] && echo skipped || echo passed; })" $(($(date +%s) - start))
    [ "$f" = 0 ]
}

total() { # the last line; false if anything failed, or nothing was counted
    [ "$skipped" = 0 ] || printf '%d skipped\n' "$skipped"
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
