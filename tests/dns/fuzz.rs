//! Packets that nobody would send on purpose: none is answered wrongly, none ends the program, memory stays as it is.

use crate::program::{PATIENCE, Program, query};
use crate::upstream::{Upstream, honest};

const OBJECTS: &str = include_str!("objects.yaml");

/// How many packets: `SLIPWAY_FUZZ_PACKETS` for more.
fn packets() -> u64 {
    std::env::var("SLIPWAY_FUZZ_PACKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000)
}

/// A seeded generator (SplitMix64).
struct Random(u64);

impl Random {
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

/// Questions of all kinds, some with EDNS, to be spoilt.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let names = [
        "web.shop.svc.cluster.local",
        "peers.shop.svc.cluster.local",
        "nothing.shop.svc.cluster.local",
        "_http._tcp.peers.shop.svc.cluster.local",
        "inner.shop.svc.cluster.local",
        "ext.shop.svc.cluster.local",
        "10-1-2-3.shop.pod.cluster.local",
        "1.5.96.10.in-addr.arpa",
        "www.example.test",
        "",
        "cluster.local",
    ];
    for name in names {
        for kind in [1, 28, 33, 12, 5, 255, 252, 6, 65535] {
            let plain = query(0, name, kind);
            let mut edns = plain.clone();
            edns[11] = 1;
            edns.extend(b"\0\0\x29\x10\0\0\0\x80\0\0\x14\0\x0a\0\x10clientckservercookie"[..11 + 20].iter());
            seeds.extend([plain, edns]);
        }
    }
    seeds
}

fn spoilt(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut packet = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(packet.len().max(1));
        match random.below(7) {
            0 if !packet.is_empty() => packet[at] = random.next() as u8,
            1 if !packet.is_empty() => packet[at] ^= 1 << random.below(8),
            2 => packet.truncate(at),
            3 => packet.insert(at.min(packet.len()), random.next() as u8),
            4 => packet.extend((0..random.below(40)).map(|_| random.next() as u8)),
            5 if packet.len() > 12 => {
                // A pointer, to anywhere.
                packet[at] = 0xc0 | (random.next() as u8 & 0x3f);
            }
            6 if random.below(50) == 0 => {
                packet = (0..random.below(4000)).map(|_| random.next() as u8).collect()
            }
            _ => {}
        }
    }
    packet
}

#[test]
fn foreign_bytes_never_end_it_nor_fill_its_memory() {
    let upstream = Upstream::start(honest, honest);
    let mut program = Program::start(OBJECTS, &["--forward", &upstream.address(), "--pods", "verified"]);
    let (seeds, total) = (seeds(), packets());
    let mut random = Random(6);
    let socket = program.client();
    socket.set_nonblocking(true).unwrap();
    let mut reply = [0; 65535];
    let mut settled = 0;
    for number in 0..total {
        let packet = spoilt(&seeds[random.below(seeds.len())], &mut random);
        let _ = socket.send(&packet);
        while let Ok(length) = socket.recv(&mut reply) {
            assert!(length >= 12 && reply[2] & 0x80 != 0, "no response: {:?}", &reply[..length]);
        }
        // Not so fast that the kernel drops most of them: a question in between is waited for.
        if number % 64 == 0 {
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let id = (number / 64 % 60000) as u16;
            socket.send(&query(id, "web.shop.svc.cluster.local", 1)).unwrap();
            loop {
                let length = socket
                    .recv(&mut reply)
                    .unwrap_or_else(|why| panic!("{why} after {number}\n{}", program.log()));
                if reply[..2] == id.to_be_bytes() && length > 40 && reply[3] & 0xf == 0 && reply[7] == 1 {
                    break;
                }
            }
            socket.set_nonblocking(true).unwrap();
        }
        if number == total / 2 {
            settled = program.memory();
        }
    }
    assert!(program.is_running(), "{}", program.log());
    let (before, after) = (settled, program.memory());
    assert!(after < before + 16 * 1024 * 1024, "memory grew from {before} to {after}");
    println!("{total} packets; memory {before} at half, {after} at the end");
}
