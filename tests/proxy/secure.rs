//! TLS with clients: which certificate, which versions, and changes while connections are open.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt;

use crate::backend::Backend;
use crate::client::{TlsClient, get, run, until};
use crate::site::{Site, Stage};
use crate::tls;
use crate::wire::Wire;

fn certificate(stream: &TlsClient) -> Vec<String> {
    tls::names(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

/// The names of the certificate that is shown to who asks for `name`.
async fn shown(stage: &Stage, name: &str) -> Vec<String> {
    certificate(&stage.tls(name, &[]).await)
}

#[test]
fn the_certificate_is_chosen_by_the_server_name() {
    run(async {
        let backend = Backend::named("a").await.address;
        let stage = Site::of(&[backend])
            .secret("exact", &tls::pair(&["a.test"]))
            .secret("wild", &tls::pair(&["*.b.test"]))
            .secret("many", &tls::pair(&["c.test", "d.test"]))
            .secret("other", &tls::pair(&["elsewhere.test"]))
            .route("a.test", "/", "web")
            .tls("a.test", "exact")
            .route("*.b.test", "/", "web")
            .tls("*.b.test", "wild")
            .route("c.test", "/", "web")
            .and("d.test", "/", "web")
            .tls("c.test", "many")
            .tls("d.test", "many")
            .route("mismatch.test", "/", "web")
            .tls("mismatch.test", "other")
            .route("missing.test", "/", "web")
            .tls("missing.test", "missing")
            .start();
        let table: [(&str, &[&str]); 9] = [
            ("a.test", &["a.test"]),
            ("A.Test", &["a.test"]),
            ("x.b.test", &["*.b.test"]),
            ("x.y.b.test", &["ingress.local"]),
            ("c.test", &["c.test", "d.test"]),
            ("d.test", &["c.test", "d.test"]),
            ("mismatch.test", &["ingress.local"]),
            ("missing.test", &["ingress.local"]),
            ("unknown.test", &["ingress.local"]),
        ];
        for (name, names) in table {
            assert_eq!(shown(&stage, name).await, names, "{name}");
        }
        assert_eq!(shown(&stage, "127.0.0.1").await, ["ingress.local"], "without a server name");
        assert_eq!(stage.get_tls("mismatch.test", "/").await.text(), "a");
    });
}

#[test]
fn rsa_ecdsa_and_ed25519_keys_work_with_both_versions_of_tls() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address])
            .secret("rsa", &tls::pair_with(&["rsa.test"], &PKCS_RSA_SHA256))
            .secret("ecdsa", &tls::pair_with(&["ecdsa.test"], &PKCS_ECDSA_P384_SHA384))
            .secret("ed25519", &tls::pair_with(&["ed25519.test"], &PKCS_ED25519))
            .route("rsa.test", "/", "web")
            .tls("rsa.test", "rsa")
            .route("ecdsa.test", "/", "web")
            .tls("ecdsa.test", "ecdsa")
            .route("ed25519.test", "/", "web")
            .tls("ed25519.test", "ed25519")
            .start();
        for name in ["rsa.test", "ecdsa.test", "ed25519.test"] {
            for version in [&TLS12, &TLS13] {
                let stream = stage.try_tls(name, &["http/1.1"], &[version]).await.unwrap();
                assert_eq!(certificate(&stream), [name]);
                assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
                assert_eq!(Wire::new(stream).ask(get(name, "/")).await.text(), "a");
            }
        }
    });
}

#[test]
fn a_chain_is_shown_whole() {
    run(async {
        let (leaf, key) = tls::pair(&["web.test"]);
        let (issuer, _) = tls::pair(&["issuer.test"]);
        let stage = Site::of(&[Backend::named("a").await.address])
            .tls("web.test", "chain")
            .secret("chain", &(leaf + &issuer, key))
            .start();
        let stream = stage.tls("web.test", &[]).await;
        let chain = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(
            chain.iter().flat_map(|one| tls::names(one)).collect::<Vec<_>>(),
            ["web.test", "issuer.test"]
        );
    });
}

