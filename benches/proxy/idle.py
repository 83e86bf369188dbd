"""Memory of 10,000 idle keep-alive connections that each made one request."""

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
    """One contender after the other: memory before, open and ask, settle, memory after; then ask all again."""
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
            after = running.process.memory_bytes()
            kept = _ask(opened)
            for connection in opened:
                connection.close()
        if kept != count:
            raise Failed(f"{name}: only {kept} of {count} idle connections answered a second request")
        results[name] = {"before": before, "after": after, "each": (after - before) / count}
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


def _ask(connections):
    """Sends one request on each, some at a time; returns how many had status 200."""
    good = 0
    request = f"GET / HTTP/1.1\r\nhost: {contenders.HOST}\r\n\r\n".encode()
    for start in range(0, len(connections), AT_ONCE):
        waiting = {}
        poll = select.epoll()
        for connection in connections[start:start + AT_ONCE]:
            try:
                connection.sendall(request)
            except OSError:
                continue
            waiting[connection.fileno()] = [connection, b""]
            poll.register(connection.fileno(), select.EPOLLIN)
        end = time.monotonic() + 10
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
    ours = results.get("slipway")
    for name, taken in results.items():
        ratio = f"{ours['each'] / taken['each']:.2f}" if ours else "-"
        rows.append([name, f"{taken['before'] / 2**20:.1f}", f"{taken['after'] / 2**20:.1f}", f"{taken['each'] / 1024:.1f}", ratio])
    header = ["", "MiB before", "MiB after", "KiB per connection", "slipway / it"]
    report.table(f"idle: {count:,} idle keep-alive connections, one request each", header, rows)
    gates = []
    if ours and "nginx" in results:
        gates = [report.gate("idle: slipway / nginx", ours["each"] / results["nginx"]["each"], 4, 2, higher_is_better=False)]
    return {"memory": results, "connections": count, "gates": gates}
