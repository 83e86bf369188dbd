//! What becomes of one request, in the order in which a request is decided.

use slipway::routing::filter::{self, Head};
use slipway::routing::{Action, Tables, host, path};

use super::print;

/// The client of every request.
const CLIENT: [u8; 4] = [192, 0, 2, 1];

/// `GET http://host/path?query` -> a status with Location, or the backend with what it sees.
pub(crate) fn answer(tables: &Tables, request: &str) -> String {
    let (method, url) = request.split_once(' ').unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, uri) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let Some(name) = host::normalize(authority) else { return "400".into() };
    let (raw, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
    let Ok(path) = path::normalize(raw) else { return "400".into() };
    let received = authority.split(':').next().unwrap();
    let port = if scheme == "https" { 443 } else { 80 };
    let remote = CLIENT.into();
    let head = Head { scheme, host: received, port, path: &path, uri, query, method, remote };
    let found = tables.routes.explain(&name, &path);
    if let Some(to) = &found.table.www_redirect {
        return format!("308 {}", filter::www_location(&head, to));
    }
    if let Some(root) = found.table.app_root.as_ref().filter(|_| &*path == "/") {
        return format!("302 {}", filter::root_location(&head, root));
    }
    let route = &found.route;
    let shown = format!("by {} ({})", route.origin.path, found.route_reason);
    if route.action == Action::AddSlash {
        return format!("301 {}", filter::slash_location(&head));
    }
    if let Some(redirect) = &route.redirect {
        return format!("{} {}", redirect.status, redirect.location(&head));
    }
    if route.action == Action::Denied {
        return "503 denied".into();
    }
    let exempt = |prefix: &String| path.starts_with(prefix.as_str());
    let exempt = tables.routes.settings.no_tls_redirect_locations.iter().any(exempt);
    if let Some(redirect) = route.traffic.https_redirect.filter(|_| scheme == "http" && !exempt) {
        return format!("{} {}", redirect.status, filter::https_location(&head, redirect.keep_slash));
    }
    let Action::Proxy { backend, fallback } = route.action else { return format!("404 {shown}") };
    let count = |id| tables.endpoints.find(id).unwrap().targets.len();
    let backend = fallback.filter(|_| count(backend) == 0).unwrap_or(backend);
    if count(backend) == 0 {
        return format!("503 no endpoints {shown}");
    }
    if route.traffic.sources.as_ref().is_some_and(|sources| !sources.permits(remote)) {
        return format!("403 {shown}");
    }
    let seen = route.rewrite.as_ref().and_then(|rewrite| rewrite.apply(&head));
    let seen = seen.map(|uri| format!(" as {uri}")).unwrap_or_default();
    format!("{}{seen} {shown}", print::targets(&tables.endpoints, backend))
}
