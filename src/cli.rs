//! What people type, and what they read: one file per command.

mod check;
mod demo;
mod dns;
mod explain;
mod fetch;
mod input;
mod print;
mod retire;
mod service_proxy;

use clap::Parser;

use crate::app;
use crate::config::flags::{Command, Flags};
use crate::config::foreign;
use crate::config::{self, Ingress};

/// All is well.
pub const FINE: u8 = 0;

/// The command worked, but what it looked at is not in order.
pub const NOT_FINE: u8 = 1;

/// The command could not do its work: wrong flags, unusable input.
pub const UNUSABLE: u8 = 2;

/// Reads what was typed and runs it to its end. Answers the exit code.
pub fn start() -> u8 {
    let error = match Flags::try_parse() {
        Ok(flags) => return run(flags),
        Err(error) => error,
    };
    let _ = error.print();
    if let Some(hint) = foreign::hint(&error, config::command().as_deref()) {
        print::note(&hint);
    }
    u8::try_from(error.exit_code()).unwrap_or(UNUSABLE)
}

fn run(flags: Flags) -> u8 {
    match flags.command {
        Command::Ingress(flags) => ingress(flags),
        Command::ServiceProxy(flags) => service_proxy::run(*flags),
        Command::Dns(flags) => dns::run(*flags),
        Command::Check(flags) => check::run(*flags),
        Command::Explain(flags) => explain::run(*flags),
        Command::Demo(flags) => demo::run(&flags),
        Command::Retire(flags) => retire::run(*flags),
    }
}

fn ingress(flags: Box<crate::config::flags::IngressFlags>) -> u8 {
    app::log::start(flags.log_level);
    match Ingress::new(*flags) {
        Ok(config) => match app::run(&config) {
            Ok(code) => code,
            Err(error) => print::error(&error.to_string(), NOT_FINE),
        },
        Err(error) => print::error(&error.to_string(), UNUSABLE),
    }
}
