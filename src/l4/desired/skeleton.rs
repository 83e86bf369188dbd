//! The chains and sets, which are the same whatever Services there are, and those of the classes of Services in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::elements::Drawn;
use super::node::Facts;
use crate::l4::ruleset::{
    Action, Base, Chain, ChainId, Family, Fields, Hook, HookType, Match, Pick, Rule, SetId,
};

/// How many Services use what is not always there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) picks: BTreeMap<(Family, Pick), u32>,
    pub(super) sticky: BTreeMap<(Family, u32), u32>,
}

impl Usage {
    /// One Service uses other classes than before.
    pub(super) fn replace(&mut self, former: &Drawn, now: &Drawn) {
        count(&mut self.picks, &former.picks, &now.picks);
        count(&mut self.sticky, &former.sticky, &now.sticky);
    }
}

fn count<T: Clone + Ord>(counts: &mut BTreeMap<T, u32>, former: &BTreeSet<T>, now: &BTreeSet<T>) {
    for class in now.difference(former) {
        *counts.entry(class.clone()).or_default() += 1;
    }
    for class in former.difference(now) {
        let Some(count) = counts.get_mut(class) else { continue };
        *count -= 1;
        if *count == 0 {
            counts.remove(class);
        }
    }
}

/// Every set.
pub(super) fn sets(usage: &Usage) -> BTreeSet<(Family, SetId)> {
    let fixed = Family::ALL.into_iter().flat_map(|family| SetId::FIXED.map(|set| (family, set)));
    fixed.chain(usage.sticky.keys().map(|(family, seconds)| (*family, SetId::Sticky(*seconds)))).collect()
}

/// Every chain; those that are the same as before are shared.
pub(super) fn chains(
    facts: &Facts,
    usage: &Usage,
    former: &BTreeMap<(Family, ChainId), Arc<Chain>>,
) -> BTreeMap<(Family, ChainId), Arc<Chain>> {
    let fixed = Family::ALL.into_iter().flat_map(|family| ChainId::FIXED.map(|id| (family, id)));
    let picks = usage.picks.keys().flat_map(|(family, pick)| {
        // A client that is not remembered goes on to the plain chain.
        [*pick, Pick { sticky: false, ..*pick }].map(|pick| (*family, ChainId::Pick(pick)))
    });
    let all: BTreeSet<_> = fixed.chain(picks).collect();
    let chain = |(family, id)| {
        let base = base(id);
        let chain = Chain { base, rules: rules(family, id, facts, usage) };
        let same = former.get(&(family, id)).filter(|known| ***known == chain);
        ((family, id), same.cloned().unwrap_or_else(|| Arc::new(chain)))
    };
    all.into_iter().map(chain).collect()
}

fn base(id: ChainId) -> Option<Base> {
    let (kind, hook, priority) = match id {
        ChainId::FilterPrerouting => (HookType::Filter, Hook::Prerouting, -110),
        ChainId::FilterOutputEarly => (HookType::Filter, Hook::Output, -110),
        ChainId::NatPrerouting => (HookType::Nat, Hook::Prerouting, -100),
        ChainId::NatOutput => (HookType::Nat, Hook::Output, -100),
        // Before others who masquerade at 100: after the first that does, no chain of this kind sees the packet.
        ChainId::NatInput => (HookType::Nat, Hook::Input, 99),
        ChainId::NatPostrouting => (HookType::Nat, Hook::Postrouting, 99),
        ChainId::FilterForward => (HookType::Filter, Hook::Forward, 0),
        ChainId::FilterInput => (HookType::Filter, Hook::Input, 0),
        ChainId::FilterOutput => (HookType::Filter, Hook::Output, 0),
        _ => return None,
    };
    Some(Base { kind, hook, priority })
}

