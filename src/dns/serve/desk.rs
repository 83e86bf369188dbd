//! Where one thread takes queries: reads them, checks who asks, finds the block, answers or makes a job of it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::active::{Active, Block, Chosen, Entry};
use super::clock::{Clock, Moment};
use super::cookie::Secret;
use super::jobs::{Job, Jobs, Stage};
use super::local::{self, Context, Local};
use super::log::Log;
use super::options::Options;
use super::rate::{Rate, Verdict};
use super::{Serving, access};
use crate::dns::plan::PAYLOAD;
use crate::dns::wire::question::{Asked, Unreadable, read};
use crate::dns::wire::reply::{Reply, bare};
use crate::dns::wire::{HEADER, IN, Rcode, kind};
use crate::metrics::dns::{Metrics, Part, Sample, Tally};
use crate::publish::{Published, Reader};

/// What all threads have in common.
pub(super) struct Common {
    pub(super) secret: Secret,
    pub(super) rate: Option<Rate>,
    pub(super) jobs: Jobs,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) clock: Clock,
    /// How long a TCP connection may be idle, in units of 100 ms (RFC 7828).
    pub(super) idle: u16,
}

/// A query as it came in.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'m> {
    pub(super) message: &'m [u8],
    /// It is not all of the message.
    pub(super) cut: bool,
    pub(super) client: SocketAddr,
    pub(super) entry: Entry,
    pub(super) tcp: bool,
    pub(super) moment: Moment,
}

/// What is done with a query.
pub(super) enum Taken {
    /// The reply has this length.
    Send(usize),
    /// Nothing.
    Silent,
    /// It takes longer.
    Later(Later),
    /// The whole zone is wanted, of a client that may have it.
    Transfer(Chosen),
}

/// What is known of a query that takes longer.
#[derive(Clone, Copy)]
pub(super) struct Later {
    pub(super) chosen: Chosen,
    pub(super) stage: Stage,
    pub(super) options: Options,
    /// The reply in the room is to be sent; what is to be done now is for the next one who asks.
    pub(super) replied: Option<usize>,
}

/// One thread's place.
pub(super) struct Desk {
    reader: Reader<Serving>,
    inside: Inside,
}

struct Inside {
    common: Arc<Common>,
    thread: usize,
    /// The plan that the tallies are for.
    plan: Option<u64>,
    tallies: Vec<Arc<Tally>>,
    /// Queries of each slot since the last [`Desk::took`].
    fresh: Vec<u64>,
    turn: u32,
}

impl Desk {
    pub(super) fn new(serving: &Published<Serving>, common: Arc<Common>) -> Self {
        let thread = common.metrics.thread();
        let (tallies, fresh) = (Vec::new(), Vec::new());
        let turn = fastrand::u32(..);
        Self { reader: serving.reader(), inside: Inside { common, thread, plan: None, tallies, fresh, turn } }
    }

    /// What queries are answered from now. Call it also while there are none, so that what is old can go.
    pub(super) fn serving(&mut self) -> &Arc<Serving> {
        self.reader.get()
    }

    /// Lets go of what is old, and follows the system's clock.
    pub(super) fn idle(&mut self) -> Arc<Serving> {
        self.inside.common.clock.set();
        self.reader.get().clone()
    }

    /// What all threads have in common.
    pub(super) fn common(&self) -> &Arc<Common> {
        &self.inside.common
    }

    /// Takes one query; its reply goes to `out`, which holds at least 512 bytes.
    #[inline]
    pub(super) fn take(&mut self, arrival: &Arrival<'_>, out: &mut [u8]) -> Taken {
        let serving = self.reader.get();
        self.inside.adopt(&serving.active);
        self.inside.take(serving, arrival, out)
    }

    /// The queries taken since the last time took so long each.
    #[inline]
    pub(super) fn took(&mut self, nanos: u64) {
        for (tally, count) in self.inside.tallies.iter().zip(&mut self.inside.fresh) {
            if *count > 0 {
                tally.took(nanos, std::mem::take(count));
            }
        }
    }

    /// Hands over what takes longer. When too much is under way, `out` has a reply of that length instead.
    pub(super) fn submit(&mut self, job: Job, out: &mut [u8]) -> Result<(), usize> {
        let Err(job) = self.inside.common.jobs.submit(job) else { return Ok(()) };
        self.inside.overloaded(&job, out).map_or(Ok(()), Err)
    }

    /// Counts a query that took longer.
    pub(super) fn count(&mut self, active: &Active, slot: usize, sample: &Sample, nanos: u64) {
        self.inside.adopt(active);
        if let Some(tally) = self.inside.tallies.get(slot) {
            tally.count(sample);
            tally.took(nanos, 1);
        }
    }
}

/// A query that was read.
struct Checked<'a, 'm> {
    asked: &'a Asked<'m>,
    arrival: &'a Arrival<'m>,
    serving: &'a Arc<Serving>,
    options: Options,
}

