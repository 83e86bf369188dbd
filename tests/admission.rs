//! Validating admission: golden pairs of reviews and answers, and the server on real sockets.
//!
//! Each `tests/admission/NAME.in.json` has a cluster and a review, `NAME.out.json` is the response. Of the input:
//!
//! - `cluster`: the objects that are in force; IngressClasses `nginx` (ours) and `other` are always there.
//! - `backends`: names of Services to add in namespace `default`, port 80, with one endpoint each.
//! - `set`: settings, `KEY=VALUE`; `flags`: flags, named as on the command line.
//! - `review`: the request; what it does not say of kind, name, namespace and uid follows from its object.
//!
//! `UPDATE_GOLDEN=1 cargo test --test admission` writes the outputs anew; read the difference before you commit it.
#![allow(clippy::unwrap_used, clippy::pedantic, unreachable_pub, reason = "test helpers")]

#[path = "admission/golden.rs"]
mod golden;
#[path = "admission/server.rs"]
mod server;
#[allow(dead_code, reason = "shared with tests/proxy.rs")]
#[path = "support/tls.rs"]
mod tls;
#[allow(dead_code, reason = "shared with tests/proxy.rs")]
#[path = "support/wire.rs"]
mod wire;
