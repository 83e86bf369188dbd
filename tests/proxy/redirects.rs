//! Answers that send the client elsewhere, and HSTS.

use crate::backend::{Backend, refusing};
use crate::client::{get, run};
use crate::site::Site;
use crate::wire::Wire;

/// A site with one Ingress for `web.test` and these annotations.
fn annotated(annotations: &[(&str, &str)]) -> Site {
    let site = Site::new().service("web", &[refusing()]).route("web.test", "/", "web");
    annotations.iter().fold(site, |site, (key, value)| site.annotate(key, value))
}

#[test]
fn redirects_say_where_to_with_the_documented_status() {
    type Row = (&'static [(&'static str, &'static str)], &'static str, u16, &'static str);
    const TABLE: &[Row] = &[
        (&[("app-root", "/foo")], "/", 302, "http://web.test:PORT/foo"),
        (&[("permanent-redirect", "https://x.test/y")], "/a?b", 301, "https://x.test/y"),
        (
            &[("permanent-redirect", "https://x.test"), ("permanent-redirect-code", "308")],
            "/",
            308,
            "https://x.test",
        ),
        (
            &[("permanent-redirect", "https://x.test"), ("permanent-redirect-code", "200")],
            "/",
            301,
            "https://x.test",
        ),
        (&[("temporal-redirect", "https://x.test")], "/", 302, "https://x.test"),
        (
            &[("temporal-redirect", "https://x.test"), ("temporal-redirect-code", "307")],
            "/",
            307,
            "https://x.test",
        ),
        (
            &[("temporal-redirect", "https://x.test"), ("temporal-redirect-code", "308")],
            "/",
            302,
            "https://x.test",
        ),
        (
            &[("temporal-redirect", "https://t.test"), ("permanent-redirect", "https://p.test")],
            "/",
            302,
            "https://t.test",
        ),
        (&[("force-ssl-redirect", "true")], "/", 308, "https://web.test"),
        (&[("force-ssl-redirect", "true")], "/a/?b=c", 308, "https://web.test/a/?b=c"),
        (&[("force-ssl-redirect", "true")], "/a/", 308, "https://web.test/a"),
        (
            &[("force-ssl-redirect", "true"), ("preserve-trailing-slash", "true")],
            "/a/",
            308,
            "https://web.test/a/",
        ),
        (&[("force-ssl-redirect", "true"), ("app-root", "/foo")], "/", 302, "http://web.test:PORT/foo"),
        (&[("force-ssl-redirect", "true"), ("app-root", "/foo")], "/foo", 308, "https://web.test/foo"),
        (
            &[("force-ssl-redirect", "true"), ("permanent-redirect", "http://p.test")],
            "/",
            301,
            "http://p.test",
        ),
    ];
    run(async {
        for (annotations, target, status, location) in TABLE {
            let stage = annotated(annotations).start();
            let port = stage.http.port();
            let answer = stage.get(&format!("web.test:{port}"), target).await;
            let location = location.replace("PORT", &port.to_string());
            assert_eq!(
                (answer.status, answer.header("location")),
                (*status, &*location),
                "{annotations:?} {target}"
            );
        }
    });
}

#[test]
fn app_root_keeps_the_scheme_and_leaves_other_paths_alone() {
    run(async {
        let site = Site::of(&[Backend::echo().await.address]).annotate("app-root", "/foo");
        let stage = site.start();
        let answer = stage.get_tls("web.test", "/").await;
        assert_eq!((answer.status, answer.header("location")), (302, "https://web.test/foo"));
        assert_eq!(stage.get("web.test", "/foo").await.saw_line(), "GET /foo HTTP/1.1");
    });
}

#[test]
fn a_host_with_tls_is_redirected_to_https_even_without_a_secret() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[backend.address])
            .tls("web.test", "missing")
            .set("use-forwarded-headers", "true")
            .start();
        let answer = stage.get("web.test:8080", "/x").await;
        assert_eq!((answer.status, answer.header("location")), (308, "https://web.test/x"));
        assert_eq!(answer.header("strict-transport-security"), "", "not over plain HTTP");
        let answer = stage.get_with("web.test", "/", "X-Forwarded-Host: web.test:80\r\n").await;
        assert_eq!((answer.status, answer.header("location")), (308, "https://web.test"));
        assert_eq!(backend.requests(), 0);
        assert_eq!(stage.get_with("web.test", "/", "X-Forwarded-Proto: https\r\n").await.status, 200);
        assert_eq!(stage.get_tls("web.test", "/x").await.status, 200);
    });
}

