# The whole cluster: up in the order that the parts need each other, down in the other.
# shellcheck shell=bash

# up [NODES]
up() {
    local count=${1:-1} node
    [[ $count =~ ^[0-9]$ ]] || fail "how many nodes? 0 to 9, not $count"
    if [[ -e $STATE/complete ]] && api_ready >/dev/null 2>&1; then
        echo "cluster $NAME is up already (tests/cluster/down ends it)"
        return
    fi
    build
    [[ ! -d $STATE ]] || clean
    trap 'say "it did not come up: ending what runs" && clean' EXIT
    mkdir -p "$STATE/log" "$STATE/pid"
    rm -f "$STATE"/log/*
    for ((node = 1; node <= count; node++)); do
        mkdir -p "$STATE/node$node/cni"
    done
    say "cluster $NAME: networks and control plane"
    # Node 1's network is there without a node, too: the control plane lives in it.
    network $(seq 1 $((count > 0 ? count : 1)))
    control_plane
    say "the API server answers"
    ((count == 0)) || workers
    touch "$STATE/complete"
    trap - EXIT
    say "cluster $NAME is up: tests/cluster/run kubectl get nodes"
}

down() {
    if [[ ! -d $STATE/pid ]]; then
        echo "cluster $NAME is not up"
        return
    fi
    clean
    say "cluster $NAME is down; its logs are in $STATE/log"
}

# Ends everything and removes all but the logs; nothing of it need be whole.
clean() {
    local node
    cd /
    stop_hard $(parts kubelet proxy scheduler controllers apiserver etcd)
    for node in $(nodes); do
        remove_pods "$node"
    done
    stop $(parts containerd)
    unmount
    remove_network
    find "$STATE" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf --one-file-system {} +
}

# Longest paths first: a pod's volumes before its root.
unmount() {
    awk -v below="$STATE/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
}
