//! The old v1beta1 forms of an Ingress -> the v1 form.

use serde_json::{Map, Value, json};

/// Rewrites an Ingress of networking.k8s.io/v1beta1 or extensions/v1beta1 as v1: `serviceName` and `servicePort`,
/// `spec.backend`, and the absent `pathType`. Comes with what to tell: field, and how to update it.
pub fn upgrade(mut value: Value) -> (Value, Vec<(String, String)>) {
    let mut told = Vec::new();
    if let Some(version) = value.get("apiVersion").and_then(Value::as_str) {
        let message = format!(
            "{version} is an old form of Ingress that no supported Kubernetes serves: it is read as \
             networking.k8s.io/v1, write that instead"
        );
        told.push(("apiVersion".to_owned(), message));
        value["apiVersion"] = json!("networking.k8s.io/v1");
    }
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return (value, told) };
    if let Some(mut backend) = spec.remove("backend") {
        let message = "\"backend\" of the spec is called \"defaultBackend\" in v1: rename it";
        told.push(("spec.backend".to_owned(), message.to_owned()));
        upgrade_backend(&mut backend, "spec.backend", &mut told);
        spec.entry("defaultBackend").or_insert(backend);
    }
    let rules = spec.get_mut("rules").and_then(Value::as_array_mut);
    for (at, rule) in rules.into_iter().flatten().enumerate() {
        let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut);
        for (index, path) in paths.into_iter().flatten().enumerate() {
            upgrade_path(path, &format!("spec.rules[{at}].http.paths[{index}]"), &mut told);
        }
    }
    (value, told)
}

fn upgrade_path(path: &mut Value, field: &str, told: &mut Vec<(String, String)>) {
    let Some(path) = path.as_object_mut() else { return };
    if path.get("pathType").is_none_or(Value::is_null) {
        path.insert("pathType".into(), json!("ImplementationSpecific"));
        let message = "\"pathType\" is required in v1: add \"pathType: ImplementationSpecific\", which is what is assumed";
        told.push((field.to_owned(), message.to_owned()));
    }
    if path.get("path").is_none_or(Value::is_null) {
        path.insert("path".into(), json!("/"));
    }
    if let Some(backend) = path.get_mut("backend") {
        upgrade_backend(backend, &format!("{field}.backend"), told);
    }
}

fn upgrade_backend(backend: &mut Value, field: &str, told: &mut Vec<(String, String)>) {
    let Some(backend) = backend.as_object_mut() else { return };
    let (name, port) = (backend.remove("serviceName"), backend.remove("servicePort"));
    if name.is_none() && port.is_none() {
        return;
    }
    let mut service = Map::new();
    let name = name.unwrap_or_default();
    let shown = name.as_str().unwrap_or("NAME").to_owned();
    service.insert("name".into(), name);
    let (key, port) = match port {
        Some(Value::String(text)) => match text.parse::<u16>() {
            Ok(number) => ("number", json!(number)),
            Err(_) => ("name", json!(text)),
        },
        Some(number) => ("number", number),
        None => ("number", Value::Null),
    };
    let message = format!(
        "\"serviceName\" and \"servicePort\" are written \"service: {{name: {shown}, port: {{{key}: {}}}}}\" in v1",
        port.as_str().map_or_else(|| port.to_string(), str::to_owned)
    );
    told.push((field.to_owned(), message));
    if !port.is_null() {
        service.insert("port".into(), json!({ key: port }));
    }
    backend.entry("service").or_insert(Value::Object(service));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_name_and_port_become_a_service_and_each_change_is_told() {
        let old = json!({
            "apiVersion": "extensions/v1beta1",
            "spec": {
                "backend": {"serviceName": "rest", "servicePort": "http"},
                "rules": [{"http": {"paths": [{"backend": {"serviceName": "web", "servicePort": 8080}}]}}]
            }
        });
        let (new, told) = upgrade(old);
        assert_eq!(
            new,
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "spec": {
                    "defaultBackend": {"service": {"name": "rest", "port": {"name": "http"}}},
                    "rules": [{"http": {"paths": [{
                        "path": "/", "pathType": "ImplementationSpecific",
                        "backend": {"service": {"name": "web", "port": {"number": 8080}}}
                    }]}}]
                }
            })
        );
        let fields: Vec<&str> = told.iter().map(|(field, _)| field.as_str()).collect();
        let path = "spec.rules[0].http.paths[0]";
        assert_eq!(fields, ["apiVersion", "spec.backend", "spec.backend", path, &format!("{path}.backend")]);
        assert!(told[4].1.contains("service: {name: web, port: {number: 8080}}"), "{}", told[4].1);
    }

    #[test]
    fn shapes_that_are_no_ingress_pass_through() {
        for odd in [
            json!(null),
            json!([]),
            json!({"spec": 7}),
            json!({"spec": {"rules": [1, {"http": {"paths": [2]}}]}}),
        ] {
            assert_eq!(upgrade(odd.clone()).0, odd);
        }
    }
}
