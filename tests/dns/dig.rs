//! dig: other people's client, and what it shows.

use std::process::Command;

/// What dig shows of a reply.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// `NOERROR`, `NXDOMAIN`; empty without a reply.
    pub(crate) status: String,
    /// `qr aa rd`.
    pub(crate) flags: String,
    /// The records of each section, one space between fields, sorted; the SOA's serial is `SERIAL`.
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
    /// All that it printed.
    pub(crate) text: String,
}

/// Whether there is a dig. Says so when not; under CI it is a failure.
pub(crate) fn is_there() -> bool {
    let there = Command::new("dig").arg("-v").output().is_ok();
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "dig is missing (Debian: bind9-dnsutils)");
        eprintln!("skipped: dig is missing (Debian: bind9-dnsutils)");
    }
    there
}

/// Asks once.
pub(crate) fn dig(port: u16, args: &[&str]) -> Shown {
    all(port, &[args.join(" ")]).pop().unwrap()
}

/// Asks each line's question, one after the other in one dig.
pub(crate) fn all(port: u16, lines: &[String]) -> Vec<Shown> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let common = format!("@127.0.0.1 -p {port} +tries=1 +time=5 +nostats");
    let text: String = lines.iter().map(|line| format!("{common} {line}\n")).collect();
    std::fs::write(file.path(), text).unwrap();
    let output = Command::new("dig").arg("-f").arg(file.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Each reply begins with dig's own line; what it had to say before belongs to the first.
    let mut shown: Vec<Shown> = text.split("; <<>> DiG").skip(1).map(read).collect();
    assert_eq!(shown.len(), lines.len(), "{text}");
    let before = text.split("; <<>> DiG").next().unwrap_or_default();
    shown[0].text.insert_str(0, before);
    shown.iter_mut().for_each(|shown| shown.answer.sort());
    shown
}

fn read(text: &str) -> Shown {
    let mut shown = Shown { text: text.to_owned(), ..Shown::default() };
    let mut section = "";
    for line in text.lines() {
        if let Some(after) = line.split("status: ").nth(1) {
            shown.status = after.split(',').next().unwrap().to_owned();
        }
        if let Some(after) = line.strip_prefix(";; flags: ") {
            shown.flags = after.split(';').next().unwrap().to_owned();
        }
        if let Some(name) = line.strip_prefix(";; ").and_then(|line| line.strip_suffix(" SECTION:")) {
            section = name;
            continue;
        }
        if line.starts_with(';') || line.trim().is_empty() {
            continue;
        }
        let record = record(line);
        match section {
            "ANSWER" => shown.answer.push(record),
            "AUTHORITY" => shown.authority.push(record),
            "ADDITIONAL" => shown.additional.push(record),
            _ => {}
        }
    }
    shown.authority.sort();
    shown.additional.sort();
    shown
}

fn record(line: &str) -> String {
    let mut fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(3) == Some(&"SOA") && fields.len() > 6 {
        fields[6] = "SERIAL";
    }
    fields.join(" ")
}
