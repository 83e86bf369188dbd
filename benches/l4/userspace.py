#!/usr/bin/env python3
"""`--mode userspace` beside a bare splice loop and HAProxy in TCP mode: bulk, connections, small messages.

The forwarder is pinned to one core, load generator and server to another. Every round measures each contender once, in an
order that rotates; ratios are formed inside a round. Two figures count: per second (when the forwarder is what is busy) and
per second of its processor time (always).

    cargo bench --no-run --bench userspace && benches/l4/userspace.py
"""

import argparse
import contextlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "benches/proxy"))

import report  # noqa: E402
from machine import Failed, Process, busy_share, find_program, free_port, wait_for_port  # noqa: E402

HAPROXY = """
global
    nbthread 1
    maxconn 5000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    option splice-auto
    option tcp-smart-connect
frontend in
    bind 127.0.0.1:{listen}
    default_backend out
backend out
    server one 127.0.0.1:{target}
"""

IDLE = 2000
# name: (what it is, server, generator, connections, unit, divisor)
SCENARIOS = {
    "bulk": ("sending through one connection", "sink", "bulk", 1, "GB", 1e9),
    "bulk8": ("sending through 8 connections", "sink", "bulk", 8, "GB", 1e9),
    "connect": ("a connection, 64 bytes, close; 16 clients", "greet", "knock", 16, "connections", 1),
    "chat": ("64 bytes there and back, 16 connections", "echo", "chat", 16, "round trips", 1),
    "chat1": ("64 bytes there and back, 1 connection", "echo", "chat", 1, "round trips", 1),
}


def main():
    """Parses the command line and runs the scenarios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"any of: {' '.join(SCENARIOS)} idle; without one: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--with", dest="names", default="slipway,splice,copy,haproxy", help="contenders, with commas; the ratios are to splice")
    parser.add_argument("--tool", help="the built bench binary; else the newest one")
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("-o", "--output", help="write everything that was measured to this JSON file")
    options = parser.parse_args()
    options.scenarios = options.scenarios or [*SCENARIOS, "idle"]
    if unknown := set(options.scenarios) - {*SCENARIOS, "idle"}:
        parser.error(f"there is no scenario {unknown.pop()}; there are: {' '.join(SCENARIOS)} idle")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if (share := busy_share(0.5)) > 0.1:
        print(f"bench: this machine is {share:.0%} busy with other things: the figures will be noisy", file=sys.stderr)
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    try:
        tool = Path(options.tool) if options.tool else newest_tool()
        results = {name: (idle if name == "idle" else run)(name, options, tool, work) for name in options.scenarios}
    except Failed as error:
        sys.exit(f"bench: {error}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if options.output:
        report.save(options.output, results)


def newest_tool():
    """The bench binary that cargo built last."""
    found = [path for path in (REPOSITORY / "target/release/deps").glob("userspace-*") if not path.suffix]
    if not found:
        raise Failed("nothing is built: cargo bench --no-run --bench userspace")
    return max(found, key=lambda path: path.stat().st_mtime)


def run(name, options, tool, work):
    """One scenario over all contenders; prints its table and gives what was measured."""
    title, server, generator, count, unit, divisor = SCENARIOS[name]
    names = options.names.split(",")
    samples = {one: [] for one in names}
    with contextlib.ExitStack() as stack:
        target = free_port()
        serving = stack.enter_context(Process(server, [tool, server, f"127.0.0.1:{target}"], options.load_core, work / server))
        wait_for_port(target, serving)
        running = {one: stack.enter_context(start(one, options, tool, work, target)) for one in names}
        for number in range(-1, options.rounds):  # the first one warms up
            turn = number % len(names)
            for one in names[turn:] + names[:turn]:
                process, port = running[one].proxy, running[one].port
                sample = measure(process, [tool, generator, f"127.0.0.1:{port}"], options, count, divisor)
                if number >= 0:
                    samples[one].append(sample)
    print_table(f"{name}: {title}", unit, samples)
    return {"title": title, "samples": samples}


def idle(_, options, tool, work):
    """What open connections cost that once passed a message each and now rest."""
    rows, results = [], {}
    for name in [one for one in options.names.split(",") if one not in ("splice", "copy")]:  # threads cost what threads cost
        with contextlib.ExitStack() as stack:
            target = free_port()
            serving = stack.enter_context(Process("echo", [tool, "echo", f"127.0.0.1:{target}"], options.load_core, work / "echo"))
            wait_for_port(target, serving)
            proxy = stack.enter_context(start(name, options, tool, work, target))
            before = proxy.proxy.memory_bytes()
            for _ in range(IDLE):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 10))
                client.sendall(b"x" * 64)
                client.recv(64)
            memory, cpu = proxy.proxy.memory_bytes(), proxy.proxy.cpu_secs()
            time.sleep(5)
            results[name] = {"bytes": (memory - before) / IDLE, "cpu": (proxy.proxy.cpu_secs() - cpu) / 5}
            rows.append([name, f"{results[name]['bytes']:.0f}", f"{results[name]['cpu']:.2%}"])
    report.table(f"idle: {IDLE} connections that rest", ["", "bytes of the process per connection", "core busy"], rows)
    return results


class start:
    """A contender that forwards from a port of its own."""

    def __init__(self, name, options, tool, work, target):
        self.port = free_port()
        if name == "haproxy":
            config = work / f"haproxy-{self.port}.cfg"
            config.write_text(HAPROXY.format(listen=self.port, target=target))
            program = find_program("haproxy", ["/usr/sbin"])
            if program is None:
                raise Failed("haproxy is missing: install it, or leave it out with --with")
            command = [program, "-db", "-f", config]
        else:
            command = [tool, name, f"127.0.0.1:{self.port}", f"127.0.0.1:{target}"]
        self.proxy = Process(name, command, options.proxy_core, work / f"{name}-{self.port}.log")

    def __enter__(self):
        wait_for_port(self.port, self.proxy)
        return self

    def __exit__(self, *_):
        self.proxy.stop()


def measure(process, command, options, count, divisor):
    """`per_sec`, `cpu` (per second of processor time) and `busy` (share of its core) of one contender."""
    process.check()
    before, begun = process.cpu_secs(), time.monotonic()
    pinned = ["taskset", "-c", str(options.load_core), *map(str, command), str(options.seconds), str(count)]
    done = subprocess.run(pinned, capture_output=True, text=True, timeout=options.seconds * 10 + 60)
    took, cpu = time.monotonic() - begun, process.cpu_secs() - before
    if done.returncode != 0:
        raise Failed(f"{process.name}: the generator failed: {done.stderr[-2000:]}")
    amount = float(done.stdout.split()[-1]) / divisor
    return {"per_sec": amount / took, "cpu": amount / max(cpu, 0.01), "busy": cpu / took}


def print_table(title, unit, samples):
    """A row for each contender."""
    form = "{:.2f}" if unit == "GB" else "{:.0f}"
    rows = []
    for name, all_of_it in samples.items():
        row = [name]
        for measured in ("per_sec", "cpu"):
            row.append(report.spread([sample[measured] for sample in all_of_it], form))
            if "splice" in samples:
                pairs = zip(all_of_it, samples["splice"])
                row.append(report.spread([one[measured] / other[measured] for one, other in pairs]))
        row.append(report.spread([sample["busy"] for sample in all_of_it]))
        rows.append(row)
    ratio = ["to splice"] if "splice" in samples else []
    report.table(title, ["", f"{unit}/s", *ratio, f"{unit} per CPU second", *ratio, "core busy"], rows)


if __name__ == "__main__":
    main()
