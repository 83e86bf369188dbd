use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::super::ruleset::{
    Action, Frontend, Hook, HookType, Key, Pick, Pool, Protocol, Rule, Target, Value, Verdict,
};
use super::*;

/// A kernel that is as strict as the real one.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kernel {
    tables: BTreeSet<Family>,
    sets: BTreeSet<Place<SetId>>,
    chains: BTreeMap<Place<ChainId>, (Option<Base>, Vec<Rule>)>,
    elements: BTreeMap<(Family, SetId, Key), Value>,
}

impl Kernel {
    fn run(&mut self, commands: &[Command]) {
        for command in commands {
            self.step(command);
        }
        for (family, to) in self.references() {
            assert!(self.chains.contains_key(&(family, to)), "{family} {to} is led to");
        }
    }

    fn step(&mut self, command: &Command) {
        match command {
            Command::AddTable(family) => drop(self.tables.insert(*family)),
            Command::DeleteTable(family) => {
                assert!(self.tables.remove(family), "{command:?}");
                self.sets.retain(|(of, _)| of != family);
                self.chains.retain(|(of, _), _| of != family);
                self.elements.retain(|(of, ..), _| of != family);
            }
            Command::AddSet(family, set) => {
                assert!(self.tables.contains(family), "{command:?}");
                self.sets.insert((*family, *set));
            }
            Command::DeleteSet(family, set) => {
                assert!(self.sets.remove(&(*family, *set)), "{command:?}");
                self.elements.retain(|(of, of_set, _), _| (of, of_set) != (family, set));
            }
            Command::AddChain(family, chain, base) => {
                assert!(self.tables.contains(family), "{command:?}");
                let there = self.chains.entry((*family, *chain)).or_insert((*base, Vec::new()));
                assert_eq!(there.0, *base, "{command:?}");
            }
            Command::FlushChain(family, chain) => {
                self.chains.get_mut(&(*family, *chain)).expect("the chain is there").1.clear();
            }
            Command::DeleteChain(family, chain) => {
                assert!(!self.references().contains(&(*family, *chain)), "{command:?}");
                let (_, rules) = self.chains.remove(&(*family, *chain)).expect("the chain is there");
                assert!(rules.is_empty(), "{command:?}");
            }
            Command::AddRule(family, id, chain, at) => {
                let there = self.chains.get_mut(&(*family, *id)).expect("the chain is there");
                there.1.push(chain.rules[*at].clone());
            }
            Command::AddElement(_, element) => {
                assert!(self.sets.contains(&(element.family, element.set)), "{command:?}");
                let key = (element.family, element.set, element.key.clone());
                assert_eq!(self.elements.insert(key, element.value), None, "{command:?}");
            }
            Command::DeleteElement(_, element) => {
                let key = (element.family, element.set, element.key.clone());
                assert!(self.elements.remove(&key).is_some(), "{command:?}");
            }
        }
    }

    /// Every chain that something leads to.
    fn references(&self) -> BTreeSet<Place<ChainId>> {
        let verdicts = self.elements.iter().filter_map(|((family, ..), value)| match value {
            Value::Verdict(Verdict::Goto(chain)) => Some((*family, *chain)),
            _ => None,
        });
        let rules = self.chains.iter().flat_map(|((family, _), (_, rules))| {
            rules.iter().filter_map(|rule| match rule.action {
                Action::Goto(chain) | Action::Jump(chain) => Some((*family, chain)),
                _ => None,
            })
        });
        verdicts.chain(rules).collect()
    }

    fn of(ruleset: &Ruleset) -> Self {
        let key = |e: &&Element| (e.family, e.set, e.key.clone());
        Self {
            tables: Family::ALL.into_iter().filter(|family| has_table(ruleset, *family)).collect(),
            sets: ruleset.sets.clone(),
            chains: ruleset.chains.iter().map(|(id, c)| (*id, (c.base, c.rules.clone()))).collect(),
            elements: ruleset.elements().iter().map(|e| (key(e), e.value)).collect(),
        }
    }

