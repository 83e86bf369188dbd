//! What people type: commands, flags, their help.
//!
//! Flags keep the names of ingress-nginx where the meaning is the same, and its way of writing booleans
//! (`--flag`, `--flag=false`).

mod cluster;
mod dns;
mod service_proxy;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::Named;
use super::value::{address, admin_address, boolean, header, named, pair};

pub use cluster::{AdmissionFlags, ElectionFlags, LeaseFlags, PublishFlags};
pub use dns::{DnsAnswerFlags, DnsCommand, DnsFlags, DnsQueryFlags};
pub use service_proxy::{Listen, LocalMode, ProxyMode, ServiceProxyFlags};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  slipway demo                                  see it work: backends, rules, TLS, curl lines to try
  slipway check manifests/                      what would be served, what is ignored and why
  slipway explain https://shop.example/cart --manifests manifests/
  slipway ingress --manifests manifests/ --http-port 8080 --https-port 8443
  slipway check --cluster                       what becomes of what runs now
  slipway service-proxy --manifests DIR         make Services work on this node, in the place of kube-proxy
  slipway dns --manifests DIR --listen :1053    answer the names of a cluster, in the place of CoreDNS
  slipway dns query web.shop --from shop/cart   how a pod's lookup goes, step by step";

/// One program for a Kubernetes cluster's traffic.
#[derive(Debug, Parser)]
#[command(name = "slipway", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the Ingresses of a cluster, or of a directory of Kubernetes YAML
    Ingress(Box<IngressFlags>),
    /// Make the Services of a cluster, or of a directory of YAML, work on this node: in the place of kube-proxy
    ServiceProxy(Box<ServiceProxyFlags>),
    /// Answer the names of a cluster, or of a directory of YAML, and forward the others: in the place of CoreDNS
    Dns(Box<DnsFlags>),
    /// Say what would be served, what is ignored and why
    Check(Box<CheckFlags>),
    /// Say which host, rule, filters and endpoints answer a request, and why others do not
    Explain(Box<ExplainFlags>),
    /// See it work: backends, an example and the curl lines to try, all in this process
    Demo(DemoFlags),
    /// Take a release's addresses out of the status of its Ingresses, before it is removed
    #[command(hide = true)]
    Retire(Box<RetireFlags>),
}

/// Flags of `slipway ingress`.
#[derive(Args, Debug)]
pub struct IngressFlags {
    /// Directory of YAML or JSON files with Ingresses, Services, EndpointSlices, Secrets, ... in the place of a cluster;
    /// it is followed: a change is live within 100 ms
    #[arg(long, value_name = "DIR", help_heading = "Where objects come from")]
    pub manifests: Option<PathBuf>,

    /// How to reach the API server [default: as the pod this runs in, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", conflicts_with = "manifests", help_heading = "Where objects come from")]
    pub kubeconfig: Option<PathBuf>,

    /// What is served.
    #[command(flatten)]
    pub rules: RuleFlags,

    /// Port for HTTP (HTTP/1.1 and cleartext HTTP/2); 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 80, help_heading = "Listening")]
    pub http_port: u16,

    /// Port for HTTPS (HTTP/1.1 and HTTP/2); 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 443, help_heading = "Listening")]
    pub https_port: u16,

    /// Addresses to listen on, separated by commas [default: all]
    #[arg(long, value_name = "IP", value_delimiter = ',', value_parser = address, help_heading = "Listening")]
    pub bind_address: Vec<IpAddr>,

    /// Port for /healthz, /readyz, /metrics, /config and /explain; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 10254, help_heading = "Listening")]
    pub healthz_port: u16,

    /// Address for --healthz-port [default: all]
    #[arg(long, value_name = "IP", value_parser = address, help_heading = "Listening")]
    pub healthz_host: Option<IpAddr>,

    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", help_heading = "Operation")]
    pub workers: Option<NonZeroU16>,

    /// After SIGTERM: how long to serve on, not ready, before connections are drained
    #[arg(long, value_name = "SECS", default_value_t = 0, help_heading = "Operation")]
    pub shutdown_grace_period: u64,

    /// How much to say on standard error
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Operation")]
    pub log_level: LogLevel,

    /// What is written back to the cluster.
    #[command(flatten)]
    pub publish: PublishFlags,

    /// Who is the leader.
    #[command(flatten)]
    pub election: ElectionFlags,

    /// What is checked before the cluster takes it.
    #[command(flatten)]
    pub admission: AdmissionFlags,

    /// Namespace of this pod, a label of every metric.
    #[arg(long, env = "POD_NAMESPACE", hide = true)]
    pub pod_namespace: Option<String>,

    /// Name of this pod, a label of every metric.
    #[arg(long, env = "POD_NAME", hide = true)]
    pub pod_name: Option<String>,
}

