//! CreateTable: makes a table.

use serde::Serialize;

use crate::error::ApiError;
use crate::json::read::{Context, read_document};
use crate::key::{KeyAttribute, KeySchema, ScalarType};
use crate::limits;
use crate::operations::constraints::{self, Constraints};
use crate::operations::control_wire::{CommonSettings, ControlWire, KeySchemaElementWire};
use crate::operations::describe_table::{description_body, parse_description};
use crate::table::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, OnDemandThroughput,
    ProvisionedThroughput, TableClass, TableDescription, TableSettings, table_name_of,
};

/// A CreateTable request: the settings of the table to make.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTableRequest {
    /// What the table shall be.
    pub settings: TableSettings,
}

/// A CreateTable answer.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTableResponse {
    /// The table, being created.
    pub table_description: TableDescription,
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
        let mut constraints = Constraints::default();
        let key_types = constrain_keys(&wire, &mut constraints);
        let common = wire.common(&mut constraints, 1);
        constraints.finish()?;
        let billing_mode = check_billing(&common)?;
        common.check_bounds()?;
        let attribute_definitions = definitions(&wire);
        let key_schema = key_schema(
            wire.key_schema.as_deref().unwrap_or_default(),
            &key_types,
            &attribute_definitions,
        )?;
        wire.check_supported()?;
        if attribute_definitions.len() != key_schema.attributes().count() {
            return Err(ApiError::invalid_parameter(
                "Number of attributes in KeySchema does not exactly match number of attributes \
                 defined in AttributeDefinitions",
            ));
        }
        Ok(CreateTableRequest {
            settings: TableSettings {
                table_name,
                key_schema,
                attribute_definitions,
                billing_mode,
                provisioned_throughput: common.provisioned_throughput,
                on_demand_throughput: common.on_demand_throughput,
                table_class: common.table_class.unwrap_or_default(),
                deletion_protection_enabled: wire.deletion_protection_enabled.unwrap_or_default(),
            },
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
            billing_mode: BillingMode,
            #[serde(skip_serializing_if = "Option::is_none")]
            provisioned_throughput: Option<ProvisionedThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            on_demand_throughput: Option<OnDemandThroughput>,
            table_class: TableClass,
            deletion_protection_enabled: bool,
        }
        let settings = &self.settings;
        let body = Body {
            table_name: &settings.table_name,
            attribute_definitions: &settings.attribute_definitions,
            key_schema: settings.key_schema.elements(),
            billing_mode: settings.billing_mode,
            provisioned_throughput: settings.provisioned_throughput,
            on_demand_throughput: settings.on_demand_throughput,
            table_class: settings.table_class,
            deletion_protection_enabled: settings.deletion_protection_enabled,
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

/// Gathers the model's constraints on definitions and key; answers the key's types by position.
fn constrain_keys(wire: &ControlWire, constraints: &mut Constraints) -> Vec<Option<KeyType>> {
    constraints.require("attributeDefinitions", wire.attribute_definitions.as_ref());
    for (at, definition) in wire.attribute_definitions.iter().flatten().enumerate() {
        definition.constrain(at + 1, constraints);
    }
    let Some(elements) = &wire.key_schema else {
        constraints.add_null("keySchema");
        return Vec::new();
    };
    if elements.is_empty() {
        constraints.add("keySchema", "[]", "have length greater than or equal to 1");
    } else if elements.len() > 2 {
        let shown: Vec<String> = elements.iter().map(show_element).collect();
        let shown = format!("[{}]", shown.join(", "));
        constraints.add("keySchema", shown, "have length less than or equal to 2");
    }
    let elements = elements.iter().enumerate();
    elements
        .map(|(at, element)| element.constrain(at + 1, constraints))
        .collect()
}

fn show_element(element: &KeySchemaElementWire) -> String {
    format!(
        "KeySchemaElement(attributeName={}, keyType={})",
        element.attribute_name.as_deref().unwrap_or("null"),
        element.key_type.as_deref().unwrap_or("null")
    )
}

/// Billing mode against throughput.
fn check_billing(common: &CommonSettings) -> Result<BillingMode, ApiError> {
    let billing_mode = common.billing_mode.unwrap_or_default();
    match (billing_mode, common.provisioned_throughput) {
        (BillingMode::PayPerRequest, Some(_)) => Err(ApiError::invalid_parameter(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
             PAY_PER_REQUEST",
        )),
        (BillingMode::Provisioned, None) => Err(ApiError::invalid_parameter(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is \
             PROVISIONED",
        )),
        (BillingMode::Provisioned, _) if common.on_demand_throughput.is_some() => {
            Err(on_demand_needs_pay_per_request())
        }
        _ => Ok(billing_mode),
    }
}

/// Upper limits are for on-demand tables.
pub(crate) fn on_demand_needs_pay_per_request() -> ApiError {
    ApiError::invalid_parameter(
        "OnDemandThroughput can be specified only when BillingMode is PAY_PER_REQUEST",
    )
}

fn definitions(wire: &ControlWire) -> Vec<AttributeDefinition> {
    wire.attribute_definitions
        .iter()
        .flatten()
        .filter_map(|definition| {
            Some(AttributeDefinition {
                attribute_name: definition.attribute_name.clone()?,
                attribute_type: ScalarType::from_name(definition.attribute_type.as_deref()?)?,
            })
        })
        .collect()
}

/// The table's key out of a list of one or two elements.
fn key_schema(
    elements: &[KeySchemaElementWire],
    key_types: &[Option<KeyType>],
    definitions: &[AttributeDefinition],
) -> Result<KeySchema, ApiError> {
    let attribute = |element: &KeySchemaElementWire| {
        let name = element.attribute_name.as_deref().unwrap_or_default();
        definitions
            .iter()
            .find(|definition| definition.attribute_name == name)
            .map(|definition| KeyAttribute {
                name: name.to_owned(),
                scalar_type: definition.attribute_type,
            })
            .ok_or_else(|| {
                ApiError::validation(
                    "Invalid KeySchema: Some index key attribute have no definition",
                )
            })
    };
    let attributes: Vec<KeyAttribute> = elements.iter().map(attribute).collect::<Result<_, _>>()?;
    if key_types.first() != Some(&Some(KeyType::Hash)) {
        return Err(ApiError::validation(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ));
    }
    if key_types
        .get(1)
        .is_some_and(|key_type| *key_type != Some(KeyType::Range))
    {
        return Err(ApiError::validation(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ));
    }
    let mut attributes = attributes.into_iter();
    let partition_key = attributes.next().ok_or_else(|| {
        // The constraints above refuse an empty list.
        ApiError::internal("a key schema without elements passed its checks")
    })?;
    let sort_key = attributes.next();
    if sort_key
        .as_ref()
        .is_some_and(|sort_key| sort_key.name == partition_key.name)
    {
        return Err(ApiError::validation(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    Ok(KeySchema {
        partition_key,
        sort_key,
    })
}
