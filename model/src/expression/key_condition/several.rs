//! Key conditions of indexes whose keys have several attributes.
//!
//! Source: developer guide, "Multi-attribute keys pattern": `=` for every HASH attribute, and for
//! RANGE attributes a prefix from the left, of which only the last may have another operator.

use super::{
    KeyConditionExpression, SortCondition, check_key_values, missed_key_element,
    unsupported_key_condition,
};
use crate::{error::ApiError, key::KeyAttribute, value::AttributeValue};

/// The condition of a Query of an index, matched with its key attributes.
#[derive(Debug, Clone)]
pub struct IndexKeyCondition {
    /// The value of each HASH attribute, in the order of the schema.
    pub hash: Vec<AttributeValue>,
    /// The values of the first RANGE attributes, as far as they have `=`, but not of the last one
    /// that has a condition.
    pub range: Vec<AttributeValue>,
    /// What the RANGE attribute after those has to fulfil.
    pub last: Option<SortCondition>,
}

impl KeyConditionExpression {
    /// Matches the conditions with the key attributes of an index.
    ///
    /// # Errors
    ///
    /// A ValidationException, as [`KeyConditionExpression::resolve`].
    pub fn resolve_several(
        &self,
        hash_keys: &[KeyAttribute],
        range_keys: &[KeyAttribute],
    ) -> Result<IndexKeyCondition, ApiError> {
        let mut hash = Vec::with_capacity(hash_keys.len());
        for key in hash_keys {
            let condition = self
                .condition(&key.name)
                .ok_or_else(|| missed_key_element(&key.name))?;
            let SortCondition::Eq(value) = condition else {
                return Err(unsupported_key_condition());
            };
            check_key_values(key, condition)?;
            hash.push(value.clone());
        }
        let restricted = self.conditions.len().saturating_sub(hash_keys.len());
        if restricted > range_keys.len() {
            return Err(unsupported_key_condition());
        }
        let mut range = Vec::new();
        let mut last: Option<SortCondition> = None;
        for key in range_keys.iter().take(restricted) {
            let condition = self
                .condition(&key.name)
                .ok_or_else(|| missed_key_element(&key.name))?;
            match last.take() {
                None => {}
                Some(SortCondition::Eq(value)) => range.push(value),
                Some(_) => return Err(unsupported_key_condition()),
            }
            check_key_values(key, condition)?;
            last = Some(condition.clone());
        }
        Ok(IndexKeyCondition { hash, range, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::ExpressionContext;
    use crate::key::ScalarType;
    use crate::value::Item;

    fn keys(names: &[&str]) -> Vec<KeyAttribute> {
        names
            .iter()
            .map(|name| KeyAttribute {
                name: (*name).to_owned(),
                scalar_type: ScalarType::S,
            })
            .collect()
    }

    fn resolve(text: &str) -> Result<IndexKeyCondition, String> {
        let values: Item = ["x", "y"]
            .into_iter()
            .map(|name| (format!(":{name}"), AttributeValue::S(name.to_owned())))
            .collect();
        let context = ExpressionContext::new(None, Some(&values));
        KeyConditionExpression::parse(text, &context)
            .unwrap()
            .resolve_several(&keys(&["a", "b"]), &keys(&["c", "d"]))
            .map_err(|error| error.message.unwrap())
    }

    #[test]
    fn every_hash_attribute_needs_equality_and_ranges_go_from_the_left() {
        let both = resolve("a = :x AND b = :y").unwrap();
        assert_eq!((both.hash.len(), both.range.len()), (2, 0));
        assert!(both.last.is_none());
        let three = resolve("b = :y AND c > :x AND a = :x").unwrap();
        assert!(matches!(three.last, Some(SortCondition::Gt(_))));
        let four = resolve("a = :x AND b = :y AND c = :x AND begins_with(d, :y)").unwrap();
        assert_eq!(four.range, [AttributeValue::S("x".to_owned())]);
        assert!(matches!(four.last, Some(SortCondition::BeginsWith(_))));
        for (text, message) in [
            ("a = :x", "Query condition missed key schema element: b"),
            ("a = :x AND b > :y", "Query key condition not supported"),
            (
                "a = :x AND b = :y AND d = :x",
                "Query condition missed key schema element: c",
            ),
            (
                "a = :x AND b = :y AND c > :x AND d = :y",
                "Query key condition not supported",
            ),
            (
                "a = :x AND b = :y AND e = :y",
                "Query condition missed key schema element: c",
            ),
        ] {
            assert_eq!(resolve(text).unwrap_err(), message, "{text}");
        }
    }
}