#[test]
fn a_certificate_is_replaced_without_dropping_a_connection() {
    run(async {
        let site = Site::of(&[Backend::named("a").await.address]).tls("web.test", "s");
        let (old, new) = (tls::pair(&["web.test", "old"]), tls::pair(&["web.test", "new"]));
        let mut stage = site.clone().secret("s", &old).start();
        let mut http1 = Wire::new(stage.tls("web.test", &[]).await);
        let mut http2 = stage.http2_tls("web.test").await;
        assert_eq!(shown(&stage, "web.test").await, ["web.test", "old"]);
        stage.publish(&site.clone().secret("s", &new));
        assert_eq!(shown(&stage, "web.test").await, ["web.test", "new"]);
        stage.publish(&site);
        assert_eq!(shown(&stage, "web.test").await, ["ingress.local"]);
        stage.publish(&site.secret("s", &old));
        assert_eq!(shown(&stage, "web.test").await, ["web.test", "old"]);
        assert_eq!(http1.ask(get("web.test", "/")).await.text(), "a");
        assert_eq!(http2.get("web.test", "/").await.text(), "a");
    });
}

#[test]
fn the_versions_of_tls_follow_the_setting_at_once() {
    run(async {
        let site = Site::of(&[Backend::named("a").await.address]);
        let mut stage = site.clone().start();
        let table: [(&str, bool, bool); 3] =
            [("TLSv1.2", true, false), ("TLSv1.3", false, true), ("TLSv1.2 TLSv1.3", true, true)];
        for (setting, tls12, tls13) in table {
            stage.publish(&site.clone().set("ssl-protocols", setting));
            // A worker looks for new tables with every request.
            stage.get("web.test", "/").await;
            assert_eq!(stage.try_tls("web.test", &[], &[&TLS12]).await.is_ok(), tls12, "{setting}");
            assert_eq!(stage.try_tls("web.test", &[], &[&TLS13]).await.is_ok(), tls13, "{setting}");
        }
    });
}

#[test]
fn http_2_over_tls_can_be_turned_off() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).set("use-http2", "false").start();
        let stream = stage.tls("web.test", &["h2", "http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(Wire::new(stream).ask(get("web.test", "/")).await.text(), "a");
    });
}

/// The end of the handshake and the request in one segment: nothing more comes that could wake the server.
#[test]
fn a_request_that_comes_with_the_end_of_the_handshake_is_served() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).start();
        let address = stage.https;
        let talk = move || {
            for version in [&TLS13, &TLS12] {
                let name = ServerName::try_from("web.test").unwrap();
                let mut session =
                    ClientConnection::new(tls::client(&["http/1.1"], &[version]), name).unwrap();
                let mut tcp = TcpStream::connect(address).unwrap();
                tcp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                session.writer().write_all(get("web.test", "/").as_bytes()).unwrap();
                while session.is_handshaking() {
                    let mut flight = Vec::new();
                    while session.wants_write() {
                        session.write_tls(&mut flight).unwrap();
                    }
                    tcp.write_all(&flight).unwrap();
                    assert!(session.read_tls(&mut tcp).unwrap() > 0);
                    session.process_new_packets().unwrap();
                }
                let mut flight = Vec::new();
                while session.wants_write() {
                    session.write_tls(&mut flight).unwrap();
                }
                tcp.write_all(&flight).unwrap();
                let mut answer = [0; 12];
                rustls::Stream::new(&mut session, &mut tcp).read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200");
            }
        };
        tokio::task::spawn_blocking(talk).await.unwrap();
    });
}

#[test]
fn plain_http_on_the_tls_port_hurts_nobody() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).start();
        let mut tcp = tokio::net::TcpStream::connect(stage.https).await.unwrap();
        tcp.write_all(get("web.test", "/").as_bytes()).await.unwrap();
        let answer = Wire::new(tcp).rest().await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        assert_eq!(stage.get_tls("web.test", "/").await.text(), "a");
    });
}

#[test]
fn a_client_that_does_not_finish_its_handshake_is_cut_off() {
    run(async {
        let stage = Site::new().set("client-header-timeout", "1").start();
        let tcp = tokio::net::TcpStream::connect(stage.https).await.unwrap();
        assert!(Wire::new(tcp).rest().await.is_empty());
        until("the connection is gone", || stage.proxy().open_connections() == 0).await;
    });
}
