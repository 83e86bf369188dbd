//! The parsers of the settings' table.

use ipnet::IpNet;

use super::super::value;
use crate::model::log::LogFormat;
use crate::model::settings::Settings;

type Read = Result<(), String>;

/// Says that the default is used.
fn default(mut why: String) -> String {
    why.push_str("; the default is used until then");
    why
}

/// A boolean field.
macro_rules! flag {
    ($name:ident, $field:ident) => {
        pub(super) fn $name(text: &str, settings: &mut Settings) -> Read {
            settings.$field = value::boolean(text).map_err(default)?;
            Ok(())
        }
    };
}

/// A duration field that must not be zero.
macro_rules! timeout {
    ($name:ident, $field:ident) => {
        pub(super) fn $name(text: &str, settings: &mut Settings) -> Read {
            settings.$field = value::timeout(text).map_err(default)?.duration;
            Ok(())
        }
    };
}

/// A count field.
macro_rules! count {
    ($name:ident, $field:ident) => {
        pub(super) fn $name(text: &str, settings: &mut Settings) -> Read {
            settings.$field = value::count(text).map_err(default)?;
            Ok(())
        }
    };
}

flag!(ssl_redirect, ssl_redirect);
flag!(force_ssl_redirect, force_ssl_redirect);
flag!(hsts, hsts);
flag!(hsts_include_subdomains, hsts_include_subdomains);
flag!(hsts_preload, hsts_preload);
flag!(use_forwarded_headers, use_forwarded_headers);
flag!(compute_full_forwarded_for, compute_full_forwarded_for);
flag!(enable_real_ip, enable_real_ip);
flag!(proxy_add_original_uri_header, proxy_add_original_uri_header);
flag!(retry_non_idempotent, retry_non_idempotent);
flag!(service_upstream, service_upstream);
flag!(strict_path_type, strict_path_type);
flag!(use_http2, use_http2);
flag!(log_escape_json, log_escape_json);

timeout!(connect_timeout, connect_timeout);
timeout!(read_timeout, read_timeout);
timeout!(send_timeout, send_timeout);
timeout!(upstream_keepalive_timeout, upstream_keepalive_timeout);
timeout!(upstream_keepalive_time, upstream_keepalive_time);
timeout!(client_header_timeout, client_header_timeout);
timeout!(client_body_timeout, client_body_timeout);
timeout!(shutdown_timeout, shutdown_timeout);

count!(next_upstream_tries, next_upstream_tries);
count!(keep_alive_requests, keep_alive_requests);
count!(upstream_keepalive_requests, upstream_keepalive_requests);

pub(super) fn disable_access_log(text: &str, settings: &mut Settings) -> Read {
    settings.access_log = !value::boolean(text).map_err(default)?;
    Ok(())
}

pub(super) fn http_redirect_code(text: &str, settings: &mut Settings) -> Read {
    let codes = [301, 302, 307, 308];
    let code = text.parse().ok().filter(|code| codes.contains(code));
    settings.http_redirect_code =
        code.ok_or_else(|| default(format!("\"{text}\" is not a redirect: write 301, 302, 307 or 308")))?;
    Ok(())
}

pub(super) fn no_tls_redirect_locations(text: &str, settings: &mut Settings) -> Read {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let (good, bad): (Vec<&str>, Vec<&str>) = items.partition(|item| item.starts_with('/'));
    settings.no_tls_redirect_locations = good.into_iter().map(str::to_owned).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(format!("\"{}\" must start with \"/\" and is left out: correct it", bad.join("\", \"")))
}

pub(super) fn hsts_max_age(text: &str, settings: &mut Settings) -> Read {
    settings.hsts_max_age = value::integer(text, 0, u64::MAX).map_err(default)?;
    Ok(())
}

pub(super) fn forwarded_for_header(text: &str, settings: &mut Settings) -> Read {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !text.bytes().all(token) {
        return Err(default(format!("\"{}\" is not the name of a header: correct it", text.escape_debug())));
    }
    text.clone_into(&mut settings.forwarded_for_header);
    Ok(())
}

