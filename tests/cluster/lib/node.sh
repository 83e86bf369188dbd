# A node: containerd, kubelet and the reference service proxy.
# shellcheck shell=bash

# workers: every node's parts, then its pods' network.
workers() {
    local node
    start scheduler
    for node in $(nodes); do
        start "containerd$node"
    done
    for node in $(nodes); do
        need 30 "containerd$node" containers "$node" version
    done
    pause_image
    for node in $(nodes); do
        start "kubelet$node" "proxy$node"
    done
    for node in $(nodes); do
        pod_network "$node"
    done
    for node in $(nodes); do
        need 60 "kubelet$node" kubectl wait --for=condition=Ready "node/node$node" --timeout=5s
        say "node$node is ready"
    done
}

# containers NODE ARGUMENT...: its containerd's own client.
containers() {
    local node=$1
    shift
    on "$node" ctr -a "$STATE/node$node/containerd.sock" -n k8s.io "$@"
}

# start_containerd NODE: under the node's host name, which pods in the host's network show.
start_containerd() {
    local home=$STATE/node$1
    cat >"$home/containerd.toml" <<TOML
version = 2
root = "$home/containerd/root"
state = "$home/containerd/state"
[grpc]
  address = "$home/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/test/pause:1"
  # A process may not be preferred by the kernel's memory killer in every environment.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$PLUGINS"
    conf_dir = "$home/cni"
TOML
    spawn "$1" "containerd$1" unshare --uts sh -c "hostname node$1; exec containerd -c $home/containerd.toml"
}

# start_kubelet NODE
start_kubelet() {
    local home=$STATE/node$1
    echo "nameserver $CLIENT_ADDRESS" >"$home/resolv.conf"
    cat >"$home/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$home/containerd.sock
clusterDNS: ["$DNS_SERVICE_ADDRESS"]
clusterDomain: cluster.local
resolvConf: $home/resolv.conf
podLogsDir: $home/pods
# The machine's cgroups, swap and disk are not the cluster's own.
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
cgroupsPerQOS: false
enforceNodeAllocatable: []
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: "100Mi"}
YAML
    spawn "$1" "kubelet$1" "$(kubernetes)" kubelet --config "$home/kubelet.yaml" --kubeconfig "$ADMIN" \
        --hostname-override "node$1" --node-ip "$(node_address "$1")" --root-dir "$home/kubelet" \
        --cert-dir "$home/pki" --node-labels "topology.kubernetes.io/zone=zone$1"
}

# start_proxy NODE
start_proxy() {
    spawn "$1" "proxy$1" "$(kubernetes)" kube-proxy --kubeconfig "$ADMIN" --hostname-override "node$1" \
        --proxy-mode nftables --cluster-cidr "$POD_RANGE" --conntrack-max-per-core 0
}

# become_pod NAMESPACE POD COMMAND...
become_pod() {
    local where node container pid
    where=$(kubectl --namespace "$1" get pod "$2" --output jsonpath='{.spec.nodeName} {.status.containerStatuses[0].containerID}')
    node=${where%% *} container=${where##*//}
    pid=$(containers "${node#node}" tasks ls | awk -v id="$container" '$1 == id { print $2 }')
    [[ -n $pid ]] || fail "pod $1/$2 does not run"
    shift 2
    exec nsenter --net="/proc/$pid/ns/net" "$@"
}

# kill_pod NAMESPACE POD: nobody is asked, and its containers are not given the time to end.
kill_pod() {
    local node container
    node=$(kubectl --namespace "$1" get pod "$2" --output jsonpath='{.spec.nodeName}')
    for container in $(kubectl --namespace "$1" get pod "$2" --output jsonpath='{.status.containerStatuses[*].containerID}'); do
        containers "${node#node}" tasks kill --signal SIGKILL "${container#containerd://}"
    done
}

# remove_pods NODE: what the kubelet left running.
remove_pods() {
    local container netns
    [[ -e $STATE/node$1/containerd.sock && -e /run/netns/$(namespace "$1") ]] || return 0
    # Only containerd knows the containers: one that was stopped has to come back for this.
    start "containerd$1"
    await 10 containers "$1" version || return 0
    for container in $(containers "$1" tasks ls -q); do
        containers "$1" tasks rm -f "$container" >/dev/null 2>&1 || true
    done
    for container in $(containers "$1" containers ls -q); do
        netns=$(containers "$1" containers info "$container" | grep -om1 '/run/netns/cni-[a-z0-9-]*') || continue
        umount "$netns" 2>/dev/null || true
        rm -f "$netns" /var/lib/cni/results/*"-$container-"*
    done
}
