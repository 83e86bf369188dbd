//! Why a name resolves, or not: the lookups that a pod makes, one by one, each answered as a query would be.

mod message;
mod search;
mod why;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::plan::{Block, Plan};
use super::serve::{self, Serving, Trace};
use super::wire::name::Name;
use super::wire::{Rcode, kind};
use crate::model::Snapshot;
use message::{Said, said};
use why::Reason;

pub use message::kind_of;

/// How long one lookup may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name, as a program would look it up; with a dot at the end it is asked for as it is.
    pub name: String,
    /// The type; `None`: A and AAAA, as a program does that wants to connect.
    pub kind: Option<String>,
    /// Whose search path it is: a namespace, and a pod of it.
    pub from: Option<(String, Option<String>)>,
    /// With fewer dots than this a name is looked up along the search path first.
    pub ndots: u8,
    /// What the search path has after the cluster's domains: those of the node.
    pub search: Vec<String>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The name, as it was given.
    pub name: String,
    /// The types that are asked for.
    pub types: Vec<String>,
    /// The namespace and pod that ask; `default` where nobody is named.
    pub from: String,
    /// The address of that pod, from which the queries come; `None`: not known.
    pub client: Option<String>,
    /// The search path, where it is used.
    pub search: Vec<String>,
    /// With fewer dots than this a name is looked up along the search path first.
    pub ndots: u8,
    /// The lookups, in order, up to the one that ends it.
    pub steps: Vec<Step>,
    /// Whether the name resolves.
    pub resolved: bool,
    /// What the program gets: addresses or the data of records, or an error in the words of the C library.
    pub result: Vec<String>,
    /// Why, in a sentence.
    pub why: String,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// One name that is looked up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The whole name, with its dot at the end.
    pub name: String,
    /// An answer for each type.
    pub answers: Vec<Answer>,
}

/// The answer to one query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The type that was asked for.
    pub kind: String,
    /// What that means.
    pub outcome: Outcome,
    /// The response code; empty where there was no reply.
    pub rcode: String,
    /// The records of the answer section, as dig writes them.
    pub records: Vec<String>,
    /// It does not fit into a datagram: there are more records, and programs ask again over TCP.
    pub truncated: bool,
    /// Who answered.
    pub source: String,
    /// Why it is not an answer; empty where it is.
    pub why: String,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// There are records.
    Found,
    /// The name exists, but has nothing of this type.
    NoData,
    /// There is no such name.
    NoName,
    /// Something went wrong: the same query may be answered later.
    Failed,
    /// It is not answered: neither now nor later.
    Refused,
}

/// Explains. The error says what is wrong with the question.
pub async fn explain(serving: &Serving, port: u16, asked: &Asked) -> Result<Explanation, String> {
    let kinds = match &asked.kind {
        Some(kind) => vec![kind_of(kind)?],
        None => vec![kind::A, kind::AAAA],
    };
    let (namespace, pod) = asked.from.clone().unwrap_or_else(|| ("default".into(), None));
    let path = search::path(domain(serving.active.plan()).as_ref(), &namespace, &asked.search);
    let names = search::names(&asked.name, asked.ndots, &path)?;
    let snapshot = serving.zones.iter().flatten().flatten().next().map(super::zone::Zone::snapshot);
    let known = pod.as_deref().and_then(|pod| address(snapshot?, &namespace, pod));
    let client = known.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut steps = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    for name in &names {
        let answers = join_all(kinds.iter().map(|kind| ask(serving, port, name, *kind, client))).await;
        let done = answers.iter().any(|(answer, _)| answer.outcome == Outcome::Found);
        let refused = answers.iter().all(|(answer, _)| answer.outcome == Outcome::Refused);
        reasons.extend(answers.iter().filter_map(|(_, reason)| reason.clone()));
        let answers = answers.into_iter().map(|(answer, _)| answer).collect();
        steps.push(Step { name: name.to_string(), answers });
        if done || refused {
            break;
        }
    }
    let resolved = steps.last().is_some_and(|step| step.answers.iter().any(|a| a.outcome == Outcome::Found));
    let mut notes: Vec<String> = differing(&steps).filter(|_| resolved).into_iter().collect();
    if known.is_none() && serving.active.plan().blocks.iter().any(depends) {
        notes.push(format!(
            "the answers depend on who asks (acl, autopath), and the address of such a pod is not known here: {client} asks in its place"
        ));
    }
    let why = if resolved { why::answered(&steps) } else { why::most_telling(&reasons, &steps) };
    notes.extend(why::failures(&reasons).filter(|text| !resolved && *text != why).map(str::to_owned));
    Ok(Explanation {
        name: asked.name.clone(),
        types: kinds.iter().map(|kind| message::kind_name(*kind)).collect(),
        from: pod.map_or_else(|| namespace.clone(), |pod| format!("{namespace}/{pod}")),
        client: known.map(|address| address.to_string()),
        search: if names.len() > 1 { path.iter().map(ToString::to_string).collect() } else { Vec::new() },
        ndots: asked.ndots,
        resolved,
        result: result(&steps, resolved),
        why,
        steps,
        notes,
    })
}

