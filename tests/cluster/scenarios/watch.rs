//! What changes in the API is what is served. The control plane is enough: Slipway and its backends are processes.

use super::client::Load;
use super::echo::Echo;
use super::kubernetes::{Cluster, kubeconfig, kubectl};
use super::manifest::{certificate, host};
use super::slipway::{Account, Class, Slipway};

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn rules_services_and_endpoints_follow_the_api() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("follow");
    let class = Class::new(&namespace);
    let (one, two) = (Echo::start("one"), Echo::start("two"));
    let slipway = Slipway::start(&class, &[]);
    slipway.until_status("http://shop.test/", 404);

    namespace.apply(&host("shop", &class.name, "shop.test", "one"));
    slipway.until_status("http://shop.test/", 503);
    namespace.apply(&one.service("one"));
    slipway.until_name("http://shop.test/", "one");
    namespace.apply(&[two.service("two"), host("shop", &class.name, "shop.test", "two")].join("---"));
    slipway.until_name("http://shop.test/", "two");
    // The same Service, other endpoints.
    namespace.apply(&one.service("two"));
    slipway.until_name("http://shop.test/", "one");
    namespace.kubectl(&["delete", "endpointslice", "two"]);
    slipway.until_status("http://shop.test/", 503);
    namespace.kubectl(&["delete", "ingress", "shop"]);
    slipway.until_status("http://shop.test/", 404);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn certificates_follow_the_api() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("certificates");
    let class = Class::new(&namespace);
    let shop = Echo::start("shop");
    let slipway = Slipway::start(&class, &[]);
    let tls = "  tls: [{hosts: [shop.test], secretName: shop}]\n";
    namespace
        .apply(&[shop.service("shop"), host("shop", &class.name, "shop.test", "shop") + tls].join("---"));
    slipway.until_status("http://shop.test/", 308);
    assert!(slipway.trusts("shop.test", &certificate("unused", "shop.test").1).is_err());

    let (secret, first) = certificate("shop", "shop.test");
    namespace.apply(&secret);
    slipway.until_trusted("shop.test", &first);
    let (secret, second) = certificate("shop", "shop.test");
    namespace.apply(&secret);
    slipway.until_trusted("shop.test", &second);
    assert!(slipway.trusts("shop.test", &first).is_err(), "the first one is not shown any more");
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn a_class_that_comes_goes_or_changes_its_controller_takes_effect() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("class");
    let class = Class::new(&namespace);
    let shop = Echo::start("shop");
    let slipway = Slipway::start(&class, &[]);
    namespace.apply(&[shop.service("shop"), host("shop", &class.name, "shop.test", "shop")].join("---"));
    slipway.until_name("http://shop.test/", "shop");

    class.delete();
    slipway.until_status("http://shop.test/", 404);
    class.create();
    slipway.until_name("http://shop.test/", "shop");
    // The Ingress moves to a class of somebody else, and back.
    namespace.apply(&host("shop", "somebody-elses", "shop.test", "shop"));
    slipway.until_status("http://shop.test/", 404);
    namespace.apply(&host("shop", &class.name, "shop.test", "shop"));
    slipway.until_name("http://shop.test/", "shop");
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn only_the_namespaces_asked_for_are_served() {
    let cluster = Cluster::shared();
    let (ours, other) = (cluster.namespace("ours"), cluster.namespace("other"));
    let class = Class::new(&ours);
    let shop = Echo::start("shop");
    for (namespace, name) in [(&ours, "ours.test"), (&other, "other.test")] {
        namespace.apply(&[shop.service("shop"), host("shop", &class.name, name, "shop")].join("---"));
    }
    let one = Slipway::start(&class, &["--watch-namespace", &ours.name]);
    one.until_name("http://ours.test/", "shop");
    assert_eq!(one.get("http://other.test/").status, 404);

    let selector = format!("team={}", ours.name);
    let labelled = Slipway::start(&class, &["--watch-namespace-selector", &selector]);
    assert_eq!(labelled.get("http://ours.test/").status, 404, "no namespace has the label yet");
    kubectl(&["label", "namespace", &other.name, &selector]);
    labelled.until_name("http://other.test/", "shop");
    assert_eq!(labelled.get("http://ours.test/").status, 404);
    kubectl(&["label", "namespace", &other.name, "team-", "--overwrite"]);
    labelled.until_status("http://other.test/", 404);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn a_secret_that_may_not_be_read_harms_only_its_own_ingress() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("limited");
    let class = Class::new(&namespace);
    let shop = Echo::start("shop");
    let rules = r#"
  - {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [list, watch]}
  - {apiGroups: [""], resources: [services], verbs: [get, list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
"#;
    let account = Account::new(&namespace, rules);
    let (secret, pem) = certificate("secret", "secret.test");
    let tls = "  tls: [{hosts: [secret.test], secretName: secret}]\n";
    let ingresses = [
        host("plain", &class.name, "plain.test", "shop"),
        host("secret", &class.name, "secret.test", "shop") + tls,
    ];
    namespace.apply(&[&[shop.service("shop"), secret], &ingresses[..]].concat().join("---"));
    let args = ["--watch-namespace", &namespace.name, "--ingress-class-by-name"];
    let slipway = Slipway::launch(&class, &account.kubeconfig(), &args).ready();
    slipway.until_name("http://plain.test/", "shop");
    assert!(slipway.trusts("secret.test", &pem).is_err());
    let reports = slipway.until_reported(&format!("{}/secret", namespace.name));
    assert!(reports.iter().any(|report| report.contains("may not be read")), "{reports:#?}");
    assert!(!reports.iter().any(|report| report.contains("/plain")), "{reports:#?}");
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn an_api_server_that_is_away_at_the_start_is_waited_for() {
    let cluster = Cluster::alone();
    let namespace = cluster.namespace("late");
    let class = Class::new(&namespace);
    let shop = Echo::start("shop");
    namespace.apply(&[shop.service("shop"), host("shop", &class.name, "shop.test", "shop")].join("---"));
    cluster.kill("apiserver");
    let slipway = Slipway::launch(&class, &kubeconfig(), &["--healthz-port=10299"]);
    slipway.until_logged("the API server cannot be reached");
    assert_eq!(super::client::ask("127.0.0.1:10299", "http://admin/readyz").unwrap().status, 503);
    cluster.start("apiserver");
    slipway.ready().until_name("http://shop.test/", "shop");
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn what_changes_during_an_outage_is_served_after_it_and_nothing_fails_meanwhile() {
    let cluster = Cluster::alone();
    let namespace = cluster.namespace("away");
    let class = Class::new(&namespace);
    let shop = Echo::start("shop");
    let slipway = Slipway::start(&class, &[]);
    let ingresses = ["goes", "stays"].map(|name| host(name, &class.name, &format!("{name}.test"), "shop"));
    namespace.apply(&[&[shop.service("shop")], &ingresses[..]].concat().join("---"));
    slipway.until_name("http://stays.test/", "shop");
    slipway.until_name("http://goes.test/", "shop");
    let load = Load::start(&["-host", "stays.test", &format!("http://{}/", slipway.http)]);

    cluster.kill("apiserver");
    cluster.delete_stored(&format!("/registry/ingress/{}/goes", namespace.name));
    slipway.until_stale();
    assert_eq!(slipway.get("http://goes.test/").status, 200, "nobody can know yet");
    cluster.start("apiserver");
    slipway.until_status("http://goes.test/", 404);
    slipway.until_fresh();
    load.finish().all_answered();
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn an_etcd_that_forgets_its_history_makes_no_difference() {
    let cluster = Cluster::alone();
    let namespace = cluster.namespace("compacted");
    let class = Class::new(&namespace);
    let shop = Echo::start("shop");
    let slipway = Slipway::start(&class, &[]);
    namespace.apply(&[shop.service("shop"), host("goes", &class.name, "goes.test", "shop")].join("---"));
    slipway.until_name("http://goes.test/", "shop");
    // The revision that the watches know is gone when they come back: 410, and all is listed again.
    cluster.kill("apiserver");
    cluster.delete_stored(&format!("/registry/ingress/{}/goes", namespace.name));
    cluster.compact();
    cluster.start("apiserver");
    slipway.until_status("http://goes.test/", 404);
    namespace.apply(&host("comes", &class.name, "comes.test", "shop"));
    slipway.until_name("http://comes.test/", "shop");
}
