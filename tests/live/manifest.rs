//! Texts of Kubernetes objects.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair};

/// A Service with port 80 and one EndpointSlice for each endpoint.
pub(super) fn service(name: &str, endpoints: &[SocketAddr]) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec:
  ports: [{{name: http, port: 80, targetPort: 8080}}]
---
{}",
        slices(name, endpoints)
    )
}

/// One EndpointSlice for each endpoint of a Service.
pub(super) fn slices(service: &str, endpoints: &[SocketAddr]) -> String {
    let mut text = String::new();
    for (number, endpoint) in endpoints.iter().enumerate() {
        let _ = write!(
            text,
            "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-{number}
  namespace: default
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv4
ports: [{{name: http, port: {}}}]
endpoints:
- addresses: [{}]
  conditions: {{ready: true}}
---
",
            endpoint.port(),
            endpoint.ip()
        );
    }
    text
}

/// An Ingress with one Prefix path.
pub(super) fn ingress(name: &str, host: &str, path: &str, service: &str) -> String {
    ingress_with(name, host, path, service, &[])
}

/// An Ingress with one path and annotations, names without the prefix.
pub(super) fn ingress_with(
    name: &str,
    host: &str,
    path: &str,
    service: &str,
    annotations: &[(&str, &str)],
) -> String {
    let annotations: String = annotations
        .iter()
        .map(|(key, value)| format!("\n    nginx.ingress.kubernetes.io/{key}: {value:?}"))
        .collect();
    let annotations = if annotations.is_empty() { " {}".to_owned() } else { annotations };
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: default
  annotations:{annotations}
spec:
  rules:
  - host: {host}
    http:
      paths:
      - path: {path:?}
        pathType: ImplementationSpecific
        backend: {{service: {{name: {service}, port: {{number: 80}}}}}}
---
"
    )
}

/// An Ingress for a whole host with TLS, that answers over HTTP too.
pub(super) fn secure(name: &str, host: &str, secret: &str, service: &str) -> String {
    let text = ingress_with(name, host, "/", service, &[("ssl-redirect", "false")]);
    text.replace("spec:\n", &format!("spec:\n  tls: [{{hosts: [{host}], secretName: {secret}}}]\n"))
}

/// A self-signed certificate and its key.
pub(super) struct Certificate {
    pub(super) der: Vec<u8>,
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Certificate {
    pub(super) fn new(host: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { der: certificate.der().to_vec(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A Secret with it.
    pub(super) fn secret(&self, name: &str) -> String {
        secret(name, &self.certificate, &self.key)
    }
}

/// A TLS Secret with any texts.
pub(super) fn secret(name: &str, certificate: &str, key: &str) -> String {
    let block = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {{name: {name}, namespace: default}}
stringData:
  tls.crt: |
{}  tls.key: |
{}---
",
        block(certificate),
        block(key)
    )
}

/// Some certificates for `secure.example`, made once.
pub(super) fn certificates() -> &'static [Certificate] {
    static MADE: OnceLock<Vec<Certificate>> = OnceLock::new();
    MADE.get_or_init(|| (0..3).map(|_| Certificate::new("secure.example")).collect())
}
