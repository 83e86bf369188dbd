//! Takes queries on UDP and TCP and answers them as the plan says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::forward::{Failure, Unusable};
use super::plan::{Plan, Upstream};
use super::zone::Zone;
use crate::metrics::dns::Metrics;
use crate::publish::Published;

/// A plan made ready: files are read, expressions compiled, upstreams set up.
pub struct Active {
    plan: Plan,
}

impl Active {
    /// Makes a plan ready. What did not change since `former` (caches, upstreams and their health) goes on.
    pub fn new(plan: Plan, former: Option<&Self>, metrics: &Metrics) -> Result<Self, Vec<Unusable>> {
        let _ = (former, metrics);
        Ok(Self { plan })
    }

    /// What it was made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

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
    /// TCP connections at a time, in all.
    pub tcp_connections: usize,
}

/// Bound sockets.
pub struct Server {
    options: Options,
}

impl Server {
    /// Binds every address; an error names the one that could not be bound.
    pub fn bind(options: Options) -> Result<Self, (SocketAddr, io::Error)> {
        Ok(Self { options })
    }

    /// Where it listens, with the ports that were chosen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.options.listen.clone()
    }

    /// Starts the threads. They end when the result is dropped or [`Running::stop`]ped.
    pub fn start(self, serving: Published<Serving>, metrics: Metrics) -> io::Result<Running> {
        let _ = (serving, metrics);
        Ok(Running {})
    }
}

/// Threads that answer.
pub struct Running {}

impl Running {
    /// Takes no more queries, finishes what is under way for at most `patience`.
    pub fn stop(self, patience: Duration) {
        let _ = patience;
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
    let _ = (serving, query, client, port);
    (None, Trace::default())
}
