//! Tables of request -> route: hosts, paths, regular expressions, redirects and rewrites of compiled rules.

#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use slipway::compile::{Compiled, Options, compile};
use slipway::model::policy::{Alias, Policy, Redirect};
use slipway::model::route::{BackendRef, Host, Ingress, Path, PathKind, PortRef, Rule, Tls};
use slipway::model::{Key, Kind, ObjectRef, Snapshot};
use slipway::routing::filter::{self, Head};
use slipway::routing::path::normalize;
use slipway::routing::{Action, Route, RoutingTable};

use PathKind::{Exact, ImplementationSpecific, Prefix};

/// An Ingress whose paths each go to a Service named like the path's number: `s0`, `s1`, ...
fn ingress(name: &str, hosts: &[&str], paths: &[(&str, PathKind)]) -> Ingress {
    let rules = hosts.iter().enumerate().map(|(index, host)| {
        let paths = paths.iter().enumerate().map(|(index, (path, kind))| Path {
            path: (*path).into(),
            kind: *kind,
            backend: service(&format!("s{index}")),
            index,
        });
        Rule { host: Host::parse(host).unwrap(), paths: paths.collect(), index }
    });
    Ingress {
        object: ObjectRef::new(Kind::Ingress, "ns", name),
        origin: None,
        created: Some(0),
        class_name: None,
        class_annotation: Some("nginx".into()),
        rules: rules.collect(),
        default_backend: None,
        tls: Vec::new(),
        policy: Arc::default(),
        reports: Vec::new(),
    }
}

fn service(name: &str) -> BackendRef {
    BackendRef::Service { name: name.into(), port: PortRef::Number(80) }
}

fn with(mut ingress: Ingress, policy: Policy) -> Ingress {
    ingress.policy = Arc::new(policy);
    ingress
}

fn at(mut ingress: Ingress, created: i64) -> Ingress {
    ingress.created = Some(created);
    ingress
}

fn tls(mut ingress: Ingress) -> Ingress {
    ingress.tls = vec![Tls { hosts: vec![Host::parse("elsewhere").unwrap()], secret: None, index: 0 }];
    ingress
}

fn compiled(ingresses: Vec<Ingress>) -> Compiled {
    compiled_with(ingresses, &Options::default())
}

fn compiled_with(ingresses: Vec<Ingress>, options: &Options) -> Compiled {
    let ingresses = ingresses.into_iter().map(|i| (i.object.key.clone(), Arc::new(i)));
    let snapshot = Snapshot { ingresses: ingresses.collect(), ..Snapshot::default() };
    compile(&snapshot, options, 0, None)
}

fn table(ingresses: Vec<Ingress>) -> Arc<RoutingTable> {
    compiled(ingresses).tables.routes.clone()
}

fn route<'t>(table: &'t RoutingTable, host: &str, path: &str) -> &'t Arc<Route> {
    table.host(host).route(&normalize(path).unwrap())
}

/// `name:service`, `301`, `404`, `503`.
fn answer(table: &RoutingTable, host: &str, path: &str) -> String {
    let route = route(table, host, path);
    match route.action {
        Action::Proxy { .. } => {
            let ingress = route.origin.ingress.as_ref().map_or("-", |key| &key.name);
            format!("{ingress}:{}", route.origin.service)
        }
        Action::NotFound => "404".into(),
        Action::Denied => "503".into(),
        Action::AddSlash => "301".into(),
    }
}

fn check(table: &RoutingTable, rows: &[(&str, &str, &str)]) {
    for (host, path, wanted) in rows {
        assert_eq!(answer(table, host, path), *wanted, "{host}{path}");
    }
}

