#!/bin/bash
# make install and make uninstall.
#
#     BUILD=build VERSION=0.1.0 LIBS='-ljansson ...' tools/install.sh install DESTDIR PREFIX HEADER...
#     tools/install.sh uninstall DESTDIR PREFIX
#
# Everything goes under DESTDIR/PREFIX. PREFIX/share/heed/manifest lists what was put there and the folders that were
# made for it; uninstall goes by that list, so it leaves alone what was there before.
set -euo pipefail
root=$2$3 prefix=$3
manifest=$root/share/heed/manifest

folder() { # makes $1 and remembers what was missing, outermost first
    [ -d "$1" ] && return
    folder "$(dirname "$1")"
    mkdir "$1"
    echo "folder $1" >>"$list"
}

file() { # installs $2 as $3 with mode $1
    folder "$(dirname "$3")"
    rm -f "$3"
    install -m "$1" "$2" "$3"
    echo "file $3" >>"$list"
}

link() { # makes $2 a symbolic link to $1
    ln -sf "$1" "$2"
    echo "file $2" >>"$list"
}

library() { # $1 flavour, $2 name, $3 what the .pc file says, $4 its flags
    local soname=lib$2.so.${VERSION%%.*}
    file 644 "$BUILD/$1/lib$2.a" "$root/lib/lib$2.a"
    file 755 "$BUILD/$1/lib$2.so.$VERSION" "$root/lib/lib$2.so.$VERSION"
    link "lib$2.so.$VERSION" "$root/lib/$soname"
    link "$soname" "$root/lib/lib$2.so"
    sed "s|@PREFIX@|$prefix|; s|@NAME@|$2|; s|@DESCRIPTION@|$3|; s|@VERSION@|$VERSION|; s|@DEFINE@|$4|; s|@LIBS@|$LIBS|" \
        heed.pc.in >"$work/pc"
    file 644 "$work/pc" "$root/lib/pkgconfig/$2.pc"
}

install_all() {
    work=$(mktemp -d) list=$work/list
    trap 'rm -rf "$work"' EXIT
    local header
    for header in "$@"; do
        file 644 "$header" "$root/include/heed/${header#src/}"
    done
    file 644 "$BUILD/gen/names64.h" "$root/include/heed/tensor/names64.h"
    library float heed 'A minimal autograd training framework' ''
    library double heed64 'A minimal autograd training framework, in double precision' ' -DHEED_DOUBLE'

    folder "$(dirname "$manifest")"
    if [ -f "$manifest" ]; then # what an earlier install made is ours as well
        cat "$manifest" >>"$list"
    fi
    sort -u "$list" >"$manifest"
    echo "installed heed $VERSION in $root"
}

uninstall_all() {
    if [ ! -f "$manifest" ]; then
        echo "uninstall: there is no $manifest: nothing of heed was installed there" >&2
        exit 1
    fi
    local kind path
    while read -r kind path; do
        [ "$kind" = file ] && rm -f "$path"
    done <"$manifest"
    local folders
    folders=$(sed -n 's/^folder //p' "$manifest" | sort -r) # the innermost first
    rm -f "$manifest"
    while read -r path; do
        [ -n "$path" ] && [ -d "$path" ] && rmdir --ignore-fail-on-non-empty "$path"
    done <<<"$folders"
    echo "removed heed from $root"
}

case $1 in
install) shift 3 && install_all "$@" ;;
uninstall) uninstall_all ;;
esac
