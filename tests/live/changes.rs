//! A change of the directory is live soon after it was written, whoever writes it and how.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::client::Connection;
use super::manifest::{ingress, service};
use super::server::{Manifests, Server, eventually};

/// The promise is 100 ms; a busy machine with an unoptimized program gets this much.
const SOON: Duration = Duration::from_secs(2);

/// Two Services, `a` and `b`, with a backend each.
fn services() -> String {
    ["a", "b"].map(|name| service(name, &[Backend::start(name).address])).concat()
}

fn rule(service: &str) -> String {
    ingress("web", "web.example", "/", service)
}

fn serving(files: &[(&str, &str)]) -> (Manifests, Server) {
    let manifests = Manifests::new(&[("services.yaml", &services())]);
    for (name, text) in files {
        manifests.write(name, text);
    }
    let server = Server::start(&manifests, &[]);
    (manifests, server)
}

#[track_caller]
fn soon(took: Duration) {
    println!("live after {took:?}");
    assert!(took < SOON, "live only after {took:?}");
}

#[test]
fn a_file_that_is_written_in_place_is_live() {
    let (manifests, server) = serving(&[("web.yaml", &rule("a"))]);
    assert!(server.get("web.example", "/").body.contains("Hello from a"));
    for service in ["b", "a", "b"] {
        manifests.write("web.yaml", &rule(service));
        soon(server.until_body("web.example", "/", &format!("Hello from {service}\n")));
    }
}

#[test]
fn a_file_that_an_editor_renames_into_place_is_live() {
    let (manifests, server) = serving(&[("web.yaml", &rule("a"))]);
    for service in ["b", "a", "b"] {
        manifests.replace("web.yaml", &rule(service));
        soon(server.until_body("web.example", "/", &format!("Hello from {service}\n")));
    }
}

#[test]
fn a_mounted_configmap_that_swaps_its_data_link_is_live() {
    let manifests = Manifests::new(&[("services.yaml", &services())]);
    let root = manifests.path();
    let version = |number: u32, service: &str| {
        let name = format!("..2026_0{number}");
        fs::create_dir(root.join(&name)).unwrap();
        fs::write(root.join(&name).join("web.yaml"), rule(service)).unwrap();
        symlink(&name, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    version(1, "a");
    symlink("..data/web.yaml", root.join("web.yaml")).unwrap();
    let server = Server::start(&manifests, &[]);
    assert!(server.get("web.example", "/").body.contains("Hello from a"));
    for (number, service) in [(2, "b"), (3, "a")] {
        version(number, service);
        fs::remove_dir_all(root.join(format!("..2026_0{}", number - 1))).unwrap();
        soon(server.until_body("web.example", "/", &format!("Hello from {service}\n")));
    }
}

#[test]
fn a_new_subdirectory_is_read_and_a_removed_one_forgotten() {
    let (manifests, server) = serving(&[]);
    assert_eq!(server.get("web.example", "/").status, 404);
    let inner = manifests.path().join("team").join("shop");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("web.yaml"), rule("a")).unwrap();
    soon(server.until_body("web.example", "/", "Hello from a"));
    fs::write(inner.join("web.yaml"), rule("b")).unwrap();
    soon(server.until_body("web.example", "/", "Hello from b"));
    fs::remove_dir_all(manifests.path().join("team")).unwrap();
    soon(server.until_status("web.example", "/", 404));
}

#[test]
fn a_removed_file_takes_its_rules_with_it_and_no_others() {
    let other = ingress("other", "other.example", "/", "b");
    let (manifests, server) = serving(&[("web.yaml", &rule("a")), ("other.yaml", &other)]);
    manifests.remove("web.yaml");
    soon(server.until_status("web.example", "/", 404));
    assert!(server.get("other.example", "/").body.contains("Hello from b"));
}

#[test]
fn a_rule_that_moves_from_file_to_file_is_never_gone() {
    let (manifests, server) = serving(&[("web.yaml", &rule("a"))]);
    fs::rename(manifests.path().join("web.yaml"), manifests.path().join("moved.yaml")).unwrap();
    let steady = ingress("mark", "mark.example", "/", "b");
    manifests.write("mark.yaml", &steady);
    eventually("the change is live", || {
        assert!(server.get("web.example", "/").body.contains("Hello from a"), "gone for a moment");
        match server.get("mark.example", "/").status {
            200 => Ok(()),
            status => Err(status.to_string()),
        }
    });
}

#[test]
fn a_file_that_is_still_being_written_is_not_believed_yet() {
    let first = ingress("first", "first.example", "/", "a");
    let second = |service: &str| ingress("second", "second.example", "/", service);
    let (manifests, server) = serving(&[("web.yaml", &(first.clone() + &second("a")))]);
    let serves = |what: &str| {
        let answer = server.get("second.example", "/");
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
    };
    for service in ["b", "a", "b", "a", "b"] {
        let start = Instant::now();
        let mut file = fs::File::create(manifests.path().join("web.yaml")).unwrap();
        while start.elapsed() < Duration::from_millis(70) {
            serves("the file is empty");
        }
        file.write_all(first.as_bytes()).unwrap();
        while start.elapsed() < Duration::from_millis(200) {
            serves("half of the file is written");
        }
        file.write_all(second(service).as_bytes()).unwrap();
        drop(file);
        soon(server.until_body("second.example", "/", &format!("Hello from {service}\n")));
    }
    assert_eq!(server.reports(), Vec::<String>::new());
}

#[test]
fn json_and_lists_are_read_like_yaml() {
    let (manifests, server) = serving(&[]);
    let rule = |host: &str, service: &str| {
        serde_json::json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": { "name": host, "namespace": "default" },
            "spec": { "rules": [{ "host": host, "http": { "paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": { "service": { "name": service, "port": { "name": "http" } } },
            }] } }] },
        })
    };
    manifests.write("one.json", &rule("json.example", "a").to_string());
    let list = [rule("first.example", "a"), rule("second.example", "b")];
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": list });
    manifests.write("list.json", &format!("{list:#}"));
    soon(server.until_body("json.example", "/", "Hello from a"));
    soon(server.until_body("first.example", "/", "Hello from a"));
    soon(server.until_body("second.example", "/", "Hello from b"));
}

#[test]
fn an_endpoint_that_leaves_gets_no_more_requests_on_open_connections() {
    let both = [Backend::start("first").address, Backend::start("second").address];
    let (manifests, server) = serving(&[("web.yaml", &ingress("web", "web.example", "/", "pair"))]);
    manifests.write("pair.yaml", &service("pair", &both));
    server.until_status("web.example", "/", 200);
    let mut connection = Connection::plain(server.http).unwrap();
    let mut ask = || connection.get("web.example", "/").unwrap().body;
    let seen: String = (0..4).map(|_| ask()).collect();
    assert!(seen.contains("Hello from first") && seen.contains("Hello from second"), "{seen}");
    manifests.write("pair.yaml", &service("pair", &both[..1]));
    eventually("only the first one answers", || {
        let seen: String = (0..4).map(|_| ask()).collect();
        if seen.contains("Hello from second") { Err("both".to_owned()) } else { Ok(()) }
    });
    manifests.write("pair.yaml", &service("pair", &[]));
    soon(server.until_status("web.example", "/", 503));
}
