//! The program's own log: to standard error, in colour on a terminal. Access logs go to standard output elsewhere.

use std::io::{self, IsTerminal};

use tracing::Level;

use crate::config::flags::LogLevel;

/// Starts logging. A second call changes nothing.
pub fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(level)
        .with_target(level >= Level::DEBUG);
    // Only a subscriber that is there already is in the way: then that one stays.
    let _ = subscriber.try_init();
}
