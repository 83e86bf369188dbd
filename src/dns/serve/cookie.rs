//! DNS cookies: who shows one that we made is at the address that the query names as its source (RFC 7873, 9018).

use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::dns::wire::question::Cookie;

/// The length of a server cookie.
const LENGTH: usize = 16;
/// The version of RFC 9018.
const VERSION: u8 = 1;
/// How long a cookie is good, in seconds.
const OLD: i32 = 3600;
/// From when on it is replaced, in seconds.
const AGED: i32 = 1800;
/// How far another server's clock may be ahead, in seconds.
const AHEAD: i32 = 300;

/// The server's secret.
#[derive(Clone, Copy)]
pub(super) struct Secret([u8; 16]);

/// What to do about a query's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It had a server cookie of ours: the client is where it says.
    pub(super) known: bool,
    /// The server cookie for the reply.
    pub(super) server: [u8; LENGTH],
}

impl Secret {
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// Judges a cookie. `now` is in seconds since 1970, in 32 bits.
    pub(super) fn judge(self, cookie: &Cookie, client: IpAddr, now: u32) -> Verdict {
        if let Ok(server) = <[u8; LENGTH]>::try_from(cookie.server())
            && let Some(age) = self.age(cookie.client(), &server, client, now)
        {
            let server = if age <= AGED { server } else { self.make(cookie.client(), [0; 3], client, now) };
            return Verdict { known: true, server };
        }
        Verdict { known: false, server: self.make(cookie.client(), [0; 3], client, now) }
    }

    /// How old a cookie of ours is, in seconds; `None` of another's or one too old.
    fn age(self, own: [u8; 8], server: &[u8; LENGTH], client: IpAddr, now: u32) -> Option<i32> {
        let [VERSION, r0, r1, r2, t0, t1, t2, t3, ..] = *server else { return None };
        let made = u32::from_be_bytes([t0, t1, t2, t3]);
        // Serial numbers (RFC 1982): the difference as a signed number.
        let age = now.wrapping_sub(made).cast_signed();
        let fresh = (-AHEAD..=OLD).contains(&age);
        (fresh && self.make(own, [r0, r1, r2], client, made) == *server).then_some(age)
    }

    fn make(self, own: [u8; 8], reserved: [u8; 3], client: IpAddr, at: u32) -> [u8; LENGTH] {
        let mut server = [0; LENGTH];
        server[0] = VERSION;
        server[1..4].copy_from_slice(&reserved);
        server[4..8].copy_from_slice(&at.to_be_bytes());
        let mut hashed = [0; 32];
        hashed[..8].copy_from_slice(&own);
        hashed[8..16].copy_from_slice(&server[..8]);
        let end = match client {
            IpAddr::V4(address) => {
                hashed[16..20].copy_from_slice(&address.octets());
                20
            }
            IpAddr::V6(address) => {
                hashed[16..].copy_from_slice(&address.octets());
                32
            }
        };
        let hash = SipHasher24::new_with_key(&self.0).hash(&hashed[..end]);
        server[8..].copy_from_slice(&hash.to_le_bytes());
        server
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::dns::wire::question::read;

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// What a server with that secret answers to that cookie.
    fn judged(secret: &str, cookie: &str, client: &str, now: u32) -> (bool, String) {
        let value = hex(cookie);
        let mut query = b"\0\x01\0\0\0\x01\0\0\0\0\0\x01\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0".to_vec();
        let length = u8::try_from(value.len()).unwrap();
        query.extend([length + 4, 0, 10, 0, length]);
        query.extend(value);
        let cookie = read(&query).ok().unwrap().edns.unwrap().cookie.unwrap();
        let secret = Secret::new(hex(secret).try_into().unwrap());
        let verdict = secret.judge(&cookie, client.parse().unwrap(), now);
        let mut text = String::new();
        for byte in verdict.server {
            write!(text, "{byte:02x}").unwrap();
        }
        (verdict.known, text)
    }

    // RFC 9018 appendix A.

    #[test]
    fn a_client_learns_a_new_cookie() {
        let learned = judged(SECRET, "2464c4abcf10c957", "198.51.100.100", 1_559_731_985);
        assert_eq!(learned, (false, "010000005cf79f111f8130c3eee29480".into()));
    }

    #[test]
    fn the_same_client_keeps_a_fresh_cookie() {
        let cookie = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        let kept = judged(SECRET, cookie, "198.51.100.100", 1_559_731_985 + 1800);
        assert_eq!(kept, (true, "010000005cf79f111f8130c3eee29480".into()));
    }

    #[test]
    fn the_same_client_has_an_aged_cookie_renewed() {
        let cookie = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        let renewed = judged(SECRET, cookie, "198.51.100.100", 1_559_734_385);
        assert_eq!(renewed, (true, "010000005cf7a871d4a564a1442aca77".into()));
    }

    #[test]
    fn the_reserved_bytes_of_a_cookie_count_and_do_not_come_back() {
        let cookie = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        assert!(judged(SECRET, cookie, "203.0.113.203", 1_559_727_985).0);
        // By then it is older than an hour.
        let renewed = judged(SECRET, cookie, "203.0.113.203", 1_559_734_700);
        assert_eq!(renewed, (false, "010000005cf7a9acf73a7810aca2381e".into()));
    }

    #[test]
    fn another_secret_makes_a_new_cookie_also_for_ipv6() {
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
        let cookie = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
        let old = judged("dd3bdf9344b678b185a6f5cb60fca715", cookie, client, 1_559_741_961);
        assert!(old.0);
        let new = judged("445536bcd2513298075a5d379663c962", cookie, client, 1_559_741_961);
        assert_eq!(new, (false, "010000005cf7c609a6bb79d16625507a".into()));
    }

    #[test]
    fn cookies_end_after_an_hour_and_may_be_five_minutes_ahead_and_belong_to_one_address() {
        let cookie = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        let known = |client, after: i64| {
            judged(SECRET, cookie, client, u32::try_from(1_559_731_985 + after).unwrap()).0
        };
        assert!(known("198.51.100.100", 3600) && known("198.51.100.100", -300));
        assert!(!known("198.51.100.100", 3601) && !known("198.51.100.100", -301));
        assert!(!known("198.51.100.101", 0));
    }
}
