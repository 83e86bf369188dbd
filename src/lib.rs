//! Slipway: one program for a Kubernetes cluster's traffic.
//!
//! The layers, in the order of their dependence (who may import whom is checked by `tests/architecture.rs`):
//!
//! 1. [`model`]: what is known of the cluster, as plain values.
//! 2. [`translate`]: Kubernetes objects -> model.
//! 3. [`store`]: the only owner of state; says when it is complete and hands out snapshots.
//! 4. [`source`]: where objects come from (a directory, an API server).
//! 5. [`routing`]: the immutable table that answers which route a request takes.
//! 6. [`compile`]: snapshot -> routing table, endpoint table, reports.
//! 7. [`publish`], [`metrics`]: hand values to the data threads, count what they do.
//! 8. [`controller`]: update, wait for quiet, compile, publish, report.
//! 9. [`proxy`]: the life of a request. [`admin`]: health, metrics, what is in force. [`status`]: what is written back to
//!    the cluster. [`admission`]: what is checked before the cluster takes it.
//! 10. [`l4`]: the node's Services, in the kernel or with sockets of its own.
//! 11. [`dns`]: the cluster's DNS server.
//! 12. [`config`], [`app`], [`cli`]: what the operator asked for, which tasks run, what people type.

pub mod admin;
pub mod admission;
pub mod app;
pub mod cli;
pub mod compile;
pub mod config;
pub mod controller;
pub mod dns;
pub mod l4;
pub mod metrics;
pub mod model;
pub mod proxy;
pub mod publish;
pub mod routing;
pub mod source;
pub mod status;
pub mod store;
pub mod translate;
