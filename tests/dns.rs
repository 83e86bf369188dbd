//! `slipway dns` as its clients see it: the program with a directory of manifests, asked by dig and by sockets.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "dns/answers.rs"]
mod answers;
#[path = "dns/dig.rs"]
mod dig;
#[path = "dns/edns.rs"]
mod edns;
#[path = "dns/fuzz.rs"]
mod fuzz;
#[path = "dns/life.rs"]
mod life;
#[path = "dns/program.rs"]
mod program;
#[path = "dns/upstream.rs"]
mod upstream;
#[path = "dns/upstreams.rs"]
mod upstreams;
