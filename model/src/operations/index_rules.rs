//! Rules of secondary indexes that CreateTable and UpdateTable share.

use std::collections::BTreeSet;

use crate::error::ApiError;
use crate::key::KeyAttribute;
use crate::limits;
use crate::operations::control_wire::{IndexShape, check_bounds, check_limits};
use crate::table::{
    AttributeDefinition, GlobalSecondaryIndex, IndexKeySchema, KeySchemaElement, KeyType,
    NewGlobalSecondaryIndex, OnDemandThroughput, Projection, ProjectionType, TableSettings,
};

/// The shape of a key of one HASH element and at most one RANGE element.
pub(crate) fn check_simple_key(elements: &[KeySchemaElement]) -> Result<(), ApiError> {
    check_first_is_hash(elements)?;
    let Some(second) = elements.get(1) else {
        return Ok(());
    };
    if second.key_type != KeyType::Range {
        return Err(ApiError::validation(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ));
    }
    check_distinct(elements)
}

/// The shape of a global index's key: HASH elements, then RANGE elements, no attribute twice.
pub(crate) fn check_multi_key(elements: &[KeySchemaElement]) -> Result<(), ApiError> {
    check_first_is_hash(elements)?;
    let of_type = |key_type| {
        elements
            .iter()
            .filter(move |e| e.key_type == key_type)
            .count()
    };
    let hashes = of_type(KeyType::Hash);
    let mut after_hashes = elements.iter().skip(hashes);
    if after_hashes.any(|element| element.key_type == KeyType::Hash) {
        return Err(ApiError::invalid_parameter(
            "All HASH key attributes must precede RANGE key attributes in the KeySchema",
        ));
    }
    for (key_type, count) in [
        (KeyType::Hash, hashes),
        (KeyType::Range, of_type(KeyType::Range)),
    ] {
        if count > limits::INDEX_KEY_ATTRIBUTES_MAX {
            return Err(ApiError::invalid_parameter(format!(
                "The KeySchema exceeds the maximum allowed number of {} key attributes",
                key_type.as_str()
            )));
        }
    }
    check_distinct(elements)
}

fn check_first_is_hash(elements: &[KeySchemaElement]) -> Result<(), ApiError> {
    match elements.first() {
        Some(first) if first.key_type == KeyType::Hash => Ok(()),
        _ => Err(ApiError::validation(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        )),
    }
}

fn check_distinct(elements: &[KeySchemaElement]) -> Result<(), ApiError> {
    let mut seen: Vec<&KeySchemaElement> = Vec::with_capacity(elements.len());
    for element in elements {
        let twin = seen
            .iter()
            .find(|other| other.attribute_name == element.attribute_name);
        if let Some(twin) = twin {
            return Err(if twin.key_type == element.key_type {
                ApiError::validation(
                    "The KeySchema contains multiple key attributes with the same name",
                )
            } else {
                ApiError::validation(
                    "Both the Hash Key and the Range Key element in the KeySchema have the same \
                     name",
                )
            });
        }
        seen.push(element);
    }
    Ok(())
}

/// The key of an index with the types that the definitions tell.
pub(crate) fn resolve_key(
    elements: &[KeySchemaElement],
    definitions: &[AttributeDefinition],
) -> Result<IndexKeySchema, ApiError> {
    let mut key_schema = IndexKeySchema {
        partition_keys: Vec::new(),
        sort_keys: Vec::new(),
    };
    for element in elements {
        let Some(definition) = definitions
            .iter()
            .find(|definition| definition.attribute_name == element.attribute_name)
        else {
            return Err(not_defined(elements, definitions));
        };
        let attribute = KeyAttribute {
            name: element.attribute_name.clone(),
            scalar_type: definition.attribute_type,
        };
        match element.key_type {
            KeyType::Hash => key_schema.partition_keys.push(attribute),
            KeyType::Range => key_schema.sort_keys.push(attribute),
        }
    }
    Ok(key_schema)
}

fn not_defined(elements: &[KeySchemaElement], definitions: &[AttributeDefinition]) -> ApiError {
    let keys: Vec<&str> = elements.iter().map(|e| e.attribute_name.as_str()).collect();
    ApiError::invalid_parameter(format!(
        "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], \
         AttributeDefinitions: [{}]",
        keys.join(", "),
        names(definitions)
    ))
}

/// The names of definitions, as errors list them.
pub(crate) fn names(definitions: &[AttributeDefinition]) -> String {
    let names: Vec<&str> = definitions
        .iter()
        .map(|definition| definition.attribute_name.as_str())
        .collect();
    names.join(", ")
}

