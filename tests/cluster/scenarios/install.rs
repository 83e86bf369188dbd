//! `helm install` of the chart with the built image: each kind, and the ways in that an operator has.

use std::fs;

use super::client::{self, ask, curl, until_name, until_status};
use super::echo::deploy;
use super::kubernetes::{Cluster, NODE, eventually, try_kubectl};
use super::manifest::{certificate, host, path, paths};
use super::release::Release;

/// Host and path rules, TLS by server name and the default 404, asked at these addresses.
fn serves(release: &Release, http: &str, https: &str) {
    let (namespace, class) = (&release.namespace, release.class());
    let (secret, pem) = certificate("secure", "secure.test");
    deploy(namespace, &[("shop", 2), ("api", 1), ("secure", 1)]);
    let shop =
        paths("shop", class, "shop.test", &[path("Prefix", "/", "shop"), path("Prefix", "/api", "api")]);
    let tls = "  tls: [{hosts: [secure.test], secretName: secure}]\n";
    let secure = host("secure", class, "secure.test", "secure") + tls;
    namespace.apply(&[secret, shop, secure].join("---"));

    until_name(http, "http://shop.test/", "shop");
    let api = until_name(http, "http://shop.test/api/users?id=7", "api").echo();
    assert_eq!((api["path"].as_str(), api["host"].as_str()), (Some("/api/users?id=7"), Some("shop.test")));
    assert_eq!(api["namespace"].as_str(), Some(&*namespace.name), "a real pod of this namespace answered");
    assert_eq!(ask(http, "http://other.test/").unwrap().status, 404);
    assert_eq!(ask(http, "http://secure.test/").unwrap().field("location"), Some("https://secure.test"));

    let directory = tempfile::tempdir().unwrap();
    let trusted = directory.path().join("ca.crt");
    fs::write(&trusted, pem).unwrap();
    let trusting = ["--cacert", trusted.to_str().unwrap()];
    let answer = curl(https, "https://secure.test/x", &trusting).unwrap();
    assert_eq!((answer.status, &*answer.name()), (200, "secure"), "{answer:?}");
    let refused = curl(https, "https://shop.test/", &trusting).unwrap_err();
    assert!(
        refused.contains("SSL") || refused.contains("certificate"),
        "another host's certificate: {refused}"
    );
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn daemon_set_with_host_ports_serves_on_every_node() {
    let cluster = Cluster::alone();
    let values =
        ["controller.kind=DaemonSet", "controller.hostPort.enabled=true", "controller.service.enabled=false"];
    let release = Release::install(&cluster, "daemon", &values);
    serves(&release, &format!("{NODE}:80"), &format!("{NODE}:443"));
    let nodes = cluster.nodes();
    assert_eq!(release.pods().len(), nodes.len());
    for address in &nodes {
        until_name(&format!("{address}:80"), "http://shop.test/", "shop");
    }
    release.namespace.until_addresses("shop", &nodes.iter().map(String::as_str).collect::<Vec<_>>());
    release.test().unwrap();
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn deployment_behind_a_service_serves_is_upgraded_and_leaves_no_address_behind() {
    let cluster = Cluster::shared();
    let address = "10.96.70.70";
    let service = format!("controller.service.clusterIP={address}");
    let values = ["controller.service.type=NodePort", &service, &format!("test.address={address}")];
    let release = Release::install(&cluster, "deployment", &values);
    assert_eq!(release.pods().len(), 2);
    let (http, https) = (release.node_port("http"), release.node_port("https"));
    serves(&release, &http, &https);
    release.namespace.until_addresses("shop", &[address]);
    release.test().unwrap();

    // A changed flag: new pods, one after the other.
    let before = release.pods();
    let notes = release.upgrade(&["controller.extraArgs.set=hsts=false"]);
    assert!(notes.contains(release.class()), "the notes tell of the class: {notes}");
    assert!(release.pods().iter().all(|pod| !before.contains(pod)), "every pod is new");
    until_name(&http, "http://shop.test/", "shop");
    // A changed setting: no new pods.
    let before = release.pods();
    release.upgrade(&["controller.config.http-redirect-code=301"]);
    until_status(&http, "http://secure.test/", 301);
    assert_eq!(release.pods(), before);

    let name = release.class().to_owned();
    let namespace = release.uninstall();
    let left = namespace.json(&["get", "ingress", "shop"]);
    assert!(left["status"]["loadBalancer"]["ingress"].is_null(), "{left}");
    for kind in ["clusterrole", "clusterrolebinding", "ingressclass", "validatingwebhookconfiguration"] {
        let objects = try_kubectl(&["get", kind, "--output", "name"]).unwrap();
        assert!(!objects.contains(&name), "{kind}: {objects}");
    }
    assert!(client::ask(&http, "http://shop.test/").is_err());
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn the_address_of_a_load_balancer_is_published_when_there_is_one() {
    let cluster = Cluster::shared();
    let values = ["controller.service.type=LoadBalancer", "controller.replicaCount=1"];
    let release = Release::install(&cluster, "balancer", &values);
    deploy(&release.namespace, &[("shop", 1)]);
    release.namespace.apply(&host("shop", release.class(), "shop.test", "shop"));
    until_name(&release.node_port("http"), "http://shop.test/", "shop");
    assert_eq!(release.namespace.addresses("shop"), Vec::<String>::new(), "no balancer has been made yet");
    let balancer = r#"{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}"#;
    let service = format!("{}-controller", release.class());
    release.namespace.kubectl(&[
        "patch",
        "service",
        &service,
        "--subresource=status",
        "--type=merge",
        "-p",
        balancer,
    ]);
    release.namespace.until_addresses("shop", &["203.0.113.7"]);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn a_mistake_is_refused_when_it_is_applied_and_other_classes_are_let_through() {
    let cluster = Cluster::shared();
    let release = Release::install(&cluster, "admission", &["controller.service.type=ClusterIP"]);
    let (namespace, class) = (&release.namespace, release.class());
    namespace.apply(&host("first", class, "shop.test", "shop"));
    // The replica that is asked must have seen the first one.
    let (refused, _) = eventually("the second owner of a host and path is refused", || {
        match namespace.try_apply(&host("second", class, "shop.test", "shop")) {
            Ok(_) => {
                namespace.kubectl(&["delete", "ingress", "second"]);
                Err("accepted".into())
            }
            Err(why) => Ok(why),
        }
    });
    assert!(refused.contains(&format!("{}/first", namespace.name)), "names the owner: {refused}");
    namespace.apply(&host("other", "another-class", "shop.test", "shop"));
}
