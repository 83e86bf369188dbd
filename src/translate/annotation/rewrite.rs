//! What backends and other names see: rewriting, prefixes, aliases.

use super::super::value;
use super::{Complaint, Context};
use crate::model::policy::{Alias, Policy};
use crate::model::route::Host;

/// `rewrite-target`. One that cannot be read must not show other content than asked.
pub(super) fn target(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Complaint::deny(
            "InvalidAnnotation",
            format!(
                "\"{}\" holds spaces or control characters: write a path such as \"/new/$1\"",
                text.escape_debug()
            ),
        ));
    }
    policy.rewrite_target = Some(text.into());
    Ok(())
}

/// `use-regex`.
pub(super) fn use_regex(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.use_regex = value::boolean(text).map_err(Complaint::default)?;
    Ok(())
}

/// `x-forwarded-prefix`.
pub(super) fn forwarded_prefix(
    text: &str,
    policy: &mut Policy,
    context: &Context<'_>,
) -> Result<(), Complaint> {
    policy.forwarded_prefix = Some(value::header_text(text).map_err(Complaint::default)?.into());
    if context.other("rewrite-target").is_none() {
        let message = "has no effect without rewrite-target: add that or remove this";
        return Err(Complaint::warn("AnnotationIgnored", message));
    }
    Ok(())
}

/// `upstream-vhost`.
pub(super) fn upstream_vhost(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    if text.contains('$') {
        let message = format!(
            "variables are not read in \"{text}\": backends see the Host as received; write a plain name"
        );
        return Err(Complaint::warn("InvalidAnnotation", message));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b)) {
        let message = format!(
            "\"{}\" is not a host name: backends see the Host as received; correct it",
            text.escape_debug()
        );
        return Err(Complaint::warn("InvalidAnnotation", message));
    }
    policy.upstream_vhost = Some(text.into());
    Ok(())
}

/// `server-alias`: names, one-label wildcards and `~regex`, separated by commas.
pub(super) fn server_alias(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    let mut wrong = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match alias(item) {
            Ok(alias) if policy.server_aliases.contains(&alias) => {}
            Ok(alias) => policy.server_aliases.push(alias),
            Err(why) => wrong.push(why),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!("{}; the other aliases are served, correct or remove this", wrong.join("; "));
    Err(Complaint::warn("InvalidAnnotation", message))
}

fn alias(item: &str) -> Result<Alias, String> {
    if let Some(pattern) = item.strip_prefix('~') {
        // `~*` is nginx's way to ask for what host names always have: no difference of case.
        let pattern = pattern.strip_prefix('*').unwrap_or(pattern).trim();
        let compiled = regex::RegexBuilder::new(pattern).case_insensitive(true).size_limit(1 << 20).build();
        return match compiled {
            Ok(_) => Ok(Alias::Regex(pattern.into())),
            Err(why) => {
                let why = why.to_string();
                Err(format!(
                    "\"{item}\" is not a regular expression ({})",
                    why.lines().last().unwrap_or_default()
                ))
            }
        };
    }
    match Host::parse(item)? {
        Host::Any => Err(format!("\"{item}\" would take every host")),
        host => Ok(Alias::Host(host)),
    }
}
