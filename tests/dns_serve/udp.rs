//! One datagram, one reply.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use slipway::dns::plan::{Acl, AclAction};
use slipway::dns::serve::Serving;

use crate::server::{PATIENCE, Site, WEB, active, ask, block, edns, gist, name, query, receive, until, zone};

#[test]
fn a_query_gets_its_reply() {
    let site = Site::plain();
    let reply = site.ask(&query(0xabcd, WEB, 1));
    assert_eq!((&reply[..2], gist(&reply)), (&[0xab, 0xcd][..], (0, false, 1)));
    assert!(reply.ends_with(&[10, 96, 5, 1]));
    assert_eq!(gist(&site.ask(&query(1, "nothing.shop.svc.cluster.local", 1))), (3, false, 0));
    // A block without `forward` has nobody to ask.
    assert_eq!(gist(&site.ask(&query(1, "example.org", 1))), (2, false, 0));
    until("counted", || {
        let text = site.metrics.text();
        text.contains("coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:0\",type=\"A\",view=\"\",zone=\".\"} 3")
            && text.contains("plugin=\"kubernetes\",rcode=\"NXDOMAIN\"")
            && text.contains("coredns_dns_request_duration_seconds_count{server=\"dns://:0\",view=\"\",zone=\".\"} 3")
    });
}

#[test]
fn replies_of_a_wildcard_socket_leave_from_the_address_that_was_asked() {
    for (listen, addresses) in
        [("0.0.0.0:0", &["127.0.0.1", "127.0.0.2", "127.9.9.9"][..]), ("[::]:0", &["::1"])]
    {
        let site = Site::start(block(), |options| options.listen = vec![listen.parse().unwrap()]);
        let own = if listen.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
        let client = UdpSocket::bind(own).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        // All at once, so that they are received together.
        for _ in 0..20 {
            for (id, address) in addresses.iter().enumerate() {
                let to = SocketAddr::new(address.parse().unwrap(), site.address.port());
                client.send_to(&query(id as u16, WEB, 1), to).unwrap();
            }
        }
        for _ in 0..20 * addresses.len() {
            let mut reply = [0; 512];
            let (length, from) = client.recv_from(&mut reply).unwrap();
            let asked = addresses[usize::from(reply[1])];
            assert_eq!(from, SocketAddr::new(asked.parse().unwrap(), site.address.port()));
            assert_eq!(gist(&reply[..length]), (0, false, 1));
        }
    }
}

#[test]
fn what_is_no_query_gets_a_code_or_nothing() {
    let site = Site::plain();
    let client = site.client();
    let fine = query(7, WEB, 1);
    let code = |packet: &[u8]| gist(&ask(&client, packet)).0;
    assert_eq!(code(&fine[..fine.len() - 1]), 1, "cut short");
    assert_eq!(code(&[&fine[..], &[0; 5000]].concat()), 1, "longer than anything that is read");
    let mut update = fine.clone();
    update[2] = 5 << 3;
    assert_eq!(code(&update), 4);
    let mut chaos = fine.clone();
    *chaos.last_mut().unwrap() = 3;
    assert_eq!(code(&chaos), 5);
    let bad = ask(&client, &edns(fine.clone(), 1, 1232, b""));
    assert_eq!((bad[3] & 0xf, bad[bad.len() - 6]), (0, 1), "BADVERS is 16");
    assert_eq!(gist(&ask(&client, &edns(fine.clone(), 0, 1232, b"\xfd\xe9\0\x02ab"))), (0, false, 1));
    for kind in [251, 252] {
        assert_eq!(code(&query(7, "cluster.local", kind)), 5, "a zone over UDP");
    }
    // Replies and fragments of a header stay without answer.
    let mut response = fine.clone();
    response[2] |= 0x80;
    client.send(&response).unwrap();
    client.send(&fine[..11]).unwrap();
    assert_eq!(ask(&client, &fine)[1], 7, "the next reply belongs to the next query");
}

#[test]
fn any_gets_one_record() {
    let site = Site::plain();
    for asked in [WEB, "example.org"] {
        let reply = site.ask(&query(1, asked, 255));
        assert_eq!(gist(&reply), (0, false, 1), "{asked}");
        assert!(reply.windows(8).any(|window| window == b"\x07RFC8482"), "{asked}");
    }
}

#[test]
fn a_long_reply_is_cut_to_what_the_client_takes() {
    let site = Site::plain();
    let many = query(1, "many.shop.svc.cluster.local", 1);
    for (asked, limit) in [
        (many.clone(), 512),
        (edns(many.clone(), 0, 100, b""), 512),
        (edns(many.clone(), 0, 1000, b""), 1000),
        (edns(many.clone(), 0, 65535, b""), 1232),
    ] {
        let reply = site.ask(&asked);
        assert!(reply.len() <= limit && reply.len() > limit - 16, "{} of {limit}", reply.len());
        assert!(gist(&reply).1);
    }
}

