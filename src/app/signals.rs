//! SIGTERM and SIGINT as values.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the program.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

const INTERRUPT: u8 = 2;
const TERMINATE: u8 = 15;

impl Signals {
    /// Takes the signals over from the default action. Needs a runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The number of the next one.
    pub async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => TERMINATE,
            _ = self.interrupt.recv() => INTERRUPT,
        }
    }
}

/// A signal's name.
pub(super) fn name(signal: u8) -> &'static str {
    if signal == INTERRUPT { "SIGINT" } else { "SIGTERM" }
}
