#!/bin/bash
# What make install promises, checked from outside the tree with nothing but pkg-config:
#   - programs in C11 and C++20, float and double, shared and static; an op of one's own is gradient-checked;
#   - a program for one precision does not link with the other library; one program can hold both;
#   - each library exports its own names and nothing else; DESTDIR is obeyed; uninstall leaves nothing.
# Needs g++, nm and readelf. BUILD names the build tree (default build), which make install brings up to date.
# The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C.UTF-8
here=tests/install
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # check NAME COMMAND...: the command must succeed
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n' "$name"
        sed 's/^/    /' "$work/log"
    fi
}

refuse() { # refuse PATTERN COMMAND...: the command must fail and say PATTERN
    local pattern=$1
    shift
    if "$@" >"$work/refused" 2>&1; then
        echo 'it succeeded'
        return 1
    fi
    grep -E "$pattern" "$work/refused" || { cat "$work/refused" && return 1; }
}

quiet_make() { make --no-print-directory ${BUILD:+BUILD="$BUILD"} "$@"; }
pc() { PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config "$@"; }

# compile LANGUAGE SOURCE OUTPUT LIBRARY FLAG...: one object with the flags of the library's .pc file
compile() {
    local language=$1 source=$2 output=$3 library=$4
    shift 4
    local compiler=(gcc -std=c11)
    [ "$language" = c++20 ] && compiler=(g++ -std=c++20 -x c++)
    # shellcheck disable=SC2046
    "${compiler[@]}" -Wall -Wextra -Wpedantic -Wno-missing-field-initializers -Werror $(pc --cflags "$library") "$@" \
        -c -o "$output" "$source"
}

link() { # link OUTPUT HOW "LIBRARY ..." OBJECT...: HOW is shared or static
    local output=$1 how=$2 libraries=$3 library flags=()
    shift 3
    for library in $libraries; do
        if [ "$how" = static ]; then
            # shellcheck disable=SC2207
            flags+=("$prefix/lib/lib$library.a" $(pc --static --libs "$library" | sed "s/-l$library\\>//"))
        else
            # shellcheck disable=SC2207
            flags+=($(pc --libs "$library") "-Wl,-rpath,$prefix/lib")
        fi
    done
    g++ -o "$output" "$@" "${flags[@]}"
}

built() { # built LANGUAGE HOW LIBRARY SOURCE FLAG...: compile, link
    local language=$1 how=$2 library=$3 source=$4
    shift 4
    compile "$language" "$here/$source" "$work/object.o" "$library" "$@" &&
        link "$work/program" "$how" "$library" "$work/object.o"
}

prints() { # prints TEXT COMMAND...
    local want=$1 got
    shift
    got=$("$@") || { echo "exit $?: $got" && return 1; }
    [ "$got" = "$want" ] || { echo "got \"$got\", want \"$want\"" && return 1; }
}

gradient_checks() { # gradient_checks LANGUAGE HOW: the right derivative agrees, a wrong one does not
    built "$1" "$2" heed64 own_op.c && "$work/program" &&
        built "$1" "$2" heed64 own_op.c -DWRONG && refuse 'square' "$work/program"
}

program_runs() { # program_runs LANGUAGE HOW LIBRARY SIZE
    built "$1" "$2" "$3" program.c && prints "$version $4 6" "$work/program"
}

mixing_fails() { # mixing_fails LANGUAGE HOW COMPILED LINKED
    compile "$1" "$here/program.c" "$work/object.o" "$3" &&
        refuse "undefined reference to .$3_" link "$work/program" "$2" "$4" "$work/object.o"
}

both_in_one() { # both_in_one HOW "LIBRARY LIBRARY"
    compile c11 "$here/half.c" "$work/float.o" heed -DFUNCTION=float_half &&
        compile c11 "$here/half.c" "$work/double.o" heed64 -DFUNCTION=double_half &&
        gcc -c -o "$work/both.o" "$here/both.c" &&
        link "$work/both" "$1" "$2" "$work/both.o" "$work/float.o" "$work/double.o" && "$work/both"
}

exports() { # exports LIBRARY PREFIX: every name begins with it, and there are as many as the headers have
    local names want
    names=$(nm -D --defined-only "$prefix/lib/lib$1.so" | awk '{ print $3 }')
    echo "$names" | grep -v "^$2" && return 1
    nm -g --defined-only "$prefix/lib/lib$1.a" | awk 'NF == 3 { print $3 }' | grep -v "^$2" && return 1
    want=$(grep -c '#define heed_' "$prefix/include/heed/tensor/names64.h")
    [ "$(echo "$names" | wc -l)" = "$want" ] || { echo "$(echo "$names" | wc -l) names, the headers have $want" && return 1; }
}

soname() { readelf -d "$prefix/lib/lib$1.so" | grep -F "[lib$1.so.${version%%.*}]"; }

nothing_left() { # nothing_left FOLDER: only what was there before
    local left
    left=$(find "$1" -mindepth 1)
    [ "$left" = "$1/before" ] || { echo "left: $left" && return 1; }
}

version=$(sed -n 's/^#define HEED_VERSION "\(.*\)"/\1/p' src/tensor/tensor.h)
prefix=$work/prefix
mkdir -p "$prefix/before"
check 'install' quiet_make install PREFIX="$prefix"
check 'install twice' quiet_make install PREFIX="$prefix"
check 'version of the .pc file' prints "$version" pc --modversion heed
check 'libheed exports heed_ names only' exports heed heed_
check 'libheed64 exports heed64_ names only' exports heed64 heed64_
check 'soname of libheed' soname heed
check 'soname of libheed64' soname heed64
for language in c11 c++20; do
    for how in shared static; do
        check "$language, $how, float" program_runs $language $how heed 4
        check "$language, $how, double" program_runs $language $how heed64 8
        check "$language, $how: gradient check of an own op" gradient_checks $language $how
        check "$language, $how: float program, double library" mixing_fails $language $how heed heed64
        check "$language, $how: double program, float library" mixing_fails $language $how heed64 heed
    done
done
check 'both libraries in one program, shared' both_in_one shared 'heed heed64'
check 'both libraries in one program, shared, other order' both_in_one shared 'heed64 heed'
check 'both libraries in one program, static' both_in_one static 'heed heed64'
check 'uninstall' quiet_make uninstall PREFIX="$prefix"
check 'uninstall leaves nothing' nothing_left "$prefix"
check 'a second uninstall says so' refuse 'nothing of heed was installed' quiet_make uninstall PREFIX="$prefix"

mkdir -p "$work/stage/before"
check 'install with DESTDIR' quiet_make install DESTDIR="$work/stage" PREFIX=/opt/heed
check 'DESTDIR is not in the .pc files' grep -qx 'prefix=/opt/heed' "$work/stage/opt/heed/lib/pkgconfig/heed64.pc"
check 'uninstall with DESTDIR' quiet_make uninstall DESTDIR="$work/stage" PREFIX=/opt/heed
check 'uninstall with DESTDIR leaves nothing' nothing_left "$work/stage"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
