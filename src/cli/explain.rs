//! `slipway explain`: which host, rule, filters and endpoints answer a request, and why others do not.

mod ask;
mod text;

use std::net::SocketAddr;

use super::{FINE, UNUSABLE, input, print};
use crate::admin::explain::{Answer, Asked, explain};
use crate::config::Rules;
use crate::config::flags::{ExplainFlags, Output};
use crate::model::{Key, Snapshot};

/// Where a running instance listens unless told otherwise.
const ADMIN: ([u8; 4], u16) = ([127, 0, 0, 1], 10254);

/// Runs the command. The exit code says whether there is an answer, not what it is.
pub(super) fn run(flags: ExplainFlags) -> u8 {
    let output = flags.output;
    match answer(flags) {
        Ok(answer) => {
            match output {
                Output::Text => print::out(&text::render(&answer)),
                Output::Json => match serde_json::to_string_pretty(&answer) {
                    Ok(json) => print::out(&(json + "\n")),
                    Err(error) => return print::error(&error.to_string(), UNUSABLE),
                },
            }
            FINE
        }
        Err(message) => print::error(&message, UNUSABLE),
    }
}

fn answer(flags: ExplainFlags) -> Result<Answer, String> {
    let asked = Asked { url: flags.url, method: flags.method, headers: flags.header };
    let Some(directory) = flags.manifests else {
        let address = flags.admin.unwrap_or_else(|| SocketAddr::from(ADMIN));
        return ask::ask(address, &asked);
    };
    let input = input::read(&directory, &Rules::from(flags.rules))?;
    let mut answer = explain(&input.compiled.tables, &asked)?;
    let others = answer.others.iter_mut().map(|other| &mut other.rule);
    for rule in others.chain([&mut answer.rule]) {
        rule.place = place(&input.snapshot, &rule.ingress);
    }
    Ok(answer)
}

/// File and line of an Ingress.
fn place(snapshot: &Snapshot, ingress: &str) -> Option<String> {
    let origin = snapshot.ingresses.get(&Key::parse(ingress)?)?.origin.as_ref()?;
    Some(format!("{}:{}", origin.place.file, origin.place.line))
}
