//! The cluster's zone: kubernetes.

use std::time::Duration;

use super::super::super::plan::{Kubernetes, PodRecords};
use super::super::super::wire::name::Name;
use super::super::syntax::Line;
use super::super::values::{duration, is_reverse, number};
use super::{LEAVE_OUT, Site};

const PROPERTIES: &[&str] = &[
    "endpoint",
    "endpoint_pod_names",
    "fallthrough",
    "ignore",
    "kubeconfig",
    "labels",
    "namespace_labels",
    "namespaces",
    "noendpoints",
    "pods",
    "startup_timeout",
    "tls",
    "ttl",
];

/// `kubernetes [ZONE...] { ... }`.
pub(super) fn kubernetes(line: &Line<'_>, site: &mut Site<'_>) {
    let zones = if line.words.is_empty() { site.block.zones.clone() } else { site.zones(&line.words) };
    let (reverse, zones): (Vec<Name>, Vec<Name>) = zones.into_iter().partition(is_reverse);
    if zones.is_empty() {
        site.reader.fault(line.name, "kubernetes needs the cluster's zone behind it, such as cluster.local");
    }
    let mut made = Kubernetes {
        zones,
        reverse,
        pods: PodRecords::Disabled,
        ttl: 5,
        namespaces: Vec::new(),
        labels: None,
        namespace_labels: None,
        endpoint_pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        fallthrough: None,
        kubeconfig: None,
        startup: Duration::from_secs(5),
    };
    for property in &line.lines {
        what(property, &mut made, site);
        site.flat(property);
    }
    if !made.namespaces.is_empty() && made.namespace_labels.is_some() {
        site.reader.fault(line.name, "namespaces and namespace_labels do not go together: write one of them");
    }
    site.block.kubernetes = Some(made);
}

/// Which objects, and what becomes of them.
fn what(property: &Line<'_>, made: &mut Kubernetes, site: &mut Site<'_>) {
    match property.name.text.as_str() {
        "pods" => pods(property, made, site),
        "ttl" => {
            let Some(word) = site.word(property, "seconds, 0 to 3600") else { return };
            let ttl = site.value(word, number(&word.text, 0, 3600));
            made.ttl = ttl.and_then(|ttl| ttl.try_into().ok()).unwrap_or(made.ttl);
        }
        "namespaces" => {
            let names = site.words(property, "names of namespaces");
            made.namespaces.extend(names.iter().map(|word| word.text.clone()));
        }
        "labels" => made.labels = selector(property, site),
        "namespace_labels" => made.namespace_labels = selector(property, site),
        "endpoint_pod_names" => {
            site.most(property, 0);
            made.endpoint_pod_names = true;
        }
        "noendpoints" => {
            site.most(property, 0);
            made.no_endpoints = true;
        }
        "ignore" => {
            let Some(word) = site.word(property, "empty_service") else { return };
            match word.text.as_str() {
                "empty_service" => made.ignore_empty = true,
                other => site.reader.fault(word, format!("ignore knows no {other}: write empty_service")),
            }
        }
        "fallthrough" => made.fallthrough = Some(site.zones(&property.words)),
        "startup_timeout" => {
            let Some(word) = site.word(property, "a duration such as 5s") else { return };
            made.startup = site.value(word, duration(&word.text)).unwrap_or(made.startup);
        }
        _ => server(property, made, site),
    }
}

/// How to reach the API server, and words of other versions.
fn server(property: &Line<'_>, made: &mut Kubernetes, site: &mut Site<'_>) {
    match property.name.text.as_str() {
        "kubeconfig" => match &property.words[..] {
            [file] => made.kubeconfig = Some(file.text.as_str().into()),
            [file, context] => {
                made.kubeconfig = Some(file.text.as_str().into());
                site.reader.unsupported(
                    context,
                    "Slipway takes the current context of a kubeconfig: set it there, and leave this word out",
                );
            }
            _ => site.reader.fault(property.name, "kubeconfig takes one word: the path of the file"),
        },
        "endpoint" | "tls" => {
            site.unsupported("kubernetes", property, "write it into a kubeconfig, and here: kubeconfig FILE");
        }
        "multicluster" => site.unsupported("kubernetes", property, LEAVE_OUT),
        "apiserver_qps" | "apiserver_burst" | "apiserver_max_inflight" | "resyncperiod" | "upstream" => {
            let message = format!("{} says nothing here: it can be left out", property.name.text);
            site.reader.note(property.name, message);
        }
        "transfer" => {
            let message = "write transfer as a directive of the block: transfer ZONE { to ADDRESS }";
            site.reader.fault(property.name, message);
        }
        _ => site.unknown("kubernetes", property, PROPERTIES),
    }
}

fn pods(property: &Line<'_>, made: &mut Kubernetes, site: &mut Site<'_>) {
    let Some(word) = site.word(property, "disabled, insecure or verified") else { return };
    made.pods = match word.text.as_str() {
        "disabled" => PodRecords::Disabled,
        "insecure" => PodRecords::Insecure,
        "verified" => PodRecords::Verified,
        other => {
            let message = format!("pods knows no {other}: write disabled, insecure or verified");
            return site.reader.fault(word, message);
        }
    };
}

fn selector(property: &Line<'_>, site: &mut Site<'_>) -> Option<String> {
    let words: Vec<&str> =
        site.words(property, "a selector such as app=web").iter().map(|word| word.text.as_str()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
