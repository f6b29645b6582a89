#!/bin/sh
# Writes the manual page of translate_toy from what its commands say under --help.
#
#     BIN=build tools/man.sh > man/translate_toy.1
#
# tests/man.sh fails when the page in man/ differs from this.
set -eu
toy=${BIN:-build}/translate_toy

escape() { sed 's/\\/\\e/g; s/-/\\-/g; s/^\./\\\&./; s/^'"'"'/\\\&'"'"'/'; }

printf '.\\" Written by tools/man.sh from translate_toy --help.\n'
printf '.TH TRANSLATE_TOY 1 "" "heed %s" "User Commands"\n' "$("$toy" --version | cut -d' ' -f2)"
printf '.SH NAME\ntranslate_toy \\- train a small translator and look at its attention heads\n'
printf '.SH SYNOPSIS\n.B translate_toy\n.I COMMAND\n[options]\n.SH DESCRIPTION\n'
"$toy" --help | sed -n '3,/^commands:/p' | sed '/^commands:/d' | escape
printf '.SH COMMANDS\n'
"$toy" --help | sed -n '/^commands:/,/^$/p' | sed '1d;/^$/d' | awk '{ print $1 }' | while read -r command; do
    printf '.SS translate_toy %s\n' "$command"
    "$toy" "$command" --help | escape | awk '
        NR == 1 { sub(/^usage: /, ""); print ".B " $0; print ".PP"; next }
        /^options:$/ { options = 1; next }
        !options && NF { print }
        options && NF {
            at = match(substr($0, 3), /  +/)
            if (length($0) > 24 && substr($0, 25, 1) == " ") at = 22
            name = substr($0, 3, at)
            sub(/ +$/, "", name)
            rest = substr($0, 3 + at)
            sub(/^ +/, "", rest)
            print ".TP"
            print ".B " name
            print rest
        }'
done
printf '.SH EXIT STATUS\n0 done; 1 failed; 2 wrong use; 130 and 143 stopped by SIGINT and SIGTERM, the model saved.\n'
printf '.SH ENVIRONMENT\n.TP\n.B OMP_NUM_THREADS\nthreads where \\-\\-threads is 0.\n'
printf '.TP\n.B HEED_BLAS\na library with CBLAS to load instead of OpenBLAS, where the compiler had no AVX2.\n'
