//! A certificate with its key, parsed once.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::route::Host;
use super::{ObjectRef, Origin};

/// A Secret that may be a certificate.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Its name.
    pub object: ObjectRef,
    /// Where it was read, when from a file.
    pub origin: Option<Arc<Origin>>,
    /// Its certificate, or why there is none.
    pub certificate: Result<Arc<Certificate>, CertificateError>,
}

/// A certificate chain with its private key, ready for handshakes.
pub struct Certificate {
    /// What rustls signs with. Shared by all data threads.
    pub key: Arc<CertifiedKey>,
    /// Subject alternative names (DNS), or the common name when there are none.
    pub names: Vec<Host>,
    /// Start of validity, seconds since the epoch.
    pub not_before: i64,
    /// End of validity, seconds since the epoch.
    pub not_after: i64,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// `RSA`, `ECDSA` or `Ed25519`, for people.
    pub algorithm: &'static str,
}

impl Certificate {
    /// Parses a PEM chain (leaf first) and a PEM private key (PKCS#1, PKCS#8 or SEC1), and checks that they belong
    /// together.
    pub fn parse(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|e| CertificateError::Chain(e.to_string()))?;
        let leaf = chain.first().ok_or_else(|| CertificateError::Chain("no CERTIFICATE block".into()))?;
        let (_, x509) =
            X509Certificate::from_der(leaf).map_err(|e| CertificateError::Chain(e.to_string()))?;
        let names = names(&x509);
        let (not_before, not_after) =
            (x509.validity().not_before.timestamp(), x509.validity().not_after.timestamp());
        let serial = x509.raw_serial_as_string().replace(':', "");
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| CertificateError::Key(e.to_string()))?;
        let signer = any_supported_type(&key).map_err(|e| CertificateError::Key(e.to_string()))?;
        let algorithm = match signer.algorithm() {
            rustls::SignatureAlgorithm::RSA => "RSA",
            rustls::SignatureAlgorithm::ECDSA => "ECDSA",
            _ => "Ed25519",
        };
        let key = CertifiedKey::new(chain, signer);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(CertificateError::Mismatch),
        }
        Ok(Self { key: Arc::new(key), names, not_before, not_after, serial, algorithm })
    }

    /// Whether the certificate is good for `host` (a wildcard rule needs the same wildcard in the certificate).
    pub fn covers(&self, host: &Host) -> bool {
        self.names.iter().any(|name| match host {
            Host::Exact(exact) => name.matches(exact),
            Host::Wildcard(_) => name == host,
            Host::Any => false,
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// Why a Secret is no certificate. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// `tls.crt` is missing, or `tls.key` is: holds the key's name.
    Missing(&'static str),
    /// `tls.crt` cannot be read.
    Chain(String),
    /// `tls.key` cannot be read.
    Key(String),
    /// The key does not belong to the certificate.
    Mismatch,
    /// The API server does not let it be read.
    Forbidden,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "has no \"{key}\": create it with `kubectl create secret tls`"),
            Self::Chain(why) => write!(
                f,
                "\"tls.crt\" is not a PEM certificate chain ({why}): put the \
                 certificate there, then those that signed it"
            ),
            Self::Key(why) => write!(
                f,
                "\"tls.key\" is not a PEM private key of a known kind ({why}): put \
                 an RSA, ECDSA or Ed25519 key there"
            ),
            Self::Mismatch => f.write_str(
                "\"tls.key\" does not belong to the certificate in \"tls.crt\": replace both together",
            ),
            Self::Forbidden => {
                f.write_str("may not be read: grant get, list and watch on secrets in that namespace by RBAC")
            }
        }
    }
}

/// DNS names of a certificate; the common name counts only where there is no DNS alternative name.
fn names(x509: &X509Certificate<'_>) -> Vec<Host> {
    let alternative = x509.subject_alternative_name().ok().flatten();
    let mut names: Vec<Host> = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(dns) => Host::parse(dns).ok(),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        let common = x509.subject().iter_common_name().filter_map(|cn| cn.as_str().ok());
        names.extend(common.filter_map(|cn| Host::parse(cn).ok()));
    }
    names
}
