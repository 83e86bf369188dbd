//! Ingresses as books and blogs write them, served as they stand once their Services have endpoints.

use super::backend::Backend;
use super::client::Connection;
use super::manifest::{Certificate, slices};
use super::server::{Manifests, Server};

/// One host, two paths, two Services, in the form of 2018.
const FAN_OUT: &str = "
apiVersion: extensions/v1beta1
kind: Ingress
metadata:
  name: mywebsite-ingress
spec:
  rules:
  - host: mywebsite.com
    http:
      paths:
      - path: /demo
        backend:
          serviceName: webapp
          servicePort: 8080
      - path: /doc
        backend:
          serviceName: doc
          servicePort: 8080
";

/// Another host with a path for each part of a site.
const THREE_PARTS: &str = "
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata:
  name: parts
spec:
  rules:
  - host: parts.mywebsite.com
    http:
      paths:
      - {path: /api, backend: {serviceName: api, servicePort: 8080}}
      - {path: /web, backend: {serviceName: web, servicePort: 8080}}
      - {path: /docs, backend: {serviceName: docs, servicePort: 8080}}
";

/// A Service for each host, and what has no host goes to one that says so.
const VIRTUAL_HOSTS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: name-virtual-host-ingress
spec:
  rules:
  - host: foo.bar.com
    http:
      paths:
      - pathType: Prefix
        path: \"/\"
        backend:
          service:
            name: service1
            port:
              number: 80
  - host: bar.foo.com
    http:
      paths:
      - pathType: Prefix
        path: \"/\"
        backend:
          service:
            name: service2
            port:
              name: http
";

/// TLS with a Secret.
const TLS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: mywebsite-ingress-tls
spec:
  tls:
  - hosts:
    - https.mywebsite.com
    secretName: mywebsite-ingress-secret
  rules:
  - host: https.mywebsite.com
    http:
      paths:
      - path: /demo
        pathType: ImplementationSpecific
        backend:
          service:
            name: webapp
            port:
              number: 8080
";

/// Services as the examples have them: a selector, a port, a target port; then one backend for each.
fn services() -> String {
    let ports = [("webapp", 8080), ("doc", 8080), ("api", 8080), ("web", 8080), ("docs", 8080)];
    let ports = ports.into_iter().chain([("service1", 80), ("service2", 80), ("default-http-backend", 80)]);
    let service = |(name, port): (&str, u16)| {
        format!(
            "apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  ports:
  - name: http
    port: {port}
    targetPort: 8080
    protocol: TCP
  selector:
    app: {name}
---
{}",
            slices(name, &[Backend::start(name).address])
        )
    };
    ports.map(service).collect()
}

#[track_caller]
fn answers(server: &Server, host: &str, target: &str, service: &str) {
    let answer = server.get(host, target);
    assert_eq!(answer.status, 200, "{host}{target}: {answer:?}");
    assert!(answer.body.starts_with(&format!("Hello from {service}\nGET {target} ")), "{answer:?}");
}

#[test]
fn fan_out_virtual_hosts_and_tls_work_as_they_stand() {
    let certificate = Certificate::new("https.mywebsite.com");
    let manifests = Manifests::new(&[
        ("services.yaml", &services()),
        ("fan-out.yaml", FAN_OUT),
        ("parts.yaml", THREE_PARTS),
        ("virtual-hosts.yaml", VIRTUAL_HOSTS),
        ("tls.yaml", TLS),
        ("secret.yaml", &certificate.secret("mywebsite-ingress-secret")),
    ]);
    let server = Server::start(&manifests, &[]);
    answers(&server, "mywebsite.com", "/demo", "webapp");
    answers(&server, "MyWebsite.com:80", "/demo/main.jsp?x=1", "webapp");
    answers(&server, "mywebsite.com.", "/doc/index", "doc");
    for (path, service) in [("/api/v1", "api"), ("/web", "web"), ("/docs/", "docs")] {
        answers(&server, "parts.mywebsite.com", path, service);
    }
    answers(&server, "foo.bar.com", "/any", "service1");
    answers(&server, "bar.foo.com", "/any", "service2");
    for (host, target) in
        [("mywebsite.com", "/"), ("mywebsite.com", "/demonstration"), ("other.com", "/demo")]
    {
        assert_eq!(server.get(host, target).status, 404, "{host}{target}");
    }
    let redirect = server.get("https.mywebsite.com", "/demo?x=1");
    assert_eq!(redirect.status, 308);
    assert_eq!(redirect.header("location"), Some("https://https.mywebsite.com/demo?x=1"));
    let mut https = Connection::tls(server.https, "https.mywebsite.com").unwrap();
    assert_eq!(https.certificate(), certificate.der);
    assert!(https.get("https.mywebsite.com", "/demo").unwrap().body.contains("Hello from webapp"));
    let errors: Vec<String> =
        server.reports().into_iter().filter(|r| !r.contains(" OldApiVersion: ")).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn a_default_backend_answers_what_no_rule_does() {
    let manifests = Manifests::new(&[("services.yaml", &services()), ("fan-out.yaml", FAN_OUT)]);
    let server = Server::start(&manifests, &["--default-backend-service=default/default-http-backend"]);
    answers(&server, "mywebsite.com", "/demo", "webapp");
    answers(&server, "mywebsite.com", "/unknown", "default-http-backend");
    answers(&server, "unknown.com", "/", "default-http-backend");
}

#[test]
fn an_endpoints_object_serves_where_there_is_no_slice() {
    let backend = Backend::start("webapp");
    let endpoints = format!(
        "apiVersion: v1
kind: Service
metadata: {{name: webapp}}
spec: {{ports: [{{port: 8080}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: webapp}}
subsets:
- addresses: [{{ip: {}}}]
  ports: [{{port: {}}}]
",
        backend.address.ip(),
        backend.address.port()
    );
    let manifests = Manifests::new(&[("endpoints.yaml", &endpoints), ("fan-out.yaml", FAN_OUT)]);
    let server = Server::start(&manifests, &[]);
    answers(&server, "mywebsite.com", "/demo", "webapp");
    assert_eq!(server.get("mywebsite.com", "/doc").status, 503, "this Service has no endpoints");
}
