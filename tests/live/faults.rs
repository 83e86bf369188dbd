//! What is wrong in a directory is told with its place and its remedy, and everything else keeps serving.

use super::backend::Backend;
use super::client::Connection;
use super::manifest::{Certificate, certificates, ingress, ingress_with, secret, secure, service};
use super::server::{Manifests, Server, eventually, printed, run};

/// A directory with a host that must always answer, `good.example`, and one file under test, `part.yaml`.
struct Scene {
    manifests: Manifests,
    server: Server,
}

impl Scene {
    fn new(part: &str) -> Self {
        let services = service("web", &[Backend::start("web").address]);
        let good = ingress("good", "good.example", "/", "web");
        let manifests =
            Manifests::new(&[("services.yaml", &services), ("good.yaml", &good), ("part.yaml", part)]);
        let server = Server::start(&manifests, &[]);
        assert_eq!(server.reports(), Vec::<String>::new());
        Self { manifests, server }
    }

    /// Breaks the file. The report must name this place and hold these words: at `/config`, on standard error and in
    /// `slipway check`, which then exits with `code`.
    #[track_caller]
    fn broken(&self, part: &str, place: &str, words: &[&str], code: i32) {
        self.manifests.write("part.yaml", part);
        let complete = |line: &str| line.contains(place) && words.iter().all(|word| line.contains(word));
        eventually("the fault is told", || {
            let reports = self.server.reports();
            if reports.iter().any(|line| complete(line)) { Ok(()) } else { Err(format!("{reports:#?}")) }
        });
        eventually("the fault is logged", || {
            let log = self.server.log();
            if log.lines().any(complete) { Ok(()) } else { Err(log) }
        });
        let (checked, exit) = printed(&run(&["check", self.manifests.text()]));
        // Nothing good was before it here.
        let form = "good form keeps serving";
        let words: Vec<&&str> = words.iter().filter(|word| **word != form).collect();
        let told =
            checked.lines().any(|line| line.contains(place) && words.iter().all(|w| line.contains(**w)));
        assert!(told, "{place} {words:?} is not in:\n{checked}");
        assert_eq!(exit, code, "{checked}");
        assert!(self.server.get("good.example", "/").body.contains("Hello from web"));
    }

    /// Corrects the file: nothing is reported any more, and standard error says so.
    #[track_caller]
    fn corrected(&self, part: &str) {
        self.manifests.write("part.yaml", part);
        eventually("the report ends", || {
            let reports = self.server.reports();
            if reports.is_empty() { Ok(()) } else { Err(format!("{reports:?}")) }
        });
        self.server.wait_for("no longer: ");
        let (checked, exit) = printed(&run(&["check", self.manifests.text()]));
        assert_eq!(exit, 0, "{checked}");
    }

    #[track_caller]
    fn serves_part(&self) {
        let answer = self.server.get("part.example", "/");
        assert!(answer.body.contains("Hello from web"), "{answer:?}");
    }
}

#[test]
fn broken_yaml_is_told_with_line_and_column_and_its_last_good_form_serves() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let typo = part.replace("  rules:\n", "  rules:\n  \t- x: [\n");
    scene.broken(&typo, "part.yaml:9:3", &["tab", "use spaces", "good form keeps serving"], 1);
    scene.serves_part();
    scene.corrected(&part);
    scene.serves_part();
}

#[test]
fn a_wildcard_host_without_quotes_is_told_how_to_write_it() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let bare = part.replace("part.example", "*.part.example");
    scene.broken(&bare, "part.yaml:9:11", &["wildcard host", "in quotes", "good form keeps serving"], 1);
    scene.serves_part();
    scene.corrected(&bare.replace("*.part.example", "'*.part.example'"));
    scene.server.until_body("any.part.example", "/", "Hello from web");
}

#[test]
fn what_people_get_wrong_first_is_told_with_what_is_right() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let bare = part.replace("port: {number: 80}", "port: 80");
    scene.broken(
        &bare,
        "part.yaml:14:",
        &["service.port: ", "write {number: 80}", "good form keeps serving"],
        1,
    );
    scene.broken(
        &part.replace("Ingress\n", "Ingres\n"),
        "part.yaml:2:1",
        &["kind \"Ingres\"", "write \"Ingress\"", "good form keeps serving"],
        1,
    );
    let unversioned = part.replace("apiVersion: networking.k8s.io/v1\n", "");
    scene.broken(&unversioned, "part.yaml:1:1", &["write \"apiVersion: networking.k8s.io/v1\""], 1);
    scene.broken(
        &part.replace("v1\n", "v2\n"),
        "part.yaml:1:1",
        &["networking.k8s.io/v2", "networking.k8s.io/v1"],
        1,
    );
    scene.corrected(&part);
    scene.serves_part();
}

#[test]
fn a_broken_document_does_not_touch_the_others_of_its_file() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let other = ingress("other", "other.example", "/", "web");
    let broken = "kind: Ingress\nmetadata: {name: x\n---\n".to_owned() + &part + &other;
    scene.broken(&broken, "part.yaml:", &[], 1);
    scene.server.until_status("other.example", "/", 200);
    scene.serves_part();
    scene.corrected(&(part + &other));
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_place() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let wrong = part.replace("port: {number: 80}", "port: {number: eighty}");
    scene.broken(
        &wrong,
        "part.yaml:14:",
        &["a number is needed: write digits", "good form keeps serving"],
        1,
    );
    scene.serves_part();
    scene.corrected(&part);
}

