//! The table of annotations: one row for each documented key of ingress-nginx, sorted by key.

use super::Risk::{Critical, High, Low, Medium};
use super::Scope::{Ingress, Location};
use super::{Annotation, Parse, Parser, Risk, Scope, access, backend, redirect, rewrite};

/// Every documented annotation, sorted by key.
#[rustfmt::skip] // one row, one line
pub const TABLE: &[Annotation] = &[
    known("affinity", Ingress, Low, &[], AFFINITY),
    known("affinity-canary-behavior", Ingress, Low, &[], AFFINITY),
    known("affinity-mode", Ingress, Medium, &[], AFFINITY),
    into("allowlist-source-range", Location, Medium, access::allow),
    into("app-root", Location, Medium, redirect::app_root),
    known("auth-always-set-cookie", Location, Low, &["false"], AUTH),
    known("auth-cache-duration", Location, Medium, &[], AUTH),
    known("auth-cache-key", Location, Medium, &[], AUTH),
    known("auth-keepalive", Location, Low, &[], AUTH),
    known("auth-keepalive-requests", Location, Low, &[], AUTH),
    known("auth-keepalive-share-vars", Location, Low, &[], AUTH),
    known("auth-keepalive-timeout", Location, Low, &[], AUTH),
    known("auth-method", Location, Low, &[], AUTH),
    known("auth-proxy-set-headers", Location, Medium, &[], AUTH),
    known("auth-realm", Location, Medium, &[], AUTH),
    known("auth-request-redirect", Location, Medium, &[], AUTH),
    known("auth-response-headers", Location, Medium, &[], AUTH),
    into("auth-secret", Location, Medium, access::guard),
    known("auth-secret-type", Location, Low, &[], AUTH),
    into("auth-signin", Location, High, access::guard),
    known("auth-signin-redirect-param", Location, Medium, &[], AUTH),
    into("auth-snippet", Location, Critical, access::snippet),
    known("auth-tls-error-page", Location, High, &[], AUTH),
    into("auth-tls-match-cn", Location, High, access::guard),
    known("auth-tls-pass-certificate-to-upstream", Location, Low, &["false"], AUTH),
    into("auth-tls-secret", Location, Medium, access::client_certificate),
    known("auth-tls-verify-client", Location, Medium, &["off"], AUTH),
    known("auth-tls-verify-depth", Location, Low, &[], AUTH),
    into("auth-type", Location, Low, access::guard),
    into("auth-url", Location, High, access::guard),
    into("backend-protocol", Location, Low, backend::protocol),
    into("canary", Ingress, Low, backend::canary),
    known("canary-by-cookie", Ingress, Medium, &[], CANARY),
    known("canary-by-header", Ingress, Medium, &[], CANARY),
    known("canary-by-header-pattern", Ingress, Medium, &[], CANARY),
    known("canary-by-header-value", Ingress, Medium, &[], CANARY),
    known("canary-weight", Ingress, Low, &[], CANARY),
    known("canary-weight-total", Ingress, Low, &[], CANARY),
    known("client-body-buffer-size", Location, Low, &[], BUFFER),
    into("configuration-snippet", Location, Critical, access::snippet),
    known("connection-proxy-header", Location, Low, &["keep-alive"], CONNECTION),
    known("cors-allow-credentials", Ingress, Low, &[], CORS),
    known("cors-allow-headers", Ingress, Medium, &[], CORS),
    known("cors-allow-methods", Ingress, Medium, &[], CORS),
    known("cors-allow-origin", Ingress, Medium, &[], CORS),
    known("cors-expose-headers", Ingress, Medium, &[], CORS),
    known("cors-max-age", Ingress, Low, &[], CORS),
    known("custom-headers", Location, Medium, &[], HEADERS),
    known("custom-http-errors", Location, Low, &[], ERRORS),
    into("default-backend", Location, Low, backend::default_backend),
    into("denylist-source-range", Location, Medium, access::deny),
    known("disable-proxy-intercept-errors", Location, Low, &["true", "false"], ERRORS),
    known("enable-access-log", Location, Low, &["true"], ACCESS_LOG),
    known("enable-cors", Ingress, Low, &["false"], CORS),
    known("enable-global-auth", Location, Low, &["true", "false"], GLOBAL_AUTH),
    known("enable-modsecurity", Ingress, Low, &["false"], WAF),
    known("enable-opentelemetry", Location, Low, &["false"], TRACES),
    known("enable-owasp-core-rules", Ingress, Low, &["false"], WAF),
    known("enable-rewrite-log", Location, Low, &["false"], REWRITE_LOG),
    known("fastcgi-index", Location, Medium, &[], FASTCGI),
    known("fastcgi-params-configmap", Location, Medium, &[], FASTCGI),
    into("force-ssl-redirect", Location, Medium, redirect::force_ssl),
    into("from-to-www-redirect", Location, Low, redirect::www),
    known("http2-push-preload", Location, Low, &["false"], PUSH),
    known("limit-allowlist", Location, Low, &[], LIMIT),
    known("limit-burst-multiplier", Location, Low, &[], LIMIT),
    known("limit-connections", Location, Low, &[], LIMIT),
    known("limit-rate", Location, Low, &[], LIMIT),
    known("limit-rate-after", Location, Low, &[], LIMIT),
    known("limit-rpm", Location, Low, &[], LIMIT),
    known("limit-rps", Location, Low, &[], LIMIT),
    known("load-balance", Location, Low, &["round_robin"], BALANCE),
    known("mirror-host", Ingress, High, &[], MIRROR),
    known("mirror-request-body", Ingress, Low, &[], MIRROR),
    known("mirror-target", Ingress, High, &[], MIRROR),
    into("modsecurity-snippet", Ingress, Critical, access::snippet),
    known("modsecurity-transaction-id", Ingress, High, &[], WAF),
    known("opentelemetry-operation-name", Location, Medium, &[], TRACES),
    known("opentelemetry-trust-incoming-span", Location, Low, &["true", "false"], TRACES),
    into("permanent-redirect", Location, Medium, redirect::permanent),
    into("permanent-redirect-code", Location, Low, redirect::permanent_code),
    into("preserve-trailing-slash", Location, Medium, redirect::keep_slash),
    into("proxy-body-size", Location, Medium, backend::body_size),
    known("proxy-buffer-size", Location, Low, &[], BUFFER),
    known("proxy-buffering", Location, Low, &["off"], BUFFER),
    known("proxy-buffers-number", Location, Low, &[], BUFFER),
    known("proxy-busy-buffers-size", Location, Low, &[], BUFFER),
    into("proxy-connect-timeout", Location, Low, backend::connect_timeout),
    known("proxy-cookie-domain", Location, Medium, &["off"], COOKIE),
    known("proxy-cookie-path", Location, Medium, &["off"], COOKIE),
    into("proxy-http-version", Location, Low, backend::http_version),
    known("proxy-max-temp-file-size", Location, Low, &[], BUFFER),
    into("proxy-next-upstream", Location, Medium, backend::next_upstream),
    into("proxy-next-upstream-timeout", Location, Low, backend::tries_timeout),
    into("proxy-next-upstream-tries", Location, Low, backend::tries),
    into("proxy-read-timeout", Location, Low, backend::read_timeout),
    known("proxy-redirect-from", Location, Medium, &["off", "default"], LOCATION),
    known("proxy-redirect-to", Location, Medium, &["off", "default"], LOCATION),
    known("proxy-request-buffering", Location, Low, &["off"], BODY_STREAM),
    into("proxy-send-timeout", Location, Low, backend::send_timeout),
    known("proxy-ssl-ciphers", Ingress, Medium, &[], BACKEND_TLS),
    known("proxy-ssl-name", Ingress, High, &[], BACKEND_TLS),
    known("proxy-ssl-protocols", Ingress, Low, &[], BACKEND_TLS),
    known("proxy-ssl-secret", Ingress, Medium, &[], BACKEND_TLS),
    known("proxy-ssl-server-name", Ingress, Low, &["off"], BACKEND_TLS),
    known("proxy-ssl-verify", Ingress, Low, &["off"], BACKEND_VERIFY),
    known("proxy-ssl-verify-depth", Ingress, Low, &[], BACKEND_TLS),
    known("relative-redirects", Location, Low, &["false"], RELATIVE),
    into("rewrite-target", Ingress, Medium, rewrite::target),
    into("satisfy", Location, Low, access::satisfy),
    into("server-alias", Ingress, High, rewrite::server_alias),
    into("server-snippet", Ingress, Critical, access::snippet),
    into("service-upstream", Ingress, Low, backend::service_upstream),
    known("session-cookie-change-on-failure", Ingress, Low, &[], AFFINITY),
    known("session-cookie-conditional-samesite-none", Ingress, Low, &[], AFFINITY),
    known("session-cookie-domain", Ingress, Medium, &[], AFFINITY),
    known("session-cookie-expires", Ingress, Medium, &[], AFFINITY),
    known("session-cookie-max-age", Ingress, Medium, &[], AFFINITY),
    known("session-cookie-name", Ingress, Medium, &[], AFFINITY),
    known("session-cookie-path", Ingress, Medium, &[], AFFINITY),
    known("session-cookie-samesite", Ingress, Low, &[], AFFINITY),
    known("session-cookie-secure", Ingress, Low, &[], AFFINITY),
    known("ssl-ciphers", Ingress, Low, &[], CIPHERS),
    known("ssl-passthrough", Ingress, Low, &["false"], PASSTHROUGH),
    known("ssl-prefer-server-ciphers", Ingress, Low, &[], CIPHERS),
    into("ssl-redirect", Location, Low, redirect::ssl),
    into("stream-snippet", Ingress, Critical, access::snippet),
    into("temporal-redirect", Location, Medium, redirect::temporal),
    into("temporal-redirect-code", Location, Low, redirect::temporal_code),
    known("upstream-hash-by", Location, High, &[], HASH),
    known("upstream-hash-by-subset", Location, Low, &["false"], HASH),
    known("upstream-hash-by-subset-size", Location, Low, &[], HASH),
    into("upstream-vhost", Location, Low, rewrite::upstream_vhost),
    known("use-port-in-redirects", Location, Low, &["false"], PORT),
    into("use-regex", Location, Low, rewrite::use_regex),
    into("x-forwarded-prefix", Location, Medium, rewrite::forwarded_prefix),
];

