//! Decides whose status is to be written now: what is wanted, what is shown and what was written in, changes out. No I/O.
//!
//! What was written is remembered until the watch shows it, so that nothing is written twice; an Ingress that somebody
//! else writes too is written less and less often.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Desired;
use super::addresses::Addresses;
use super::fault::Fault;
use super::pace::backoff;
use crate::model::Key;
use crate::model::status::{Address, IngressStatus};

/// How long the watch may take to show what was written.
const ECHO: Duration = Duration::from_mins(1);

/// First and last wait before an Ingress is written once more because somebody else wrote it too.
const CONTEST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// First and last wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// First and last wait where trying again will hardly help. The first is short: a server that has just begun does not know
/// the rights yet.
const REFUSED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) ingress: Key,
    pub(super) what: What,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// These addresses, in place of what is there.
    Show(Addresses),
    /// Nothing, if exactly these are there.
    Remove(Addresses),
    /// Nothing, whatever is there.
    Clear,
}

/// Changes that are due, and when to ask again at the latest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) due: VecDeque<Change>,
    pub(super) next: Option<Instant>,
}

impl Plan {
    fn later(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

/// What is known of what was written.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    wanted: Option<Addresses>,
    /// What was wanted before that.
    former: Option<Addresses>,
    /// The Ingresses that were ours at the last look, as they were, and those that left since and still show our addresses.
    ours: HashMap<Key, Arc<IngressStatus>>,
    entries: HashMap<Key, Entry>,
    /// How many could not be written the last time.
    pub(super) failing: usize,
}

/// What is known of one Ingress that was written, or is to be written later.
#[derive(Debug, Default)]
struct Entry {
    /// A request is under way.
    busy: bool,
    wrote: Option<Written>,
    not_before: Option<Instant>,
    failures: u32,
    /// How often in a row it was written in vain.
    contests: u32,
}

#[derive(Debug)]
struct Written {
    what: What,
    /// What was shown when it was written.
    before: Box<[Address]>,
    at: Instant,
    /// The watch has shown it.
    echoed: bool,
}

impl Ledger {
    /// What is to be written now.
    pub(super) fn plan(&mut self, desired: &Desired, wanted: &Addresses, now: Instant) -> Plan {
        if self.wanted.as_ref() != Some(wanted) {
            self.former = self.wanted.replace(wanted.clone());
        }
        let (mut plan, mut ours) = (Plan::default(), 0);
        for (key, status) in desired.statuses.iter().filter(|(key, _)| (desired.is_ours)(key)) {
            ours += 1;
            match self.ours.get_mut(key) {
                Some(known) if Arc::ptr_eq(known, status) => {}
                Some(known) => *known = status.clone(),
                None => drop(self.ours.insert(key.clone(), status.clone())),
            }
            if *status.addresses == **wanted {
                self.settled(key, now);
            } else {
                self.consider(&mut plan, key, What::Show(wanted.clone()), &status.addresses, now);
            }
        }
        if ours < self.ours.len() {
            self.clean(&mut plan, desired, now);
        }
        self.failing = self.entries.values().filter(|entry| entry.failures > 0).count();
        plan.due.make_contiguous().sort_by_cached_key(|change| change.ingress.clone());
        plan
    }

    /// What was ours and is not any more loses our addresses, unless it shows others. An Ingress of another class is as
    /// good as gone for whoever reads the cluster: so one that is deleted is tried, too.
    fn clean(&mut self, plan: &mut Plan, desired: &Desired, now: Instant) {
        let is_ours = |key: &Key| desired.statuses.contains_key(key) && (desired.is_ours)(key);
        let left: Vec<Key> = self.ours.keys().filter(|key| !is_ours(key)).cloned().collect();
        for key in left {
            let entry = self.entries.get(&key);
            let pending = entry.and_then(|entry| entry.wrote.as_ref()).and_then(|wrote| match &wrote.what {
                What::Show(addresses) if !wrote.echoed => Some(addresses),
                _ => None,
            });
            let status = desired.statuses.get(&key).unwrap_or(&self.ours[&key]);
            let written = [pending, self.wanted.as_ref(), self.former.as_ref()].into_iter().flatten();
            let ours = written.into_iter().find(|ours| pending == Some(ours) || ***ours == *status.addresses);
            match ours.cloned() {
                Some(ours) => self.consider(plan, &key, What::Remove(ours), &[], now),
                None if entry.is_some_and(|entry| entry.busy) => {} // it may show them in a moment
                None => {
                    self.ours.remove(&key);
                    self.entries.remove(&key);
                }
            }
        }
    }

