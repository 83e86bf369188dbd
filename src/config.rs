//! What the operator asked for: raw flags and environment -> checked values.
//!
//! [`flags`] is what people type; the types here are what it means. A value that got here needs no further check.

mod dns;
mod error;
pub mod flags;
pub mod foreign;
mod service_proxy;
mod value;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

pub use dns::{
    CLUSTER_DOMAIN, Dns, DnsAnswers, DnsQuery, Place, PodRecords, Policy, Stub, Transfers, UpstreamAt, Whence,
};
pub use error::ConfigError;
pub use service_proxy::{NodePorts, Pods, ServiceProxy};

use flags::{AdmissionFlags, IngressFlags, LeaseFlags, PublishFlags, RetireFlags, RuleFlags};

/// A namespaced name, as flags write it: `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Which objects are served, and with which defaults. Shared by `ingress`, `check` and `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Value of the class annotation.
    pub ingress_class: String,
    /// `spec.controller` of the classes that are ours.
    pub controller_class: String,
    /// Also serve Ingresses without a class.
    pub without_class: bool,
    /// Take a class by its name alone, without its object.
    pub class_by_name: bool,
    /// What the annotations start with, without the slash.
    pub annotations_prefix: String,
    /// The ConfigMap with the global settings.
    pub configmap: Option<Named>,
    /// Settings that win over the ConfigMap, in the order given.
    pub set: Vec<(String, String)>,
    /// The Secret whose certificate answers for hosts without one.
    pub default_certificate: Option<Named>,
    /// The Service that answers where no rule does.
    pub default_backend: Option<Named>,
    /// Only objects of this namespace.
    pub namespace: Option<String>,
    /// Only objects of namespaces with these labels.
    pub namespace_selector: Option<String>,
    /// Refuse Ingresses that take every host.
    pub no_catch_all: bool,
    /// Refuse Services of type ExternalName.
    pub no_external_name: bool,
}

/// Where objects come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A directory that is read and followed.
    Directory(PathBuf),
    /// A cluster's API server.
    Kubernetes {
        /// How to reach it; `None`: as the pod this runs in, else as kubectl does.
        kubeconfig: Option<PathBuf>,
    },
}

/// What is written back to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Write addresses into the status of Ingresses.
    pub status: bool,
    /// Remove them when the last replica ends.
    pub remove_at_end: bool,
    /// The Service whose addresses are written.
    pub service: Option<Named>,
    /// Addresses or host names to write before any other.
    pub addresses: Vec<String>,
    /// Of nodes, the internal address.
    pub internal_address: bool,
}

/// The Lease that says which replica writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Its name.
    pub lease: Named,
    /// How long a leader that fell silent stays leader.
    pub ttl: Duration,
}

/// `slipway retire`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retire {
    /// How to reach the API server; `None`: as the pod this runs in, else as kubectl does.
    pub kubeconfig: Option<PathBuf>,
    /// The Lease of the release.
    pub lease: Named,
    /// Whose Ingresses.
    pub rules: Rules,
}

/// The validating webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Its port; 0 lets the kernel choose.
    pub port: u16,
    /// File with the certificate chain.
    pub certificate: PathBuf,
    /// File with the private key.
    pub key: PathBuf,
}

/// `slipway ingress`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Where objects come from.
    pub source: Source,
    /// What is written back to the cluster.
    pub publish: Publish,
    /// Which replica does.
    pub election: Election,
    /// The validating webhook, if there is one.
    pub admission: Option<Admission>,
    /// Addresses to listen on; empty means all.
    pub bind: Vec<IpAddr>,
    /// Port for HTTP; 0 lets the kernel choose.
    pub http_port: u16,
    /// Port for HTTPS; 0 lets the kernel choose.
    pub https_port: u16,
    /// Address where health, metrics and configuration are shown; `None` means all.
    pub admin_host: Option<IpAddr>,
    /// Port for it; 0 lets the kernel choose.
    pub admin_port: u16,
    /// Number of worker threads.
    pub workers: usize,
    /// Which objects are served.
    pub rules: Rules,
    /// How long to wait, not ready but serving, before the drain.
    pub grace: Duration,
    /// Namespace of this pod, for the labels of metrics.
    pub pod_namespace: String,
    /// Name of this pod, for the labels of metrics.
    pub pod_name: String,
}

