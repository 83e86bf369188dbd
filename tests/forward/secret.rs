//! DNS over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use slipway::dns::forward::{Failure, Forwarder};
use slipway::dns::plan::{Forward, Target};
use slipway::metrics::dns::Metrics;

use super::fake::Act::Say;
use super::fake::*;
use super::tls;

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A plan for one TLS upstream with a name of its own.
fn secret(fake: &Fake, name: Option<&str>, authorities: PathBuf) -> Forward {
    let mut plan = plan(&[fake.address]);
    let Target::Upstream(upstream) = &mut plan.to[0] else { unreachable!() };
    upstream.tls = true;
    upstream.name = name.map(str::to_owned);
    plan.tls_ca = Some(authorities);
    plan
}

async fn says(plan: Forward) -> Result<[u8; 4], String> {
    match ask(&forwarder(plan, None), "web.example").await {
        Ok(answer) => Ok(address(&Ok(answer))),
        Err(Failure::Silent(said)) => Err(said[0].1.clone()),
        Err(failure) => panic!("{failure:?}"),
    }
}

#[tokio::test]
async fn an_upstream_with_the_right_certificate_is_asked_over_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let pair = tls::pair(&["dns.example"]);
    let fake = encrypted(tls::server(&pair, &[]), |heard| vec![Say(honest(heard, [192, 0, 2, 1]))]).await;
    let authorities = write(dir.path(), "ca.pem", &pair.0);
    let metrics = Metrics::default();
    let forwarder =
        Forwarder::new(secret(&fake, Some("dns.example"), authorities.clone()), None, metrics.clone())
            .unwrap();
    for name in ["a.example", "b.example"] {
        assert_eq!(address(&ask(&forwarder, name).await), [192, 0, 2, 1]);
    }
    let heard = fake.heard();
    assert_eq!(heard[0].from, heard[1].from);
    let kept = format!(
        "coredns_proxy_conn_cache_hits_total{{proto=\"tcp-tls\",proxy_name=\"forward\",to=\"{}\"}} 1",
        fake.address
    );
    assert!(metrics.text().contains(&kept), "{}", metrics.text());
    let mut by_plan = secret(&fake, None, authorities);
    by_plan.tls_servername = Some("dns.example".into());
    assert_eq!(says(by_plan).await, Ok([192, 0, 2, 1]));
}

#[tokio::test]
async fn an_upstream_with_another_name_or_from_another_authority_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (pair, other) = (tls::pair(&["dns.example"]), tls::pair(&["dns.example"]));
    let fake = encrypted(tls::server(&pair, &[]), |heard| vec![Say(honest(heard, [192, 0, 2, 1]))]).await;
    let right = write(dir.path(), "right.pem", &pair.0);
    let wrong = write(dir.path(), "wrong.pem", &other.0);
    for (name, authorities) in
        [(Some("other.example"), &right), (None, &right), (Some("dns.example"), &wrong)]
    {
        let why = says(secret(&fake, name, authorities.clone())).await.unwrap_err();
        assert!(why.starts_with("TLS: ") && why.contains("certificate"), "{name:?}: {why}");
    }
    assert!(fake.heard().is_empty());
}

#[tokio::test]
async fn an_upstream_without_a_name_is_known_by_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let pair = tls::pair(&["127.0.0.1"]);
    let fake = encrypted(tls::server(&pair, &[]), |heard| vec![Say(honest(heard, [192, 0, 2, 1]))]).await;
    let authorities = write(dir.path(), "ca.pem", &pair.0);
    assert_eq!(says(secret(&fake, None, authorities)).await, Ok([192, 0, 2, 1]));
}

#[tokio::test]
async fn an_upstream_may_want_a_certificate_of_us() {
    let dir = tempfile::tempdir().unwrap();
    let (pair, ours) = (tls::pair(&["dns.example"]), tls::pair(&["client.example"]));
    let fake = encrypted(strict(&pair, &ours.0), |heard| vec![Say(honest(heard, [192, 0, 2, 1]))]).await;
    let authorities = write(dir.path(), "ca.pem", &pair.0);
    let without = secret(&fake, Some("dns.example"), authorities);
    let mut with = without.clone();
    let chain = write(dir.path(), "client.pem", &ours.0);
    with.tls_client = Some((chain.clone(), write(dir.path(), "client.key", &ours.1)));
    assert_eq!(says(with.clone()).await, Ok([192, 0, 2, 1]));
    assert!(says(without).await.unwrap_err().starts_with("TLS: "));
    let unusable = |plan| Forwarder::new(plan, None, Metrics::default()).err().unwrap().message;
    with.tls_client = Some((chain.clone(), write(dir.path(), "server.key", &pair.1)));
    assert!(unusable(with.clone()).contains("belongs together"));
    with.tls_client = Some((chain, dir.path().join("none.key")));
    assert!(unusable(with.clone()).contains("cannot be read"));
    with.tls_ca = Some(write(dir.path(), "empty.pem", ""));
    assert!(unusable(with).contains("no certificate of an authority"));
}

/// TLS that asks clients for a certificate.
fn strict((chain, key): &(String, String), client: &str) -> Arc<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(client.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    Arc::new(config)
}
