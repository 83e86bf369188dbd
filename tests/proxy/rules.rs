//! Which rule takes a request: hosts, paths, and what stands behind a rule, as real requests.

use std::net::SocketAddr;

use serde_json::json;

use crate::backend::Backend;
use crate::client::{get, run};
use crate::site::Site;

/// The table of the Kubernetes Ingress page: paths (each is its own backend), request, who answers.
/// `/x/` without its slash is redirected to, as in ingress-nginx.
const PATHS: &[(&[&str], &str, &str)] = &[
    (&["/"], "/any/thing", "/"),
    (&["Exact /foo"], "/foo", "Exact /foo"),
    (&["Exact /foo"], "/bar", "404"),
    (&["Exact /foo"], "/foo/", "404"),
    (&["Exact /foo/"], "/foo", "301"),
    (&["/foo"], "/foo", "/foo"),
    (&["/foo"], "/foo/", "/foo"),
    (&["/foo/"], "/foo", "301"),
    (&["/foo/"], "/foo/", "/foo/"),
    (&["/aaa/bb"], "/aaa/bbb", "404"),
    (&["/aaa/bbb"], "/aaa/bbb", "/aaa/bbb"),
    (&["/aaa/bbb/"], "/aaa/bbb", "301"),
    (&["/aaa/bbb"], "/aaa/bbb/", "/aaa/bbb"),
    (&["/aaa/bbb"], "/aaa/bbb/ccc", "/aaa/bbb"),
    (&["/aaa/bbb"], "/aaa/bbbxyz", "404"),
    (&["/", "/aaa"], "/aaa/ccc", "/aaa"),
    (&["/", "/aaa", "/aaa/bbb"], "/aaa/bbb", "/aaa/bbb"),
    (&["/", "/aaa", "/aaa/bbb"], "/ccc", "/"),
    (&["/aaa"], "/ccc", "404"),
    (&["/foo", "Exact /foo"], "/foo", "Exact /foo"),
    // How the path is written does not matter.
    (&["/foo"], "/f%6fo?x=/bar", "/foo"),
    (&["/foo"], "/bar/../foo", "/foo"),
    (&["/foo"], "//foo//x", "/foo"),
    (&["/foo"], "/./foo", "/foo"),
    (&["/foo"], "/foo%2Fbar", "/foo"),
    (&["/foo"], "/FOO", "404"),
    (&["Prefix /foo bar", "/"], "/foo%20bar", "Prefix /foo bar"),
    (&["ImplementationSpecific /foo"], "/foo/x", "ImplementationSpecific /foo"),
    (&["ImplementationSpecific /foo"], "/foobar", "404"),
];

/// A site with one named backend for each of these paths, under one host.
async fn site(host: &str, paths: &[&str]) -> Site {
    let mut site = Site::new();
    for (number, path) in paths.iter().enumerate() {
        let service = format!("s{number}");
        let backend = Backend::named(path).await;
        site = site.service(&service, &[backend.address]).route(host, path, &service);
    }
    site
}

