//! What is in force, as JSON: hosts, routes, backends, certificates without their keys, settings, reports.

use serde_json::{Value, json};

use super::explain::{Rule, target};
use crate::model::Report;
use crate::model::certificate::Certificate;
use crate::model::freshness::{Freshness, Watch, WatchState};
use crate::model::settings::Settings;
use crate::routing::{Action, Backend, HostTable, Route, Tables};

/// The answer of `/config` at `now`, in seconds since the epoch.
pub fn config(tables: &Tables, reports: &[Report], freshness: &Freshness, now: i64) -> Value {
    let certificates = tables.routes.certificates.all();
    let backends = tables.endpoints.backends.iter().enumerate();
    json!({
        "source": source(freshness, now),
        "hosts": tables.routes.hosts().map(|host| self::host(host)).collect::<Vec<_>>(),
        "backends": backends.filter_map(|(id, b)| backend(id, b)).collect::<Vec<_>>(),
        "certificates": certificates.map(|(host, c)| certificate(&host.to_string(), c)).collect::<Vec<_>>(),
        "settings": settings(&tables.routes.settings),
        "reports": reports.iter().map(report).collect::<Vec<_>>(),
    })
}

/// How well the API server is followed; of a directory there is nothing to tell.
fn source(freshness: &Freshness, now: i64) -> Value {
    let away = |watch: &Watch| watch.state != WatchState::Following;
    json!({
        "following": !freshness.watches.iter().any(away),
        "age_secs": freshness.age_secs(now),
        "watches": freshness.watches.iter().map(|w| watch(w, now)).collect::<Vec<_>>(),
    })
}

fn watch(watch: &Watch, now: i64) -> Value {
    match &watch.state {
        WatchState::Following => json!({ "watch": *watch.name, "state": "following" }),
        WatchState::Listing(why) => json!({ "watch": *watch.name, "state": "listing", "why": why }),
        WatchState::Away { since, why } => {
            json!({ "watch": *watch.name, "state": "away", "age_secs": (now - since).max(0), "why": why })
        }
    }
}

/// One report.
pub fn report(report: &Report) -> Value {
    let mut value = json!({
        "object": report.object.to_string(),
        "severity": report.severity.to_string(),
        "reason": report.reason,
        "message": report.message,
    });
    if let Some(field) = &report.field {
        value["field"] = json!(field);
    }
    if let Some(place) = &report.place {
        value["place"] = json!({ "file": *place.file, "line": place.line, "column": place.column });
    }
    value
}

fn host(table: &HostTable) -> Value {
    let mut value = json!({
        "host": table.host.to_string(),
        "tls": table.certificate,
        "routes": table.routes().map(|route| self::route(route)).collect::<Vec<_>>(),
    });
    if let Some(root) = &table.app_root {
        value["appRoot"] = json!(**root);
    }
    if let Some(to) = &table.www_redirect {
        value["redirectsTo"] = json!(**to);
    }
    value
}

fn route(route: &Route) -> Value {
    let rule = Rule::of(&route.origin);
    let traffic = &route.traffic;
    let mut value = json!({
        "path": rule.path,
        "kind": rule.kind,
        "ingress": rule.ingress,
        "service": rule.service,
        "action": action(route.action),
    });
    if let Action::Proxy { backend, fallback } = route.action {
        value["backend"] = json!(backend.0);
        if let Some(fallback) = fallback {
            value["fallback"] = json!(fallback.0);
        }
    }
    if let Some(redirect) = &route.redirect {
        value["redirect"] = json!({ "status": redirect.status, "target": redirect.target() });
    }
    if let Some(rewrite) = &route.rewrite {
        value["rewrite"] = json!(rewrite.target());
    }
    if let Some(https) = traffic.https_redirect {
        value["httpsRedirect"] = json!(https.status);
    }
    if let Some(sources) = &traffic.sources {
        let text = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
        value["sources"] = json!({ "deny": text(&sources.deny), "allow": text(&sources.allow) });
    }
    value["bodyLimitBytes"] = json!(traffic.body_limit);
    value["connectTimeoutSecs"] = json!(traffic.connect_timeout.as_secs_f64());
    value["readTimeoutSecs"] = json!(traffic.read_timeout.as_secs_f64());
    value["sendTimeoutSecs"] = json!(traffic.send_timeout.as_secs_f64());
    value["protocol"] = json!(format!("{:?}", traffic.protocol));
    value
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Proxy { .. } => "proxy",
        Action::NotFound => "404",
        Action::Denied => "503",
        Action::AddSlash => "301 to the path with a slash",
    }
}

fn backend(id: usize, backend: &Backend) -> Option<Value> {
    // A freed slot.
    if backend.serial == 0 {
        return None;
    }
    Some(json!({
        "id": id,
        "service": backend.service.to_string(),
        "port": *backend.port,
        "endpoints": backend.targets.iter().map(target).collect::<Vec<_>>(),
    }))
}

