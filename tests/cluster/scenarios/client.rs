//! Clients outside of the cluster: curl for one request, `echo load` for many.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use serde::Deserialize;
use serde_json::Value;

use super::kubernetes::{done, eventually, run};

/// An answer as curl saw it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The status line and the header fields.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// What the echo server says of itself and the request; null when somebody else answered.
    pub(super) fn echo(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The name of the echo server that answered; empty when nobody did.
    pub(super) fn name(&self) -> String {
        self.echo()["name"].as_str().unwrap_or_default().to_owned()
    }

    /// A header field, by its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Asks for a URL at this address (`IP:PORT`), whatever host the URL names.
pub(super) fn ask(address: &str, url: &str) -> Result<Answer, String> {
    curl(address, url, &["--insecure"])
}

/// As [`ask`], with more arguments for curl. Certificates are checked.
pub(super) fn curl(address: &str, url: &str, args: &[&str]) -> Result<Answer, String> {
    let there = format!("::{address}");
    let mut command =
        run(&["client", "curl", "-sS", "--include", "--max-time", "10", "--connect-to", &there]);
    let text = done(command.args(args).arg(url).output().unwrap())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("not an answer: {text}"))?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| head.to_owned())?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Asks until an echo server of this name answers.
pub(super) fn until_name(address: &str, url: &str, name: &str) -> Answer {
    until(address, url, &format!("answered by {name}"), |answer| {
        answer.status == 200 && answer.name() == name
    })
}

/// Asks until the status is this.
pub(super) fn until_status(address: &str, url: &str, status: u16) -> Answer {
    until(address, url, &format!("answered with {status}"), |answer| answer.status == status)
}

/// Asks until this text is in the body of a 200.
pub(super) fn until_body(address: &str, url: &str, text: &str) -> Answer {
    until(address, url, &format!("answered with {text:?}"), |answer| {
        answer.status == 200 && answer.body.contains(text)
    })
}

fn until(address: &str, url: &str, what: &str, good: impl Fn(&Answer) -> bool) -> Answer {
    let attempt = || match ask(address, url) {
        Ok(answer) if good(&answer) => Ok(answer),
        other => Err(format!("{other:?}")),
    };
    eventually(&format!("{url} at {address} is {what}"), attempt).0
}

/// Requests without a pause, until [`Load::finish`].
pub(super) struct Load {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// What came of the requests.
#[derive(Deserialize)]
pub(super) struct Tally {
    pub(super) requests: u64,
    /// Those without a complete 200.
    pub(super) failed: u64,
    /// Answers of each pod.
    pub(super) pods: BTreeMap<String, u64>,
    /// The rest of what the client tells: the first failures, times.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Tally {
    /// Fails the test unless every request was answered.
    pub(super) fn all_answered(&self) {
        let (requests, rest) = (self.requests, &self.rest);
        assert_eq!(self.failed, 0, "of {requests} requests so many failed: {rest:#?}\npods: {:?}", self.pods);
    }
}

impl Load {
    /// Starts, and returns when every worker has had an answer. `args` are those of `echo load`.
    pub(super) fn start(args: &[&str]) -> Self {
        let mut command = run(&["echo", "load"]);
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "started", "echo load {args:?}");
        Self { child, output }
    }

    /// So many requests, and no more.
    pub(super) fn requests(count: usize, args: &[&str]) -> Tally {
        Self::start(&[&["-requests", &count.to_string()], args].concat()).tally()
    }

    /// Ends; what is in flight is still waited for.
    pub(super) fn finish(mut self) -> Tally {
        drop(self.child.stdin.take());
        self.tally()
    }

    fn tally(&mut self) -> Tally {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
