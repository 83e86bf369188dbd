//! What is written back: addresses, events, and who of the replicas writes.

use serde_json::Value;

use super::echo::Echo;
use super::kubernetes::{Cluster, Namespace, done, eventually, kubeconfig, run};
use super::manifest::host;
use super::slipway::{Class, Slipway, program};

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn addresses_are_written_to_our_ingresses_and_removed_at_the_end() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("addresses");
    let class = Class::new(&namespace);
    let ingresses =
        [host("ours", &class.name, "ours.test", "shop"), host("other", "another", "other.test", "shop")];
    namespace.apply(&ingresses.join("---"));
    let mut slipway = Slipway::start(&class, &["--publish-status-address=192.0.2.7,lb.example.test"]);
    namespace.until_addresses("ours", &["192.0.2.7", "lb.example.test"]);
    namespace.apply(&host("later", &class.name, "later.test", "shop"));
    namespace.until_addresses("later", &["192.0.2.7", "lb.example.test"]);
    assert_eq!(namespace.addresses("other"), Vec::<String>::new());
    // Of another class from now on: its address is not ours to keep.
    namespace.apply(&host("later", "another", "later.test", "shop"));
    namespace.until_addresses("later", &[]);

    slipway.signal("TERM");
    assert!(slipway.wait().success());
    assert_eq!(namespace.addresses("ours"), Vec::<String>::new());
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn addresses_are_those_of_the_service_that_is_named() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("service");
    let class = Class::new(&namespace);
    let service = |rest: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: way-in}}, spec: {{ports: [{{port: 80}}], {rest}}}}}"
        )
    };
    namespace.apply(&service("type: ClusterIP, externalIPs: [198.51.100.70]"));
    namespace.apply(&host("ours", &class.name, "ours.test", "shop"));
    let _slipway = Slipway::start(&class, &["--publish-service", &format!("{}/way-in", namespace.name)]);
    namespace.until_addresses("ours", &["198.51.100.70"]);
    namespace.apply(&service("type: ClusterIP, externalIPs: [198.51.100.71]"));
    namespace.until_addresses("ours", &["198.51.100.71"]);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn the_next_replica_leads_when_the_first_ends_or_is_killed() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("election");
    let class = Class::new(&namespace);
    namespace.apply(&host("ours", &class.name, "ours.test", "shop"));
    // Each writes another address: so one sees who leads.
    let replica = |number: u8, more: &[&str]| {
        let address = format!("--publish-status-address=192.0.2.{number}");
        let args = [&[&*address, "--election-ttl=4s", "--update-status-on-shutdown=false"], more].concat();
        Slipway::named(&class, &namespace, &format!("replica-{number}"), &args)
    };
    let mut first = replica(1, &[]);
    namespace.until_addresses("ours", &["192.0.2.1"]);
    let mut second = replica(2, &[]);
    assert_eq!(namespace.addresses("ours"), ["192.0.2.1"], "there is one leader");

    first.signal("TERM");
    assert!(first.wait().success());
    namespace.until_addresses("ours", &["192.0.2.2"]);
    let _third = replica(3, &[]);
    second.signal("KILL");
    second.wait();
    namespace.until_addresses("ours", &["192.0.2.3"]);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn reports_become_events_once_and_end_with_their_cause() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("events");
    let class = Class::new(&namespace);
    let shop = Echo::start("shop");
    namespace.apply(&host("ours", &class.name, "ours.test", "shop"));
    let slipway = Slipway::start(&class, &[]);
    let missing = until_warning(&namespace, "ours", "shop");
    // The same list for people.
    let mut check = run(&["client"]);
    check
        .arg(program())
        .args(["check", "--cluster", "--watch-namespace", &namespace.name, "--kubeconfig"])
        .arg(kubeconfig());
    check.args(["--ingress-class", &class.name, "--controller-class", &class.controller()]);
    let printed = done(check.output().unwrap()).unwrap_or_else(|with_code| with_code);
    // An event says which field it is about before it says what is wrong.
    let (_, message) = missing["message"].as_str().unwrap().split_once(": ").unwrap();
    assert!(printed.contains(message), "{message:?} is in:\n{printed}");

    // Another change, the same report: no second event.
    namespace.apply(&host("ours", &class.name, "ours2.test", "shop"));
    slipway.until_status("http://ours2.test/", 503);
    let again = warnings(&namespace, "ours");
    assert_eq!(again.len(), 1, "{again:#?}");
    assert_eq!(again[0]["metadata"]["uid"], missing["metadata"]["uid"]);

    namespace.apply(&shop.service("shop"));
    slipway.until_name("http://ours2.test/", "shop");
    eventually("the warning ends with its cause", || match warnings(&namespace, "ours") {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:#?}")),
    });
}

/// The warnings about an Ingress.
fn warnings(namespace: &Namespace, ingress: &str) -> Vec<Value> {
    let about = format!("type=Warning,involvedObject.kind=Ingress,involvedObject.name={ingress}");
    let list = namespace.json(&["get", "events", "--field-selector", &about]);
    list["items"].as_array().unwrap().clone()
}

/// Waits for a warning with this text.
fn until_warning(namespace: &Namespace, ingress: &str, text: &str) -> Value {
    let attempt = || {
        let all = warnings(namespace, ingress);
        let fits = |event: &&Value| event["message"].as_str().is_some_and(|message| message.contains(text));
        all.iter().find(fits).cloned().ok_or_else(|| format!("{all:#?}"))
    };
    eventually(&format!("an event of {ingress} tells of {text}"), attempt).0
}
