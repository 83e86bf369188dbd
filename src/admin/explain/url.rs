//! Takes the URL of a question apart.

use super::Asked;

/// The parts of the URL asked about.
pub(super) struct Url {
    /// `http` or `https`.
    pub(super) scheme: String,
    /// Host and port; the `Host` header where there is one.
    pub(super) authority: String,
    /// The port as backends and redirects are told it.
    pub(super) port: u16,
    /// Path and query.
    pub(super) uri: String,
}

impl Url {
    /// Reads the URL; the error says what is wrong and how to write it.
    pub(super) fn parse(asked: &Asked) -> Result<Self, String> {
        let (scheme, rest) = asked.url.split_once("://").unwrap_or(("http", &asked.url));
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(format!("\"{scheme}\" is not served: write http://HOST/PATH or https://HOST/PATH"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, uri) = rest.split_at(end);
        if authority.is_empty() {
            return Err(format!("\"{}\" names no host: write http://HOST/PATH", asked.url));
        }
        let uri = if uri.starts_with('/') { uri.to_owned() } else { format!("/{uri}") };
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let told = asked.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let authority = told.map_or(authority, |(_, host)| host).to_owned();
        // As the proxy tells it: 443 for TLS, whatever the port is.
        let port = if scheme == "https" { 443 } else { port.unwrap_or(80) };
        Ok(Self { scheme, authority, port, uri })
    }

    /// The path as written.
    pub(super) fn path(&self) -> &str {
        self.uri.split_once('?').map_or(&self.uri, |(path, _)| path)
    }

    /// The query without its question mark.
    pub(super) fn query(&self) -> Option<&str> {
        self.uri.split_once('?').map(|(_, query)| query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_in_all_its_forms() {
        let parse = |url: &str, headers: &[(&str, &str)]| {
            let url = Url::parse(&Asked {
                url: url.into(),
                method: "GET".into(),
                headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            })
            .unwrap();
            (url.scheme.clone(), url.authority.clone(), url.port, url.uri)
        };
        let expect = |s: &str, a: &str, p: u16, u: &str| (s.to_owned(), a.to_owned(), p, u.to_owned());
        assert_eq!(parse("a.example", &[]), expect("http", "a.example", 80, "/"));
        assert_eq!(parse("HTTPS://a.example:8443?x", &[]), expect("https", "a.example:8443", 443, "/?x"));
        assert_eq!(parse("http://a/b#c", &[("host", "B.example")]), expect("http", "B.example", 80, "/b"));
    }
}
