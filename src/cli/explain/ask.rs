//! Asks the admin server of a running instance.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::fetch::{Fetched, fetch};
use crate::admin::explain::{Answer, Asked};

/// Time for every read of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks. The error says what to do.
pub(super) fn ask(address: SocketAddr, asked: &Asked) -> Result<Answer, String> {
    let Fetched { status, body } = fetch(address, &asked.target(), PATIENCE).map_err(|error| {
        format!(
            "no answer from http://{address} ({error}): start `slipway ingress` there, name another address with \
             --admin, or explain from files with --manifests DIR"
        )
    })?;
    if status != "200" {
        return Err(format!("http://{address} answered {status}: {}", body.trim()));
    }
    serde_json::from_str(&body)
        .map_err(|error| format!("http://{address} is no Slipway of this version: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn asked() -> Asked {
        Asked { url: "http://a.example/".into(), method: "GET".into(), headers: Vec::new() }
    }

    fn answered_with(answer: &'static str) -> Result<Answer, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let result = ask(address, &asked());
        assert!(
            server.join().unwrap().starts_with("GET /explain?url=http://a.example/&method=GET HTTP/1.0\r\n")
        );
        result
    }

    #[test]
    fn a_refusal_is_handed_on_with_its_text() {
        let error = answered_with("HTTP/1.0 400 Bad Request\r\n\r\nwrite a host\n").unwrap_err();
        assert!(error.ends_with("answered 400: write a host"), "{error}");
    }

    #[test]
    fn another_server_is_recognised() {
        let error = answered_with("HTTP/1.0 200 OK\r\n\r\n<html>").unwrap_err();
        assert!(error.contains("no Slipway of this version"), "{error}");
    }

    #[test]
    fn nobody_there_is_told_with_the_remedy() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = ask(free, &asked()).unwrap_err();
        assert!(error.contains("--admin") && error.contains("--manifests"), "{error}");
    }
}
