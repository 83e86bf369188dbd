//! The program, from start to end, with a directory of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running `slipway dns`.
pub(crate) struct Program {
    child: Child,
    /// Where it answers, UDP and TCP.
    pub(crate) port: u16,
    pub(crate) ready: u16,
    pub(crate) metrics: u16,
    pub(crate) directory: TempDir,
    log: Arc<Mutex<String>>,
}

impl Program {
    /// Starts it over these objects and waits until it is ready. Names outside go nowhere unless `args` say where.
    pub(crate) fn start(objects: &str, args: &[&str]) -> Self {
        let program = Self::begin(objects, args);
        program.until("it is ready", || program.get(program.ready, "/ready").starts_with("HTTP/1.1 200"));
        program
    }

    /// Starts it.
    pub(crate) fn begin(objects: &str, args: &[&str]) -> Self {
        let [port, ready, metrics] = free_ports();
        Self::listening(objects, args, port, ready, metrics)
    }

    /// Starts it on these ports.
    pub(crate) fn listening(objects: &str, args: &[&str], port: u16, ready: u16, metrics: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("objects.yaml"), objects).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command.args(["dns", "--manifests"]).arg(directory.path());
        command.args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--health",
            "127.0.0.1:0",
            "--lameduck",
            "0s",
        ]);
        command.args([
            "--ready",
            &format!("127.0.0.1:{ready}"),
            "--metrics",
            &format!("127.0.0.1:{metrics}"),
        ]);
        if !args.iter().any(|arg| ["--forward", "--corefile"].contains(arg)) {
            // Nobody listens there.
            command.args(["--forward", &format!("127.0.0.1:{}", free_ports::<1>()[0])]);
        }
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        follow(child.stderr.take().unwrap(), log.clone());
        follow(child.stdout.take().unwrap(), log.clone());
        Self { child, port, ready, metrics, directory, log }
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Polls until something is so.
    pub(crate) fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so() {
            assert!(Instant::now() < end, "{what}: not yet\n{}", self.log());
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// An HTTP answer, head and body; empty when nobody answers.
    pub(crate) fn get(&self, port: u16, path: &str) -> String {
        let mut text = String::new();
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read_to_string(&mut text);
        }
        text
    }

    /// A UDP client of it.
    pub(crate) fn client(&self) -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// One query over UDP and its reply.
    pub(crate) fn ask(&self, query: &[u8]) -> Vec<u8> {
        let socket = self.client();
        socket.send(query).unwrap();
        let mut reply = vec![0; 65535];
        let length = socket.recv(&mut reply).unwrap_or_else(|why| panic!("{why}\n{}", self.log()));
        reply.truncate(length);
        reply
    }

    /// The code of a name's reply.
    pub(crate) fn rcode(&self, name: &str, kind: u16) -> u8 {
        self.ask(&query(7, name, kind))[3] & 0xf
    }

    /// Memory in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Whether it runs still.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lock().unwrap().push_str(&(line + "\n"));
        }
    });
}

/// Ports that are free for UDP and TCP.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let mut held = Vec::new();
    std::array::from_fn(|_| {
        loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = tcp.local_addr().unwrap().port();
            if let Ok(udp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
                held.push((tcp, udp));
                return port;
            }
        }
    })
}

/// A plain query that wants recursion.
pub(crate) fn query(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}
