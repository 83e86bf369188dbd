//! A small ruleset as text, for people; the kernel is asked whether it would take it.
//!
//! No affinity over IPv6 in it: nft 1.0.6 stops at an assertion when it reads a map update whose key is longer than 16 bytes.
//! The kernel takes such a rule, and it is written without nft.
//!
//! `UPDATE_GOLDEN=1 cargo test --test l4` writes it anew; read the difference before you commit it.

use std::path::Path;
use std::process::Command;

use crate::cluster::*;

fn small() -> String {
    let mut cluster = Cluster::new();
    let mut web = service("web", &[V4.cluster_ip]);
    web.ports[0].node_port = Some(30080);
    cluster.add(web);
    cluster.endpoints([slice("web", 0, vec![endpoint(V4.here, "here"), endpoint(V4.there, "there")])]);
    let mut shop = service("shop", &["10.96.0.11"]);
    shop.exposure.load_balancer_ips = vec![ip(V4.balancer)];
    shop.exposure.external_local = true;
    shop.exposure.affinity = Some(10_800);
    let ranges = ["203.0.113.0/25", "203.0.113.128/25", "192.168.0.0/24"];
    shop.exposure.source_ranges = Some(ranges.map(|range| range.parse().unwrap()).into());
    cluster.add(shop);
    cluster.endpoints([slice("shop", 0, vec![endpoint("10.244.0.3", "here")])]);
    cluster.add(service("six", &[V6.cluster_ip]));
    cluster.endpoints([slice("six", 0, vec![endpoint(V6.here, "here"), endpoint(V6.there, "there")])]);
    cluster.add(service("empty", &["10.96.0.12"]));
    let mut here_only = service("here-only", &["10.96.0.13"]);
    here_only.exposure.internal_local = true;
    cluster.add(here_only).endpoints([slice("here-only", 0, vec![endpoint(V4.there, "there")])]);
    cluster.desired().ruleset.to_string()
}

#[test]
fn a_small_ruleset_reads_like_this() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/l4/small.nft");
    let text = small();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == text, "tests/l4/small.nft differs from:\n{text}");
}

/// Needs root: the kernel checks the transaction and takes nothing of it.
#[test]
fn the_kernel_would_take_it() {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() != b"0" {
        assert!(std::env::var_os("CI").is_none(), "run as root in CI");
        eprintln!("skipped: nft needs root");
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), small()).unwrap();
    let nft = Command::new("nft").arg("-c").arg("-f").arg(file.path()).output().unwrap();
    assert!(nft.status.success(), "{}", String::from_utf8_lossy(&nft.stderr));
}
