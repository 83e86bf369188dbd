//! How reports read in an answer: short lines without control characters, and not too many of them.

use crate::model::route::{Ingress, Path, PathKind, Rule};
use crate::model::{Report, Snapshot};

/// Bytes of one warning; the API server cuts longer ones.
const WARNING: usize = 256;

/// Warnings; the API server drops what is beyond 4096 bytes in all.
const WARNINGS: usize = 16;

/// Bytes of one error.
const ERROR: usize = 1024;

/// Errors.
const ERRORS: usize = 10;

/// A report as one line. A message about an annotation names it already.
pub(super) fn line(report: &Report) -> String {
    match report.field.as_deref() {
        Some(field) if !field.is_empty() && !field.starts_with("metadata.annotations") => {
            format!("{field}: {}", report.message)
        }
        _ => report.message.clone(),
    }
}

/// What another Ingress would lose, for the owner of the one that takes it.
pub(super) fn of_another(report: &Report, snapshot: &Snapshot, mine: &Ingress) -> String {
    let other = &report.object.key;
    let theirs = snapshot.ingresses.get(other).filter(|_| report.reason == "DuplicatePath");
    let lost = theirs.and_then(|theirs| {
        places(theirs).find(|(rule, path)| report.field.as_deref() == Some(field(rule, path).as_str()))
    });
    let Some((rule, path)) = lost else {
        return format!("Ingress {other} would lose what it has: {}", report.message);
    };
    let is_exact = |path: &Path| path.kind == PathKind::Exact;
    let same = |(own, at): &(&Rule, &Path)| {
        own.host == rule.host && at.path == path.path && is_exact(at) == is_exact(path)
    };
    let own = places(mine).find(same).map(|(rule, path)| format!("{}: ", field(rule, path)));
    format!(
        "{}host {} path {} ({}) belongs to Ingress {other}, which would lose it since this one is older: take another \
         path, or remove it there first",
        own.unwrap_or_default(),
        rule.host,
        path.path,
        path.kind
    )
}

/// One text of all errors: a list when there are several.
pub(super) fn message<'a>(lines: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = lines.len();
    let mut lines: Vec<String> = lines.take(ERRORS).map(|line| plain(line, ERROR)).collect();
    if count == 1 {
        return lines.remove(0);
    }
    let more = count.saturating_sub(ERRORS);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    format!("{count} errors:\n- {}", lines.join("\n- "))
}

/// As many warnings as are shown, and how many are not.
pub(super) fn warnings(lines: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = lines.len().saturating_sub(WARNINGS);
    let shown = if more == 0 { WARNINGS } else { WARNINGS - 1 };
    let mut warnings: Vec<String> = lines.take(shown).map(|line| plain(&line, WARNING)).collect();
    if more > 0 {
        warnings.push(format!("and {} more: see the Events of the Ingress", more + 1));
    }
    warnings
}

/// On one line, cut to `limit` bytes.
fn plain(line: &str, limit: usize) -> String {
    let mut line = line.replace(char::is_control, " ");
    if line.len() > limit {
        let end = (0..=limit - '…'.len_utf8()).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

fn places(ingress: &Ingress) -> impl Iterator<Item = (&Rule, &Path)> {
    ingress.rules.iter().flat_map(|rule| rule.paths.iter().map(move |path| (rule, path)))
}

fn field(rule: &Rule, path: &Path) -> String {
    format!("spec.rules[{}].http.paths[{}].path", rule.index, path.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters_and_control_characters_go() {
        assert_eq!(plain("a\nb", 9), "a b");
        for length in 250..260 {
            let cut = plain(&("x".repeat(length) + &"é".repeat(9)), WARNING);
            assert!(cut.len() <= WARNING && cut.len() > WARNING - 4, "{}", cut.len());
        }
    }

    #[test]
    fn one_error_stands_alone_and_many_are_a_list_with_an_end() {
        assert_eq!(message(["a"].into_iter()), "a");
        assert_eq!(message(["a", "b"].into_iter()), "2 errors:\n- a\n- b");
        let all = message(vec!["a"; 50].into_iter());
        assert!(all.starts_with("50 errors:\n") && all.ends_with("\n- and 40 more"), "{all}");
    }

    #[test]
    fn warnings_fit_into_what_the_api_server_passes_on() {
        let all = |count| warnings(vec!["x".repeat(999); count].into_iter());
        assert_eq!((all(0).len(), all(16).len(), all(17).len()), (0, 16, 16));
        assert!(all(99)[15].starts_with("and 84 more"), "{}", all(99)[15]);
        assert!(all(16).iter().map(String::len).sum::<usize>() <= 4096);
    }
}
