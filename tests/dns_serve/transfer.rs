//! Whole zones, for those who may have them.

use std::io::Write;
use std::net::TcpStream;

use slipway::dns::plan::Transfer;

use crate::server::{Site, block, gist, query};
use crate::tcp::{connect, frame, receive};

fn site(to: Option<&str>) -> Site {
    let mut block = block();
    let to = to.map(|net| vec![net.parse().unwrap()]);
    block.transfers = vec![Transfer { zones: Vec::new(), to }];
    Site::start(block, |_| {})
}

fn ask(site: &Site, zone: &str, kind: u16) -> Vec<u8> {
    let mut stream = connect(site);
    stream.write_all(&frame(&query(1, zone, kind))).unwrap();
    receive(&mut stream)
}

fn connect_and_ask(site: &Site, kind: u16) -> TcpStream {
    let mut stream = connect(site);
    stream.write_all(&frame(&query(1, "cluster.local", kind))).unwrap();
    stream
}

#[test]
fn a_zone_is_refused_to_others() {
    assert_eq!(gist(&ask(&Site::plain(), "cluster.local", 252)), (5, false, 0));
    assert_eq!(gist(&ask(&site(Some("10.0.0.0/8")), "cluster.local", 252)), (5, false, 0));
    // Only zones, and not the reverse ones.
    for name in ["web.shop.svc.cluster.local", "in-addr.arpa", "example.org"] {
        assert_eq!(gist(&ask(&site(None), name, 252)), (5, false, 0), "{name}");
    }
}

#[test]
fn a_zone_begins_and_ends_with_its_soa_and_has_all_records_between() {
    for (to, kind) in [(Some("127.0.0.0/8"), 252), (None, 251)] {
        let site = site(to);
        let mut stream = connect_and_ask(&site, kind);
        let mut kinds = Vec::new();
        while kinds.iter().filter(|kind| *kind == "SOA").count() < 2 {
            let reply = receive(&mut stream);
            assert_eq!((gist(&reply).0, gist(&reply).1), (0, false));
            let message = domain::base::Message::from_octets(&reply[..]).unwrap();
            kinds.extend(message.answer().unwrap().map(|record| record.unwrap().rtype().to_string()));
        }
        assert_eq!((kinds[0].as_str(), kinds.last().unwrap().as_str()), ("SOA", "SOA"));
        // An address and an endpoint name for each of a hundred endpoints, and SRV records: more than one message.
        assert!(kinds.len() > 300, "{}", kinds.len());
    }
}
