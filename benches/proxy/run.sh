#!/usr/bin/env bash
# Installs what the side-by-side benchmark needs, builds Slipway and runs it: benches/proxy/run.sh [--help] [SCENARIO...]
set -euo pipefail
cd "$(dirname "$0")/../.."

# program:package, for those that are missing.
missing=()
for pair in nginx:nginx haproxy:haproxy wrk:wrk openssl:openssl taskset:util-linux python3:python3; do
    PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if ((${#missing[@]})); then
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # Only the programs are wanted: no service may start and take port 80.
        if [[ ! -e /usr/sbin/policy-rc.d ]]; then
            printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        echo "bench: please install ${missing[*]} (or choose contenders: --with slipway)" >&2
    fi
fi

if [[ ! " $* " == *" --help "* && ! " $* " == *" -h "* ]]; then
    export PATH="$PWD/target/tools/bin:$PATH"
    if ! command -v oha >/dev/null; then
        echo "bench: building the load generator oha once (some minutes)"
        cargo install --quiet --locked --root target/tools oha
    fi
    if [[ ! " $* " == *" --slipway"* ]]; then
        cargo build --quiet --release
    fi
fi
python3 benches/proxy/run.py "$@"
