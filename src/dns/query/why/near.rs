//! Lists, and names that may have been meant.

/// How many names a list shows.
const SHOWN: usize = 5;

/// `a, b, c and 4 more`.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The most similar name, if it is similar enough for a typing error.
pub fn similar<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (wanted.len() / 3).clamp(1, 3);
    let scored = names.map(|name| (strsim::damerau_levenshtein(wanted, name), name));
    scored.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// `1 endpoint`, `2 endpoints`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
