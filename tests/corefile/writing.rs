//! How a Corefile is written: blocks, zones, quotes, variables, imports. As CoreDNS 1.15 takes it.

use super::*;

fn shown(text: &str) -> Vec<String> {
    let zones = |block: &Block| block.zones.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    plan(text).blocks.iter().map(|block| format!("{} {}", zones(block), block.port)).collect()
}

#[test]
fn blocks_have_zones_and_ports() {
    for (text, expected) in [
        (".:1053 {\n loop\n}\n", &[". 1053"][..]),
        (".:1053\nloop\n", &[". 1053"]),
        (".:1053\n{\n loop\n}\n", &[". 1053"]),
        ("Example.ORG {\n}\n", &["example.org. 53"]),
        ("a.org:1053, b.org:1053 {\n loop\n}\n", &["a.org. b.org. 1053"]),
        ("a.org,\n b.org {\n loop\n}\n", &["a.org. b.org. 53"]),
        ("example.org:5353 .:53 {\n loop\n}\n", &["example.org. 5353", ". 53"]),
        ("dns://a.org:1053 {\n loop\n}\n", &["a.org. 1053"]),
        ("10.0.0.0/24 {\n loop\n}\n", &["0.0.10.in-addr.arpa. 53"]),
        ("10.0.0.0/23:54 {\n loop\n}\n", &["0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa. 54"]),
        ("2001:db8::/32:54 {\n loop\n}\n", &["8.b.d.0.1.0.0.2.ip6.arpa. 54"]),
        ("a.org {\n loop\n} b.org {\n loop\n}\n", &["a.org. 53", "b.org. 53"]),
        ("# note\na.org { # here\r\n loop#x\r\n}\n", &["a.org. 53"]),
        ("\"a.org\" {\n \"loop\"\n}\n", &["a.org. 53"]),
        ("{$ZONE}:54 {%ZONE%} {\n loop\n}\n", &["example.org. 54", "example.org. 53"]),
        ("{$NOPE}. {\n loop\n}\n", &[". 53"]),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn a_directive_counts_for_every_port_of_its_block() {
    let plan = plan("a.org:1 b.org:2 {\n loadbalance\n cache 9\n}\n");
    assert!(
        plan.blocks.iter().all(|block| block.shuffle && block.cache.as_ref().unwrap().success.max_ttl == 9)
    );
}

#[test]
fn variables_that_are_not_set_are_noted() {
    let read = read_with("{$NOPE}.:53 {\n loop\n}\n", &[], false).unwrap();
    assert_eq!(read.notes.len(), 1);
    assert!(read.notes[0].to_string().starts_with("Corefile:1: the environment variable NOPE"));
}

#[test]
fn snippets_and_files_stand_in_the_places_of_their_imports() {
    let files = [
        ("custom/a.override", "log\n"),
        ("custom/b.override", "hosts {\n 10.0.0.1 a\n}\n"),
        ("custom/c.server", "c.org {\n import bits\n}\n"),
        ("success.conf", "success 10\n"),
    ];
    let text = "\
(bits) {
    errors
    cache {
        import success.conf
    }
}
(all) {
    import bits
    loop
}
.:53 {
    import all
    import custom/*
}
";
    let read = read_with(&text.replace("custom/*", "custom/a*"), &files, false).unwrap();
    let block = &read.plan.blocks[0];
    assert!(block.errors.is_some() && block.looping && block.log.len() == 1);
    assert_eq!(block.cache.as_ref().unwrap().success.capacity, 10);
    let read =
        read_with(&format!("{}import custom/c*\n", text.replace("custom/*", "custom/b*")), &files, false)
            .unwrap();
    assert_eq!(read.plan.blocks[0].hosts.as_ref().unwrap().inline, ["10.0.0.1 a"]);
    assert_eq!(read.plan.blocks[1].zones, names(&["c.org"]));
    assert!(read.plan.blocks[1].cache.is_some());
    let read = read_with(".:53 {\n import none/*\n}\n", &files, false).unwrap();
    assert_eq!(read.notes[0].to_string(), "Corefile:2: no file is called none/*");
}

#[test]
fn faults_of_imported_files_are_told_with_their_place() {
    let files = [("a.conf", "\n\nrelod\n")];
    let faults = read_with(".:53 {\n import a.conf\n chache\n}\n", &files, false).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "Corefile:3: there is no directive chache: is cache meant?",
            "a.conf:3: there is no directive relod: is reload meant?"
        ]
    );
}

#[test]
fn random_words_and_bytes_never_panic() {
    const WORDS: &[&str] = &[
        "{",
        "}",
        "\n",
        "\n",
        " ",
        " ",
        "\"",
        "#",
        "\\",
        ".:53",
        "a.org",
        "10.0.0.0/8",
        "import",
        "(s)",
        "s",
        "{$ZONE}",
        "{$",
        "{%",
        "kubernetes",
        "forward",
        "cache",
        "hosts",
        "rewrite",
        "template",
        "log",
        "acl",
        "transfer",
        "reload",
        "health",
        "bind",
        "name",
        "regex",
        "(.*)",
        "{1}",
        "answer",
        "auto",
        "IN",
        "A",
        "match",
        "{{ .Name }}",
        "{{",
        "5s",
        "-1",
        "99999999999999999999",
        "tls://1.1.1.1%x",
        "fallthrough",
        "%",
        "disable",
        "success",
        "ttl",
        "30-",
        "type",
        "net",
        "*",
        "\u{fe0f}",
        "µ",
        "ederror",
        "autopath",
        "@kubernetes",
        "prefetch",
        "1.5",
        ",",
        "continue",
        "policy",
        "::/0",
        "0.0.0.0/0",
        "[",
        "]",
        "/",
        ":",
        "exact",
    ];
    let mut random = fastrand::Rng::with_seed(53);
    for round in 0..10_000 {
        let mut text = String::new();
        for _ in 0..random.usize(..40) {
            text.push_str(random.choice(WORDS).unwrap());
            text.push_str(random.choice([" ", " ", "\n", ""]).unwrap());
        }
        let files = [("a", text.as_str()), ("s", "import s\n")];
        let outcome = read_with(&text, &files, round % 2 == 0);
        if let Err(faults) = outcome {
            assert!(!faults.is_empty() && faults.iter().all(|fault| fault.line >= 1), "{text}");
        }
    }
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
        let _ = read_with(&String::from_utf8_lossy(&bytes), &[], false);
    }
}
