//! Backend ids: which Service port has which, and which are free.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::model::route::PortRef;
use crate::model::{Key, Name};
use crate::routing::BackendId;

/// What a backend is: a port of a Service, reached through its endpoints or its cluster address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackendKey {
    pub(super) service: Key,
    /// As the Ingress wrote it; `None` is the first port.
    pub(super) port: Option<PortRef>,
    /// `service-upstream`: the cluster address is the only target.
    pub(super) cluster: bool,
}

/// A backend with its names.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: BackendKey,
    /// Never used again in this process.
    pub(super) serial: u64,
    /// The port as text; empty for the first one.
    pub(super) port: Name,
    /// `namespace-service-port`.
    pub(super) upstream: Name,
}

/// Every backend that routes name. Ids and serials stay the same from one compile to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    slots: Vec<Option<Arc<Slot>>>,
    /// The ids of each Service, so that a change of its endpoints finds them.
    by_service: HashMap<Key, Arc<[BackendId]>, FixedState>,
    free: Vec<BackendId>,
    serial: u64,
}

impl Registry {
    /// The id of a backend, a new one if it is not known yet.
    pub(super) fn id(&mut self, key: BackendKey) -> BackendId {
        self.find(&key).unwrap_or_else(|| self.add(key))
    }

    /// The backend of an id; `None` for a free slot.
    pub(super) fn slot(&self, id: BackendId) -> Option<&Arc<Slot>> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// Every slot in the order of ids.
    pub(super) fn slots(&self) -> impl Iterator<Item = Option<&Arc<Slot>>> {
        self.slots.iter().map(Option::as_ref)
    }

    /// The backends of a Service.
    pub(super) fn of_service(&self, service: &Key) -> &[BackendId] {
        self.by_service.get(service).map_or(&[], |ids| ids)
    }

    /// Frees every backend that is not in use; the answer says whether there was any.
    pub(super) fn retain(&mut self, in_use: &[bool]) -> bool {
        let mut freed = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if in_use.get(index).copied().unwrap_or(false) {
                continue;
            }
            let Some(slot) = slot.take() else { continue };
            let id = id_of(index);
            self.free.push(id);
            freed = true;
            if let Some(ids) = self.by_service.get_mut(&slot.key.service) {
                *ids = ids.iter().copied().filter(|&other| other != id).collect();
                if ids.is_empty() {
                    self.by_service.remove(&slot.key.service);
                }
            }
        }
        freed
    }

    /// Whether nothing was added since `self` was cloned to become `later`, given that nothing was freed.
    pub(super) fn is_same(&self, later: &Self) -> bool {
        self.serial == later.serial
    }

    /// How many slots there are, free ones included.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn find(&self, key: &BackendKey) -> Option<BackendId> {
        let ids = self.by_service.get(&key.service)?;
        ids.iter().copied().find(|&id| self.slot(id).is_some_and(|slot| slot.key == *key))
    }

    fn add(&mut self, key: BackendKey) -> BackendId {
        self.serial += 1;
        let id = self.free.pop().unwrap_or_else(|| id_of(self.slots.len()));
        let ids = self.by_service.entry(key.service.clone()).or_default();
        *ids = ids.iter().copied().chain([id]).collect();
        let port: Name = match &key.port {
            Some(PortRef::Name(name)) => name.clone(),
            Some(PortRef::Number(number)) => number.to_string().into(),
            None => "".into(),
        };
        let upstream = match port.as_ref() {
            "" => format!("{}-{}", key.service.namespace, key.service.name),
            port => format!("{}-{}-{port}", key.service.namespace, key.service.name),
        };
        let slot = Slot { key, serial: self.serial, port, upstream: upstream.into() };
        let slot = Some(Arc::new(slot));
        match self.slots.get_mut(id.0 as usize) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        id
    }
}

fn id_of(index: usize) -> BackendId {
    BackendId(u32::try_from(index).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, port: u16) -> BackendKey {
        BackendKey { service: Key::new("n", name), port: Some(PortRef::Number(port)), cluster: false }
    }

    #[test]
    fn an_id_stays_while_it_is_used_and_a_freed_one_is_given_again_with_a_new_serial() {
        let mut registry = Registry::default();
        let a = registry.id(key("a", 80));
        let b = registry.id(key("a", 81));
        assert_ne!(a, b);
        assert_eq!(registry.id(key("a", 80)), a);
        assert!(registry.retain(&[false, true]));
        assert!(registry.slot(a).is_none());
        assert_eq!(registry.of_service(&Key::new("n", "a")), [b]);
        let c = registry.id(key("c", 80));
        assert_eq!(c, a);
        assert_eq!(registry.slot(c).unwrap().serial, 3);
        assert_eq!(registry.slot(c).unwrap().upstream.as_ref(), "n-c-80");
        assert!(!registry.retain(&[true, true]));
    }
}
