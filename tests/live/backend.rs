//! A backend that says its name and what it was asked, and holds back the answer where it is told to.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Answers on a port of its own until the test ends.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    gate: Arc<Gate>,
}

/// Requests for `/held` wait here.
#[derive(Default)]
struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Backend {
    /// Answers `Hello from NAME`, the request line and its headers.
    pub(super) fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let backend = Self { address: listener.local_addr().unwrap(), gate: Arc::default() };
        let (name, gate) = (name.to_owned(), backend.gate.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (name, gate) = (name.clone(), gate.clone());
                thread::spawn(move || serve(&stream, &name, &gate));
            }
        });
        backend
    }

    /// Waits until so many requests for `/held` are here.
    pub(super) fn wait_for_held(&self, count: usize) {
        let state = self.gate.state.lock().unwrap();
        let waited = self.gate.changed.wait_timeout_while(state, super::client::PATIENCE, |s| s.0 < count);
        assert!(!waited.unwrap().1.timed_out(), "no held request came");
    }

    /// Lets all held requests be answered.
    pub(super) fn release(&self) {
        self.gate.state.lock().unwrap().1 = true;
        self.gate.changed.notify_all();
    }
}

fn serve(stream: &TcpStream, name: &str, gate: &Gate) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        if head.starts_with("GET /held") {
            let mut state = gate.state.lock().unwrap();
            state.0 += 1;
            gate.changed.notify_all();
            drop(gate.changed.wait_while(state, |state| !state.1).unwrap());
        }
        let body = format!("Hello from {name}\n{}", head.trim_end());
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = stream;
        stream.write_all(answer.as_bytes())?;
    }
}
