//! `--mode userspace` over real sockets on loopback addresses.
#![allow(clippy::unwrap_used, clippy::pedantic, unreachable_pub, reason = "test helpers")]

#[path = "userspace/listen.rs"]
mod listen;
#[path = "userspace/site.rs"]
mod site;
#[path = "userspace/tcp.rs"]
mod tcp;
#[path = "userspace/udp.rs"]
mod udp;
