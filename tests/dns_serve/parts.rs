//! The parts of a block in their order, with an upstream that tells what it was asked.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::base::Message;
use domain::rdata::AllRecordData;
use slipway::dns::plan::{
    Autopath, Block, Cache, Forward, Hosts, Rewrite, RewriteRule, Target, Template, Upstream,
};
use slipway::dns::serve::resolve;
use slipway::dns::wire::Rcode;

use crate::server::{PATIENCE, Site, WEB, ask, block, edns, gist, name, query, receive, until};
use crate::tcp::{connect, frame, receive as receive_tcp};

/// Answers A with 192.0.2.7, `gone.test` with NXDOMAIN, and everything below `silent.test` never.
struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Fake {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let counts = asked.clone();
        std::thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let message = Message::from_octets(&packet[..length]).unwrap();
                let question = message.sole_question().unwrap();
                let asked = question.qname().to_string().to_lowercase();
                *counts.lock().unwrap().entry(asked.clone()).or_default() += 1;
                if asked.ends_with("silent.test") {
                    continue;
                }
                let end = 12 + name(&asked).as_wire().len() + 4;
                let mut reply = packet[..end].to_vec();
                reply[2] |= 0x80;
                reply[3] = 0x80;
                reply[6..12].copy_from_slice(&[0; 6]);
                if asked == "gone.test" {
                    reply[3] |= 3;
                } else if question.qtype().to_int() == 1 {
                    reply[7] = 1;
                    reply.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07");
                }
                socket.send_to(&reply, from).unwrap();
            }
        });
        Self { address, asked }
    }

    fn forward(&self) -> Forward {
        let upstream = Upstream { address: self.address, tls: false, name: None };
        Forward {
            health_interval: Duration::from_secs(3600),
            ..Forward::new(name("."), vec![Target::Upstream(upstream)])
        }
    }

    fn asked(&self, of: &str) -> usize {
        self.asked.lock().unwrap().get(of).copied().unwrap_or(0)
    }
}

fn forwarding(fake: &Fake) -> Block {
    let mut block = block();
    block.forwards = vec![fake.forward()];
    block.cache = Some(Cache::default());
    block
}

/// `NAME TYPE DATA` of the answers.
fn answers(reply: &[u8]) -> Vec<String> {
    let message = Message::from_octets(reply).unwrap();
    let text = |record: domain::base::record::ParsedRecord<'_, &[u8]>| {
        let record = record.into_any_record::<AllRecordData<_, _>>().unwrap();
        format!("{} {} {}", record.owner(), record.rtype(), record.data())
    };
    message.answer().unwrap().map(|record| text(record.unwrap())).collect()
}

#[test]
fn what_is_not_in_the_zone_is_asked_upstream_once_and_then_kept() {
    let fake = Fake::start();
    let site = Site::start(forwarding(&fake), |_| {});
    let client = site.client();
    let first = ask(&client, &query(1, "wWw.Example.test", 1));
    assert_eq!((gist(&first), answers(&first)), ((0, false, 1), vec!["wWw.Example.test A 192.0.2.7".into()]));
    for id in 0..10 {
        let again = ask(&client, &query(id, "www.example.test", 1));
        assert_eq!((again[1], answers(&again)), (id as u8, vec!["www.example.test A 192.0.2.7".into()]));
    }
    assert_eq!(fake.asked("www.example.test"), 1);
    assert_eq!(gist(&ask(&client, &query(1, "gone.test", 1))).0, 3);
    // Over TCP it is the same, also while another query waits.
    let mut stream = connect(&site);
    stream.write_all(&frame(&query(1, "never.silent.test", 1))).unwrap();
    stream.write_all(&frame(&edns(query(2, "other.test", 1), 0, 1232, b""))).unwrap();
    let reply = receive_tcp(&mut stream);
    assert_eq!((reply[1], gist(&reply)), (2, (0, false, 1)), "the one that is ready comes first");
    until("counted", || {
        let text = site.metrics.text();
        text.contains("coredns_dns_responses_total{plugin=\"forward\",rcode=\"NOERROR\",server=\"dns://:0\",view=\"\",zone=\".\"} 2")
            && text.contains("plugin=\"cache\",rcode=\"NOERROR\"")
            && text.contains("coredns_plugin_enabled{name=\"cache\"")
    });
}