fn certificate(host: &str, certificate: &Certificate) -> Value {
    json!({
        "host": host,
        "names": certificate.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "algorithm": certificate.algorithm,
        "serial": certificate.serial,
        "notBefore": certificate.not_before,
        "notAfter": certificate.not_after,
    })
}

/// The settings under the names of their ConfigMap keys.
fn settings(s: &Settings) -> Value {
    let nets = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut value = json!({
        "ssl-redirect": s.ssl_redirect,
        "force-ssl-redirect": s.force_ssl_redirect,
        "http-redirect-code": s.http_redirect_code,
        "no-tls-redirect-locations": s.no_tls_redirect_locations,
        "hsts": s.hsts,
        "hsts-max-age": s.hsts_max_age,
        "hsts-include-subdomains": s.hsts_include_subdomains,
        "hsts-preload": s.hsts_preload,
        "use-forwarded-headers": s.use_forwarded_headers,
        "compute-full-forwarded-for": s.compute_full_forwarded_for,
        "enable-real-ip": s.enable_real_ip,
        "forwarded-for-header": s.forwarded_for_header,
        "proxy-real-ip-cidr": nets(&s.proxy_real_ip_cidr),
        "proxy-add-original-uri-header": s.proxy_add_original_uri_header,
        "whitelist-source-range": nets(&s.allow_sources),
        "denylist-source-range": nets(&s.deny_sources),
        "service-upstream": s.service_upstream,
        "retry-non-idempotent": s.retry_non_idempotent,
        "strict-validate-path-type": s.strict_path_type,
        "use-http2": s.use_http2,
        "ssl-protocols": { "TLSv1.2": s.tls12, "TLSv1.3": s.tls13 },
        "access-log": s.access_log,
        "log-format-upstream": s.log_format,
        "log-format-escape-json": s.log_escape_json,
    });
    for (key, figure) in figures(s) {
        value[key] = json!(figure);
    }
    value
}

/// Sizes, numbers and times; times in seconds.
fn figures(s: &Settings) -> [(&'static str, f64); 16] {
    [
        ("proxy-body-size", s.body_size as f64),
        ("proxy-connect-timeout", s.connect_timeout.as_secs_f64()),
        ("proxy-read-timeout", s.read_timeout.as_secs_f64()),
        ("proxy-send-timeout", s.send_timeout.as_secs_f64()),
        ("proxy-next-upstream-tries", f64::from(s.next_upstream_tries)),
        ("proxy-next-upstream-timeout", s.next_upstream_timeout.as_secs_f64()),
        ("keep-alive", s.keep_alive.as_secs_f64()),
        ("keep-alive-requests", f64::from(s.keep_alive_requests)),
        ("upstream-keepalive-connections", s.upstream_keepalive_connections as f64),
        ("upstream-keepalive-timeout", s.upstream_keepalive_timeout.as_secs_f64()),
        ("upstream-keepalive-time", s.upstream_keepalive_time.as_secs_f64()),
        ("upstream-keepalive-requests", f64::from(s.upstream_keepalive_requests)),
        ("client-header-timeout", s.client_header_timeout.as_secs_f64()),
        ("client-body-timeout", s.client_body_timeout.as_secs_f64()),
        ("http2-max-concurrent-streams", f64::from(s.http2_max_concurrent_streams)),
        ("worker-shutdown-timeout", s.shutdown_timeout.as_secs_f64()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, ObjectRef, Severity};

    #[test]
    fn every_part_is_there_even_when_nothing_is_in_force() {
        let object = ObjectRef::new(Kind::Ingress, "shop", "web");
        let reports = [Report::new(&object, Severity::Warning, "ServiceNotFound", "no such Service")];
        let away = WatchState::Away { since: 100, why: "gone fishing".into() };
        let states = [("Ingress", WatchState::Following), ("Secret", away)];
        let watches = states.map(|(name, state)| Watch { name: name.into(), state });
        let value = config(&Tables::default(), &reports, &Freshness { watches: watches.into() }, 107);
        assert_eq!((&value["source"]["following"], &value["source"]["age_secs"]), (&json!(false), &json!(7)));
        assert_eq!(value["source"]["watches"][0]["state"], "following");
        assert_eq!(value["source"]["watches"][1]["why"], "gone fishing");
        assert_eq!(value["hosts"][0]["host"], "*");
        assert_eq!(value["hosts"][0]["routes"][0]["action"], "404");
        assert_eq!(value["settings"]["hsts-max-age"], 31_536_000);
        assert_eq!(value["settings"]["proxy-read-timeout"], 60.0);
        assert_eq!(value["reports"][0]["object"], "Ingress shop/web");
        assert!(value["backends"].as_array().unwrap().is_empty());
    }
}
