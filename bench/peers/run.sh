#!/usr/bin/env bash
# Runs peer.py and prints its line of JSON: in the root that setup.sh made, with tcmalloc (PyTorch's own advice for CPUs),
# else with this machine's python3 if that has torch. Exit code 77: there is no PyTorch.
#
#     bench/peers/run.sh --workload W2 --threads 2 [--dropout 0] [--mode compiled] [--dtype bf16] [--case NAME]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${PEER_ROOT:-$HOME/.cache/heed-peer}
if [ ! -x "$root/usr/bin/python3" ]; then
    python3 -c 'import torch' 2>/dev/null && exec python3 "$here/peer.py" "$@"
    echo "PyTorch: not found; bench/peers/setup.sh installs it into $root" >&2
    exit 77
fi
for m in proc sys dev; do
    mountpoint -q "$root/$m" || mount --bind "/$m" "$root/$m"
done
mkdir -p "$root/opt/heed"
cp "$here"/*.py "$root/opt/heed"
libraries=/usr/lib/x86_64-linux-gnu preload=
for so in libtcmalloc_minimal.so.4 libsleef.so.3; do
    [ -e "$root$libraries/$so" ] && preload=${preload:+$preload:}$libraries/$so
done
keep=$(env | grep -E '^(OMP|GOMP|OPENBLAS|TORCH|ONEDNN|DNNL)' || true)
# shellcheck disable=SC2086 # one word a variable
exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin HOME=/root LANG=C.UTF-8 $keep LD_PRELOAD=$preload \
    python3 /opt/heed/peer.py "$@"
