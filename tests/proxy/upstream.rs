//! Which endpoint gets a request, what happens when it fails, and how it is spoken to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use crate::backend::{Backend, Speak, describe, refusing, whole};
use crate::client::{get, run, until};
use crate::site::Site;

/// A request that is not to be sent twice.
fn post(host: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\nbody")
}

#[test]
fn six_hundred_requests_over_three_endpoints_are_two_hundred_each() {
    run(async {
        let backends = [Backend::named("a").await, Backend::named("b").await, Backend::named("c").await];
        let stage = Site::of(&backends.each_ref().map(|backend| backend.address)).workers(2).start();
        let mut wire = stage.wire().await;
        for _ in 0..600 {
            assert_eq!(wire.ask(get("web.test", "/")).await.status, 200);
        }
        assert_eq!(backends.each_ref().map(Backend::requests), [200; 3]);
        assert_eq!(backends.each_ref().map(Backend::connections), [1; 3]);
    });
}

#[test]
fn streams_of_one_http_2_connection_are_spread_alike() {
    run(async {
        let backends = [Backend::named("a").await, Backend::named("b").await];
        let stage = Site::of(&backends.each_ref().map(|backend| backend.address)).start();
        let mut http2 = stage.http2().await;
        for _ in 0..40 {
            assert_eq!(http2.get("web.test", "/").await.status, 200);
        }
        assert_eq!(backends.each_ref().map(Backend::requests), [20; 2]);
    });
}

#[test]
fn an_endpoint_that_refuses_connections_is_passed_over_even_for_a_post() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[refusing(), backend.address, refusing()]).start();
        let mut wire = stage.wire().await;
        for _ in 0..6 {
            assert_eq!(wire.ask(get("web.test", "/")).await.status, 200);
            let answer = wire.ask(post("web.test")).await;
            assert!(answer.status == 200 && answer.text().ends_with("\n\nbody"), "{}", answer.text());
        }
        assert_eq!(backend.requests(), 12);
    });
}

#[test]
fn no_more_endpoints_are_tried_than_asked_for() {
    run(async {
        let backend = Backend::named("a").await.address;
        let endpoints = [refusing(), refusing(), backend];
        let stage = Site::of(&endpoints).annotate("proxy-next-upstream-tries", "2").start();
        let stage_off = Site::of(&endpoints).annotate("proxy-next-upstream", "off").start();
        let mut statuses = (Vec::new(), Vec::new());
        for _ in 0..6 {
            statuses.0.push(stage.get("web.test", "/").await.status);
            statuses.1.push(stage_off.get("web.test", "/").await.status);
        }
        assert!(statuses.0.contains(&502) && statuses.0.contains(&200), "{statuses:?}");
        assert_eq!(statuses.1.iter().filter(|status| **status == 200).count(), 2, "{statuses:?}");
    });
}

