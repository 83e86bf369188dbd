//! `rewrite`: names, types and times that are looked up or given back as others.

use crate::dns::wire::name::Name;

/// One `rewrite`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Stop here when it matched (else `continue`).
    pub stop: bool,
    /// What is rewritten.
    pub rule: RewriteRule,
}

/// What a rewrite does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewriteRule {
    /// `name exact FROM TO [answer auto]`.
    Exact {
        /// The whole name.
        from: Name,
        /// What it becomes.
        to: Name,
        /// Names in the reply are set back.
        answer: bool,
    },
    /// `name suffix FROM TO`.
    Suffix {
        /// The end of the name.
        from: Name,
        /// What that becomes.
        to: Name,
        /// Names in the reply are set back.
        answer: bool,
    },
    /// `name prefix FROM TO`, on the text of the name.
    Prefix {
        /// The start of the name's text, in lower case.
        from: String,
        /// What that becomes.
        to: String,
        /// Names in the reply are set back.
        answer: bool,
    },
    /// `name substring FROM TO`, every occurrence in the text of the name.
    Substring {
        /// The part, in lower case.
        from: String,
        /// What it becomes.
        to: String,
        /// Names in the reply are set back.
        answer: bool,
    },
    /// `name regex PATTERN TO [answer name PATTERN TO] [answer value PATTERN TO]`.
    Regex {
        /// Checked when read.
        pattern: String,
        /// With `{1}`.
        to: String,
        /// Names in the reply are set back.
        answer: bool,
        /// Owners in the reply: pattern and replacement.
        answer_name: Vec<(String, String)>,
        /// Names in the data of records: pattern and replacement.
        answer_value: Vec<(String, String)>,
    },
    /// `type FROM TO`.
    Kind {
        /// The type asked for.
        from: u16,
        /// The type looked up.
        to: u16,
    },
    /// `ttl exact|suffix|prefix|substring|regex NAME TTL`, on replies.
    Ttl {
        /// Which names.
        names: Matcher,
        /// The shortest time, in seconds.
        least: u32,
        /// The longest.
        most: u32,
    },
}

/// Chooses names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// This one.
    Exact(Name),
    /// Within this one.
    Suffix(Name),
    /// Whose text begins so.
    Prefix(String),
    /// Whose text has this in it.
    Substring(String),
    /// Whose text matches; checked when read.
    Regex(String),
}
