//! The cluster's DNS server: UDP and TCP, bytes to question to answer to bytes.
//!
//! ```text
//! query -> wire::question -> serve (what the plan says) -> zone: query -> reply
//!                                                       -> cache -> reply
//!                                                       -> forward (upstreams) -> cache -> reply
//! ```

pub mod corefile;
pub mod explain;
pub mod forward;
pub mod hosts;
pub mod keep;
pub mod plan;
pub mod query;
pub mod rewrite;
pub mod serve;
pub mod template;
pub mod wire;
pub mod zone;