/// A backend that answers the first request of every connection and closes when the second one comes.
async fn tired() -> Backend {
    Backend::raw(|mut wire, _, requests| async move {
        while let Some(head) = wire.head().await {
            if head.contains("content-length: 4") {
                wire.take(4).await;
            }
            let count = requests.fetch_add(1, Ordering::SeqCst);
            if count % 2 == 1 {
                return;
            }
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await
}

#[test]
fn a_get_over_a_connection_that_just_died_is_sent_again() {
    run(async {
        let backend = tired().await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..3 {
            assert_eq!(wire.ask(get("web.test", "/")).await.text(), "ok");
        }
        assert_eq!((backend.requests(), backend.connections()), (5, 3));
    });
}

#[test]
fn a_post_over_a_connection_that_just_died_is_not_sent_twice() {
    run(async {
        let backend = tired().await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        assert_eq!(wire.ask(post("web.test")).await.status, 200);
        assert_eq!(wire.ask(post("web.test")).await.status, 502);
        assert_eq!(backend.requests(), 2);
    });
}

#[test]
fn a_post_is_sent_again_where_the_operator_says_so() {
    run(async {
        let failing = Backend::raw(|mut wire, _, _| async move { drop(wire.head().await) }).await;
        let backend = Backend::named("a").await;
        let bodiless = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 0\r\n\r\n";
        let site = Site::of(&[failing.address, backend.address]);
        let stage = site.clone().start();
        let mut statuses = [stage.ask(bodiless).await.status, stage.ask(bodiless).await.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 502]);
        let stage = site.annotate("proxy-next-upstream", "error timeout non_idempotent").start();
        for _ in 0..2 {
            assert_eq!(stage.ask(bodiless).await.status, 200);
        }
    });
}

#[test]
fn a_connection_that_the_backend_closed_while_idle_is_not_used() {
    run(async {
        let backend = Backend::raw(|mut wire, _, requests| async move {
            wire.head().await.unwrap();
            wire.take(4).await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            wire.stream.shutdown().await.unwrap();
            requests.fetch_add(1, Ordering::SeqCst);
        })
        .await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for count in 1..5 {
            assert_eq!(wire.ask(post("web.test")).await.status, 200);
            until("the backend has closed", || backend.requests() == count).await;
        }
    });
}

#[test]
fn a_connection_on_which_the_backend_said_too_much_is_not_used() {
    run(async {
        let backend = Backend::fixed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n").await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..3 {
            assert_eq!(wire.ask(get("web.test", "/")).await.text(), "ok");
        }
        assert_eq!(backend.connections(), 3);
    });
}

#[test]
fn failures_have_the_documented_status() {
    run(async {
        let garbage = Backend::fixed("SSH-2.0-OpenSSH_9.9\r\n\r\n").await.address;
        let endless =
            Backend::fixed(format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "a".repeat(80 << 10))).await.address;
        let silent = Backend::raw(|mut wire, _, _| async move {
            wire.head().await;
            std::future::pending::<()>().await;
        });
        let silent = silent.await.address;
        let hasty = Backend::raw(|mut wire, _, _| async move { drop(wire.head().await) }).await.address;
        let lengths = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
        let lengths = Backend::fixed(lengths).await.address;
        let unasked = Backend::fixed("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").await.address;
        let table: [(&str, &[SocketAddr], u16); 8] = [
            ("refusing", &[refusing(), refusing()], 502),
            ("garbage", &[garbage], 502),
            ("endless", &[endless], 502),
            ("silent", &[silent], 504),
            ("hasty", &[hasty, hasty], 502),
            ("lengths", &[lengths], 502),
            ("unasked", &[unasked], 502),
            ("none", &[], 503),
        ];
        let mut site = Site::new();
        for (name, endpoints, _) in table {
            site = site
                .service(name, endpoints)
                .route(&format!("{name}.test"), "/", name)
                .annotate("proxy-read-timeout", "1");
        }
        let stage = site.route("missing.test", "/", "missing").start();
        for (name, _, status) in table {
            let mut wire = stage.wire().await;
            assert_eq!(wire.ask(get(&format!("{name}.test"), "/")).await.status, status, "{name}");
            assert_eq!(wire.ask(get("missing.test", "/")).await.status, 503, "the connection stays");
            assert_eq!(wire.ask(post(&format!("{name}.test"))).await.status, status, "{name} with a body");
        }
    });
}

#[test]
fn an_endpoint_that_does_not_take_connections_in_time_answers_504() {
    run(async {
        let silent = Silent::new();
        let address = silent.address;
        let backend = Backend::named("a").await;
        let site = Site::of(&[address]).annotate("proxy-connect-timeout", "1");
        let stage = site.service("both", &[address, backend.address]).route("both.test", "/", "both");
        let stage = stage.annotate("proxy-connect-timeout", "1").start();
        assert_eq!(stage.get("web.test", "/").await.status, 504);
        for _ in 0..2 {
            assert_eq!(stage.ask(post("both.test")).await.status, 200, "it never saw the POST");
        }
    });
}

