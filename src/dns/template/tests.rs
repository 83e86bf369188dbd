use super::super::wire::HEADER;
use super::super::wire::question::read;
use super::*;

fn template(kind: Option<u16>, matches: &[&str], answer: &[&str]) -> Template {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    Template {
        line: 7,
        kind,
        zones: Vec::new(),
        matches: texts(matches),
        answer: texts(answer),
        authority: Vec::new(),
        additional: Vec::new(),
        rcode: Rcode::NOERROR,
        fallthrough: None,
    }
}

fn ask(templates: &Templates, name: &str, kind: u16) -> Outcome {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(Name::parse(name).unwrap().as_wire());
    message.extend([kind.to_be_bytes(), [0, 1]].concat());
    templates.answer(&read(&message).ok().unwrap(), "10.0.0.9".parse().unwrap())
}

fn made(list: &[Template]) -> Templates {
    Templates::new(list, &[Name::parse("example").unwrap()]).unwrap()
}

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_become_addresses() {
    let matches = r"^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-([0-9]*)-([0-9]*)[.]example[.]$";
    let text =
        "{{ .Name }} 60 IN A {{ .Group.a }}.{{.Group.b}}.{{ index .Match 3 }}.{{ index .Group \"4\" }}";
    let templates = made(&[template(Some(kind::A), &[matches], &[text])]);
    let found = answer(ask(&templates, "IP-10-1-2-3.example", kind::A));
    let expected = b"\x0bip-10-1-2-3\x07example\0\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\x02\x03";
    assert_eq!(found.sections[0], [expected.to_vec()]);
    assert_eq!(ask(&templates, "ip-10-1-2-3.example", kind::AAAA), Outcome::Pass);
    assert_eq!(ask(&templates, "ip-10-1-2-3.other", kind::A), Outcome::Pass);
    assert_eq!(ask(&templates, "web.example", kind::A), Outcome::Failed, "without fallthrough");
    assert_eq!(ask(&templates, "ip-10-1-2-333.example", kind::A), Outcome::Failed, "no address");
}

#[test]
fn hexadecimal_numbers_are_read() {
    let matches = "^ip0a(?P<b>[a-f0-9]{2})(?P<c>[a-f0-9]{2})(?P<d>[a-f0-9]{3})[.]example[.]$";
    let text = "{{ .Name }} 60 IN A 10.{{ parseInt .Group.b 16 8 }}.{{ parseInt .Group.c 16 8 }}.{{- parseInt .Group.d 16 8 -}}";
    let text = text.replace("{{- ", "{{ ").replace(" -}}", " }}");
    let templates = made(&[template(Some(kind::A), &[matches], &[&text])]);
    let found = answer(ask(&templates, "ip0a7b7c07d.example", kind::A));
    assert!(found.sections[0][0].ends_with(&[10, 0x7b, 0x7c, 0x7d]));
    assert_eq!(ask(&templates, "ip0a7b7cfff.example", kind::A), Outcome::Failed, "more than eight bits");
}

#[test]
fn the_next_template_is_asked_where_the_first_falls_through() {
    let first = Template {
        fallthrough: Some(Vec::new()),
        ..template(None, &["^a[.]"], &["a.example 60 IN A 10.0.0.1"])
    };
    let mut second = template(None, &[], &[]);
    second.rcode = Rcode::NXDOMAIN;
    second.authority =
        vec!["{{ .Zone }} 60 {{ .Class }} SOA ns.{{ .Zone }} admin.{{ .Zone }} (1 60 60 60 60)".into()];
    let templates = made(&[first, second]);
    assert_eq!(answer(ask(&templates, "a.example", kind::A)).sections[0].len(), 1);
    let denied = answer(ask(&templates, "b.example", kind::TXT));
    assert_eq!((denied.rcode, denied.sections[1].len()), (Rcode::NXDOMAIN, 1));
    assert!(denied.sections[1][0].starts_with(b"\x07example\0\0\x06"));
}

#[test]
fn an_alias_leads_on_when_addresses_are_asked_for() {
    let templates = made(&[template(None, &[], &["{{ .Name }} 60 IN CNAME web.other"])]);
    assert_eq!(answer(ask(&templates, "a.example", kind::A)).alias, Name::parse("web.other").ok());
    assert_eq!(answer(ask(&templates, "a.example", kind::CNAME)).alias, None);
}

#[test]
fn names_with_characters_of_zone_files_are_not_put_in() {
    let templates = made(&[template(None, &[], &["{{ .Name }} 60 IN TXT x"])]);
    for name in ["a\\;b.example", "a\\010b.example", "a\\\"b.example", "\\@.example", "a\\ b.example"] {
        assert_eq!(ask(&templates, name, kind::TXT), Outcome::Failed, "{name}");
    }
}

#[test]
fn records_go_into_a_reply_as_far_as_they_fit() {
    let text = "{{ .Name }} 60 IN TXT 0123456789012345678901234567890123456789";
    let templates = made(&[template(None, &[], &[text, text])]);
    let found = answer(ask(&templates, "a.example", kind::TXT));
    let message = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x10\0\x01";
    let mut out = [0; 512];
    let asked = read(message).ok().unwrap();
    let mut reply = Reply::new(&asked, &mut out, 120, 1232, b"");
    assert_eq!(found.put(&mut reply), Rcode::NOERROR);
    assert_eq!(reply.counts(), [1, 0, 0]);
    reply.finish(Rcode::NOERROR);
    assert_eq!(out[2] & 2, 2, "cut short");
    assert!(out[HEADER..].starts_with(b"\x01a\x07example\0"));
}

#[test]
fn what_is_wrong_shows_before_a_question_comes() {
    for (matches, text, expected) in [
        ("^a$", "{{ .Nam }} 60 IN A 10.0.0.1", ".Name"),
        ("^a$", "{{ .Message.Id }} 60 IN A 10.0.0.1", ".Name"),
        ("^a$", "{{ if .Name }}x{{ end }} 60 IN A 10.0.0.1", ".Name"),
        ("^a$", "{{ .Name 60 IN A 10.0.0.1", "no }}"),
        ("^a$", "{{ .Group.x }} 60 IN A 10.0.0.1", "no group x"),
        ("^(a)$", "{{ index .Match 2 }} 60 IN A 10.0.0.1", "no group 2"),
        ("^a$", "a. 60 IN A 10.0.0.300", "no record"),
        ("^a$", "a. 60 IN A 10.0.0.1\nb. 60 IN A 10.0.0.1", "one record"),
        ("^a$", "", "one record"),
        ("^(a$", "a. 60 IN A 10.0.0.1", "regex"),
    ] {
        let wrong = faults(&template(None, &[matches], &[text])).join(" ");
        assert!(wrong.contains(expected), "{text}: {wrong}");
        assert!(
            Templates::new(&[template(None, &[matches], &[text])], &[]).is_err_and(|list| list[0].0 == 7)
        );
    }
}