fn rules(family: Family, id: ChainId, facts: &Facts, usage: &Usage) -> Vec<Rule> {
    match id {
        ChainId::FilterPrerouting | ChainId::FilterOutputEarly => {
            vec![rule([Match::New], Action::Jump(ChainId::Restricting), "source ranges of load balancers")]
        }
        ChainId::NatPrerouting | ChainId::NatOutput => {
            vec![rule([], Action::Jump(ChainId::Services), "Services")]
        }
        ChainId::NatInput => vec![remember()],
        ChainId::NatPostrouting => vec![
            remember(),
            rule([Match::Translated], Action::Jump(ChainId::Masquerading), "whose source is replaced"),
        ],
        ChainId::FilterForward => forward(facts),
        ChainId::FilterInput => vec![
            rule(
                [Match::New, is_in(FRONTEND, SetId::NoEndpoints)],
                Action::Goto(ChainId::Rejecting),
                "no endpoints",
            ),
            unserved(ChainId::UnservedNodePorts, "NodePorts without endpoints"),
        ],
        ChainId::FilterOutput => vec![
            unserved(ChainId::UnservedNodePorts, "NodePorts without endpoints"),
            unserved(ChainId::Unserved, "Services without endpoints"),
        ],
        ChainId::Restricting => vec![rule(
            [
                is_in(FRONTEND, SetId::Restricted),
                Match::In(Fields::FrontendSource { any: false }, SetId::AllowedSources, false),
            ],
            Action::Drop,
            "client outside loadBalancerSourceRanges",
        )],
        ChainId::Services => services(),
        ChainId::NodePorts => lookups(true),
        ChainId::Remembering => remembering(family, usage),
        ChainId::Masquerading => masquerading(family, facts),
        ChainId::Unserved | ChainId::UnservedNodePorts | ChainId::Rejecting => refusing(id),
        ChainId::Pick(pick) => picking(pick),
    }
}

/// What has no endpoint.
fn refusing(id: ChainId) -> Vec<Rule> {
    match id {
        ChainId::Unserved => vec![
            rule([is_in(FRONTEND, SetId::NoEndpoints)], Action::Goto(ChainId::Rejecting), "no endpoints"),
            rule(
                [is_in(Fields::Destination, SetId::ClusterIps)],
                Action::Goto(ChainId::Rejecting),
                "a port that the Service does not have",
            ),
            rule(
                [is_in(Fields::Destination, SetId::ServiceRanges)],
                Action::Drop,
                "an address that no Service has",
            ),
        ],
        ChainId::UnservedNodePorts => {
            let mut matches = NODE.to_vec();
            matches.push(is_in(NODE_PORT, SetId::NoEndpoints));
            vec![rule(matches, Action::Goto(ChainId::Rejecting), "NodePort without endpoints")]
        }
        _ => vec![
            rule([Match::Tcp], Action::Reset, "connection refused"),
            rule([], Action::Reject, "port unreachable"),
        ],
    }
}

const FRONTEND: Fields = Fields::Frontend { any: false };
const NODE_PORT: Fields = Fields::Frontend { any: true };
const ORIGINAL: Fields = Fields::OriginalFrontend { any: false };
const ORIGINAL_NODE_PORT: Fields = Fields::OriginalFrontend { any: true };

/// It is for an address of the node that answers NodePorts. The set comes first: it rules out most packets.
const NODE: [Match; 3] =
    [is_in(Fields::Destination, SetId::NodePortAddresses), Match::NotLoopback, Match::DestinationIsNode];

const fn is_in(fields: Fields, set: SetId) -> Match {
    Match::In(fields, set, true)
}

fn rule(matches: impl Into<Vec<Match>>, action: Action, comment: &'static str) -> Rule {
    Rule { matches: matches.into(), action, comment }
}

fn remember() -> Rule {
    rule([Match::Translated], Action::Jump(ChainId::Remembering), "session affinity")
}

fn unserved(chain: ChainId, comment: &'static str) -> Rule {
    rule([Match::New], Action::Jump(chain), comment)
}

fn forward(facts: &Facts) -> Vec<Rule> {
    let unserved = unserved(ChainId::Unserved, "Services without endpoints");
    if facts.liberal {
        return vec![unserved];
    }
    let comment = "would leave with an address that the other side does not know";
    vec![rule([Match::Invalid], Action::Drop, comment), unserved]
}

fn services() -> Vec<Rule> {
    let mut rules = lookups(false);
    rules.push(rule(NODE, Action::Goto(ChainId::NodePorts), "NodePorts"));
    rules
}

