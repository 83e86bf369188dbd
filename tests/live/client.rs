//! A blocking HTTP/1.1 client that tells everything that goes wrong.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// How long a peer may be silent. Far above everything that is expected here.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One connection, kept alive.
pub(super) struct Connection {
    stream: Stream,
    read: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A whole response.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    /// The value of a header, by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server closes the connection after this answer.
    pub(super) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Connection {
    pub(super) fn plain(to: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: Stream::Plain(socket(to)?), read: Vec::new() })
    }

    /// With TLS, taking any certificate.
    pub(super) fn tls(to: SocketAddr, name: &str) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(tls_config(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, socket(to)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream: Stream::Tls(Box::new(stream)), read: Vec::new() })
    }

    /// With TLS, the first request in the same segment as the end of the handshake.
    pub(super) fn tls_at_once(to: SocketAddr, host: &str, target: &str) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut session = ClientConnection::new(tls_config(), name).map_err(io::Error::other)?;
        let mut socket = socket(to)?;
        while session.wants_write() {
            session.write_tls(&mut socket)?;
        }
        while session.is_handshaking() {
            session.read_tls(&mut socket)?;
            session.process_new_packets().map_err(io::Error::other)?;
        }
        session.writer().write_all(head(host, target).as_bytes())?;
        let mut segment = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut segment)?;
        }
        socket.write_all(&segment)?;
        let stream = Stream::Tls(Box::new(StreamOwned::new(session, socket)));
        Ok(Self { stream, read: Vec::new() })
    }

    /// The server's certificate, in DER.
    pub(super) fn certificate(&self) -> Vec<u8> {
        match &self.stream {
            Stream::Plain(_) => Vec::new(),
            Stream::Tls(stream) => stream.conn.peer_certificates().unwrap()[0].to_vec(),
        }
    }

    pub(super) fn get(&mut self, host: &str, target: &str) -> io::Result<Answer> {
        self.send(host, target)?;
        self.answer()
    }

    /// Sends a request and does not wait for its answer.
    pub(super) fn send(&mut self, host: &str, target: &str) -> io::Result<()> {
        self.stream.write_all(head(host, target).as_bytes())?;
        self.stream.flush()
    }

    /// Waits for the answer of a request that was sent.
    pub(super) fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        parsed.parse(&head).map_err(io::Error::other)?;
        let pair = |h: &httparse::Header<'_>| {
            (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).into_owned())
        };
        let mut answer = Answer {
            status: parsed.code.unwrap(),
            headers: parsed.headers.iter().map(pair).collect(),
            body: String::new(),
        };
        let body = match (answer.header("content-length"), answer.header("transfer-encoding")) {
            (Some(length), None) => self.take(length.parse().map_err(io::Error::other)?)?,
            (None, Some("chunked")) => self.chunks()?,
            other => return Err(io::Error::other(format!("no length: {other:?}"))),
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }

    /// Whether the server has closed the connection, or sent what nobody asked for.
    pub(super) fn is_closed(&mut self) -> bool {
        let socket = match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        };
        socket.set_nonblocking(true).unwrap();
        let peeked = socket.peek(&mut [0; 1]);
        socket.set_nonblocking(false).unwrap();
        match peeked {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(bytes) => bytes == 0,
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            body.extend(self.take(size)?);
            assert_eq!(self.line()?, "", "a chunk ends with an empty line");
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.more()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            self.more()?;
        }
        Ok(self.read.drain(..length).collect())
    }

    fn more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 8192];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.read.extend_from_slice(&chunk[..length]);
                Ok(())
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// One GET on a connection of its own.
pub(super) fn get(to: SocketAddr, host: &str, target: &str) -> io::Result<Answer> {
    Connection::plain(to)?.get(host, target)
}

fn head(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn socket(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&to, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn tls_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let new = || {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap().dangerous();
        let mut config =
            builder.with_custom_certificate_verifier(Arc::new(Any(provider))).with_no_client_auth();
        // Each handshake in full: what is asked is which certificate comes.
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    };
    CONFIG.get_or_init(new).clone()
}

/// Takes any certificate: which one came is looked at afterwards.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
