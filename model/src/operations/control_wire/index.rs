//! Definitions and changes of secondary indexes before their rules are checked.

use serde::de::MapAccess;

use super::{KeySchemaElementWire, OnDemandWire, ThroughputWire, WarmWire, constrain_key_schema};
use crate::json::read::{List, Member, Members, Text};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::table::{
    KeySchemaElement, OnDemandThroughput, ProjectionType, ProvisionedThroughput, WarmThroughput,
};

/// The definition of an index, local or global, before it is checked; also what an Update or a
/// Delete of an index says.
#[derive(Default)]
pub(crate) struct IndexWire {
    index_name: Option<String>,
    key_schema: Option<Vec<KeySchemaElementWire>>,
    projection: Option<ProjectionWire>,
    provisioned_throughput: Option<ThroughputWire>,
    on_demand_throughput: Option<OnDemandWire>,
    warm_throughput: Option<WarmWire>,
}

impl Members for IndexWire {
    const CLASS: &'static str = "GlobalSecondaryIndex";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "IndexName" => self.index_name = value.text()?,
            "KeySchema" => self.key_schema = value.structures()?,
            "Projection" => self.projection = value.new_structure()?,
            "ProvisionedThroughput" => self.provisioned_throughput = value.new_structure()?,
            "OnDemandThroughput" => self.on_demand_throughput = value.new_structure()?,
            "WarmThroughput" => self.warm_throughput = value.new_structure()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// An element of `LocalSecondaryIndexes`.
#[derive(Default)]
pub(super) struct LocalIndexWire(pub(super) IndexWire);

impl Members for LocalIndexWire {
    const CLASS: &'static str = "LocalSecondaryIndex";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        self.0.member(name, value)
    }
}

#[derive(Default)]
struct ProjectionWire {
    projection_type: Option<String>,
    non_key_attributes: Option<Vec<Option<String>>>,
}

impl Members for ProjectionWire {
    const CLASS: &'static str = "Projection";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ProjectionType" => self.projection_type = value.text()?,
            "NonKeyAttributes" => self.non_key_attributes = value.read(List(Text))?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// A definition of an index whose members have legal values each for itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct IndexShape {
    pub(crate) index_name: String,
    pub(crate) key_schema: Vec<KeySchemaElement>,
    pub(crate) projection_type: Option<ProjectionType>,
    pub(crate) non_key_attributes: Option<Vec<String>>,
    pub(crate) provisioned_throughput: Option<ProvisionedThroughput>,
    pub(crate) on_demand_throughput: Option<OnDemandThroughput>,
    pub(crate) warm_throughput: Option<WarmThroughput>,
}

impl IndexWire {
    /// Gathers the model's constraints on a definition at `path`.
    pub(crate) fn constrain(
        &self,
        path: &str,
        key_length_max: usize,
        constraints: &mut Constraints,
    ) -> IndexShape {
        let (projection_type, non_key_attributes) = self.constrain_projection(path, constraints);
        let mut shape = self.constrain_update(path, constraints);
        shape.key_schema = constrain_key_schema(
            &format!("{path}.keySchema"),
            self.key_schema.as_deref(),
            key_length_max,
            constraints,
        );
        shape.projection_type = projection_type;
        shape.non_key_attributes = non_key_attributes;
        shape
    }

    /// Gathers the model's constraints on name and capacity alone.
    fn constrain_update(&self, path: &str, constraints: &mut Constraints) -> IndexShape {
        let index_name = self.constrain_name(path, constraints);
        IndexShape {
            index_name,
            provisioned_throughput: self
                .provisioned_throughput
                .as_ref()
                .map(|wire| wire.constrain(&format!("{path}.provisionedThroughput"), constraints)),
            on_demand_throughput: self
                .on_demand_throughput
                .as_ref()
                .and_then(OnDemandWire::given),
            warm_throughput: self.warm_throughput.as_ref().map(WarmWire::given),
            ..IndexShape::default()
        }
    }

