//! Endpoints that say their name, Services by hand, and a proxy in front.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use slipway::l4::desired::{Exposed, Place, Proxied};
use slipway::l4::ruleset::{Family, Frontend, Protocol, Target};
use slipway::l4::userspace::{Options, Refused, Userspace};
use slipway::model::Key;
use slipway::model::map::Map;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something holds.
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An address that no other test of this process uses, with a port that is not handed out to clients.
pub fn fresh() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let port = 20_000 + number + u16::from(high % 16) * 512;
    SocketAddr::new(IpAddr::from([127, 77, low, (number % 250) as u8 + 1]), port)
}

pub fn target(address: SocketAddr) -> Target {
    Target { address: address.ip(), port: address.port() }
}

/// A port of a Service found at one address.
pub fn proxied(protocol: Protocol, place: Place, at: SocketAddr, endpoints: &[SocketAddr]) -> Proxied {
    let mut cluster: Vec<Target> = endpoints.iter().copied().map(target).collect();
    cluster.sort_unstable();
    let frontend = Frontend { address: at.ip(), protocol, port: at.port() };
    Proxied {
        port: "main".into(),
        family: Family::of(at.ip()),
        frontends: vec![Exposed { kind: place, frontend }],
        has_endpoints: !cluster.is_empty(),
        cluster: cluster.into(),
        local: Arc::default(),
        serving: Arc::default(),
        internal_local: false,
        external_local: false,
        affinity: None,
        source_ranges: None,
    }
}

pub fn tcp(at: SocketAddr, endpoints: &[SocketAddr]) -> Proxied {
    proxied(Protocol::Tcp, Place::ClusterIp, at, endpoints)
}

pub fn udp(at: SocketAddr, endpoints: &[SocketAddr]) -> Proxied {
    proxied(Protocol::Udp, Place::ClusterIp, at, endpoints)
}

/// A proxy and what it serves.
pub struct Site {
    pub proxy: Userspace,
    services: Map<Key, Arc<[Proxied]>>,
}

impl Site {
    pub fn new() -> Self {
        Self::with(Options { workers: 2, ..Options::default() })
    }

    pub fn with(options: Options) -> Self {
        Self { proxy: Userspace::new(options).unwrap(), services: Map::default() }
    }

    /// The Service now has these ports; with none it is gone.
    pub fn set(&mut self, name: &str, ports: Vec<Proxied>) -> Vec<Refused> {
        let ports: Option<Arc<[Proxied]>> = (!ports.is_empty()).then(|| ports.into());
        self.services.set(Key::new("test", name), ports);
        self.proxy.update(&self.services)
    }
}

/// Says its own port to everybody over TCP, then echoes.
pub struct Named {
    pub address: SocketAddr,
    pub accepted: Arc<AtomicUsize>,
}

pub fn named() -> Named {
    named_on(IpAddr::from([127, 0, 0, 1]))
}

pub fn named_on(address: IpAddr) -> Named {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let _ = stream.write_all(&address.port().to_be_bytes());
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..count]);
                }
            });
        }
    });
    Named { address, accepted }
}

/// Connects and says which endpoint answered; `None` when the connection was refused or reset.
pub fn ask(at: SocketAddr) -> Option<u16> {
    asked(at).map(|(_, port)| port)
}

/// The same and keeps the connection.
pub fn asked(at: SocketAddr) -> Option<(TcpStream, u16)> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut port = [0; 2];
    stream.read_exact(&mut port).ok()?;
    Some((stream, u16::from_be_bytes(port)))
}

/// Answers each datagram with its own port and the datagram. Ends when dropped.
pub struct NamedUdp {
    pub address: SocketAddr,
    stop: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub fn named_udp() -> NamedUdp {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let address = socket.local_addr().unwrap();
    let stop = Arc::new(AtomicUsize::new(0));
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while stopped.load(Ordering::SeqCst) == 0 {
            if let Ok((count, from)) = socket.recv_from(&mut buffer) {
                let mut answer = address.port().to_be_bytes().to_vec();
                answer.extend(&buffer[..count]);
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    NamedUdp { address, stop, thread: Some(thread) }
}

impl Drop for NamedUdp {
    fn drop(&mut self) {
        self.stop.store(1, Ordering::SeqCst);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}
