//! Which characters an Exact or Prefix path may have: `strict-validate-path-type`.
//!
//! A regular expression under one of these types never does what its author expects. As in ingress-nginx it is refused
//! here, and served as it is where it exists already.

use crate::model::route::{Ingress, PathKind};
use crate::model::{Report, Severity};

/// What there is to say about the paths of an Ingress.
pub(super) fn reports(ingress: &Ingress) -> Vec<Report> {
    let paths = ingress.rules.iter().flat_map(|rule| rule.paths.iter().map(move |path| (rule, path)));
    let strict = paths.filter(|(_, path)| path.kind != PathKind::ImplementationSpecific);
    let wrong = strict.filter_map(|(rule, path)| {
        let odd = path.path.chars().find(|c| !is_plain(*c))?;
        let message = format!(
            "path \"{}\" cannot be used with pathType {}, which takes only letters, digits and . _ - / and not \
             \"{}\": use ImplementationSpecific for a regular expression (the setting strict-validate-path-type \
             decides)",
            path.path,
            path.kind,
            odd.escape_debug()
        );
        let field = format!("spec.rules[{}].http.paths[{}].path", rule.index, path.index);
        Some(Report::new(&ingress.object, Severity::Error, "StrictPathType", message).at(field, None))
    });
    wrong.collect()
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-/".contains(c)
}
