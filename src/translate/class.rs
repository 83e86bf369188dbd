//! IngressClass -> model.

use k8s_openapi::api::networking::v1;

use super::{cluster_wide, value};
use crate::model::route::IngressClass;
use crate::model::{Kind, Report};

/// The annotation that marks the default class of a cluster.
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// Translates an IngressClass.
pub fn ingress_class(object: &v1::IngressClass) -> Result<IngressClass, Report> {
    let name = cluster_wide(Kind::IngressClass, &object.metadata)?;
    let controller = object.spec.as_ref().and_then(|spec| spec.controller.as_deref()).unwrap_or_default();
    let annotations = object.metadata.annotations.as_ref();
    let is_default = annotations
        .and_then(|all| all.get(DEFAULT))
        .is_some_and(|text| value::boolean(text).unwrap_or(false));
    Ok(IngressClass { object: name, controller: controller.into(), is_default })
}
