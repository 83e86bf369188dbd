//! Slipway as every node's service proxy, in the place of kube-proxy: installed by its chart, with real pods and real clients.

use std::collections::BTreeSet;
use std::thread;

use super::client::ask;
use super::echo::deployment;
use super::kubernetes::{Cluster, NODE, Namespace, done, eventually, run};
use super::release::Release;
use super::slipway::program;

/// The cluster without kube-proxy; it comes back with the end of the value, and what Slipway wrote goes.
struct Alone {
    release: Option<Release>,
    cluster: Cluster,
}

impl Alone {
    fn install(values: &[&str]) -> Self {
        let cluster = Cluster::alone();
        let nodes = cluster.nodes();
        for number in 1..=nodes.len() {
            cluster.kill(&format!("proxy{number}"));
            // It ends with an error where there was nothing of the modes that it does not use.
            let _ = kube_proxy_cleanup(number).output().unwrap();
        }
        let address = format!("serviceProxy.apiServer.host={NODE}");
        let common = [
            "controller.enabled=false",
            "serviceProxy.enabled=true",
            "serviceProxy.clusterCIDR=10.244.0.0/16",
            &address,
            "serviceProxy.apiServer.port=6443",
        ];
        let release = Release::install(&cluster, "proxy", &[&common, values].concat());
        let pods = release.namespace.json(&["get", "pods"]);
        assert_eq!(pods["items"].as_array().unwrap().len(), nodes.len(), "one on every node");
        Self { release: Some(release), cluster }
    }
}

fn kube_proxy_cleanup(node: usize) -> std::process::Command {
    let binary = done(run(&["binary", "kubernetes"]).output().unwrap()).unwrap();
    run(&["on", &node.to_string(), binary.trim(), "kube-proxy", "--cleanup"])
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.release.take());
        for number in 1..=2 {
            let node = number.to_string();
            let cleanup =
                run(&["on", &node, program().to_str().unwrap(), "service-proxy", "--cleanup"]).output();
            if !thread::panicking() {
                done(cleanup.unwrap()).unwrap();
            }
            self.cluster.start(&format!("proxy{number}"));
        }
    }
}

/// curl in the network of a pod; the pod that answered and whom it saw.
fn from_pod(namespace: &Namespace, pod: &str, url: &str) -> Result<(String, String), String> {
    answered(run(&["pod", &namespace.name, pod, "curl", "-sS", "--max-time", "3", url]))
}

/// curl on a node.
fn from_node(node: usize, url: &str) -> Result<(String, String), String> {
    answered(run(&["on", &node.to_string(), "curl", "-sS", "--max-time", "3", url]))
}

/// curl outside of the cluster.
fn from_outside(url: &str) -> Result<(String, String), String> {
    answered(run(&["client", "curl", "-sS", "--max-time", "3", url]))
}

fn answered(mut command: std::process::Command) -> Result<(String, String), String> {
    let text = done(command.output().unwrap())?;
    let echo: serde_json::Value = serde_json::from_str(&text).map_err(|why| format!("{why}: {text}"))?;
    let field = |name: &str| echo[name].as_str().unwrap_or_default().to_owned();
    let remote = field("remote");
    Ok((field("pod"), remote.rsplit_once(':').map(|(address, _)| address.to_owned()).unwrap_or_default()))
}

/// The pods that answer some connections.
fn spread(ask: impl Fn() -> Result<(String, String), String>) -> BTreeSet<String> {
    (0..16).map(|_| ask().unwrap().0).collect()
}

/// The pods of an app: name, node, address.
fn pods(namespace: &Namespace, app: &str) -> Vec<(String, String, String)> {
    let list = namespace.json(&["get", "pods", "--selector", &format!("app={app}")]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    items
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"]), text(&pod["status"]["podIP"]))
        })
        .collect()
}

