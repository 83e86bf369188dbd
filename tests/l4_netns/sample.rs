//! A small ruleset of the layout that is in use, made by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use slipway::l4::ruleset::{
    Action, Base, Chain, ChainId, Element, Family, Fields, Frontend, Hook, HookType, Key, Match, Pick, Pool,
    Protocol, Rule, Ruleset, SetId, Target, Value, Verdict,
};

/// For how long clients of sticky frontends are remembered.
pub(crate) const STICKY: u32 = 600;

/// What addresses begin with, in each family.
pub(crate) fn address(family: Family, text: &str) -> IpAddr {
    let prefix = match family {
        Family::Ip => "10.",
        Family::Ip6 => "fd00::10:",
    };
    let separator = if family == Family::Ip { "." } else { ":" };
    format!("{prefix}{}", text.replace('.', separator)).parse().unwrap()
}

pub(crate) fn frontend(family: Family, text: &str, protocol: Protocol, port: u16) -> Frontend {
    Frontend { address: address(family, text), protocol, port }
}

pub(crate) fn node_port(family: Family, protocol: Protocol, port: u16) -> Frontend {
    let address = if family == Family::Ip { "0.0.0.0" } else { "::" };
    Frontend { address: address.parse().unwrap(), protocol, port }
}

fn base(kind: HookType, hook: Hook, priority: i32) -> Option<Base> {
    Some(Base { kind, hook, priority })
}

fn rule(matches: &[Match], action: Action, comment: &'static str) -> Rule {
    Rule { matches: matches.to_vec(), action, comment }
}

fn pick(pool: Pool, node_port: bool, sticky: bool, count: u32) -> (ChainId, Vec<Rule>) {
    let id = ChainId::Pick(Pick { pool, node_port, sticky, count });
    let send =
        |count| rule(&[Match::Transport], Action::Send { pool, any: node_port, count }, "any endpoint");
    if sticky {
        let next = ChainId::Pick(Pick { pool, node_port, sticky: false, count });
        let before = rule(&[Match::Transport], Action::SendAsBefore { any: node_port }, "as before");
        return (id, vec![before, rule(&[], Action::Goto(next), "new client")]);
    }
    let mut rules = vec![send(count)];
    if count > 1 {
        rules.push(send(1));
    }
    (id, rules)
}

const F: Fields = Fields::Frontend { any: false };
const A: Fields = Fields::Frontend { any: true };
const O: Fields = Fields::OriginalFrontend { any: false };
const OA: Fields = Fields::OriginalFrontend { any: true };
const OUTSIDE: [Match; 2] = [Match::In(Fields::Source, SetId::Pods, false), Match::SourceIsNode(false)];

fn base_chains() -> Vec<(ChainId, Option<Base>, Vec<Rule>)> {
    use {ChainId as C, Hook as H, HookType as T};
    let jump = |matches: &[Match], to| rule(matches, Action::Jump(to), "on its way");
    let unserved = rule(
        &[Match::New, Match::In(F, SetId::NoEndpoints, true)],
        Action::Goto(C::Rejecting),
        "no endpoint",
    );
    vec![
        (
            C::FilterPrerouting,
            base(T::Filter, H::Prerouting, -110),
            vec![jump(&[Match::New], C::Restricting)],
        ),
        (C::FilterOutputEarly, base(T::Filter, H::Output, -110), vec![jump(&[Match::New], C::Restricting)]),
        (C::NatPrerouting, base(T::Nat, H::Prerouting, -100), vec![jump(&[], C::Services)]),
        (C::NatOutput, base(T::Nat, H::Output, -100), vec![jump(&[], C::Services)]),
        (C::NatInput, base(T::Nat, H::Input, 100), vec![jump(&[Match::Translated], C::Remembering)]),
        (
            C::NatPostrouting,
            base(T::Nat, H::Postrouting, 100),
            vec![jump(&[Match::Translated], C::Remembering), jump(&[Match::Translated], C::Masquerading)],
        ),
        (
            C::FilterForward,
            base(T::Filter, H::Forward, 0),
            vec![rule(&[Match::Invalid], Action::Drop, "late"), jump(&[Match::New], C::Unserved)],
        ),
        (
            C::FilterInput,
            base(T::Filter, H::Input, 0),
            vec![unserved, jump(&[Match::New], C::UnservedNodePorts)],
        ),
        (
            C::FilterOutput,
            base(T::Filter, H::Output, 0),
            vec![jump(&[Match::New], C::UnservedNodePorts), jump(&[Match::New], C::Unserved)],
        ),
    ]
}

