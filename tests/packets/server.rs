//! Servers in pods: each says who it is and whom it sees.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::net::{Net, Side};

/// A TCP and a UDP server on the same port of both addresses of a side. They end with the value.
pub(super) struct Server {
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Listens on `port`; answers with `name`, a space, and the client's address.
    pub(super) fn start(net: &Net, side: Side, port: u16, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for address in side.addresses() {
            let at = SocketAddr::new(address, port);
            let (tcp, udp) =
                net.on(side, move || (TcpListener::bind(at).unwrap(), UdpSocket::bind(at).unwrap()));
            tcp.set_nonblocking(true).unwrap();
            udp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let (own, ends) = (name.to_owned(), stop.clone());
            thread::spawn(move || serve_tcp(&tcp, &own, &ends));
            let (own, ends) = (name.to_owned(), stop.clone());
            thread::spawn(move || serve_udp(&udp, &own, &ends));
        }
        Self { stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve_tcp(listener: &TcpListener, name: &str, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, from)) = listener.accept() else {
            // Nobody is there: the listener does not block, so that the server can end.
            thread::park_timeout(Duration::from_millis(1));
            continue;
        };
        let hello = format!("{name} {}\n", from.ip());
        // What the client says comes back until it ends, so that a test can keep a connection.
        thread::spawn(move || {
            stream.set_nonblocking(false).unwrap();
            let mut bytes = [0; 512];
            let _ = stream.write_all(hello.as_bytes());
            while let Ok(count) = stream.read(&mut bytes) {
                if count == 0 || stream.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
        });
    }
}

fn serve_udp(socket: &UdpSocket, name: &str, stop: &AtomicBool) {
    let mut bytes = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((_, from)) = socket.recv_from(&mut bytes) {
            let _ = socket.send_to(format!("{name} {}\n", from.ip()).as_bytes(), from);
        }
    }
}
