//! Names outside the zone: upstream resolvers and a cache of what they said.

pub mod cache;
mod check;
mod flight;
mod layout;
mod pool;
mod probe;
pub mod query;
mod resolv;
mod tls;
mod upstream;
mod writer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::plan;
use super::wire::Rcode;
use super::wire::name::Name;
use super::wire::reply::Reply;
use crate::metrics::dns::Metrics;
use flight::Flights;
use layout::Layout;
pub use probe::{LoopProbe, Verdict};
use upstream::Upstream;

/// How long one question may take in all.
const DEADLINE: Duration = Duration::from_secs(5);

/// How often the upstreams are gone through, and the pause after none could be reached at all.
const ROUNDS: usize = 2;
const PAUSE: Duration = Duration::from_millis(100);

/// Upstreams at most, as in CoreDNS.
const UPSTREAMS: usize = 15;

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

impl Answer {
    /// Puts its records and flags into the reply to a query of the same name and type, or says that they do not fit.
    /// `turn` as for zones; `authentic`: the client asked for AD or DO (RFC 6840 section 5.8). False, and nothing
    /// added, when the reply has records already or the message is not ours.
    pub fn fill(&self, reply: &mut Reply<'_>, turn: Option<u32>, authentic: bool) -> bool {
        Layout::read(&self.message)
            .is_some_and(|layout| layout.copy(&self.message, reply, None, turn, authentic))
    }
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
    cache: Option<Arc<cache::Cache>>,
    upstreams: Vec<Arc<Upstream>>,
    flights: Flights,
    turn: AtomicUsize,
    metrics: Metrics,
    runtime: OnceLock<Handle>,
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
    /// Checks and reads what the plan names (files, certificates). `cache` keeps the answers. Needs a tokio runtime
    /// only once it is asked.
    pub fn new(
        plan: plan::Forward,
        cache: Option<Arc<cache::Cache>>,
        metrics: Metrics,
    ) -> Result<Arc<Self>, Unusable> {
        let unusable = |message| Unusable { line: plan.line, message };
        let upstreams = upstreams(&plan, &metrics).map_err(unusable)?;
        let flights = Flights::new(plan.max_concurrent);
        let (turn, runtime) = (AtomicUsize::new(0), OnceLock::new());
        Ok(Arc::new(Self { plan, cache, upstreams, flights, turn, metrics, runtime }))
    }

    /// What it was made with.
    pub fn plan(&self) -> &plan::Forward {
        &self.plan
    }

    /// Its upstreams, those of files included, and whether each is up.
    pub fn upstreams(&self) -> Vec<(plan::Upstream, bool)> {
        let up = |upstream: &Arc<Upstream>| !upstream.is_down(self.plan.max_fails);
        self.upstreams.iter().map(|upstream| (upstream.plan.clone(), up(upstream))).collect()
    }

    /// Asks: the cache first, then upstreams; equal questions under way are asked once.
    pub async fn ask(self: &Arc<Self>, question: &Question) -> Result<Answer, Failure> {
        if let Some(cache) = &self.cache
            && let Some(answer) = cache.find(question, cache::seconds())
        {
            if answer.stale {
                self.refresh(question.clone());
            }
            return Ok(answer);
        }
        let answer = self.fetch(question).await;
        // SERVFAIL and the like are no better than what was known before.
        let good = matches!(&answer, Ok(Answer { rcode: Rcode::NOERROR | Rcode::NXDOMAIN, .. }));
        if !good
            && let Some(cache) = &self.cache
            && let Some(stale) = cache.stale(question, cache::seconds())
        {
            return Ok(stale);
        }
        answer
    }

    /// Asks upstreams whatever the cache says; equal questions under way are asked once. The cache gets the answer.
    pub async fn fetch(self: &Arc<Self>, question: &Question) -> Result<Answer, Failure> {
        self.runtime.get_or_init(Handle::current);
        let Some(mut landing) = self.flights.join(self, question.clone()) else {
            self.metrics.forwarding().rejected();
            return Err(Failure::Busy);
        };
        landing.wait().await
    }

