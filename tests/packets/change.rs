//! Changes and restarts under load: nobody notices.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::client::Outcome::Answered;
use super::client::{tcp, until};
use super::manifest::{PODS, Service};
use super::net::{Net, Side, possible};
use super::program::Program;
use super::server::Server;

/// Connects all the time from a side, until told to end; gives how often, and every failure.
fn load(
    net: &Net,
    from: Side,
    service: &Service,
    end: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<(usize, Vec<String>)> {
    let (places, end) = (service.cluster(), end.clone());
    net.begin(from, move || {
        let (mut count, mut failures) = (0, Vec::new());
        while !end.load(Ordering::Relaxed) {
            for place in places {
                count += 1;
                let tried = TcpStream::connect_timeout(&place, Duration::from_secs(2)).and_then(|stream| {
                    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
                    let mut line = String::new();
                    BufReader::new(stream).read_line(&mut line).map(|_| line)
                });
                match tried {
                    Ok(line) if !line.is_empty() => {}
                    Ok(_) => failures.push(format!("{place}: nothing came")),
                    Err(why) => failures.push(format!("{place}: {why}")),
                }
            }
        }
        (count, failures)
    })
}

#[test]
fn no_connection_is_refused_while_endpoints_are_replaced() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let sides = [(Side::A, "a"), (Side::B, "b"), (Side::C, "c")];
    let _servers = sides.map(|(side, name)| Server::start(&net, side, 8080, name));
    let sets = [
        [Side::A, Side::B].as_slice(),
        &[Side::B],
        &[Side::B, Side::C, Side::A],
        &[Side::C],
        &[Side::C, Side::B],
    ];
    let service = Service::new(1, sets[0]);
    let mut program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let end = Arc::new(AtomicBool::new(false));
    let loads = [Side::Outside, Side::Node].map(|from| load(&net, from, &service, &end));
    for round in 1..=40 {
        program.write(&Service::new(1, sets[round % sets.len()]).cluster_yaml());
        program.until_count("endpoint sets changed", round);
    }
    end.store(true, Ordering::Relaxed);
    for load in loads {
        let (count, failures) = load.join().unwrap();
        assert!(count > 50, "{count} connections");
        assert_eq!(failures, Vec::<String>::new(), "of {count}");
    }
}

#[test]
fn a_restart_changes_nothing_and_breaks_nothing() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _servers = [(Side::B, "b"), (Side::C, "c")].map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = Service::new(1, &[Side::B, Side::C]).with("sessionAffinity: ClientIP").load_balancer(30080);
    let mut program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let place = service.cluster()[0];
    let kept = net.on(Side::Outside, move || TcpStream::connect(place).unwrap());
    let mut kept = BufReader::new(kept);
    kept.read_line(&mut String::new()).unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let load = load(&net, Side::Outside, &service, &end);
    let before = net.nft(&["list", "table", "ip", "slipway"]);
    for crash in [true, false] {
        if crash {
            program.kill();
        } else {
            program.stop();
        }
        assert!(matches!(tcp(&net, Side::A, place), Answered(..)), "rules outlive the program");
        program.start_again(&net);
        program.until_said("nothing had to be written");
        kept.get_mut().write_all(b"still there\n").unwrap();
        let mut line = String::new();
        kept.read_line(&mut line).unwrap();
        assert_eq!(line, "still there\n");
    }
    end.store(true, Ordering::Relaxed);
    let (count, failures) = load.join().unwrap();
    assert_eq!((failures, count > 10), (Vec::new(), true));
    let steady = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("expires")).map(str::to_owned).collect()
    };
    assert_eq!(steady(&before), steady(&net.nft(&["list", "table", "ip", "slipway"])));
}

#[test]
fn thousands_of_changes_are_written_together_and_the_last_one_holds() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _servers = [(Side::B, "b"), (Side::C, "c")].map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = |endpoints: &[Side]| Service::new(1, endpoints);
    let mut program = Program::start(&net, &service(&[Side::B]).cluster_yaml(), &["--cluster-cidr", PODS]);
    for round in 0..3000 {
        program.write(&service(&[[Side::B, Side::C][round % 2]]).cluster_yaml());
    }
    program.write(&service(&[Side::C]).cluster_yaml());
    program.until_in_force(&net);
    for place in service(&[]).cluster() {
        assert_eq!(tcp(&net, Side::A, place).name(), "c", "{place}");
    }
    let written = program.said().iter().filter(|line| line.contains("changed:")).count();
    assert!(written < 1000, "{written} transactions for 3,001 changes");
}

#[test]
fn what_changed_while_it_was_not_there_is_put_right_at_the_start() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _servers = [(Side::B, "b"), (Side::C, "c")].map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = |endpoints: &[Side]| Service::new(1, endpoints);
    let mut program = Program::start(&net, &service(&[Side::B]).cluster_yaml(), &["--cluster-cidr", PODS]);
    let place = service(&[]).cluster()[1];
    assert_eq!(tcp(&net, Side::A, place).name(), "b");
    program.stop();
    program.write(&service(&[Side::C]).cluster_yaml());
    program.start_again(&net);
    until("the other answers", || tcp(&net, Side::A, place), |outcome| outcome.name() == "c");
    // One endpoint took another's place in each family and protocol; the former was on this node and could reach itself.
    program.until_said("4 elements added, 6 removed");
}
