//! Queries and replies: how many, how large, how long.
//!
//! Each thread has counters of its own that nobody else writes, so that counting is a plain store. A collector adds them
//! up by server and zone.

mod collect;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The types that are counted by name; the rest is `other`. As CoreDNS has them.
const KINDS: [(u16, &str); 16] = [
    (1, "A"),
    (28, "AAAA"),
    (33, "SRV"),
    (12, "PTR"),
    (16, "TXT"),
    (5, "CNAME"),
    (6, "SOA"),
    (2, "NS"),
    (15, "MX"),
    (65, "HTTPS"),
    (43, "DS"),
    (48, "DNSKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (50, "NSEC3"),
    (255, "ANY"),
];
/// The codes that are counted by name; the rest is `other`.
const RCODES: [(u16, &str); 13] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (16, "BADVERS"),
    (23, "BADCOOKIE"),
];
/// The upper bounds of sizes, in bytes.
const SIZES: [u16; 14] = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000];
/// How many bounds durations have: 0.25 ms and fifteen times twice as much.
const TIMES: usize = 16;
/// The first bound, in nanoseconds.
const FIRST: u64 = 250_000;

/// The part of the plan that answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// None: the query was refused or nothing was there to ask.
    #[default]
    None,
    /// `acl`.
    Acl,
    /// `any`.
    Any,
    /// `cache`.
    Cache,
    /// `template`.
    Template,
    /// `hosts`.
    Hosts,
    /// `kubernetes`.
    Kubernetes,
    /// `forward`.
    Forward,
    /// `autopath`.
    Autopath,
    /// `transfer`.
    Transfer,
}

/// All parts, in the order of their numbers.
const PARTS: [Part; 10] = [
    Part::None,
    Part::Acl,
    Part::Any,
    Part::Cache,
    Part::Template,
    Part::Hosts,
    Part::Kubernetes,
    Part::Forward,
    Part::Autopath,
    Part::Transfer,
];

impl Part {
    /// As CoreDNS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Acl => "acl",
            Self::Any => "any",
            Self::Cache => "cache",
            Self::Template => "template",
            Self::Hosts => "hosts",
            Self::Kubernetes => "kubernetes",
            Self::Forward => "forward",
            Self::Autopath => "autopath",
            Self::Transfer => "transfer",
        }
    }
}

/// One query with its reply.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// It came over TCP.
    pub tcp: bool,
    /// It came over IPv6.
    pub v6: bool,
    /// The type asked for.
    pub kind: u16,
    /// DNSSEC records were wanted.
    pub dnssec: bool,
    /// The query's length, in bytes.
    pub asked: usize,
    /// The reply's length and code; `None`: there was none.
    pub reply: Option<(usize, u16)>,
    /// What answered.
    pub part: Part,
}

/// What one thread counted for one server and zone.
#[derive(Default)]
pub struct Tally {
    /// By transport, family and type.
    requests: [[[AtomicU64; KINDS.len() + 1]; 2]; 2],
    dnssec: AtomicU64,
    asked: [Histogram<{ SIZES.len() + 1 }>; 2],
    replied: [Histogram<{ SIZES.len() + 1 }>; 2],
    took: Histogram<{ TIMES + 1 }>,
    /// By part and code.
    responses: [[AtomicU64; RCODES.len() + 1]; PARTS.len()],
}

struct Histogram<const N: usize> {
    buckets: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }
}

impl Tally {
    /// Counts a query and its reply. Only the thread that owns this may do so.
    #[inline]
    pub fn count(&self, sample: &Sample) {
        let tcp = usize::from(sample.tcp);
        add(&self.requests[tcp][usize::from(sample.v6)][kind(sample.kind)], 1);
        if sample.dnssec {
            add(&self.dnssec, 1);
        }
        self.asked[tcp].add(size(sample.asked), sample.asked as u64, 1);
        if let Some((length, code)) = sample.reply {
            self.replied[tcp].add(size(length), length as u64, 1);
            add(&self.responses[sample.part as usize][rcode(code)], 1);
        }
    }

    /// Counts the time of so many queries, that of each in nanoseconds. Only the thread that owns this may do so.
    #[inline]
    pub fn took(&self, nanos: u64, queries: u64) {
        // 0.25 ms and its doubles: the number of bits above the first bound.
        let over = nanos.saturating_sub(1) / FIRST;
        let bucket = (64 - over.leading_zeros()) as usize;
        self.took.add(bucket.min(TIMES), nanos.saturating_mul(queries), queries);
    }
}

impl<const N: usize> Histogram<N> {
    #[inline]
    fn add(&self, bucket: usize, sum: u64, count: u64) {
        add(&self.buckets[bucket], count);
        add(&self.sum, sum);
    }
}

/// There is one writer, so nothing is lost between load and store.
#[inline]
fn add(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

#[inline]
fn kind(kind: u16) -> usize {
    KINDS.iter().position(|(number, _)| *number == kind).unwrap_or(KINDS.len())
}

#[inline]
fn rcode(code: u16) -> usize {
    RCODES.iter().position(|(number, _)| *number == code).unwrap_or(RCODES.len())
}

#[inline]
fn size(bytes: usize) -> usize {
    SIZES.iter().position(|bound| bytes <= usize::from(*bound)).unwrap_or(SIZES.len())
}

/// The collector. Clones share what is counted.
#[derive(Clone, Default)]
pub(super) struct Queries {
    series: Arc<Mutex<Series>>,
    threads: Arc<AtomicUsize>,
}

/// By server and zone, what each thread counted.
type Series = BTreeMap<(String, String), BTreeMap<usize, Arc<Tally>>>;

impl Queries {
    pub(super) fn thread(&self) -> usize {
        self.threads.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn tally(&self, thread: usize, server: &str, zone: &str) -> Arc<Tally> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = series.entry((server.to_owned(), zone.to_owned())).or_default();
        threads.entry(thread).or_default().clone()
    }
}
