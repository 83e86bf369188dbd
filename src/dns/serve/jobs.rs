//! Queries that take longer: handed from the threads that take queries to the one that asks upstreams.

use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

use super::Serving;
use super::active::{Active, Entry};
use super::clock::Moment;
use super::desk::{Arrival, Desk, Later};
use super::resolve::{self, Finished, Task};
use super::udp::{To, send_one};
use crate::dns::forward::{Question, Verdict};
use crate::dns::wire::name::Name;
use crate::dns::wire::question::{Asked, read};
use crate::dns::wire::{Rcode, flag};
use crate::metrics::dns::{Part, Sample};

/// How many may be under way; beyond, SERVFAIL.
const MOST: usize = 8192;
/// The longest that a query may take whatever happens: upstreams have shorter times of their own.
const LONGEST: Duration = Duration::from_secs(12);

/// How often threads look at the clock and at files, and whether what they hold is old.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Everything.
    All,
    /// This `forward` of the block is to be asked; nothing else has an answer.
    Forward(usize),
    /// The reply is gone; the cache is to be renewed.
    Refresh,
}

/// Where the reply goes.
pub(super) enum Way {
    Udp {
        socket: Arc<UdpSocket>,
        from: Option<To>,
    },
    /// To its connection. It has room, for connections bound what they have under way.
    Tcp(mpsc::Sender<Vec<u8>>),
}

/// A query that takes longer.
pub(super) struct Job {
    query: Box<[u8]>,
    client: SocketAddr,
    entry: Entry,
    moment: Moment,
    later: Later,
    serving: Arc<Serving>,
    way: Way,
    ticket: Option<Ticket>,
}

/// Counts a query while it is under way.
struct Ticket(Arc<AtomicUsize>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Job {
    pub(super) fn new(arrival: &Arrival<'_>, later: Later, serving: Arc<Serving>, way: Way) -> Self {
        Self {
            query: arrival.message.into(),
            client: arrival.client,
            entry: arrival.entry,
            moment: arrival.moment,
            later,
            serving,
            way,
            ticket: None,
        }
    }

    pub(super) fn later(&self) -> &Later {
        &self.later
    }

    pub(super) fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }

    /// As it came in.
    pub(super) fn arrival(&self) -> Arrival<'_> {
        let Self { query, client, entry, moment, .. } = self;
        Arrival {
            message: query,
            cut: false,
            client: *client,
            entry: *entry,
            tcp: self.tcp(),
            moment: *moment,
        }
    }

    /// The query, read again.
    pub(super) fn asked(&self) -> Option<Asked<'_>> {
        read(&self.query).ok()
    }

    fn tcp(&self) -> bool {
        matches!(self.way, Way::Tcp(_))
    }
}

enum Message {
    Job(Box<Job>),
    /// Finish what is there until then.
    Stop(Instant),
}

/// The way to the thread that asks upstreams.
#[derive(Clone)]
pub(super) struct Jobs {
    sender: mpsc::Sender<Message>,
    under_way: Arc<AtomicUsize>,
}

/// Its end of that way.
pub(super) struct Queue {
    messages: mpsc::Receiver<Message>,
    looped: watch::Sender<Option<String>>,
}

/// Both ends.
pub(super) fn queue() -> (Jobs, Queue, watch::Receiver<Option<String>>) {
    let (sender, messages) = mpsc::channel(MOST + 1);
    let (looped, watched) = watch::channel(None);
    (Jobs { sender, under_way: Arc::default() }, Queue { messages, looped }, watched)
}

impl Jobs {
    /// Hands over a job, or gives it back when there are too many.
    pub(super) fn submit(&self, mut job: Job) -> Result<(), Box<Job>> {
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        job.ticket = Some(Ticket(self.under_way.clone()));
        let job = Box::new(job);
        if before >= MOST {
            return Err(job);
        }
        self.sender.try_send(Message::Job(job)).map_err(|error| match error.into_inner() {
            Message::Job(job) => job,
            Message::Stop(_) => unreachable!("a job was sent"),
        })
    }

    /// Has what is under way finished until then.
    pub(super) fn stop(&self, deadline: Instant) {
        // There is room for this one; if the thread is gone, it has stopped.
        let _ = self.sender.try_send(Message::Stop(deadline));
    }
}

impl Queue {
    /// Works until told to stop.
    pub(super) fn run(mut self, runtime: &tokio::runtime::Runtime, desk: Desk) {
        let desk = Rc::new(RefCell::new(desk));
        LocalSet::new().block_on(runtime, async move {
            let mut tasks = JoinSet::new();
            let mut look = tokio::time::interval(LOOK);
            let mut probed = None;
            let deadline = loop {
                tokio::select! {
                    message = self.messages.recv() => match message {
                        Some(Message::Job(job)) => drop(tasks.spawn_local(work(*job, desk.clone()))),
                        Some(Message::Stop(deadline)) => break deadline,
                        None => break Instant::now(),
                    },
                    Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                    _ = look.tick() => {
                        let serving = desk.borrow_mut().idle();
                        look_after(&serving, &mut probed, &desk, &self.looped);
                    }
                }
            };
            let all = async { while tasks.join_next().await.is_some() {} };
            let _ = tokio::time::timeout_at(deadline.into(), all).await;
        });
    }
}

