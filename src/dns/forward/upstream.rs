//! One upstream: asks it over UDP, TCP or TLS, and remembers what it can and whether it is up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::check::{self, Reading, Said};
use super::pool::{Pool, Route};
use super::query::{self, Form, Query};
use super::{Question, tls};
use crate::dns::plan;
use crate::metrics::dns::Metrics;
use crate::metrics::dns::forward::Forwarding;

/// How long one try waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a health check waits.
const HEALTH_PATIENCE: Duration = Duration::from_secs(1);

/// How long it is remembered what an upstream cannot.
const MEMORY: Duration = Duration::from_mins(10);

/// Datagrams that are no answer, for one query: more look like somebody who guesses.
const STRAYS: usize = 100;

/// The largest datagram that is taken. We ask for 1232 bytes; some send more.
const DATAGRAM: usize = 4096;

/// One upstream.
pub(super) struct Upstream {
    /// As the plan names it.
    pub(super) plan: plan::Upstream,
    /// As metrics name it.
    pub(super) label: String,
    address: SocketAddr,
    stream_only: bool,
    pool: Arc<Pool>,
    /// Health checks that failed in a row.
    fails: AtomicU32,
    watched: AtomicBool,
    habits: Mutex<Habits>,
    metrics: Metrics,
}

/// What an upstream cannot, and until when that is believed.
#[derive(Default)]
struct Habits {
    /// To keep the case of letters.
    folds: Option<Instant>,
    /// To speak TCP, as far as we had to know.
    streamless: Option<Instant>,
    /// EDNS.
    plain: Option<Instant>,
}

impl Upstream {
    pub(super) fn new(
        upstream: &plan::Upstream,
        plan: &plan::Forward,
        metrics: Metrics,
        connector: Option<&tokio_rustls::TlsConnector>,
    ) -> Result<Self, String> {
        let address = scoped(upstream)?;
        let tls = match connector.filter(|_| upstream.tls) {
            Some(connector) => Some((connector.clone(), tls::server_name(upstream, plan)?)),
            None => None,
        };
        Ok(Self {
            plan: upstream.clone(),
            label: upstream.address.to_string(),
            address,
            stream_only: upstream.tls || plan.force_tcp,
            pool: Pool::new(Route { address, tls }, plan.expire),
            fails: AtomicU32::new(0),
            watched: AtomicBool::new(false),
            habits: Mutex::default(),
            metrics,
        })
    }

    /// Whether so many health checks in a row failed.
    pub(super) fn is_down(&self, max_fails: u32) -> bool {
        max_fails > 0 && self.fails.load(Ordering::Relaxed) >= max_fails
    }

    fn metrics(&self) -> &Forwarding {
        self.metrics.forwarding()
    }

    /// Asks once, in the ways that it takes to get a whole answer. The error is for people.
    pub(super) async fn ask(&self, question: &Question, deadline: Instant) -> Result<Said, String> {
        let form = Form {
            mixed: !self.believed(|habits| habits.folds),
            edns: !self.believed(|habits| habits.plain),
            recursion: true,
        };
        let began = Instant::now();
        let mut said = self.once(question, form, deadline).await;
        if let Ok(Reading::Plain) = said {
            said = self.once(question, Form { edns: false, ..form }, deadline).await;
            if matches!(said, Ok(Reading::Answer(_))) {
                self.remember(|habits| habits.plain = Some(Instant::now() + MEMORY));
            }
        }
        match said? {
            Reading::Answer(said) => {
                self.metrics().answered(&self.label, said.rcode.name(), began.elapsed());
                self.fails.store(0, Ordering::Relaxed);
                Ok(said)
            }
            Reading::Wrong(what) => {
                self.metrics().wrong(&self.label);
                Err(format!("sent {what}"))
            }
            Reading::Plain => Err("does not take the query, with EDNS nor without".into()),
            Reading::Truncated | Reading::Folded | Reading::Foreign => {
                self.metrics().wrong(&self.label);
                Err("sent something else than was asked for".into())
            }
        }
    }

    /// Over UDP, and over TCP when that brings not everything or not for certain.
    async fn once(&self, question: &Question, form: Form, deadline: Instant) -> Result<Reading, String> {
        let lower = Form { mixed: false, ..form };
        if self.stream_only {
            return self.stream(question, lower, deadline).await;
        }
        if !form.mixed {
            return self.folded(question, lower, deadline).await;
        }
        match self.datagram(question, form, deadline).await? {
            Reading::Truncated => self.stream(question, lower, deadline).await,
            Reading::Folded => {
                if let Ok(Reading::Answer(said)) = self.stream(question, form, deadline).await {
                    // If it keeps the case here, the datagram was not from it.
                    if !said.exact {
                        self.remember(|habits| habits.folds = Some(Instant::now() + MEMORY));
                    }
                    return Ok(Reading::Answer(said));
                }
                let until = Some(Instant::now() + MEMORY);
                self.remember(|habits| (habits.folds, habits.streamless) = (until, until));
                self.folded(question, lower, deadline).await
            }
            said => Ok(said),
        }
    }

