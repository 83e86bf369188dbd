//! Secret -> model: only what may be a certificate. No value of a Secret ever appears in a report.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::namespaced;
use crate::model::certificate::{Certificate, CertificateError, Secret};
use crate::model::{Kind, Origin, Report};

/// The key of the chain.
const CHAIN: &str = "tls.crt";
/// The key of the private key.
const KEY: &str = "tls.key";

/// Translates a Secret; `None` when it is not meant as a certificate.
pub fn secret(object: &v1::Secret, origin: Option<Arc<Origin>>) -> Result<Option<Secret>, Report> {
    let name = namespaced(Kind::Secret, &object.metadata)?;
    let (chain, key) = (value(object, CHAIN), value(object, KEY));
    let is_tls = object.type_.as_deref() == Some("kubernetes.io/tls");
    if !is_tls && chain.is_none() && key.is_none() {
        return Ok(None);
    }
    let certificate = match (chain, key) {
        (None, _) => Err(CertificateError::Missing(CHAIN)),
        (_, None) => Err(CertificateError::Missing(KEY)),
        (Some(chain), Some(key)) => Certificate::parse(chain, key).map(Arc::new),
    };
    Ok(Some(Secret { object: name, origin, certificate }))
}

/// `stringData` wins over `data`, as when the API server writes it. An empty value is none.
fn value<'a>(object: &'a v1::Secret, key: &str) -> Option<&'a [u8]> {
    let plain = object.string_data.as_ref().and_then(|all| all.get(key)).map(String::as_bytes);
    let encoded = || object.data.as_ref().and_then(|all| all.get(key)).map(|bytes| bytes.0.as_slice());
    plain.or_else(encoded).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn object(kind: &str, data: &[(&str, &[u8])], plain: &[(&str, &str)]) -> v1::Secret {
        let mut secret = v1::Secret { type_: Some(kind.into()), ..v1::Secret::default() };
        secret.metadata.name = Some("s".into());
        let data = data.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.to_vec())));
        secret.data = Some(data.collect());
        let plain: BTreeMap<_, _> = plain.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        secret.string_data = Some(plain);
        secret
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn string_data_wins_over_data() {
        let (chain, key) = pair();
        let object = object(
            "kubernetes.io/tls",
            &[("tls.crt", b"rubbish"), ("tls.key", key.as_bytes())],
            &[("tls.crt", &chain)],
        );
        let secret = secret(&object, None).unwrap().unwrap();
        assert_eq!(secret.certificate.unwrap().names[0].to_string(), "a.example");
    }

    #[test]
    fn only_certificates_are_kept() {
        assert!(secret(&object("Opaque", &[("auth", b"x")], &[]), None).unwrap().is_none());
        assert!(secret(&object("Opaque", &[("tls.crt", b"x")], &[]), None).unwrap().is_some());
        let empty = secret(&object("kubernetes.io/tls", &[], &[]), None).unwrap().unwrap();
        assert_eq!(empty.certificate.unwrap_err(), CertificateError::Missing("tls.crt"));
    }
}
