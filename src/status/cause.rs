//! What an Event is about: a report on an Ingress, and the name and the object it becomes. No I/O.

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::model::{Key, Kind, Report, Severity};

use super::Desired;

/// Who `kubectl describe` says an Event is from.
pub(super) const COMPONENT: &str = "slipway";

/// At most so many Events about one Ingress, and in all: an Event is for people.
const MOST: (usize, usize) = (10, 5000);

/// Longest message, in bytes.
const MESSAGE: usize = 1024;

/// Longest name of an object, in bytes.
const NAME: usize = 253;

/// A report about an Ingress that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    ingress: Key,
    uid: Box<str>,
    severity: Severity,
    reason: &'static str,
    field: Option<String>,
    message: String,
}

/// The reports that become Events, the worst first; and how many do not because there are too many.
pub(super) fn choose(desired: &Desired) -> (Vec<Cause>, usize) {
    let (mut chosen, mut left) = (Vec::new(), 0);
    // Sorted by object, then by severity.
    for about in desired.reports.chunk_by(|a, b| a.object == b.object) {
        let object = &about[0].object;
        let Some(status) = desired.statuses.get(&object.key).filter(|_| object.kind == Kind::Ingress) else {
            continue;
        };
        left += about.len().saturating_sub(MOST.0);
        let worst = about.iter().rev().take(MOST.0);
        chosen.extend(worst.map(|report| Cause::of(report, &status.uid)));
    }
    if chosen.len() > MOST.1 {
        chosen.sort_by_key(|cause| std::cmp::Reverse(cause.severity));
        left += chosen.len() - MOST.1;
        chosen.truncate(MOST.1);
    }
    (chosen, left)
}

impl Cause {
    fn of(report: &Report, uid: &str) -> Self {
        Self {
            ingress: report.object.key.clone(),
            uid: uid.into(),
            severity: report.severity,
            reason: report.reason,
            field: report.field.clone(),
            message: report.message.clone(),
        }
    }

    /// Where the Event is kept: always the same for the same cause, so that two leaders write one Event.
    pub(super) fn event(&self, controller: &str) -> Key {
        let field = self.field.as_deref().unwrap_or_default();
        let hash = fingerprint(&[controller, &self.uid, self.reason, field, &self.message]);
        let ending = format!(".{hash:016x}");
        let stem = cut(&self.ingress.name, NAME - ending.len()).trim_end_matches(['-', '.']);
        Key::new(self.ingress.namespace.clone(), format!("{stem}{ending}"))
    }

    /// The Event as it is created.
    pub(super) fn object(&self, event: &Key, author: &Author, now: Timestamp) -> Event {
        // A report on an annotation names it by itself, and shorter.
        let field = self.field.as_ref().filter(|field| !field.starts_with("metadata.annotations"));
        let text = match field {
            Some(field) => format!("{field}: {}", self.message),
            None => self.message.clone(),
        };
        let normal = self.severity == Severity::Note;
        Event {
            metadata: ObjectMeta {
                namespace: Some(event.namespace.to_string()),
                name: Some(event.name.to_string()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("networking.k8s.io/v1".into()),
                kind: Some("Ingress".into()),
                namespace: Some(self.ingress.namespace.to_string()),
                name: Some(self.ingress.name.to_string()),
                uid: Some(self.uid.to_string()),
                field_path: self.field.clone(),
                ..ObjectReference::default()
            },
            type_: Some(if normal { "Normal" } else { "Warning" }.into()),
            reason: Some(self.reason.into()),
            message: Some(cut(&text, MESSAGE).into()),
            count: Some(1),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            source: Some(EventSource { component: Some(COMPONENT.into()), host: None }),
            reporting_component: Some(author.controller.clone()),
            reporting_instance: Some(author.instance.clone()),
            ..Event::default()
        }
    }
}

/// Who writes Events.
#[derive(Clone, Debug)]
pub(super) struct Author {
    /// Value of `spec.controller` of our classes: whose Events are ours.
    pub(super) controller: String,
    /// This replica.
    pub(super) instance: String,
}

/// The beginning of a text, of at most `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// FNV-1a, 64 bits: the same in every version of the program and on every machine.
fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::ObjectRef;
    use crate::model::map::Map;
    use crate::model::status::IngressStatus;

