//! The running program: started as an operator would, watched, signalled, asked.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{self, Answer, PATIENCE};

/// The program under test.
pub(super) fn program() -> PathBuf {
    std::env::var_os("SLIPWAY_BIN").map_or_else(|| env!("CARGO_BIN_EXE_slipway").into(), PathBuf::from)
}

/// Runs a command to its end.
pub(super) fn run(args: &[&str]) -> Output {
    Command::new(program()).args(args).stdin(Stdio::null()).output().unwrap()
}

/// What a command printed to both outputs, and its exit code.
pub(super) fn printed(output: &Output) -> (String, i32) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (text.concat(), output.status.code().unwrap_or(-1))
}

/// Asks again and again until the answer is there; says after how long. Fails after a long time.
pub(super) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> (T, Duration) {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return (value, start.elapsed()),
            Err(last) => assert!(start.elapsed() < PATIENCE, "{what}: still {last}"),
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A directory of manifests.
pub(super) struct Manifests(TempDir);

impl Manifests {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let new = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            new.write(name, text);
        }
        new
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn text(&self) -> &str {
        self.path().to_str().unwrap()
    }

    /// Writes a file in place.
    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Replaces a file as editors do: a temporary file, renamed over it.
    pub(super) fn replace(&self, name: &str, text: &str) {
        let temporary = self.path().join(format!(".{name}.swp"));
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, self.path().join(name)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }
}

/// A running `slipway ingress`.
pub(super) struct Server {
    child: Child,
    lines: Arc<Lines>,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// What the program wrote to standard error so far.
#[derive(Default)]
struct Lines {
    /// The lines, and whether there will be no more.
    state: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Server {
    /// Starts and waits until it is ready.
    pub(super) fn start(manifests: &Manifests, args: &[&str]) -> Self {
        let mut server = Self::launch(manifests, args);
        let line = server.wait_for("ready: ");
        let after = |word: &str| {
            let rest = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).1;
            let end = rest.find([',', ';', ' ']).unwrap_or(rest.len());
            rest[..end].parse::<SocketAddr>().unwrap_or_else(|e| panic!("{line:?}: {e}"))
        };
        (server.http, server.https) = (after("http "), after("https "));
        server.admin = after("metrics on ");
        server
    }

    /// Starts and does not wait. The ports are not known then.
    pub(super) fn launch(manifests: &Manifests, args: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(["ingress", "--manifests", manifests.text(), "--http-port=0", "--https-port=0"]);
        command.args(["--bind-address=127.0.0.1", "--healthz-host=127.0.0.1", "--workers=2"]);
        if !args.iter().any(|arg| arg.starts_with("--healthz-port")) {
            command.arg("--healthz-port=0");
        }
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::<Lines>::default());
        let told = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                told.state.lock().unwrap().0.push(line);
                told.more.notify_all();
            }
            told.state.lock().unwrap().1 = true;
            told.more.notify_all();
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child, lines, http: nowhere, https: nowhere, admin: nowhere }
    }

    /// Waits for a line of standard error that holds this text, from the start of the program on.
    pub(super) fn wait_for(&self, text: &str) -> String {
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        let state = self.lines.state.lock().unwrap();
        let waiting = |state: &mut (Vec<String>, bool)| found(&state.0).is_none() && !state.1;
        let state = self.lines.more.wait_timeout_while(state, PATIENCE, waiting).unwrap().0;
        found(&state.0).unwrap_or_else(|| panic!("no {text:?} in:\n{}", state.0.join("\n")))
    }

    /// Everything that was written to standard error so far.
    pub(super) fn log(&self) -> String {
        self.lines.state.lock().unwrap().0.join("\n")
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory that is in use, in KiB.
    pub(super) fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a signal, such as `TERM`.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end.
    pub(super) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let ended = || child.try_wait().unwrap().ok_or_else(|| "running".to_owned());
        eventually("the program ends", ended).0
    }

    /// Whether the program still runs.
    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// One GET over HTTP on a connection of its own.
    pub(super) fn get(&self, host: &str, target: &str) -> Answer {
        client::get(self.http, host, target).unwrap()
    }

    /// Asks until this text is in the body; says after how long.
    pub(super) fn until_body(&self, host: &str, target: &str, text: &str) -> Duration {
        let attempt = || match client::get(self.http, host, target) {
            Ok(answer) if answer.body.contains(text) => Ok(()),
            other => Err(format!("{other:?}")),
        };
        eventually(&format!("{host}{target} answers {text:?}"), attempt).1
    }

    /// Asks until the status is this; says after how long.
    pub(super) fn until_status(&self, host: &str, target: &str, status: u16) -> Duration {
        let attempt = || match client::get(self.http, host, target) {
            Ok(answer) if answer.status == status => Ok(()),
            other => Err(format!("{other:?}")),
        };
        eventually(&format!("{host}{target} answers {status}"), attempt).1
    }

    /// One GET of the admin server.
    pub(super) fn ask(&self, target: &str) -> Answer {
        client::get(self.admin, "admin", target).unwrap()
    }

    /// What is in force.
    pub(super) fn config(&self) -> Value {
        serde_json::from_str(&self.ask("/config").body).unwrap()
    }

    /// What there is to report, as `file:line:column reason: message` lines.
    pub(super) fn reports(&self) -> Vec<String> {
        let config = self.config();
        let line = |report: &Value| {
            let place = &report["place"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (line, column) = (&place["line"], &place["column"]);
            format!(
                "{}:{line}:{column} {}: {}",
                text(&place["file"]),
                text(&report["reason"]),
                text(&report["message"])
            )
        };
        config["reports"].as_array().unwrap().iter().map(line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("standard error of the program:\n{}", self.log());
        }
    }
}
