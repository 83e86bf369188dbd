//! Flags of ingress-nginx that Slipway does not have: whoever brings them along is told what to do.

use clap::error::{ContextKind, ContextValue, ErrorKind};

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

/// What to do about a flag that is ingress-nginx's; `None` for any other mistake.
pub fn hint(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let name = flag.split('=').next()?.strip_prefix("--")?;
    if let Some((_, instead)) = RENAMED.iter().find(|(foreign, _)| *foreign == name) {
        return Some(format!("ingress-nginx knows --{name}; here, {instead}"));
    }
    let why = if NGINX.contains(&name) {
        "is for nginx's own ways, which Slipway does not need: leave it out"
    } else if ABSENT.contains(&name) {
        "asks for something that Slipway does not do yet: leave it out only if nobody relies on it"
    } else {
        return None;
    };
    Some(format!("ingress-nginx knows --{name}; it {why}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::flags::Flags;
    use super::*;

    fn hint_for(flag: &str) -> Option<String> {
        hint(&Flags::try_parse_from(["slipway", "ingress", "--manifests", "x", flag]).unwrap_err())
    }

    #[test]
    fn flags_brought_along_from_ingress_nginx_are_told_apart_from_typos() {
        assert!(hint_for("--validating-webhook=:8443").unwrap().contains("--admission-port 8443"));
        assert!(hint_for("--enable-metrics").unwrap().contains("leave it out"));
        assert!(hint_for("--tcp-services-configmap").unwrap().contains("does not do yet"));
        assert_eq!(hint_for("--htp-port"), None);
        assert_eq!(hint_for("--http-port=x"), None);
    }

    #[test]
    fn no_flag_is_called_foreign_that_slipway_has() {
        let renamed: Vec<&str> = RENAMED.iter().map(|(flag, _)| *flag).collect();
        for flag in [&renamed, NGINX, ABSENT].concat() {
            let help = Flags::try_parse_from(["slipway", "ingress", "--help"]).unwrap_err().to_string();
            assert!(!help.contains(&format!("--{flag} ")) && !help.contains(&format!("--{flag}[")), "{flag}");
        }
    }
}
