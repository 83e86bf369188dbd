#!/usr/bin/env python3
"""The service proxy beside kube-proxy's nftables mode, over one API server: first sync, one changed endpoint, restart, memory, first packet.

Starts a control plane without nodes (tests/cluster/up 0) and fills it, first with few Services, then with many. Both proxies run in the
control plane's network namespace, one after the other. Needs root and Go.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(REPOSITORY / "benches" / "cluster"), str(REPOSITORY / "benches" / "proxy")]

import inside  # noqa: E402
import report  # noqa: E402
import services  # noqa: E402
from api import CLUSTER, Api, create_all  # noqa: E402
from machine import Failed, Process  # noqa: E402

NAME = "slipway-bench-l4"
DEADLINE_SECS = 300
RANGE = "10.244.0.0/16"


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="benches/l4/run.py", description=__doc__)
    parser.add_argument("--few", type=int, default=100, help="Services at first")
    parser.add_argument("--many", type=int, default=10000, help="Services then")
    parser.add_argument("--endpoints", type=int, default=5, help="of each Service")
    parser.add_argument("--changes", type=int, default=200, help="changed endpoints that are timed; kube-proxy gets a tenth")
    parser.add_argument("--connections", type=int, default=3000, help="new connections that are timed")
    parser.add_argument("--slipway", default=REPOSITORY / "target/release/slipway", help="the binary")
    parser.add_argument("--only", choices=("slipway", "kube-proxy"), help="just one of the two")
    parser.add_argument("-o", "--output", help="write everything that was measured to this JSON file")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options):
    """All of it, and the tables."""
    api = Api()
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-l4-"))
    # Every pod's address is here: one backend answers for all, with the address it was asked at.
    subprocess.run(["ip", "route", "replace", "local", RANGE, "dev", "lo"], check=True)
    subprocess.run(["ip", "route", "replace", "10.96.0.0/16", "dev", "lo"], check=True)
    create_all(api, list(services.base()))
    results, made = {}, 0
    with Process("backend", [sys.executable, HERE / "backend.py", str(services.PORT)], 1, work / "backend.log"):
        for count in (options.few, options.many):
            things = [thing for number in range(made, count) for thing in services.site(number, options.endpoints)]
            print(f"filling the API server up to {count:,} Services with {options.endpoints} endpoints each", flush=True)
            create_all(api, things)
            made = count
            for contender in (Slipway, KubeProxy):
                if options.only in (None, contender.name):
                    results[f"{contender.name} {count}"] = contend(api, contender, options, work, count)
    show(results, options)
    if options.output:
        report.save(options.output, results)


def contend(api, contender, options, work, count):
    """What one proxy does with so many Services."""
    api = api.another()  # the former has been idle for too long
    changes = options.changes if contender is Slipway else max(5, options.changes // 10)
    try:
        with contender(options, work) as first:
            result = {"first_sync_secs": first.synced(count), "memory_first_bytes": first.memory("VmHWM")}
            cpu = first.cpu_secs()
            result["change_ms"] = [changed(api, number % 50) for number in range(changes)]
            result["change_cpu_ms"] = (first.cpu_secs() - cpu) * 1000 / changes
            result["connect_us"] = connects(options.connections, count)
            result["memory_bytes"] = first.memory("VmRSS")
            result["memory_peak_bytes"] = first.memory("VmHWM")
        # The rules outlive it: the next one starts over them. One changed endpoint tells when it follows again.
        with contender(options, work) as second:
            second.synced(count)
            result["restart_secs"] = time.monotonic() - second.begin
        result["rule_lines"] = lines(contender)
    finally:
        contender.clean(options)
    return result


def changed(api, number):
    """Milliseconds from the request that gives a Service another endpoint to the first connection that gets there."""
    changed.round = getattr(changed, "round", 0) + 1
    address = f"10.244.250.{changed.round % 250 + 1}"
    thing = services.endpoint_slice(services.SINGLE + number, [address])
    place = (services.cluster_ip(services.SINGLE + number), 80)
    begin = time.monotonic()
    api.replace(thing)
    until(lambda: asked(place) == address, f"{place} leads to {address}")
    return (time.monotonic() - begin) * 1000


def asked(place, patience_secs=1):
    """The address that the backend was asked at; None when nobody answered."""
    try:
        with socket.create_connection(place, patience_secs) as connection:
            return connection.recv(64).decode()
    except OSError:
        return None


def connects(count, services_count):
    """Microseconds of each connect to Services all over."""
    taken = []
    for number in range(count):
        place = (services.cluster_ip(number * 7919 % services_count), 80)
        begin = time.perf_counter()
        with socket.create_connection(place, 2):
            taken.append((time.perf_counter() - begin) * 1e6)
    return taken


def until(true, what, pause_secs=0.0002):
    """Asks again and again."""
    end = time.monotonic() + DEADLINE_SECS
    while not true():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {DEADLINE_SECS} s")
        time.sleep(pause_secs)


def lines(contender):
    """How many chains there are in the contender's IPv4 table."""
    text = subprocess.run(["nft", "-t", "list", "table", "ip", contender.table], capture_output=True, text=True).stdout
    return sum(1 for line in text.splitlines() if line.strip().startswith("chain "))


