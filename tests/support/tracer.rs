//! Follows a packet through a ruleset, as the kernel would: what becomes of it? Knows chains, rules, sets and maps, and
//! nothing of how they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use slipway::l4::ruleset::{
    Action, ChainId, Element, Family, Fields, Frontend, Hook, HookType, Key, Match, Protocol, Ruleset, SetId,
    SetKind, Target, Value, Verdict,
};

/// How a packet gets into the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// It arrives: from a pod or from another machine.
    Elsewhere,
    /// The node itself sends it.
    Node,
}

/// What conntrack calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    New,
    Established,
    Invalid,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) from: From,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    pub(crate) state: State,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Sent {
        to: Target,
        masqueraded: bool,
    },
    Dropped,
    Rejected,
    /// It goes where it wanted to go.
    Untouched,
}

/// A node with these rules.
pub(crate) struct Tracer {
    rules: Ruleset,
    sets: BTreeMap<(Family, SetId), BTreeMap<Key, Value>>,
    addresses: Vec<IpAddr>,
    /// What the kernel remembers.
    pub(crate) affinity: BTreeMap<Key, Target>,
}

impl Tracer {
    /// A node that has these addresses, beside the loopback ones.
    pub(crate) fn new(rules: &Ruleset, addresses: &[IpAddr]) -> Self {
        let addresses = addresses.to_vec();
        let mut tracer =
            Self { rules: Ruleset::default(), sets: BTreeMap::new(), addresses, affinity: BTreeMap::new() };
        tracer.load(rules);
        tracer
    }

    /// Replaces the rules; what the kernel remembers stays. Refuses what the kernel would refuse.
    pub(crate) fn load(&mut self, rules: &Ruleset) {
        self.sets = rules.sets.iter().map(|set| (*set, BTreeMap::new())).collect();
        for Element { family, set, key, value } in rules.elements() {
            if let Value::Verdict(Verdict::Goto(chain)) = value {
                assert!(rules.chains.contains_key(&(*family, *chain)), "{key}: no chain {chain}");
            }
            let known = self.sets.get_mut(&(*family, *set)).unwrap_or_else(|| panic!("no set {set}"));
            assert!(known.insert(key.clone(), *value).is_none(), "{family} {set}: {key} is there twice");
        }
        for ((_, set), keys) in self.sets.iter().filter(|((_, set), _)| set.kind() == SetKind::Ranges) {
            let ranges: Vec<(Option<Frontend>, IpNet)> = keys.keys().map(range).collect();
            for (at, (frontend, range)) in ranges.iter().enumerate() {
                let overlap = |(other, net): &&(Option<Frontend>, IpNet)| {
                    other == frontend && (net.contains(range) || range.contains(net))
                };
                let other = ranges[..at].iter().find(overlap);
                assert!(other.is_none(), "{set}: {range} overlaps {other:?}");
            }
        }
        self.rules = rules.clone();
    }

    /// Everything that may become of the packet, whatever the random number. Nothing is remembered.
    pub(crate) fn trace(&self, packet: Packet) -> BTreeSet<Fate> {
        let (fate, numbers) = self.follow(packet, 0).end();
        let more = (1..numbers).map(|random| self.follow(packet, random).end().0);
        more.chain([fate]).collect()
    }

    /// What becomes of the packet with that random number; the kernel remembers it.
    pub(crate) fn send(&mut self, packet: Packet, random: u32) -> Fate {
        let run = self.follow(packet, random);
        let (remembered, fate) = (run.remembered.clone(), run.end().0);
        self.affinity.extend(remembered);
        fate
    }

    fn follow(&self, packet: Packet, random: u32) -> Run<'_> {
        let mut run = Run {
            tracer: self,
            family: Family::of(packet.destination),
            packet,
            destination: packet.destination,
            port: packet.port,
            random,
            numbers: 1,
            translated: false,
            masqueraded: false,
            remembered: Vec::new(),
            end: None,
        };
        run.through_the_hooks();
        run
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }
}

