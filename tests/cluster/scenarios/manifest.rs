//! Manifests that several scenarios apply.

use std::net::IpAddr;
use std::process::Command;

use super::kubernetes::done;

/// One path of an Ingress and the Service behind it.
pub(super) fn path(kind: &str, path: &str, service: &str) -> String {
    format!(
        "{{path: {path:?}, pathType: {kind}, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}"
    )
}

/// An Ingress of one host with these paths; any host when it is empty.
pub(super) fn paths(name: &str, class: &str, host: &str, paths: &[String]) -> String {
    let host = if host.is_empty() { String::new() } else { format!("host: {host:?}, ") };
    let paths = paths.join(", ");
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}}}
spec:
  ingressClassName: {class}
  rules: [{{{host}http: {{paths: [{paths}]}}}}]
"
    )
}

/// An Ingress that sends a whole host to one Service.
pub(super) fn host(name: &str, class: &str, host: &str, service: &str) -> String {
    paths(name, class, host, &[path("Prefix", "/", service)])
}

/// A certificate for a host, signed by itself: a Secret of this name, and the PEM that clients trust.
pub(super) fn certificate(name: &str, host: &str) -> (String, String) {
    let (certificate, key) = pair(host);
    let indented = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let secret = format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: {name}}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{}  tls.key: |
{}",
        indented(&certificate),
        indented(&key)
    );
    (secret, certificate)
}

/// A certificate for a host or an address, signed by itself, and its key; both PEM.
pub(super) fn pair(host: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| directory.path().join(name));
    let kind = if host.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-days",
        "2",
    ]);
    openssl.args(["-subj", &format!("/CN={host}"), "-addext", &format!("subjectAltName={kind}:{host}")]);
    done(openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key).output().unwrap()).unwrap();
    let [certificate, key] = [certificate, key].map(|file| std::fs::read_to_string(file).unwrap());
    (certificate, key)
}
