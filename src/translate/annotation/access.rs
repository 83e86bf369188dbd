//! Who may ask: source ranges are honoured; what guards access and is not honoured yet denies.

use super::super::value;
use super::{Complaint, Context};
use crate::model::policy::Policy;

/// `allowlist-source-range`.
pub(super) fn allow(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.allow_sources = Some(ranges(text)?);
    Ok(())
}

/// `denylist-source-range`.
pub(super) fn deny(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.deny_sources = Some(ranges(text)?);
    Ok(())
}

/// `auth-url`, `auth-type` and the like: without them anybody would be let in.
pub(super) fn guard(_: &str, _: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    Err(not_honoured(context))
}

/// `satisfy`: `all` is what happens anyway.
pub(super) fn satisfy(text: &str, _: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    if text == "all" { Ok(()) } else { Err(not_honoured(context)) }
}

/// `auth-tls-secret`: unless `auth-tls-verify-client` turns the check off.
pub(super) fn client_certificate(_: &str, _: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    if context.other("auth-tls-verify-client") == Some("off") {
        let message = "is known but not yet honoured: with auth-tls-verify-client \"off\" nothing is lost";
        return Err(Complaint::note(message));
    }
    Err(not_honoured(context))
}

/// The snippets: raw nginx text is never read; one that guards access denies.
pub(super) fn snippet(text: &str, _: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    let words = text.split(|c: char| c.is_whitespace() || c == ';');
    let guards = [
        "deny",
        "allow",
        "auth_basic",
        "auth_request",
        "auth_jwt",
        "satisfy",
        "limit_except",
        "return",
        "valid_referers",
    ];
    if let Some(word) = words.into_iter().find(|word| guards.contains(word)) {
        return Err(Complaint::deny(
            "AnnotationRefused",
            format!(
                "raw nginx text is never read, and this text guards access (\"{word}\"): \
                 say the same with annotations such as allowlist-source-range, then remove {}",
                context.key
            ),
        ));
    }
    Err(Complaint::warn(
        "AnnotationIgnored",
        "raw nginx text is never read: the routes are served WITHOUT what it says; say it with other annotations",
    ))
}

fn not_honoured(context: &Context<'_>) -> Complaint {
    Complaint::deny(
        "AnnotationRefused",
        format!(
            "guards access and is not yet honoured: keep this Ingress with another controller, or remove {}",
            context.key
        ),
    )
}

fn ranges(text: &str) -> Result<Vec<ipnet::IpNet>, Complaint> {
    let (good, bad) = value::networks(text);
    if !bad.is_empty() || good.is_empty() {
        let what = if bad.is_empty() { "no network".to_owned() } else { bad.join(", ") };
        return Err(Complaint::deny(
            "InvalidAnnotation",
            format!(
                "cannot read {what}: write networks such as 10.0.0.0/8 or addresses, separated by commas"
            ),
        ));
    }
    Ok(good)
}
