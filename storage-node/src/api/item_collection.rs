//! `ItemCollectionMetrics`: how large the items of one partition key have become, with their entries
//! in local indexes. Only tables with local indexes have item collections.

use stator_model::operations::ReturnItemCollectionMetrics;
use stator_model::value::Item;

use super::respond::Body;
use crate::cluster::ItemWrite;
use crate::table::codec_json::item_to_json;

/// Appends `ItemCollectionMetrics` of one write, if it is asked for and the table has any.
pub(super) fn member(mode: ReturnItemCollectionMetrics, write: &ItemWrite, body: &mut Body) {
    if applies(mode, write) {
        metrics(write, body.member("ItemCollectionMetrics"));
    }
}

/// Whether a write has item collection metrics to tell.
pub(super) fn applies(mode: ReturnItemCollectionMetrics, write: &ItemWrite) -> bool {
    mode == ReturnItemCollectionMetrics::Size && !write.table.local_indexes.is_empty()
}

/// Appends the metrics of the collection that `write` belongs to. The service gives a range of one
/// gigabyte that is an estimate; this version gives the lowest.
pub(super) fn metrics(write: &ItemWrite, out: &mut Vec<u8>) {
    let name = write.table.key_schema.partition_key.name.clone();
    let key: Item = [(name, write.key.partition_key().clone())].into();
    out.extend_from_slice(b"{\"ItemCollectionKey\":");
    item_to_json(&key, out);
    out.extend_from_slice(b",\"SizeEstimateRangeGB\":[0.0,1.0]}");
}
