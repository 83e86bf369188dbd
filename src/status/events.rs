//! Tells the owners of Ingresses what became of them: reports as Events, each as long as its cause lasts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::Desired;
use super::board::{Board, Existing, Job};
use super::cause::{Author, COMPONENT, choose};
use super::fault::{Complaint, Fault, ask};
use super::lead::Lead;
use super::pace::{Bucket, Pool, backoff};
use crate::metrics::{EventAction, Metrics};
use crate::model::{Key, Name};

/// Requests under way at once.
const WIDTH: usize = 4;

/// Writes a second, and at once after a pause.
const PACE: (u32, u32) = (10, 25);

/// Events of one answer when the existing ones are read.
const PAGE: u32 = 500;

/// First and last wait after the existing ones could not be read.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));

/// How complaints begin.
const ABOUT: &str = "telling the owners of Ingresses by Events";

/// How long to wait when nothing is due.
const LONG: Duration = Duration::from_hours(1);

/// Writes Events.
pub(super) struct Events {
    client: Client,
    author: Arc<Author>,
    /// The only namespace there are Ingresses in.
    namespace: Option<Name>,
    limit: Duration,
    metrics: Metrics,
    complaint: Complaint,
    /// How many reports were left out.
    left: usize,
}

/// What is known while this replica leads.
struct Term {
    board: Board,
    /// What was seen last.
    seen: Option<Desired>,
    /// When to read the Events that are there already; `None` when that is done.
    adopt_at: Option<Instant>,
    tries: u32,
    due: VecDeque<Job>,
    pool: Pool<(Job, Result<(), Fault>)>,
}

impl Events {
    pub(super) fn new(
        client: Client,
        author: Author,
        namespace: Option<Name>,
        limit: Duration,
        metrics: Metrics,
    ) -> Self {
        let complaint = Complaint::default();
        Self { client, author: Arc::new(author), namespace, limit, metrics, complaint, left: 0 }
    }

    /// Writes what there is to tell while `lead` holds. Never returns.
    pub(super) async fn run(&mut self, lead: &Lead, mut desired: watch::Receiver<Option<Desired>>) {
        let mut term = Term {
            board: Board::default(),
            seen: None,
            adopt_at: Some(Instant::now()),
            tries: 0,
            due: VecDeque::new(),
            pool: Pool::new(WIDTH, Bucket::new(PACE.0, PACE.1)),
        };
        loop {
            let now = desired.borrow_and_update().clone();
            let wake = match now {
                Some(now) => self.plan(&mut term, now).await,
                None => Instant::now() + LONG,
            };
            loop {
                let pause = self.begin(&mut term, lead).map_or(wake, |room| room.min(wake));
                tokio::select! {
                    _ = desired.changed() => break,
                    (job, ended) = term.pool.ended() => self.ended(&mut term, &job, &ended),
                    () = sleep_until(pause) => {}
                }
                let idle = term.due.is_empty() && term.pool.is_empty();
                if idle || wake <= Instant::now() {
                    break;
                }
            }
        }
    }

    /// Compares causes with Events. Answers when to do so again.
    async fn plan(&mut self, term: &mut Term, desired: Desired) -> Instant {
        let same = term.seen.as_ref().is_some_and(|seen| {
            Arc::ptr_eq(&seen.reports, &desired.reports) && seen.statuses.is_same(&desired.statuses)
        });
        if !same {
            let (causes, left) = choose(&desired);
            self.left_out(left);
            let named = causes.into_iter().map(|cause| (cause.event(&self.author.controller), cause));
            term.board.see(named.collect(), Instant::now());
        }
        if term.adopt_at.is_some_and(|at| at <= Instant::now()) {
            self.adopt(term, &desired).await;
        }
        term.seen = Some(desired);
        let now = Instant::now();
        let (due, later) = term.board.due(now);
        term.due = due.into();
        [later, term.adopt_at].into_iter().flatten().min().unwrap_or(now + LONG)
    }