#[test]
fn the_eighteen_rows_of_the_path_matching_table() {
    type Row = (&'static [(&'static str, PathKind)], &'static str, &'static str);
    let rows: &[Row] = &[
        (&[("/", Prefix)], "/any/path", "a:s0"),
        (&[("/foo", Exact)], "/foo", "a:s0"),
        (&[("/foo", Exact)], "/bar", "404"),
        (&[("/foo", Exact)], "/foo/", "404"),
        // ingress-nginx redirects where the rule ends in a slash: see the next two rows of this kind.
        (&[("/foo/", Exact)], "/foo", "301"),
        (&[("/foo", Prefix)], "/foo", "a:s0"),
        (&[("/foo", Prefix)], "/foo/", "a:s0"),
        (&[("/foo/", Prefix)], "/foo", "301"),
        (&[("/foo/", Prefix)], "/foo/", "a:s0"),
        (&[("/aaa/bb", Prefix)], "/aaa/bbb", "404"),
        (&[("/aaa/bbb", Prefix)], "/aaa/bbb", "a:s0"),
        (&[("/aaa/bbb/", Prefix)], "/aaa/bbb", "301"),
        (&[("/aaa/bbb", Prefix)], "/aaa/bbb/", "a:s0"),
        (&[("/aaa/bbb", Prefix)], "/aaa/bbb/ccc", "a:s0"),
        (&[("/aaa/bbb", Prefix)], "/aaa/bbbxyz", "404"),
        (&[("/", Prefix), ("/aaa", Prefix)], "/aaa/ccc", "a:s1"),
        (&[("/", Prefix), ("/aaa", Prefix), ("/aaa/bbb", Prefix)], "/aaa/bbb", "a:s2"),
        (&[("/", Prefix), ("/aaa", Prefix), ("/aaa/bbb", Prefix)], "/ccc", "a:s0"),
        (&[("/aaa", Prefix)], "/ccc", "404"),
        (&[("/foo", Prefix), ("/foo", Exact)], "/foo", "a:s1"),
        (&[("/foo", Prefix), ("/foo", Exact)], "/foo/bar", "a:s0"),
    ];
    for (paths, path, wanted) in rows {
        let table = table(vec![ingress("a", &["foo.com"], paths)]);
        assert_eq!(answer(&table, "foo.com", path), *wanted, "{paths:?} {path}");
    }
}

#[test]
fn literal_paths_keep_to_elements_case_and_length() {
    let paths = [
        ("/aaa", Prefix),                  // 0
        ("/aaa/bbb", Prefix),              // 1
        ("/impl", ImplementationSpecific), // 2
        ("/x/", Prefix),                   // 3
        ("/x", Exact),                     // 4
        ("/y/", Exact),                    // 5
        ("/y", Prefix),                    // 6
        ("/{id}/{*all}", Prefix),          // 7
        ("/z/", Prefix),                   // 8
        ("/z/", Exact),                    // 9
        ("/a/very/deep/one", Exact),       // 10
        ("/", Exact),                      // 11
    ];
    let table = table(vec![ingress("a", &["foo.com"], &paths)]);
    check(
        &table,
        &[
            ("foo.com", "/aaacccc", "404"),
            ("foo.com", "/aaa/", "a:s0"),
            ("foo.com", "/aaa/cccc", "a:s0"),
            ("foo.com", "/aaa/bb", "a:s0"),
            ("foo.com", "/aaa/bbb/", "a:s1"),
            ("foo.com", "/aaa/bbbb", "a:s0"),
            ("foo.com", "/AAA", "404"),
            ("foo.com", "/impl", "a:s2"),
            ("foo.com", "/impl/x", "a:s2"),
            ("foo.com", "/implx", "404"),
            ("foo.com", "/x", "a:s4"),
            ("foo.com", "/x/", "a:s3"),
            ("foo.com", "/x/y", "a:s3"),
            ("foo.com", "/y/", "a:s5"),
            ("foo.com", "/y", "a:s6"),
            ("foo.com", "/y/x", "a:s6"),
            ("foo.com", "/{id}/{*all}", "a:s7"),
            ("foo.com", "/1/2", "404"),
            ("foo.com", "/z", "301"),
            ("foo.com", "/z/", "a:s9"),
            ("foo.com", "/z/1", "a:s8"),
            ("foo.com", "/a/very/deep/one", "a:s10"),
            ("foo.com", "/a/very/deep/one/more", "404"),
            ("foo.com", "/a/very/deep", "404"),
            ("foo.com", "/", "a:s11"),
            ("foo.com", "/other", "404"),
            ("foo.com", "/aaa/../impl", "a:s2"),
            ("foo.com", "//aaa//bbb", "a:s1"),
            ("foo.com", "/%61aa", "a:s0"),
        ],
    );
}

