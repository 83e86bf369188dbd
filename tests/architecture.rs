//! Who may import whom. Fails when a module reaches outside its layer.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A pure module has no runtime, socket, file, process, clock or environment.
const IMPURE: &[&str] = &[
    "tokio",
    "tower",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant::now",
    "SystemTime::now",
];

/// Names that belong to a few modules only.
const ONLY: &[(&str, &[&str])] = &[
    ("kube::", &["source", "status", "app"]),
    ("k8s_openapi", &["translate", "source", "status"]),
    ("hyper", &["proxy", "admin", "admission", "app::client", "cli::demo"]),
    ("rustls", &["model::certificate", "proxy::tls", "proxy::upstream", "admission", "dns::forward", "app"]),
    ("matchit", &["routing::path"]),
    ("std::process", &["l4::nft", "main"]),
    ("std::env", &["config"]),
];

use Kind::{Pure, Shell};
#[derive(PartialEq)]
enum Kind {
    Pure,
    Shell,
}

/// (module, what it is, modules it may import).
/// The longest matching module wins; a module may always import its own children.
const RULES: &[(&str, Kind, &[&str])] = &[
    ("lib", Shell, &["*"]),
    ("main", Shell, &["*"]),
    ("app", Shell, &["*"]),
    ("cli", Shell, &["*"]),
    ("config", Shell, &["config"]),
    ("metrics", Shell, &["metrics"]),
    ("publish", Shell, &[]),
    ("model", Pure, &["model"]),
    ("translate", Pure, &["model", "translate"]),
    ("store", Pure, &["model", "store"]),
    ("routing", Pure, &["model", "routing"]),
    ("compile", Pure, &["model", "routing", "compile"]),
    ("source", Shell, &["model", "translate", "store", "metrics", "source"]),
    ("status", Shell, &["model", "metrics", "status"]),
    ("controller", Shell, &["model", "store", "compile", "routing", "publish", "metrics", "controller"]),
    ("proxy", Shell, &["model", "routing", "publish", "metrics", "proxy"]),
    ("proxy::balance", Pure, &["model", "routing"]),
    ("proxy::headers", Pure, &[]),
    ("proxy::error", Shell, &[]),
    ("l4", Shell, &["model", "publish", "metrics", "l4"]),
    ("l4::ruleset", Pure, &["model::map", "l4::ruleset"]),
    ("l4::desired", Pure, &["model", "l4::ruleset", "l4::desired"]),
    ("l4::diff", Pure, &["model::map", "l4::ruleset", "l4::diff"]),
    ("l4::nft", Shell, &["l4::ruleset", "l4::diff", "l4::nft", "l4::netlink"]),
    ("l4::userspace::affinity", Pure, &["l4::ruleset"]),
    ("l4::userspace::udp::flows", Pure, &[]),
    ("dns", Shell, &["model", "publish", "metrics", "dns"]),
    ("dns::wire", Pure, &["dns::wire"]),
    ("dns::plan", Pure, &["dns::wire"]),
    ("dns::corefile", Pure, &["dns::plan", "dns::template", "dns::wire", "dns::corefile"]),
    ("dns::zone", Pure, &["model", "dns::wire", "dns::zone"]),
    ("dns::query", Pure, &["model", "dns::zone", "dns::wire", "dns::query"]),
    ("dns::hosts", Pure, &["dns::wire"]),
    ("dns::rewrite", Pure, &["dns::plan", "dns::wire", "dns::rewrite"]),
    ("dns::template", Pure, &["dns::plan", "dns::wire", "dns::template"]),
    ("dns::forward", Shell, &["metrics", "dns::plan", "dns::wire", "dns::forward"]),
    ("admin", Shell, &["model", "routing", "publish", "metrics", "dns", "admin"]),
    ("admission", Shell, &["model", "translate", "compile", "metrics", "admission"]),
];

#[test]
fn modules_import_only_what_their_layer_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = BTreeSet::new();
    for file in rust_files(&root) {
        let module = module_path(&root, &file);
        let text = production_text(&fs::read_to_string(&file).unwrap());
        let rule = RULES.iter().filter(|(m, ..)| covers(m, &module)).max_by_key(|(m, ..)| m.len());
        let Some((_, kind, allowed)) = rule else {
            wrong.insert(format!("{module}: no rule names this module"));
            continue;
        };
        let impure = IMPURE.iter().filter(|_| *kind == Pure);
        let foreign = ONLY.iter().filter(|(_, homes)| !homes.iter().any(|h| covers(h, &module)));
        for word in impure.chain(foreign.map(|(word, _)| word)).filter(|w| text.contains(**w)) {
            wrong.insert(format!("{module}: must not use {word}"));
        }
        for target in imports(&module, &text) {
            let permitted = allowed.iter().any(|a| *a == "*" || covers(a, &target));
            if !permitted && !covers(&module, &target) {
                wrong.insert(format!("{module}: must not import {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_themselves_have_no_cycle() {
    let top = |m: &str| m.split("::").next().unwrap().to_owned();
    let mut edges: BTreeSet<(String, String)> = RULES
        .iter()
        .flat_map(|(m, _, to)| to.iter().map(move |t| (top(m), top(t))))
        .filter(|(m, t)| m != t && t != "*")
        .collect();
    loop {
        let sources: BTreeSet<_> = edges.iter().map(|(m, _)| m.clone()).collect();
        let before = edges.len();
        edges.retain(|(_, t)| sources.contains(t));
        if edges.is_empty() {
            return;
        }
        assert!(edges.len() < before, "cycle among {edges:?}");
    }
}

fn covers(rule: &str, module: &str) -> bool {
    module == rule || module.strip_prefix(rule).is_some_and(|rest| rest.starts_with("::"))
}

/// Module paths named through `crate::` and `super::`, at most two segments deep.
fn imports(module: &str, text: &str) -> BTreeSet<String> {
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let mut found = BTreeSet::new();
    for (marker, base) in [("crate::", ""), ("super::", parent)] {
        for (at, _) in text.match_indices(marker) {
            for path in first_segments(&text[at + marker.len()..]) {
                let full = if base.is_empty() { path } else { format!("{base}::{path}") };
                let modules: Vec<&str> =
                    full.split("::").take_while(|s| s.starts_with(char::is_lowercase)).take(2).collect();
                if !modules.is_empty() {
                    found.insert(modules.join("::"));
                }
            }
        }
    }
    found
}

/// `a::b::C` is one path; `{a::X, b}` is one per item of the outer list.
fn first_segments(rest: &str) -> Vec<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
    let Some(list) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                out.push(word(list[start..at].trim()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    out
}

/// The file without line comments and without its trailing test module.
fn production_text(source: &str) -> String {
    let end = source.find("#[cfg(test)]").unwrap_or(source.len());
    source[..end].lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn module_path(root: &Path, file: &Path) -> String {
    let rel = file.strip_prefix(root).unwrap().with_extension("");
    rel.iter().map(|s| s.to_string_lossy().into_owned()).collect::<Vec<_>>().join("::")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}
