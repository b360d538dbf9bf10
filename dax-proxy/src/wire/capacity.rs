//! `ConsumedCapacity` of answers from the cache.
//!
//! A hit consumed nothing: 0 units (DynamoDB semantics, section 29). What was fetched is charged as
//! the client's own, eventually consistent read would have been, whatever the fill cost.

use stator_model::{ApiError, item_size_bytes};

use super::item::parse_item_bytes;
use super::members::ObjectWriter;
use crate::cache::CachedItem;

/// `ReturnConsumedCapacity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CapacityMode {
    /// No member.
    None,
    /// `TableName` and `CapacityUnits`.
    Total,
    /// And `Table: {CapacityUnits}`.
    Indexes,
}

impl CapacityMode {
    /// From the request's text; absent is `NONE`. `None` for what is not in the enum.
    pub(crate) fn from_text(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("NONE") => Some(Self::None),
            Some("TOTAL") => Some(Self::Total),
            Some("INDEXES") => Some(Self::Indexes),
            Some(_) => None,
        }
    }
}

/// Read units of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ReadCapacity {
    half_units: u64,
}

impl ReadCapacity {
    /// An eventually consistent read of an item of `item_size_bytes` (0: no item): half a unit for each
    /// 4 KB begun, at least one half (section 5).
    pub(crate) fn of_item(item_size_bytes: usize) -> Self {
        let half_units = u64::try_from(item_size_bytes.div_ceil(4_096))
            .unwrap_or(u64::MAX)
            .max(1);
        Self { half_units }
    }

    /// The same of an item as the cache holds it.
    ///
    /// # Errors
    /// The item's JSON, which is the store's, cannot be read.
    pub(crate) fn of_cached(item: &CachedItem) -> Result<Self, ApiError> {
        let size = match item.item_json() {
            Some(json) => {
                let item = parse_item_bytes(json)
                    .map_err(|_| ApiError::internal("The item cannot be read."))?;
                item_size_bytes(&item)
            }
            None => 0,
        };
        Ok(Self::of_item(size))
    }

    /// Adds another read's.
    pub(crate) fn add(&mut self, other: Self) {
        self.half_units = self.half_units.saturating_add(other.half_units);
    }

    /// The JSON object for a table named as the request named it; `None` in mode `NONE`.
    pub(crate) fn json(self, mode: CapacityMode, table_name: &str) -> Option<Vec<u8>> {
        let units = format!(
            "{}.{}",
            self.half_units / 2,
            if self.half_units % 2 == 1 { 5 } else { 0 }
        );
        let mut writer = ObjectWriter::new();
        writer.text_member("TableName", table_name);
        writer.member("CapacityUnits", units.as_bytes());
        match mode {
            CapacityMode::None => return None,
            CapacityMode::Total => {}
            CapacityMode::Indexes => {
                writer.member("Table", format!("{{\"CapacityUnits\":{units}}}").as_bytes());
            }
        }
        Some(writer.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capacity: ReadCapacity, mode: CapacityMode, expected: &str) {
        let json = capacity
            .json(mode, "t")
            .map(|json| String::from_utf8(json).unwrap());
        assert_eq!(json.as_deref(), Some(expected));
    }

    #[test]
    fn a_hit_costs_nothing_and_a_miss_what_an_eventual_read_costs() {
        check(
            ReadCapacity::default(),
            CapacityMode::Total,
            r#"{"TableName":"t","CapacityUnits":0.0}"#,
        );
        check(
            ReadCapacity::of_item(0),
            CapacityMode::Total,
            r#"{"TableName":"t","CapacityUnits":0.5}"#,
        );
        check(
            ReadCapacity::of_item(4_096),
            CapacityMode::Total,
            r#"{"TableName":"t","CapacityUnits":0.5}"#,
        );
        let mut two = ReadCapacity::of_item(4_097);
        two.add(ReadCapacity::of_item(1));
        check(
            two,
            CapacityMode::Indexes,
            r#"{"TableName":"t","CapacityUnits":1.5,"Table":{"CapacityUnits":1.5}}"#,
        );
        assert_eq!(two.json(CapacityMode::None, "t"), None);
    }
}