/// Peers that cannot be read are not trusted; the default would trust everybody.
pub(super) fn proxy_real_ip_cidr(text: &str, settings: &mut Settings) -> Read {
    let (good, bad) = value::networks(text);
    settings.proxy_real_ip_cidr = good;
    left_out(&bad, "are not trusted")
}

/// A list without any readable entry lets nobody in; the default would let everybody in.
pub(super) fn allow_sources(text: &str, settings: &mut Settings) -> Read {
    let (mut good, bad) = value::networks(text);
    if good.is_empty() {
        good = vec![IpNet::from(std::net::IpAddr::from([0, 0, 0, 0]))]; // no client has this address
    }
    settings.allow_sources = good;
    left_out(&bad, "are not let in")
}

pub(super) fn deny_sources(text: &str, settings: &mut Settings) -> Read {
    let (good, bad) = value::networks(text);
    settings.deny_sources = good;
    left_out(&bad, "are NOT denied")
}

fn left_out(bad: &[String], effect: &str) -> Read {
    if bad.is_empty() {
        return Ok(());
    }
    Err(format!(
        "cannot read {}, these {effect}: write networks such as 10.0.0.0/8 or addresses, separated by commas",
        bad.join(", ")
    ))
}

pub(super) fn body_size(text: &str, settings: &mut Settings) -> Read {
    settings.body_size = value::size(text).map_err(default)?;
    Ok(())
}

pub(super) fn next_upstream(text: &str, settings: &mut Settings) -> Read {
    settings.next_upstream = value::next_upstream(text).map_err(default)?;
    Ok(())
}

pub(super) fn next_upstream_timeout(text: &str, settings: &mut Settings) -> Read {
    settings.next_upstream_timeout = value::span(text).map_err(default)?.duration;
    Ok(())
}

/// Zero turns keep-alive off.
pub(super) fn keep_alive(text: &str, settings: &mut Settings) -> Read {
    settings.keep_alive = value::span(text).map_err(default)?.duration;
    Ok(())
}

pub(super) fn upstream_keepalive_connections(text: &str, settings: &mut Settings) -> Read {
    let number = value::integer(text, 0, 1 << 20).map_err(default)?;
    settings.upstream_keepalive_connections = usize::try_from(number).unwrap_or(0);
    Ok(())
}

pub(super) fn http2_max_concurrent_streams(text: &str, settings: &mut Settings) -> Read {
    let number = value::integer(text, 1, 1 << 16).map_err(default)?;
    settings.http2_max_concurrent_streams = u32::try_from(number).unwrap_or(128);
    Ok(())
}

/// Old protocols are never offered; a list of nothing but old ones leaves the default.
pub(super) fn ssl_protocols(text: &str, settings: &mut Settings) -> Read {
    let (mut tls12, mut tls13, mut rest) = (false, false, Vec::new());
    for word in text.split_ascii_whitespace() {
        match word {
            "TLSv1.2" => tls12 = true,
            "TLSv1.3" => tls13 = true,
            other => rest.push(other),
        }
    }
    if !tls12 && !tls13 {
        return Err(default(format!("\"{text}\" names no supported version: write \"TLSv1.2 TLSv1.3\"")));
    }
    (settings.tls12, settings.tls13) = (tls12, tls13);
    if rest.is_empty() {
        return Ok(());
    }
    Err(format!("{} is not offered, since it is unsafe or unknown: remove it", rest.join(", ")))
}

pub(super) fn log_format(text: &str, settings: &mut Settings) -> Read {
    text.clone_into(&mut settings.log_format);
    let (_, names) = LogFormat::parse(text, false);
    let mut unknown: Vec<String> = Vec::new();
    for name in names.iter().map(|name| format!("${name}")) {
        if !unknown.contains(&name) {
            unknown.push(name);
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!("{} is unknown and printed as \"-\": correct or remove it", unknown.join(", ")))
}
