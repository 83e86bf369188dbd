//! `slipway dns query`: how a pod's lookup goes, step by step, and if the name does not resolve, why.

mod text;

use std::net::SocketAddr;
use std::time::Duration;

use super::super::fetch::{Fetched, fetch};
use super::super::{FINE, NOT_FINE, UNUSABLE, print};
use crate::admin::dns::query::target;
use crate::app;
use crate::config::DnsQuery;
use crate::config::flags::Output;
use crate::dns::explain::{Asked, Explanation};

/// Time for the answer: the server may have to wait for upstreams, for each name of the search path.
const ANSWER: Duration = Duration::from_mins(2);

/// Runs the command. The exit code says whether the name resolves.
pub(super) fn run(config: &DnsQuery) -> u8 {
    let asked = Asked {
        name: config.name.clone(),
        kind: config.kind.clone(),
        from: config.from.as_ref().map(|from| (from.namespace.clone(), from.pod.clone())),
        ndots: config.ndots,
        search: app::dns::query::node_search(),
    };
    let explained = match config.server {
        Some(address) => ask(address, &asked),
        None => app::dns::query::answer(&config.answers, &asked),
    };
    let explanation = match explained {
        Ok(explanation) => explanation,
        Err(message) => return print::error(&message, UNUSABLE),
    };
    match config.output {
        Output::Text => print::out(&text::render(&explanation)),
        Output::Json => match serde_json::to_string_pretty(&explanation) {
            Ok(json) => print::out(&(json + "\n")),
            Err(error) => return print::error(&error.to_string(), UNUSABLE),
        },
    }
    if explanation.resolved { FINE } else { NOT_FINE }
}

/// Asks a running instance. The error says what to do.
fn ask(address: SocketAddr, asked: &Asked) -> Result<Explanation, String> {
    let Fetched { status, body } = fetch(address, &target(asked), ANSWER).map_err(|error| {
        format!(
            "no answer from http://{address} ({error}): run this where `slipway dns` runs, name its --health address with \
             --server, or explain from files with --manifests DIR"
        )
    })?;
    match status.as_str() {
        "200" => serde_json::from_str(&body).map_err(|error| {
            format!("http://{address} is no `slipway dns` of this version ({error}): name its --health address with --server")
        }),
        // What is wrong with the question.
        "400" => Err(body.trim().to_owned()),
        status => Err(format!("http://{address} answered {status}: {}", body.trim())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn asked() -> Asked {
        Asked { name: "web".into(), kind: None, from: None, ndots: 5, search: Vec::new() }
    }

    fn answered_with(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let result = ask(address, &asked()).unwrap_err();
        assert!(server.join().unwrap().starts_with("GET /query?name=web&ndots=5 HTTP/1.0\r\n"));
        result
    }

    #[test]
    fn a_wrong_question_is_told_as_the_server_says_it() {
        assert_eq!(answered_with("HTTP/1.0 400 Bad Request\r\n\r\nno record type\n"), "no record type");
    }

    #[test]
    fn another_server_is_recognised() {
        let error = answered_with("HTTP/1.0 200 OK\r\n\r\n<html>");
        assert!(error.contains("no `slipway dns` of this version"), "{error}");
        let error = answered_with("HTTP/1.0 404 Not Found\r\n\r\nnot here\n");
        assert!(error.ends_with("answered 404: not here"), "{error}");
    }

    #[test]
    fn nobody_there_is_told_with_the_remedy() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = ask(free, &asked()).unwrap_err();
        assert!(error.contains("--server") && error.contains("--manifests"), "{error}");
    }
}
