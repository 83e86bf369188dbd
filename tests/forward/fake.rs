//! Upstreams on loopback that say what a test wants, and messages to say.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use slipway::dns::forward::cache::Cache;
use slipway::dns::forward::{Answer, Failure, Forwarder, Question};
use slipway::dns::plan::{Forward, Policy, Target, Upstream};
use slipway::dns::wire::name::Name;
use slipway::dns::wire::record;
use slipway::dns::wire::{Rcode, kind};
use slipway::metrics::dns::Metrics;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// What a fake does next.
pub enum Act {
    /// Sends a message, over TCP after its length.
    Say(Vec<u8>),
    /// Sends bytes over TCP as they are.
    Raw(Vec<u8>),
    Wait(Duration),
    Close,
}
use Act::Say;

/// A query that a fake was sent.
#[derive(Clone)]
pub struct Heard {
    pub message: Vec<u8>,
    pub stream: bool,
    /// The name in lower case.
    pub name: Name,
    pub kind: u16,
    pub from: SocketAddr,
}

impl Heard {
    pub fn read(message: &[u8], stream: bool, from: SocketAddr) -> Self {
        let (name, kind, ..) = record::question(message).unwrap();
        Self { message: message.to_vec(), stream, name: name.name(), kind, from }
    }

    /// Health checks ask for the root.
    pub fn is_check(&self) -> bool {
        self.name.is_root()
    }

    pub fn is(&self, name: &str) -> bool {
        self.name == Name::parse(name).unwrap()
    }

    /// The question as it was written.
    pub fn question(&self) -> &[u8] {
        &self.message[12..12 + self.name.as_wire().len() + 4]
    }
}

type Manner = Arc<dyn Fn(&Heard) -> Vec<Act> + Send + Sync>;

/// An upstream that takes UDP and TCP on one port.
pub struct Fake {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub async fn new(manner: impl Fn(&Heard) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets(None).await;
        Self::on(udp, Some(tcp), manner)
    }

    /// One that nobody answers for on TCP.
    pub async fn without_tcp(manner: impl Fn(&Heard) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let (udp, _) = sockets(None).await;
        Self::on(udp, None, manner)
    }

    /// One at the address of another that has gone.
    pub async fn at(
        address: SocketAddr,
        manner: impl Fn(&Heard) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let (udp, tcp) = sockets(Some(address)).await;
        Self::on(udp, Some(tcp), manner)
    }

    fn on(
        udp: UdpSocket,
        tcp: Option<TcpListener>,
        manner: impl Fn(&Heard) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let address = udp.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let manner: Manner = Arc::new(manner);
        let mut tasks = JoinSet::new();
        tasks.spawn(datagrams(Arc::new(udp), manner.clone(), heard.clone()));
        if let Some(tcp) = tcp {
            tasks.spawn(connections(tcp, manner, heard.clone()));
        }
        Self { address, heard, _tasks: tasks }
    }

    /// One that answers every A with this address, and anything else with nothing.
    pub async fn honest(address: [u8; 4]) -> Self {
        Self::new(move |heard| vec![Say(honest(heard, address))]).await
    }

    /// One that never answers.
    pub async fn silent() -> Self {
        Self::new(|_| vec![]).await
    }

    /// Queries but for health checks.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().filter(|heard| !heard.is_check()).cloned().collect()
    }

    pub fn checks(&self) -> usize {
        self.heard.lock().unwrap().iter().filter(|heard| heard.is_check()).count()
    }
}

async fn sockets(at: Option<SocketAddr>) -> (UdpSocket, TcpListener) {
    loop {
        let any = "127.0.0.1:0".parse().unwrap();
        let tcp = TcpListener::bind(at.unwrap_or(any)).await.unwrap();
        match UdpSocket::bind(tcp.local_addr().unwrap()).await {
            Ok(udp) => return (udp, tcp),
            Err(error) if at.is_some() => panic!("{error}"),
            Err(_) => {}
        }
    }
}

async fn datagrams(socket: Arc<UdpSocket>, manner: Manner, log: Arc<Mutex<Vec<Heard>>>) {
    let mut buffer = vec![0; 4096];
    let mut tasks = JoinSet::new();
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let heard = Heard::read(&buffer[..length], false, from);
        log.lock().unwrap().push(heard.clone());
        let (manner, socket) = (manner.clone(), socket.clone());
        tasks.spawn(async move {
            for act in manner(&heard) {
                match act {
                    Say(message) | Act::Raw(message) => {
                        let _ = socket.send_to(&message, from).await;
                    }
                    Act::Wait(time) => tokio::time::sleep(time).await,
                    Act::Close => return,
                }
            }
        });
        while tasks.try_join_next().is_some() {}
    }
}

async fn connections(listener: TcpListener, manner: Manner, log: Arc<Mutex<Vec<Heard>>>) {
    let mut tasks = JoinSet::new();
    loop {
        let (stream, from) = listener.accept().await.unwrap();
        tasks.spawn(converse(stream, from, manner.clone(), log.clone()));
    }
}

