//! What the zone of a cluster answers: question -> code, answer, authority, additional.
//!
//! Replies are read by the `domain` crate, which knows nothing of how they were written.
//! `UPDATE_GOLDEN=1 cargo test --test zone` writes the golden answers anew; read the difference before you commit it.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "zone/ask.rs"]
mod ask;
#[path = "zone/changes.rs"]
mod changes;
#[path = "zone/cluster.rs"]
mod cluster;
#[path = "zone/options.rs"]
mod options;
#[path = "zone/reasons.rs"]
mod reasons;
#[path = "zone/room.rs"]
mod room;
#[path = "zone/size.rs"]
mod size;
#[path = "zone/tables.rs"]
mod tables;
