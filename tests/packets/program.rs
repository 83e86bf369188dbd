//! The program on the node, over a directory of YAML.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::client::until;
use super::net::{Net, Side};

pub(super) struct Program {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    directory: TempDir,
    flags: Vec<String>,
    number: usize,
    /// What was written last.
    yaml: String,
}

impl Program {
    /// Starts with these objects; ready when this returns.
    pub(super) fn start(net: &Net, yaml: &str, flags: &[&str]) -> Self {
        let program = Self::begin(net, yaml, flags);
        program.until_said("ready: ");
        program
    }

    /// Starts with these objects.
    pub(super) fn begin(net: &Net, yaml: &str, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("all.yaml"), yaml).unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let (child, said) = spawn(net, directory.path(), &flags);
        Self { child, said, directory, flags, number: 0, yaml: yaml.to_owned() }
    }

    /// Replaces all objects.
    pub(super) fn write(&mut self, yaml: &str) {
        self.number += 1;
        yaml.clone_into(&mut self.yaml);
        let new = self.directory.path().join(format!(".new-{}", self.number));
        fs::write(&new, yaml).unwrap();
        fs::rename(new, self.directory.path().join("all.yaml")).unwrap();
    }

    /// Waits until a line with this text was said; gives it.
    pub(super) fn until_said(&self, text: &str) -> String {
        let find = || {
            let said = self.said.lock().unwrap();
            said.iter().find(|line| line.contains(text)).cloned().ok_or_else(|| said.clone())
        };
        until(&format!("{text:?} is said"), find, Result::is_ok).unwrap()
    }

    /// Waits until so many lines with this text were said.
    pub(super) fn until_count(&self, text: &str, count: usize) {
        let find = || {
            let said = self.said.lock().unwrap();
            (said.iter().filter(|line| line.contains(text)).count(), said.clone())
        };
        until(&format!("{text:?} is said {count} times"), find, |(found, _)| *found >= count);
    }

    /// Waits until what was written last is in force: it is written once more with another Service, which the kernel then knows.
    pub(super) fn until_in_force(&mut self, net: &Net) {
        let address = format!("10.96.200.{}", self.number % 200 + 1);
        let marker = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: marker}}\nspec: {{clusterIP: {address}, ports: [{{port: 1}}]}}\n"
        );
        let yaml = format!("{}{marker}", self.yaml);
        self.write(&yaml);
        let known = || net.nft(&["list", "set", "ip", "slipway", "cluster-ips"]);
        until("what was written last is in force", known, |set| set.contains(&address));
    }

    /// Everything that was said so far.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Ends the program as an operator does.
    pub(super) fn stop(&mut self) {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {:#?}", self.said());
    }

    /// Ends it as a crash does.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again over the same directory; ready when this returns.
    pub(super) fn start_again(&mut self, net: &Net) {
        (self.child, self.said) = spawn(net, self.directory.path(), &self.flags);
        self.until_said("ready: ");
    }
}

fn spawn(net: &Net, directory: &Path, flags: &[String]) -> (Child, Arc<Mutex<Vec<String>>>) {
    let binary = std::env::var("SLIPWAY_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_slipway").into());
    let mut command = net.command(Side::Node, &binary);
    command.args(["service-proxy", "--node-name", "node1", "--manifests"]).arg(directory);
    command.args(["--healthz-address", "127.0.0.1:10256"]).args(flags);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let (lines, heard) = (BufReader::new(child.stderr.take().unwrap()).lines(), said.clone());
    thread::spawn(move || {
        lines.map_while(Result::ok).for_each(|line| heard.lock().unwrap().push(line));
    });
    (child, said)
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
