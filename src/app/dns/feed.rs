//! Where the names come from: a directory or a cluster, as far as the plan needs it.

use std::path::PathBuf;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::super::{Error, SourceTask, UPDATES, client};
use crate::config::Source;
use crate::controller::snapshots;
use crate::dns::plan::{Autopath, Kubernetes, Plan, PodRecords};
use crate::metrics::dns::Metrics;
use crate::model::Snapshot;
use crate::model::freshness::Freshness;
use crate::source::files::{self, Files};
use crate::source::kubernetes::{self, Interest};
use crate::store::Store;

/// What a plan needs to know of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// Pods, too.
    pub(super) pods: bool,
    /// Only objects with these labels.
    pub(super) labels: Option<String>,
    /// How the Corefile says to reach the API server.
    pub(super) kubeconfig: Option<PathBuf>,
}

impl Need {
    /// `None`: nothing. The error says what does not go together.
    pub(super) fn of(plan: &Plan, source: &Source) -> Result<Option<Self>, String> {
        let all: Vec<&Kubernetes> =
            plan.blocks.iter().filter_map(|block| block.kubernetes.as_ref()).collect();
        let Some(first) = all.first() else { return Ok(None) };
        if all.iter().any(|other| other.labels != first.labels || other.kubeconfig != first.kubeconfig) {
            return Err(
                "all kubernetes blocks must have the same labels and the same way to the API server: Slipway reads the cluster once"
                    .into(),
            );
        }
        if first.labels.is_some() && matches!(source, Source::Directory(_)) {
            return Err(
                "labels chooses among a cluster's objects: leave it out where --manifests is given".into()
            );
        }
        let verified = all.iter().any(|kubernetes| kubernetes.pods == PodRecords::Verified);
        let autopath = plan.blocks.iter().any(|block| block.autopath == Some(Autopath::Kubernetes));
        Ok(Some(Self {
            pods: verified || autopath,
            labels: first.labels.clone(),
            kubeconfig: first.kubeconfig.clone(),
        }))
    }
}

/// What is needed to follow a source.
pub(super) struct Feed {
    pub(super) source: Source,
    pub(super) snapshots: watch::Sender<Option<Snapshot>>,
    pub(super) freshness: watch::Sender<Freshness>,
    pub(super) metrics: Metrics,
}

/// A source that is followed. Dropped, it ends.
pub(super) struct Followed {
    pub(super) need: Need,
    /// How reading ended.
    pub(super) source: SourceTask,
    store: JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.source.abort();
        self.store.abort();
    }
}

impl Feed {
    /// Begins to follow. What was known stays in force until all is listed anew.
    pub(super) async fn follow(&self, need: Need) -> Result<Followed, Error> {
        let (sender, updates) = mpsc::channel(UPDATES);
        let (source, store) = match &self.source {
            Source::Directory(directory) => {
                let options = files::Options { directory: directory.clone(), ..files::Options::default() };
                let run = async { Files::run(options, sender).await.map_err(|error| error.to_string()) };
                (tokio::spawn(run), Store::new(files::KINDS))
            }
            Source::Kubernetes { kubeconfig } => {
                let path = kubeconfig.as_deref().or(need.kubeconfig.as_deref());
                let client = client::connect(path).await.map_err(Error::Source)?;
                let interest = Interest::Dns { pods: need.pods, labels: need.labels.clone() };
                let options = kubernetes::Options { interest, ..kubernetes::Options::default() };
                let store = Store::new(&kubernetes::kinds(&options));
                let (freshness, metrics) = (self.freshness.clone(), self.metrics.source());
                let source = tokio::spawn(async move {
                    kubernetes::run(client, options, sender, freshness, metrics).await;
                    Ok(())
                });
                (source, store)
            }
        };
        let store = tokio::spawn(snapshots::run(store, updates, self.snapshots.clone()));
        Ok(Followed { need, source, store })
    }
}