/// Old names that still work, with the new ones.
pub const RENAMED: &[(&str, &str)] =
    &[("limit-whitelist", "limit-allowlist"), ("whitelist-source-range", "allowlist-source-range")];

/// Names that ingress-nginx once knew, and why they do nothing.
pub const REMOVED: &[(&str, &str)] = &[
    ("add-base-url", "it was removed from ingress-nginx; let the application write its own links"),
    ("enable-dynamic-tls-records", "it was removed from ingress-nginx"),
    ("enable-influxdb", "it was removed from ingress-nginx; scrape /metrics"),
    ("enable-opentracing", "it was removed from ingress-nginx in favour of OpenTelemetry"),
    ("global-rate-limit", "it was removed from ingress-nginx; the routes are served WITHOUT this limit"),
    ("global-rate-limit-ignored-cidrs", "it was removed from ingress-nginx"),
    ("global-rate-limit-key", "it was removed from ingress-nginx"),
    ("global-rate-limit-window", "it was removed from ingress-nginx"),
    ("grpc-backend", "it was removed from ingress-nginx; write backend-protocol: GRPC"),
    ("lua-resty-waf", "it was removed from ingress-nginx; the routes are served WITHOUT it"),
    ("opentracing-trust-incoming-span", "it was removed from ingress-nginx in favour of OpenTelemetry"),
    ("secure-backends", "it was removed from ingress-nginx; write backend-protocol: HTTPS"),
    ("secure-verify-ca-secret", "it was removed from ingress-nginx; see proxy-ssl-secret"),
    ("session-cookie-hash", "it was removed from ingress-nginx"),
];

