//! Rows of older format versions, as they lay on disk.
//!
//! Version 1 of all rows: the release 0.1, which knew neither indexes nor streams.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    BillingRow, DroppedRow, KeyRow, PartitionRow, PartitionStateRow, ReadersRow, SettingsRow,
    TableRow, TableStatusRow,
};

#[derive(Deserialize)]
struct TableV1 {
    name: String,
    table_id: u128,
    storage_id: u64,
    status: TableStatusRow,
    created_millis: u64,
    partition_key: KeyRow,
    sort_key: Option<KeyRow>,
    billing: BillingRow,
    infrequent_access: Option<bool>,
    class_changed_millis: Option<u64>,
    deletion_protection: bool,
    partitions: Vec<PartitionRow>,
}

#[derive(Deserialize)]
struct DroppedV1 {
    name: String,
    storage_id: u64,
    partitions: Vec<PartitionRow>,
}

#[derive(Deserialize)]
struct PartitionV1 {
    storage_id: u64,
    first_hash: u64,
    last_hash: u64,
    epoch: u64,
}

pub(super) fn table(version: u8, body: &[u8]) -> Option<TableRow> {
    if version != 1 {
        return None;
    }
    let old: TableV1 = postcard::from_bytes(body).ok()?;
    let attribute_definitions = [Some(&old.partition_key), old.sort_key.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    Some(TableRow {
        name: old.name,
        table_id: old.table_id,
        storage_id: old.storage_id,
        status: old.status,
        created_millis: old.created_millis,
        partition_key: old.partition_key,
        sort_key: old.sort_key,
        billing: old.billing,
        infrequent_access: old.infrequent_access,
        class_changed_millis: old.class_changed_millis,
        deletion_protection: old.deletion_protection,
        partitions: old.partitions,
        attribute_definitions,
        local_indexes: Vec::new(),
        global_indexes: Vec::new(),
        streams: Vec::new(),
        ttl: None,
        tags: BTreeMap::new(),
        settings: SettingsRow::default(),
        readers_version: 0,
        readers_settled: true,
    })
}

pub(super) fn dropped(version: u8, body: &[u8]) -> Option<DroppedRow> {
    if version != 1 {
        return None;
    }
    let old: DroppedV1 = postcard::from_bytes(body).ok()?;
    Some(DroppedRow {
        name: old.name,
        storage_id: old.storage_id,
        partitions: old.partitions,
        local_indexes: Vec::new(),
        partition_key: None,
        sort_key: None,
        streams: Vec::new(),
        only_streams_left: false,
    })
}

pub(super) fn partition(version: u8, body: &[u8]) -> Option<PartitionStateRow> {
    if version != 1 {
        return None;
    }
    let old: PartitionV1 = postcard::from_bytes(body).ok()?;
    Some(PartitionStateRow {
        storage_id: old.storage_id,
        first_hash: old.first_hash,
        last_hash: old.last_hash,
        epoch: old.epoch,
        local_indexes: Vec::new(),
        readers: ReadersRow::default(),
    })
}
