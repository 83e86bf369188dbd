"""The objects of the benchmark: as many Ingresses, Services and endpoints as asked for, over some namespaces."""

CLASS = "bench"
CONTROLLER = "example.test/bench"
NAMESPACES = 50
PORT = 8080


def base():
    """What the others need."""
    spec = {"controller": CONTROLLER}
    yield {"kind": "IngressClass", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": CLASS}, "spec": spec}
    for number in range(NAMESPACES):
        yield {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace(number)}}


def sites(count, endpoints):
    """So many Ingresses, each with a host, a Service and a part of the endpoints."""
    each = endpoints // count
    for number in range(count):
        yield service(number)
        yield endpoint_slice(number, [address(number * each + at) for at in range(each)])
        yield ingress(number)


def namespace(number):
    """Site `number` lives here."""
    return f"team-{number % NAMESPACES}"


def host(number):
    """The host of a site."""
    return f"site-{number}.example.test"


def address(number):
    """One of 65,000 addresses of pods."""
    return f"10.244.{number // 250}.{number % 250 + 1}"


def ingress(number):
    """Two rules, as people write them."""
    backend = {"service": {"name": f"site-{number}", "port": {"name": "http"}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend} for path in ("/", "/api")]
    spec = {"ingressClassName": CLASS, "rules": [{"host": host(number), "http": {"paths": paths}}]}
    annotations = {"nginx.ingress.kubernetes.io/proxy-body-size": "8m"}
    return _object("Ingress", "networking.k8s.io/v1", number, annotations=annotations) | {"spec": spec}


def service(number):
    """A Service without a selector: its endpoints are made here."""
    return _object("Service", "v1", number) | {"spec": {"ports": [{"name": "http", "port": 80}]}}


def endpoint_slice(number, addresses):
    """The endpoints of a site, as the cluster's own controller writes them."""
    labels = {"kubernetes.io/service-name": f"site-{number}"}
    endpoints = [
        {"addresses": [at], "nodeName": f"node-{index}", "conditions": {"ready": True, "serving": True, "terminating": False}}
        for index, at in enumerate(addresses)
    ]
    ports = [{"name": "http", "port": PORT, "protocol": "TCP"}]
    return _object("EndpointSlice", "discovery.k8s.io/v1", number, labels=labels) | {
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }


def _object(kind, version, number, **metadata):
    name = {"name": f"site-{number}", "namespace": namespace(number)}
    return {"kind": kind, "apiVersion": version, "metadata": name | metadata}
