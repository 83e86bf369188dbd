//! The node's Services: snapshot -> desired rules -> difference -> kernel, and a look at the kernel now and then.
//!
//! ```text
//! Snapshot ── desired (pure) ──> Desired { ruleset, services, health checks, reports }
//!                                   │
//!              applied ── diff (pure) ──> Transaction ── nft ──> kernel        (--mode nftables)
//!                                   │
//!                                   └── services ──> userspace: sockets of our own  (--mode userspace)
//! ```

#[cfg(target_os = "linux")]
pub mod conntrack;
pub mod desired;
pub mod diff;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
pub mod nft;
pub mod ruleset;
mod sockets;
#[cfg(target_os = "linux")]
mod sync;
#[cfg(not(target_os = "linux"))]
#[path = "l4/elsewhere.rs"]
mod sync;
mod telling;
pub mod userspace;

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::metrics::service_proxy::Metrics;
use crate::model::health::{HealthCheck, ProxyHealth};
use crate::model::{Report, Snapshot};

/// How the Services of a node are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the operator said about the node.
    pub desired: desired::Options,
    /// By whom.
    pub mode: Mode,
}

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The kernel.
    Nftables,
    /// Sockets of this process.
    Userspace,
}

/// What the loop tells the rest of the program.
#[derive(Clone, Debug)]
pub struct Told {
    /// How it goes.
    pub health: watch::Sender<ProxyHealth>,
    /// The health check ports that are to be answered.
    pub checks: watch::Sender<Arc<[HealthCheck]>>,
    /// What is to be told to the owners of Services.
    pub reports: watch::Sender<Arc<Vec<Report>>>,
}

/// Why Services cannot be served at all.
#[derive(Debug)]
pub enum Error {
    /// The kernel's tables cannot be reached: no right to, or no nftables.
    Kernel(String),
    /// No thread could be started.
    Thread(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(why) => write!(
                f,
                "the kernel's rules cannot be reached: {why}; run as root or with the capability NET_ADMIN, or without either with \
                 --mode userspace"
            ),
            Self::Thread(why) => write!(f, "no thread could be started: {why}"),
        }
    }
}

/// Serves what each snapshot says until nobody sends any more. Nothing is touched before the first one; what is in force in
/// the kernel stays when this ends. Reading and writing a large table takes longer than a runtime may be held up: run it on
/// a thread of its own.
pub async fn run(
    options: Options,
    snapshots: watch::Receiver<Option<Snapshot>>,
    told: Told,
    metrics: Metrics,
) -> Result<(), Error> {
    if options.mode == Mode::Userspace {
        return sockets::run(options.desired, snapshots, told, metrics).await;
    }
    sync::run(options.desired, snapshots, told, metrics).await
}

/// Removes everything of ours from the kernel. Says whether there was anything.
pub fn cleanup() -> Result<bool, Error> {
    sync::cleanup()
}
