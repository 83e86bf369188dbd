//! Decides which Events are to be written now: causes and what is known to be there in, jobs out. No I/O.
//!
//! A cause must last a moment before it is told: during a rollout much comes and goes. While it lasts its Event is
//! refreshed, because the API server forgets Events after an hour; when it ends the Event is deleted.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::cause::Cause;
use super::fault::Fault;
use super::pace::backoff;
use crate::metrics::EventAction;
use crate::model::Key;

/// How long a cause must last.
const LASTING: Duration = Duration::from_secs(2);

/// How often the Event of a cause that lasts is refreshed.
pub(super) const REFRESH: Duration = Duration::from_mins(30);

/// First and last wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) event: Key,
    pub(super) action: EventAction,
    /// What to create.
    pub(super) cause: Option<Cause>,
    /// How often the cause was told, this time included.
    pub(super) count: i32,
}

/// An Event of ours that was there before this replica led.
#[derive(Clone, Debug)]
pub(super) struct Existing {
    pub(super) event: Key,
    pub(super) count: i32,
    /// How long ago it was refreshed.
    pub(super) age: Duration,
    /// Whether its Ingress is known. Of any other it is not known whether its cause lasts.
    pub(super) known: bool,
}

/// Causes, and the Events about them.
#[derive(Debug, Default)]
pub(super) struct Board {
    entries: HashMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// `None` when it has ended.
    cause: Option<Cause>,
    since: Instant,
    /// The Event that is there.
    there: Option<There>,
    busy: bool,
    failures: u32,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct There {
    count: i32,
    refresh_at: Instant,
}

impl Entry {
    fn new(cause: Option<Cause>, now: Instant) -> Self {
        Self { cause, since: now, there: None, busy: false, failures: 0, retry_at: None }
    }

    /// What is due, and when.
    fn next(&self) -> Option<(Instant, EventAction)> {
        let (at, action) = match (&self.cause, &self.there) {
            (None, None) => return None,
            (None, Some(_)) => (self.since, EventAction::Delete),
            (Some(_), None) => (self.since + LASTING, EventAction::Create),
            (Some(_), Some(there)) => (there.refresh_at, EventAction::Refresh),
        };
        Some((self.retry_at.map_or(at, |retry| retry.max(at)), action))
    }

    /// Whether there is nothing to remember.
    fn is_over(&self) -> bool {
        self.cause.is_none() && self.there.is_none() && !self.busy
    }
}

impl Board {
    /// These are all causes of now, by the name of their Event.
    pub(super) fn see(&mut self, causes: Vec<(Key, Cause)>, now: Instant) {
        let lasting: HashSet<Key> = causes.iter().map(|(event, _)| event.clone()).collect();
        for (event, entry) in &mut self.entries {
            if entry.cause.is_some() && !lasting.contains(event) {
                entry.cause = None;
                entry.since = now;
            }
        }
        self.entries.retain(|_, entry| !entry.is_over());
        for (event, cause) in causes {
            let entry = self.entries.entry(event).or_insert_with(|| Entry::new(None, now));
            if entry.cause.is_none() {
                entry.cause = Some(cause);
                entry.since = now;
            }
        }
    }

    /// These Events of ours are there already.
    pub(super) fn adopt(&mut self, existing: Vec<Existing>, now: Instant) {
        for Existing { event, count, age, known } in existing {
            if !known && !self.entries.contains_key(&event) {
                continue;
            }
            let entry = self.entries.entry(event).or_insert_with(|| Entry::new(None, now));
            entry.there = Some(There { count, refresh_at: now + REFRESH.saturating_sub(age) });
        }
    }

    /// What is due now, and when to ask again.
    pub(super) fn due(&self, now: Instant) -> (Vec<Job>, Option<Instant>) {
        let (mut jobs, mut later) = (Vec::new(), None::<Instant>);
        for (event, entry) in self.entries.iter().filter(|(_, entry)| !entry.busy) {
            match entry.next() {
                Some((at, action)) if at <= now => jobs.push(Job {
                    event: event.clone(),
                    action,
                    cause: entry.cause.clone().filter(|_| action == EventAction::Create),
                    count: entry.there.as_ref().map_or(1, |there| there.count.saturating_add(1)),
                }),
                Some((at, _)) => later = Some(later.map_or(at, |later| later.min(at))),
                None => {}
            }
        }
        jobs.sort_by(|a, b| a.event.cmp(&b.event));
        (jobs, later)
    }

    /// Whether a job that was due still is.
    pub(super) fn begin(&mut self, job: &Job, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&job.event) else { return false };
        let due = entry.next().is_some_and(|(at, action)| at <= now && action == job.action) && !entry.busy;
        entry.busy |= due;
        due
    }

    /// A job is done, or not.
    pub(super) fn ended(&mut self, job: &Job, ended: &Result<(), Fault>, now: Instant) {
        let Some(entry) = self.entries.get_mut(&job.event) else { return };
        entry.busy = false;
        let there = |count, refresh_at| Some(There { count, refresh_at });
        let well = match (job.action, ended) {
            (EventAction::Create | EventAction::Refresh, Ok(())) => {
                entry.there = there(job.count, now + REFRESH);
                true
            }
            // There already: a refresh tells that the cause lasts.
            (EventAction::Create, Err(Fault::Conflict)) => {
                entry.there = there(job.count, now);
                true
            }
            // Gone: anew if the cause lasts.
            (EventAction::Refresh, Err(Fault::Absent))
            | (EventAction::Delete, Ok(()) | Err(Fault::Absent)) => {
                entry.there = None;
                true
            }
            // Whether it was created is open: it is deleted then.
            (EventAction::Create, Err(Fault::Away(_))) if entry.cause.is_none() => {
                entry.there = there(job.count, now + REFRESH);
                false
            }
            _ => false,
        };
        entry.failures = if well { 0 } else { entry.failures + 1 };
        entry.retry_at = (!well).then(|| now + backoff(entry.failures, RETRY.0, RETRY.1));
        if entry.is_over() {
            self.entries.remove(&job.event);
        }
    }

    /// Whether a write failed that is still to be done.
    pub(super) fn is_troubled(&self) -> bool {
        self.entries.values().any(|entry| entry.failures > 0)
    }
}

#[cfg(test)]
mod tests;
