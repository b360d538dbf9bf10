//! Capacity units and how answers report them.
//!
//! Source: developer guide, "Read and write operations": 4 KB a read unit, 1 KB a write unit,
//! rounded up, at least one; an eventually consistent read costs half.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, Double, Member, Members, read_document};
use crate::json::write::{Object, write_double};
use crate::operations::ReturnConsumedCapacity;

const READ_UNIT_BYTES: usize = 4 * 1024;
const WRITE_UNIT_BYTES: usize = 1024;

/// What a read of so many bytes costs: an item for GetItem (0 for a missing one), all evaluated
/// bytes of a page for Query and Scan.
pub fn read_units(size_bytes: usize, consistent: bool) -> f64 {
    let units = whole_units(size_bytes, READ_UNIT_BYTES);
    if consistent { units } else { units / 2.0 }
}

/// What a write costs: the larger of the item before and after, 0 where there is none. A failed
/// condition costs the same, with the size that the write would have had.
pub fn write_units(old_size_bytes: usize, new_size_bytes: usize) -> f64 {
    whole_units(old_size_bytes.max(new_size_bytes), WRITE_UNIT_BYTES)
}

fn whole_units(size_bytes: usize, unit_bytes: usize) -> f64 {
    let units = size_bytes.div_ceil(unit_bytes).max(1);
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

/// What a request consumed on one table, as far as the caller asked to see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumedCapacity {
    /// The table's name, or its ARN if the request gave that.
    pub table_name: String,
    /// All units.
    pub capacity_units: f64,
    /// The units of the table itself, shown for `INDEXES`.
    pub table: Option<f64>,
}

impl ConsumedCapacity {
    /// The report that the caller asked for, if any.
    pub fn report(
        mode: ReturnConsumedCapacity,
        table_name: &str,
        capacity_units: f64,
    ) -> Option<ConsumedCapacity> {
        let table = match mode {
            ReturnConsumedCapacity::None => return None,
            ReturnConsumedCapacity::Total => None,
            ReturnConsumedCapacity::Indexes => Some(capacity_units),
        };
        Some(ConsumedCapacity {
            table_name: table_name.to_owned(),
            capacity_units,
            table,
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("TableName", &self.table_name);
        write_double(self.capacity_units, object.member("CapacityUnits"));
        if let Some(units) = self.table {
            let mut table = Object::begin(object.member("Table"));
            write_double(units, table.member("CapacityUnits"));
            table.end();
        }
        object.end();
    }

    /// Reads a report, for clients.
    ///
    /// # Errors
    /// The text is not a report.
    pub fn parse(text: &[u8]) -> Result<ConsumedCapacity, ApiError> {
        let mut report = ConsumedCapacity::default();
        read_document(text, &Context::default(), &mut report)?;
        Ok(report)
    }
}

impl Members for ConsumedCapacity {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableName" => self.table_name = value.text()?.unwrap_or_default(),
            "CapacityUnits" => self.capacity_units = value.read(Double)?.unwrap_or_default(),
            "Table" => {
                let mut table = ArmWire::default();
                if value.structure(&mut table)? {
                    self.table = table.capacity_units;
                }
            }
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct ArmWire {
    capacity_units: Option<f64>,
}

impl Members for ArmWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "CapacityUnits" => self.capacity_units = value.read(Double)?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_round_up_and_are_never_zero() {
        for (bytes, consistent, units) in [
            (0, true, 1.0),
            (0, false, 0.5),
            (4096, true, 1.0),
            (4097, true, 2.0),
            (4097, false, 1.0),
            (1_048_576, false, 128.0),
        ] {
            assert_eq!(read_units(bytes, consistent), units, "{bytes} {consistent}");
        }
        for (old, new, units) in [
            (0, 0, 1.0),
            (1024, 10, 1.0),
            (10, 1025, 2.0),
            (2560, 0, 3.0),
        ] {
            assert_eq!(write_units(old, new), units, "{old} {new}");
        }
    }

    #[test]
    fn reports_have_the_shape_that_was_asked_for() {
        let text = |mode| {
            ConsumedCapacity::report(mode, "T", 0.5).map(|report| {
                let mut out = Vec::new();
                report.write(&mut out);
                assert_eq!(ConsumedCapacity::parse(&out).unwrap(), report);
                String::from_utf8(out).unwrap()
            })
        };
        assert_eq!(text(ReturnConsumedCapacity::None), None);
        assert_eq!(
            text(ReturnConsumedCapacity::Total).unwrap(),
            r#"{"TableName":"T","CapacityUnits":0.5}"#
        );
        assert_eq!(
            text(ReturnConsumedCapacity::Indexes).unwrap(),
            r#"{"TableName":"T","CapacityUnits":0.5,"Table":{"CapacityUnits":0.5}}"#
        );
    }
}
