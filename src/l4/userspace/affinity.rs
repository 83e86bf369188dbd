//! Which endpoint a client keeps (`sessionAffinity: ClientIP`), for one port of a Service. No clock of its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::l4::ruleset::Target;

/// How many clients are remembered for a port; the kernel's rules have the same bound.
const CLIENTS: usize = 65_536;

/// Who goes where. Times are counted from any fixed moment.
#[derive(Debug, Default)]
pub(super) struct Affinity {
    clients: HashMap<IpAddr, Kept>,
}

#[derive(Debug)]
struct Kept {
    target: Target,
    last: Duration,
}

impl Affinity {
    /// The endpoint a client keeps: the one of its last connection, if that is not longer ago than the timeout.
    pub(super) fn get(&self, client: IpAddr, timeout: Duration, now: Duration) -> Option<Target> {
        let kept = self.clients.get(&client)?;
        (now.saturating_sub(kept.last) < timeout).then_some(kept.target)
    }

    /// A client was sent there now.
    pub(super) fn put(&mut self, client: IpAddr, target: Target, timeout: Duration, now: Duration) {
        if self.clients.len() >= CLIENTS && !self.clients.contains_key(&client) {
            self.make_room(timeout, now);
        }
        self.clients.insert(client, Kept { target, last: now });
    }

    /// Forgets clients of endpoints that are gone.
    pub(super) fn retain(&mut self, stays: impl Fn(&Target) -> bool) {
        self.clients.retain(|_, kept| stays(&kept.target));
    }

    /// Forgets whose time is over, and when that is not enough the eighth that was away longest.
    fn make_room(&mut self, timeout: Duration, now: Duration) {
        self.clients.retain(|_, kept| now.saturating_sub(kept.last) < timeout);
        if self.clients.len() < CLIENTS {
            return;
        }
        let mut times: Vec<Duration> = self.clients.values().map(|kept| kept.last).collect();
        let (_, limit, _) = times.select_nth_unstable(CLIENTS / 8);
        let limit = *limit;
        self.clients.retain(|_, kept| kept.last > limit);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    fn target(port: u16) -> Target {
        Target { address: Ipv4Addr::LOCALHOST.into(), port }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_client_keeps_its_endpoint_until_so_long_after_its_last_connection() {
        let mut affinity = Affinity::default();
        assert_eq!(affinity.get(client(1), TIMEOUT, secs(0)), None);
        affinity.put(client(1), target(1), TIMEOUT, secs(0));
        assert_eq!(affinity.get(client(1), TIMEOUT, secs(9)), Some(target(1)));
        assert_eq!(affinity.get(client(2), TIMEOUT, secs(9)), None);
        affinity.put(client(1), target(1), TIMEOUT, secs(9));
        assert_eq!(affinity.get(client(1), TIMEOUT, secs(18)), Some(target(1)));
        assert_eq!(affinity.get(client(1), TIMEOUT, secs(19)), None);
    }

    #[test]
    fn clients_of_an_endpoint_that_left_are_forgotten_even_when_it_comes_back() {
        let mut affinity = Affinity::default();
        affinity.put(client(1), target(1), TIMEOUT, secs(0));
        affinity.put(client(2), target(2), TIMEOUT, secs(0));
        affinity.retain(|kept| kept.port == 2);
        assert_eq!(affinity.get(client(1), TIMEOUT, secs(1)), None);
        assert_eq!(affinity.get(client(2), TIMEOUT, secs(1)), Some(target(2)));
    }

    #[test]
    fn there_is_a_bound_and_those_go_first_who_were_away_longest() {
        let mut affinity = Affinity::default();
        let many = u32::try_from(CLIENTS).unwrap();
        for number in 0..2 * many {
            let now = Duration::from_millis(u64::from(number) / 1000);
            affinity.put(client(number), target(1), TIMEOUT, now);
            assert!(affinity.clients.len() <= CLIENTS);
        }
        assert_eq!(affinity.get(client(0), TIMEOUT, secs(1)), None);
        assert_eq!(affinity.get(client(2 * many - 1), TIMEOUT, secs(1)), Some(target(1)));
    }
}
