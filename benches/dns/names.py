"""The objects and the questions of the DNS benchmark."""

NAMESPACES = 20
# Services with a cluster address, and headless ones with so many endpoints each.
PLAIN, HEADLESS, ENDPOINTS = 1000, 100, 10
# Names outside that the upstream answers.
OUTSIDE = 1000
ZONE = "cluster.local"


def objects():
    """What a middling cluster has."""
    for number in range(NAMESPACES):
        yield {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace(number)}}
    for number in range(PLAIN):
        spec = {"clusterIP": cluster_ip(number), "ports": [{"name": "http", "port": 80}]}
        yield service(f"plain-{number}", namespace(number), spec)
    for number in range(HEADLESS):
        yield service(f"headless-{number}", namespace(number), {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]})
        yield endpoint_slice(f"headless-{number}", namespace(number), [address(number * ENDPOINTS + at) for at in range(ENDPOINTS)])


def many(services, endpoints):
    """Headless Services with many endpoints: what a change is looked for in."""
    for number in range(services):
        name = f"many-{number}"
        yield service(name, namespace(number), {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]})
        yield endpoint_slice(name, namespace(number), [address(number * endpoints + at) for at in range(endpoints)])


def namespace(number):
    """Object `number` lives here."""
    return f"team-{number % NAMESPACES}"


def cluster_ip(number):
    """The address of a Service."""
    return f"10.96.{number // 250 + 1}.{number % 250 + 1}"


def address(number):
    """One of some 16 million addresses of pods."""
    return f"10.{128 + number // 62500 % 100}.{number // 250 % 250}.{number % 250 + 1}"


def service(name, space, spec):
    """A Service without a selector: its endpoints are made here."""
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "namespace": space}, "spec": spec}


def endpoint_slice(name, space, addresses):
    """The endpoints of a Service, as the cluster's own controller writes them."""
    labels = {"kubernetes.io/service-name": name, "service.kubernetes.io/headless": ""}
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"name": name, "namespace": space, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [at], "conditions": conditions} for at in addresses],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def questions():
    """Each scenario's questions: (name, type), in the order that dnsperf sends them, and the code that they get."""
    plain = [f"plain-{number}.{namespace(number)}.svc.{ZONE}" for number in range(PLAIN)]
    outside = [f"www-{number}.example.test" for number in range(OUTSIDE)]
    search = [f"svc.{ZONE}", ZONE]
    return {
        "hit": ([(name, "A") for name in plain], "NOERROR"),
        # What a pod with ndots:5 asks before it asks for the name itself.
        "miss": (
            [(f"{name}.{end}", "A") for at, name in enumerate(outside) for end in [f"{namespace(at)}.svc.{ZONE}", *search]],
            "NXDOMAIN",
        ),
        "headless": ([(f"headless-{number}.{namespace(number)}.svc.{ZONE}", "A") for number in range(HEADLESS)], "NOERROR"),
        "cached": ([(name, "A") for name in outside], "NOERROR"),
    }
