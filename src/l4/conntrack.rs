//! Connections that the kernel knows. Those over UDP never end by themselves while a client goes on sending: when their
//! endpoint has left, or the Service had none so far, they are removed, and the client's next packet is a new connection.

pub mod timeouts;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::desired::Stale;
use super::netlink::{ACK, DUMP, Message, REQUEST, Socket, Writer, attribute};
use super::ruleset::{Family, Frontend, Protocol, Target};

pub use super::netlink::Error;

/// The kinds of messages: list connections, remove one.
const LIST: u16 = 1 << 8 | 1;
const REMOVE: u16 = 1 << 8 | 2;

/// Attributes of a connection.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
/// Attributes of one direction, and in them.
const ADDRESSES: u16 = 1;
const PORTS: u16 = 2;
const PROTOCOL: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
/// In the filter: that only connections of the protocol in `ORIGINAL` are wanted.
const BY_ORIGINAL: u16 = 1;
const BY_REPLY: u16 = 2;
const BY_PROTOCOL: u32 = 1 << 3;

/// Room for the answers to so many removals at once.
const TOGETHER: usize = 256;
const ROOM: usize = 4 << 20;

/// Removes exactly those connections over UDP, in the network namespace of this thread; says how many there were.
/// For ports of the node `is_local` says which addresses are the node's. Looks at every UDP connection of the node once.
pub fn delete(stale: &[Stale], is_local: impl Fn(IpAddr) -> bool) -> Result<usize, Error> {
    let mut wanted: BTreeMap<Frontend, BTreeSet<Option<Target>>> = BTreeMap::new();
    for Stale { frontend, target } in stale.iter().filter(|stale| stale.frontend.protocol == Protocol::Udp) {
        wanted.entry(*frontend).or_default().insert(*target);
    }
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut socket = Socket::open(0, ROOM)?;
    let families: BTreeSet<Family> = wanted.keys().map(|frontend| Family::of(frontend.address)).collect();
    let mut deleted = 0;
    for family in families {
        let found = list(&mut socket, family, |connection| connection.is_wanted(&wanted, &is_local))?;
        deleted += remove(&mut socket, family, &found)?;
    }
    Ok(deleted)
}

/// Removes the connections over UDP of these frontends that go elsewhere than to those that serve them; says how many there
/// were. For what nobody told when it left.
pub fn keep(
    serving: &BTreeMap<Frontend, BTreeSet<Target>>,
    is_local: impl Fn(IpAddr) -> bool,
) -> Result<usize, Error> {
    if serving.is_empty() {
        return Ok(0);
    }
    let mut socket = Socket::open(0, ROOM)?;
    let families: BTreeSet<Family> = serving.keys().map(|frontend| Family::of(frontend.address)).collect();
    let mut deleted = 0;
    for family in families {
        let lost = |connection: &Connection| {
            let known = connection.frontends(&is_local).into_iter().flatten().find_map(|it| serving.get(&it));
            known.is_some_and(|serving| !serving.contains(&connection.answering))
        };
        let found = list(&mut socket, family, lost)?;
        deleted += remove(&mut socket, family, &found)?;
    }
    Ok(deleted)
}

/// One connection.
#[derive(Clone, Copy, Debug)]
struct Connection {
    /// To whom its first packet went.
    destination: Target,
    /// Who answers.
    answering: Target,
}

impl Connection {
    fn read(message: &Message<'_>) -> Option<Self> {
        let original = message.attribute(ORIGINAL)?;
        let udp = attribute(attribute(original, PORTS)?, PROTOCOL)? == [Protocol::Udp.number()];
        let destination = end(original, false)?;
        let answering = end(message.attribute(REPLY)?, true)?;
        udp.then_some(Self { destination, answering })
    }

    fn is_wanted(
        &self,
        wanted: &BTreeMap<Frontend, BTreeSet<Option<Target>>>,
        is_local: &impl Fn(IpAddr) -> bool,
    ) -> bool {
        let target = (self.answering != self.destination).then_some(self.answering);
        let has = |frontend: &Frontend| wanted.get(frontend).is_some_and(|targets| targets.contains(&target));
        self.frontends(is_local).iter().flatten().any(has)
    }

