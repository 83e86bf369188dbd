//! Network namespaces: a node, its pods, another node, the world outside.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A side of the node, in a namespace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The node itself.
    Node,
    /// A pod on the node.
    A,
    /// Another pod on the node.
    B,
    /// A pod on another node.
    C,
    /// A client outside of the cluster.
    Outside,
}

pub(super) const SIDES: [Side; 5] = [Side::Node, Side::A, Side::B, Side::C, Side::Outside];

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::Outside => "out",
        }
    }

    /// Its address: IPv4, then IPv6.
    pub(super) fn addresses(self) -> [IpAddr; 2] {
        let (four, six) = match self {
            Self::Node => ("10.0.0.1", "fd00:1::1"),
            Self::A => ("10.244.1.10", "fd00:244:1::10"),
            Self::B => ("10.244.1.11", "fd00:244:1::11"),
            Self::C => ("10.244.2.10", "fd00:244:2::10"),
            Self::Outside => ("192.0.2.2", "fd00:2::2"),
        };
        [four.parse().unwrap(), six.parse().unwrap()]
    }

    /// Its address of the same family as `like`.
    pub(super) fn address(self, like: IpAddr) -> IpAddr {
        self.addresses()[usize::from(like.is_ipv6())]
    }
}

/// All sides, connected. They go with the value.
pub(super) struct Net {
    prefix: String,
}

/// Whether namespaces can be made. Says so when not; under CI it is a failure.
pub(super) fn possible() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "network namespaces need root, and under CI nothing is skipped"
    );
    eprintln!("skipped: network namespaces need root");
    false
}

impl Net {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("sw{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let net = Self { prefix };
        for side in SIDES {
            ip(&["netns", "add", &net.name(side)]);
            net.ip(side, &["link", "set", "lo", "up"]);
            net.sysctl(side, "net/ipv6/conf/all/accept_dad=0");
            net.sysctl(side, "net/ipv6/conf/default/accept_dad=0");
        }
        net.sysctl(Side::Node, "net/ipv4/ip_forward=1");
        // Else only some refusals of UDP are told in a second.
        net.sysctl(Side::Node, "net/ipv4/icmp_ratelimit=0");
        net.sysctl(Side::Node, "net/ipv6/icmp/ratelimit=0");
        net.sysctl(Side::Node, "net/ipv6/conf/all/forwarding=1");
        for (side, gateway) in [
            (Side::A, ["169.254.1.1/32", "fe80::1/64"]),
            (Side::B, ["169.254.1.1/32", "fe80::1/64"]),
            (Side::C, ["10.0.0.1/24", "fd00:1::1/64"]),
            (Side::Outside, ["192.0.2.1/24", "fd00:2::1/64"]),
        ] {
            net.connect(side, gateway);
        }
        // The node's own connections to Service addresses need a route before they are sent elsewhere.
        net.ip(Side::Node, &["route", "add", "default", "via", "192.0.2.2"]);
        net.ip(Side::Node, &["-6", "route", "add", "default", "via", "fd00:2::2"]);
        net
    }

    /// Every address of the node.
    pub(super) fn node_addresses(&self) -> Vec<IpAddr> {
        let all = ["10.0.0.1", "192.0.2.1", "169.254.1.1", "fd00:1::1", "fd00:2::1", "fe80::1"];
        all.iter().map(|address| address.parse().unwrap()).collect()
    }

    /// The namespace's name, as `ip netns` has it.
    pub(super) fn name(&self, side: Side) -> String {
        format!("{}-{}", self.prefix, side.word())
    }

    /// A wire from the node; the side's default route goes through it.
    fn connect(&self, side: Side, gateway: [&str; 2]) {
        let port = format!("v{}", side.word());
        let (node, other) = (self.name(Side::Node), self.name(side));
        ip(&["link", "add", &port, "netns", &node, "type", "veth", "peer", "name", "eth0", "netns", &other]);
        self.ip(side, &["link", "set", "eth0", "up"]);
        self.ip(Side::Node, &["link", "set", &port, "up"]);
        let [four, six] = side.addresses().map(|address| address.to_string());
        for address in gateway {
            self.ip(Side::Node, &["addr", "add", address, "dev", &port, "nodad"]);
        }
        match side {
            Side::A | Side::B => {
                self.ip(side, &["addr", "add", &format!("{four}/32"), "dev", "eth0"]);
                self.ip(side, &["addr", "add", &format!("{six}/128"), "dev", "eth0", "nodad"]);
                self.ip(side, &["route", "add", "169.254.1.1", "dev", "eth0"]);
                self.ip(side, &["route", "add", "default", "via", "169.254.1.1"]);
                self.ip(side, &["-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0"]);
                self.ip(Side::Node, &["route", "add", &four, "dev", &port]);
                self.ip(Side::Node, &["-6", "route", "add", &six, "dev", &port]);
            }
            Side::C => {
                // Another node, with the pod's address on it.
                self.ip(side, &["addr", "add", "10.0.0.2/24", "dev", "eth0"]);
                self.ip(side, &["addr", "add", "fd00:1::2/64", "dev", "eth0", "nodad"]);
                self.ip(side, &["addr", "add", &format!("{four}/32"), "dev", "lo"]);
                self.ip(side, &["addr", "add", &format!("{six}/128"), "dev", "lo", "nodad"]);
                self.ip(side, &["route", "add", "default", "via", "10.0.0.1", "src", &four]);
                self.ip(side, &["-6", "route", "add", "default", "via", "fd00:1::1", "src", &six]);
                self.ip(Side::Node, &["route", "add", &four, "via", "10.0.0.2"]);
                self.ip(Side::Node, &["-6", "route", "add", &six, "via", "fd00:1::2"]);
            }
            Side::Outside | Side::Node => {
                self.ip(side, &["addr", "add", &format!("{four}/24"), "dev", "eth0"]);
                self.ip(side, &["addr", "add", &format!("{six}/64"), "dev", "eth0", "nodad"]);
                self.ip(side, &["route", "add", "default", "via", "192.0.2.1"]);
                self.ip(side, &["-6", "route", "add", "default", "via", "fd00:2::1"]);
            }
        }
    }

    /// Runs `ip` on a side.
    pub(super) fn ip(&self, side: Side, args: &[&str]) {
        ip(&[&["-n", &self.name(side)], args].concat());
    }

    fn sysctl(&self, side: Side, setting: &str) {
        let (path, value) = setting.split_once('=').unwrap();
        let path = format!("/proc/sys/{path}");
        let value = value.to_owned();
        self.on(side, move || std::fs::write(&path, value).unwrap_or_else(|why| panic!("{path}: {why}")));
    }

    /// Does something on a side: on a thread of its own, whose sockets are there.
    pub(super) fn on<T: Send + 'static>(&self, side: Side, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.begin(side, work).join().unwrap()
    }

    /// As [`Net::on`], without waiting.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        side: Side,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let name = self.name(side);
        thread::spawn(move || {
            enter(&name);
            work()
        })
    }

    /// A command on a side.
    pub(super) fn command(&self, side: Side, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name(side))).arg(program);
        command
    }

    /// What `nft` prints on the node.
    pub(super) fn nft(&self, args: &[&str]) -> String {
        let output = self.command(Side::Node, "nft").args(args).output().unwrap();
        assert!(output.status.success(), "nft {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn enter(name: &str) {
    let file = File::open(format!("/run/netns/{name}")).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Net {
    fn drop(&mut self) {
        for side in SIDES {
            let _ = Command::new("ip").args(["netns", "del", &self.name(side)]).output();
        }
    }
}
