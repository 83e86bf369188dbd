//! Which header fields reach the backend, and which the client.

use crate::backend::{Backend, whole};
use crate::client::run;
use crate::site::Site;

#[test]
fn a_backend_is_told_about_the_client() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let port = stage.http.port().to_string();
        let fields = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n\
                      X-Real-IP: 6.6.6.6\r\nX-Scheme: https\r\nX-Forwarded-Prefix: /evil\r\nX_Real_IP: 6.6.6.6\r\n";
        let answer = stage.get_with("web.test:81", "/x", fields).await;
        for (name, value) in [
            ("host", "web.test:81"),
            ("x-real-ip", "127.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "web.test:81"),
            ("x-forwarded-port", &port),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-scheme", "http"),
            ("x-scheme", "http"),
            ("x-original-forwarded-for", "6.6.6.6"),
            ("x-original-forwarded-host", "evil"),
            ("x-forwarded-prefix", ""),
            ("x-original-uri", ""),
            ("x_real_ip", ""),
        ] {
            assert_eq!(answer.saw(name), value, "{name}");
        }
        let answer = stage.get_tls("web.test", "/").await;
        assert_eq!((answer.saw("x-forwarded-port"), answer.saw("x-forwarded-proto")), ("443", "https"));
    });
}

#[test]
fn a_request_id_is_kept_or_made() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let given = stage.get_with("web.test", "/", "X-Request-ID: mine\r\n").await;
        assert_eq!(given.saw("x-request-id"), "mine");
        let (one, other) = (stage.get("web.test", "/").await, stage.get("web.test", "/").await);
        for answer in [&one, &other] {
            let id = answer.saw("x-request-id");
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        assert_ne!(one.saw("x-request-id"), other.saw("x-request-id"));
    });
}

#[test]
fn hop_by_hop_fields_of_a_request_end_here() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let fields = "Connection: keep-alive, X-Hop, x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nKeep-Alive: 5\r\n\
                      Proxy-Connection: keep-alive\r\nProxy: http://evil\r\nTE: gzip\r\nHTTP2-Settings: x\r\n\
                      X-Stay: 3\r\nAuthorization: Basic eDp5\r\n";
        let answer = stage.get_with("web.test", "/", fields).await;
        let gone = [
            "connection",
            "x-hop",
            "x-other",
            "keep-alive",
            "proxy-connection",
            "proxy",
            "te",
            "http2-settings",
        ];
        for name in gone {
            assert_eq!(answer.saw(name), "", "{name}");
        }
        assert_eq!((answer.saw("x-stay"), answer.saw("authorization")), ("3", "Basic eDp5"));
    });
}

#[test]
fn a_client_cannot_have_our_own_fields_removed_by_naming_them_in_connection() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let fields =
            "Connection: close, X-Forwarded-For, X-Real-IP, Host, Content-Length\r\nContent-Length: 0\r\n";
        let answer = stage.get_with("web.test", "/", fields).await;
        assert_eq!((answer.saw("x-forwarded-for"), answer.saw("host")), ("127.0.0.1", "web.test"));
    });
}

#[test]
fn hop_by_hop_fields_and_the_server_of_an_answer_end_here() {
    run(async {
        let answer = "HTTP/1.1 200 OK\r\nServer: secret/1.0\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                      X-Stay: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n";
        let stage = Site::of(&[Backend::fixed(answer).await.address]).start();
        let mut http2 = stage.http2().await;
        for answer in [stage.get("web.test", "/").await, http2.get("web.test", "/").await] {
            for name in ["server", "connection", "x-hop", "keep-alive"] {
                assert_eq!(answer.header(name), "", "{name}");
            }
            assert_eq!(answer.header("x-stay"), "2");
            let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
            assert_eq!(cookies, ["a=1", "b=2"]);
            assert_ne!(answer.header("date"), "");
        }
        assert_eq!(stage.get("other.test", "/").await.header("server"), "", "nor one of our own");
    });
}

