#!/usr/bin/env python3
"""Slipway with thousands of Ingresses in a real API server: time to ready, memory, from a change to its first answer, CPU at rest.

Starts a control plane without nodes (tests/cluster/up 0), fills it, and runs Slipway and one backend beside it. Needs root and Go.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(REPOSITORY / "benches" / "proxy")]

import inside  # noqa: E402
import objects  # noqa: E402
import report  # noqa: E402
from api import CLUSTER, Api, create_all  # noqa: E402
from client import Connection  # noqa: E402
from machine import Failed, Process  # noqa: E402

NAME = "slipway-bench"
DEADLINE_SECS = 120
HTTP, HEALTH = 80, 10254
PUBLISHED = "192.0.2.7"


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="benches/cluster/run.py", description=__doc__)
    parser.add_argument("--ingresses", type=int, default=5000, help="and as many Services")
    parser.add_argument("--endpoints", type=int, default=20000, help="of all Services together")
    parser.add_argument("--starts", type=int, default=5, help="how often the time to ready is taken")
    parser.add_argument("--changes", type=int, default=200, help="how many changes of each kind are timed")
    parser.add_argument("--rest", type=int, default=30, help="seconds without a change, for CPU at rest")
    parser.add_argument("--slipway", default=REPOSITORY / "target/release/slipway", help="the binary")
    parser.add_argument("--core", type=int, choices=(0, 1), default=0, help="Slipway is pinned to it; the control plane is not pinned")
    parser.add_argument("-o", "--output", help="write everything that was measured to this JSON file")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options):
    """All of it, and the tables."""
    api = Api()
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    # Every pod's address is here: one backend answers for all.
    subprocess.run(["ip", "route", "replace", "local", "10.244.0.0/16", "dev", "lo"], check=True)
    create_all(api, list(objects.base()))
    things = list(objects.sites(options.ingresses, options.endpoints))
    print(f"filling the API server with {len(things):,} objects", flush=True)
    filling = create_all(api, things)
    print(f"filled in {filling:.0f} s", flush=True)
    echo = subprocess.check_output([CLUSTER, "binary", "echo"], text=True).strip()
    with Process("echo", [echo, "serve"], 1 - options.core, work / "echo.log", {"ECHO_LISTEN": f":{objects.PORT}"}):
        starts = [start_once(options, work) for _ in range(options.starts - 1)]
        with Slipway(options, work) as slipway:
            starts.append(slipway.ready_secs)
            results = {"ready_secs": starts, "filling_secs": filling} | followed(api, slipway, options)
    show(results, options)
    if options.output:
        report.save(options.output, results)


def start_once(options, work):
    """Seconds to ready of a Slipway that ends again."""
    with Slipway(options, work) as slipway:
        return slipway.ready_secs


def followed(api, slipway, options):
    """What one running Slipway does and costs."""
    results = {"memory_ready_bytes": slipway.memory("VmRSS")}
    begin = time.monotonic()
    until(lambda: published(api) >= options.ingresses, "every Ingress has its address", 0.5)
    results["published_secs"] = time.monotonic() - begin
    connection = Connection(HTTP)
    results["new_rule_ms"] = [new_rule(api, connection, options.ingresses + at) for at in range(options.changes)]
    results["endpoints_ms"] = [moved(api, connection, at) for at in range(options.changes)]
    results["memory_changed_bytes"] = slipway.memory("VmRSS")
    until(lambda: published(api) >= options.ingresses + options.changes, "the new ones have their address, too", 0.5)
    results["rest"] = slipway.at_rest(options.rest)
    results["memory_rest_bytes"], results["memory_peak_bytes"] = slipway.memory("VmRSS"), slipway.memory("VmHWM")
    return results


def published(api):
    """How many Ingresses have an address."""
    items = api.request("GET", "apis/networking.k8s.io/v1/ingresses?resourceVersion=0")["items"]
    return sum(1 for item in items if item["status"]["loadBalancer"].get("ingress"))


def new_rule(api, connection, number):
    """Milliseconds from the request that makes an Ingress for a new host to the first answer of its Service."""
    if status(connection, number) != 404:
        raise Failed(f"{objects.host(number)} answered before there was a rule")
    api.create(objects.service(number))
    api.create(objects.endpoint_slice(number, [objects.address(number)]))
    begin = time.monotonic()
    api.create(objects.ingress(number))
    until(lambda: status(connection, number) == 200, objects.host(number))
    return (time.monotonic() - begin) * 1000


def moved(api, connection, number):
    """Milliseconds from the request that takes a site's endpoints away to the first 503, or back to the first 200."""
    site, wanted = number // 2, 503 if number % 2 == 0 else 200
    addresses = [] if wanted == 503 else [objects.address(site)]
    begin = time.monotonic()
    api.replace(objects.endpoint_slice(site, addresses))
    until(lambda: status(connection, site) == wanted, objects.host(site))
    return (time.monotonic() - begin) * 1000


