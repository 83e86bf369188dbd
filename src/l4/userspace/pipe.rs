//! Pipes to splice through, kept by each worker for the next who needs one.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// How much a pipe takes at most.
const SIZE: usize = 256 << 10;
/// How many idle pipes a worker keeps.
const KEPT: usize = 64;

thread_local! {
    static IDLE: RefCell<Vec<Ends>> = const { RefCell::new(Vec::new()) };
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A borrowed pipe. It goes back when it is empty, and is closed when it is not.
pub(super) struct Pipe {
    /// There until it is dropped.
    ends: Option<Ends>,
    held: usize,
}

impl Pipe {
    /// An empty pipe; `None` when the system gives no more.
    pub(super) fn borrow() -> Option<Self> {
        let ends = IDLE.with_borrow_mut(Vec::pop).or_else(|| {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            // Without the right to more it stays as large as it is.
            let _ = fcntl_setpipe_size(&write, SIZE);
            Some(Ends { read, write })
        });
        ends.map(|ends| Self { ends: Some(ends), held: 0 })
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what a socket has; 0 at its end.
    pub(super) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let count = splice(from, None, &ends.write, None, SIZE, flags)?;
        self.held += count;
        Ok(count)
    }

    /// Gives a socket as much as it takes.
    pub(super) fn empty(&mut self, to: impl AsFd) -> io::Result<()> {
        let Some(ends) = &self.ends else { return Ok(()) };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let count = splice(&ends.read, None, to, None, self.held, flags)?;
        self.held -= count;
        if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take_if(|_| self.held == 0) else { return };
        // At the end of the thread there may be nobody to keep it.
        let _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < KEPT {
                idle.push(ends);
            }
        });
    }
}
