//! One direction of a connection: bytes from one socket to the other, until the first has no more.
//!
//! Nothing is read that was not passed on before, so a slow reader holds the sender back. Small amounts go through a buffer
//! that all connections of a worker share: two system calls. When that was full several times in a row, the bytes stay in
//! the kernel: splice through a pipe, which is borrowed while bytes flow (Linux). An idle connection has neither.

use std::cell::RefCell;
use std::io;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop;

/// The buffer of a worker. What a slow reader leaves of it is copied out, so it is also the bound for that.
const BUFFER: usize = 32 << 10;
/// After so many full buffers in a row it is worth borrowing a pipe.
#[cfg(target_os = "linux")]
const FULL: u32 = 3;
/// After so many small amounts in a row it no longer is.
#[cfg(target_os = "linux")]
const SMALL: u32 = 16;
/// After so many bytes others have their turn.
#[cfg(target_os = "linux")]
const TURN: usize = 1 << 20;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// What one read and write came to.
enum Step {
    /// So many bytes were read, and all were taken.
    Moved(usize),
    /// So many were read; these were not taken.
    Left(usize, Box<[u8]>),
    /// There was nothing to read.
    Nothing,
    /// There never will be.
    End,
}

/// Passes on bytes until `from` ends, then tells `to`. An error means that the connection is broken.
pub(super) async fn pump(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let mut full = 0;
    loop {
        from.readable().await?;
        #[cfg(target_os = "linux")]
        if full >= FULL {
            full = 0;
            match splice(from, to).await? {
                After::End => return finish(to),
                After::Small => continue,
                After::NoPipe => {}
            }
        }
        match step(from, to)? {
            Step::End => return finish(to),
            Step::Nothing => {}
            Step::Moved(count) => full = if count == BUFFER { full + 1 } else { 0 },
            Step::Left(count, left) => {
                full = if count == BUFFER { full + 1 } else { 0 };
                write_all(from, to, &left).await?;
            }
        }
        coop::consume_budget().await;
    }
}

fn step(from: &TcpStream, to: &TcpStream) -> io::Result<Step> {
    SHARED.with_borrow_mut(|buffer| {
        let count = match from.try_read(buffer) {
            Ok(0) => return Ok(Step::End),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Nothing),
            Err(error) => return Err(error),
        };
        if count < buffer.len() {
            drained(from);
        }
        let written = match to.try_write(&buffer[..count]) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        Ok(if written == count {
            Step::Moved(count)
        } else {
            Step::Left(count, buffer[written..count].into())
        })
    })
}

/// A read that did not fill its buffer has emptied the socket: the next one waits, without asking the kernel again.
fn drained(from: &TcpStream) {
    let _ = from.try_io(Interest::READABLE, || io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()));
}

async fn write_all(from: &TcpStream, to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => room(from, to).await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until `to` takes more; ends when `from` breaks meanwhile.
async fn room(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    tokio::select! {
        ready = to.writable() => ready,
        error = broken(from) => Err(error),
    }
}

/// Waits until a connection is reset. Needed where nobody reads from it.
pub(super) async fn broken(stream: &TcpStream) -> io::Error {
    loop {
        match stream.ready(Interest::ERROR).await {
            Ok(ready) if ready.is_error() => {}
            Ok(_) => continue,
            Err(error) => return error,
        }
        match stream.take_error() {
            Ok(Some(error)) | Err(error) => return error,
            Ok(None) => return io::ErrorKind::ConnectionReset.into(),
        }
    }
}

fn finish(to: &TcpStream) -> io::Result<()> {
    match SockRef::from(to).shutdown(std::net::Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

/// Why splicing ended.
#[cfg(target_os = "linux")]
enum After {
    /// No more bytes.
    End,
    /// They have become few.
    Small,
    /// There is no pipe to be had.
    NoPipe,
}

#[cfg(target_os = "linux")]
async fn splice(from: &TcpStream, to: &TcpStream) -> io::Result<After> {
    use super::pipe::Pipe;

    let (mut small, mut moved) = (0, 0);
    while small < SMALL {
        from.readable().await?;
        let Some(mut pipe) = Pipe::borrow() else { return Ok(After::NoPipe) };
        loop {
            // The pipe is empty: when this would block there is nothing to read.
            match from.try_io(Interest::READABLE, || pipe.fill(from)) {
                Ok(0) => return Ok(After::End),
                Ok(count) => {
                    small = if count < BUFFER { small + 1 } else { 0 };
                    moved += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            while !pipe.is_empty() {
                match to.try_io(Interest::WRITABLE, || pipe.empty(to)) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => room(from, to).await?,
                    Err(error) => return Err(error),
                }
            }
            if small >= SMALL {
                break;
            }
            if moved >= TURN {
                moved = 0;
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(After::Small)
}
