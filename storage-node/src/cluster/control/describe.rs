//! Between a table's row and what the API says of it.

use std::collections::BTreeMap;

use stator_model::key::{KeySchema, ScalarType};
use stator_model::table::{
    AttributeDefinition, BillingMode, BillingModeSummary, IndexFacts, OnDemandThroughput,
    ProvisionedThroughput, ProvisionedThroughputDescription, SseSpecification, TableClass,
    TableClassSummary, TableDescription, TableFacts, TableSettings, TableStatus,
};

use super::capacity_plan::{decreases_today, warm_of, warm_row};
use super::describe_index::{facts, global_index, local_index};
use super::stream_plan;
use crate::cluster::Table;
use crate::cluster::catalog::rows::{
    BillingRow, IndexStatusRow, KeyRow, KeyTypeRow, SseRow, TableRow, TableStatusRow,
};
use crate::cluster::sizes::{Size, Sizes};

impl Table {
    /// The settings that requests choose, without indexes that are being removed.
    pub fn settings(&self) -> TableSettings {
        let mut settings = self.described_settings();
        let row = &self.row;
        settings.global_secondary_indexes.retain(|index| {
            row.global_indexes.iter().any(|held| {
                held.name == index.index_name && held.status != IndexStatusRow::Deleting
            })
        });
        settings
    }

    fn described_settings(&self) -> TableSettings {
        let row = &self.row;
        let on_demand = row.billing.on_demand;
        TableSettings {
            table_name: row.name.clone(),
            attribute_definitions: row.attribute_definitions.iter().map(definition).collect(),
            key_schema: self.key_schema.clone(),
            billing_mode: if on_demand {
                BillingMode::PayPerRequest
            } else {
                BillingMode::Provisioned
            },
            provisioned_throughput: (!on_demand)
                .then(|| provisioned(row.billing.read_units, row.billing.write_units)),
            on_demand_throughput: upper_limits(
                row.billing.max_read_request_units,
                row.billing.max_write_request_units,
            ),
            warm_throughput: row.settings.warm.map(warm_of),
            local_secondary_indexes: row
                .local_indexes
                .iter()
                .map(|index| local_index(index, &row.partition_key))
                .collect(),
            global_secondary_indexes: row
                .global_indexes
                .iter()
                .map(|index| global_index(index, on_demand))
                .collect(),
            stream_view_type: stream_plan::view_type(row),
            sse_specification: row.settings.sse.as_ref().map(|sse| SseSpecification {
                enabled: true,
                kms_master_key_id: sse.kms_key.clone(),
            }),
            table_class: match row.infrequent_access {
                Some(true) => TableClass::StandardInfrequentAccess,
                _ => TableClass::Standard,
            },
            deletion_protection_enabled: row.deletion_protection,
        }
    }

    /// What DescribeTable says.
    pub fn description(&self, now_millis: u64, sizes: &Sizes) -> TableDescription {
        let row = &self.row;
        let settings = self.described_settings();
        let billing_mode = settings.billing_mode;
        let table_class = settings.table_class;
        let local = row.local_indexes.iter().map(|index| {
            let facts = IndexFacts::default();
            (index.name.clone(), facts, index.storage_id)
        });
        let global = row.global_indexes.iter().map(|index| {
            let facts = facts(index, row.readers_settled);
            (index.name.clone(), facts, index.storage_id)
        });
        let indexes: BTreeMap<_, _> = local
            .chain(global)
            .map(|(name, facts, storage_id)| {
                let Size { items, bytes } = sizes.of(storage_id);
                let facts = IndexFacts {
                    item_count: items,
                    index_size_bytes: bytes,
                    ..facts
                };
                (name, facts)
            })
            .collect();
        let size = sizes.of(row.storage_id);
        let mut description = settings.describe(TableFacts {
            table_status: match row.status {
                TableStatusRow::Active => TableStatus::Active,
                TableStatusRow::Deleting => TableStatus::Deleting,
                TableStatusRow::Creating => TableStatus::Creating,
                TableStatusRow::Updating => TableStatus::Updating,
            },
            creation_date_time: seconds(row.created_millis),
            table_id: uuid::Uuid::from_u128(row.table_id).to_string(),
            table_arn: self.arn.clone(),
            table_size_bytes: size.bytes,
            item_count: size.items,
            latest_stream_label: stream_plan::latest_label(row),
            indexes,
        });
        let today = |name: &str| i64::from(decreases_today(&row.settings, name, now_millis));
        add_changes(
            &mut description.provisioned_throughput,
            row.billing.last_increase_millis,
            row.billing.last_decrease_millis,
            today(""),
        );
        for (index, held) in description
            .global_secondary_indexes
            .iter_mut()
            .zip(&row.global_indexes)
        {
            add_changes(
                &mut index.provisioned_throughput,
                held.billing.last_increase_millis,
                held.billing.last_decrease_millis,
                today(&held.name),
            );
        }
        description.billing_mode_summary =
            row.billing
                .on_demand_since_millis
                .map(|since| BillingModeSummary {
                    billing_mode,
                    last_update_to_pay_per_request_date_time: Some(seconds(since)),
                });
        description.table_class_summary = row.infrequent_access.map(|_| TableClassSummary {
            table_class,
            last_update_date_time: row.class_changed_millis.map(seconds),
        });
        description
    }
}

