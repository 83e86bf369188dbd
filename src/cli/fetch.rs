//! Asks an admin server: one HTTP/1.0 request, one answer, deadlines on everything.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Time for each of connecting and writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A longer answer is none of ours.
const LONGEST: u64 = 16 << 20;

/// An answer: its status code and its body.
pub(super) struct Fetched {
    /// As text; empty when the answer is no HTTP.
    pub(super) status: String,
    pub(super) body: String,
}

/// Gets a path with its query. `patience` is for every read.
pub(super) fn fetch(address: SocketAddr, target: &str, patience: Duration) -> io::Result<Fetched> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {target} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?; // one segment
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(Fetched { status, body: body.to_owned() })
}
