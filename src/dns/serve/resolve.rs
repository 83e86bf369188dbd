//! The whole way of a question through its block, upstreams included.

use std::net::IpAddr;
use std::pin::Pin;

use super::access::Verdict;
use super::active::{Block, Entry};
use super::jobs::{Stage, question};
use super::local::{self, Context, Local};
use super::{Serving, Trace, access, append, autopath};
use crate::dns::forward::cache::seconds;
use crate::dns::forward::{Answer, Failure};
use crate::dns::plan::PAYLOAD;
use crate::dns::wire::name::Name;
use crate::dns::wire::question::{Asked, Unreadable, read};
use crate::dns::wire::reply::{Reply, Section, bare};
use crate::dns::wire::{HEADER, IN, Rcode, flag, kind, number};
use crate::metrics::dns::{Metrics, Part};

/// How often an answer may lead elsewhere.
const DEPTH: usize = 8;

/// A question on its way.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) serving: &'a Serving,
    pub(super) block: &'a Block,
    pub(super) asked: &'a Asked<'a>,
    pub(super) client: IpAddr,
    pub(super) entry: Entry,
    /// In seconds, as the cache counts them.
    pub(super) now: u32,
    /// The reply's bytes at most.
    pub(super) limit: usize,
    pub(super) options: &'a [u8],
    pub(super) stage: Stage,
    /// Whether rewriting and search paths are still to be looked at.
    pub(super) fresh: bool,
    pub(super) metrics: &'a Metrics,
}

/// A reply as it is sent.
pub(super) struct Finished {
    pub(super) reply: Vec<u8>,
    pub(super) rcode: Rcode,
    pub(super) part: Part,
}

/// Answers a question, whatever it takes.
pub(super) async fn run(task: &Task<'_>, trace: &mut Trace) -> Finished {
    step(task, trace, 0).await
}

/// Answers a message that came from nowhere.
pub(super) async fn alone(
    serving: &Serving,
    message: &[u8],
    client: IpAddr,
    port: u16,
) -> (Option<Vec<u8>>, Trace) {
    let mut trace = Trace::default();
    let asked = match read(message) {
        Ok(asked) => asked,
        Err(Unreadable::Drop) => return (None, trace),
        Err(Unreadable::Answer(rcode)) => return (Some(bare(message, rcode).into()), trace),
    };
    let entry = Entry { address: None, port };
    let chosen = serving.active.choose(asked.name.as_wire(), entry);
    trace.zone.clone_from(&serving.active.slots[chosen.slot].zone);
    let metrics = Metrics::default();
    let limit = usize::from(u16::MAX);
    let block = chosen.block.map(|at| &serving.active.blocks[at]);
    let Some(block) = block.filter(|_| asked.class == IN && asked.edns.is_none_or(|edns| edns.version == 0))
    else {
        let mut out = vec![0; 512];
        let newer = asked.edns.is_some_and(|edns| edns.version > 0);
        let reply = Reply::new(&asked, &mut out, 512, PAYLOAD, &[]);
        let length = reply.finish(if newer { Rcode::BADVERS } else { Rcode::REFUSED });
        out.truncate(length);
        return (Some(out), trace);
    };
    let (now, stage, options) = (seconds(), Stage::All, &[][..]);
    let task = Task {
        serving,
        block,
        asked: &asked,
        client,
        entry,
        now,
        limit,
        options,
        stage,
        fresh: true,
        metrics: &metrics,
    };
    let finished = match access::judge(&block.plan, &asked, client) {
        Verdict::Drop => return (None, trace),
        Verdict::Answer(rcode) => task.empty(rcode, Part::Acl),
        Verdict::Pass if matches!(asked.kind, kind::AXFR | kind::IXFR) => {
            task.empty(Rcode::REFUSED, Part::Transfer)
        }
        Verdict::Pass => run(&task, &mut trace).await,
    };
    trace.plugin = finished.part.name();
    (Some(finished.reply), trace)
}

/// A failure in words.
pub(super) fn told(asked: &Asked<'_>, failure: &Failure) -> String {
    let why = match failure {
        Failure::Busy => "more queries than `max_concurrent` are waiting for upstreams".to_owned(),
        Failure::Down => "all upstreams are down".to_owned(),
        Failure::Silent(upstreams) if upstreams.is_empty() => "no upstream to ask".to_owned(),
        Failure::Silent(upstreams) => {
            let each = upstreams.iter().map(|(upstream, why)| format!("{}: {why}", upstream.address));
            each.collect::<Vec<_>>().join("; ")
        }
    };
    format!("{} {}: {why}", super::log::Shown(asked.written()), super::log::kind(asked.kind))
}