#[test]
fn trusted_proxies_are_believed() {
    run(async {
        let site = Site::of(&[Backend::echo().await.address]).set("use-forwarded-headers", "true");
        let fields = "X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\nX-Forwarded-Host: public.test, inner\r\n\
                      X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n";
        let cases = [
            (site.clone(), "192.0.2.1", "public.test", "https", "8443"),
            (
                site.clone().set("proxy-real-ip-cidr", "127.0.0.0/8"),
                "10.0.0.1",
                "public.test",
                "https",
                "8443",
            ),
            (
                site.clone().set("proxy-real-ip-cidr", "127.0.0.0/8,10.0.0.0/8"),
                "192.0.2.1",
                "public.test",
                "https",
                "8443",
            ),
        ];
        for (site, client, host, scheme, port) in cases {
            let answer = site.start().get_with("web.test", "/", fields).await;
            assert_eq!((answer.saw("x-real-ip"), answer.saw("x-forwarded-for")), (client, client));
            assert_eq!((answer.saw("host"), answer.saw("x-forwarded-host")), (host, host));
            assert_eq!((answer.saw("x-forwarded-proto"), answer.saw("x-forwarded-port")), (scheme, port));
            assert_eq!((answer.saw("x-scheme"), answer.saw("x-forwarded-scheme")), (scheme, scheme));
        }
        let routed =
            site.clone().start().get_with("public.test", "/", "X-Forwarded-Host: web.test\r\n").await;
        assert_eq!(routed.status, 404, "the route is that of the host asked for");
        // A peer that is not trusted is not believed.
        let stage = site.set("proxy-real-ip-cidr", "10.0.0.0/8").start();
        let answer = stage.get_with("web.test", "/", fields).await;
        assert_eq!((answer.saw("x-real-ip"), answer.saw("x-forwarded-proto")), ("127.0.0.1", "http"));
    });
}

#[test]
fn real_ip_alone_trusts_the_address_and_nothing_else() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).set("enable-real-ip", "true").start();
        let fields = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n";
        let answer = stage.get_with("web.test", "/", fields).await;
        assert_eq!((answer.saw("x-real-ip"), answer.saw("x-forwarded-host")), ("192.0.2.1", "web.test"));
        assert_eq!(answer.saw("x-forwarded-proto"), "http");
    });
}

#[test]
fn the_whole_chain_is_sent_where_asked_for() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address])
            .set("use-forwarded-headers", "true")
            .set("compute-full-forwarded-for", "true")
            .set("proxy-add-original-uri-header", "true")
            .start();
        let answer = stage.get_with("web.test", "/a?b", "X-Forwarded-For: 192.0.2.1\r\n").await;
        assert!(
            answer.saw("x-forwarded-for").starts_with("192.0.2.1, "),
            "{}",
            answer.saw("x-forwarded-for")
        );
        assert_eq!(answer.saw("x-original-uri"), "/a?b");
    });
}

#[test]
fn upstream_vhost_is_the_host_the_backend_sees() {
    run(async {
        let stage =
            Site::of(&[Backend::echo().await.address]).annotate("upstream-vhost", "inner.test:8080").start();
        let answer = stage.get("web.test", "/").await;
        assert_eq!((answer.saw("host"), answer.saw("x-forwarded-host")), ("inner.test:8080", "web.test"));
    });
}

#[test]
fn fields_with_odd_values_pass_unchanged() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let fields = "X-Empty:\r\nX-Tab: a\tb\r\nX-Spaces:   a  b  \r\nX-Colon: a:b\r\n";
        let answer = stage.get_with("web.test", "/", fields).await;
        assert_eq!(
            (answer.saw("x-tab"), answer.saw("x-spaces"), answer.saw("x-colon")),
            ("a\tb", "a  b", "a:b")
        );
        assert!(answer.text().contains("\nx-empty: \n"));
        let mut http2 = stage.http2().await;
        let request = http2.request("GET", "web.test", "/").header("x-latin", &b"caf\xe9"[..]);
        assert!(
            http2.send(request.body(whole("")).unwrap()).await.text().contains("\nx-latin: caf\u{fffd}\n")
        );
    });
}
