//! The rights that the chart gives are those of docs/rbac.md, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::kubernetes::{Cluster, kubectl};
use super::release::Release;

/// What may be done: resource, name of the object or nothing, verb.
type Right = (String, String, String);

#[test]
#[ignore = "needs the test cluster: tests/run.sh cluster"]
fn rights_are_those_of_the_documentation() {
    let cluster = Cluster::shared();
    let elsewhere = cluster.namespace("elsewhere");
    let release = Release::install(
        &cluster,
        "rights",
        &["controller.replicaCount=1", "controller.service.type=ClusterIP"],
    );
    let own = &release.namespace.name;
    assert_eq!(granted(&release, own), documented(&release, &["watched", "cluster", "own"]));
    assert_eq!(granted(&release, &elsewhere.name), documented(&release, &["watched", "cluster"]));

    release.upgrade(&["controller.scope.enabled=true"]);
    assert_eq!(granted(&release, own), documented(&release, &["watched", "cluster", "own"]));
    assert_eq!(granted(&release, &elsewhere.name), documented(&release, &["cluster"]));

    release.upgrade(&["rbac.scope=true"]);
    assert_eq!(granted(&release, own), documented(&release, &["watched", "own"]));
    assert_eq!(granted(&release, &elsewhere.name), BTreeSet::new());
}

/// The rows of the table that are there by default, and at these places.
fn documented(release: &Release, places: &[&str]) -> BTreeSet<Right> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rbac.md");
    let text = fs::read_to_string(page).unwrap();
    let table = text.split("<!-- rights -->").nth(1).unwrap().split("<!-- end -->").next().unwrap();
    let mut rights = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| yes ")) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [place, resource, name, verbs] = [2, 3, 4, 5].map(|at| cells[at].as_str());
        let name = name.replace("RELEASE", release.class());
        if places.contains(&place) {
            rights.extend(
                verbs.split_whitespace().map(|verb| (resource.to_owned(), name.clone(), verb.to_owned())),
            );
        }
    }
    assert!(!rights.is_empty(), "no row of {places:?} in docs/rbac.md");
    rights
}

/// What its service account may do in a namespace, beyond what every account may.
fn granted(release: &Release, namespace: &str) -> BTreeSet<Right> {
    let own = &release.namespace.name;
    let list = |account: &str| {
        let user = format!("--as=system:serviceaccount:{own}:{account}");
        rights(&kubectl(&["auth", "can-i", "--list", "--no-headers", &user, "--namespace", namespace]))
    };
    list(own).difference(&list("nobody")).cloned().collect()
}

/// A line of `kubectl auth can-i --list` is `RESOURCE [URL...] [NAME...] [VERB...]`; those of URLs have no resource.
fn rights(list: &str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for line in list.lines() {
        let (resource, rest) = line.split_once('[').unwrap();
        let lists: Vec<Vec<&str>> = rest
            .split('[')
            .map(|list| list.trim().trim_end_matches(']').split_whitespace().collect())
            .collect();
        let [urls, names, verbs] = &lists[..] else { panic!("not understood: {line}") };
        let subjects = if urls.is_empty() { vec![resource.trim()] } else { urls.clone() };
        for (subject, verb) in
            subjects.iter().flat_map(|subject| verbs.iter().map(move |verb| (subject, verb)))
        {
            let names = if names.is_empty() { vec![""] } else { names.clone() };
            rights.extend(names.iter().map(|name| (subject.to_string(), name.to_string(), verb.to_string())));
        }
    }
    rights
}