/// One query, as if that client had sent it.
async fn ask(
    serving: &Serving,
    port: u16,
    name: &Name,
    kind: u16,
    client: IpAddr,
) -> (Answer, Option<Reason>) {
    let query = message::query(name, kind);
    let replied = timeout(PATIENCE, serve::resolve(serving, &query, client, port)).await;
    let (reply, trace) = replied.unwrap_or_default();
    let said = reply.as_deref().and_then(|reply| said(reply, kind));
    let outcome = said.as_ref().map_or(Outcome::Failed, |said| match said.rcode {
        Rcode::NOERROR if said.has_kind => Outcome::Found,
        Rcode::NOERROR => Outcome::NoData,
        Rcode::NXDOMAIN => Outcome::NoName,
        Rcode::REFUSED | Rcode::NOTIMP | Rcode::FORMERR => Outcome::Refused,
        _ => Outcome::Failed,
    });
    let reason = why::reason(serving, name, kind, outcome, said.as_ref(), &trace);
    let truncated = said.as_ref().is_some_and(|said| said.truncated);
    let answer = Answer {
        kind: message::kind_name(kind),
        outcome,
        rcode: said.as_ref().map(|said| said.rcode.name().to_owned()).unwrap_or_default(),
        source: source(serving.active.plan(), name, said.as_ref(), &trace),
        why: reason.as_ref().map(|reason| reason.text.clone()).unwrap_or_default(),
        records: said.map(|said| said.records).unwrap_or_default(),
        truncated,
    };
    (answer, reason)
}

/// The cluster's domain: the first zone of the first `kubernetes`.
fn domain(plan: &Plan) -> Option<Name> {
    plan.blocks.iter().find_map(|block| block.kubernetes.as_ref()?.zones.first().cloned())
}

/// Whether who asks makes a difference.
fn depends(block: &Block) -> bool {
    !block.acl.is_empty() || block.autopath.is_some()
}

/// The address of a pod, from itself or from an endpoint that it is.
fn address(snapshot: &Snapshot, namespace: &str, pod: &str) -> Option<IpAddr> {
    let own = snapshot.pods.get(&crate::model::Key::new(namespace, pod));
    if let Some(address) = own.and_then(|pod| pod.addresses.first()) {
        return Some(*address);
    }
    let sets = snapshot.endpoints.iter().filter(|(key, _)| &*key.namespace == namespace);
    let mut endpoints = sets.flat_map(|(_, sets)| sets.iter()).flat_map(|set| set.endpoints.iter());
    endpoints.find(|endpoint| endpoint.pod.as_deref() == Some(pod)).map(|endpoint| endpoint.address)
}

/// Who answered.
fn source(plan: &Plan, name: &Name, said: Option<&Said>, trace: &Trace) -> String {
    let block = plan.blocks.iter().find(|block| block.zones.iter().any(|z| z.to_string() == trace.zone));
    match trace.plugin {
        "kubernetes" => {
            let of = block.and_then(|block| block.kubernetes.as_ref());
            let mut zones = of.into_iter().flat_map(|of| of.zones.iter().chain(&of.reverse));
            let zone = zones.find(|zone| name.is_within(zone));
            let zone = zone.map_or_else(|| trace.zone.clone(), ToString::to_string);
            format!("kubernetes, zone {}", zone.trim_end_matches('.'))
        }
        "hosts" => {
            let file = block.and_then(|block| block.hosts.as_ref()?.file.as_ref());
            format!("hosts{}", file.map(|file| format!(", {}", file.display())).unwrap_or_default())
        }
        "forward" => match &trace.upstream {
            Some((upstream, took)) => {
                let tls = if upstream.tls { "tls://" } else { "" };
                format!("upstream {tls}{} in {:.1} ms", upstream.address, took.as_secs_f64() * 1000.0)
            }
            None => "forward".into(),
        },
        "" if said.is_none() => "nobody".into(),
        "" => "this server".into(),
        other => other.to_owned(),
    }
}

/// What a program gets.
fn result(steps: &[Step], resolved: bool) -> Vec<String> {
    let Some(last) = steps.last() else { return Vec::new() };
    if resolved {
        // The data of the records of the type that was asked for: what comes before is the way there.
        let found = last.answers.iter().flat_map(|answer| {
            let wanted = format!(" {} ", answer.kind);
            answer.records.iter().filter_map(move |record| {
                record
                    .split_once(&wanted)
                    .map(|(_, data)| data.to_owned())
                    .or_else(|| (answer.kind == "ANY").then(|| record.clone()))
            })
        });
        return found.collect();
    }
    let any = |wanted| steps.iter().flat_map(|step| &step.answers).any(|answer| answer.outcome == wanted);
    let words = if any(Outcome::Failed) {
        "Temporary failure in name resolution"
    } else if any(Outcome::Refused) {
        "Non-recoverable failure in name resolution"
    } else if any(Outcome::NoData) {
        "No address associated with hostname"
    } else {
        "Name or service not known"
    };
    vec![words.to_owned()]
}

/// Where musl, the C library of Alpine, ends although glibc goes on: at a name that exists without such a record, and at a
/// failure.
fn differing(steps: &[Step]) -> Option<String> {
    let (_, former) = steps.split_last()?;
    let stops = |step: &&Step| {
        step.answers.iter().any(|answer| matches!(answer.outcome, Outcome::NoData | Outcome::Failed))
    };
    let at = former.iter().find(stops)?;
    Some(format!("programs with musl (Alpine) stop at {}: for them the name does not resolve", at.name))
}
