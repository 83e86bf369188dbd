//! How backends are spoken to: protocol, limits of size and time, retries.

use std::time::Duration;

use super::super::value;
use super::{Complaint, Context};
use crate::model::policy::{BackendProtocol, HttpVersion, Policy};

/// `backend-protocol`.
pub(super) fn protocol(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.backend_protocol = Some(match text.to_ascii_uppercase().as_str() {
        "HTTP" => BackendProtocol::Http,
        "HTTPS" => BackendProtocol::Https,
        "GRPC" => BackendProtocol::Grpc,
        "GRPCS" => BackendProtocol::Grpcs,
        "AUTO_HTTP" => BackendProtocol::AutoHttp,
        "FCGI" => {
            return Err(Complaint::deny(
                "AnnotationRefused",
                "FastCGI backends are not supported: put an HTTP server in front of the backend",
            ));
        }
        _ => {
            let message =
                format!("\"{text}\" is unknown, HTTP is used: write HTTP, HTTPS, GRPC, GRPCS or AUTO_HTTP");
            return Err(Complaint::warn("InvalidAnnotation", message));
        }
    });
    Ok(())
}

/// `proxy-http-version`.
pub(super) fn http_version(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.http_version = Some(match text {
        "1.0" => HttpVersion::Http10,
        "1.1" => HttpVersion::Http11,
        _ => return Err(Complaint::default(format!("\"{text}\" is unknown: write \"1.0\" or \"1.1\""))),
    });
    Ok(())
}

/// `proxy-body-size`.
pub(super) fn body_size(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.body_size = Some(value::size(text).map_err(Complaint::default)?);
    Ok(())
}

/// `proxy-connect-timeout`.
pub(super) fn connect_timeout(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    timeout(text, &mut policy.connect_timeout)
}

/// `proxy-read-timeout`.
pub(super) fn read_timeout(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    timeout(text, &mut policy.read_timeout)
}

/// `proxy-send-timeout`.
pub(super) fn send_timeout(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    timeout(text, &mut policy.send_timeout)
}

/// `proxy-next-upstream`.
pub(super) fn next_upstream(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.next_upstream = Some(value::next_upstream(text).map_err(Complaint::default)?);
    Ok(())
}

/// `proxy-next-upstream-tries`.
pub(super) fn tries(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.next_upstream_tries = Some(value::count(text).map_err(Complaint::default)?);
    Ok(())
}

/// `proxy-next-upstream-timeout`: zero is no limit.
pub(super) fn tries_timeout(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    keep(value::span(text), &mut policy.next_upstream_timeout)
}

/// `service-upstream`.
pub(super) fn service_upstream(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    policy.service_upstream = Some(value::boolean(text).map_err(Complaint::default)?);
    Ok(())
}

/// `default-backend`: a Service of the same namespace.
pub(super) fn default_backend(
    text: &str,
    policy: &mut Policy,
    context: &Context<'_>,
) -> Result<(), Complaint> {
    let name = match text.split_once('/') {
        Some((namespace, name)) if namespace == &**context.namespace => name,
        Some(_) => {
            let message =
                format!("\"{text}\" is in another namespace and is ignored: name a Service of this one");
            return Err(Complaint::warn("InvalidAnnotation", message));
        }
        None => text,
    };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) {
        let message =
            format!("\"{}\" is not the name of a Service and is ignored: correct it", text.escape_debug());
        return Err(Complaint::warn("InvalidAnnotation", message));
    }
    policy.default_backend = Some(name.into());
    Ok(())
}

/// `canary`: such an Ingress never serves on its own (compiling tells so), and an unreadable value must not make it.
pub(super) fn canary(text: &str, policy: &mut Policy, _: &Context<'_>) -> Result<(), Complaint> {
    let value = value::boolean(text);
    policy.canary = *value.as_ref().unwrap_or(&true);
    let wrong = |why| Complaint::warn("InvalidAnnotation", format!("{why}; \"true\" is assumed until then"));
    value.map(|_| ()).map_err(wrong)
}

fn timeout(text: &str, into: &mut Option<Duration>) -> Result<(), Complaint> {
    keep(value::timeout(text), into)
}

fn keep(span: Result<value::Span, String>, into: &mut Option<Duration>) -> Result<(), Complaint> {
    let span = span.map_err(Complaint::default)?;
    *into = Some(span.duration);
    if span.has_units {
        let message =
            format!("is read as {} s: ingress-nginx takes plain seconds only", span.duration.as_secs_f64());
        return Err(Complaint::note(message));
    }
    Ok(())
}