/// Flags that say what is served: the same for a running ingress, a check and an explanation.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What is served")]
pub struct RuleFlags {
    /// Value of the annotation kubernetes.io/ingress.class that is ours
    #[arg(long, value_name = "NAME", default_value = "nginx")]
    pub ingress_class: String,

    /// Value of spec.controller of the IngressClasses that are ours
    #[arg(long, value_name = "NAME", default_value = "k8s.io/ingress-nginx")]
    pub controller_class: String,

    /// Also serve Ingresses that name no class
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_parser = boolean)]
    pub watch_ingress_without_class: bool,

    /// Take --ingress-class as the name of a class also where there is no IngressClass object
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_parser = boolean)]
    pub ingress_class_by_name: bool,

    /// What annotations start with
    #[arg(long, value_name = "PREFIX", default_value = "nginx.ingress.kubernetes.io")]
    pub annotations_prefix: String,

    /// ConfigMap with the global settings
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = named)]
    pub configmap: Option<Named>,

    /// One global setting, over the ConfigMap: --set hsts=false (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,

    /// Secret with the certificate for hosts that have none [default: a self-signed one]
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = named)]
    pub default_ssl_certificate: Option<Named>,

    /// Service that answers where no rule does [default: 404]
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = named)]
    pub default_backend_service: Option<Named>,

    /// Only Ingresses of this namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub watch_namespace: Option<String>,

    /// Only Ingresses of namespaces with these labels: team=a,stage!=test
    #[arg(long, value_name = "SELECTOR", conflicts_with = "watch_namespace")]
    pub watch_namespace_selector: Option<String>,

    /// Refuse Ingresses that take every host
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_parser = boolean)]
    pub disable_catch_all: bool,

    /// Refuse Services of type ExternalName
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_parser = boolean)]
    pub disable_svc_external_name: bool,
}

/// Flags of `slipway check`.
#[derive(Args, Debug)]
pub struct CheckFlags {
    /// Directory of YAML or JSON files, one such file, or - for standard input
    #[arg(value_name = "DIR", default_value = ".")]
    pub path: PathBuf,

    /// Look at what runs in the cluster now
    #[arg(long, conflicts_with = "path")]
    pub cluster: bool,

    /// How to reach it [default: as the pod this runs in, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "cluster")]
    pub kubeconfig: Option<PathBuf>,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,

    /// What is served.
    #[command(flatten)]
    pub rules: RuleFlags,
}

/// Flags of `slipway explain`.
#[derive(Args, Debug)]
pub struct ExplainFlags {
    /// The request's URL, such as `https://shop.example/cart?id=1`
    #[arg(value_name = "URL")]
    pub url: String,

    /// Explain from this directory of YAML or JSON files
    #[arg(long, value_name = "DIR", conflicts_with = "admin")]
    pub manifests: Option<PathBuf>,

    /// Ask the running instance whose --healthz-port this is [default: 127.0.0.1:10254]
    #[arg(long, value_name = "ADDR", value_parser = admin_address)]
    pub admin: Option<SocketAddr>,

    /// A header of the request: 'Name: value' (may be repeated)
    #[arg(short = 'H', long, value_name = "HEADER", value_parser = header)]
    pub header: Vec<(String, String)>,

    /// The request's method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub method: String,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,

    /// What is served.
    #[command(flatten)]
    pub rules: RuleFlags,
}

/// Flags of `slipway demo`.
#[derive(Args, Debug)]
pub struct DemoFlags {
    /// Run the requests, print what passed, and exit 0 or 1
    #[arg(long)]
    pub check: bool,

    /// Port for HTTP; when it is taken, any free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub http_port: u16,

    /// Port for HTTPS; when it is taken, any free one
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub https_port: u16,

    /// Write the example's YAML into this directory and leave it there [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
}

/// Flags of `slipway retire`.
#[derive(Args, Debug)]
pub struct RetireFlags {
    /// How to reach the API server [default: as the pod this runs in, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// The Lease of the release.
    #[command(flatten)]
    pub lease: LeaseFlags,

    /// Namespace of this pod.
    #[arg(long, env = "POD_NAMESPACE", hide = true)]
    pub pod_namespace: Option<String>,

    /// Whose Ingresses.
    #[command(flatten)]
    pub rules: RuleFlags,
}

/// How a command prints its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only what stops the program
    Error,
    /// What is ignored or refused, too
    Warn,
    /// What changes, too
    Info,
    /// Every update
    Debug,
    /// Everything
    Trace,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Flags::command().debug_assert();
    }

    #[test]
    fn every_flag_has_help() {
        for command in Flags::command().get_subcommands() {
            let bare = command.get_arguments().filter(|arg| arg.get_help().is_none()).count();
            assert_eq!(bare, 0, "{}", command.get_name());
        }
    }
}
