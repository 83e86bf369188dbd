//! The border to the kernel, with a real kernel in fresh network namespaces. Needs root.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "l4_netns/connections.rs"]
mod connections;
#[path = "l4_netns/cost.rs"]
mod cost;
#[path = "l4_netns/namespace.rs"]
mod namespace;
#[path = "l4_netns/sample.rs"]
mod sample;
#[path = "l4_netns/tables.rs"]
mod tables;
