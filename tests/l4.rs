//! What a node does about Services: packets traced through the rules that are desired, rows of tables that people read.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "l4/absurd.rs"]
mod absurd;
#[path = "l4/behaviour.rs"]
mod behaviour;
#[path = "l4/changes.rs"]
mod changes;
#[path = "l4/cluster.rs"]
mod cluster;
#[path = "l4/golden.rs"]
mod golden;
#[path = "l4/packets.rs"]
mod packets;
#[path = "l4/selection.rs"]
mod selection;
#[path = "support/tracer.rs"]
mod tracer;
