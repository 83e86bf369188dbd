//! Checks the variables of an access log template.

/// The variables that the access log knows, besides `http_NAME`.
pub const VARIABLES: &[&str] = &[
    "args",
    "body_bytes_sent",
    "bytes_sent",
    "connection",
    "connection_requests",
    "host",
    "hostname",
    "http_host",
    "ingress_name",
    "location_path",
    "msec",
    "namespace",
    "pid",
    "proxy_alternative_upstream_name",
    "proxy_protocol_addr",
    "proxy_upstream_name",
    "query_string",
    "remote_addr",
    "remote_user",
    "req_id",
    "request",
    "request_id",
    "request_length",
    "request_method",
    "request_time",
    "request_uri",
    "scheme",
    "server_name",
    "server_port",
    "server_protocol",
    "service_name",
    "service_port",
    "ssl_cipher",
    "ssl_protocol",
    "ssl_server_name",
    "status",
    "the_real_ip",
    "time_iso8601",
    "time_local",
    "upstream_addr",
    "upstream_response_length",
    "upstream_response_time",
    "upstream_status",
    "uri",
];

/// The variables of a template that are unknown, in order, each once.
pub(super) fn unknown(template: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in template.split('$').skip(1) {
        let part = part.strip_prefix('{').unwrap_or(part);
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let name = &part[..end];
        let known =
            VARIABLES.contains(&name) || name.strip_prefix("http_").is_some_and(|rest| !rest.is_empty());
        let text = format!("${name}");
        if !known && !name.is_empty() && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::DEFAULT_LOG_FORMAT;

    #[test]
    fn the_default_template_has_only_known_variables() {
        assert_eq!(unknown(DEFAULT_LOG_FORMAT), [""; 0]);
    }

    #[test]
    fn unknown_variables_are_found_in_both_spellings() {
        let template = "${status}x $geoip_city \"$http_x_y\" ${nope}$nope $ 5$";
        assert_eq!(unknown(template), ["$geoip_city", "$nope"]);
    }
}
