use super::*;
use crate::dns::wire::kind;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn rule(rule: RewriteRule) -> Rewrite {
    Rewrite { stop: true, rule }
}

fn exact(from: &str, to: &str) -> RewriteRule {
    RewriteRule::Exact { from: name(from), to: name(to), answer: true }
}

fn regex(pattern: &str, to: &str, names: &[(&str, &str)], values: &[(&str, &str)]) -> RewriteRule {
    let pairs =
        |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let (answer_name, answer_value) = (pairs(names), pairs(values));
    RewriteRule::Regex { pattern: pattern.into(), to: to.into(), answer: false, answer_name, answer_value }
}

fn forward(rules: &[Rewrite], asked: &str) -> Option<(String, u16)> {
    let changed = Rules::new(rules).unwrap().forward(name(asked).as_wire(), kind::A)?.unwrap();
    Some((changed.name.to_string(), changed.kind))
}

fn becomes(one: RewriteRule, asked: &str) -> Option<String> {
    forward(&[rule(one)], asked).map(|(name, _)| name)
}

/// A message with these records: section, owner, type, data. Names are written out.
fn message(question: &str, records: &[(usize, &str, u16, Vec<u8>)]) -> Vec<u8> {
    let mut counts = [1u16, 0, 0, 0];
    for (section, ..) in records {
        counts[section + 1] += 1;
    }
    let mut bytes = vec![0, 7, 0x81, 0x80];
    bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    bytes.extend(name(question).as_wire());
    bytes.extend([0, 1, 0, 1]);
    for (_, owner, kind, data) in records {
        if *owner == question {
            bytes.extend([0xc0, 12]);
        } else {
            bytes.extend(name(owner).as_wire());
        }
        bytes.extend([&kind.to_be_bytes()[..], &[0, 1, 0, 0, 0, 30]].concat());
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

fn back(rules: &[Rewrite], asked: &str, reply: &[u8]) -> Option<Vec<u8>> {
    let changed = Rules::new(rules).unwrap().forward(name(asked).as_wire(), kind::A).unwrap().unwrap();
    changed.back.apply(reply, &[name(asked).as_wire(), &[0, 1, 0, 1]].concat())
}

#[test]
fn names_are_rewritten_whole_by_their_ends_parts_and_expressions() {
    let asked = "ftp-us-west-1.example.org";
    assert_eq!(becomes(exact(asked, "b.example"), asked).unwrap(), "b.example.");
    assert_eq!(becomes(exact("example.org", "b.example"), asked), None);
    let suffix = |from: &str| RewriteRule::Suffix { from: name(from), to: name("b.local"), answer: false };
    assert_eq!(becomes(suffix("example.org"), asked).unwrap(), "ftp-us-west-1.b.local.");
    assert_eq!(becomes(suffix("org"), "org").unwrap(), "b.local.");
    assert_eq!(becomes(suffix("ample.org"), asked), None, "ends are whole labels");
    let prefix = RewriteRule::Prefix { from: "ftp-".into(), to: "web.".into(), answer: false };
    assert_eq!(becomes(prefix, asked).unwrap(), "web.us-west-1.example.org.");
    let part = RewriteRule::Substring { from: "us-west-1".into(), to: "eu".into(), answer: false };
    assert_eq!(becomes(part, asked).unwrap(), "ftp-eu.example.org.");
    let expression = regex(r"(.*)-(us-west-1)\.example\.org", "{1}.service.{2}.consul", &[], &[]);
    assert_eq!(becomes(expression, asked).unwrap(), "ftp.service.us-west-1.consul.");
}

#[test]
fn rules_go_on_from_what_the_former_made_until_one_stops() {
    let go_on = |rule| Rewrite { stop: false, rule };
    let rules = [
        go_on(exact("a.example", "b.example")),
        go_on(RewriteRule::Kind { from: kind::A, to: kind::AAAA }),
        rule(exact("b.example", "c.example")),
        rule(exact("c.example", "d.example")),
    ];
    assert_eq!(forward(&rules, "a.example"), Some(("c.example.".into(), kind::AAAA)));
    assert_eq!(forward(&rules, "c.example"), Some(("d.example.".into(), kind::AAAA)));
    assert_eq!(forward(&rules[2..], "x.example"), None);
    let reply = message("c.example", &[(0, "c.example", kind::A, vec![10, 0, 0, 1])]);
    let expected = message("a.example", &[(0, "a.example", kind::A, vec![10, 0, 0, 1])]);
    assert_eq!(back(&rules, "a.example", &reply).unwrap(), expected);
}

#[test]
fn what_is_no_name_any_more_is_told() {
    let rules = Rules::new(&[rule(regex("(.*)", "{1}..x", &[], &[]))]).unwrap();
    assert_eq!(rules.forward(name("a").as_wire(), kind::A).unwrap().err(), Some(Unnameable));
    let long = RewriteRule::Suffix { from: name("x"), to: name(&"abcdefg.".repeat(30)), answer: false };
    let rules = Rules::new(&[rule(long)]).unwrap();
    let asked = name(&format!("{}.x", "abcdefg.".repeat(3).trim_end_matches('.')));
    assert_eq!(rules.forward(asked.as_wire(), kind::A).unwrap().err(), Some(Unnameable));
    assert!(Rules::new(&[rule(regex("(", "x", &[], &[]))]).is_err());
}

#[test]
fn a_reply_is_one_to_the_question_that_was_asked() {
    let rules = [rule(exact("a.example", "web.shop.local"))];
    let pointer = vec![0xc0, 12];
    let records = [
        (0, "web.shop.local", kind::CNAME, name("c.local").as_wire().to_vec()),
        (0, "c.local", kind::A, vec![10, 0, 0, 1]),
        (
            1,
            "local",
            kind::SOA,
            [name("ns.local").as_wire(), name("admin.local").as_wire(), &[0; 20]].concat(),
        ),
        (2, "_x.local", kind::SRV, [&[0, 0, 0, 1, 0, 80][..], &pointer].concat()),
        (2, "y.local", kind::TXT, b"\x03abc".to_vec()),
    ];
    let mut expected = records.clone();
    expected[0].1 = "a.example";
    expected[3].3 = [&[0, 0, 0, 1, 0, 80][..], name("a.example").as_wire()].concat();
    assert_eq!(
        back(&rules, "a.example", &message("web.shop.local", &records)).unwrap(),
        message("a.example", &expected)
    );
}

#[test]
fn answers_have_expressions_of_their_own_and_times_their_bounds() {
    let names = [(r"(.*)\.service\.local", "{1}.example")];
    let one = regex(r"(.*)\.example", "{1}.service.local", &names, &names);
    let ttl = RewriteRule::Ttl { names: Matcher::Suffix(name("example")), least: 60, most: 90 };
    let rules = [Rewrite { stop: false, rule: ttl }, rule(one)];
    let alias = |to: &str| name(to).as_wire().to_vec();
    let reply = message("a.service.local", &[(0, "a.service.local", kind::CNAME, alias("b.service.local"))]);
    let mut expected = message("a.example", &[(0, "a.example", kind::CNAME, alias("b.example"))]);
    let at = expected.len() - alias("b.example").len() - 3;
    expected[at] = 60;
    assert_eq!(back(&rules, "a.example", &reply).unwrap(), expected);
}

#[test]
fn foreign_bytes_never_panic_and_loops_of_pointers_end() {
    let rules = [rule(exact("a.example", "web.local"))];
    let good = message("web.local", &[(0, "web.local", kind::MX, vec![0, 1, 0xc0, 12])]);
    assert!(back(&rules, "a.example", &good).is_some());
    let looping = message("web.local", &[(0, "web.local", kind::CNAME, vec![0xc0, 39])]);
    let _ = back(&rules, "a.example", &looping);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(..=good.len()));
        let _ = back(&rules, "a.example", &bytes);
    }
}
