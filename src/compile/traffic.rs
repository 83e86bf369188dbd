//! How requests of an Ingress are treated, shared by all Ingresses that ask for the same.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::model::policy::Policy;
use crate::model::settings::Settings;
use crate::routing::Traffic;

/// Gives equal traffic the same allocation.
#[derive(Default)]
pub(super) struct Traffics {
    /// By the policy's address, which is good for one compile: the snapshot keeps every policy alive.
    known: HashMap<(usize, bool), Arc<Traffic>, FixedState>,
    /// The first few different ones. Most Ingresses of a cluster ask for one of a handful.
    pool: Vec<Arc<Traffic>>,
}

/// How many different ones are compared with; more would cost more than they save.
const POOL: usize = 16;

impl Traffics {
    /// The traffic of a policy on a host with or without a certificate entry.
    pub(super) fn resolve(
        &mut self,
        policy: &Arc<Policy>,
        settings: &Settings,
        certificate: bool,
    ) -> Arc<Traffic> {
        let key = (Arc::as_ptr(policy).addr(), certificate);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let traffic = self.share(Traffic::resolve(policy, settings, certificate));
        self.known.insert(key, traffic.clone());
        traffic
    }

    /// The traffic of no policy at all.
    pub(super) fn plain(&mut self, settings: &Settings) -> Arc<Traffic> {
        self.share(Traffic::resolve(&Policy::default(), settings, false))
    }

    fn share(&mut self, traffic: Traffic) -> Arc<Traffic> {
        if let Some(same) = self.pool.iter().find(|known| ***known == traffic) {
            return same.clone();
        }
        let traffic = Arc::new(traffic);
        if self.pool.len() < POOL {
            self.pool.push(traffic.clone());
        }
        traffic
    }
}