    /// What its first packet was for: an address and port, and perhaps a port of the node.
    fn frontends(&self, is_local: &impl Fn(IpAddr) -> bool) -> [Option<Frontend>; 2] {
        let Target { address, port } = self.destination;
        let exact = Frontend { address, protocol: Protocol::Udp, port };
        let any = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        [Some(exact), is_local(address).then_some(Frontend { address: any, ..exact })]
    }
}

/// Source or destination of one direction.
fn end(direction: &[u8], source: bool) -> Option<Target> {
    let (addresses, ports) = (attribute(direction, ADDRESSES)?, attribute(direction, PORTS)?);
    let four = attribute(addresses, if source { 1 } else { 2 });
    let six = attribute(addresses, if source { 3 } else { 4 });
    let address = match (four, six) {
        (Some(bytes), _) => Ipv4Addr::from(*bytes.first_chunk::<4>()?).into(),
        (None, Some(bytes)) => Ipv6Addr::from(*bytes.first_chunk::<16>()?).into(),
        (None, None) => return None,
    };
    let port = attribute(ports, if source { SOURCE_PORT } else { DESTINATION_PORT })?;
    Some(Target { address, port: u16::from_be_bytes(*port.first_chunk()?) })
}

/// What names a connection for its removal: the attributes that the kernel told of it.
type Named = Vec<(u16, Vec<u8>)>;

fn number(family: Family) -> u8 {
    match family {
        Family::Ip => 2,
        Family::Ip6 => 10,
    }
}

fn list(
    socket: &mut Socket,
    family: Family,
    wanted: impl Fn(&Connection) -> bool,
) -> Result<Vec<Named>, Error> {
    let mut writer = Writer::default();
    writer.message(LIST, REQUEST | DUMP, socket.numbers(1), number(family), 0);
    // Kernels before 5.8 tell of all protocols.
    writer.nest(ORIGINAL, |out| out.nest(PORTS, |out| out.put(PROTOCOL, &[Protocol::Udp.number()])));
    writer.nest(FILTER, |out| {
        out.put(BY_ORIGINAL, &BY_PROTOCOL.to_ne_bytes());
        out.put(BY_REPLY, &0_u32.to_ne_bytes());
    });
    let mut found = Vec::new();
    // Connections come and go meanwhile; one that comes now already goes where it should.
    socket.ask("cannot list the connections", &writer.finish(), |message| {
        if Connection::read(message).is_some_and(|connection| wanted(&connection)) {
            let names = |kind: &u16| [ORIGINAL, ID, ZONE].contains(kind);
            let all = message.attributes().filter(|(kind, _)| names(kind));
            found.push(all.map(|(kind, value)| (kind, value.to_vec())).collect());
        }
    })?;
    Ok(found)
}

fn remove(socket: &mut Socket, family: Family, connections: &[Named]) -> Result<usize, Error> {
    let doing = "cannot remove a connection";
    let mut removed = 0;
    for some in connections.chunks(TOGETHER) {
        let first = socket.numbers(u32::try_from(some.len()).expect("a chunk is small"));
        let mut writer = Writer::default();
        for (sequence, connection) in (first..).zip(some) {
            writer.message(REMOVE, REQUEST | ACK, sequence, number(family), 0);
            for (kind, value) in connection {
                writer.put(*kind, value);
            }
        }
        let wrong = |errno: rustix::io::Errno| Error::new(doing, errno.raw_os_error());
        socket.send(&writer.finish()).map_err(wrong)?;
        let (answers, _) = socket.answers(first).map_err(wrong)?;
        for answer in answers {
            match answer.errno {
                0 => removed += 1,
                // It ended meanwhile.
                errno if errno == rustix::io::Errno::NOENT.raw_os_error() => {}
                errno => return Err(Error { doing, errno, said: answer.said }),
            }
        }
    }
    Ok(removed)
}
