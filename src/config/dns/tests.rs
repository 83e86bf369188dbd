use clap::Parser;

use super::super::flags::{Command, DnsCommand, Flags};
use super::*;

fn typed(args: &[&str]) -> Result<Dns, String> {
    let all = ["slipway", "dns"].iter().chain(args);
    match Flags::try_parse_from(all).map_err(|e| e.to_string())?.command {
        Command::Dns(flags) => Dns::new(*flags).map_err(|e| e.to_string()),
        _ => unreachable!("the command is dns"),
    }
}

fn query(args: &[&str]) -> Result<DnsQuery, String> {
    let all = ["slipway", "dns", "query"].iter().chain(args);
    match Flags::try_parse_from(all).map_err(|e| e.to_string())?.command {
        Command::Dns(flags) => {
            let Some(DnsCommand::Query(flags)) = flags.query else { unreachable!("the command is query") };
            DnsQuery::new(*flags).map_err(|e| e.to_string())
        }
        _ => unreachable!("the command is dns"),
    }
}

fn plain(address: &str) -> UpstreamAt {
    UpstreamAt::Address { address: address.parse().unwrap(), tls: false, name: None }
}

#[test]
fn without_flags_the_corefile_or_what_is_usual_decides() {
    let config = typed(&[]).unwrap();
    assert_eq!(config.answers.source, Source::Kubernetes { kubeconfig: None });
    assert_eq!((config.health, config.ready, config.metrics), (Place::Unsaid, Place::Unsaid, Place::Unsaid));
    assert_eq!((config.answers.pods, config.answers.ttl, config.answers.cache), (None, None, None));
    assert_eq!(config.answers.service.to_string(), "kube-system/kube-dns");
    assert_eq!(config.answers.cache_size, 32 << 20);
    assert!(config.listen.is_empty() && config.answers.forward.is_empty() && config.client_rate.is_none());
    assert!(config.workers >= 1);
}

#[test]
fn addresses_to_listen_on_have_port_53_unless_they_say_another() {
    let config = typed(&["--listen", "10.0.0.1,[::1]:54", "--listen=:55", "--listen", "::1"]).unwrap();
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["10.0.0.1:53", "[::1]:54", "0.0.0.0:55", "[::]:55", "[::1]:53"]);
}

#[test]
fn flags_may_be_repeated_and_say_what_is_off() {
    let config = typed(&[
        "--manifests=dir",
        "--forward=10.0.0.1,10.0.0.2:54",
        "--forward=/etc/resolv.conf",
        "--stub=Example.ORG.=10.0.0.3,10.0.0.4",
        "--stub=corp=[fd00::1]:5353",
        "--transfer-to=10.0.0.0/8,fd00::7",
        "--health=",
        "--ready=127.0.0.1:0",
        "--lameduck=0s",
        "--serve-stale",
        "--prefetch=false",
        "--cookie-secret=000102030405060708090a0b0c0d0e0f",
        "--client-rate=50",
    ]);
    let config = config.unwrap();
    assert_eq!(config.answers.source, Source::Directory("dir".into()));
    let forward = [plain("10.0.0.1:53"), plain("10.0.0.2:54"), UpstreamAt::File("/etc/resolv.conf".into())];
    assert_eq!(config.answers.forward, forward);
    let stubs = [
        Stub { zone: "example.org".into(), to: vec![plain("10.0.0.3:53"), plain("10.0.0.4:53")] },
        Stub { zone: "corp".into(), to: vec![plain("[fd00::1]:5353")] },
    ];
    assert_eq!(config.answers.stubs, stubs);
    let nets = ["10.0.0.0/8", "fd00::7/128"].map(|net| net.parse().unwrap());
    assert_eq!(config.answers.transfer_to, Transfers::To(nets.to_vec()));
    assert_eq!((config.health, config.lameduck), (Place::Nowhere, Some(Duration::ZERO)));
    assert_eq!(config.ready, Place::At("127.0.0.1:0".parse().unwrap()));
    assert_eq!(config.answers.serve_stale, Some(Duration::from_hours(1)));
    assert_eq!((config.answers.prefetch, config.client_rate), (Some(false), Some(50)));
    assert_eq!(config.cookie_secret.unwrap()[15], 15);
    assert_eq!(typed(&["--transfer-to=10.0.0.1,*"]).unwrap().answers.transfer_to, Transfers::Everybody);
}

#[test]
fn a_query_takes_a_name_a_type_and_what_is_answered() {
    let config = query(&["web", "--from", "shop/client", "--manifests", "dir", "--pods=verified"]).unwrap();
    assert_eq!((config.name.as_str(), config.kind, config.ndots, config.server), ("web", None, 5, None));
    assert_eq!(config.from, Some(Whence { namespace: "shop".into(), pod: Some("client".into()) }));
    assert_eq!(config.answers.pods, Some(PodRecords::Verified));
    let config = query(&["web", "AAAA", "--server", "127.0.0.1:9153", "--ndots=1", "-o", "json"]).unwrap();
    assert_eq!(config.server, "127.0.0.1:9153".parse().ok());
    assert_eq!((config.kind.as_deref(), config.ndots, config.output), (Some("AAAA"), 1, Output::Json));
    let config = query(&["web", "--from=shop"]).unwrap();
    assert_eq!(config.server, "127.0.0.1:8080".parse().ok());
    assert_eq!(config.from, Some(Whence { namespace: "shop".into(), pod: None }));
    assert!(query(&["web", "--from=a/b/c"]).unwrap_err().contains("NAMESPACE/POD"));
}

#[test]
fn what_is_wrong_is_named_with_the_remedy() {
    let table: &[(&[&str], &str)] = &[
        (&["--ttl", "3601"], "3600"),
        (&["--pods", "all"], "possible values: disabled, insecure, verified"),
        (&["--policy", "fast"], "possible values: random, round_robin, sequential"),
        (&["--listen", "eth0"], "0.0.0.0:53"),
        (&["--forward", "dns.example"], "/etc/resolv.conf"),
        (&["--stub", "example.org"], "ZONE=ADDR"),
        (&["--stub", "a..b=10.0.0.1"], "cluster.local"),
        (&["--cluster-domain", "cluster local"], "cluster.local"),
        (&["--transfer-to", "all"], "* for everybody"),
        (&["--cookie-secret", "abc"], "32 hexadecimal digits"),
        (&["--cookie-secret", "zz0102030405060708090a0b0c0d0e0f"], "32 hexadecimal digits"),
        (&["--cache-size", "much"], "64MiB"),
        (&["--lameduck", "soon"], "30s"),
        (&["--workers", "0"], "0"),
        (&["--manifests", "x", "--kubeconfig", "y"], "cannot be used with"),
        (&["--health", ":8080", "--ready", "127.0.0.1:8080"], "give one of them another port"),
        (&["--autopath", "--pods=insecure"], "--pods verified"),
        (&["--manifests", "x", "query", "web"], "query"),
    ];
    for (args, expected) in table {
        let error = typed(args).unwrap_err();
        assert!(error.contains(expected), "{args:?}: {error}");
    }
    assert!(query(&["web", "--server=:9", "--manifests=x"]).unwrap_err().contains("cannot be used with"));
    assert!(query(&[]).unwrap_err().contains("NAME"));
}
