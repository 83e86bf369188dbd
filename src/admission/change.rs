//! What a change caused: the reports after it that were not there before.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::compile::Compiled;
use crate::model::{Kind, ObjectRef, Report, Severity};

/// Sorts the reports about an object into those that its change caused and those that were there before. The same
/// report may have moved to another field: lists shift.
pub(super) fn own<'r>(after: &'r [Report], before: &'r [Report]) -> (Vec<&'r Report>, Vec<&'r Report>) {
    beyond(after.iter(), before.iter(), |report| (report.reason, report.message.as_str()))
}

/// What is refused of other Ingresses only since the change of `object`. Their fields are where they were, but a message
/// may name another owner now.
pub(super) fn others<'r>(
    after: &'r Compiled,
    before: &'r Compiled,
    object: &'r ObjectRef,
) -> Vec<&'r Report> {
    if Arc::ptr_eq(&after.reports, &before.reports) {
        return Vec::new();
    }
    let errors = |compiled: &'r Compiled| {
        compiled.reports.iter().filter(move |report| {
            report.severity == Severity::Error
                && report.object.kind == Kind::Ingress
                && report.object != *object
        })
    };
    beyond(errors(after), errors(before), |report| (&report.object, report.reason, &report.field)).0
}

/// What is there more often than before, and the rest.
fn beyond<'r, K: Eq + Hash>(
    after: impl Iterator<Item = &'r Report>,
    before: impl Iterator<Item = &'r Report>,
    key: impl Fn(&'r Report) -> K,
) -> (Vec<&'r Report>, Vec<&'r Report>) {
    let mut known: HashMap<K, usize> = HashMap::new();
    for report in before {
        *known.entry(key(report)).or_default() += 1;
    }
    after.partition(|report| match known.get_mut(&key(report)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(field: &str, message: &str) -> Report {
        let object = ObjectRef::new(Kind::Ingress, "n", "web");
        Report::new(&object, Severity::Error, "Wrong", message).at(field, None)
    }

    #[test]
    fn a_report_that_moved_is_known_and_one_that_comes_twice_is_new() {
        let before = [report("a[0]", "x"), report("a[1]", "y")];
        let after = [report("a[1]", "x"), report("a[2]", "x"), report("a[3]", "z")];
        let (new, known) = own(&after, &before);
        assert_eq!(new, [&after[1], &after[2]]);
        assert_eq!(known, [&after[0]]);
    }
}
