//! What is written back to a cluster: who leads, how many statuses and Events.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::register;

/// What is done to an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventAction {
    /// Its cause began.
    Create,
    /// Its cause lasts.
    Refresh,
    /// Its cause ended.
    Delete,
}

impl EventAction {
    fn label(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Refresh => "refresh",
            Self::Delete => "delete",
        }
    }
}

pub(super) struct Publishing {
    leader: IntGaugeVec,
    statuses: IntCounterVec,
    events: IntCounterVec,
}

impl Publishing {
    pub(super) fn new(registry: &Registry) -> Self {
        let leader = Opts::new(
            "nginx_ingress_controller_leader_election_status",
            "1 while this replica writes status and Events, by the name of the Lease",
        );
        let leader = IntGaugeVec::new(leader, &["name"]).expect("a constant name is valid");
        register(registry, leader.clone());
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels);
            let counters = counters.expect("a constant name is valid");
            register(registry, counters.clone());
            counters
        };
        Self {
            leader,
            statuses: counters(
                "slipway_status_writes_total",
                "Writes of addresses into the status of Ingresses",
                &["result"],
            ),
            events: counters(
                "slipway_events_total",
                "Events about Ingresses that were written or deleted",
                &["action", "result"],
            ),
        }
    }

    pub(super) fn leading(&self, lease: &str, leading: bool) {
        self.leader.with_label_values(&[lease]).set(i64::from(leading));
    }

    pub(super) fn status_written(&self, well: bool) {
        self.statuses.with_label_values(&[result(well)]).inc();
    }

    pub(super) fn event_written(&self, action: EventAction, well: bool) {
        self.events.with_label_values(&[action.label(), result(well)]).inc();
    }
}

fn result(well: bool) -> &'static str {
    if well { "success" } else { "failure" }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn the_leader_and_what_it_writes_are_shown() {
        let metrics = Metrics::new();
        metrics.leading("slipway-leader", true);
        metrics.status_written(true);
        metrics.event_written(EventAction::Create, false);
        let text = metrics.text();
        for line in [
            "nginx_ingress_controller_leader_election_status{name=\"slipway-leader\"} 1",
            "slipway_status_writes_total{result=\"success\"} 1",
            "slipway_events_total{action=\"create\",result=\"failure\"} 1",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        metrics.leading("slipway-leader", false);
        assert!(metrics.text().contains("leader_election_status{name=\"slipway-leader\"} 0"));
    }
}
