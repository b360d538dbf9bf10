//! How a table that exists differs from its manifest, and which change is next: UpdateTable takes one kind at a time.

mod indexes;
mod settings;

use std::collections::BTreeMap;

use crate::crd::table::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, OnDemandThroughput,
    ProvisionedThroughput, TableSpec,
};

pub use indexes::ServiceIndex;
pub use settings::{ServiceTimeToLive, tags};

/// A table as DescribeTable shows it, reduced to what is compared or reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTable {
    /// UUID of the table.
    pub table_id: String,
    /// ARN of the table.
    pub arn: String,
    /// `ACTIVE` and so on.
    pub status: String,
    /// Primary key.
    pub key_schema: Vec<KeySchemaElement>,
    /// Types of the key attributes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// `PROVISIONED` or `PAY_PER_REQUEST`.
    pub billing_mode: String,
    /// Zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughput,
    /// Bounds of an on-demand table.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// `STANDARD` or `STANDARD_INFREQUENT_ACCESS`.
    pub table_class: String,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: bool,
    /// RFC 3339.
    pub creation_date_time: Option<String>,
    /// Number of items, approximately.
    pub item_count: i64,
    /// Size, approximately.
    pub size_bytes: i64,
    /// Global secondary indexes.
    pub global_secondary_indexes: Vec<ServiceIndex>,
    /// Local secondary indexes.
    pub local_secondary_indexes: Vec<ServiceIndex>,
    /// View of the stream; absent while there is none.
    pub stream_view_type: Option<String>,
    /// ARN of the newest stream.
    pub latest_stream_arn: Option<String>,
    /// Label of the newest stream.
    pub latest_stream_label: Option<String>,
    /// Expiry; absent if it was not asked for.
    pub time_to_live: Option<ServiceTimeToLive>,
    /// Tags; absent if they were not asked for.
    pub tags: Option<BTreeMap<String, String>>,
}

/// One change, small enough for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// Switch deletion protection.
    DeletionProtection(bool),
    /// Switch the billing mode; to `PROVISIONED` with the throughput.
    BillingMode {
        /// The new mode.
        billing_mode: String,
        /// Only with `PROVISIONED`.
        provisioned_throughput: Option<ProvisionedThroughput>,
        /// Only with `PROVISIONED`: that of each global index, by name.
        index_throughput: Vec<(String, ProvisionedThroughput)>,
    },
    /// Change the throughput.
    ProvisionedThroughput(ProvisionedThroughput),
    /// Change the bounds.
    OnDemandThroughput(OnDemandThroughput),
    /// Change the class.
    TableClass(String),
    /// Make a global index.
    CreateIndex {
        /// The index.
        index: Box<GlobalSecondaryIndex>,
        /// The types of its key attributes, among others.
        attribute_definitions: Vec<AttributeDefinition>,
    },
    /// Delete a global index.
    DeleteIndex(String),
    /// Change the throughput of a global index.
    IndexThroughput {
        /// The index.
        index_name: String,
        /// Of a provisioned table.
        provisioned_throughput: Option<ProvisionedThroughput>,
        /// Of an on-demand table.
        on_demand_throughput: Option<OnDemandThroughput>,
    },
    /// Begin a stream with this view.
    EnableStream(String),
    /// End the stream.
    DisableStream,
    /// Switch the expiry of items.
    TimeToLive {
        /// The attribute.
        attribute_name: String,
        /// On or off.
        enabled: bool,
    },
    /// Set tags.
    Tag {
        /// ARN of the table.
        arn: String,
        /// The tags.
        tags: BTreeMap<String, String>,
    },
    /// Remove tags.
    Untag {
        /// ARN of the table.
        arn: String,
        /// Their names.
        keys: Vec<String>,
    },
}

