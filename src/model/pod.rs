//! Pods, as far as DNS has to know them.

use std::net::IpAddr;

use super::ObjectRef;

/// A Pod that has addresses and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub object: ObjectRef,
    /// `status.podIPs`.
    pub addresses: Vec<IpAddr>,
}
