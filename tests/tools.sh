#!/usr/bin/env bash
# Tools that are built once and live below target/tools/bin: source this file and call `helm_tool`.
# Each function puts its tool in place, says so when that takes a while, and answers 1 when it cannot.

[[ -z "${TOOLS_ROOT:-}" ]] || return 0
TOOLS_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly TOOLS_ROOT
readonly TOOLS_BIN="$TOOLS_ROOT/target/tools/bin"
readonly HELM_VERSION=v4.3.1
export PATH="$TOOLS_BIN:$PATH"

# Helm, exactly HELM_VERSION: golden files depend on it.
helm_tool() { go_tool helm helm.sh/helm/v4/cmd/helm "$HELM_VERSION"; }

# go_tool NAME PACKAGE VERSION: builds a program from its Go module, unless this version is there already.
go_tool() {
    local name=$1 package=$2 version=$3
    if ! command -v go >/dev/null; then
        echo "$name $version is needed and there is no Go to build it: install Go (apt-get install golang), then run this again" >&2
        return 1
    fi
    [[ -x "$TOOLS_BIN/$name" ]] && go version -m "$TOOLS_BIN/$name" | grep -qP "^\tmod\t.*\t\Q$version\E(\t|$)" && return 0
    echo "building $name $version once (some minutes)" >&2
    mkdir -p "$TOOLS_BIN"
    GOBIN="$TOOLS_BIN" GOFLAGS=-buildvcs=false CGO_ENABLED=0 \
        go install -trimpath -ldflags '-s -w' "$package@$version" 2> >(grep -v '^go: downloading' >&2)
}