#[test]
fn acme_challenges_are_not_redirected() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).tls("web.test", "").start();
        assert_eq!(stage.get("web.test", "/.well-known/acme-challenge/x").await.status, 200);
        assert_eq!(stage.get("web.test", "/.well-known/other").await.status, 308);
    });
}

#[test]
fn ssl_redirect_can_be_turned_off_and_its_code_changed() {
    run(async {
        let echo = Backend::echo().await.address;
        let site = Site::of(&[echo]).tls("web.test", "");
        assert_eq!(
            site.clone().annotate("ssl-redirect", "false").start().get("web.test", "/").await.status,
            200
        );
        assert_eq!(site.clone().set("ssl-redirect", "false").start().get("web.test", "/").await.status, 200);
        assert_eq!(site.set("http-redirect-code", "301").start().get("web.test", "/").await.status, 301);
    });
}

#[test]
fn from_to_www_redirects_the_other_name_with_the_port_written() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address])
            .annotate("from-to-www-redirect", "true")
            .route("www.two.test", "/", "web")
            .annotate("from-to-www-redirect", "true")
            .start();
        let port = stage.http.port();
        let answer = stage.get(&format!("www.web.test:{port}"), "/foo/").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, &*format!("http://web.test:{port}/foo"))
        );
        let answer = stage.get("two.test", "/").await;
        assert_eq!((answer.status, answer.header("location")), (308, "http://www.two.test:80"));
        let answer = stage.get_tls("www.web.test", "/foo?a=b").await;
        assert_eq!((answer.status, answer.header("location")), (308, "https://web.test:443/foo?a=b"));
        for host in ["web.test", "www.two.test"] {
            assert_eq!(stage.get(host, "/").await.status, 200);
        }
    });
}

#[test]
fn a_path_that_ends_in_a_slash_takes_its_name_without_by_redirect() {
    run(async {
        let stage = Site::new()
            .service("web", &[Backend::echo().await.address])
            .route("web.test", "/foo/", "web")
            .route("web.test", "Exact /bar/", "web")
            .start();
        let port = stage.http.port();
        for (target, location) in [("/foo", "/foo/"), ("/bar?a=b", "/bar/?a=b"), ("/f%6fo", "/foo/")] {
            let answer = stage.get(&format!("web.test:{port}"), target).await;
            let location = format!("http://web.test:{port}{location}");
            assert_eq!((answer.status, answer.header("location")), (301, &*location), "{target}");
        }
        assert_eq!(stage.get("web.test", "/foo/").await.status, 200);
    });
}

#[test]
fn a_location_is_one_line_whatever_is_asked_for() {
    run(async {
        let stage = annotated(&[("permanent-redirect", "https://x.test$uri")]).start();
        let answer = stage.get("web.test", "/a%0d%0aSet-Cookie:%20x").await;
        assert!(matches!(answer.status, 301 | 404), "{}", answer.status);
        assert_eq!(answer.header("set-cookie"), "");
    });
}

#[test]
fn hsts_is_sent_over_tls_only_once_and_replaces_the_backend_s() {
    run(async {
        let own = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n";
        let backend = Backend::fixed(own).await.address;
        type Row = (&'static [(&'static str, &'static str)], &'static str, &'static str);
        let table: [Row; 4] = [
            (&[], "max-age=31536000; includeSubDomains", "max-age=1"),
            (
                &[("hsts-max-age", "86400"), ("hsts-include-subdomains", "false")],
                "max-age=86400",
                "max-age=1",
            ),
            (&[("hsts-preload", "true")], "max-age=31536000; includeSubDomains; preload", "max-age=1"),
            (&[("hsts", "false")], "max-age=1", "max-age=1"),
        ];
        for (settings, secure, plain) in table {
            let site = settings.iter().fold(Site::of(&[backend]), |site, (key, value)| site.set(key, value));
            let stage = site.start();
            let answer = stage.get_tls("web.test", "/").await;
            assert_eq!(answer.header("strict-transport-security"), secure);
            assert_eq!(stage.get("web.test", "/").await.header("strict-transport-security"), plain);
        }
    });
}

#[test]
fn a_redirect_leaves_the_connection_in_order_even_with_a_body() {
    run(async {
        let stage = annotated(&[("force-ssl-redirect", "true")]).start();
        let mut wire = stage.wire().await;
        let post = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(wire.ask(post).await.status, 308);
        assert_eq!(wire.ask(get("web.test", "/")).await.status, 308);
        let mut tls = Wire::new(stage.tls("web.test", &[]).await);
        assert_eq!(tls.ask(post).await.status, 502, "nothing listens behind it");
    });
}
