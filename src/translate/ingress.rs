//! Ingress (networking.k8s.io/v1) -> model.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::networking::v1;

use super::{Options, annotation, namespaced};
use crate::model::route::{BackendRef, Host, Ingress, Path, PathKind, PortRef, Rule, Tls};
use crate::model::{Kind, Name, ObjectRef, Origin, Report, Severity};

/// The annotation that names the class, from before there was `spec.ingressClassName`.
pub(super) const CLASS: &str = "kubernetes.io/ingress.class";

/// Translates an Ingress. A rule or path that cannot be understood is left out and told in [`Ingress::reports`]; `Err`
/// only when the object has no name.
pub fn ingress(
    object: &v1::Ingress,
    origin: Option<Arc<Origin>>,
    options: &Options,
) -> Result<Ingress, Report> {
    let name = namespaced(Kind::Ingress, &object.metadata)?;
    let none = BTreeMap::new();
    let annotations = object.metadata.annotations.as_ref().unwrap_or(&none);
    let (policy, reports) = annotation::policy(annotations, &name, origin.as_ref(), options);
    let mut told = Told { object: &name, origin: origin.as_ref(), reports, more: Vec::new() };
    let empty = v1::IngressSpec::default();
    let spec = object.spec.as_ref().unwrap_or(&empty);
    let default_backend =
        spec.default_backend.as_ref().and_then(|b| backend(b, "spec.defaultBackend", &mut told));
    let rules = spec.rules.as_deref().unwrap_or_default();
    if rules.is_empty() && spec.default_backend.is_none() {
        let message = "has neither rules nor a defaultBackend, so it serves nothing: add one of them";
        told.tell(Severity::Warning, "NothingAsked", "spec", message.into());
    }
    let rules = rules.iter().enumerate().filter_map(|(at, r)| rule(at, r, &mut told)).collect();
    let tls = spec.tls.as_deref().unwrap_or_default();
    let tls = tls.iter().enumerate().map(|(at, entry)| tls_entry(at, entry, &mut told)).collect();
    let reports = told.end();
    Ok(Ingress {
        object: name,
        origin,
        created: object.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second()),
        class_name: spec.ingress_class_name.as_deref().filter(|name| !name.is_empty()).map(Name::from),
        class_annotation: annotations.get(CLASS).map(|class| class.as_str().into()),
        rules,
        default_backend,
        tls,
        policy: Arc::new(policy),
        reports,
    })
}

/// Nobody reads more reports about one object than this, but an object of nothing but faults would make very many.
const MOST: usize = 200;

/// Where to tell what is wrong.
struct Told<'a> {
    object: &'a ObjectRef,
    origin: Option<&'a Arc<Origin>>,
    reports: Vec<Report>,
    /// How bad what is not told one by one is.
    more: Vec<Severity>,
}

impl Told<'_> {
    fn tell(&mut self, severity: Severity, reason: &'static str, field: &str, message: String) {
        if self.reports.len() < MOST {
            self.reports.push(Report::new(self.object, severity, reason, message).at(field, self.origin));
        } else {
            self.more.push(severity);
        }
    }

    fn end(mut self) -> Vec<Report> {
        if let Some(worst) = self.more.iter().max() {
            let message = format!("{} more faults are not told: mend those that are", self.more.len());
            self.reports.push(Report::new(self.object, *worst, "MoreFaults", message).of(self.origin));
        }
        self.reports
    }
}

fn rule(at: usize, rule: &v1::IngressRule, told: &mut Told<'_>) -> Option<Rule> {
    let field = format!("spec.rules[{at}]");
    let host = match Host::parse(rule.host.as_deref().unwrap_or_default()) {
        Ok(host) => host,
        Err(why) => {
            let message = format!("{why}; the rule is not served");
            told.tell(Severity::Error, "InvalidHost", &format!("{field}.host"), message);
            return None;
        }
    };
    let paths = rule.http.iter().flat_map(|http| http.paths.iter());
    let paths = paths
        .enumerate()
        .filter_map(|(index, p)| path(&format!("{field}.http.paths[{index}]"), index, p, told));
    Some(Rule { host, paths: paths.collect(), index: at })
}