    fn cause(ingress: &str, message: &str) -> Cause {
        let object = ObjectRef::new(Kind::Ingress, "shop", ingress);
        let report = Report::new(&object, Severity::Warning, "ServiceNotFound", message);
        Cause::of(&Report { field: Some("spec.rules[0]".into()), ..report }, "uid-1")
    }

    fn desired(reports: Vec<Report>) -> Desired {
        let mut statuses = Map::default();
        for report in &reports {
            statuses.insert(report.object.key.clone(), Arc::new(IngressStatus::default()));
        }
        statuses.remove(&Key::new("shop", "gone"));
        Desired { statuses, is_ours: Arc::new(|_| true), reports: Arc::new(reports) }
    }

    fn report(kind: Kind, name: &str, severity: Severity, message: String) -> Report {
        Report::new(&ObjectRef::new(kind, "shop", name), severity, "Reason", message)
    }

    #[test]
    fn the_name_is_the_same_for_the_same_cause_only() {
        let name = |cause: &Cause, controller: &str| cause.event(controller).name.to_string();
        let one = cause("web", "there is no Service a");
        assert_eq!(name(&one, "c"), "web.2da08e21da557794");
        assert_eq!(name(&one, "c"), name(&one.clone(), "c"));
        let recreated = Cause { uid: "uid-2".into(), ..one.clone() };
        for other in [cause("web", "there is no Service b"), recreated] {
            assert_ne!(name(&other, "c"), name(&one, "c"));
        }
        assert_ne!(name(&one, "d"), name(&one, "c"), "two releases do not share Events");
    }

    #[test]
    fn the_name_of_a_long_ingress_is_still_a_name() {
        let long = format!("{}-.x", "a".repeat(NAME - 19));
        let name = cause(&long, "m").event("c").name;
        assert!(name.len() <= NAME && name.starts_with(&format!("{}.", "a".repeat(NAME - 19))), "{name}");
    }

    #[test]
    fn an_event_says_where_what_and_from_whom() {
        let author = Author { controller: "slipway.dev/ingress-controller".into(), instance: "pod-1".into() };
        let cause = cause("web", &"é".repeat(1000));
        let event = cause.object(&cause.event("c"), &author, Timestamp::UNIX_EPOCH);
        let object = &event.involved_object;
        assert_eq!((object.uid.as_deref(), object.kind.as_deref()), (Some("uid-1"), Some("Ingress")));
        let message = event.message.unwrap();
        assert!(message.starts_with("spec.rules[0]: éé") && message.len() == 1023, "{}", message.len());
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        assert_eq!((event.reporting_instance, event.count), (Some("pod-1".into()), Some(1)));
    }

    #[test]
    fn only_reports_about_ingresses_that_are_there_become_events() {
        let make = |kind, name: &str| report(kind, name, Severity::Error, "m".into());
        let all = vec![make(Kind::Ingress, "gone"), make(Kind::Ingress, "web"), make(Kind::Secret, "web")];
        let (chosen, left) = choose(&desired(all));
        assert_eq!((chosen.len(), left), (1, 0));
        assert_eq!(&*chosen[0].ingress.name, "web");
    }

    #[test]
    fn of_too_many_the_worst_are_chosen() {
        let mut all = Vec::new();
        for ingress in 0..600 {
            for number in 0..12 {
                let severity = if number == 7 { Severity::Error } else { Severity::Note };
                all.push(report(Kind::Ingress, &format!("i{ingress:03}"), severity, format!("{number:02}")));
            }
        }
        all.sort();
        let (chosen, left) = choose(&desired(all));
        assert_eq!((chosen.len(), left), (5000, 2200));
        assert_eq!(chosen.iter().filter(|cause| cause.severity == Severity::Error).count(), 600);
    }
}
