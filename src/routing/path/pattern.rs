//! A path as a regular expression: case-insensitive, anchored at its start only.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

/// A compiled path of a host that uses regular expressions.
#[derive(Clone)]
pub struct Pattern {
    /// Anchored at the start.
    regex: Arc<Regex>,
    /// The same without the anchor, for searches.
    search: Arc<Regex>,
    /// What every match starts with, in any case; saves most regex runs.
    literal: Box<str>,
    /// The literal is all there is.
    whole: bool,
}

impl Pattern {
    /// Compiles a path as ingress-nginx does: `^` and the text as it stands.
    pub fn parse(path: &str) -> Result<Self, String> {
        let regex = Arc::new(build(&format!("^{path}"))?);
        // With an alternation the anchor binds the first branch only, so a search is another expression.
        let search = if path.contains('|') { Arc::new(build(path)?) } else { regex.clone() };
        let (literal, whole) = literal_start(path);
        Ok(Self { regex, search, literal: literal.into(), whole })
    }

    /// A path that is to be taken literally.
    pub fn literal(path: &str) -> Result<Self, String> {
        Self::parse(&regex::escape(path))
    }

    /// Whether a normalized path matches.
    #[inline]
    pub fn matches(&self, path: &str) -> bool {
        let start = path.as_bytes().get(..self.literal.len());
        let starts = start.is_some_and(|start| start.eq_ignore_ascii_case(self.literal.as_bytes()));
        starts && (self.whole || self.regex.is_match(path))
    }

    /// The expression for searches: what `rewrite-target` runs over the path.
    pub fn search(&self) -> &Arc<Regex> {
        &self.search
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.regex.as_str())
    }
}

/// Bound for a compiled expression and for its caches: a rule must not take the memory of ten thousand others.
const SIZE_LIMIT: usize = 1 << 20;

/// Compiles a case-insensitive expression with bounded size; the error is one line.
pub fn build(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(true).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).nest_limit(50);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("the expression needs more than {SIZE_LIMIT} bytes"),
        // The last line says what is wrong; those before draw the place.
        other => {
            other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    })
}

/// The literal text every match starts with, and whether that is the whole expression.
fn literal_start(pattern: &str) -> (&str, bool) {
    if pattern.contains('|') || !pattern.is_ascii() {
        return ("", false);
    }
    let Some(end) =
        pattern.find(['\\', '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$', '#', '&', '~', ' '])
    else {
        return (pattern, true);
    };
    // A quantifier makes the character before it uncertain.
    let quantified = matches!(pattern.as_bytes()[end], b'+' | b'*' | b'?' | b'{');
    (&pattern[..end - usize::from(quantified && end > 0)], false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_at_the_start_only_and_ignore_case() {
        let rows = [
            ("/foo", "/foo", true),
            ("/foo", "/FOObar", true),
            ("/foo", "/x/foo", false),
            ("/foo.+", "/foo", false),
            ("/foo.+", "/fooX", true),
            ("/id/[0-9]+", "/id/123a", true),
            ("/id/[0-9]+$", "/id/123a", false),
            ("/id/[0-9]+$", "/ID/123", true),
            ("/ab*c", "/ac", true),
            ("/ab?c", "/ac", true),
            ("/ab{0,1}c", "/ac", true),
            ("/(a|b)/c", "/B/c", true),
            ("/a|/b", "/x/b", true),
        ];
        for (pattern, path, wanted) in rows {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(path), wanted, "{pattern} on {path}");
        }
    }

    #[test]
    fn what_the_engine_does_not_know_is_an_error_of_one_line() {
        for pattern in ["/(?!x)", "/(a)\\1", "/[", "/a{5000}{5000}", "/("] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{pattern}: {error:?}");
        }
    }

    #[test]
    fn a_literal_pattern_has_no_special_characters() {
        let pattern = Pattern::literal("/c++/(x").unwrap();
        assert!(pattern.matches("/c++/(x"));
        assert!(!pattern.matches("/ccc/(x"));
    }
}
