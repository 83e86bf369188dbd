"""The servers that are compared, and the one that they forward to."""

import os
import socket
import struct
import subprocess
import time
from pathlib import Path

from api import CLUSTER
from machine import Failed, Process, free_port

REPOSITORY = Path(__file__).resolve().parents[2]
COREDNS = "v1.15.0"
TOOLS = REPOSITORY / "target/tools/bin"

SERVER = """.:{port} {{
    bind 127.0.0.1
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus 127.0.0.1:{metrics}
    forward . 127.0.0.1:{upstream}
    cache 30{cache}
    loadbalance
}}
"""
# As kubeadm writes it, so that the zone is answered anew each time.
NOT_THE_ZONE = """ {
        disable success cluster.local
        disable denial cluster.local
    }"""


def coredns():
    """The program, built once from its module."""
    program = TOOLS / "coredns"
    if not program.exists():
        print(f"building CoreDNS {COREDNS} once (some minutes)", flush=True)
        place = REPOSITORY / "target/tools/coredns"
        place.mkdir(parents=True, exist_ok=True)
        (place / "go.mod").write_text("module example.test/coredns\n\ngo 1.24\n")
        environment = {**os.environ, "CGO_ENABLED": "0"}
        build = ["go", "build", "-ldflags", "-s -w", "-o", program, "github.com/coredns/coredns"]
        for command in (["go", "get", f"github.com/coredns/coredns@{COREDNS}"], build):
            subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
    return program


def echo():
    """The bench binary that cargo built last."""
    found = [path for path in (REPOSITORY / "target/release/deps").glob("dns_echo-*") if not path.suffix]
    if not found:
        raise Failed("the echo is not built: cargo bench --no-run --bench dns_echo")
    return max(found, key=lambda path: path.stat().st_mtime)


def kubeconfig():
    """How to reach the API server."""
    return subprocess.check_output([CLUSTER, "kubeconfig"], text=True).strip()


class Upstream(Process):
    """Answers every name of example.test with an address."""

    def __init__(self, work, core):
        self.port = free_port()
        file = work / "upstream.Corefile"
        answer = 'template IN A example.test {\n answer "{{ .Name }} 3600 IN A 192.0.2.1"\n }'
        file.write_text(f".:{self.port} {{\n bind 127.0.0.1\n {answer}\n}}\n")
        super().__init__("upstream", [coredns(), "-conf", file], core, work / "upstream.log")


class Contender(Process):
    """A server on a port of 127.0.0.1, with one thread for queries."""

    name = ""

    def __init__(self, command, options, work, port, env=None):
        self.port = port
        super().__init__(self.name, command, options.server_core, work / f"{self.name}.log", env)


class Slipway(Contender):
    """`slipway dns`, with the same Corefile."""

    name, cache = "slipway", ""

    def __init__(self, options, work, port, upstream):
        file = write(self, work, port, upstream)
        super().__init__([options.slipway, "dns", "--corefile", file, "--workers", "1"], options, work, port)


class CoreDns(Contender):
    """CoreDNS with the zone in its cache."""

    name, cache = "coredns", ""

    def __init__(self, options, work, port, upstream):
        file = write(self, work, port, upstream)
        super().__init__([coredns(), "-conf", file], options, work, port, {"GOMAXPROCS": "1"})


class CoreDnsKubeadm(CoreDns):
    """CoreDNS as kubeadm installs it."""

    name, cache = "coredns-kubeadm", NOT_THE_ZONE


class Echo(Contender):
    """No server at all: what the kernel takes."""

    name = "echo"

    def __init__(self, options, work, port, _):
        super().__init__([echo(), f"127.0.0.1:{port}"], options, work, port)


CONTENDERS = {one.name: one for one in (Slipway, CoreDns, CoreDnsKubeadm, Echo)}


def write(contender, work, port, upstream):
    """The Corefile of one run."""
    file = work / f"{contender.name}.Corefile"
    file.write_text(
        SERVER.format(port=port, kubeconfig=kubeconfig(), metrics=free_port(), upstream=upstream.port, cache=contender.cache)
    )
    return file


def until_ready(running, name="plain-0.team-0.svc.cluster.local", deadline_secs=60):
    """Returns when the last name of the zone is answered; the echo answers anything."""
    end = time.monotonic() + deadline_secs
    while time.monotonic() < end:
        running.check()
        if running.name == "echo" and ask(running.port, name, rcode_only=True) is not None:
            return
        if ask(running.port, name):
            return
        time.sleep(0.02)
    raise Failed(f"{running.name} did not answer {name} within {deadline_secs} s")


def ask(port, name, rcode_only=False, patience_secs=0.5):
    """The addresses of a name, sorted; None without an answer."""
    query = struct.pack(">6H", 0x4242, 0x0100, 1, 0, 0, 0) + encoded(name) + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(patience_secs)
        try:
            client.connect(("127.0.0.1", port))
            client.send(query)
            reply = client.recv(65535)
        except OSError:
            return None
    rcode, answers = reply[3] & 0xF, struct.unpack(">H", reply[6:8])[0]
    if rcode_only:
        return rcode
    if rcode or not answers:
        return None
    at, found = len(query), []
    for _ in range(answers):
        # The owner is a pointer, or written out.
        while reply[at] not in (0, *range(0xC0, 0x100)):
            at += 1 + reply[at]
        at += 2 if reply[at] >= 0xC0 else 1
        found.append(".".join(map(str, reply[at + 10 : at + 14])))
        at += 14
    return sorted(found)


def encoded(name):
    """A name in wire form."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
