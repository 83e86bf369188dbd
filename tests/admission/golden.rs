//! Pairs of a review and its answer.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use slipway::admission::{self, Rules};
use slipway::compile::{self, Compiled, compile};
use slipway::model::Key;
use slipway::source::files::{KINDS, Options, load_text};
use slipway::store::Store;

/// 2026-10-01 00:00 UTC.
pub const NOW: i64 = 1_790_812_800;

#[test]
fn every_pair_holds() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    let inputs = inputs();
    assert!(inputs.len() > 30, "the pairs were not found");
    for input in inputs {
        let name = input.file_name().unwrap().to_str().unwrap().to_owned();
        let output = input.with_file_name(name.replace(".in.json", ".out.json"));
        let found = Case::read(&input).answer();
        let wanted = fs::read_to_string(&output).unwrap_or_default();
        if update {
            fs::write(&output, &found).unwrap();
        } else if found != wanted {
            writeln!(wrong, "{name}:\n{found}instead of\n{wanted}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes what is answered now:\n{wrong}");
}

#[test]
fn every_output_has_its_input() {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    for output in files.filter(|path| path.to_str().unwrap().ends_with(".out.json")) {
        let input = output.to_str().unwrap().replace(".out.json", ".in.json");
        assert!(Path::new(&input).exists(), "{input} is missing");
    }
}

#[test]
fn a_review_leaves_what_is_in_force_as_it_is() {
    let case = Case::read(&directory().join("update-takes-path-of-younger.in.json"));
    let compiled = case.compiled();
    let before = (compiled.reports.clone(), compiled.snapshot().ingresses.clone());
    let body = case.review().to_string();
    for _ in 0..3 {
        let answer = admission::answer(body.as_bytes(), &compiled, &case.rules, NOW).unwrap();
        assert!(String::from_utf8(answer.body).unwrap().contains("\"allowed\":false"));
    }
    assert_eq!(before.0, compiled.reports);
    assert!(before.1.is_same(&compiled.snapshot().ingresses));
}

#[test]
fn a_review_without_its_object_is_no_review() {
    let case = Case::read(&directory().join("create-fine.in.json"));
    let mut review = case.review();
    review["request"]["object"] = Value::Null;
    let why = admission::answer(review.to_string().as_bytes(), &case.compiled(), &case.rules, NOW).err();
    assert!(why.unwrap().contains("no object"));
}

#[test]
fn an_object_of_too_many_parts_is_refused_unless_it_was_there() {
    let case = Case::read(&directory().join("create-fine.in.json"));
    let (compiled, mut review) = (case.compiled(), case.review());
    let answer = |review: &Value| {
        let answer = admission::answer(review.to_string().as_bytes(), &compiled, &case.rules, NOW).unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].clone()
    };
    let object = review["request"]["object"].clone();
    review["request"]["object"]["spec"]["rules"] = json!(vec![json!({}); 150_000]);
    let refused = answer(&review);
    assert_eq!(refused["allowed"], false);
    assert!(refused["status"]["message"].as_str().unwrap().contains("too large"), "{refused}");
    let paths: Vec<Value> = (0..1001)
        .map(|n| {
            let service = json!({ "name": "web", "port": { "number": 80 } });
            json!({ "path": format!("/{n}"), "pathType": "Prefix", "backend": { "service": service } })
        })
        .collect();
    review["request"]["object"]["spec"]["rules"] =
        json!([{ "host": "web.example", "http": { "paths": paths } }]);
    assert_eq!(answer(&review)["allowed"], true);
    review["request"]["object"]["metadata"]["annotations"] =
        json!({ "nginx.ingress.kubernetes.io/use-regex": "true" });
    assert_eq!(answer(&review)["allowed"], false);
    review["request"]["object"]["spec"]["rules"] = json!(vec![json!({}); 150_000]);
    // It is another controller's to say so.
    review["request"]["object"]["spec"]["ingressClassName"] = json!("other");
    assert_eq!(answer(&review)["allowed"], true);
    review["request"]["object"]["spec"]["ingressClassName"] = json!("nginx");
    // Back to a sensible size, or a new label on it: both have to be possible.
    let large = review["request"]["object"].clone();
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = large;
    assert_eq!(answer(&review)["allowed"], true);
    review["request"]["object"] = object;
    assert_eq!(answer(&review)["allowed"], true);
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/admission")
}

