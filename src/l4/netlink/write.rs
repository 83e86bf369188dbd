//! Messages to the kernel, one behind the other in one buffer.

/// Marks an attribute that holds attributes.
const NESTED: u16 = 0x8000;

/// A buffer of messages.
#[derive(Debug, Default)]
pub(in crate::l4) struct Writer {
    bytes: Vec<u8>,
    /// Where the message that is being written begins.
    begin: usize,
}

impl Writer {
    /// Ends the message before and begins one: a netlink header and the header that all of netfilter's messages have.
    pub(in crate::l4) fn message(&mut self, kind: u16, flags: u16, sequence: u32, family: u8, resource: u16) {
        self.end();
        self.begin = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
    }

    /// Adds flags to the message that is being written.
    pub(in crate::l4) fn flag(&mut self, flags: u16) {
        let at = self.begin + 6;
        let known = u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]);
        self.bytes[at..at + 2].copy_from_slice(&(known | flags).to_ne_bytes());
    }

    /// How many bytes of the message that is being written there are.
    pub(in crate::l4) fn offset(&self) -> usize {
        self.bytes.len() - self.begin
    }

    /// Ends the last message; all of them.
    pub(in crate::l4) fn finish(mut self) -> Vec<u8> {
        self.end();
        self.bytes
    }

    /// An attribute.
    pub(in crate::l4) fn put(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).expect("values are addresses, numbers and names");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// A number.
    pub(in crate::l4) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A long number.
    pub(in crate::l4) fn put_u64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A text, with the zero byte at its end.
    pub(in crate::l4) fn put_text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
    }

    /// An attribute that holds attributes.
    pub(in crate::l4) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - at).expect("long lists are cut into messages");
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn end(&mut self) {
        if self.bytes.len() > self.begin {
            let length = u32::try_from(self.offset()).expect("a message is a few attributes long");
            self.bytes[self.begin..self.begin + 4].copy_from_slice(&length.to_ne_bytes());
        }
    }
}