    fn constrain_name(&self, path: &str, constraints: &mut Constraints) -> String {
        let path = format!("{path}.indexName");
        constraints.require(&path, self.index_name.as_ref());
        constraints.name(&path, self.index_name.as_deref());
        self.index_name.clone().unwrap_or_default()
    }

    fn constrain_projection(
        &self,
        path: &str,
        constraints: &mut Constraints,
    ) -> (Option<ProjectionType>, Option<Vec<String>>) {
        let path = format!("{path}.projection");
        let Some(projection) = &self.projection else {
            constraints.add_null(&path);
            return (None, None);
        };
        let projection_type = constraints.word(
            &format!("{path}.projectionType"),
            projection.projection_type.as_deref(),
            "[ALL, INCLUDE, KEYS_ONLY]",
            ProjectionType::from_name,
        );
        let Some(names) = &projection.non_key_attributes else {
            return (projection_type, None);
        };
        let path = format!("{path}.nonKeyAttributes");
        let names: Vec<String> = names.iter().flatten().cloned().collect();
        if names.is_empty() {
            constraints.add(&path, "[]", "have length greater than or equal to 1");
        } else if names.len() > limits::NON_KEY_ATTRIBUTES_MAX {
            constraints.add(
                &path,
                format!("[{}]", names.join(", ")),
                &format!(
                    "have length less than or equal to {}",
                    limits::NON_KEY_ATTRIBUTES_MAX
                ),
            );
        }
        for (at, name) in names.iter().enumerate() {
            let path = format!("{path}.{}.member", at + 1);
            constraints.length(&path, name, 1, limits::KEY_ATTRIBUTE_NAME_LENGTH_MAX);
        }
        (projection_type, Some(names))
    }
}

/// An [`IndexWire`] under the name that it has in the service's model there.
fn index_named<'de, A: MapAccess<'de>>(
    class: &'static str,
    value: Member<'_, 'de, A>,
) -> Result<Option<IndexWire>, A::Error> {
    let mut wire = IndexWire::default();
    Ok(value.structure_named(class, &mut wire)?.then_some(wire))
}

/// One element of `GlobalSecondaryIndexUpdates` before it is checked.
#[derive(Default)]
pub(crate) struct IndexUpdateWire {
    create: Option<IndexWire>,
    update: Option<IndexWire>,
    delete: Option<IndexWire>,
}

impl Members for IndexUpdateWire {
    const CLASS: &'static str = "GlobalSecondaryIndexUpdate";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Create" => self.create = index_named("CreateGlobalSecondaryIndexAction", value)?,
            "Update" => self.update = index_named("UpdateGlobalSecondaryIndexAction", value)?,
            "Delete" => self.delete = index_named("DeleteGlobalSecondaryIndexAction", value)?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// One element of `GlobalSecondaryIndexUpdates`, its members legal each for itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct IndexUpdateShape {
    pub(crate) create: Option<IndexShape>,
    pub(crate) update: Option<IndexShape>,
    pub(crate) delete: Option<String>,
}

impl IndexUpdateWire {
    /// Gathers the model's constraints on the element at that position, from 1.
    pub(crate) fn constrain(&self, at: usize, constraints: &mut Constraints) -> IndexUpdateShape {
        let path = |kind: &str| format!("globalSecondaryIndexUpdates.{at}.member.{kind}");
        IndexUpdateShape {
            create: self.create.as_ref().map(|wire| {
                let key_length_max = 2 * limits::INDEX_KEY_ATTRIBUTES_MAX;
                wire.constrain(&path("create"), key_length_max, constraints)
            }),
            update: self
                .update
                .as_ref()
                .map(|wire| wire.constrain_update(&path("update"), constraints)),
            delete: self
                .delete
                .as_ref()
                .map(|wire| wire.constrain_name(&path("delete"), constraints)),
        }
    }
}
