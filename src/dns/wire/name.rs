//! Domain names: labels, each after its length, and a zero (RFC 1035 section 3.1). Kept in lower case: names are compared so.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name, its zero included.
pub const MAX: usize = 255;

/// The longest label.
const MAX_LABEL: usize = 63;

/// A name in lower case. Cheap to clone, compared by content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<[u8]>);

/// Why a text is no domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Two dots in a row, or one at the start.
    EmptyLabel,
    /// A label of more than 63 bytes.
    LongLabel,
    /// More than 255 bytes.
    Long,
    /// A backslash that begins no escape.
    Escape,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyLabel => "a part between two dots is empty",
            Self::LongLabel => "a part between two dots is longer than 63 bytes",
            Self::Long => "it is longer than 255 bytes",
            Self::Escape => "a backslash must come before three digits or the character it stands for",
        })
    }
}

impl Name {
    /// The root, `.`.
    pub fn root() -> Self {
        Self(Arc::from([0]))
    }

    /// Reads `web.shop.svc.cluster.local`, with or without the dot at the end; `\.` and `\046` stand for characters. The
    /// empty text and `.` are the root.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        let mut label = Vec::new();
        let mut bytes = text.bytes().peekable();
        let mut open = false;
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' if !open => {
                    let alone = wire.is_empty() && bytes.peek().is_none();
                    return if alone { Ok(Self::root()) } else { Err(NameError::EmptyLabel) };
                }
                b'.' => {
                    close(&mut wire, &mut label)?;
                    open = false;
                }
                b'\\' => {
                    label.push(escaped(&mut bytes)?.to_ascii_lowercase());
                    open = true;
                }
                byte => {
                    label.push(byte.to_ascii_lowercase());
                    open = true;
                }
            }
        }
        if open {
            close(&mut wire, &mut label)?;
        }
        wire.push(0);
        if wire.len() > MAX { Err(NameError::Long) } else { Ok(Self(wire.into())) }
    }

    /// From wire form without pointers; `None` when the bytes are not exactly one name.
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        while let Some(&length) = bytes.get(at) {
            if length == 0 {
                let whole = at + 1 == bytes.len() && bytes.len() <= MAX;
                return whole.then(|| Self(bytes.to_ascii_lowercase().into()));
            }
            if usize::from(length) > MAX_LABEL {
                return None;
            }
            at += 1 + usize::from(length);
        }
        None
    }

    /// The wire form, in lower case.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The labels, the first one first, without the root's.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(&self.0)
    }

    /// Whether it is `zone` or below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        ends_with(&self.0, &zone.0)
    }

    /// This name below another: `web` and `shop.svc` make `web.shop.svc`.
    pub fn join(&self, below: &Self) -> Result<Self, NameError> {
        let own = &self.0[..self.0.len() - 1];
        let wire = [own, &below.0].concat();
        if wire.len() > MAX { Err(NameError::Long) } else { Ok(Self(wire.into())) }
    }

    /// A label before this name. The label is taken as it is, dots and all.
    pub fn prepend(&self, label: &[u8]) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(self.0.len() + label.len() + 1);
        close(&mut wire, &mut label.to_ascii_lowercase())?;
        wire.extend_from_slice(&self.0);
        if wire.len() > MAX { Err(NameError::Long) } else { Ok(Self(wire.into())) }
    }

    /// The name without its first label; `None` of the root.
    pub fn parent(&self) -> Option<Self> {
        let first = usize::from(self.0[0]);
        (first != 0).then(|| Self(self.0[first + 1..].into()))
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// With the dot at the end, as dig writes it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

/// The labels of a name in wire form without pointers; ends early where the bytes do.
pub fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (&length, tail) = rest.split_first()?;
        if length == 0 || usize::from(length) > tail.len() {
            return None;
        }
        let (label, tail) = tail.split_at(usize::from(length));
        rest = tail;
        Some(label)
    })
}

