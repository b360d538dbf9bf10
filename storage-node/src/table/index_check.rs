//! What indexes refuse of an item: key attributes that they could not hold. Pure.
//!
//! An item may lack an index's key attributes, but one that is there has to have the declared type,
//! must not be empty, and must not be longer than a key may be. Items that were written before the
//! index was asked for stay out of it; a write is refused. An update is judged only by the attributes
//! that it changes, so that such an older item can still be written.

use stator_model::error::ApiError;
use stator_model::key::{KeyAttribute, KeySchema};
use stator_model::limits::{ITEM_SIZE_BYTES_MAX, PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX};
use stator_model::value::{AttributeValue, Item, item_size_bytes};

use super::index::{IndexDefinition, key_len};

/// What items of a table have to fulfil, beside the conditions of a request.
#[derive(Debug, Clone, Copy)]
pub struct ItemRules<'a> {
    /// The table's key.
    pub key: &'a KeySchema,
    /// Its local indexes.
    pub local: &'a [IndexDefinition],
    /// Its global indexes.
    pub global: &'a [IndexDefinition],
}

/// Who gave the attributes: the texts of some refusals differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A whole item.
    Item,
    /// An update of this item.
    Update,
}

impl<'a> ItemRules<'a> {
    /// The rules of a table without indexes.
    #[must_use]
    pub fn of_key(key: &'a KeySchema) -> Self {
        Self {
            key,
            local: &[],
            global: &[],
        }
    }

    /// Checks an item that is put.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_put(&self, item: &Item) -> Result<(), ApiError> {
        self.check(item, None, Source::Item)?;
        self.check_collection_size(item, "Item size has exceeded the maximum allowed size")
    }

    /// Checks what an update makes of an item.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_update(&self, old: Option<&Item>, new: &Item) -> Result<(), ApiError> {
        self.check(new, old, Source::Update)?;
        self.check_collection_size(
            new,
            "Item size to update has exceeded the maximum allowed size",
        )
    }

    fn check(&self, item: &Item, old: Option<&Item>, source: Source) -> Result<(), ApiError> {
        if self.local.is_empty() && self.global.is_empty() {
            return Ok(());
        }
        // Among several indexes the service names the alphabetically first.
        let mut indexes: Vec<_> = self.local.iter().chain(self.global).collect();
        indexes.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        for index in indexes {
            let changed = |key: &&KeyAttribute| {
                let value = item.get(&key.name);
                value.is_some() && old.and_then(|old| old.get(&key.name)) != value
            };
            if !index.key_attributes().any(|key| changed(&key)) {
                continue;
            }
            check_values(index, item, changed, source)?;
            check_lengths(index, &index.hash_keys, PARTITION_KEY_BYTES_MAX, item)?;
            check_lengths(index, &index.range_keys, SORT_KEY_BYTES_MAX, item)?;
        }
        Ok(())
    }

    /// An item and its entries in local indexes share the limit of an item (semantics section 1).
    fn check_collection_size(&self, item: &Item, message: &str) -> Result<(), ApiError> {
        if self.local.is_empty() {
            return Ok(());
        }
        let size = item_size_bytes(item);
        if size * (self.local.len() + 1) <= ITEM_SIZE_BYTES_MAX {
            return Ok(());
        }
        let entries: usize = self
            .local
            .iter()
            .filter(|index| index.entry_key(item).is_some())
            .map(|index| item_size_bytes(&index.project(item)))
            .sum();
        if size + entries > ITEM_SIZE_BYTES_MAX {
            return Err(ApiError::validation(message));
        }
        Ok(())
    }
}

fn check_values(
    index: &IndexDefinition,
    item: &Item,
    changed: impl Fn(&&KeyAttribute) -> bool,
    source: Source,
) -> Result<(), ApiError> {
    for key in index.key_attributes().filter(changed) {
        let Some(value) = item.get(&key.name) else {
            continue;
        };
        if !key.scalar_type.matches(value) {
            return Err(ApiError::invalid_parameter(format!(
                "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {}",
                key.name,
                key.scalar_type.as_str(),
                value.type_name(),
                index.name
            )));
        }
        let kind = match value {
            AttributeValue::S(text) if text.is_empty() => "string",
            AttributeValue::B(bytes) if bytes.is_empty() => "binary",
            _ => continue,
        };
        return Err(ApiError::validation(match source {
            Source::Item => format!(
                "One or more parameter values are not valid. A value specified for a secondary \
                 index key is not supported. The AttributeValue for a key attribute cannot contain \
                 an empty {kind} value. IndexName: {}, IndexKey: {}",
                index.name, key.name
            ),
            Source::Update => format!(
                "One or more parameter values are not valid. The update expression attempted to \
                 update a secondary index key to a value that is not supported. The AttributeValue \
                 for a key attribute cannot contain an empty {kind} value."
            ),
        }));
    }
    Ok(())
}

