//! The access log's template: `log-format-upstream`, parsed once.

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    /// Text and variables, in order.
    pub pieces: Vec<Piece>,
    /// Values are escaped for JSON strings instead of as nginx does by default.
    pub escape_json: bool,
}

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Written as it stands.
    Text(String),
    /// Replaced by its value, `-` where there is none.
    Value(Variable),
}

/// A variable of the log, named as nginx and ingress-nginx name it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are nginx's own")]
pub enum Variable {
    RemoteAddr,
    RemotePort,
    RemoteUser,
    TimeLocal,
    TimeIso8601,
    Msec,
    Request,
    RequestMethod,
    RequestUri,
    Uri,
    Args,
    Scheme,
    Host,
    ServerPort,
    ServerProtocol,
    Status,
    BodyBytesSent,
    RequestLength,
    RequestTime,
    ProxyUpstreamName,
    ProxyAlternativeUpstreamName,
    UpstreamAddr,
    UpstreamResponseLength,
    UpstreamResponseTime,
    UpstreamStatus,
    RequestId,
    Namespace,
    IngressName,
    ServiceName,
    ServicePort,
    LocationPath,
    TlsVersion,
    TlsCipher,
    TlsServerName,
    /// `$http_NAME`: a header field of the request, its name in lower case with `-`.
    Header(String),
}

const NAMES: &[(&str, Variable)] = &[
    ("remote_addr", Variable::RemoteAddr),
    ("the_real_ip", Variable::RemoteAddr),
    ("remote_port", Variable::RemotePort),
    ("remote_user", Variable::RemoteUser),
    ("time_local", Variable::TimeLocal),
    ("time_iso8601", Variable::TimeIso8601),
    ("msec", Variable::Msec),
    ("request", Variable::Request),
    ("request_method", Variable::RequestMethod),
    ("request_uri", Variable::RequestUri),
    ("uri", Variable::Uri),
    ("args", Variable::Args),
    ("query_string", Variable::Args),
    ("scheme", Variable::Scheme),
    ("pass_access_scheme", Variable::Scheme),
    ("host", Variable::Host),
    ("server_port", Variable::ServerPort),
    ("pass_server_port", Variable::ServerPort),
    ("server_protocol", Variable::ServerProtocol),
    ("status", Variable::Status),
    ("body_bytes_sent", Variable::BodyBytesSent),
    ("bytes_sent", Variable::BodyBytesSent),
    ("request_length", Variable::RequestLength),
    ("request_time", Variable::RequestTime),
    ("proxy_upstream_name", Variable::ProxyUpstreamName),
    ("proxy_alternative_upstream_name", Variable::ProxyAlternativeUpstreamName),
    ("upstream_addr", Variable::UpstreamAddr),
    ("upstream_response_length", Variable::UpstreamResponseLength),
    ("upstream_response_time", Variable::UpstreamResponseTime),
    ("upstream_status", Variable::UpstreamStatus),
    ("req_id", Variable::RequestId),
    ("request_id", Variable::RequestId),
    ("namespace", Variable::Namespace),
    ("ingress_name", Variable::IngressName),
    ("service_name", Variable::ServiceName),
    ("service_port", Variable::ServicePort),
    ("location_path", Variable::LocationPath),
    ("ssl_protocol", Variable::TlsVersion),
    ("ssl_cipher", Variable::TlsCipher),
    ("ssl_server_name", Variable::TlsServerName),
];

/// What the word `json` stands for as a template: the usual fields, one object a line.
const JSON: &str = r#"{"time":"$time_iso8601","remote_addr":"$remote_addr","request_id":"$req_id","method":"$request_method","scheme":"$scheme","host":"$host","uri":"$request_uri","protocol":"$server_protocol","status":$status,"request_length":$request_length,"body_bytes_sent":$body_bytes_sent,"request_time":$request_time,"referer":"$http_referer","user_agent":"$http_user_agent","namespace":"$namespace","ingress":"$ingress_name","service":"$service_name","service_port":"$service_port","upstream_addr":"$upstream_addr","upstream_status":"$upstream_status","upstream_response_time":"$upstream_response_time"}"#;

impl LogFormat {
    /// Parses a template (or the word `json`). Also gives the names of variables that are not known; they are logged
    /// as `-`.
    pub fn parse(template: &str, escape_json: bool) -> (Self, Vec<String>) {
        if template.trim() == "json" {
            return Self::parse(JSON, true);
        }
        let (mut pieces, mut unknown) = (Vec::new(), Vec::new());
        let mut rest = template;
        while let Some(at) = rest.find('$') {
            text(&mut pieces, &rest[..at]);
            let (name, behind) = variable_name(&rest[at + 1..]);
            if name.is_empty() {
                text(&mut pieces, "$");
            } else if let Some(variable) = Variable::named(name) {
                pieces.push(Piece::Value(variable));
            } else {
                unknown.push(name.to_owned());
                text(&mut pieces, "-");
            }
            rest = behind;
        }
        text(&mut pieces, rest);
        (Self { pieces, escape_json }, unknown)
    }
}

impl Variable {
    fn named(name: &str) -> Option<Self> {
        if let Some((_, variable)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Some(variable.clone());
        }
        name.strip_prefix("http_")
            .filter(|rest| !rest.is_empty())
            .map(|rest| Self::Header(rest.replace('_', "-")))
    }
}

/// The name at the start, with or without braces, and what follows it.
fn variable_name(text: &str) -> (&str, &str) {
    if let Some((name, rest)) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, rest);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

fn text(pieces: &mut Vec<Piece>, more: &str) {
    if more.is_empty() {
        return;
    }
    if let Some(Piece::Text(last)) = pieces.last_mut() {
        last.push_str(more);
    } else {
        pieces.push(Piece::Text(more.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::DEFAULT_LOG_FORMAT;

    #[test]
    fn text_and_variables_keep_their_order() {
        let (format, unknown) = LogFormat::parse("a $status${http_x_y}z$ $nope.", false);
        let text = |t: &str| Piece::Text(t.into());
        let pieces = [
            text("a "),
            Piece::Value(Variable::Status),
            Piece::Value(Variable::Header("x-y".into())),
            text("z$ -."),
        ];
        assert_eq!(format.pieces, pieces);
        assert_eq!(unknown, ["nope"]);
    }

    #[test]
    fn the_ready_made_templates_have_only_known_variables() {
        assert_eq!(LogFormat::parse(DEFAULT_LOG_FORMAT, false).1, Vec::<String>::new());
        let (json, unknown) = LogFormat::parse("json", false);
        assert!(unknown.is_empty() && json.escape_json);
    }
}
