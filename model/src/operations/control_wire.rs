//! The members that CreateTable and UpdateTable share, as they come in.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{List, Member, Members, NewStructure};
use crate::key::ScalarType;
use crate::operations::constraints::Constraints;
use crate::table::{BillingMode, KeyType, OnDemandThroughput, ProvisionedThroughput, TableClass};

/// Above this, throughput is refused as out of bounds.
const THROUGHPUT_BOUND: i64 = 1_000_000_000_000;

/// A control request on a table before any rule is checked.
#[derive(Default)]
pub(crate) struct ControlWire {
    pub(crate) table_name: Option<String>,
    pub(crate) attribute_definitions: Option<Vec<AttributeDefinitionWire>>,
    pub(crate) key_schema: Option<Vec<KeySchemaElementWire>>,
    pub(crate) billing_mode: Option<String>,
    pub(crate) provisioned_throughput: Option<ThroughputWire>,
    pub(crate) on_demand_throughput: Option<OnDemandWire>,
    pub(crate) table_class: Option<String>,
    pub(crate) deletion_protection_enabled: Option<bool>,
    pub(crate) stream_specification: Option<StreamWire>,
    pub(crate) sse_specification: Option<SseWire>,
    /// Members that ask for what this version does not do, in the order in which they came.
    pub(crate) not_supported: Vec<&'static str>,
}

/// Members that are refused when they are there. Lists may be there and empty.
const NOT_SUPPORTED: [&str; 13] = [
    "LocalSecondaryIndexes",
    "GlobalSecondaryIndexes",
    "GlobalSecondaryIndexUpdates",
    "ReplicaUpdates",
    "GlobalTableWitnessUpdates",
    "VectorIndexes",
    "VectorIndexUpdates",
    "MultiRegionConsistency",
    "GlobalTableSourceArn",
    "GlobalTableSettingsReplicationMode",
    "DisassociationProtectionEnabled",
    "WarmThroughput",
    "ResourcePolicy",
];

impl Members for ControlWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableName" => self.table_name = value.text()?,
            "AttributeDefinitions" => {
                self.attribute_definitions = value.read(List(NewStructure::new()))?;
            }
            "KeySchema" => self.key_schema = value.read(List(NewStructure::new()))?,
            "BillingMode" => self.billing_mode = value.text()?,
            "ProvisionedThroughput" => self.provisioned_throughput = value.new_structure()?,
            "OnDemandThroughput" => self.on_demand_throughput = value.new_structure()?,
            "TableClass" => self.table_class = value.text()?,
            "DeletionProtectionEnabled" => self.deletion_protection_enabled = value.boolean()?,
            "StreamSpecification" => self.stream_specification = value.new_structure()?,
            "SSESpecification" => self.sse_specification = value.new_structure()?,
            "Tags" => {
                if value
                    .structures::<AnyWire>()?
                    .is_some_and(|tags| !tags.is_empty())
                {
                    self.not_supported.push("Tags");
                }
            }
            _ => {
                let member = NOT_SUPPORTED.into_iter().find(|member| *member == name);
                if value.skip_present()?
                    && let Some(member) = member
                {
                    self.not_supported.push(member);
                }
            }
        }
        Ok(())
    }
}

/// The members of [`ControlWire`] that both operations check in the same way.
pub(crate) struct CommonSettings {
    pub(crate) billing_mode: Option<BillingMode>,
    pub(crate) provisioned_throughput: Option<ProvisionedThroughput>,
    pub(crate) on_demand_throughput: Option<OnDemandThroughput>,
    pub(crate) table_class: Option<TableClass>,
}

impl ControlWire {
    /// Gathers the model's constraints on the common members. `on_demand_min` is the least legal
    /// upper limit: -1 removes one in UpdateTable.
    pub(crate) fn common(
        &self,
        constraints: &mut Constraints,
        on_demand_min: i64,
    ) -> CommonSettings {
        let billing_mode = constraints.word(
            "billingMode",
            self.billing_mode.as_deref(),
            "[PROVISIONED, PAY_PER_REQUEST]",
            BillingMode::from_name,
        );
        let provisioned_throughput = self.provisioned_throughput.as_ref().map(|wire| {
            for (path, value) in [
                (
                    "provisionedThroughput.writeCapacityUnits",
                    wire.write_capacity_units,
                ),
                (
                    "provisionedThroughput.readCapacityUnits",
                    wire.read_capacity_units,
                ),
            ] {
                constraints.require(path, value.as_ref());
                constraints.range(path, value, 1, i64::MAX);
            }
            ProvisionedThroughput {
                read_capacity_units: wire.read_capacity_units.unwrap_or_default(),
                write_capacity_units: wire.write_capacity_units.unwrap_or_default(),
            }
        });
        let on_demand_throughput = self.on_demand_throughput.as_ref().map(|wire| {
            for (path, value) in [
                (
                    "onDemandThroughput.maxReadRequestUnits",
                    wire.max_read_request_units,
                ),
                (
                    "onDemandThroughput.maxWriteRequestUnits",
                    wire.max_write_request_units,
                ),
            ] {
                constraints.range(path, value, on_demand_min, i64::MAX);
            }
            OnDemandThroughput {
                max_read_request_units: wire.max_read_request_units,
                max_write_request_units: wire.max_write_request_units,
            }
        });
        let table_class = constraints.word(
            "tableClass",
            self.table_class.as_deref(),
            "[STANDARD, STANDARD_INFREQUENT_ACCESS]",
            TableClass::from_name,
        );
        CommonSettings {
            billing_mode,
            provisioned_throughput,
            on_demand_throughput,
            table_class,
        }
    }

