//! `slipway dns` as the cluster's DNS, installed by its chart: what pods look up with the resolv.conf that they get.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::echo::deployment;
use super::kubernetes::{Cluster, Namespace, done, eventually, run, try_kubectl};
use super::release::Release;
use super::slipway::program;

/// What the kubelets tell pods to ask.
const ADDRESS: &str = "10.96.0.10";

/// The nodes' own name server, outside of the cluster.
const OUTSIDE: &str = ".:53 {
    bind 192.168.77.2
    template IN A www.example.test {
        answer \"{{ .Name }} 60 IN A 203.0.113.80\"
    }
    template ANY ANY {
        rcode NXDOMAIN
        authority \"{{ .Zone }} 60 IN SOA ns.example.test. host.example.test. 1 60 60 60 60\"
    }
}
";

/// The cluster with Slipway as its DNS.
struct Dns {
    release: Option<Release>,
    upstream: Child,
    cluster: Cluster,
    #[allow(dead_code, reason = "held")]
    directory: tempfile::TempDir,
}

impl Dns {
    fn install(values: &[&str]) -> Self {
        // Only one can have the address.
        let cluster = Cluster::alone();
        let directory = tempfile::tempdir().unwrap();
        let corefile = directory.path().join("Corefile");
        std::fs::write(&corefile, OUTSIDE).unwrap();
        let program = program();
        let mut upstream =
            run(&["client", program.to_str().unwrap(), "dns", "--corefile", corefile.to_str().unwrap()]);
        let upstream = upstream.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = format!("dns.service.clusterIP={ADDRESS}");
        let common = ["controller.enabled=false", "dns.enabled=true", &address];
        let release = Release::install(&cluster, "dns", &[&common, values].concat());
        Self { release: Some(release), upstream, cluster, directory }
    }

    fn release(&self) -> &Release {
        self.release.as_ref().unwrap()
    }

    fn workload(&self) -> String {
        format!("{}-dns", self.release().class())
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        // The Service goes at once, so that the next one can have its address.
        drop(self.release.take());
        if !thread::panicking() {
            eventually("the address is free", || {
                match try_kubectl(&[
                    "get",
                    "service",
                    "--all-namespaces",
                    "--output=jsonpath={.items[*].spec.clusterIP}",
                ]) {
                    Ok(taken) if taken.split(' ').any(|address| address == ADDRESS) => Err(taken),
                    other => other,
                }
            });
        }
        let _ = self.upstream.kill();
        let _ = self.upstream.wait();
    }
}

/// A pod that only looks names up, on this node or on any.
fn client(namespace: &Namespace, name: &str, node: Option<&str>) {
    let node = node.map(|node| format!("  nodeName: {node}\n")).unwrap_or_default();
    namespace.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n{node}  terminationGracePeriodSeconds: 0\n  \
         containers: [{{name: lookup, image: localhost/test/lookup:1}}]\n"
    ));
    namespace.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{name}"), "--timeout=60s"]);
}

