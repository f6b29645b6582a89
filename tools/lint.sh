#!/bin/bash
# The rules of the house, a line each: `ok`, or what breaks it.
#
#     tools/lint.sh [ROOT [LIBRARY.so ...]]
#
# The libraries are searched for exported names. The last line is `N passed, N failed`; tests/lint_test.sh shows each
# rule failing.
set -u
tools=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 1
shift
libraries=("$@")
export LC_ALL=C
max_lines=500        # of a source file
max_code_lines=17500 # of the C in src, without blanks, comments and lines of braces alone
passed=0 failed=0

rule() { # rule FUNCTION TEXT: what the function prints are the violations
    local found
    found=$("$1")
    if [ -n "$found" ]; then
        failed=$((failed + 1))
        printf 'FAILED  %s\n%s\n' "$2" "$(sed 's/^/            /' <<<"$found")"
    else
        passed=$((passed + 1))
        printf 'ok      %s\n' "$2"
    fi
}

files() { # files FOLDER PATTERN...: the project's files with such names; nothing that was built
    local folder=$1 names=() pattern
    shift
    for pattern; do
        names+=(-o -name "$pattern")
    done
    find "$folder" \( -path ./build -o -path ./.git \) -prune -o -type f \( "${names[@]:1}" \) -print | sed 's|^\./||' | sort
}

code() { awk -f "$tools/strip.awk" "$1"; } # C with its lines, without comments and literals

in_code() { # in_code PATTERN FILE...: like grep -n, blind to comments and literals
    local pattern=$1 file
    shift
    for file; do
        code "$file" | grep -nE "$pattern" | sed "s|^|$file:|"
    done
}

# The folders a file may include from (or the headers, for files outside src).
allowed_for() {
    case $1 in
    src/heed.h) echo 'src/(tensor/tensor|autograd/autograd|layers/layers|train/train|text/text|inspect/inspect)\.h' ;;
    src/tensor/*) echo 'src/tensor/.*' ;;
    src/autograd/*) echo 'src/(tensor|autograd)/.*' ;;
    src/layers/*) echo 'src/(tensor|autograd|layers)/.*' ;;
    src/train/*) echo 'src/(tensor|autograd|layers|train)/.*' ;;
    src/text/*) echo 'src/(tensor|text)/.*' ;;
    src/inspect/*) echo 'src/(tensor|autograd|layers|inspect)/.*' ;;
    examples/*) echo "${1%/*}/[^/]*|src/heed\.h|src/([a-z]+)/\2\.h" ;;
    bench/*) echo 'bench/[^/]*|src/heed\.h' ;;
    esac
}

arrows() {
    local file name found
    for file in $(files src '*.c' '*.h') $(files examples '*.c' '*.h') $(files bench '*.c' '*.h'); do
        for name in $(sed -nE 's/^ *# *include *["<]([^">]*)[">].*/\1/p' "$file"); do
            found=$(realpath -m --relative-to=. "${file%/*}/$name")
            [ -f "$found" ] || found=src/$name
            [ -f "$found" ] || continue # of the system, or generated
            grep -qE "^($(allowed_for "$file"))\$" <<<"$found" || echo "$file includes $name"
        done
    done
}

speed_homes() {
    local file
    for file in $(files src '*.c' '*.h'); do
        case $file in
        src/tensor/k_*.[ch]) ;;
        src/autograd/shards.c) in_code 'cblas|openblas' "$file" ;;
        *) in_code 'cblas|openblas|pragma +omp|_Pragma|(^|[^a-z_])omp_[a-z]|include.*omp\.h' "$file" ;;
        esac
    done
}

long_files() {
    files . '*.c' '*.h' '*.sh' '*.py' '*.awk' '*.js' '*.css' '*.html' Makefile run | xargs wc -l |
        awk -v most=$max_lines '$2 != "total" && $1 > most { print $2 ": " $1 " lines, at most " most }'
}

count_code() {
    local file
    for file in $(files src '*.c' '*.h'); do code "$file"; done | grep -c '[[:alnum:]]'
}

budget() { [ "$code_lines" -le $max_code_lines ] || echo "src has $code_lines lines of code, at most $max_code_lines"; }

symbols() {
    local library want
    for library in "${libraries[@]}"; do
        case $library in
        */libheed64.*) want=heed64_ ;;
        *) want=heed_ ;;
        esac
        nm -D --defined-only "$library" | awk '{ print $3 }' | grep -v "^$want" | sed "s|^|$library exports |"
    done
}

quiet_library() {
    in_code '(^|[^A-Za-z0-9_])(_?exit|_Exit|quick_exit|abort|v?printf|puts|putchar|perror|assert) *\(' $(files src '*.c' '*.h')
    in_code '(^|[^A-Za-z0-9_])std(out|err)([^A-Za-z0-9_]|$)' $(files src '*.c')
}

one_allocator() {
    in_code '(^|[^A-Za-z0-9_])([mc]alloc|realloc|reallocarray|aligned_alloc|posix_memalign|strn?dup|v?asprintf) *\(' \
        $(files src '*.c' '*.h' | grep -v '^src/tensor/memory\.c$')
}

# Every op declared in autograd.h has a row in a gradient test: the name as a string, or in ROW(...). Views and what
# enters a tape or builds an op have tests of their own.
gradient_rows() {
    local op
    for op in $(code src/autograd/autograd.h | sed -nE 's/^HEED_[A-Z]+ heed_var \*(heed_[a-z0-9_]+)\(.*/\1/p' |
        grep -vxE 'heed_(input|leaf|detach|named|external_on|reshape|permute|slice|broadcast|op_.*)'); do
        grep -qsE "\"$op\"|ROW\( *$op *[,)]" tests/test_gradients*.c || echo "$op has no row in tests/test_gradients*.c"
    done
}

machine_paths() {
    grep -nIE '(^|[^A-Za-z0-9_.])(/(home|root|Users|work|mnt|media)/|[A-Z]:\\\\[A-Za-z])|\.\./shared' \
        $(files . '*' | grep -vE '^tools/lint\.sh$|^tests/lint_test\.sh$')
}

exact_arithmetic() {
    grep -nIE -e 'f[a]st-math|-O[f]ast|-f(unsafe-math|finite-math|associative-math|reciprocal-math)' \
        $(files . '*.c' '*.h' '*.sh' '*.py' '*.in' Makefile run)
    in_code 'reduction *\( *\+' $(files src '*.c' '*.h')
}

unfinished() {
    grep -nIwE '[T]ODO|[F]IXME|[X]XX|[H]ACK' $(files . '*.c' '*.h' '*.sh' '*.py' '*.in' '*.md' Makefile run)
}

code_lines=$(count_code)
rule arrows 'rooms include only rooms to their left, examples and bench only public headers'
rule speed_homes 'BLAS only in src/tensor/k_*; OpenMP there and in src/autograd/shards.c'
rule long_files "no source file over $max_lines lines"
rule budget "src has $code_lines lines of code, of $max_code_lines"
rule symbols "exported names of ${#libraries[@]} libraries begin with heed_ or heed64_"
rule quiet_library 'the library does not exit, abort, assert or print'
rule one_allocator 'one allocator: src/tensor/memory.c'
rule gradient_rows 'every op has a row in the gradient tests'
rule machine_paths 'no paths of one machine'
rule exact_arithmetic 'the same bits on every run: no fast arithmetic, no reductions in any order'
rule unfinished 'nothing left unfinished'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