#[test]
fn a_missing_slash_is_added_even_where_a_shorter_rule_would_match() {
    let table = table(vec![ingress(
        "a",
        &["foo.com"],
        &[("/", Prefix), ("/x/", Prefix), ("/y/", ImplementationSpecific)],
    )]);
    check(&table, &[("foo.com", "/x", "301"), ("foo.com", "/y", "301"), ("foo.com", "/xx", "a:s0")]);
    let head = head("http", "foo.com", "/x?a=b");
    assert_eq!(filter::slash_location(&head), "http://foo.com/x/?a=b");
}

#[test]
fn hosts_are_exact_before_one_label_wildcard_before_any() {
    let table = table(vec![
        ingress("exact", &["bar.foo.com"], &[("/", Prefix)]),
        ingress("wild", &["*.foo.com"], &[("/", Prefix)]),
        ingress("deep", &["*.baz.foo.com"], &[("/only", Prefix)]),
        ingress("any", &[""], &[("/", Prefix)]),
    ]);
    check(
        &table,
        &[
            ("bar.foo.com", "/", "exact:s0"),
            ("qux.foo.com", "/", "wild:s0"),
            ("a.b.foo.com", "/", "any:s0"),
            ("foo.com", "/", "any:s0"),
            (".foo.com", "/", "any:s0"),
            ("", "/", "any:s0"),
            ("a.baz.foo.com", "/only", "deep:s0"),
            // The host decides first: another host's rules are no second choice.
            ("a.baz.foo.com", "/", "404"),
            ("baz.foo.com", "/", "wild:s0"),
        ],
    );
}

#[test]
fn host_headers_are_compared_without_port_dot_and_case() {
    let table = table(vec![ingress("a", &["foo.com"], &[("/", Prefix)])]);
    for header in ["foo.com", "FOO.com", "foo.com.", "foo.com:8080", "Foo.Com.:80"] {
        let host = slipway::routing::host::normalize(header).unwrap();
        assert_eq!(answer(&table, &host, "/"), "a:s0", "{header}");
    }
}

#[test]
fn without_rules_everything_is_not_found() {
    check(&table(Vec::new()), &[("foo.com", "/", "404"), ("", "/x", "404")]);
    check(&table(vec![ingress("a", &["foo.com"], &[])]), &[("foo.com", "/", "404")]);
}

#[test]
fn one_ingress_with_expressions_turns_every_path_of_the_host_into_one() {
    let regex = Policy { use_regex: true, ..Policy::default() };
    let table = table(vec![
        with(
            ingress("re", &["foo.com"], &[("/id/[0-9]+", ImplementationSpecific), ("/end/[0-9]+$", Prefix)]),
            regex,
        ),
        at(
            ingress(
                "plain",
                &["foo.com", "bar.com"],
                &[("/bar", Prefix), ("/exact", Exact), ("/both", Prefix), ("/both", Exact), ("/x/", Prefix)],
            ),
            1,
        ),
    ]);
    check(
        &table,
        &[
            ("foo.com", "/id/123a", "re:s0"),
            ("foo.com", "/ID/123", "re:s0"),
            ("foo.com", "/id/abc", "404"),
            ("foo.com", "/end/12", "re:s1"),
            ("foo.com", "/end/12a", "404"),
            ("foo.com", "/bar", "plain:s0"),
            ("foo.com", "/BARbaz", "plain:s0"),
            ("foo.com", "/exact/more", "plain:s1"),
            ("foo.com", "/both", "plain:s3"),
            ("foo.com", "/both/x", "plain:s2"),
            ("foo.com", "/x", "404"), // no redirect on such hosts
            ("foo.com", "/x/y", "plain:s4"),
            // The other host of the same Ingress stays literal.
            ("bar.com", "/BARbaz", "404"),
            ("bar.com", "/exact/more", "404"),
            ("bar.com", "/x", "301"),
        ],
    );
}

