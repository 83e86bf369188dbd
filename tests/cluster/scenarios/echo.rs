//! Backends: echo servers as Deployments, and as processes beside a control plane without nodes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::kubernetes::{Namespace, run};
use super::slipway::ADDRESS; // the API server takes no loopback address as an endpoint

/// A Deployment of echo servers that give their name, with its Service on port 80.
pub(super) fn deployment(name: &str, replicas: usize) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: echo
          image: localhost/test/echo:1
          ports: [{{name: http, containerPort: 8080}}]
          env:
            - {{name: ECHO_NAME, value: {name}}}
            - {{name: POD_NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
            - {{name: POD_NAMESPACE, valueFrom: {{fieldRef: {{fieldPath: metadata.namespace}}}}}}
          readinessProbe: {{httpGet: {{path: /healthz, port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"
    )
}

/// Creates Deployments and waits until all their pods are ready.
pub(super) fn deploy(namespace: &Namespace, names: &[(&str, usize)]) {
    let yaml: Vec<_> = names.iter().map(|(name, replicas)| deployment(name, *replicas)).collect();
    namespace.apply(&yaml.join("---"));
    for (name, _) in names {
        namespace.kubectl(&["rollout", "status", &format!("deployment/{name}"), "--timeout=120s"]);
    }
}

/// An echo server in the client's network, for tests without pods.
pub(super) struct Echo {
    child: Child,
    port: u16,
}

impl Echo {
    pub(super) fn start(name: &str) -> Self {
        let mut command = run(&["echo", "serve"]);
        command.env("ECHO_NAME", name).env("ECHO_LISTEN", format!("{ADDRESS}:0")).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("echo serve: {line:?}")) }
    }

    /// A Service of this name and port 80, with this process as its only endpoint.
    pub(super) fn service(&self, name: &str) -> String {
        let port = self.port;
        format!(
            "
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [{ADDRESS}], conditions: {{ready: true}}}}]
"
        )
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
