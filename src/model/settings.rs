//! The global settings: ConfigMap keys and `--set`, with the documented defaults.

use std::time::Duration;

use ipnet::IpNet;

use super::policy::NextUpstream;

/// What is in force for every host unless an annotation says otherwise. Names follow the ConfigMap keys of
/// ingress-nginx; defaults are its documented ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `ssl-redirect`.
    pub ssl_redirect: bool,
    /// `force-ssl-redirect`.
    pub force_ssl_redirect: bool,
    /// `preserve-trailing-slash` (no such key; false).
    pub preserve_trailing_slash: bool,
    /// `http-redirect-code`: 301, 302, 307 or 308.
    pub http_redirect_code: u16,
    /// `no-tls-redirect-locations`: path prefixes that are never sent to HTTPS.
    pub no_tls_redirect_locations: Vec<String>,
    /// `hsts`.
    pub hsts: bool,
    /// `hsts-max-age` in seconds.
    pub hsts_max_age: u64,
    /// `hsts-include-subdomains`.
    pub hsts_include_subdomains: bool,
    /// `hsts-preload`.
    pub hsts_preload: bool,
    /// `use-forwarded-headers`.
    pub use_forwarded_headers: bool,
    /// `compute-full-forwarded-for`: append to X-Forwarded-For instead of replacing it.
    pub compute_full_forwarded_for: bool,
    /// `enable-real-ip`: trust X-Forwarded-For only.
    pub enable_real_ip: bool,
    /// `forwarded-for-header`.
    pub forwarded_for_header: String,
    /// `proxy-real-ip-cidr`: the peers whose forwarded headers are trusted.
    pub proxy_real_ip_cidr: Vec<IpNet>,
    /// `proxy-add-original-uri-header`: send X-Original-URI.
    pub proxy_add_original_uri_header: bool,
    /// `proxy-body-size` in bytes; 0 is unlimited.
    pub body_size: u64,
    /// `proxy-connect-timeout`.
    pub connect_timeout: Duration,
    /// `proxy-read-timeout`.
    pub read_timeout: Duration,
    /// `proxy-send-timeout`.
    pub send_timeout: Duration,
    /// `proxy-next-upstream`.
    pub next_upstream: NextUpstream,
    /// `proxy-next-upstream-tries`.
    pub next_upstream_tries: u32,
    /// `proxy-next-upstream-timeout`.
    pub next_upstream_timeout: Duration,
    /// `retry-non-idempotent`.
    pub retry_non_idempotent: bool,
    /// `whitelist-source-range`.
    pub allow_sources: Vec<IpNet>,
    /// `denylist-source-range`.
    pub deny_sources: Vec<IpNet>,
    /// `service-upstream`.
    pub service_upstream: bool,
    /// `strict-validate-path-type`: admission refuses Exact and Prefix paths of other characters than letters, digits and
    /// `. _ - /`.
    pub strict_path_type: bool,
    /// `keep-alive`: idle time of client connections; zero turns keep-alive off.
    pub keep_alive: Duration,
    /// `keep-alive-requests`: requests on one client connection; 0 is unlimited.
    pub keep_alive_requests: u32,
    /// `upstream-keepalive-connections`: idle connections kept per worker and endpoint.
    pub upstream_keepalive_connections: usize,
    /// `upstream-keepalive-timeout`: how long an idle connection is kept.
    pub upstream_keepalive_timeout: Duration,
    /// `upstream-keepalive-time`: how long a connection is used at all.
    pub upstream_keepalive_time: Duration,
    /// `upstream-keepalive-requests`: requests on one connection.
    pub upstream_keepalive_requests: u32,
    /// `client-header-timeout`.
    pub client_header_timeout: Duration,
    /// `client-body-timeout`: between two reads.
    pub client_body_timeout: Duration,
    /// `ssl-protocols` has `TLSv1.2`.
    pub tls12: bool,
    /// `ssl-protocols` has `TLSv1.3`.
    pub tls13: bool,
    /// `use-http2`.
    pub use_http2: bool,
    /// `http2-max-concurrent-streams`.
    pub http2_max_concurrent_streams: u32,
    /// `disable-access-log` negated.
    pub access_log: bool,
    /// `log-format-upstream`: an nginx log template; `json` is a ready-made one.
    pub log_format: String,
    /// `log-format-escape-json`: escape values for JSON strings.
    pub log_escape_json: bool,
    /// `worker-shutdown-timeout`: how long a drain may take.
    pub shutdown_timeout: Duration,
}

/// The default of `log-format-upstream`, as ingress-nginx documents it.
pub const DEFAULT_LOG_FORMAT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
    $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_length $request_time \
    [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length \
    $upstream_response_time $upstream_status $req_id";

impl Settings {
    /// `Strict-Transport-Security` of every answer over TLS; `None` when `hsts` is off (RFC 6797 6.1).
    pub fn hsts_header(&self) -> Option<String> {
        let domains = if self.hsts_include_subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.hsts_preload { "; preload" } else { "" };
        self.hsts.then(|| format!("max-age={}{domains}{preload}", self.hsts_max_age))
    }
}

impl Default for Settings {
    fn default() -> Self {
        let everyone = ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("a constant network"));
        Self {
            ssl_redirect: true,
            force_ssl_redirect: false,
            preserve_trailing_slash: false,
            http_redirect_code: 308,
            no_tls_redirect_locations: vec!["/.well-known/acme-challenge".into()],
            hsts: true,
            hsts_max_age: 31_536_000,
            hsts_include_subdomains: true,
            hsts_preload: false,
            use_forwarded_headers: false,
            compute_full_forwarded_for: false,
            enable_real_ip: false,
            forwarded_for_header: "X-Forwarded-For".into(),
            proxy_real_ip_cidr: everyone.into(),
            proxy_add_original_uri_header: false,
            body_size: 1 << 20,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_mins(1),
            send_timeout: Duration::from_mins(1),
            next_upstream: NextUpstream::default(),
            next_upstream_tries: 3,
            next_upstream_timeout: Duration::ZERO,
            retry_non_idempotent: false,
            allow_sources: Vec::new(),
            deny_sources: Vec::new(),
            service_upstream: false,
            strict_path_type: true,
            keep_alive: Duration::from_secs(75),
            keep_alive_requests: 1000,
            upstream_keepalive_connections: 320,
            upstream_keepalive_timeout: Duration::from_mins(1),
            upstream_keepalive_time: Duration::from_hours(1),
            upstream_keepalive_requests: 10_000,
            client_header_timeout: Duration::from_mins(1),
            client_body_timeout: Duration::from_mins(1),
            tls12: true,
            tls13: true,
            use_http2: true,
            http2_max_concurrent_streams: 128,
            access_log: true,
            log_format: DEFAULT_LOG_FORMAT.into(),
            log_escape_json: false,
            shutdown_timeout: Duration::from_mins(4),
        }
    }
}
