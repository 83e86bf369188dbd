use std::collections::BTreeSet;

use super::*;
use crate::model::Kind;
use crate::model::policy::{Alias, BackendProtocol};
use crate::model::route::Host;

fn read(annotations: &[(&str, &str)]) -> (Policy, Vec<Report>) {
    let options = Options::default();
    let prefix = &options.annotations_prefix;
    let all = annotations.iter().map(|(key, text)| (format!("{prefix}/{key}"), (*text).to_owned())).collect();
    policy(&all, &ObjectRef::new(Kind::Ingress, "shop", "web"), None, &options)
}

fn quiet(annotations: &[(&str, &str)]) -> Policy {
    let (policy, reports) = read(annotations);
    assert!(reports.is_empty(), "{reports:#?}");
    policy
}

fn told(annotations: &[(&str, &str)]) -> (Policy, Severity, &'static str, String) {
    let (policy, mut reports) = read(annotations);
    assert_eq!(reports.len(), 1, "{reports:#?}");
    let report = reports.remove(0);
    (policy, report.severity, report.reason, report.message)
}

#[test]
fn the_table_is_sorted_and_has_every_documented_key_with_its_risk() {
    assert!(TABLE.is_sorted_by(|a, b| a.key < b.key));
    let with = |risk| TABLE.iter().filter(|row| row.risk == risk).count();
    let counts = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical].map(with);
    assert_eq!((TABLE.len(), counts), (136, [76, 45, 10, 5]));
    assert!(TABLE.iter().any(|row| row.scope == Scope::Ingress));
    for (old, new) in RENAMED {
        assert!(find(old).is_none() && find(new).is_some());
    }
    assert!(REMOVED.iter().all(|(key, _)| find(key).is_none()));
}

#[test]
fn every_row_survives_every_odd_value() {
    let odd = [
        "",
        " ",
        "x",
        "-1",
        "true",
        "false",
        "999999999999999999999",
        "a\nb",
        "\r",
        "é",
        "$",
        "~[",
        "0",
        ",",
        "/",
    ];
    for row in TABLE {
        for value in odd {
            let (policy, reports) = read(&[(row.key, value)]);
            if value.trim().is_empty() {
                assert_eq!((policy, reports), (Policy::default(), vec![]), "{}", row.key);
            }
        }
    }
}

#[test]
fn other_prefixes_are_not_ours() {
    let all = BTreeMap::from([
        ("example.com/rewrite-target".to_owned(), "/x".to_owned()),
        ("nginx.ingress.kubernetes.io/rewrite-target".to_owned(), "/y".to_owned()),
    ]);
    let object = ObjectRef::new(Kind::Ingress, "n", "w");
    let options = Options { annotations_prefix: "example.com".into() };
    assert_eq!(policy(&all, &object, None, &options).0.rewrite_target.as_deref(), Some("/x"));
}

#[test]
fn a_wrong_boolean_falls_to_the_default() {
    let (policy, severity, reason, message) = told(&[("ssl-redirect", "yes")]);
    assert_eq!((policy.ssl_redirect, severity, reason), (None, Severity::Warning, "InvalidAnnotation"));
    assert!(message.contains("\"yes\" is not a boolean") && message.contains("default"), "{message}");
    assert_eq!(quiet(&[("ssl-redirect", " F ")]).ssl_redirect, Some(false));
}

#[test]
fn an_access_rule_that_cannot_be_read_denies() {
    for key in ["allowlist-source-range", "whitelist-source-range", "denylist-source-range"] {
        let (policy, severity, _, message) = told(&[(key, "10.0.0.0/8, nonsense")]);
        assert_eq!((policy.denied.as_deref(), severity), (Some(key), Severity::Error));
        assert!(message.contains("\"nonsense\"") && message.contains("503"), "{message}");
    }
    let policy = quiet(&[("allowlist-source-range", "10.0.0.0/8,192.168.0.1")]);
    assert_eq!(policy.allow_sources.unwrap().len(), 2);
}

