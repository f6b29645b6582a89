#!/bin/bash
# Runs every ```sh block and builds every ```c block of README.md (or of the files given) in a copy of the tree.
#
#     tests/readme.sh [FILE.md ...]      tests/readme.sh --self-test
#
# Shell blocks run one after the other in the same folder, with `bash -euo pipefail`. A C block with a main is compiled,
# linked and run; one without is compiled as it stands below #include "heed.h". A comment on the line above changes that:
#
#     <!-- test: skip REASON -->     not run, and counted as skipped
#     <!-- test: body -->            the C block stands inside a function
#     <!-- test: after -->           the C block goes on where the last C block ended
#     <!-- test: double -->          the C block uses the double library; so does a block with heed_gradcheck in it
#
# The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
if [ -n "${README_RUNNING:-}" ]; then
    echo 'skipped: called from a block of the README'
    exit 77
fi
export README_RUNNING=1 OMP_WAIT_POLICY=passive
unset BUILD BIN WERROR MAKEFLAGS MAKELEVEL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Writes each block of $1 to $work/blocks/NNN.sh or .c and its comment's text to NNN.how; NNN.at is its place.
extract() {
    rm -rf "$work/blocks" && mkdir "$work/blocks"
    awk -v to="$work/blocks" '
        BEGIN { tick = "```" }
        !inside && /^<!-- test: .*-->$/ {
            how = $0
            sub(/^<!-- test: */, "", how)
            sub(/ *-->$/, "", how)
            next
        }
        !inside && index($0, tick) == 1 {
            inside = 1
            language = substr($0, 4)
            block = ""
            if (language == "sh" || language == "c") {
                block = sprintf("%s/%03d", to, ++count)
                print how > (block ".how")
                print FILENAME ":" FNR > (block ".at")
                printf "" > (block "." language)
            }
            how = ""
            next
        }
        inside && index($0, tick) == 1 { inside = 0; next }
        inside && block != "" { print > (block "." language) }
        !inside && NF { how = "" }
    ' "$1"
}

run_c() { # run_c BLOCK.c HOW: in the tree
    local source=$work/tree/readme_block.c flavour=float flags=() library=libheed
    if [[ " $2 " == *' double '* ]] || grep -q heed_gradcheck "$1"; then
        flavour=double library=libheed64 flags=(-DHEED_DOUBLE)
    fi
    {
        if [[ " $2 " == *' after '* ]]; then
            cat "$work/last.c"
        else
            printf '#include "heed.h"\n#include <stdio.h>\n#include <stdlib.h>\n#include <math.h>\n'
        fi
        [[ " $2 " == *' body '* ]] && printf 'void readme_body(void);\nvoid readme_body(void)\n{\n'
        cat "$1"
        [[ " $2 " == *' body '* ]] && printf '}\n'
    } >"$source"
    cp "$source" "$work/last.c"
    make --no-print-directory -j2 libs >/dev/null || return 1
    gcc -std=c11 -D_DEFAULT_SOURCE -Wall "${flags[@]}" -Isrc -Ibuild/gen -c -o readme_block.o "$source" || return 1
    grep -qE '(^|[^a-z_])main\(' "$source" || return 0
    gcc -o readme_block readme_block.o "build/$flavour/$library.a" \
        $(pkg-config --libs jansson libutf8proc) -lm -ldl -fopenmp && ./readme_block
}

run_file() { # run_file FILE: all its blocks; sets the counts
    local block how
    extract "$1"
    for how in "$work"/blocks/*.how; do
        [ -f "$how" ] || continue
        block=${how%.how} how=$(cat "$how")
        if [[ $how == skip* ]]; then
            echo "skipped $(cat "$block.at"): ${how#skip }"
            skipped=$((skipped + 1))
            continue
        elif [ -f "$block.sh" ]; then
            (cd "$work/tree" && bash -euo pipefail "$block.sh") >"$work/log" 2>&1 </dev/null
        else
            (cd "$work/tree" && run_c "$block.c" "$how") >"$work/log" 2>&1 </dev/null
        fi
        if [ $? = 0 ]; then
            echo "ok      $(cat "$block.at")"
            passed=$((passed + 1))
        else
            echo "FAILED  $(cat "$block.at")"
            tail -n 40 "$work/log" | sed 's/^/    /'
            failed=$((failed + 1))
        fi
    done
}

self_test() { # a page whose blocks have known outcomes
    cat >"$work/page.md" <<'PAGE'
Passes, and leaves a file for the next block:
```sh
echo seen > left
```
```sh
grep seen left
```
Fails in its first line:
```sh
false
true
```
<!-- test: skip needs a network -->
```sh
false
```
<!-- test: skip does not reach the block, for there is text between -->
Words.
```sh
false | true
```
```text
not run: `false`
```
```c
int main(void) { return sizeof(heed_real) == sizeof(float) && heed_version()[0] ? 0 : 1; }
```
```c
int main(void) { return 3; }
```
```c
static inline int twice(int x) { return 2 * x; }
```
<!-- test: after body -->
```c
int four = twice(2); (void)four;
```
```c
no C at all
```
<!-- test: double -->
```c
int main(void) { return sizeof(heed_real) == sizeof(double) && heed_version()[0] ? 0 : 1; }
```
PAGE
    run_file "$work/page.md" >"$work/page.log"
    if [ "$passed $failed $skipped" = '6 4 1' ]; then
        echo '1 passed, 0 failed'
    else
        echo "the page of the self-test should give 6 passed, 4 failed, 1 skipped, not $passed, $failed, $skipped"
        cat "$work/page.log"
        echo '0 passed, 1 failed'
        return 1
    fi
}

passed=0 failed=0 skipped=0
mkdir "$work/tree"
tar -cf - --exclude=./.git --exclude=./build/check --exclude=./build/clang --exclude=./build/demo . | tar -xf - -C "$work/tree"
if [ "${1:-}" = --self-test ]; then
    self_test
    exit
fi
[ $# -gt 0 ] || set -- README.md
for page; do
    if [ -f "$page" ]; then
        run_file "$page"
    else
        echo "FAILED  there is no $page"
        failed=$((failed + 1))
    fi
done
printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
printf '\n'
[ "$failed" = 0 ]
