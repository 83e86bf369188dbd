//! The API server asks Slipway before it takes an Ingress. Slipway is a process, the webhook is named by its URL.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use tempfile::TempDir;

use super::kubernetes::{Cluster, Namespace, apply, eventually, try_kubectl};
use super::manifest::{host, pair};
use super::slipway::{ADDRESS, Class, Slipway};

/// A webhook for the Ingresses of one namespace, and its certificate; it goes with the value.
struct Webhook {
    name: String,
    files: TempDir,
}

impl Webhook {
    const PORT: u16 = 8443;

    /// Writes the certificate; nobody asks yet.
    fn new(namespace: &Namespace) -> Self {
        let webhook = Self { name: namespace.name.clone(), files: tempfile::tempdir().unwrap() };
        webhook.renew();
        webhook
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).to_str().unwrap().to_owned()
    }

    /// Another certificate.
    fn renew(&self) {
        let (certificate, key) = pair(ADDRESS);
        fs::write(self.file("tls.key"), key).unwrap();
        fs::write(self.file("tls.crt"), certificate).unwrap();
    }

    fn flags(&self) -> [String; 3] {
        [
            format!("--admission-port={}", Self::PORT),
            format!("--admission-certificate={}", self.file("tls.crt")),
            format!("--admission-key={}", self.file("tls.key")),
        ]
    }

    /// From now on the API server asks, and trusts the present certificate only.
    fn register(&self) {
        let (name, port) = (&self.name, Self::PORT);
        let bundle = BASE64.encode(fs::read(Path::new(&self.file("tls.crt"))).unwrap());
        apply(&format!(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: {name}}}
webhooks:
  - name: ingress.example.test
    clientConfig: {{url: 'https://{ADDRESS}:{port}/', caBundle: {bundle}}}
    rules: [{{apiGroups: [networking.k8s.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [ingresses]}}]
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}
    admissionReviewVersions: [v1]
    failurePolicy: Fail
    sideEffects: None
"
        ));
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = try_kubectl(&["delete", "validatingwebhookconfiguration", &self.name, "--ignore-not-found"]);
    }
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn what_would_not_be_served_is_refused_and_the_answer_says_why() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("webhook");
    let class = Class::new(&namespace);
    let webhook = Webhook::new(&namespace);
    let flags = webhook.flags();
    let slipway = Slipway::start(&class, &flags.each_ref().map(String::as_str));
    webhook.register();
    let ours = |name: &str, site: &str| host(name, &class.name, site, "shop");

    until_asked(&namespace, &ours("first", "shop.test"));
    slipway.until_status("http://shop.test/", 503);
    let refused = namespace.try_apply(&ours("second", "shop.test")).unwrap_err();
    assert!(refused.contains(&format!("{}/first", namespace.name)), "names the owner: {refused}");
    namespace.try_apply(&ours("first", "shop.test")).expect("its own host and path are no conflict");
    namespace.try_apply(&host("other", "another-class", "shop.test", "shop")).expect("not ours to judge");
    namespace.try_apply(&ours("second", "else.test")).expect("a host of its own");
    let moved = namespace.try_apply(&ours("second", "shop.test")).unwrap_err();
    assert!(moved.contains("first"), "an update is checked, too: {moved}");
    let broken =
        ours("third", "third.test").replace("path: \"/\"", "path: \"/a{2\"").replace("Prefix", "Exact");
    namespace.try_apply(&broken).unwrap_err();
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn a_certificate_of_the_webhook_is_replaced_while_it_runs() {
    let cluster = Cluster::alone(); // the port is the other scenario's, too
    let namespace = cluster.namespace("renewed");
    let class = Class::new(&namespace);
    let webhook = Webhook::new(&namespace);
    let flags = webhook.flags();
    let _slipway = Slipway::start(&class, &flags.each_ref().map(String::as_str));
    webhook.register();
    until_asked(&namespace, &host("before", &class.name, "before.test", "shop"));
    webhook.renew();
    webhook.register();
    until_asked(&namespace, &host("after", &class.name, "after.test", "shop"));
}

/// Applies until the API server does not complain about the webhook itself. It follows its configuration with some delay.
fn until_asked(namespace: &Namespace, yaml: &str) {
    eventually("the webhook is asked", || namespace.try_apply(yaml));
}
