//! YAML of Nodes, Services and EndpointSlices.

use std::net::{IpAddr, SocketAddr};

use super::net::Side;

/// The node this is all about, and the range of Service addresses.
pub(super) const CLUSTER: &str = "\
apiVersion: v1
kind: Node
metadata: {name: node1, labels: {topology.kubernetes.io/zone: zone-1}}
spec: {podCIDRs: [10.244.1.0/24, 'fd00:244:1::/64']}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}, {type: InternalIP, address: 'fd00:1::1'}]}
---
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: kubernetes}
spec: {cidrs: [10.96.0.0/16, 'fd00:96::/112']}
---
";

/// What pods have their addresses from.
pub(super) const PODS: &str = "10.244.0.0/16,fd00:244::/32";

/// A Service of two families named `web`: TCP and UDP port 80, and what `more` says in its spec; served on port 8080.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// The last number of its two ClusterIPs.
    pub(super) number: u8,
    /// More lines of the spec, each with two spaces before it.
    pub(super) more: String,
    pub(super) node_port: Option<u16>,
    pub(super) load_balancer: Vec<IpAddr>,
    pub(super) endpoints: Vec<(Side, &'static str)>,
}

/// An endpoint that takes traffic.
pub(super) const READY: &str = "{ready: true, serving: true, terminating: false}";
/// An endpoint on its way out that still serves.
pub(super) const TERMINATING: &str = "{ready: false, serving: true, terminating: true}";
/// An endpoint that does not serve.
pub(super) const UNREADY: &str = "{ready: false, serving: false, terminating: false}";

impl Service {
    pub(super) fn new(number: u8, endpoints: &[Side]) -> Self {
        Self {
            name: "web",
            number,
            more: String::new(),
            node_port: None,
            load_balancer: Vec::new(),
            endpoints: endpoints.iter().map(|side| (*side, READY)).collect(),
        }
    }

    pub(super) fn with(mut self, line: &str) -> Self {
        self.more += &format!("  {line}\n");
        self
    }

    pub(super) fn node_port(mut self, port: u16) -> Self {
        self.node_port = Some(port);
        self.with("type: NodePort")
    }

    pub(super) fn load_balancer(mut self, port: u16) -> Self {
        self.node_port = Some(port);
        self.load_balancer = self.balancers().to_vec();
        self.with("type: LoadBalancer")
    }

    /// The addresses its load balancer has.
    fn balancers(&self) -> [IpAddr; 2] {
        let number = self.number;
        [format!("203.0.113.{number}").parse().unwrap(), format!("fd00:203::{number}").parse().unwrap()]
    }

    /// Where clients find it inside: IPv4, then IPv6.
    pub(super) fn cluster(&self) -> [SocketAddr; 2] {
        let number = self.number;
        let ips = [format!("10.96.0.{number}"), format!("fd00:96::{number}")];
        ips.map(|ip| SocketAddr::new(ip.parse().unwrap(), 80))
    }

    /// Where clients find its load balancer.
    pub(super) fn balancer(&self) -> [SocketAddr; 2] {
        self.balancers().map(|ip| SocketAddr::new(ip, 80))
    }

    /// Where clients find its port of the node.
    pub(super) fn on_node(&self) -> [SocketAddr; 2] {
        Side::Node.addresses().map(|ip| SocketAddr::new(ip, self.node_port.unwrap()))
    }

    pub(super) fn yaml(&self) -> String {
        let Self { name, number, more, .. } = self;
        let node_port = self.node_port.map(|port| format!(", nodePort: {port}")).unwrap_or_default();
        let ingress: Vec<String> = self.load_balancer.iter().map(|ip| format!("{{ip: '{ip}'}}")).collect();
        let mut yaml = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  \
             clusterIPs: [10.96.0.{number}, 'fd00:96::{number}']\n  ipFamilyPolicy: RequireDualStack\n{more}  ports:\n  \
             - {{name: tcp, port: 80, targetPort: 8080{node_port}}}\n  \
             - {{name: udp, protocol: UDP, port: 80, targetPort: 8080{node_port}}}\n\
             status: {{loadBalancer: {{ingress: [{}]}}}}\n---\n",
            ingress.join(", ")
        );
        for (family, kind) in ["IPv4", "IPv6"].into_iter().enumerate() {
            yaml += &format!(
                "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                 metadata: {{name: {name}-{family}, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: {kind}\n\
                 ports: [{{name: tcp, port: 8080}}, {{name: udp, port: 8080, protocol: UDP}}]\nendpoints:\n"
            );
            for (side, conditions) in &self.endpoints {
                let node = if *side == Side::C { "node2" } else { "node1" };
                let address = side.addresses()[family];
                yaml +=
                    &format!("- {{addresses: ['{address}'], nodeName: {node}, conditions: {conditions}}}\n");
            }
            if self.endpoints.is_empty() {
                yaml += "  []\n";
            }
            yaml += "---\n";
        }
        yaml
    }

    /// The whole cluster with this Service.
    pub(super) fn cluster_yaml(&self) -> String {
        format!("{CLUSTER}{}", self.yaml())
    }
}
