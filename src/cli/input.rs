//! Reads manifests or a cluster once and compiles what is there: what `check` and `explain` look at.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::{self, certificate, options};
use crate::compile::{Compiled, compile};
use crate::config::Rules;
use crate::model::{Kind, Snapshot};
use crate::source::files::{self, Loaded};
use crate::store::{Store, Update};

/// Objects, read and compiled.
pub(super) struct Input {
    /// How people call where it came from.
    pub(super) name: String,
    /// Files read; `None` for a cluster.
    pub(super) files: Option<usize>,
    /// Objects of the kinds that are known.
    pub(super) counts: BTreeMap<Kind, usize>,
    /// Objects of other kinds.
    pub(super) ignored: BTreeMap<String, usize>,
    /// What was read.
    pub(super) snapshot: Snapshot,
    /// What comes of it.
    pub(super) compiled: Compiled,
}

/// Reads a directory, a file, or standard input (`-`). The error says what to do.
pub(super) fn read(path: &Path, rules: &Rules) -> Result<Input, String> {
    let spinner = spinner(format!("reading {}", path.display()));
    let loaded = load(path, rules);
    spinner.set_message("compiling");
    let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let input = loaded.and_then(|Loaded { updates, files, ignored }| {
        let input = compiled(name, updates, rules, true)?;
        Ok(Input { files: Some(files), ignored, ..input })
    });
    spinner.finish_and_clear();
    input
}

/// Reads what a cluster holds now. The error says what to do.
pub(super) fn read_cluster(kubeconfig: Option<&Path>, rules: &Rules) -> Result<Input, String> {
    let spinner = spinner("reading the cluster".into());
    let updates = app::load_cluster(kubeconfig, rules);
    spinner.set_message("compiling");
    let input = updates.and_then(|updates| compiled("the cluster".into(), updates, rules, false));
    spinner.finish_and_clear();
    input
}

fn load(path: &Path, rules: &Rules) -> Result<Loaded, String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map_err(|e| format!("standard input: {e}"))?;
        return Ok(files::load_text("stdin", &text, &options::files(rules, Path::new("."))));
    }
    if path.is_file() {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        return Ok(files::load_text(&path.to_string_lossy(), &text, &options::files(rules, Path::new("."))));
    }
    if !path.exists() {
        let path = path.display();
        return Err(format!(
            "{path} does not exist: name a directory of YAML or JSON files, one such file, or -"
        ));
    }
    files::load(&options::files(rules, path)).map_err(|e| e.to_string())
}

fn compiled(name: String, updates: Vec<Update>, rules: &Rules, directory: bool) -> Result<Input, String> {
    let mut store = Store::new(&[]);
    for update in updates {
        store.apply(update);
    }
    let snapshot = store.snapshot();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    // As it would be served: hosts without a certificate get a self-signed one.
    let options = options::compile(rules, certificate::fallback().ok(), directory)?;
    let compiled = compile(&snapshot, &options, now, None);
    Ok(Input { name, files: None, counts: store.counts(), ignored: BTreeMap::new(), snapshot, compiled })
}

/// Shows that something goes on, on a terminal.
fn spinner(message: String) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a constant template");
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.set_message(message);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