#[test]
fn expressions_are_tried_by_length_then_descending() {
    let regex = Policy { use_regex: true, ..Policy::default() };
    let paths = [
        ("/.*", Prefix),
        ("/foo/bar/.+", Prefix),
        ("/foo/.*", Prefix),
        ("/foo/[a-z]{3}", Prefix),
        ("/bbb", Prefix),
        ("/aa.", Prefix),
    ];
    let table = table(vec![with(ingress("a", &["foo.com"], &paths), regex)]);
    check(
        &table,
        &[
            ("foo.com", "/foo/bar/x", "a:s3"), // the longest text, not the longest match
            ("foo.com", "/foo/12", "a:s2"),
            ("foo.com", "/x", "a:s0"),
            ("foo.com", "/bbb", "a:s4"),
            ("foo.com", "/aax", "a:s5"),
        ],
    );
}

#[test]
fn a_rewrite_target_makes_expressions_even_when_it_is_the_path() {
    let rewrite = |target: &str| Policy { rewrite_target: Some(target.into()), ..Policy::default() };
    let table = table(vec![
        with(ingress("same", &["same.com"], &[("/foo", Prefix)]), rewrite("/foo")),
        with(
            ingress("some", &["some.com"], &[("/something(/|$)(.*)", ImplementationSpecific)]),
            rewrite("/$2"),
        ),
        with(ingress("root", &["root.com"], &[("/", Prefix)]), rewrite("/new/backend")),
    ]);
    assert_eq!(answer(&table, "same.com", "/FOObar"), "same:s0");
    let rows = [
        ("some.com", "/something", Some("/")),
        ("some.com", "/something/", Some("/")),
        ("some.com", "/something/new?a=b", Some("/new?a=b")),
        ("root.com", "/x", Some("/new/backend")),
        ("same.com", "/foo/x?y", Some("/foo?y")),
        ("same.com", "/other", None),
    ];
    for (host, uri, wanted) in rows {
        let head = head("http", host, uri);
        let rewrite = route(&table, host, head.path).rewrite.as_ref();
        assert_eq!(rewrite.and_then(|rewrite| rewrite.apply(&head)).as_deref(), wanted, "{host}{uri}");
    }
}

#[test]
fn a_bad_expression_refuses_only_its_path_and_is_told() {
    let regex = Policy { use_regex: true, ..Policy::default() };
    let paths = [("/(?!no)x", ImplementationSpecific), ("/fine", ImplementationSpecific)];
    let compiled = compiled(vec![with(ingress("a", &["foo.com"], &paths), regex)]);
    check(&compiled.tables.routes, &[("foo.com", "/fine", "a:s1"), ("foo.com", "/x", "404")]);
    let report = compiled.reports.iter().find(|report| report.reason == "BadRegex").unwrap();
    assert_eq!(report.field.as_deref(), Some("spec.rules[0].http.paths[0].path"));
    assert!(report.message.contains("lookaround"), "{}", report.message);
}

#[test]
fn of_duplicates_the_oldest_ingress_wins_and_the_other_is_told() {
    let one = |name, created| Ingress { created, ..ingress(name, &["foo.com"], &[("/x", Prefix)]) };
    let rows = [
        (one("a", Some(5)), one("b", Some(3)), "b"),
        (one("a", Some(3)), one("b", None), "a"),
        (one("a", Some(3)), one("b", Some(3)), "b"), // the same age: names descending
        (one("a", None), one("b", None), "b"),
    ];
    for (a, b, winner) in rows {
        let compiled = compiled(vec![a, b]);
        let loser = if winner == "a" { "b" } else { "a" };
        assert_eq!(answer(&compiled.tables.routes, "foo.com", "/x"), format!("{winner}:s0"));
        let report = compiled.reports.iter().find(|report| report.reason == "DuplicatePath").unwrap();
        assert_eq!(report.object.key, Key::new("ns", loser));
        assert!(report.message.contains(&format!("ns/{winner}")), "{}", report.message);
    }
}

