//! Replies that do not fit.

use std::fmt::Write as _;

use proptest::prelude::*;
use slipway::dns::query::why::why;
use slipway::dns::wire::kind;
use slipway::dns::wire::name::Name;
use slipway::dns::zone::Zone;

use crate::ask::{How, TCP, ask, ask_bytes};
use crate::cluster::zone;

/// A headless Service with so many endpoints of both families.
fn many(count: usize) -> Zone {
    let mut yaml = String::from(
        "apiVersion: v1\nkind: Service\nmetadata: {name: many, namespace: shop}\n\
         spec: {clusterIP: None, ports: [{name: http, port: 80}]}\n",
    );
    for (family, prefix) in [("IPv4", "10.1"), ("IPv6", "fd00:1:")] {
        write!(
            yaml,
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: many-{family}, namespace: shop, labels: {{kubernetes.io/service-name: many}}}}\n\
             addressType: {family}\nports: [{{name: http, port: 8080}}]\nendpoints:\n"
        )
        .unwrap();
        for at in 0..count {
            let address = match family {
                "IPv4" => format!("{prefix}.{}.{}", at / 250, at % 250),
                _ => format!("{prefix}:{:x}", at + 1),
            };
            writeln!(yaml, "- {{addresses: [\"{address}\"], hostname: host-{at}}}").unwrap();
        }
    }
    zone(&yaml, |_| {})
}

const NAME: &str = "many.shop.svc.cluster.local";

#[test]
fn as_many_whole_addresses_as_fit_are_sent_and_the_cut_is_said() {
    let zone = many(100);
    for limit in [512, 600, 1232, 4096] {
        for (kind, length) in [(kind::A, 16), (kind::AAAA, 28)] {
            for edns in [false, true] {
                for turn in [None, Some(0), Some(7), Some(99)] {
                    let shown = ask(&zone, NAME, kind, How { limit, edns, turn });
                    let head = 12 + 29 + 4 + if edns { 11 } else { 0 };
                    let fit = ((limit - head) / length).min(100);
                    assert_eq!(
                        (shown.answer.len(), shown.truncated),
                        (fit, fit < 100),
                        "{limit} {kind} {turn:?}"
                    );
                    let mut unique = shown.answer.clone();
                    unique.sort();
                    unique.dedup();
                    assert_eq!(unique.len(), fit);
                }
            }
        }
    }
    let whole = ask(&zone, NAME, kind::A, TCP);
    assert_eq!((whole.answer.len(), whole.truncated), (100, false));
}

#[test]
fn additional_records_are_dropped_in_silence_and_answers_are_not() {
    let zone = many(20);
    let name = format!("_http._tcp.{NAME}");
    let whole = ask(&zone, &name, kind::SRV, TCP);
    assert_eq!((whole.answer.len(), whole.additional.len(), whole.truncated), (20, 40, false));
    // The answers and some addresses fit.
    let some = ask(&zone, &name, kind::SRV, How { limit: whole.length - 100, ..TCP });
    assert_eq!((some.answer.len(), some.truncated), (20, false));
    assert!(!some.additional.is_empty() && some.additional.len() < 40);
    let cut = ask(&zone, &name, kind::SRV, How { limit: 512, ..TCP });
    assert!(cut.truncated && !cut.answer.is_empty() && cut.answer.len() < 20);
    assert!(cut.additional.is_empty());
}

#[test]
fn thousands_of_endpoints_fit_as_far_as_a_message_reaches() {
    let zone = many(5000);
    let shown = ask(&zone, NAME, kind::A, TCP);
    assert!(shown.truncated && shown.answer.len() > 4000);
    let shown = ask(&zone, NAME, kind::SRV, TCP);
    assert!(shown.truncated && shown.answer.len() > 800);
    let shown = ask(&zone, &format!("host-4999.{NAME}"), kind::AAAA, TCP);
    assert_eq!(shown.answer, [format!("host-4999.{NAME}. 30 IN AAAA fd00:1::1388")]);
    let many = crate::room::many(400);
    // Beyond 16 KiB a pointer reaches no name: those addresses are left out.
    let shown = ask(&many, NAME, kind::SRV, TCP);
    assert_eq!((shown.answer.len(), shown.truncated), (400, false));
    assert!(!shown.additional.is_empty() && shown.additional.len() < 800);
}

#[test]
fn the_longest_question_has_room_for_its_denial() {
    let zone = many(1);
    let name = format!("{}.{}.{}.a.svc.cluster.local", "x".repeat(63), "y".repeat(63), "z".repeat(63));
    let shown = ask(&zone, &name, kind::A, How { limit: 512, edns: true, turn: None });
    assert_eq!((shown.status, shown.authority.len(), shown.truncated), ("NXDOMAIN", 1, false));
}

/// A label of any bytes, or one that means something here.
fn label() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "svc",
        "pod",
        "dns",
        "ns",
        "dns-version",
        "shop",
        "web",
        "peers",
        "ext",
        "inner",
        "alpha",
        "_tcp",
        "_http",
        "10-1-2-3",
        "fd00--1",
        "--",
        "1-2-3-4-5-6-7-8",
        "ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff",
        "10",
        "8",
        "244",
        "1",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_gets_a_reply_that_can_be_read_and_fits(
        labels in prop::collection::vec(label(), 0..6),
        apex in prop::sample::select(vec![&b"\x07cluster\x05local\0"[..], b"\x07in-addr\x04arpa\0", b"\x03ip6\x04arpa\0"]),
        kind in prop_oneof![prop::sample::select(vec![1_u16, 2, 5, 6, 12, 16, 28, 33, 255]), any::<u16>()],
        limit in 512_usize..1300,
        turn in prop::option::of(any::<u32>()),
    ) {
        thread_local! {
            static ZONE: Zone = zone(include_str!("objects.yaml"), |_| {});
        }
        let mut query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        for label in &labels {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label);
        }
        query.extend(apex);
        prop_assume!(query.len() <= 12 + 255);
        let name = Name::from_wire(&query[12..]).unwrap();
        query.extend(kind.to_be_bytes());
        query.extend([0, 1]);
        ZONE.with(|zone| {
            let shown = ask_bytes(zone, &query, How { limit, edns: false, turn });
            prop_assert!(shown.length <= limit);
            let answered = shown.answer.iter().any(|record| !record.contains(" CNAME "));
            prop_assert!(why(zone, &name, kind).is_none() || !answered);
            Ok(())
        })?;
    }
}
