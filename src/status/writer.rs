//! Writes addresses into the status of Ingresses: a few at a time, each until it is done.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::networking::v1::Ingress;
use kube::{Client, Resource};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use super::Desired;
use super::addresses::Addresses;
use super::fault::{Fault, ask};
use super::lead::Lead;
use super::ledger::{Change, Ledger, What};
use super::pace::{Bucket, Pool};
use crate::metrics::Metrics;
use crate::model::Key;
use crate::model::status::Address;

/// Requests under way at once.
const WIDTH: usize = 8;

/// The same when the program ends and there is little time.
const LAST_WIDTH: usize = 32;

/// Writes a second, and at once after a pause.
const PACE: (u32, u32) = (200, 200);

/// More Ingresses that cannot be written are counted, not logged one by one.
const LOGGED: usize = 10;

/// Writes statuses.
pub(super) struct Writer {
    client: Client,
    limit: Duration,
    ledger: Ledger,
    due: VecDeque<Change>,
    pool: Pool<(Change, Result<(), Fault>)>,
    metrics: Metrics,
}

impl Writer {
    /// `limit` is how long one request may take.
    pub(super) fn new(client: Client, limit: Duration, metrics: Metrics) -> Self {
        let pool = Pool::new(WIDTH, Bucket::new(PACE.0, PACE.1));
        Self { client, limit, ledger: Ledger::default(), due: VecDeque::new(), pool, metrics }
    }

    /// Writes what is wanted while `lead` holds. Never returns.
    pub(super) async fn run(
        &mut self,
        lead: &Lead,
        mut desired: watch::Receiver<Option<Desired>>,
        mut found: watch::Receiver<Option<Addresses>>,
    ) {
        loop {
            let wake = self.plan(&mut desired, &mut found).unwrap_or_else(|| Instant::now() + LONG);
            loop {
                let pause = self.begin(lead).map_or(wake, |room| room.min(wake));
                tokio::select! {
                    _ = desired.changed() => break,
                    _ = found.changed() => break,
                    (change, ended) = self.pool.ended() => self.ended(change, &ended, desired.borrow().as_ref()),
                    () = sleep_until(pause) => {}
                }
                let idle = self.due.is_empty() && self.pool.is_empty();
                if idle || wake <= Instant::now() {
                    break;
                }
            }
        }
    }

    /// Compares what is wanted with what is shown. Answers when to do so again at the latest.
    fn plan(
        &mut self,
        desired: &mut watch::Receiver<Option<Desired>>,
        found: &mut watch::Receiver<Option<Addresses>>,
    ) -> Option<Instant> {
        let (desired, found) = (desired.borrow_and_update(), found.borrow_and_update());
        let plan = self.ledger.plan(desired.as_ref()?, found.as_ref()?, Instant::now());
        self.due = plan.due;
        plan.next
    }

    /// Begins what is due, as far as there is room. Answers when there will be room for more.
    fn begin(&mut self, lead: &Lead) -> Option<Instant> {
        while !self.due.is_empty() && lead.holds() {
            if let Err(later) = self.pool.room(Instant::now()) {
                return later;
            }
            let Some(change) = self.due.pop_front() else { break };
            self.ledger.began(&change.ingress);
            let (client, limit) = (self.client.clone(), self.limit);
            self.pool.start(async move {
                let ended = write(&client, limit, &change.ingress, &change.what).await;
                (change, ended)
            });
        }
        None
    }

    fn ended(&mut self, change: Change, ended: &Result<(), Fault>, desired: Option<&Desired>) {
        let key = change.ingress.clone();
        let shown = desired.and_then(|desired| desired.statuses.get(&key));
        let shown = shown.map(|status| &*status.addresses);
        let failures = self.ledger.ended(change, shown, ended, Instant::now());
        match ended {
            Err(Fault::Absent) => debug!("the Ingress {key} is gone, and its status with it"),
            Err(fault) if failures > 0 => {
                self.metrics.status_written(false);
                if failures == 1 && self.ledger.failing <= LOGGED {
                    warn!("the status of Ingress {key} cannot be written: {fault}; it is tried again");
                }
            }
            _ => {
                self.metrics.status_written(true);
                if failures > 0 {
                    info!("the status of Ingress {key} is written now");
                }
            }
        }
    }

    /// Gives up what is under way and what is due: somebody else writes now.
    pub(super) fn abandon(&mut self) {
        self.pool.abandon();
        self.due.clear();
        self.ledger.abandoned();
    }

    /// Lets end what is under way, until `deadline`.
    pub(super) async fn settle(&mut self, deadline: Instant) {
        self.due.clear();
        while !self.pool.is_empty() {
            let Ok((change, ended)) = timeout_at(deadline, self.pool.ended()).await else { return };
            self.ended(change, &ended, None);
        }
    }

    /// Removes the addresses of all of ours until `deadline`. Answers how many were removed, and how many not.
    pub(super) async fn clear(&mut self, desired: &Desired, deadline: Instant) -> (usize, usize) {
        let keys = self.ledger.shown(desired);
        let (all, mut removed) = (keys.len(), 0);
        let (client, limit) = (&self.client, self.limit);
        let mut answers = stream::iter(keys)
            .map(|key| async move { write(client, limit, &key, &What::Clear).await })
            .buffer_unordered(LAST_WIDTH);
        while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
            let well = matches!(answer, Ok(()) | Err(Fault::Absent));
            self.metrics.status_written(well);
            removed += usize::from(well);
        }
        (removed, all - removed)
    }
}

/// Writes one status.
pub(super) async fn write(client: &Client, limit: Duration, ingress: &Key, what: &What) -> Result<(), Fault> {
    let path = Ingress::url_path(&(), Some(&ingress.namespace));
    let (kind, body) = patch(what);
    let request = http::Request::patch(format!("{path}/{}/status", ingress.name))
        .header(http::header::CONTENT_TYPE, kind)
        .body(body.to_string().into_bytes())
        .map_err(|error| Fault::Refused(error.to_string()))?;
    ask(limit, client.request::<IgnoredAny>(request)).await.map(drop)
}

/// Content type and body. A removal is a JSON patch, because only that can say: if it is still so.
fn patch(what: &What) -> (&'static str, Value) {
    let merge = |points: Value| json!({"status": {"loadBalancer": {"ingress": points}}});
    match what {
        What::Show(addresses) => ("application/merge-patch+json", merge(points(addresses))),
        What::Clear => ("application/merge-patch+json", merge(Value::Null)),
        What::Remove(addresses) => {
            let path = "/status/loadBalancer/ingress";
            let test = json!({"op": "test", "path": path, "value": points(addresses)});
            ("application/json-patch+json", json!([test, {"op": "remove", "path": path}]))
        }
    }
}

fn points(addresses: &[Address]) -> Value {
    let point = |address: &Address| match address {
        Address::Ip(ip) => json!({"ip": ip}),
        Address::Hostname(name) => json!({"hostname": name}),
    };
    addresses.iter().map(point).collect()
}

/// How long to wait when nothing is due.
const LONG: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests;
