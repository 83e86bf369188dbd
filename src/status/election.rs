//! Holds the Lease, or waits for it: the requests behind what a [`Candidate`] decides.
//!
//! Everybody watches the Lease, so that a follower takes over as soon as it is released, and a leader stops as soon as
//! somebody else holds it.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::candidate::{Act, Candidate};
use super::fault::{Complaint, Fault, ask};
use super::lead::Lead;
use super::pace::{backoff, jittered};
use crate::metrics::Metrics;
use crate::model::Key;

/// How long one watch lasts before it is begun anew.
const WATCH_SECS: u32 = 240;

/// How long to wait when a right is missing.
const FORBIDDEN: Duration = Duration::from_secs(30);

/// One who holds the Lease or waits for it.
pub(super) struct Election {
    leases: Api<Lease>,
    key: Key,
    candidate: Candidate,
    ttl: Duration,
    changes: Option<BoxStream<'static, kube::Result<WatchEvent<Lease>>>>,
    /// Without a watch: when to try for one again.
    watch_at: Instant,
    tries: u32,
    complaint: Complaint,
    leader: Option<String>,
    lead: watch::Sender<Option<Instant>>,
    metrics: Metrics,
}

impl Election {
    pub(super) fn new(client: Client, key: Key, identity: String, ttl: Duration, metrics: Metrics) -> Self {
        metrics.leading(&key.name, false);
        Self {
            leases: Api::namespaced(client, &key.namespace),
            candidate: Candidate::new(key.clone(), identity, ttl),
            key,
            ttl,
            changes: None,
            watch_at: Instant::now(),
            tries: 0,
            complaint: Complaint::default(),
            leader: None,
            lead: watch::Sender::new(None),
            metrics,
        }
    }

    /// The right to write that comes with the Lease.
    pub(super) fn lead(&self) -> Lead {
        Lead::new(self.lead.subscribe())
    }

    /// Longest time a request may take: what was begun as leader must end before another begins.
    pub(super) fn limit(ttl: Duration) -> Duration {
        (ttl / 3).min(Duration::from_secs(10))
    }

    /// Takes part until it is dropped.
    pub(super) async fn run(&mut self) -> Infallible {
        loop {
            self.step().await;
        }
    }

    /// Gets hold of the Lease, if that is possible before `deadline`, for as long as a term goes from now.
    pub(super) async fn obtain(&mut self, deadline: Instant) -> bool {
        let term = Instant::now() + self.ttl * 2 / 3;
        self.candidate.hurry();
        while Instant::now() < deadline {
            let _ = timeout_at(deadline, self.step()).await; // the condition says whether it is over
            if self.candidate.leads_until(Instant::now()).is_some_and(|until| until >= term) {
                return true;
            }
        }
        false
    }

    /// Gives the Lease back, so that the next one need not wait for its end.
    pub(super) async fn release(&mut self) {
        let mut released = self.try_release().await;
        if released == Some(Err(Fault::Conflict)) && self.look().await.is_ok() {
            released = self.try_release().await; // a renewal was under way
        }
        match released {
            Some(Ok(())) => info!("the Lease {} is released: the next replica takes over", self.key),
            Some(Err(fault)) => warn!("the Lease {} runs out by itself: {fault}", self.key),
            None => {}
        }
        self.lead.send_replace(None);
        self.metrics.leading(&self.key.name, false);
    }

    /// `None` when it is not this one's to give.
    async fn try_release(&mut self) -> Option<Result<(), Fault>> {
        self.candidate.leads_until(Instant::now())?;
        let lease = self.candidate.released(Timestamp::now())?;
        Some(self.replace(&lease).await.map(drop))
    }

    async fn step(&mut self) {
        let began = Instant::now();
        let act = self.candidate.next(began, Timestamp::now());
        let done = match act {
            Act::Wait(until) => {
                self.wait(until).await;
                Ok(())
            }
            Act::Look => self.look().await,
            Act::Create(lease) => {
                let params = PostParams::default();
                let created = ask(Self::limit(self.ttl), self.leases.create(&params, &lease)).await;
                self.written(created, began)
            }
            Act::Replace(lease) => {
                let replaced = self.replace(&lease).await;
                // Deleted meanwhile: the same as changed.
                let replaced = replaced.map_err(|f| if f == Fault::Absent { Fault::Conflict } else { f });
                self.written(replaced, began)
            }
        };
        let now = Instant::now();
        if let Err(fault) = done {
            self.tries += 1;
            let wait = match fault {
                // At first soon: a server that has just begun does not know the rights yet.
                Fault::Forbidden(_) | Fault::Refused(_) => {
                    backoff(self.tries, self.ttl / 30, FORBIDDEN.min(self.ttl))
                }
                _ => backoff(self.tries, self.ttl / 30, self.ttl / 3),
            };
            self.candidate.failed(now + wait);
            self.complaint.wrong(&self.about(), &fault);
        }
        self.announce(now);
    }

