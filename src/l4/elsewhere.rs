//! Where there is no nftables: only `--mode userspace` works.

use tokio::sync::watch;

use super::{Error, Told, desired};
use crate::metrics::service_proxy::Metrics;
use crate::model::Snapshot;

const WHY: &str = "nftables is a part of Linux";

pub(super) async fn run(
    _options: desired::Options,
    _snapshots: watch::Receiver<Option<Snapshot>>,
    _told: Told,
    _metrics: Metrics,
) -> Result<(), Error> {
    Err(Error::Kernel(WHY.into()))
}

pub(super) fn cleanup() -> Result<bool, Error> {
    Err(Error::Kernel(WHY.into()))
}
