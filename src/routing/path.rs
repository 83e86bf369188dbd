//! Which rule of a host answers a path.
//!
//! Two kinds of hosts. On most, paths are literal: the longest rule that is the path, or whole elements from its start,
//! wins, and Exact comes before Prefix. Once any Ingress of a host uses regular expressions, every path of that host is
//! one, case-insensitive and anchored at its start only, and the first match in the order of the rules wins
//! (ingress-nginx's rules; see its "Ingress Path Matching" page).

mod normalize;
mod pattern;

use std::collections::HashMap;
use std::sync::Arc;

use matchit::Router;

pub use normalize::{BadPath, escape, normalize};
pub use pattern::{Pattern, build as build_regex};

use super::rule::{Action, Route};
use crate::model::route::PathKind;

/// How the paths of a host are matched. Holds indexes into the host's routes.
#[derive(Debug)]
pub enum Paths {
    /// Everything goes to the default route: no rule, or a single Prefix `/`.
    Default,
    /// Paths as written.
    Literal(Literal),
    /// Regular expressions, in their order.
    Regex(Box<[(Pattern, u32)]>),
}

impl Paths {
    /// Literal paths. `routes` are in order of precedence: longest first, Exact first at equal length.
    pub fn literal(routes: &[Arc<Route>]) -> Self {
        if routes.is_empty() { Self::Default } else { Self::Literal(Literal::new(routes)) }
    }

    /// Regular expressions in their order, each with the index of its route.
    pub fn regex(patterns: Vec<(Pattern, u32)>) -> Self {
        Self::Regex(patterns.into())
    }

    /// The index of the route for a normalized path; `None` is the default route.
    #[inline]
    pub fn find(&self, path: &str) -> Option<u32> {
        match self {
            Self::Default => None,
            Self::Literal(literal) => literal.find(path),
            Self::Regex(patterns) => {
                patterns.iter().find(|(pattern, _)| pattern.matches(path)).map(|&(_, route)| route)
            }
        }
    }
}

/// Literal paths in a radix tree.
///
/// The tree holds plain strings, no wildcards: a prefix is found by looking up the path cut at its slashes, longest
/// first. A catch-all entry for each prefix would need one walk less, but makes the tree allocate while it searches
/// nested prefixes.
pub struct Literal {
    tree: Router<Entry>,
    /// Length of the longest key: nothing longer needs to be looked up.
    longest: usize,
}

/// What a key answers.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// The route for this very path.
    whole: Option<u32>,
    /// The route for what follows it after a slash.
    below: Option<u32>,
}

impl Literal {
    fn new(routes: &[Arc<Route>]) -> Self {
        let mut entries: HashMap<&str, Entry> = HashMap::with_capacity(routes.len());
        // Slashes are only added where no rule claims the path, so these come last.
        let slash_last = |adds: bool| {
            routes.iter().enumerate().filter(move |(_, r)| adds == (r.action == Action::AddSlash))
        };
        for (index, route) in slash_last(false).chain(slash_last(true)) {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let path = route.origin.path.as_ref();
            if route.origin.kind == PathKind::Exact {
                entries.entry(path).or_default().whole.get_or_insert(index);
                continue;
            }
            let stem = path.strip_suffix('/');
            let entry = entries.entry(stem.unwrap_or(path)).or_default();
            entry.below.get_or_insert(index);
            if stem.is_none() {
                entry.whole.get_or_insert(index);
            }
        }
        let longest = entries.keys().map(|key| key.len()).max().unwrap_or_default();
        let mut tree = Router::new();
        for (key, entry) in entries {
            // Only keys without wildcards are inserted, each once: nothing can conflict.
            let inserted = tree.insert(key.replace('{', "{{").replace('}', "}}"), entry);
            debug_assert!(inserted.is_ok(), "{key}: {inserted:?}");
        }
        Self { tree, longest }
    }

    #[inline]
    fn find(&self, path: &str) -> Option<u32> {
        if path.len() <= self.longest
            && let Some(route) = self.entry(path).and_then(|entry| entry.whole)
        {
            return Some(route);
        }
        // The slash after a key may stand one past the longest one.
        let mut end = path.len().min(self.longest + 1);
        while let Some(slash) = path.as_bytes()[..end].iter().rposition(|&byte| byte == b'/') {
            if slash == 0 {
                return None;
            }
            if let Some(route) = self.entry(&path[..slash]).and_then(|entry| entry.below) {
                return Some(route);
            }
            end = slash;
        }
        None
    }

    #[inline]
    fn entry(&self, key: &str) -> Option<Entry> {
        self.tree.at(key).ok().map(|found| *found.value)
    }
}

impl std::fmt::Debug for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Literal").field("longest", &self.longest).finish_non_exhaustive()
    }
}
