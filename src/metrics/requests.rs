//! Counts requests by route: number, time and size.
//!
//! A collector of its own, because workers hand over whole histograms and the ready-made ones only take single values.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Summary,
};

/// Upper bounds of the first eleven buckets of a duration, in seconds; the twelfth has no bound.
pub const DURATION_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// More combinations of labels than this share one series without names, so that memory stays bounded.
const MAX_SERIES: usize = 100_000;

/// What a request is counted under. All values but the status come from the configuration or from a fixed list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels {
    /// Name of the Ingress; empty for the built-in default.
    pub ingress: String,
    /// Its namespace.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Host of the rule, as written in it.
    pub host: String,
    /// Path of the rule, as written in it.
    pub path: String,
    /// One of what [`super::method`] answers.
    pub method: &'static str,
    /// Status code.
    pub status: u16,
}

/// What was counted under one set of labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestSample {
    /// Under what.
    pub labels: Labels,
    /// Requests.
    pub count: u64,
    /// Their time in all, from the first byte of the head to the last byte of the answer.
    pub duration_sum_secs: f64,
    /// Requests by duration, not cumulative; bounds are [`DURATION_BOUNDS`], the last is everything longer.
    pub duration_buckets: [u64; 12],
    /// Bytes of the requests, head included.
    pub request_bytes: u64,
    /// Bytes of the answers, head included.
    pub response_bytes: u64,
}

/// The collector. Clones share the series.
#[derive(Clone)]
pub(super) struct Requests {
    state: Arc<Mutex<State>>,
    descs: Arc<Vec<Desc>>,
}

#[derive(Default)]
struct State {
    series: HashMap<Labels, Series>,
    /// Open client connections, by worker.
    active: Vec<i64>,
}

#[derive(Default)]
struct Series {
    count: u64,
    duration_sum_secs: f64,
    buckets: [u64; 12],
    request_bytes: u64,
    response_bytes: u64,
    /// Had requests since the last [`Requests::forget`].
    used: bool,
}

/// One family of metrics: name, help, type.
struct Family(&'static str, &'static str, MetricType);

const FAMILIES: [Family; 5] = [
    Family("nginx_ingress_controller_requests", "Client requests", MetricType::COUNTER),
    Family(
        "nginx_ingress_controller_request_duration_seconds",
        "Time from the first byte of a request to the last byte of its answer",
        MetricType::HISTOGRAM,
    ),
    Family("nginx_ingress_controller_request_size", "Bytes of requests, head included", MetricType::SUMMARY),
    Family("nginx_ingress_controller_response_size", "Bytes of answers, head included", MetricType::SUMMARY),
    Family(
        "nginx_ingress_controller_nginx_process_connections",
        "Client connections open now, by state",
        MetricType::GAUGE,
    ),
];

impl Default for Requests {
    fn default() -> Self {
        let names = ["canary", "host", "ingress", "method", "namespace", "path", "service", "status"]
            .map(str::to_owned);
        let desc = |Family(name, help, kind): &Family| {
            let labels =
                if matches!(kind, MetricType::GAUGE) { vec!["state".into()] } else { names.to_vec() };
            Desc::new((*name).into(), (*help).into(), labels, HashMap::new())
                .expect("a constant name is valid")
        };
        Self { state: Arc::default(), descs: Arc::new(FAMILIES.iter().map(desc).collect()) }
    }
}

impl Requests {
    /// Adds what a worker counted, and replaces its number of open connections.
    pub(super) fn merge(&self, worker: usize, active: i64, samples: Vec<RequestSample>) {
        let mut state = self.lock();
        if state.active.len() <= worker {
            state.active.resize(worker + 1, 0);
        }
        state.active[worker] = active;
        for sample in samples {
            let room = state.series.len() < MAX_SERIES || state.series.contains_key(&sample.labels);
            let labels = if room { sample.labels.clone() } else { Labels::default() };
            state.series.entry(labels).or_default().add(&sample);
        }
    }

    /// Drops series that are unused since the last call and that `alive` does not know.
    pub(super) fn forget(&self, alive: impl Fn(&Labels) -> bool) {
        self.lock().series.retain(|labels, series| std::mem::take(&mut series.used) || alive(labels));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    fn add(&mut self, sample: &RequestSample) {
        self.used = true;
        self.count += sample.count;
        self.duration_sum_secs += sample.duration_sum_secs;
        for (bucket, more) in self.buckets.iter_mut().zip(sample.duration_buckets) {
            *bucket += more;
        }
        self.request_bytes += sample.request_bytes;
        self.response_bytes += sample.response_bytes;
    }

    fn requests(&self) -> Metric {
        let mut counter = Counter::default();
        counter.set_value(self.count as f64);
        let mut metric = Metric::default();
        metric.set_counter(counter);
        metric
    }

    fn duration(&self) -> Metric {
        let mut cumulative = 0;
        let bucket = |(count, bound): (&u64, f64)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_cumulative_count(cumulative);
            bucket.set_upper_bound(bound);
            bucket
        };
        // The text encoder adds the unbounded bucket from the count.
        let buckets = self.buckets.iter().zip(DURATION_BOUNDS).map(bucket).collect();
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.duration_sum_secs);
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        metric
    }

    fn size(&self, bytes: u64) -> Metric {
        let mut summary = Summary::default();
        summary.set_sample_count(self.count);
        summary.set_sample_sum(bytes as f64);
        let mut metric = Metric::default();
        metric.set_summary(summary);
        metric
    }
}

impl Collector for Requests {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let state = self.lock();
        let mut metrics: [Vec<Metric>; 5] = Default::default();
        for (labels, series) in &state.series {
            let pairs = pairs(labels);
            let of_series = [
                series.requests(),
                series.duration(),
                series.size(series.request_bytes),
                series.size(series.response_bytes),
            ];
            for (family, mut metric) in metrics.iter_mut().zip(of_series) {
                metric.set_label(pairs.clone());
                family.push(metric);
            }
        }
        metrics[4].push(active(state.active.iter().sum()));
        let family = |(Family(name, help, kind), metrics): (&Family, Vec<Metric>)| {
            let mut family = MetricFamily::default();
            family.set_name((*name).into());
            family.set_help((*help).into());
            family.set_field_type(*kind);
            family.set_metric(metrics);
            family
        };
        FAMILIES.iter().zip(metrics).map(family).collect()
    }
}

fn active(connections: i64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(connections as f64);
    let mut metric = Metric::default();
    metric.set_gauge(gauge);
    metric.set_label(vec![pair("state", "active".into())]);
    metric
}

/// The labels in the order of their names.
fn pairs(labels: &Labels) -> Vec<LabelPair> {
    vec![
        pair("canary", String::new()),
        pair("host", labels.host.clone()),
        pair("ingress", labels.ingress.clone()),
        pair("method", labels.method.to_owned()),
        pair("namespace", labels.namespace.clone()),
        pair("path", labels.path.clone()),
        pair("service", labels.service.clone()),
        pair("status", labels.status.to_string()),
    ]
}

fn pair(name: &str, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_series_than_the_bound_share_one() {
        let requests = Requests::default();
        let sample = |status: usize| RequestSample {
            labels: Labels { path: format!("/{status}"), ..Labels::default() },
            count: 1,
            ..RequestSample::default()
        };
        requests.merge(0, 0, (0..MAX_SERIES + 10).map(sample).collect());
        let state = requests.lock();
        assert_eq!(state.series.len(), MAX_SERIES + 1);
        assert_eq!(state.series[&Labels::default()].count, 10);
    }
}
