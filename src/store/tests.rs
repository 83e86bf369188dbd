use super::*;
use crate::model::Severity;
use crate::model::service::{Endpoint, Exposure, ServiceKind};

fn service(name: &str, ready: bool) -> Update {
    Update::Apply(Box::new(Object::Service(Service {
        object: ObjectRef::new(Kind::Service, "n", name),
        origin: None,
        kind: ServiceKind::ClusterIp,
        cluster_ips: Vec::new(),
        ports: Vec::new(),
        publish_not_ready: ready,
        created: None,
        exposure: Exposure::default(),
    })))
}

fn endpoints(kind: Kind, name: &str, service: &str, last: u8) -> Update {
    let object = ObjectRef::new(kind, "n", name);
    let service = Key::new("n", service);
    let endpoint = Endpoint {
        address: [10, 0, 0, last].into(),
        ready: true,
        serving: true,
        terminating: false,
        topology: None,
        hostname: None,
        pod: None,
    };
    let set = EndpointSet {
        object: object.clone(),
        service: service.clone(),
        ports: Vec::new(),
        endpoints: vec![endpoint],
        triggered: None,
    };
    Update::Apply(Box::new(Object::Endpoints { service, object, sets: vec![set] }))
}

fn addresses(store: &Store, service: &str) -> Vec<String> {
    let sets = store.snapshot().endpoints.get(&Key::new("n", service)).cloned();
    let sets = sets.iter().flat_map(|sets| sets.iter());
    sets.flat_map(|set| &set.endpoints).map(|e| e.address.to_string()).collect()
}

#[test]
fn a_store_is_complete_after_the_first_list_of_each_awaited_kind() {
    let mut store = Store::new(&[Kind::Service, Kind::Ingress]);
    assert!(!store.apply(Update::Complete(Kind::Secret)));
    store.apply(Update::Begin(Kind::Service));
    assert!(!store.apply(Update::Complete(Kind::Service)));
    assert!(!store.is_complete());
    assert!(store.apply(Update::Complete(Kind::Ingress)), "an empty cluster is something to publish");
    assert!(store.is_complete());
}

#[test]
fn a_list_shows_when_it_is_complete_and_what_is_not_in_it_is_gone() {
    let mut store = Store::new(&[]);
    store.apply(service("old", false));
    store.apply(Update::Begin(Kind::Service));
    assert!(!store.apply(service("new", false)));
    assert_eq!(store.snapshot().services.len(), 1);
    assert!(store.snapshot().services.contains_key(&Key::new("n", "old")));
    assert!(store.apply(Update::Complete(Kind::Service)));
    let services = store.snapshot().services;
    assert_eq!(services.keys().collect::<Vec<_>>(), [&Key::new("n", "new")]);
}

#[test]
fn an_equal_object_is_no_change_and_keeps_its_pointer() {
    let mut store = Store::new(&[]);
    assert!(store.apply(service("a", false)));
    let before = store.snapshot();
    assert!(!store.apply(service("a", false)));
    store.apply(Update::Begin(Kind::Service));
    store.apply(service("a", false));
    assert!(!store.apply(Update::Complete(Kind::Service)), "a list of the same objects changes nothing");
    assert!(before.services.is_same(&store.snapshot().services));
    assert!(store.apply(service("a", true)));
    let key = Key::new("n", "a");
    assert!(!Arc::ptr_eq(&before.services[&key], &store.snapshot().services[&key]));
    assert!(!before.services[&key].publish_not_ready, "a snapshot never changes");
}

#[test]
fn a_slice_that_says_the_same_at_another_time_is_no_change() {
    let mut store = Store::new(&[]);
    let at = |time: Option<i64>, last: u8| {
        let mut update = endpoints(Kind::EndpointSlice, "web-a", "web", last);
        if let Update::Apply(object) = &mut update
            && let Object::Endpoints { sets, .. } = object.as_mut()
        {
            sets[0].triggered = time;
        }
        update
    };
    let key = Key::new("n", "web");
    let time = |store: &Store| store.snapshot().endpoints[&key][0].triggered;
    assert!(store.apply(at(Some(1), 1)));
    let before = store.snapshot();
    assert!(!store.apply(at(Some(2), 1)) && !store.apply(at(None, 1)));
    assert!(before.endpoints.is_same(&store.snapshot().endpoints), "nothing is compiled for it");
    assert_eq!(time(&store), Some(1));
    assert!(store.apply(at(Some(3), 2)));
    assert_eq!(time(&store), Some(3));
}

#[test]
fn slices_count_before_endpoints_and_are_sorted_by_name() {
    let mut store = Store::new(&[]);
    assert!(store.apply(endpoints(Kind::Endpoints, "web", "web", 9)));
    assert_eq!(addresses(&store, "web"), ["10.0.0.9"]);
    assert!(store.apply(endpoints(Kind::EndpointSlice, "web-b", "web", 2)));
    assert!(store.apply(endpoints(Kind::EndpointSlice, "web-a", "web", 1)));
    assert_eq!(addresses(&store, "web"), ["10.0.0.1", "10.0.0.2"]);
    assert!(!store.apply(endpoints(Kind::Endpoints, "web", "web", 8)), "nobody sees it");
    for name in ["web-a", "web-b"] {
        assert!(store.apply(Update::Delete(ObjectRef::new(Kind::EndpointSlice, "n", name))));
    }
    assert_eq!(addresses(&store, "web"), ["10.0.0.8"]);
    assert!(!store.apply(Update::Delete(ObjectRef::new(Kind::EndpointSlice, "n", "web-a"))));
}

