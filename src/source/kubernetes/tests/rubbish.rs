//! Whatever a server sends, nothing panics, and no value of a Secret is told.

use super::super::claim::Names;
use super::super::event::Line;
use super::super::item::Item;
use super::*;

#[test]
fn nothing_that_a_server_sends_does_harm() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut secret = json!({"metadata": {"namespace": "n", "name": "s"}, "type": secrets::TLS});
    secret["data"] = json!({"tls.crt": "SECRETSECRET", "tls.key": "SECRETSECRET"});
    let objects = [
        ingress("shop", "web", "nginx", Some("cert")),
        service("shop", "web", 80),
        slice("shop", "web-1", "web", "10.0.0.1"),
        class("nginx", "ours"),
        json!({"metadata": {"name": "n", "labels": {"a": "b"}}, "data": {"hsts": "false"}}),
        secret,
    ];
    for _ in 0..5_000 {
        let mut object = objects[random.usize(..objects.len())].clone();
        for _ in 0..random.usize(..4) {
            spoil(&mut object, &mut random);
        }
        let mut line = json!({"type": "MODIFIED", "object": object}).to_string().into_bytes();
        if random.u8(..4) == 0 {
            let at = random.usize(..line.len());
            line[at] = random.u8(..);
        }
        if let Ok(Line::Apply(item)) = Line::read(&line) {
            read(&item);
        }
    }
}

fn read(item: &Item) {
    let options = crate::translate::Options::default();
    let _ = (Names::default().claim(item), object::ingress(item, &options), object::ingress_class(item));
    let _ = (object::service(item), object::endpoint_slice(item), object::namespace(item));
    let _ = object::config_map(item);
    if let Err(report) = object::secret(item) {
        assert!(!report.to_string().contains("SECRETSECRET"), "{report}");
    }
}

/// Replaces some value in the tree.
fn spoil(value: &mut Value, random: &mut fastrand::Rng) {
    let inner = match value {
        Value::Object(map) => {
            let at = random.usize(..=map.len());
            map.values_mut().nth(at)
        }
        Value::Array(list) => {
            let at = random.usize(..=list.len());
            list.get_mut(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) if random.u8(..5) > 0 => spoil(inner, random),
        _ => {
            let others = [
                Value::Null,
                json!(true),
                json!(-1),
                json!(1e300),
                json!("\u{0}\u{7f}é"),
                json!("x".repeat(300)),
                json!([[], {}]),
                json!({"name": {}}),
            ];
            *value = others[random.usize(..others.len())].clone();
        }
    }
}
