//! Self-signed certificates: the one for hosts without any, and that of the demo.

use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use time::{Duration, OffsetDateTime};

use crate::model::certificate::Certificate;

/// Long enough that no process outlives it: clients reject it anyway.
const DAYS: i64 = 3650;

/// A certificate and its key as PEM, the form that Secrets have.
pub struct Pem {
    /// `tls.crt`.
    pub chain: String,
    /// `tls.key`.
    pub key: String,
}

/// The certificate for hosts without any, named as ingress-nginx names its own. New keys on every start.
pub fn fallback() -> Result<Arc<Certificate>, String> {
    let pem = self_signed("Kubernetes Ingress Controller Fake Certificate", &["ingress.local"])?;
    let certificate = Certificate::parse(pem.chain.as_bytes(), pem.key.as_bytes());
    certificate.map(Arc::new).map_err(|e| e.to_string())
}

/// A self-signed certificate (ECDSA P-256) for `names`.
pub fn self_signed(common_name: &str, names: &[&str]) -> Result<Pem, String> {
    let make = || -> Result<Pem, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme Co");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let now = OffsetDateTime::now_utc();
        // Clocks differ.
        (params.not_before, params.not_after) = (now - Duration::days(1), now + Duration::days(DAYS));
        let certificate = params.self_signed(&key)?;
        Ok(Pem { chain: certificate.pem(), key: key.serialize_pem() })
    };
    make().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    #[test]
    fn the_fallback_is_named_as_ingress_nginx_names_its_own() {
        let fallback = fallback().unwrap();
        assert_eq!(fallback.algorithm, "ECDSA");
        assert_eq!(fallback.names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ingress.local"]);
        let (_, x509) = X509Certificate::from_der(&fallback.key.cert[0]).unwrap();
        let subject = x509.subject().to_string();
        assert_eq!(subject, "O=Acme Co, CN=Kubernetes Ingress Controller Fake Certificate");
    }
}