    fn found(&self) -> Found {
        let chain = |(id, (base, rules)): (&Place<ChainId>, &(Option<Base>, Vec<Rule>))| {
            let rules = rules.iter().map(|rule| rule.fingerprint(id.0)).collect();
            (*id, FoundChain { base: *base, rules })
        };
        let element = |((family, set, key), value): (&(Family, SetId, Key), &Value)| Element {
            family: *family,
            set: *set,
            key: key.clone(),
            value: *value,
        };
        Found {
            tables: self.tables.clone(),
            chains: self.chains.iter().map(chain).collect(),
            sets: self.sets.clone(),
            elements: self.elements.iter().map(element).collect(),
            strange: BTreeSet::new(),
        }
    }
}

fn pick(count: u32, sticky: bool) -> ChainId {
    ChainId::Pick(Pick { pool: Pool::All, node_port: false, sticky, count })
}

fn frontend(number: u8) -> Frontend {
    Frontend { address: Ipv4Addr::new(10, 0, 0, number).into(), protocol: Protocol::Tcp, port: 80 }
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        Just(Action::Drop),
        Just(Action::Masquerade),
        (1_u32..4, any::<bool>()).prop_map(|(count, sticky)| Action::Goto(pick(count, sticky))),
    ];
    action.prop_map(|action| Rule { matches: Vec::new(), action, comment: "" })
}

fn chain() -> impl Strategy<Value = (ChainId, Chain)> {
    let rules = || prop::collection::vec(rule(), 0..3);
    let regular = (1_u32..4, any::<bool>()).prop_map(|(count, sticky)| pick(count, sticky));
    let hooked = prop_oneof![9 => Just(0), 1 => Just(1)].prop_map(|priority| Base {
        kind: HookType::Nat,
        hook: Hook::Output,
        priority,
    });
    prop_oneof![
        (regular, rules()).prop_map(|(id, rules)| (id, Chain { base: None, rules })),
        (hooked, rules()).prop_map(|(base, rules)| (ChainId::NatOutput, Chain { base: Some(base), rules })),
    ]
}

fn element() -> impl Strategy<Value = (SetId, Key, Value)> {
    let target = |n| Value::Target(Target { address: IpAddr::V4(Ipv4Addr::new(10, 1, 0, n)), port: 80 });
    let verdict = prop_oneof![
        Just(Verdict::Drop),
        (1_u32..4, any::<bool>()).prop_map(|(count, sticky)| Verdict::Goto(pick(count, sticky))),
    ];
    prop_oneof![
        (0_u8..4, verdict).prop_map(|(n, verdict)| {
            (SetId::Services, Key::Frontend(frontend(n)), Value::Verdict(verdict))
        }),
        (0_u8..4, 0_u32..3, 0_u8..3)
            .prop_map(move |(n, slot, to)| { (SetId::Endpoints, Key::Slot(frontend(n), slot), target(to)) }),
        (0_u8..4).prop_map(|n| (SetId::Sticky(5), Key::Frontend(frontend(n)), Value::None)),
    ]
}

prop_compose! {
    /// Anything that the kernel would take.
    fn ruleset()(
        families in prop::collection::btree_set(prop::sample::select(&Family::ALL[..]), 0..3),
        sets in prop::collection::btree_set(
            prop::sample::select(vec![SetId::Services, SetId::Endpoints, SetId::Sticky(5), SetId::Sticky(9)]), 0..5),
        chains in prop::collection::vec(chain(), 0..8),
        elements in prop::collection::vec((0_u8..4, element()), 0..12),
    ) -> Ruleset {
        let all: BTreeMap<ChainId, Chain> = chains.into_iter().collect();
        let known = |chain: &ChainId| all.contains_key(chain);
        let mut whole = Ruleset::default();
        for family in families {
            whole.sets.extend(sets.iter().map(|set| (family, *set)));
            for (id, chain) in &all {
                let mut chain = chain.clone();
                chain.rules.retain(|rule| !matches!(&rule.action, Action::Goto(to) if !known(to)));
                whole.chains.insert((family, *id), Arc::new(chain));
            }
            let mut taken = BTreeSet::new();
            let mut groups: BTreeMap<u8, Vec<Element>> = BTreeMap::new();
            for (owner, (set, key, value)) in &elements {
                let lost = matches!(value, Value::Verdict(Verdict::Goto(to)) if !known(to));
                if sets.contains(set) && !lost && taken.insert((*set, key.clone())) {
                    let element = Element { family, set: *set, key: key.clone(), value: *value };
                    groups.entry(*owner).or_default().push(element);
                }
            }
            for (owner, mut group) in groups {
                group.sort();
                match owner {
                    0 => whole.shared.extend(group.into_iter().map(|element| (element, 1))),
                    _ => drop(whole.groups.insert(format!("{family}/{owner}").into(), group.into())),
                }
            }
        }
        whole
    }
}

