//! Which tasks run, in which order they start, become ready and drain.
//!
//! Start: ports are bound (a taken one is an error at once), the admin server answers, the source is read, the first
//! complete compile is published, then the proxy accepts and `/readyz` says so. End: not ready, the grace period, no new
//! connections, what is in flight is finished or the deadline passes. A second signal ends at once.

pub mod certificate;
pub mod client;
mod cluster;
pub mod dns;
mod error;
pub mod log;
pub mod options;
pub mod probe;
pub mod retire;
pub mod service_proxy;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::admin::{self, Admin, Health, Phase};
use crate::compile;
use crate::config;
use crate::controller::{Controller, Status};
use crate::metrics::{Identity, Metrics};
use crate::model::freshness::Freshness;
use crate::proxy::{self, Proxy};
use crate::publish::Published;
use crate::routing::Tables;
use crate::source::files::{self, Files};
use crate::source::kubernetes;
use crate::store::{Store, Update};

pub use cluster::{Cluster, load as load_cluster};
pub use error::Error;
pub use signals::Signals;

/// Updates that may wait for the controller before the source waits.
const UPDATES: usize = 1024;

/// Everything that is needed to serve.
pub struct Plan {
    /// Where objects come from.
    pub source: Source,
    /// How they are compiled.
    pub compile: compile::Options,
    /// What is listened on.
    pub proxy: proxy::Options,
    /// Where health and metrics are shown.
    pub admin: SocketAddr,
    /// Labels of every metric.
    pub identity: Identity,
    /// How long to serve on, not ready, before the drain.
    pub grace: Duration,
}

/// Where objects come from.
pub enum Source {
    /// A directory of YAML.
    Directory(files::Options),
    /// A cluster, and what is told back to it.
    Cluster(Box<Cluster>),
}

impl Source {
    /// How people call it.
    fn name(&self) -> String {
        match self {
            Self::Directory(files) => files.directory.display().to_string(),
            Self::Cluster(_) => "the cluster's Ingresses".into(),
        }
    }
}

/// Where a running ingress listens.
#[derive(Clone, Debug)]
pub struct Started {
    /// HTTP.
    pub http: Vec<SocketAddr>,
    /// HTTPS.
    pub https: Vec<SocketAddr>,
    /// Health and metrics.
    pub admin: SocketAddr,
}

/// How serving ended.
#[derive(Debug)]
pub struct Ended<T> {
    /// What the work while serving gave; `None` when a signal came before everything was ready.
    pub result: Option<T>,
    /// 0, or 128 and the number of the signal that cut the drain short.
    pub code: u8,
}

/// `slipway ingress`: serves until a signal. Answers the exit code.
pub fn run(config: &config::Ingress) -> Result<u8, Error> {
    let plan = plan(config)?;
    let source = plan.source.name();
    let ended =
        control_runtime()?.block_on(serve(plan, async |started: &Started, signals: &mut Signals| {
            let list = |addresses: &[SocketAddr]| {
                addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            info!(
                "ready: {source} on http {}, https {}; health and metrics on {}",
                list(&started.http),
                list(&started.https),
                started.admin
            );
            let signal = signals.next().await;
            info!("{}: finishing what is in flight; a second signal ends at once", signals::name(signal));
        }))?;
    if ended.code == 0 {
        info!("all connections are finished: goodbye");
    }
    Ok(ended.code)
}

fn plan(config: &config::Ingress) -> Result<Plan, Error> {
    let fallback = certificate::fallback().map_err(Error::Certificate)?;
    let directory = matches!(config.source, config::Source::Directory(_));
    let compile = options::compile(&config.rules, Some(fallback), directory).map_err(Error::Flag)?;
    let listen = |port: u16| match config.bind.as_slice() {
        [] => vec![SocketAddr::new(options::any_address(), port)],
        addresses => addresses.iter().map(|address| SocketAddr::new(*address, port)).collect(),
    };
    Ok(Plan {
        source: match &config.source {
            config::Source::Directory(directory) => {
                Source::Directory(options::files(&config.rules, directory))
            }
            config::Source::Kubernetes { kubeconfig } => {
                let cluster = cluster::plan(config, kubeconfig.as_deref(), compile.clone());
                Source::Cluster(Box::new(cluster.map_err(Error::Flag)?))
            }
        },
        compile,
        proxy: proxy::Options {
            http: listen(config.http_port),
            https: listen(config.https_port),
            workers: config.workers,
            log: proxy::LogTarget::Stdout,
        },
        admin: SocketAddr::new(config.admin_host.unwrap_or_else(options::any_address), config.admin_port),
        identity: Identity {
            class: config.rules.controller_class.clone(),
            namespace: config.pod_namespace.clone(),
            pod: config.pod_name.clone(),
        },
        grace: config.grace,
    })
}

/// The runtime of the control thread. It has no other thread: whatever must not wait has workers of its own.
pub fn control_runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}

