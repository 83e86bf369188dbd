//! What was let through a moment ago and is not in force yet: a review about the same hosts waits for it.
//!
//! The objects of one `kubectl apply` follow each other faster than the watch brings them. Nothing is decided by what was
//! let through, since whoever reaches the port could make that up: it is waited for, and not for long.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::Snapshot;
use crate::model::route::{Host, Ingress};

/// How long what was let through may take to come into force.
pub(super) const SETTLE: Duration = Duration::from_millis(300);

/// More are not remembered.
const MOST: usize = 64;

/// What is on its way.
#[derive(Default)]
pub(super) struct Recent {
    passed: VecDeque<Passed>,
}

struct Passed {
    at: Instant,
    new: Arc<Ingress>,
    /// What was in force then.
    old: Option<Arc<Ingress>>,
}

impl Recent {
    /// Notes what was let through when `snapshot` was in force.
    pub(super) fn note(&mut self, new: Arc<Ingress>, snapshot: &Snapshot, at: Instant) {
        let old = snapshot.ingresses.get(&new.object.key).cloned();
        self.passed.truncate(MOST - 1);
        self.passed.push_front(Passed { at, new, old });
    }

    /// Whether anything about the hosts of an Ingress, of another one, is on its way.
    pub(super) fn concerns(&mut self, ingress: &Ingress, snapshot: &Snapshot, now: Instant) -> bool {
        self.passed.retain(|passed| now.duration_since(passed.at) < SETTLE && passed.is_awaited(snapshot));
        let others = self.passed.iter().filter(|passed| passed.new.object != ingress.object);
        let mut touched = others.flat_map(Passed::hosts).peekable();
        if touched.peek().is_none() {
            return false;
        }
        let own: HashSet<&Host> = hosts(ingress).collect();
        touched.any(|host| own.contains(host))
    }
}

impl Passed {
    /// Whether the snapshot still has what was there before.
    fn is_awaited(&self, snapshot: &Snapshot) -> bool {
        let now = snapshot.ingresses.get(&self.new.object.key);
        now.map(Arc::as_ptr) == self.old.as_ref().map(Arc::as_ptr)
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        hosts(&self.new).chain(self.old.iter().flat_map(|old| hosts(old)))
    }
}

/// The hosts of the rules; one without rules may be the default backend for everything.
fn hosts(ingress: &Ingress) -> impl Iterator<Item = &Host> {
    let any = ingress.rules.is_empty().then_some(&Host::Any);
    ingress.rules.iter().map(|rule| &rule.host).chain(any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Key;
    use crate::translate;

    fn ingress(name: &str, host: &str) -> Arc<Ingress> {
        let text = format!(r#"{{"spec": {{"rules": [{{"host": "{host}"}}]}}}}"#);
        let key = Key::new("default", name);
        Arc::new(translate::ingress_json(&text, &key, &translate::Options::default()).unwrap().ingress)
    }

    #[test]
    fn what_is_on_its_way_concerns_its_hosts_until_it_is_there_or_too_late() {
        let (mut recent, mut snapshot, now) = (Recent::default(), Snapshot::default(), Instant::now());
        let (old, new) = (ingress("a", "old.example"), ingress("a", "new.example"));
        snapshot.ingresses.insert(old.object.key.clone(), old);
        recent.note(new.clone(), &snapshot, now);
        for (name, host, concerned) in [
            ("b", "new.example", true),
            ("b", "old.example", true),
            ("b", "other.example", false),
            ("a", "new.example", false),
        ] {
            assert_eq!(recent.concerns(&ingress(name, host), &snapshot, now), concerned, "{name} {host}");
        }
        assert!(!recent.concerns(&ingress("b", "new.example"), &snapshot, now + SETTLE));
        recent.note(new.clone(), &snapshot, now);
        snapshot.ingresses.insert(new.object.key.clone(), new);
        assert!(!recent.concerns(&ingress("b", "new.example"), &snapshot, now));
    }

    #[test]
    fn only_so_many_are_remembered_and_the_latest() {
        let (mut recent, snapshot, now) = (Recent::default(), Snapshot::default(), Instant::now());
        for number in 0..=MOST {
            recent.note(ingress(&format!("i{number}"), &format!("h{number}.example")), &snapshot, now);
        }
        assert!(!recent.concerns(&ingress("b", "h0.example"), &snapshot, now));
        assert!(recent.concerns(&ingress("b", "h1.example"), &snapshot, now));
        assert!(recent.concerns(&ingress("b", &format!("h{MOST}.example")), &snapshot, now));
    }
}
