//! Nobody notices a rollout: neither of what is behind Slipway, nor of Slipway.

use super::client::{Load, until_name};
use super::echo::deploy;
use super::kubernetes::{Cluster, Namespace};
use super::manifest::host;
use super::release::Release;

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn deployments_are_rolled_ten_times_and_no_request_fails() {
    let cluster = Cluster::shared();
    let values = ["controller.service.type=NodePort", "controller.replicaCount=1"];
    let release = Release::install(&cluster, "backends", &values);
    // One finishes what it has begun when it is told to end; the other one knows no signals.
    let (http, namespace) = (serve(&release, &["graceful", "abrupt"]), &release.namespace);
    namespace.kubectl(&["set", "env", "deployment/abrupt", "ECHO_ON_SIGTERM=exit"]);
    namespace.kubectl(&["rollout", "status", "deployment/abrupt", "--timeout=120s"]);
    let url = format!("http://{http}/");
    let loads =
        ["graceful.test", "abrupt.test"].map(|host| Load::start(&["-rate", "100", "-host", host, &url]));
    for _ in 0..10 {
        roll(namespace, &["graceful", "abrupt"]);
    }
    for tally in loads.map(Load::finish) {
        tally.all_answered();
        assert!(tally.pods.len() >= 20, "ten generations of two pods answered: {:?}", tally.pods);
    }
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn slipway_is_rolled_and_no_request_fails() {
    let cluster = Cluster::shared();
    let release = Release::install(&cluster, "rolled", &["controller.service.type=NodePort"]);
    let http = serve(&release, &["shop"]);
    let url = format!("http://{http}/");
    let before = release.pods();
    let kept = Load::start(&["-host", "shop.test", &url]);
    let new = Load::start(&["-host", "shop.test", "-new-connections", "-rate", "100", &url]);
    roll(&release.namespace, &[&format!("{}-controller", release.class())]);
    // Only when the old pods are gone have they had the time to fail somebody.
    for pod in before {
        release.namespace.kubectl(&["wait", "--for=delete", &format!("pod/{pod}"), "--timeout=120s"]);
    }
    kept.finish().all_answered();
    new.finish().all_answered();
}

/// Two echo servers of each name behind an Ingress for `NAME.test`; answers where clients outside ask.
fn serve(release: &Release, names: &[&str]) -> String {
    deploy(&release.namespace, &names.iter().map(|name| (*name, 2)).collect::<Vec<_>>());
    let http = release.node_port("http");
    for name in names {
        let site = format!("{name}.test");
        release.namespace.apply(&host(name, release.class(), &site, name));
        until_name(&http, &format!("http://{site}/"), name);
    }
    http
}

/// Replaces all pods of these Deployments, at the same time.
fn roll(namespace: &Namespace, names: &[&str]) {
    let deployments: Vec<_> = names.iter().map(|name| format!("deployment/{name}")).collect();
    for deployment in &deployments {
        namespace.kubectl(&["rollout", "restart", deployment]);
    }
    for deployment in &deployments {
        namespace.kubectl(&["rollout", "status", deployment, "--timeout=180s"]);
    }
}
