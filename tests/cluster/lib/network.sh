# Network namespaces: one for each node, one for the client outside, and the bridge between them.
# shellcheck shell=bash

# network NODE...
network() {
    local outside node
    outside=$(namespace client)
    ip netns add "$outside"
    ip -n "$outside" link set lo up
    ip -n "$outside" link add bridge0 type bridge
    ip -n "$outside" addr add "$CLIENT_ADDRESS/24" dev bridge0
    ip -n "$outside" addr add "$FAR_CLIENT_ADDRESS/32" dev bridge0
    ip -n "$outside" link set bridge0 up
    ip -n "$outside" route add default via "$CONTROL_ADDRESS"
    on client sysctl -qw net.ipv4.ip_forward=0
    # What passes the bridge is not the client's business.
    on client sysctl -qw net.bridge.bridge-nf-call-iptables=0 2>/dev/null || true
    for node in "$@"; do
        node_network "$node" "$outside"
    done
}

# node_network NODE OUTSIDE
node_network() {
    local inside
    inside=$(namespace "$1")
    ip netns add "$inside"
    ip -n "$inside" link set lo up
    ip -n "$2" link add "node$1" type veth peer name eth0 netns "$inside"
    ip -n "$2" link set "node$1" master bridge0 up
    ip -n "$inside" addr add "$(node_address "$1")/24" dev eth0
    ip -n "$inside" link set eth0 up
    ip -n "$inside" route add default via "$CLIENT_ADDRESS"
    on "$1" sysctl -qw net.ipv4.ip_forward=1
}

# pod_network NODE: how its pods are attached, and how all others reach them.
pod_network() {
    local range other
    need 30 controllers pod_range "$1"
    range=$(pod_range "$1")
    cat >"$STATE/node$1/cni/10-bridge.conflist" <<JSON
{
  "cniVersion": "0.4.0",
  "name": "$NAME-node$1",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
      "ipam": {
        "type": "host-local", "dataDir": "$STATE/node$1/ipam",
        "ranges": [[{"subnet": "$range"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
    for other in client $(nodes); do
        [[ $other == "$1" ]] || ip -n "$(namespace "$other")" route replace "$range" via "$(node_address "$1")"
    done
}

pod_range() { kubectl get node "node$1" -o jsonpath='{.spec.podCIDR}' 2>/dev/null | grep .; }

# With what still runs inside: clients of tests that were broken off.
remove_network() {
    local namespace
    for namespace in $(ip netns list 2>/dev/null | cut -d' ' -f1 | grep -E "^$NAME-(client|[0-9]+)$"); do
        ip netns pids "$namespace" | xargs -r kill -KILL 2>/dev/null || true
        ip netns del "$namespace"
    done
}