    /// Refuses what this version does not do, by the first member that asks for it.
    pub(crate) fn check_supported(&self) -> Result<(), ApiError> {
        if let Some(member) = self.not_supported.first() {
            return Err(ApiError::not_supported(member));
        }
        if self
            .stream_specification
            .as_ref()
            .is_some_and(|stream| stream.enabled == Some(true))
        {
            return Err(ApiError::not_supported("StreamSpecification"));
        }
        // Without SSESpecification, or with Enabled: false, the service encrypts with a key of its
        // own, which costs nothing and is not described; asking for KMS is a promise.
        if self
            .sse_specification
            .as_ref()
            .is_some_and(|sse| sse.enabled == Some(true))
        {
            return Err(ApiError::not_supported("SSESpecification"));
        }
        Ok(())
    }
}

impl CommonSettings {
    /// The bounds of provisioned throughput.
    pub(crate) fn check_bounds(&self) -> Result<(), ApiError> {
        let Some(throughput) = self.provisioned_throughput else {
            return Ok(());
        };
        for (name, value) in [
            ("ReadCapacityUnits", throughput.read_capacity_units),
            ("WriteCapacityUnits", throughput.write_capacity_units),
        ] {
            if value > THROUGHPUT_BOUND {
                return Err(ApiError::validation(format!(
                    "Given value {value} for {name} is out of bounds"
                )));
            }
        }
        Ok(())
    }
}

/// An attribute definition before it is checked.
#[derive(Default)]
pub(crate) struct AttributeDefinitionWire {
    pub(crate) attribute_name: Option<String>,
    pub(crate) attribute_type: Option<String>,
}

impl Members for AttributeDefinitionWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "AttributeName" => self.attribute_name = value.text()?,
            "AttributeType" => self.attribute_type = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl AttributeDefinitionWire {
    pub(crate) fn constrain(&self, at: usize, constraints: &mut Constraints) {
        let path = format!("attributeDefinitions.{at}.member");
        constrain_attribute_name(&path, self.attribute_name.as_deref(), constraints);
        constraints.require(
            &format!("{path}.attributeType"),
            self.attribute_type.as_ref(),
        );
        constraints.word(
            &format!("{path}.attributeType"),
            self.attribute_type.as_deref(),
            "[B, N, S]",
            ScalarType::from_name,
        );
    }
}

/// A key element before it is checked.
#[derive(Default)]
pub(crate) struct KeySchemaElementWire {
    pub(crate) attribute_name: Option<String>,
    pub(crate) key_type: Option<String>,
}

impl Members for KeySchemaElementWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "AttributeName" => self.attribute_name = value.text()?,
            "KeyType" => self.key_type = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl KeySchemaElementWire {
    pub(crate) fn constrain(&self, at: usize, constraints: &mut Constraints) -> Option<KeyType> {
        let path = format!("keySchema.{at}.member");
        constrain_attribute_name(&path, self.attribute_name.as_deref(), constraints);
        constraints.require(&format!("{path}.keyType"), self.key_type.as_ref());
        constraints.word(
            &format!("{path}.keyType"),
            self.key_type.as_deref(),
            "[HASH, RANGE]",
            |name| match name {
                "HASH" => Some(KeyType::Hash),
                "RANGE" => Some(KeyType::Range),
                _ => None,
            },
        )
    }
}

fn constrain_attribute_name(path: &str, name: Option<&str>, constraints: &mut Constraints) {
    let path = format!("{path}.attributeName");
    match name {
        None => constraints.add_null(&path),
        Some(name) => {
            constraints.length(&path, name, 1, crate::limits::KEY_ATTRIBUTE_NAME_LENGTH_MAX);
        }
    }
}

/// Provisioned throughput before it is checked.
#[derive(Default)]
pub(crate) struct ThroughputWire {
    read_capacity_units: Option<i64>,
    write_capacity_units: Option<i64>,
}

impl Members for ThroughputWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ReadCapacityUnits" => self.read_capacity_units = value.long()?,
            "WriteCapacityUnits" => self.write_capacity_units = value.long()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// Upper limits before they are checked.
#[derive(Default)]
pub(crate) struct OnDemandWire {
    max_read_request_units: Option<i64>,
    max_write_request_units: Option<i64>,
}

impl Members for OnDemandWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "MaxReadRequestUnits" => self.max_read_request_units = value.long()?,
            "MaxWriteRequestUnits" => self.max_write_request_units = value.long()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// A stream specification, as far as it decides.
#[derive(Default)]
pub(crate) struct StreamWire {
    pub(crate) enabled: Option<bool>,
}

impl Members for StreamWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "StreamEnabled" => self.enabled = value.boolean()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// An encryption specification, as far as it decides.
#[derive(Default)]
pub(crate) struct SseWire {
    enabled: Option<bool>,
}

impl Members for SseWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Enabled" => self.enabled = value.boolean()?,
            // A key or a type without Enabled asks for KMS all the same.
            "KMSMasterKeyId" | "SSEType" => {
                if value.skip_present()? {
                    self.enabled.get_or_insert(true);
                }
            }
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// A structure whose members do not matter.
#[derive(Default)]
struct AnyWire;

impl Members for AnyWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        _name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        value.ignore()
    }
}
