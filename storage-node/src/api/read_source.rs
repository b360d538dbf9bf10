//! What Query and Scan read: a table or one of its indexes, with the checks that depend on which.
//!
//! Where the service's texts for tables and indexes differ, semantics section 11 says how.

use std::sync::Arc;

use stator_model::error::ApiError;
use stator_model::expression::{
    ConditionExpression, IndexKeyCondition, KeyConditionExpression, ProjectionExpression,
};
use stator_model::key::KeyAttribute;
use stator_model::operations::Select;
use stator_model::value::Item;

use super::request::active_table;
use super::service::Call;
use crate::cluster::catalog::rows::IndexStatusRow;
use crate::cluster::{PageSource, Table};
use crate::table::IndexDefinition;
use crate::table::index::Projection;
use crate::table::keys::{KeyRange, query_range};

const START_KEY_INVALID: &str = "The provided starting key is invalid";

/// A table that takes requests, by a catalog new enough to judge `index`: one that this node does not
/// know, or knows as not filled yet, is looked for in the newest.
///
/// # Errors
/// ResourceNotFoundException, or a 500 when the catalog cannot be had.
pub(super) async fn table_with(
    call: &Call<'_>,
    name: &str,
    index_name: Option<&str>,
) -> Result<Arc<Table>, ApiError> {
    let table = active_table(call, name).await?;
    if index(&table, index_name, false).is_ok() {
        return Ok(table);
    }
    call.cluster.barrier(call.deadline).await?;
    active_table(call, name).await
}

/// The index that a read names, which has to be readable.
///
/// # Errors
/// A ValidationException: no such index, one that is not filled yet, or a strongly consistent read
/// of a global one.
pub(super) fn index<'a>(
    table: &'a Table,
    name: Option<&str>,
    consistent: bool,
) -> Result<Option<&'a IndexDefinition>, ApiError> {
    let Some(name) = name else { return Ok(None) };
    let missing = || {
        ApiError::validation(format!(
            "The table does not have the specified index: {name}"
        ))
    };
    let index = table.index(name).ok_or_else(missing)?;
    if index.is_local {
        return Ok(Some(index));
    }
    if consistent {
        return Err(ApiError::validation(
            "Consistent reads are not supported on global secondary indexes",
        ));
    }
    let row = table
        .global_index_row(index.storage_id)
        .ok_or_else(missing)?;
    match row.status {
        IndexStatusRow::Deleting => Err(missing()),
        IndexStatusRow::Creating | IndexStatusRow::Backfilling => Err(ApiError::validation(
            format!("Cannot read from backfilling global secondary index: {name}"),
        )),
        IndexStatusRow::Active | IndexStatusRow::Updating => Ok(Some(index)),
    }
}

/// What is read, and whether items have to be fetched for it.
///
/// # Errors
/// A ValidationException for attributes that a global index does not have.
pub(super) fn source<'a>(
    table: &'a Table,
    index: Option<&'a IndexDefinition>,
    select: Option<Select>,
    filter: Option<&ConditionExpression>,
    projection: Option<&ProjectionExpression>,
) -> Result<PageSource<'a>, ApiError> {
    let mut source = PageSource {
        table,
        index,
        fetches_items: false,
    };
    let Some(index) = index else {
        return Ok(source);
    };
    let all = select == Some(Select::AllAttributes) && index.projection != Projection::All;
    let projected: Vec<&str> = projection
        .into_iter()
        .flat_map(ProjectionExpression::attributes)
        .filter(|name| !index.projects(name))
        .collect();
    if index.is_local {
        let filtered = filter.is_some_and(|filter| {
            let mut names = filter.attributes().into_iter();
            names.any(|name| !index.projects(name))
        });
        source.fetches_items = all || filtered || !projected.is_empty();
        return Ok(source);
    }
    if all {
        return Err(ApiError::invalid_parameter(format!(
            "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its \
             projection type is not ALL",
            index.name
        )));
    }
    if !projected.is_empty() {
        return Err(ApiError::invalid_parameter(format!(
            "Global secondary index {} does not project [{}]",
            index.name,
            projected.join(", ")
        )));
    }
    Ok(source)
}

