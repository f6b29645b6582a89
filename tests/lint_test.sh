#!/bin/bash
# Every rule of tools/lint.sh notices a planted violation, and lets pass what only looks like one. All are planted in
# one copy of the tree, and lint runs over it once. The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
rules=() wanted=() # what lint must say, and under which rule
mkdir "$work/tree"
cp -R Makefile src examples bench tests tools "$work/tree"

planted() { # planted RULE MESSAGE FILE TEXT: appends TEXT to FILE; lint must say MESSAGE under RULE
    mkdir -p "$(dirname "$work/tree/$3")"
    printf '%b\n' "$4" >>"$work/tree/$3"
    rules+=("$1") wanted+=("$2")
}

innocent() { # innocent FILE TEXT: lint must say nothing about FILE
    printf '%b\n' "$2" >>"$work/tree/$1"
    rules+=(innocent) wanted+=("$1")
}

export_from() { # export_from LIBRARY NAME: a shared library with one exported function
    printf 'int %s(void);\nint %s(void) { return 1; }\n' "$2" "$2" >"$work/export.c"
    gcc -shared -fPIC -o "$work/$1" "$work/export.c"
}

planted 'to their left' 'arrow.c includes .*autograd.h' src/tensor/arrow.c '#include "../autograd/autograd.h"'
planted 'to their left' 'arrow.c includes train' src/text/arrow.c '#include "train/train.h"'
planted 'to their left' 'arrow.c includes .*heed.h' src/layers/arrow.c '  #  include "../heed.h"'
planted 'to their left' 'arrow.h includes .*text.h' src/inspect/arrow.h '#include <text/text.h>'
planted 'to their left' 'arrow.c includes .*internal.h' examples/arrow.c '#include "tensor/internal.h"'
planted 'to their left' 'arrow.c includes .*kernels.h' bench/arrow.c '#include "../src/tensor/kernels.h"'
innocent examples/public.c '#include <heed.h>\n#include "autograd/autograd.h"'
innocent src/inspect/left.c '#include "../tensor/internal.h"\n#include "inspect.h"'
planted 'BLAS only' 'blas.c:1:.*cblas' src/layers/blas.c '#include <cblas.h>'
planted 'BLAS only' 'omp.c:1:.*omp' src/train/omp.c '#pragma omp parallel'
planted 'BLAS only' 'omp.c:1:.*omp_get' src/autograd/omp.c 'int n = omp_get_max_threads();'
planted 'BLAS only' 'shards.c:.*cblas' src/autograd/shards.c 'void *p = cblas_sgemm;'
innocent src/tensor/k_speed.c '#include <cblas.h>\n#pragma omp parallel'
planted 'no source file' 'long.sh: 501 lines' tests/long.sh "$(yes : | head -n 501)"
innocent tests/short.sh "$(yes : | head -n 500)"
planted 'lines of code' 'at most 17500' src/text/budget.h "$(yes 'int x;' | head -n 17500)"
planted 'the library does not' 'exit.c:2:.*exit' src/text/exit.c '/* exit(1) */\nvoid f(void) { exit(1); }'
planted 'the library does not' 'abort.c:1:.*abort' src/text/abort.c 'void f(void) { abort(); }'
planted 'the library does not' 'assert.c:1:.*assert' src/text/assert.c 'void f(int x) { assert(x); }'
planted 'the library does not' 'printf.c:1:.*printf' src/text/printf.c 'void f(void) { printf("x"); }'
planted 'the library does not' 'stderr.c:1:.*stderr' src/text/stderr.c 'void f(void) { fprintf(stderr, "x"); }'
innocent src/text/quiet.c "/* exit(1),\n * printf() */ // abort()\nchar *s = \"assert(\\\\\"1\\\\\") malloc(3)\", c = '\"'; int n = snprintf(s, 3, s);"
planted 'one allocator' 'malloc.c:1:.*malloc' src/train/malloc.c 'void *f(void) { return malloc(3); }'
planted 'row in the gradient' 'heed_planted has no row' src/autograd/autograd.h 'HEED_API heed_var *heed_planted(heed_var *x);'
planted 'one machine' 'path.c:1:' tests/path.c "// see /""home/someone/heed"
planted 'one machine' 'path.md:1:' tests/path.md "Data is in ../""shared/data."
planted 'same bits' 'Makefile:.*fast' Makefile "CFLAGS += -O""fast"
planted 'same bits' 'k_reduce_sum.c:1:.*reduction' src/tensor/k_reduce_sum.c '#pragma omp parallel for reduction(+:sum)'
planted 'left unfinished' 'mark.c:1:' tests/mark.c "/* TO""DO */"
export_from libheed.so planted
planted 'exported names' 'libheed.so exports planted' tests/none.md ''
export_from libheed64.so heed_planted
planted 'exported names' 'libheed64.so exports heed_planted' tests/none.md ''

if (cd "$work/tree" && tools/lint.sh . "$work/libheed.so" "$work/libheed64.so") >"$work/log" 2>&1; then
    echo 'FAILED: lint passed'
    failed=$((failed + 1))
fi
for i in "${!rules[@]}"; do
    if [ "${rules[i]}" = innocent ]; then
        said=$(grep -F "${wanted[i]}" "$work/log") && complaint="${wanted[i]} is innocent, but: $said"
    else
        said=$(awk -v rule="${rules[i]}" '/^(ok|FAILED) / { on = /^FAILED/ && index($0, rule) } on' "$work/log")
        grep -q -- "${wanted[i]}" <<<"$said" || complaint="lint did not say \"${wanted[i]}\" under \"${rules[i]}\": $said"
    fi
    if [ -n "${complaint:-}" ]; then
        echo "FAILED: $complaint"
        failed=$((failed + 1)) complaint=''
    else
        passed=$((passed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
