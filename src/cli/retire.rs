//! `slipway retire`: takes a release's addresses out of the status of its Ingresses before it is removed.

use super::{FINE, NOT_FINE, print};
use crate::app;
use crate::config::Retire;
use crate::config::flags::{LogLevel, RetireFlags};

/// Runs the command. The exit code is 1 when something could not be removed.
pub(super) fn run(flags: RetireFlags) -> u8 {
    app::log::start(LogLevel::Info);
    let config = Retire::new(flags);
    let lease = &config.lease;
    match app::retire::run(&config) {
        Ok(removed) => {
            let ingresses = print::plural(removed, "Ingress");
            print::out(&format!(
                "removed the addresses of {ingresses}; replicas that still run write nothing for a minute (Lease {lease})\n"
            ));
            FINE
        }
        Err(error) => print::error(&format!("addresses were left: {error}"), NOT_FINE),
    }
}