#[test]
fn an_upstream_that_is_silent_holds_up_nobody_else() {
    let fake = Fake::start();
    let site = Site::start(forwarding(&fake), |_| {});
    let slow = site.client();
    slow.send(&query(1, "a.silent.test", 1)).unwrap();
    let client = site.client();
    for id in 0..100 {
        assert_eq!(gist(&ask(&client, &query(id, WEB, 1))).0, 0);
    }
    assert_eq!(gist(&ask(&client, &query(1, "b.test", 1))).0, 0);
    assert_eq!(gist(&receive(&slow)).0, 2);
}

#[test]
fn a_stop_waits_for_upstreams_as_long_as_it_may() {
    let fake = Fake::start();
    let mut site = Site::start(forwarding(&fake), |_| {});
    let clients: Vec<_> = (0..20).map(|_| site.client()).collect();
    for (id, client) in clients.iter().enumerate() {
        client.send(&query(id as u16, &format!("n{id}.test"), 1)).unwrap();
    }
    site.running.take().unwrap().stop(PATIENCE);
    for client in &clients {
        assert_eq!(gist(&receive(client)), (0, false, 1));
    }
}

#[test]
fn an_alias_to_the_outside_brings_what_it_leads_to() {
    let fake = Fake::start();
    let site = Site::start(forwarding(&fake), |_| {});
    let reply = site.ask(&query(1, "ext.shop.svc.cluster.local", 1));
    assert_eq!(gist(&reply), (0, false, 2));
    assert_eq!(
        answers(&reply),
        ["ext.shop.svc.cluster.local CNAME www.example.test.", "www.example.test A 192.0.2.7"]
    );
    assert_eq!(reply[2] & 4, 0, "not authoritative");
    assert_eq!(gist(&site.ask(&query(1, "lost.shop.svc.cluster.local", 1))), (3, false, 1));
}

#[test]
fn rewritten_names_come_back_as_they_were_asked() {
    let fake = Fake::start();
    let mut block = forwarding(&fake);
    block.rewrites = vec![
        Rewrite {
            stop: true,
            rule: RewriteRule::Exact { from: name("old.test"), to: name(WEB), answer: true },
        },
        Rewrite {
            stop: true,
            rule: RewriteRule::Suffix { from: name("inside.test"), to: name("outside.test"), answer: true },
        },
    ];
    let site = Site::start(block, |_| {});
    assert_eq!(answers(&site.ask(&query(1, "Old.test", 1))), ["Old.test A 10.96.5.1"]);
    let reply = site.ask(&edns(query(1, "www.inside.test", 1), 0, 1232, b""));
    assert_eq!(answers(&reply), ["www.inside.test A 192.0.2.7"]);
    assert_eq!((fake.asked("www.outside.test"), fake.asked("www.inside.test")), (1, 0));
    assert_eq!(reply[11], 1, "EDNS is answered");
}

