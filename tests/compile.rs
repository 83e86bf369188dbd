//! Golden pairs: each `tests/compile/NAME.in.yaml` is a cluster, `NAME.out.yaml` what is served of it.
//!
//! Comments at the start of the input may say more:
//!
//! - `# backends: web rest` adds Services of those names, port 80 named `http` to target port 8080, with the endpoints
//!   10.0.1.1 and 10.0.1.2 for the first, 10.0.2.1 and 10.0.2.2 for the second, ...
//! - `# request: GET http://host/path` adds what becomes of that request.
//! - `# set: KEY=VALUE` is a setting of the command line; the ConfigMap with the settings is `ingress/settings`.
//! - `# flag: NAME` or `# flag: NAME=VALUE` is a flag, named as on the command line.
//!
//! `UPDATE_GOLDEN=1 cargo test --test compile` writes the outputs anew; read the difference before you commit it.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "compile/answer.rs"]
mod answer;
#[path = "compile/print.rs"]
mod print;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use slipway::compile::{self, ClassOptions, compile};
use slipway::model::Key;
use slipway::model::selector::Selector;
use slipway::source::files::{self, KINDS, Options, load_text};
use slipway::store::{Store, Update};

/// 2026-10-01 00:00 UTC: the certificates of the pairs are valid then, unless their pair is about that.
const NOW: i64 = 1_790_812_800;

#[test]
fn every_pair_holds() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    let inputs = inputs();
    assert!(inputs.len() > 50, "the pairs were not found");
    for input in inputs {
        let name = input.file_name().unwrap().to_str().unwrap().to_owned();
        let output = input.with_file_name(name.replace(".in.yaml", ".out.yaml"));
        let found = run(&name, &fs::read_to_string(&input).unwrap());
        let wanted = fs::read_to_string(&output).unwrap_or_default();
        if update {
            fs::write(&output, &found).unwrap();
        } else if found != wanted {
            writeln!(wrong, "{name}:\n{}", difference(&wanted, &found)).unwrap();
        }
    }
    assert!(
        wrong.is_empty(),
        "UPDATE_GOLDEN=1 writes what is served now (+) over what should be (-):\n{wrong}"
    );
}

#[test]
fn every_output_has_its_input() {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    for output in files.filter(|path| path.to_str().unwrap().ends_with(".out.yaml")) {
        let input = output.to_str().unwrap().replace(".out.yaml", ".in.yaml");
        assert!(Path::new(&input).exists(), "{input} is missing");
    }
}

#[test]
fn compiling_twice_and_from_scratch_gives_the_same() {
    for input in inputs() {
        let text = fs::read_to_string(&input).unwrap();
        let case = Case::parse("x.in.yaml", &text);
        let snapshot = case.store().snapshot();
        let first = compile(&snapshot, &case.options, NOW, None);
        let again = compile(&case.store().snapshot(), &case.options, NOW, Some(&first));
        assert_eq!(case.print(&first), case.print(&again), "{}", input.display());
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile")
}

fn inputs() -> Vec<PathBuf> {
    let mut inputs: Vec<PathBuf> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".in.yaml"))
        .collect();
    inputs.sort();
    inputs
}

fn run(name: &str, text: &str) -> String {
    let case = Case::parse(name, text);
    let compiled = compile(&case.store().snapshot(), &case.options, NOW, None);
    case.print(&compiled)
}

/// One input.
struct Case {
    updates: Vec<Update>,
    options: compile::Options,
    requests: Vec<String>,
}

impl Case {
    fn parse(name: &str, text: &str) -> Self {
        let mut cluster = text.to_owned();
        let mut source = Options { configmap: Key::parse("ingress/settings"), ..Options::default() };
        let mut options = compile::Options {
            class: ClassOptions { take_all_without_classes: true, ..ClassOptions::default() },
            ..compile::Options::default()
        };
        let mut requests = Vec::new();
        for line in text.lines().map_while(|line| line.strip_prefix('#')) {
            let Some((word, rest)) = line.trim().split_once(": ") else { continue };
            match word {
                "backends" => cluster.push_str(&backends(rest)),
                "request" => requests.push(rest.to_owned()),
                "set" => {
                    let (key, value) = rest.split_once('=').unwrap();
                    source.overrides.push((key.to_owned(), value.to_owned()));
                }
                "flag" => flag(rest, &mut options, &mut source),
                _ => {}
            }
        }
        let loaded = load_text(name, &cluster, &source);
        Self { updates: loaded.updates, options, requests }
    }

    fn store(&self) -> Store {
        let mut store = Store::new(KINDS);
        for update in self.updates.iter().cloned() {
            store.apply(update);
        }
        assert!(store.is_complete());
        store
    }

    fn print(&self, compiled: &compile::Compiled) -> String {
        let mut out = print::tables(&compiled.tables);
        if !self.requests.is_empty() {
            out.push_str("requests:\n");
        }
        for request in &self.requests {
            let answer = answer::answer(&compiled.tables, request);
            writeln!(out, "- {}: {}", print::quoted(request), print::quoted(&answer)).unwrap();
        }
        out + &print::outcomes(compiled)
    }
}

fn flag(text: &str, options: &mut compile::Options, source: &mut files::Options) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match name {
        "ingress-class" => options.class.ingress_class = value.into(),
        "controller-class" => options.class.controller = value.into(),
        "watch-ingress-without-class" => options.class.watch_without_class = true,
        "ingress-class-by-name" => options.class.by_name = true,
        "default-backend-service" => options.default_backend = Key::parse(value),
        "default-ssl-certificate" => options.default_certificate = Key::parse(value),
        "watch-namespace" => options.watch_namespace = Some(value.into()),
        "watch-namespace-selector" => options.namespace_selector = Some(Selector::parse(value).unwrap()),
        "disable-catch-all" => options.disable_catch_all = true,
        "disable-svc-external-name" => options.disable_external_name = true,
        "annotations-prefix" => source.translate.annotations_prefix = value.into(),
        other => panic!("no flag {other}"),
    }
}

/// Services with endpoints, as YAML.
fn backends(names: &str) -> String {
    let one = |(number, name): (usize, &str)| {
        format!(
            "\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec:\n  clusterIP: 10.96.0.{number}\n  ports: [{{name: http, port: 80, targetPort: 8080}}]\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\n\
             ports: [{{name: http, port: 8080}}]\n\
             endpoints: [{{addresses: [10.0.{number}.1]}}, {{addresses: [10.0.{number}.2]}}]\n"
        )
    };
    (1..).zip(names.split_whitespace()).map(one).collect()
}

fn difference(wanted: &str, found: &str) -> String {
    let only = |mark: char, a: &str, b: &str| -> String {
        let other: Vec<&str> = b.lines().collect();
        a.lines().filter(|line| !other.contains(line)).map(|line| format!("  {mark} {line}\n")).collect()
    };
    only('-', wanted, found) + &only('+', found, wanted)
}
