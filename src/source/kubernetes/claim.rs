//! Whose an Ingress is, as far as that decides whether to read it at all. Compiling has the last word.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Deserialize;

use super::Options;
use super::item::Item;
use crate::model::{Kind, Name, ObjectRef, Report, Severity};

/// What an Ingress says about its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// `spec.ingressClassName`.
    class: Option<Name>,
    /// Annotation `kubernetes.io/ingress.class`.
    annotation: Option<Name>,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Ours.
    Ours,
    /// Of a class that does not exist: not served, but its owner is told.
    Nobodys,
    /// Another controller's.
    Others,
}

/// The IngressClasses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes {
    /// The controller of each.
    pub(super) controllers: BTreeMap<Name, Name>,
    /// They may not be read: a name that is not ours may be anybody's.
    pub(super) unknown: bool,
}

/// What decides whose an Ingress is.
pub(super) struct Judge<'a> {
    pub(super) options: &'a Options,
    pub(super) classes: &'a Classes,
    /// The namespaces that are chosen; `None` when all are.
    pub(super) namespaces: Option<&'a BTreeSet<Name>>,
}

impl Judge<'_> {
    /// Whose an Ingress in that namespace is.
    pub(super) fn whose(&self, namespace: &Name, claim: &Claim) -> Whose {
        if self.namespaces.is_some_and(|chosen| !chosen.contains(namespace)) {
            return Whose::Others;
        }
        let options = self.options;
        if let Some(name) = &claim.class {
            return match self.classes.controllers.get(name) {
                Some(controller) if *controller == options.controller => Whose::Ours,
                _ if options.by_name && *name == options.ingress_class => Whose::Ours,
                Some(_) => Whose::Others,
                None if self.classes.unknown => Whose::Others,
                None => Whose::Nobodys,
            };
        }
        match &claim.annotation {
            Some(annotation) if *annotation == options.ingress_class => Whose::Ours,
            None if options.without_class => Whose::Ours,
            _ => Whose::Others,
        }
    }
}

#[derive(Deserialize)]
struct Head {
    metadata: Metadata,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Metadata {
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "kubernetes.io/ingress.class")]
    class: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    ingress_class_name: Option<String>,
}

/// So many names of classes at most are shared.
const SHARED: usize = 1024;

/// The names of classes: few, and each kept once.
#[derive(Default)]
pub(super) struct Names(HashSet<Name>);

impl Names {
    /// Reads what an Ingress says about its class, and nothing else of it.
    pub(super) fn claim(&mut self, item: &Item) -> Result<Claim, Report> {
        let head: Head = serde_json::from_str(item.text()).map_err(|error| {
            let object = ObjectRef { kind: Kind::Ingress, key: item.key.clone() };
            let message = format!("{error}; what was known of it stays in force: correct it");
            Report::new(&object, Severity::Error, "WrongType", message)
        })?;
        let class = head.spec.and_then(|spec| spec.ingress_class_name).filter(|name| !name.is_empty());
        let annotation = head.metadata.annotations.and_then(|annotations| annotations.class);
        Ok(Claim {
            class: class.map(|name| self.keep(name)),
            annotation: annotation.map(|name| self.keep(name)),
        })
    }

    fn keep(&mut self, name: String) -> Name {
        if let Some(known) = self.0.get(name.as_str()) {
            return known.clone();
        }
        let name: Name = name.into();
        if self.0.len() >= SHARED {
            self.0.clear();
        }
        self.0.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn claim(class: Option<&str>, annotation: Option<&str>) -> Claim {
        let text = serde_json::json!({
            "metadata": {"name": "i", "annotations": {"kubernetes.io/ingress.class": annotation, "other": "x"}},
            "spec": {"ingressClassName": class, "rules": [{"host": "a.example"}]},
        });
        let item = Item::read(RawValue::from_string(text.to_string()).unwrap()).unwrap();
        Names::default().claim(&item).unwrap()
    }

    #[test]
    fn the_class_decides_as_it_does_in_compiling() {
        let options = |by_name, without_class| Options {
            controller: "ours".into(),
            ingress_class: "nginx".into(),
            by_name,
            without_class,
            ..Options::default()
        };
        let controllers = [("mine", "ours"), ("theirs", "other"), ("nginx", "other")];
        let controllers = controllers.map(|(name, controller)| (name.into(), controller.into()));
        let classes = Classes { controllers: controllers.into(), unknown: false };
        let plain = options(false, false);
        let table = [
            (&plain, Some("mine"), None, Whose::Ours),
            (&plain, Some("theirs"), None, Whose::Others),
            (&plain, Some("gone"), None, Whose::Nobodys),
            (&plain, Some("gone"), Some("nginx"), Whose::Nobodys),
            (&plain, Some("nginx"), None, Whose::Others),
            (&options(true, false), Some("nginx"), None, Whose::Ours),
            (&plain, None, Some("nginx"), Whose::Ours),
            (&plain, Some(""), Some("nginx"), Whose::Ours),
            (&plain, None, Some("traefik"), Whose::Others),
            (&plain, None, Some(""), Whose::Others),
            (&plain, None, None, Whose::Others),
            (&options(false, true), None, None, Whose::Ours),
            (&options(false, true), None, Some("traefik"), Whose::Others),
        ];
        for (options, class, annotation, expected) in table {
            let judge = Judge { options, classes: &classes, namespaces: None };
            assert_eq!(
                judge.whose(&"n".into(), &claim(class, annotation)),
                expected,
                "{class:?} {annotation:?}"
            );
        }
    }

    #[test]
    fn where_classes_may_not_be_read_only_our_name_is_ours() {
        let options = Options { ingress_class: "nginx".into(), by_name: true, ..Options::default() };
        let classes = Classes { unknown: true, ..Classes::default() };
        let judge = Judge { options: &options, classes: &classes, namespaces: None };
        assert_eq!(judge.whose(&"n".into(), &claim(Some("nginx"), None)), Whose::Ours);
        assert_eq!(judge.whose(&"n".into(), &claim(Some("other"), None)), Whose::Others);
    }

    #[test]
    fn what_is_in_a_namespace_that_is_not_chosen_is_not_ours() {
        let options = Options { without_class: true, ..Options::default() };
        let chosen = BTreeSet::from(["a".into()]);
        let judge = Judge { options: &options, classes: &Classes::default(), namespaces: Some(&chosen) };
        assert_eq!(judge.whose(&"a".into(), &claim(None, None)), Whose::Ours);
        assert_eq!(judge.whose(&"b".into(), &claim(None, None)), Whose::Others);
    }
}
