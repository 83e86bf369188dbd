//! What the loop tells: log lines for people, figures for metrics, health for probes, reports for the owners of Services.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::{info, warn};

use super::Told;
use super::desired::Desired;
use super::diff::{Command, Transaction};
use super::ruleset::{Element, Family, Ruleset};
use crate::metrics::service_proxy::Metrics;
use crate::model::Report;

/// Why something is written.
pub(super) enum Sync {
    /// What is desired changed, or was refused before.
    Change,
    /// Somebody else wrote to our tables, or may have: who, in words.
    Repair(String),
    /// A look now and then.
    Look,
}

pub(super) struct Telling {
    to: Told,
    metrics: Metrics,
    /// When health was told last.
    told: Instant,
    /// Whether rules were ever in force.
    begun: bool,
    /// When the changes came about that wait to be in force, in milliseconds since 1970.
    triggered: Vec<i64>,
    /// How many Services and endpoint sets changed.
    changed: (usize, usize),
    /// How many elements are in force, for IPv4 and IPv6.
    elements: [usize; 2],
}

impl Telling {
    pub(super) fn new(to: Told, metrics: Metrics) -> Self {
        Self {
            to,
            metrics,
            told: Instant::now(),
            begun: false,
            triggered: Vec::new(),
            changed: (0, 0),
            elements: [0; 2],
        }
    }

    pub(super) fn told(&self) -> Instant {
        self.told
    }

    /// A change is there and not in force yet.
    pub(super) fn noticed(&mut self) {
        let now = now();
        self.metrics.queued(now as f64 / 1000.0);
        self.to.health.send_modify(|health| {
            health.pending.iter_mut().for_each(|pending| *pending = pending.or(Some(now)));
        });
    }

    /// It is known what is to be in force.
    pub(super) fn computed(&mut self, former: Option<&Desired>, desired: &Desired) {
        let nothing = Desired::default();
        let change = desired.changed_since(former.unwrap_or(&nothing));
        self.changed.0 += change.services;
        self.changed.1 += change.endpoint_sets;
        // What came about before the start says nothing about how long it took.
        if former.is_some() {
            self.triggered.extend(change.triggered);
        }
        self.metrics.pending(self.changed.0, self.changed.1);
        let [four, six] = Family::ALL.map(|family| desired.without_local_endpoints(family));
        let (internal, external) = (four.0 + six.0, four.1 + six.1);
        self.metrics.without_local_endpoints(internal, external);
        self.to.checks.send_if_modified(|checks| {
            let differs = *checks != desired.health_checks;
            checks.clone_from(&desired.health_checks);
            differs
        });
        let eligible = desired.node_eligible;
        self.to.health.send_modify(|health| health.node_eligible = eligible);
    }

    /// A transaction is in force.
    pub(super) fn written(
        &mut self,
        sync: &Sync,
        transaction: &Transaction,
        applied: Option<&Ruleset>,
        read: bool,
        took: Duration,
    ) {
        let now = now();
        let (services, endpoint_sets) = std::mem::take(&mut self.changed);
        self.metrics.changed(services, endpoint_sets);
        self.metrics.pending(0, 0);
        for family in Family::ALL {
            let full = !self.begun || read;
            self.metrics.synced(family.label(), full, took, now as f64 / 1000.0);
            let commands = transaction.commands.iter().filter(|command| family_of(command) == family).count();
            if commands > 0 {
                self.metrics.wrote(family.label(), commands);
            }
        }
        let counts = Counts::of(&transaction.commands);
        if let Some(applied) = applied.filter(|_| counts.any() || !self.begun) {
            self.in_force(applied, &transaction.commands, self.begun && !read);
        }
        self.programmed(now);
        let what = format!("{counts} in {:.1} ms", took.as_secs_f64() * 1000.0);
        match sync {
            _ if !self.begun => {
                let size = applied.map_or(0, Ruleset::len);
                info!(
                    "ready: {services} Services and {endpoint_sets} endpoint sets are in force with {size} elements; {what}"
                );
            }
            Sync::Change if counts.any() => {
                info!("{services} Services and {endpoint_sets} endpoint sets changed: {what}");
            }
            Sync::Repair(touched) if counts.any() => {
                self.metrics.repaired();
                warn!("{touched}: repaired, {what}");
            }
            Sync::Look if counts.any() => {
                self.metrics.repaired();
                warn!("the kernel's rules were not what they should be: repaired, {what}");
            }
            _ => {}
        }
        self.begun = true;
        self.healthy(now);
    }

    /// How much there is in each family: counted, or reckoned from what a transaction changed.
    fn in_force(&mut self, applied: &Ruleset, commands: &[Command], reckon: bool) {
        let at = |family: Family| usize::from(family == Family::Ip6);
        if reckon {
            for command in commands {
                match command {
                    Command::AddElement(_, element) => self.elements[at(element.family)] += 1,
                    Command::DeleteElement(_, element) => self.elements[at(element.family)] -= 1,
                    _ => {}
                }
            }
        } else {
            self.elements = [0; 2];
            let elements =
                applied.groups.values().flat_map(|group| group.iter()).chain(applied.shared.keys());
            elements.for_each(|element| self.elements[at(element.family)] += 1);
        }
        for family in Family::ALL {
            let chains = applied.chains.keys().filter(|(of, _)| *of == family).count();
            self.metrics.in_force(family.label(), self.elements[at(family)], chains);
        }
    }

