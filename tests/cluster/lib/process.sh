# Background processes of the cluster: started in a network, found again, ended.
# shellcheck shell=bash

# spawn WHERE PART COMMAND...: its output goes to log/PART.log. Every command names a file below $STATE: that marks it as ours.
spawn() {
    local where=$1 part=$2
    shift 2
    setsid nsenter --net="/run/netns/$(namespace "$where")" "$@" >>"$STATE/log/$part.log" 2>&1 </dev/null &
    echo $! >"$STATE/pid/$part"
}

# running PART: is the process with its number still the one that was started?
running() {
    local pid
    pid=$(cat "$STATE/pid/$1" 2>/dev/null) || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$STATE/"
}

# start PART...: those that do not run.
start() {
    local part
    for part in "$@"; do
        ! running "$part" || continue
        declare -F "start_${part%%[0-9]*}" >/dev/null || fail "there is no part $part"
        "start_${part%%[0-9]*}" "${part##*[a-z]}"
    done
}

# start_again PART...: those that do not run; returns when the API server answers.
start_again() {
    start "$@"
    need 60 apiserver api_ready
}

# stop PART...: ask all, then insist.
stop() {
    local part
    signal TERM "$@"
    for part in "$@"; do
        await 5 gone "$part" || signal KILL "$part"
        await 5 gone "$part" || fail "$part does not end"
        rm -f "$STATE/pid/$part"
    done
}

# stop_hard PART...: as if the machine had lost it.
stop_hard() {
    local part
    signal KILL "$@"
    for part in "$@"; do
        await 5 gone "$part" || fail "$part does not end"
    done
}

signal() {
    local signal=$1 part
    shift
    for part in "$@"; do
        ! running "$part" || kill "-$signal" "$(cat "$STATE/pid/$part")" 2>/dev/null || true
    done
}

gone() { ! running "$1"; }

# await SECONDS COMMAND...: until the command succeeds; fails when it never does.
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# need SECONDS PART COMMAND...: as await, but the part's last words explain why it failed.
need() {
    local seconds=$1 part=$2
    shift 2
    await "$seconds" "$@" && return
    echo "the last lines of $STATE/log/$part.log:" >&2
    tail -n 20 "$STATE/log/$part.log" >&2 || true
    fail "$part is not ready after $seconds s: $*"
}

status() {
    local part
    [[ -d $STATE/pid ]] || fail "cluster $NAME is not up (tests/cluster/up)"
    for part in $(parts); do
        if running "$part"; then echo "$part runs"; else echo "$part does not run"; fi
    done
    [[ -e $STATE/complete ]] || fail "cluster $NAME did not come up completely"
}

# parts [PREFIX...]: of those that were started, the ones whose names begin so.
parts() {
    local prefix
    for prefix in "${@:-}"; do
        find "$STATE/pid" -type f -name "$prefix*" -printf '%f\n' 2>/dev/null | sort
    done
}
