# For the scripts that test the command line. Sourced; ends with `total`.
#
#     expect CODE TEXT COMMAND ...    exit code CODE, and TEXT in what it printed ("" = any); stdin is empty
#     check NAME COMMAND ...          exit code 0; `out` stays what the last expect printed
set -u
cd "$(dirname "$0")/.." || exit 1
toy=$(realpath "${BIN:-build}")/translate_toy
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cd "$room" || exit 1
passed=0 failed=0
# A model small enough to train in a blink.
tiny=(--layers 1 --d-model 16 --heads 2 --ffn 32 --batch 16 --warmup 5 --valid-every 10)

wrong() {
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$*"
    [ -f out ] && sed 's/^/    /' out | head -20 # what the last expect saw
}

expect() {
    local want=$1 text=$2 code
    shift 2
    timeout 120 "$@" >out 2>&1 </dev/null
    code=$?
    if [ "$code" != "$want" ]; then
        wrong "exit $code instead of $want: $*"
    elif [ -n "$text" ] && ! grep -qF -- "$text" out; then
        wrong "no \"$text\" printed by: $*"
    else
        passed=$((passed + 1))
    fi
}

check() {
    local name=$1
    shift
    if "$@" >checked 2>&1; then
        passed=$((passed + 1))
    else
        wrong "$name"
    fi
}

total() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    exit $((failed > 0))
}
