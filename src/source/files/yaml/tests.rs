use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::Name;

fn all(text: &str) -> (Vec<Value>, Option<Fault>) {
    let (mut values, mut fault) = (Vec::new(), None);
    for part in split(text) {
        let (documents, wrong) = parse(part);
        values.extend(documents.iter().map(Node::to_value));
        fault = fault.or(wrong);
    }
    (values, fault)
}

fn one(text: &str) -> Value {
    let (mut values, fault) = all(text);
    assert_eq!(fault, None, "{text}");
    values.pop().unwrap()
}

fn fault(text: &str) -> Fault {
    all(text).1.unwrap_or_else(|| panic!("no fault in {text}"))
}

#[test]
fn words_are_what_kubectl_takes_them_for() {
    let text = "[yes, off, ~, 0777, 0x1F, 1_000, -5, 1.5, 1e3, .5, 8m, 1.2.3, '10', \"on\", 010.1, 2024-01-02, 0b11, .inf]";
    assert_eq!(
        one(text),
        json!([
            true,
            false,
            null,
            511,
            31,
            1000,
            -5,
            1.5,
            1000.0,
            0.5,
            "8m",
            "1.2.3",
            "10",
            "on",
            10.1,
            "2024-01-02",
            3,
            ".inf"
        ])
    );
    assert_eq!(one("a: 18446744073709551615"), json!({"a": u64::MAX}));
    assert_eq!(one("a: !!str 10"), json!({"a": "10"}));
    assert_eq!(one("8080: x\ntrue: z"), json!({"8080": "x", "true": "z"}));
}

#[test]
fn documents_after_a_broken_one_are_read() {
    let (values, fault) = all("a: 1\n---\nb: [1\n---\nc: 3\n--- # comment\nd: 4\n...\n");
    assert_eq!(values, [json!({"a": 1}), json!({"c": 3}), json!({"d": 4})]);
    assert_eq!(fault.unwrap().at.line, 4, "where the list should have ended");
}

#[test]
fn empty_documents_and_directives_are_nothing() {
    let (values, fault) = all("%YAML 1.2\n---\n# only a comment\n---\n\n---\na: 1\r\n---\r\n");
    assert_eq!((values, fault), (vec![json!({"a": 1})], None));
    assert_eq!(all("").0, [Value::Null; 0]);
}

#[test]
fn three_dashes_in_a_block_of_text_are_text() {
    assert_eq!(one("a: |\n  ---\n  b: 1\n"), json!({"a": "---\nb: 1\n"}));
}

#[test]
fn every_field_knows_its_place() {
    let text = "\n---\nkind: X\nspec:\n  rules:\n  - host: a\n    n: é\n  - {host: b, c: d}\n";
    let (documents, _) = parse(split(text)[0]);
    let origin = documents[0].origin(&Name::from("f.yaml"));
    let at = |path: &str| {
        let place = origin.locate(Some(path));
        (place.line, place.column)
    };
    assert_eq!(at("kind"), (3, 1));
    assert_eq!(at("spec.rules[0]"), (6, 5));
    assert_eq!(at("spec.rules[0].n"), (7, 5));
    assert_eq!(at("spec.rules[1].c"), (8, 15));
    assert_eq!(at("spec.rules[1].unknown.deeper[3]"), (8, 5), "the nearest parent");
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist: [*b]\nboth:\n  <<: [{x: 7}, *b]\n";
    assert_eq!(
        one(text),
        json!({"base": {"x": 1, "y": 2}, "use": {"x": 1, "y": 3}, "list": [{"x": 1, "y": 2}], "both": {"x": 7, "y": 2}})
    );
}

#[test]
fn a_billion_laughs_are_refused() {
    let level = |(name, of): (char, char)| format!("{name}: &{name} [{}]\n", format!("*{of}, ").repeat(9));
    let text: String = ('b'..'k').zip('a'..'j').map(level).collect();
    let text = format!("a: &a [x, x, x, x, x, x, x, x, x, x]\n{text}");
    let fault = fault(&text);
    assert!(fault.what.contains("grow too large"), "{fault:?}");
    assert!(fault.at.line > 3);
}

#[test]
fn depth_is_bounded_also_through_aliases() {
    assert!(fault(&"[".repeat(500)).at.line == 1);
    let level = |n: usize| format!("a{}: &a{} [[[[*a{n}]]]]\n", n + 1, n + 1);
    let text: String = std::iter::once("a0: &a0 x\n".to_owned()).chain((0..200).map(level)).collect();
    assert!(fault(&text).what.contains("grow too large"));
}

#[test]
fn a_key_that_stands_twice_is_a_fault_at_the_second() {
    let fault = fault("a: 1\nb: 2\na: 3\n");
    assert_eq!(fault.at, At { line: 3, column: 1 });
    assert!(fault.what.contains("first in line 1"));
}

#[test]
fn an_alias_inside_its_own_anchor_is_a_fault() {
    assert!(fault("a: &a [*a]").what.contains("inside what it refers to"));
}

#[test]
fn a_syntax_fault_has_its_place() {
    let found = fault("a: 1\n---\nkind: Ingress\nspec:\n  rules: \"never closed\n");
    assert!(found.at.line >= 5, "{found:?}");
    let found = fault("kind: X\n\tbad: tab\n");
    assert_eq!(found.at.line, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-a:{}\\[\\]&*!|>'\"#%@`,?~<0-9 \\t\\n\\r\u{feff}é]{0,60}") {
        let _ = all(&text);
        let _ = crate::source::files::json::parse(&text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = all(&text);
        let _ = crate::source::files::json::parse(&text);
    }

    #[test]
    fn json_and_yaml_readers_agree_on_json(value in json_value()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let (documents, fault) = crate::source::files::json::parse(&text);
        prop_assert_eq!(fault, None);
        prop_assert_eq!(documents[0].to_value(), value);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é\\n\"\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\"{é]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
