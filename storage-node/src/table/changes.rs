//! What a change of an item owes to the readers of changes: entries of local indexes, outbox
//! records for global ones, the stream's record, and what each index costs. Pure.

use bytes::Bytes;
use stator_model::capacity::write_units;
use stator_model::key::KeySchema;
use stator_model::value::{Item, item_size_bytes, items_data_equal};

use super::change_log::{
    OutboxRecord, StreamEvent, StreamRecord, outbox_append_prefix, stream_append_prefix,
};
use super::codec::attributes_to_bytes;
use super::index::IndexDefinition;
use super::stored::StoredItem;
use crate::engine::Keyspace;
use crate::hlc::Hlc;
use crate::replication::{Append, Cause, EngineWrite};

/// Which images the table's stream takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamView {
    /// The stream's identity within its table.
    pub enabled_millis: u64,
    /// The item before.
    pub old_image: bool,
    /// The item after.
    pub new_image: bool,
}

/// Who reads the changes of a partition.
#[derive(Debug, Clone, Default)]
pub struct Readers<'a> {
    /// Local indexes of the table.
    pub local: &'a [IndexDefinition],
    /// Global indexes that the partition feeds.
    pub global: Vec<&'a IndexDefinition>,
    /// The enabled stream.
    pub stream: Option<StreamView>,
}

impl Readers<'_> {
    /// Whether a change has to be told at all; if not, the old item need not be decoded.
    pub fn is_empty(&self) -> bool {
        self.local.is_empty() && self.global.is_empty() && self.stream.is_none()
    }
}

/// A change of one item; before and after differ.
#[derive(Debug, Clone, Copy)]
pub struct ItemChange<'a> {
    /// The partition.
    pub partition_id: u64,
    /// Version of its range and group.
    pub epoch: u64,
    /// The table's key.
    pub schema: &'a KeySchema,
    /// The item before.
    pub old: Option<&'a Item>,
    /// The item after.
    pub new: Option<&'a Item>,
    /// When.
    pub hlc: Hlc,
    /// Who asked.
    pub cause: Cause,
}

/// What a change owes to its readers.
#[derive(Debug, Default, PartialEq)]
pub struct Owed {
    /// Entries of local indexes.
    pub writes: Vec<EngineWrite>,
    /// Records of the change log.
    pub appends: Vec<Append>,
    /// Write units of each index that changes.
    pub index_units: Vec<IndexUnits>,
}

/// Capacity that a write consumed on one index.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct IndexUnits {
    /// Name of the index.
    pub name: String,
    /// Local rather than global.
    pub is_local: bool,
    /// Write capacity units.
    pub units: f64,
}

/// What `change` owes to `readers`.
pub fn owed(change: ItemChange<'_>, readers: &Readers<'_>) -> Owed {
    let mut owed = Owed::default();
    for index in readers.local {
        let Some(entry) = EntryChange::of(index, change) else {
            continue;
        };
        owed.index_units.push(entry.units(index));
        if let Some(key) = entry.remove {
            owed.writes.push(items_write(key, None));
        }
        if let Some((key, value)) = entry.put {
            owed.writes.push(items_write(key, Some(value)));
        }
    }
    for index in &readers.global {
        let Some(entry) = EntryChange::of(index, change) else {
            continue;
        };
        owed.index_units.push(entry.units(index));
        owed.appends.push(outbox_append(
            change.partition_id,
            change.epoch,
            index,
            entry,
        ));
    }
    if let Some(view) = readers.stream {
        owed.appends.push(stream_append(change, view));
    }
    owed
}

/// The outbox record that carries the entry of an item, as it is, to an index that is being filled;
/// `None` if the item has no entry there.
pub fn backfill(
    partition_id: u64,
    epoch: u64,
    index: &IndexDefinition,
    item: &Item,
    hlc: Hlc,
) -> Option<Append> {
    let key = index.entry_key(item)?;
    let entry = EntryChange {
        remove: None,
        put: Some((key, StoredItem::encode(&index.project(item), hlc))),
        units: 0.0,
    };
    Some(outbox_append(partition_id, epoch, index, entry))
}

