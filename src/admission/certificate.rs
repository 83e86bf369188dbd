//! The certificate of the webhook: two files that are read again while they are in use.
//!
//! The kubelet replaces a mounted Secret by turning a symbolic link, so names and times of the files say nothing: what
//! they hold is compared.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use crate::model::certificate::{Certificate, CertificateError};

/// Bytes of a file that is taken for PEM.
const LARGEST: u64 = 1 << 20;

/// The two files as they were read last.
#[derive(PartialEq)]
struct Pem {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// The files, and the last good pair of them.
pub(super) struct Files {
    chain: PathBuf,
    key: PathBuf,
    /// What was looked at last, good or not.
    seen: Result<Pem, String>,
    current: Arc<Current>,
}

/// What handshakes use.
pub(super) struct Current(ArcSwap<CertifiedKey>);

impl Files {
    /// Reads the files. The error names the flag of the one that is wrong.
    pub(super) fn open(chain: PathBuf, key: PathBuf) -> Result<Self, String> {
        let pem = read(&chain, &key)?;
        let certificate = parse(&pem, &chain, &key)?;
        let current = Arc::new(Current(ArcSwap::new(certificate.key.clone())));
        Ok(Self { chain, key, seen: Ok(pem), current })
    }

    /// What handshakes use, now and later.
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.clone()
    }

    /// Reads the files again; what is new and good is used from the next handshake on, what is not good is told once.
    pub(super) fn refresh(&mut self) {
        let read = read(&self.chain, &self.key);
        if read == self.seen {
            return;
        }
        let parsed = read.as_ref().map_err(Clone::clone).and_then(|pem| parse(pem, &self.chain, &self.key));
        match parsed {
            Ok(certificate) => {
                self.current.0.store(certificate.key.clone());
                info!("admission: a new certificate is in use ({})", self.chain.display());
            }
            Err(why) => warn!("admission: {why}; the former certificate stays in use"),
        }
        self.seen = read;
    }
}

fn read(chain: &Path, key: &Path) -> Result<Pem, String> {
    let read = |flag: &str, path: &Path| {
        contents(path).map_err(|why| format!("{flag} {} cannot be read: {why}", path.display()))
    };
    Ok(Pem { chain: read(CHAIN, chain)?, key: read(KEY, key)? })
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut contents)?;
    Ok(contents)
}

fn parse(pem: &Pem, chain: &Path, key: &Path) -> Result<Certificate, String> {
    let (chain, key) = (chain.display(), key.display());
    Certificate::parse(&pem.chain, &pem.key).map_err(|error| match error {
        CertificateError::Chain(why) => format!("{CHAIN} {chain} is no PEM certificate chain: {why}"),
        CertificateError::Key(why) => format!("{KEY} {key} is no PEM private key of a known kind: {why}"),
        CertificateError::Mismatch => format!("{KEY} {key} does not belong to the certificate in {chain}"),
        CertificateError::Missing(_) | CertificateError::Forbidden => error.to_string(),
    })
}

const CHAIN: &str = "--admission-certificate";
const KEY: &str = "--admission-key";

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}
