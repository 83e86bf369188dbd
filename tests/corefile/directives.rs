//! Directives -> the values of the plan.

use slipway::dns::plan::{
    Acl, AclAction, Autopath, Hosts, Log, LogClass, Matcher, Policy, Prefetch, Rewrite, RewriteRule, Stale,
    Template, Transfer,
};
use slipway::dns::wire::{Rcode, kind};

use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn kubernetes_takes_all_of_its_properties() {
    let made = block("kubernetes").kubernetes.unwrap();
    assert_eq!((made.zones, made.ttl, made.pods), (vec![Name::root()], 5, PodRecords::Disabled));
    let lines = "kubernetes cluster.local 10.96.0.0/16 {
        pods verified
        ttl 0
        namespaces a b
        labels app=web, tier!=x
        endpoint_pod_names
        noendpoints
        ignore empty_service
        fallthrough
        kubeconfig /k
        startup_timeout 1m
        resyncperiod 5m
    }";
    let expected = Kubernetes {
        reverse: names(&["96.10.in-addr.arpa"]),
        pods: PodRecords::Verified,
        ttl: 0,
        namespaces: vec!["a".into(), "b".into()],
        labels: Some("app=web, tier!=x".into()),
        endpoint_pod_names: true,
        no_endpoints: true,
        ignore_empty: true,
        fallthrough: Some(Vec::new()),
        kubeconfig: Some("/k".into()),
        startup: secs(60),
        ..kubernetes()
    };
    assert_eq!(block(lines).kubernetes, Some(expected));
}

#[test]
fn forward_takes_all_of_its_properties() {
    let lines = "forward example.org 10.0.0.1 [fd00::1]:54 tls://9.9.9.9%dns.quad9.net /etc/resolv.conf {
        except a.example.org 10.0.0.0/24
        prefer_udp
        force_tcp
        expire 20s
        max_fails 0
        tls cert key ca
        tls_servername dns.test
        policy sequential
        health_check 1s no_rec domain example.org
        max_concurrent 7
        next NXDOMAIN
        failover SERVFAIL REFUSED
        failfast_all_unhealthy_upstreams
    }
    forward . 10.0.0.2";
    let made = block(lines).forwards;
    let to = vec![
        upstream("10.0.0.1:53"),
        upstream("[fd00::1]:54"),
        Target::Upstream(Upstream {
            address: "9.9.9.9:853".parse().unwrap(),
            tls: true,
            name: Some("dns.quad9.net".into()),
        }),
        Target::File("/etc/resolv.conf".into()),
    ];
    let expected = Forward {
        line: 2,
        except: names(&["a.example.org", "0.0.10.in-addr.arpa"]),
        force_tcp: true,
        prefer_udp: true,
        max_fails: 0,
        expire: secs(20),
        policy: Policy::Sequential,
        health_interval: secs(1),
        health_domain: name("example.org"),
        health_no_rec: true,
        max_concurrent: 7,
        tls_servername: Some("dns.test".into()),
        tls_ca: Some("ca".into()),
        tls_client: Some(("cert".into(), "key".into())),
        fail_fast: true,
        failover: vec![Rcode::SERVFAIL, Rcode::REFUSED],
        next: vec![Rcode::NXDOMAIN],
        ..Forward::new(name("example.org"), to)
    };
    assert_eq!(made[0], expected);
    assert_eq!(made[1], Forward { line: 17, ..Forward::new(Name::root(), vec![upstream("10.0.0.2:53")]) });
    assert_eq!(block("forward 10.0.0.0/23 10.0.0.1").forwards.len(), 2, "a range is each of its zones");
}

#[test]
fn cache_takes_all_of_its_properties() {
    assert_eq!(block("cache").cache, Some(Cache::default()));
    let made = block("cache 3 a.org").cache.unwrap();
    assert_eq!((made.zones, made.success.max_ttl, made.success.min_ttl), (names(&["a.org"]), 3, 3));
    assert_eq!(block("cache a.org b.org").cache.unwrap().zones.len(), 2);
    let lines = "cache 100 {
        success 10 20 1
        denial 30
        prefetch 5 2m 20%
        serve_stale 2h verify
        servfail 0
        disable success
        disable denial cluster.local
        keepttl
    }";
    let made = block(lines).cache.unwrap();
    assert_eq!((made.success.capacity, made.success.max_ttl, made.success.min_ttl), (10, 20, 1));
    assert_eq!((made.denial.capacity, made.denial.max_ttl, made.denial.min_ttl), (30, 100, 5));
    assert_eq!(made.prefetch, Some(Prefetch { amount: 5, within: secs(120), percentage: 20 }));
    assert_eq!(made.stale, Some(Stale { within: secs(7200), verify: true }));
    assert_eq!((made.servfail, made.keep_ttl), (0, true));
    assert_eq!(
        (made.success.disabled, made.denial.disabled),
        (vec![Name::root()], names(&["cluster.local"]))
    );
    let made = block("cache {\n prefetch 5\n serve_stale\n}").cache.unwrap();
    assert_eq!(made.prefetch, Some(Prefetch { amount: 5, within: secs(60), percentage: 10 }));
    assert_eq!(made.stale, Some(Stale { within: secs(3600), verify: false }));
}

