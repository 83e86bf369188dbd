//! The examples that say so run on a cluster as they are, installed with the values of one of them.

use std::path::{Path, PathBuf};

use super::client::{curl, until_body, until_status};
use super::kubernetes::Cluster;
use super::release::Release;

/// Directory, host and path, and what answers.
const ANSWERS: &[(&str, &str, &str)] = &[
    ("fan-out", "http://shop.example/", "Hello from web"),
    ("fan-out", "http://shop.example/api/x", "Hello from api"),
    ("fan-out", "http://shop.example/status", "Hello from api"),
    ("virtual-hosts", "http://blog.example/", "Hello from blog"),
    ("virtual-hosts", "http://any.tenants.example/", "Hello from tenants"),
    ("virtual-hosts", "http://first.tenants.example/", "Hello from first"),
    ("default-backend", "http://unknown.example/", "Hello from fallback"),
    ("default-backend", "http://app.example/app", "Hello from app"),
    ("default-backend", "http://app.example/other", "Hello from help"),
    ("deployment-loadbalancer/app", "http://cloud.example/", "Hello from a pod"),
    ("daemonset-hostport/app", "http://node.example/", "Hello from a pod"),
];

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn examples_run_as_they_are() {
    let cluster = Cluster::shared();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let values = examples.join("deployment-loadbalancer/values.yaml");
    let release = Release::with_values(
        &cluster,
        "examples",
        &values,
        &["controller.ingressClassResource.name=slipway"],
    );
    let pod = &release.pods()[0];
    let address = release.namespace.kubectl(&["get", "pod", pod, "--output", "jsonpath={.status.podIP}"]);
    let (http, https) = (format!("{address}:80"), format!("{address}:443"));

    let mut namespaces = Vec::new();
    for name in [
        "fan-out",
        "virtual-hosts",
        "tls",
        "default-backend",
        "deployment-loadbalancer/app",
        "daemonset-hostport/app",
    ] {
        let namespace = cluster.namespace(name.split('/').next().unwrap());
        let directory: PathBuf = examples.join(name);
        namespace.kubectl(&["apply", "--filename", directory.to_str().unwrap()]);
        namespaces.push(namespace);
    }
    for (example, url, text) in ANSWERS {
        assert!(until_body(&http, url, text).body.contains(text), "{example}");
    }
    until_status(&http, "http://secure.example/", 308);
    until_body(&https, "https://secure.example/", "Hello from web");
    let certificate = curl(&https, "https://secure.example/", &[]).unwrap_err();
    assert!(certificate.contains("self"), "the example's own certificate, signed by itself: {certificate}");
}
