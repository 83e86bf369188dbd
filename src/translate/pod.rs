//! Pod -> its addresses, while it has not ended.

use k8s_openapi::api::core::v1;

use super::{namespaced, value};
use crate::model::pod::Pod;
use crate::model::{Kind, ObjectRef, Report};

/// Translates a Pod. `Err` in the inner place: one that has ended, is about to go or has no address yet, which nobody asks
/// for; only its name is given.
pub fn pod(object: &v1::Pod) -> Result<Result<Pod, ObjectRef>, Report> {
    let name = namespaced(Kind::Pod, &object.metadata)?;
    let status = object.status.as_ref();
    let ended = matches!(status.and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"));
    let listed = status.and_then(|status| status.pod_ips.as_ref()).into_iter().flatten();
    let first = status.and_then(|status| status.pod_ip.as_deref());
    let mut addresses = Vec::new();
    for text in first.into_iter().chain(listed.map(|entry| entry.ip.as_str())) {
        // The kubelet writes them; what it has not written yet is empty.
        if let Some((address, _)) = value::address(text)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    let goes = ended || object.metadata.deletion_timestamp.is_some() || addresses.is_empty();
    Ok(if goes { Err(name) } else { Ok(Pod { object: name, addresses }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Pod, ObjectRef> {
        pod(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn a_pod_is_its_addresses_each_once() {
        let pod = read(
            r#"{"metadata": {"name": "p", "namespace": "n"}, "status": {"phase": "Running", "podIP": "10.0.0.1",
                "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}, {"ip": ""}]}}"#,
        )
        .unwrap();
        assert_eq!(pod.object.to_string(), "Pod n/p");
        assert_eq!(
            pod.addresses,
            ["10.0.0.1", "fd00::1"].map(|text| text.parse::<std::net::IpAddr>().unwrap())
        );
    }

    #[test]
    fn one_that_ended_or_goes_or_has_no_address_is_only_named() {
        for json in [
            r#"{"metadata": {"name": "p"}}"#,
            r#"{"metadata": {"name": "p"}, "status": {"phase": "Pending"}}"#,
            r#"{"metadata": {"name": "p"}, "status": {"phase": "Succeeded", "podIP": "10.0.0.1"}}"#,
            r#"{"metadata": {"name": "p"}, "status": {"phase": "Failed", "podIP": "10.0.0.1"}}"#,
            r#"{"metadata": {"name": "p", "deletionTimestamp": "2026-01-02T03:04:05Z"}, "status": {"podIP": "10.0.0.1"}}"#,
        ] {
            assert_eq!(read(json).unwrap_err().to_string(), "Pod default/p", "{json}");
        }
    }
}
