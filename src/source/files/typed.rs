//! A tree -> any type that serde knows, without a plain value in between.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

use super::node::{Data, Node};

impl<'de> IntoDeserializer<'de, Error> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.data {
            Data::Scalar(value, _) => value.deserialize_any(visitor),
            Data::Text(text) => visitor.visit_borrowed_str(text),
            Data::List(items) => SeqDeserializer::new(items.iter()).deserialize_any(visitor),
            Data::Map(entries) => {
                let entries = entries.iter().map(|entry| (entry.name.as_str(), &entry.value));
                MapDeserializer::new(entries).deserialize_any(visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.data {
            Data::Scalar(Value::Null, _) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Whatever is not wanted is passed over whole.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::networking::v1::Ingress;
    use serde::Deserialize;

    use super::super::yaml;

    #[test]
    fn a_tree_gives_the_same_object_as_its_plain_value() {
        let text = "metadata: {name: web, annotations: {a: \"1\"}, creationTimestamp: \"2026-01-02T03:04:05Z\"}\n\
                    spec:\n  defaultBackend: null\n  unknown: [1, {x: y}]\n  rules:\n  - host: a.example\n    http:\n\
                    \x20     paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]\n";
        let (documents, fault) = yaml::parse(yaml::split(text)[0]);
        assert_eq!(fault, None);
        let direct = Ingress::deserialize(&documents[0]).unwrap();
        assert_eq!(direct, serde_json::from_value(documents[0].to_value()).unwrap());
        assert_eq!(direct.spec.unwrap().rules.unwrap()[0].host.as_deref(), Some("a.example"));
    }
}
