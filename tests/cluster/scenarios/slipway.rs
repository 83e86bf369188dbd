//! Slipway as a process outside of the cluster's pods: started, asked, signalled.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::client::{self, Answer};
use super::kubernetes::{Namespace, apply, done, eventually, kubeconfig, kubectl, run, try_kubectl};

/// The program under test.
pub(super) fn program() -> PathBuf {
    std::env::var_os("SLIPWAY_BIN").map_or_else(|| env!("CARGO_BIN_EXE_slipway").into(), PathBuf::from)
}

/// Where processes in the client's network are reached from the nodes.
pub(super) const ADDRESS: &str = "192.168.77.2";

/// An IngressClass of one's own, named as the namespace it was made for; it goes with the value.
pub(super) struct Class {
    pub(super) name: String,
}

impl Class {
    pub(super) fn new(namespace: &Namespace) -> Self {
        let new = Self { name: namespace.name.clone() };
        new.create();
        new
    }

    /// What the class's controller calls itself.
    pub(super) fn controller(&self) -> String {
        format!("example.test/{}", self.name)
    }

    pub(super) fn create(&self) {
        let (name, controller) = (&self.name, self.controller());
        apply(&format!(
            "{{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {{name: {name}}}, spec: {{controller: {controller}}}}}"
        ));
    }

    pub(super) fn delete(&self) {
        kubectl(&["delete", "ingressclass", &self.name]);
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        let _ = try_kubectl(&["delete", "ingressclass", &self.name, "--ignore-not-found"]);
    }
}

/// A running `slipway ingress` in the client's network.
pub(super) struct Slipway {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Where it takes HTTP, HTTPS and questions about itself: `IP:PORT`; empty until it is ready.
    pub(super) http: String,
    pub(super) https: String,
    pub(super) admin: String,
}

impl Slipway {
    /// Starts it for Ingresses of this class, as the administrator, and waits until it is ready.
    pub(super) fn start(class: &Class, args: &[&str]) -> Self {
        Self::launch(class, &kubeconfig(), args).ready()
    }

    /// Starts it under a pod's name, as one of several replicas.
    pub(super) fn named(class: &Class, namespace: &Namespace, name: &str, args: &[&str]) -> Self {
        let identity = [("POD_NAME", name), ("POD_NAMESPACE", &namespace.name)];
        Self::spawn(class, &kubeconfig(), &identity, args).ready()
    }

    /// Starts it and does not wait. The addresses are not known then.
    pub(super) fn launch(class: &Class, kubeconfig: &Path, args: &[&str]) -> Self {
        Self::spawn(class, kubeconfig, &[], args)
    }