impl Task<'_> {
    /// A reply without records.
    pub(super) fn empty(&self, rcode: Rcode, part: Part) -> Finished {
        self.reply(|_| (rcode, part))
    }

    /// Fills a reply.
    pub(super) fn reply(&self, fill: impl FnOnce(&mut Reply<'_>) -> (Rcode, Part)) -> Finished {
        let mut out = vec![0; self.limit.max(512)];
        let mut reply = Reply::new(self.asked, &mut out, self.limit, self.block.plan.payload, self.options);
        let (rcode, part) = fill(&mut reply);
        let length = reply.finish(rcode);
        out.truncate(length);
        Finished { reply: out, rcode, part }
    }

    pub(super) fn context(&self) -> Context<'_> {
        let turn = self.block.plan.shuffle.then(|| fastrand::u32(..));
        let Self { serving, block, client, now, fresh, metrics, .. } = *self;
        Context { serving, block, client, now, turn, fresh, metrics }
    }
}

async fn step(task: &Task<'_>, trace: &mut Trace, depth: usize) -> Finished {
    let mut local = Local::Forward(0);
    let finished = match task.stage {
        Stage::Forward(at) => {
            local = Local::Forward(at);
            None
        }
        _ => Some(task.reply(|reply| {
            local = local::answer(&task.context(), task.asked, reply);
            match &local {
                Local::Done(rcode, part) => (*rcode, *part),
                Local::Refresh(rcode) => (*rcode, Part::Cache),
                Local::Leads(_, part) => (Rcode::NOERROR, *part),
                Local::Forward(_) | Local::Rewritten | Local::Search => (Rcode::SERVFAIL, Part::None),
            }
        })),
    };
    match (local, finished) {
        (Local::Forward(at), _) => forward(task, at, trace).await,
        (Local::Leads(target, _), Some(begun)) => lead(task, begun, &target, trace, depth).await,
        (Local::Refresh(_), Some(finished)) => {
            let forward = task.block.forwards.get(task.block.forward(task.asked.name.as_wire()).unwrap_or(0));
            if let (Some(forward), Some(question)) = (forward, question(task.asked)) {
                forward.refresh(question);
            }
            finished
        }
        (Local::Rewritten, _) => rewritten(task, trace, depth).await,
        (Local::Search, _) => match autopath::follow(task, trace, depth).await {
            Some(finished) => finished,
            None => task.empty(Rcode::SERVFAIL, Part::Autopath),
        },
        (_, Some(finished)) => finished,
        (_, None) => task.empty(Rcode::SERVFAIL, Part::None),
    }
}

/// Asks upstreams; those of the next `forward`, where the plan says so for a code.
async fn forward(task: &Task<'_>, first: usize, trace: &mut Trace) -> Finished {
    let Some(question) = question(task.asked) else { return task.empty(Rcode::FORMERR, Part::None) };
    let takes = |at: &usize| task.block.takes(*at, task.asked.name.as_wire());
    let mut rest = (first..task.block.forwards.len()).filter(takes).peekable();
    while let Some(at) = rest.next() {
        let forwarder = &task.block.forwards[at];
        match forwarder.ask(&question).await {
            Ok(answer) if forwarder.plan().next.contains(&answer.rcode) && rest.peek().is_some() => {}
            Ok(answer) => {
                trace.upstream = answer.upstream.clone().map(|upstream| (upstream, answer.took));
                return task.reply(|reply| fill(reply, &answer));
            }
            Err(failure) => {
                let rcode = if failure == Failure::Busy { Rcode::REFUSED } else { Rcode::SERVFAIL };
                trace.failure = Some(failure);
                return task.empty(rcode, Part::Forward);
            }
        }
    }
    task.empty(Rcode::SERVFAIL, Part::None)
}

fn fill(reply: &mut Reply<'_>, answer: &Answer) -> (Rcode, Part) {
    let flags = number(&answer.message, 2).unwrap_or(0);
    reply.set(flags & (flag::AA | flag::TC | flag::RA | flag::AD));
    let begin = reply.position();
    if !append::verbatim(reply, &answer.message) {
        reply.rewind(begin, [0; 3]);
        return (Rcode::SERVFAIL, Part::Forward);
    }
    let part = if answer.upstream.is_some() { Part::Forward } else { Part::Cache };
    (answer.rcode, part)
}

