//! The whole proxy in one process on loopback: manifests in, real sockets at both ends.
//!
//! One binary, because every further one costs a link. `SLIPWAY_TEST_BODY_MIB` sets how much goes through in the test of
//! long bodies (256 by default).

#![allow(clippy::unwrap_used, clippy::pedantic, unreachable_pub, reason = "test helpers")]

#[path = "support/backend.rs"]
mod backend;
#[path = "support/client.rs"]
mod client;
#[path = "support/site.rs"]
mod site;
#[path = "support/tls.rs"]
mod tls;
#[path = "support/wire.rs"]
mod wire;

#[path = "proxy/grpc.rs"]
mod grpc;
#[path = "proxy/headers.rs"]
mod headers;
#[path = "proxy/lifetime.rs"]
mod lifetime;
#[path = "proxy/malformed.rs"]
mod malformed;
#[path = "proxy/redirects.rs"]
mod redirects;
#[path = "proxy/rules.rs"]
mod rules;
#[path = "proxy/secure.rs"]
mod secure;
#[path = "proxy/streaming.rs"]
mod streaming;
#[path = "proxy/upgrade.rs"]
mod upgrade;
#[path = "proxy/upstream.rs"]
mod upstream;
#[path = "proxy/versions.rs"]
mod versions;