/// Reads files that changed again; finds out once for each plan whether queries come back to us.
fn look_after(
    serving: &Arc<Serving>,
    probed: &mut Option<u64>,
    desk: &Rc<RefCell<Desk>>,
    looped: &watch::Sender<Option<String>>,
) {
    let metrics = desk.borrow().common().metrics.clone();
    for hosts in serving.active.blocks.iter().filter_map(|block| block.hosts.as_ref()) {
        hosts.look(&metrics);
    }
    if probed.replace(serving.active.id) == Some(serving.active.id) {
        return;
    }
    for at in 0..serving.active.blocks.len() {
        drop(tokio::task::spawn_local(probe(serving.active.clone(), at, looped.clone())));
    }
}

/// Sends a query upstream that must not come back.
async fn probe(active: Arc<Active>, at: usize, looped: watch::Sender<Option<String>>) {
    let Some((block, probe)) = active.blocks.get(at).and_then(|block| Some((block, block.probe.as_ref()?)))
    else {
        return;
    };
    let Some(forwarder) = block.forward(probe.name().as_wire()).map(|at| &block.forwards[at]) else { return };
    match probe.run(forwarder).await {
        Verdict::Clear => {}
        Verdict::Unreachable(_) => {
            tracing::warn!("cannot tell whether queries of {} come back: no upstream answers", block.server);
        }
        Verdict::Looping => {
            let zone = block.plan.zones.first().map(ToString::to_string).unwrap_or_default();
            let message = format!(
                "{} zone {zone}: a loop: what is sent upstream comes back to this server; let `forward` lead to other servers",
                block.server
            );
            looped.send_replace(Some(message));
        }
    }
}

/// Answers one query.
async fn work(job: Job, desk: Rc<RefCell<Desk>>) {
    let Some(asked) = job.asked() else { return };
    if job.later.stage == Stage::Refresh {
        refresh(&job, &asked);
        return;
    }
    let Some(block) = job.later.chosen.block.and_then(|at| job.serving.active.blocks.get(at)) else { return };
    let task = Task {
        serving: &job.serving,
        block,
        asked: &asked,
        client: job.client.ip(),
        entry: job.entry,
        now: job.moment.secs,
        limit: if job.tcp() { usize::from(u16::MAX) } else { asked.payload(block.plan.payload) },
        options: job.later.options.as_bytes(),
        stage: job.later.stage,
        fresh: true,
        metrics: &desk.borrow().common().metrics.clone(),
    };
    let mut trace = super::Trace::default();
    let finished = match tokio::time::timeout(LONGEST, resolve::run(&task, &mut trace)).await {
        Ok(finished) => finished,
        Err(_) => task.empty(Rcode::SERVFAIL, Part::None),
    };
    if let (Some(failures), Some(failure)) = (&block.failures, &trace.failure) {
        failures.tell(&resolve::told(&asked, failure));
    }
    finish(&job, &asked, finished, &desk).await;
}

/// Asks for what the cache has, again.
fn refresh(job: &Job, asked: &Asked<'_>) {
    let block = job.later.chosen.block.and_then(|at| job.serving.active.blocks.get(at));
    let forward = block.and_then(|block| block.forwards.get(block.forward(asked.name.as_wire())?));
    if let (Some(forward), Some(question)) = (forward, question(asked)) {
        forward.refresh(question);
    }
}

/// A query as a question for upstreams.
pub(super) fn question(asked: &Asked<'_>) -> Option<Question> {
    Some(Question {
        name: Name::from_wire(asked.name.as_wire())?,
        kind: asked.kind,
        dnssec: asked.edns.is_some_and(|edns| edns.dnssec),
        unchecked: asked.flags & flag::CD != 0,
    })
}

async fn finish(job: &Job, asked: &Asked<'_>, finished: Finished, desk: &Rc<RefCell<Desk>>) {
    let took = job.moment.at.elapsed();
    let reply = Some((finished.reply.len(), finished.rcode.0));
    let sample = Sample {
        tcp: job.tcp(),
        v6: job.client.is_ipv6(),
        kind: asked.kind,
        dnssec: asked.edns.is_some_and(|edns| edns.dnssec),
        asked: job.query.len(),
        reply,
        part: finished.part,
    };
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    {
        let mut desk = desk.borrow_mut();
        desk.count(&job.serving.active, job.later.chosen.slot, &sample, nanos);
        let block = job.later.chosen.block.and_then(|at| job.serving.active.blocks.get(at));
        if let Some(block) = block.filter(|block| !block.plan.log.is_empty()) {
            desk.common().log.reply(&block.plan, asked, job.client, job.tcp(), &finished.reply, took);
        }
    }
    match &job.way {
        // What the network does not take is lost, as it would be on the way.
        Way::Udp { socket, from } => drop(send_one(socket, &finished.reply, job.client, *from)),
        Way::Tcp(connection) => drop(connection.send(finished.reply).await),
    }
}
