#!/bin/sh
# Collects the image's files below DEST: rootfs.sh DEST [BINARY]. The Dockerfile and `build` make their image from it.
# What there is: the program, its shared libraries and their loader, names for its user, and public CA certificates.
set -eu

dest=${1:?where to: rootfs.sh DEST [BINARY]}
binary=${2:-$(dirname "$0")/../../target/release/slipway}
[ -x "$binary" ] || {
    echo "rootfs.sh: there is no program $binary: run 'cargo build --release' first, or name it" >&2
    exit 1
}

umask 022
mkdir -p "$dest/etc/ssl/certs" "$dest/tmp"
chmod 1777 "$dest/tmp"
install -m 755 "$binary" "$dest/slipway"

# `ldd` names libraries as "NAME => PATH (0x...)" and the loader as "PATH (0x...)"; a static program has neither.
ldd "$binary" 2>/dev/null | sed -n 's/^\(.*=> \)\{0,1\}[[:space:]]*\(\/[^ ]*\) (0x.*/\2/p' | while read -r library; do
    mkdir -p "$dest$(dirname "$library")"
    install -m 755 "$(readlink -f "$library")" "$dest$library"
done

echo 'root:x:0:0:root:/:/nologin
slipway:x:65532:65532:slipway:/:/nologin' >"$dest/etc/passwd"
echo 'root:x:0:
slipway:x:65532:' >"$dest/etc/group"
# Names of ExternalName Services: /etc/hosts of the pod first, then the cluster's DNS.
echo 'hosts: files dns' >"$dest/etc/nsswitch.conf"
chmod 644 "$dest/etc/passwd" "$dest/etc/group" "$dest/etc/nsswitch.conf"

certificates=/etc/ssl/certs/ca-certificates.crt
if [ -r "$certificates" ]; then
    install -m 644 "$certificates" "$dest$certificates"
fi
