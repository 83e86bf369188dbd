//! What the command line says to people and to pipelines.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::backend::Backend;
use super::manifest::{ingress, ingress_with, service};
use super::server::{Manifests, Server, printed, program, run};

/// Runs `slipway ingress` with flags that must stop it, and checks the message and the exit code.
#[track_caller]
fn refuses(args: &[&str], words: &[&str], code: i32) {
    let (text, exit) = printed(&run(&[&["ingress"], args].concat()));
    for word in words {
        assert!(text.contains(word), "{args:?} must say {word:?}:\n{text}");
    }
    assert_eq!(exit, code, "{args:?}:\n{text}");
}

#[test]
fn a_missing_directory_is_a_clear_message() {
    refuses(&["--manifests", "/nowhere/at/all"], &["/nowhere/at/all does not exist", "--manifests"], 1);
    let manifests = Manifests::new(&[("file.yaml", "")]);
    let file = manifests.path().join("file.yaml");
    refuses(&["--manifests", file.to_str().unwrap()], &["is not a directory"], 1);
}

#[test]
fn an_empty_directory_is_a_warning_and_serves_what_comes() {
    let manifests = Manifests::new(&[]);
    let server = Server::start(&manifests, &[]);
    server.wait_for("holds no Kubernetes objects that are served: put .yaml");
    assert_eq!(server.get("web.example", "/").status, 404);
    let web = service("web", &[Backend::start("web").address]) + &ingress("web", "web.example", "/", "web");
    manifests.write("web.yaml", &web);
    server.until_status("web.example", "/", 200);
    server.wait_for("no longer: ");
}

#[test]
fn a_taken_port_is_named_with_its_flag() {
    let manifests = Manifests::new(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--http-port", "--https-port", "--healthz-port"] {
        let mut args =
            vec!["--manifests", manifests.text(), "--bind-address=127.0.0.1", "--healthz-host=127.0.0.1"];
        for other in ["--http-port", "--https-port", "--healthz-port"] {
            args.extend([other, if other == flag { &port } else { "0" }]);
        }
        refuses(&args, &[&format!("port {port} is taken"), flag], 1);
    }
}

#[test]
fn wrong_flags_are_told_with_what_is_right() {
    refuses(&["--manifests", ".", "--http-prt", "80"], &["--http-prt", "--http-port"], 2);
    refuses(&["--manifests", ".", "--configmap", "controller"], &["NAMESPACE/NAME"], 2);
    refuses(&["--manifests", ".", "--default-ssl-certificate", "a/b/c"], &["NAMESPACE/NAME"], 2);
    refuses(&["--manifests", ".", "--set", "hsts"], &["KEY=VALUE"], 2);
    refuses(&["--kubeconfig", "/nowhere/at/all"], &["/nowhere/at/all", "--kubeconfig"], 1);
}

#[test]
fn a_misspelt_setting_is_told_and_the_rest_serves() {
    let manifests = Manifests::new(&[]);
    let server = Server::start(&manifests, &["--set=hst=true"]);
    let line = server.wait_for("setting hst");
    assert!(line.contains("did you mean \"hsts\"") && line.contains("--set"), "{line}");
}

#[test]
fn check_answers_with_its_exit_code() {
    let web = service("web", &[Backend::start("web").address]) + &ingress("web", "web.example", "/", "web");
    let manifests = Manifests::new(&[("web.yaml", &web)]);
    let check = |args: &[&str]| printed(&run(&[&["check", manifests.text()], args].concat()));
    let (text, code) = check(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("served: Ingress default/web (1 route;") && text.contains("1 served"), "{text}");

    manifests.write("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n");
    let known = ingress_with("part", "part.example", "/", "web", &[("enable-cors", "true")]);
    manifests.write("part.yaml", &known);
    let (text, code) = check(&[]);
    assert_eq!(code, 0, "ignored and in part is not refused: {text}");
    assert!(text.contains("ignored: 1 Deployment"), "{text}");
    assert!(
        text.contains("part.yaml:7:5") && text.contains("enable-cors") && text.contains("not yet honoured"),
        "{text}"
    );

    manifests.write("bad.yaml", &ingress("bad", "bad_host!.example", "/", "web"));
    let (text, code) = check(&[]);
    assert_eq!(code, 1, "{text}");
    let (json, code) = check(&["-o", "json"]);
    assert_eq!(code, 1);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["ignored"]["Deployment"], 1);
    let results = json["results"].as_array().unwrap();
    let verdict =
        |name: &str| results.iter().find(|r| r["name"] == name).unwrap()["verdict"].as_str().unwrap();
    assert_eq!(verdict("web"), "served");
    assert_ne!(verdict("bad"), "served");
    let (text, code) = printed(&run(&["check", "/nowhere/at/all"]));
    assert_eq!(code, 2, "{text}");
}

#[test]
fn check_reads_standard_input() {
    let check = |text: &str| {
        let mut command = Command::new(program());
        command.args(["check", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        printed(&child.wait_with_output().unwrap())
    };
    let web = service("web", &[Backend::start("web").address]) + &ingress("web", "web.example", "/", "web");
    let (text, code) = check(&web);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("served: Ingress default/web"), "{text}");
    let (text, code) = check(&web.replace("spec:", "spec"));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("stdin:5:"), "{text}");
}

#[test]
fn explain_says_what_is_wrong_with_the_question() {
    let manifests = Manifests::new(&[("web.yaml", &ingress("web", "web.example", "/", "web"))]);
    for (args, words) in [
        (vec!["explain", "http://", "--manifests", manifests.text()], "http"),
        (vec!["explain", "http://web.example/", "--manifests", "/nowhere/at/all"], "/nowhere/at/all"),
        (
            vec!["explain", "http://web.example/", "--admin", "127.0.0.1:1"],
            "no answer from http://127.0.0.1:1",
        ),
    ] {
        let (text, code) = printed(&run(&args));
        assert_eq!(code, 2, "{args:?}: {text}");
        assert!(text.contains(words), "{args:?}: {text}");
    }
}

#[test]
fn the_demo_checks_itself() {
    let output = run(&["demo", "--check"]);
    let (text, code) = printed(&output);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("checks passed"), "{text}");
}