fn to_node() -> Vec<Match> {
    let addresses = Match::In(Fields::Destination, SetId::NodePortAddresses, true);
    vec![addresses, Match::NotLoopback, Match::DestinationIsNode]
}

fn remembering() -> Vec<Rule> {
    let at_node = Match::In(Fields::OriginalDestination, SetId::NodePortAddresses, true);
    let sticky = SetId::Sticky(STICKY);
    vec![
        rule(
            &[Match::Transport, Match::In(O, sticky, true)],
            Action::Remember { any: false, seconds: STICKY },
            "client stays",
        ),
        rule(
            &[Match::Transport, at_node, Match::In(OA, sticky, true)],
            Action::Remember { any: true, seconds: STICKY },
            "client of a node port stays",
        ),
    ]
}

fn masquerading() -> Vec<Rule> {
    let cluster = Match::In(Fields::OriginalDestination, SetId::ClusterIps, true);
    let at_node = Match::In(Fields::OriginalDestination, SetId::NodePortAddresses, true);
    let not_pod = Match::In(Fields::Source, SetId::Pods, false);
    let local = Match::SourceIsNode(true);
    let masquerade = |matches: &[Match], why| rule(matches, Action::Masquerade, why);
    vec![
        masquerade(&[Match::In(Fields::Pair, SetId::Hairpin, true)], "to itself"),
        masquerade(&[cluster, not_pod], "not a pod"),
        rule(&[cluster], Action::Return, "pods keep their address"),
        masquerade(&[Match::Transport, Match::In(O, SetId::Masqueraded, true)], "policy Cluster"),
        masquerade(&[Match::Transport, Match::In(O, SetId::MasqueradedLocal, true), local], "from the node"),
        masquerade(&[Match::Transport, at_node, Match::In(OA, SetId::Masqueraded, true)], "node port"),
    ]
}

fn regular_chains() -> Vec<(ChainId, Option<Base>, Vec<Rule>)> {
    use ChainId as C;
    let outside = |fields| {
        rule(&OUTSIDE, Action::Lookup(fields, SetId::OutsideServices), "from outside to policy Local")
    };
    let reject = |matches: &[Match]| rule(matches, Action::Goto(C::Rejecting), "refuse");
    let restricting = rule(
        &[
            Match::In(F, SetId::Restricted, true),
            Match::In(Fields::FrontendSource { any: false }, SetId::AllowedSources, false),
        ],
        Action::Drop,
        "source ranges",
    );
    let mut unserved_node_ports = to_node();
    unserved_node_ports.push(Match::In(A, SetId::NoEndpoints, true));
    let mut chains = vec![
        (C::Restricting, vec![restricting]),
        (
            C::Services,
            vec![
                outside(F),
                rule(&[], Action::Lookup(F, SetId::Services), "services"),
                rule(&to_node(), Action::Goto(C::NodePorts), "ports of the node"),
            ],
        ),
        (C::NodePorts, vec![outside(A), rule(&[], Action::Lookup(A, SetId::Services), "ports of the node")]),
        (C::Remembering, remembering()),
        (C::Masquerading, masquerading()),
        (
            C::Unserved,
            vec![
                reject(&[Match::In(F, SetId::NoEndpoints, true)]),
                reject(&[Match::In(Fields::Destination, SetId::ClusterIps, true)]),
                rule(
                    &[Match::In(Fields::Destination, SetId::ServiceRanges, true)],
                    Action::Drop,
                    "nobody has this address",
                ),
            ],
        ),
        (C::UnservedNodePorts, vec![reject(&unserved_node_ports)]),
        (
            C::Rejecting,
            vec![
                rule(&[Match::Tcp], Action::Reset, "connection refused"),
                rule(&[], Action::Reject, "port unreachable"),
            ],
        ),
    ];
    chains.extend([
        pick(Pool::All, false, false, 1),
        pick(Pool::All, false, false, 2),
        pick(Pool::All, false, true, 2),
        pick(Pool::All, true, true, 2),
        pick(Pool::All, true, false, 2),
        pick(Pool::Local, true, false, 1),
    ]);
    chains.into_iter().map(|(id, rules)| (id, None, rules)).collect()
}

/// The sticky frontend of the sample.
pub(crate) fn sticky(family: Family) -> Frontend {
    frontend(family, "96.0.3", Protocol::Udp, 53)
}