const ACCESS_LOG: &str = "requests are logged";
const AFFINITY: &str = "requests of one client go to all endpoints in turn";
const AUTH: &str = "it only refines an authentication that is refused as a whole";
const BACKEND_TLS: &str = "TLS to backends is unverified, without a client certificate";
const BACKEND_VERIFY: &str = "the certificates of backends are NOT verified";
const BALANCE: &str = "endpoints take turns (round_robin)";
const BODY_STREAM: &str = "request bodies are streamed to the backend as they arrive";
const BUFFER: &str = "bodies are streamed without buffering, in bounded memory";
const CANARY: &str = "the canary Ingress is ignored";
const CIPHERS: &str = "the cipher suites of TLS 1.2 and 1.3 that are safe today are offered";
const CONNECTION: &str = "connections to backends are kept as the HTTP version asks";
const COOKIE: &str = "cookies of backends pass unchanged";
const CORS: &str = "answers carry no CORS headers of Slipway's, and preflights go to the backend";
const ERRORS: &str = "error answers of the backend pass unchanged";
const FASTCGI: &str = "FastCGI backends are not supported";
const GLOBAL_AUTH: &str = "there is no global authentication to except from";
const HASH: &str = "endpoints take turns (round_robin)";
const HEADERS: &str = "the headers of that ConfigMap are not added";
const LIMIT: &str = "requests are served WITHOUT this limit";
const LOCATION: &str = "Location headers of backends pass unchanged";
const MIRROR: &str = "no request is copied";
const PASSTHROUGH: &str = "TLS ends at Slipway instead of the backend";
const PORT: &str = "redirects leave the port out";
const PUSH: &str = "browsers no longer take server push";
const RELATIVE: &str = "redirects name scheme and host";
const REWRITE_LOG: &str = "rewrites are not logged; `slipway explain URL` shows them";
const TRACES: &str = "no spans are sent";
const WAF: &str = "requests are served WITHOUT the application firewall";

const fn into(key: &'static str, scope: Scope, risk: Risk, parser: Parser) -> Annotation {
    Annotation { key, scope, risk, parse: Parse::Into(parser) }
}

const fn known(
    key: &'static str,
    scope: Scope,
    risk: Risk,
    harmless: &'static [&'static str],
    without: &'static str,
) -> Annotation {
    Annotation { key, scope, risk, parse: Parse::Known { harmless, without } }
}
