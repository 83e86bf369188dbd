//! `slipway service-proxy`: the Services of a node; `--cleanup` takes back what it did to the kernel.

use super::{FINE, NOT_FINE, UNUSABLE, print};
use crate::app;
use crate::config::ServiceProxy;
use crate::config::flags::ServiceProxyFlags;

/// Runs the command until a signal ends it.
pub(super) fn run(flags: ServiceProxyFlags) -> u8 {
    app::log::start(flags.log_level);
    if flags.cleanup {
        return cleanup();
    }
    let config = match ServiceProxy::new(flags) {
        Ok(config) => config,
        Err(error) => return print::error(&error.to_string(), UNUSABLE),
    };
    match app::service_proxy::run(&config) {
        Ok(()) => FINE,
        Err(error) => print::error(&error.to_string(), NOT_FINE),
    }
}

fn cleanup() -> u8 {
    match app::service_proxy::cleanup() {
        Ok(true) => {
            print::out(
                "removed the tables ip slipway and ip6 slipway: no connection to a Service is forwarded by them any more\n",
            );
            FINE
        }
        Ok(false) => {
            print::out("there was nothing to remove: no table ip slipway or ip6 slipway is in the kernel\n");
            FINE
        }
        Err(error) => print::error(&error.to_string(), NOT_FINE),
    }
}
