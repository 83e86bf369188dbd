//! Answers from what is here: the zone, hosts, cache. Nothing here waits or allocates for a common question.

use std::net::IpAddr;

use super::Serving;
use super::active::Block;
use super::hosts::falls_through;
use super::log::kind as kind_name;
use crate::dns::forward::cache::Hit;
use crate::dns::plan;
use crate::dns::query::{self, Outcome};
use crate::dns::template;
use crate::dns::wire::name::{Name, ends_with};
use crate::dns::wire::question::Asked;
use crate::dns::wire::reply::{Reply, Section};
use crate::dns::wire::{Rcode, kind};
use crate::metrics::dns::{Metrics, Part};

/// What a question is answered with.
pub(super) struct Context<'a> {
    pub(super) serving: &'a Serving,
    pub(super) block: &'a Block,
    pub(super) client: IpAddr,
    /// In seconds, as the cache counts them.
    pub(super) now: u32,
    /// Where A and AAAA begin this time.
    pub(super) turn: Option<u32>,
    /// Whether rewriting and search paths are still to be looked at.
    pub(super) fresh: bool,
    pub(super) metrics: &'a Metrics,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// The reply's records are complete.
    Done(Rcode, Part),
    /// The same, from the cache; and it is to be asked for again.
    Refresh(Rcode),
    /// The reply has the aliases; their target is to be asked for.
    Leads(Name, Part),
    /// Another question is to be asked in its place.
    Rewritten,
    /// The search path of the client is to be followed.
    Search,
    /// Upstreams are to be asked: this one of the block's `forward`s.
    Forward(usize),
}

/// Asks the parts of a block in their order.
#[inline]
pub(super) fn answer(cx: &Context<'_>, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Local {
    let block = cx.block;
    if cx.fresh && !block.rules.is_empty() && block.rules.forward(asked.name.as_wire(), asked.kind).is_some()
    {
        return Local::Rewritten;
    }
    if let Some(autopath) = block.autopath.as_ref().filter(|_| cx.fresh)
        && !matches!(block.plan.autopath, Some(plan::Autopath::Kubernetes))
        && autopath.applies(cx, asked)
    {
        return Local::Search;
    }
    if !block.templates.is_empty()
        && let Some(local) = template(cx, asked, reply)
    {
        return local;
    }
    if let Some(hosts) = &block.hosts
        && let Some(rcode) = hosts.answer(asked, reply, cx.turn)
    {
        return Local::Done(rcode, Part::Hosts);
    }
    if let Some(local) = kubernetes(cx, asked, reply) {
        return local;
    }
    if asked.kind == kind::ANY {
        return Local::Done(minimal(reply), Part::Any);
    }
    let Some(forward) = cx.block.forward(asked.name.as_wire()) else {
        return Local::Done(Rcode::SERVFAIL, Part::None);
    };
    let Some(cache) = &cx.block.cache else { return Local::Forward(forward) };
    match cache.answer(asked, reply, cx.now, cx.turn) {
        Hit::Fresh(rcode) => Local::Done(rcode, Part::Cache),
        Hit::Refresh(rcode) => Local::Refresh(rcode),
        Hit::Miss => Local::Forward(forward),
    }
}

#[inline]
fn kubernetes(cx: &Context<'_>, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Option<Local> {
    let plan = cx.block.plan.kubernetes.as_ref()?;
    let Some(zones) = cx.serving.zones.get(cx.block.kubernetes?)?.as_ref() else {
        let mut names = plan.zones.iter().chain(&plan.reverse);
        let ours = names.any(|zone| ends_with(asked.name.as_wire(), zone.as_wire()));
        return ours.then_some(Local::Done(Rcode::SERVFAIL, Part::Kubernetes));
    };
    for zone in zones {
        match query::answer(zone, asked, reply, cx.turn) {
            Outcome::Done(rcode) => return Some(Local::Done(rcode, Part::Kubernetes)),
            Outcome::Leads(target) => return Some(Local::Leads(target, Part::Kubernetes)),
            Outcome::Missing if cx.searches(asked) => return Some(Local::Search),
            Outcome::Missing if falls_through(plan.fallthrough.as_deref(), asked) => return None,
            Outcome::Missing => {
                return Some(Local::Done(query::deny(zone, asked, reply), Part::Kubernetes));
            }
            Outcome::Elsewhere => {}
        }
    }
    None
}

impl Context<'_> {
    /// Whether a name that is not there is to be looked for along the client's search path.
    fn searches(&self, asked: &Asked<'_>) -> bool {
        let autopath = self.block.autopath.as_ref().filter(|_| self.fresh);
        autopath.is_some_and(|autopath| autopath.applies(self, asked))
    }
}

#[cold]
fn template(cx: &Context<'_>, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Option<Local> {
    match cx.block.templates.answer(asked, cx.client) {
        template::Outcome::Pass => None,
        template::Outcome::Failed => {
            cx.metrics.template_failed();
            Some(Local::Done(Rcode::SERVFAIL, Part::Template))
        }
        template::Outcome::Answer(answer) => {
            let zone =
                cx.block.plan.zones.iter().find(|zone| ends_with(asked.name.as_wire(), zone.as_wire()));
            let zone = zone.map(Name::to_string).unwrap_or_default();
            cx.metrics.template(&cx.block.server, &zone, "IN", &kind_name(asked.kind));
            let rcode = answer.put(reply);
            Some(match answer.alias {
                Some(target) => Local::Leads(target, Part::Template),
                None => Local::Done(rcode, Part::Template),
            })
        }
    }
}

/// ANY gets one record that says why there are no more: HINFO "RFC8482" "" (RFC 8482 section 4.2).
fn minimal(reply: &mut Reply<'_>) -> Rcode {
    const RECORD: &[u8] = b"\xc0\x0c\0\x0d\0\x01\0\0\x21\x22\0\x09\x07RFC8482\0";
    if !reply.push(Section::Answer, RECORD, 1) {
        reply.truncate();
    }
    Rcode::NOERROR
}
