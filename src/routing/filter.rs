//! Redirects and rewrites as functions of the request head.

mod template;

use std::net::IpAddr;
use std::sync::Arc;

use regex::Regex;

use super::path::{Pattern, escape};
use template::{Template, Values};

/// What of a request head redirects and rewrites look at.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host as received, without port.
    pub host: &'a str,
    /// The port the client asked.
    pub port: u16,
    /// The normalized path.
    pub path: &'a str,
    /// Path and query as received.
    pub uri: &'a str,
    /// The query without its question mark.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The client.
    pub remote: IpAddr,
}

/// `Location` of the redirect to HTTPS: the host without port and the URI, without one slash at its end unless
/// `keep_slash`.
pub fn https_location(head: &Head<'_>, keep_slash: bool) -> String {
    let uri = if keep_slash { head.uri } else { without_slash(head.uri) };
    ["https://", head.host, uri].concat()
}

/// `Location` of `from-to-www-redirect`: the other name, always with the port, and the URI without one slash at its
/// end.
pub fn www_location(head: &Head<'_>, to: &str) -> String {
    format!("{}://{to}:{}{}", head.scheme, head.port, without_slash(head.uri))
}

/// `Location` of the 301 that adds a slash to the path.
pub fn slash_location(head: &Head<'_>) -> String {
    let query = head.query.map(|query| ["?", query].concat()).unwrap_or_default();
    format!("{}{}/{query}", authority(head), escape(head.path))
}

/// `Location` of `app-root`: scheme and host stay.
pub fn root_location(head: &Head<'_>, root: &str) -> String {
    authority(head) + root
}

/// `permanent-redirect` or `temporal-redirect`.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// Status code, 300 to 308.
    pub status: u16,
    target: Template,
    /// Where `$1` and on come from; `None` when the path is no expression or nothing is captured.
    captures: Option<Arc<Regex>>,
}

impl Redirect {
    /// A redirect to a URL or absolute path, which may have variables (`$host`, `$request_uri`, ...) and, where the
    /// path is an expression, captures (`$1`).
    pub fn new(status: u16, target: &str, pattern: Option<&Pattern>) -> Self {
        let target = Template::parse(target);
        let captures = pattern.filter(|_| target.has_captures()).map(|pattern| pattern.search().clone());
        Self { status, target, captures }
    }

    /// The target as written.
    pub fn target(&self) -> &str {
        self.target.source()
    }

    /// The `Location`. A path becomes a whole URL.
    pub fn location(&self, head: &Head<'_>) -> String {
        let captures = self.captures.as_ref().and_then(|regex| regex.captures(head.path));
        let target = self.target.render(&Values { head, captures: captures.as_ref(), escape: true });
        if target.starts_with('/') { authority(head) + &target } else { target }
    }
}

/// `rewrite-target`: another path for the backend.
#[derive(Clone, Debug)]
pub struct Rewrite {
    regex: Arc<Regex>,
    path: Template,
    /// What the target has after its question mark.
    query: Option<Template>,
    /// The target ends in a question mark: the query of the request is dropped.
    drop_query: bool,
}

impl Rewrite {
    /// A rewrite of what `pattern` matches.
    pub fn new(pattern: &Pattern, target: &str) -> Self {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let drop_query = query.is_some_and(|query| query.is_empty() || query.ends_with('?'));
        let query = query.map(|query| query.trim_end_matches('?')).filter(|query| !query.is_empty());
        Self {
            regex: pattern.search().clone(),
            path: Template::parse(path),
            query: query.map(Template::parse),
            drop_query,
        }
    }

    /// The path of the target as written.
    pub fn target(&self) -> &str {
        self.path.source()
    }

    /// The request target for the backend; `None` when the expression does not match, and the request goes on
    /// unchanged. The path is escaped anew; the query of the request follows that of the target.
    pub fn apply(&self, head: &Head<'_>) -> Option<String> {
        let captures = self.regex.captures(head.path)?;
        let path = self.path.render(&Values { head, captures: Some(&captures), escape: false });
        let mut out = String::with_capacity(path.len() + head.query.map_or(0, str::len) + 2);
        if !path.starts_with('/') {
            out.push('/'); // a request target starts with a slash
        }
        out.push_str(&escape(&path));
        if let Some(query) = &self.query {
            out.push('?');
            out.push_str(&query.render(&Values { head, captures: Some(&captures), escape: true }));
        }
        if let Some(query) = head.query.filter(|_| !self.drop_query) {
            out.push(if self.query.is_some() { '&' } else { '?' });
            out.push_str(query);
        }
        Some(out)
    }
}

/// `scheme://host`, with the port unless it is 80 or 443.
fn authority(head: &Head<'_>) -> String {
    match head.port {
        80 | 443 => format!("{}://{}", head.scheme, head.host),
        port => format!("{}://{}:{port}", head.scheme, head.host),
    }
}

fn without_slash(uri: &str) -> &str {
    uri.strip_suffix('/').unwrap_or(uri)
}

#[cfg(test)]
mod tests;
