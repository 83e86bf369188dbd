//! `slipway dns query` without a running server: everything is read once, and the answers are computed here.

use std::fs;
use std::sync::Arc;

use super::super::{client, control_runtime};
use super::feed::Need;
use super::{make, plan};
use crate::config::{DnsAnswers, Source};
use crate::dns::explain::{Asked, Explanation, explain};
use crate::dns::keep::{serial, zones};
use crate::dns::serve::{Active, Serving};
use crate::metrics::dns::Metrics;
use crate::model::{Key, Snapshot};
use crate::source::files;
use crate::source::kubernetes::{self, Interest};
use crate::store::{Store, Update};

/// Where a node says what its search path has.
const RESOLV: &str = "/etc/resolv.conf";

/// Explains. The error says what to do.
pub fn answer(answers: &DnsAnswers, asked: &Asked) -> Result<Explanation, String> {
    let faults = |faults: Vec<crate::dns::corefile::Fault>| {
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let plan = plan::wanted(answers, None).map_err(faults)?.plan;
    let active = make(plan, None, &Metrics::default()).map_err(|faults| faults.join("\n"))?;
    let runtime = control_runtime().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let need = Need::of(active.plan(), &answers.source)?;
        let snapshot = match need {
            Some(need) => Some(load(answers, need).await?),
            None => None,
        };
        let port = active.plan().blocks.first().map_or(53, |block| block.port);
        explain(&serving(active, snapshot.as_ref(), answers), port, asked).await
    })
}

async fn load(answers: &DnsAnswers, need: Need) -> Result<Snapshot, String> {
    let updates: Vec<Update> = match &answers.source {
        Source::Directory(directory) => {
            let options = files::Options { directory: directory.clone(), ..files::Options::default() };
            files::load(&options).map_err(|error| error.to_string())?.updates
        }
        Source::Kubernetes { kubeconfig } => {
            let client = client::connect(kubeconfig.as_deref().or(need.kubeconfig.as_deref())).await?;
            let interest = Interest::Dns { pods: need.pods, labels: need.labels };
            kubernetes::load(client, kubernetes::Options { interest, ..kubernetes::Options::default() })
                .await?
        }
    };
    let mut store = Store::new(&[]);
    for update in updates {
        store.apply(update);
    }
    Ok(store.snapshot())
}

fn serving(active: Arc<Active>, snapshot: Option<&Snapshot>, answers: &DnsAnswers) -> Serving {
    let own = Key::new(answers.service.namespace.as_str(), answers.service.name.as_str());
    let all = active.plan().blocks.iter().filter_map(|block| block.kubernetes.as_ref());
    let build = |wanted| snapshot.map(|snapshot| zones::build(wanted, snapshot, Some(&own), serial()));
    let zones = all.map(build).collect();
    Serving { active, zones }
}

/// What the node's search path has, which that of a pod ends with.
pub fn node_search() -> Vec<String> {
    let text = fs::read_to_string(RESOLV).unwrap_or_default();
    search_of(&text)
}

/// The last `search` or `domain` of a resolv.conf.
fn search_of(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let said = |words: &Vec<String>| matches!(words.first().map(String::as_str), Some("search" | "domain"));
    let last = text.lines().map(words).rfind(said);
    last.map(|words| words[1..].to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_search_line_counts() {
        assert_eq!(search_of("nameserver 10.0.0.1\nsearch a.b c.d\noptions ndots:5\n"), ["a.b", "c.d"]);
        assert_eq!(search_of("search a\ndomain b.c\n"), ["b.c"]);
        assert!(search_of("# search a\nsearch\n").is_empty());
    }
}