#[test]
fn an_ingress_of_many_hosts_has_each_of_its_rules_in_its_place() {
    let hosts: Vec<String> = (0..100).map(|n| format!("h{n}.com")).chain(["h3.com".into()]).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut many = ingress("a", &hosts, &[("/x", Prefix)]);
    many.rules[100].paths = vec![Path { path: "/y".into(), ..many.rules[7].paths[0].clone() }];
    let compiled = compiled(vec![many, at(ingress("b", &["h7.com"], &[("/x", Prefix), ("/z", Prefix)]), 1)]);
    let rows = [
        ("h0.com", "/x", "a:s0"),
        ("h99.com", "/x", "a:s0"),
        ("h3.com", "/x", "a:s0"),
        ("h3.com", "/y", "a:s0"),
        ("h4.com", "/y", "404"),
        ("h7.com", "/x", "a:s0"),
        ("h7.com", "/z", "b:s1"),
        ("h100.com", "/x", "404"),
    ];
    check(&compiled.tables.routes, &rows);
}

#[test]
fn the_same_path_of_another_kind_is_no_duplicate_and_paths_of_two_ingresses_add_up() {
    let compiled = compiled(vec![
        ingress("a", &["foo.com"], &[("/x", Prefix)]),
        at(ingress("b", &["foo.com"], &[("/x", Exact), ("/y", Prefix)]), 1),
    ]);
    let rows = [("foo.com", "/x", "b:s0"), ("foo.com", "/x/y", "a:s0"), ("foo.com", "/y", "b:s1")];
    check(&compiled.tables.routes, &rows);
    assert!(!compiled.reports.iter().any(|report| report.reason == "DuplicatePath"));
}

#[test]
fn default_backends_answer_what_no_rule_matches() {
    let default = |mut ingress: Ingress, name: &str| {
        ingress.default_backend = Some(service(name));
        ingress
    };
    let ingresses = || {
        vec![
            default(ingress("rules", &["foo.com"], &[("/x", Prefix)]), "own"),
            default(ingress("all", &[], &[]), "all"),
            at(default(ingress("late", &[], &[]), "late"), 9),
            ingress("bare", &["bare.com"], &[("/x", Prefix)]),
        ]
    };
    let compiled = compiled(ingresses());
    check(
        &compiled.tables.routes,
        &[
            ("foo.com", "/x", "rules:s0"),
            ("foo.com", "/y", "rules:own"),
            ("other.com", "/", "all:all"),
            ("bare.com", "/y", "404"),
        ],
    );
    assert!(
        compiled
            .reports
            .iter()
            .any(|r| r.reason == "DuplicateDefaultBackend" && &*r.object.key.name == "late")
    );
    let options = Options { default_backend: Some(Key::new("kube", "global")), ..Options::default() };
    let global = compiled_with(vec![ingress("bare", &["bare.com"], &[("/x", Prefix)])], &options);
    let rows = [("bare.com", "/y", "bare:global"), ("other.com", "/", "-:global")];
    check(&global.tables.routes, &rows);
    assert_eq!(&*route(&global.tables.routes, "other.com", "/").origin.upstream, "upstream-default-backend");
}

#[test]
fn resources_are_not_found_and_unreadable_access_rules_deny() {
    let mut resource = ingress("r", &["r.com"], &[("/", Prefix)]);
    resource.rules[0].paths[0].backend = BackendRef::Resource { what: "Bucket/b".into() };
    let denied = Policy { denied: Some("allowlist-source-range".into()), ..Policy::default() };
    let compiled = compiled(vec![resource, with(ingress("d", &["d.com"], &[("/x", Prefix)]), denied)]);
    let rows = [("r.com", "/", "404"), ("d.com", "/x", "503"), ("d.com", "/y", "503")];
    check(&compiled.tables.routes, &rows);
    let report = compiled.reports.iter().find(|report| report.reason == "ResourceBackend").unwrap();
    assert_eq!(report.field.as_deref(), Some("spec.rules[0].http.paths[0].backend.resource"));
}

