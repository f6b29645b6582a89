#!/bin/sh
# From a fresh machine to a running heed. See usage below. Nothing is installed that is there already.
set -eu
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./bootstrap.sh demo|test|check|deps

  demo     install what is missing, then `make demo`: trains a small translator and translates
  test     install what is missing, then `make test`
  check    install what is missing for `make check` (clang, formatter, C++, Chromium), then run it
  deps     install what is missing for all of these, and stop

Debian and Ubuntu: packages come from apt-get, through sudo if you are not root; the commands are shown first.
Elsewhere: the packages to install are listed, and nothing is changed.
TEXT
}

# What must be there, and how to see that it is. The order of these names is that of the package lists below.
have() {
    case $1 in
    cc) command -v gcc && echo '#include <stdio.h>' | gcc -E - ;;
    make) command -v make ;;
    pkg-config) command -v pkg-config ;;
    openblas) pkg-config --exists openblas ;;
    jansson) pkg-config --exists jansson ;;
    utf8proc) pkg-config --exists libutf8proc ;;
    cmocka) pkg-config --exists cmocka ;;
    c++) command -v g++ && echo '#include <initializer_list>' | g++ -x c++ -E - ;;
    clang) command -v clang ;;
    clang-omp) echo '#include <omp.h>' | clang -fopenmp -E - ;;
    clang-format) command -v clang-format ;;
    patch) command -v patch ;;
    strace) command -v strace ;;
    chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
    node) command -v node ;;
    esac >/dev/null 2>&1
}
run_needs='cc make pkg-config openblas jansson utf8proc cmocka'
check_needs="$run_needs c++ clang clang-omp clang-format patch strace chromium node"

# One line a distribution: its package for each need.
packages() { # packages DISTRIBUTION NEED...
    distribution=$1
    shift
    for need; do
        case $distribution:$need in
        debian:cc) echo gcc libc6-dev ;;
        debian:openblas) echo libopenblas-dev ;;
        debian:jansson) echo libjansson-dev ;;
        debian:utf8proc) echo libutf8proc-dev ;;
        debian:cmocka) echo libcmocka-dev ;;
        debian:c++) echo g++ ;;
        debian:clang-omp) echo libomp-dev ;;
        debian:node) echo nodejs ;;

        fedora:cc) echo gcc ;;
        fedora:pkg-config) echo pkgconf-pkg-config ;;
        fedora:openblas) echo openblas-devel ;;
        fedora:jansson) echo jansson-devel ;;
        fedora:utf8proc) echo utf8proc-devel ;;
        fedora:cmocka) echo libcmocka-devel ;;
        fedora:c++) echo gcc-c++ ;;
        fedora:clang-omp) echo libomp-devel ;;
        fedora:clang-format) echo clang-tools-extra ;;
        fedora:node) echo nodejs ;;

        arch:cc | arch:c++) echo gcc ;;
        arch:pkg-config) echo pkgconf ;;
        arch:utf8proc) echo libutf8proc ;;
        arch:clang-omp) echo openmp ;;
        arch:clang-format) echo clang ;;
        arch:node) echo nodejs ;;

        alpine:cc) echo gcc musl-dev ;;
        alpine:pkg-config) echo pkgconf ;;
        alpine:openblas) echo openblas-dev ;;
        alpine:jansson) echo jansson-dev ;;
        alpine:utf8proc) echo utf8proc-dev ;;
        alpine:cmocka) echo cmocka-dev ;;
        alpine:c++) echo g++ ;;
        alpine:clang-omp) echo openmp-dev ;;
        alpine:clang-format) echo clang-extra-tools ;;
        alpine:node) echo nodejs ;;

        suse:cc) echo gcc ;;
        suse:openblas) echo openblas-devel ;;
        suse:jansson) echo libjansson-devel ;;
        suse:utf8proc) echo utf8proc-devel ;;
        suse:cmocka) echo libcmocka-devel ;;
        suse:c++) echo gcc-c++ ;;
        suse:clang-omp) echo libomp-devel ;;
        suse:clang-format) echo clang-tools ;;
        suse:node) echo nodejs ;;
        *) echo "$need" ;;
        esac
    done | tr '\n' ' ' | sed 's/ $//'
}

missing() { # those of the needs given that are not there
    for need; do
        have "$need" || printf '%s ' "$need"
    done
}

install_missing() { # install_missing NEED...
    lacking=$(missing "$@")
    [ -n "$lacking" ] || return 0
    # Word splitting of the lists is meant throughout.
    # shellcheck disable=SC2086
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "bootstrap.sh: not found here: $lacking" >&2
        echo 'There is no apt-get, so nothing was installed. The packages to install:' >&2
        echo "  Fedora    sudo dnf install $(packages fedora $lacking)" >&2
        echo "  Arch      sudo pacman -S --needed $(packages arch $lacking)" >&2
        echo "  Alpine    sudo apk add bash $(packages alpine $lacking)" >&2
        echo "  openSUSE  sudo zypper install $(packages suse $lacking)" >&2
        exit 1
    fi
    # shellcheck disable=SC2086
    wanted=$(packages debian $lacking)
    as_root=
    if [ "$(id -u)" != 0 ]; then
        as_root='sudo '
    fi
    echo "bootstrap.sh: not found here: $lacking"
    echo 'It will run:'
    echo "  ${as_root}apt-get update"
    echo "  ${as_root}env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $wanted"
    if [ -n "$as_root" ] && ! command -v sudo >/dev/null 2>&1; then
        echo 'bootstrap.sh: this needs root, and there is no sudo: run the two commands as root, then this script again' >&2
        exit 1
    fi
    # shellcheck disable=SC2086
    {
        ${as_root}apt-get update
        ${as_root}env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $wanted
    } </dev/null || {
        echo 'bootstrap.sh: the packages could not be installed' >&2
        exit 1
    }
    # shellcheck disable=SC2086
    lacking=$(missing "$@")
    if [ -n "$lacking" ]; then
        echo "bootstrap.sh: installed, but still not found: $lacking" >&2
        exit 1
    fi
}

if [ $# != 1 ]; then
    usage >&2
    exit 2
fi
# shellcheck disable=SC2086
case $1 in
-h | --help) usage ;;
demo | test)
    install_missing $run_needs
    exec make --no-print-directory -j"$(nproc)" "$1"
    ;;
check)
    install_missing $check_needs
    exec make --no-print-directory check
    ;;
deps) install_missing $check_needs ;;
*)
    echo "bootstrap.sh: unknown argument: $1" >&2
    usage >&2
    exit 2
    ;;
esac
