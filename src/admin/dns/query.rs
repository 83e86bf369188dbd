//! Reads the query of `/query`: `name`, `type`, `from`, `ndots`, and writes it.

use std::fmt::Write;

use super::super::query::{decode, encode};
use crate::dns::explain::Asked;

/// How many dots make a name be looked up as it is, in a pod.
pub const NDOTS: u8 = 5;

/// The question in a query string; `search` is the end of the search path.
pub(super) fn parse(query: &str, search: &[String]) -> Result<Asked, String> {
    let (mut name, mut kind, mut from, mut ndots) = (None, None, None, NDOTS);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        match key {
            "name" => name = Some(value),
            "type" => kind = Some(value),
            "from" => from = Some(whence(&value)?),
            "ndots" => {
                ndots = value.parse().map_err(|_| format!("ndots \"{value}\" is no number up to 255"))?;
            }
            _ => return Err(format!("unknown parameter \"{key}\": there are name, type, from and ndots")),
        }
    }
    let name = name.ok_or("write /query?name=web.shop&from=NAMESPACE/POD")?;
    Ok(Asked { name, kind, from, ndots, search: search.to_vec() })
}

/// Reads `NAMESPACE` or `NAMESPACE/POD`.
pub fn whence(text: &str) -> Result<(String, Option<String>), String> {
    let (namespace, pod) =
        text.split_once('/').map_or((text, None), |(namespace, pod)| (namespace, Some(pod)));
    let is_name = |part: &str| {
        !part.is_empty()
            && part.len() <= 253
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    };
    if is_name(namespace) && pod.is_none_or(is_name) {
        return Ok((namespace.to_owned(), pod.map(str::to_owned)));
    }
    Err(format!("\"{text}\" is no pod: write NAMESPACE or NAMESPACE/POD"))
}

/// The path and query that put a question to a server.
pub fn target(asked: &Asked) -> String {
    let mut target = format!("/query?name={}&ndots={}", encode(&asked.name), asked.ndots);
    if let Some(kind) = &asked.kind {
        let _ = write!(target, "&type={}", encode(kind)); // writing to a String cannot fail
    }
    if let Some((namespace, pod)) = &asked.from {
        let pod = pod.as_ref().map(|pod| format!("/{pod}")).unwrap_or_default();
        let _ = write!(target, "&from={}", encode(&format!("{namespace}{pod}")));
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_survives_the_way() {
        for (kind, from) in [
            (None, None),
            (Some("SRV".to_owned()), Some(("shop".to_owned(), None))),
            (Some("A B&C".to_owned()), Some(("shop".to_owned(), Some("cart-0".to_owned())))),
        ] {
            let asked = Asked {
                name: "_http._tcp.wéb.shop".into(),
                kind,
                from,
                ndots: 2,
                search: vec!["a.b".into()],
            };
            let target = target(&asked);
            let (_, query) = target.split_once('?').unwrap();
            assert_eq!(parse(query, &["a.b".into()]), Ok(asked));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |query: &str| parse(query, &[]).unwrap_err();
        assert!(wrong("").contains("/query?name="));
        assert!(wrong("name=a&form=b").contains("\"form\""));
        assert!(wrong("name=a&from=/x").contains("NAMESPACE/POD"));
        assert!(wrong("name=a&from=a/b/c").contains("NAMESPACE/POD"));
        assert!(wrong("name=a&ndots=1000").contains("no number"));
    }
}