proptest! {
    #[test]
    fn what_is_applied_becomes_what_is_desired(was in ruleset(), is in ruleset()) {
        let mut kernel = Kernel::of(&was);
        let Transaction { commands, later } = diff(&was, &is);
        kernel.run(&commands);
        let mut late = kernel.clone();
        late.run(&later);
        prop_assert_eq!(&late, &Kernel::of(&is));

        // What waits to be removed does no harm when it is wanted again.
        let back = diff(&is, &was);
        kernel.run(&back.commands);
        let waits = |command: &&Command| match command {
            Command::DeleteChain(family, chain) => !was.chains.contains_key(&(*family, *chain)),
            Command::DeleteSet(family, set) => !was.sets.contains(&(*family, *set)),
            _ => true,
        };
        let mut late: Vec<Command> = later.iter().filter(waits).cloned().collect();
        if back.commands.iter().any(|command| matches!(command, Command::DeleteTable(_))) {
            late.clear();
        }
        late.extend(back.later);
        kernel.run(&late);
        prop_assert_eq!(kernel, Kernel::of(&was));
    }

    #[test]
    fn what_is_found_becomes_what_is_desired(
        was in ruleset(),
        is in ruleset(),
        strange in prop::collection::btree_set(prop::sample::select(&Family::ALL[..]), 0..2),
    ) {
        let mut kernel = Kernel::of(&was);
        let mut found = kernel.found();
        found.strange = strange.intersection(&found.tables).copied().collect();
        let Transaction { commands, later } = adopt(&found, &is);
        kernel.run(&commands);
        kernel.run(&later);
        prop_assert_eq!(kernel, Kernel::of(&is));
    }

    #[test]
    fn without_a_difference_there_is_nothing_to_do(ruleset in ruleset()) {
        prop_assert_eq!(diff(&ruleset, &ruleset.clone()), Transaction::default());
        prop_assert_eq!(adopt(&Kernel::of(&ruleset).found(), &ruleset), Transaction::default());
    }
}

#[test]
fn only_what_differs_is_changed_and_what_moves_between_services_stays() {
    let family = Family::Ip;
    let element = |n, verdict| Element {
        family,
        set: SetId::Services,
        key: Key::Frontend(frontend(n)),
        value: Value::Verdict(verdict),
    };
    let goto = Verdict::Goto(ChainId::Restricting);
    let mut was = Ruleset::default();
    was.sets.insert((family, SetId::Services));
    was.groups.insert("a/a".into(), [element(1, goto), element(2, goto), element(3, goto)].into());
    was.groups.insert("a/b".into(), [element(4, goto)].into());
    let mut is = was.clone();
    is.groups.insert("a/a".into(), [element(1, goto), element(2, Verdict::Drop)].into());
    is.groups.insert("a/b".into(), [element(3, goto), element(4, goto)].into());
    let owner: Option<Owner> = Some("a/a".into());
    assert_eq!(
        diff(&was, &is).commands,
        [
            Command::DeleteElement(owner.clone(), element(2, goto)),
            Command::AddElement(owner, element(2, Verdict::Drop)),
        ]
    );
}