/// A program inside of the pod, with its /etc/resolv.conf.
fn inside(namespace: &Namespace, pod: &str, args: &[&str]) -> Result<String, String> {
    try_kubectl(&[&["--namespace", &namespace.name, "exec", pod, "--"], args].concat())
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn set<S: Into<String>>(items: impl IntoIterator<Item = S>) -> BTreeSet<String> {
    items.into_iter().map(Into::into).collect()
}

/// A Service without a cluster address over the pods of `web`, and a pod with hostname and subdomain among them.
fn headless(namespace: &Namespace) {
    namespace.apply(
        "apiVersion: v1\nkind: Service\nmetadata: {name: peers}\nspec:\n  clusterIP: None\n  selector: {app: web}\n  \
         ports: [{name: http, port: 80, targetPort: 8080}]\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: busy, labels: {app: web}}\nspec:\n  hostname: busy\n  subdomain: peers\n  \
         terminationGracePeriodSeconds: 0\n  containers: [{name: echo, image: localhost/test/echo:1}]\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {name: away}\nspec: {type: ExternalName, externalName: www.example.test}\n",
    );
    namespace.kubectl(&["wait", "--for=condition=Ready", "pod/busy", "--timeout=60s"]);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn pods_resolve_what_they_resolve_with_coredns() {
    let dns = Dns::install(&[]);
    let namespace = dns.cluster.namespace("names");
    let space = namespace.name.clone();
    namespace.apply(&deployment("web", 2));
    headless(&namespace);
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);
    client(&namespace, "client", None);
    let address =
        |name: &str| namespace.kubectl(&["get", "service", name, "--output", "jsonpath={.spec.clusterIP}"]);
    let web = address("web");

    // Short, partly qualified, full: with the system's resolver, as programs do.
    let hosts = |name: &str| inside(&namespace, "client", &["getent", "ahostsv4", name]);
    for name in [
        "web",
        &format!("web.{space}"),
        &format!("web.{space}.svc"),
        &format!("web.{space}.svc.cluster.local"),
    ] {
        let (text, _) = eventually(name, || hosts(name));
        assert!(text.starts_with(&format!("{web} ")), "{name}: {text}");
    }
    assert!(hosts("kubernetes.default").unwrap().starts_with("10.96.0.1 "));
    assert!(hosts("www.example.test").unwrap().starts_with("203.0.113.80 "), "outside");
    assert!(hosts("away").unwrap().starts_with("203.0.113.80 "), "an ExternalName");
    assert!(hosts("nothing").is_err());
    assert!(hosts("nothing.example.test").is_err());

    // Headless: all ready pods; one by its name; SRV; and back.
    let dig = |args: &[&str]| {
        let text = inside(&namespace, "client", &[&["dig", "+search", "+short"], args].concat()).unwrap();
        lines(&text)
    };
    let pods = namespace.json(&["get", "pods", "--selector", "app=web"]);
    let ips: BTreeSet<String> = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| pod["status"]["podIP"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ips.len(), 3);
    eventually(
        "all endpoints are there",
        || if dig(&["peers"]) == ips { Ok(()) } else { Err("others".into()) },
    );
    let busy = namespace.kubectl(&["get", "pod", "busy", "--output", "jsonpath={.status.podIP}"]);
    assert_eq!(dig(&["busy.peers"]), set([busy.clone()]));
    assert_eq!(dig(&["_http._tcp.web", "SRV"]), set([format!("0 100 80 web.{space}.svc.cluster.local.")]));
    assert_eq!(dig(&["_http._tcp.peers", "SRV"]).len(), 3);
    assert_eq!(dig(&["-x", &web]), set([format!("web.{space}.svc.cluster.local.")]));
    // Service web leads to that pod, too.
    assert!(dig(&["-x", &busy]).contains(&format!("busy.peers.{space}.svc.cluster.local.")));
    assert_eq!(dig(&["dns-version.cluster.local", "TXT"]), set(["\"1.1.0\""]));
    assert_eq!(dig(&["+tcp", "web"]), set([web.clone()]));

    // Why does it not resolve?
    let why = |name: &str| {
        let from = format!("{space}/client");
        let workload = format!("deployment/{}", dns.workload());
        let args = ["exec", &workload, "--", "/slipway", "dns", "query", name, "--from", &from];
        try_kubectl(&[&["--namespace", dns.release().class()], &args[..]].concat())
    };
    let text = why("web").unwrap();
    assert!(text.contains(&web), "{text}");
    let text = why("wbe").unwrap_err();
    assert!(text.contains("wbe") && text.contains(&space), "{text}");
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn a_service_that_is_made_while_queries_run_resolves_and_a_rollout_loses_none() {
    let dns = Dns::install(&[]);
    let namespace = dns.cluster.namespace("names");
    namespace.apply(&deployment("web", 1));
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);
    client(&namespace, "client", None);
    let space = namespace.name.clone();
    let ask = |name: &str| {
        let name = format!("{name}.{space}.svc.cluster.local");
        let server = format!("@{ADDRESS}");
        let dig = ["pod", &space, "client", "dig", &server, "+tries=1", "+time=2", "+short", &name];
        done(run(&dig).output().unwrap())
    };
    eventually("web resolves", || {
        ask("web").and_then(|text| if text.is_empty() { Err("nothing".into()) } else { Ok(text) })
    });
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let steady = scope.spawn(|| {
            let (mut asked, mut failed) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                // Some at once: most of the time goes into starting dig.
                let names = vec![format!("web.{space}.svc.cluster.local"); 20];
                let server = format!("@{ADDRESS}");
                let mut dig =
                    run(&["pod", &space, "client", "dig", &server, "+tries=1", "+time=2", "+short"]);
                asked += names.len();
                match done(dig.args(&names).output().unwrap()) {
                    Ok(text) if text.lines().count() == names.len() => {}
                    other => failed.push(format!("{other:?}")),
                }
            }
            (asked, failed)
        });
        namespace.apply("apiVersion: v1\nkind: Service\nmetadata: {name: late}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n");
        eventually("the new Service resolves", || {
            ask("late").and_then(|text| if text.is_empty() { Err("nothing".into()) } else { Ok(text) })
        });
        let workload = format!("deployment/{}", dns.workload());
        dns.release().namespace.kubectl(&["rollout", "restart", &workload]);
        dns.release().namespace.kubectl(&["rollout", "status", &workload, "--timeout=120s"]);
        over.store(true, Ordering::Relaxed);
        let (asked, failed) = steady.join().unwrap();
        assert!(asked > 50 && failed.is_empty(), "{} of {asked} failed: {:?}", failed.len(), failed.first());
    });
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn with_a_pod_on_every_node_each_node_asks_its_own() {
    let dns = Dns::install(&["dns.nodeLocal.enabled=true", "dns.extraPlugins=log"]);
    let namespace = dns.cluster.namespace("names");
    let pods = dns.release().namespace.json(&["get", "pods", "--selector", "k8s-app=kube-dns"]);
    let pods = pods["items"].as_array().unwrap().clone();
    assert_eq!(pods.len(), dns.cluster.nodes().len(), "one on every node");
    for (number, pod) in pods.iter().enumerate() {
        let node = pod["spec"]["nodeName"].as_str().unwrap();
        let name = format!("client{number}");
        client(&namespace, &name, Some(node));
        let own = pod["metadata"]["name"].as_str().unwrap();
        let mut turn = 0;
        let attempt = || {
            turn += 1;
            let asked = format!("mark{number}-{turn}.{}.svc.cluster.local", namespace.name);
            for _ in 0..8 {
                inside(&namespace, &name, &["dig", "+short", &asked])?;
            }
            let logged = |pod: &str| {
                let text = dns.release().namespace.kubectl(&["logs", pod]);
                text.lines().filter(|line| line.contains(&asked)).count()
            };
            let others: usize = pods
                .iter()
                .filter_map(|pod| pod["metadata"]["name"].as_str())
                .filter(|pod| *pod != own)
                .map(logged)
                .sum();
            match (logged(own), others) {
                (8.., 0) => Ok(()),
                found => Err(format!("{found:?} of it and of others")),
            }
        };
        // Hints come a moment after the endpoints: then nothing goes elsewhere.
        eventually("the node's own pod answers", attempt);
    }
}
