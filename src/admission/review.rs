//! The AdmissionReview of a webhook: what is asked, and the answer as JSON.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::decide::Decision;

/// The version that every API server speaks that serves Ingresses of networking.k8s.io/v1.
const VERSION: &str = "admission.k8s.io/v1";

/// What is asked. Objects stay text until they are needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    /// Goes back with the answer.
    pub(super) uid: String,
    pub(super) kind: GroupVersionKind,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) sub_resource: String,
    pub(super) operation: String,
    #[serde(default)]
    pub(super) dry_run: bool,
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) old_object: Option<&'a RawValue>,
}

/// A kind of object.
#[derive(Deserialize)]
pub(super) struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

impl GroupVersionKind {
    /// Whether it is the Ingress that is served. Its old forms left Kubernetes with 1.22.
    pub(super) fn is_ingress(&self) -> bool {
        (self.group.as_str(), self.version.as_str(), self.kind.as_str())
            == ("networking.k8s.io", "v1", "Ingress")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: String,
    kind: String,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// Reads a review. The error says what it should be.
pub(super) fn parse(body: &[u8]) -> Result<Request<'_>, String> {
    let review: Review<'_> =
        serde_json::from_slice(body).map_err(|why| format!("the body is no AdmissionReview: {why}"))?;
    if (review.api_version.as_str(), review.kind.as_str()) != (VERSION, "AdmissionReview") {
        return Err(format!(
            "the body is no AdmissionReview of {VERSION}: write admissionReviewVersions: [v1]"
        ));
    }
    match review.request {
        Some(request) if request.uid.is_empty() => Err("the AdmissionReview's request has no uid".into()),
        Some(request) => Ok(request),
        None => Err("the AdmissionReview has no request".into()),
    }
}

/// The review with the answer.
pub(super) fn answer(uid: &str, decision: &Decision) -> Vec<u8> {
    let mut response = json!({ "uid": uid, "allowed": true });
    match decision {
        Decision::Allowed(allowance) if allowance.warnings.is_empty() => {}
        Decision::Allowed(allowance) => response["warnings"] = json!(allowance.warnings),
        Decision::Refused(refusal) => {
            response["allowed"] = json!(false);
            response["status"] = json!({
                "status": "Failure",
                "reason": "Forbidden",
                "code": 403,
                "message": refusal.message,
            });
        }
    }
    let review = json!({ "apiVersion": VERSION, "kind": "AdmissionReview", "response": response });
    review.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_review_is_told_what_it_should_be() {
        let of = |version: &str, rest: &str| {
            format!(r#"{{"apiVersion": "{version}", "kind": "AdmissionReview"{rest}}}"#)
        };
        let request = r#", "request": {"uid": "", "operation": "CREATE", "kind": {"group": "", "version": "", "kind": ""}}"#;
        for (body, told) in [
            (String::new(), "no AdmissionReview"),
            ("[]".into(), "no AdmissionReview"),
            (
                "{\"kind\": \"Ingress\", \"apiVersion\": \"networking.k8s.io/v1\"}".into(),
                "admissionReviewVersions",
            ),
            (of("admission.k8s.io/v1beta1", request), "admissionReviewVersions"),
            (of(VERSION, ""), "no request"),
            (of(VERSION, r#", "request": null"#), "no request"),
            (of(VERSION, request), "no uid"),
            ("[".repeat(100_000), "no AdmissionReview"),
        ] {
            let why = parse(body.as_bytes()).err().unwrap();
            assert!(why.contains(told), "{body:.100}: {why}");
        }
        assert!(parse(b"\xff\xfe").is_err());
    }
}
