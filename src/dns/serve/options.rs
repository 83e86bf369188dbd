//! The EDNS options of a reply, encoded.

/// Room for a cookie of 24 bytes and the time of a connection, with their headers.
const ROOM: usize = 34;

/// Options on the stack.
#[derive(Clone, Copy)]
pub(super) struct Options {
    bytes: [u8; ROOM],
    length: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { bytes: [0; ROOM], length: 0 }
    }
}

impl Options {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// COOKIE (RFC 7873 section 4).
    pub(super) fn cookie(&mut self, client: [u8; 8], server: [u8; 16]) {
        self.add(&[0, 10, 0, 24]);
        self.add(&client);
        self.add(&server);
    }

    /// edns-tcp-keepalive, in units of 100 ms (RFC 7828 section 3.1).
    pub(super) fn keepalive(&mut self, idle: u16) {
        self.add(&[0, 11, 0, 2]);
        self.add(&idle.to_be_bytes());
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_options_fit() {
        let mut options = Options::default();
        options.cookie(*b"clientck", *b"servercookie1234");
        options.keepalive(300);
        assert_eq!(options.as_bytes(), b"\0\x0a\0\x18clientckservercookie1234\0\x0b\0\x02\x01\x2c");
    }
}