/// How this program was called, for lines that people are to type.
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "slipway".into())
}

/// The command that was typed, whether or not there is one of that name.
pub fn command() -> Option<String> {
    std::env::args().nth(1)
}

/// The value of a variable of the environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where temporary files go.
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

impl Ingress {
    /// Checks what was typed.
    pub fn new(flags: IngressFlags) -> Result<Self, ConfigError> {
        let ports = [
            ("--http-port", flags.http_port),
            ("--https-port", flags.https_port),
            ("--healthz-port", flags.healthz_port),
            ("--admission-port", flags.admission.admission_port.unwrap_or(0)),
        ];
        for (at, (second, port)) in ports.iter().enumerate() {
            if let Some((first, _)) = ports[..at].iter().find(|(_, other)| *port != 0 && other == port) {
                return Err(ConfigError::SamePort { port: *port, first, second });
            }
        }
        let cores = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            source: match flags.manifests {
                Some(directory) => Source::Directory(directory),
                None => Source::Kubernetes { kubeconfig: flags.kubeconfig },
            },
            publish: flags.publish.into(),
            election: Election {
                lease: lease(flags.election.lease, flags.pod_namespace.as_ref()),
                ttl: flags.election.election_ttl,
            },
            admission: Admission::new(flags.admission),
            bind: flags.bind_address,
            http_port: flags.http_port,
            https_port: flags.https_port,
            admin_host: flags.healthz_host,
            admin_port: flags.healthz_port,
            workers: flags.workers.map_or(cores, |n| usize::from(n.get())),
            rules: flags.rules.into(),
            grace: Duration::from_secs(flags.shutdown_grace_period),
            pod_namespace: flags.pod_namespace.unwrap_or_default(),
            pod_name: flags.pod_name.unwrap_or_default(),
        })
    }
}

impl Retire {
    /// What was typed.
    pub fn new(flags: RetireFlags) -> Self {
        Self {
            kubeconfig: flags.kubeconfig,
            lease: lease(flags.lease, flags.pod_namespace.as_ref()),
            rules: flags.rules.into(),
        }
    }
}

fn lease(flags: LeaseFlags, pod: Option<&String>) -> Named {
    let namespace = flags.election_namespace.as_ref().or(pod).filter(|name| !name.is_empty());
    Named { namespace: namespace.cloned().unwrap_or_else(|| "default".into()), name: flags.election_id }
}

impl From<PublishFlags> for Publish {
    fn from(flags: PublishFlags) -> Self {
        Self {
            status: flags.update_status,
            remove_at_end: flags.update_status_on_shutdown,
            service: flags.publish_service,
            addresses: flags.publish_status_address.into_iter().filter(|a| !a.trim().is_empty()).collect(),
            internal_address: flags.report_node_internal_ip_address,
        }
    }
}

impl Admission {
    /// `None` without a port. clap has seen to it that the files are there with it.
    fn new(flags: AdmissionFlags) -> Option<Self> {
        Some(Self {
            port: flags.admission_port?,
            certificate: flags.admission_certificate?,
            key: flags.admission_key?,
        })
    }
}

