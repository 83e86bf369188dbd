//! The path that rules are matched against: percent-decoded, dot segments removed, slashes merged.
//!
//! Bytes that are not UTF-8 after decoding are kept as private characters ([`INVALID`] plus the byte), so that a rewrite
//! can hand them on unchanged: [`escape`] turns them back.

use std::borrow::Cow;
use std::fmt;

/// A request path that cannot be understood: answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It does not start with a slash.
    NotAbsolute,
    /// A `%` without two hexadecimal digits.
    BadEscape,
    /// A zero byte.
    Zero,
    /// More `..` than there are elements before it.
    AboveRoot,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "the path does not start with a slash",
            Self::BadEscape => "a % in the path is not followed by two hexadecimal digits",
            Self::Zero => "the path has a zero byte",
            Self::AboveRoot => "the path leads above the root",
        })
    }
}

impl std::error::Error for BadPath {}

/// Normalizes a path (without query). Borrows when there is nothing to do, which one scan finds out.
pub fn normalize(path: &str) -> Result<Cow<'_, str>, BadPath> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(BadPath::NotAbsolute);
    }
    if is_normal(bytes) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(bytes)?;
    Ok(Cow::Owned(text(&resolve(&decoded)?)))
}

/// A normalized path as a request target: everything that may not stand there is percent-encoded.
pub fn escape(path: &str) -> Cow<'_, str> {
    if path.bytes().all(is_plain) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len() + 16);
    let mut buffer = [0; 4];
    for c in path.chars() {
        match invalid_byte(c) {
            Some(byte) => push_escaped(&mut out, byte),
            None if c.is_ascii() && is_plain(c as u8) => out.push(c),
            None => c.encode_utf8(&mut buffer).bytes().for_each(|byte| push_escaped(&mut out, byte)),
        }
    }
    Cow::Owned(out)
}

/// Nothing to decode, merge or remove?
fn is_normal(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| b == b'/' || b == b'%' || b == 0) {
        if rest[at] != b'/' {
            return false;
        }
        rest = &rest[at + 1..];
        if matches!(rest, [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..]) {
            return false;
        }
    }
    true
}

fn decode(bytes: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        let (decoded, tail) = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => (digit(*high)? << 4 | digit(*low)?, tail),
            (b'%', _) => return Err(BadPath::BadEscape),
            (byte, tail) => (*byte, tail),
        };
        if decoded == 0 {
            return Err(BadPath::Zero);
        }
        out.push(decoded);
        rest = tail;
    }
    Ok(out)
}

fn digit(byte: u8) -> Result<u8, BadPath> {
    let digit = char::from(byte).to_digit(16).ok_or(BadPath::BadEscape)?;
    u8::try_from(digit).map_err(|_| BadPath::BadEscape)
}

/// Removes empty and dot segments. What follows the last slash decides whether the result ends in one.
fn resolve(decoded: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut out = Vec::with_capacity(decoded.len());
    let mut segments = decoded.split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = out.iter().rposition(|&b| b == b'/').ok_or(BadPath::AboveRoot)?;
                out.truncate(parent);
            }
            name => {
                out.push(b'/');
                out.extend_from_slice(name);
                continue;
            }
        }
        if last {
            out.push(b'/');
        }
    }
    Ok(out)
}

/// First of the private characters that stand for bytes outside UTF-8.
const INVALID: u32 = 0x10_FF00;

fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // A private character that came as such must not be taken for a byte later.
            match invalid_byte(c) {
                Some(_) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push(private(byte))),
                None => out.push(c),
            }
        }
        out.extend(chunk.invalid().iter().map(|&byte| private(byte)));
    }
    out
}

fn private(byte: u8) -> char {
    char::from_u32(INVALID + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn invalid_byte(c: char) -> Option<u8> {
    u32::from(c).checked_sub(INVALID).and_then(|byte| u8::try_from(byte).ok())
}

/// May stand in the path of a request target as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~:@!$&'()*+,;=[]".contains(&byte)
}

fn push_escaped(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_decoded_merged_and_resolved() {
        let rows = [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("//", "/"),
            ("//a///b//", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/../b", "/b"),
            ("/a//../b", "/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a/..b/...", "/a/..b/..."),
            ("/a%20b", "/a b"),
            ("/%61%2Fb", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a%2f%2fb", "/a/b"),
            ("/%E4%BD%A0", "/你"),
            ("/100%25", "/100%"),
            ("/a%3Fb", "/a?b"),
        ];
        for (given, wanted) in rows {
            assert_eq!(normalize(given).as_deref(), Ok(wanted), "{given}");
        }
    }

    #[test]
    fn broken_paths_are_told_apart() {
        let rows = [
            ("", BadPath::NotAbsolute),
            ("a", BadPath::NotAbsolute),
            ("*", BadPath::NotAbsolute),
            ("/%", BadPath::BadEscape),
            ("/%4", BadPath::BadEscape),
            ("/%zz", BadPath::BadEscape),
            ("/%00", BadPath::Zero),
            ("/\0", BadPath::Zero),
            ("/..", BadPath::AboveRoot),
            ("/a/../..", BadPath::AboveRoot),
            ("/%2e%2e/", BadPath::AboveRoot),
        ];
        for (given, wanted) in rows {
            assert_eq!(normalize(given), Err(wanted), "{given}");
        }
    }

    #[test]
    fn a_path_without_anything_to_do_is_borrowed() {
        for path in ["/", "/a/b.c/d-e_f~g", "/.x/..y/z.", "/a:b@c"] {
            assert!(matches!(normalize(path), Ok(Cow::Borrowed(_))), "{path}");
        }
    }

    #[test]
    fn escaping_gives_back_what_decoding_took() {
        for path in ["/a%20b", "/caf%E9", "/%E4%BD%A0", "/100%25", "/a%3Fb%23", "/%F4%8F%BE%80/%80"] {
            assert_eq!(escape(&normalize(path).unwrap()), path);
        }
        assert!(matches!(escape("/a/b"), Cow::Borrowed(_)));
        assert_eq!(escape("/a\r\nb"), "/a%0D%0Ab");
    }

    proptest! {
        #[test]
        fn normalizing_never_panics_and_never_leaves_a_dot_segment(path in "\\PC*|/([./%a-f0-9]|%2[eEfF]|\u{10ff80})*") {
            if let Ok(normal) = normalize(&path) {
                prop_assert!(normal.starts_with('/'));
                prop_assert!(!normal.contains("//"));
                prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }

        /// Decoding is done once: a second pass would decode what `%25` stood for, so such paths are left out.
        #[test]
        fn normalizing_twice_is_normalizing_once(path in "/([./a-c]|%2[eEfF]|%6[1-9]|%E9|%20)*") {
            if let Ok(once) = normalize(&path) {
                prop_assert_eq!(normalize(&once).unwrap(), once.clone());
            }
        }

        #[test]
        fn an_escaped_path_normalizes_to_itself(path in "/([./%a-f0-9]|%2[eEfF]|%[89a-f][0-9a-f]|\u{10ff80})*") {
            if let Ok(normal) = normalize(&path) {
                let escaped = escape(&normal);
                prop_assert!(escaped.is_ascii());
                prop_assert_eq!(normalize(&escaped).unwrap(), normal.clone());
            }
        }
    }
}