class Contender(Process):
    """A proxy over the API server."""

    def __init__(self, command, work):
        self.begin = time.monotonic()
        super().__init__(self.name, command, 0, work / f"{self.name}.log")

    def synced(self, count):
        """Seconds from the start until the first and the last Service answer."""
        for number in (0, count - 1, services.SINGLE):
            until(lambda: self.check() or asked((services.cluster_ip(number), 80), 0.02), f"{self.name} serves", 0.005)
        self.settled()
        return time.monotonic() - self.begin

    def memory(self, field):
        """A line of /proc/PID/status, in bytes: VmRSS is what it has now, VmHWM the most it had."""
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def kubeconfig():
    """How to reach the API server."""
    return subprocess.check_output([CLUSTER, "kubeconfig"], text=True).strip()


class Slipway(Contender):
    """`slipway service-proxy`."""

    name, table = "slipway", "slipway"

    def __init__(self, options, work):
        flags = ["--node-name", services.NODE, "--cluster-cidr", RANGE, "--kubeconfig", kubeconfig()]
        super().__init__([options.slipway, "service-proxy", *flags], work)

    def settled(self):
        """It says so itself."""
        until(lambda: self.check() or "ready: " in self.log.read_text(errors="replace"), "slipway is ready", 0.001)

    @staticmethod
    def clean(options):
        """Takes its rules away."""
        subprocess.run([options.slipway, "service-proxy", "--cleanup"], check=True, capture_output=True)


class KubeProxy(Contender):
    """The reference: kube-proxy in its nftables mode."""

    name, table = "kube-proxy", "kube-proxy"

    def __init__(self, options, work):
        binary = subprocess.check_output([CLUSTER, "binary", "kubernetes"], text=True).strip()
        config = work / "kube-proxy.yaml"
        # Its default waits a second between two syncs.
        config.write_text(f"""apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: {RANGE}
hostnameOverride: {services.NODE}
clientConnection: {{kubeconfig: {kubeconfig()}}}
conntrack: {{maxPerCore: 0}}
nftables: {{minSyncPeriod: 1ms}}
""")
        flags = ["--config", str(config)]
        super().__init__([binary, "kube-proxy", *flags], work)

    def settled(self):
        """Its first whole sync has ended: it counts it."""
        until(lambda: self.check() or self._syncs() > 0, "kube-proxy has synced", 0.01)

    def _syncs(self):
        try:
            with socket.create_connection(("127.0.0.1", 10249), 1) as connection:
                connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return 0
        name = "kubeproxy_sync_proxy_rules_duration_seconds_count"
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    @staticmethod
    def clean(options):
        """Takes its rules away."""
        binary = subprocess.check_output([CLUSTER, "binary", "kubernetes"], text=True).strip()
        subprocess.run([binary, "kube-proxy", "--cleanup"], capture_output=True)
        for family in ("ip", "ip6"):
            subprocess.run(["nft", "delete", "table", family, "kube-proxy"], capture_output=True)


def show(results, options):
    """One table: a row for each thing, a column for each proxy and size, and the ratios."""
    sizes = (options.few, options.many)
    names = [name for name in ("slipway", "kube-proxy") if f"{name} {sizes[0]}" in results]
    form = {
        "first sync": lambda r: f"{r['first_sync_secs']:.2f} s",
        "changed endpoint, p50": lambda r: f"{report.percentile(r['change_ms'], 0.5):.1f} ms",
        "changed endpoint, p99": lambda r: f"{report.percentile(r['change_ms'], 0.99):.1f} ms",
        "CPU for it": lambda r: f"{r['change_cpu_ms']:.1f} ms",
        "restart over its old rules": lambda r: f"{r['restart_secs']:.2f} s",
        "memory (most)": lambda r: f"{r['memory_bytes'] / 2**20:.0f} ({r['memory_peak_bytes'] / 2**20:.0f}) MiB",
        "new connection, p50": lambda r: f"{report.percentile(r['connect_us'], 0.5):.0f} µs",
        "new connection, p99": lambda r: f"{report.percentile(r['connect_us'], 0.99):.0f} µs",
        "chains (IPv4)": lambda r: f"{r['rule_lines']:,}",
    }
    columns = [f"{name} {size}" for size in sizes for name in names]
    rows = [[what, *(text(results[column]) for column in columns)] for what, text in form.items()]
    title = f"{sizes[0]:,} and {sizes[1]:,} Services, {options.endpoints} endpoints each"
    report.table(title, ["", *(f"{name}, {size:,}" for size in sizes for name in names)], rows)


if __name__ == "__main__":
    inside.run(NAME, __file__, arguments(), measure)
