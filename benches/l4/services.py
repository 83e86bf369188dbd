"""The objects of the benchmark: Services with endpoints, over some namespaces."""

NAMESPACES = 50
PORT = 8080
NODE = "node1"
# Services with a number from here on have one endpoint, which the benchmark changes.
SINGLE = 20000


def base():
    """What the others need, and the Services whose endpoint changes."""
    for number in range(NAMESPACES):
        yield {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace(number)}}
    status = {"addresses": [{"type": "InternalIP", "address": "192.168.77.1"}]}
    yield {"kind": "Node", "apiVersion": "v1", "metadata": {"name": NODE}, "status": status}
    for number in range(SINGLE, SINGLE + 50):
        yield service(number)
        yield endpoint_slice(number, ["10.244.250.1"])


def site(number, endpoints):
    """A Service and its endpoints."""
    yield service(number)
    yield endpoint_slice(number, [address(number * endpoints + at) for at in range(endpoints)])


def namespace(number):
    """Service `number` lives here."""
    return f"team-{number % NAMESPACES}"


def address(number):
    """One of 62,000 addresses of pods."""
    return f"10.244.{number // 250 % 248}.{number % 250 + 1}"


def cluster_ip(number):
    """The address of a Service."""
    return f"10.96.{number // 250 + 1}.{number % 250 + 1}"


def service(number):
    """A Service without a selector: its endpoints are made here."""
    spec = {"clusterIP": cluster_ip(number), "ports": [{"name": "http", "port": 80}]}
    return _object("Service", "v1", number) | {"spec": spec}


def endpoint_slice(number, addresses):
    """The endpoints of a Service, as the cluster's own controller writes them."""
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
