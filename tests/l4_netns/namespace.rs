//! A fresh network namespace for a test.

use std::process::{Command, Stdio};

/// Says to the test program that it already is where it wants to be.
const INSIDE: &str = "SLIPWAY_TEST_NAMESPACE";

/// Runs the test of that name again in a network namespace of its own, where `body` runs. Needs root.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return body();
    }
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{name} needs root");
        eprintln!("{name}: skipped, a network namespace of its own needs root");
        return;
    }
    let status = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in its namespace");
}

/// Runs a program and gives what it prints.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// Runs `nft` under another name, by which others know the process.
pub(crate) fn nft_as(name: &str, arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let found = run("sh", &["-c", "command -v nft"]);
    let link = directory.path().join(name);
    std::os::unix::fs::symlink(found.trim(), &link).unwrap();
    run(link.to_str().unwrap(), arguments);
}

/// Loads a text with `nft -f`.
pub(crate) fn load(text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    run("nft", &["-f", file.path().to_str().unwrap()]);
}
