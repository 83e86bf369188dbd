//! What the API server shows about an Ingress beside what was asked for: who it is, and which addresses it has.

/// An Ingress as the API server knows it. Kept apart from what the Ingress asks for, so that a written status changes no
/// route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressStatus {
    /// `metadata.uid`: Events name it.
    pub uid: Box<str>,
    /// `status.loadBalancer.ingress`, sorted.
    pub addresses: Box<[Address]>,
}

/// One entry of `status.loadBalancer.ingress`: an address or a host name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// `ip`.
    Ip(Box<str>),
    /// `hostname`.
    Hostname(Box<str>),
}
