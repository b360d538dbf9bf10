//! The members that CreateTable and UpdateTable share, as they come in.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{List, Member, Members, NewStructure};
use crate::operations::constraints::Constraints;
use crate::table::{
    BillingMode, OnDemandThroughput, ProvisionedThroughput, SseSpecification, StreamSpecification,
    TableClass, Tag, WarmThroughput,
};

mod capacity;
mod index;
mod keys;
mod settings;

pub(crate) use capacity::{OnDemandWire, ThroughputWire, WarmWire, check_bounds, check_limits};
use index::LocalIndexWire;
pub(crate) use index::{IndexShape, IndexUpdateShape, IndexUpdateWire, IndexWire};
pub(crate) use keys::{
    AttributeDefinitionWire, KeySchemaElementWire, constrain_definitions, constrain_key_schema,
    definitions,
};
pub(crate) use settings::{SseWire, StreamWire, TagWire, check_tag_key, tags};

/// A control request on a table before any rule is checked.
#[derive(Default)]
pub(crate) struct ControlWire {
    pub(crate) table_name: Option<String>,
    pub(crate) attribute_definitions: Option<Vec<AttributeDefinitionWire>>,
    pub(crate) key_schema: Option<Vec<KeySchemaElementWire>>,
    pub(crate) local_secondary_indexes: Option<Vec<IndexWire>>,
    pub(crate) global_secondary_indexes: Option<Vec<IndexWire>>,
    pub(crate) global_secondary_index_updates: Option<Vec<IndexUpdateWire>>,
    pub(crate) deletion_protection_enabled: Option<bool>,
    pub(crate) resource_policy: Option<String>,
    tags: Option<Vec<TagWire>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputWire>,
    on_demand_throughput: Option<OnDemandWire>,
    warm_throughput: Option<WarmWire>,
    table_class: Option<String>,
    stream_specification: Option<StreamWire>,
    sse_specification: Option<SseWire>,
    /// Members that ask for what this version does not do, in the order in which they came.
    pub(crate) not_supported: Vec<&'static str>,
}

/// Members that are refused when they are there.
const NOT_SUPPORTED: [&str; 8] = [
    "ReplicaUpdates",
    "GlobalTableWitnessUpdates",
    "VectorIndexes",
    "VectorIndexUpdates",
    "MultiRegionConsistency",
    "GlobalTableSourceArn",
    "GlobalTableSettingsReplicationMode",
    "DisassociationProtectionEnabled",
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
            "LocalSecondaryIndexes" => {
                let indexes = value.structures::<LocalIndexWire>()?;
                self.local_secondary_indexes =
                    indexes.map(|indexes| indexes.into_iter().map(|index| index.0).collect());
            }
            "GlobalSecondaryIndexes" => self.global_secondary_indexes = value.structures()?,
            "GlobalSecondaryIndexUpdates" => {
                self.global_secondary_index_updates = value.structures()?;
            }
            "BillingMode" => self.billing_mode = value.text()?,
            "ProvisionedThroughput" => self.provisioned_throughput = value.new_structure()?,
            "OnDemandThroughput" => self.on_demand_throughput = value.new_structure()?,
            "WarmThroughput" => self.warm_throughput = value.new_structure()?,
            "TableClass" => self.table_class = value.text()?,
            "DeletionProtectionEnabled" => self.deletion_protection_enabled = value.boolean()?,
            "StreamSpecification" => self.stream_specification = value.new_structure()?,
            "SSESpecification" => self.sse_specification = value.new_structure()?,
            "Tags" => self.tags = value.structures()?,
            "ResourcePolicy" => self.resource_policy = value.text()?,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CommonSettings {
    pub(crate) billing_mode: Option<BillingMode>,
    pub(crate) provisioned_throughput: Option<ProvisionedThroughput>,
    pub(crate) on_demand_throughput: Option<OnDemandThroughput>,
    pub(crate) warm_throughput: Option<WarmThroughput>,
    pub(crate) stream_specification: Option<StreamSpecification>,
    pub(crate) sse_specification: Option<SseSpecification>,
}

impl ControlWire {
    /// Gathers the model's constraints on the common members.
    pub(crate) fn common(&self, constraints: &mut Constraints) -> CommonSettings {
        CommonSettings {
            billing_mode: constraints.word(
                "billingMode",
                self.billing_mode.as_deref(),
                "[PROVISIONED, PAY_PER_REQUEST]",
                BillingMode::from_name,
            ),
            provisioned_throughput: self
                .provisioned_throughput
                .as_ref()
                .map(|wire| wire.constrain("provisionedThroughput", constraints)),
            on_demand_throughput: self
                .on_demand_throughput
                .as_ref()
                .and_then(OnDemandWire::given),
            warm_throughput: self.warm_throughput.as_ref().map(WarmWire::given),
            stream_specification: self
                .stream_specification
                .as_ref()
                .map(|wire| wire.constrain(constraints)),
            sse_specification: self
                .sse_specification
                .as_ref()
                .map(|wire| wire.constrain(constraints)),
        }
    }

    /// The tags that are given.
    pub(crate) fn tags(&self) -> Result<Vec<Tag>, ApiError> {
        tags(self.tags.as_deref().unwrap_or_default())
    }

    /// The storage class that is given; a wrong one has words of its own.
    pub(crate) fn table_class(&self) -> Result<Option<TableClass>, ApiError> {
        let Some(word) = self.table_class.as_deref() else {
            return Ok(None);
        };
        TableClass::from_name(word).map(Some).ok_or_else(|| {
            ApiError::validation(
                "Invalid table-class parameter provided. Please try again with a valid table-class \
                 value: [STANDARD, STANDARD_INFREQUENT_ACCESS].",
            )
        })
    }

    /// Refuses members of the encryption that do not go together.
    pub(crate) fn check_sse(&self) -> Result<(), ApiError> {
        self.sse_specification
            .as_ref()
            .map_or(Ok(()), SseWire::check)
    }

    /// Refuses what this version does not do, by the first member that asks for it.
    pub(crate) fn check_supported(&self) -> Result<(), ApiError> {
        match self.not_supported.first() {
            Some(member) => Err(ApiError::not_supported(member)),
            None => Ok(()),
        }
    }
}