/// What an index holds.
pub(crate) fn projection(shape: &IndexShape) -> Result<Projection, ApiError> {
    match (shape.projection_type, &shape.non_key_attributes) {
        (None, _) => Err(ApiError::invalid_parameter("Unknown ProjectionType: null")),
        (Some(ProjectionType::Include), Some(names)) => {
            let mut seen = BTreeSet::new();
            match names.iter().find(|name| !seen.insert(*name)) {
                Some(twice) => Err(ApiError::invalid_parameter(format!(
                    "Duplicate element in NonKeyAttributes: {twice}"
                ))),
                None => Ok(Projection::Include(names.clone())),
            }
        }
        (Some(ProjectionType::Include), None) => Err(ApiError::invalid_parameter(
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        )),
        (Some(other), Some(_)) => Err(ApiError::invalid_parameter(format!(
            "ProjectionType is {}, but NonKeyAttributes is specified",
            other.as_str()
        ))),
        (Some(ProjectionType::All), None) => Ok(Projection::All),
        (Some(ProjectionType::KeysOnly), None) => Ok(Projection::KeysOnly),
    }
}

/// A global index out of a definition, before its key is resolved.
pub(crate) fn new_global_index(shape: IndexShape) -> Result<NewGlobalSecondaryIndex, ApiError> {
    check_multi_key(&shape.key_schema)?;
    let projection = projection(&shape)?;
    check_bounds(shape.provisioned_throughput, Some(&shape.index_name))?;
    check_limits(shape.on_demand_throughput, false, Some(&shape.index_name))?;
    Ok(NewGlobalSecondaryIndex {
        index_name: shape.index_name,
        key_schema: shape.key_schema,
        projection,
        provisioned_throughput: shape.provisioned_throughput,
        on_demand_throughput: shape.on_demand_throughput,
        warm_throughput: shape.warm_throughput,
    })
}

/// A global index with its key resolved.
pub(crate) fn global_index(
    new: &NewGlobalSecondaryIndex,
    definitions: &[AttributeDefinition],
) -> Result<GlobalSecondaryIndex, ApiError> {
    Ok(GlobalSecondaryIndex {
        index_name: new.index_name.clone(),
        key_schema: resolve_key(&new.key_schema, definitions)?,
        projection: new.projection.clone(),
        provisioned_throughput: new.provisioned_throughput,
        on_demand_throughput: new.on_demand_throughput,
        warm_throughput: new.warm_throughput,
    })
}

/// Upper limits are for on-demand tables; the first of `limits` that is given is named.
pub(crate) fn on_demand_needs_pay_per_request(
    limits: OnDemandThroughput,
    index_name: Option<&str>,
) -> ApiError {
    let member = match limits.max_read_request_units {
        Some(_) => "MaxReadRequestUnits",
        None => "MaxWriteRequestUnits",
    };
    let of_index = index_name
        .map(|index_name| format!(" for index : {index_name}"))
        .unwrap_or_default();
    ApiError::invalid_parameter(format!(
        "{member} for OnDemandThroughput{of_index} cannot be specified when the table BillingMode is \
         PROVISIONED"
    ))
}

/// What holds over all indexes of a table: distinct names, how many there may be, and how many
/// attributes they may project together.
pub(crate) fn check_indexes_together(settings: &TableSettings) -> Result<(), ApiError> {
    let local = &settings.local_secondary_indexes;
    let global = &settings.global_secondary_indexes;
    let mut seen: Vec<&str> = Vec::with_capacity(local.len() + global.len());
    let names = local
        .iter()
        .map(|index| index.index_name.as_str())
        .chain(global.iter().map(|index| index.index_name.as_str()));
    for name in names {
        if seen.contains(&name) {
            return Err(duplicate_index(name));
        }
        seen.push(name);
    }
    if local.len() > limits::LOCAL_INDEXES_MAX {
        return Err(ApiError::invalid_parameter(format!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {}",
            limits::LOCAL_INDEXES_MAX
        )));
    }
    if global.len() > limits::GLOBAL_INDEXES_MAX {
        return Err(ApiError::invalid_parameter(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {}",
            limits::GLOBAL_INDEXES_MAX
        )));
    }
    let projections = local
        .iter()
        .map(|index| &index.projection)
        .chain(global.iter().map(|index| &index.projection));
    let projected: usize = projections
        .map(|projection| projection.non_key_attributes().len())
        .sum();
    if projected > limits::NON_KEY_ATTRIBUTES_TOTAL_MAX {
        return Err(ApiError::invalid_parameter(format!(
            "Number of NonKeyAttributes over all indexes exceeds the per-table limit of {}",
            limits::NON_KEY_ATTRIBUTES_TOTAL_MAX
        )));
    }
    Ok(())
}

/// Two indexes of one name.
fn duplicate_index(index_name: &str) -> ApiError {
    ApiError::invalid_parameter(format!("Duplicate index name: {index_name}"))
}