fn range(key: &Key) -> (Option<Frontend>, IpNet) {
    match key {
        Key::Range(address, length) => (None, IpNet::new(*address, *length).unwrap()),
        Key::Sources(frontend, address, length) => (Some(*frontend), IpNet::new(*address, *length).unwrap()),
        other => panic!("{other} is not a range"),
    }
}

/// How a chain ends.
#[derive(Clone, Copy)]
enum End {
    Accept,
    Drop,
    Reject,
}

struct Run<'a> {
    tracer: &'a Tracer,
    family: Family,
    packet: Packet,
    destination: IpAddr,
    port: u16,
    random: u32,
    /// Among how many the random number chose.
    numbers: u32,
    translated: bool,
    masqueraded: bool,
    remembered: Vec<(Key, Target)>,
    end: Option<Fate>,
}

impl Run<'_> {
    fn end(self) -> (Fate, u32) {
        let to = Target { address: self.destination, port: self.port };
        let sent = Fate::Sent { to, masqueraded: self.masqueraded };
        assert!(self.translated || !self.masqueraded, "masquerades what is not ours: {:?}", self.packet);
        (self.end.unwrap_or(if self.translated { sent } else { Fate::Untouched }), self.numbers)
    }

    fn through_the_hooks(&mut self) {
        let own = |run: &Self| run.tracer.is_own(run.destination);
        if self.packet.from == From::Node {
            self.hook(Hook::Output, true);
            self.hook(Hook::Postrouting, true);
            if own(self) {
                // Over the loopback: the connection has its addresses already.
                self.hook(Hook::Prerouting, false);
                self.hook(Hook::Input, false);
            }
            return;
        }
        self.hook(Hook::Prerouting, true);
        if own(self) {
            self.hook(Hook::Input, true);
        } else {
            self.hook(Hook::Forward, true);
            self.hook(Hook::Postrouting, true);
        }
    }

    fn hook(&mut self, hook: Hook, nat: bool) {
        let chains = self.tracer.rules.chains.iter().filter(|((family, _), _)| *family == self.family);
        let chains = chains.filter_map(|((_, id), chain)| Some((chain.base?, *id)));
        let mut chains: Vec<_> = chains.filter(|(base, _)| base.hook == hook).collect();
        chains.sort_by_key(|(base, _)| base.priority);
        for (base, id) in chains {
            let skipped = base.kind == HookType::Nat && (!nat || self.packet.state != State::New);
            if self.end.is_some() || skipped {
                continue;
            }
            match self.chain(id) {
                None | Some(End::Accept) => {}
                Some(End::Drop) => self.end = Some(Fate::Dropped),
                Some(End::Reject) => self.end = Some(Fate::Rejected),
            }
        }
    }

    /// `None`: the end of the chain was reached.
    fn chain(&mut self, id: ChainId) -> Option<End> {
        let chain = self.tracer.rules.chains.get(&(self.family, id));
        let chain = chain.unwrap_or_else(|| panic!("no chain {id}")).clone();
        for rule in &chain.rules {
            if !rule.matches.iter().all(|known| self.matches(*known)) {
                continue;
            }
            match rule.action {
                Action::Jump(other) => {
                    if let Some(end) = self.chain(other) {
                        return Some(end);
                    }
                }
                Action::Goto(other) => return self.chain(other),
                Action::Return => return None,
                Action::Drop => return Some(End::Drop),
                Action::Reject | Action::Reset => return Some(End::Reject),
                Action::Masquerade => {
                    self.masqueraded = true;
                    return Some(End::Accept);
                }
                Action::Lookup(fields, map) => match self.value(map, &self.key(fields)) {
                    None => {}
                    Some(Value::Verdict(Verdict::Goto(other))) => return self.chain(other),
                    Some(Value::Verdict(Verdict::Drop)) => return Some(End::Drop),
                    Some(other) => panic!("{map} is no verdict map: {other:?}"),
                },
                Action::Send { pool, any, count } => {
                    self.numbers = self.numbers.max(count);
                    if let Some(Value::Target(target)) =
                        self.value(pool.set(), &self.key(Fields::Slot { any, count }))
                    {
                        return Some(self.translate(target));
                    }
                }
                Action::SendAsBefore { any } => {
                    let key = self.key(Fields::FrontendSource { any });
                    if let Some(target) = self.tracer.affinity.get(&key) {
                        return Some(self.translate(*target));
                    }
                }
                Action::Remember { any, seconds } => {
                    assert!(seconds > 0);
                    let key = self.key(Fields::OriginalFrontendSource { any });
                    self.remembered.push((key, Target { address: self.destination, port: self.port }));
                }
            }
        }
        None
    }

    fn translate(&mut self, target: Target) -> End {
        assert_eq!(Family::of(target.address), self.family, "an endpoint of the other family");
        (self.destination, self.port, self.translated) = (target.address, target.port, true);
        End::Accept
    }

    fn matches(&self, known: Match) -> bool {
        match known {
            Match::Transport => {
                matches!(self.packet.protocol, Protocol::Tcp | Protocol::Udp | Protocol::Sctp)
            }
            Match::Tcp => self.packet.protocol == Protocol::Tcp,
            Match::New => self.packet.state == State::New,
            Match::Invalid => self.packet.state == State::Invalid,
            Match::Translated => self.translated,
            Match::SourceIsNode(is) => self.tracer.is_own(self.packet.source) == is,
            Match::DestinationIsNode => self.tracer.is_own(self.destination),
            Match::NotLoopback => !self.destination.is_loopback(),
            Match::In(fields, set, is) => self.contains(set, &self.key(fields)) == is,
        }
    }

    /// The key that the kernel makes of the packet.
    fn key(&self, fields: Fields) -> Key {
        let frontend = |any: bool, address: IpAddr, port: u16| {
            let unspecified = match self.family {
                Family::Ip => IpAddr::from([0; 4]),
                Family::Ip6 => IpAddr::from([0; 16]),
            };
            let address = if any { unspecified } else { address };
            Frontend { address, protocol: self.packet.protocol, port }
        };
        let now = |any| frontend(any, self.destination, self.port);
        let before = |any| frontend(any, self.packet.destination, self.packet.port);
        match fields {
            Fields::Source => Key::Address(self.packet.source),
            Fields::Destination => Key::Address(self.destination),
            Fields::Frontend { any } => Key::Frontend(now(any)),
            Fields::OriginalFrontend { any } => Key::Frontend(before(any)),
            Fields::OriginalDestination => Key::Address(self.packet.destination),
            Fields::Slot { any, count } => Key::Slot(now(any), self.random % count),
            Fields::FrontendSource { any } => Key::Client(now(any), self.packet.source),
            Fields::OriginalFrontendSource { any } => Key::Client(before(any), self.packet.source),
            Fields::Pair => Key::Pair(self.packet.source, self.destination),
        }
    }

    fn value(&self, map: SetId, key: &Key) -> Option<Value> {
        self.set(map).get(key).copied()
    }

    fn contains(&self, set: SetId, key: &Key) -> bool {
        let keys = self.set(set);
        if set.kind() != SetKind::Ranges {
            return keys.contains_key(key);
        }
        keys.keys().map(range).any(|(frontend, range)| match key {
            Key::Address(address) => range.contains(address),
            Key::Client(wanted, source) => frontend == Some(*wanted) && range.contains(source),
            other => panic!("{other} cannot be in the ranges of {set}"),
        })
    }

    fn set(&self, set: SetId) -> &BTreeMap<Key, Value> {
        self.tracer.sets.get(&(self.family, set)).unwrap_or_else(|| panic!("no set {set}"))
    }
}
