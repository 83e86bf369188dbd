//! Flags about what an ingress writes back to the cluster, and what it checks for it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::Named;
use super::super::value::{boolean, duration, named};

/// Flags about what is written back to the cluster.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Writing back to the cluster")]
pub struct PublishFlags {
    /// Write addresses into the status of Ingresses
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "true", hide_default_value = true, value_parser = boolean)]
    pub update_status: bool,

    /// Remove them when the last replica ends
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "true", hide_default_value = true, value_parser = boolean)]
    pub update_status_on_shutdown: bool,

    /// Service whose balancer, external or cluster addresses are written
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = named)]
    pub publish_service: Option<Named>,

    /// Addresses or host names to write [default: those of --publish-service, else of the nodes with ready pods]
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub publish_status_address: Vec<String>,

    /// Of nodes, write the internal address and not the external one
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_parser = boolean)]
    pub report_node_internal_ip_address: bool,
}

/// Flags about who of the replicas writes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Writing back to the cluster")]
pub struct ElectionFlags {
    /// The Lease.
    #[command(flatten)]
    pub lease: LeaseFlags,

    /// How long a leader that fell silent stays leader: 30s, 1m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub election_ttl: Duration,
}

/// Flags that name the Lease.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Writing back to the cluster")]
pub struct LeaseFlags {
    /// Name of the Lease that says which replica writes
    #[arg(long, value_name = "NAME", default_value = "slipway-leader")]
    pub election_id: String,

    /// Its namespace [default: that of this pod]
    #[arg(long, value_name = "NAMESPACE")]
    pub election_namespace: Option<String>,
}

/// Flags about the validating webhook.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Admission")]
pub struct AdmissionFlags {
    /// Port where Ingresses are checked before the cluster takes them (HTTPS) [default: off]
    #[arg(long, value_name = "PORT", requires = "admission_certificate", conflicts_with = "manifests")]
    pub admission_port: Option<u16>,

    /// Certificate chain for it, PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "admission_key")]
    pub admission_certificate: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "admission_certificate")]
    pub admission_key: Option<PathBuf>,
}
