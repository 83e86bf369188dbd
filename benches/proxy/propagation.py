"""From the write of a file to the first answer that shows it, at 1, 5,000 and 100,000 routes."""

import time

import client
import contenders
import manifests
import report
from machine import Failed

# (routes, gate and goal for p99 in milliseconds)
SIZES = ((1, 50, 20), (5_000, 50, 20), (100_000, 200, 100))
DEADLINE_SECS = 10


def run(bench, options):
    """At each size: new rules, one after the other; then endpoint changes, one after the other."""
    sizes = SIZES[:2] if options.quick else SIZES
    changes = 20 if options.quick else 100
    rows, measured, gates = [], {}, []
    for routes, gate_at, goal_at in sizes:
        directory = bench.work / f"propagation-{routes}" / "manifests"
        directory.mkdir(parents=True)
        manifests.many_hosts(directory, routes, bench.origin_port)
        begin = time.monotonic()
        running = contenders.slipway(bench, directory, f"slipway-{routes}-routes")
        ready = time.monotonic() - begin
        with running.process:
            taken = {"a new rule": _rules(running, directory, changes), "other endpoints": _endpoints(bench, running, directory, changes)}
            memory = running.process.memory_bytes()
        for what, millis in taken.items():
            p50, p99 = report.percentile(millis, 0.5), report.percentile(millis, 0.99)
            rows.append([f"{routes:,}", what, f"{p50:.1f}", f"{p99:.1f}", f"{max(millis):.1f}"])
            gates.append((f"propagation: {what}, {routes:,} routes, p99 ms", p99, gate_at, goal_at))
        measured[str(routes)] = {"ready_secs": ready, "memory_bytes": memory, "millis": taken}
    report.table("propagation: from the write to the first answer", ["routes", "change", "p50 ms", "p99 ms", "max ms"], rows)
    for routes, taken in measured.items():
        print(f"- {int(routes):,} routes: {taken['ready_secs']:.2f} s from start to ready, {taken['memory_bytes'] / 2**20:.0f} MiB after the changes")
    return {"sizes": measured, "gates": [report.gate(*gate, higher_is_better=False) for gate in gates]}


def _rules(running, directory, changes):
    """Each change writes a file with one more Ingress whose host was unknown before."""
    connection = client.Connection(running.http)
    millis = []
    for at in range(changes):
        host = f"new-{at}.bench.test"
        if connection.get("/", host)[0] != 404:
            raise Failed(f"{host} answered before it was written")
        objects = [manifests.ingress(f"new-{at}", host, "origin")]
        begin = time.monotonic()
        manifests.write(directory / f"new-{at}.json", objects)
        _until(running, lambda: connection.get("/", host)[0] == 200, host)
        millis.append((time.monotonic() - begin) * 1000)
    connection.close()
    return millis


def _endpoints(bench, running, directory, changes):
    """Each change moves a Service of its own from one endpoint to none, and back."""
    host = "moving.bench.test"
    base = [manifests.ingress("moving", host, "moving"), manifests.service("moving")]
    path = directory / "moving.json"
    manifests.write(path, [*base, manifests.slice_("moving", [bench.origin_port])])
    connection = client.Connection(running.http)
    _until(running, lambda: connection.get("/", host)[0] == 200, host)
    millis = []
    for at in range(changes):
        ports, wanted = ([], 503) if at % 2 == 0 else ([bench.origin_port], 200)
        begin = time.monotonic()
        manifests.write(path, [*base, *([manifests.slice_("moving", ports)] if ports else [])])
        _until(running, lambda: connection.get("/", host)[0] == wanted, host)
        millis.append((time.monotonic() - begin) * 1000)
    connection.close()
    return millis


def _until(running, true, what):
    end = time.monotonic() + DEADLINE_SECS
    while not true():
        running.process.check()
        if time.monotonic() > end:
            raise Failed(f"the change of {what} was not live after {DEADLINE_SECS} s: see {running.process.log}")
