//! Redirects: to HTTPS, to a fixed place, to the other name.

use super::super::value;
use super::{Complaint, Context};
use crate::model::policy::{Policy, Redirect};

/// `ssl-redirect`.
pub(super) fn ssl(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.ssl_redirect = Some(value::boolean(text).map_err(Complaint::default)?);
    Ok(())
}

/// `force-ssl-redirect`.
pub(super) fn force_ssl(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.force_ssl_redirect = Some(value::boolean(text).map_err(Complaint::default)?);
    Ok(())
}

/// `preserve-trailing-slash`.
pub(super) fn keep_slash(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.preserve_trailing_slash = Some(value::boolean(text).map_err(Complaint::default)?);
    Ok(())
}

/// `from-to-www-redirect`.
pub(super) fn www(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.from_to_www = value::boolean(text).map_err(Complaint::default)?;
    Ok(())
}

/// `app-root`: an absolute path.
pub(super) fn app_root(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    let fine = text.starts_with('/') && !text.starts_with("//") && target_fine(text);
    if !fine {
        let message = format!(
            "\"{text}\" is not an absolute path: write one such as \"/app\"; \"/\" is not redirected"
        );
        return Err(Complaint::warn("InvalidAnnotation", message));
    }
    policy.app_root = Some(text.into());
    Ok(())
}

/// `permanent-redirect`, with its code. `temporal-redirect` wins over it.
pub(super) fn permanent(text: &str, policy: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    let target = target(text)?;
    if context.other("temporal-redirect").is_none() {
        let status = status(context.other("permanent-redirect-code"), 308).unwrap_or(301);
        policy.redirect = Some(Redirect { target: target.into(), status });
    }
    Ok(())
}

/// `temporal-redirect`, with its code.
pub(super) fn temporal(text: &str, policy: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    let target = target(text)?;
    let status = status(context.other("temporal-redirect-code"), 307).unwrap_or(302);
    policy.redirect = Some(Redirect { target: target.into(), status });
    Ok(())
}

/// `permanent-redirect-code`: read by [`permanent`], checked here.
pub(super) fn permanent_code(text: &str, _: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    code(text, 308, 301, "permanent-redirect", context)
}

/// `temporal-redirect-code`: read by [`temporal`], checked here.
pub(super) fn temporal_code(text: &str, _: &mut Policy, context: &Context<'_>) -> Result<(), Complaint> {
    code(text, 307, 302, "temporal-redirect", context)
}

fn code(text: &str, high: u16, default: u16, of: &str, context: &Context<'_>) -> Result<(), Complaint> {
    if status(Some(text), high).is_none() {
        let message = format!("\"{text}\" is not a code from 300 to {high}, {default} is used: correct it");
        return Err(Complaint::warn("InvalidAnnotation", message));
    }
    if context.other(of).is_none() {
        return Err(Complaint::warn(
            "AnnotationIgnored",
            format!("has no effect without {of}: add that or remove this"),
        ));
    }
    Ok(())
}

fn status(text: Option<&str>, high: u16) -> Option<u16> {
    text?.parse().ok().filter(|code| (300..=high).contains(code))
}

/// A redirect that cannot be read must not uncover what is behind it.
fn target(text: &str) -> Result<&str, Complaint> {
    let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
        let same = text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        same.then(|| &text[scheme.len()..])
    });
    let has_host = match rest {
        Some(rest) => !rest.is_empty() && !rest.starts_with(['/', '?', '#']),
        // A path, or one that begins with a variable such as $scheme://...
        None => (text.starts_with('/') && !text.starts_with("//")) || text.starts_with("$scheme://"),
    };
    if has_host && target_fine(text) {
        return Ok(text);
    }
    Err(Complaint::deny(
        "InvalidAnnotation",
        format!(
            "\"{text}\" is not a place to redirect to: write a URL such as \"https://example.com/x\" or a path such as \"/x\""
        ),
    ))
}

/// What may stand in a Location: printable ASCII without spaces and quotes, and no variable that is unknown.
fn target_fine(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>' | b'`'))
}
