#!/usr/bin/env bash
# Everything that must pass, with its set-up: tests/run.sh [STEP...]; all steps when none is named.
# Steps: fmt lint deny doc test chart demo cluster. With CI=true a step that cannot run is a failure, else it is skipped and said.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly ALL="fmt lint deny doc test chart demo cluster"
readonly DENY_VERSION=0.20.2
# Tools that are built once live beside what cargo builds.
export PATH="$PWD/target/tools/bin:$PATH"
# Output that CI can show line by line.
export CARGO_TERM_PROGRESS_WHEN=never

skipped=()

main() {
    local steps="${*:-$ALL}" step
    for step in $steps; do
        [[ " $ALL " == *" $step "* ]] || fail "there is no step $step; there are: $ALL"
    done
    command -v cargo >/dev/null || fail "cargo is missing: install Rust (https://rustup.rs), then run this again"
    components
    packages "$steps"
    for step in $steps; do
        header "$step"
        "step_$step"
    done
    header "done"
    if ((${#skipped[@]})); then
        printf 'skipped: %s\n' "${skipped[@]}"
        [[ "${CI:-}" != true ]] || fail "under CI nothing may be skipped"
    fi
    echo "all steps passed: $steps"
}

step_fmt() { cargo fmt --check; }

step_lint() { cargo clippy --locked --all-targets --quiet -- -D warnings; }

step_deny() {
    if ! cargo deny --version 2>/dev/null | grep -qF "$DENY_VERSION"; then
        echo "building cargo-deny $DENY_VERSION once (some minutes)"
        cargo install --quiet --locked --root target/tools "cargo-deny@$DENY_VERSION" || {
            skip "deny: cargo-deny $DENY_VERSION could not be installed"
            return 0
        }
    fi
    # Advisories need a database from the network: `just audit`.
    cargo deny --log-level error check bans licenses sources
}

step_doc() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet; }

step_test() { cargo test --locked; }

# The chart without a cluster: what it renders, refuses and says.
step_chart() {
    source tests/tools.sh
    helm_tool || {
        skip "chart: Helm could not be built"
        return 0
    }
    tests/chart/run.sh
}

step_demo() { cargo run --locked --release --quiet -- demo --check; }

# A real Kubernetes of two nodes on this machine, Slipway installed in it. The first time, Kubernetes and Helm are built (some minutes).
step_cluster() {
    local lacks
    if ! lacks=$(tests/cluster/run missing); then
        skip "cluster: this machine lacks $lacks"
        return 0
    fi
    source tests/tools.sh
    helm_tool || {
        skip "cluster: Helm could not be built"
        return 0
    }
    cargo build --locked --release --quiet
    (
        export SLIPWAY_CLUSTER=slipway-test SLIPWAY_BIN=$PWD/target/release/slipway
        trap tests/cluster/down EXIT
        tests/cluster/up 2
        cargo test --locked --test cluster -- --ignored --test-threads=4
    )
}

# rustfmt and clippy come with most toolchains, but not with all.
components() {
    local pair
    for pair in fmt:rustfmt clippy:clippy; do
        cargo "${pair%%:*}" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null || fail "${pair##*:} is missing and there is no rustup to add it"
        rustup component add "${pair##*:}"
    done
}

# Installs what the steps need and is missing: program:package.
packages() {
    local pair missing=()
    for pair in cc:build-essential make:build-essential; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    if [[ " $1 " == *" test "* ]]; then
        # The tests speak to Slipway with other people's clients, too.
        # Those of the service proxy are in network namespaces.
        for pair in curl:curl dig:bind9-dnsutils openssl:openssl nghttp:nghttp2-client ip:iproute2 nft:nftables conntrack:conntrack; do
            command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
        done
    fi
    ((${#missing[@]})) || return 0
    header "packages: ${missing[*]}"
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        skip "tests that need ${missing[*]} (not root, or no apt-get: please install them)"
    fi
}

header() { printf '\n=== %s (%d s)\n' "$1" "$SECONDS"; }

skip() {
    skipped+=("$1")
    echo "skipped: $1"
}

fail() {
    echo "tests/run.sh: $1" >&2
    exit 1
}

main "$@"
