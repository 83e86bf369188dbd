//! Whatever happens in whatever order: in the end the store holds what the server holds.

use super::secrets::{TLS, secret};
use super::*;
use crate::model::certificate::Secret;

/// How many sequences are tried.
const SEQUENCES: u64 = 60;

#[tokio::test(start_paused = true)]
async fn the_end_state_is_right_whatever_happened() {
    let secrets: Vec<Value> = ["a", "b"].iter().map(|host| secret("shop", "", TLS, host)).collect();
    for seed in 0..SEQUENCES {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = server();
        if random.bool() {
            server.only_pages(random.usize(1..4));
        }
        let mut rig = Rig::begin(&server, options());
        for _ in 0..random.usize(10..150) {
            disturb(&server, &secrets, &mut random);
            if random.u8(..4) == 0 {
                rig.pass(Duration::from_millis(random.u64(..6000))).await;
            }
        }
        server.set_curt(false);
        server.set_down(false);
        server.forbid("services", false);
        server.forbid("secrets", false);
        rig.until("complete", |_| true).await;
        // Longer than anything waits that looks now and then.
        let found = rig.pass(Duration::from_mins(5)).await;
        let expected = Rig::start(&server, options()).await.store.snapshot();
        assert_eq!(names(&found.ingresses), names(&expected.ingresses), "seed {seed}");
        assert_eq!(names(&found.statuses), names(&expected.statuses), "seed {seed}");
        assert_eq!(names(&found.services), names(&expected.services), "seed {seed}");
        for (name, service) in expected.services.iter() {
            assert_eq!(found.services[name], *service, "seed {seed}");
        }
        assert_eq!(certificates(&found), certificates(&expected), "seed {seed}");
        assert_eq!(found.reports, expected.reports, "seed {seed}");
    }
}

/// Every Secret with the name in its certificate, or why it has none.
fn certificates(snapshot: &Snapshot) -> Vec<(String, String)> {
    let host = |secret: &Secret| match &secret.certificate {
        Ok(certificate) => certificate.names[0].to_string(),
        Err(error) => error.to_string(),
    };
    let mut all: Vec<_> =
        snapshot.secrets.iter().map(|(key, secret)| (key.to_string(), host(secret))).collect();
    all.sort();
    all
}

fn disturb(server: &Server, secrets: &[Value], random: &mut fastrand::Rng) {
    let name = format!("n{}", random.u8(..6));
    match random.u8(..26) {
        0..5 => server.put("services", service("shop", &name, random.u16(1..100))),
        5..8 => server.delete("services", "shop", &name),
        8..12 => {
            let class = ["nginx", "other", "gone"][random.usize(..3)];
            let secret = format!("n{}", random.u8(..6));
            server.put("ingresses", ingress("shop", &name, class, random.bool().then_some(&secret)));
        }
        12..14 => server.delete("ingresses", "shop", &name),
        14 => server.end_watches(random.bool()),
        15 => server.set_down(random.bool()),
        16 => server.forget(),
        17 => server.set_curt(random.bool()),
        18 => server.forbid("services", random.bool()),
        19 => server.forbid("secrets", random.bool()),
        20 => server.put("ingressclasses", class("other", if random.bool() { "ours" } else { "theirs" })),
        21..23 => {
            let mut secret = secrets[random.usize(..secrets.len())].clone();
            secret["metadata"]["name"] = json!(name);
            // The type of a Secret never changes while it is there.
            server.delete("secrets", "shop", &name);
            secret["type"] = json!(if random.bool() { TLS } else { "Opaque" });
            server.put("secrets", secret);
        }
        23..25 => server.delete("secrets", "shop", &name),
        _ => server.bookmark(),
    }
}
