//! Reads the query of `/explain`: `url`, `method`, any number of `header`, and writes it.

use std::fmt::Write;

use super::explain::Asked;

/// The question in a query string (`application/x-www-form-urlencoded`).
pub(super) fn parse(query: &str) -> Result<Asked, String> {
    let (mut url, mut method, mut headers) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        match key {
            "url" => url = Some(value),
            "method" => method = Some(value),
            "header" => {
                let (name, value) = value.split_once(':').ok_or("write header=Name:%20value")?;
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => return Err(format!("unknown parameter \"{key}\": there are url, method and header")),
        }
    }
    let url = url.ok_or("write /explain?url=https://shop.example/cart")?;
    Ok(Asked { url, method: method.unwrap_or_else(|| "GET".into()), headers })
}

impl Asked {
    /// The path and query that put this question to an admin server.
    pub fn target(&self) -> String {
        let mut target = format!("/explain?url={}&method={}", encode(&self.url), encode(&self.method));
        for (name, value) in &self.headers {
            let _ = write!(target, "&header={}", encode(&format!("{name}: {value}")));
        }
        target
    }
}

/// Text as a value of a query string.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Undoes `%xx` and `+`. What is not UTF-8 then is replaced; a broken `%` stays as it is.
pub(super) fn decode(text: &str) -> String {
    let hex = |at: usize| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match (byte, hex(at)) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_survives_the_way() {
        let asked = Asked {
            url: "https://a.example/x y?q=1&r=ü+%".into(),
            method: "POST".into(),
            headers: vec![("Host".into(), "b.example".into()), ("X-A".into(), "1:2".into())],
        };
        let target = asked.target();
        let (_, query) = target.split_once('?').unwrap();
        assert_eq!(parse(query), Ok(asked));
    }

    #[test]
    fn people_may_write_a_plain_url() {
        let asked = parse("url=http://a.example/x").unwrap();
        assert_eq!((asked.url.as_str(), asked.method.as_str()), ("http://a.example/x", "GET"));
        assert!(parse("").unwrap_err().contains("/explain?url="));
        assert!(parse("url=x&uri=y").unwrap_err().contains("\"uri\""));
        assert_eq!(decode("a%2"), "a%2");
    }
}
