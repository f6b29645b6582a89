#!/usr/bin/env bash
# Installs a current PyTorch (Debian unstable's python3-torch with OpenBLAS, oneDNN and tcmalloc) into a root of its own,
# so that it can be measured beside heed on the same machine. Debian or Ubuntu on x86-64; needs root, 3 GB, 2 minutes.
#
#     PEER_ROOT=DIR bench/peers/setup.sh        (default: $HOME/.cache/heed-peer)
#
# Packages come from the mirror this machine's apt already uses. To get rid of it: umount DIR/proc DIR/sys DIR/dev, then
# rm -r --one-file-system DIR.
set -eu
root=${PEER_ROOT:-$HOME/.cache/heed-peer}
apt-get install -y debootstrap
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^#' | grep -oE 'https?://[^ ]+' |
    grep -v security | head -1)
[ -d "$root/usr" ] || debootstrap --variant=minbase sid "$root" "$mirror"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no package starts a service
chmod +x "$root/usr/sbin/policy-rc.d"
for m in proc sys dev; do
    mountpoint -q "$root/$m" || mount --bind "/$m" "$root/$m"
done
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends \
    python3-torch python3-dev libtorch-dev python3-numpy libopenblas0-openmp libopenblas-openmp-dev \
    libdnnl-dev libsleef-dev libtcmalloc-minimal4t64 g++ gcc make
