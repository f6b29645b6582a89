#!/bin/bash
# The manual page says what --help says.
cd "$(dirname "$0")/.." || exit 1
diff <(tools/man.sh) man/translate_toy.1 || {
    echo 'man/translate_toy.1 is out of date: BIN=build tools/man.sh > man/translate_toy.1'
    exit 1
}