fn path(field: &str, index: usize, path: &v1::HTTPIngressPath, told: &mut Told<'_>) -> Option<Path> {
    let kind = path_kind(field, &path.path_type, told)?;
    let text = match path.path.as_deref().unwrap_or_default() {
        "" => {
            if kind != PathKind::ImplementationSpecific {
                let message = format!("pathType {kind} needs a path, \"/\" is assumed: add \"path: /\"");
                told.tell(Severity::Warning, "PathMissing", field, message);
            }
            "/"
        }
        text => text,
    };
    if let Some(why) = wrong_path(text, kind) {
        let message = format!("path \"{}\" {why}; it is not served", text.escape_debug());
        told.tell(Severity::Error, "InvalidPath", &format!("{field}.path"), message);
        return None;
    }
    let backend = backend(&path.backend, &format!("{field}.backend"), told)?;
    Some(Path { path: text.into(), kind, backend, index })
}

fn path_kind(field: &str, text: &str, told: &mut Told<'_>) -> Option<PathKind> {
    match text {
        "Exact" => Some(PathKind::Exact),
        "Prefix" => Some(PathKind::Prefix),
        "ImplementationSpecific" => Some(PathKind::ImplementationSpecific),
        "" => {
            let message = "pathType is missing, ImplementationSpecific is assumed: add Exact, Prefix or \
                           ImplementationSpecific";
            told.tell(Severity::Warning, "PathTypeMissing", field, message.into());
            Some(PathKind::ImplementationSpecific)
        }
        other => {
            let message = format!(
                "pathType \"{other}\" is unknown, the path is not served: write Exact, Prefix or ImplementationSpecific"
            );
            told.tell(Severity::Error, "InvalidPathType", &format!("{field}.pathType"), message);
            None
        }
    }
}

/// Why a path cannot be served. Requests are matched after normalization, so some paths could never match.
fn wrong_path(text: &str, kind: PathKind) -> Option<&'static str> {
    if !text.starts_with('/') {
        return Some("must start with \"/\"");
    }
    if text.chars().any(char::is_control) {
        return Some("must not hold control characters");
    }
    if kind == PathKind::ImplementationSpecific {
        return None; // perhaps a regular expression
    }
    if text.contains("//") {
        return Some("can never match, since \"//\" in a request counts as \"/\": write one slash");
    }
    if text.split('/').any(|element| element == "." || element == "..") {
        return Some(
            "can never match, since \".\" and \"..\" in a request are resolved first: write it without them",
        );
    }
    None
}

fn backend(backend: &v1::IngressBackend, field: &str, told: &mut Told<'_>) -> Option<BackendRef> {
    if let Some(service) = &backend.service {
        if service.name.is_empty() {
            let message = "the backend names no Service; it is not served: add service.name".to_owned();
            told.tell(Severity::Error, "InvalidBackend", &format!("{field}.service"), message);
            return None;
        }
        let port = port(service.port.as_ref(), &format!("{field}.service"), told)?;
        return Some(BackendRef::Service { name: service.name.as_str().into(), port });
    }
    let Some(resource) = &backend.resource else {
        let message = "the backend names no Service; it is not served: write \
                       \"service: {name: NAME, port: {number: PORT}}\" (serviceName and servicePort are the old form)";
        told.tell(Severity::Error, "InvalidBackend", field, message.to_owned());
        return None;
    };
    Some(BackendRef::Resource { what: format!("{}/{}", resource.kind, resource.name).into() })
}

fn port(port: Option<&v1::ServiceBackendPort>, field: &str, told: &mut Told<'_>) -> Option<PortRef> {
    let name = port.and_then(|port| port.name.as_deref()).filter(|name| !name.is_empty());
    let number = port.and_then(|port| port.number);
    if let (Some(name), None) = (name, number) {
        return Some(PortRef::Name(name.into()));
    }
    if let Some(number) = number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0) {
        if name.is_some() {
            let message = format!("port has a name and a number, {number} is used: remove one of them");
            told.tell(Severity::Warning, "InvalidPort", &format!("{field}.port"), message);
        }
        return Some(PortRef::Number(number));
    }
    let message = "the backend's port is missing or out of range; it is not served: write \
                   \"port: {number: 80}\" (1 to 65535) or \"port: {name: http}\"";
    told.tell(Severity::Error, "InvalidPort", &format!("{field}.port"), message.into());
    None
}