impl TableChange {
    /// The field of the manifest.
    pub fn field(&self) -> &'static str {
        match self {
            Self::DeletionProtection(_) => "deletionProtectionEnabled",
            Self::BillingMode { .. } => "billingMode",
            Self::ProvisionedThroughput(_) => "provisionedThroughput",
            Self::OnDemandThroughput(_) => "onDemandThroughput",
            Self::TableClass(_) => "tableClass",
            Self::CreateIndex { .. } | Self::DeleteIndex(_) | Self::IndexThroughput { .. } => {
                "globalSecondaryIndexes"
            }
            Self::EnableStream(_) | Self::DisableStream => "streamSpecification",
            Self::TimeToLive { .. } => "timeToLive",
            Self::Tag { .. } | Self::Untag { .. } => "tags",
        }
    }
}

/// Why the manifest can never describe this table.
pub fn mismatch(spec: &TableSpec, table: &ServiceTable) -> Option<String> {
    if spec.key_schema != table.key_schema {
        return Some(format!(
            "spec.keySchema: the table {} exists with another key: {}",
            spec.table_name,
            key_text(&table.key_schema)
        ));
    }
    if let Some(problem) = indexes::mismatch(spec, table) {
        return Some(problem);
    }
    spec.attribute_definitions.iter().find_map(|wanted| {
        let real = table.attribute_definitions.iter().find(|real| {
            real.attribute_name == wanted.attribute_name
                && real.attribute_type != wanted.attribute_type
        })?;
        Some(format!(
            "spec.attributeDefinitions: {} has type {} in the table {}",
            real.attribute_name, real.attribute_type, spec.table_name
        ))
    })
}

fn key_text(key: &[KeySchemaElement]) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|element| format!("{} {}", element.attribute_name, element.key_type))
        .collect();
    parts.join(", ")
}

/// What the table is still busy with; until it is done there is no next change.
pub fn busy(table: &ServiceTable) -> Option<String> {
    indexes::busy(table)
}

/// The next change. A field that the manifest does not have is not managed and never a reason to change anything.
pub fn next_change(spec: &TableSpec, table: &ServiceTable) -> Option<TableChange> {
    if let Some(wanted) = spec.deletion_protection_enabled
        && wanted != table.deletion_protection_enabled
    {
        return Some(TableChange::DeletionProtection(wanted));
    }
    if let Some(wanted) = &spec.billing_mode
        && *wanted != table.billing_mode
    {
        return Some(TableChange::BillingMode {
            billing_mode: wanted.clone(),
            provisioned_throughput: spec.provisioned_throughput.clone(),
            index_throughput: index_throughput(spec, table),
        });
    }
    if let Some(wanted) = &spec.provisioned_throughput
        && table.billing_mode == "PROVISIONED"
        && *wanted != table.provisioned_throughput
    {
        return Some(TableChange::ProvisionedThroughput(wanted.clone()));
    }
    if let Some(wanted) = &spec.on_demand_throughput
        && table.billing_mode == "PAY_PER_REQUEST"
        && bounds(Some(wanted)) != bounds(table.on_demand_throughput.as_ref())
    {
        return Some(TableChange::OnDemandThroughput(wanted.clone()));
    }
    if let Some(wanted) = &spec.table_class
        && *wanted != table.table_class
    {
        return Some(TableChange::TableClass(wanted.clone()));
    }
    indexes::next_change(spec, table).or_else(|| settings::next_change(spec, table))
}

/// What a change to `PROVISIONED` says of the indexes that the table has.
fn index_throughput(
    spec: &TableSpec,
    table: &ServiceTable,
) -> Vec<(String, ProvisionedThroughput)> {
    let has = |name: &str| {
        let mut real = table.global_secondary_indexes.iter();
        real.any(|index| index.index_name == name)
    };
    spec.global_secondary_indexes
        .iter()
        .flatten()
        .filter(|index| has(&index.index_name))
        .filter_map(|index| {
            let units = index.provisioned_throughput.clone()?;
            Some((index.index_name.clone(), units))
        })
        .collect()
}