#[test]
fn authentication_that_is_not_honoured_denies() {
    for (key, value) in [
        ("auth-url", "http://a/"),
        ("auth-type", "basic"),
        ("auth-secret", "s"),
        ("auth-signin", "http://a/"),
        ("auth-tls-secret", "n/ca"),
        ("satisfy", "any"),
    ] {
        let (policy, severity, reason, _) = told(&[(key, value)]);
        assert_eq!(
            (policy.denied.as_deref(), severity, reason),
            (Some(key), Severity::Error, "AnnotationRefused")
        );
    }
    assert_eq!(quiet(&[("satisfy", "all")]).denied, None);
    let (policy, severity, ..) = told(&[("auth-tls-secret", "n/ca"), ("auth-tls-verify-client", "off")]);
    assert_eq!((policy.denied, severity), (None, Severity::Note));
}

#[test]
fn limits_only_warn_and_values_that_ask_for_nothing_are_quiet() {
    let (policy, severity, reason, message) = told(&[("limit-rps", "5")]);
    assert_eq!((policy.denied, severity, reason), (None, Severity::Warning, "AnnotationIgnored"));
    assert!(message.contains("WITHOUT this limit"));
    quiet(&[
        ("enable-cors", "false"),
        ("canary", "false"),
        ("proxy-buffering", "off"),
        ("enable-access-log", "true"),
    ]);
}

#[test]
fn a_snippet_is_never_read_and_denies_where_it_guards() {
    let headers = "more_set_headers \"X: y\";\nmore_set_headers \"Z: y\";\n";
    let (policy, severity, reason, _) = told(&[("configuration-snippet", headers)]);
    assert_eq!((policy.denied, severity, reason), (None, Severity::Warning, "AnnotationIgnored"));
    let (policy, _, reason, _) = told(&[("server-snippet", "location /admin {\n  deny all;\n}")]);
    assert_eq!((policy.denied.as_deref(), reason), (Some("server-snippet"), "AnnotationRefused"));
}

#[test]
fn a_typo_names_the_nearest_known_annotation() {
    let (_, severity, reason, message) = told(&[("rewrite-taget", "/")]);
    assert_eq!((severity, reason), (Severity::Warning, "UnknownAnnotation"));
    assert!(message.contains("did you mean \"rewrite-target\"?"), "{message}");
    assert!(told(&[("completely-different-thing", "/")]).3.contains("remove it"));
    assert!(told(&[("secure-backends", "true")]).3.contains("backend-protocol: HTTPS"));
}

#[test]
fn an_old_name_works_until_the_new_one_is_given() {
    assert!(quiet(&[("whitelist-source-range", "10.0.0.0/8")]).allow_sources.is_some());
    let (policy, _, reason, _) =
        told(&[("whitelist-source-range", "10.0.0.0/8"), ("allowlist-source-range", "192.168.0.0/16")]);
    assert_eq!(policy.allow_sources.unwrap()[0].to_string(), "192.168.0.0/16");
    assert_eq!(reason, "AnnotationIgnored");
}

#[test]
fn the_temporal_redirect_wins_and_each_has_its_own_code() {
    let redirect = |annotations: &[(&str, &str)]| {
        let redirect = read(annotations).0.redirect.unwrap();
        (redirect.target.to_string(), redirect.status)
    };
    let permanent = ("permanent-redirect", "https://p.example/");
    let temporal = ("temporal-redirect", "https://t.example/");
    assert_eq!(redirect(&[permanent]).1, 301);
    assert_eq!(redirect(&[permanent, ("permanent-redirect-code", "308")]).1, 308);
    assert_eq!(redirect(&[permanent, ("permanent-redirect-code", "309")]).1, 301);
    assert_eq!(redirect(&[temporal, ("temporal-redirect-code", "307")]).1, 307);
    assert_eq!(redirect(&[temporal, ("temporal-redirect-code", "308")]).1, 302);
    let both = [permanent, ("permanent-redirect-code", "308"), temporal];
    assert_eq!(redirect(&both), ("https://t.example/".into(), 302));
    assert_eq!(redirect(&[("permanent-redirect", "/x?a=$args")]).0, "/x?a=$args");
}

