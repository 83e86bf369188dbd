"""1,000 changes of rules, endpoints and certificates in 100 s under load: what failed, what was dropped, what grew."""

import ssl
import time
from dataclasses import asdict

import client
import contenders
import load
import manifests
import report
from machine import Failed

HOST = "changes.bench.test"
IDLE = 100
RATE = 1000


def run(bench, options):
    """Changes ten times a second while three loads run: plain, HTTPS kept alive, HTTPS with new connections."""
    changes = 200 if options.quick else 1000
    secs = changes // 10
    directory = bench.work / "changes" / "manifests"
    directory.mkdir(parents=True)
    pairs = [manifests.make_certificate(bench.work / "tls", f"changes-{at}", HOST) for at in range(2)]
    _site(directory, bench, 0)
    manifests.write(directory / "tls.json", [manifests.secret("changes-tls", *pairs[0])])
    running = contenders.slipway(bench, directory, "slipway-changes", settings=["keep-alive=600"])
    with running.process:
        idle = [_idle(client.Connection(running.http)) for _ in range(IDLE)]
        idle += [_idle(client.Connection(running.https, tls_name=HOST)) for _ in range(IDLE)]
        for at in range(-20, 0):
            _change(directory, bench, pairs, at)
            time.sleep(0.1)
        before = running.process.memory_bytes()
        loads = _start_loads(bench, running, secs + 2)
        late = _change_all(directory, bench, pairs, changes)
        seen = {name: load.finish_oha(child) for name, child in loads.items()}
        after = running.process.memory_bytes()
        kept = sum(_alive(connection) for connection in idle)
        running.process.check()
        _verify(directory, running, pairs, changes)
    return _report(changes, secs, seen, kept, len(idle), before, after, late)


def _change_all(directory, bench, pairs, changes):
    """Ten changes a second; returns the seconds by which the last one was late."""
    begin = time.monotonic()
    for at in range(changes):
        wait = begin + at / 10 - time.monotonic()
        if wait > 0:
            time.sleep(wait)  # the pace of the changes, not a wait for their effect
        _change(directory, bench, pairs, at)
    return time.monotonic() - begin - changes / 10


def _change(directory, bench, pairs, at):
    """In turn: another rule comes or goes; the Service under load moves to the other origin; another certificate."""
    if at % 3 == 0:
        path = directory / f"rule-{at % 30}.json"
        if path.exists():
            path.unlink()
        else:
            manifests.write(path, [manifests.ingress(f"rule-{at % 30}", f"rule-{at % 30}.bench.test", "changes")])
    elif at % 3 == 1:
        _site(directory, bench, at // 3)
    else:
        manifests.write(directory / "tls.json", [manifests.secret("changes-tls", *pairs[at // 3 % 2])])


def _verify(directory, running, pairs, changes):
    """What is on disk at the end is what is served, the certificate too."""
    end = time.monotonic() + 5
    rules = {f"rule-{at}.bench.test": (directory / f"rule-{at}.json").exists() for at in range(0, 30, 3)}
    last = max(at for at in range(changes) if at % 3 == 2)
    wanted = ssl.PEM_cert_to_DER_cert(pairs[last // 3 % 2][0].read_text())
    while True:
        wrong = [host for host, there in rules.items() if client.fetch(running.http, "/", host)[0] != (200 if there else 404)]
        wrong += ["the certificate"] if client.certificate(running.https, HOST) != wanted else []
        if not wrong:
            return
        if time.monotonic() > end:
            raise Failed(f"after the changes these are not as the files say: {', '.join(wrong)}")


def _site(directory, bench, turn):
    ports = [[bench.origin_port], [bench.other_origin_port], [bench.origin_port, bench.other_origin_port]][turn % 3]
    objects = [manifests.ingress("changes", HOST, "changes", tls="changes-tls"), manifests.service("changes")]
    manifests.write(directory / "site.json", [*objects, *_slices(ports)])


def _slices(ports):
    one = manifests.slice_("changes", ports)
    return one["items"] if one["kind"] == "List" else [one]


def _start_loads(bench, running, secs):
    plain, tls = f"http://127.0.0.1:{running.http}/", f"https://127.0.0.1:{running.https}/"
    return {
        "HTTP, kept alive": load.start_oha(bench, plain, secs, HOST, 16, rate=RATE),
        "HTTPS, kept alive": load.start_oha(bench, tls, secs, HOST, 16, rate=RATE),
        "HTTPS, new connections": load.start_oha(bench, tls, secs, HOST, 8, close=True, rate=RATE // 10),
    }


def _idle(connection):
    if connection.get("/", HOST)[0] != 200:
        raise Failed(f"{HOST} did not answer 200 before the changes")
    return connection


def _alive(connection):
    try:
        return connection.get("/", HOST)[0] == 200
    except OSError:
        return False
    finally:
        connection.close()


def _report(changes, secs, seen, kept, idle, before, after, late):
    rows = [[name, f"{one.requests:,}", one.failed, f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}"] for name, one in seen.items()]
    title = f"changes: {changes:,} changes of rules, endpoints and certificates in {secs} s"
    report.table(title, ["load", "requests", "failed", "p50 ms", "p99 ms"], rows)
    for name, one in seen.items():
        if one.failed:
            print(f"- {name}: {load.mark(one)}")
    print(f"- idle connections kept: {kept} of {idle}")
    print(f"- memory: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")
    if late > 1:
        print(f"- the last change came {late:.1f} s late: this machine could not keep the pace")
    failed = sum(one.failed for one in seen.values())
    gates = [
        report.gate("changes: failed requests", failed, 0, 0, higher_is_better=False),
        report.gate("changes: idle connections lost", idle - kept, 0, 0, higher_is_better=False),
        report.gate("changes: memory after / before", after / before, 1.25, 1.1, higher_is_better=False),
    ]
    loads = {name: asdict(one) for name, one in seen.items()}
    return {"loads": loads, "kept": kept, "idle": idle, "before": before, "after": after, "gates": gates}
