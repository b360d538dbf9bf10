//! CreateTable: makes a table.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::ApiError;
use crate::json::read::{Context, read_document};
use crate::key::{KeyAttribute, KeySchema};
use crate::limits;
use crate::operations::constraints::{self, Constraints};
use crate::operations::control_wire::{
    CommonSettings, ControlWire, IndexShape, check_bounds, check_limits, constrain_definitions,
    constrain_key_schema, definitions,
};
use crate::operations::describe_table::{description_body, parse_description};
use crate::operations::index_rules::{
    check_indexes_together, check_simple_key, global_index, names, new_global_index,
    on_demand_needs_pay_per_request, projection, resolve_key,
};
use crate::operations::resource_policy::check_policy;
use crate::operations::tag_rules::check_tags;
use crate::operations::warm_rules::Owner;
use crate::table::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, LocalSecondaryIndex,
    NewGlobalSecondaryIndex, NewLocalSecondaryIndex, OnDemandThroughput, ProvisionedThroughput,
    SseSpecification, StreamSpecification, StreamViewType, TableClass, TableDescription,
    TableSettings, Tag, WarmThroughput, table_name_of,
};

/// A CreateTable request: the settings of the table to make.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTableRequest {
    /// What the table shall be.
    pub settings: TableSettings,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its resource policy, JSON.
    pub resource_policy: Option<String>,
}

/// A CreateTable answer.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTableResponse {
    /// The table, being created.
    pub table_description: TableDescription,
}

impl From<TableSettings> for CreateTableRequest {
    fn from(settings: TableSettings) -> CreateTableRequest {
        CreateTableRequest {
            settings,
            tags: Vec::new(),
            resource_policy: None,
        }
    }
}

impl CreateTableRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words, or a refusal of what
    /// this version does not do.
    pub fn parse(body: &[u8]) -> Result<CreateTableRequest, ApiError> {
        let mut wire = ControlWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let table_name = check_table_name(wire.table_name.take())?;
        let Checked {
            common,
            definitions,
            key,
            local,
            global,
        } = constrain(&wire)?;
        let billing_mode = check_billing(&common)?;
        check_bounds(common.provisioned_throughput, None)?;
        check_limits(common.on_demand_throughput, false, None)?;
        wire.check_sse()?;
        let key_schema = key_schema(&key, &definitions)?;
        let local_secondary_indexes = local_indexes(local, &key_schema, &definitions)?;
        let global_secondary_indexes = global_indexes(global, billing_mode, &definitions)?;
        let settings = TableSettings {
            table_name,
            key_schema,
            attribute_definitions: definitions,
            billing_mode,
            provisioned_throughput: common.provisioned_throughput,
            on_demand_throughput: common.on_demand_throughput,
            warm_throughput: common.warm_throughput,
            local_secondary_indexes,
            global_secondary_indexes,
            stream_view_type: check_stream(common.stream_specification)?,
            sse_specification: common.sse_specification.filter(|sse| sse.enabled),
            table_class: wire.table_class()?.unwrap_or_default(),
            deletion_protection_enabled: wire.deletion_protection_enabled.unwrap_or_default(),
        };
        check_indexes_together(&settings)?;
        check_definitions_used(&settings)?;
        check_warm(&settings)?;
        let tags = wire.tags()?;
        check_tags(&tags)?;
        if let Some(policy) = &wire.resource_policy {
            check_policy(policy)?;
        }
        wire.check_supported()?;
        Ok(CreateTableRequest {
            settings,
            tags,
            resource_policy: wire.resource_policy,
        })
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            table_name: &'a str,
            attribute_definitions: &'a [AttributeDefinition],
            key_schema: Vec<KeySchemaElement>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            local_secondary_indexes: Vec<NewLocalSecondaryIndex>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            global_secondary_indexes: Vec<NewGlobalSecondaryIndex>,
            billing_mode: BillingMode,
            #[serde(skip_serializing_if = "Option::is_none")]
            provisioned_throughput: Option<ProvisionedThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            on_demand_throughput: Option<OnDemandThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            warm_throughput: Option<WarmThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            stream_specification: Option<StreamSpecification>,
            #[serde(rename = "SSESpecification", skip_serializing_if = "Option::is_none")]
            sse_specification: Option<&'a SseSpecification>,
            #[serde(skip_serializing_if = "<[Tag]>::is_empty")]
            tags: &'a [Tag],
            table_class: TableClass,
            deletion_protection_enabled: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            resource_policy: Option<&'a str>,
        }
        let settings = &self.settings;
        let body = Body {
            table_name: &settings.table_name,
            attribute_definitions: &settings.attribute_definitions,
            key_schema: settings.key_schema.elements(),
            local_secondary_indexes: settings
                .local_secondary_indexes
                .iter()
                .map(NewLocalSecondaryIndex::from)
                .collect(),
            global_secondary_indexes: settings
                .global_secondary_indexes
                .iter()
                .map(NewGlobalSecondaryIndex::from)
                .collect(),
            billing_mode: settings.billing_mode,
            provisioned_throughput: settings.provisioned_throughput,
            on_demand_throughput: settings.on_demand_throughput,
            warm_throughput: settings.warm_throughput,
            stream_specification: settings.stream_view_type.map(StreamSpecification::enabled),
            sse_specification: settings.sse_specification.as_ref(),
            tags: &self.tags,
            table_class: settings.table_class,
            deletion_protection_enabled: settings.deletion_protection_enabled,
            resource_policy: self.resource_policy.as_deref(),
        };
        // Strings, numbers and flags cannot fail to serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl CreateTableResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        description_body("TableDescription", &self.table_description)
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<CreateTableResponse, ApiError> {
        parse_description("TableDescription", body)
            .map(|table_description| CreateTableResponse { table_description })
    }
}