impl From<RuleFlags> for Rules {
    fn from(flags: RuleFlags) -> Self {
        Self {
            ingress_class: flags.ingress_class,
            controller_class: flags.controller_class,
            without_class: flags.watch_ingress_without_class,
            class_by_name: flags.ingress_class_by_name,
            annotations_prefix: flags.annotations_prefix.trim_end_matches('/').to_owned(),
            configmap: flags.configmap,
            set: flags.set,
            default_certificate: flags.default_ssl_certificate,
            default_backend: flags.default_backend_service,
            namespace: flags.watch_namespace.filter(|name| !name.is_empty()),
            namespace_selector: flags.watch_namespace_selector.filter(|selector| !selector.trim().is_empty()),
            no_catch_all: flags.disable_catch_all,
            no_external_name: flags.disable_svc_external_name,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::flags::{Command, Flags};
    use super::*;

    fn ingress(args: &[&str]) -> Result<Ingress, String> {
        let all = ["slipway", "ingress", "--manifests", "dir"].iter().chain(args);
        match Flags::try_parse_from(all).map_err(|e| e.to_string())?.command {
            Command::Ingress(flags) => Ingress::new(*flags).map_err(|e| e.to_string()),
            _ => unreachable!("the command is ingress"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_ingress_nginx() {
        let config = ingress(&[]).unwrap();
        assert_eq!((config.http_port, config.https_port, config.admin_port), (80, 443, 10254));
        assert_eq!(config.rules.ingress_class, "nginx");
        assert_eq!(config.rules.controller_class, "k8s.io/ingress-nginx");
        assert_eq!(config.rules.annotations_prefix, "nginx.ingress.kubernetes.io");
        assert!(config.workers >= 1 && config.bind.is_empty());
        assert!(!config.rules.without_class && !config.rules.no_catch_all);
    }

    #[test]
    fn booleans_are_written_as_go_writes_them() {
        let on = |args: &[&str]| ingress(args).map(|config| config.rules.without_class);
        assert_eq!(on(&["--watch-ingress-without-class"]), Ok(true));
        assert_eq!(on(&["--watch-ingress-without-class=true"]), Ok(true));
        assert_eq!(on(&["--watch-ingress-without-class=T"]), Ok(true));
        assert_eq!(on(&["--watch-ingress-without-class=false"]), Ok(false));
        assert_eq!(on(&["--watch-ingress-without-class=0"]), Ok(false));
        assert!(on(&["--watch-ingress-without-class=maybe"]).unwrap_err().contains("true or false"));
    }

    #[test]
    fn lists_take_commas_and_repeats() {
        let config = ingress(&["--bind-address=127.0.0.1,::1", "--bind-address", "10.0.0.1"]).unwrap();
        assert_eq!(config.bind.len(), 3);
        let config = ingress(&["--set", "hsts=false", "--set=log-format-upstream=a=b"]).unwrap();
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(config.rules.set, [pair("hsts", "false"), pair("log-format-upstream", "a=b")]);
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        let table: &[(&[&str], &str)] = &[
            (&["--configmap", "controller"], "NAMESPACE/NAME"),
            (&["--default-ssl-certificate", "a/b/c"], "NAMESPACE/NAME"),
            (&["--set", "hsts"], "KEY=VALUE"),
            (&["--http-port", "70000"], "70000"),
            (&["--workers", "0"], "0"),
            (&["--http-port", "8443", "--https-port", "8443"], "give one of them another port"),
            (&["--bind-address", "localhost"], "IP address"),
            (&["--log-level", "loud"], "possible values"),
            (&["--kubeconfig", "x"], "cannot be used with"),
            (&["--election-ttl", "30"], "30s"),
            (&["--watch-namespace", "a", "--watch-namespace-selector", "b=c"], "cannot be used with"),
        ];
        for (args, expected) in table {
            let error = ingress(args).unwrap_err();
            assert!(error.contains(expected), "{args:?}: {error}");
        }
    }

    #[test]
    fn a_port_of_zero_may_be_given_more_than_once() {
        assert!(ingress(&["--http-port=0", "--https-port=0", "--healthz-port=0"]).is_ok());
    }

    #[test]
    fn without_a_directory_the_cluster_is_the_source() {
        let Command::Ingress(flags) = Flags::try_parse_from(["slipway", "ingress"]).unwrap().command else {
            unreachable!("the command is ingress")
        };
        let config = Ingress::new(*flags).unwrap();
        assert_eq!(config.source, Source::Kubernetes { kubeconfig: None });
        assert_eq!(config.election.lease.to_string(), "default/slipway-leader");
        assert_eq!(config.election.ttl, Duration::from_secs(30));
        assert!(config.publish.status && config.publish.remove_at_end && config.admission.is_none());
    }

    #[test]
    fn retire_names_the_same_lease_as_the_replicas() {
        for (args, expected) in [
            (&[][..], "default/slipway-leader"),
            (&["--election-namespace", "a", "--election-id", "b"], "a/b"),
        ] {
            let all = ["slipway", "retire"].iter().chain(args);
            let Command::Retire(flags) = Flags::try_parse_from(all).unwrap().command else {
                unreachable!("the command is retire")
            };
            assert_eq!(Retire::new(*flags).lease.to_string(), expected);
        }
    }
}
