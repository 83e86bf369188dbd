//! What a route asks for, whoever asked: an Ingress, translated.

use std::fmt;
use std::sync::Arc;

use super::policy::Policy;
use super::{Name, ObjectRef, Origin, Report};

/// One Ingress after translation. Everything that could not be understood is in `reports`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    /// Its name.
    pub object: ObjectRef,
    /// Where it was read, when from a file.
    pub origin: Option<Arc<Origin>>,
    /// `metadata.creationTimestamp` in seconds since the epoch. Objects without one count as newest.
    pub created: Option<i64>,
    /// `spec.ingressClassName`.
    pub class_name: Option<Name>,
    /// Annotation `kubernetes.io/ingress.class`.
    pub class_annotation: Option<Name>,
    /// `spec.rules`, in order. A rule without `http` has no paths.
    pub rules: Vec<Rule>,
    /// `spec.defaultBackend`.
    pub default_backend: Option<BackendRef>,
    /// `spec.tls`, in order.
    pub tls: Vec<Tls>,
    /// What its annotations say.
    pub policy: Arc<Policy>,
    /// What translation has to tell its owner.
    pub reports: Vec<Report>,
}

/// One host with its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The host, checked and in lower case.
    pub host: Host,
    /// The paths, in order. A path that was refused is absent (and reported).
    pub paths: Vec<Path>,
    /// Index in `spec.rules`, for reports.
    pub index: usize,
}

/// One path of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The path as written; starts with `/` (or is a regular expression where the policy says so).
    pub path: Name,
    /// How it matches.
    pub kind: PathKind,
    /// Where requests go.
    pub backend: BackendRef,
    /// Index in `spec.rules[].http.paths`, for reports.
    pub index: usize,
}

/// `pathType` of the Ingress API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// The whole path, case-sensitive.
    Exact,
    /// Whole elements from the start.
    Prefix,
    /// Up to the controller: as Prefix, or a regular expression when the host uses them.
    ImplementationSpecific,
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The host of a rule or certificate, in lower case and without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// This name only.
    Exact(Name),
    /// `*.suffix`: one label and the suffix. Holds the suffix without `*.`.
    Wildcard(Name),
    /// Every host.
    Any,
}

impl Host {
    /// Parses a rule's host: empty is [`Host::Any`]. Names are checked as RFC 1123 subdomains (63
    /// characters a label, 253 in all); the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "*" {
            return Ok(Self::Any);
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (name, wildcard) = lower.strip_prefix("*.").map_or((lower.as_str(), false), |rest| (rest, true));
        let label_fine = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label_fine) {
            return Err(format!(
                "host \"{text}\" is not a DNS name: use lower-case letters, digits, '-' and '.', \
                 with '*.' only at the start"
            ));
        }
        Ok(if wildcard { Self::Wildcard(name.into()) } else { Self::Exact(name.into()) })
    }

    /// Whether this pattern matches `host` (lower case, no port, no trailing dot).
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_ref() == host,
            Self::Wildcard(suffix) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix.as_ref())
            }
            Self::Any => true,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// What `backend` of an Ingress names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendRef {
    /// A Service of the same namespace and one of its ports.
    Service {
        /// The Service's name.
        name: Name,
        /// The port, by number or name.
        port: PortRef,
    },
    /// Another kind of object (`backend.resource`): answered with 404 and reported.
    Resource {
        /// `kind/name`, for the report.
        what: Name,
    },
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortRef {
    /// A port number.
    Number(u16),
    /// A port's name.
    Name(Name),
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One entry of `spec.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The hosts it names; may be empty, which means every host of the rules.
    pub hosts: Vec<Host>,
    /// The Secret in the same namespace; `None` means the default certificate.
    pub secret: Option<Name>,
    /// Index in `spec.tls`, for reports.
    pub index: usize,
}

/// An IngressClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressClass {
    /// Its name.
    pub object: ObjectRef,
    /// `spec.controller`.
    pub controller: Name,
    /// Annotation `ingressclass.kubernetes.io/is-default-class`.
    pub is_default: bool,
}
