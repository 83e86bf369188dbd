//! Adds up what the threads counted, when somebody asks.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Histogram as Proto, LabelPair, Metric, MetricFamily, MetricType};

use super::{FIRST, Histogram, KINDS, PARTS, Queries, RCODES, SIZES, TIMES, Tally};

/// One family of metrics: name, help, labels beside server, view and zone.
struct Family(&'static str, &'static str, &'static [&'static str]);

const FAMILIES: [Family; 6] = [
    Family("coredns_dns_requests_total", "Queries", &["family", "proto", "type"]),
    Family("coredns_dns_do_requests_total", "Queries that want DNSSEC records", &[]),
    Family("coredns_dns_responses_total", "Replies, by code and what answered", &["plugin", "rcode"]),
    Family("coredns_dns_request_duration_seconds", "Time from a query to its reply", &[]),
    Family("coredns_dns_request_size_bytes", "Bytes of queries", &["proto"]),
    Family("coredns_dns_response_size_bytes", "Bytes of replies", &["proto"]),
];
const PROTOCOLS: [&str; 2] = ["udp", "tcp"];
/// As CoreDNS writes the address families.
const IP_FAMILIES: [&str; 2] = ["1", "2"];

impl Collector for Queries {
    fn desc(&self) -> Vec<&Desc> {
        static DESCS: OnceLock<Vec<Desc>> = OnceLock::new();
        let desc = |Family(name, help, more): &Family| {
            let labels = ["server", "view", "zone"].iter().chain(*more).map(|name| (*name).to_owned());
            Desc::new((*name).into(), (*help).into(), labels.collect(), HashMap::new())
                .expect("a constant name is valid")
        };
        DESCS.get_or_init(|| FAMILIES.iter().map(desc).collect()).iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut metrics: [Vec<Metric>; 6] = Default::default();
        for ((server, zone), threads) in &*series {
            let tallies: Vec<_> = threads.values().cloned().collect();
            Zone { server, name: zone, tallies: &tallies, metrics: &mut metrics }.collect();
        }
        let family = |(at, metrics): (usize, Vec<Metric>)| {
            let Family(name, help, _) = FAMILIES[at];
            let mut family = MetricFamily::default();
            family.set_name(name.into());
            family.set_help(help.into());
            family.set_field_type(if at < 3 { MetricType::COUNTER } else { MetricType::HISTOGRAM });
            family.set_metric(metrics);
            family
        };
        // The encoder does not take families without metrics.
        metrics.into_iter().enumerate().filter(|(_, metrics)| !metrics.is_empty()).map(family).collect()
    }
}

/// One server and zone.
struct Zone<'a> {
    server: &'a str,
    name: &'a str,
    tallies: &'a [Arc<Tally>],
    metrics: &'a mut [Vec<Metric>; 6],
}

impl Zone<'_> {
    fn collect(&mut self) {
        for (tcp, proto) in PROTOCOLS.into_iter().enumerate() {
            for (v6, family) in IP_FAMILIES.into_iter().enumerate() {
                for (at, kind) in names(&KINDS) {
                    let count = self.sum(|tally| &tally.requests[tcp][v6][at]);
                    self.counter(0, count, &[("family", family), ("proto", proto), ("type", kind)]);
                }
            }
            self.histogram(4, &size_bounds(), 1.0, &[("proto", proto)], |tally| &tally.asked[tcp]);
            self.histogram(5, &size_bounds(), 1.0, &[("proto", proto)], |tally| &tally.replied[tcp]);
        }
        let dnssec = self.sum(|tally| &tally.dnssec);
        self.counter(1, dnssec, &[]);
        for part in PARTS {
            for (at, code) in names(&RCODES) {
                let count = self.sum(|tally| &tally.responses[part as usize][at]);
                self.counter(2, count, &[("plugin", part.name()), ("rcode", code)]);
            }
        }
        let bounds: Vec<f64> = (0..TIMES).map(|n| (FIRST << n) as f64 / 1e9).collect();
        self.histogram(3, &bounds, 1e9, &[], |tally| &tally.took);
    }

    fn sum(&self, cell: impl Fn(&Tally) -> &AtomicU64) -> u64 {
        self.tallies.iter().map(|tally| cell(tally).load(Ordering::Relaxed)).sum()
    }

    /// What never happened is not there, as with CoreDNS.
    fn counter(&mut self, family: usize, count: u64, labels: &[(&str, &str)]) {
        if count == 0 {
            return;
        }
        let mut counter = Counter::default();
        counter.set_value(count as f64);
        let mut metric = self.metric(labels);
        metric.set_counter(counter);
        self.metrics[family].push(metric);
    }

    fn histogram<const N: usize>(
        &mut self,
        family: usize,
        bounds: &[f64],
        unit: f64,
        labels: &[(&str, &str)],
        of: impl Fn(&Tally) -> &Histogram<N>,
    ) {
        let counts: Vec<u64> = (0..N).map(|at| self.sum(|tally| &of(tally).buckets[at])).collect();
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return;
        }
        let mut cumulative = 0;
        let bucket = |(count, bound): (&u64, &f64)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_cumulative_count(cumulative);
            bucket.set_upper_bound(*bound);
            bucket
        };
        let mut proto = Proto::default();
        proto.set_bucket(counts.iter().zip(bounds).map(bucket).collect());
        proto.set_sample_count(all);
        proto.set_sample_sum(self.sum(|tally| &of(tally).sum) as f64 / unit);
        let mut metric = self.metric(labels);
        metric.set_histogram(proto);
        self.metrics[family].push(metric);
    }

    fn metric(&self, labels: &[(&str, &str)]) -> Metric {
        let common = [("server", self.server), ("view", ""), ("zone", self.name)];
        let mut pairs: Vec<LabelPair> =
            labels.iter().chain(&common).map(|(name, value)| pair(name, value)).collect();
        pairs.sort_by(|a, b| a.name().cmp(b.name()));
        let mut metric = Metric::default();
        metric.set_label(pairs);
        metric
    }
}

/// The places in a table of names, and the last one for the rest.
fn names<const N: usize>(table: &[(u16, &'static str); N]) -> impl Iterator<Item = (usize, &'static str)> {
    table.iter().map(|(_, name)| *name).chain(["other"]).enumerate()
}

fn size_bounds() -> Vec<f64> {
    SIZES.into_iter().map(f64::from).collect()
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}
