//! Secondary indexes: what a request fixes of them.
//!
//! Source: public service model, `LocalSecondaryIndex`, `GlobalSecondaryIndex`; developer guide,
//! "Multi-attribute keys".

use serde::{Deserialize, Serialize};

use super::{KeySchemaElement, KeyType, OnDemandThroughput, ProvisionedThroughput, WarmThroughput};
use crate::key::KeyAttribute;

/// The key of a secondary index. A local index has one attribute of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexKeySchema {
    /// The HASH attributes in their order: 1 to 4.
    pub partition_keys: Vec<KeyAttribute>,
    /// The RANGE attributes in their order: up to 4.
    pub sort_keys: Vec<KeyAttribute>,
}

impl IndexKeySchema {
    /// The key attributes: HASH, then RANGE, in their order.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.partition_keys.iter().chain(&self.sort_keys)
    }

    /// Whether the attribute is part of the key.
    pub fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The key as the API lists it.
    pub fn elements(&self) -> Vec<KeySchemaElement> {
        let element = |key_type| {
            move |attribute: &KeyAttribute| KeySchemaElement {
                attribute_name: attribute.name.clone(),
                key_type,
            }
        };
        self.partition_keys
            .iter()
            .map(element(KeyType::Hash))
            .chain(self.sort_keys.iter().map(element(KeyType::Range)))
            .collect()
    }
}

/// Which attributes an index holds beside its own key and the table's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ProjectionShape", into = "ProjectionShape")]
pub enum Projection {
    /// All of them.
    All,
    /// None.
    KeysOnly,
    /// The named ones.
    Include(Vec<String>),
}

impl Projection {
    /// As described: the `NonKeyAttributes` by name, as the service answers them.
    pub fn described(&self) -> Projection {
        let mut described = self.clone();
        if let Projection::Include(names) = &mut described {
            names.sort();
        }
        described
    }

    /// The `NonKeyAttributes`.
    pub fn non_key_attributes(&self) -> &[String] {
        match self {
            Projection::All | Projection::KeysOnly => &[],
            Projection::Include(names) => names,
        }
    }
}

/// The kinds of [`Projection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProjectionType {
    /// All attributes.
    All,
    /// The named attributes.
    Include,
    /// Only keys.
    KeysOnly,
}

impl ProjectionType {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ProjectionType::All => "ALL",
            ProjectionType::Include => "INCLUDE",
            ProjectionType::KeysOnly => "KEYS_ONLY",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<ProjectionType> {
        [
            ProjectionType::All,
            ProjectionType::Include,
            ProjectionType::KeysOnly,
        ]
        .into_iter()
        .find(|projection_type| projection_type.as_str() == name)
    }
}

/// A projection as the API writes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectionShape {
    projection_type: ProjectionType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    non_key_attributes: Option<Vec<String>>,
}

impl From<Projection> for ProjectionShape {
    fn from(projection: Projection) -> ProjectionShape {
        let (projection_type, non_key_attributes) = match projection {
            Projection::All => (ProjectionType::All, None),
            Projection::KeysOnly => (ProjectionType::KeysOnly, None),
            Projection::Include(names) => (ProjectionType::Include, Some(names)),
        };
        ProjectionShape {
            projection_type,
            non_key_attributes,
        }
    }
}

impl TryFrom<ProjectionShape> for Projection {
    type Error = &'static str;

    fn try_from(shape: ProjectionShape) -> Result<Projection, &'static str> {
        match (shape.projection_type, shape.non_key_attributes) {
            (ProjectionType::All, None) => Ok(Projection::All),
            (ProjectionType::KeysOnly, None) => Ok(Projection::KeysOnly),
            (ProjectionType::Include, Some(names)) => Ok(Projection::Include(names)),
            _ => Err("NonKeyAttributes belong to INCLUDE and to it alone"),
        }
    }
}

/// A local secondary index: the table's partition key with another sort key. It is made with the
/// table and never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSecondaryIndex {
    /// The name, unique among the table's indexes.
    pub index_name: String,
    /// The key.
    pub key_schema: IndexKeySchema,
    /// What the index holds.
    pub projection: Projection,
}

/// A global secondary index: keys, placement and capacity of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalSecondaryIndex {
    /// The name, unique among the table's indexes.
    pub index_name: String,
    /// The key.
    pub key_schema: IndexKeySchema,
    /// What the index holds.
    pub projection: Projection,
    /// The provisioned units, if the table is provisioned.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Upper limits, if the table is on-demand.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What the index shall serve at once, as far as it was asked for.
    pub warm_throughput: Option<WarmThroughput>,
}

/// Where an index is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IndexStatus {
    /// Being made or filled; it cannot be read yet.
    Creating,
    /// In use.
    Active,
    /// In use, with a change under way.
    Updating,
    /// Being removed.
    Deleting,
}

/// A global index as a request defines it: the key by names, whose types the attribute definitions
/// of the request or of the table tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewGlobalSecondaryIndex {
    /// The name.
    pub index_name: String,
    /// The key: HASH elements, then RANGE elements.
    pub key_schema: Vec<KeySchemaElement>,
    /// What the index shall hold.
    pub projection: Projection,
    /// The provisioned units, if the table is provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Upper limits, if the table is on-demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What the index shall serve at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<WarmThroughput>,
}

impl From<&GlobalSecondaryIndex> for NewGlobalSecondaryIndex {
    fn from(index: &GlobalSecondaryIndex) -> NewGlobalSecondaryIndex {
        NewGlobalSecondaryIndex {
            index_name: index.index_name.clone(),
            key_schema: index.key_schema.elements(),
            projection: index.projection.clone(),
            provisioned_throughput: index.provisioned_throughput,
            on_demand_throughput: index.on_demand_throughput,
            warm_throughput: index.warm_throughput,
        }
    }
}

/// A local index as a request defines it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewLocalSecondaryIndex {
    /// The name.
    pub index_name: String,
    /// The key: the table's partition key, then the sort key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What the index shall hold.
    pub projection: Projection,
}

impl From<&LocalSecondaryIndex> for NewLocalSecondaryIndex {
    fn from(index: &LocalSecondaryIndex) -> NewLocalSecondaryIndex {
        NewLocalSecondaryIndex {
            index_name: index.index_name.clone(),
            key_schema: index.key_schema.elements(),
            projection: index.projection.clone(),
        }
    }
}

/// One change of `GlobalSecondaryIndexUpdates`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GlobalSecondaryIndexUpdate {
    /// Makes an index and fills it from the table.
    Create(NewGlobalSecondaryIndex),
    /// Changes an index's capacity.
    Update(IndexCapacityUpdate),
    /// Removes an index.
    Delete(IndexName),
}

impl GlobalSecondaryIndexUpdate {
    /// The index that the change is about.
    pub fn index_name(&self) -> &str {
        match self {
            GlobalSecondaryIndexUpdate::Create(new) => &new.index_name,
            GlobalSecondaryIndexUpdate::Update(update) => &update.index_name,
            GlobalSecondaryIndexUpdate::Delete(name) => &name.index_name,
        }
    }
}

/// New capacity of a global index; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexCapacityUpdate {
    /// The index.
    pub index_name: String,
    /// The provisioned units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Upper limits; -1 removes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What the index shall serve at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<WarmThroughput>,
}

/// The name of an index, as a structure of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexName {
    /// The index.
    pub index_name: String,
}
