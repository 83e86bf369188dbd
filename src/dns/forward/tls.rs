//! DNS over TLS (RFC 7858): whom to trust, and with which name.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::dns::plan;

/// Where systems keep the authorities that they trust.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The client for TLS upstreams; an error says what to do.
pub(super) fn connector(plan: &plan::Forward) -> Result<TlsConnector, String> {
    let roots = match &plan.tls_ca {
        Some(file) => roots(file)?,
        None => system()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(roots);
    let config = match &plan.tls_client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let certificates = certificates(chain)?;
            let key_der = PrivateKeyDer::from_pem_slice(&read(key)?)
                .map_err(|error| format!("{} has no usable private key ({error})", key.display()))?;
            builder.with_client_auth_cert(certificates, key_der).map_err(|error| {
                let (chain, key) = (chain.display(), key.display());
                format!("the certificate in {chain} and the key in {key} cannot be used ({error}): give a pair that belongs together")
            })?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that the certificate of an upstream must have: its own, that of the `forward`, else its address.
pub(super) fn server_name(
    upstream: &plan::Upstream,
    plan: &plan::Forward,
) -> Result<ServerName<'static>, String> {
    match upstream.name.as_ref().or(plan.tls_servername.as_ref()) {
        None => Ok(ServerName::IpAddress(IpAddr::from(upstream.address.ip()))),
        Some(name) => ServerName::try_from(name.clone()).map_err(|_| {
            format!("\"{name}\" is no name that a certificate can have: correct the server's name")
        }),
    }
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(certificates(file)?);
    if good == 0 {
        return Err(format!("{} has no certificate of an authority: give one in PEM form", file.display()));
    }
    Ok(roots)
}

fn system() -> Result<RootCertStore, String> {
    let file = BUNDLES.iter().map(Path::new).find(|file| file.exists());
    let file =
        file.ok_or("this system has no certificates of authorities: give a file of them with tls_ca")?;
    roots(file)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    all.map_err(|error| format!("{} is not usable ({error}): give certificates in PEM form", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{} cannot be read ({error})", file.display()))
}
