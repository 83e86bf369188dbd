//! The two kinds of patches that are sent, as RFC 7386 and RFC 6902 have them.

use serde_json::Value;

/// What becomes of an object; `None` when a test of the patch fails.
pub(super) fn apply(kind: &str, mut object: Value, body: &[u8]) -> Option<Value> {
    let patch: Value = serde_json::from_slice(body).unwrap();
    match kind {
        "application/merge-patch+json" => merge(&mut object, patch),
        "application/json-patch+json" => {
            for operation in patch.as_array().unwrap() {
                let place = operation["path"].as_str().unwrap();
                match operation["op"].as_str().unwrap() {
                    "test" if object.pointer(place) == operation.get("value") => {}
                    "test" => return None,
                    "remove" => remove(&mut object, place)?,
                    other => panic!("{other}"),
                }
            }
        }
        other => panic!("{other}"),
    }
    Some(object)
}

fn merge(object: &mut Value, patch: Value) {
    let Value::Object(fields) = patch else {
        *object = patch;
        return;
    };
    for (key, value) in fields {
        if value.is_null() {
            if let Some(object) = object.as_object_mut() {
                object.remove(&key);
            }
        } else {
            merge(&mut object[key], value);
        }
    }
}

fn remove(object: &mut Value, path: &str) -> Option<()> {
    let (parent, last) = path.rsplit_once('/')?;
    object.pointer_mut(parent)?.as_object_mut()?.remove(last)?;
    Some(())
}
