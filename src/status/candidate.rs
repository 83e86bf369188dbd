//! Decides what to do about the Lease: what is known of it and the time in, the next step out. No I/O.
//!
//! Other replicas' clocks are not trusted: a Lease has run out when its record did not change for its duration, by the
//! clock of whoever looks. The leader itself stops writing after two thirds of that, so there is a third in which
//! nobody writes and what is under way ends.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use tokio::time::Instant;

use crate::model::Key;

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// Read the Lease.
    Look,
    /// Create it, as it is to be.
    Create(Box<Lease>),
    /// Replace it, if it is still as it was seen.
    Replace(Box<Lease>),
    /// Nothing before this time, unless the Lease changes.
    Wait(Instant),
}

/// One who wants to hold the Lease.
#[derive(Debug)]
pub(super) struct Candidate {
    key: Key,
    identity: String,
    ttl: Duration,
    /// The Lease as it was seen last; `None` when there is none, or when nobody looked yet.
    seen: Option<Lease>,
    /// Since when its record is so.
    since: Option<Instant>,
    /// It may be different from what was seen.
    stale: bool,
    led_until: Option<Instant>,
    renew_at: Option<Instant>,
    retry_at: Option<Instant>,
}

impl Candidate {
    pub(super) fn new(key: Key, identity: String, ttl: Duration) -> Self {
        Self {
            key,
            identity,
            ttl,
            seen: None,
            since: None,
            stale: true,
            led_until: None,
            renew_at: None,
            retry_at: None,
        }
    }

    /// What to do now. `wall` is only written down, for people.
    pub(super) fn next(&self, now: Instant, wall: Timestamp) -> Act {
        if let Some(retry_at) = self.retry_at.filter(|at| now < *at) {
            let until = self.leads_until(now);
            return Act::Wait(until.map_or(retry_at, |until| until.min(retry_at)));
        }
        if self.stale {
            return Act::Look;
        }
        let Some(lease) = &self.seen else { return Act::Create(Box::new(self.claim(None, wall))) };
        let holder = holder(lease);
        let due = if holder == self.identity {
            self.leads_until(now).and(self.renew_at)
        } else if holder.is_empty() {
            None
        } else {
            self.since.map(|since| since + duration(lease).unwrap_or(self.ttl))
        };
        match due.filter(|due| now < *due) {
            Some(due) => Act::Wait(due),
            None => Act::Replace(Box::new(self.claim(Some(lease), wall))),
        }
    }

    /// The Lease was read, or told of by a watch.
    pub(super) fn saw(&mut self, lease: Option<Lease>, now: Instant) {
        self.stale = false;
        let record = |lease: &Option<Lease>| lease.as_ref().and_then(|lease| lease.spec.clone());
        if self.since.is_none() || record(&self.seen) != record(&lease) {
            self.since = Some(now);
        }
        if lease.as_ref().map(holder) != Some(&self.identity) {
            self.led_until = None;
        }
        self.seen = lease;
    }

    /// A watch told that the Lease is now so, or is `gone`: what is older than what is known means nothing.
    pub(super) fn heard(&mut self, lease: Lease, gone: bool, now: Instant) {
        let version = |lease: &Lease| lease.metadata.resource_version.as_ref()?.parse::<u128>().ok();
        let known = self.seen.as_ref().and_then(version);
        if version(&lease).zip(known).is_none_or(|(heard, known)| heard > known) {
            self.saw((!gone).then_some(lease), now);
        }
    }

    /// It was written, by a request that began at `began`.
    pub(super) fn wrote(&mut self, lease: Lease, began: Instant, renew_in: Duration) {
        self.seen = Some(lease);
        self.since = Some(began);
        self.stale = false;
        self.retry_at = None;
        self.led_until = Some(began + self.ttl * 2 / 3);
        self.renew_at = Some(began + renew_in);
    }

    /// What was seen may be old: look again.
    pub(super) fn doubt(&mut self) {
        self.stale = true;
    }

    /// Nothing could be read or written.
    pub(super) fn failed(&mut self, retry_at: Instant) {
        self.retry_at = Some(retry_at);
        self.stale |= self.led_until.is_none();
    }

    /// Something could be.
    pub(super) fn answered(&mut self) {
        self.retry_at = None;
    }

    /// Write at once what would be written later.
    pub(super) fn hurry(&mut self) {
        self.retry_at = None;
        self.renew_at = None;
    }

    /// Until when this one may write; `None` when it may not.
    pub(super) fn leads_until(&self, now: Instant) -> Option<Instant> {
        self.led_until.filter(|until| now < *until)
    }

    /// Who else holds the Lease, as far as is known.
    pub(super) fn leader(&self) -> Option<&str> {
        let holder = holder(self.seen.as_ref()?);
        (!holder.is_empty() && holder != self.identity).then_some(holder)
    }

    /// From where a watch is to tell of changes.
    pub(super) fn version(&self) -> Option<&str> {
        self.seen.as_ref()?.metadata.resource_version.as_deref()
    }

    /// The Lease as it is left to the next one; `None` when it is not this one's.
    pub(super) fn released(&self, wall: Timestamp) -> Option<Lease> {
        let mut lease = self.seen.clone().filter(|lease| holder(lease) == self.identity)?;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(wall));
        Some(lease)
    }

    /// The Lease as held by this one, whoever held it.
    pub(super) fn claim(&self, lease: Option<&Lease>, wall: Timestamp) -> Lease {
        let former = lease.map(|lease| lease.spec.as_ref().and_then(|spec| spec.lease_transitions));
        let transitions = former.map_or(0, |number| number.unwrap_or(0).saturating_add(1));
        let mut lease = lease.cloned().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                namespace: Some(self.key.namespace.to_string()),
                name: Some(self.key.name.to_string()),
                ..ObjectMeta::default()
            },
            ..Lease::default()
        });
        lease.metadata.managed_fields = None;
        let fresh = holder(&lease) != self.identity;
        let spec: &mut LeaseSpec = lease.spec.get_or_insert_default();
        if fresh {
            spec.lease_transitions = Some(transitions);
            spec.acquire_time = Some(MicroTime(wall));
            spec.holder_identity = Some(self.identity.clone());
        }
        spec.lease_duration_seconds = Some(i32::try_from(self.ttl.as_secs().max(1)).unwrap_or(i32::MAX));
        spec.renew_time = Some(MicroTime(wall));
        lease
    }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
