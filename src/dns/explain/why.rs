//! Why a query has no answer, in a sentence; and which of several sentences tells most.

mod rank;

use super::super::forward::Failure;
use super::super::plan::Kubernetes;
use super::super::query;
use super::super::serve::{Serving, Trace};
use super::super::wire::Rcode;
use super::super::wire::name::Name;
use super::super::zone::Zone;
use super::message::{Said, kind_name};
use super::{Outcome, Step};

/// A sentence, and how much it tells beside others: more is better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) rank: u8,
    pub(super) text: String,
    /// Upstreams failed.
    pub(super) failure: bool,
}

/// No answer is as it should be, and this says so.
const PLAIN: u8 = 1;
/// Most likely no object of the cluster was meant.
const STRANGE: u8 = 2;
/// Something is not there.
const ABSENT: u8 = 3;
/// Something alike is elsewhere.
const ELSEWHERE: u8 = 5;
/// Whoever was asked last failed. A name that misses something of the cluster is often asked for outside at last, so this
/// tells no more than that.
const FAILED: u8 = ABSENT;
/// It is there, but cannot be used.
const UNUSABLE: u8 = 7;
/// The server itself cannot say.
const BLIND: u8 = 9;

fn reason_of(rank: u8, text: impl Into<String>) -> Reason {
    Reason { rank, text: text.into(), failure: false }
}

/// Why there is no answer; `None` when there is one.
pub(super) fn reason(
    serving: &Serving,
    name: &Name,
    kind: u16,
    outcome: Outcome,
    said: Option<&Said>,
    trace: &Trace,
) -> Option<Reason> {
    if outcome == Outcome::Found {
        return None;
    }
    let rcode = said.map(|said| said.rcode);
    if let Some(failure) = &trace.failure {
        return Some(failed(failure));
    }
    if rcode.is_none() {
        return Some(reason_of(
            BLIND,
            "no reply is sent to this client: an acl drops its queries, or it took too long",
        ));
    }
    if trace.plugin == "acl" {
        let text = format!("the server keeps {name} from this client: see acl in its configuration");
        return Some(reason_of(UNUSABLE, text));
    }
    if trace.plugin.is_empty() && rcode == Some(Rcode::REFUSED) {
        return Some(refused(name));
    }
    if let Some(zone) = zone_of(serving, name).filter(|_| matches!(trace.plugin, "kubernetes" | "")) {
        return Some(match zone {
            Known::Yes(zone) => match query::why::why(zone, name, kind) {
                Some(text) => reason_of(rank::of(zone, name), text),
                None => alias(name, kind, outcome, said, trace),
            },
            Known::NotYet => reason_of(
                BLIND,
                "not all Services are known to the server yet, so it does not say that there are none: its /ready tells what it \
                 waits for",
            ),
        });
    }
    Some(of_others(name, kind, outcome, rcode, trace))
}

/// A name that leads out of the zone, to one without an answer.
fn alias(name: &Name, kind: u16, outcome: Outcome, said: Option<&Said>, trace: &Trace) -> Reason {
    let records = said.map(|said| said.records.as_slice()).unwrap_or_default();
    let target = records.iter().rev().find_map(|record| record.split_once(" CNAME "));
    let target = target.and_then(|(_, target)| Name::parse(target).ok());
    let of_target =
        of_others(target.as_ref().unwrap_or(name), kind, outcome, said.map(|said| said.rcode), trace);
    match target {
        Some(target) => {
            reason_of(UNUSABLE, format!("{name} is an alias of {target}, and {}", of_target.text))
        }
        None => of_target,
    }
}

/// What another part said.
fn of_others(name: &Name, kind: u16, outcome: Outcome, rcode: Option<Rcode>, trace: &Trace) -> Reason {
    let who = match (&trace.upstream, trace.plugin) {
        (Some((upstream, _)), _) => format!("upstream {}", upstream.address),
        (None, "") => "this server".into(),
        (None, "cache") => "an upstream, as the cache remembers,".into(),
        (None, "forward") => "an upstream".into(),
        (None, part) => format!("{part} (of the Corefile)"),
    };
    match outcome {
        Outcome::NoName => reason_of(PLAIN, format!("{who} says that there is no name {name}")),
        Outcome::NoData => {
            reason_of(ABSENT, format!("{who} says that {name} exists, but has no {} record", kind_name(kind)))
        }
        _ if trace.plugin.is_empty() => reason_of(
            FAILED,
            format!(
                "nothing in the server's configuration answers {name}: add forward to its block, or --forward"
            ),
        ),
        _ => {
            let rcode = rcode.map_or("nothing", Rcode::name);
            reason_of(FAILED, format!("{who} answers {rcode} for {name}"))
        }
    }
}

