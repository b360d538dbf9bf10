//! Between a table's row and what the API says of it.

use std::collections::BTreeMap;

use stator_model::key::{KeySchema, ScalarType};
use stator_model::table::{
    AttributeDefinition, BillingMode, BillingModeSummary, OnDemandThroughput,
    ProvisionedThroughput, TableClass, TableClassSummary, TableDescription, TableFacts,
    TableSettings, TableStatus,
};

use crate::cluster::Table;
use crate::cluster::catalog::rows::{BillingRow, KeyRow, KeyTypeRow, TableRow, TableStatusRow};

impl Table {
    /// The settings that requests choose.
    pub fn settings(&self) -> TableSettings {
        let row = &self.row;
        TableSettings {
            table_name: row.name.clone(),
            attribute_definitions: definitions(&self.key_schema),
            key_schema: self.key_schema.clone(),
            billing_mode: if row.billing.on_demand {
                BillingMode::PayPerRequest
            } else {
                BillingMode::Provisioned
            },
            provisioned_throughput: (!row.billing.on_demand).then(|| ProvisionedThroughput {
                read_capacity_units: i64::try_from(row.billing.read_units).unwrap_or(i64::MAX),
                write_capacity_units: i64::try_from(row.billing.write_units).unwrap_or(i64::MAX),
            }),
            on_demand_throughput: on_demand(&row.billing),
            warm_throughput: None,
            local_secondary_indexes: Vec::new(),
            global_secondary_indexes: Vec::new(),
            stream_view_type: None,
            sse_specification: None,
            table_class: match row.infrequent_access {
                Some(true) => TableClass::StandardInfrequentAccess,
                _ => TableClass::Standard,
            },
            deletion_protection_enabled: row.deletion_protection,
        }
    }

    /// What DescribeTable says. Item count and size are not counted by this version: they are 0.
    pub fn description(&self) -> TableDescription {
        let status = match self.row.status {
            TableStatusRow::Active => TableStatus::Active,
            TableStatusRow::Deleting => TableStatus::Deleting,
            TableStatusRow::Creating => TableStatus::Creating,
            TableStatusRow::Updating => TableStatus::Updating,
        };
        let row = &self.row;
        let mut description = self.settings().describe(TableFacts {
            table_status: status,
            creation_date_time: seconds(row.created_millis),
            table_id: uuid::Uuid::from_u128(row.table_id).to_string(),
            table_arn: self.arn.clone(),
            table_size_bytes: 0,
            item_count: 0,
            latest_stream_label: None,
            indexes: BTreeMap::new(),
        });
        description.provisioned_throughput.last_increase_date_time =
            row.billing.last_increase_millis.map(seconds);
        description.provisioned_throughput.last_decrease_date_time =
            row.billing.last_decrease_millis.map(seconds);
        description.billing_mode_summary =
            row.billing
                .on_demand_since_millis
                .map(|since| BillingModeSummary {
                    billing_mode: self.settings().billing_mode,
                    last_update_to_pay_per_request_date_time: Some(seconds(since)),
                });
        description.table_class_summary = row.infrequent_access.map(|_| TableClassSummary {
            table_class: self.settings().table_class,
            last_update_date_time: row.class_changed_millis.map(seconds),
        });
        description
    }
}

/// Takes over into `row` what `settings` says, and when it changed.
pub(super) fn take_settings(row: &mut TableRow, settings: &TableSettings, now_millis: u64) {
    let billing = &mut row.billing;
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
    billing.max_read_request_units = settings
        .on_demand_throughput
        .and_then(|limits| limits.max_read_request_units);
    billing.max_write_request_units = settings
        .on_demand_throughput
        .and_then(|limits| limits.max_write_request_units);
    let infrequent = settings.table_class == TableClass::StandardInfrequentAccess;
    if infrequent != row.infrequent_access.unwrap_or(false) {
        row.infrequent_access = Some(infrequent);
        row.class_changed_millis = Some(now_millis);
    }
    row.deletion_protection = settings.deletion_protection_enabled;
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

fn key_row(name: &str, scalar_type: ScalarType) -> KeyRow {
    KeyRow {
        name: name.to_owned(),
        key_type: match scalar_type {
            ScalarType::S => KeyTypeRow::S,
            ScalarType::N => KeyTypeRow::N,
            ScalarType::B => KeyTypeRow::B,
        },
    }
}

fn definitions(schema: &KeySchema) -> Vec<AttributeDefinition> {
    schema
        .attributes()
        .map(|attribute| AttributeDefinition {
            attribute_name: attribute.name.clone(),
            attribute_type: attribute.scalar_type,
        })
        .collect()
}

fn on_demand(billing: &BillingRow) -> Option<OnDemandThroughput> {
    let limits = OnDemandThroughput {
        max_read_request_units: billing.max_read_request_units,
        max_write_request_units: billing.max_write_request_units,
    };
    (limits != OnDemandThroughput::default()).then_some(limits)
}

/// Seconds since 1970 with milliseconds, as the API gives times.
fn seconds(millis: u64) -> f64 {
    let whole = f64::from(u32::try_from(millis / 1_000).unwrap_or(u32::MAX));
    let fraction = f64::from(u32::try_from(millis % 1_000).unwrap_or(0));
    whole + fraction / 1_000.0
}
