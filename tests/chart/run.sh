#!/usr/bin/env bash
# The chart: tests/chart/run.sh [server]. Lints it, compares what it renders and its notes for each file in values/ with golden/
# (UPDATE_GOLDEN=1 writes golden/ anew), sees that mistakes in values are refused, and that docs/rbac.md lists the rights.
# With `server` every object is also sent to the API server of KUBECONFIG, as a dry run.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/tools.sh
source tests/tools.sh

readonly CHART=charts/slipway
# Cases that render as an older Kubernetes; the others as this one.
readonly KUBE_VERSION=1.36.0
declare -rA OLDER=([selector-few-secrets]=1.29.0)

failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
    helm_tool
    check "helm lint" lint
    local values name
    for values in tests/chart/values/*.yaml; do
        name=$(basename "$values" .yaml)
        render "$name" >"$work/$name.yaml" || fail "$name is not rendered"
        notes "$name" >"$work/$name.txt" || fail "$name has no notes"
        golden "$name.yaml"
        golden "$name.txt"
        [[ "${1:-}" != server ]] || check "$name on the API server" server "$name"
    done
    local example
    for example in examples/{deployment-loadbalancer,daemonset-hostport}; do
        check "$example" example "$example/values.yaml"
    done
    for example in examples/{fan-out,virtual-hosts,tls,default-backend,deployment-loadbalancer/app,daemonset-hostport/app}; do
        [[ "${1:-}" != server ]] || check "$example on the API server" kubectl create --dry-run=server --validate=strict --filename "$example"
    done
    while IFS='|' read -r expected arguments; do
        check "refused: $arguments" refused "$expected" "$arguments"
    done <tests/chart/refused.txt
    check "docs/rbac.md lists the rights" rights
    ((failures == 0)) || { echo "tests/chart/run.sh: $failures failed" >&2; exit 1; }
    echo "chart: all passed"
}

example() { helm template slipway "$CHART" --kube-version "$KUBE_VERSION" --values "$1"; }

lint() { helm lint --strict --quiet "$CHART"; }

# What is random, the webhook's certificate, is left out.
render() {
    helm template slipway "$CHART" --namespace ingress --values "tests/chart/values/$1.yaml" --kube-version "${OLDER[$1]:-$KUBE_VERSION}" |
        sed -E 's/^( *)(ca\.crt|tls\.crt|tls\.key|caBundle): LS0t.*/\1\2: GENERATED/'
}

notes() {
    helm install slipway "$CHART" --namespace ingress --values "tests/chart/values/$1.yaml" --dry-run=client | sed '1,/^NOTES:$/d'
}

golden() {
    local file=tests/chart/golden/$1
    if [[ "${UPDATE_GOLDEN:-}" == 1 ]]; then
        cp "$work/$1" "$file"
    elif ! diff -u "$file" "$work/$1" >"$work/diff"; then
        head -n 60 "$work/diff"
        fail "$file differs (UPDATE_GOLDEN=1 $0 writes it anew; read the difference)"
    fi
}

# refused EXPECTED ARGUMENTS: does Helm refuse, and say what is expected?
refused() {
    local said
    # shellcheck disable=SC2086 # several arguments
    if said=$(helm template slipway "$CHART" --kube-version "$KUBE_VERSION" $2 2>&1); then
        echo "it was rendered"
        return 1
    fi
    grep -qF -- "$1" <<<"$said" || { echo "$said"; return 1; }
}

# Kinds of other projects are unknown to a bare API server, and the objects' namespaces are not there.
server() {
    render "$1" | sed '/^  namespace: /d; s/GENERATED$/Q0E=/' >"$work/server.yaml"
    awk 'BEGIN { RS = "---\n" } !/apiVersion: (monitoring.coreos.com|cert-manager.io)/ { printf "---\n%s", $0 }' "$work/server.yaml" >"$work/known.yaml"
    if kubectl create --dry-run=server --validate=strict --filename "$work/known.yaml" >"$work/said" 2>&1; then
        return 0
    fi
    grep -vE 'created \(server dry run\)$|^Warning: ' "$work/said"
    return 1
}

# The table of docs/rbac.md and the rules of the golden files, in one form: WHERE RESOURCE NAMES VERBS.
rights() {
    local table="$work/table" found="$work/found" file
    awk -F ' *[|] *' '/<!-- rights -->/ { on = 1 } /<!-- end -->/ { on = 0 }
        on && $2 ~ /^(yes|no)$/ { gsub(/`/, ""); sub(/RELEASE/, "slipway", $5); print $2, $3, $4, ($5 == "" ? "-" : $5), $6 }' docs/rbac.md >"$table"
    [[ -s "$table" ]] || { echo "docs/rbac.md has no table that can be read"; return 1; }
    # By default: exactly the lines that say so.
    rules "$work/default.yaml" | sort >"$found"
    sed -nE 's/^yes //; t found; d; :found; s/^(cluster|watched) /ClusterRole /; s/^own /Role /; p' "$table" | sort | diff - "$found" || return 1
    # In any case: no right that the table does not know at all.
    for file in "$work"/*.yaml; do
        rules "$file" | while read -r _ resource names verbs; do
            [[ "$names" == - ]] && names='-' || names='[^ -][^ ]*'
            grep -qE "^[a-z]+ [a-z]+ $resource $names $verbs\$" "$table" || echo "$(basename "$file"): $resource $names $verbs"
        done
    done >"$found"
    if [[ -s "$found" ]]; then
        cat "$found"
        return 1
    fi
}

# Rules of a rendered file: ROLE RESOURCE.GROUP[/SUBRESOURCE] NAMES VERBS, with - for any name.
rules() {
    awk '
        /^kind: / { kind = $2 }
        /^  - \{apiGroups: / {
            match($0, /apiGroups: \[[^]]*/); group = substr($0, RSTART + 12, RLENGTH - 12); gsub(/"/, "", group)
            match($0, /resources: \[[^]]*/); resource = substr($0, RSTART + 12, RLENGTH - 12)
            names = "-"; if (match($0, /resourceNames: \[[^]]*/)) names = substr($0, RSTART + 16, RLENGTH - 16)
            match($0, /verbs: \[[^]]*/); verbs = substr($0, RSTART + 8, RLENGTH - 8); gsub(/,/, "", verbs)
            sub(/^[^\/]*/, (group == "" ? "&" : "&." group), resource)
            print kind, resource, names, verbs
        }' "$1"
}

# check WHAT COMMAND...: runs it, and prints what it said only when it failed.
check() {
    local what=$1 said
    shift
    if said=$("$@" 2>&1); then
        return 0
    fi
    fail "$what"$'\n'"$said"
}

fail() {
    echo "FAIL $1" >&2
    failures=$((failures + 1))
}

main "$@"