fn tls_entry(at: usize, entry: &v1::IngressTLS, told: &mut Told<'_>) -> Tls {
    let mut hosts = Vec::new();
    for (index, text) in entry.hosts.iter().flatten().enumerate() {
        match Host::parse(text) {
            Ok(host) => hosts.push(host),
            Err(why) => {
                let message = format!("{why}; it gets no certificate of its own");
                told.tell(
                    Severity::Warning,
                    "InvalidHost",
                    &format!("spec.tls[{at}].hosts[{index}]"),
                    message,
                );
            }
        }
    }
    let secret = entry.secret_name.as_deref().filter(|name| !name.is_empty());
    Tls { hosts, secret: secret.map(Name::from), index: at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(spec: &str) -> Ingress {
        let text = format!(r#"{{"metadata": {{"name": "web"}}, "spec": {spec}}}"#);
        ingress(&serde_json::from_str(&text).unwrap(), None, &Options::default()).unwrap()
    }

    fn one_path(path: &str, kind: &str) -> (usize, Vec<&'static str>) {
        let ingress = translate(&format!(
            r#"{{"rules": [{{"http": {{"paths": [{{"path": "{path}", "pathType": "{kind}",
                "backend": {{"service": {{"name": "web", "port": {{"number": 80}}}}}}}}]}}}}]}}"#
        ));
        (ingress.rules[0].paths.len(), ingress.reports.iter().map(|r| r.reason).collect())
    }

    #[test]
    fn a_path_starts_with_a_slash_and_has_a_known_type() {
        assert_eq!(one_path("/a", "Prefix"), (1, vec![]));
        assert_eq!(one_path("a", "Prefix"), (0, vec!["InvalidPath"]));
        assert_eq!(one_path("a", "ImplementationSpecific"), (0, vec!["InvalidPath"]));
        assert_eq!(one_path("", "Exact"), (1, vec!["PathMissing"]));
        assert_eq!(one_path("", "ImplementationSpecific"), (1, vec![]));
        assert_eq!(one_path("/a", "prefix"), (0, vec!["InvalidPathType"]));
        assert_eq!(one_path("/a", ""), (1, vec!["PathTypeMissing"]));
        assert_eq!(one_path("/a//b", "Exact"), (0, vec!["InvalidPath"]));
        assert_eq!(one_path("/a/../b", "Prefix"), (0, vec!["InvalidPath"]));
        assert_eq!(one_path("/a//b|.*/..", "ImplementationSpecific"), (1, vec![]));
    }

    #[test]
    fn characters_that_only_admission_refuses_are_served() {
        assert_eq!(one_path("/a(b)*", "Prefix"), (1, vec![]));
    }

    #[test]
    fn a_bad_host_takes_only_its_own_rule() {
        let ingress = translate(r#"{"rules": [{"host": "a_b!.x"}, {"host": "*.Fine.example."}]}"#);
        assert_eq!(ingress.rules.len(), 1);
        assert_eq!(
            (ingress.rules[0].index, ingress.rules[0].host.to_string().as_str()),
            (1, "*.fine.example")
        );
        assert_eq!(ingress.reports[0].field.as_deref(), Some("spec.rules[0].host"));
    }

    #[test]
    fn an_object_of_nothing_but_faults_is_told_in_part_and_its_errors_are_not_hidden() {
        let rules = |text: &str| format!(r#"{{"rules": [{}]}}"#, vec![text; MOST + 1].join(","));
        let warnings =
            r#"{"http": {"paths": [{"path": "/", "backend": {"resource": {"kind": "a", "name": "b"}}}]}}"#;
        let Ingress { reports, .. } = translate(&rules(warnings));
        assert_eq!((reports.len(), reports[MOST].severity), (MOST + 1, Severity::Warning));
        let both = rules(warnings).replace("]}}]}", r#"]}}, {"host": "!"}]}"#);
        let Ingress { reports, .. } = translate(&both);
        assert_eq!((reports.len(), reports[MOST].severity), (MOST + 1, Severity::Error));
        assert!(reports[MOST].message.starts_with("2 more faults"), "{}", reports[MOST].message);
    }

    #[test]
    fn a_resource_backend_is_kept_for_its_404_which_compiling_tells() {
        let ingress = translate(r#"{"defaultBackend": {"resource": {"kind": "Bucket", "name": "b"}}}"#);
        assert_eq!(ingress.default_backend, Some(BackendRef::Resource { what: "Bucket/b".into() }));
        assert_eq!(ingress.reports, []);
    }

    #[test]
    fn a_backend_needs_a_port() {
        let ingress = translate(r#"{"defaultBackend": {"service": {"name": "b"}}}"#);
        assert_eq!(ingress.default_backend, None);
        assert_eq!(ingress.reports[0].field.as_deref(), Some("spec.defaultBackend.service.port"));
    }
}
