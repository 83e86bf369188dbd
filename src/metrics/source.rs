//! How well a source follows the API server: what is followed, how old the data is, what went wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{IntCounterVec, Opts, Registry};

use super::register;

/// Since when a watch does not follow any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It follows.
    Now,
    /// It has not begun to.
    Never,
    /// It followed until then, in seconds since the epoch.
    Until(i64),
}

/// What a source that follows the API server counts. Clones count into the same metrics.
#[derive(Clone)]
pub struct SourceMetrics {
    watches: Watches,
    lists: IntCounterVec,
    errors: IntCounterVec,
}

impl SourceMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters =
                IntCounterVec::new(Opts::new(name, help), labels).expect("a constant name is valid");
            register(registry, counters.clone());
            counters
        };
        let watches = Watches::new();
        register(registry, watches.clone());
        Self {
            watches,
            lists: counters(
                "slipway_watch_lists_total",
                "Complete lists read from the API server, by kind of object",
                &["watch"],
            ),
            errors: counters(
                "slipway_watch_errors_total",
                "What went wrong while reading from the API server, by kind of object and reason",
                &["watch", "reason"],
            ),
        }
    }

    /// Whether a watch, by its name and kind of object, follows the API server.
    pub fn watch_followed(&self, name: &Arc<str>, kind: &'static str, followed: Followed) {
        self.watches.lock().insert(name.clone(), (kind, followed));
    }

    /// A watch is not needed any more.
    pub fn watch_ended(&self, name: &str) {
        self.watches.lock().remove(name);
    }

    /// A complete list of a kind of object was read.
    pub fn watch_listed(&self, kind: &str) {
        self.lists.with_label_values(&[kind]).inc();
    }

    /// Something went wrong while a kind of object was read.
    pub fn watch_failed(&self, kind: &str, reason: &str) {
        self.errors.with_label_values(&[kind, reason]).inc();
    }
}

type Table = BTreeMap<Arc<str>, (&'static str, Followed)>;

/// The state of each watch; the figures are made of it when somebody asks.
#[derive(Clone)]
struct Watches {
    table: Arc<Mutex<Table>>,
    descs: Arc<[Desc; 2]>,
}

const FOLLOWING: (&str, &str) =
    ("slipway_watch_following", "1 while every change of this kind of object arrives, else 0");
const AGE: (&str, &str) = (
    "slipway_data_age_seconds",
    "How long ago the last contact was lost that is not found again; 0 while everything is followed",
);

impl Watches {
    fn new() -> Self {
        let desc = |(name, help): (&str, &str), labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.into(), help.into(), labels, HashMap::new()).expect("a constant name is valid")
        };
        Self { table: Arc::default(), descs: Arc::new([desc(FOLLOWING, &["watch"]), desc(AGE, &[])]) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Watches {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let table = self.lock();
        if table.is_empty() {
            return Vec::new(); // a directory
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut kinds: BTreeMap<&str, bool> = BTreeMap::new();
        let mut age = 0;
        for (kind, followed) in table.values() {
            *kinds.entry(kind).or_insert(true) &= *followed == Followed::Now;
            if let Followed::Until(since) = followed {
                age = age.max(now - since);
            }
        }
        let following = kinds.into_iter().map(|(kind, all)| gauge(Some(kind), if all { 1.0 } else { 0.0 }));
        vec![family(FOLLOWING, following.collect()), family(AGE, vec![gauge(None, age as f64)])]
    }
}

fn gauge(kind: Option<&str>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::default();
    metric.set_gauge(gauge);
    metric.set_label(kind.map(label).into_iter().collect());
    metric
}

fn label(kind: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name("watch".into());
    pair.set_value(kind.into());
    pair
}

fn family((name, help): (&str, &str), metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(metrics);
    family
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn a_kind_is_followed_when_each_of_its_watches_is() {
        let all = Metrics::new();
        let metrics = all.source();
        assert!(!all.text().contains("slipway_data_age_seconds"), "there is no age without a watch");
        let name = |name: &str| Arc::<str>::from(name);
        metrics.watch_followed(&name("Ingress"), "Ingress", Followed::Now);
        metrics.watch_followed(&name("Secret a/b"), "Secret", Followed::Now);
        metrics.watch_followed(&name("Secret a/c"), "Secret", Followed::Never);
        metrics.watch_failed("Secret", "forbidden");
        metrics.watch_listed("Ingress");
        let text = all.text();
        for line in [
            "slipway_watch_following{watch=\"Ingress\"} 1",
            "slipway_watch_following{watch=\"Secret\"} 0",
            "slipway_data_age_seconds 0",
            "slipway_watch_errors_total{reason=\"forbidden\",watch=\"Secret\"} 1",
            "slipway_watch_lists_total{watch=\"Ingress\"} 1",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        metrics.watch_followed(&name("Ingress"), "Ingress", Followed::Until(0));
        metrics.watch_ended("Secret a/c");
        let text = all.text();
        let age = text.lines().find_map(|line| line.strip_prefix("slipway_data_age_seconds "));
        assert!(age.unwrap().parse::<f64>().unwrap() > 1e9, "{text}");
        assert!(text.contains("slipway_watch_following{watch=\"Secret\"} 1"), "{text}");
    }
}
