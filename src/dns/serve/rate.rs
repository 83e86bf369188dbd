//! How many replies a second one client gets over UDP: so that nobody is flooded with what he did not ask for, and nobody
//! takes the server from the others.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use std::hash::BuildHasher;

/// How many sets of clients are told apart; each has room for [`WAYS`].
const SETS: usize = 4096;
/// How many clients of one set are remembered; beyond, the one that was idle longest is forgotten.
const WAYS: usize = 4;

/// What to do about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer it.
    Pass,
    /// Advise to use TCP, where the address is known to be true.
    Slip,
    /// Nothing.
    Drop,
}

/// The clients of late. Shared by all threads, of fixed size.
pub(super) struct Rate {
    /// Nanoseconds between two replies.
    interval: u64,
    hasher: RandomState,
    sets: Box<[Mutex<[Client; WAYS]>]>,
}

#[derive(Clone, Copy, Default)]
struct Client {
    /// Its address, shortened to what counts as one client. 0: nobody.
    key: u64,
    /// When the next reply would be due if all came evenly, in nanoseconds.
    due: u64,
    /// How often it was over the limit.
    over: u32,
}

/// Replies that may come at once: those of a second.
const BURST: u64 = 1_000_000_000;

impl Rate {
    /// So many replies a second for each client.
    pub(super) fn new(each: u32) -> Self {
        let sets = (0..SETS).map(|_| Mutex::default()).collect();
        Self { interval: BURST / u64::from(each.max(1)), hasher: RandomState::default(), sets }
    }

    /// Judges a query. `now` is in nanoseconds since any fixed instant.
    pub(super) fn judge(&self, client: IpAddr, now: u64) -> Verdict {
        let key = key(client);
        let at = usize::try_from(self.hasher.hash_one(key) % SETS as u64).unwrap_or(0);
        let mut set = self.sets[at].lock().unwrap_or_else(PoisonError::into_inner);
        let known = set.iter().position(|client| client.key == key);
        let place = known.unwrap_or_else(|| {
            let idle = (0..WAYS).min_by_key(|place| set[*place].due).unwrap_or(0);
            set[idle] = Client { key, due: 0, over: 0 };
            idle
        });
        let client = &mut set[place];
        // The generic cell rate algorithm: a bucket of tokens as one point in time.
        let due = client.due.max(now);
        if due + self.interval <= now + BURST.max(self.interval) {
            client.due = due + self.interval;
            return Verdict::Pass;
        }
        client.over = client.over.wrapping_add(1);
        if client.over % 2 == 1 { Verdict::Slip } else { Verdict::Drop }
    }
}

/// An IPv4 address, an IPv6 /56: what one customer or node has.
fn key(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(address) => 1 << 32 | u64::from(u32::from(address)),
        IpAddr::V6(address) => {
            if let Some(v4) = address.to_ipv4_mapped() {
                return key(v4.into());
            }
            let prefix = u128::from(address) >> 72;
            2 << 56 | u64::try_from(prefix).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_gets_a_seconds_replies_at_once_then_its_rate() {
        let rate = Rate::new(10);
        let passed = |now: u64| (0..100).filter(|_| rate.judge(ip("10.0.0.1"), now) == Verdict::Pass).count();
        assert_eq!(passed(SECOND), 10);
        assert_eq!(passed(SECOND), 0);
        assert_eq!(passed(SECOND + SECOND / 5), 2);
        assert_eq!(passed(60 * SECOND), 10, "an idle client saves up no more than a second");
        assert_eq!(rate.judge(ip("10.0.0.2"), 60 * SECOND), Verdict::Pass, "another client is on its own");
    }

    #[test]
    fn every_second_reply_over_the_limit_advises_tcp() {
        use Verdict::{Drop, Pass, Slip};
        let rate = Rate::new(1);
        let verdicts: Vec<_> = (0..5).map(|_| rate.judge(ip("::1"), SECOND)).collect();
        assert_eq!(verdicts, [Pass, Slip, Drop, Slip, Drop]);
    }

    #[test]
    fn a_prefix_of_56_bits_is_one_client() {
        assert_eq!(key(ip("2001:db8:0:aa01::1")), key(ip("2001:db8:0:aaff::2")));
        assert_ne!(key(ip("2001:db8:0:aa01::1")), key(ip("2001:db8:0:ab01::1")));
        assert_eq!(key(ip("::ffff:10.0.0.1")), key(ip("10.0.0.1")));
        assert_ne!(key(ip("10.0.0.1")), key(ip("10.0.0.2")));
    }

    #[test]
    fn any_number_of_clients_takes_the_same_memory_and_forgets_the_idle_ones() {
        let rate = Rate::new(5);
        for n in 0..200_000_u32 {
            assert_eq!(rate.judge(IpAddr::from(n.to_be_bytes()), u64::from(n)), Verdict::Pass);
        }
        assert_eq!(rate.sets.len(), SETS);
    }
}
