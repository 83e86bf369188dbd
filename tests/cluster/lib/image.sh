# Images: archives of a few files and the libraries they need, given to the containerd of each node.
# shellcheck shell=bash

# image NAME[,NAME...] ENTRYPOINT SOURCE:TARGET...: on every node; the entry point is a JSON list. A tag other than latest is not pulled.
image() {
    (($# >= 3)) || usage
    archive "$@"
    load "$STATE/image/image.tar"
    rm -r "$STATE/image"
}

# load FILE.tar: an archive as `docker save` writes it, on every node.
load() {
    local node
    for node in $(nodes); do
        containers "$node" images import "$1" >/dev/null
    done
}

# Also under the name of the echo server that examples/ use: nothing is pulled for them.
echo_image() { image localhost/test/echo:1,hashicorp/http-echo:1.0.0 '["/echo", "serve"]' "$(echo_server):/echo"; }

# The process that holds the namespaces of a pod is the echo server, too, in a mode in which it only waits.
pause_image() { image localhost/test/pause:1 '["/echo", "pause"]' "$(echo_server):/echo"; }

# A pod that waits, with what looks names up: dig, and getent with the system's own resolver.
lookup_image() {
    image localhost/test/lookup:1 '["/echo", "pause"]' "$(echo_server):/echo" "$(command -v dig):/usr/bin/dig" "$(command -v getent):/usr/bin/getent"
}

# archive NAME[,NAME...] ENTRYPOINT SOURCE:TARGET...: writes image/image.tar below $STATE.
archive() {
    local names=${1//,/\",\"} entrypoint=$2 work=$STATE/image pair library layer architecture
    shift 2
    rm -rf "$work"
    mkdir -p "$work/root" "$work/parts"
    for pair in "$@"; do
        install -D "${pair%%:*}" "$work/root/${pair#*:}"
        for library in $(ldd "${pair%%:*}" 2>/dev/null | grep -o '/[^ ]*'); do
            install -D "$library" "$work/root/$library"
        done
    done
    tar -C "$work/root" --owner 0 --group 0 --numeric-owner -cf "$work/parts/layer.tar" .
    layer=$(sha256sum "$work/parts/layer.tar" | cut -d' ' -f1)
    architecture=$(go env GOARCH)
    cat >"$work/parts/config.json" <<JSON
{"architecture": "$architecture", "os": "linux", "config": {"Entrypoint": $entrypoint},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
JSON
    echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$names\"], \"Layers\": [\"layer.tar\"]}]" >"$work/parts/manifest.json"
    tar -C "$work/parts" -cf "$work/image.tar" config.json layer.tar manifest.json
}
