//! What forwarding and its caches count.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::metrics::{counter_with, register};

/// CoreDNS's label for who asks.
const PROXY: &str = "forward";

/// The types of cache entries, in the order of [`CacheFigures`].
const TYPES: [&str; 2] = ["success", "denial"];

/// All of them. Cloning shares them.
#[derive(Clone)]
pub struct Forwarding {
    rejects: IntCounter,
    broken: IntCounter,
    durations: HistogramVec,
    failed_checks: IntCounterVec,
    connections: [IntCounterVec; 2],
    wrong: IntCounterVec,
    caches: Caches,
}

/// What a cache holds and has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Answers and denials.
    pub entries: [usize; 2],
    /// Bytes in memory.
    pub bytes: usize,
    /// Found, by answers and denials.
    pub hits: [u64; 2],
    /// Not found.
    pub misses: u64,
    /// Asked for again before their end.
    pub prefetches: u64,
    /// Served after their end.
    pub stale: u64,
    /// Removed to make room, by answers and denials.
    pub evictions: [u64; 2],
}

impl CacheFigures {
    /// Adds those of another part.
    pub fn add(&mut self, other: &Self) {
        for side in 0..2 {
            self.entries[side] += other.entries[side];
            self.hits[side] += other.hits[side];
            self.evictions[side] += other.evictions[side];
        }
        self.bytes += other.bytes;
        self.misses += other.misses;
        self.prefetches += other.prefetches;
        self.stale += other.stale;
    }
}

impl Forwarding {
    /// Registers them.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| counter_with(registry, Opts::new(name, help));
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters =
                IntCounterVec::new(Opts::new(name, help), labels).expect("a constant name is valid");
            register(registry, counters.clone());
            counters
        };
        let opts = HistogramOpts::new(
            "coredns_proxy_request_duration_seconds",
            "Time until an upstream answered, by upstream and response code",
        );
        let opts = opts.buckets((0..16).map(|n| 0.000_25 * f64::from(1_u32 << n)).collect());
        let durations =
            HistogramVec::new(opts, &["proxy_name", "to", "rcode"]).expect("a constant name is valid");
        register(registry, durations.clone());
        let connections = ["hits", "misses"].map(|what| {
            let name = format!("coredns_proxy_conn_cache_{what}_total");
            let help = match what {
                "hits" => "Queries to upstreams over a connection that was open already",
                _ => "Queries to upstreams that a connection was opened for",
            };
            counters(&name, help, &["proxy_name", "to", "proto"])
        });
        Self {
            rejects: counter(
                "coredns_forward_max_concurrent_rejects_total",
                "Queries refused because too many were under way",
            ),
            broken: counter(
                "coredns_forward_healthcheck_broken_total",
                "Queries for which all upstreams were down",
            ),
            durations,
            failed_checks: counters(
                "coredns_proxy_healthcheck_failures_total",
                "Health checks that failed, by upstream",
                &["proxy_name", "to"],
            ),
            connections,
            wrong: counters(
                "slipway_dns_upstream_wrong_total",
                "Messages of upstreams that did not answer what was asked, or lied, by upstream",
                &["to"],
            ),
            caches: Caches::new(registry),
        }
    }

    /// A query was refused because too many were under way.
    pub fn rejected(&self) {
        self.rejects.inc();
    }

    /// All upstreams were down when a query came.
    pub fn broken(&self) {
        self.broken.inc();
    }

    /// An upstream answered.
    pub fn answered(&self, to: &str, rcode: &str, took: Duration) {
        self.durations.with_label_values(&[PROXY, to, rcode]).observe(took.as_secs_f64());
    }

    /// A health check failed.
    pub fn check_failed(&self, to: &str) {
        self.failed_checks.with_label_values(&[PROXY, to]).inc();
    }

    /// A query took a kept connection, or needed a new one.
    pub fn connected(&self, to: &str, proto: &str, kept: bool) {
        self.connections[usize::from(!kept)].with_label_values(&[PROXY, to, proto]).inc();
    }

    /// An upstream said something that is no answer to what it was asked.
    pub fn wrong(&self, to: &str) {
        self.wrong.with_label_values(&[to]).inc();
    }

    /// Shows the figures of a cache from now on, for as long as `figures` gives them. Of caches with the same labels,
    /// one after the other, the counts go on.
    pub fn cache(
        &self,
        server: &str,
        zones: &str,
        figures: impl Fn() -> Option<CacheFigures> + Send + Sync + 'static,
    ) {
        let labels = [server.to_owned(), zones.to_owned()];
        let followed = Followed { labels, figures: Box::new(figures), shown: CacheFigures::default() };
        self.caches.inner.followed.lock().unwrap_or_else(PoisonError::into_inner).push(followed);
    }
}

