# What the machine must have, and the binaries that are built once and cached.
# shellcheck shell=bash

# program:package, for those that apt can bring.
readonly PROGRAMS="containerd:containerd runc:runc nft:nftables iptables:iptables conntrack:conntrack openssl:openssl
    ip:iproute2 sysctl:procps nsenter:util-linux curl:curl"
readonly PLUGINS=/usr/lib/cni

# Says on standard output what is missing and cannot be installed from here.
missing() {
    local lacks=()
    [[ $(id -u) == 0 ]] || lacks+=("root")
    command -v go >/dev/null || lacks+=("Go 1.26 or later (https://go.dev/dl)")
    local packages
    packages=$(missing_packages)
    [[ -z $packages ]] || command -v apt-get >/dev/null || lacks+=("the packages $packages (there is no apt-get to install them)")
    ((${#lacks[@]})) || return 0
    printf '%s\n' "${lacks[@]}" | paste -sd';' | sed 's/;/; /g'
    return 1
}

missing_packages() {
    local pair found=()
    for pair in $PROGRAMS; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || found+=("${pair##*:}")
    done
    [[ -x $PLUGINS/bridge ]] || found+=(containernetworking-plugins)
    echo "${found[*]}"
}

packages() {
    local lacks packages
    lacks=$(missing) || fail "this machine lacks: $lacks"
    packages=$(missing_packages)
    [[ -n $packages ]] || return 0
    say "installing $packages"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

build() {
    packages
    mkdir -p "$CACHE"
    built "$(kubernetes)" || go_build kubernetes "$(kubernetes)" "Kubernetes $KUBERNETES_VERSION from its Go modules: about 5 minutes on two cores, once"
    built "$(echo_server)" || go_build echo "$(echo_server)" "the echo server"
}

built() { [[ -x $1 ]]; }

kubernetes() { cached kubernetes; }
echo_server() { cached echo; }

# cached MODULE: where its binary is; another one after each change of the sources.
cached() { echo "$CACHE/$1-$(cat "$HERE/$1"/go.* "$HERE/$1"/*.go | sha256sum | cut -c1-12)"; }

# go_build MODULE OUTPUT WHAT: one build at a time on this machine.
go_build() {
    local module=$1 output=$2 version=$KUBERNETES_VERSION
    local about=k8s.io/component-base/version
    say "building $3"
    (
        flock 9
        built "$output" && exit
        cd "$HERE/$module" || exit
        CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$output.new" \
            -ldflags "-s -w -X $about.gitVersion=v$version -X $about.gitMajor=1 -X $about.gitMinor=${version:2:2}" . &
        progress $!
        mv "$output.new" "$output"
        # What earlier sources gave is not needed any more.
        find "$CACHE" -maxdepth 1 -name "$module-*" ! -name "$(basename "$output")" -delete
    ) 9>"$CACHE/lock"
}

# progress PID: a line every 30 s until it ends, with its exit code.
progress() {
    local next=$((SECONDS + 30))
    while kill -0 "$1" 2>/dev/null; do
        sleep 0.2
        ((SECONDS < next)) || { say "still building" && next=$((SECONDS + 30)); }
    done
    wait "$1"
}