/// What happens to the entry of an item in one index.
struct EntryChange {
    remove: Option<Bytes>,
    put: Option<(Bytes, Bytes)>,
    units: f64,
}

impl EntryChange {
    /// `None` if the entry stays as it is.
    fn of(index: &IndexDefinition, change: ItemChange<'_>) -> Option<Self> {
        let before = change.old.and_then(|item| Entry::of(index, item));
        let after = change.new.and_then(|item| Entry::of(index, item));
        let stored = |after: &Entry| StoredItem::encode(&after.item, change.hlc);
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some(Self {
                remove: None,
                units: write_units(0, after.size_bytes()),
                put: Some((after.key.clone(), stored(&after))),
            }),
            (Some(before), None) => Some(Self {
                units: write_units(before.size_bytes(), 0),
                remove: Some(before.key),
                put: None,
            }),
            (Some(before), Some(after)) if before.key == after.key => {
                if items_data_equal(&before.item, &after.item) {
                    return None;
                }
                Some(Self {
                    remove: None,
                    units: write_units(before.size_bytes(), after.size_bytes()),
                    put: Some((after.key.clone(), stored(&after))),
                })
            }
            // A changed key is a removal and an insertion, and costs both (semantics section 5).
            (Some(before), Some(after)) => Some(Self {
                units: write_units(before.size_bytes(), 0) + write_units(0, after.size_bytes()),
                remove: Some(before.key),
                put: Some((after.key.clone(), stored(&after))),
            }),
        }
    }

    fn units(&self, index: &IndexDefinition) -> IndexUnits {
        IndexUnits {
            name: index.name.clone(),
            is_local: index.is_local,
            units: self.units,
        }
    }
}

struct Entry {
    key: Bytes,
    item: Item,
}

impl Entry {
    fn of(index: &IndexDefinition, item: &Item) -> Option<Self> {
        Some(Self {
            key: index.entry_key(item)?,
            item: index.project(item),
        })
    }

    fn size_bytes(&self) -> usize {
        item_size_bytes(&self.item)
    }
}

fn items_write(key: Bytes, value: Option<Bytes>) -> EngineWrite {
    EngineWrite {
        keyspace: Keyspace::Items,
        key,
        value,
    }
}

fn outbox_append(
    partition_id: u64,
    epoch: u64,
    index: &IndexDefinition,
    entry: EntryChange,
) -> Append {
    let record = OutboxRecord {
        index: index.storage_id.0,
        remove: entry.remove,
        put: entry.put,
    };
    Append {
        keyspace: Keyspace::Changes,
        prefix: outbox_append_prefix(partition_id, epoch),
        value: record.encode(),
    }
}

fn stream_append(change: ItemChange<'_>, view: StreamView) -> Append {
    let keys: Item = change
        .new
        .or(change.old)
        .into_iter()
        .flat_map(|item| {
            change
                .schema
                .attributes()
                .filter_map(|attribute| item.get_key_value(&attribute.name))
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let old = change.old.filter(|_| view.old_image);
    let new = change.new.filter(|_| view.new_image);
    let size =
        item_size_bytes(&keys) + old.map_or(0, item_size_bytes) + new.map_or(0, item_size_bytes);
    let record = StreamRecord {
        stream_enabled_millis: view.enabled_millis,
        hlc: change.hlc.0,
        event: match (change.old, change.new) {
            (None, _) => StreamEvent::Insert,
            (Some(_), Some(_)) => StreamEvent::Modify,
            (Some(_), None) => StreamEvent::Remove,
        },
        is_expiry: change.cause == Cause::Ttl,
        keys: attributes_to_bytes(&keys),
        old_image: old.map(attributes_to_bytes),
        new_image: new.map(attributes_to_bytes),
        size_bytes: size as u64,
    };
    Append {
        keyspace: Keyspace::Changes,
        prefix: stream_append_prefix(change.partition_id, change.epoch),
        value: record.encode(),
    }
}

#[cfg(test)]
mod tests;
