//! Forwarding: what upstreams may do, and what comes of it.
#![allow(clippy::unwrap_used, clippy::pedantic, unreachable_pub, reason = "test helpers")]

#[path = "forward/cache.rs"]
mod cache;
#[path = "forward/choice.rs"]
mod choice;
#[path = "forward/fake.rs"]
mod fake;
#[path = "forward/flight.rs"]
mod flight;
#[path = "forward/honest.rs"]
mod honest;
#[path = "forward/lies.rs"]
mod lies;
#[path = "forward/probe.rs"]
mod probe;
#[path = "forward/rubbish.rs"]
mod rubbish;
#[path = "forward/secret.rs"]
mod secret;
#[path = "forward/stale.rs"]
mod stale;
#[path = "support/tls.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod tls;
