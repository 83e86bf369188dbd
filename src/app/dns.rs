//! `slipway dns`: which tasks answer the names of a cluster.
//!
//! ```text
//! Corefile, flags ─> plan ──> Active ─────┐
//! source ─> store ── snapshots ───────────┴─> keeper (a thread of its own) ──> Published<Serving> ─> the threads that answer
//!                                                  └── reports ─> log
//! ```
//!
//! Start: ports are bound, the plan is made ready, the source is followed, and queries are answered once all is known, at
//! the latest after `startup_timeout`: until then names of the cluster get SERVFAIL, and others an answer. End: not ready,
//! the lameduck time, no more queries. A second signal ends at once.

mod feed;
mod places;
mod plan;
pub mod query;
mod reload;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::signals::{self, Signals};
use super::{Error, control_runtime};
use crate::admin::dns::{Phase, State};
use crate::config::{Dns, Source};
use crate::controller::reports::Written;
use crate::dns::keep::Keeper;
use crate::dns::plan::Plan;
use crate::dns::serve::{Active, Running, Serving};
use crate::dns::wire::name::Name;
use crate::metrics::dns::Metrics;
use crate::model::freshness::Freshness;
use crate::model::{Key, Report, Snapshot};
use crate::publish::Published;
use feed::{Feed, Followed, Need};
use places::Places;

/// How long what is under way may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until a signal. Answers the exit code.
pub fn run(config: &Dns) -> Result<u8, Error> {
    control_runtime()?.block_on(serve(config))
}

/// What the tasks share.
struct Shared {
    published: Published<Serving>,
    plans: watch::Sender<Arc<Active>>,
    /// Stays here when a source ends: what is known is served on.
    snapshots: watch::Sender<Option<Snapshot>>,
    freshness: watch::Sender<Freshness>,
    complete: watch::Sender<bool>,
    reports: watch::Sender<Arc<Vec<Report>>>,
    phase: watch::Sender<Phase>,
    metrics: Metrics,
}

async fn serve(config: &Dns) -> Result<u8, Error> {
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    let metrics = Metrics::default();
    let plan = reload::first(config)?;
    let active = make(plan, None, &metrics).map_err(Error::Corefile)?;
    let shared = Shared {
        published: Published::new(serving_nothing(&active)),
        plans: watch::Sender::new(active.clone()),
        snapshots: watch::Sender::new(None),
        freshness: watch::Sender::default(),
        complete: watch::Sender::new(false),
        reports: watch::Sender::default(),
        phase: watch::Sender::default(),
        metrics,
    };
    let mut tasks = JoinSet::new();
    let places = Places::of(config, active.plan());
    let server = places.bind_queries(config)?;
    let state = |port| State {
        serving: shared.published.clone(),
        port,
        search: query::node_search(),
        complete: shared.complete.subscribe(),
        freshness: shared.freshness.subscribe(),
        phase: shared.phase.subscribe(),
        metrics: shared.metrics.clone(),
    };
    let shown = places.show(&state(places.port()), &mut tasks)?;
    info!(
        "dns on {}; {}; {shown}",
        places::list(&server.addresses()),
        describe(active.plan(), &config.answers.source)
    );
    let feed = Feed {
        source: config.answers.source.clone(),
        snapshots: shared.snapshots.clone(),
        freshness: shared.freshness.clone(),
        metrics: shared.metrics.clone(),
    };
    let mut program = Program { config, feed, shared, places, followed: None, tasks };
    program.follow().await?;
    let mut kept = program.keep()?;
    let patience = startup(active.plan());
    drop(active);
    let waited = tokio::select! {
        signal = signals.next() => {
            info!("{}: ending before anything was answered", signals::name(signal));
            return Ok(0);
        }
        waited = program.complete(patience) => waited,
    };
    waited?;
    let running = server.start(program.shared.published.clone(), program.shared.metrics.clone());
    let running = running.map_err(Error::Runtime)?;
    program.shared.phase.send_replace(Phase::Serving);
    let mut looped = running.looped();
    let signal = tokio::select! {
        signal = signals.next() => signal,
        why = looping(&mut looped) => return Err(Error::Looping(why)),
        why = program.work() => return Err(why),
        _ = &mut kept => return Err(Error::Source("keeping the zones ended too early".into())),
    };
    Ok(program.end(running, signal, &mut signals).await)
}

/// What runs.
struct Program<'a> {
    config: &'a Dns,
    feed: Feed,
    shared: Shared,
    places: Places,
    followed: Option<Followed>,
    tasks: JoinSet<()>,
}