    /// Asks one that does not keep the case of letters: over TCP, where it is harder to forge an answer; if it has no
    /// TCP, UDP must do.
    async fn folded(&self, question: &Question, form: Form, deadline: Instant) -> Result<Reading, String> {
        if !self.believed(|habits| habits.streamless) {
            match self.stream(question, form, deadline).await {
                Err(_) => self.remember(|habits| habits.streamless = Some(Instant::now() + MEMORY)),
                said => return said,
            }
        }
        match self.datagram(question, form, deadline).await? {
            Reading::Truncated => self.stream(question, form, deadline).await,
            said => Ok(said),
        }
    }

    async fn datagram(&self, question: &Question, form: Form, deadline: Instant) -> Result<Reading, String> {
        let query = Query::new(question, form).map_err(|error| error.to_string())?;
        let until = deadline.min(Instant::now() + PATIENCE);
        let mut strays = 0;
        let asked = async {
            let socket = self.socket().await?;
            socket.send(&query.bytes).await?;
            let mut buffer = vec![0; DATAGRAM];
            loop {
                let length = socket.recv(&mut buffer).await?;
                match check::read(&buffer[..length], &query, question, false) {
                    Reading::Foreign if strays < STRAYS => {
                        strays += 1;
                        self.metrics().wrong(&self.label);
                    }
                    reading => return Ok(reading),
                }
            }
        };
        let answer = timeout_at(until, asked).await;
        answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error: io::Error| match error
            .kind()
        {
            io::ErrorKind::TimedOut if strays > 0 => "sent only what does not answer the question".into(),
            _ => told(&error),
        })
    }

    async fn stream(&self, question: &Question, form: Form, deadline: Instant) -> Result<Reading, String> {
        let query = Query::new(question, form).map_err(|error| error.to_string())?;
        let until = deadline.min(Instant::now() + PATIENCE);
        let answer = timeout_at(until, self.pool.ask(&query.bytes)).await;
        let (message, kept) =
            answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| {
                format!("{}: {}", if self.pool.encrypts() { "TLS" } else { "TCP" }, told(&error))
            })?;
        self.metrics().connected(&self.label, if self.pool.encrypts() { "tcp-tls" } else { "tcp" }, kept);
        Ok(check::read(&message, &query, question, true))
    }

    /// A socket of its own for each query: the kernel chooses its port by chance.
    async fn socket(&self) -> io::Result<UdpSocket> {
        let any = if self.address.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(self.address).await?;
        Ok(socket)
    }

    /// Looks at it until it is up, unless somebody does so already.
    pub(super) fn watch(self: &Arc<Self>, plan: &plan::Forward) {
        if plan.max_fails == 0 || self.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let upstream = Arc::downgrade(self);
        let (domain, interval) = (query::health(&plan.health_domain), plan.health_interval);
        let recursion = !plan.health_no_rec;
        tokio::spawn(async move {
            while let Some(upstream) = upstream.upgrade() {
                if upstream.lives(&domain, recursion).await {
                    upstream.fails.store(0, Ordering::Relaxed);
                    upstream.watched.store(false, Ordering::Release);
                    return;
                }
                upstream.fails.fetch_add(1, Ordering::Relaxed);
                upstream.metrics().check_failed(&upstream.label);
                drop(upstream);
                tokio::time::sleep(interval).await;
            }
        });
    }

    /// Whether it answers anything at all.
    async fn lives(&self, domain: &Question, recursion: bool) -> bool {
        let Ok(query) = Query::new(domain, Form { mixed: false, edns: false, recursion }) else {
            return false;
        };
        let asked = async {
            if self.stream_only {
                let (message, _) = self.pool.ask(&query.bytes).await?;
                return Ok::<_, io::Error>(check::lives(&message, &query));
            }
            let socket = self.socket().await?;
            socket.send(&query.bytes).await?;
            let mut buffer = vec![0; DATAGRAM];
            for _ in 0..STRAYS {
                let length = socket.recv(&mut buffer).await?;
                if check::lives(&buffer[..length], &query) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        matches!(tokio::time::timeout(HEALTH_PATIENCE, asked).await, Ok(Ok(true)))
    }

    /// Whether that is still believed of it.
    fn believed(&self, habit: impl Fn(&Habits) -> Option<Instant>) -> bool {
        let habits = self.habits.lock().unwrap_or_else(PoisonError::into_inner);
        habit(&habits).is_some_and(|until| until > Instant::now())
    }

    fn remember(&self, habit: impl FnOnce(&mut Habits)) {
        habit(&mut self.habits.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The address, with the interface of a link-local one.
fn scoped(upstream: &plan::Upstream) -> Result<SocketAddr, String> {
    match (upstream.address, &upstream.name) {
        (SocketAddr::V6(mut address), Some(interface)) if !upstream.tls => {
            let index = interface.parse().ok().or_else(|| index(interface));
            let index = index.ok_or_else(|| {
                format!(
                    "there is no network interface \"{interface}\": name the one that {} is reached by",
                    address.ip()
                )
            })?;
            address.set_scope_id(index);
            Ok(address.into())
        }
        (address, _) => Ok(address),
    }
}

#[cfg(target_os = "linux")]
fn index(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}

#[cfg(not(target_os = "linux"))]
fn index(_interface: &str) -> Option<u32> {
    None
}

/// An error in words.
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "no answer in time".into(),
        io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there".into(),
        io::ErrorKind::UnexpectedEof => "closed the connection before its answer was complete".into(),
        _ => error.to_string(),
    }
}