/// From the destination, or the port of the node, to what becomes of it.
fn lookups(any: bool) -> Vec<Rule> {
    let fields = Fields::Frontend { any };
    vec![
        rule(
            [Match::In(Fields::Source, SetId::Pods, false), Match::SourceIsNode(false)],
            Action::Lookup(fields, SetId::OutsideServices),
            "from outside, policy Local",
        ),
        rule([], Action::Lookup(fields, SetId::Services), "everybody else"),
    ]
}

fn remembering(family: Family, usage: &Usage) -> Vec<Rule> {
    let times = usage.sticky.keys().filter(|(of, _)| *of == family).map(|(_, seconds)| *seconds);
    let times: Vec<u32> = times.collect();
    let update = |matches: &[Match], any, seconds: u32| {
        let fields = Fields::OriginalFrontend { any };
        let sticky = is_in(fields, SetId::Sticky(seconds));
        rule([matches, &[sticky]].concat(), Action::Remember { any, seconds }, "session affinity")
    };
    if times.is_empty() {
        return Vec::new();
    }
    let mut rules: Vec<Rule> = times.iter().map(|time| update(&[Match::Transport], false, *time)).collect();
    // What was meant for an address of a Service may have the number of somebody's NodePort.
    let not_node_port = "not a NodePort";
    let cluster_ip = is_in(Fields::OriginalDestination, SetId::ClusterIps);
    rules.push(rule([cluster_ip], Action::Return, not_node_port));
    for set in [SetId::Masqueraded, SetId::MasqueradedLocal] {
        rules.push(rule([Match::Transport, is_in(ORIGINAL, set)], Action::Return, not_node_port));
    }
    rules.extend(times.iter().map(|time| update(&[Match::Transport, NODE_BEFORE], true, *time)));
    rules
}

/// It was for an address of the node.
const NODE_BEFORE: Match = is_in(Fields::OriginalDestination, SetId::NodePortAddresses);

fn masquerading(family: Family, facts: &Facts) -> Vec<Rule> {
    let cluster_ip = is_in(Fields::OriginalDestination, SetId::ClusterIps);
    let mut rules = vec![rule([is_in(Fields::Pair, SetId::Hairpin)], Action::Masquerade, "to itself")];
    if facts.masquerade_all {
        rules.push(rule([cluster_ip], Action::Masquerade, "ClusterIP, --masquerade-all"));
    } else if facts.knows_pods(family) {
        let not_a_pod = Match::In(Fields::Source, SetId::Pods, false);
        rules.push(rule([cluster_ip, not_a_pod], Action::Masquerade, "ClusterIP, not from a pod"));
    }
    rules.push(rule([cluster_ip], Action::Return, "ClusterIP: the source is kept"));
    let places: [(&[Match], Fields); 2] =
        [(&[Match::Transport], ORIGINAL), (&[Match::Transport, NODE_BEFORE], ORIGINAL_NODE_PORT)];
    for (matches, fields) in places {
        let local = is_in(fields, SetId::MasqueradedLocal);
        let cluster = [matches, &[is_in(fields, SetId::Masqueraded)]].concat();
        let from_node = [matches, &[local, Match::SourceIsNode(true)]].concat();
        rules.push(rule(cluster, Action::Masquerade, "policy Cluster"));
        rules.push(rule(from_node, Action::Masquerade, "policy Local, from this node"));
        if fields == ORIGINAL {
            // Not a NodePort, though somebody's may have the same number.
            let rest = [matches, &[local]].concat();
            rules.push(rule(rest, Action::Return, "policy Local: the client's address is kept"));
        }
    }
    rules
}

fn picking(pick: Pick) -> Vec<Rule> {
    let Pick { pool, node_port: any, sticky, count } = pick;
    if sticky {
        let plain = ChainId::Pick(Pick { sticky: false, ..pick });
        return vec![
            rule([Match::Transport], Action::SendAsBefore { any }, "where the client was before"),
            rule([], Action::Goto(plain), "a client that is not known"),
        ];
    }
    let send = |count, comment| rule([Match::Transport], Action::Send { pool, any, count }, comment);
    let mut rules = vec![send(count, "one of the endpoints")];
    if count > 1 {
        // Chosen by the number of one transaction among the endpoints of the next.
        rules.push(send(1, "the number is just changing: the first one"));
    }
    rules
}