/// The limit is that of all HASH attributes together, or of all RANGE attributes.
fn check_lengths(
    index: &IndexDefinition,
    keys: &[KeyAttribute],
    max: usize,
    item: &Item,
) -> Result<(), ApiError> {
    let lengths = keys
        .iter()
        .filter_map(|key| Some((key, key_len(item.get(&key.name)?))));
    let mut total = 0;
    for (key, len) in lengths {
        total += len;
        if total > max {
            return Err(ApiError::invalid_parameter(format!(
                "Size limit exceeded for Index Key {} Actual Size: {total} bytes Max Size: {max} \
                 bytes IndexName: {}",
                key.name, index.name
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use stator_model::key::ScalarType;

    use super::super::index::Projection;
    use super::super::keys::StorageId;
    use super::*;

    fn attribute(name: &str, scalar_type: ScalarType) -> KeyAttribute {
        KeyAttribute {
            name: name.to_owned(),
            scalar_type,
        }
    }

    fn schema() -> KeySchema {
        KeySchema {
            partition_key: attribute("pk", ScalarType::S),
            sort_key: Some(attribute("sk", ScalarType::S)),
        }
    }

    fn index(name: &str, is_local: bool, hash: &str, range: Option<&str>) -> IndexDefinition {
        IndexDefinition {
            name: name.to_owned(),
            storage_id: StorageId(9),
            is_local,
            hash_keys: vec![attribute(hash, ScalarType::S)],
            range_keys: range
                .map(|name| attribute(name, ScalarType::S))
                .into_iter()
                .collect(),
            projection: Projection::All,
            table_key: schema(),
        }
    }

    fn item(extra: &[(&str, AttributeValue)]) -> Item {
        let mut item: Item = ["pk", "sk"]
            .into_iter()
            .map(|name| (name.to_owned(), AttributeValue::S("k".to_owned())))
            .collect();
        for (name, value) in extra {
            item.insert((*name).to_owned(), value.clone());
        }
        item
    }

    fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    fn message(result: Result<(), ApiError>) -> String {
        result.unwrap_err().message.unwrap()
    }

    #[test]
    fn a_key_attribute_that_an_index_cannot_hold_is_refused_in_the_services_words() {
        let schema = schema();
        let global = [
            index("zeta", false, "g", None),
            index("alpha", false, "g", Some("r")),
        ];
        let rules = ItemRules {
            key: &schema,
            local: &[],
            global: &global,
        };
        assert_eq!(rules.check_put(&item(&[])), Ok(()));
        assert_eq!(rules.check_put(&item(&[("g", text("x"))])), Ok(()));
        assert_eq!(
            message(rules.check_put(&item(&[("g", AttributeValue::Bool(true))]))),
            "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S \
             Actual: BOOL IndexName: alpha"
        );
        assert_eq!(
            message(rules.check_put(&item(&[("g", text(""))]))),
            "One or more parameter values are not valid. A value specified for a secondary index \
             key is not supported. The AttributeValue for a key attribute cannot contain an empty \
             string value. IndexName: alpha, IndexKey: g"
        );
        assert_eq!(
            message(rules.check_put(&item(&[("g", text(&"x".repeat(2049)))]))),
            "One or more parameter values were invalid: Size limit exceeded for Index Key g Actual \
             Size: 2049 bytes Max Size: 2048 bytes IndexName: alpha"
        );
        assert_eq!(
            message(rules.check_put(&item(&[("g", text("x")), ("r", text(&"x".repeat(1025)))]))),
            "One or more parameter values were invalid: Size limit exceeded for Index Key r Actual \
             Size: 1025 bytes Max Size: 1024 bytes IndexName: alpha"
        );
    }

    #[test]
    fn an_update_is_judged_by_what_it_changes() {
        let schema = schema();
        let global = [index("i", false, "g", None)];
        let rules = ItemRules {
            key: &schema,
            local: &[],
            global: &global,
        };
        let bad = item(&[("g", AttributeValue::Bool(true))]);
        let mut other = bad.clone();
        other.insert("x".to_owned(), text("1"));
        assert_eq!(rules.check_update(Some(&bad), &other), Ok(()));
        assert!(rules.check_update(None, &other).is_err());
        assert_eq!(
            message(rules.check_update(Some(&bad), &item(&[("g", text(""))]))),
            "One or more parameter values are not valid. The update expression attempted to update \
             a secondary index key to a value that is not supported. The AttributeValue for a key \
             attribute cannot contain an empty string value."
        );
    }

    #[test]
    fn an_item_and_its_local_entries_share_one_limit() {
        let schema = schema();
        let local = [index("l", true, "pk", Some("r"))];
        let rules = ItemRules {
            key: &schema,
            local: &local,
            global: &[],
        };
        let large = ("x", text(&"x".repeat(ITEM_SIZE_BYTES_MAX / 2)));
        assert_eq!(rules.check_put(&item(std::slice::from_ref(&large))), Ok(()));
        assert_eq!(
            message(rules.check_put(&item(&[("r", text("1")), large.clone()]))),
            "Item size has exceeded the maximum allowed size"
        );
        assert_eq!(
            message(rules.check_update(None, &item(&[("r", text("1")), large]))),
            "Item size to update has exceeded the maximum allowed size"
        );
    }
}
