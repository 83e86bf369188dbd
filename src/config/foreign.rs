//! Flags of ingress-nginx, kube-proxy and CoreDNS that Slipway does not have: whoever brings them along is told what to do.

mod coredns;
mod kube_proxy;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The flags of a program that Slipway takes the place of.
struct Program {
    name: &'static str,
    renamed: &'static [(&'static str, &'static str)],
    /// What for are those that Slipway does not need.
    own: (&'static str, &'static [&'static str]),
    absent: &'static [&'static str],
}

const INGRESS_NGINX: Program =
    Program { name: "ingress-nginx", renamed: RENAMED, own: ("nginx's own ways", NGINX), absent: ABSENT };

/// Flags that Slipway has under another name, and that name.
const RENAMED: &[(&str, &str)] = &[
    ("apiserver-host", "write it into a kubeconfig and give --kubeconfig FILE"),
    ("certificate-authority", "write it into a kubeconfig and give --kubeconfig FILE"),
    ("validating-webhook", "give --admission-port 8443"),
    ("validating-webhook-certificate", "give --admission-certificate FILE"),
    ("validating-webhook-key", "give --admission-key FILE"),
];

/// Flags about what nginx does in a way of its own, or that Slipway does without being told.
const NGINX: &[&str] = &[
    "bucket-factor",
    "deep-inspect",
    "default-server-port",
    "disable-full-test",
    "dynamic-configuration-retries",
    "enable-annotation-validation",
    "enable-metrics",
    "enable-ssl-chain-completion",
    "exclude-socket-metrics",
    "health-check-path",
    "health-check-timeout",
    "internal-logger-address",
    "length-buckets",
    "max-buckets",
    "maxmind-edition-ids",
    "maxmind-license-key",
    "maxmind-mirror",
    "maxmind-retries-count",
    "maxmind-retries-timeout",
    "metrics-per-host",
    "metrics-per-undefined-host",
    "monitor-max-batch-size",
    "post-shutdown-grace-period",
    "profiler-address",
    "profiler-port",
    "profiling",
    "report-status-classes",
    "size-buckets",
    "status-port",
    "stream-port",
    "sync-period",
    "sync-rate-limit",
    "time-buckets",
    "v",
];

/// Flags for what Slipway does not do.
const ABSENT: &[&str] = &[
    "disable-leader-election",
    "disable-sync-events",
    "enable-ssl-passthrough",
    "enable-topology-aware-routing",
    "ssl-passthrough-proxy-port",
    "tcp-services-configmap",
    "udp-services-configmap",
];

/// What to do about a flag of the program that `command` takes the place of; `None` for any other mistake.
pub fn hint(error: &clap::Error, command: Option<&str>) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Program { name: program, renamed, own: (ways, own), absent } = match command {
        Some("service-proxy") => &kube_proxy::FLAGS,
        Some("dns") => &coredns::FLAGS,
        _ => &INGRESS_NGINX,
    };
    let flag = flag.split('=').next()?;
    let name = flag.strip_prefix("--").or_else(|| flag.strip_prefix('-'))?;
    if let Some((_, instead)) = renamed.iter().find(|(foreign, _)| *foreign == name) {
        return Some(format!("{program} knows {flag}; here, {instead}"));
    }
    let why = if own.contains(&name) {
        format!("is for {ways}, which Slipway does not need: leave it out")
    } else if absent.contains(&name) {
        "asks for something that Slipway does not do yet: leave it out only if nobody relies on it".into()
    } else {
        return None;
    };
    Some(format!("{program} knows {flag}; it {why}"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::flags::Flags;
    use super::*;

    fn hint_for(command: &str, flag: &str) -> Option<String> {
        let line = ["slipway", command, "--manifests", "x", flag];
        hint(&Flags::try_parse_from(line).unwrap_err(), Some(command))
    }

    #[test]
    fn flags_brought_along_from_ingress_nginx_are_told_apart_from_typos() {
        let hint_for = |flag| hint_for("ingress", flag);
        assert!(hint_for("--validating-webhook=:8443").unwrap().contains("--admission-port 8443"));
        assert!(hint_for("--enable-metrics").unwrap().contains("leave it out"));
        assert!(hint_for("--tcp-services-configmap").unwrap().contains("does not do yet"));
        assert_eq!(hint_for("--htp-port"), None);
        assert_eq!(hint_for("--http-port=x"), None);
        assert_eq!(hint_for("--ipvs-scheduler"), None, "that is kube-proxy's");
    }

    #[test]
    fn flags_brought_along_from_kube_proxy_are_told_apart_from_typos() {
        let hint_for = |flag| hint_for("service-proxy", flag);
        assert!(hint_for("--config=/var/lib/kube-proxy/config.conf").unwrap().contains("--help"));
        assert!(hint_for("--conntrack-max-per-core=0").unwrap().contains("sysctl"));
        assert!(hint_for("--iptables-sync-period=30s").unwrap().contains("leave it out"));
        assert!(hint_for("--ipvs-scheduler").unwrap().contains("leave it out"));
        assert!(hint_for("--pod-bridge-interface").unwrap().contains("does not do yet"));
        assert!(hint_for("--v=2").unwrap().contains("--log-level"));
        assert!(hint_for("-v").unwrap().contains("--log-level"));
        assert_eq!(hint_for("--clustr-cidr"), None);
        assert_eq!(hint_for("--tcp-services-configmap"), None, "that is ingress-nginx's");
    }

    #[test]
    fn flags_brought_along_from_coredns_are_told_apart_from_typos() {
        let hint_for = |flag| hint_for("dns", flag);
        for (flag, remedy) in [
            ("-conf", "--corefile FILE"),
            ("--conf=/etc/coredns/Corefile", "--corefile FILE"),
            ("-dns.port=1053", "--listen :PORT"),
            ("--dns.port", "--listen :PORT"),
            ("-p", "--listen :PORT"),
            ("-quiet", "--log-level error"),
            ("-pidfile", "leave out -pidfile"),
            ("--pidfile", "leave it out"),
            ("--plugins", "docs/dns.md"),
            ("-version", "slipway --version"),
        ] {
            let hint = hint_for(flag).unwrap_or_default();
            assert!(hint.contains(remedy), "{flag}: {hint}");
        }
        assert_eq!(hint_for("--corfile"), None);
        assert_eq!(hint_for("--ipvs-scheduler"), None, "that is kube-proxy's");
    }

    #[test]
    fn no_flag_is_called_foreign_that_slipway_has() {
        let programs =
            [("ingress", &INGRESS_NGINX), ("service-proxy", &kube_proxy::FLAGS), ("dns", &coredns::FLAGS)];
        for (command, program) in programs {
            let flags = Flags::command();
            let ours = flags.find_subcommand(command).unwrap().get_arguments();
            let ours: Vec<&str> =
                ours.flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default()).collect();
            let renamed: Vec<&str> = program.renamed.iter().map(|(flag, _)| *flag).collect();
            for flag in [&renamed, program.own.1, program.absent].concat() {
                assert!(!ours.contains(&flag), "{command}: {flag}");
            }
        }
    }
}
