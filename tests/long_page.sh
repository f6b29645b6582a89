# The tests of the page notice what is planted in it: tests/page/mutations.js.
set -u
cd "$(dirname "$0")/.." || exit 1
exec bash tests/page.sh --mutations