/// Why upstreams gave nothing.
fn failed(failure: &Failure) -> Reason {
    let text = match failure {
        Failure::Busy => {
            "too many forwarded queries are under way: raise --max-concurrent, or look why upstreams are slow"
                .into()
        }
        Failure::Silent(all) if all.is_empty() => "there is no upstream that could be asked".into(),
        Failure::Silent(all) => {
            let one = |(upstream, said): &(super::super::plan::Upstream, String)| {
                format!("upstream {}: {said}", upstream.address)
            };
            let all: Vec<String> = all.iter().map(one).collect();
            format!(
                "no upstream gave an answer ({}): see whether they can be reached from here",
                all.join("; ")
            )
        }
        Failure::Down => "all upstreams are down: see whether they can be reached from here".into(),
    };
    Reason { failure: true, ..reason_of(FAILED, text) }
}

fn refused(name: &Name) -> Reason {
    reason_of(
        FAILED,
        format!(
            "no block of the server's configuration is for {name}: add one for \".\" with forward, or --forward"
        ),
    )
}

enum Known<'a> {
    Yes(&'a Zone),
    NotYet,
}

/// The zone that a name is in, of all `kubernetes`.
fn zone_of<'a>(serving: &'a Serving, name: &Name) -> Option<Known<'a>> {
    let plans = serving.active.plan().blocks.iter().filter_map(|block| block.kubernetes.as_ref());
    let covers = |plan: &Kubernetes| plan.zones.iter().chain(&plan.reverse).any(|zone| name.is_within(zone));
    for (plan, zones) in plans.zip(&serving.zones).filter(|(plan, _)| covers(plan)) {
        let Some(zones) = zones else { return Some(Known::NotYet) };
        let forward = zones.iter().filter(|zone| name.is_within(&zone.options().domain));
        let deepest = forward.max_by_key(|zone| zone.options().domain.as_wire().len());
        let first = plan.reverse.iter().any(|zone| name.is_within(zone)).then(|| zones.first()).flatten();
        if let Some(zone) = deepest.or(first) {
            return Some(Known::Yes(zone));
        }
    }
    None
}

/// Who answered, after how much.
pub(super) fn answered(steps: &[Step]) -> String {
    let Some(step) = steps.last() else { return String::new() };
    let found = step.answers.iter().find(|answer| answer.outcome == Outcome::Found);
    let source = found.map_or("", |answer| answer.source.as_str());
    match steps.len() {
        1 => format!("{source} answers {}", step.name),
        count => format!("{source} answers {}, the name that is asked for as number {count}", step.name),
    }
}

/// What failed on the way, which may be worth knowing though it is not the reason.
pub(super) fn failures(reasons: &[Reason]) -> impl Iterator<Item = &str> {
    let mut told: Vec<&str> = Vec::new();
    reasons.iter().filter(|reason| reason.failure).map(|reason| reason.text.as_str()).filter(move |text| {
        let fresh = !told.contains(text);
        told.push(text);
        fresh
    })
}

/// The sentence that tells most: of equal ones the first.
pub(super) fn most_telling(reasons: &[Reason], steps: &[Step]) -> String {
    let best = reasons.iter().rev().max_by_key(|reason| reason.rank);
    let last = reasons.last().map(|reason| reason.text.as_str()).unwrap_or_default();
    match best {
        Some(Reason { rank, text, .. }) if *rank > STRANGE || steps.len() == 1 => text.clone(),
        Some(Reason { rank: STRANGE, text, .. }) => {
            format!("none of the {} names exists: {text}, and {last}", steps.len())
        }
        Some(_) => format!("none of the {} names exists, and {last}", steps.len()),
        None => String::new(),
    }
}
