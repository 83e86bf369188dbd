//! `slipway service-proxy`: which tasks make the Services of a node work.
//!
//! ```text
//! source ── snapshots ──> l4 (a thread of its own) ──┬── health ──> /healthz, /livez, health check ports
//!                                                    └── reports ─> log
//! ```
//!
//! Rules are computed and written on a thread of their own, so that probes are answered whatever else there is to do. The
//! rules stay in force when this ends.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{info, warn};

use super::signals::{self, Signals};
use super::{Error, SourceTask, UPDATES, client, control_runtime, options, watch_source};
use crate::admin::node::{Server, State, checks};
use crate::config::flags::ProxyMode;
use crate::config::{Pods, ServiceProxy, Source};
use crate::controller::reports::Written;
use crate::controller::snapshots;
use crate::l4;
use crate::metrics::service_proxy::Metrics;
use crate::model::freshness::Freshness;
use crate::model::health::{HealthCheck, ProxyHealth};
use crate::model::{Report, Snapshot};
use crate::source::files::{self, Files};
use crate::source::kubernetes;
use crate::store::{Store, Update};

/// How long what is being written to the kernel may take when the program ends.
const LAST: Duration = Duration::from_secs(3);

/// Serves until a signal.
pub fn run(config: &ServiceProxy) -> Result<(), Error> {
    control_runtime()?.block_on(serve(config))
}

/// Removes everything of ours from the kernel. Says whether there was anything.
pub fn cleanup() -> Result<bool, Error> {
    l4::cleanup().map_err(Error::Kernel)
}

/// What tells the tasks of each other.
struct Shared {
    health: watch::Sender<ProxyHealth>,
    checks: watch::Sender<Arc<[HealthCheck]>>,
    reports: watch::Sender<Arc<Vec<Report>>>,
    /// Stays here when the source ends: rules are looked after all the same.
    snapshots: watch::Sender<Option<Snapshot>>,
    freshness: watch::Sender<Freshness>,
    metrics: Metrics,
}

async fn serve(config: &ServiceProxy) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    let shared = Shared {
        health: watch::Sender::new(ProxyHealth { node_eligible: true, ..ProxyHealth::default() }),
        checks: watch::Sender::new(Arc::default()),
        reports: watch::Sender::default(),
        snapshots: watch::Sender::new(None),
        freshness: watch::Sender::default(),
        metrics: Metrics::default(),
    };
    let mut tasks = JoinSet::new();
    let places = show(config, &shared, &mut tasks)?;
    let mode = mode(config.mode);
    info!("service proxy of node {} ({mode}), {}; {places}", config.node, name(&config.source));
    advise(config);
    remember(config);
    let (sender, updates) = mpsc::channel(UPDATES);
    let (mut source, store) = start(config, sender, &shared).await?;
    tasks.spawn(snapshots::run(store, updates, shared.snapshots.clone()));
    tasks.spawn(checks::run(shared.checks.subscribe(), shared.health.subscribe()));
    tasks.spawn(tell(shared.snapshots.subscribe(), shared.reports.subscribe(), shared.metrics.clone()));
    let mut ended = work(config, &shared)?;
    let signal = tokio::select! {
        signal = signals.next() => signal,
        why = &mut ended => return Err(too_early(why)),
        why = unusable(&mut source, &shared) => return Err(why),
    };
    let what_stays = match config.mode {
        ProxyMode::Nftables => {
            "the rules stay in force; `slipway service-proxy --cleanup` on this node removes them"
        }
        ProxyMode::Userspace => "connections through this process end with it",
    };
    info!("{}: ending; {what_stays}", signals::name(signal));
    source.abort();
    tasks.shutdown().await;
    drop(shared);
    if timeout(LAST, ended).await.is_err() {
        warn!("what was being written did not end within {LAST:?}; the next start puts it right");
    }
    Ok(())
}

/// Binds and answers about health and metrics. Says where.
fn show(config: &ServiceProxy, shared: &Shared, tasks: &mut JoinSet<()>) -> Result<String, Error> {
    let state = State {
        health: shared.health.subscribe(),
        freshness: shared.freshness.subscribe(),
        metrics: shared.metrics.clone(),
        mode: mode(config.mode),
    };
    let bound = |address, flag: &'static str| {
        let wrong = |why| Error::Node(address, flag, why);
        let server = Server::bind(address).map_err(wrong)?;
        let place = server.address().map_err(wrong)?;
        Ok((server, place))
    };
    let mut places = Vec::new();
    if let Some(address) = config.healthz {
        let (server, place) = bound(address, "--healthz-address")?;
        tasks.spawn(server.run_health(state.clone()));
        places.push(format!("health on {place}"));
    }
    if let Some(address) = config.metrics {
        let (server, place) = bound(address, "--metrics-address")?;
        tasks.spawn(server.run_metrics(state));
        places.push(format!("metrics on {place}"));
    }
    if places.is_empty() {
        return Ok("health and metrics are shown nowhere".into());
    }
    Ok(places.join(", "))
}

/// Begins to read what there is, for a store that waits for it.
async fn start(
    config: &ServiceProxy,
    updates: mpsc::Sender<Update>,
    shared: &Shared,
) -> Result<(SourceTask, Store), Error> {
    match &config.source {
        Source::Directory(directory) => {
            let options = files::Options { directory: directory.clone(), ..files::Options::default() };
            let run = async { Files::run(options, updates).await.map_err(|error| error.to_string()) };
            Ok((tokio::spawn(run), Store::new(files::KINDS)))
        }
        Source::Kubernetes { kubeconfig } => {
            let client = client::connect(kubeconfig.as_deref()).await.map_err(Error::Source)?;
            let options = options::service_proxy_source(config);
            let store = Store::new(&kubernetes::kinds(&options));
            let (freshness, metrics) = (shared.freshness.clone(), shared.metrics.source());
            let source = tokio::spawn(async move {
                kubernetes::run(client, options, updates, freshness, metrics).await;
                Ok(())
            });
            Ok((source, store))
        }
    }
}

