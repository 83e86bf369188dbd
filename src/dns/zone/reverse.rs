//! Reverse names: which Services and endpoints have an address, and the names above it.
//!
//! Several Services may share an address, and all addresses share the names above them, so these are counted.

use std::net::IpAddr;
use std::sync::Arc;

use super::node::{Claim, Data, Node};
use super::{Part, Zone};
use crate::dns::wire::name::Name;

impl Zone {
    /// A name gets an address, or loses it.
    pub(super) fn claim(&mut self, address: IpAddr, claim: Claim, add: bool) {
        let wire = Wire::of(address);
        let wire = wire.as_bytes();
        if !matches!(self.part_of(wire), Some(Part::Reverse(_))) {
            return;
        }
        let (name, mut claims) = match self.names.get(wire) {
            Some(node) => match &node.data {
                Data::Pointers(claims) => (node.name.clone(), claims.to_vec()),
                _ => (node.name.clone(), Vec::new()),
            },
            None => match Name::from_wire(wire) {
                Some(name) => (name, Vec::new()),
                None => return,
            },
        };
        let before = !claims.is_empty();
        match (claims.binary_search(&claim), add) {
            (Err(at), true) => claims.insert(at, claim),
            (Ok(at), false) => drop(claims.remove(at)),
            _ => return,
        }
        if claims.is_empty() {
            self.leave(&name);
            return;
        }
        let node = Node { name: name.clone(), data: Data::Pointers(claims.into()) };
        self.names.insert(name.clone(), Arc::new(node));
        if !before && !self.is_apex(&name) {
            self.raise(&name);
        }
    }

    /// A name appeared: those above it are there, too.
    pub(super) fn raise(&mut self, name: &Name) {
        let mut name = name.clone();
        while let Some(parent) = name.parent() {
            let children = match self.names.get(&parent).map(|node| &node.data) {
                Some(Data::Parent { children }) => Some(children + 1),
                Some(_) => return,
                None => None,
            };
            let data = Data::Parent { children: children.unwrap_or(1) };
            self.names.insert(parent.clone(), Arc::new(Node { name: parent.clone(), data }));
            if children.is_some() {
                return;
            }
            name = parent;
        }
    }

    /// A name has nothing any more: it goes, and those above it that were there for it.
    fn leave(&mut self, name: &Name) {
        let mut name = name.clone();
        loop {
            if self.is_apex(&name) {
                self.names.insert(name.clone(), Arc::new(Node::parent(name)));
                return;
            }
            self.names.remove(&name);
            let Some(parent) = name.parent() else { return };
            let left = match self.names.get(&parent).map(|node| &node.data) {
                Some(Data::Parent { children }) => children.saturating_sub(1),
                _ => return,
            };
            if left > 0 || self.is_apex(&parent) {
                let node = Node { name: parent.clone(), data: Data::Parent { children: left } };
                self.names.insert(parent, Arc::new(node));
                return;
            }
            name = parent;
        }
    }

    pub(super) fn is_apex(&self, name: &Name) -> bool {
        *name == self.options.domain || self.options.reverse.contains(name)
    }
}

/// The reverse name of an address in wire form, on the stack.
pub(crate) struct Wire {
    bytes: [u8; 74],
    length: usize,
}

impl Wire {
    /// RFC 1035 section 3.5, RFC 3596 section 2.5.
    pub(crate) fn of(address: IpAddr) -> Self {
        let mut wire = Self { bytes: [0; 74], length: 0 };
        match address.to_canonical() {
            IpAddr::V4(address) => {
                for octet in address.octets().into_iter().rev() {
                    wire.label(decimal(octet, &mut [0; 3]));
                }
                wire.add(b"\x07in-addr\x04arpa\0");
            }
            IpAddr::V6(address) => {
                for octet in address.octets().into_iter().rev() {
                    wire.label(&[hexadecimal(octet & 0xf)]);
                    wire.label(&[hexadecimal(octet >> 4)]);
                }
                wire.add(b"\x03ip6\x04arpa\0");
            }
        }
        wire
    }

    /// The wire form.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn label(&mut self, label: &[u8]) {
        self.add(&[u8::try_from(label.len()).unwrap_or(0)]);
        self.add(label);
    }

    fn add(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        }
    }
}

fn decimal(octet: u8, text: &mut [u8; 3]) -> &[u8] {
    *text = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
    match octet {
        0..10 => &text[2..],
        10..100 => &text[1..],
        _ => &text[..],
    }
}

fn hexadecimal(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}