/// CreateTable has its own words for a missing name and a wrong length.
fn check_table_name(value: Option<String>) -> Result<String, ApiError> {
    let value = value.ok_or_else(|| {
        ApiError::validation(
            "The parameter 'TableName' is required but was not present in the request",
        )
    })?;
    let name = table_name_of(&value);
    if !(limits::TABLE_NAME_LENGTH_MIN..=limits::TABLE_NAME_LENGTH_MAX)
        .contains(&name.chars().count())
    {
        return Err(ApiError::validation(
            "TableName must be at least 3 characters long and at most 255 characters long",
        ));
    }
    let name = name.to_owned();
    constraints::table_name(Some(value), limits::TABLE_NAME_LENGTH_MIN)?;
    Ok(name)
}

/// The members of a request that are legal each for itself.
struct Checked {
    common: CommonSettings,
    definitions: Vec<AttributeDefinition>,
    key: Vec<KeySchemaElement>,
    /// `None` if the member is absent, which an empty list is not.
    local: Option<Vec<IndexShape>>,
    global: Option<Vec<IndexShape>>,
}

/// The model's constraints, gathered.
fn constrain(wire: &ControlWire) -> Result<Checked, ApiError> {
    let mut constraints = Constraints::default();
    constraints.require("attributeDefinitions", wire.attribute_definitions.as_ref());
    let given = wire.attribute_definitions.as_deref().unwrap_or_default();
    constrain_definitions(given, &mut constraints);
    let key = constrain_key_schema("keySchema", wire.key_schema.as_deref(), 2, &mut constraints);
    let common = wire.common(&mut constraints);
    let local = wire.local_secondary_indexes.as_ref().map(|indexes| {
        let indexes = indexes.iter().enumerate();
        indexes
            .map(|(at, index)| {
                let path = format!("localSecondaryIndexes.{}.member", at + 1);
                index.constrain(&path, 2, &mut constraints)
            })
            .collect()
    });
    let global = wire.global_secondary_indexes.as_ref().map(|indexes| {
        let indexes = indexes.iter().enumerate();
        indexes
            .map(|(at, index)| {
                let path = format!("globalSecondaryIndexes.{}.member", at + 1);
                let key_length_max = 2 * limits::INDEX_KEY_ATTRIBUTES_MAX;
                index.constrain(&path, key_length_max, &mut constraints)
            })
            .collect()
    });
    constraints.finish()?;
    Ok(Checked {
        common,
        definitions: definitions(given),
        key,
        local,
        global,
    })
}

