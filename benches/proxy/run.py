#!/usr/bin/env python3
"""Runs Slipway beside nginx and HAProxy on this machine and prints tables with ratios.

Called by run.sh, which installs what is needed. The proxy is pinned to one core, load generator and origin to another.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import changes  # noqa: E402
import client  # noqa: E402
import contenders  # noqa: E402
import hosts  # noqa: E402
import idle  # noqa: E402
import manifests  # noqa: E402
import propagation  # noqa: E402
import report  # noqa: E402
import traffic  # noqa: E402
from machine import Failed, busy_share, find_program, free_port  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
BUSY_SHARE = 0.1
OTHERS = ("hosts", "idle", "changes", "propagation")


def main():
    """Parses the command line, runs the scenarios, says what was below a gate."""
    options = arguments()
    raise_file_limit()
    set_priority(options.nice)
    warn_when_busy()
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    results = {}
    try:
        bench = prepare(options, work)
        with contenders.start_origin(bench, "origin", bench.origin_port):
            with contenders.start_origin(bench, "other-origin", bench.other_origin_port):
                agree_on_cipher(options, bench)
                for name in options.scenarios:
                    results[name] = run(name, bench, options)
    except Failed as error:
        sys.exit(f"bench: {error}")
    finally:
        if options.output:
            report.save(options.output, results)
        if options.keep:
            print(f"configurations and logs are in {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    below = [gate["name"] for result in results.values() for gate in result.get("gates", []) if not gate["passed"]]
    print("\nbelow the gate: " + ("; ".join(below) or "nothing"))
    sys.exit(1 if below and options.strict else 0)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    known = [*traffic.SCENARIOS, *OTHERS]
    usual = [name for name in known if name != "handshake"]
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"any of: {' '.join(known)}; without one: all but handshake")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 3 seconds, fewer changes: for a first look")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="of each measurement")
    parser.add_argument("--with", dest="names", default="slipway,nginx,haproxy,raw", help="contenders, with commas (raw: HAProxy as a TCP forwarder)")
    parser.add_argument("--generator", choices=["auto", "oha", "wrk"], default="auto", help="auto: oha, but wrk where oha cannot keep every proxy busy")
    parser.add_argument("--same-headers", action="store_true", help="nginx and HAProxy add the headers that Slipway adds")
    parser.add_argument("--slipway", default=REPOSITORY / "target/release/slipway", help="the binary")
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0, help="priority of everything that is started; below 0 (root) where others use the machine")
    parser.add_argument("--strict", action="store_true", help="exit 1 when something is below its gate")
    parser.add_argument("--keep", action="store_true", help="keep configurations and logs")
    parser.add_argument("-o", "--output", help="write everything that was measured to this JSON file")
    options = parser.parse_args()
    options.scenarios = options.scenarios or usual
    for name in set(options.scenarios) - set(known):
        parser.error(f"there is no scenario {name}; there are: {' '.join(known)}")
    options.names = options.names.split(",")
    if options.quick:
        options.rounds, options.seconds = 3, 3
    return options


def prepare(options, work):
    """Finds the programs and makes the certificate that all use."""
    tools = [REPOSITORY / "target/tools/bin", "/usr/sbin"]
    programs = {name: find_program(name, tools) for name in ("nginx", "haproxy", "oha", "wrk", "openssl", "taskset")}
    programs["slipway"] = options.slipway if Path(options.slipway).exists() else None
    needed = {"nginx", "oha", "openssl", "taskset", *options.names} - {"raw"} | ({"haproxy"} if "raw" in options.names else set())
    missing = sorted(name for name in needed if programs.get(name) is None)
    if missing:
        raise Failed(f"missing: {', '.join(missing)}. benches/proxy/run.sh installs them as root; --with chooses contenders")
    bench = contenders.Bench(work, programs, options.proxy_core, options.load_core, same_headers=options.same_headers)
    bench.generator = options.generator
    bench.origin_port, bench.other_origin_port = free_port(), free_port()
    bench.certificate, bench.key = manifests.make_certificate(work / "tls", "site", contenders.HOST)
    return bench


def agree_on_cipher(options, bench):
    """The rivals use the cipher suite that Slipway agrees on with a client of usual taste."""
    if "slipway" in options.names and set(options.scenarios) & {"https", "handshake"}:
        running = contenders.start("slipway", bench)
        with running.process:
            bench.cipher = client.cipher(running.https, contenders.HOST)
        print(f"cipher suite: {bench.cipher}")


def run(name, bench, options):
    """One scenario."""
    if name in traffic.SCENARIOS:
        return traffic.run(name, bench, options.names, options.rounds, options.seconds)
    scenario = {"hosts": hosts.run, "idle": idle.run, "changes": changes.run, "propagation": propagation.run}[name]
    return scenario(bench, options)


def set_priority(nice):
    """Gives everything that is started another priority, also against other sessions of this machine."""
    if nice == 0:
        return
    os.nice(nice)
    try:
        os.setsid()  # Linux weighs sessions, not processes, where autogroups are on
        Path("/proc/self/autogroup").write_text(str(nice))
    except OSError:
        pass


def warn_when_busy():
    """Figures of a machine that works for others, too, are noise."""
    share = busy_share(0.5)
    if share > BUSY_SHARE:
        print(f"bench: this machine is {share:.0%} busy with other things: the figures will be noisy", file=sys.stderr)


def raise_file_limit():
    """10,000 connections need as many files in the client and in the proxy."""
    for wanted in (65536, 32768, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        except (OSError, ValueError):
            continue


if __name__ == "__main__":
    main()
