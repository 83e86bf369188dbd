//! Which Ingresses are ours, and which of them is older.

use std::cmp::Ordering;
use std::sync::Arc;

use super::candidate::annotation_field;
use super::{Options, Verdict};
use crate::model::route::Ingress;
use crate::model::{Key, Name, Report, Severity, Snapshot};

/// An Ingress that is not served as a whole.
pub(super) struct Other {
    pub(super) ingress: Arc<Ingress>,
    pub(super) verdict: Verdict,
    pub(super) note: String,
    /// What to tell its owner.
    pub(super) report: Option<Report>,
}

/// Decides whether an Ingress is ours; if not, as what it goes.
pub(super) fn select(ingress: &Arc<Ingress>, snapshot: &Snapshot, options: &Options) -> Option<Other> {
    let No { verdict, note, report } = *judge(ingress, snapshot, options).err()?;
    Some(Other { ingress: ingress.clone(), verdict, note, report })
}

/// Whether an Ingress is of a class that is ours, served or not.
pub(super) fn is_ours(ingress: &Ingress, snapshot: &Snapshot, options: &Options) -> bool {
    judge(ingress, snapshot, options).err().is_none_or(|no| no.verdict != Verdict::NotOurs)
}

/// For people: by what an Ingress is ours.
pub(super) fn class_note(ingress: &Ingress) -> String {
    match (&ingress.class_name, &ingress.class_annotation) {
        (Some(class), _) | (None, Some(class)) => format!("class {class}"),
        (None, None) => "no class".into(),
    }
}

/// Why an Ingress is not served.
struct No {
    verdict: Verdict,
    note: String,
    report: Option<Report>,
}

impl No {
    fn not_ours(note: String) -> Box<Self> {
        Box::new(Self { verdict: Verdict::NotOurs, note, report: None })
    }

    fn refused(ingress: &Ingress, reason: &'static str, field: &str, message: &str) -> Box<Self> {
        let report = Report::new(&ingress.object, Severity::Error, reason, message);
        let report = report.at(field, ingress.origin.as_ref());
        Box::new(Self { verdict: Verdict::Refused, note: class_note(ingress), report: Some(report) })
    }
}

fn judge(ingress: &Ingress, snapshot: &Snapshot, options: &Options) -> Result<(), Box<No>> {
    let namespace = &ingress.object.key.namespace;
    if options.watch_namespace.as_ref().is_some_and(|watched| watched != namespace) {
        return Err(No::not_ours(format!("namespace {namespace} is not watched")));
    }
    if let Some(selector) = &options.namespace_selector {
        match snapshot.namespaces.get(namespace) {
            Some(labels) if selector.matches(labels) => {}
            Some(_) => {
                return Err(No::not_ours(format!(
                    "namespace {namespace} does not have the labels {selector}"
                )));
            }
            None => return Err(No::not_ours(format!("the labels of namespace {namespace} are not known"))),
        }
    }
    class(ingress, snapshot, options)?;
    if ingress.policy.canary {
        let message = "canary Ingresses are not served yet, the main Ingress gets all requests: \
                       remove the annotation to serve this one as a main Ingress";
        return Err(No::refused(ingress, "CanaryNotServed", &annotation_field(ingress, "canary"), message));
    }
    if options.disable_catch_all && ingress.rules.is_empty() && ingress.default_backend.is_some() {
        let message =
            "--disable-catch-all refuses Ingresses of nothing but a default backend: add a rule with a host";
        return Err(No::refused(ingress, "CatchAllDisabled", "spec.defaultBackend", message));
    }
    Ok(())
}

