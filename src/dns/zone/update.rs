//! What a change of the cluster changes in the zone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::node::{Claim, Data, Host, Node};
use super::owned::{Owned, name, owned, plain};
use super::{Options, Pods, Zone};
use crate::dns::wire::name::Name;
use crate::model::selector::Labels;
use crate::model::{Key, Report, Snapshot};

impl Zone {
    /// Adds what is there without any Service.
    pub(super) fn found(&mut self) {
        let frame = self.frame.clone();
        for name in [&frame.domain, &frame.services, &frame.pods, &frame.parent] {
            self.names.insert(name.clone(), Arc::new(Node::parent(name.clone())));
        }
        let version = Node { name: frame.version.clone(), data: Data::Version };
        self.names.insert(frame.version.clone(), Arc::new(version));
        for apex in &self.options.clone().reverse {
            self.names.insert(apex.clone(), Arc::new(Node::parent(apex.clone())));
        }
        // A reverse zone within another has names above it.
        for apex in &self.options.clone().reverse {
            if apex.parent().is_some_and(|parent| self.part_of(parent.as_wire()).is_some()) {
                self.raise(apex);
            }
        }
    }

    /// Takes over what differs between two snapshots.
    pub(super) fn follow(&mut self, former: &Snapshot, snapshot: &Snapshot) {
        let services = snapshot.services.changes(&former.services, Arc::ptr_eq);
        let endpoints = snapshot.endpoints.changes(&former.endpoints, Arc::ptr_eq);
        let mut touched: BTreeSet<&crate::model::Name> = BTreeSet::new();
        for key in &services {
            let (was, is) = (former.services.contains_key(*key), snapshot.services.contains_key(*key));
            self.count(&key.namespace, was, is, &mut touched);
        }
        for key in &endpoints {
            let (was, is) = (former.endpoints.contains_key(*key), snapshot.endpoints.contains_key(*key));
            self.count(&key.namespace, was, is, &mut touched);
        }
        let mut changed: BTreeSet<&Key> = services.into_iter().chain(endpoints).collect();
        for space in snapshot.namespaces.changes(&former.namespaces, |a, b| a == b) {
            touched.insert(space);
            if admitted(&self.options, former, space) != admitted(&self.options, snapshot, space) {
                changed.extend(snapshot.services.keys().filter(|key| key.namespace == *space));
            }
        }
        for space in touched {
            self.space(space, snapshot);
        }
        let mut told = false;
        for key in changed {
            told |= self.renew(key, snapshot);
        }
        if told {
            let mut reports: Vec<Report> =
                self.troubles.values().flat_map(|some| some.iter().cloned()).collect();
            reports.sort();
            self.reports = Arc::new(reports);
        }
        self.follow_pods(former, snapshot);
        self.serve();
    }

