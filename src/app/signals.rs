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

/// The signals that ask for the configuration to be read again: SIGHUP, and SIGUSR1 as CoreDNS has it.
pub(super) struct Reloads {
    hangup: Signal,
    user: Signal,
}

impl Reloads {
    /// Takes them over from the default action, which ends the program. Needs a runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { hangup: signal(SignalKind::hangup())?, user: signal(SignalKind::user_defined1())? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.hangup.recv() => {}
            _ = self.user.recv() => {}
        }
    }
}

/// A signal's name.
pub(super) fn name(signal: u8) -> &'static str {
    if signal == INTERRUPT { "SIGINT" } else { "SIGTERM" }
}
