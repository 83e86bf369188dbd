//! The whole source against a server that does whatever servers do.

mod chance;
mod classes;
mod dns;
mod failures;
mod lists;
mod once;
mod rubbish;
mod secrets;
mod service_proxy;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch as latest};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::fake::Server;
use super::*;
use crate::metrics::Metrics;
use crate::model::Snapshot;
use crate::model::freshness::WatchState;
use crate::store::Store;

/// Far more than anything takes. The clock of these tests jumps over every wait.
const DEADLINE: Duration = Duration::from_hours(1);

/// A running source and the store it fills.
struct Rig {
    store: Store,
    updates: mpsc::Receiver<Update>,
    freshness: latest::Receiver<Freshness>,
    metrics: Metrics,
    task: JoinHandle<()>,
}

impl Rig {
    /// Starts and waits for the first complete state.
    async fn start(server: &Server, options: Options) -> Self {
        let mut rig = Self::begin(server, options);
        rig.until("complete", |_| true).await;
        rig
    }

    fn begin(server: &Server, options: Options) -> Self {
        let (sender, updates) = mpsc::channel(16);
        let (freshness_sender, freshness) = latest::channel(Freshness::default());
        let (store, metrics) = (Store::new(&kinds(&options)), Metrics::new());
        let task = tokio::spawn(run(server.client(), options, sender, freshness_sender, metrics.source()));
        Self { store, updates, freshness, metrics, task }
    }

    /// Takes updates until the store is complete and so.
    async fn until(&mut self, what: &str, so: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let snapshot = self.store.snapshot();
            if self.store.is_complete() && so(&snapshot) {
                return snapshot;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(update) = timeout(left, self.updates.recv()).await else {
                panic!("never {what}: {:?}\n{snapshot:#?}", self.freshness.borrow());
            };
            self.store.apply(update.expect("the source goes on"));
        }
    }

    /// Takes what comes within a time.
    async fn pass(&mut self, time: Duration) -> Snapshot {
        let end = Instant::now() + time;
        while let Ok(update) =
            timeout(end.saturating_duration_since(Instant::now()), self.updates.recv()).await
        {
            self.store.apply(update.expect("the source goes on"));
        }
        self.store.snapshot()
    }

    /// Waits, taking updates, until the watches are so.
    async fn watches(&mut self, what: &str, so: impl Fn(&Freshness) -> bool) -> Freshness {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let freshness = self.freshness.borrow_and_update().clone();
            if so(&freshness) {
                return freshness;
            }
            assert!(Instant::now() < deadline, "never {what}: {freshness:?}");
            self.pass(Duration::from_millis(50)).await;
        }
    }

    fn state(&self, name: &str) -> Option<WatchState> {
        let freshness = self.freshness.borrow();
        freshness.watches.iter().find(|watch| &*watch.name == name).map(|watch| watch.state.clone())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn options() -> Options {
    Options { controller: "ours".into(), ingress_class: "nginx".into(), ..Options::default() }
}

/// A server with the class `nginx` of ours and the class `other` of somebody else.
fn server() -> Server {
    let server = Server::default();
    server.put("ingressclasses", class("nginx", "ours"));
    server.put("ingressclasses", class("other", "theirs"));
    server
}

fn class(name: &str, controller: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"controller": controller}})
}

fn ingress(namespace: &str, name: &str, class: &str, secret: Option<&str>) -> Value {
    let tls: Vec<Value> =
        secret.iter().map(|name| json!({"hosts": ["a.example"], "secretName": name})).collect();
    json!({
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{name}"), "managedFields": [{"fieldsV1": {}}]},
        "spec": {"ingressClassName": class, "rules": [{"host": "a.example"}], "tls": tls},
    })
}

fn service(namespace: &str, name: &str, port: u16) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"ports": [{"port": port}]}})
}

fn slice(namespace: &str, name: &str, service: &str, address: &str) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"port": 8080}],
        "endpoints": [{"addresses": [address], "nodeName": "n", "targetRef": {"kind": "Pod"}}],
    })
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn names<V>(map: &crate::model::map::Map<Key, V>) -> Vec<String> {
    let mut names: Vec<String> = map.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

fn reasons(snapshot: &Snapshot) -> Vec<&'static str> {
    snapshot.reports.iter().map(|report| report.reason).collect()
}