    /// Counts what a namespace has.
    fn count<'a>(
        &mut self,
        space: &'a crate::model::Name,
        was: bool,
        is: bool,
        touched: &mut BTreeSet<&'a crate::model::Name>,
    ) {
        if was == is {
            return;
        }
        let before = self.spaces.get(space).copied().unwrap_or(0);
        let after = if is { before + 1 } else { before.saturating_sub(1) };
        self.spaces.set(space.clone(), (after > 0).then_some(after));
        if before == 0 || after == 0 {
            touched.insert(space);
        }
    }

    /// Sets or removes the names of a namespace.
    fn space(&mut self, space: &crate::model::Name, snapshot: &Snapshot) {
        let exists = snapshot.namespaces.contains_key(space) || self.spaces.contains_key(space);
        let exists = exists && admitted(&self.options, snapshot, space);
        let Some(label) = plain(space) else { return };
        let pods = (self.options.pods != Pods::Disabled).then_some(&self.frame.pods);
        let parents = [Some(&self.frame.services), pods];
        let names: Vec<Name> =
            parents.into_iter().flatten().filter_map(|parent| label.below(parent)).collect();
        for name in names {
            let there = self.names.contains_key(&name);
            if exists && !there {
                self.names.insert(name.clone(), Arc::new(Node::parent(name)));
            } else if !exists && there {
                self.names.remove(&name);
            }
        }
    }

    /// Replaces what a Service has; says whether there is something else to tell about it.
    fn renew(&mut self, key: &Key, snapshot: &Snapshot) -> bool {
        let service = snapshot.services.get(key);
        let service = service.filter(|_| admitted(&self.options, snapshot, &key.namespace));
        let sets = snapshot.endpoints.get(key).map(|sets| &**sets).unwrap_or_default();
        let old = self.owned.get(key).cloned().unwrap_or_default();
        let new = service.map(|service| owned(&self.frame, &self.options, &old, service, sets));
        let Owned { nodes, reports } = new.unwrap_or_default();
        self.exchange(&old, &nodes);
        self.owned.set(key.clone(), (!nodes.is_empty()).then(|| nodes.into()));
        let same = match self.troubles.get(key) {
            Some(former) => **former == *reports,
            None => reports.is_empty(),
        };
        if !same {
            self.troubles.set(key.clone(), (!reports.is_empty()).then(|| reports.into()));
        }
        !same
    }

    /// Goes through both in order of their names.
    fn exchange(&mut self, old: &[Arc<Node>], new: &[Arc<Node>]) {
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) if Arc::ptr_eq(a, b) => std::cmp::Ordering::Equal,
                (Some(a), Some(b)) => a.name.cmp(&b.name),
            };
            let gone = if order.is_le() { old.next() } else { None };
            let come = if order.is_ge() { new.next() } else { None };
            self.replace(gone, come);
        }
    }

    fn replace(&mut self, old: Option<&Arc<Node>>, new: Option<&Arc<Node>>) {
        match (old, new) {
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) => return,
            (_, Some(new)) => drop(self.names.insert(new.name.clone(), new.clone())),
            (Some(old), None) => drop(self.names.remove(&old.name)),
            (None, None) => return,
        }
        // What both have is taken away and given again, but for the common case that it is all the same.
        if let (Some(old), Some(new)) = (old, new)
            && let (Some((rank, had)), Some((now, has))) = (old.claims(), new.claims())
            && rank == now
            && had.eq(has)
        {
            return;
        }
        for (node, add) in [(old, false), (new, true)] {
            let Some(node) = node else { continue };
            let Some((rank, addresses)) = node.claims() else { continue };
            for address in addresses {
                self.claim(address, Claim { rank, name: node.name.clone() }, add);
            }
        }
    }

    /// Gives the name of this server the addresses of its Service.
    fn serve(&mut self) {
        let own = self.options.own_service.as_ref().and_then(|key| name(&self.frame, key));
        let own = own.and_then(|name| self.names.get(&name).cloned());
        let mut host = Host::default();
        if let Some(Data::Host(own)) = own.as_deref().map(|node| &node.data) {
            (host.v4, host.v6) = (own.v4.clone(), own.v6.clone());
        }
        let (name, data) = (self.frame.server.clone(), Data::Host(host));
        if self.names.get(&name).is_none_or(|former| former.data != data) {
            self.names.insert(name.clone(), Arc::new(Node { name, data }));
        }
    }
}

/// Whether a namespace's Services are in the zone. One that is only known by what is in it has the label that an API server
/// gives to all.
pub(crate) fn admitted(options: &Options, snapshot: &Snapshot, space: &crate::model::Name) -> bool {
    if options.namespaces.as_ref().is_some_and(|only| !only.contains(space)) {
        return false;
    }
    let Some(selector) = &options.namespace_selector else { return true };
    if let Some(labels) = snapshot.namespaces.get(space) {
        selector.matches(labels)
    } else {
        let name = ("kubernetes.io/metadata.name".to_owned(), space.to_string());
        selector.matches(&Labels::from([name]))
    }
}