fn add_changes(
    described: &mut ProvisionedThroughputDescription,
    last_increase_millis: Option<u64>,
    last_decrease_millis: Option<u64>,
    decreases_today: i64,
) {
    described.last_increase_date_time = last_increase_millis.map(seconds);
    described.last_decrease_date_time = last_decrease_millis.map(seconds);
    described.number_of_decreases_today = decreases_today;
}

/// Takes over into `row` what `settings` says of the table itself, and when it changed.
pub(super) fn take_settings(row: &mut TableRow, settings: &TableSettings, now_millis: u64) {
    take_billing(&mut row.billing, settings, now_millis);
    let infrequent = settings.table_class == TableClass::StandardInfrequentAccess;
    if infrequent != row.infrequent_access.unwrap_or(false) {
        row.infrequent_access = Some(infrequent);
        row.class_changed_millis = Some(now_millis);
    }
    row.deletion_protection = settings.deletion_protection_enabled;
    row.attribute_definitions = settings
        .attribute_definitions
        .iter()
        .map(definition_row)
        .collect();
    row.settings.sse = settings.sse_specification.as_ref().map(|sse| SseRow {
        kms_key: sse.kms_master_key_id.clone(),
    });
    row.settings.warm = settings.warm_throughput.map(warm_row);
}

fn take_billing(billing: &mut BillingRow, settings: &TableSettings, now_millis: u64) {
    let on_demand = settings.billing_mode == BillingMode::PayPerRequest;
    if on_demand && !billing.on_demand {
        billing.on_demand_since_millis = Some(now_millis);
    }
    billing.on_demand = on_demand;
    let units = settings.provisioned_throughput;
    let read = units
        .and_then(|u| u64::try_from(u.read_capacity_units).ok())
        .unwrap_or(0);
    let write = units
        .and_then(|u| u64::try_from(u.write_capacity_units).ok())
        .unwrap_or(0);
    if !on_demand && billing.read_units + billing.write_units > 0 {
        if read > billing.read_units || write > billing.write_units {
            billing.last_increase_millis = Some(now_millis);
        }
        if read < billing.read_units || write < billing.write_units {
            billing.last_decrease_millis = Some(now_millis);
        }
    }
    (billing.read_units, billing.write_units) = (read, write);
    let limits = settings.on_demand_throughput.unwrap_or_default();
    billing.max_read_request_units = limits.max_read_request_units;
    billing.max_write_request_units = limits.max_write_request_units;
}

/// The key attributes of a schema as rows.
pub(super) fn key_rows(schema: &KeySchema) -> (KeyRow, Option<KeyRow>) {
    let sort = schema
        .sort_key
        .as_ref()
        .map(|key| key_row(&key.name, key.scalar_type));
    let partition = &schema.partition_key;
    (key_row(&partition.name, partition.scalar_type), sort)
}

/// One of `AttributeDefinitions` as a row.
pub(super) fn definition_row(definition: &AttributeDefinition) -> KeyRow {
    key_row(&definition.attribute_name, definition.attribute_type)
}

/// A key attribute as a row.
pub(super) fn key_row(name: &str, scalar_type: ScalarType) -> KeyRow {
    KeyRow {
        name: name.to_owned(),
        key_type: match scalar_type {
            ScalarType::S => KeyTypeRow::S,
            ScalarType::N => KeyTypeRow::N,
            ScalarType::B => KeyTypeRow::B,
        },
    }
}

/// The type of a row's key attribute.
pub(super) fn scalar_type(row: &KeyRow) -> ScalarType {
    match row.key_type {
        KeyTypeRow::S => ScalarType::S,
        KeyTypeRow::N => ScalarType::N,
        KeyTypeRow::B => ScalarType::B,
    }
}

fn definition(row: &KeyRow) -> AttributeDefinition {
    AttributeDefinition {
        attribute_name: row.name.clone(),
        attribute_type: scalar_type(row),
    }
}

/// Provisioned units of a row.
pub(super) fn provisioned(read_units: u64, write_units: u64) -> ProvisionedThroughput {
    ProvisionedThroughput {
        read_capacity_units: i64::try_from(read_units).unwrap_or(i64::MAX),
        write_capacity_units: i64::try_from(write_units).unwrap_or(i64::MAX),
    }
}

/// Upper limits of a row; none at all is no setting.
pub(super) fn upper_limits(read: Option<i64>, write: Option<i64>) -> Option<OnDemandThroughput> {
    let limits = OnDemandThroughput {
        max_read_request_units: read,
        max_write_request_units: write,
    };
    (limits != OnDemandThroughput::default()).then_some(limits)
}

/// Seconds since 1970 with milliseconds, as the API gives times.
pub(super) fn seconds(millis: u64) -> f64 {
    let whole = f64::from(u32::try_from(millis / 1_000).unwrap_or(u32::MAX));
    let fraction = f64::from(u32::try_from(millis % 1_000).unwrap_or(0));
    whole + fraction / 1_000.0
}
