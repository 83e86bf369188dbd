//! Upstreams that are dead, slow or lie: the right code in time, and all other names unaffected.

use std::time::{Duration, Instant};

use crate::program::{Program, free_ports, query};
use crate::upstream::{Behaviour, Upstream, a, honest, question_end, reply, silent};

const OBJECTS: &str = include_str!("objects.yaml");

/// Longer than any name may take whose upstream does not answer; clients themselves give up after five seconds.
const LIMIT: Duration = Duration::from_secs(7);

const SERVFAIL: u8 = 2;

/// The code and the addresses for a name outside, and how long it took.
fn outside(program: &Program, name: &str) -> (u8, Vec<[u8; 4]>, Duration) {
    let begin = Instant::now();
    let reply = program.ask(&query(9, name, 1));
    let mut found = Vec::new();
    let mut at = question_end(&reply);
    for _ in 0..u16::from_be_bytes([reply[6], reply[7]]) {
        // Owners are pointers in what the upstreams here send.
        assert_eq!(reply[at] & 0xc0, 0xc0, "{reply:?}");
        let length = usize::from(u16::from_be_bytes([reply[at + 10], reply[at + 11]]));
        if reply[at + 3] == 1 {
            found.push(reply[at + 12..at + 16].try_into().unwrap());
        }
        at += 12 + length;
    }
    (reply[3] & 0xf, found, begin.elapsed())
}

/// Whether names of the cluster are answered at once while others wait.
fn unaffected(program: &Program) {
    for _ in 0..20 {
        let begin = Instant::now();
        assert_eq!(program.rcode("web.shop.svc.cluster.local", 1), 0);
        assert_eq!(program.rcode("nothing.shop.svc.cluster.local", 1), 3);
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
}

fn fails(udp: Behaviour, tcp: Behaviour) {
    let upstream = Upstream::start(udp, tcp);
    let good = Upstream::start(honest, honest);
    let stub = format!("good.example={}", good.address());
    let program = Program::start(OBJECTS, &["--forward", &upstream.address(), "--stub", &stub]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| outside(&program, "www.bad.example"));
        unaffected(&program);
        let (rcode, found, took) = outside(&program, "www.good.example");
        assert_eq!((rcode, found), (0, vec![[192, 0, 2, 1]]), "another upstream's names go on ({took:?})");
        let (rcode, found, took) = asking.join().unwrap();
        assert_eq!((rcode, found), (SERVFAIL, vec![]));
        assert!(took < LIMIT, "{took:?}");
    });
}

#[test]
fn an_honest_upstream_is_asked_once_and_then_the_cache() {
    let upstream = Upstream::start(honest, honest);
    let program = Program::start(OBJECTS, &["--forward", &upstream.address()]);
    let before = upstream.asked();
    for _ in 0..10 {
        let (rcode, found, _) = outside(&program, "www.Example.test");
        assert_eq!((rcode, found), (0, vec![[192, 0, 2, 1]]));
    }
    assert_eq!(upstream.asked() - before, 1);
    let reply = program.ask(&query(9, "www.Example.test", 1));
    assert_eq!(&reply[12..30], b"\x03www\x07Example\x04test\0", "the question comes back as it was written");
    assert_eq!(reply[3] & 0x80, 0x80, "recursion was done");
}

#[test]
fn an_alias_out_of_the_zone_is_followed_upstream() {
    let upstream = Upstream::start(honest, honest);
    let program = Program::start(OBJECTS, &["--forward", &upstream.address()]);
    let reply = program.ask(&query(9, "ext.shop.svc.cluster.local", 1));
    assert_eq!((reply[3] & 0xf, &reply[6..8]), (0, &[0, 2][..]), "{reply:?}");
    assert!(reply.windows(4).any(|four| four == [192, 0, 2, 1]), "{reply:?}");
}

#[test]
fn a_dead_upstream_is_servfail() {
    let [port] = free_ports();
    let good = Upstream::start(honest, honest);
    let stub = format!("good.example={}", good.address());
    let program = Program::start(OBJECTS, &["--forward", &format!("127.0.0.1:{port}"), "--stub", &stub]);
    let (rcode, _, took) = outside(&program, "www.bad.example");
    assert_eq!(rcode, SERVFAIL);
    assert!(took < LIMIT, "{took:?}");
    assert_eq!(outside(&program, "www.good.example").0, 0);
    unaffected(&program);
}

