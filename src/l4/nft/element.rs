//! Elements: to bytes and back.

mod range;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::abi::{data, element as abi};
use super::field::{address_length, note};
use crate::l4::netlink::{Message, Writer, attribute, attributes, be32, text};
use crate::l4::ruleset::{
    ChainId, Element, Family, Fields, Frontend, Key, Protocol, SetId, SetKind, Target, Value, Verdict,
};

/// Writes an element; a range of addresses is two for the kernel. For a deletion the value does not matter.
pub(super) fn write(element: &Element, writer: &mut Writer) {
    if let Key::Range(address, length) = element.key {
        return write_range(address, length, writer);
    }
    let (key, end) = key(&element.key);
    writer.nest(abi::ITEM, |item| {
        item.nest(abi::KEY, |out| out.put(data::VALUE, &key));
        if let Some(end) = &end {
            item.nest(abi::KEY_END, |out| out.put(data::VALUE, end));
        }
        match &element.value {
            Value::None => {}
            Value::Target(target) => {
                let mut bytes = octets(target.address);
                pad(&mut bytes, &target.port.to_be_bytes());
                item.nest(abi::DATA, |out| out.put(data::VALUE, &bytes));
            }
            Value::Verdict(Verdict::Drop) => {
                item.nest(abi::DATA, |out| verdict(data::DROP, None, out));
            }
            Value::Verdict(Verdict::Goto(chain)) => {
                item.nest(abi::DATA, |out| verdict(data::GOTO, Some(&chain.to_string()), out));
            }
        }
    });
}

/// Writes the protocols of a rule's own set.
pub(super) fn write_transport(writer: &mut Writer) {
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        writer.nest(abi::ITEM, |item| {
            item.nest(abi::KEY, |out| out.put(data::VALUE, &[protocol.number()]));
        });
    }
}

/// Writes a verdict.
pub(super) fn verdict(code: u32, chain: Option<&str>, writer: &mut Writer) {
    writer.nest(data::VERDICT, |out| {
        out.put_u32(data::CODE, code);
        if let Some(chain) = chain {
            out.put_text(data::CHAIN, chain);
        }
    });
}

/// The first address of a range, then the first after it, unless the range goes on to the last address there is.
fn write_range(address: IpAddr, length: u8, writer: &mut Writer) {
    let after = range::after(address, length);
    writer.nest(abi::ITEM, |item| {
        item.nest(abi::KEY, |out| out.put(data::VALUE, &octets(address)));
        if after.is_none() {
            // `nft` lists an open range only with this.
            let mut userdata = Vec::new();
            note(&mut userdata, 1, &1_u32.to_ne_bytes());
            item.put(abi::USERDATA, &userdata);
        }
    });
    if let Some(after) = after {
        writer.nest(abi::ITEM, |item| {
            item.nest(abi::KEY, |out| out.put(data::VALUE, &octets(after)));
            item.put_u32(abi::FLAGS, abi::INTERVAL_END);
        });
    }
}

