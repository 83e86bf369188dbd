//! Takes queries on UDP and TCP and answers them as the plan says.

mod access;
mod active;
mod append;
mod autopath;
mod clock;
mod cookie;
mod desk;
mod ending;
mod failures;
mod hosts;
mod jobs;
mod local;
mod log;
mod options;
mod rate;
mod resolve;
mod running;
mod socket;
mod tcp;
mod transfer;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::forward::Failure;
use super::plan::Upstream;
use super::zone::Zone;
use crate::metrics::dns::Metrics;
use crate::publish::Published;

pub use active::Active;
pub use running::Running;

/// All that queries are answered from; replaced as one.
pub struct Serving {
    /// The plan.
    pub active: Arc<Active>,
    /// For each `kubernetes` of the plan, in order of the blocks, its zones; `None` before everything was listed once: names
    /// in them are answered with SERVFAIL until then.
    pub zones: Vec<Option<Vec<Zone>>>,
}

/// How queries are taken.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen, UDP and TCP alike; unspecified addresses stand for all of their family. Port 0 lets the kernel choose
    /// one that both have.
    pub listen: Vec<SocketAddr>,
    /// How many threads take UDP from each address, and how many take TCP.
    pub workers: usize,
    /// Replies a second that one client (an IPv4 address, an IPv6 /56) gets over UDP; `None`: any number.
    pub client_rate: Option<u32>,
    /// How long a TCP connection may be idle.
    pub tcp_idle: Duration,
    /// TCP connections at a time, in all; beyond, the one that was idle longest is closed.
    pub tcp_connections: usize,
    /// What DNS cookies are made with: 16 bytes that all servers behind one address share; `None`: random.
    pub cookie_secret: Option<[u8; 16]>,
}

impl Default for Options {
    /// No address; a thread, no limit for clients, 30 seconds for an idle connection, 10,000 of them.
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            workers: 1,
            client_rate: None,
            tcp_idle: Duration::from_secs(30),
            tcp_connections: 10_000,
            cookie_secret: None,
        }
    }
}

/// Bound sockets.
///
/// A block of the plan gets the queries of sockets that were asked for with its port. So port 0 stands for blocks of port 0,
/// whatever port the kernel chooses.
pub struct Server {
    options: Options,
    bound: Vec<(SocketAddr, socket::Bound)>,
}

impl Server {
    /// Binds every address; an error names the one that could not be bound.
    pub fn bind(options: Options) -> Result<Self, (SocketAddr, io::Error)> {
        let bind = |address: &SocketAddr| {
            let bound = socket::bind(*address, options.workers.max(1)).map_err(|error| (*address, error))?;
            Ok((*address, bound))
        };
        let bound = options.listen.iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Self { options, bound })
    }

    /// Where it listens, with the ports that were chosen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|(_, bound)| bound.address).collect()
    }

    /// Starts the threads. They end when the result is dropped or [`Running::stop`]ped.
    #[expect(clippy::needless_pass_by_value, reason = "they are the server's from then on")]
    pub fn start(self, serving: Published<Serving>, metrics: Metrics) -> io::Result<Running> {
        running::start(self, &serving, &metrics)
    }
}

/// How a reply came about.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The part of the block that answered, in CoreDNS's words: `kubernetes`, `hosts`, `template`, `cache`, `forward`; empty when
    /// none did.
    pub plugin: &'static str,
    /// The zone of the block that took the question.
    pub zone: String,
    /// The upstream that answered, and how long that took.
    pub upstream: Option<(Upstream, Duration)>,
    /// Why upstreams gave no answer.
    pub failure: Option<Failure>,
}

/// Answers one query on the runtime of the caller, whatever it takes: for `slipway dns query`. `port` chooses among the
/// blocks. `None`: no reply is sent.
pub async fn resolve(serving: &Serving, query: &[u8], client: IpAddr, port: u16) -> (Option<Vec<u8>>, Trace) {
    resolve::alone(serving, query, client, port).await
}
