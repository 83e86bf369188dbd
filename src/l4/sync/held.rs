//! Services whose rules the kernel refuses: left out, told, and tried again when they change and now and then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::l4::desired::Desired;
use crate::l4::nft::Failure;
use crate::l4::ruleset::{Element, Owner, Ruleset};
use crate::model::{Key, Kind, ObjectRef, Report, Severity};

/// How often they are tried again.
const AGAIN: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct Held {
    services: BTreeMap<Owner, Case>,
    again: Option<Instant>,
}

struct Case {
    group: Option<Arc<[Element]>>,
    why: String,
}

impl Held {
    /// Leaves a Service out. False when it was left out before, so that it cannot be to blame.
    pub(super) fn hold(&mut self, owner: &Owner, failure: &Failure, desired: Option<&Desired>) -> bool {
        if self.services.contains_key(owner) {
            return false;
        }
        let group = desired.and_then(|desired| desired.ruleset.groups.get(owner).cloned());
        self.services.insert(owner.clone(), Case { group, why: failure.to_string() });
        self.again = Some(Instant::now() + AGAIN);
        true
    }

    /// Tries those again that look different now.
    pub(super) fn release_changed(&mut self, desired: &Ruleset) {
        self.services.retain(|owner, case| match (&case.group, desired.groups.get(owner)) {
            (Some(then), Some(now)) => then == now,
            _ => false,
        });
        if self.services.is_empty() {
            self.again = None;
        }
    }

    /// Tries all again.
    pub(super) fn release_all(&mut self) {
        self.services.clear();
        self.again = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.again
    }

    /// The rules without those Services.
    pub(super) fn without(&self, desired: &Ruleset) -> Ruleset {
        let mut rest = desired.clone();
        for owner in self.services.keys() {
            rest.groups.remove(owner);
        }
        rest
    }

    /// All reports, with what to tell the owners of those Services.
    pub(super) fn with(&self, reports: &Arc<Vec<Report>>) -> Arc<Vec<Report>> {
        if self.services.is_empty() {
            return reports.clone();
        }
        let mut all: Vec<Report> = reports.iter().cloned().chain(self.reports()).collect();
        all.sort();
        Arc::new(all)
    }

    fn reports(&self) -> impl Iterator<Item = Report> {
        self.services.iter().map(|(owner, case)| {
            let key = Key::parse(owner).unwrap_or_else(|| Key::new("", owner.clone()));
            let object = ObjectRef { kind: Kind::Service, key };
            let message = format!(
                "the kernel refuses its rules ({}): it is not served on this node, all others are; it is tried again every minute",
                case.why
            );
            Report::new(&object, Severity::Error, "RulesRefused", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l4::ruleset::{Family, Key as ElementKey, SetId, Value};

    fn group(last: u8) -> Arc<[Element]> {
        let key = ElementKey::Address([10, 96, 0, last].into());
        [Element { family: Family::Ip, set: SetId::ClusterIps, key, value: Value::None }].into()
    }

    #[test]
    fn a_refused_service_is_left_out_until_it_changes() {
        let (bad, good): (Owner, Owner) = ("n/bad".into(), "n/good".into());
        let mut desired = Desired::default();
        desired.ruleset.groups.insert(bad.clone(), group(1));
        desired.ruleset.groups.insert(good.clone(), group(2));
        let failure = Failure { command: Some(0), errno: 22, text: "Invalid argument".into() };
        let mut held = Held::default();
        assert!(held.hold(&bad, &failure, Some(&desired)));
        assert!(!held.hold(&bad, &failure, Some(&desired)), "it cannot be to blame twice");
        let rest = held.without(&desired.ruleset);
        assert!(rest.groups.contains_key(&good) && !rest.groups.contains_key(&bad));
        let told = held.with(&Arc::default());
        assert_eq!((told[0].reason, told[0].object.key.to_string()), ("RulesRefused", "n/bad".into()));

        held.release_changed(&desired.ruleset);
        assert!(held.due().is_some(), "nothing changed");
        desired.ruleset.groups.insert(bad.clone(), group(3));
        held.release_changed(&desired.ruleset);
        assert!(held.without(&desired.ruleset).groups.contains_key(&bad));
        assert_eq!((held.due(), held.with(&Arc::default()).len()), (None, 0));
    }
}
