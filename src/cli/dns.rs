//! `slipway dns`: answers the names of a cluster; `slipway dns query` explains one answer.

mod query;

use super::{NOT_FINE, UNUSABLE, print};
use crate::app;
use crate::config::flags::{DnsCommand, DnsFlags};
use crate::config::{Dns, DnsQuery};

/// Runs the command until a signal ends it.
pub(super) fn run(mut flags: DnsFlags) -> u8 {
    if let Some(DnsCommand::Query(flags)) = flags.query.take() {
        return match DnsQuery::new(*flags) {
            Ok(config) => query::run(&config),
            Err(error) => print::error(&error.to_string(), UNUSABLE),
        };
    }
    app::log::start(flags.log_level);
    let config = match Dns::new(flags) {
        Ok(config) => config,
        Err(error) => return print::error(&error.to_string(), UNUSABLE),
    };
    match app::dns::run(&config) {
        Ok(code) => code,
        Err(error @ app::Error::Corefile(_)) => print::error(&error.to_string(), UNUSABLE),
        Err(error) => print::error(&error.to_string(), NOT_FINE),
    }
}
