"""Memory of 10,000 idle keep-alive connections: opened and asked some at a time, then after all asked at once.

The second figure shows what a busy moment leaves behind; how much differs with the allocator.
"""

import select
import socket
import time

import contenders
import load
import report
from machine import Failed

CONNECTIONS = 10_000
AT_ONCE = 200
SETTLE_SECS = 5


def run(bench, options):
    """One contender after the other: memory before; open and ask, settle, memory; ask all at once, settle, memory."""
    count = CONNECTIONS // 5 if options.quick else CONNECTIONS
    results = {}
    for name in options.names:
        if name == "raw":
            continue
        running = contenders.start(name, bench)
        with running.process:
            load.oha(bench, f"http://127.0.0.1:{running.http}/", 2, contenders.HOST)
            time.sleep(SETTLE_SECS)
            before = running.process.memory_bytes()
            opened = _open(running.http, count)
            time.sleep(SETTLE_SECS)
            quiet = running.process.memory_bytes()
            kept = _ask(opened, count)
            time.sleep(SETTLE_SECS)
            after = running.process.memory_bytes()
            for connection in opened:
                connection.close()
        if kept != count:
            raise Failed(f"{name}: only {kept} of {count} idle connections answered a second request")
        each = {"each_quiet": (quiet - before) / count, "each_after_burst": (after - before) / count}
        results[name] = {"before": before, "quiet": quiet, "after_burst": after, **each}
    return _report(results, count)


def _open(port, count):
    """Connections that have had one answer each, opened some at a time."""
    opened = []
    while len(opened) < count:
        batch = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(min(AT_ONCE, count - len(opened)))]
        if _ask(batch) != len(batch):
            raise Failed("a new connection had no answer")
        opened.extend(batch)
    return opened


def _ask(connections, at_once=AT_ONCE):
    """Sends one request on each, some at a time; returns how many had status 200."""
    good = 0
    request = f"GET / HTTP/1.1\r\nhost: {contenders.HOST}\r\n\r\n".encode()
    for start in range(0, len(connections), at_once):
        waiting = {}
        poll = select.epoll()
        for connection in connections[start:start + at_once]:
            try:
                connection.sendall(request)
            except OSError:
                continue
            waiting[connection.fileno()] = [connection, b""]
            poll.register(connection.fileno(), select.EPOLLIN)
        end = time.monotonic() + 30
        while waiting and time.monotonic() < end:
            for number, _ in poll.poll(1):
                entry = waiting[number]
                try:
                    data = entry[0].recv(65536)
                except OSError:
                    data = b""
                entry[1] += data
                whole = contenders.SMALL.encode() in entry[1]
                if whole or not data:
                    good += whole and entry[1].startswith(b"HTTP/1.1 200")
                    poll.unregister(number)
                    del waiting[number]
        poll.close()
    return good


def _report(results, count):
    rows = []
    for name, taken in results.items():
        mib = [f"{taken[when] / 2**20:.1f}" for when in ("before", "quiet", "after_burst")]
        rows.append([name, *mib, *(f"{taken[when] / 1024:.1f}" for when in ("each_quiet", "each_after_burst"))])
    header = ["", "MiB before", "MiB with them", "MiB after a burst", "KiB each", "KiB each after a burst"]
    report.table(f"idle: {count:,} idle keep-alive connections, one request each", header, rows)
    gates = []
    if {"slipway", "nginx"} <= set(results):
        for when, said in (("each_quiet", "KiB each"), ("each_after_burst", "KiB each after a burst")):
            ratio = results["slipway"][when] / results["nginx"][when]
            gates.append(report.gate(f"idle: {said}, slipway / nginx", ratio, 4, 2, higher_is_better=False))
    return {"memory": results, "connections": count, "gates": gates}
