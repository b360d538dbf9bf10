//! Consumed capacity and sizes of item collections (protocol, section 10.4).
//!
//! ```text
//! compact    bytes: table name | units | table's units or null | global indexes or null | local indexes or null
//! extended   map: 1 units, 2 read units, 3 write units, 4 table name, 5 table, 6 global indexes, 7 local indexes
//! metrics    bytes: partition key | lower bound | upper bound, in GB
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::cbor::Writer;
use super::super::value::write_value;
use super::items::member;
use super::{Entries, Unreadable, Written};
use crate::wire::{Members, parse_item};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Capacity {
    table_name: Option<String>,
    #[serde(flatten)]
    all: Units,
    table: Option<Units>,
    global_secondary_indexes: Option<BTreeMap<String, Units>>,
    local_secondary_indexes: Option<BTreeMap<String, Units>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Units {
    capacity_units: Option<f64>,
    read_capacity_units: Option<f64>,
    write_capacity_units: Option<f64>,
}

/// The capacity of an answer about one table, in the compact form.
pub(super) fn push(members: &Members<'_>, entries: &mut Entries) -> Written<()> {
    if let Some(json) = members.get("ConsumedCapacity") {
        let bytes = compact(&serde_json::from_str(json)?);
        entries.push(member::CONSUMED_CAPACITY, |writer| writer.bytes(&bytes));
    }
    Ok(())
}

fn compact(capacity: &Capacity) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.text(capacity.table_name.as_deref().unwrap_or_default());
    writer.float(capacity.all.capacity_units.unwrap_or(0.0));
    match &capacity.table {
        Some(units) => writer.float(units.capacity_units.unwrap_or(0.0)),
        None => writer.null(),
    }
    for indexes in [
        &capacity.global_secondary_indexes,
        &capacity.local_secondary_indexes,
    ] {
        let Some(indexes) = indexes else {
            writer.null();
            continue;
        };
        writer.map(indexes.len());
        for (name, units) in indexes {
            writer.text(name);
            writer.float(units.capacity_units.unwrap_or(0.0));
        }
    }
    writer.finish()
}

fn capacities(members: &Members<'_>) -> Written<Vec<Capacity>> {
    Ok(match members.get("ConsumedCapacity") {
        Some(json) => serde_json::from_str(json)?,
        None => Vec::new(),
    })
}

/// The capacities of a batch.
pub(super) fn write_compact_array(members: &Members<'_>, writer: &mut Writer) -> Written<()> {
    let all = capacities(members)?;
    writer.array(all.len());
    all.iter()
        .for_each(|capacity| writer.bytes(&compact(capacity)));
    Ok(())
}

/// The capacities of a transaction.
pub(super) fn write_extended_array(members: &Members<'_>, writer: &mut Writer) -> Written<()> {
    let all = capacities(members)?;
    writer.array(all.len());
    for capacity in &all {
        let mut entries = units(&capacity.all);
        if let Some(name) = &capacity.table_name {
            entries.push(4, |writer| writer.text(name));
        }
        if let Some(table) = &capacity.table {
            entries.push(5, |writer| units(table).write(writer));
        }
        let indexes = [
            (6, &capacity.global_secondary_indexes),
            (7, &capacity.local_secondary_indexes),
        ];
        for (number, indexes) in indexes {
            let Some(indexes) = indexes else { continue };
            entries.push(number, |writer| {
                writer.map(indexes.len());
                for (name, of_index) in indexes {
                    writer.text(name);
                    units(of_index).write(writer);
                }
            });
        }
        entries.write(writer);
    }
    Ok(())
}

fn units(units: &Units) -> Entries {
    let mut entries = Entries::default();
    let parts = [
        units.capacity_units,
        units.read_capacity_units,
        units.write_capacity_units,
    ];
    for (number, value) in (1..).zip(parts) {
        if let Some(value) = value {
            entries.push(number, |writer| writer.float(value));
        }
    }
    entries
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics<'a> {
    #[serde(borrow)]
    item_collection_key: &'a RawValue,
    #[serde(rename = "SizeEstimateRangeGB")]
    size_estimate_range_gb: [f64; 2],
}

/// The size of one item collection.
pub(super) fn metrics(json: &str) -> Written<Vec<u8>> {
    let metrics: Metrics<'_> = serde_json::from_str(json)?;
    let key = parse_item(metrics.item_collection_key.get())?;
    let partition_key = key.values().next().ok_or(Unreadable)?;
    let mut writer = Writer::new();
    write_value(partition_key, &mut writer);
    metrics
        .size_estimate_range_gb
        .into_iter()
        .for_each(|bound| writer.float(bound));
    Ok(writer.finish())
}

/// The sizes of the item collections of a batch or transaction, by table.
pub(super) fn write_metrics_by_table(members: &Members<'_>, writer: &mut Writer) -> Written<()> {
    let by_table: BTreeMap<String, Vec<&RawValue>> = match members.get("ItemCollectionMetrics") {
        Some(json) => serde_json::from_str(json)?,
        None => BTreeMap::new(),
    };
    writer.map(by_table.len());
    for (table, all) in by_table {
        writer.text(&table);
        writer.array(all.len());
        for one in all {
            writer.bytes(&metrics(one.get())?);
        }
    }
    Ok(())
}
