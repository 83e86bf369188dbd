//! What to try in the demo, and what each request should answer.

use super::Place;
use super::example::SECURE;

/// One request and its answer.
pub(super) struct Try {
    /// What it shows.
    pub(super) title: &'static str,
    /// HTTPS instead of HTTP.
    pub(super) tls: bool,
    /// HTTP/2 instead of HTTP/1.1.
    pub(super) http2: bool,
    /// The host.
    pub(super) host: &'static str,
    /// Path and query.
    pub(super) path: &'static str,
    /// The status of the answer.
    pub(super) status: u16,
    /// Something the answer holds: of its body, or of `Location` for a redirect.
    pub(super) holds: &'static str,
}

const PLAIN: Try =
    Try { title: "", tls: false, http2: false, host: "shop.example", path: "/", status: 200, holds: "" };

/// Everything to try, in the order of the example.
pub(super) const ALL: [Try; 10] = [
    Try { title: "A host has its own Service", holds: "Hello from storefront", ..PLAIN },
    Try {
        title: "A path below it has another, with two endpoints in turn",
        path: "/cart/items",
        holds: "Hello from cart-",
        ..PLAIN
    },
    Try {
        title: "Paths match whole elements: this one is not below /cart",
        path: "/cartoon",
        holds: "Hello from storefront",
        ..PLAIN
    },
    Try {
        title: "A wildcard takes any one label",
        host: "rust.docs.example",
        holds: "Hello from docs",
        ..PLAIN
    },
    Try {
        title: "A rewrite: the backend sees /users, the query stays",
        host: "api.example",
        path: "/v1/users?id=7",
        holds: "GET /users?id=7",
        ..PLAIN
    },
    Try {
        title: "A redirect of a name that moved",
        host: "old.example",
        path: "/page",
        status: 301,
        holds: "https://shop.example",
        ..PLAIN
    },
    Try {
        title: "TLS with the certificate of a Secret",
        tls: true,
        host: SECURE,
        holds: "x-forwarded-proto: https",
        ..PLAIN
    },
    Try {
        title: "The same over HTTP/2",
        tls: true,
        http2: true,
        host: SECURE,
        path: "/h2",
        holds: "GET /h2",
        ..PLAIN
    },
    Try {
        title: "Plain requests for it are sent to HTTPS",
        host: SECURE,
        path: "/account",
        status: 308,
        holds: "https://secure.example/account",
        ..PLAIN
    },
    Try { title: "Nobody knows this host", host: "nobody.example", status: 404, ..PLAIN },
];

impl Try {
    /// The line to type.
    pub(super) fn curl(&self, place: &Place) -> String {
        let Self { host, path, .. } = self;
        let quote = if path.contains('?') { "'" } else { "" };
        if !self.tls {
            let show = if self.status == 200 { "" } else { "-i " };
            return format!("curl {show}-H 'Host: {host}' {quote}http://{}{path}{quote}", place.http);
        }
        let port = place.https.port();
        let version = if self.http2 { "-i --http2" } else { "--http1.1" };
        format!("curl -k {version} --resolve {host}:{port}:{} https://{host}:{port}{path}", place.https.ip())
    }

    /// What it should answer, in words.
    pub(super) fn expectation(&self) -> String {
        match (self.status, self.holds) {
            (200, holds) => format!("200, with \"{holds}\""),
            (status @ 300..400, location) => format!("{status}, Location: {location}"),
            (status, "") => status.to_string(),
            (status, holds) => format!("{status}, with \"{holds}\""),
        }
    }

    /// Whether an answer is the expected one; the error says what differs.
    pub(super) fn judge(&self, answer: &Answer) -> Result<(), String> {
        if answer.status != self.status {
            return Err(format!("got {} instead of {}", answer.status, self.status));
        }
        let redirect = (300..400).contains(&self.status);
        let text = if redirect { &answer.location } else { &answer.body };
        if text.contains(self.holds) { Ok(()) } else { Err(format!("got \"{}\"", text.trim())) }
    }
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// `Location`, or nothing.
    pub(super) location: String,
    /// The body.
    pub(super) body: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        let address = |port| ([127, 0, 0, 1], port).into();
        Place { http: address(8080), https: address(8443), admin: address(10254) }
    }

    #[test]
    fn the_lines_are_ready_to_type() {
        let lines: Vec<String> = ALL.iter().map(|attempt| attempt.curl(&place())).collect();
        assert_eq!(lines[0], "curl -H 'Host: shop.example' http://127.0.0.1:8080/");
        assert_eq!(lines[4], "curl -H 'Host: api.example' 'http://127.0.0.1:8080/v1/users?id=7'");
        assert_eq!(
            lines[6],
            "curl -k --http1.1 --resolve secure.example:8443:127.0.0.1 https://secure.example:8443/"
        );
    }

    #[test]
    fn a_wrong_answer_is_told() {
        let redirect = &ALL[5];
        let answer =
            |status, location: &str| Answer { status, location: location.into(), body: String::new() };
        assert_eq!(redirect.judge(&answer(301, "https://shop.example")), Ok(()));
        assert_eq!(redirect.judge(&answer(200, "")), Err("got 200 instead of 301".into()));
        assert_eq!(redirect.judge(&answer(301, "/x")), Err("got \"/x\"".into()));
    }
}