/// Asks for what an alias leads to, and adds that to the reply.
async fn lead(task: &Task<'_>, begun: Finished, target: &Name, trace: &mut Trace, depth: usize) -> Finished {
    let Some(inner) = ask_anew(task, target, trace, depth).await else {
        return Finished { rcode: Rcode::SERVFAIL, ..task.empty(Rcode::SERVFAIL, begun.part) };
    };
    task.reply(|reply| {
        // What was there fits as it stands; only its OPT goes.
        let mut good = append::verbatim(reply, &begun.reply);
        for section in [Section::Answer, Section::Authority] {
            good &= append::elsewhere(reply, &inner.reply, section);
        }
        reply.set(number(&inner.reply, 2).unwrap_or(0) & (flag::RA | flag::TC));
        (if good { inner.rcode } else { Rcode::SERVFAIL }, begun.part)
    })
}

/// Asks the same block another question, and makes its answer one to the question that was asked.
async fn rewritten(task: &Task<'_>, trace: &mut Trace, depth: usize) -> Finished {
    let failed = || task.empty(Rcode::SERVFAIL, Part::None);
    let Some(Ok(changed)) = task.block.rules.forward(task.asked.name.as_wire(), task.asked.kind) else {
        return failed();
    };
    let at = Further { name: &changed.name, kind: changed.kind, block: Some(task.block), fresh: false };
    let Some(inner) = further(task, &at, trace, depth).await else { return failed() };
    let Some(message) = changed.back.apply(&inner.reply, task.asked.question()) else { return failed() };
    task.reply(|reply| {
        reply.set(number(&inner.reply, 2).unwrap_or(0) & (flag::AA | flag::RA | flag::AD | flag::TC));
        if append::verbatim(reply, &message) {
            (inner.rcode, inner.part)
        } else {
            (Rcode::SERVFAIL, inner.part)
        }
    })
}

/// Another question on the way to an answer.
struct Further<'a> {
    name: &'a Name,
    kind: u16,
    /// The block that is asked; `None`: the one that its name belongs to.
    block: Option<&'a Block>,
    fresh: bool,
}

/// What a target of an alias has: asked from the beginning.
async fn ask_anew(task: &Task<'_>, name: &Name, trace: &mut Trace, depth: usize) -> Option<Finished> {
    let at = Further { name, kind: task.asked.kind, block: None, fresh: true };
    further(task, &at, trace, depth).await
}

/// What a name of a search path has.
pub(super) async fn ask_for(
    task: &Task<'_>,
    name: &Name,
    trace: &mut Trace,
    depth: usize,
) -> Option<Finished> {
    let at = Further { name, kind: task.asked.kind, block: None, fresh: false };
    further(task, &at, trace, depth).await
}

/// `None` when that leads too far.
fn further<'a>(
    task: &'a Task<'_>,
    at: &'a Further<'_>,
    trace: &'a mut Trace,
    depth: usize,
) -> Pin<Box<dyn Future<Output = Option<Finished>> + Send + 'a>> {
    Box::pin(async move {
        if depth >= DEPTH {
            return None;
        }
        let query = query(task.asked, at.name, at.kind);
        let asked = read(&query).ok()?;
        let chosen = || {
            let chosen = task.serving.active.choose(asked.name.as_wire(), task.entry);
            task.serving.active.blocks.get(chosen.block?)
        };
        let block = at.block.or_else(chosen)?;
        let limit = task.limit.max(4096);
        let (stage, fresh) = (Stage::All, at.fresh);
        let inner = Task { asked: &asked, block, stage, fresh, limit, options: &[], ..*task };
        Some(step(&inner, trace, depth + 1).await)
    })
}

/// A query for another name and type with the same flags, and the same wish for DNSSEC records.
pub(super) fn query(asked: &Asked<'_>, name: &Name, kind: u16) -> Vec<u8> {
    let dnssec = asked.edns.is_some_and(|edns| edns.dnssec);
    let mut bytes = Vec::with_capacity(HEADER + name.as_wire().len() + 15);
    bytes.extend(asked.id.to_be_bytes());
    bytes.extend((asked.flags & (flag::RD | flag::CD | flag::AD)).to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 0, 0, u8::from(dnssec)]);
    bytes.extend(name.as_wire());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    if dnssec {
        bytes.extend([0, 0, 41, 0xff, 0xff, 0, 0, 0x80, 0, 0, 0]);
    }
    bytes
}