/// `spec.ingressClassName` is looked at first, then the annotation, then whether none is needed.
fn class(ingress: &Ingress, snapshot: &Snapshot, options: &Options) -> Result<(), Box<No>> {
    let class = &options.class;
    if class.take_all_without_classes && snapshot.classes.is_empty() {
        return Ok(());
    }
    if let Some(name) = &ingress.class_name {
        return match snapshot.classes.get(name) {
            Some(found) if found.controller == class.controller => Ok(()),
            _ if class.by_name && *name == class.ingress_class => Ok(()),
            Some(found) => Err(No::not_ours(format!("class {name} belongs to {}", found.controller))),
            None => Err(class_missing(ingress, name, &class.controller)),
        };
    }
    match &ingress.class_annotation {
        Some(annotation) if *annotation == class.ingress_class => Ok(()),
        Some(annotation) => {
            Err(No::not_ours(format!("annotation class {annotation} is not {}", class.ingress_class)))
        }
        None if class.watch_without_class => Ok(()),
        None => Err(No::not_ours("no class: set spec.ingressClassName".into())),
    }
}

fn class_missing(ingress: &Ingress, name: &Name, controller: &str) -> Box<No> {
    let message = format!(
        "there is no IngressClass \"{name}\", so nobody serves this Ingress: create it with controller \
         \"{controller}\" or name another class"
    );
    let report = Report::new(&ingress.object, Severity::Warning, "ClassNotFound", message);
    let report = report.at("spec.ingressClassName", ingress.origin.as_ref());
    Box::new(No { report: Some(report), ..*No::not_ours(format!("class {name} does not exist")) })
}

/// By creation, those without a time last; at the same time `namespace/name` descending, as ingress-nginx has it.
pub(super) fn older_first(a: &Ingress, b: &Ingress) -> Ordering {
    let time = |ingress: &Ingress| ingress.created.unwrap_or(i64::MAX);
    time(a).cmp(&time(b)).then_with(|| path_order(&b.object.key, &a.object.key))
}

/// Compares as the texts `namespace/name` do, without building them.
fn path_order(a: &Key, b: &Key) -> Ordering {
    fn bytes(key: &Key) -> impl Iterator<Item = u8> + '_ {
        key.namespace.bytes().chain([b'/']).chain(key.name.bytes())
    }
    if a.namespace == b.namespace { a.name.cmp(&b.name) } else { bytes(a).cmp(bytes(b)) }
}

#[cfg(test)]
mod tests {
    use super::super::{ClassOptions, compile};
    use super::*;
    use crate::model::selector::Selector;

    #[test]
    fn a_namespace_that_gets_the_labels_is_served_from_then_on() {
        let selector = Selector::parse("team=a").ok();
        let class = ClassOptions { watch_without_class: true, ..ClassOptions::default() };
        let options = Options { namespace_selector: selector, class, ..Options::default() };
        let mut snapshot = Snapshot::default();
        let object = r#"{"metadata": {"name": "i", "namespace": "ns"}, "spec": {}}"#;
        let object = crate::translate::ingress(
            &serde_json::from_str(object).unwrap(),
            None,
            &crate::translate::Options::default(),
        );
        let ingress = Arc::new(object.unwrap());
        let key = ingress.object.key.clone();
        snapshot.ingresses.insert(key.clone(), ingress);
        let first = compile(&snapshot, &options, 0, None);
        assert!(!first.is_ours(&key), "nobody has described the namespace");
        let labels = |value: &str| Arc::new([("team".to_owned(), value.to_owned())].into_iter().collect());
        snapshot.namespaces.insert("ns".into(), labels("a"));
        let second = compile(&snapshot, &options, 0, Some(&first));
        assert!(second.is_ours(&key));
        snapshot.namespaces.insert("ns".into(), labels("b"));
        assert!(!compile(&snapshot, &options, 0, Some(&second)).is_ours(&key));
    }

    #[test]
    fn keys_compare_like_their_texts() {
        for (a, b) in [("a-b/x", "a/x"), ("a/x", "a/y"), ("a.b/x", "a/z"), ("b/a", "a/b")] {
            let key = |text| Key::parse(text).unwrap();
            assert_eq!(path_order(&key(a), &key(b)), a.cmp(b), "{a} {b}");
        }
    }
}
