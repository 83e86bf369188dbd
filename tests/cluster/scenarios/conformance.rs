//! What every ingress controller has to do: the scenarios of the Kubernetes project's ingress-controller-conformance.

use std::fs;

use super::client::{Load, ask, curl, until_name, until_status};
use super::echo::deploy;
use super::kubernetes::Cluster;
use super::manifest::{certificate, host, path, paths};
use super::release::Release;

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn ingress_controller_conformance() {
    let cluster = Cluster::shared();
    let values = ["controller.service.type=NodePort", "controller.replicaCount=1"];
    let release = Release::install(&cluster, "conformance", &values);
    deploy(&release.namespace, &[("default", 1), ("one", 1), ("two", 1), ("three", 1), ("many", 10)]);
    let http = release.node_port("http");
    default_backend(&release, &http);
    host_rules(&release, &http);
    tls(&release, &http);
    path_rules(&release, &http);
    load_balancing(&release, &http);
    ingress_class(&release, &http);
}

/// "default_backend.feature"
fn default_backend(release: &Release, http: &str) {
    assert_eq!(ask(http, "http://anything.test/").unwrap().status, 404, "before there is one");
    let class = release.class();
    release.namespace.apply(&format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: default}}
spec: {{ingressClassName: {class}, defaultBackend: {{service: {{name: default, port: {{number: 80}}}}}}}}
"
    ));
    until_name(http, "http://anything.test/", "default");
    release.namespace.until_published("default");
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        for url in ["http://default.test/", "http://other.test/sub/path?query=1"] {
            // curl expects a body after a HEAD that it was only told to call so.
            let args: &[&str] = if method == "HEAD" { &["--head"] } else { &["--request", method] };
            let answer = curl(http, url, args).unwrap();
            assert_eq!(answer.status, 200, "{method} {url}: {answer:?}");
            let name = if method == "HEAD" { "default".into() } else { answer.name() };
            assert_eq!(name, "default", "{method} {url}");
        }
    }
    release.namespace.kubectl(&["delete", "ingress", "default"]);
    until_status(http, "http://anything.test/", 404);
}

/// "host_rules.feature": a wildcard covers exactly one label.
fn host_rules(release: &Release, http: &str) {
    let class = release.class();
    let rules = [host("exact", class, "foo.bar.test", "one"), host("wildcard", class, "*.foo.test", "two")];
    release.namespace.apply(&rules.join("---"));
    until_name(http, "http://bar.foo.test/", "two");
    until_name(http, "http://foo.bar.test/", "one");
    for (name, url) in [
        ("two", "http://x.foo.test/deep/path"),
        ("one", "http://FOO.bar.test/"),
        ("one", "http://foo.bar.test:80/"),
    ] {
        assert_eq!(ask(http, url).unwrap().name(), name, "{url}");
    }
    for url in
        ["http://foo.test/", "http://baz.bar.foo.test/", "http://sub.foo.bar.test/", "http://bar.test/"]
    {
        assert_eq!(ask(http, url).unwrap().status, 404, "{url}");
    }
}

/// The part about TLS of "host_rules.feature": the certificate is chosen by the server name.
fn tls(release: &Release, http: &str) {
    let https = release.node_port("https");
    let class = release.class();
    let (first, first_pem) = certificate("first", "first.tls.test");
    let (second, second_pem) = certificate("second", "*.wild.test");
    let ingress = |name: &str, host_name: &str, service: &str| {
        host(name, class, host_name, service)
            + &format!("  tls: [{{hosts: [{host_name:?}], secretName: {name}}}]\n")
    };
    let rules =
        [first, second, ingress("first", "first.tls.test", "one"), ingress("second", "*.wild.test", "two")];
    release.namespace.apply(&rules.join("---"));
    until_name(&https, "https://first.tls.test/", "one");
    until_name(&https, "https://a.wild.test/", "two");
    let directory = tempfile::tempdir().unwrap();
    for (pem, url, name) in
        [(&first_pem, "https://first.tls.test/", "one"), (&second_pem, "https://a.wild.test/", "two")]
    {
        let file = directory.path().join(name);
        fs::write(&file, pem).unwrap();
        let answer = curl(&https, url, &["--cacert", file.to_str().unwrap()]).unwrap();
        assert_eq!((answer.status, &*answer.name()), (200, name), "{url}: {answer:?}");
    }
    assert_eq!(ask(http, "http://first.tls.test/").unwrap().status, 308, "http leads to https");
}

/// "path_rules.feature"
fn path_rules(release: &Release, http: &str) {
    let class = release.class();
    let exact = [path("Exact", "/foo", "one")];
    let prefix =
        [path("Prefix", "/foo", "one"), path("Prefix", "/aaa/bbb", "two"), path("Prefix", "/aaa", "three")];
    let mixed =
        [path("Prefix", "/foo", "one"), path("Exact", "/foo", "two"), path("Exact", "/foo/exact", "three")];
    let rules = [
        paths("exact-paths", class, "exact.test", &exact),
        paths("prefix-paths", class, "prefix.test", &prefix),
        paths("mixed-paths", class, "mixed.test", &mixed),
    ];
    release.namespace.apply(&rules.join("---"));
    until_name(http, "http://mixed.test/foo", "two");
    until_name(http, "http://prefix.test/foo", "one");
    until_name(http, "http://exact.test/foo", "one");
    let expected = [
        ("http://exact.test/foo/", ""),
        ("http://exact.test/FOO", ""),
        ("http://exact.test/foo/bar", ""),
        ("http://exact.test/", ""),
        ("http://prefix.test/foo/", "one"),
        ("http://prefix.test/foo/bar/bar", "one"),
        ("http://prefix.test/foobar", ""),
        ("http://prefix.test/FOO", ""),
        ("http://prefix.test/aaa/bbb", "two"),
        ("http://prefix.test/aaa/bbb/", "two"),
        ("http://prefix.test/aaa/bbb/ccc", "two"),
        ("http://prefix.test/aaa/bbbxyz", "three"),
        ("http://prefix.test/aaa/ccc", "three"),
        ("http://prefix.test/aaaccc", ""),
        ("http://mixed.test/foo/", "one"),
        ("http://mixed.test/foo/exact", "three"),
        ("http://mixed.test/foo/exact/more", "one"),
    ];
    for (url, name) in expected {
        let answer = ask(http, url).unwrap();
        let status = if name.is_empty() { 404 } else { 200 };
        assert_eq!((answer.status, &*answer.name()), (status, name), "{url}: {answer:?}");
    }
}

/// "load_balancing.feature": 100 requests reach all of 10 pods.
fn load_balancing(release: &Release, http: &str) {
    release.namespace.apply(&host("many", release.class(), "many.test", "many"));
    until_name(http, "http://many.test/", "many");
    let load = Load::requests(100, &["-host", "many.test", &format!("http://{http}/")]);
    load.all_answered();
    assert_eq!(load.requests, 100);
    assert_eq!(load.pods.len(), 10, "{:?}", load.pods);
}

/// "ingress_class.feature": another class never gets an address, and is not served.
fn ingress_class(release: &Release, http: &str) {
    let invalid = host("invalid", "some-invalid-class-name", "invalid.test", "one");
    release.namespace.apply(&[invalid, host("valid", release.class(), "valid.test", "one")].join("---"));
    until_name(http, "http://valid.test/", "one");
    release.namespace.until_published("valid");
    assert_eq!(release.namespace.addresses("invalid"), Vec::<String>::new());
    assert_eq!(ask(http, "http://invalid.test/").unwrap().status, 404);
}