#[test]
fn templates_and_hosts_are_asked_before_the_zone() {
    let fake = Fake::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hosts");
    fs::write(&file, "192.0.2.1 fixed.test\n").unwrap();
    let mut block = forwarding(&fake);
    block.templates = vec![Template {
        line: 1,
        kind: Some(1),
        zones: vec![name("made.test")],
        matches: Vec::new(),
        answer: vec!["{{ .Name }} 60 IN A 192.0.2.9".into()],
        authority: Vec::new(),
        additional: Vec::new(),
        rcode: Rcode::NOERROR,
        fallthrough: None,
    }];
    block.hosts = Some(Hosts {
        file: Some(file.clone()),
        inline: vec!["192.0.2.2 web.shop.svc.cluster.local".into()],
        zones: Vec::new(),
        ttl: 3600,
        no_reverse: false,
        reload: Duration::from_millis(1),
        fallthrough: Some(Vec::new()),
    });
    let site = Site::start(block, |_| {});
    let client = site.client();
    let answer = |asked: &str| answers(&ask(&client, &query(1, asked, 1)));
    assert_eq!(answer("a.made.test"), ["a.made.test A 192.0.2.9"]);
    assert_eq!(answer("fixed.test"), ["fixed.test A 192.0.2.1"]);
    assert_eq!(answer(WEB), [format!("{WEB} A 192.0.2.2")]);
    assert_eq!(answer("fresh.test"), ["fresh.test A 192.0.2.7"]);
    fs::write(&file, "192.0.2.1 fixed.test\n192.0.2.3 later.test\n").unwrap();
    until("the file is read again", || answer("later.test") == ["later.test A 192.0.2.3"]);
    let text = site.metrics.text();
    assert!(text.contains(
        "coredns_template_matches_total{class=\"IN\",server=\"dns://:0\",type=\"A\",view=\"\",zone=\".\"} 1"
    ));
    assert!(text.contains("coredns_hosts_entries 3"), "{text}");
}

#[test]
fn a_search_path_is_followed_here() {
    let fake = Fake::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("resolv.conf");
    fs::write(&file, "search shop.svc.cluster.local svc.cluster.local cluster.local\n").unwrap();
    let mut block = forwarding(&fake);
    block.autopath = Some(Autopath::File(file));
    let site = Site::start(block, |_| {});
    let answer = |asked: &str| answers(&site.ask(&query(1, asked, 1)));
    assert_eq!(answer("web.shop.svc.cluster.local"), ["web.shop.svc.cluster.local A 10.96.5.1"]);
    assert_eq!(
        answer("web.shop.shop.svc.cluster.local"),
        [
            "web.shop.shop.svc.cluster.local CNAME web.shop.svc.cluster.local.",
            "web.shop.svc.cluster.local A 10.96.5.1"
        ]
    );
    assert_eq!(
        answer("www.example.test.shop.svc.cluster.local"),
        ["www.example.test.shop.svc.cluster.local CNAME www.example.test.", "www.example.test A 192.0.2.7"]
    );
    let gone = site.ask(&query(1, "gone.test.shop.svc.cluster.local", 1));
    assert_eq!(gist(&gone), (3, false, 0));
    assert!(site.metrics.text().contains("coredns_autopath_success_total{server=\"dns://:0\"} 3"));
}

#[test]
fn queries_that_come_back_are_found_out() {
    let mut listener = block();
    listener.looping = true;
    let site = {
        // The upstream is the server itself: its address is known only once it is bound.
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let upstream = Upstream { address: port, tls: false, name: None };
        listener.forwards = vec![Forward::new(name("."), vec![Target::Upstream(upstream)])];
        listener.port = port.port();
        Site::start(listener, |options| options.listen = vec![port])
    };
    let looped = site.running.as_ref().unwrap().looped();
    until("it is found out", || looped.borrow().as_ref().is_some_and(|why| why.contains("comes back")));
}

#[test]
fn one_question_is_answered_outside_of_a_server() {
    let fake = Fake::start();
    let site = Site::start(forwarding(&fake), |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = "127.0.0.1".parse().unwrap();
    let serving = site.published.load();
    let ask = |asked: &str| runtime.block_on(resolve(&serving, &query(1, asked, 1), client, 0));
    let (reply, trace) = ask(WEB);
    assert_eq!((gist(&reply.unwrap()).2, trace.plugin, trace.zone.as_str()), (1, "kubernetes", "."));
    let (reply, trace) = ask("www.example.test");
    assert_eq!((gist(&reply.unwrap()).2, trace.plugin), (1, "forward"));
    assert_eq!(trace.upstream.unwrap().0.address, fake.address);
    let (reply, trace) = ask("a.silent.test");
    assert_eq!(gist(&reply.unwrap()).0, 2);
    assert!(trace.failure.is_some());
}
