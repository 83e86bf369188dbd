//! The Helm chart and the program agree on flags. `tests/chart/run.sh` tests the rest of the chart, with Helm.

#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{CommandFactory, Parser};
use slipway::config::flags::Flags;

/// A list of flags in the chart: the lines of a named template.
fn listed(template: &str) -> BTreeSet<String> {
    let text = fs::read_to_string("charts/slipway/templates/_flags.tpl").unwrap();
    let (_, rest) =
        text.split_once(&format!("define \"slipway.{template}\" -}}}}")).expect("the template is there");
    let (list, _) = rest.split_once("{{-").unwrap();
    list.split_whitespace().map(str::to_owned).collect()
}

fn flags_of(command: &str) -> BTreeSet<String> {
    let flags = Flags::command();
    let command = flags.find_subcommand(command).unwrap();
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    shown.filter_map(|argument| argument.get_long()).map(str::to_owned).collect()
}

/// The argument lists of the containers in a rendered file.
fn containers(yaml: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut lines = yaml.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("args:").map(str::len) else { continue };
        let mut arguments = Vec::new();
        while let Some(item) = lines.peek().and_then(|line| line.get(indent..)) {
            let Some(item) = item.trim_start().strip_prefix("- ") else { break };
            arguments.push(item.trim_matches('"').to_owned());
            lines.next();
        }
        found.push(arguments);
    }
    found
}

#[test]
fn extra_args_can_pass_every_flag_and_no_other() {
    assert_eq!(listed("ownFlags"), flags_of("ingress"));
    assert_eq!(listed("serviceProxyFlags"), flags_of("service-proxy"));
}

#[test]
fn no_flag_is_dropped_or_refused_that_the_program_has() {
    let foreign: BTreeSet<String> = listed("nginxFlags").union(&listed("absentFlags")).cloned().collect();
    let ours = flags_of("ingress");
    let both: Vec<_> = foreign.intersection(&ours).collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn the_program_accepts_the_arguments_of_every_golden_pod() {
    let mut files = 0;
    for file in fs::read_dir("tests/chart/golden").unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        assert!(accepted(&path) > 0, "{} has no pod of the program", path.display());
        files += 1;
    }
    assert!(files > 0, "no golden file found");
}

/// Parses the arguments of the program's containers in one golden file; answers how many there are.
fn accepted(path: &Path) -> usize {
    let commands: BTreeSet<_> =
        Flags::command().get_subcommands().map(|it| it.get_name().to_owned()).collect();
    let all = containers(&fs::read_to_string(path).unwrap());
    let ours: Vec<_> =
        all.iter().filter(|it| it.first().is_some_and(|first| commands.contains(first))).collect();
    for arguments in &ours {
        let line = std::iter::once("slipway").chain(arguments.iter().map(String::as_str));
        if let Err(error) = Flags::try_parse_from(line) {
            panic!("{}: {arguments:?}: {error}", path.display());
        }
    }
    ours.len()
}