    fn spawn(class: &Class, kubeconfig: &Path, environment: &[(&str, &str)], args: &[&str]) -> Self {
        let controller = class.controller();
        let mut command = run(&["client"]);
        command.envs(environment.iter().copied());
        command.arg(program()).args(["ingress", "--http-port=0", "--https-port=0", "--workers=1"]);
        command.args([&format!("--bind-address={ADDRESS}"), "--healthz-host=127.0.0.1"]);
        if !args.iter().any(|arg| arg.starts_with("--healthz-port")) {
            command.arg("--healthz-port=0");
        }
        command.args(["--ingress-class", &class.name, "--controller-class", &controller]);
        command.args(["--election-namespace", &class.name, "--kubeconfig"]).arg(kubeconfig);
        let mut child = command.args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (stderr, log) = (child.stderr.take().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let told = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                told.lock().unwrap().push(line);
            }
        });
        Self { child, log, http: String::new(), https: String::new(), admin: String::new() }
    }

    /// Waits until it is ready.
    pub(super) fn ready(mut self) -> Self {
        let line = self.until_logged("ready: ");
        let after = |word: &str| {
            let rest = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).1;
            rest[..rest.find([',', ';', ' ']).unwrap_or(rest.len())].to_owned()
        };
        (self.http, self.https, self.admin) = (after("http "), after("https "), after("metrics on "));
        self
    }

    /// Waits for a line of its log that holds this text.
    pub(super) fn until_logged(&self, text: &str) -> String {
        let found = || self.log.lock().unwrap().iter().find(|line| line.contains(text)).cloned();
        let attempt = || found().ok_or_else(|| self.log());
        eventually(&format!("the log holds {text:?}"), attempt).0
    }

    /// Everything it wrote so far.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Asks it over HTTP.
    pub(super) fn get(&self, url: &str) -> Answer {
        client::ask(&self.http, url).unwrap()
    }

    /// Asks over HTTP until this echo server answers.
    pub(super) fn until_name(&self, url: &str, name: &str) -> Answer {
        client::until_name(&self.http, url, name)
    }

    /// Asks over HTTP until the status is this.
    pub(super) fn until_status(&self, url: &str, status: u16) -> Answer {
        client::until_status(&self.http, url, status)
    }

    /// Asks over HTTPS, trusting nobody but this certificate.
    pub(super) fn trusts(&self, host: &str, pem: &str) -> Result<Answer, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trusted.crt");
        fs::write(&file, pem).unwrap();
        client::curl(&self.https, &format!("https://{host}/"), &["--cacert", file.to_str().unwrap()])
    }

    /// Waits until a host shows this certificate.
    pub(super) fn until_trusted(&self, host: &str, pem: &str) {
        eventually(&format!("{host} shows its certificate"), || self.trusts(host, pem));
    }

    /// What it reports about an object (`NAMESPACE/NAME`), when there is anything.
    pub(super) fn until_reported(&self, object: &str) -> Vec<String> {
        let reports =
            || self.config()["reports"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>();
        let attempt = || Some(reports()).filter(|all| all.iter().any(|report| report.contains(object)));
        eventually(&format!("a report about {object}"), || {
            attempt().ok_or_else(|| format!("{:#?}", reports()))
        })
        .0
    }

    /// Asks the admin server.
    pub(super) fn admin(&self, path: &str) -> Answer {
        client::ask(&self.admin, &format!("http://admin{path}")).unwrap()
    }

    /// What is in force.
    pub(super) fn config(&self) -> Value {
        serde_json::from_str(&self.admin("/config").body).unwrap()
    }

    /// Waits until it knows that it does not follow the API any more.
    pub(super) fn until_stale(&self) {
        self.until_age("is old", |age| age > 0);
    }

    /// Waits until it follows the API.
    pub(super) fn until_fresh(&self) {
        self.until_age("is fresh", |age| age == 0);
    }

    fn until_age(&self, what: &str, good: impl Fn(u64) -> bool) {
        let attempt = || {
            let source = &self.config()["source"];
            let age = source["age_secs"].as_u64();
            age.filter(|age| good(*age)).ok_or_else(|| source.to_string())
        };
        eventually(&format!("what is known of the cluster {what}"), attempt);
    }

    /// Sends a signal, such as `TERM`.
    pub(super) fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .output();
        done(sent.unwrap()).unwrap();
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the program ends", || child.try_wait().unwrap().ok_or_else(|| "running".to_owned())).0
    }
}

impl Drop for Slipway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("log of slipway:\n{}", self.log());
        }
    }
}

/// A service account that may do no more than told, and a kubeconfig of it.
pub(super) struct Account {
    directory: TempDir,
}

impl Account {
    /// Creates it with these rules (a YAML list of RBAC rules) for its own namespace only.
    pub(super) fn new(namespace: &Namespace, rules: &str) -> Self {
        let name = &namespace.name;
        namespace.apply(&format!(
            "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: limited}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: limited}}
rules: {rules}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: limited}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: limited}}
subjects: [{{kind: ServiceAccount, name: limited, namespace: {name}}}]
"
        ));
        let token = namespace.kubectl(&["create", "token", "limited", "--duration=1h"]);
        let account = Self { directory: tempfile::tempdir().unwrap() };
        let kubeconfig = fs::read_to_string(kubeconfig()).unwrap();
        let users = kubeconfig.lines().position(|line| line.starts_with("users:")).unwrap();
        let mut lines: Vec<_> = kubeconfig.lines().map(str::to_owned).collect();
        lines[users] = format!("users: [{{name: admin, user: {{token: {}}}}}]", token.trim());
        fs::write(account.kubeconfig(), lines.join("\n")).unwrap();
        account
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }
}
