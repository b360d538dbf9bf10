//! UpdateTimeToLive and DescribeTimeToLive.

use serde::de::MapAccess;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::limits;
use crate::operations::constraints::{self, Constraints};
use crate::operations::describe_table::parse_table_name;

/// An UpdateTimeToLive request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTimeToLiveRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// What is asked for.
    pub specification: TimeToLiveSpecification,
}

/// Whether items expire, and by which attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimeToLiveSpecification {
    /// Whether items expire.
    pub enabled: bool,
    /// The attribute that holds the second at which an item expires.
    pub attribute_name: String,
}

/// An UpdateTimeToLive answer: what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateTimeToLiveResponse {
    /// The request's own.
    pub time_to_live_specification: TimeToLiveSpecification,
}

/// A DescribeTimeToLive request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTimeToLiveRequest {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// A DescribeTimeToLive answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeTimeToLiveResponse {
    /// What there is.
    pub time_to_live_description: TimeToLiveDescription,
}

/// The setting as described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimeToLiveDescription {
    /// Whether items expire.
    pub time_to_live_status: TimeToLiveStatus,
    /// The attribute; absent while nothing expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute_name: Option<String>,
}

/// Whether items expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TimeToLiveStatus {
    /// Being switched on.
    Enabling,
    /// Being switched off.
    Disabling,
    /// Items expire.
    Enabled,
    /// They do not.
    Disabled,
}

impl UpdateTimeToLiveRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<UpdateTimeToLiveRequest, ApiError> {
        let mut wire = Wire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let table_name = constraints::table_name(wire.table_name, 1)?;
        let mut constraints = Constraints::default();
        constraints.require("timeToLiveSpecification", wire.specification.as_ref());
        let specification = wire.specification.map(|given| {
            constraints.require("timeToLiveSpecification.enabled", given.enabled.as_ref());
            let path = "timeToLiveSpecification.attributeName";
            match &given.attribute_name {
                None => constraints.add_null(path),
                Some(name) => {
                    constraints.length(path, name, 1, limits::KEY_ATTRIBUTE_NAME_LENGTH_MAX);
                }
            }
            TimeToLiveSpecification {
                enabled: given.enabled.unwrap_or_default(),
                attribute_name: given.attribute_name.unwrap_or_default(),
            }
        });
        constraints.finish()?;
        specification
            .map(|specification| UpdateTimeToLiveRequest {
                table_name,
                specification,
            })
            .ok_or_else(|| ApiError::internal("a request without a specification passed"))
    }

    /// Checks the change against what there is: `current` is the attribute by which items expire.
    ///
    /// # Errors
    /// A ValidationException in the service's words.
    pub fn check(&self, current: Option<&str>) -> Result<(), ApiError> {
        let asked = &self.specification;
        match (asked.enabled, current) {
            (true, None) => Ok(()),
            (false, None) => Err(ApiError::validation("TimeToLive is already disabled")),
            (_, Some(current)) if current != asked.attribute_name => {
                Err(ApiError::validation(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is \
                     {current}"
                )))
            }
            (true, Some(_)) => Err(ApiError::validation("TimeToLive is already enabled")),
            (false, Some(_)) => Ok(()),
        }
    }

    /// The refusal of a change that comes too soon after another.
    pub fn too_soon() -> ApiError {
        ApiError::validation(
            "Time to live has been modified multiple times within a fixed interval",
        )
    }
}

impl UpdateTimeToLiveResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and flags cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl DescribeTimeToLiveRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<DescribeTimeToLiveRequest, ApiError> {
        parse_table_name(body).map(|table_name| DescribeTimeToLiveRequest { table_name })
    }
}

impl DescribeTimeToLiveResponse {
    /// The answer for a table whose items expire by that attribute, or do not.
    pub fn of(attribute_name: Option<&str>) -> DescribeTimeToLiveResponse {
        DescribeTimeToLiveResponse {
            time_to_live_description: TimeToLiveDescription {
                time_to_live_status: match attribute_name {
                    Some(_) => TimeToLiveStatus::Enabled,
                    None => TimeToLiveStatus::Disabled,
                },
                attribute_name: attribute_name.map(str::to_owned),
            },
        }
    }

    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[derive(Default)]
struct Wire {
    table_name: Option<String>,
    specification: Option<SpecificationWire>,
}

impl Members for Wire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableName" => self.table_name = value.text()?,
            "TimeToLiveSpecification" => self.specification = value.new_structure()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct SpecificationWire {
    enabled: Option<bool>,
    attribute_name: Option<String>,
}

impl Members for SpecificationWire {
    const CLASS: &'static str = "TimeToLiveSpecification";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Enabled" => self.enabled = value.boolean()?,
            "AttributeName" => self.attribute_name = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