/// The elements of one family: three Services, a port of the node, ranges.
pub(crate) fn elements(family: Family) -> (Vec<Element>, Vec<Element>) {
    let make = |set, key, value| Element { family, set, key, value };
    let plain = |set, frontend| make(set, Key::Frontend(frontend), Value::None);
    let to = |set, frontend, pool, sticky, count| {
        let pick = Pick { pool, node_port: Frontend::is_node_port(&frontend), sticky, count };
        make(set, Key::Frontend(frontend), Value::Verdict(Verdict::Goto(ChainId::Pick(pick))))
    };
    let endpoint = |set, frontend, index, text, port| {
        let target = Target { address: address(family, text), port };
        make(set, Key::Slot(frontend, index), Value::Target(target))
    };
    let web = frontend(family, "96.0.1", Protocol::Tcp, 80);
    let empty = frontend(family, "96.0.2", Protocol::Sctp, 443);
    let dns = sticky(family);
    let balancer = frontend(family, "200.0.1", Protocol::Tcp, 80);
    let node = node_port(family, Protocol::Udp, 30053);
    let wide = if family == Family::Ip { 16 } else { 112 };
    let mut own = vec![
        to(SetId::Services, web, Pool::All, false, 1),
        endpoint(SetId::Endpoints, web, 0, "0.1.1", 8080),
        make(SetId::ClusterIps, Key::Address(web.address), Value::None),
        plain(SetId::NoEndpoints, empty),
        make(SetId::ClusterIps, Key::Address(empty.address), Value::None),
        to(SetId::Services, dns, Pool::All, true, 2),
        endpoint(SetId::Endpoints, dns, 0, "0.1.2", 5353),
        endpoint(SetId::Endpoints, dns, 1, "0.1.3", 5353),
        plain(SetId::Sticky(STICKY), dns),
        make(SetId::ClusterIps, Key::Address(dns.address), Value::None),
        to(SetId::Services, node, Pool::All, true, 2),
        to(SetId::OutsideServices, node, Pool::Local, false, 1),
        endpoint(SetId::Endpoints, node, 0, "0.1.2", 5353),
        endpoint(SetId::Endpoints, node, 1, "0.1.3", 5353),
        endpoint(SetId::LocalEndpoints, node, 0, "0.1.2", 5353),
        plain(SetId::Sticky(STICKY), node),
        plain(SetId::MasqueradedLocal, node),
        to(SetId::Services, balancer, Pool::All, false, 1),
        endpoint(SetId::Endpoints, balancer, 0, "0.1.1", 8080),
        plain(SetId::Masqueraded, balancer),
        plain(SetId::Restricted, balancer),
        make(SetId::OutsideServices, Key::Frontend(web), Value::Verdict(Verdict::Drop)),
        make(SetId::AllowedSources, Key::Sources(balancer, address(family, "7.0.0"), wide), Value::None),
        make(SetId::AllowedSources, Key::Sources(balancer, address(family, "9.0.7"), wide + 16), Value::None),
    ];
    own.sort();
    let range = |set, text: &str, length| make(set, Key::Range(address(family, text), length), Value::None);
    let everywhere = if family == Family::Ip { "0.0.0.0" } else { "::" };
    let local = address(family, "0.1.2");
    let mut shared = vec![
        make(SetId::Hairpin, Key::Pair(local, local), Value::None),
        range(SetId::Pods, "0.0.0", wide),
        range(SetId::Pods, "1.0.0", wide),
        range(SetId::Pods, "3.0.1", wide + 16),
        range(SetId::ServiceRanges, "96.0.0", wide),
        make(SetId::NodePortAddresses, Key::Range(everywhere.parse().unwrap(), 0), Value::None),
    ];
    shared.sort();
    (own, shared)
}

/// The whole.
pub(crate) fn ruleset() -> Ruleset {
    let mut sets = BTreeSet::new();
    let mut chains = BTreeMap::new();
    let mut whole = Ruleset::default();
    for family in Family::ALL {
        sets.extend(SetId::FIXED.into_iter().chain([SetId::Sticky(STICKY)]).map(|set| (family, set)));
        for (id, base, rules) in base_chains().into_iter().chain(regular_chains()) {
            chains.insert((family, id), Arc::new(Chain { base, rules }));
        }
        let (own, shared) = elements(family);
        whole.groups.insert(format!("default/{family}").into(), own.into());
        whole.shared.extend(shared.into_iter().map(|element| (element, 1)));
    }
    Ruleset { chains, sets, ..whole }
}