impl fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding").finish_non_exhaustive()
    }
}

/// Looks at the caches when it is asked.
#[derive(Clone)]
struct Caches {
    inner: Arc<Inner>,
}

struct Inner {
    followed: Mutex<Vec<Followed>>,
    entries: IntGaugeVec,
    /// Hits and evictions, by type.
    typed: [IntCounterVec; 2],
    /// Requests, misses, prefetches, what was served stale, drops.
    plain: [IntCounterVec; 5],
}

struct Followed {
    labels: [String; 2],
    figures: Box<dyn Fn() -> Option<CacheFigures> + Send + Sync>,
    shown: CacheFigures,
}

impl Caches {
    fn new(registry: &Registry) -> Self {
        let typed = ["server", "type", "zones", "view"];
        let opts = Opts::new("coredns_cache_entries", "Answers and denials in the cache");
        let counters = |what: &str, help: &str, labels: &[&str]| {
            let opts = Opts::new(format!("coredns_cache_{what}_total"), help);
            IntCounterVec::new(opts, labels).expect("a constant name is valid")
        };
        let plain = |what: &str, help: &str| counters(what, help, &["server", "zones", "view"]);
        let inner = Inner {
            followed: Mutex::default(),
            entries: IntGaugeVec::new(opts, &typed).expect("a constant name is valid"),
            typed: [
                counters("hits", "Queries answered from the cache", &typed),
                counters("evictions", "Entries removed to make room", &typed),
            ],
            plain: [
                plain("requests", "Queries that the cache was asked for"),
                plain("misses", "Queries that the cache had no answer to"),
                plain("prefetch", "Entries asked for again before their end"),
                plain("served_stale", "Queries answered with what had ended"),
                plain("drops", "Answers not kept because they are for another question"),
            ],
        };
        let caches = Self { inner: Arc::new(inner) };
        register(registry, caches.clone());
        caches
    }

    fn collectors(&self) -> impl Iterator<Item = &dyn Collector> {
        let Inner { entries, typed, plain, .. } = &*self.inner;
        let entries: &dyn Collector = entries;
        let counters = typed.iter().chain(plain).map(|counters| -> &dyn Collector { counters });
        std::iter::once(entries).chain(counters)
    }
}

impl Collector for Caches {
    fn desc(&self) -> Vec<&Desc> {
        self.collectors().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut followed = self.inner.followed.lock().unwrap_or_else(PoisonError::into_inner);
        // What has gone is set to nothing before its successor says what it holds.
        followed.retain_mut(|cache| cache.show(&self.inner));
        for cache in &*followed {
            cache.entries(&self.inner, cache.shown.entries);
        }
        self.collectors().flat_map(Collector::collect).collect()
    }
}

impl Followed {
    /// Brings the counters up to date; false when the cache has gone.
    fn show(&mut self, inner: &Inner) -> bool {
        let figures = (self.figures)();
        let Some(now) = figures else {
            self.entries(inner, [0; 2]);
            return false;
        };
        let [server, zones] = &self.labels;
        let [hits, evictions] = &inner.typed;
        let former = &self.shown;
        for (side, of) in TYPES.iter().enumerate() {
            let labels = [server.as_str(), of, zones, ""];
            hits.with_label_values(&labels).inc_by(now.hits[side].saturating_sub(former.hits[side]));
            let gone = now.evictions[side].saturating_sub(former.evictions[side]);
            evictions.with_label_values(&labels).inc_by(gone);
        }
        let asked = |figures: &CacheFigures| figures.misses + figures.hits.iter().sum::<u64>();
        let pairs = [
            (asked(&now), asked(former)),
            (now.misses, former.misses),
            (now.prefetches, former.prefetches),
            (now.stale, former.stale),
            (0, 0),
        ];
        for (counter, (now, former)) in inner.plain.iter().zip(pairs) {
            counter.with_label_values(&[server.as_str(), zones, ""]).inc_by(now.saturating_sub(former));
        }
        self.shown = now;
        true
    }

