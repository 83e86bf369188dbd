//! The parts that a cluster needs beside what serves: its source, what is written back, the validating webhook.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use super::{Error, SourceTask, client, options};
use crate::admission::{self, Admission};
use crate::compile::{self, Compiled};
use crate::config;
use crate::controller::Status;
use crate::metrics::Metrics;
use crate::model::freshness::Freshness;
use crate::source::kubernetes;
use crate::status::{self, Desired};
use crate::store::Update;

/// How long the hand-over may take when the program ends.
const HAND_OVER: Duration = Duration::from_secs(10);

/// How often a certificate that cannot be used at the start is looked at again.
const CERTIFICATE: Duration = Duration::from_secs(10);

/// A cluster, and what is told back to it.
pub struct Cluster {
    kubeconfig: Option<PathBuf>,
    pub(super) source: kubernetes::Options,
    status: status::Options,
    admission: Option<admission::Options>,
}

/// What `slipway ingress` does with a cluster. The error says which flag is wrong.
pub(super) fn plan(
    config: &config::Ingress,
    kubeconfig: Option<&Path>,
    compile: compile::Options,
) -> Result<Cluster, String> {
    let source = options::kubernetes(&config.rules)?;
    let host = config.bind.first().copied().unwrap_or_else(options::any_address);
    let admission = config.admission.as_ref().map(|admission| admission::Options {
        address: SocketAddr::new(host, admission.port),
        certificate: admission.certificate.clone(),
        key: admission.key.clone(),
        rules: admission::Rules { translate: source.translate.clone(), compile },
    });
    let status = options::status(config);
    Ok(Cluster { kubeconfig: kubeconfig.map(Path::to_owned), source, status, admission })
}

/// Reads what a cluster holds now, as a store takes it. The error says what to do.
pub fn load(kubeconfig: Option<&Path>, rules: &config::Rules) -> Result<Vec<Update>, String> {
    let options = options::kubernetes(rules)?;
    super::control_runtime().map_err(|error| error.to_string())?.block_on(async {
        let client = client::connect(kubeconfig).await?;
        kubernetes::load(client, options).await
    })
}

impl Cluster {
    /// Begins to read the cluster, and to check what is to become part of it.
    pub(super) async fn start(
        self: Box<Self>,
        updates: mpsc::Sender<Update>,
        freshness: watch::Sender<Freshness>,
        status: &Arc<Status>,
        metrics: &Metrics,
    ) -> Result<(SourceTask, Companions), Error> {
        let client = client::connect(self.kubeconfig.as_deref()).await.map_err(Error::Source)?;
        let current = status.compiled.subscribe();
        let admission = match self.admission {
            Some(options) => Some(admit(options, &current, metrics).await?),
            None => None,
        };
        let reading = kubernetes::run(client.clone(), self.source, updates, freshness, metrics.source());
        let source = tokio::spawn(async {
            reading.await;
            Ok(())
        });
        let status = self.status;
        Ok((source, Companions { client, status, current, metrics: metrics.clone(), admission }))
    }
}

/// Begins to check what is to become part of the cluster. A taken port is an error at once; without a usable certificate
/// requests are served all the same, and the certificate is looked for until it is there.
async fn admit(
    options: admission::Options,
    current: &watch::Receiver<Option<Compiled>>,
    metrics: &Metrics,
) -> Result<JoinHandle<()>, Error> {
    let (current, metrics) = (current.clone(), metrics.clone());
    let address = options.address;
    match Admission::bind(options.clone(), current.clone(), metrics.clone()).await {
        Ok(bound) => Ok(tokio::spawn(bound.run())),
        Err(admission::Error::Certificate(why)) => Ok(tokio::spawn(async move {
            error!("{why}; requests are served, Ingresses are not checked until it is put right");
            loop {
                sleep(CERTIFICATE).await;
                match Admission::bind(options.clone(), current.clone(), metrics.clone()).await {
                    Ok(bound) => {
                        info!("Ingresses are checked from now on, on {address}");
                        return bound.run().await;
                    }
                    Err(why) => debug!("{why}"),
                }
            }
        })),
        Err(why) => Err(Error::Admission(address, why)),
    }
}

/// What runs beside the source.
pub(super) struct Companions {
    client: kube::Client,
    status: status::Options,
    current: watch::Receiver<Option<Compiled>>,
    metrics: Metrics,
    admission: Option<JoinHandle<()>>,
}

impl Companions {
    /// Begins to write back. Only who serves may become the leader.
    pub(super) fn publish(&self) -> Publishing {
        let (stop, stopped) = oneshot::channel();
        let publications = self.current.clone();
        let (client, options, metrics) = (self.client.clone(), self.status.clone(), self.metrics.clone());
        let task = tokio::spawn(status::run(client, options, publications, desired, metrics, stopped));
        Publishing { stop, task }
    }
}

impl Drop for Companions {
    fn drop(&mut self) {
        if let Some(admission) = &self.admission {
            admission.abort();
        }
    }
}

/// What is being written back.
pub(super) struct Publishing {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Publishing {
    /// Begins the hand-over at once; the future waits for its end.
    pub(super) fn stop(self) -> impl Future<Output = ()> {
        let _ = self.stop.send(()); // gone already: nothing to stop
        async move {
            if timeout(HAND_OVER, self.task).await.is_err() {
                warn!(
                    "the API server did not take the hand-over within {HAND_OVER:?}: the Lease runs out by itself"
                );
            }
        }
    }
}

/// What there is to write back of what is in force.
fn desired(compiled: &Compiled) -> Desired {
    let known = compiled.clone();
    Desired {
        statuses: compiled.snapshot().statuses.clone(),
        is_ours: Arc::new(move |ingress| known.is_ours(ingress)),
        reports: compiled.reports.clone(),
    }
}
