//! Messages of the kernel.

/// A message.
#[derive(Clone, Copy, Debug)]
pub(in crate::l4) struct Message<'a> {
    /// What it is.
    pub(in crate::l4) kind: u16,
    /// Flags of the netlink header.
    pub(in crate::l4) flags: u16,
    /// The number of the message it answers.
    pub(in crate::l4) sequence: u32,
    /// The socket whose request caused it.
    pub(in crate::l4) port: u32,
    /// What follows the netlink header.
    pub(in crate::l4) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The address family of a message of netfilter.
    pub(in crate::l4) fn family(&self) -> u8 {
        self.body.first().copied().unwrap_or_default()
    }

    /// The attributes of a message of netfilter.
    pub(in crate::l4) fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        attributes(self.body.get(4..).unwrap_or_default())
    }

    /// The attribute of that kind.
    pub(in crate::l4) fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(known, _)| *known == kind).map(|(_, value)| value)
    }
}

/// The messages in what was received; what is cut off is left out.
pub(in crate::l4) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = native32(bytes)? as usize;
        let whole = bytes.get(..length)?;
        let message = Message {
            kind: native16(whole.get(4..)?)?,
            flags: native16(whole.get(6..)?)?,
            sequence: native32(whole.get(8..)?)?,
            port: native32(whole.get(12..)?)?,
            body: whole.get(16..)?,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in a message or attribute, each with its kind.
pub(in crate::l4) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(native16(bytes)?);
        let kind = native16(bytes.get(2..)?)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The attribute of that kind.
pub(in crate::l4) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(known, _)| *known == kind).map(|(_, value)| value)
}

/// A number.
pub(in crate::l4) fn be32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A number in the order of this machine.
pub(in crate::l4) fn native32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A text without the zero byte at its end.
pub(in crate::l4) fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
}

fn native16(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut writer = Writer::default();
        writer.message(5, 1, 7, 2, 10);
        writer.put_text(1, "slipway");
        writer.nest(3, |inner| {
            inner.put_u32(1, 4);
            inner.put_u64(2, 9);
        });
        writer.message(6, 0, 8, 10, 0);
        let bytes = writer.finish();
        let read: Vec<Message<'_>> = messages(&bytes).collect();
        assert_eq!(
            read.iter().map(|m| (m.kind, m.sequence, m.family())).collect::<Vec<_>>(),
            [(5, 7, 2), (6, 8, 10)]
        );
        assert_eq!(read[0].attribute(1).and_then(text), Some("slipway"));
        let inner = read[0].attribute(3).unwrap();
        assert_eq!(attribute(inner, 1).and_then(be32), Some(4));
        assert_eq!(attribute(inner, 2), Some(&[0, 0, 0, 0, 0, 0, 0, 9][..]));
    }

    #[test]
    fn what_is_cut_off_or_nonsense_ends_the_reading() {
        let mut writer = Writer::default();
        writer.message(5, 1, 7, 2, 10);
        writer.put_text(1, "slipway");
        let bytes = writer.finish();
        for end in 0..bytes.len() {
            assert_eq!(messages(&bytes[..end]).count(), 0);
            let _ = attributes(&bytes[..end]).count();
        }
        assert_eq!(messages(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[0; 64]).count(), 0);
    }
}