impl Inside {
    /// Counters for the zones of the plan in force.
    #[inline]
    fn adopt(&mut self, active: &Active) {
        if self.plan != Some(active.id) {
            self.renew(active);
        }
    }

    #[cold]
    fn renew(&mut self, active: &Active) {
        self.plan = Some(active.id);
        let tally =
            |slot: &super::active::Slot| self.common.metrics.tally(self.thread, &slot.server, &slot.zone);
        self.tallies = active.slots.iter().map(tally).collect();
        self.fresh = vec![0; active.slots.len()];
    }

    #[inline]
    fn take(&mut self, serving: &Arc<Serving>, arrival: &Arrival<'_>, out: &mut [u8]) -> Taken {
        let asked = match read(arrival.message) {
            Ok(asked) if !arrival.cut => asked,
            Err(Unreadable::Drop) => return Taken::Silent,
            Err(Unreadable::Answer(rcode)) => return self.unreadable(serving, arrival, rcode, out),
            Ok(_) => return self.unreadable(serving, arrival, Rcode::FORMERR, out),
        };
        let mut options = Options::default();
        let mut known = false;
        if let Some(cookie) = asked.edns.and_then(|edns| edns.cookie) {
            let verdict = self.common.secret.judge(&cookie, arrival.client.ip(), arrival.moment.unix);
            options.cookie(cookie.client(), verdict.server);
            known = verdict.known;
        }
        if arrival.tcp && asked.edns.is_some_and(|edns| edns.keepalive) {
            options.keepalive(self.common.idle);
        }
        let query = Checked { asked: &asked, arrival, serving, options };
        if let Some(rate) = self.common.rate.as_ref().filter(|_| !known && !arrival.tcp) {
            let verdict = rate.judge(arrival.client.ip(), arrival.moment.nanos);
            if verdict != Verdict::Pass {
                return self.limit(&query, verdict, out);
            }
        }
        if asked.edns.is_some_and(|edns| edns.version > 0) {
            return self.refuse(&query, Rcode::BADVERS, out);
        }
        if asked.class != IN {
            return self.refuse(&query, Rcode::REFUSED, out);
        }
        self.in_block(&query, out)
    }

    #[inline]
    fn in_block(&mut self, query: &Checked<'_, '_>, out: &mut [u8]) -> Taken {
        let Checked { asked, arrival, serving, options } = query;
        let chosen = serving.active.choose(asked.name.as_wire(), arrival.entry);
        let Some(block) = chosen.block.map(|at| &serving.active.blocks[at]) else {
            return self.refuse(query, Rcode::REFUSED, out);
        };
        if !block.plan.acl.is_empty() {
            match access::judge(&block.plan, asked, arrival.client.ip()) {
                access::Verdict::Pass => {}
                access::Verdict::Answer(rcode) => {
                    return self.end(query, block, chosen.slot, (rcode, Part::Acl), out);
                }
                access::Verdict::Drop => {
                    self.count(query, chosen.slot, None, Part::Acl);
                    return Taken::Silent;
                }
            }
        }
        if matches!(asked.kind, kind::AXFR | kind::IXFR) {
            if arrival.tcp && access::may_transfer(&block.plan, asked, arrival.client.ip()) {
                return Taken::Transfer(chosen);
            }
            return self.end(query, block, chosen.slot, (Rcode::REFUSED, Part::Transfer), out);
        }
        if asked.kind == kind::HINFO
            && block.probe.as_ref().is_some_and(|probe| probe.saw(asked.name.as_wire()))
        {
            return self.end(query, block, chosen.slot, (Rcode::REFUSED, Part::None), out);
        }
        self.turn = self.turn.wrapping_add(1);
        let cx = Context {
            serving,
            block,
            client: arrival.client.ip(),
            now: arrival.moment.secs,
            turn: block.plan.shuffle.then_some(self.turn),
            fresh: true,
            metrics: &self.common.metrics,
        };
        let limit = if arrival.tcp { out.len() } else { asked.payload(block.plan.payload) };
        let mut reply = Reply::new(asked, out, limit, block.plan.payload, options.as_bytes());
        let later = |stage| Later { chosen, stage, options: *options, replied: None };
        match local::answer(&cx, asked, &mut reply) {
            Local::Done(rcode, part) => {
                let length = reply.finish(rcode);
                Taken::Send(self.done(query, (block, chosen.slot), (rcode, part), &out[..length]))
            }
            Local::Refresh(rcode) => {
                let length = reply.finish(rcode);
                self.done(query, (block, chosen.slot), (rcode, Part::Cache), &out[..length]);
                Taken::Later(Later { replied: Some(length), ..later(Stage::Refresh) })
            }
            Local::Forward(at) => Taken::Later(later(Stage::Forward(at))),
            Local::Leads(..) | Local::Rewritten | Local::Search => Taken::Later(later(Stage::All)),
        }
    }

