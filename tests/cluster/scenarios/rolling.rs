//! Nobody notices a rollout: neither of what is behind Slipway, nor of Slipway.

use super::client::{Load, until_name};
use super::echo::deploy;
use super::kubernetes::{Cluster, Namespace};
use super::manifest::host;
use super::release::Release;

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn a_deployment_is_rolled_ten_times_and_no_request_fails() {
    let cluster = Cluster::shared();
    let values = ["controller.service.type=NodePort", "controller.replicaCount=1"];
    let release = Release::install(&cluster, "backends", &values);
    let http = serve(&release);
    let load = Load::start(&["-host", "shop.test", &format!("http://{http}/")]);
    for _ in 0..10 {
        roll(&release.namespace, "shop");
    }
    let tally = load.finish();
    tally.all_answered();
    assert!(tally.pods.len() >= 20, "ten generations of two pods answered: {:?}", tally.pods);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn slipway_is_rolled_and_no_request_fails() {
    let cluster = Cluster::shared();
    let release = Release::install(&cluster, "rolled", &["controller.service.type=NodePort"]);
    let http = serve(&release);
    let url = format!("http://{http}/");
    let before = release.pods();
    let kept = Load::start(&["-host", "shop.test", &url]);
    let new = Load::start(&["-host", "shop.test", "-new-connections", "-rate", "100", &url]);
    roll(&release.namespace, &format!("{}-controller", release.class()));
    // Only when the old pods are gone have they had the time to fail somebody.
    for pod in before {
        release.namespace.kubectl(&["wait", "--for=delete", &format!("pod/{pod}"), "--timeout=120s"]);
    }
    kept.finish().all_answered();
    new.finish().all_answered();
}

/// Two echo servers behind an Ingress; answers where clients outside ask.
fn serve(release: &Release) -> String {
    deploy(&release.namespace, &[("shop", 2)]);
    release.namespace.apply(&host("shop", release.class(), "shop.test", "shop"));
    let http = release.node_port("http");
    until_name(&http, "http://shop.test/", "shop");
    http
}

fn roll(namespace: &Namespace, name: &str) {
    let deployment = format!("deployment/{name}");
    namespace.kubectl(&["rollout", "restart", &deployment]);
    namespace.kubectl(&["rollout", "status", &deployment, "--timeout=180s"]);
}