/// An address whose connections are neither taken nor refused, for as long as the value lives.
struct Silent {
    address: SocketAddr,
    _queue: (socket2::Socket, std::net::TcpStream),
}

impl Silent {
    fn new() -> Self {
        // A queue of one place, taken: the kernel drops what else comes.
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let address = full.local_addr().unwrap().as_socket().unwrap();
        let first = std::net::TcpStream::connect(address).unwrap();
        Self { address, _queue: (full, first) }
    }

    /// Whether somebody waits for a connection now, as the kernel tells: state 2, SYN sent.
    fn is_connected_to(&self) -> bool {
        let remote = format!("0100007F:{:04X} 02", self.address.port());
        std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&remote)
    }
}

#[test]
fn a_backend_that_pauses_within_its_answer_is_cut_off() {
    run(async {
        let backend = Backend::raw(|mut wire, _, _| async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
            std::future::pending::<()>().await;
        });
        let stage = Site::of(&[backend.await.address]).annotate("proxy-read-timeout", "1").start();
        let mut wire = stage.wire().await;
        wire.send(get("web.test", "/")).await;
        wire.head().await.unwrap();
        assert_eq!(wire.rest().await, "abc");
    });
}

#[test]
fn statuses_named_in_proxy_next_upstream_are_tried_elsewhere() {
    run(async {
        let failing =
            Backend::fixed("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy").await;
        let good = Backend::named("good").await;
        let site =
            Site::of(&[failing.address, good.address]).annotate("proxy-next-upstream", "error http_503");
        let stage = site.start();
        let mut wire = stage.wire().await;
        for _ in 0..4 {
            assert_eq!(wire.ask(get("web.test", "/")).await.text(), "good");
        }
        let tried = failing.requests();
        assert!(tried >= 2, "{tried}");
        // When no endpoint is left its answer is passed on.
        let stage = Site::of(&[failing.address]).annotate("proxy-next-upstream", "http_503").start();
        let answer = stage.get("web.test", "/").await;
        assert_eq!((answer.status, answer.text()), (503, "busy"));
    });
}

#[test]
fn without_endpoints_the_default_backend_of_the_ingress_answers_and_is_told_why() {
    run(async {
        let stage = Site::new()
            .service("web", &[])
            .service("fallback", &[Backend::echo().await.address])
            .route("web.test", "/shop", "web")
            .annotate("default-backend", "fallback")
            .start();
        let answer = stage.get_with("web.test", "/shop/x?y", "Accept: text/plain\r\n").await;
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("x-code", "503"),
            ("x-format", "text/plain"),
            ("x-original-uri", "/shop/x?y"),
            ("x-namespace", "ns"),
            ("x-ingress-name", "i0"),
            ("x-service-name", "web"),
            ("x-service-port", "80"),
        ] {
            assert_eq!(answer.saw(name), value, "{name}");
        }
        assert_eq!(answer.saw("x-request-id").len(), 32);
    });
}

#[test]
fn endpoints_that_end_but_still_serve_are_used_when_nothing_else_is_left() {
    run(async {
        let ready = Backend::named("ready").await.address;
        let ending = Backend::named("ending").await.address;
        let conditions =
            |ready: bool, serving: bool| json!({"ready": ready, "serving": serving, "terminating": true});
        let only = Site::of(&[]).endpoint("web", ending, conditions(false, true)).endpoint(
            "web",
            refusing(),
            conditions(false, false),
        );
        let stage = only.clone().start();
        for _ in 0..3 {
            assert_eq!(stage.get("web.test", "/").await.text(), "ending");
        }
        let stage = only.endpoint("web", ready, json!({"ready": true})).start();
        for _ in 0..4 {
            assert_eq!(stage.get("web.test", "/").await.text(), "ready");
        }
    });
}

