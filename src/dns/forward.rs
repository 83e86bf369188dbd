//! Names outside the zone: upstream resolvers and a cache of what they said.

pub mod cache;

use std::sync::Arc;
use std::time::Duration;

use super::plan;
use super::wire::Rcode;
use super::wire::name::Name;
use crate::metrics::dns::Metrics;

/// A question for upstreams: what tells one cache entry from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name, in lower case.
    pub name: Name,
    /// The record type.
    pub kind: u16,
    /// DNSSEC records are wanted (DO).
    pub dnssec: bool,
    /// Checking is disabled (CD).
    pub unchecked: bool,
}

/// What an upstream said, checked against the question: a message with the question in lower case, without OPT.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The whole message; its id is 0.
    pub message: Arc<[u8]>,
    /// Its code, with the upper bits from OPT.
    pub rcode: Rcode,
    /// Who said it; `None` from the cache.
    pub upstream: Option<plan::Upstream>,
    /// How long that took.
    pub took: Duration,
    /// From the cache, and past its time.
    pub stale: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too many queries are under way: REFUSED.
    Busy,
    /// No upstream answered in time, with what each said last: SERVFAIL.
    Silent(Vec<(plan::Upstream, String)>),
    /// All upstreams are down and `failfast_all_unhealthy_upstreams` is on: SERVFAIL.
    Down,
}

/// One `forward` with its upstreams. Lives on the runtime that [`Forwarder::ask`] is polled on.
pub struct Forwarder {
    plan: plan::Forward,
}

/// Why a `forward` cannot be put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The line of the Corefile, 0 for a flag.
    pub line: u32,
    /// What is wrong and what to do.
    pub message: String,
}

impl Forwarder {
    /// Checks and reads what the plan names (files, certificates). `cache` keeps the answers. Needs a tokio runtime only once it is asked.
    pub fn new(
        plan: plan::Forward,
        cache: Option<Arc<cache::Cache>>,
        metrics: Metrics,
    ) -> Result<Arc<Self>, Unusable> {
        let _ = (cache, metrics);
        Ok(Arc::new(Self { plan }))
    }

    /// What it was made with.
    pub fn plan(&self) -> &plan::Forward {
        &self.plan
    }

    /// Asks: the cache first, then upstreams; equal questions under way are asked once.
    pub async fn ask(self: &Arc<Self>, question: &Question) -> Result<Answer, Failure> {
        let _ = question;
        Err(Failure::Down)
    }

    /// Asks upstreams again for an entry that is in demand or was served past its time; the cache gets the answer.
    pub fn refresh(self: &Arc<Self>, question: Question) {
        let _ = question;
    }
}