impl Program<'_> {
    /// Follows what the plan needs, if it is not followed already.
    async fn follow(&mut self) -> Result<(), Error> {
        let plan = self.shared.plans.borrow().clone();
        let wrong = |why| Error::Corefile(vec![why]);
        let need = Need::of(plan.plan(), &self.config.answers.source).map_err(wrong)?;
        if need.as_ref() != self.followed.as_ref().map(|followed| &followed.need) {
            self.followed = match need {
                Some(need) => Some(self.feed.follow(need).await?),
                None => None,
            };
        }
        Ok(())
    }

    /// Keeps the zones on a thread of their own, and writes reports into the log. Gives who tells when that ends.
    fn keep(&mut self) -> Result<oneshot::Receiver<()>, Error> {
        let service = &self.config.answers.service;
        let keeper = Keeper {
            snapshots: self.shared.snapshots.subscribe(),
            plans: self.shared.plans.subscribe(),
            published: self.shared.published.clone(),
            own_service: Some(Key::new(service.namespace.as_str(), service.name.as_str())),
            complete: self.shared.complete.clone(),
            reports: self.shared.reports.clone(),
            metrics: self.shared.metrics.clone(),
        };
        self.tasks.spawn(tell(self.shared.snapshots.subscribe(), self.shared.reports.subscribe()));
        let runtime = control_runtime()?;
        let (end, ended) = oneshot::channel();
        let work = move || {
            runtime.block_on(keeper.run());
            let _ = end.send(()); // nobody waits any more
        };
        thread::Builder::new().name("zones".into()).spawn(work).map_err(Error::Runtime)?;
        Ok(ended)
    }

    /// Waits until all is known, at most that long.
    async fn complete(&mut self, patience: Duration) -> Result<(), Error> {
        let mut complete = self.shared.complete.subscribe();
        tokio::select! {
            _ = complete.wait_for(|complete| *complete) => Ok(()),
            () = sleep(patience) => {
                warn!(
                    "not all names of the cluster are known after {patience:?}: they get SERVFAIL until they are; others are answered"
                );
                Ok(())
            }
            why = unusable(&mut self.followed, &self.shared.snapshots) => Err(why),
        }
    }

    /// Takes new plans while queries are answered. Gives why the program must end.
    async fn work(&mut self) -> Error {
        let (sender, mut plans) = mpsc::channel(1);
        let known = self.shared.plans.borrow().plan().clone();
        self.tasks.spawn(reload::run(self.config.clone(), known, sender, self.shared.metrics.clone()));
        let mut complete = self.shared.complete.subscribe();
        let mut said = false;
        loop {
            tokio::select! {
                Some(plan) = plans.recv() => self.change(plan).await,
                _ = complete.wait_for(|complete| *complete), if !said => {
                    said = true;
                    info!("ready: {}", known_words(&self.shared.snapshots.borrow()));
                }
                why = unusable(&mut self.followed, &self.shared.snapshots) => return why,
            }
        }
    }

    /// Puts a new plan in force; the old one stays when that cannot be.
    async fn change(&mut self, plan: Plan) {
        let former = self.shared.plans.borrow().clone();
        let checked = Need::of(&plan, &self.config.answers.source).map_err(|why| vec![why]);
        let active = checked.and_then(|_| make(plan, Some(&former), &self.shared.metrics));
        let active = match active {
            Ok(active) => active,
            Err(faults) => {
                self.shared.metrics.reload_failed();
                error!("{}; what was in force stays so", faults.join("; "));
                return;
            }
        };
        if active.plan() != former.plan() {
            info!(
                "the new configuration is in force: {}",
                describe(active.plan(), &self.config.answers.source)
            );
            self.places.differing(self.config, active.plan());
        }
        self.shared.plans.send_replace(active);
        if let Err(error) = self.follow().await {
            error!("{error}; what is known stays in force");
        }
    }

    /// Ends in order: not ready, the lameduck time, no more queries. Answers the exit code.
    async fn end(mut self, running: Running, signal: u8, signals: &mut Signals) -> u8 {
        let lameduck = self.config.lameduck.unwrap_or_else(|| {
            let plan = self.shared.plans.borrow();
            plan.plan().health.map_or(Duration::ZERO, |health| health.lameduck)
        });
        info!(
            "{}: not ready any more, answering for another {lameduck:?}; a second signal ends at once",
            signals::name(signal)
        );
        self.shared.phase.send_replace(Phase::Ending);
        let in_order = async {
            sleep(lameduck).await;
            let stopped = timeout(PATIENCE * 2, spawn_blocking(move || running.stop(PATIENCE))).await;
            if stopped.is_err() {
                warn!("not all queries were finished within {PATIENCE:?}");
            }
        };
        let code = tokio::select! {
            () = in_order => 0,
            signal = signals.next() => {
                warn!("{} again: ending at once", signals::name(signal));
                128 + signal
            }
        };
        self.followed = None;
        self.tasks.shutdown().await;
        if code == 0 {
            info!("all queries are answered: goodbye");
        }
        code
    }
}

