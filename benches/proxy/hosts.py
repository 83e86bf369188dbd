"""Does a table of 100,000 hosts cost requests? One Slipway with one host beside one with many."""

import contextlib
import random
import time
from dataclasses import asdict

import contenders
import load
import manifests
import report
from machine import Failed

MANY = 100_000
SPREAD = 10_000
SATURATED = 0.93


def run(bench, options):
    """Rotated rounds: one host; the many, always the same one asked for; the many, 10,000 of them in turn."""
    if bench.programs["slipway"] is None or bench.programs["wrk"] is None:
        raise Failed("hosts needs slipway and wrk")
    count = MANY // 10 if options.quick else MANY
    one, many = bench.work / "one" / "manifests", bench.work / "many" / "manifests"
    for directory in (one, many):
        directory.mkdir(parents=True)
    manifests.many_hosts(one, 1, bench.origin_port)
    names = manifests.many_hosts(many, count, bench.origin_port)
    some = random.Random(7).sample(names, min(SPREAD, count))
    samples = {}
    with contextlib.ExitStack() as stack:
        small = contenders.slipway(bench, one, "slipway-1-host")
        stack.enter_context(small.process)
        begin = time.monotonic()
        large = contenders.slipway(bench, many, "slipway-many-hosts")
        stack.enter_context(large.process)
        ready = time.monotonic() - begin
        asked = {
            "1 host": (small, [names[0]]),
            f"{count:,} hosts, one asked for": (large, [some[0]]),
            f"{count:,} hosts, {len(some):,} asked for": (large, some),
        }
        turns = list(asked)
        for name in turns:
            _measure(bench, *asked[name], 2)
        for number in range(options.rounds):
            for name in turns[number % len(turns):] + turns[:number % len(turns)]:
                samples.setdefault(name, []).append(_measure(bench, *asked[name], options.seconds))
        memory = {"1 host": small.process.memory_bytes(), f"{count:,} hosts": large.process.memory_bytes()}
    return _report(samples, turns, ready, memory, count)


def _measure(bench, running, names, secs):
    before = running.process.cpu_secs()
    seen = load.wrk(bench, f"http://127.0.0.1:{running.http}/", secs, names)
    cpu = running.process.cpu_secs() - before
    running.process.check()
    if seen.failed or not seen.requests:
        raise Failed(f"{running.name}: {seen.failed} failed requests of {seen.requests}")
    return {**asdict(seen), "cpu_micros": cpu / seen.requests * 1e6, "busy": cpu / seen.secs}


def _report(samples, turns, ready, memory, count):
    first = turns[0]
    # Where the load was the limit, what a full core would do follows from the CPU per request.
    full = min(one["busy"] for taken in samples.values() for one in taken) >= SATURATED
    rows, ratios = [], {}
    for name in turns:
        taken = samples[name]
        pairs = list(zip(taken, samples[first]))
        ratios[name] = [a["per_sec"] / b["per_sec"] if full else b["cpu_micros"] / a["cpu_micros"] for a, b in pairs]
        rows.append([
            name,
            report.spread([s["cpu_micros"] for s in taken]),
            report.spread([s["per_sec"] for s in taken], "{:,.0f}"),
            f"{report.median_range([s['busy'] for s in taken])[0]:.0%}",
            report.spread(ratios[name]),
        ])
    report.table("hosts: what a large table costs", ["", "CPU µs/request", "requests/s", "proxy core busy", "requests/s against 1 host" if full else "1 host's CPU / its"], rows)
    print(f"- from start to ready with {count:,} hosts in files: {ready:.1f} s")
    for name, size in memory.items():
        print(f"- memory with {name}: {size / 2**20:.0f} MiB")
    gates = [report.gate(f"hosts: {turns[1]}", report.median_range(ratios[turns[1]])[0], 0.95, 0.98)]
    return {"samples": samples, "ready_secs": ready, "memory_bytes": memory, "gates": gates}