#[test]
fn aliases_answer_unless_a_rule_or_an_older_alias_has_the_name() {
    let aliases = |list: &[&str]| Policy {
        server_aliases: list
            .iter()
            .map(|alias| match alias.strip_prefix('~') {
                Some(pattern) => Alias::Regex(pattern.into()),
                None => Alias::Host(Host::parse(alias).unwrap()),
            })
            .collect(),
        ..Policy::default()
    };
    let compiled = compiled(vec![
        with(
            ingress("a", &["foo.com"], &[("/a", Prefix)]),
            aliases(&["bar.com", "rule.com", "*.wild.com", r"~^r[0-9]+\.com$"]),
        ),
        at(ingress("b", &["foo.com"], &[("/b", Prefix)]), 1),
        at(with(ingress("c", &["c.com"], &[("/", Prefix)]), aliases(&["bar.com", "r7.com"])), 2),
        ingress("rule", &["rule.com"], &[("/", Prefix)]),
    ]);
    check(
        &compiled.tables.routes,
        &[
            ("bar.com", "/a", "a:s0"),
            ("bar.com", "/b", "b:s0"),
            ("rule.com", "/a", "rule:s0"),
            ("x.wild.com", "/a", "a:s0"),
            ("x.y.wild.com", "/a", "404"),
            ("r12.com", "/a", "a:s0"),
            ("r7.com", "/", "c:s0"), // names come before expressions
            ("rx.com", "/a", "404"),
        ],
    );
    let taken: Vec<_> = compiled.reports.iter().filter(|report| report.reason == "AliasTaken").collect();
    assert_eq!(taken.len(), 2, "{taken:?}");
}

#[test]
fn from_to_www_redirects_the_other_name_unless_it_has_rules() {
    let www = || Policy { from_to_www: true, ..Policy::default() };
    let compiled = compiled(vec![
        with(ingress("a", &["foo.com", "www.bar.com", "both.com"], &[("/", Prefix)]), www()),
        ingress("b", &["www.both.com"], &[("/", Prefix)]),
    ]);
    let table = &compiled.tables.routes;
    assert_eq!(table.host("www.foo.com").www_redirect.as_deref(), Some("foo.com"));
    assert_eq!(table.host("bar.com").www_redirect.as_deref(), Some("www.bar.com"));
    assert_eq!(table.host("foo.com").www_redirect, None);
    assert_eq!(answer(table, "www.both.com", "/"), "b:s0");
    assert!(compiled.reports.iter().any(|report| report.reason == "WwwRedirectIgnored"));
    let head = head("http", "www.foo.com", "/foo");
    assert_eq!(filter::www_location(&head, "foo.com"), "http://foo.com:80/foo");
}

#[test]
fn any_tls_section_sends_every_rule_host_of_its_ingress_to_https() {
    let force = Policy { force_ssl_redirect: Some(true), ..Policy::default() };
    let keep = Policy { preserve_trailing_slash: Some(true), ..Policy::default() };
    let table = table(vec![
        tls(ingress("a", &["a.com", "b.com", "*.w.com", ""], &[("/x", Prefix)])),
        at(ingress("plain", &["plain.com", "x.w.com", "x.y.w.com"], &[("/", Prefix)]), 1),
        with(ingress("force", &["force.com"], &[("/", Prefix)]), force),
        tls(with(ingress("keep", &["keep.com"], &[("/", Prefix)]), keep)),
    ]);
    let rows = [
        ("a.com", "/x", Some("https://a.com/x")),
        ("b.com", "/", Some("https://b.com")),
        ("b.com", "/unknown/", Some("https://b.com/unknown")), // what is not found as well
        ("q.w.com", "/", Some("https://q.w.com")),
        ("x.w.com", "/", Some("https://x.w.com")), // its wildcard has a certificate entry
        ("x.y.w.com", "/", None),
        ("plain.com", "/", None),
        ("other.com", "/x", None), // a certificate for no host in particular
        ("force.com", "/", Some("https://force.com")),
        ("keep.com", "/", Some("https://keep.com/")),
    ];
    for (host, path, wanted) in rows {
        let redirect = route(&table, host, path).traffic.https_redirect;
        let location = redirect.map(|r| filter::https_location(&head("http", host, path), r.keep_slash));
        assert_eq!(location.as_deref(), wanted, "{host}{path}");
        assert!(redirect.is_none_or(|redirect| redirect.status == 308));
    }
}