fn inputs() -> Vec<PathBuf> {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = files.filter(|path| path.to_str().unwrap().ends_with(".in.json")).collect();
    inputs.sort();
    inputs
}

/// One input.
pub struct Case {
    input: Value,
    source: Options,
    pub rules: Rules,
}

impl Case {
    pub fn named(name: &str) -> Self {
        Self::read(&directory().join(format!("{name}.in.json")))
    }

    fn read(path: &Path) -> Self {
        let input: Value = serde_json::from_str(&fs::read_to_string(path).unwrap())
            .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let mut source = Options::default();
        let mut options = compile::Options::default();
        for pair in texts(&input["set"]) {
            let (key, value) = pair.split_once('=').unwrap();
            source.overrides.push((key.to_owned(), value.to_owned()));
        }
        for text in texts(&input["flags"]) {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            match name {
                "watch-namespace" => options.watch_namespace = Some(value.into()),
                "disable-catch-all" => options.disable_catch_all = true,
                other => panic!("no flag {other}"),
            }
        }
        let rules = Rules { translate: source.translate.clone(), compile: options };
        Self { input, source, rules }
    }

    /// What is in force.
    pub fn compiled(&self) -> Compiled {
        let class = |name: &str, controller: &str| {
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": { "name": name },
                "spec": { "controller": controller },
            })
        };
        let mut items = vec![class("nginx", "k8s.io/ingress-nginx"), class("other", "example.com/other")];
        items.extend(texts(&self.input["backends"]).flat_map(backend));
        items.extend(self.input["cluster"].as_array().into_iter().flatten().cloned());
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        let mut store = Store::new(KINDS);
        for update in load_text("cluster.json", &list.to_string(), &self.source).updates {
            store.apply(update);
        }
        assert!(store.is_complete());
        // As from an API server: no object knows a file.
        let mut snapshot = store.snapshot();
        for (key, ingress) in store.snapshot().ingresses.iter() {
            let mut ingress = (**ingress).clone();
            ingress.origin = None;
            ingress.reports.iter_mut().for_each(|report| report.place = None);
            snapshot.ingresses.insert(key.clone(), ingress.into());
        }
        compile(&snapshot, &self.rules.compile, NOW, None)
    }

    /// The whole AdmissionReview.
    pub fn review(&self) -> Value {
        let mut request = self.input["review"].clone();
        let object = if request["object"].is_null() { &request["oldObject"] } else { &request["object"] };
        let metadata = object["metadata"].clone();
        let defaults = json!({
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "networking.k8s.io", "version": "v1", "kind": "Ingress" },
            "resource": { "group": "networking.k8s.io", "version": "v1", "resource": "ingresses" },
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "userInfo": { "username": "admin", "groups": ["system:masters"] },
            "object": null,
            "oldObject": null,
            "dryRun": false,
            "options": null,
        });
        for (key, value) in defaults.as_object().unwrap() {
            request.as_object_mut().unwrap().entry(key).or_insert(value.clone());
        }
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request })
    }

    fn answer(&self) -> String {
        let body = self.review().to_string();
        let answer = admission::answer(body.as_bytes(), &self.compiled(), &self.rules, NOW).unwrap();
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            (&value["apiVersion"], &value["kind"]),
            (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
        assert_eq!(value["response"]["uid"], self.review()["request"]["uid"]);
        let object = &self.review()["request"]["object"]["metadata"];
        assert!(
            object.is_null()
                || answer.subject
                    == Key::new(object["namespace"].as_str().unwrap(), object["name"].as_str().unwrap())
        );
        serde_json::to_string_pretty(&value["response"]).unwrap() + "\n"
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap())
}

fn backend(name: &str) -> [Value; 2] {
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
            "spec": { "clusterIP": "10.96.0.9", "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": format!("{name}-1"), "labels": { "kubernetes.io/service-name": name } },
            "addressType": "IPv4", "ports": [{ "name": "http", "port": 8080 }],
            "endpoints": [{ "addresses": ["10.0.0.1"] }],
        }),
    ]
}