    fn entries(&self, inner: &Inner, entries: [usize; 2]) {
        let [server, zones] = &self.labels;
        for (of, count) in TYPES.iter().zip(entries) {
            let gauge = inner.entries.with_label_values(&[server.as_str(), of, zones, ""]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::text;

    #[test]
    fn upstreams_and_caches_have_the_names_that_coredns_gives_them() {
        let registry = Registry::new();
        let forwarding = Forwarding::new(&registry);
        forwarding.rejected();
        forwarding.broken();
        forwarding.answered("192.0.2.1:53", "NOERROR", Duration::from_millis(3));
        forwarding.check_failed("192.0.2.1:53");
        forwarding.connected("192.0.2.1:853", "tcp-tls", true);
        let figures = CacheFigures {
            entries: [3, 4],
            hits: [5, 6],
            misses: 7,
            stale: 8,
            prefetches: 9,
            ..CacheFigures::default()
        };
        forwarding.cache("dns://:53", ".", move || Some(figures));
        text(&registry);
        let text = text(&registry);
        for line in [
            "coredns_forward_max_concurrent_rejects_total 1",
            "coredns_forward_healthcheck_broken_total 1",
            "coredns_proxy_request_duration_seconds_bucket{proxy_name=\"forward\",rcode=\"NOERROR\",to=\"192.0.2.1:53\",le=\"0.004\"} 1",
            "coredns_proxy_healthcheck_failures_total{proxy_name=\"forward\",to=\"192.0.2.1:53\"} 1",
            "coredns_proxy_conn_cache_hits_total{proto=\"tcp-tls\",proxy_name=\"forward\",to=\"192.0.2.1:853\"} 1",
            "coredns_cache_entries{server=\"dns://:53\",type=\"denial\",view=\"\",zones=\".\"} 4",
            "coredns_cache_hits_total{server=\"dns://:53\",type=\"success\",view=\"\",zones=\".\"} 5",
            "coredns_cache_requests_total{server=\"dns://:53\",view=\"\",zones=\".\"} 18",
            "coredns_cache_misses_total{server=\"dns://:53\",view=\"\",zones=\".\"} 7",
            "coredns_cache_served_stale_total{server=\"dns://:53\",view=\"\",zones=\".\"} 8",
            "coredns_cache_prefetch_total{server=\"dns://:53\",view=\"\",zones=\".\"} 9",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn counts_go_on_where_a_cache_takes_the_place_of_another() {
        let registry = Registry::new();
        let forwarding = Forwarding::new(&registry);
        let first = Arc::new(CacheFigures { entries: [2, 0], misses: 7, ..CacheFigures::default() });
        let weak = Arc::downgrade(&first);
        forwarding.cache("dns://:53", ".", move || weak.upgrade().map(|figures| *figures));
        assert!(
            text(&registry)
                .contains("coredns_cache_misses_total{server=\"dns://:53\",view=\"\",zones=\".\"} 7")
        );
        drop(first);
        forwarding.cache("dns://:53", ".", || Some(CacheFigures { misses: 1, ..CacheFigures::default() }));
        let text = text(&registry);
        assert!(
            text.contains("coredns_cache_misses_total{server=\"dns://:53\",view=\"\",zones=\".\"} 8"),
            "{text}"
        );
        assert!(text.contains(
            "coredns_cache_entries{server=\"dns://:53\",type=\"success\",view=\"\",zones=\".\"} 0"
        ));
    }
}
