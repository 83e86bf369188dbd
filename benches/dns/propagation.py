"""From the write of an EndpointSlice to the first answer that has it, among 100,000 endpoints, while queries go on."""

import threading
import time

import names
import report
from api import create_all
from machine import Failed, free_port
from servers import CONTENDERS, ask, until_ready

SERVICES, ENDPOINTS = 1000, 100
SINGLE = "single"


def run(api, options, work, upstream):
    """The table."""
    print(f"filling the API server up to {SERVICES * ENDPOINTS:,} endpoints", flush=True)
    create_all(api, list(names.many(SERVICES, ENDPOINTS)))
    api = api.another()
    api.create(names.service(SINGLE, names.namespace(0), {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}))
    api.create(single("10.120.0.1"))
    results, rows = {}, []
    for one in [one for one in options.names.split(",") if one in ("slipway", "coredns-kubeadm")]:
        begin = time.monotonic()
        with CONTENDERS[one](options, work, free_port(), upstream) as running:
            until_ready(running, f"many-{SERVICES - 1}.{names.namespace(SERVICES - 1)}.svc.{names.ZONE}")
            first = time.monotonic() - begin
            before = running.cpu_secs()
            taken, failed = changes(api.another(), running, options)
            cpu = (running.cpu_secs() - before) * 1000 / len(taken)
            memory = running.memory_bytes()
        results[one] = {"first_secs": first, "change_ms": taken, "failed": failed, "cpu_ms": cpu, "memory_bytes": memory}
        times = [f"{report.percentile(taken, share):.1f}" for share in (0.5, 0.99)]
        rows.append([one, f"{first:.2f}", *times, f"{cpu:.1f}", failed, f"{memory / 2**20:.0f}"])
    header = ["", "start to full answers, s", "change p50, ms", "p99, ms", "CPU of a change, ms", "failed queries", "memory, MiB"]
    report.table(f"propagation: one endpoint of {SERVICES * ENDPOINTS:,} changes", header, rows)
    return results


def changes(api, running, options):
    """Milliseconds of each change, and how many of the queries that went on beside them failed."""
    name, taken, failures, over = f"{SINGLE}.{names.namespace(0)}.svc.{names.ZONE}", [], [0], threading.Event()

    def steady():
        while not over.is_set():
            failures[0] += ask(running.port, f"plain-7.{names.namespace(7)}.svc.{names.ZONE}") is None
            time.sleep(0.002)

    beside = threading.Thread(target=steady)
    beside.start()
    try:
        for number in range(options.changes):
            address = f"10.121.{number // 250}.{number % 250 + 1}"
            begin = time.monotonic()
            api.replace(single(address))
            while ask(running.port, name) != [address]:
                if time.monotonic() > begin + 10:
                    raise Failed(f"{running.name} does not show {address} within 10 s")
                time.sleep(0.0002)
            taken.append((time.monotonic() - begin) * 1000)
    finally:
        over.set()
        beside.join()
    return taken, failures[0]


def single(address):
    """The endpoint that changes."""
    return names.endpoint_slice(SINGLE, names.namespace(0), [address])
