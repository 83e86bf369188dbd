//! Forwarding: what upstreams may do, and what comes of it.
#![allow(clippy::unwrap_used, clippy::pedantic, unreachable_pub, reason = "test helpers")]

#[path = "forward/fake.rs"]
mod fake;
#[path = "forward/honest.rs"]
mod honest;