    /// Ends a reply without records.
    fn end(
        &mut self,
        query: &Checked<'_, '_>,
        block: &Block,
        slot: usize,
        (rcode, part): (Rcode, Part),
        out: &mut [u8],
    ) -> Taken {
        let length = query.empty(block.plan.payload, rcode, false, out);
        Taken::Send(self.done(query, (block, slot), (rcode, part), &out[..length]))
    }

    /// A reply is complete: counts and logs it.
    #[inline]
    fn done(
        &mut self,
        query: &Checked<'_, '_>,
        (block, slot): (&Block, usize),
        (rcode, part): (Rcode, Part),
        reply: &[u8],
    ) -> usize {
        self.count(query, slot, Some((reply.len(), rcode)), part);
        if !block.plan.log.is_empty() {
            let took = query.arrival.moment.at.elapsed();
            self.common.log.reply(
                &block.plan,
                query.asked,
                query.arrival.client,
                query.arrival.tcp,
                reply,
                took,
            );
        }
        reply.len()
    }

    #[inline]
    fn count(&mut self, query: &Checked<'_, '_>, slot: usize, reply: Option<(usize, Rcode)>, part: Part) {
        if let Some(tally) = self.tallies.get(slot) {
            tally.count(&query.sample(reply, part));
            self.fresh[slot] += 1;
        }
    }

    /// Answers a message that is no query to be read with its header.
    #[cold]
    fn unreadable(
        &mut self,
        serving: &Serving,
        arrival: &Arrival<'_>,
        rcode: Rcode,
        out: &mut [u8],
    ) -> Taken {
        let Some(message) = arrival.message.get(..HEADER) else { return Taken::Silent };
        out[..HEADER].copy_from_slice(&bare(message, rcode));
        let slot = serving.active.nobody(arrival.entry);
        if let Some(tally) = self.tallies.get(slot) {
            let reply = Some((HEADER, rcode.0));
            let (v6, asked) = (arrival.client.is_ipv6(), arrival.message.len());
            tally.count(&Sample { tcp: arrival.tcp, v6, asked, reply, ..Sample::default() });
            self.fresh[slot] += 1;
        }
        Taken::Send(HEADER)
    }

    /// Answers a query that no block gets.
    #[cold]
    fn refuse(&mut self, query: &Checked<'_, '_>, rcode: Rcode, out: &mut [u8]) -> Taken {
        let length = query.empty(PAYLOAD, rcode, false, out);
        let slot = query.serving.active.nobody(query.arrival.entry);
        self.count(query, slot, Some((length, rcode)), Part::None);
        Taken::Send(length)
    }

    /// Answers a query for which there is no room; `None` when it has its answer.
    #[cold]
    fn overloaded(&mut self, job: &Job, out: &mut [u8]) -> Option<usize> {
        if job.later().stage == Stage::Refresh {
            return None;
        }
        self.common.metrics.overloaded();
        let (arrival, asked) = (job.arrival(), job.asked()?);
        let (serving, later) = (job.serving(), job.later());
        let query = Checked { asked: &asked, arrival: &arrival, serving, options: later.options };
        let length = query.empty(PAYLOAD, Rcode::SERVFAIL, false, out);
        self.count(&query, later.chosen.slot, Some((length, Rcode::SERVFAIL)), Part::None);
        Some(length)
    }

    /// Answers a client that asks too much, or not. Who speaks of cookies gets one, which lifts the limit (RFC 7873 section
    /// 5.2.3); others are advised to use TCP.
    #[cold]
    fn limit(&mut self, query: &Checked<'_, '_>, verdict: Verdict, out: &mut [u8]) -> Taken {
        let slipped = verdict == Verdict::Slip;
        self.common.metrics.limited(slipped);
        if !slipped {
            return Taken::Silent;
        }
        let cookie = query.asked.edns.is_some_and(|edns| edns.cookie.is_some());
        let rcode = if cookie { Rcode::BADCOOKIE } else { Rcode::NOERROR };
        Taken::Send(query.empty(PAYLOAD, rcode, !cookie, out))
    }
}

impl Checked<'_, '_> {
    /// A reply without records; gives its length.
    fn empty(&self, payload: u16, rcode: Rcode, truncated: bool, out: &mut [u8]) -> usize {
        let limit = if self.arrival.tcp { out.len() } else { self.asked.payload(payload) };
        let mut reply = Reply::new(self.asked, out, limit, payload, self.options.as_bytes());
        if truncated {
            reply.truncate();
        }
        reply.finish(rcode)
    }

    #[inline]
    fn sample(&self, reply: Option<(usize, Rcode)>, part: Part) -> Sample {
        Sample {
            tcp: self.arrival.tcp,
            v6: self.arrival.client.is_ipv6(),
            kind: self.asked.kind,
            dnssec: self.asked.edns.is_some_and(|edns| edns.dnssec),
            asked: self.arrival.message.len(),
            reply: reply.map(|(length, rcode)| (length, rcode.0)),
            part,
        }
    }
}