#[test]
fn app_root_comes_from_the_oldest_ingress_that_has_one() {
    let root = |path: &str| Policy { app_root: Some(path.into()), ..Policy::default() };
    let compiled = compiled(vec![
        ingress("old", &["foo.com"], &[("/", Prefix)]),
        at(with(ingress("mid", &["foo.com"], &[("/a", Prefix)]), root("/mid")), 1),
        at(with(ingress("new", &["foo.com"], &[("/b", Prefix)]), root("/new")), 2),
    ]);
    assert_eq!(compiled.tables.routes.host("foo.com").app_root.as_deref(), Some("/mid"));
    let report = compiled.reports.iter().find(|report| report.reason == "HostSettingIgnored").unwrap();
    assert_eq!(&*report.object.key.name, "new");
}

#[test]
fn fixed_redirects_use_captures_on_expressions_and_act_on_the_whole_host() {
    let to = |target: &str, use_regex| Policy {
        redirect: Some(Redirect { target: target.into(), status: 301 }),
        use_regex,
        ..Policy::default()
    };
    let table = table(vec![
        with(ingress("a", &["a.com"], &[("/old", Prefix)]), to("https://new.com$request_uri", false)),
        with(
            ingress("b", &["b.com"], &[("/old/(.*)", ImplementationSpecific)]),
            to("https://new.com/$1", true),
        ),
    ]);
    let rows = [
        ("a.com", "/old?x", "https://new.com/old?x"),
        ("a.com", "/other", "https://new.com/other"), // the implicit / has the annotations too
        ("b.com", "/old/a/b", "https://new.com/a/b"),
    ];
    for (host, uri, wanted) in rows {
        let head = head("http", host, uri);
        let redirect = route(&table, host, head.path).redirect.as_ref().unwrap();
        assert_eq!((redirect.status, redirect.location(&head).as_str()), (301, wanted), "{host}{uri}");
    }
}

#[test]
fn literal_lookup_agrees_with_a_naive_search() {
    // Every subset of these rules against every path: longest first, Exact first, whole elements.
    let rules = [
        ("/", Prefix),
        ("/a", Prefix),
        ("/a", Exact),
        ("/a/b", Prefix),
        ("/a/b/c", Exact),
        ("/ab", Prefix),
        ("/a/bc", Exact),
        ("/b/c/d", Prefix),
    ];
    let paths = [
        "/", "/a", "/a/", "/a/b", "/a/b/", "/a/bc", "/a/bcd", "/a/b/c", "/a/b/c/", "/a/b/cd", "/ab", "/abc",
        "/b", "/b/c/d/e", "/b/c/de",
    ];
    for mask in 0..1_u32 << rules.len() {
        let chosen: Vec<_> =
            rules.iter().enumerate().filter(|(bit, _)| mask & 1 << bit != 0).map(|(_, rule)| *rule).collect();
        let table = table(vec![ingress("a", &["foo.com"], &chosen)]);
        for path in paths {
            let matches = |(rule, kind): &&(&str, PathKind)| {
                let rest = path.strip_prefix(rule);
                rest == Some("")
                    || *kind == Prefix && (*rule == "/" || rest.is_some_and(|rest| rest.starts_with('/')))
            };
            let best = chosen.iter().filter(matches).max_by_key(|(rule, kind)| (rule.len(), *kind == Exact));
            let found = route(&table, "foo.com", path);
            let found = (!found.origin.is_default).then(|| (&*found.origin.path, found.origin.kind));
            assert_eq!(found, best.copied(), "{chosen:?} {path}");
        }
    }
}

