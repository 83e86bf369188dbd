"""Requests through each contender in turn: small, big, connect, https.

A round measures every contender once, in an order that rotates; ratios are formed inside a round, so what
disturbs the machine for a while disturbs both sides of a ratio.
"""

import contextlib
from dataclasses import asdict, dataclass

import client
import contenders
import load
import report
from machine import Failed

SATURATED = 0.93
WARM_UP_SECS = 3


@dataclass
class Scenario:
    """What is asked for, and what shall be reached: (rival, measure, gate, goal)."""

    title: str
    path: str = "/"
    tls: bool = False
    close: bool = False
    gates: tuple = ()


SCENARIOS = {
    "small": Scenario(
        "64-byte replies, 64 keep-alive connections",
        gates=(("nginx", "cpu", 0.95, 1.10), ("haproxy", "cpu", 1.00, 1.20), ("raw", "per_sec", 0.70, 0.85)),
    ),
    "big": Scenario("100 KB replies, 64 keep-alive connections", path="/big", gates=(("haproxy", "per_sec", 1.0, 1.2),)),
    "connect": Scenario("64-byte replies, a new connection for each request", close=True, gates=(("nginx", "cpu", 0.88, 1.05),)),
    "https": Scenario(
        "64-byte replies over HTTPS (TLS 1.3, P-256), 64 keep-alive connections", tls=True, gates=(("nginx", "per_sec", 1.0, 1.1),)
    ),
    "handshake": Scenario("a new HTTPS connection for each request", tls=True, close=True, gates=(("nginx", "per_sec", 1.0, 1.1),)),
}


def run(name, bench, names, rounds, secs):
    """Runs one scenario over all contenders and prints its table; returns what was measured."""
    scenario = SCENARIOS[name]
    names = [one for one in names if not (one == "raw" and scenario.tls)]
    samples = {one: [] for one in names}
    with contextlib.ExitStack() as stack:
        running = {one: _started(stack, one, bench) for one in names}
        generator = _warm_up(bench, scenario, running)
        for number in range(rounds):
            turn = number % len(names)
            for one in names[turn:] + names[:turn]:
                _same_body(bench, scenario, running[one])
                samples[one].append(_measure(bench, scenario, running[one], secs, generator))
    _print(f"{name}: {scenario.title}; load: {generator}", samples)
    gates = [gate for gate in (_gate(name, samples, *limit) for limit in scenario.gates) if gate]
    return {"scenario": scenario.title, "generator": generator, "samples": samples, "gates": gates}


def _started(stack, name, bench):
    running = contenders.start(name, bench)
    stack.enter_context(running.process)
    return running


def _warm_up(bench, scenario, running):
    """Fills pools and caches, and chooses the generator: wrk where oha cannot keep every proxy busy."""
    generator = "oha" if bench.generator == "auto" else bench.generator
    busy = [_measure(bench, scenario, one, WARM_UP_SECS, generator)["busy"] for one in running.values()]
    if bench.generator == "auto" and min(busy) < SATURATED and bench.programs["wrk"]:
        return "wrk"
    return generator


def _measure(bench, scenario, running, secs, generator):
    scheme, port = ("https", running.https) if scenario.tls else ("http", running.http)
    before = running.process.cpu_secs()
    url = f"{scheme}://127.0.0.1:{port}{scenario.path}"
    if generator == "wrk":
        seen = load.wrk(bench, url, secs, [contenders.HOST], close=scenario.close)
    else:
        seen = load.oha(bench, url, secs, contenders.HOST, close=scenario.close)
    cpu = running.process.cpu_secs() - before
    running.process.check()
    if seen.failed or not seen.requests:
        raise Failed(f"{running.name}: {seen.failed} failed requests of {seen.requests}: {load.mark(seen)}")
    return {**asdict(seen), "cpu_micros": cpu / seen.requests * 1e6, "busy": cpu / seen.secs}


def _same_body(bench, scenario, running):
    """What a contender answers is what the origin answers."""
    port = running.https if scenario.tls else running.http
    wanted = client.fetch(bench.origin_port, scenario.path, contenders.HOST)
    got = client.fetch(port, scenario.path, contenders.HOST, contenders.HOST if scenario.tls else None)
    if wanted != got:
        raise Failed(f"{running.name} answered {got[0]} with {len(got[1])} bytes, the origin {wanted[0]} with {len(wanted[1])}")


def _print(title, samples):
    ours = "slipway" if "slipway" in samples else next(iter(samples))
    rows = []
    for one, taken in samples.items():
        busy = _busy(taken)
        rows.append([
            one,
            report.spread([s["cpu_micros"] for s in taken]),
            report.spread([s["per_sec"] for s in taken], "{:,.0f}"),
            f"{busy:.0%}" + ("" if busy >= SATURATED else " (load-bound)"),
            f"{report.median_range([s['p99_ms'] for s in taken])[0]:.2f}",
            report.spread(_ratios(samples, one, ours, "cpu")),
            report.spread(_ratios(samples, one, ours, "per_sec")),
        ])
    header = ["", "CPU µs/request", "requests/s", "proxy core busy", "p99 ms", f"CPU: it / {ours}", f"requests/s: {ours} / it"]
    report.table(title, header, rows)


def _ratios(samples, rival, ours, measure):
    """Greater than 1 is better for us."""
    pairs = zip(samples[rival], samples[ours])
    if measure == "cpu":
        return [theirs["cpu_micros"] / our["cpu_micros"] for theirs, our in pairs]
    return [our["per_sec"] / theirs["per_sec"] for theirs, our in pairs]


def _busy(taken):
    return report.median_range([s["busy"] for s in taken])[0]


def _gate(name, samples, rival, measure, gate_at, goal_at):
    if rival not in samples or "slipway" not in samples:
        return None
    what = "CPU per request, it / slipway" if measure == "cpu" else "requests/s, slipway / it"
    if measure == "per_sec" and min(_busy(samples[rival]), _busy(samples["slipway"])) < SATURATED:
        # What a full core would do follows from the CPU per request; the requests/s seen are those of the load.
        measure, what = "cpu", f"{what} (from CPU per request, since one is load-bound)"
    value = report.median_range(_ratios(samples, rival, "slipway", measure))[0]
    return report.gate(f"{name}: {rival}: {what}", value, gate_at, goal_at)