    /// Takes over the Events that a former leader left.
    async fn adopt(&mut self, term: &mut Term, desired: &Desired) {
        match self.existing(desired).await {
            Ok(existing) => {
                term.board.adopt(existing, Instant::now());
                term.adopt_at = None;
            }
            Err(fault) => {
                term.tries += 1;
                term.adopt_at = Some(Instant::now() + backoff(term.tries, RETRY.0, RETRY.1));
                self.complaint.wrong(ABOUT, &fault);
            }
        }
    }

    async fn existing(&mut self, desired: &Desired) -> Result<Vec<Existing>, Fault> {
        let events: Api<Event> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let ours = format!(
            "involvedObject.kind=Ingress,source={COMPONENT},reportingComponent={}",
            self.author.controller
        );
        let mut params = ListParams::default().fields(&ours).limit(PAGE);
        let (mut existing, now) = (Vec::new(), Timestamp::now());
        loop {
            let page = ask(self.limit, events.list(&params)).await?;
            existing.extend(page.items.iter().filter_map(|event| known(event, desired, now)));
            let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) else {
                return Ok(existing);
            };
            params.continue_token = Some(token);
        }
    }

    fn left_out(&mut self, left: usize) {
        if left > 0 && self.left == 0 {
            warn!(
                "{left} reports about Ingresses do not become Events, there are too many: slipway check --cluster lists them all"
            );
        }
        self.left = left;
    }

    /// Begins what is due, as far as there is room. Answers when there will be room for more.
    fn begin(&mut self, term: &mut Term, lead: &Lead) -> Option<Instant> {
        while !term.due.is_empty() && lead.holds() {
            let now = Instant::now();
            if let Err(later) = term.pool.room(now) {
                return later;
            }
            let Some(job) = term.due.pop_front() else { break };
            if term.board.begin(&job, now) {
                let (client, author, limit) = (self.client.clone(), self.author.clone(), self.limit);
                term.pool.start(async move {
                    let ended = write(client, &author, limit, &job).await;
                    (job, ended)
                });
            }
        }
        None
    }

    fn ended(&mut self, term: &mut Term, job: &Job, ended: &Result<(), Fault>) {
        term.board.ended(job, ended, Instant::now());

        match ended {
            Ok(()) => {
                debug!("the Event {}: {:?}", job.event, job.action);
                self.metrics.event_written(job.action, true);
                if !term.board.is_troubled() {
                    self.complaint.over(ABOUT);
                }
            }
            // It was there, or is gone, already.
            Err(fault @ (Fault::Absent | Fault::Conflict)) => {
                debug!("the Event {}: {:?}: {fault}", job.event, job.action);
            }
            Err(fault) => {
                self.metrics.event_written(job.action, false);
                self.complaint.wrong(ABOUT, fault);
            }
        }
    }
}

/// What there is to know of an Event that is there.
fn known(event: &Event, desired: &Desired, now: Timestamp) -> Option<Existing> {
    let about = &event.involved_object;
    let ingress = Key::new(about.namespace.as_deref()?, about.name.as_deref()?);
    let last = event.last_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    Some(Existing {
        event: Key::new(event.metadata.namespace.as_deref()?, event.metadata.name.as_deref()?),
        count: event.count.unwrap_or(1),
        age: Duration::from_secs(u64::try_from(now.as_second() - last.as_second()).unwrap_or(0)),
        known: desired.statuses.contains_key(&ingress),
    })
}

async fn write(client: Client, author: &Author, limit: Duration, job: &Job) -> Result<(), Fault> {
    let events: Api<Event> = Api::namespaced(client, &job.event.namespace);
    let (name, now) = (&*job.event.name, Timestamp::now());
    match (job.action, &job.cause) {
        (EventAction::Create, Some(cause)) => {
            let object = cause.object(&job.event, author, now);
            ask(limit, events.create(&PostParams::default(), &object)).await.map(drop)
        }
        (EventAction::Create, None) => Ok(()), // never: what is created has a cause
        (EventAction::Refresh, _) => {
            let refreshed = json!({"count": job.count, "lastTimestamp": Time(now)});
            let patch = Patch::Merge(refreshed);
            ask(limit, events.patch(name, &PatchParams::default(), &patch)).await.map(drop)
        }
        (EventAction::Delete, _) => ask(limit, events.delete(name, &DeleteParams::default())).await.map(drop),
    }
}

#[cfg(test)]
mod tests;
