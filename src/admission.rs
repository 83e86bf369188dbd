//! Checks Ingresses before the cluster takes them: the same translation and compiling decide as when they are served.
//!
//! A validating webhook: HTTPS on the control runtime, one AdmissionReview a request. Whoever reaches its port may send
//! anything: bodies, the memory of all bodies together, connections and the time of each step are bounded, one object is
//! decided upon at a time, and nothing that was decided decides anything else.

mod certificate;
mod change;
mod decide;
mod paths;
mod recent;
mod review;
mod serve;
mod text;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_rustls::TlsAcceptor;

use crate::compile::{self, Compiled};
use crate::metrics::Metrics;
use crate::metrics::admission::Verdict;
use crate::model::Key;
use crate::model::route::Ingress;
use crate::translate;
use certificate::Files;
use decide::Decision;
use serve::Desk;

/// Connections at a time; more wait for one to end.
const CONNECTIONS: usize = 128;

/// How often the files of the certificate are looked at.
const REREAD: Duration = Duration::from_secs(10);

/// Where it listens and how it decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub address: SocketAddr,
    /// File with the certificate chain, PEM.
    pub certificate: PathBuf,
    /// File with the private key, PEM.
    pub key: PathBuf,
    /// How it decides.
    pub rules: Rules,
}

/// How it decides: as the controller does.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How objects are translated.
    pub translate: translate::Options,
    /// How they are compiled.
    pub compile: compile::Options,
}

/// Why it cannot start. Every text says what to do.
#[derive(Debug)]
pub enum Error {
    /// The address cannot be listened on.
    Listen(io::Error),
    /// The certificate cannot be used; the text names the flag.
    Certificate(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(why) => write!(f, "cannot listen: {why}"),
            Self::Certificate(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// The validating webhook, bound.
pub struct Admission {
    listener: TcpListener,
    files: Files,
    reread: Duration,
    desk: Arc<Desk>,
}

impl Admission {
    /// Binds and reads the certificate. Needs the control runtime.
    pub async fn bind(
        options: Options,
        current: watch::Receiver<Option<Compiled>>,
        metrics: Metrics,
    ) -> Result<Self, Error> {
        let files = Files::open(options.certificate, options.key).map_err(Error::Certificate)?;
        let listener = TcpListener::bind(options.address).await.map_err(Error::Listen)?;
        Ok(Self {
            listener,
            files,
            reread: REREAD,
            desk: Arc::new(Desk::new(options.rules, current, metrics)),
        })
    }

    /// Looks at the files of the certificate this often instead of every 10 seconds.
    #[must_use]
    pub fn reread_every(self, reread: Duration) -> Self {
        Self { reread, ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until dropped.
    pub async fn run(mut self) {
        let acceptor = TlsAcceptor::from(Arc::new(tls(&self.files)));
        let mut connections = JoinSet::new();
        let mut reread = interval(self.reread);
        reread.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = reread.tick() => self.files.refresh(),
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve::connection(stream, acceptor.clone(), self.desk.clone()));
                    }
                    // Out of files, most likely: wait for some to be closed.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                },
            }
        }
    }
}

/// HTTP/1.1 only: an API server that is offered nothing else takes it, and one review a connection is simple to bound.
fn tls(files: &Files) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(files.current());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// An answered review.
pub struct Answer {
    /// The AdmissionReview to send back, JSON.
    pub body: Vec<u8>,
    /// What was decided.
    pub verdict: Verdict,
    /// Whose Ingress it was about.
    pub subject: Key,
    /// Why it was refused, without anything that the object says.
    pub reasons: Vec<&'static str>,
    /// What becomes part of the cluster, where that was decided by what is in force.
    ingress: Option<Arc<Ingress>>,
}

impl Answer {
    /// Whether it was refused for what another Ingress has.
    fn is_contested(&self) -> bool {
        self.reasons.iter().any(|reason| ["DuplicatePath", "DuplicateDefaultBackend"].contains(reason))
    }
}

/// Answers an AdmissionReview (admission.k8s.io/v1, JSON) by what is in force; `now` is in seconds since the epoch. The
/// error says why the body is no review that can be answered.
pub fn answer(body: &[u8], current: &Compiled, rules: &Rules, now: i64) -> Result<Answer, String> {
    let request = review::parse(body)?;
    let decision = decide::decide(&request, current, rules, now)?;
    let body = review::answer(&request.uid, &decision);
    let subject = Key::new(request.namespace, request.name);
    let (verdict, reasons, ingress) = match decision {
        Decision::Allowed(allowance) => {
            (Verdict::Allowed, Vec::new(), allowance.ingress.filter(|_| !request.dry_run))
        }
        Decision::Refused(refusal) => (Verdict::Refused, refusal.reasons, None),
    };
    Ok(Answer { body, verdict, subject, reasons, ingress })
}