/// Billing mode against throughput.
fn check_billing(common: &CommonSettings) -> Result<BillingMode, ApiError> {
    let billing_mode = common.billing_mode.unwrap_or_default();
    match (
        billing_mode,
        common.provisioned_throughput,
        common.on_demand_throughput,
    ) {
        (BillingMode::PayPerRequest, Some(_), _) => Err(ApiError::invalid_parameter(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
             PAY_PER_REQUEST",
        )),
        (BillingMode::Provisioned, None, _) => Err(ApiError::invalid_parameter(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is \
             PROVISIONED",
        )),
        (BillingMode::Provisioned, _, Some(limits)) => {
            Err(on_demand_needs_pay_per_request(limits, None))
        }
        _ => Ok(billing_mode),
    }
}

/// The table's key out of one or two elements.
fn key_schema(
    elements: &[KeySchemaElement],
    definitions: &[AttributeDefinition],
) -> Result<KeySchema, ApiError> {
    let attribute = |element: &KeySchemaElement| {
        definitions
            .iter()
            .find(|definition| definition.attribute_name == element.attribute_name)
            .map(|definition| KeyAttribute {
                name: element.attribute_name.clone(),
                scalar_type: definition.attribute_type,
            })
            .ok_or_else(|| {
                ApiError::validation(
                    "Invalid KeySchema: Some index key attribute have no definition",
                )
            })
    };
    let attributes: Vec<KeyAttribute> = elements.iter().map(attribute).collect::<Result<_, _>>()?;
    check_simple_key(elements)?;
    let mut attributes = attributes.into_iter();
    let partition_key = attributes.next().ok_or_else(|| {
        // The constraints refuse an empty list.
        ApiError::internal("a key schema without elements passed its checks")
    })?;
    Ok(KeySchema {
        partition_key,
        sort_key: attributes.next(),
    })
}

fn local_indexes(
    shapes: Option<Vec<IndexShape>>,
    table_key: &KeySchema,
    definitions: &[AttributeDefinition],
) -> Result<Vec<LocalSecondaryIndex>, ApiError> {
    let Some(shapes) = shapes else {
        return Ok(Vec::new());
    };
    if shapes.is_empty() {
        return Err(ApiError::invalid_parameter(
            "List of LocalSecondaryIndexes is empty",
        ));
    }
    if table_key.sort_key.is_none() {
        return Err(ApiError::invalid_parameter(
            "Table KeySchema does not have a range key, which is required when specifying a \
             LocalSecondaryIndex",
        ));
    }
    shapes
        .into_iter()
        .map(|shape| local_index(shape, table_key, definitions))
        .collect()
}

fn local_index(
    shape: IndexShape,
    table_key: &KeySchema,
    definitions: &[AttributeDefinition],
) -> Result<LocalSecondaryIndex, ApiError> {
    let key_schema = resolve_key(&shape.key_schema, definitions)?;
    check_simple_key(&shape.key_schema)?;
    if key_schema.sort_keys.is_empty() {
        return Err(ApiError::invalid_parameter(format!(
            "Index KeySchema does not have a range key for index: {}",
            shape.index_name
        )));
    }
    let table_hash = &table_key.partition_key.name;
    let index_hash = key_schema.partition_keys.first().map(|key| &key.name);
    if index_hash != Some(table_hash) {
        return Err(ApiError::invalid_parameter(format!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: \
             {}. index hash key: {}, table hash key: {table_hash}",
            shape.index_name,
            index_hash.map_or("", String::as_str)
        )));
    }
    let projection = projection(&shape)?;
    Ok(LocalSecondaryIndex {
        index_name: shape.index_name,
        key_schema,
        projection,
    })
}