/// Starts everything, runs `body` once requests are served, then drains.
pub async fn serve<T>(
    plan: Plan,
    body: impl AsyncFnOnce(&Started, &mut Signals) -> T,
) -> Result<Ended<T>, Error> {
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    let metrics = Metrics::with_identity(&plan.identity);
    let tables = Published::new(Tables::default());
    let proxy = proxy::start(&plan.proxy, &tables, &metrics).map_err(|e| Error::proxy(e, &plan.proxy))?;
    let status = Arc::new(Status::default());
    let health = Health::default();
    let freshness = watch::Sender::new(Freshness::default());
    let state = admin::State {
        tables: tables.clone(),
        reports: status.reports.clone(),
        metrics: metrics.clone(),
        health: health.clone(),
        freshness: freshness.subscribe(),
    };
    let admin = Admin::bind(plan.admin, state).await.map_err(|e| Error::Admin(plan.admin, e))?;
    let address = admin.address().map_err(|e| Error::Admin(plan.admin, e))?;
    let mut tasks = vec![tokio::spawn(admin.run())];
    let (sender, updates) = mpsc::channel::<Update>(UPDATES);
    let (source, kinds, companions) = match plan.source {
        Source::Directory(options) => {
            let run = async { Files::run(options, sender).await.map_err(|error| error.to_string()) };
            (tokio::spawn(run), files::KINDS.to_vec(), None)
        }
        Source::Cluster(cluster) => {
            let kinds = kubernetes::kinds(&cluster.source);
            let (source, companions) = cluster.start(sender, freshness, &status, &metrics).await?;
            (source, kinds, Some(companions))
        }
    };
    let store = Store::new(&kinds);
    let control = Controller::new(store, plan.compile, tables.clone(), status.clone(), metrics);
    tasks.push(tokio::spawn(control.run(updates)));

    let mut ended = Ended { result: None, code: 0 };
    if let Some(source) = first_publication(&status, source, &mut signals).await? {
        proxy.open();
        health.set(Phase::Ready);
        let publishing = companions.as_ref().map(cluster::Companions::publish);
        let bound = proxy.bound();
        let started = Started { http: bound.http.clone(), https: bound.https.clone(), admin: address };
        tasks.push(tokio::spawn(watch_source(source)));
        ended.result = Some(body(&started, &mut signals).await);
        health.set(Phase::Stopping);
        let handed_over = publishing.map(cluster::Publishing::stop);
        let deadline = tables.load().routes.settings.shutdown_timeout;
        ended.code = drain(&proxy, plan.grace, deadline, &mut signals).await;
        if let Some(handed_over) = handed_over.filter(|_| ended.code == 0) {
            handed_over.await;
        }
    }
    tasks.iter().for_each(JoinHandle::abort);
    proxy.stop();
    Ok(ended)
}

type SourceTask = JoinHandle<Result<(), String>>;

/// Waits until the first complete compile is published. `None` when a signal came first; an error when the source
/// cannot be used.
async fn first_publication(
    status: &Status,
    mut source: SourceTask,
    signals: &mut Signals,
) -> Result<Option<SourceTask>, Error> {
    let mut ready = status.ready.subscribe();
    tokio::select! {
        _ = ready.wait_for(|ready| *ready) => Ok(Some(source)),
        _ = signals.next() => {
            source.abort();
            Ok(None)
        }
        ended = &mut source => Err(match ended {
            Ok(Err(error)) => Error::Source(error),
            Ok(Ok(())) | Err(_) => Error::Source("reading the source ended too early".into()),
        }),
    }
}

/// Says so when the source is not followed any more. What is in force stays in force.
async fn watch_source(source: SourceTask) {
    if let Ok(Err(error)) = source.await {
        error!("the source is not followed any more: {error}; what is in force stays so until a restart");
    }
}

/// Ends in order: the grace period, no new connections, what is in flight. Answers the exit code.
async fn drain(proxy: &Proxy, grace: Duration, deadline: Duration, signals: &mut Signals) -> u8 {
    let in_order = async {
        sleep(grace).await;
        proxy.drain();
        tokio::time::timeout(deadline, proxy.drained()).await.is_ok()
    };
    tokio::select! {
        finished = in_order => {
            if !finished {
                warn!("{} connections are still open after {deadline:?}: they are cut", proxy.open_connections());
            }
            0
        }
        signal = signals.next() => {
            warn!("{} again: ending at once", signals::name(signal));
            128 + signal
        }
    }
}
