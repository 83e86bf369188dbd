//! Where queries are taken, and where health, readiness and metrics are shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::warn;

use super::super::{Error, options};
use crate::admin::dns::{Server as Shown, State};
use crate::config::Dns;
use crate::dns::plan::{Plan, Target};
use crate::dns::serve::{Options, Server};

/// How long a TCP connection may be idle, and how many there may be: CoreDNS has 10 s and no limit.
const TCP: (Duration, usize) = (Duration::from_secs(10), 4096);

/// The usual port.
const PORT: u16 = 53;

/// Addresses that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    queries: Vec<SocketAddr>,
    health: Option<SocketAddr>,
    ready: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
}

impl Places {
    /// Those of flags and plan.
    pub(super) fn of(config: &Dns, plan: &Plan) -> Self {
        Self {
            queries: queries(config, plan),
            health: plan.health.map(|health| health.address),
            ready: plan.ready,
            metrics: plan.metrics,
        }
    }

    /// The port of the blocks that `/query` looks at.
    pub(super) fn port(&self) -> u16 {
        self.queries.first().map_or(PORT, SocketAddr::port)
    }

    /// Binds where queries are taken.
    pub(super) fn bind_queries(&self, config: &Dns) -> Result<Server, Error> {
        let options = Options {
            listen: self.queries.clone(),
            workers: config.workers,
            client_rate: config.client_rate,
            cookie_secret: config.cookie_secret,
            tcp_idle: TCP.0,
            tcp_connections: TCP.1,
        };
        Server::bind(options).map_err(|(address, why)| Error::Queries(address, why))
    }

    /// Binds and answers about health, readiness and metrics. Says where.
    pub(super) fn show(&self, state: &State, tasks: &mut JoinSet<()>) -> Result<String, Error> {
        let mut places = Vec::new();
        for (name, address) in [("health", self.health), ("ready", self.ready), ("metrics", self.metrics)] {
            let Some(address) = address else { continue };
            let flag = match name {
                "health" => "--health",
                "ready" => "--ready",
                _ => "--metrics",
            };
            let wrong = |why| Error::Shown(address, flag, why);
            let server = Shown::bind(address).map_err(wrong)?;
            places.push(format!("{name} on {}", server.address().map_err(wrong)?));
            let state = state.clone();
            match name {
                "health" => tasks.spawn(server.run_health(state)),
                "ready" => tasks.spawn(server.run_ready(state)),
                _ => tasks.spawn(server.run_metrics(state)),
            };
        }
        if places.is_empty() {
            return Ok("health, readiness and metrics are shown nowhere".into());
        }
        Ok(places.join(", "))
    }

    /// Says what of a new plan needs a restart.
    pub(super) fn differing(&self, config: &Dns, plan: &Plan) {
        let new = Self::of(config, plan);
        let pairs = [
            ("queries are taken", self.queries == new.queries),
            ("health is shown", self.health == new.health),
            ("readiness is shown", self.ready == new.ready),
            ("metrics are shown", self.metrics == new.metrics),
        ];
        for (what, _) in pairs.iter().filter(|(_, same)| !same) {
            warn!("where {what} has changed: that takes a restart; until then it is where it was");
        }
    }
}

/// Where queries are taken: the flag's addresses, else those of each block.
fn queries(config: &Dns, plan: &Plan) -> Vec<SocketAddr> {
    if !config.listen.is_empty() {
        return config.listen.clone();
    }
    let mut all: Vec<SocketAddr> = Vec::new();
    for block in &plan.blocks {
        let ips = if block.bind.is_empty() { everywhere() } else { block.bind.clone() };
        for address in ips.into_iter().map(|ip| SocketAddr::new(ip, block.port)) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    // All addresses of a family hold each of them.
    let held = |address: &SocketAddr| {
        !address.ip().is_unspecified()
            && all.iter().any(|other| {
                other.port() == address.port()
                    && other.ip().is_unspecified()
                    && other.is_ipv4() == address.is_ipv4()
            })
    };
    all.iter().filter(|address| !held(address)).copied().collect()
}

/// All addresses of both families, where the machine has both.
fn everywhere() -> Vec<IpAddr> {
    let four = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if options::any_address().is_ipv6() { vec![four, IpAddr::V6(Ipv6Addr::UNSPECIFIED)] } else { vec![four] }
}

/// Addresses in a line.
pub(super) fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Where a `forward` leads, in a word.
pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Upstream(upstream) if upstream.tls => format!("tls://{}", upstream.address),
        Target::Upstream(upstream) => upstream.address.to_string(),
        Target::File(path) => path.display().to_string(),
    }
}
