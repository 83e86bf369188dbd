#!/usr/bin/env python3
"""`slipway dns` beside CoreDNS and a bare UDP echo: queries per second and processor time per query, over one API server.

    cargo build --release && cargo bench --no-run --bench dns_echo && python3 benches/dns/run.py

Starts a control plane without nodes (tests/cluster/up 0) and fills it. Every server is pinned to one core, dnsperf to another. Each round measures
every server once, in an order that rotates; ratios are formed inside a round. Needs root, Go and dnsperf.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(REPOSITORY / "benches" / "cluster"), str(REPOSITORY / "benches" / "proxy")]

import inside  # noqa: E402
import names  # noqa: E402
import propagation  # noqa: E402
import report  # noqa: E402
from api import Api, create_all  # noqa: E402
from machine import Failed, busy_share, free_port  # noqa: E402
from servers import CONTENDERS, Upstream, until_ready  # noqa: E402

NAME = "slipway-bench-dns"
# scenario: (questions, over TCP, what it is)
SCENARIOS = {
    "hit": ("hit", False, "a Service's address"),
    "miss": ("miss", False, "names outside, with the search path: NXDOMAIN"),
    "headless": ("headless", False, f"a headless Service with {names.ENDPOINTS} endpoints"),
    "cached": ("cached", False, "names outside, cached"),
    "tcp": ("hit", True, "a Service's address over TCP"),
}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="benches/dns/run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"any of: {' '.join(SCENARIOS)} propagation; without one: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--with", dest="names", default="slipway,coredns,coredns-kubeadm,echo", help="contenders, with commas")
    parser.add_argument("--slipway", default=REPOSITORY / "target/release/slipway", help="the binary")
    parser.add_argument("--changes", type=int, default=100, help="changed endpoints that are timed in propagation")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("-o", "--output", help="write everything that was measured to this JSON file")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.scenarios = options.scenarios or [*SCENARIOS, "propagation"]
    if unknown := set(options.scenarios) - {*SCENARIOS, "propagation"}:
        parser.error(f"there is no scenario {unknown.pop()}; there are: {' '.join(SCENARIOS)} propagation")
    if not shutil.which("dnsperf"):
        parser.error("dnsperf is missing: apt-get install dnsperf")
    return options


def measure(options):
    """All of it, and the tables."""
    api = Api()
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-dns-"))
    create_all(api, list(names.objects()))
    if (share := busy_share(0.5)) > 0.15:
        print(f"bench: this machine is {share:.0%} busy with other things: the figures will be noisy", file=sys.stderr)
    results = {}
    with Upstream(work, options.load_core) as upstream:
        for name in options.scenarios:
            if name == "propagation":
                results[name] = propagation.run(api, options, work, upstream)
            else:
                results[name] = scenario(name, options, work, upstream)
    if options.output:
        report.save(options.output, results)


def scenario(name, options, work, upstream):
    """One kind of question to all contenders; prints its table and gives what was measured."""
    asked, tcp, title = SCENARIOS[name]
    questions, rcode = names.questions()[asked]
    file = work / f"{asked}.txt"
    file.write_text("".join(f"{question} {kind}\n" for question, kind in questions))
    contenders = [CONTENDERS[one] for one in options.names.split(",") if not (tcp and one == "echo")]
    samples = {one.name: [] for one in contenders}
    for number in range(options.rounds):
        turn = number % len(contenders)
        for one in contenders[turn:] + contenders[:turn]:
            with one(options, work, free_port(), upstream) as running:
                until_ready(running)
                load(running, file, tcp, 1, options, None)  # warms up, and fills the cache
                expected = None if one.name == "echo" else rcode
                samples[one.name].append(load(running, file, tcp, options.seconds, options, expected))
    rows = []
    for one, taken in samples.items():
        cpu = report.spread([sample["cpu_micros"] for sample in taken])
        ratio = report.spread([a["cpu_micros"] / b["cpu_micros"] for a, b in zip(taken, samples.get("slipway", taken))])
        busy = report.median_range([sample["busy"] for sample in taken])[0]
        per_core = report.median_range([1e6 / sample["cpu_micros"] for sample in taken])[0]
        rate = report.median_range([sample["per_sec"] for sample in taken])[0]
        rows.append([one, cpu, ratio, f"{per_core:,.0f}", f"{rate:,.0f}", f"{busy:.0%}"])
    header = ["", "CPU µs/query", "to slipway's", "queries per second of CPU", "queries/s seen", "server core busy"]
    report.table(f"{name}: {title}", header, rows)
    return samples


def load(running, file, tcp, secs, options, rcode):
    """dnsperf for some seconds: what it and the server's clock saw."""
    # A UDP client has many sockets, so that the kernel's choice among a server's sockets is even.
    mode = ["-m", "tcp", "-c", "20", "-q", "400"] if tcp else ["-c", "20", "-q", "200"]
    command = ["taskset", "-c", str(options.load_core), "dnsperf", "-s", "127.0.0.1", "-p", str(running.port), "-d", str(file)]
    before = running.cpu_secs()
    done = subprocess.run([*command, "-l", str(secs), "-T", "1", *mode], capture_output=True, text=True)
    cpu = running.cpu_secs() - before
    running.check()
    text = done.stdout
    completed, lost, taken = (figure(text, rf"{what}:\s+([0-9.]+)") for what in ("Queries completed", "Queries lost", "Run time \\(s\\)"))
    # CoreDNS loses some while it warms up.
    if completed == 0 or (rcode and lost > completed / 100):
        raise Failed(f"{running.name}: {completed:.0f} answers, {lost:.0f} lost\n{text}{done.stderr}")
    if rcode and not re.search(rf"Response codes:\s+{rcode} {completed:.0f} \(100.00%\)", text):
        raise Failed(f"{running.name}: other answers than {rcode}\n{text}")
    return {"per_sec": completed / taken, "cpu_micros": cpu / completed * 1e6, "busy": cpu / taken, "lost": lost}


def figure(text, pattern):
    """The number that the pattern finds."""
    found = re.search(pattern, text)
    if not found:
        raise Failed(f"dnsperf said nothing like {pattern}:\n{text}")
    return float(found[1])


if __name__ == "__main__":
    inside.run(NAME, __file__, arguments(), measure)
