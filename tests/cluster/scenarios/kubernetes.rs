//! The cluster: commands in it, its API through kubectl, faults, and who may disturb whom.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::Value;

/// How long anything may take. Only what is broken takes that long.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Where clients outside reach node 1.
pub(super) const NODE: &str = "192.168.77.1";

/// Scenarios share the cluster, but for those that take parts of it away.
static DISTURBANCE: RwLock<()> = RwLock::new(());

/// The cluster, for as long as one scenario needs it.
pub(super) struct Cluster(#[allow(dead_code, reason = "held until the scenario ends")] Guard);

enum Guard {
    Shared(#[allow(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[allow(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

impl Cluster {
    /// For a scenario that leaves everything outside of its own namespace alone.
    pub(super) fn shared() -> Self {
        Self(Guard::Shared(DISTURBANCE.read().unwrap_or_else(PoisonError::into_inner))).checked()
    }

    /// For a scenario that ends parts of the cluster, or takes the nodes' ports.
    pub(super) fn alone() -> Self {
        Self(Guard::Alone(DISTURBANCE.write().unwrap_or_else(PoisonError::into_inner))).checked()
    }

    /// Panics when there is no cluster; what an earlier scenario took away comes back.
    fn checked(self) -> Self {
        static UP: OnceLock<Result<(), String>> = OnceLock::new();
        let up = UP.get_or_init(|| done(run(&["status"]).output().unwrap()).map(|_| ()));
        up.as_ref().unwrap_or_else(|why| panic!("{why}"));
        self
    }

    /// A namespace of one's own; it goes with the value.
    pub(super) fn namespace(&self, purpose: &str) -> Namespace {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{purpose}-{}-{number}", std::process::id());
        kubectl(&["create", "namespace", &name]);
        Namespace { name }
    }

    /// The addresses of the nodes.
    pub(super) fn nodes(&self) -> Vec<String> {
        let path = "jsonpath={.items[*].status.addresses[?(@.type==\"InternalIP\")].address}";
        kubectl(&["get", "nodes", "--output", path]).split_whitespace().map(str::to_owned).collect()
    }

    /// Ends a part of the cluster as a crash does.
    pub(super) fn kill(&self, part: &str) {
        assert!(
            matches!(self.0, Guard::Alone(_)),
            "only a scenario that is alone may end a part of the cluster"
        );
        done(run(&["kill", part]).output().unwrap()).unwrap();
    }

    /// Deletes an object from etcd, by its key there: no API server need run.
    pub(super) fn delete_stored(&self, key: &str) {
        let request = format!("{{\"key\": \"{}\"}}", BASE64.encode(key));
        let answer = etcd("kv/deleterange", &request);
        assert_eq!(answer["deleted"], "1", "{key}: {answer}");
    }

    /// Ends the containers of a pod as a crash does.
    pub(super) fn kill_pod(&self, namespace: &Namespace, pod: &str) {
        done(run(&["kill-pod", &namespace.name, pod]).output().unwrap()).unwrap();
    }

    /// Makes etcd forget what was before now.
    pub(super) fn compact(&self) {
        let now = etcd("kv/range", r#"{"key": "AA=="}"#);
        etcd("kv/compaction", &format!(r#"{{"revision": {}, "physical": true}}"#, now["header"]["revision"]));
    }

    /// Brings a part of the cluster back.
    pub(super) fn start(&self, part: &str) {
        done(run(&["start", part]).output().unwrap()).unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if matches!(self.0, Guard::Alone(_)) {
            let _ = run(&["start", "etcd", "apiserver", "controllers"]).output();
        }
    }
}

/// A namespace that only one scenario uses.
pub(super) struct Namespace {
    pub(super) name: String,
}

impl Namespace {
    /// Creates or changes objects of this namespace.
    pub(super) fn apply(&self, yaml: &str) {
        self.try_apply(yaml).unwrap();
    }

    /// As [`Namespace::apply`]; the error is what kubectl said.
    pub(super) fn try_apply(&self, yaml: &str) -> Result<String, String> {
        fed(&["--namespace", &self.name, "apply", "--server-side", "--force-conflicts", "-f", "-"], yaml)
    }

    /// kubectl in this namespace.
    pub(super) fn kubectl(&self, args: &[&str]) -> String {
        kubectl(&[&["--namespace", &self.name], args].concat())
    }

    /// What kubectl prints with `--output json`.
    pub(super) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(&[args, &["--output", "json"]].concat())).unwrap()
    }
}

impl Namespace {
    /// The addresses in the status of an Ingress, sorted.
    pub(super) fn addresses(&self, ingress: &str) -> Vec<String> {
        let status = &self.json(&["get", "ingress", ingress])["status"];
        let entries = status["loadBalancer"]["ingress"].as_array().cloned().unwrap_or_default();
        let address =
            |entry: &Value| entry["ip"].as_str().or(entry["hostname"].as_str()).unwrap_or("").to_owned();
        let mut addresses: Vec<_> = entries.iter().map(address).collect();
        addresses.sort();
        addresses
    }

    /// Waits until they are these, in any order.
    pub(super) fn until_addresses(&self, ingress: &str, expected: &[&str]) {
        let attempt = || Some(self.addresses(ingress)).filter(|found| found == expected);
        eventually(&format!("the addresses of {ingress} are {expected:?}"), || {
            attempt().ok_or("others".into())
        });
    }

    /// Waits until there are addresses.
    pub(super) fn until_published(&self, ingress: &str) -> Vec<String> {
        let attempt = || Some(self.addresses(ingress)).filter(|found| !found.is_empty());
        eventually(&format!("{ingress} has an address"), || attempt().ok_or("none".into())).0
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return; // it lives on under another value
        }
        let _ = try_kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// A question to etcd itself, in JSON.
fn etcd(path: &str, request: &str) -> Value {
    let url = format!("http://127.0.0.1:2379/v3/{path}");
    let output = run(&["exec", "curl", "-sSf", &url, "--data", request]).output().unwrap();
    serde_json::from_str(&done(output).unwrap()).unwrap()
}

/// kubectl as the administrator; a failure fails the test.
pub(super) fn kubectl(args: &[&str]) -> String {
    try_kubectl(args).unwrap_or_else(|why| panic!("kubectl {}: {why}", args.join(" ")))
}

/// kubectl as the administrator; the error is what it said.
pub(super) fn try_kubectl(args: &[&str]) -> Result<String, String> {
    done(run(&["kubectl"]).args(args).output().unwrap())
}

/// Creates or changes objects of the whole cluster.
pub(super) fn apply(yaml: &str) {
    fed(&["apply", "--server-side", "--force-conflicts", "-f", "-"], yaml).unwrap();
}

/// kubectl with something on its standard input.
pub(super) fn fed(args: &[&str], input: &str) -> Result<String, String> {
    let mut command = run(&["kubectl"]);
    let mut child = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    done(child.wait_with_output().unwrap())
}

/// The file that tells how to reach the API server as its administrator.
pub(super) fn kubeconfig() -> PathBuf {
    done(run(&["kubeconfig"]).output().unwrap()).unwrap().trim().into()
}

/// `tests/cluster/run` with these arguments.
pub(super) fn run(args: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/run"));
    command.args(args).stdin(Stdio::null());
    command
}

/// What a command printed, or why it failed.
pub(super) fn done(output: Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
}

/// Tries again and again until it succeeds; says after how long. Fails when it never does.
pub(super) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> (T, Duration) {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return (value, start.elapsed()),
            Err(last) => assert!(start.elapsed() < PATIENCE, "{what}: still {last}"),
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
