#!/bin/bash
# make check and make check-long: see the Makefile. Builds with -Werror in trees of its own, under build/check.
#
#     tools/check.sh [long]
set -u
cd "$(dirname "$0")/.." || exit 1
. tools/count.sh
unset MAKEFLAGS MAKELEVEL CC
export WERROR=1
build=(make --no-print-directory "-j$(nproc)")

check() {
    export BUILD=build/check/gcc
    run_counted 'gcc: float and double, tests' "${build[@]}" CC=gcc libs test
    run_counted 'gcc: ASan and UBSan' "${build[@]}" CC=gcc asan
    run_counted 'clang: float and double, tests' "${build[@]}" CC=clang BUILD=build/check/clang libs test
    run_counted 'lint' "${build[@]}" lint
    run_counted 'lint notices planted violations' tests/lint_test.sh
    run_counted 'format' "${build[@]}" fmt-check
    run_counted 'install' tests/install/install.sh
    run_counted 'the page, in Chromium' env BIN=$BUILD bash tests/page.sh
    run_counted 'planted faults, a few' tests/faults.sh 3
    run_counted 'README test: its own test' tests/readme.sh --self-test
    run_counted 'README, its demo included' tests/readme.sh
}

check_long() {
    export BUILD=build/check/gcc HEED_LONG=1 TEST_SECONDS=7200
    local script
    run_counted 'long tests, float and double' "${build[@]}" CC=gcc libs test
    run_counted 'inspection and the corpus in double: ASan and UBSan' env -u HEED_LONG "${build[@]}" CC=gcc asan64_slow
    for script in tests/long_*.sh; do
        [ -f "$script" ] && run_counted "$script" env BIN=$BUILD bash "$script"
    done
    run_counted 'planted faults' tests/faults.sh
    local python=python3
    python3 -c 'import torch' 2>/dev/null || python=/usr/bin/python3 # Debian's, where another comes first
    if "$python" -c 'import torch' 2>/dev/null; then
        run_counted 'PyTorch twin' env BIN=$BUILD "$python" tests/torch_twin.py
    else
        run_counted 'PyTorch twin' bash -c 'echo "skipped: python3-torch is not installed"; exit 77'
    fi
}

if [ "${1:-}" = long ]; then
    check_long
else
    check
fi
printf '\n'
total
