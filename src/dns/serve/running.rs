//! The threads: started together, stopped in an order that loses nothing.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::active::Entry;
use super::clock::Clock;
use super::cookie::Secret;
use super::desk::{Common, Desk};
use super::ending::Ending;
use super::jobs::{self, Jobs, Queue};
use super::log::Log;
use super::rate::Rate;
use super::udp::Worker;
use super::{Options, Server, Serving};
use super::{socket::Bound, tcp};
use crate::dns::forward::query::number;
use crate::metrics::dns::Metrics;
use crate::publish::Published;

/// Threads that answer.
pub struct Running {
    ending: Ending,
    jobs: Jobs,
    /// Those that take queries.
    takers: Vec<JoinHandle<()>>,
    /// The one that asks upstreams.
    asker: Option<JoinHandle<()>>,
    looped: watch::Receiver<Option<String>>,
}

impl Running {
    /// Says why once it is found out that queries which are sent upstream come back here (`loop`): the program is to end.
    pub fn looped(&self) -> watch::Receiver<Option<String>> {
        self.looped.clone()
    }

    /// Takes no more queries, finishes what is under way for at most `patience`.
    pub fn stop(mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.ending.signal(deadline);
        for thread in self.takers.drain(..) {
            // A thread that ended otherwise has nothing more to finish.
            let _ = thread.join();
        }
        self.jobs.stop(deadline);
        if let Some(asker) = self.asker.take() {
            let _ = asker.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let now = Instant::now();
        self.ending.signal(now);
        self.jobs.stop(now);
    }
}

/// Starts all threads.
pub(super) fn start(server: Server, serving: &Published<Serving>, metrics: &Metrics) -> io::Result<Running> {
    let Server { options, bound } = server;
    let (jobs, queue, looped) = jobs::queue();
    let common = Arc::new(common(&options, jobs.clone(), metrics.clone())?);
    let mut running = Running { ending: Ending::default(), jobs, takers: Vec::new(), asker: None, looped };
    running.asker = Some(asker(queue, Desk::new(serving, common.clone()))?);
    let limits =
        tcp::Limits { open: Arc::default(), most: options.tcp_connections.max(1), idle: options.tcp_idle };
    let mut listeners: Vec<Vec<_>> = Vec::new();
    for (asked_for, Bound { address, udp, tcp }) in bound {
        let entry = Entry { address: Some(asked_for.ip()), port: asked_for.port() };
        listeners.resize_with(listeners.len().max(tcp.len()), Vec::new);
        for (listener, place) in tcp.into_iter().zip(&mut listeners) {
            place.push((listener, entry));
        }
        for socket in udp {
            let worker = Worker {
                socket: Arc::new(socket),
                address,
                entry,
                desk: Desk::new(serving, common.clone()),
                ending: running.ending.clone(),
            };
            let name = format!("dns-udp-{}", running.takers.len());
            running.takers.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
    }
    for (number, listeners) in listeners.into_iter().enumerate() {
        let (desk, limits) = (Desk::new(serving, common.clone()), limits.clone());
        let thread = tcp::Thread { listeners, desk, limits, ending: running.ending.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let name = format!("dns-tcp-{number}");
        running.takers.push(std::thread::Builder::new().name(name).spawn(move || thread.run(&runtime))?);
    }
    Ok(running)
}

fn common(options: &Options, jobs: Jobs, metrics: Metrics) -> io::Result<Common> {
    let secret = match options.cookie_secret {
        Some(secret) => secret,
        None => (u128::from(number()?) << 64 | u128::from(number()?)).to_be_bytes(),
    };
    let idle = u16::try_from(options.tcp_idle.as_millis() / 100).unwrap_or(u16::MAX);
    Ok(Common {
        secret: Secret::new(secret),
        rate: options.client_rate.map(Rate::new),
        jobs,
        log: Log::new(metrics.clone(), io::stdout())?,
        metrics,
        clock: Clock::new(),
        idle,
    })
}

fn asker(queue: Queue, desk: Desk) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("dns-forward".into()).spawn(move || queue.run(&runtime, desk))
}