    /// So many places are listened on.
    pub(super) fn opened(&mut self, places: usize, took: Duration) {
        let now = now();
        let (services, endpoint_sets) = std::mem::take(&mut self.changed);
        self.metrics.changed(services, endpoint_sets);
        self.metrics.pending(0, 0);
        for family in Family::ALL {
            self.metrics.synced(family.label(), !self.begun, took, now as f64 / 1000.0);
        }
        self.programmed(now);
        let what = format!("{places} places are listened on, {:.1} ms", took.as_secs_f64() * 1000.0);
        if self.begun && services + endpoint_sets > 0 {
            info!("{services} Services and {endpoint_sets} endpoint sets changed: {what}");
        } else if !self.begun {
            info!("ready: {services} Services and {endpoint_sets} endpoint sets; {what}");
        }
        self.begun = true;
        self.healthy(now);
    }

    /// How long the changes took that are in force now.
    fn programmed(&mut self, now: i64) {
        for at in std::mem::take(&mut self.triggered) {
            self.metrics.programmed(Duration::from_millis(u64::try_from(now - at).unwrap_or(0)));
        }
    }

    fn healthy(&mut self, now: i64) {
        self.told = Instant::now();
        self.to.health.send_modify(|health| {
            health.updated = Some(now);
            health.pending = [None; 2];
        });
    }

    /// Nothing is in force that was asked for.
    pub(super) fn failed(&mut self) {
        self.told = Instant::now();
        for family in Family::ALL {
            self.metrics.failed(family.label());
        }
        // Also when it was not a change that failed, but a repair.
        let now = now();
        self.to.health.send_modify(|health| {
            health.pending.iter_mut().for_each(|pending| *pending = pending.or(Some(now)));
        });
    }

    /// All is as it should be, and was looked after.
    pub(super) fn heartbeat(&mut self, fine: bool) {
        if fine {
            self.healthy(now());
        } else {
            self.told = Instant::now();
        }
    }

    pub(super) fn conntrack(&self, took: Duration, deleted: usize) {
        self.metrics.conntrack(took, deleted);
        if deleted > 0 {
            info!(
                "{deleted} UDP flows to endpoints that left are ended in {:.1} ms",
                took.as_secs_f64() * 1000.0
            );
        }
    }

    /// What is to be told to the owners of objects now.
    pub(super) fn tell(&self, reports: Arc<Vec<Report>>) {
        self.to.reports.send_if_modified(|told| {
            let differs = !Arc::ptr_eq(told, &reports) && **told != *reports;
            *told = reports;
            differs
        });
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn family_of(command: &Command) -> Family {
    match command {
        Command::AddTable(family)
        | Command::DeleteTable(family)
        | Command::AddSet(family, _)
        | Command::DeleteSet(family, _)
        | Command::AddChain(family, ..)
        | Command::FlushChain(family, _)
        | Command::DeleteChain(family, _)
        | Command::AddRule(family, ..)
        | Command::AddElement(_, Element { family, .. })
        | Command::DeleteElement(_, Element { family, .. }) => *family,
    }
}

/// What a transaction does.
#[derive(Default)]
struct Counts {
    added: usize,
    removed: usize,
    chains: usize,
}

impl Counts {
    fn of(commands: &[Command]) -> Self {
        let mut counts = Self::default();
        for command in commands {
            match command {
                Command::AddElement(..) => counts.added += 1,
                Command::DeleteElement(..) => counts.removed += 1,
                Command::AddRule(..) => {}
                _ => counts.chains += 1,
            }
        }
        counts
    }

    fn any(&self) -> bool {
        self.added + self.removed + self.chains > 0
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.any() {
            return f.write_str("nothing had to be written");
        }
        write!(f, "{} elements added, {} removed", self.added, self.removed)?;
        if self.chains > 0 {
            write!(f, ", {} tables, sets and chains made or changed", self.chains)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    #[test]
    fn what_failed_is_pending_until_it_is_put_right_also_without_a_change() {
        let to = Told {
            health: watch::Sender::default(),
            checks: watch::Sender::new(Arc::default()),
            reports: watch::Sender::default(),
        };
        let health = to.health.subscribe();
        let mut telling = Telling::new(to, Metrics::default());
        telling.heartbeat(true);
        assert_eq!(health.borrow().pending, [None; 2]);
        telling.failed();
        let since = health.borrow().pending;
        assert!(since.iter().all(Option::is_some));
        telling.heartbeat(false);
        telling.failed();
        assert_eq!(health.borrow().pending, since, "it fails since then");
        telling.heartbeat(true);
        assert_eq!(health.borrow().pending, [None; 2]);
    }
}