/// Makes a plan ready. The error is a line for each fault.
fn make(plan: Plan, former: Option<&Active>, metrics: &Metrics) -> Result<Arc<Active>, Vec<String>> {
    let active = Active::new(plan, former, metrics).map(Arc::new);
    active.map_err(|faults| {
        let line = |fault: crate::dns::forward::Unusable| match fault.line {
            0 => fault.message,
            line => format!("line {line}: {}", fault.message),
        };
        faults.into_iter().map(line).collect()
    })
}

fn serving_nothing(active: &Arc<Active>) -> Serving {
    let count = active.plan().blocks.iter().filter(|block| block.kubernetes.is_some()).count();
    Serving { active: active.clone(), zones: vec![None; count] }
}

/// How long to wait for the first complete list.
fn startup(plan: &Plan) -> Duration {
    let all = plan.blocks.iter().filter_map(|block| block.kubernetes.as_ref());
    all.map(|kubernetes| kubernetes.startup).max().unwrap_or_default()
}

/// Ends with an error when there is nothing to begin with. Later the source may end: what is in force stays so.
async fn unusable(followed: &mut Option<Followed>, snapshots: &watch::Sender<Option<Snapshot>>) -> Error {
    let Some(source) = followed.as_mut().map(|followed| &mut followed.source).filter(|s| !s.is_finished())
    else {
        return std::future::pending().await;
    };
    let ended = source.await;
    let why = match ended {
        Ok(Err(why)) => why,
        Ok(Ok(())) | Err(_) => "reading the source ended too early".into(),
    };
    if snapshots.borrow().is_none() {
        return Error::Source(why);
    }
    error!("the source is not followed any more: {why}; what is in force stays so until a restart");
    std::future::pending().await
}

/// Waits until it is found out that what is sent upstream comes back.
async fn looping(looped: &mut watch::Receiver<Option<String>>) -> String {
    match looped.wait_for(Option::is_some).await.map(|why| why.clone()) {
        Ok(Some(why)) => why,
        _ => std::future::pending().await,
    }
}

/// Writes into the log what there is to tell about objects, when that changes.
async fn tell(
    mut snapshots: watch::Receiver<Option<Snapshot>>,
    mut reports: watch::Receiver<Arc<Vec<Report>>>,
) {
    let mut written = Written::default();
    loop {
        let of_source = snapshots.borrow_and_update().as_ref().map(|all| all.reports.clone());
        let of_zones = reports.borrow_and_update().clone();
        let mut all = [of_source.unwrap_or_default().as_slice(), of_zones.as_slice()].concat();
        all.sort();
        all.dedup();
        written.write(&Arc::new(all));
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            changed = reports.changed() => if changed.is_err() { return },
        }
    }
}

/// What is answered, in a line.
fn describe(plan: &Plan, source: &Source) -> String {
    let mut parts = Vec::new();
    let zones = plan.blocks.iter().filter_map(|block| block.kubernetes.as_ref());
    let mut zones: Vec<String> = zones.flat_map(|kubernetes| &kubernetes.zones).map(short).collect();
    zones.dedup();
    if !zones.is_empty() {
        let from = match source {
            Source::Directory(directory) => directory.display().to_string(),
            Source::Kubernetes { .. } => "the cluster".into(),
        };
        parts.push(format!("{} from {from}", zones.join(", ")));
    }
    for forward in plan.blocks.iter().flat_map(|block| &block.forwards) {
        let to: Vec<String> = forward.to.iter().map(places::target).collect();
        let what = if forward.from.is_root() { "all else".into() } else { short(&forward.from) };
        parts.push(format!("{what} from {}", to.join(", ")));
    }
    parts.dedup();
    if parts.is_empty() { "nothing is answered".into() } else { parts.join("; ") }
}

/// A name without the dot at its end.
fn short(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

fn known_words(snapshot: &Option<Snapshot>) -> String {
    let Some(snapshot) = snapshot else { return "queries are answered".into() };
    match snapshot.services.len() {
        1 => "1 Service is known".into(),
        count => format!("{count} Services are known"),
    }
}
