//! Foreign bytes: none ends the server, memory stays as it is.

use std::time::Duration;

use crate::server::{Site, WEB, ask, edns, gist, query};

const PACKETS: u64 = 100_000;

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn spoilt_packets_end_nothing_and_take_no_memory() {
    let site = Site::plain();
    let client = site.client();
    client.set_nonblocking(true).unwrap();
    let mut random = Random(6);
    let cookie = b"\0\x0a\0\x18clientckservercookie1234";
    let seeds = [
        query(1, WEB, 1),
        query(2, "1.5.96.10.in-addr.arpa", 12),
        query(3, "many.shop.svc.cluster.local", 33),
        edns(query(4, "nothing.cluster.local", 28), 0, 4096, cookie),
        edns(query(5, "10-1-2-3.shop.pod.cluster.local", 255), 0, 512, b""),
    ];
    let mut before = 0;
    let mut buffer = [0; 4096];
    for round in 0..PACKETS {
        let mut packet = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(5) {
            let at = random.below(packet.len());
            packet[at] = random.next() as u8;
        }
        if random.below(4) == 0 {
            packet.truncate(random.below(packet.len() + 1));
        }
        let _ = client.send(&packet);
        while client.recv(&mut buffer).is_ok() {}
        if round == PACKETS / 5 {
            before = resident();
        }
    }
    client.set_nonblocking(false).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while client.recv(&mut buffer).is_ok() {}
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(gist(&ask(&client, &query(9, WEB, 1))), (0, false, 1));
    let after = resident();
    // Other tests run beside this one.
    assert!(after < before + 64 * 1024, "{before} KiB before, {after} KiB after");
}