#[test]
fn a_change_of_endpoints_is_in_force_at_once_and_keeps_the_client_s_connection() {
    run(async {
        let (old, new) = (Backend::named("old").await, Backend::named("new").await);
        let mut stage = Site::of(&[old.address]).start();
        let mut wire = stage.wire().await;
        let mut http2 = stage.http2().await;
        assert_eq!(wire.ask(get("web.test", "/")).await.text(), "old");
        stage.publish(&Site::of(&[new.address]));
        assert_eq!(wire.ask(get("web.test", "/")).await.text(), "new");
        assert_eq!(http2.get("web.test", "/").await.text(), "new");
        stage.publish(&Site::of(&[]));
        assert_eq!(wire.ask(get("web.test", "/")).await.status, 503);
        stage.publish(&Site::new());
        assert_eq!(wire.ask(get("web.test", "/")).await.status, 404);
        stage.publish(&Site::of(&[old.address, new.address]));
        assert_eq!(wire.ask(get("web.test", "/")).await.status, 200);
    });
}

#[test]
fn a_request_that_failed_goes_to_the_endpoints_of_now() {
    run(async {
        let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let ends = (asked.clone(), go.clone());
        let old = Backend::raw(move |mut wire, _, _| {
            let (asked, go) = ends.clone();
            async move {
                wire.head().await;
                asked.notify_one();
                go.notified().await;
            }
        })
        .await;
        let new = Backend::named("new").await;
        let mut stage = Site::of(&[old.address]).start();
        let mut wire = stage.wire().await;
        wire.send(get("web.test", "/")).await;
        asked.notified().await;
        stage.publish(&Site::of(&[new.address]));
        // The old one closes the connection without an answer.
        go.notify_one();
        let head = wire.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    });
}

#[test]
fn an_endpoint_that_leaves_while_it_is_connected_to_is_not_waited_for() {
    run(async {
        let (silent, new) = (Silent::new(), Backend::named("new").await);
        // Far more than the test waits for.
        let site = |endpoint| Site::of(&[endpoint]).annotate("proxy-connect-timeout", "3600");
        let mut stage = site(silent.address).start();
        let mut wire = stage.wire().await;
        wire.send(post("web.test")).await;
        until("it is being connected to", || silent.is_connected_to()).await;
        stage.publish(&site(new.address));
        let head = wire.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    });
}

#[test]
fn idle_connections_to_endpoints_that_left_are_closed_and_the_others_kept() {
    run(async {
        // Counts the connections that ended.
        let backend = || {
            Backend::raw(|mut wire, _, requests| async move {
                while wire.head().await.is_some() {
                    wire.send("HTTP/1.1 204 No Content\r\n\r\n").await;
                }
                requests.fetch_add(1, Ordering::SeqCst);
            })
        };
        let (leaving, staying) = (backend().await, backend().await);
        let mut stage = Site::of(&[leaving.address, staying.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            assert_eq!(wire.ask(get("web.test", "/")).await.status, 204);
        }
        stage.publish(&Site::of(&[staying.address]));
        assert_eq!(wire.ask(get("web.test", "/")).await.status, 204);
        until("the idle connection is closed", || leaving.requests() == 1).await;
        assert_eq!((staying.connections(), staying.requests()), (1, 0));
        // And when the whole Service leaves.
        stage.publish(&Site::new());
        until("the other one is closed, too", || staying.requests() == 1).await;
    });
}

#[test]
fn an_answer_in_flight_outlives_its_endpoint_s_removal() {
    run(async {
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let wait = std::sync::Mutex::new(Some(wait));
        let backend = Backend::raw(move |mut wire, _, _| {
            let wait = wait.lock().unwrap().take();
            async move {
                wire.head().await;
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").await;
                wait.unwrap().await.unwrap();
                wire.send("def").await;
            }
        })
        .await;
        let mut stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        wire.send(get("web.test", "/")).await;
        assert!(wire.head().await.is_some());
        stage.publish(&Site::new());
        assert_eq!(stage.get("web.test", "/").await.status, 404);
        go.send(()).unwrap();
        assert_eq!(wire.take(6).await, "abcdef");
    });
}

#[test]
fn service_upstream_goes_to_the_cluster_address() {
    run(async {
        let backend = Backend::named("cluster").await.address;
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "ns"},
            "spec": {"clusterIP": "127.0.0.1", "ports": [{"name": "http", "port": backend.port()}]},
        });
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "i", "namespace": "ns",
                         "annotations": {"nginx.ingress.kubernetes.io/service-upstream": "true"}},
            "spec": {"rules": [{"host": "web.test", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "web", "port": {"name": "http"}}}}]}}]},
        });
        let stage = Site::new()
            .object(service)
            .endpoint("web", refusing(), json!({"ready": true}))
            .object(ingress)
            .start();
        assert_eq!(stage.get("web.test", "/").await.text(), "cluster");
    });
}

