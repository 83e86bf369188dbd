//! What `userspace.py` runs: contenders that forward, and the traffic for them. Not a benchmark by itself.
//!
//! ```text
//! slipway LISTEN TARGET   Slipway's userspace mode with one worker
//! splice LISTEN TARGET    two threads per connection that only splice, without Slipway's code
//! copy LISTEN TARGET      two threads per connection that only read and write
//! sink LISTEN             reads and throws away, without copying
//! greet LISTEN            says 64 bytes to everybody and closes
//! echo LISTEN             answers what it gets
//! bulk TARGET SECS N      sends through N connections from a file; prints bytes
//! knock TARGET SECS N     N threads connect, read to the end, close; prints connections
//! chat TARGET SECS N      N connections send 64 bytes and wait for them; prints round trips
//! ```
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "a tool for measuring")]

/// The allocator of the program.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(target_os = "linux")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["slipway", listen, target] => linux::slipway(listen.parse().unwrap(), target.parse().unwrap()),
        ["splice", listen, target] => linux::forward(listen, target, linux::splice_loop),
        ["copy", listen, target] => linux::forward(listen, target, linux::copy_loop),
        ["sink", listen] => linux::serve(listen, linux::sink),
        ["greet", listen] => linux::serve(listen, linux::greet),
        ["echo", listen] => linux::serve(listen, linux::echo),
        [what @ ("bulk" | "knock" | "chat"), target, secs, count] => {
            linux::load(what, target, secs.parse().unwrap(), count.parse().unwrap());
        }
        _ => println!("run benches/l4/userspace.py"),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this needs Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{Read, Seek, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::net::RecvFlags;
    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
    use slipway::l4::desired::{Exposed, Place, Proxied};
    use slipway::l4::ruleset::{Family, Frontend, Protocol, Target};
    use slipway::l4::userspace::{Options, Userspace};
    use slipway::model::Key;
    use slipway::model::map::Map;

    const CHUNK: usize = 1 << 20;

    pub(super) fn slipway(listen: SocketAddr, target: SocketAddr) {
        let frontend = Frontend { address: listen.ip(), protocol: Protocol::Tcp, port: listen.port() };
        let proxied = Proxied {
            port: "".into(),
            family: Family::of(listen.ip()),
            frontends: vec![Exposed { kind: Place::ExternalIp, frontend }],
            cluster: [Target { address: target.ip(), port: target.port() }].into(),
            local: Arc::default(),
            serving: Arc::default(),
            has_endpoints: true,
            internal_local: false,
            external_local: false,
            affinity: None,
            source_ranges: None,
        };
        let services: Map<Key, Arc<[Proxied]>> = [(Key::new("bench", "bench"), Arc::from([proxied]))].into();
        let mut proxy = Userspace::new(Options { workers: 1, ..Options::default() }).unwrap();
        assert_eq!(proxy.update(&services), []);
        loop {
            thread::park();
        }
    }

    pub(super) fn forward(listen: &str, target: &str, pass: fn(&TcpStream, &TcpStream)) {
        for client in TcpListener::bind(listen).unwrap().incoming() {
            let client = Arc::new(client.unwrap());
            let endpoint = Arc::new(TcpStream::connect(target).unwrap());
            client.set_nodelay(true).unwrap();
            endpoint.set_nodelay(true).unwrap();
            for (from, to) in [(client.clone(), endpoint.clone()), (endpoint, client)] {
                thread::spawn(move || {
                    pass(&from, &to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    }

    /// The least there is to do.
    pub(super) fn splice_loop(from: &TcpStream, to: &TcpStream) {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let _ = fcntl_setpipe_size(&write, pipe_size());
        while let Ok(mut count @ 1..) = splice(from, None, &write, None, CHUNK, SpliceFlags::MOVE) {
            while count > 0 {
                match splice(&read, None, to, None, count, SpliceFlags::MOVE) {
                    Ok(done @ 1..) => count -= done,
                    _ => return,
                }
            }
        }
    }

    fn pipe_size() -> usize {
        std::env::var("PIPE").ok().and_then(|text| text.parse().ok()).unwrap_or(256 << 10)
    }

    pub(super) fn copy_loop(mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    }

    pub(super) fn serve(listen: &str, each: fn(TcpStream)) {
        for stream in TcpListener::bind(listen).unwrap().incoming() {
            let Ok(stream) = stream else { continue };
            thread::spawn(move || each(stream));
        }
    }

    pub(super) fn sink(stream: TcpStream) {
        let mut buffer = vec![0; CHUNK];
        // The bytes are thrown away in the kernel.
        while let Ok((1.., _)) = rustix::net::recv(&stream, &mut buffer[..], RecvFlags::TRUNC) {}
    }

    pub(super) fn greet(mut stream: TcpStream) {
        let _ = stream.write_all(&[b'x'; 64]);
    }

    pub(super) fn echo(mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let _ = stream.write_all(&buffer[..count]);
        }
    }

    pub(super) fn load(what: &str, target: &str, secs: f64, count: usize) {
        let target: SocketAddr = target.parse().unwrap();
        let end = Instant::now() + Duration::from_secs_f64(secs);
        let one = match what {
            "bulk" => bulk,
            "knock" => knock,
            _ => chat,
        };
        let threads: Vec<_> = (0..count).map(|_| thread::spawn(move || one(target, end))).collect();
        let total: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        println!("{total}");
    }

    fn bulk(target: SocketAddr, end: Instant) -> u64 {
        let mut file = tempfile::tempfile_in("/dev/shm").unwrap();
        file.write_all(&vec![7; 4 * CHUNK]).unwrap();
        let mut stream = TcpStream::connect(target).unwrap();
        let mut total = 0;
        while Instant::now() < end {
            file.rewind().unwrap();
            total += std::io::copy(&mut file, &mut stream).unwrap(); // sendfile
        }
        total
    }

    fn knock(target: SocketAddr, end: Instant) -> u64 {
        let (mut total, mut buffer) = (0, [0; 128]);
        while Instant::now() < end {
            let mut stream = TcpStream::connect(target).unwrap();
            let mut got = 0;
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                got += count;
            }
            assert_eq!(got, 64);
            total += 1;
        }
        total
    }

    fn chat(target: SocketAddr, end: Instant) -> u64 {
        let mut stream = TcpStream::connect(target).unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut total, mut buffer) = (0, [7; 64]);
        while Instant::now() < end {
            stream.write_all(&buffer).unwrap();
            stream.read_exact(&mut buffer).unwrap();
            total += 1;
        }
        total
    }
}
