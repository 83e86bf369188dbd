//! What is answered, and from where, for the log.

use super::places::target;
use crate::config::Source;
use crate::dns::plan::Plan;
use crate::dns::wire::name::Name;
use crate::model::Snapshot;

/// What is answered, in a line.
pub(super) fn describe(plan: &Plan, source: &Source) -> String {
    let mut parts = Vec::new();
    let zones = plan.blocks.iter().filter_map(|block| block.kubernetes.as_ref());
    let mut zones: Vec<String> = zones.flat_map(|kubernetes| &kubernetes.zones).map(short).collect();
    zones.dedup();
    if !zones.is_empty() {
        let from = match source {
            Source::Directory(directory) => directory.display().to_string(),
            Source::Kubernetes { .. } => "the cluster".into(),
        };
        parts.push(format!("{} from {from}", zones.join(", ")));
    }
    for forward in plan.blocks.iter().flat_map(|block| &block.forwards) {
        let to: Vec<String> = forward.to.iter().map(target).collect();
        let what = if forward.from.is_root() { "all else".into() } else { short(&forward.from) };
        parts.push(format!("{what} from {}", to.join(", ")));
    }
    parts.dedup();
    if parts.is_empty() { "nothing is answered".into() } else { parts.join("; ") }
}

/// A name without the dot at its end.
fn short(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

/// What is known, in a line.
pub(super) fn known(snapshot: Option<&Snapshot>) -> String {
    let Some(snapshot) = snapshot else { return "queries are answered".into() };
    match snapshot.services.len() {
        1 => "1 Service is known".into(),
        count => format!("{count} Services are known"),
    }
}
