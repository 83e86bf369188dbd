"""Runs a benchmark inside the network of a control plane of its own."""

import os
import subprocess
import sys
from pathlib import Path

from api import CLUSTER
from machine import Failed


def run(name, script, options, measure):
    """Outside: starts the cluster `name` and the same script inside of its network, and ends the cluster. Inside: measures."""
    os.environ["SLIPWAY_CLUSTER"] = name
    if options.inside:
        try:
            measure(options)
        except Failed as error:
            sys.exit(f"bench: {error}")
        return
    if not Path(options.slipway).exists():
        sys.exit(f"bench: there is no {options.slipway}: cargo build --release, or name one with --slipway")
    try:
        subprocess.run([CLUSTER, "up", "0"], check=True)
        code = subprocess.run([CLUSTER, "exec", sys.executable, script, "--inside", *sys.argv[1:]]).returncode
    finally:
        subprocess.run([CLUSTER, "down"])
    sys.exit(code)
