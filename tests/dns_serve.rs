//! Queries over real sockets on loopback: UDP, TCP, what is refused and how it ends.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "dns_serve/fuzz.rs"]
mod fuzz;
#[path = "dns_serve/parts.rs"]
mod parts;
#[path = "dns_serve/server.rs"]
mod server;
#[path = "dns_serve/tcp.rs"]
mod tcp;
#[path = "dns_serve/transfer.rs"]
mod transfer;
#[path = "dns_serve/udp.rs"]
mod udp;