#[test]
fn a_slice_may_move_to_another_service() {
    let mut store = Store::new(&[]);
    store.apply(endpoints(Kind::EndpointSlice, "s", "one", 1));
    assert!(store.apply(endpoints(Kind::EndpointSlice, "s", "two", 1)));
    assert_eq!(addresses(&store, "one"), [""; 0]);
    assert_eq!(addresses(&store, "two"), ["10.0.0.1"]);
}

#[test]
fn a_list_of_slices_replaces_the_former_ones() {
    let mut store = Store::new(&[]);
    store.apply(endpoints(Kind::EndpointSlice, "a", "one", 1));
    store.apply(endpoints(Kind::EndpointSlice, "b", "two", 2));
    let before = store.snapshot();
    store.apply(Update::Begin(Kind::EndpointSlice));
    store.apply(endpoints(Kind::EndpointSlice, "b", "two", 2));
    assert!(store.apply(Update::Complete(Kind::EndpointSlice)));
    assert_eq!(addresses(&store, "one"), [""; 0]);
    let two = Key::new("n", "two");
    assert!(Arc::ptr_eq(&before.endpoints[&two], &store.snapshot().endpoints[&two]));
}

#[test]
fn reports_of_a_source_replace_its_former_ones() {
    let mut store = Store::new(&[]);
    let told = |source: &str, messages: &[&str]| Update::Reports {
        source: source.into(),
        reports: messages
            .iter()
            .map(|m| Report::new(&ObjectRef::new(Kind::File, "", source), Severity::Error, "X", *m))
            .collect(),
    };
    assert!(store.apply(told("b", &["1"])));
    assert!(store.apply(told("a", &["2", "3"])));
    assert!(!store.apply(told("a", &["2", "3"])));
    let messages: Vec<String> = store.snapshot().reports.iter().map(|r| r.message.clone()).collect();
    assert_eq!(messages, ["2", "3", "1"]);
    assert!(store.apply(told("a", &[])));
    assert_eq!(store.snapshot().reports.len(), 1);
}

#[test]
fn every_object_is_counted_once() {
    let mut store = Store::new(&[]);
    let secret = ObjectRef::new(Kind::Secret, "n", "s");
    store.apply(Update::Apply(Box::new(Object::Counted(secret.clone()))));
    store.apply(Update::Apply(Box::new(Object::Counted(ObjectRef::new(Kind::Pod, "n", "p")))));
    assert_eq!((store.counts()[&Kind::Secret], store.counts()[&Kind::Pod]), (1, 1));
    let certificate = Err(crate::model::certificate::CertificateError::Missing("tls.key"));
    let parsed = Secret { object: secret.clone(), origin: None, certificate };
    assert!(store.apply(Update::Apply(Box::new(Object::Secret(parsed)))));
    assert_eq!(store.counts()[&Kind::Secret], 1);
    assert!(store.apply(Update::Apply(Box::new(Object::Counted(secret)))), "no certificate any more");
    assert_eq!(store.snapshot().secrets.len(), 0);
    assert_eq!(store.counts()[&Kind::Secret], 1);
}

#[test]
fn what_is_kept_survives_a_list_that_could_not_read_it() {
    let mut store = Store::new(&[]);
    store.apply(service("kept", false));
    store.apply(service("gone", false));
    store.apply(endpoints(Kind::EndpointSlice, "kept-1", "kept", 1));
    let before = store.snapshot();
    for kind in [Kind::Service, Kind::EndpointSlice] {
        store.apply(Update::Begin(kind));
        let name = if kind == Kind::Service { "kept" } else { "kept-1" };
        assert!(!store.apply(Update::Keep(ObjectRef::new(kind, "n", name))));
        assert!(!store.apply(Update::Keep(ObjectRef::new(kind, "n", "unknown"))));
        store.apply(Update::Complete(kind));
    }
    let after = store.snapshot();
    let key = Key::new("n", "kept");
    assert!(Arc::ptr_eq(&before.services[&key], &after.services[&key]));
    assert_eq!(after.services.len(), 1);
    assert_eq!(addresses(&store, "kept"), ["10.0.0.1"]);
}

#[test]
fn what_a_list_has_read_is_not_replaced_by_what_was_known() {
    let mut store = Store::new(&[]);
    store.apply(service("web", false));
    store.apply(Update::Begin(Kind::Service));
    store.apply(service("web", true));
    store.apply(Update::Keep(ObjectRef::new(Kind::Service, "n", "web")));
    assert!(store.apply(Update::Complete(Kind::Service)));
    assert!(store.snapshot().services[&Key::new("n", "web")].publish_not_ready);
}
