//! Streams in the catalog's changes: enabling and disabling. Pure.

use stator_model::operations::stream_label;
use stator_model::table::StreamViewType;

use crate::cluster::catalog::rows::{StreamRow, TableRow};

/// Streams that a table may have had and disabled, whose records may still be read, beside the last.
const DISABLED_KEPT_MAX: usize = 50;

/// What the enabled stream of a table records.
pub(super) fn view_type(row: &TableRow) -> Option<StreamViewType> {
    let enabled = row.streams.last().filter(|stream| stream.is_enabled())?;
    Some(enabled.view.into())
}

/// The label of the newest stream, enabled or not.
pub(super) fn latest_label(row: &TableRow) -> Option<String> {
    let newest = row.streams.last()?;
    Some(stream_label(newest.enabled_millis))
}

/// Makes the stream of `row` as settings have it; says whether that changed who reads the table's
/// changes, so that its partitions have to be told.
pub(super) fn take_stream(
    row: &mut TableRow,
    wanted: Option<StreamViewType>,
    now_millis: u64,
) -> bool {
    match (view_type(row), wanted) {
        (None, Some(view)) => {
            let last = row.streams.last();
            // The time is the stream's identity, and clocks may be set back.
            let after_last = last.map_or(0, |stream| stream.enabled_millis + 1);
            row.streams.push(StreamRow {
                enabled_millis: now_millis.max(after_last),
                view: view.into(),
                disabled_millis: None,
            });
            let surplus = row.streams.len().saturating_sub(DISABLED_KEPT_MAX + 1);
            row.streams.drain(..surplus);
            true
        }
        (Some(_), None) => {
            if let Some(stream) = row.streams.last_mut() {
                stream.disabled_millis = Some(now_millis);
            }
            true
        }
        _ => false,
    }
}
