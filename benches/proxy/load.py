"""Runs the load generators and reads what they say."""

import json
import subprocess
from dataclasses import dataclass

from machine import Failed


@dataclass
class Load:
    """What one run of a load generator saw."""

    requests: int
    failed: int
    per_sec: float
    p50_ms: float
    p99_ms: float
    secs: float


def oha(bench, url, secs, host, connections=64, close=False, rate=None, extra=()):
    """Runs oha for some seconds, on the load core with one thread."""
    return finish_oha(start_oha(bench, url, secs, host, connections, close, rate, extra))


def start_oha(bench, url, secs, host, connections=64, close=False, rate=None, extra=()):
    """Starts oha and returns at once; see `finish_oha`."""
    command = ["taskset", "-c", str(bench.load_core), bench.programs["oha"], "--no-tui", "--output-format", "json"]
    command += ["--worker-threads", "1", "-c", str(connections), "-z", f"{secs}s", "--http-version", "1.1"]
    command += ["--insecure", "--disable-compression", "--host", host, "-t", "10s", "-w"]
    command += ["--disable-keepalive"] if close else []
    command += ["-q", str(rate)] if rate else []
    child = subprocess.Popen([*command, *extra, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return child


def finish_oha(child):
    """Waits for oha and counts: anything but status 200 is a failure."""
    output, errors = child.communicate()
    if child.returncode != 0:
        raise Failed(f"oha ended with code {child.returncode}: {errors.decode(errors='replace')[-500:]}")
    said = json.loads(output)
    statuses = said["statusCodeDistribution"]
    good = statuses.get("200", 0)
    bad = sum(count for status, count in statuses.items() if status != "200")
    broken = {what: n for what, n in said["errorDistribution"].items() if "deadline" not in what}
    summary, latency = said["summary"], said["latencyPercentiles"]
    load = Load(good, bad + sum(broken.values()), good / summary["total"], 0, 0, summary["total"])
    load.p50_ms, load.p99_ms = ((latency[p] or 0) * 1000 for p in ("p50", "p99"))
    load.detail = {**{k: v for k, v in statuses.items() if k != "200"}, **broken}
    return load


def wrk(bench, url, secs, hosts, connections=64, close=False):
    """Runs wrk, on the load core with one thread. It costs less than oha, and asks for many hosts in turn over kept
    connections, which oha cannot do."""
    script = bench.work / "requests.lua"
    script.write_text(LUA)
    names = bench.work / "hosts.txt"
    names.write_text("\n".join(hosts))
    command = ["taskset", "-c", str(bench.load_core), bench.programs["wrk"], "-t", "1", "-c", str(connections)]
    command += ["-d", f"{secs}s", "-s", str(script), url, "--", str(names), "close" if close else "keep-alive"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = next((text for text in done.stdout.splitlines() if text.startswith("RESULT ")), None)
    if done.returncode != 0 or line is None:
        raise Failed(f"wrk ended with code {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
    requests, failed, micros, p50, p99 = (int(float(word)) for word in line.split()[1:])
    return Load(requests - failed, failed, (requests - failed) / (micros / 1e6), p50 / 1000, p99 / 1000, micros / 1e6)


def mark(load):
    """A short text on what failed, for a message."""
    return ", ".join(f"{count} x {what}" for what, count in getattr(load, "detail", {}).items())


LUA = """
local requests, at = {}, 0
function init(args)
  for name in io.lines(args[1]) do
    local headers = { Host = name }
    if args[2] == "close" then headers["Connection"] = "close" end
    requests[#requests + 1] = wrk.format("GET", nil, headers)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, failed, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"""
