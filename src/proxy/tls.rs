//! TLS with clients: server name -> certificate, protocol versions, ALPN, tickets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;

use crate::model::settings::Settings;
use crate::publish::Published;
use crate::routing::Tables;

/// What a handshake depends on besides the certificates.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Terms {
    tls12: bool,
    tls13: bool,
    http2: bool,
}

/// One acceptor for each combination of settings; certificates are looked up in the tables of the moment, so a new one
/// is used from the next handshake on and no connection is dropped.
pub(super) struct Acceptors {
    certificates: Arc<Certificates>,
    ticketer: Arc<dyn ProducesTickets>,
    made: Mutex<Vec<(Terms, TlsAcceptor)>>,
}

impl Acceptors {
    /// Tickets are made with keys that all workers share and that change every six hours.
    pub(super) fn new(tables: Published<Tables>) -> Result<Self, rustls::Error> {
        let certificates = Arc::new(Certificates { tables });
        Ok(Self { certificates, ticketer: aws_lc_rs::Ticketer::new()?, made: Mutex::default() })
    }

    /// The acceptor for these settings.
    pub(super) fn acceptor(&self, settings: &Settings) -> TlsAcceptor {
        let terms = Terms { tls12: settings.tls12, tls13: settings.tls13, http2: settings.use_http2 };
        // Asked for once per change of the settings, not per request.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, acceptor)) = made.iter().find(|(known, _)| *known == terms) {
            return acceptor.clone();
        }
        let acceptor = TlsAcceptor::from(Arc::new(self.config(terms)));
        made.push((terms, acceptor.clone()));
        acceptor
    }

    fn config(&self, terms: Terms) -> ServerConfig {
        let versions: &[&rustls::SupportedProtocolVersion] = match terms {
            Terms { tls12: true, tls13: false, .. } => &[&TLS12],
            Terms { tls12: false, tls13: true, .. } => &[&TLS13],
            _ => &[&TLS13, &TLS12],
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("the provider has cipher suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(self.certificates.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if terms.http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        config.ticketer = self.ticketer.clone();
        config.send_tls13_tickets = 1;
        config.ignore_client_order = false;
        config
    }
}

/// Looks certificates up in the tables of the moment.
struct Certificates {
    tables: Published<Tables>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let tables = self.tables.load();
        let name = hello.server_name().map(|name| name.strip_suffix('.').unwrap_or(name));
        tables.routes.certificates.find(name).map(|certificate| certificate.key.clone())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}
