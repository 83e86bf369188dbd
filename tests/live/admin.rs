//! What probes, Prometheus and people see of the running program.

use std::net::TcpListener;

use super::backend::Backend;
use super::client::{self, Connection};
use super::manifest::{certificates, ingress, ingress_with, secure, service};
use super::server::{Manifests, Server, eventually, printed, run};

fn services() -> String {
    service("web", &[Backend::start("web").address])
}

#[test]
fn readiness_waits_for_the_first_complete_list() {
    // Enough that reading takes a moment.
    let many: String =
        (0..3000).map(|n| ingress(&format!("i{n}"), &format!("h{n}.example"), "/", "web")).collect();
    let manifests = Manifests::new(&[("many.yaml", &many), ("services.yaml", &services())]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::launch(&manifests, &[&format!("--healthz-port={}", free.port())]);
    let ask = |target: &str| client::get(free, "admin", target);
    let (first, _) = eventually("the admin server answers", || ask("/readyz").map_err(|e| e.to_string()));
    assert_eq!(first.status, 503, "{first:?}");
    assert!(first.body.contains("not ready"), "{first:?}");
    assert_eq!(ask("/healthz").unwrap().status, 200);
    eventually("ready", || match ask("/readyz").unwrap().status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    server.wait_for("serving 3000 Ingresses, 3000 hosts, 3000 routes");
}

#[test]
fn a_signal_before_it_is_ready_ends_it_too() {
    let many: String =
        (0..3000).map(|n| ingress(&format!("i{n}"), &format!("h{n}.example"), "/", "web")).collect();
    let manifests = Manifests::new(&[("many.yaml", &many)]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = Server::launch(&manifests, &[&format!("--healthz-port={}", free.port())]);
    eventually("the admin server answers", || client::get(free, "admin", "/").map_err(|e| e.to_string()));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn metrics_count_every_request_once() {
    let manifests = Manifests::new(&[
        ("services.yaml", &services()),
        ("web.yaml", &ingress("web", "web.example", "/shop", "web")),
    ]);
    let server = Server::start(&manifests, &[]);
    let mut connection = Connection::plain(server.http).unwrap();
    for _ in 0..37 {
        assert_eq!(connection.get("web.example", "/shop/cart").unwrap().status, 200);
    }
    for _ in 0..5 {
        assert_eq!(server.get("web.example", "/elsewhere").status, 404);
    }
    let count = |text: &str, labels: &[&str]| -> u64 {
        let line = |line: &&str| {
            line.starts_with("nginx_ingress_controller_requests{") && labels.iter().all(|l| line.contains(l))
        };
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64;
        text.lines().filter(line).map(value).sum()
    };
    let served = [
        "host=\"web.example\"",
        "ingress=\"web\"",
        "namespace=\"default\"",
        "service=\"web\"",
        "status=\"200\"",
    ];
    eventually("the requests are counted", || {
        let text = server.ask("/metrics").body;
        let counts = (count(&text, &served), count(&text, &["status=\"404\""]));
        if counts == (37, 5) { Ok(()) } else { Err(format!("{counts:?}")) }
    });
    let text = server.ask("/metrics").body;
    assert_eq!(count(&text, &[]), 42);
    assert_prometheus(&text);
    for name in [
        "nginx_ingress_controller_config_last_reload_successful",
        "nginx_ingress_controller_build_info",
        "nginx_ingress_controller_request_duration_seconds_bucket",
        "nginx_ingress_controller_nginx_process_connections",
    ] {
        assert!(text.contains(&format!("\n{name}")), "{name} is missing");
    }
}

/// Each line is a comment with a known word, or `name{labels} value` of a metric whose type was told before.
fn assert_prometheus(text: &str) {
    let mut types = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').unwrap();
            assert!(word == "HELP" || word == "TYPE", "{line}");
            if word == "TYPE" {
                assert!(types.insert(rest.split(' ').next().unwrap().to_owned()), "told twice: {line}");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(types.contains(family) || types.contains(name), "no type for {line}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn the_config_tells_everything_but_keys() {
    let [certificate, ..] = certificates() else { panic!("certificates") };
    let backend = Backend::start("web");
    let manifests = Manifests::new(&[
        ("services.yaml", &service("web", &[backend.address])),
        ("web.yaml", &ingress_with("web", "web.example", "/shop", "web", &[("proxy-body-size", "8m")])),
        ("secure.yaml", &(secure("secure", "secure.example", "tls", "web") + &certificate.secret("tls"))),
    ]);
    let server = Server::start(&manifests, &["--set=hsts=false"]);
    let answer = server.ask("/config");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let config = server.config();
    let hosts: Vec<_> =
        config["hosts"].as_array().unwrap().iter().map(|h| h["host"].as_str().unwrap()).collect();
    assert!(hosts.contains(&"web.example") && hosts.contains(&"secure.example"), "{hosts:?}");
    let web = config["hosts"].as_array().unwrap().iter().find(|h| h["host"] == "web.example").unwrap();
    let route = web["routes"].as_array().unwrap().iter().find(|r| r["path"] == "/shop").unwrap();
    assert_eq!(route["bodyLimitBytes"], 8 << 20);
    assert_eq!(config["settings"]["hsts"], false);
    assert_eq!(config["backends"][0]["endpoints"][0], backend.address.to_string());
    assert!(config["certificates"].as_array().unwrap().iter().any(|c| c["host"] == "secure.example"));
    let key: Vec<&str> = certificate.key.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(!answer.body.contains("PRIVATE KEY") && !answer.body.contains(key[0]), "key material");
    assert!(!server.log().contains(key[0]), "key material in the log");
}

#[test]
fn a_file_and_a_running_instance_explain_a_request_alike() {
    let regex = [("rewrite-target", "/$1"), ("whitelist-source-range", "127.0.0.0/8")];
    let manifests = Manifests::new(&[
        ("services.yaml", &services()),
        (
            "web.yaml",
            &(ingress("web", "web.example", "/", "web") + &ingress("cart", "web.example", "/cart", "web")),
        ),
        ("api.yaml", &ingress_with("api", "'*.api.example'", "/v1/(.*)", "web", &regex)),
    ]);
    let server = Server::start(&manifests, &[]);
    let admin = server.admin.to_string();
    // Only files know in which line a rule stands.
    let places = regex::Regex::new(r" at [a-z]+\.yaml:\d+").unwrap();
    for (url, expected) in [
        (
            "http://web.example/cart/items?id=1",
            "web.example/cart (ImplementationSpecific, Ingress default/cart",
        ),
        ("http://web.example/cartoon", "web.example/ (ImplementationSpecific, Ingress default/web"),
        ("http://x.api.example/v1/users", "Ingress default/api"),
        ("http://nobody.example/", "404"),
    ] {
        let explain = |from: [&str; 2]| {
            let (text, code) = printed(&run(&["explain", url, from[0], from[1]]));
            assert_eq!(code, 0, "{url}: {text}");
            assert!(text.contains(expected), "{url}: {text}");
            places.replace_all(&text, "").into_owned()
        };
        assert_eq!(explain(["--manifests", manifests.text()]), explain(["--admin", &admin]), "{url}");
    }
}
