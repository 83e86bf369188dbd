# Names, places and addresses that all parts share.
# shellcheck shell=bash

readonly KUBERNETES_VERSION=1.36.3
readonly NAME=${SLIPWAY_CLUSTER:-slipway}
readonly STATE=${TMPDIR:-/tmp}/slipway-cluster/$NAME
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/slipway-cluster
readonly ADMIN=$STATE/admin.kubeconfig

# Node 1 holds the control plane, too; a client outside the cluster owns the bridge that joins them all.
readonly CONTROL_ADDRESS=192.168.77.1
readonly CLIENT_ADDRESS=192.168.77.2
# Where a client has no route of its own to the nodes' network: as far away as the internet.
readonly FAR_CLIENT_ADDRESS=198.51.100.2
readonly POD_RANGE=10.244.0.0/16
readonly SERVICE_RANGE=10.96.0.0/16
readonly API_SERVICE_ADDRESS=10.96.0.1
readonly DNS_SERVICE_ADDRESS=10.96.0.10

# node_address NODE
node_address() {
    if [[ $1 == 1 ]]; then echo "$CONTROL_ADDRESS"; else echo "192.168.77.$(($1 + 1))"; fi
}

# namespace WHERE: the network namespace of a node, or of the client.
namespace() { echo "$NAME-$1"; }

# on WHERE COMMAND...: in that network. (`ip netns exec` would hide the cgroup mounts from the kubelet.)
on() {
    local where=$1
    shift
    exists "$where"
    nsenter --net="/run/netns/$(namespace "$where")" "$@"
}

# become WHERE COMMAND...: as on, in the place of this process, so that a signal reaches the command.
become() {
    local where=$1
    shift
    exists "$where"
    exec nsenter --net="/run/netns/$(namespace "$where")" "$@"
}

exists() {
    [[ -e /run/netns/$(namespace "$1") ]] || fail "there is no $1 in cluster $NAME; is it up? (tests/cluster/up)"
}

# The numbers of the nodes with a kubelet, one a line.
nodes() { find "$STATE" -maxdepth 1 -name 'node[0-9]*' -printf '%f\n' 2>/dev/null | sed 's/node//' | sort -n; }

kubectl() { on 1 "$(kubernetes)" kubectl --kubeconfig "$ADMIN" "$@"; }

say() { printf '%3d s  %s\n' "$SECONDS" "$1"; }

fail() {
    echo "tests/cluster: $1" >&2
    exit 1
}
