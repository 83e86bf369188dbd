//! What the kernel does with real packets: `slipway service-proxy` on a node made of network namespaces, real sockets on all
//! sides of it.
//!
//! ```text
//!   outside 192.0.2.2 ──── node 192.0.2.1, 10.0.0.1 ──── pods a, b: 10.244.1.10, .11 (fd00:244:1::10, ::11)
//!                            │
//!                            └── another node 10.0.0.2 with pod c: 10.244.2.10 (fd00:244:2::10)
//! ```
//!
//! Needs root. `SLIPWAY_BIN` names another build of the program.

#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]
#![cfg(target_os = "linux")]

#[path = "packets"]
mod packets {
    mod client;
    mod manifest;
    mod net;
    mod program;
    mod server;

    mod affinity;
    mod change;
    mod policies;
    mod refusal;
    mod repair;
    mod udp;
}