    /// Asks upstreams again for an entry that is in demand or was served past its time; the cache gets the answer. May
    /// be called from any thread once a question has been asked.
    pub fn refresh(self: &Arc<Self>, question: Question) {
        let runtime = self.runtime.get().cloned().or_else(|| Handle::try_current().ok());
        if let Some(runtime) = runtime {
            let _inside = runtime.enter();
            // Where too many are under way, this one can wait for the next who asks.
            drop(self.flights.join(self, question));
        }
    }

    /// Asks one upstream after the other, and keeps the answer.
    async fn consult(&self, question: &Question) -> Result<Answer, Failure> {
        let answer = self.try_all(question).await?;
        Ok(match &self.cache {
            Some(cache) => cache.take(question, answer, cache::seconds()),
            None => answer,
        })
    }

    async fn try_all(&self, question: &Question) -> Result<Answer, Failure> {
        let began = Instant::now();
        let deadline = began + DEADLINE;
        let mut silent = Vec::new();
        let mut second_best = None;
        for round in 0..ROUNDS {
            if second_best.is_some() {
                break;
            }
            if round > 0 {
                sleep(PAUSE).await;
            }
            for upstream in self.order()? {
                if Instant::now() >= deadline {
                    break;
                }
                match upstream.ask(question, deadline).await {
                    Ok(said) => {
                        let answer = Answer {
                            message: said.message.into(),
                            rcode: said.rcode,
                            upstream: Some(upstream.plan.clone()),
                            took: began.elapsed(),
                            stale: false,
                        };
                        if !self.plan.failover.contains(&said.rcode) {
                            return Ok(answer);
                        }
                        second_best = Some(answer);
                    }
                    Err(why) => {
                        upstream.watch(&self.plan);
                        silent.retain(|(who, _)| *who != upstream.plan);
                        silent.push((upstream.plan.clone(), why));
                    }
                }
            }
        }
        second_best.ok_or(Failure::Silent(silent))
    }

    /// Whom to ask, one after the other: those that are up as the policy says; any when none is.
    fn order(&self) -> Result<Vec<Arc<Upstream>>, Failure> {
        let up = |upstream: &&Arc<Upstream>| !upstream.is_down(self.plan.max_fails);
        let mut order: Vec<_> = self.upstreams.iter().filter(up).cloned().collect();
        if order.is_empty() {
            self.metrics.forwarding().broken();
            if self.plan.fail_fast {
                return Err(Failure::Down);
            }
            // It may be the checks that fail.
            order.clone_from(&self.upstreams);
            fastrand::shuffle(&mut order);
            return Ok(order);
        }
        match self.plan.policy {
            plan::Policy::Sequential => {}
            plan::Policy::Random => fastrand::shuffle(&mut order),
            plan::Policy::RoundRobin => {
                let first = self.turn.fetch_add(1, Ordering::Relaxed) % order.len();
                order.rotate_left(first);
            }
        }
        Ok(order)
    }
}

fn upstreams(plan: &plan::Forward, metrics: &Metrics) -> Result<Vec<Arc<Upstream>>, String> {
    let mut named = Vec::new();
    for target in &plan.to {
        match target {
            plan::Target::Upstream(upstream) => named.push(upstream.clone()),
            plan::Target::File(file) => named.extend(resolv::read(file)?),
        }
    }
    if named.is_empty() || named.len() > UPSTREAMS {
        return Err(format!("there are {} upstreams: name 1 to {UPSTREAMS}", named.len()));
    }
    let encrypts = named.iter().any(|upstream| upstream.tls);
    let connector = if encrypts { Some(tls::connector(plan)?) } else { None };
    let ready = |upstream| Upstream::new(&upstream, plan, metrics.clone(), connector.as_ref()).map(Arc::new);
    named.into_iter().map(ready).collect()
}