    async fn look(&mut self) -> Result<(), Fault> {
        let found = match ask(Self::limit(self.ttl), self.leases.get(&self.key.name)).await {
            Ok(lease) => Some(lease),
            Err(Fault::Absent) => None,
            Err(fault) => return Err(fault),
        };
        self.answered();
        self.candidate.saw(found, Instant::now());
        Ok(())
    }

    async fn replace(&mut self, lease: &Lease) -> Result<Lease, Fault> {
        let params = PostParams::default();
        ask(Self::limit(self.ttl), self.leases.replace(&self.key.name, &params, lease)).await
    }

    fn written(&mut self, answer: Result<Lease, Fault>, began: Instant) -> Result<(), Fault> {
        match answer {
            Ok(lease) => {
                self.answered();
                self.candidate.wrote(lease, began, jittered(self.ttl / 3));
            }
            Err(Fault::Conflict) => {
                self.candidate.doubt();
                self.candidate.failed(Instant::now() + jittered(self.ttl / 300));
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn answered(&mut self) {
        self.tries = 0;
        self.candidate.answered();
        self.complaint.over(&self.about());
    }

    fn about(&self) -> String {
        format!("the Lease {}, by which replicas elect who writes status and Events", self.key)
    }

    /// Waits for a time or for a change of the Lease.
    async fn wait(&mut self, until: Instant) {
        if self.changes.is_none() && self.watch_at <= Instant::now() {
            self.watch(until).await;
        }
        let Some(changes) = &mut self.changes else {
            // A look now and then must do.
            let poll = Instant::now() + jittered(self.ttl / 6);
            sleep_until(until.min(poll).min(self.watch_at)).await;
            return self.candidate.doubt();
        };
        let silence = Duration::from_secs(u64::from(WATCH_SECS)) + Self::limit(self.ttl);
        tokio::select! {
            () = sleep_until(until) => {}
            change = timeout(silence, changes.next()) => match change {
                Ok(Some(Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)))) => {
                    self.candidate.heard(lease, false, Instant::now());
                }
                Ok(Some(Ok(WatchEvent::Deleted(lease)))) => self.candidate.heard(lease, true, Instant::now()),
                Ok(Some(Ok(WatchEvent::Bookmark(_)))) => {}
                Ok(None | Some(Ok(WatchEvent::Error(_)) | Err(_))) | Err(_) => {
                    self.changes = None;
                    self.watch_at = Instant::now() + jittered(self.ttl / 30);
                }
            },
        }
    }

    /// Begins to watch, if that is possible in the time there is.
    async fn watch(&mut self, until: Instant) {
        self.watch_at = Instant::now() + jittered(self.ttl / 30);
        let Some(version) = self.candidate.version() else { return };
        if until.saturating_duration_since(Instant::now()) < self.ttl / 30 {
            return; // no time to begin: something is due
        }
        let only = format!("metadata.name={}", self.key.name);
        let params = WatchParams::default().fields(&only).timeout(WATCH_SECS).disable_bookmarks();
        let limit = Self::limit(self.ttl).min(until.saturating_duration_since(Instant::now()));
        match ask(limit, self.leases.watch(&params, version)).await {
            Ok(changes) => self.changes = Some(changes.boxed()),
            Err(fault) => {
                debug!("the Lease {} cannot be watched, it is read now and then: {fault}", self.key);
                if matches!(fault, Fault::Forbidden(_) | Fault::Refused(_)) {
                    self.watch_at = Instant::now() + jittered(FORBIDDEN.min(self.ttl));
                }
            }
        }
    }

    /// Tells everybody who leads, when that changed.
    fn announce(&mut self, now: Instant) {
        let until = self.candidate.leads_until(now);
        let before = self.lead.send_replace(until).is_some();
        let lease = &self.key;
        self.metrics.leading(&lease.name, until.is_some());
        match (before, until.is_some()) {
            (false, true) => info!("this replica leads, by the Lease {lease}: it writes status and Events"),
            (true, false) => {
                warn!("this replica does not lead any more, by the Lease {lease}: it writes nothing");
            }
            _ => {}
        }
        let leader = self.candidate.leader();
        if leader != self.leader.as_deref() {
            self.leader = leader.map(str::to_owned);
            if let Some(leader) = leader {
                info!("{leader} leads, by the Lease {lease}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