/// A Deployment with a replica on every node, and a client pod.
fn deploy(namespace: &Namespace, name: &str, replicas: usize) {
    let spread = format!(
        "    spec:\n      topologySpreadConstraints:\n        - maxSkew: 1\n          topologyKey: kubernetes.io/hostname\n          \
         whenUnsatisfiable: DoNotSchedule\n          labelSelector: {{matchLabels: {{app: {name}}}}}\n"
    );
    namespace.apply(&deployment(name, replicas).replacen("    spec:\n", &spread, 1));
    namespace.kubectl(&["rollout", "status", &format!("deployment/{name}"), "--timeout=120s"]);
}

fn service(name: &str, app: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  selector: {{app: {app}}}\n{more}  ports:\n  \
         - {{name: http, port: 80, targetPort: 8080}}\n  - {{name: udp, port: 80, targetPort: 8080, protocol: UDP}}\n"
    )
}

fn cluster_ip(namespace: &Namespace, name: &str) -> String {
    namespace.kubectl(&["get", "service", name, "--output", "jsonpath={.spec.clusterIP}"])
}

fn node_port(namespace: &Namespace, name: &str) -> String {
    namespace.kubectl(&["get", "service", name, "--output", "jsonpath={.spec.ports[0].nodePort}"])
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn services_work_without_kube_proxy() {
    let alone = Alone::install(&[]);
    let nodes = alone.cluster.nodes();
    let namespace = alone.cluster.namespace("services");
    deploy(&namespace, "web", 2);
    let (one, two) = (pods(&namespace, "web")[0].clone(), pods(&namespace, "web")[1].clone());
    assert_ne!(one.1, two.1, "one on each node");
    let both = BTreeSet::from([one.0.clone(), two.0.clone()]);

    // ClusterIP: from pods, with their address, and from nodes.
    let web = format!("http://{}/", cluster_ip(&namespace, "web"));
    eventually("the Service answers", || from_pod(&namespace, &one.0, &web));
    assert_eq!(spread(|| from_pod(&namespace, &one.0, &web)), both);
    for node in 1..=nodes.len() {
        assert_eq!(spread(|| from_node(node, &web)), both);
    }
    // Hairpin: a pod finds itself, and sees a node's address then; of another it is seen with its own.
    for _ in 0..16 {
        let (pod, seen) = from_pod(&namespace, &one.0, &web).unwrap();
        assert_eq!(pod == one.0, seen != one.2, "{pod} saw {seen}");
    }
    // The API server's own Service, from a pod.
    let api = "https://10.96.0.1/readyz";
    let output = run(&["pod", &namespace.name, &one.0, "curl", "-sS", "-k", "--max-time", "3", api]).output();
    assert!(done(output.unwrap()).is_ok(), "kubernetes.default answers pods");
    // A port that the Service has not, and one without endpoints: refused at once.
    let wrong = format!("{}:81/", web.trim_end_matches('/'));
    let why = from_pod(&namespace, &one.0, &wrong).unwrap_err();
    assert!(
        why.contains("refused") || why.contains("Could not connect") || why.contains("Couldn't connect"),
        "{why}"
    );

    // NodePort: on every node, from outside.
    namespace.apply(&service("ports", "web", "  type: NodePort\n"));
    let port = node_port(&namespace, "ports");
    for address in &nodes {
        let url = format!("http://{address}:{port}/");
        eventually("the node port answers", || from_outside(&url));
        assert_eq!(spread(|| from_outside(&url)), both);
        assert!(ask(&format!("{address}:{port}"), "http://any/").is_ok());
    }
    // A load balancer's address, which a route leads to a node.
    namespace.apply(&service("balanced", "web", "  type: LoadBalancer\n"));
    let patch = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.9","ipMode":"VIP"}]}}}"#;
    namespace.kubectl(&[
        "patch",
        "service",
        "balanced",
        "--subresource=status",
        "--type=merge",
        "--patch",
        patch,
    ]);
    done(run(&["client", "ip", "route", "replace", "203.0.113.9", "via", &nodes[0]]).output().unwrap())
        .unwrap();
    eventually("the load balancer's address answers", || from_outside("http://203.0.113.9/"));
    assert_eq!(spread(|| from_outside("http://203.0.113.9/")), both);
    assert_eq!(spread(|| from_pod(&namespace, &one.0, "http://203.0.113.9/")), both);
}

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn affinity_policies_and_udp_without_kube_proxy() {
    let alone = Alone::install(&[]);
    let nodes = alone.cluster.nodes();
    let namespace = alone.cluster.namespace("services");
    deploy(&namespace, "web", 2);
    let all = pods(&namespace, "web");
    let client = all[0].0.clone();

    // Affinity, switched off and on again.
    namespace.apply(&service("sticky", "web", "  sessionAffinity: ClientIP\n"));
    let sticky = format!("http://{}/", cluster_ip(&namespace, "sticky"));
    eventually("the Service answers", || from_pod(&namespace, &client, &sticky));
    assert_eq!(spread(|| from_pod(&namespace, &client, &sticky)).len(), 1);
    namespace.apply(&service("sticky", "web", "  sessionAffinity: None\n"));
    let look = |wanted: usize| {
        let found = spread(|| from_pod(&namespace, &client, &sticky));
        if found.len() == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    };
    eventually("connections are spread again", || look(2));
    namespace.apply(&service("sticky", "web", "  sessionAffinity: ClientIP\n"));
    eventually("the client stays again", || look(1));

    // The client's address, kept by policy Local.
    namespace.apply(&service("local", "web", "  type: NodePort\n  externalTrafficPolicy: Local\n"));
    let port = node_port(&namespace, "local");
    for (address, node) in nodes.iter().zip(["node1", "node2"]) {
        let url = format!("http://{address}:{port}/");
        eventually("the node port answers", || from_outside(&url));
        let (pod, seen) = from_outside(&url).unwrap();
        let here = all.iter().find(|(name, ..)| *name == pod).unwrap();
        assert_eq!((here.1.as_str(), seen.starts_with("10.244.")), (node, false), "{pod} saw {seen}");
        assert!(seen == "192.168.77.2" || seen == "198.51.100.2", "{seen}");
    }
    // A node without an endpoint says nothing to the outside, and serves pods all the same.
    namespace.kubectl(&["scale", "deployment/web", "--replicas=1"]);
    let rest = eventually("one pod is left", || match pods(&namespace, "web").as_slice() {
        [only] => Ok(only.clone()),
        others => Err(format!("{others:?}")),
    });
    let (away, address) = if rest.0.1 == "node1" { (2, &nodes[1]) } else { (1, &nodes[0]) };
    let url = format!("http://{address}:{port}/");
    let silent =
        || from_outside(&url).err().filter(|why| why.contains("timed out")).ok_or("an answer".to_owned());
    eventually("the node without an endpoint says nothing", silent);
    assert_eq!(from_node(away, &url).unwrap().0, rest.0.0);
    namespace.kubectl(&["scale", "deployment/web", "--replicas=2"]);
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);

    // A UDP client with a fixed port, whose server is replaced.
    let address = cluster_ip(&namespace, "sticky");
    namespace.apply(&service("sticky", "web", "  sessionAffinity: None\n"));
    let script = format!(
        "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); s.bind(('', 12345)); \
         s.sendto(b'x', ('{address}', 80)); print(s.recv(99).decode())"
    );
    let udp = || {
        let text = done(run(&["on", "1", "python3", "-c", &script]).output().unwrap())?;
        Ok::<_, String>(text.split(' ').next().unwrap_or_default().to_owned())
    };
    let (first, _) = eventually("UDP is answered", udp);
    namespace.kubectl(&["delete", "pod", &first, "--grace-period=1"]);
    let moved = || udp().and_then(|name| if name == first { Err(name) } else { Ok(name) });
    eventually("another server answers the same port", moved);

    // Without any pod: refused at once.
    namespace.kubectl(&["scale", "deployment/web", "--replicas=0"]);
    let refused = || match from_node(1, &sticky) {
        Err(why) if why.contains("timed out") => Err(why),
        Err(_) => Ok(()),
        Ok(answer) => Err(format!("{answer:?}")),
    };
    eventually("it is refused", refused);
}