#[test]
fn what_is_served_where() {
    let text = ".:53 {\n health 127.0.0.1:1\n ready localhost:2\n prometheus\n reload 10s 20s\n bufsize 4096\n any\n loop\n bind ::1\n}\n";
    let plan = plan(text);
    assert_eq!(plan.health, Some(Health { address: "127.0.0.1:1".parse().unwrap(), lameduck: secs(0) }));
    assert_eq!((plan.ready, plan.metrics), ("127.0.0.1:2".parse().ok(), "127.0.0.1:9153".parse().ok()));
    assert_eq!(plan.reload, Some(Reload { interval: secs(10), jitter: secs(5) }));
    let block = &plan.blocks[0];
    assert_eq!((block.payload, block.any, block.looping), (4096, true, true));
    assert_eq!(block.bind, ["::1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(super::block("bufsize").payload, 1232);
    assert!(super::block("loadbalance round_robin").shuffle);
}

#[test]
fn what_is_logged() {
    let lines = "errors {
        consolidate 5m \".* i/o timeout$\" warning
        stacktrace
    }
    log
    log a.org \"{type} {name}\"
    log . {common}
    log a.org b.org {
        class denial error
    }";
    let made = block(lines);
    let errors = made.errors.unwrap();
    assert_eq!((errors.consolidate, errors.stacktrace), (vec![(secs(300), ".* i/o timeout$".into())], true));
    let log = |zones: &[&str], classes: &[LogClass], format: Option<&str>| Log {
        zones: names(zones),
        classes: classes.to_vec(),
        format: format.map(Into::into),
    };
    let expected = [
        log(&[], &[], None),
        log(&["a.org"], &[], Some("{type} {name}")),
        log(&["."], &[], None),
        log(&["a.org", "b.org"], &[LogClass::Denial, LogClass::Error], None),
    ];
    assert_eq!(made.log, expected);
    assert!(block("log . {combined}").log[0].format.as_ref().unwrap().ends_with("{duration} \"{>opcode}\""));
}

#[test]
fn hosts_are_a_file_and_lines() {
    let made = block("hosts {\n 10.0.0.1 a b\n fd00::1 a\n fallthrough\n}").hosts.unwrap();
    let expected = Hosts {
        file: Some("/etc/hosts".into()),
        inline: vec!["10.0.0.1 a b".into(), "fd00::1 a".into()],
        zones: Vec::new(),
        ttl: 3600,
        no_reverse: false,
        reload: secs(5),
        fallthrough: Some(Vec::new()),
    };
    assert_eq!(made, expected);
    let made =
        block("hosts /h a.org {\n ttl 60\n no_reverse\n reload 0s\n fallthrough a.org\n}").hosts.unwrap();
    assert_eq!((made.file, made.ttl, made.reload), (Some("/h".into()), 60, secs(0)));
    assert_eq!((made.zones, made.fallthrough), (names(&["a.org"]), Some(names(&["a.org"]))));
}

#[test]
fn rewrites_of_every_kind() {
    let (from, to) = (name("a.org"), name("b.org"));
    let exact = RewriteRule::Exact { from: from.clone(), to: to.clone(), answer: true };
    let suffix = |answer| RewriteRule::Suffix { from: from.clone(), to: to.clone(), answer };
    let regex = |pattern: &str, to: &str, answer| RewriteRule::Regex {
        pattern: pattern.into(),
        to: to.into(),
        answer,
        answer_name: Vec::new(),
        answer_value: Vec::new(),
    };
    let ttl = |names, least, most| RewriteRule::Ttl { names, least, most };
    let answers = RewriteRule::Regex {
        pattern: r"(.*)\.a\.org".into(),
        to: "{1}.b.org".into(),
        answer: false,
        answer_name: vec![(r"(.*)\.b\.org".into(), "{1}.a.org".into())],
        answer_value: vec![("x".into(), "y".into())],
    };
    for (line, stop, rule) in [
        ("rewrite name a.org b.org", true, exact.clone()),
        ("rewrite stop name exact A.org b.org answer auto", true, exact.clone()),
        ("rewrite continue name suffix a.org b.org", false, suffix(false)),
        ("rewrite name suffix a.org. b.org. answer auto", true, suffix(true)),
        (
            "rewrite name suffix .a.org .b.org answer auto",
            true,
            regex(r"^(.*)\.a\.org\.$", "{1}.b.org.", true),
        ),
        (
            "rewrite name prefix a- b- answer auto",
            true,
            RewriteRule::Prefix { from: "a-".into(), to: "b-".into(), answer: true },
        ),
        (
            "rewrite name substring us eu",
            true,
            RewriteRule::Substring { from: "us".into(), to: "eu".into(), answer: false },
        ),
        ("rewrite name regex (.*)x {1}y", true, regex("(.*)x", "{1}y", false)),
        (
            r"rewrite name regex (.*)\.a\.org {1}.b.org answer name (.*)\.b\.org {1}.a.org answer value x y",
            true,
            answers.clone(),
        ),
        (
            "rewrite stop {\n name regex (.*)\\.a\\.org {1}.b.org\n answer name (.*)\\.b\\.org {1}.a.org\n answer value x y\n}",
            true,
            answers,
        ),
        ("rewrite type ANY HINFO", true, RewriteRule::Kind { from: kind::ANY, to: kind::HINFO }),
        ("rewrite ttl a.org 30", true, ttl(Matcher::Exact(from.clone()), 30, 30)),
        (
            "rewrite continue {\n ttl regex (.*) 15-\n}",
            false,
            ttl(Matcher::Regex("(.*)".into()), 15, 0x7fff_ffff),
        ),
        ("rewrite ttl suffix a.org -60", true, ttl(Matcher::Suffix(from.clone()), 0, 60)),
        ("rewrite ttl substring a 5-6", true, ttl(Matcher::Substring("a".into()), 5, 6)),
    ] {
        assert_eq!(block(line).rewrites, [Rewrite { stop, rule }], "{line}");
    }
}

#[test]
fn templates_and_autopath() {
    let lines = "template IN ANY a.org 10.0.0.0/24 {
        match a b
        match c
        answer \"a. 60 IN A 10.0.0.1\" \"a. 60 IN A 10.0.0.2\"
        authority \"a. 60 IN NS b.\"
        additional \"b. 60 IN A 10.0.0.3\"
        rcode NXDOMAIN
        fallthrough a.org
        upstream
    }
    template ANY A
    autopath @kubernetes";
    let made = block(lines);
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expected = Template {
        line: 2,
        kind: None,
        zones: names(&["a.org", "0.0.10.in-addr.arpa"]),
        matches: texts(&["a", "b", "c"]),
        answer: texts(&["a. 60 IN A 10.0.0.1", "a. 60 IN A 10.0.0.2"]),
        authority: texts(&["a. 60 IN NS b."]),
        additional: texts(&["b. 60 IN A 10.0.0.3"]),
        rcode: Rcode::NXDOMAIN,
        fallthrough: Some(names(&["a.org"])),
    };
    assert_eq!(made.templates[0], expected);
    assert_eq!((made.templates[1].kind, made.templates[1].line), (Some(kind::A), 12));
    assert_eq!(made.autopath, Some(Autopath::Kubernetes));
    assert_eq!(
        block("autopath . /etc/resolv.conf").autopath,
        Some(Autopath::File("/etc/resolv.conf".into()))
    );
}

#[test]
fn who_gets_what() {
    let lines = "acl a.org {
        allow type A AAAA net 10.0.0.0/8 192.0.2.1
        filter type ANY net *
        drop
    }
    transfer {
        to 10.0.0.1 [fd00::1]:53
        to 10.1.0.0/16
    }
    transfer a.org {
        to 10.0.0.1
        to *
    }";
    let made = block(lines);
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let acl = |action, kinds: &[u16], list: &[&str]| Acl {
        zones: names(&["a.org"]),
        action,
        kinds: kinds.to_vec(),
        nets: nets(list),
    };
    let expected = [
        acl(AclAction::Allow, &[1, 28], &["10.0.0.0/8", "192.0.2.1/32"]),
        acl(AclAction::Filter, &[], &[]),
        acl(AclAction::Drop, &[], &[]),
    ];
    assert_eq!(made.acl, expected);
    let to = nets(&["10.0.0.1/32", "fd00::1/128", "10.1.0.0/16"]);
    assert_eq!(made.transfers[0], Transfer { zones: Vec::new(), to: Some(to) });
    assert_eq!(made.transfers[1], Transfer { zones: names(&["a.org"]), to: None });
}