fn global_indexes(
    shapes: Option<Vec<IndexShape>>,
    billing_mode: BillingMode,
    definitions: &[AttributeDefinition],
) -> Result<Vec<GlobalSecondaryIndex>, ApiError> {
    let Some(shapes) = shapes else {
        return Ok(Vec::new());
    };
    if shapes.is_empty() {
        return Err(ApiError::invalid_parameter(
            "List of GlobalSecondaryIndexes is empty",
        ));
    }
    shapes
        .into_iter()
        .map(|shape| {
            resolve_key(&shape.key_schema, definitions)?;
            let new = new_global_index(shape)?;
            check_index_billing(billing_mode, &new)?;
            global_index(&new, definitions)
        })
        .collect()
}

/// What the stream of a specification records; `None` for one that is off.
fn check_stream(
    specification: Option<StreamSpecification>,
) -> Result<Option<StreamViewType>, ApiError> {
    match specification {
        None
        | Some(StreamSpecification {
            stream_enabled: false,
            stream_view_type: None,
        }) => Ok(None),
        Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type: None,
        }) => Err(ApiError::invalid_parameter(
            "Table is being created with a stream enabled, UpdateViewType is required",
        )),
        Some(StreamSpecification {
            stream_enabled: false,
            stream_view_type: Some(_),
        }) => Err(ApiError::invalid_parameter(
            "Table is being created with a stream disabled, UpdateViewType should not be specified",
        )),
        Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type,
        }) => Ok(stream_view_type),
    }
}

/// Every definition is used by a key of the table or of an index.
fn check_definitions_used(settings: &TableSettings) -> Result<(), ApiError> {
    let definitions = &settings.attribute_definitions;
    let mut seen = BTreeSet::new();
    let twice = definitions
        .iter()
        .find(|definition| !seen.insert(definition.attribute_name.as_str()));
    if let Some(twice) = twice {
        return Err(ApiError::validation(format!(
            "Attribute Name is duplicated: {}",
            twice.attribute_name
        )));
    }
    let used: BTreeSet<&str> = settings.key_attribute_names().collect();
    let all_used = definitions
        .iter()
        .all(|definition| used.contains(definition.attribute_name.as_str()));
    if all_used && definitions.len() == used.len() {
        return Ok(());
    }
    let without_indexes =
        settings.local_secondary_indexes.is_empty() && settings.global_secondary_indexes.is_empty();
    Err(ApiError::invalid_parameter(if without_indexes {
        "Number of attributes in KeySchema does not exactly match number of attributes defined in \
         AttributeDefinitions"
            .to_owned()
    } else {
        let used: Vec<&str> = used.into_iter().collect();
        format!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
            names(definitions),
            used.join(", ")
        )
    }))
}

/// Warm throughput of the table and of its indexes.
fn check_warm(settings: &TableSettings) -> Result<(), ApiError> {
    let billing_mode = settings.billing_mode;
    let table = Owner {
        index_name: None,
        billing_mode,
        provisioned: settings.provisioned_throughput,
    };
    table.check_new(settings.warm_throughput)?;
    settings
        .global_secondary_indexes
        .iter()
        .try_for_each(|index| {
            let owner = Owner {
                index_name: Some(&index.index_name),
                billing_mode,
                provisioned: index.provisioned_throughput,
            };
            owner.check_new(index.warm_throughput)
        })
}

/// The billing mode against the capacity of an index.
fn check_index_billing(
    billing_mode: BillingMode,
    new: &NewGlobalSecondaryIndex,
) -> Result<(), ApiError> {
    let name = &new.index_name;
    match (
        billing_mode,
        new.provisioned_throughput,
        new.on_demand_throughput,
    ) {
        (BillingMode::PayPerRequest, Some(_), _) => Err(ApiError::invalid_parameter(format!(
            "ProvisionedThroughput should not be specified for index: {name} when BillingMode is \
             PAY_PER_REQUEST"
        ))),
        (BillingMode::Provisioned, None, _) => Err(ApiError::invalid_parameter(format!(
            "ProvisionedThroughput is not specified for index: {name}"
        ))),
        (BillingMode::Provisioned, _, Some(limits)) => {
            Err(on_demand_needs_pay_per_request(limits, Some(name)))
        }
        _ => Ok(()),
    }
}
