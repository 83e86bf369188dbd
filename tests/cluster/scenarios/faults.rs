//! What fails around Slipway, with real pods: the API server, and the replica that leads.

use super::client::{Load, ask, until_name, until_status};
use super::echo::deploy;
use super::kubernetes::{Cluster, eventually, kubectl};
use super::manifest::host;
use super::release::Release;

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn traffic_goes_on_without_the_api_server_and_what_was_deleted_meanwhile_is_gone() {
    let cluster = Cluster::alone();
    let values = ["controller.service.type=NodePort", "controller.replicaCount=2"];
    let release = Release::install(&cluster, "outage", &values);
    let (namespace, class) = (&release.namespace, release.class());
    deploy(namespace, &[("shop", 2)]);
    namespace.apply(
        &[host("stays", class, "stays.test", "shop"), host("goes", class, "goes.test", "shop")].join("---"),
    );
    let http = release.node_port("http");
    until_name(&http, "http://stays.test/", "shop");
    until_name(&http, "http://goes.test/", "shop");
    let load = Load::start(&["-host", "stays.test", &format!("http://{http}/")]);

    cluster.kill("apiserver");
    cluster.delete_stored(&format!("/registry/ingress/{}/goes", namespace.name));
    assert_eq!(ask(&http, "http://goes.test/").unwrap().status, 200, "nobody can know yet");
    cluster.start("apiserver");

    until_status(&http, "http://goes.test/", 404);
    // And it follows again.
    namespace.apply(&host("comes", class, "comes.test", "shop"));
    until_name(&http, "http://comes.test/", "shop");
    load.finish().all_answered();
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn another_replica_publishes_when_the_leader_is_killed() {
    let cluster = Cluster::shared();
    let values = ["controller.service.type=NodePort", "controller.electionTTL=5s"];
    let release = Release::install(&cluster, "leader", &values);
    let (namespace, class) = (&release.namespace, release.class());
    deploy(namespace, &[("shop", 2)]);
    namespace.apply(&host("before", class, "before.test", "shop"));
    let published = release.namespace.until_published("before");
    let leader = release.leader();
    // Clients of the other replica do not notice.
    let other = release.pods().into_iter().find(|pod| *pod != leader).unwrap();
    let address = namespace.kubectl(&["get", "pod", &other, "--output", "jsonpath={.status.podIP}"]) + ":80";
    until_name(&address, "http://before.test/", "shop");
    let load = Load::start(&["-host", "before.test", &format!("http://{address}/")]);

    cluster.kill_pod(namespace, &leader);
    kubectl(&["--namespace", &namespace.name, "delete", "pod", &leader, "--force", "--grace-period=0"]);
    namespace.apply(&host("after", class, "after.test", "shop"));
    until_name(&address, "http://after.test/", "shop");
    assert_eq!(release.namespace.until_published("after"), published);
    assert_eq!(release.namespace.addresses("before"), published, "and what was published stays");
    // A container that the kubelet begins again in the meantime leads for as long as its pod is there.
    let another = || Some(release.leader()).filter(|now| *now != leader).ok_or("the same still leads".into());
    eventually("another replica leads", another);
    load.finish().all_answered();
}