def status(connection, number):
    """What a site answers now."""
    return connection.get("/", objects.host(number))[0]


def until(true, what, pause_secs=0.0005):
    """Asks again and again."""
    end = time.monotonic() + DEADLINE_SECS
    while not true():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {DEADLINE_SECS} s")
        time.sleep(pause_secs)


class Slipway(Process):
    """A `slipway ingress` over the API server; ready when it is entered."""

    def __init__(self, options, work):
        kubeconfig = subprocess.check_output([CLUSTER, "kubeconfig"], text=True).strip()
        flags = [f"--ingress-class={objects.CLASS}", f"--controller-class={objects.CONTROLLER}", f"--kubeconfig={kubeconfig}"]
        flags += [f"--http-port={HTTP}", f"--healthz-port={HEALTH}", f"--publish-status-address={PUBLISHED}"]
        # What is published stays, so that the next start finds what a restart finds.
        flags += ["--update-status-on-shutdown=false", "--set=disable-access-log=true", "--set=keep-alive-requests=1000000000"]
        self.begin = time.monotonic()
        super().__init__("slipway", [options.slipway, "ingress", *flags], options.core, work / "slipway.log")

    def __enter__(self):
        until(self._is_ready, "slipway is ready")
        self.ready_secs = time.monotonic() - self.begin
        return self

    def _is_ready(self):
        self.check()
        try:
            connection = Connection(HEALTH)
        except OSError:
            return False
        try:
            return connection.get("/readyz", "localhost")[0] == 200
        finally:
            connection.close()

    def memory(self, field):
        """A line of /proc/PID/status, in bytes: VmRSS is what it has now, VmHWM the most it had."""
        # taskset becomes the program: the process is Slipway itself.
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

    def at_rest(self, secs):
        """CPU seconds while nothing changes."""
        before = self.cpu_secs()
        time.sleep(secs)
        return {"secs": secs, "cpu_secs": self.cpu_secs() - before}


def show(results, options):
    """Tables for people."""
    megabytes = lambda name: f"{results[name] / 2**20:.0f} MiB"
    rest = results["rest"]
    rows = [
        ["start to ready", report.spread(results["ready_secs"], "{:.2f} s")],
        ["memory when ready", megabytes("memory_ready_bytes")],
        ["memory after the changes", megabytes("memory_changed_bytes")],
        ["memory at rest", megabytes("memory_rest_bytes")],
        ["memory, most", megabytes("memory_peak_bytes")],
        ["all addresses are published after", f"{results['published_secs']:.1f} s"],
        ["CPU at rest", f"{100 * rest['cpu_secs'] / rest['secs']:.2f} % of a core over {rest['secs']} s"],
    ]
    title = f"{options.ingresses:,} Ingresses and Services, {options.endpoints:,} endpoints"
    report.table(title, ["what", "measured"], rows)
    rows = []
    for what, name in (("a new Ingress", "new_rule_ms"), ("other endpoints", "endpoints_ms")):
        millis = results[name]
        parts = [report.percentile(millis, share) for share in (0.5, 0.99, 1)]
        rows.append([what, len(millis), *(f"{part:.1f}" for part in parts)])
    report.table("from the request to the API server to the first answer", ["change", "times", "p50 ms", "p99 ms", "max ms"], rows)


if __name__ == "__main__":
    inside.run(NAME, __file__, arguments(), measure)