/// The hash that finds the partition of a Query of an index, and the engine range.
///
/// # Errors
/// A ValidationException for a condition that does not fit the index's key.
pub(super) fn query_of_index(
    index: &IndexDefinition,
    condition: &KeyConditionExpression,
) -> Result<(u64, KeyRange), ApiError> {
    let condition = match index.single_key_schema() {
        Some(schema) => {
            let condition = condition.resolve(&schema)?;
            IndexKeyCondition {
                hash: vec![condition.partition_key],
                range: Vec::new(),
                last: condition.sort,
            }
        }
        None => condition.resolve_several(&index.hash_keys, &index.range_keys)?,
    };
    let (hash, prefix) = index.key_prefix(&condition.hash, &condition.range);
    Ok((hash, query_range(&prefix, condition.last.as_ref())))
}

/// Refuses a filter of a Query that mentions a key attribute of the index.
///
/// # Errors
/// A ValidationException that names the attribute.
pub(super) fn check_filter(
    index: &IndexDefinition,
    filter: &ConditionExpression,
) -> Result<(), ApiError> {
    if let Some(schema) = index.single_key_schema() {
        return filter.check_no_key_attributes(&schema);
    }
    let is_key = |name: &&str| index.key_attributes().any(|key| key.name == **name);
    match filter.attributes().into_iter().find(is_key) {
        None => Ok(()),
        Some(name) => Err(ApiError::validation(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: \
             {name}"
        ))),
    }
}

/// The place of an `ExclusiveStartKey` in an index: its hash and the key of the entry, which need
/// not exist.
///
/// # Errors
/// A ValidationException.
pub(super) fn start_of_index(
    index: &IndexDefinition,
    key: &Item,
) -> Result<(u64, Vec<u8>), ApiError> {
    let invalid = || ApiError::validation(START_KEY_INVALID);
    let mut expected: Vec<&KeyAttribute> = index.entry_attributes().collect();
    expected.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    expected.dedup_by(|left, right| left.name == right.name);
    if key.len() != expected.len() {
        return Err(invalid());
    }
    let fits = |attribute: &KeyAttribute| {
        let value = key.get(&attribute.name);
        value.is_some_and(|value| attribute.scalar_type.matches(value))
    };
    if !index.key_attributes().all(fits) {
        return Err(invalid());
    }
    if !index.table_key.attributes().all(fits) {
        return Err(ApiError::validation(format!(
            "{START_KEY_INVALID}: The provided key element does not match the schema"
        )));
    }
    let entry = index.entry_key(key).ok_or_else(invalid)?;
    let hash = entry.get(8..16).unwrap_or_default();
    let hash = hash.iter().fold(0, |acc, &byte| acc << 8 | u64::from(byte));
    Ok((hash, entry.to_vec()))
}

#[cfg(test)]
mod tests {
    use stator_model::key::{KeySchema, ScalarType};
    use stator_model::value::AttributeValue;

    use super::*;
    use crate::table::keys::StorageId;

    fn attribute(name: &str) -> KeyAttribute {
        KeyAttribute {
            name: name.to_owned(),
            scalar_type: ScalarType::S,
        }
    }

    fn item(names: &[&str]) -> Item {
        names
            .iter()
            .map(|name| ((*name).to_owned(), AttributeValue::S("x".to_owned())))
            .collect()
    }

    #[test]
    fn a_starting_key_holds_the_keys_of_index_and_table_and_no_more() {
        let index = IndexDefinition {
            name: "i".to_owned(),
            storage_id: StorageId(9),
            is_local: false,
            hash_keys: vec![attribute("a")],
            range_keys: vec![attribute("pk")],
            projection: Projection::All,
            table_key: KeySchema {
                partition_key: attribute("pk"),
                sort_key: Some(attribute("sk")),
            },
        };
        let start = item(&["a", "pk", "sk"]);
        let (hash, key) = start_of_index(&index, &start).unwrap();
        assert_eq!(key, index.entry_key(&start).unwrap());
        assert_eq!(key[8..16], hash.to_be_bytes());
        let message = |item: Item| start_of_index(&index, &item).unwrap_err().message.unwrap();
        assert_eq!(message(item(&["a", "pk"])), START_KEY_INVALID);
        assert_eq!(message(item(&["a", "pk", "sk", "d"])), START_KEY_INVALID);
        assert_eq!(message(item(&["pk", "sk", "d"])), START_KEY_INVALID);
        assert_eq!(
            message(item(&["a", "pk", "d"])),
            "The provided starting key is invalid: The provided key element does not match the schema"
        );
    }
}