/// Serves Services on a thread of its own until there are no snapshots any more. Gives how that ended.
fn work(config: &ServiceProxy, shared: &Shared) -> Result<oneshot::Receiver<Result<(), l4::Error>>, Error> {
    let liberal = sysctl("net/netfilter/nf_conntrack_tcp_be_liberal").as_deref() == Some("1");
    let options = options::service_proxy(config, liberal);
    let told = l4::Told {
        health: shared.health.clone(),
        checks: shared.checks.clone(),
        reports: shared.reports.clone(),
    };
    let (snapshots, metrics) = (shared.snapshots.subscribe(), shared.metrics.clone());
    let runtime = control_runtime()?;
    let (end, ended) = oneshot::channel();
    let work = move || {
        let result = runtime.block_on(l4::run(options, snapshots, told, metrics));
        let _ = end.send(result); // nobody waits any more
    };
    thread::Builder::new().name("services".into()).spawn(work).map_err(Error::Runtime)?;
    Ok(ended)
}

/// Why Services are not served any more, though nobody asked for that.
fn too_early(why: Result<Result<(), l4::Error>, oneshot::error::RecvError>) -> Error {
    match why {
        Ok(Err(error)) => Error::Kernel(error),
        Ok(Ok(())) | Err(_) => Error::Source("serving Services ended too early".into()),
    }
}

/// Ends with an error when there is nothing to begin with. Later the source may end: what is in force stays so.
async fn unusable(source: &mut SourceTask, shared: &Shared) -> Error {
    let ended = source.await;
    if shared.snapshots.borrow().is_none() {
        return Error::Source(match ended {
            Ok(Err(why)) => why,
            Ok(Ok(())) | Err(_) => "reading the source ended too early".into(),
        });
    }
    let ended: JoinHandle<_> = tokio::spawn(async move { ended.unwrap_or(Ok(())) });
    watch_source(ended).await;
    std::future::pending().await
}

/// Writes into the log what there is to tell about objects, when that changes.
async fn tell(
    mut snapshots: watch::Receiver<Option<Snapshot>>,
    mut reports: watch::Receiver<Arc<Vec<Report>>>,
    metrics: Metrics,
) {
    let mut written = Written::default();
    let mut known: (Arc<Vec<Report>>, Arc<Vec<Report>>) = Default::default();
    loop {
        let of_source = snapshots.borrow_and_update().as_ref().map(|all| all.reports.clone());
        let now = (of_source.unwrap_or_default(), reports.borrow_and_update().clone());
        if !Arc::ptr_eq(&now.0, &known.0) || !Arc::ptr_eq(&now.1, &known.1) {
            let mut all = [now.0.as_slice(), now.1.as_slice()].concat();
            all.sort();
            all.dedup();
            if let Some(severities) = written.write(&Arc::new(all)) {
                metrics.reports(severities);
            }
            known = now;
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            changed = reports.changed() => if changed.is_err() { return },
        }
    }
}

/// Says what about the machine or the flags keeps Services from working.
fn advise(config: &ServiceProxy) {
    if config.mode != ProxyMode::Nftables {
        return;
    }
    for (path, family) in [("net/ipv4/ip_forward", "IPv4"), ("net/ipv6/conf/all/forwarding", "IPv6")] {
        let wanted = family == "IPv4" || is_dual(config);
        if wanted && sysctl(path).as_deref() == Some("0") {
            let name = path.replace('/', ".");
            warn!(
                "this node does not forward {family} packets ({name} = 0): Services work for programs of the node, \
                 but not for pods and clients outside; set {name} = 1"
            );
        }
    }
    if matches!(&config.pods, Pods::Ranges(ranges) if ranges.is_empty()) {
        warn!(
            "--detect-local-mode ClusterCIDR without --cluster-cidr: nothing is known to be a pod, so clients outside the \
             cluster that reach a cluster address keep their own; give --cluster-cidr"
        );
    }
}

/// Sets how long the kernel remembers connections on which nothing happens. Services work without that, too.
#[cfg(target_os = "linux")]
fn remember(config: &ServiceProxy) {
    let secs = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    let (established, close_wait) = (secs(config.established), secs(config.close_wait));
    let timeouts = l4::conntrack::timeouts::Timeouts { established, close_wait };
    if config.mode == ProxyMode::Nftables
        && let Err(why) = timeouts.set()
    {
        warn!(
            "{why}: idle connections are forgotten as net.netfilter.nf_conntrack_tcp_timeout_* of this node say; set these, \
             or give --conntrack-tcp-timeout-established 0s --conntrack-tcp-timeout-close-wait 0s"
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn remember(_: &ServiceProxy) {}

/// Whether the pods are known to have IPv6 addresses.
fn is_dual(config: &ServiceProxy) -> bool {
    matches!(&config.pods, Pods::Ranges(ranges) if ranges.iter().any(|range| range.addr().is_ipv6()))
}

/// A setting of the kernel; `None` where there is none.
fn sysctl(path: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{path}")).ok().map(|text| text.trim().to_owned())
}

/// A mode's name.
fn mode(mode: ProxyMode) -> &'static str {
    match mode {
        ProxyMode::Nftables => "nftables",
        ProxyMode::Userspace => "userspace",
    }
}

/// How people call a source.
fn name(source: &Source) -> String {
    match source {
        Source::Directory(directory) => format!("Services of {}", directory.display()),
        Source::Kubernetes { .. } => "Services of the cluster".into(),
    }
}