#[test]
fn paths_match_as_the_ingress_page_says() {
    run(async {
        let mut wrong = Vec::new();
        for (paths, request, expected) in PATHS {
            let stage = site("web.test", paths).await.start();
            let answer = stage.get("web.test", request).await;
            let got = if answer.status == 200 { answer.text().to_owned() } else { answer.status.to_string() };
            if got != *expected {
                wrong.push(format!("{paths:?} {request}: {got} instead of {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn the_backend_sees_the_target_as_it_was_sent() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        for target in ["/a%20b/../c//d?x=%20&y=/../z", "/%7Euser", "/a;b=c,d@e:f!$&'()*+", "/?", "/a?b?c#"] {
            let answer = stage.get("web.test", target).await;
            let sent = target.trim_end_matches('#');
            assert_eq!(answer.saw_line(), format!("GET {sent} HTTP/1.1"));
        }
    });
}

#[test]
fn hosts_match_whatever_their_spelling() {
    run(async {
        let named = async |name: &str| -> SocketAddr { Backend::named(name).await.address };
        let stage = Site::new()
            .service("exact", &[named("exact").await])
            .service("wild", &[named("wild").await])
            .service("any", &[named("any").await])
            .route("foo.test", "/", "exact")
            .route("*.foo.test", "/", "wild")
            .route("", "/any", "any")
            .start();
        let table = [
            ("foo.test", "/", "exact"),
            ("FOO.Test", "/", "exact"),
            ("foo.test:8080", "/", "exact"),
            ("foo.test.", "/", "exact"),
            ("foo.test.:80", "/", "exact"),
            ("foo.test:", "/", "exact"),
            ("bar.foo.test", "/", "wild"),
            ("BAR.foo.test.:1", "/", "wild"),
            ("baz.bar.foo.test", "/", "404"),
            ("baz.bar.foo.test", "/any", "any"),
            ("other.test", "/any", "any"),
            ("127.0.0.1", "/any", "any"),
            ("[::1]:80", "/any", "any"),
            ("other.test", "/", "404"),
            ("foo.test", "/any", "exact"),
            ("oo.test", "/", "404"),
        ];
        for (host, path, expected) in table {
            let answer = stage.get(host, path).await;
            let got = if answer.status == 200 { answer.text().to_owned() } else { answer.status.to_string() };
            assert_eq!(got, expected, "{host}{path}");
        }
        assert_eq!(stage.http2().await.get("BAR.foo.test:99", "/").await.text(), "wild");
    });
}

#[test]
fn an_alias_is_served_like_its_host_and_the_backend_sees_it() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).annotate("server-alias", "alias.test").start();
        assert_eq!(stage.get("alias.test", "/").await.saw("host"), "alias.test");
        assert_eq!(stage.get("web.test", "/").await.status, 200);
    });
}

#[test]
fn without_rules_every_combination_answers_404() {
    run(async {
        let stage = Site::new().start();
        for host in ["foo.test", "127.0.0.1"] {
            for path in ["/", "/x"] {
                assert_eq!(stage.get(host, path).await.status, 404);
                assert_eq!(stage.get_tls("foo.test", path).await.status, 404);
                let post = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx");
                let mut wire = stage.wire().await;
                assert_eq!(wire.ask(post).await.status, 404);
                assert_eq!(wire.ask(get(host, path)).await.status, 404, "the connection is in order");
            }
        }
    });
}

#[test]
fn healthz_answers_on_the_catch_all_host_only() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        assert_eq!(stage.get("other.test", "/healthz").await.status, 200);
        assert_eq!(stage.get("web.test", "/healthz").await.saw_line(), "GET /healthz HTTP/1.1");
    });
}

#[test]
fn the_default_backends_take_what_no_rule_takes() {
    run(async {
        let own = Backend::named("own").await.address;
        let global = Backend::named("global").await.address;
        let site = Site::of(&[Backend::named("web").await.address])
            .service("own", &[own])
            .service("global", &[global])
            .default_backend("global");
        let stage = site.clone().start();
        assert_eq!(stage.get("other.test", "/x").await.text(), "global");
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "d", "namespace": "ns"},
            "spec": {"defaultBackend": {"service": {"name": "own", "port": {"number": 80}}}},
        });
        let stage = site.object(ingress).start();
        assert_eq!(stage.get("other.test", "/x").await.text(), "own");
        assert_eq!(stage.get("web.test", "/x").await.text(), "web");
    });
}

#[test]
fn regular_expressions_are_anchored_at_the_start_and_ignore_case() {
    run(async {
        let stage =
            site("web.test", &["ImplementationSpecific /id/[0-9]+", "ImplementationSpecific /x/.+/end$"])
                .await
                .annotate("use-regex", "true")
                .start();
        for (path, expected) in [
            ("/id/123a", 200),
            ("/ID/1", 200),
            ("/id/a", 404),
            ("/a/id/1", 404),
            ("/x/a/b/end", 200),
            ("/x/a/endless", 404),
        ] {
            assert_eq!(stage.get("web.test", path).await.status, expected, "{path}");
        }
    });
}

