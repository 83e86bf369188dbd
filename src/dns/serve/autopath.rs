//! A pod's search path, followed here instead of by the pod: one round trip in the place of several (`autopath`).

use std::fs;
use std::path::Path;

use super::Trace;
use super::append;
use super::local::Context;
use super::resolve::{Finished, Task, ask_for};
use crate::dns::forward::Unusable;
use crate::dns::plan;
use crate::dns::wire::name::{Name, ends_with};
use crate::dns::wire::question::Asked;
use crate::dns::wire::record::walk;
use crate::dns::wire::reply::{OWNER, Section};
use crate::dns::wire::{IN, Rcode, flag, kind, number};
use crate::dns::zone::Zone;
use crate::metrics::dns::Part;

/// The search path of this host.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Which search path is followed.
pub(super) struct Autopath {
    /// The pod's, with what this host has after it; else that of a file.
    of_pods: bool,
    search: Vec<Name>,
}

impl Autopath {
    pub(super) fn new(plan: &plan::Autopath, line: u32) -> Result<Self, Unusable> {
        match plan {
            plan::Autopath::Kubernetes => {
                let search = search(Path::new(RESOLV_CONF)).unwrap_or_default();
                Ok(Self { of_pods: true, search })
            }
            plan::Autopath::File(path) => {
                let unusable = |error| {
                    let message = format!("`autopath` cannot read {}: {error}", path.display());
                    Unusable { line, message }
                };
                Ok(Self { of_pods: false, search: search(path).map_err(unusable)? })
            }
        }
    }

    /// Whether a question is the first that a resolver makes of a short name.
    pub(super) fn applies(&self, cx: &Context<'_>, asked: &Asked<'_>) -> bool {
        self.path(cx, asked).is_some()
    }

    /// The short name, and the domains it is tried with after the first.
    fn path(&self, cx: &Context<'_>, asked: &Asked<'_>) -> Option<(Name, Vec<Name>)> {
        if !matches!(asked.kind, kind::A | kind::AAAA) {
            return None;
        }
        let name = asked.name.as_wire();
        if !self.of_pods {
            let first = self.search.first()?;
            return Some((short(name, first)?, self.search.clone()));
        }
        let zones = cx.serving.zones.get(cx.block.kubernetes?)?.as_ref()?;
        zones.iter().find_map(|zone| self.path_of_pod(zone, cx, name))
    }

    fn path_of_pod(&self, zone: &Zone, cx: &Context<'_>, name: &[u8]) -> Option<(Name, Vec<Name>)> {
        let domain = &zone.options().domain;
        if !ends_with(name, domain.as_wire()) {
            return None;
        }
        let services = domain.prepend(b"svc").ok()?;
        let first = services.prepend(zone.namespace_of(cx.client)?.as_bytes()).ok()?;
        let short = short(name, &first)?;
        let path = [first, services, domain.clone()].into_iter().chain(self.search.iter().cloned());
        Some((short, path.collect()))
    }
}

/// Tries one domain after the other; the first that has the name gives the answer, with an alias before it.
pub(super) async fn follow(task: &Task<'_>, trace: &mut Trace, depth: usize) -> Option<Finished> {
    let autopath = task.block.autopath.as_ref()?;
    let (short, path) = autopath.path(&task.context(), task.asked)?;
    let mut first = None;
    // At last the name as it was meant.
    for domain in path.iter().map(Some).chain([None]) {
        let name = domain.map_or(Ok(short.clone()), |domain| short.join(domain));
        let Ok(name) = name else { continue };
        let Some(found) = ask_for(task, &name, trace, depth).await else { continue };
        let good = found.rcode == Rcode::NOERROR;
        if good {
            task.metrics.autopath(&task.block.server);
            return Some(found_as(task, &name, &found));
        }
        first.get_or_insert(found);
    }
    let first = first?;
    Some(task.reply(|reply| {
        reply.set(number(&first.reply, 2).unwrap_or(0) & (flag::AA | flag::RA));
        // The question is the same.
        append::verbatim(reply, &first.reply);
        (first.rcode, first.part)
    }))
}

/// The answer that another name has, as that of the name that was asked for.
fn found_as(task: &Task<'_>, name: &Name, found: &Finished) -> Finished {
    task.reply(|reply| {
        reply.set(number(&found.reply, 2).unwrap_or(0) & (flag::AA | flag::RA | flag::TC));
        if name.as_wire() == task.asked.name.as_wire() {
            append::verbatim(reply, &found.reply);
            return (found.rcode, found.part);
        }
        let mut ttl = None;
        walk(&found.reply, |record| {
            if record.section == Section::Answer {
                ttl.get_or_insert(record.ttl(&found.reply));
            }
            Some(())
        });
        if let Some(ttl) = ttl
            && !reply.push(Section::Answer, &alias(name, ttl), 1)
        {
            reply.truncate();
        }
        for section in [Section::Answer, Section::Authority] {
            append::elsewhere(reply, &found.reply, section);
        }
        (found.rcode, Part::Autopath)
    })
}

fn alias(target: &Name, ttl: u32) -> Vec<u8> {
    let mut record = OWNER.to_vec();
    record.extend(kind::CNAME.to_be_bytes());
    record.extend(IN.to_be_bytes());
    record.extend(ttl.to_be_bytes());
    record.extend(u16::try_from(target.as_wire().len()).unwrap_or(0).to_be_bytes());
    record.extend(target.as_wire());
    record
}

/// A name without the domain at its end; there is something before it.
fn short(name: &[u8], domain: &Name) -> Option<Name> {
    let end = name.len().checked_sub(domain.as_wire().len()).filter(|end| *end > 0)?;
    if domain.is_root() || !ends_with(name, domain.as_wire()) {
        return None;
    }
    Name::from_wire(&[&name[..end], &[0]].concat())
}

/// The domains of the last `search` or `domain` line.
fn search(path: &Path) -> std::io::Result<Vec<Name>> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("search" | "domain")).then_some(words)
    });
    Ok(lines
        .next_back()
        .map_or_else(Vec::new, |words| words.filter_map(|word| Name::parse(word).ok()).collect()))
}