/// Queries of one connection, one after the other.
pub async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: SocketAddr,
    manner: Manner,
    log: Arc<Mutex<Vec<Heard>>>,
) {
    while let Ok(length) = stream.read_u16().await {
        let mut message = vec![0; length.into()];
        if stream.read_exact(&mut message).await.is_err() {
            return;
        }
        let heard = Heard::read(&message, true, from);
        log.lock().unwrap().push(heard.clone());
        for act in manner(&heard) {
            match act {
                Say(message) => {
                    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
                    let _ = stream.write_all(&[&length[..], &message].concat()).await;
                }
                Act::Raw(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                }
                Act::Wait(time) => tokio::time::sleep(time).await,
                Act::Close => return,
            }
        }
    }
    drop(stream);
}

/// A TLS upstream.
pub async fn encrypted(
    config: Arc<rustls::ServerConfig>,
    manner: impl Fn(&Heard) -> Vec<Act> + Send + Sync + 'static,
) -> Fake {
    let (_, tcp) = sockets(None).await;
    let address = tcp.local_addr().unwrap();
    let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
    let (manner, log): (Manner, _) = (Arc::new(manner), heard.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let mut tasks = JoinSet::new();
        loop {
            let (stream, from): (TcpStream, _) = tcp.accept().await.unwrap();
            let (acceptor, manner, log) = (acceptor.clone(), manner.clone(), log.clone());
            tasks.spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    converse(stream, from, manner, log).await;
                }
                pending::<()>().await;
            });
        }
    });
    Fake { address, heard, _tasks: tasks }
}

/// One record, its owner in text.
pub fn rr(owner: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut record = Name::parse(owner).unwrap().as_wire().to_vec();
    record.extend(kind.to_be_bytes());
    record.extend([0, 1]);
    record.extend(ttl.to_be_bytes());
    record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend(data);
    record
}

pub fn a(owner: &str, ttl: u32, address: [u8; 4]) -> Vec<u8> {
    rr(owner, kind::A, ttl, &address)
}

pub fn cname(owner: &str, target: &str) -> Vec<u8> {
    rr(owner, kind::CNAME, 60, Name::parse(target).unwrap().as_wire())
}

pub fn soa(zone: &str, ttl: u32, minimum: u32) -> Vec<u8> {
    let data = [&b"\x02ns\0\x01h\0"[..], &[0; 16], &minimum.to_be_bytes()].concat();
    rr(zone, kind::SOA, ttl, &data)
}

/// A reply to a query, with the question as it was asked.
pub fn reply(heard: &Heard, rcode: Rcode, sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
    let mut message = heard.message[..2].to_vec();
    message.extend([0x81, 0x80 | rcode.0.to_be_bytes()[1], 0, 1]);
    for section in sections {
        message.extend(u16::try_from(section.len()).unwrap().to_be_bytes());
    }
    message.extend(heard.question());
    message.extend(sections.iter().flat_map(|section| section.concat()));
    message
}

pub fn honest(heard: &Heard, address: [u8; 4]) -> Vec<u8> {
    let name = heard.name.to_string();
    match heard.kind {
        kind::A => reply(heard, Rcode::NOERROR, [&[a(&name, 60, address)], &[], &[]]),
        _ => reply(heard, Rcode::NOERROR, [&[], &[soa(".", 60, 30)], &[]]),
    }
}

pub fn question(name: &str, kind: u16) -> Question {
    Question { name: Name::parse(name).unwrap(), kind, dnssec: false, unchecked: false }
}

pub fn plan(upstreams: &[SocketAddr]) -> Forward {
    let to = upstreams
        .iter()
        .map(|address| Target::Upstream(Upstream { address: *address, tls: false, name: None }));
    let mut plan = Forward::new(Name::root(), to.collect());
    plan.policy = Policy::Sequential;
    plan
}

pub fn forwarder(plan: Forward, cache: Option<Arc<Cache>>) -> Arc<Forwarder> {
    Forwarder::new(plan, cache, Metrics::default()).unwrap()
}

pub fn to(upstreams: &[&Fake]) -> Arc<Forwarder> {
    forwarder(plan(&upstreams.iter().map(|fake| fake.address).collect::<Vec<_>>()), None)
}

pub async fn ask(forwarder: &Arc<Forwarder>, name: &str) -> Result<Answer, Failure> {
    forwarder.ask(&question(name, kind::A)).await
}

/// The records of a message in words, by section.
pub fn shown(message: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    record::walk(message, |record| {
        let owner = record.owner(message).unwrap().name();
        let ttl = record.ttl(message);
        let data = match record.target(message) {
            Some(target) => target.name().to_string(),
            None => message[record.data.clone()].iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        };
        lines.push(format!("{:?} {owner} {ttl} {} {data}", record.section, record.kind));
        Some(())
    })
    .unwrap();
    lines
}

/// The first address of an answer.
pub fn address(answer: &Result<Answer, Failure>) -> [u8; 4] {
    let message = &answer.as_ref().unwrap().message;
    let mut found = None;
    record::walk(message, |record| {
        if record.kind == kind::A {
            found.get_or_insert(<[u8; 4]>::try_from(&message[record.data.clone()]).unwrap());
        }
        Some(())
    })
    .unwrap();
    found.unwrap()
}