/// The bytes of a key, and of its end where it has a range.
fn key(key: &Key) -> (Vec<u8>, Option<Vec<u8>>) {
    let with = |frontend: &Frontend, more: &[u8]| {
        let mut bytes = octets(frontend.address);
        pad(&mut bytes, &[frontend.protocol.number()]);
        pad(&mut bytes, &frontend.port.to_be_bytes());
        pad(&mut bytes, more);
        bytes
    };
    match key {
        Key::Frontend(frontend) => (with(frontend, &[]), None),
        Key::Slot(frontend, index) => (with(frontend, &index.to_ne_bytes()), None),
        Key::Address(address) | Key::Range(address, _) => (octets(*address), None),
        Key::Pair(source, destination) => {
            let mut bytes = octets(*source);
            pad(&mut bytes, &octets(*destination));
            (bytes, None)
        }
        Key::Sources(frontend, address, length) => {
            let last = range::last(*address, *length);
            (with(frontend, &octets(*address)), Some(with(frontend, &octets(last))))
        }
        Key::Client(frontend, client) => (with(frontend, &octets(*client)), None),
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn pad(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Reads the elements of one set from the kernel's messages.
pub(super) struct Reader {
    family: Family,
    set: SetId,
    elements: Vec<Element>,
    borders: Vec<(IpAddr, bool)>,
    strange: bool,
}

impl Reader {
    /// Of that set.
    pub(super) fn new(family: Family, set: SetId) -> Self {
        Self { family, set, elements: Vec::new(), borders: Vec::new(), strange: false }
    }

    /// Reads one message.
    pub(super) fn read(&mut self, message: &Message<'_>) {
        for (_, item) in attributes(message.attribute(abi::ELEMENTS).unwrap_or_default()) {
            if self.item(item).is_none() {
                self.strange = true;
            }
        }
    }

    /// What was read; `None` if something of it could not be understood.
    pub(super) fn finish(mut self) -> Option<Vec<Element>> {
        let (family, set) = (self.family, self.set);
        let ranges = range::pair(self.borders)?;
        let make =
            |(address, length)| Element { family, set, key: Key::Range(address, length), value: Value::None };
        self.elements.extend(ranges.into_iter().map(make));
        (!self.strange).then_some(self.elements)
    }

    fn item(&mut self, item: &[u8]) -> Option<()> {
        let value_of = |kind| attribute(item, kind).and_then(|outer| attribute(outer, data::VALUE));
        let mut bytes = Bytes { left: value_of(abi::KEY)?, family: self.family };
        let flags = attribute(item, abi::FLAGS).and_then(be32).unwrap_or_default();
        let key = match (self.set.fields(), self.set.kind()) {
            (Fields::Source | Fields::Destination, SetKind::Ranges) => {
                self.borders.push((bytes.address()?, flags & abi::INTERVAL_END != 0));
                return Some(());
            }
            _ if flags != 0 => return None,
            (Fields::Source | Fields::Destination, _) => Key::Address(bytes.address()?),
            (Fields::Frontend { .. }, _) => Key::Frontend(bytes.frontend()?),
            (Fields::Slot { .. }, _) => Key::Slot(bytes.frontend()?, bytes.number()?),
            (Fields::Pair, _) => Key::Pair(bytes.address()?, bytes.address()?),
            (Fields::FrontendSource { .. }, SetKind::Ranges) => {
                let (frontend, first) = (bytes.frontend()?, bytes.address()?);
                let mut end = Bytes { left: value_of(abi::KEY_END)?, family: self.family };
                let (same, last) = (end.frontend()?, end.address()?);
                Key::Sources(frontend, first, range::length(first, last).filter(|_| same == frontend)?)
            }
            (Fields::FrontendSource { .. }, _) => Key::Client(bytes.frontend()?, bytes.address()?),
            _ => return None,
        };
        let value = self.value(item)?;
        self.elements.push(Element { family: self.family, set: self.set, key, value });
        Some(())
    }

    fn value(&self, item: &[u8]) -> Option<Value> {
        let found = attribute(item, abi::DATA);
        Some(match self.set.kind() {
            SetKind::Set | SetKind::Ranges => Value::None,
            SetKind::Targets | SetKind::Remembered => {
                let mut bytes = Bytes { left: attribute(found?, data::VALUE)?, family: self.family };
                Value::Target(Target { address: bytes.address()?, port: bytes.port()? })
            }
            SetKind::Verdicts => {
                let verdict = attribute(found?, data::VERDICT)?;
                match attribute(verdict, data::CODE).and_then(be32)? {
                    data::DROP => Value::Verdict(Verdict::Drop),
                    data::GOTO => {
                        let chain = attribute(verdict, data::CHAIN).and_then(text)?;
                        Value::Verdict(Verdict::Goto(ChainId::parse(chain)?))
                    }
                    _ => return None,
                }
            }
        })
    }
}

/// The fields of a key or value, taken one by one.
struct Bytes<'a> {
    left: &'a [u8],
    family: Family,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(length.next_multiple_of(4) as usize)?;
        self.left = left;
        Some(taken)
    }

    fn address(&mut self) -> Option<IpAddr> {
        let bytes = self.take(address_length(self.family))?;
        Some(match self.family {
            Family::Ip => Ipv4Addr::from(*bytes.first_chunk::<4>()?).into(),
            Family::Ip6 => Ipv6Addr::from(*bytes.first_chunk::<16>()?).into(),
        })
    }

    fn port(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.take(4)?.first_chunk()?))
    }

    fn frontend(&mut self) -> Option<Frontend> {
        let address = self.address()?;
        let protocol = Protocol::from_number(*self.take(1)?.first()?)?;
        Some(Frontend { address, protocol, port: self.port()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::abi::message;
    use super::*;
    use crate::l4::netlink::messages;
    use crate::l4::ruleset::{Pick, Pool};

    /// One element of each set.
    fn elements(family: Family, address: IpAddr, other: IpAddr, whole: u8) -> Vec<Element> {
        let frontend = Frontend { address, protocol: Protocol::Udp, port: 53 };
        let pick = Pick { pool: Pool::Local, node_port: true, sticky: true, count: 300 };
        let target = Value::Target(Target { address: other, port: 65_535 });
        let goto = Value::Verdict(Verdict::Goto(ChainId::Pick(pick)));
        let all = [
            (SetId::NoEndpoints, Key::Frontend(frontend), Value::None),
            (SetId::Sticky(7), Key::Frontend(frontend), Value::None),
            (SetId::ClusterIps, Key::Address(address), Value::None),
            (SetId::Hairpin, Key::Pair(address, other), Value::None),
            (SetId::Pods, Key::Range(other, whole / 2), Value::None),
            (SetId::ServiceRanges, Key::Range(address, whole), Value::None),
            (SetId::AllowedSources, Key::Sources(frontend, other, whole / 2 + 3), Value::None),
            (SetId::Endpoints, Key::Slot(frontend, 299), target),
            (SetId::Affinity, Key::Client(frontend, other), target),
            (SetId::Services, Key::Frontend(frontend), goto),
            (SetId::OutsideServices, Key::Frontend(frontend), Value::Verdict(Verdict::Drop)),
        ];
        all.map(|(set, key, value)| Element { family, set, key, value }).into()
    }

    #[test]
    fn every_kind_of_element_is_read_as_it_was_written() {
        let four = elements(Family::Ip, "10.0.0.1".parse().unwrap(), "10.9.0.0".parse().unwrap(), 32);
        let six = elements(Family::Ip6, "fd00::1".parse().unwrap(), "fd00:9::".parse().unwrap(), 128);
        for element in four.into_iter().chain(six) {
            let mut writer = Writer::default();
            writer.message(message::NEW_ELEMENT, 0, 1, 2, 0);
            writer.nest(abi::ELEMENTS, |out| write(&element, out));
            let bytes = writer.finish();
            let mut reader = Reader::new(element.family, element.set);
            messages(&bytes).for_each(|message| reader.read(&message));
            assert_eq!(reader.finish(), Some(vec![element]));
        }
    }
}