#[test]
fn cookies_go_round() {
    let site = Site::start(block(), |options| options.client_rate = Some(1));
    let client = site.client();
    let cookie = |reply: &[u8]| reply[reply.len() - 24..].to_vec();
    let with = |cookie: &[u8]| {
        let length = u8::try_from(cookie.len()).unwrap();
        edns(query(1, WEB, 1), 0, 1232, &[&[0, 10, 0, length], cookie].concat())
    };
    let first = ask(&client, &with(b"clientck"));
    let learned = cookie(&first);
    assert_eq!(learned[..8], *b"clientck");
    for _ in 0..20 {
        let reply = ask(&client, &with(&learned));
        assert_eq!((gist(&reply).0, cookie(&reply)), (0, learned.clone()), "a known client has no limit");
    }
    let mut forged = learned.clone();
    forged[23] ^= 1;
    let reply = ask(&client, &with(&forged));
    assert_eq!((reply[3] & 0xf, reply[reply.len() - 34]), (23 & 0xf, 23 >> 4), "BADCOOKIE");
    assert_eq!(cookie(&reply), learned, "the right one comes with it");
}

#[test]
fn a_client_that_asks_too_much_is_sent_to_tcp() {
    let site = Site::start(block(), |options| options.client_rate = Some(5));
    let client = site.client();
    for _ in 0..25 {
        client.send(&query(1, WEB, 1)).unwrap();
    }
    let replies: Vec<_> = (0..15).map(|_| gist(&receive(&client))).collect();
    let cut = replies.iter().filter(|reply| **reply == (0, true, 0)).count();
    assert!((9..=10).contains(&cut), "{replies:?}");
    assert!(site.metrics.text().contains("slipway_dns_client_limited_total{action=\"dropped\"}"));
}

#[test]
fn rules_for_clients_are_kept() {
    let mut block = block();
    let rule = |action, of: &str| Acl {
        zones: vec![name(of)],
        action,
        kinds: vec![1],
        nets: vec!["127.0.0.0/8".parse().unwrap()],
    };
    block.acl = vec![
        rule(AclAction::Allow, "a.cluster.local"),
        rule(AclAction::Block, "cluster.local"),
        rule(AclAction::Filter, "filter"),
        rule(AclAction::Drop, "drop"),
    ];
    let site = Site::start(block, |_| {});
    let client = site.client();
    assert_eq!(gist(&ask(&client, &query(1, "a.cluster.local", 1))), (3, false, 0));
    assert_eq!(gist(&ask(&client, &query(1, WEB, 1))), (5, false, 0));
    assert_eq!(gist(&ask(&client, &query(1, WEB, 28))), (0, false, 0));
    assert_eq!(gist(&ask(&client, &query(1, "x.filter", 1))), (0, false, 0));
    client.send(&query(1, "x.drop", 1)).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let error = client.recv(&mut [0; 512]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
}

#[test]
fn before_the_zone_is_complete_its_names_fail_and_others_do_not() {
    let site = Site::with_zones(block(), None, |_| {});
    let client = site.client();
    for asked in [WEB, "cluster.local", "1.0.96.10.in-addr.arpa"] {
        assert_eq!(gist(&ask(&client, &query(1, asked, 1))).0, 2, "{asked}");
    }
    assert_eq!(gist(&ask(&client, &query(1, "example.org", 255))).0, 0);
    let active = active(block(), &site.metrics);
    site.published.publish(Arc::new(Serving { active, zones: vec![Some(vec![zone()])] }));
    assert_eq!(gist(&ask(&client, &query(1, WEB, 1))), (0, false, 1));
}

#[test]
fn a_stop_under_load_loses_nothing_that_had_come() {
    for _ in 0..5 {
        let mut site = Site::start(block(), |options| options.workers = 2);
        let clients: Vec<_> = (0..8).map(|_| site.client()).collect();
        for id in 0..50 {
            for client in &clients {
                client.send(&query(id, WEB, 1)).unwrap();
            }
        }
        site.running.take().unwrap().stop(PATIENCE);
        for client in &clients {
            for _ in 0..50 {
                assert_eq!(gist(&receive(client)), (0, false, 1));
            }
        }
    }
}

#[test]
fn a_dropped_server_gives_its_port_back() {
    let mut site = Site::plain();
    drop(site.running.take());
    until("the port is free", || UdpSocket::bind(site.address).is_ok());
}
