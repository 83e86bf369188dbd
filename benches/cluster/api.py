"""The API server's client: objects made by many connections at once, and single requests."""

import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

CLUSTER = Path(__file__).resolve().parents[2] / "tests" / "cluster" / "run"
GROUPS = {
    "Namespace": "api/v1",
    "Node": "api/v1",
    "Service": "api/v1",
    "Ingress": "apis/networking.k8s.io/v1",
    "IngressClass": "apis/networking.k8s.io/v1",
    "EndpointSlice": "apis/discovery.k8s.io/v1",
}
PLURALS = {"Ingress": "ingresses", "IngressClass": "ingressclasses"}


class Refused(Exception):
    """The API server did not do what was asked."""


class Api:
    """One connection, kept open."""

    def __init__(self):
        config = json.loads(subprocess.check_output([CLUSTER, "kubectl", "config", "view", "--raw", "-o", "json"]))
        cluster = config["clusters"][0]["cluster"]
        self.address = urllib.parse.urlsplit(cluster["server"]).netloc
        self.trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.token = config["users"][0]["user"]["token"]
        self.connection = self._connect()

    def another(self):
        """A second connection of the same client."""
        other = object.__new__(Api)
        other.address, other.trusted, other.token = self.address, self.trusted, self.token
        other.connection = other._connect()
        return other

    def _connect(self):
        return http.client.HTTPSConnection(self.address, context=self.trusted, timeout=60)

    def request(self, method, path, body=None, content="application/json"):
        """The answer's object."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content}
        self.connection.request(method, "/" + path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise Refused(f"{method} {path}: {answer.status} {text[:300].decode(errors='replace')}")
        return json.loads(text)

    def create(self, thing):
        """Makes one object."""
        return self.request("POST", collection(thing), thing)

    def replace(self, thing):
        """Replaces one object, whatever its version."""
        return self.request("PUT", f"{collection(thing)}/{thing['metadata']['name']}", thing)


def collection(thing):
    """The path of all objects of its kind and namespace."""
    kind, namespace = thing["kind"], thing["metadata"].get("namespace")
    inside = f"namespaces/{namespace}/" if namespace else ""
    return f"{GROUPS[kind]}/{inside}{PLURALS.get(kind, kind.lower() + 's')}"


def create_all(api, things, connections=8):
    """Makes all objects with several connections, and says every few seconds how far it is."""
    failures, made, lock = [], [0], threading.Lock()
    queue = iter(things)

    def work():
        own = api.another()
        while not failures:
            with lock:
                thing = next(queue, None)
            if thing is None:
                return
            try:
                own.create(thing)
            except (OSError, Refused) as error:
                failures.append(error)
            made[0] += 1

    threads = [threading.Thread(target=work) for _ in range(connections)]
    begin = told = time.monotonic()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.05)
        if time.monotonic() - told >= 5:
            told = time.monotonic()
            print(f"  {made[0]:,} of {len(things):,} objects, {told - begin:.0f} s", file=sys.stderr, flush=True)
    if failures:
        raise failures[0]
    return time.monotonic() - begin