#[test]
fn an_explanation_names_the_losers_and_why() {
    let table = table(vec![
        ingress(
            "a",
            &["foo.com"],
            &[
                ("/aaa", Prefix),
                ("/aaa/bbb", Prefix),
                ("/aaa/bb", Prefix),
                ("/aaa/bbb/c", Exact),
                ("/z", Prefix),
            ],
        ),
        ingress("w", &["*.foo.com"], &[("/", Prefix)]),
    ]);
    let explained = table.explain("foo.com", "/aaa/bbb/ccc");
    assert_eq!(&*explained.route.origin.path, "/aaa/bbb");
    let reasons: HashMap<_, _> =
        explained.losers.iter().map(|l| (l.origin.to_string(), l.reason.as_str())).collect();
    let rows = [
        ("foo.com/aaa (Prefix, Ingress ns/a)", "shorter path /aaa"),
        (
            "foo.com/aaa/bb (Prefix, Ingress ns/a)",
            "prefix /aaa/bb does not end at an element of /aaa/bbb/ccc",
        ),
        ("foo.com/aaa/bbb/c (Exact, Ingress ns/a)", "Exact /aaa/bbb/c does not equal /aaa/bbb/ccc"),
        ("foo.com/z (Prefix, Ingress ns/a)", "prefix /z is not the start of /aaa/bbb/ccc"),
        ("*.foo.com/ (Prefix, Ingress ns/w)", "wildcard *.foo.com does not match foo.com itself"),
    ];
    for (origin, wanted) in rows {
        assert_eq!(reasons.get(origin), Some(&wanted), "{reasons:#?}");
    }
    let deep = table.explain("a.b.foo.com", "/");
    assert!(deep.host_reason.contains("catch-all"), "{}", deep.host_reason);
    assert!(
        deep.losers.iter().any(|l| l.reason == "wildcard *.foo.com matches one label only"),
        "{:?}",
        deep.losers
    );
    assert!(table.explain("x.foo.com", "/").host_reason.contains("wildcard *.foo.com"));
}

#[test]
fn an_explanation_of_expressions_and_slashes_says_what_decided() {
    let regex = Policy { use_regex: true, ..Policy::default() };
    let table = table(vec![
        with(
            ingress("re", &["re.com"], &[("/id/[0-9]+", Prefix), ("/id", Prefix), ("/x.*y", Prefix)]),
            regex,
        ),
        ingress("a", &["foo.com"], &[("/x/", Prefix), ("/y", Prefix), ("/y", Exact)]),
    ]);
    let explained = table.explain("re.com", "/id/7");
    assert_eq!(explained.route_reason, "the first expression that matches, longest first");
    let reasons: Vec<_> = explained.losers.iter().map(|loser| loser.reason.as_str()).collect();
    let wanted = [
        "regex ^/x.*y did not match",
        "^/id matches too, but comes later in the order",
        "answers only when no rule matches",
    ];
    assert_eq!(reasons[..3], wanted);
    assert!(table.explain("foo.com", "/x").route_reason.contains("slash at its end"));
    let exact = table.explain("foo.com", "/y");
    assert_eq!(exact.route_reason, "the rule is exactly this path");
    assert!(
        exact.losers.iter().any(|loser| loser.reason == "Exact comes before Prefix"),
        "{:?}",
        exact.losers
    );
}

fn head<'a>(scheme: &'a str, host: &'a str, uri: &'a str) -> Head<'a> {
    let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
    let port = if scheme == "https" { 443 } else { 80 };
    Head { scheme, host, port, path, uri, query, method: "GET", remote: IpAddr::from([192, 0, 2, 1]) }
}