#[test]
fn a_broken_certificate_is_told_and_everything_else_serves() {
    let [first, second, _] = certificates() else { panic!("three certificates") };
    let part = |secret: &str| secure("part", "secure.example", "part-tls", "web") + secret;
    let good = part(&first.secret("part-tls"));
    let scene = Scene::new(&good);
    let https = || Connection::tls(scene.server.https, "secure.example").unwrap();
    assert_eq!(https().certificate(), first.der);
    let mut open = https();
    assert_eq!(open.get("secure.example", "/").unwrap().status, 200);

    let garbage =
        part(&secret("part-tls", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----", &first.key));
    scene.broken(&garbage, "part.yaml:", &["tls.crt"], 1);
    let swapped = part(&secret("part-tls", &first.certificate, &second.key));
    scene.broken(&swapped, "part.yaml:", &["tls.key", "certificate"], 1);
    assert_eq!(open.get("secure.example", "/").unwrap().status, 200, "open connections are not touched");
    assert_eq!(https().get("secure.example", "/").unwrap().status, 200, "new ones get another certificate");

    scene.corrected(&part(&second.secret("part-tls")));
    assert_eq!(https().certificate(), second.der);
}

#[test]
fn a_certificate_for_another_name_is_told() {
    let good = secure("part", "secure.example", "part-tls", "web") + &certificates()[0].secret("part-tls");
    let scene = Scene::new(&good);
    let other = Certificate::new("elsewhere.example");
    let wrong = secure("part", "secure.example", "part-tls", "web") + &other.secret("part-tls");
    scene.broken(&wrong, "part.yaml:", &["secure.example", "elsewhere.example"], 0);
    assert_ne!(Connection::tls(scene.server.https, "secure.example").unwrap().certificate(), other.der);
    scene.corrected(&good);
}

#[test]
fn a_bad_regular_expression_is_told_and_the_other_paths_of_the_host_serve() {
    let regex = [("use-regex", "true")];
    let part = ingress_with("part", "part.example", "/", "web", &regex);
    let scene = Scene::new(&part);
    let bad = ingress_with("bad", "part.example", "/v[0-9", "web", &regex);
    scene.broken(&(part.clone() + &bad), "part.yaml:", &["/v[0-9"], 1);
    scene.serves_part();
    scene.corrected(&part);
}

#[test]
fn a_misspelt_annotation_is_told_with_the_name_that_was_meant() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let typo = ingress_with("part", "part.example", "/", "web", &[("proxy-boddy-size", "8m")]);
    scene.broken(&typo, "part.yaml:7:5", &["proxy-boddy-size", "proxy-body-size"], 0);
    scene.serves_part();
    scene.corrected(&part);
}

#[test]
fn a_wrong_value_of_an_annotation_is_told_with_what_is_used_instead() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let wrong = ingress_with("part", "part.example", "/", "web", &[("proxy-read-timeout", "soon")]);
    scene.broken(&wrong, "part.yaml:7:5", &["proxy-read-timeout", "soon"], 0);
    scene.serves_part();
    scene.corrected(&part);
}

#[test]
fn access_rules_that_cannot_be_read_deny() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let wrong =
        ingress_with("part", "part.example", "/", "web", &[("whitelist-source-range", "10.0.0.0/99")]);
    scene.broken(&wrong, "part.yaml:7:5", &["whitelist-source-range", "10.0.0.0/99"], 1);
    assert_eq!(scene.server.get("part.example", "/").status, 503);
    scene.corrected(&part);
    scene.serves_part();
}

#[test]
fn a_service_that_does_not_exist_is_told_and_answers_503_until_it_does() {
    let part = ingress("part", "part.example", "/", "web");
    let scene = Scene::new(&part);
    let wrong = ingress("part", "part.example", "/", "wbe");
    scene.broken(&wrong, "part.yaml:", &["wbe"], 0);
    assert_eq!(scene.server.get("part.example", "/").status, 503);
    scene.corrected(&(wrong + &service("wbe", &[Backend::start("web").address])));
    scene.serves_part();
}

#[test]
fn the_old_forms_of_ingress_serve_and_say_how_to_update() {
    let scene = Scene::new("");
    for (version, host) in [("networking.k8s.io/v1beta1", "old"), ("extensions/v1beta1", "older")] {
        let old = format!(
            "apiVersion: {version}
kind: Ingress
metadata: {{name: {host}, namespace: default}}
spec:
  rules:
  - host: {host}.example
    http:
      paths:
      - path: /
        backend:
          serviceName: web
          servicePort: http
"
        );
        scene.manifests.write(&format!("{host}.yaml"), &old);
        scene.server.until_body(&format!("{host}.example"), "/any", "Hello from web");
        let reports = scene.server.reports();
        let told = |report: &&String| report.starts_with(&format!("{host}.yaml:"));
        let all: String = reports.iter().filter(told).cloned().collect();
        for word in ["networking.k8s.io/v1", "service: {name: web, port: {name: http}}", "pathType: "] {
            assert!(all.contains(word), "{word}: {reports:#?}");
        }
    }
}
