"""The Kubernetes objects that the benchmarks feed to Slipway, written as JSON lists."""

import base64
import json
import os
import subprocess
from pathlib import Path

NAMESPACE = "bench"


def write(path, objects):
    """Replaces one file at once, as a careful editor does: other names first, then a rename."""
    path = Path(path)
    aside = path.parent.parent / f".{path.name}.new"
    aside.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    os.replace(aside, path)


def site(host, port, certificate=None, key=None):
    """One host with one Service on one endpoint, with TLS when a certificate is given."""
    objects = [ingress("site", host, "origin", tls="site-tls" if certificate else None), service("origin"), slice_("origin", [port])]
    if certificate:
        objects.append(secret("site-tls", certificate, key))
    return objects


def ingress(name, host, backend, path="/", tls=None):
    """An Ingress with one rule."""
    target = {"service": {"name": backend, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": target}]}}
    spec = {"rules": [rule]}
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": tls}]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": _metadata(name), "spec": spec}


def service(name):
    """A Service with port 80."""
    spec = {"clusterIP": "10.96.0.10", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(name), "spec": spec}


def slice_(name, ports):
    """The EndpointSlices of a Service: one for each port, since a slice has one set of ports."""
    items = []
    for at, port in enumerate(ports):
        metadata = _metadata(f"{name}-{at}")
        metadata["labels"] = {"kubernetes.io/service-name": name}
        items.append({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        })
    return items[0] if len(items) == 1 else {"apiVersion": "v1", "kind": "List", "items": items}


def secret(name, certificate, key):
    """A TLS Secret."""
    data = {"tls.crt": _encoded(certificate), "tls.key": _encoded(key)}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": _metadata(name), "data": data}


def many_hosts(directory, count, port, per_file=1000):
    """Writes `count` Ingresses with one host each over one Service; returns the host names."""
    write(directory / "origin.json", [service("origin"), slice_("origin", [port])])
    names = [host_name(at) for at in range(count)]
    for start in range(0, count, per_file):
        part = range(start, min(start + per_file, count))
        write(directory / f"hosts-{start // per_file:04}.json", (ingress(f"host-{at}", names[at], "origin") for at in part))
    return names


def host_name(at):
    """The name of the host with a number."""
    return f"host-{at}.bench.test"


def make_certificate(home, name, host):
    """A self-signed P-256 certificate; returns the paths of certificate and key."""
    home.mkdir(parents=True, exist_ok=True)
    certificate, key = home / f"{name}.crt", home / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    command += ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", key, "-out", certificate]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return certificate, key


def _metadata(name):
    return {"name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-01-01T00:00:00Z"}


def _encoded(path):
    return base64.b64encode(Path(path).read_bytes()).decode()