/// Whether the name is `zone` or below it; both in wire form and lower case.
#[inline]
pub fn ends_with(wire: &[u8], zone: &[u8]) -> bool {
    let Some(start) = wire.len().checked_sub(zone.len()) else { return false };
    if wire[start..] != *zone {
        return false;
    }
    // The same bytes may be the end of a label: look from the front.
    let mut at = 0;
    while at < start {
        at += 1 + usize::from(wire[at]);
    }
    at == start
}

/// Writes a name in wire form as text, with the dot at the end.
pub fn show(wire: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    let mut any = false;
    for label in labels(wire) {
        for &byte in label {
            match byte {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    write!(f, "\\{}", char::from(byte))?;
                }
                b'!'..=b'~' => f.write_char(char::from(byte))?,
                byte => write!(f, "\\{byte:03}")?,
            }
        }
        f.write_char('.')?;
        any = true;
    }
    if any { Ok(()) } else { f.write_char('.') }
}

fn close(wire: &mut Vec<u8>, label: &mut Vec<u8>) -> Result<(), NameError> {
    let length = u8::try_from(label.len()).ok().filter(|n| usize::from(*n) <= MAX_LABEL);
    let length = length.ok_or(NameError::LongLabel)?;
    if length == 0 {
        return Err(NameError::EmptyLabel);
    }
    wire.push(length);
    wire.append(label);
    Ok(())
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::Escape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameError::Escape)?;
        value = value * 10 + u32::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_name_is_read_in_lower_case_with_or_without_its_dot() {
        assert_eq!(name("Web.Shop.").as_wire(), b"\x03web\x04shop\0");
        assert_eq!(name("web.shop"), name("WEB.shop."));
        assert_eq!((name("").as_wire(), name(".").is_root()), (&b"\0"[..], true));
        assert_eq!(name("a\\.b.c\\046d").as_wire(), b"\x03a.b\x03c.d\0");
        assert_eq!(name("a\\.b").to_string(), "a\\.b.");
        assert_eq!(Name::root().to_string(), ".");
    }

    #[test]
    fn what_is_no_name_says_why() {
        let wrong = |text: &str| Name::parse(text).unwrap_err();
        assert_eq!(wrong("a..b"), NameError::EmptyLabel);
        assert_eq!(wrong(".a"), NameError::EmptyLabel);
        assert_eq!(wrong(&"x".repeat(64)), NameError::LongLabel);
        assert_eq!(wrong(&"abcdefg.".repeat(32)), NameError::Long);
        assert_eq!(wrong("a\\"), NameError::Escape);
        assert_eq!(wrong("a\\999"), NameError::Escape);
    }

    #[test]
    fn a_name_is_within_its_ancestors_and_not_within_what_only_ends_alike() {
        let within = |inner: &str, zone: &str| name(inner).is_within(&name(zone));
        assert!(within("a.cluster.local", "cluster.local"));
        assert!(within("cluster.local", "cluster.local"));
        assert!(within("x", "."));
        assert!(!within("local", "cluster.local"));
        assert!(!within("acluster.local", "cluster.local"));
        // The bytes of `\x05local` at the end of one longer label.
        assert!(!within("a\\005local", "local"));
    }

    #[test]
    fn names_are_put_together_and_taken_apart() {
        assert_eq!(name("web").join(&name("shop.svc")).unwrap(), name("web.shop.svc"));
        assert_eq!(name("svc").prepend(b"Shop").unwrap(), name("shop.svc"));
        assert_eq!(name("web.shop").parent().unwrap(), name("shop"));
        assert_eq!(Name::root().parent(), None);
        assert_eq!(name("a.b.c").labels().collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert_eq!(Name::from_wire(b"\x01a\0").unwrap(), name("a"));
        for wrong in [&b"\x01a"[..], b"\x01a\0\0", b"\xc0\x0c", b"", b"\x05a\0"] {
            assert_eq!(Name::from_wire(wrong), None, "{wrong:?}");
        }
    }
}
