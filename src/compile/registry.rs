//! Backend ids: which Service port has which, and which are free.

use std::sync::Arc;

use crate::model::list::List;
use crate::model::map::Map;
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

/// Every backend that routes name. Ids and serials stay the same from one compile to the next. Copies share what they
/// have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    slots: List<Option<Arc<Slot>>>,
    /// How many fields of hosts in force name each backend.
    held: List<u32>,
    /// The ids of each Service, so that a change of its endpoints finds them.
    by_service: Map<Key, Arc<[BackendId]>>,
    free: Vec<BackendId>,
    /// Whose last use went, perhaps not for good.
    idle: Vec<BackendId>,
    serial: u64,
    used: usize,
}

impl Registry {
    /// The same ids with nothing that uses them.
    pub(super) fn restarted(&self) -> Self {
        let ids = 0..self.slots.len();
        Self { held: ids.clone().map(|_| 0).collect(), idle: ids.map(id_of).collect(), ..self.clone() }
    }

    /// The id of a backend, a new one if it is not known yet.
    pub(super) fn id(&mut self, key: BackendKey) -> BackendId {
        self.find(&key).unwrap_or_else(|| self.add(key))
    }

    /// The backend of an id; `None` for a free slot.
    pub(super) fn slot(&self, id: BackendId) -> Option<&Arc<Slot>> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// How many backends there are.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The ids that were given or freed since `former`.
    pub(super) fn changes(&self, former: &Self) -> Vec<BackendId> {
        let same = |a: &Option<Arc<Slot>>, b: &Option<Arc<Slot>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.slots.changes(&former.slots, same).into_iter().map(id_of).collect()
    }

    /// The backends of a Service.
    pub(super) fn of_service(&self, service: &Key) -> &[BackendId] {
        self.by_service.get(service).map_or(&[], |ids| ids)
    }

    /// Counts a field that names a backend.
    pub(super) fn hold(&mut self, id: BackendId) {
        if let Some(held) = self.held.get_mut(id.0 as usize) {
            *held += 1;
        }
    }

    /// Takes back a [`hold`](Self::hold).
    pub(super) fn release(&mut self, id: BackendId) {
        let Some(held) = self.held.get_mut(id.0 as usize) else { return };
        *held = held.saturating_sub(1);
        if *held == 0 {
            self.idle.push(id);
        }
    }

    /// Frees every backend that nothing holds any more.
    pub(super) fn sweep(&mut self) {
        for id in std::mem::take(&mut self.idle) {
            let index = id.0 as usize;
            if self.held.get(index).is_some_and(|held| *held > 0) || self.slot(id).is_none() {
                continue;
            }
            let Some(slot) = self.slots.get_mut(index).and_then(Option::take) else { continue };
            self.free.push(id);
            self.used -= 1;
            let service = &slot.key.service;
            let left: Arc<[BackendId]> =
                self.of_service(service).iter().copied().filter(|&other| other != id).collect();
            self.by_service.set(service.clone(), Some(left).filter(|left| !left.is_empty()));
        }
    }

    fn find(&self, key: &BackendKey) -> Option<BackendId> {
        let ids = self.by_service.get(&key.service)?;
        ids.iter().copied().find(|&id| self.slot(id).is_some_and(|slot| slot.key == *key))
    }

    fn add(&mut self, key: BackendKey) -> BackendId {
        self.serial += 1;
        let id = self.free.pop().unwrap_or_else(|| id_of(self.slots.len()));
        let ids = self.of_service(&key.service).iter().copied().chain([id]).collect();
        self.by_service.insert(key.service.clone(), ids);
        self.used += 1;
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
        if let Some(free) = self.slots.get_mut(id.0 as usize) {
            *free = slot;
        } else {
            self.slots.push(slot);
            self.held.push(0);
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
        registry.hold(a);
        registry.hold(b);
        let before = registry.clone();
        registry.release(a);
        registry.release(b);
        registry.hold(b);
        registry.sweep();
        assert!(registry.slot(a).is_none());
        assert_eq!(registry.of_service(&Key::new("n", "a")), [b]);
        assert_eq!(registry.changes(&before), [a]);
        let c = registry.id(key("c", 80));
        registry.hold(c);
        assert_eq!(c, a);
        assert_eq!(registry.slot(c).unwrap().serial, 3);
        assert_eq!(registry.slot(c).unwrap().upstream.as_ref(), "n-c-80");
        registry.sweep();
        assert_eq!((registry.used(), before.used()), (2, 2));
    }

    #[test]
    fn after_a_restart_only_what_is_held_again_stays() {
        let mut registry = Registry::default();
        let ids = [80, 81].map(|port| registry.id(key("a", port)));
        for id in ids {
            registry.hold(id);
        }
        let mut again = registry.restarted();
        again.hold(ids[1]);
        again.sweep();
        assert_eq!((again.used(), again.id(key("a", 81))), (1, ids[1]));
    }
}