#[test]
fn a_redirect_that_cannot_be_read_denies() {
    for wrong in [
        "example.com",
        "ftp://x/",
        "https://",
        "https:///x",
        "//x",
        "https://x/ y",
        "https://x/\"",
        "javascript:1",
    ] {
        let (policy, ..) = told(&[("permanent-redirect", wrong)]);
        assert_eq!(
            (policy.denied.as_deref(), policy.redirect),
            (Some("permanent-redirect"), None),
            "{wrong}"
        );
    }
}

#[test]
fn line_breaks_are_refused() {
    assert_eq!(told(&[("rewrite-target", "/a\nb")]).0.denied.as_deref(), Some("rewrite-target"));
    assert_eq!(told(&[("proxy-read-timeout", "6\n0")]).0.read_timeout, None);
    let (policy, ..) = told(&[("upstream-vhost", "a\r\nX: y")]);
    assert_eq!((policy.upstream_vhost, policy.denied), (None, None));
}

#[test]
fn times_are_seconds_and_units_are_noted() {
    assert_eq!(quiet(&[("proxy-read-timeout", "90")]).read_timeout.unwrap().as_secs(), 90);
    let (policy, severity, ..) = told(&[("proxy-send-timeout", "2m")]);
    assert_eq!((policy.send_timeout.unwrap().as_secs(), severity), (120, Severity::Note));
    assert_eq!(told(&[("proxy-connect-timeout", "-5")]).0.connect_timeout, None);
    assert_eq!(told(&[("proxy-connect-timeout", "0")]).0.connect_timeout, None);
    assert!(quiet(&[("proxy-next-upstream-timeout", "0")]).next_upstream_timeout.unwrap().is_zero());
}

#[test]
fn aliases_are_names_wildcards_and_expressions() {
    let policy = quiet(&[("server-alias", "B.example, *.c.example,~^www\\d+\\.x$, b.example")]);
    let aliases: BTreeSet<String> = policy
        .server_aliases
        .iter()
        .map(|alias| match alias {
            Alias::Host(host) => host.to_string(),
            Alias::Regex(pattern) => format!("~{pattern}"),
        })
        .collect();
    assert_eq!(aliases.into_iter().collect::<Vec<_>>(), ["*.c.example", "b.example", "~^www\\d+\\.x$"]);
    let (policy, ..) = told(&[("server-alias", "~[, fine.example, *, no good")]);
    assert_eq!(policy.server_aliases, [Alias::Host(Host::Exact("fine.example".into()))]);
}

#[test]
fn backend_protocols_in_any_case_and_unknown_ones_are_http() {
    assert_eq!(quiet(&[("backend-protocol", "grpcs")]).backend_protocol, Some(BackendProtocol::Grpcs));
    assert_eq!(quiet(&[("backend-protocol", "auto_http")]).backend_protocol, Some(BackendProtocol::AutoHttp));
    assert_eq!(told(&[("backend-protocol", "SPDY")]).0.backend_protocol, None);
    assert!(told(&[("backend-protocol", "FCGI")]).0.denied.is_some());
}

#[test]
fn a_default_backend_is_a_service_of_the_same_namespace() {
    assert_eq!(quiet(&[("default-backend", "rest")]).default_backend.as_deref(), Some("rest"));
    assert_eq!(quiet(&[("default-backend", "shop/rest")]).default_backend.as_deref(), Some("rest"));
    assert_eq!(told(&[("default-backend", "other/rest")]).0.default_backend, None);
}

#[test]
fn a_canary_is_marked_also_when_its_value_is_unreadable() {
    assert!(quiet(&[("canary", "true")]).canary);
    assert!(!quiet(&[("canary", "false")]).canary);
    assert!(told(&[("canary", "maybe")]).0.canary);
}
