//! Slipway in a real cluster: a real API server for all of it, real pods where they matter.
//!
//! `tests/run.sh cluster` starts the cluster (see `tests/cluster/README.md`), runs these and ends it. By hand:
//!
//! ```sh
//! tests/cluster/up 2
//! cargo test --test cluster -- --ignored [NAME]
//! tests/cluster/down
//! ```
//!
//! `SLIPWAY_CLUSTER` names another cluster, `SLIPWAY_BIN` another build of the program.

#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "cluster/scenarios"]
mod scenarios {
    mod client;
    mod echo;
    mod kubernetes;
    mod manifest;
    mod release;
    mod slipway;

    mod admission;
    mod conformance;
    mod dns;
    mod examples;
    mod faults;
    mod install;
    mod publish;
    mod rights;
    mod rolling;
    mod service_proxy;
    mod watch;
}