/// Absent and -1 both mean that there is no bound.
fn bounds(throughput: Option<&OnDemandThroughput>) -> (Option<i64>, Option<i64>) {
    let bound = |units: Option<i64>| units.filter(|units| *units >= 0);
    throughput.map_or((None, None), |throughput| {
        (
            bound(throughput.max_read_request_units),
            bound(throughput.max_write_request_units),
        )
    })
}

/// The optional settings that the manifest names, by field.
pub fn managed_fields(spec: &TableSpec) -> Vec<String> {
    [
        ("billingMode", spec.billing_mode.is_some()),
        (
            "deletionProtectionEnabled",
            spec.deletion_protection_enabled.is_some(),
        ),
        (
            "globalSecondaryIndexes",
            spec.global_secondary_indexes.is_some(),
        ),
        ("onDemandThroughput", spec.on_demand_throughput.is_some()),
        (
            "provisionedThroughput",
            spec.provisioned_throughput.is_some(),
        ),
        ("streamSpecification", spec.stream_specification.is_some()),
        ("tableClass", spec.table_class.is_some()),
        ("tags", spec.tags.is_some()),
        ("timeToLive", spec.time_to_live.is_some()),
    ]
    .into_iter()
    .filter(|(_, present)| *present)
    .map(|(field, _)| field.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::table::tests::{orders, orders_in_service};

    fn check(
        change: impl FnOnce(&mut TableSpec, &mut ServiceTable),
        expected: Option<TableChange>,
    ) {
        let (mut spec, mut table) = (orders(), orders_in_service());
        change(&mut spec, &mut table);
        assert_eq!(next_change(&spec, &table), expected);
    }

    const ONE: ProvisionedThroughput = ProvisionedThroughput {
        read_capacity_units: 1,
        write_capacity_units: 1,
    };

    #[test]
    fn equal_means_no_change() {
        check(|_, _| (), None);
    }

    #[test]
    fn absent_means_unmanaged() {
        check(
            |spec, table| {
                spec.billing_mode = None;
                table.deletion_protection_enabled = true;
                table.table_class = "STANDARD_INFREQUENT_ACCESS".to_owned();
            },
            None,
        );
    }

    #[test]
    fn a_new_billing_mode_brings_its_throughput() {
        check(
            |spec, _| {
                spec.billing_mode = Some("PROVISIONED".to_owned());
                spec.provisioned_throughput = Some(ONE);
            },
            Some(TableChange::BillingMode {
                billing_mode: "PROVISIONED".to_owned(),
                provisioned_throughput: Some(ONE),
                index_throughput: Vec::new(),
            }),
        );
    }

    #[test]
    fn changes_come_one_at_a_time() {
        let (mut spec, mut table) = (orders(), orders_in_service());
        spec.deletion_protection_enabled = Some(true);
        spec.table_class = Some("STANDARD_INFREQUENT_ACCESS".to_owned());
        assert_eq!(
            next_change(&spec, &table),
            Some(TableChange::DeletionProtection(true))
        );
        table.deletion_protection_enabled = true;
        assert_eq!(
            next_change(&spec, &table),
            Some(TableChange::TableClass(
                "STANDARD_INFREQUENT_ACCESS".to_owned()
            ))
        );
    }

    #[test]
    fn minus_one_is_no_bound() {
        check(
            |spec, _| {
                spec.on_demand_throughput = Some(OnDemandThroughput {
                    max_read_request_units: Some(-1),
                    max_write_request_units: None,
                });
            },
            None,
        );
    }

    #[test]
    fn another_key_is_a_mismatch() {
        let (spec, mut table) = (orders(), orders_in_service());
        assert_eq!(mismatch(&spec, &table), None);
        table.attribute_definitions[0].attribute_type = "N".to_owned();
        assert!(
            mismatch(&spec, &table)
                .unwrap()
                .starts_with("spec.attributeDefinitions: customerId has type N")
        );
        table.key_schema.pop();
        assert!(
            mismatch(&spec, &table)
                .unwrap()
                .starts_with("spec.keySchema")
        );
    }
}
