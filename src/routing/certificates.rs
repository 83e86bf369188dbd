//! Which certificate answers which server name.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::model::Name;
use crate::model::certificate::Certificate;
use crate::model::route::Host;

/// Certificates by server name. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    names: Arc<Names>,
    default: Option<Arc<Certificate>>,
}

#[derive(Debug, Default)]
struct Names {
    exact: HashMap<Name, Arc<Certificate>, FixedState>,
    /// By suffix: `foo.com` for `*.foo.com`.
    wildcard: HashMap<Name, Arc<Certificate>, FixedState>,
}

impl Certificates {
    /// From hosts with their certificates, and the one for everything else. Of two for one host the first stays.
    pub fn new(
        hosts: impl IntoIterator<Item = (Host, Arc<Certificate>)>,
        default: Option<Arc<Certificate>>,
    ) -> Self {
        let mut names = Names::default();
        for (host, certificate) in hosts {
            match host {
                Host::Exact(name) => {
                    names.exact.entry(name).or_insert(certificate);
                }
                Host::Wildcard(suffix) => {
                    names.wildcard.entry(suffix).or_insert(certificate);
                }
                Host::Any => {}
            }
        }
        Self { names: Arc::new(names), default }
    }

    /// The certificate for a server name (lower case, no trailing dot): by name, by one-label wildcard, else the
    /// default one.
    pub fn find(&self, server_name: Option<&str>) -> Option<&Arc<Certificate>> {
        server_name.and_then(|name| self.find_named(name)).or(self.default.as_ref())
    }

    /// Whether both are the same, told without looking at each name.
    pub fn is_same(&self, other: &Self) -> bool {
        let default = |of: &Self| of.default.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.names, &other.names) && default(self) == default(other)
    }

    /// Every host that has a certificate of its own, sorted, then the default one as [`Host::Any`].
    pub fn all(&self) -> impl Iterator<Item = (Host, &Arc<Certificate>)> {
        let exact = self.names.exact.iter().map(|(name, c)| (Host::Exact(name.clone()), c));
        let wildcard = self.names.wildcard.iter().map(|(suffix, c)| (Host::Wildcard(suffix.clone()), c));
        let mut all: Vec<_> = exact.chain(wildcard).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.into_iter().chain(self.default.iter().map(|c| (Host::Any, c)))
    }

    fn find_named(&self, name: &str) -> Option<&Arc<Certificate>> {
        self.names.exact.get(name).or_else(|| {
            let (label, suffix) = name.split_once('.')?;
            if label.is_empty() { None } else { self.names.wildcard.get(suffix) }
        })
    }
}
