//! Tables, verdicts and reports as YAML that people read.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use slipway::compile::{Compiled, Verdict};
use slipway::model::policy::Policy;
use slipway::model::settings::Settings;
use slipway::routing::{Action, BackendId, EndpointTable, HostTable, Route, Tables, Target, Traffic};

/// What differs from the defaults, then every host with its routes in the order of matching, then certificates.
pub(crate) fn tables(tables: &Tables) -> String {
    let mut out = String::new();
    let settings = difference(&*tables.routes.settings, &Settings::default());
    list(
        &mut out,
        "settings",
        settings.into_iter().map(|(field, value)| format!("{field}: {}", quoted(&value))),
    );
    out.push_str("hosts:\n");
    for host in tables.routes.hosts() {
        print_host(&mut out, host, tables);
    }
    let mut certificates: Vec<String> = tables
        .routes
        .certificates
        .all()
        .map(|(host, certificate)| {
            let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
            format!("{}: {} for {}", quoted(&host.to_string()), certificate.algorithm, names.join(", "))
        })
        .collect();
    certificates.sort();
    if let Some(default) = tables.routes.certificates.find(None) {
        let names: Vec<String> = default.names.iter().map(ToString::to_string).collect();
        certificates.push(format!("default: {} for {}", default.algorithm, names.join(", ")));
    }
    list(&mut out, "certificates", certificates);
    out
}

/// What became of each object, and what its owner is told.
pub(crate) fn outcomes(compiled: &Compiled) -> String {
    let mut out = String::new();
    let verdicts = compiled.outcomes();
    let verdicts = verdicts.iter().map(|outcome| {
        let verdict = match outcome.verdict {
            Verdict::Served => "served",
            Verdict::ServedInPart => "served in part",
            Verdict::Refused => "refused",
            Verdict::NotOurs => "not ours",
        };
        format!("{}: {verdict}", outcome.object)
    });
    list(&mut out, "verdicts", verdicts);
    list(
        &mut out,
        "reports",
        compiled.reports.iter().map(|report| {
            let place = report.place.as_ref().map(ToString::to_string).unwrap_or_default();
            let message = quoted(&report.message);
            format!(
                "{} {}: {}\n  at: {place} {}\n  says: {message}",
                report.severity,
                report.reason,
                report.object,
                report.field.as_deref().unwrap_or_default(),
            )
        }),
    );
    out
}

fn print_host(out: &mut String, host: &HostTable, tables: &Tables) {
    writeln!(out, "  {}:", quoted(&host.host.to_string())).unwrap();
    if host.certificate {
        out.push_str("    certificate entry: true\n");
    }
    if let Some(root) = &host.app_root {
        writeln!(out, "    app root: {}", quoted(root)).unwrap();
    }
    if let Some(to) = &host.www_redirect {
        writeln!(out, "    all goes to: {to}").unwrap();
    }
    out.push_str("    routes:\n");
    for route in host.routes() {
        print_route(out, route, host, tables);
    }
}

fn print_route(out: &mut String, route: &Route, host: &HostTable, tables: &Tables) {
    let origin = &route.origin;
    let ingress = origin.ingress.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    let kind =
        if origin.is_default { "default".to_owned() } else { format!("{} {}", origin.kind, origin.path) };
    let action = quoted(&action(route, &tables.endpoints));
    writeln!(out, "    - {}: {action}", quoted(&format!("{kind} of {ingress}"))).unwrap();
    if let Some(redirect) = &route.redirect {
        writeln!(out, "      redirect: {} {}", redirect.status, redirect.target()).unwrap();
    }
    if let Some(rewrite) = &route.rewrite {
        writeln!(out, "      rewrite: {}", quoted(rewrite.target())).unwrap();
    }
    let usual = Traffic::resolve(&Policy::default(), &tables.routes.settings, host.certificate);
    for (field, value) in difference(&*route.traffic, &usual) {
        writeln!(out, "      {field}: {}", quoted(&value)).unwrap();
    }
}

fn action(route: &Route, endpoints: &EndpointTable) -> String {
    match route.action {
        Action::NotFound => "404".to_owned(),
        Action::Denied => "503 denied".to_owned(),
        Action::AddSlash => "301 with a slash".to_owned(),
        Action::Proxy { backend, fallback } => {
            let fallback = fallback.map(|id| format!(", else {}", targets(endpoints, id)));
            format!("{}{}", targets(endpoints, backend), fallback.unwrap_or_default())
        }
    }
}

/// A backend with its targets.
pub(crate) fn targets(endpoints: &EndpointTable, id: BackendId) -> String {
    let backend = endpoints.find(id).unwrap();
    let targets: Vec<String> = backend.targets.iter().map(target).collect();
    format!("{}:{} [{}]", backend.service, backend.port, targets.join(", "))
}

fn target(target: &Target) -> String {
    match target {
        Target::Address(address) => address.to_string(),
        Target::Name { host, port } => format!("{host}:{port}"),
    }
}

fn list(out: &mut String, title: &str, items: impl IntoIterator<Item = String>) {
    let items: Vec<String> = items.into_iter().collect();
    if !items.is_empty() {
        writeln!(out, "{title}:").unwrap();
        for item in items {
            writeln!(out, "- {item}").unwrap();
        }
    }
}

/// The fields of a struct that differ, by their debug form.
fn difference<T: Debug>(found: &T, usual: &T) -> BTreeMap<String, String> {
    let usual = fields(usual);
    fields(found).into_iter().filter(|(field, value)| usual.get(field) != Some(value)).collect()
}

fn fields<T: Debug>(value: &T) -> BTreeMap<String, String> {
    let text = format!("{value:#?}");
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().skip(1).filter(|line| *line != "}") {
        let own = line.strip_prefix("    ").filter(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
        match own.and_then(|rest| rest.split_once(": ")) {
            Some((field, value)) => fields.push((field.to_owned(), value.to_owned())),
            None => {
                let (_, value) = fields.last_mut().unwrap();
                value.push(' ');
                value.push_str(line.trim());
            }
        }
    }
    let tidy = |value: String| {
        let value = value.replace("( ", "(").replace("[ ", "[").replace(", )", ")").replace(", ]", "]");
        let value = value.replace(", }", " }").trim_end_matches(',').to_owned();
        let some = value.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')'));
        some.map_or(value.clone(), str::to_owned)
    };
    fields.into_iter().map(|(field, value)| (field, tidy(value))).collect()
}

/// Text as a YAML scalar.
pub(crate) fn quoted(text: &str) -> String {
    if text.len() > 1 && text.starts_with('"') && text.ends_with('"') {
        return text.to_owned(); // is one already
    }
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains('\n')
        && !text.ends_with(':');
    if plain { text.to_owned() } else { format!("{text:?}") }
}