#[test]
fn a_silent_upstream_is_servfail_in_time() {
    fails(silent, silent);
}

#[test]
fn an_upstream_with_wrong_ids_is_not_believed() {
    fails(
        |query| {
            let mut reply = reply(query, 0, &[a([6, 6, 6, 6])]);
            reply[0] ^= 0xff;
            vec![reply]
        },
        silent,
    );
}

#[test]
fn an_upstream_that_answers_another_question_is_not_believed() {
    fails(
        |query| {
            let mut reply = reply(query, 0, &[a([6, 6, 6, 6])]);
            reply[13] = b'x';
            vec![reply]
        },
        silent,
    );
}

#[test]
fn the_right_answer_is_taken_after_wrong_ones() {
    let upstream = Upstream::start(
        |query| {
            let mut forged = reply(query, 0, &[a([6, 6, 6, 6])]);
            forged[0] ^= 1;
            let mut other = reply(query, 0, &[a([6, 6, 6, 6])]);
            other[14] ^= 1;
            vec![b"rubbish".to_vec(), forged, other, Vec::new(), honest(query).pop().unwrap()]
        },
        silent,
    );
    let program = Program::start(OBJECTS, &["--forward", &upstream.address()]);
    let (rcode, found, _) = outside(&program, "www.example.test");
    assert_eq!((rcode, found), (0, vec![[192, 0, 2, 1]]));
}

#[test]
fn a_truncated_answer_is_asked_for_over_tcp() {
    let truncated: Behaviour = |query| {
        let mut reply = reply(query, 0, &[]);
        reply[2] |= 2;
        vec![reply]
    };
    let upstream = Upstream::start(truncated, honest);
    let program = Program::start(OBJECTS, &["--forward", &upstream.address()]);
    let (rcode, found, _) = outside(&program, "www.example.test");
    assert_eq!((rcode, found), (0, vec![[192, 0, 2, 1]]));
    // Truncated over TCP as well: that is no answer.
    fails(truncated, truncated);
}

#[test]
fn what_was_not_asked_for_is_neither_passed_on_nor_kept() {
    // An address of another name, in the additional section, and one in the answer section.
    let upstream = Upstream::start(
        |query| {
            let mut reply = reply(query, 0, &[a([192, 0, 2, 1])]);
            reply[11] = 1;
            reply.extend(b"\x04bank\x07example\0\0\x01\0\x01\0\0\x0e\x10\0\x04\x06\x06\x06\x06");
            vec![reply]
        },
        silent,
    );
    let program = Program::start(OBJECTS, &["--forward", &upstream.address()]);
    let reply = program.ask(&query(9, "www.example.test", 1));
    assert_eq!(reply[6..12], [0, 1, 0, 0, 0, 0], "{reply:?}");
    assert!(!reply.windows(4).any(|four| four == [6, 6, 6, 6]));
    let bank = program.ask(&query(9, "bank.example", 1));
    assert!(!bank.windows(4).any(|four| four == [6, 6, 6, 6]), "{bank:?}");
}

#[test]
fn a_chain_that_does_not_begin_at_the_question_is_no_answer() {
    fails(
        |query| {
            let record = b"\x04bank\x07example\0\0\x01\0\x01\0\0\x0e\x10\0\x04\x06\x06\x06\x06".to_vec();
            vec![reply(query, 0, &[record])]
        },
        silent,
    );
}

#[test]
fn a_loop_to_itself_ends_the_program_and_says_what_to_do() {
    let [port, ready, metrics] = free_ports();
    let itself = format!("127.0.0.1:{port}");
    let mut program = Program::listening(OBJECTS, &["--forward", &itself], port, ready, metrics);
    let end = Instant::now() + crate::program::PATIENCE;
    while program.is_running() {
        assert!(Instant::now() < end, "{}", program.log());
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(program.log().contains("loop"), "{}", program.log());
}
