use super::*;
use crate::model::service::Topology;

fn slice(json: &str) -> Result<(EndpointSet, Vec<Report>), Report> {
    endpoint_slice(&serde_json::from_str(json).unwrap(), None)
}

#[test]
fn unknown_conditions_count_as_ready() {
    let (set, reports) = slice(
        r#"{"metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
            "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["10.0.0.1"]},
                          {"addresses": ["10.0.0.2"], "conditions": {"ready": false, "serving": true, "terminating": true}}]}"#,
    )
    .unwrap();
    assert!(reports.is_empty());
    assert_eq!(set.service.to_string(), "default/web");
    let conditions: Vec<_> = set.endpoints.iter().map(|e| (e.ready, e.serving, e.terminating)).collect();
    assert_eq!(conditions, [(true, true, false), (false, true, true)]);
}

#[test]
fn one_bad_address_does_not_take_the_others_with_it() {
    let (set, reports) = slice(
        r#"{"metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
            "ports": [{"port": 80}, {"port": 99999}],
            "endpoints": [{"addresses": ["010.0.0.1"]}, {"addresses": ["10.0.0.300"]}, {"addresses": ["::1"]}]}"#,
    )
    .unwrap();
    let addresses: Vec<String> = set.endpoints.iter().map(|e| e.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1", "::1"]);
    assert_eq!(set.ports.len(), 1);
    let fields: Vec<_> = reports.iter().filter_map(|r| r.field.as_deref()).collect();
    assert_eq!(fields, ["ports[1]", "endpoints[0].addresses[0]", "endpoints[1].addresses[0]"]);
}

#[test]
fn a_slice_without_a_service_is_refused() {
    let report = slice(r#"{"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": []}"#).unwrap_err();
    assert_eq!(report.reason, "ServiceLabelMissing");
}

#[test]
fn unready_addresses_of_endpoints_are_not_ready() {
    let object = r#"{"metadata": {"name": "web", "namespace": "n"}, "subsets": [
        {"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 8080, "name": "http"}]}]}"#;
    let (sets, reports) = endpoints(&serde_json::from_str(object).unwrap(), None).unwrap();
    assert!(reports.is_empty());
    assert_eq!(sets[0].service.to_string(), "n/web");
    let ready: Vec<bool> = sets[0].endpoints.iter().map(|e| e.ready).collect();
    assert_eq!(ready, [true, false]);
}

#[test]
fn a_slice_says_where_its_endpoints_run_and_who_should_use_them() {
    let (set, reports) = slice(
        r#"{"metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.0.0.1"], "nodeName": "a", "hints": {"forZones": [{"name": "z1"}, {"name": "z2"}], "forNodes": [{"name": "a"}]}},
                {"addresses": ["10.0.0.2"], "nodeName": "b"},
                {"addresses": ["10.0.0.3"], "nodeName": "b", "hints": {}},
                {"addresses": ["10.0.0.4"], "nodeName": ""}]}"#,
    )
    .unwrap();
    assert!(reports.is_empty());
    let [first, second, third, fourth] = &set.endpoints[..] else { panic!("{set:?}") };
    let expected = Topology {
        node: Some("a".into()),
        for_zones: vec!["z1".into(), "z2".into()],
        for_nodes: vec!["a".into()],
    };
    assert_eq!(first.topology.as_deref(), Some(&expected));
    assert!(second.is_on("b") && !second.is_on("a"));
    let shared = [second, third].map(|endpoint| endpoint.topology.as_ref().unwrap());
    assert!(Arc::ptr_eq(shared[0], shared[1]), "endpoints of a node share what is said");
    assert_eq!(fourth.topology, None);
}

#[test]
fn addresses_of_endpoints_know_their_node() {
    let object = r#"{"metadata": {"name": "web", "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "1970-01-01T00:00:01.5Z"}},
        "subsets": [{"addresses": [{"ip": "10.0.0.1", "nodeName": "a"}, {"ip": "10.0.0.2"}]}]}"#;
    let (sets, _) = endpoints(&serde_json::from_str(object).unwrap(), None).unwrap();
    assert!(sets[0].endpoints[0].is_on("a"));
    assert_eq!(sets[0].endpoints[1].topology, None);
    assert_eq!(sets[0].triggered, Some(1500));
}

#[test]
fn the_time_of_the_change_is_read_where_it_can_be() {
    for (text, expected) in [
        ("2026-01-02T03:04:05Z", Some(1_767_323_045_000)),
        ("2026-01-02T04:04:05.25+01:00", Some(1_767_323_045_250)),
        ("yesterday", None),
        ("", None),
    ] {
        let json = serde_json::json!({
            "metadata": {
                "name": "s",
                "labels": {"kubernetes.io/service-name": "web"},
                "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": text},
            },
            "addressType": "IPv4",
            "endpoints": [],
        });
        let (set, reports) = slice(&json.to_string()).unwrap();
        assert_eq!((set.triggered, reports.len()), (expected, 0), "{text}");
    }
}
