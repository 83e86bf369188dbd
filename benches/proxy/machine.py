"""Processes on this machine: start them pinned, watch what they cost, end them."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

TICKS_PER_SEC = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measurement that cannot be trusted; the text says what to do."""


class Process:
    """One started program and its children, pinned to one core; ends with the `with` block."""

    def __init__(self, name, command, core, log, env=None):
        self.name = name
        self.log = Path(log)
        pinned = ["taskset", "-c", str(core), *map(str, command)]
        with open(self.log, "wb") as output:
            self.child = subprocess.Popen(
                pinned, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def pids(self):
        """The process and all that descend from it."""
        children = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                except OSError:
                    continue
                children.setdefault(int(parent), []).append(int(entry.name))
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue.extend(children.get(pid, []))
        return found

    def cpu_secs(self):
        """User and system time so far, all threads and living children."""
        total = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_SEC

    def memory_bytes(self):
        """Proportional set size: pages shared between the processes count once."""
        total = 0
        for pid in self.pids():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        return total

    def check(self):
        """Raises when the program has ended by itself."""
        code = self.child.poll()
        if code is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise Failed(f"{self.name} ended with code {code}; its last words:\n{tail}")

    def stop(self):
        """Asks it to end, and insists after five seconds."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                for pid in self.pids():
                    os.kill(pid, signal.SIGKILL)
                self.child.wait()


def free_port():
    """A TCP port that nobody uses, below the range of outgoing connections."""
    for port in range(20000 + os.getpid() % 5000, 32000):
        if port in _taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        return port
    raise Failed("no free port between 20000 and 32000")


_taken = set()


def wait_for_port(port, process, deadline_secs=60):
    """Returns when something accepts on the port."""
    end = time.monotonic() + deadline_secs
    while time.monotonic() < end:
        process.check()
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed(f"{process.name} did not listen on port {port} within {deadline_secs} s")


def busy_share(secs):
    """Which share of all cores was busy during some seconds."""

    def read():
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(fields[:8]), fields[3] + fields[4]

    before = read()
    time.sleep(secs)
    after = read()
    return 1 - (after[1] - before[1]) / max(1, after[0] - before[0])


def find_program(name, extra):
    """The path of a program on PATH or in the given folders; None when it is missing."""
    return shutil.which(name, path=os.pathsep.join([*map(str, extra), os.environ.get("PATH", "")]))