    fn consider(&mut self, plan: &mut Plan, key: &Key, what: What, shown: &[Address], now: Instant) {
        if let Some(entry) = self.entries.get(key) {
            let awaited = |wrote: &&Written| wrote.what == what && !wrote.echoed && *wrote.before == *shown;
            let echo = entry.wrote.as_ref().filter(awaited).map(|wrote| wrote.at + ECHO);
            if entry.busy {
                return;
            }
            if let Some(later) = echo.max(entry.not_before).filter(|at| now < *at) {
                return plan.later(later);
            }
        }
        plan.due.push_back(Change { ingress: key.clone(), what });
    }

    /// The Ingress shows what it should.
    fn settled(&mut self, key: &Key, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let recent = entry.wrote.as_mut().is_some_and(|wrote| {
            wrote.echoed = true;
            now < wrote.at + CONTEST.1
        });
        if !entry.busy && !recent {
            self.entries.remove(key);
        }
    }

    /// A change is being written.
    pub(super) fn began(&mut self, key: &Key) {
        self.entries.entry(key.clone()).or_default().busy = true;
    }

    /// A change was written, or not. Answers how often in a row it was not: up to now, or, now that it was, before.
    pub(super) fn ended(
        &mut self,
        change: Change,
        shown: Option<&[Address]>,
        ended: &Result<(), Fault>,
        now: Instant,
    ) -> u32 {
        let entry = self.entries.entry(change.ingress.clone()).or_default();
        entry.busy = false;
        let former = entry.failures;
        let removal = matches!(change.what, What::Remove(_));
        match ended {
            // One that does not fit has nothing left to do: somebody else wrote meanwhile.
            Ok(()) | Err(Fault::Refused(_) | Fault::Absent) if removal => {
                self.failing -= usize::from(former > 0).min(self.failing);
                self.ours.remove(&change.ingress);
                self.entries.remove(&change.ingress);
                former
            }
            Ok(()) => {
                let again = entry.wrote.as_ref().is_some_and(|wrote| wrote.what == change.what);
                entry.contests = if again { entry.contests + 1 } else { 0 };
                entry.not_before = again.then(|| now + backoff(entry.contests, CONTEST.0, CONTEST.1));
                entry.failures = 0;
                let before = shown.unwrap_or_default().into();
                entry.wrote = Some(Written { what: change.what, before, at: now, echoed: false });
                self.failing -= usize::from(former > 0).min(self.failing);
                former
            }
            Err(fault) => {
                entry.failures += 1;
                let (first, last) = match fault {
                    Fault::Forbidden(_) | Fault::Refused(_) => REFUSED,
                    Fault::Absent | Fault::Conflict | Fault::Away(_) => RETRY,
                };
                entry.not_before = Some(now + backoff(entry.failures, first, last));
                self.failing += usize::from(former == 0);
                entry.failures
            }
        }
    }

    /// Nothing is under way any more, whatever was.
    pub(super) fn abandoned(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.busy = false);
    }

    /// All of ours that show addresses, or will as soon as the watch tells.
    pub(super) fn shown(&self, desired: &Desired) -> Vec<Key> {
        let ours = desired.statuses.iter().filter(|(key, _)| (desired.is_ours)(key));
        let pending = |key: &Key| self.entries.get(key).is_some_and(|e| e.busy || e.wrote.is_some());
        let shown = ours.filter(|(key, status)| !status.addresses.is_empty() || pending(key));
        let mut keys: Vec<Key> = shown.map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }
}

#[cfg(test)]
mod tests;
