//! Slipway as its chart installs it: helm, its images, its pods and the ways in.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use super::kubernetes::{Cluster, Namespace, done, eventually, kubeconfig, run};
use super::slipway::program;

/// A release of the chart in a namespace of its own. Release, namespace and IngressClass have the same name.
pub(super) struct Release {
    pub(super) namespace: Namespace,
    installed: bool,
}

impl Release {
    /// Installs it and waits until its pods are ready. `values` are those of `--set`.
    pub(super) fn install(cluster: &Cluster, purpose: &str, values: &[&str]) -> Self {
        Self::installed(cluster, purpose, &[], values)
    }

    /// As [`Release::install`], over the values of a file.
    pub(super) fn with_values(cluster: &Cluster, purpose: &str, file: &Path, values: &[&str]) -> Self {
        Self::installed(cluster, purpose, &["--values", file.to_str().unwrap()], values)
    }

    fn installed(cluster: &Cluster, purpose: &str, args: &[&str], values: &[&str]) -> Self {
        images();
        let release = Self { namespace: cluster.namespace(&format!("slipway-{purpose}")), installed: true };
        release.helm("install", &[&["--wait", "--timeout=120s"], args, &*release.set(values)].concat());
        release
    }

    /// Changes values; all others stay as they are.
    pub(super) fn upgrade(&self, values: &[&str]) -> String {
        let set: Vec<_> = values.iter().map(|value| format!("--set={value}")).collect();
        let set: Vec<_> = set.iter().map(String::as_str).collect();
        self.helm("upgrade", &[&["--wait", "--timeout=120s", "--reuse-values"], &*set].concat())
    }

    /// Removes it, and with it the addresses it wrote.
    pub(super) fn uninstall(mut self) -> Namespace {
        self.installed = false;
        self.helm_command("uninstall", &["--wait", "--timeout=120s"]).unwrap();
        Namespace { name: std::mem::take(&mut self.namespace.name) }
    }

    /// `helm test`: what the chart's own test printed.
    pub(super) fn test(&self) -> Result<String, String> {
        self.helm_command("test", &["--logs", "--timeout=60s"])
    }

    /// The class of its Ingresses.
    pub(super) fn class(&self) -> &str {
        &self.namespace.name
    }

    /// Where clients outside reach a port of its Service through a node: `IP:PORT`.
    pub(super) fn node_port(&self, port: &str) -> String {
        let path = format!("jsonpath={{.spec.ports[?(@.name==\"{port}\")].nodePort}}");
        let service = format!("{}-controller", self.class());
        let number = self.namespace.kubectl(&["get", "service", &service, "--output", &path]);
        format!("{}:{number}", super::kubernetes::NODE)
    }

    /// Its pods that are not ending, by name.
    pub(super) fn pods(&self) -> Vec<String> {
        let list =
            self.namespace.json(&["get", "pods", "--selector", "app.kubernetes.io/component=controller"]);
        let pods = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The replica that writes.
    pub(super) fn leader(&self) -> String {
        let path = ["--output", "jsonpath={.items[*].spec.holderIdentity}"];
        let attempt = || match self.namespace.kubectl(&[&["get", "leases"], &path[..]].concat()) {
            holder if holder.is_empty() => Err("nobody".to_owned()),
            holder => Ok(holder),
        };
        eventually("a replica leads", attempt).0
    }

    fn helm(&self, verb: &str, args: &[&str]) -> String {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/slipway");
        let args = [&[chart.to_str().unwrap()], args].concat();
        self.helm_command(verb, &args).unwrap_or_else(|why| panic!("helm {verb}: {why}\n{}", self.state()))
    }

    fn helm_command(&self, verb: &str, args: &[&str]) -> Result<String, String> {
        let mut command = run(&["exec"]);
        let name = &self.namespace.name;
        command.arg(helm()).args([verb, name, "--namespace", name, "--kubeconfig"]).arg(kubeconfig());
        done(command.args(args).output().unwrap())
    }

    /// `--set` of what every release of the tests needs, and of these values.
    fn set(&self, values: &[&str]) -> Vec<&'static str> {
        let class = self.class();
        let ours = [
            "controller.image.repository=localhost/test/slipway".to_owned(),
            "controller.image.tag=test".to_owned(),
            format!("controller.ingressClassResource.name={class}"),
            format!("controller.ingressClassResource.controllerValue=example.test/{class}"),
            "test.image=localhost/test/curl:1".to_owned(),
        ];
        let values = values.iter().map(|value| (*value).to_owned());
        ours.into_iter().chain(values).map(|value| &*format!("--set={value}").leak()).collect()
    }

    /// What there is to know when something failed.
    fn state(&self) -> String {
        let pods = self.namespace.kubectl(&["describe", "pods"]);
        let logs =
            ["logs", "--selector", "app.kubernetes.io/component=controller", "--tail=4000", "--prefix"];
        format!("{pods}\n{}", self.namespace.kubectl(&logs))
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.state());
        }
        if self.installed {
            let _ = self.helm_command("uninstall", &["--no-hooks"]);
        }
    }
}

/// The pinned Helm if it was built, else that of the machine.
fn helm() -> PathBuf {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/helm");
    if pinned.exists() { pinned } else { "helm".into() }
}

/// Gives the nodes the images of the program under test, the echo server and curl, once.
pub(super) fn images() {
    static LOADED: OnceLock<()> = OnceLock::new();
    LOADED.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("slipway.tar");
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/image/build");
        let mut build = std::process::Command::new(build);
        done(build.arg(&archive).arg("localhost/test/slipway:test").arg(program()).output().unwrap())
            .unwrap();
        done(run(&["load"]).arg(&archive).output().unwrap()).unwrap();
        done(run(&["echo-image"]).output().unwrap()).unwrap();
        done(run(&["curl-image"]).output().unwrap()).unwrap();
        done(run(&["lookup-image"]).output().unwrap()).unwrap();
    });
}