#[test]
fn a_rewrite_changes_what_the_backend_is_asked_for_and_keeps_the_query() {
    run(async {
        let echo = Backend::echo().await.address;
        let stage = Site::new()
            .service("web", &[echo])
            .route("web.test", "ImplementationSpecific /api(/|$)(.*)", "web")
            .annotate("rewrite-target", "/$2")
            .annotate("x-forwarded-prefix", "/api")
            .route("fixed.test", "/old", "web")
            .annotate("rewrite-target", "/new/backend")
            .route("plain.test", "/", "web")
            .annotate("x-forwarded-prefix", "/api")
            .start();
        let table = [
            ("web.test", "/api/a/b?c=d", "GET /a/b?c=d HTTP/1.1", "/api"),
            ("web.test", "/api", "GET / HTTP/1.1", "/api"),
            ("web.test", "/API/x%20y", "GET /x%20y HTTP/1.1", "/api"),
            ("fixed.test", "/old/x?y", "GET /new/backend?y HTTP/1.1", ""),
            ("plain.test", "/x", "GET /x HTTP/1.1", ""),
        ];
        for (host, target, line, prefix) in table {
            let answer = stage.get(host, target).await;
            assert_eq!(
                (answer.saw_line(), answer.saw("x-forwarded-prefix")),
                (line, prefix),
                "{host}{target}"
            );
        }
    });
}

#[test]
fn a_rewrite_cannot_break_out_of_the_request_line() {
    run(async {
        let stage = Site::new()
            .service("web", &[Backend::echo().await.address])
            .route("web.test", "ImplementationSpecific /x/(.*)", "web")
            .annotate("rewrite-target", "/$1")
            .start();
        let answer = stage.get("web.test", "/x/a%0dX-Evil:%201%20b%3Fc%23d").await;
        assert_eq!((answer.status, answer.saw("x-evil")), (200, ""));
        assert!(
            answer.saw_line().to_lowercase().starts_with("get /a%0dx-evil:%201%20b%3fc%23d "),
            "{}",
            answer.text()
        );
    });
}

#[test]
fn a_source_range_lets_in_or_keeps_out() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::new()
            .service("web", &[backend.address])
            .route("allowed.test", "/", "web")
            .annotate("allowlist-source-range", "10.0.0.0/8, 127.0.0.1/32")
            .route("refused.test", "/", "web")
            .annotate("whitelist-source-range", "10.0.0.0/8")
            .route("denied.test", "/", "web")
            .annotate("denylist-source-range", "127.0.0.0/8")
            .annotate("allowlist-source-range", "127.0.0.1")
            .route("unreadable.test", "/", "web")
            .annotate("allowlist-source-range", "somewhere")
            .set("use-forwarded-headers", "true")
            .start();
        for (host, fields, status) in [
            ("allowed.test", "", 200),
            ("refused.test", "", 403),
            ("denied.test", "", 403),
            ("unreadable.test", "", 503),
            ("allowed.test", "X-Forwarded-For: 192.0.2.1\r\n", 403),
            ("refused.test", "X-Forwarded-For: 10.2.3.4\r\n", 200),
        ] {
            assert_eq!(stage.get_with(host, "/", fields).await.status, status, "{host} {fields}");
        }
        assert_eq!(backend.requests(), 2);
    });
}

#[test]
fn a_resource_backend_answers_404_and_the_rest_of_its_ingress_works() {
    run(async {
        let web = Backend::named("web").await.address;
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "r", "namespace": "ns"},
            "spec": {"rules": [{"host": "r.test", "http": {"paths": [
                {"path": "/static", "pathType": "Prefix",
                 "backend": {"resource": {"apiGroup": "k8s.example.com", "kind": "Bucket", "name": "b"}}},
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"name": "http"}}}},
            ]}}]},
        });
        let stage = Site::new().service("web", &[web]).object(ingress).start();
        assert_eq!(stage.get("r.test", "/static/x").await.status, 404);
        assert_eq!(stage.get("r.test", "/").await.text(), "web");
        assert!(stage.reports().iter().any(|report| report.contains("Bucket")), "{:?}", stage.reports());
    });
}