#[test]
fn an_external_name_is_resolved_when_it_is_connected_to() {
    run(async {
        let backend = Backend::named("external").await.address;
        let service = |name: &str| {
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "ns"},
                "spec": {"type": "ExternalName", "externalName": name,
                         "ports": [{"name": "http", "port": 80, "targetPort": backend.port()}]},
            })
        };
        let site = |name: &str| Site::new().object(service(name)).route("web.test", "/", "web");
        assert_eq!(site("localhost").start().get("web.test", "/").await.text(), "external");
        assert_eq!(site("no-such-name.invalid").start().get("web.test", "/").await.status, 502);
    });
}

#[test]
fn https_backends_are_spoken_to_over_tls_whoever_signed_them() {
    run(async {
        let answer = |request| async move { http::Response::new(whole(describe(request).await)) };
        let secure = Backend::http(answer, Speak::Http1Tls).await;
        let plain = Backend::echo().await;
        let stage = Site::new()
            .service("secure", &[secure.address])
            .service("plain", &[plain.address])
            .route("secure.test", "/", "secure")
            .annotate("backend-protocol", "HTTPS")
            .route("auto.test", "/plain", "plain")
            .and("auto.test", "/secure", "secure")
            .annotate("backend-protocol", "AUTO_HTTP")
            .route("wrong.test", "/", "plain")
            .annotate("backend-protocol", "https")
            .start();
        let mut wire = stage.wire().await;
        for _ in 0..3 {
            let answer = wire.ask(get("secure.test", "/x")).await;
            assert_eq!((answer.status, answer.saw("x-forwarded-proto")), (200, "http"));
        }
        assert_eq!(secure.connections(), 1);
        let answer = wire.ask(post("secure.test")).await;
        assert!(answer.text().ends_with("\n\nbody"));
        assert_eq!(stage.get("auto.test", "/plain").await.status, 200);
        assert_eq!(stage.get_tls("auto.test", "/secure").await.status, 200);
        assert_eq!(stage.get("wrong.test", "/").await.status, 502, "a backend that speaks no TLS");
    });
}

#[test]
fn http_1_0_backends_get_http_1_0() {
    run(async {
        let backend = Backend::raw(|mut wire, _, _| async move {
            let head = wire.head().await.unwrap();
            wire.send(format!("HTTP/1.0 200 OK\r\n\r\n{head}")).await;
        });
        let stage = Site::of(&[backend.await.address]).annotate("proxy-http-version", "1.0").start();
        let answer = stage.get("web.test", "/").await;
        assert_eq!((answer.saw_line(), answer.saw("connection")), ("GET / HTTP/1.0", "close"));
        let chunked = "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(
            stage.ask(chunked).await.status,
            411,
            "HTTP/1.0 has no chunks and nothing is gathered here"
        );
    });
}
